// SPDX-License-Identifier: MIT
#ifndef CLVITS_CPU_EXP_H
#define CLVITS_CPU_EXP_H

#include "cpu/isa.h"

#include <stdint.h>

typedef int32_t clvits_ivec __attribute__((vector_size(CLVITS_VECTOR * sizeof(int32_t))));
typedef uint32_t clvits_uvec __attribute__((vector_size(CLVITS_VECTOR * sizeof(uint32_t))));

static inline clvits_vec clvits_vec_splat(float x)
{
    return (clvits_vec){ 0 } + x;
}

static inline clvits_vec clvits_vec_max(clvits_vec a, clvits_vec b)
{
    return (clvits_vec)(((clvits_ivec)a & (a > b)) | ((clvits_ivec)b & ~(a > b)));
}

/*
 * exp of numbers up to 0, to two units in the last place; below -87 it stays at exp(-87), and what
 * is not a number stays that.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; adding 1.5 * 2^23 rounds to the integer n and leaves it in
 * the low bits. exp(r) by its series.
 */
static inline clvits_vec clvits_vec_exp(clvits_vec x)
{
    const clvits_vec lowest = clvits_vec_splat(-87.0f), magic = clvits_vec_splat(0x1.8p23f);
    const clvits_ivec below = x < lowest;

    x = (clvits_vec)(((clvits_ivec)lowest & below) | ((clvits_ivec)x & ~below));
    const clvits_vec shifted = x * 0x1.715476p+0f + magic;
    const clvits_vec n = shifted - magic;
    const clvits_vec r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
    clvits_vec p = r * (1.0f / 5040.0f) + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * (r * r) + (r + 1.0f);
    return p * (clvits_vec)(((clvits_uvec)shifted + 127u) << 23);
}

#endif
