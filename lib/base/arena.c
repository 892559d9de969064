// SPDX-License-Identifier: MIT
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, BLOCK = 1 << 16 };

struct clvits_arena_block {
    struct clvits_arena_block *next;
    size_t used, size; /* both count from the block's start, header included */
};

static size_t align_up(size_t n)
{
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static struct clvits_arena_block *add_block(clvits_arena *a, size_t payload)
{
    const size_t header = align_up(sizeof(struct clvits_arena_block));
    const size_t size = header + (payload > BLOCK ? payload : BLOCK);
    struct clvits_arena_block *b = aligned_alloc(ALIGN, size);

    if (!b)
        return NULL;
    b->used = header;
    b->size = size;
    b->next = a->blocks;
    a->blocks = b;
    a->total += size;
    return b;
}

void *clvits_arena_alloc(clvits_arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = align_up(size ? size : 1);

    struct clvits_arena_block *b = a->blocks;
    if (!b || b->size - b->used < size)
        b = add_block(a, size);
    if (!b)
        return NULL;

    void *p = (char *)b + b->used;
    b->used += size;
    return memset(p, 0, size);
}

void *clvits_arena_array(clvits_arena *a, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        return NULL;
    return clvits_arena_alloc(a, n * size);
}

char *clvits_arena_text(clvits_arena *a, const char *text, size_t n)
{
    char *copy = clvits_arena_alloc(a, n + 1);
    if (copy)
        memcpy(copy, text, n);
    return copy;
}

void clvits_arena_free(clvits_arena *a)
{
    for (struct clvits_arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (clvits_arena){ 0 };
}
