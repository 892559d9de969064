// SPDX-License-Identifier: MIT
#include "base/half.h"

#include <stdint.h>
#include <string.h>

static uint16_t half_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    const uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;

    if (size > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (size >= 0x477fe000) /* 65504 */
        return (uint16_t)(sign | 0x7bff);
    if (size >= 0x38800000) { /* 2^-14: normal; the carry of rounding may move the exponent */
        const uint32_t kept = size - 0x38000000;
        return (uint16_t)(sign | ((kept + 0xfff + (kept >> 13 & 1)) >> 13));
    }
    /* The float adder rounds to multiples of 2^-24, the least of a half. */
    float shifted;
    memcpy(&shifted, &size, sizeof(shifted));
    shifted += 0.5f;
    memcpy(&bits, &shifted, sizeof(bits));
    return (uint16_t)(sign | (bits - 0x3f000000));
}

static float float_of(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, size = half & 0x7fff;
    uint32_t bits = sign | ((size << 13) + 0x38000000);
    float x;

    if (size >= 0x7c00)
        bits = sign | 0x7f800000 | size << 13;
    if (size < 0x0400) {
        x = (float)size * 0x1p-24f;
        memcpy(&bits, &x, sizeof(bits));
        bits |= sign;
    }
    memcpy(&x, &bits, sizeof(x));
    return x;
}

void clvits_halves_pack(void *out, const float *x, size_t n)
{
    char *to = out;

    for (size_t i = 0; i < n; i++) {
        const uint16_t half = half_of(x[i]);
        memcpy(to + 2 * i, &half, sizeof(half));
    }
}

void clvits_halves_unpack(float *out, const void *halves, size_t n)
{
    const char *from = halves;

    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * i, sizeof(half));
        out[i] = float_of(half);
    }
}
