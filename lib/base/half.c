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

/* Every kind is computed and one chosen by masks, so that compilers make vectors of it. */
static uint32_t float_bits_of(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, size = half & 0x7fff;
    const uint32_t normal = (size << 13) + 0x38000000, endless = 0x7f800000 | size << 13;
    const float x = (float)(int32_t)size * 0x1p-24f;
    uint32_t tiny;

    const uint32_t is_tiny = -(uint32_t)(size < 0x0400), is_endless = -(uint32_t)(size >= 0x7c00);

    memcpy(&tiny, &x, sizeof(tiny));
    return sign | (tiny & is_tiny) | (endless & is_endless) | (normal & ~is_tiny & ~is_endless);
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
    enum { BLOCK = 256 }; /* apart from both, so that compilers need not fear overlaps */
    const char *from = halves;
    uint16_t block[BLOCK];
    uint32_t bits[BLOCK];

    for (size_t i = 0; i < n; i += BLOCK) {
        const size_t most = n - i < BLOCK ? n - i : BLOCK;

        memcpy(block, from + 2 * i, most * sizeof(*block));
        memset(block + most, 0, (BLOCK - most) * sizeof(*block));
        for (int k = 0; k < BLOCK; k++)
            bits[k] = float_bits_of(block[k]);
        memcpy(out + i, bits, most * sizeof(*out));
    }
}
