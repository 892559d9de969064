// SPDX-License-Identifier: MIT
//
// The inner loop of everything that is a matrix product: a tile of accumulators, kept in
// registers, of vectors times scalars.
#ifndef CLVITS_CPU_TILE_H
#define CLVITS_CPU_TILE_H

#include "cpu/isa.h"

/* Rows of a tile: with two vectors per row it fills the registers. */
#if CLVITS_REGISTERS >= 32
#define CLVITS_TILE 12
#define CLVITS_TILE_MORE(DO) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#else
#define CLVITS_TILE 6
#define CLVITS_TILE_MORE(DO)
#endif
#define CLVITS_TILE_ROWS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) CLVITS_TILE_MORE(DO)

#define CLVITS_TILE_PLACE(r) const long s##r = (r < rows ? r : rows - 1) * next;

#define CLVITS_TILE_WEIGHT1 const clvits_vec w0 = clvits_vec_load(w);
#define CLVITS_TILE_DECLARE1(r) clvits_vec a##r = { 0 };
#define CLVITS_TILE_LOAD1(r) a##r = clvits_vec_load(acc + r * CLVITS_VECTOR);
#define CLVITS_TILE_FMA1_ALL(r) a##r += w0 * s[r * next];
#define CLVITS_TILE_FMA1_SOME(r) a##r += w0 * s[s##r];
#define CLVITS_TILE_STORE1(r) clvits_vec_store(acc + r * CLVITS_VECTOR, a##r);

#define CLVITS_TILE_WEIGHT2                                                                       \
    const clvits_vec w0 = clvits_vec_load(w), w1 = clvits_vec_load(w + CLVITS_VECTOR);
#define CLVITS_TILE_DECLARE2(r) clvits_vec a##r = { 0 }, b##r = { 0 };
#define CLVITS_TILE_LOAD2(r)                                                                      \
    a##r = clvits_vec_load(acc + 2 * r * CLVITS_VECTOR);                                          \
    b##r = clvits_vec_load(acc + (2 * r + 1) * CLVITS_VECTOR);
#define CLVITS_TILE_FMA2(r, value)                                                                \
    {                                                                                             \
        const float e = value;                                                                    \
        a##r += w0 * e;                                                                           \
        b##r += w1 * e;                                                                           \
    }
#define CLVITS_TILE_FMA2_ALL(r) CLVITS_TILE_FMA2(r, s[r * next])
#define CLVITS_TILE_FMA2_SOME(r) CLVITS_TILE_FMA2(r, s[s##r])
#define CLVITS_TILE_STORE2(r)                                                                     \
    clvits_vec_store(acc + 2 * r * CLVITS_VECTOR, a##r);                                          \
    clvits_vec_store(acc + (2 * r + 1) * CLVITS_VECTOR, b##r);

/*
 * acc[r] = (add ? acc[r] : 0) + sum over i < n of w[i] * s[i * step + r * next], for the first rows
 * of the tile; acc and w are arrays of one vector per row, or of two. Where there are fewer rows
 * than CLVITS_TILE, the last one is read again, and the rest of acc is of no use.
 */
static inline void clvits_tile_one(float *acc, int rows, int n, const float *w, const float *s,
                                   long step, long next, int add)
{
    CLVITS_TILE_ROWS(CLVITS_TILE_DECLARE1)
    if (add) {
        CLVITS_TILE_ROWS(CLVITS_TILE_LOAD1)
    }
    if (rows >= CLVITS_TILE) {
        for (int i = 0; i < n; i++, w += CLVITS_VECTOR, s += step) {
            CLVITS_TILE_WEIGHT1
            CLVITS_TILE_ROWS(CLVITS_TILE_FMA1_ALL)
        }
    } else {
        CLVITS_TILE_ROWS(CLVITS_TILE_PLACE)
        for (int i = 0; i < n; i++, w += CLVITS_VECTOR, s += step) {
            CLVITS_TILE_WEIGHT1
            CLVITS_TILE_ROWS(CLVITS_TILE_FMA1_SOME)
        }
    }
    CLVITS_TILE_ROWS(CLVITS_TILE_STORE1)
}

static inline void clvits_tile_two(float *acc, int rows, int n, const float *w, const float *s,
                                   long step, long next, int add)
{
    CLVITS_TILE_ROWS(CLVITS_TILE_DECLARE2)
    if (add) {
        CLVITS_TILE_ROWS(CLVITS_TILE_LOAD2)
    }
    if (rows >= CLVITS_TILE) {
        for (int i = 0; i < n; i++, w += 2 * CLVITS_VECTOR, s += step) {
            CLVITS_TILE_WEIGHT2
            CLVITS_TILE_ROWS(CLVITS_TILE_FMA2_ALL)
        }
    } else {
        CLVITS_TILE_ROWS(CLVITS_TILE_PLACE)
        for (int i = 0; i < n; i++, w += 2 * CLVITS_VECTOR, s += step) {
            CLVITS_TILE_WEIGHT2
            CLVITS_TILE_ROWS(CLVITS_TILE_FMA2_SOME)
        }
    }
    CLVITS_TILE_ROWS(CLVITS_TILE_STORE2)
}

#endif
