// SPDX-License-Identifier: MIT
#include "base/mark.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

/* A slot is free, or its file is being cut, or it has a descriptor and a size. */
enum { FREE = 0, BUSY = -1, MOST_FILES = INT_MAX / 2 - 1 };

static int slot_of(int fd, int size)
{
    return 2 * (fd + 1) + size;
}

static int fd_of(int slot)
{
    return slot / 2 - 1;
}

void clvits_marks_add(clvits_marks *m, int fd, int size)
{
    for (int i = 0; i < CLVITS_MARKS && fd < MOST_FILES; i++) {
        int is = FREE;
        if (atomic_compare_exchange_strong(&m->slot[i], &is, slot_of(fd, size)))
            return;
    }
}

void clvits_marks_remove(clvits_marks *m, int fd)
{
    for (int i = 0; i < CLVITS_MARKS; i++) {
        int is = atomic_load(&m->slot[i]);
        /* What is being cut has to stay open until that is done. */
        while (is == BUSY || (fd_of(is) == fd &&
                              !atomic_compare_exchange_strong(&m->slot[i], &is, FREE))) {
            sched_yield();
            is = atomic_load(&m->slot[i]);
        }
    }
}

void clvits_marks_take_back(clvits_marks *m)
{
    for (int i = 0; i < CLVITS_MARKS; i++) {
        const int is = atomic_exchange(&m->slot[i], BUSY);
        bool cut = true;
        if (is == BUSY) /* by somebody else */
            continue;
        if (is != FREE)
            cut = !ftruncate(fd_of(is), is % 2);
        (void)cut; /* where it cannot be, the next program is told what is not so */
        atomic_store(&m->slot[i], FREE);
    }
}
