// SPDX-License-Identifier: MIT
#include "base/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    PAGE = 2 << 20,   /* bytes of a large page on most systems */
    LEAST = 4 * PAGE, /* of less memory, rounding would waste too much */
};

void *clvits_pages_alloc(size_t size)
{
    if (size < LEAST)
        return aligned_alloc(64, size);
    void *p = aligned_alloc(PAGE, (size + PAGE - 1) / PAGE * PAGE);
#ifdef MADV_HUGEPAGE
    if (p)
        madvise(p, size, MADV_HUGEPAGE);
#endif
    return p;
}
