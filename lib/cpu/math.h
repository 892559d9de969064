// SPDX-License-Identifier: MIT
//
// exp, tanh, the logistic function and GELU as straight lines of arithmetic without branches or
// calls, so that loops over them become vector code. Within 1e-6 of the true value over the whole
// range (relative; absolute where GELU falls to zero), infinities and NaN included.
#ifndef CLVITS_CPU_MATH_H
#define CLVITS_CPU_MATH_H

#include <stdint.h>
#include <string.h>

/* 2^n for n in [-126, 127]. */
static inline float clvits_power_of_two(int32_t n)
{
    const int32_t bits = (int32_t)((uint32_t)(n + 127) << 23);
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

/*
 * x = n ln 2 + r with |r| <= ln 2 / 2, for |x| < 2^15; returns n, and e^r - 1 in *q.
 *
 * n comes from adding 1.5 * 2^23, which leaves round(x / ln 2) in the low bits of the sum. ln 2 is
 * taken off in two parts, the first short enough for its multiples to be exact (Cody and Waite
 * 1980). e^r - 1 is the Taylor polynomial of degree 7, whose remainder is below 6e-9.
 */
static inline int32_t clvits_exp_parts(float x, float *q)
{
    const float shift = 12582912.0f;
    const float sum = x * 1.44269504f + shift;
    const float n = sum - shift;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    int32_t bits;

    memcpy(&bits, &sum, sizeof(bits));
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    *q = r + r * r * p;
    return bits - 0x4b400000;
}

/* The power of two is applied in halves: results run from the denormals up to infinity. */
static inline float clvits_exp(float x)
{
    float q;
    x = x > 89.0f ? 89.0f : x;
    x = x < -105.0f ? -105.0f : x;
    const int32_t n = clvits_exp_parts(x, &q), half = n >> 1;
    return (1.0f + q) * clvits_power_of_two(half) * clvits_power_of_two(n - half);
}

static inline float clvits_sigmoid(float x)
{
    return 1.0f / (1.0f + clvits_exp(-x));
}

/* tanh |x| = t / (t + 2) with t = e^(2|x|) - 1, which keeps small x exact; 1 from |x| = 10 on. */
static inline float clvits_tanh(float x)
{
    float a = 2.0f * __builtin_fabsf(x), q;
    a = a > 20.0f ? 20.0f : a;
    const float two_n = clvits_power_of_two(clvits_exp_parts(a, &q));
    const float t = two_n * q + (two_n - 1.0f);
    return __builtin_copysignf(t / (t + 2.0f), x);
}

/*
 * x * Phi(x) with Phi(-z sqrt 2) = erfc(z) / 2, exactly GELU (not its tanh approximation).
 *
 * erfc(z) = e^(-z^2) P(u) / (1 + 2z) with u = (z - 2) / (z + 2), the form of Shepherd and
 * Laframboise (Math. Comp. 36, 1981); P is a Chebyshev fit of degree 9 on 0 <= z <= 11, made in
 * 40 digits, relative error below 3e-8.
 */
static inline float clvits_gelu(float x)
{
    float a = __builtin_fabsf(x);
    a = a > 15.5f ? 15.5f : a;
    const float z = a * 0.707106781f;
    const float d = 1.0f / ((z + 2.0f) * (1.0f + 2.0f * z));
    const float u = (z - 2.0f) * (1.0f + 2.0f * z) * d;
    float p = -0.000401087134f;
    p = p * u - 0.00122575474f;
    p = p * u + 0.00132104126f;
    p = p * u + 0.00863063335f;
    p = p * u - 0.00806526281f;
    p = p * u - 0.0542048328f;
    p = p * u + 0.164056495f;
    p = p * u - 0.166031301f;
    p = p * u - 0.0927640423f;
    p = p * u + 1.27697837f;
    const float tail = 0.5f * clvits_exp(-0.5f * a * a) * p * d * (z + 2.0f);
    return (x > 0.0f ? x : 0.0f) - a * tail;
}

#endif
