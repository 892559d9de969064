// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_ARENA_H
#define CLVITS_BASE_ARENA_H

#include <stddef.h>

/**
 * Memory of one graph, voice or parse, freed at once. Zero-initialise before the first use.
 *
 * Not for two threads at a time. Allocations are aligned to 64 bytes and zeroed.
 */
typedef struct clvits_arena {
    struct clvits_arena_block *blocks;
    size_t total; /* bytes taken from malloc */
} clvits_arena;

/** Zeroed memory, or NULL. */
void *clvits_arena_alloc(clvits_arena *a, size_t size);

/** As above for n items of the given size; NULL when the product overflows. */
void *clvits_arena_array(clvits_arena *a, size_t n, size_t size);

/** A copy of the first n bytes of a string with a terminator, or NULL. */
char *clvits_arena_text(clvits_arena *a, const char *text, size_t n);

/** Free everything; the arena may be used again. */
void clvits_arena_free(clvits_arena *a);

#endif
