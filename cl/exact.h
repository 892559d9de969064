// SPDX-License-Identifier: MIT
//
// Arithmetic with the same bits on every device and on the CPU: one text for C and OpenCL C.
//
// Single operations and fma() are correctly rounded everywhere, so bits can only change where a
// compiler contracts a product and a sum into one fma, or calls a library. Here a product that
// is followed by a sum goes through exact_fma() or exact_mul(), and nothing calls a library.
// No intermediate result is subnormal: a device may flush those.
#ifndef CLVITS_EXACT_H
#define CLVITS_EXACT_H

#if defined(__OPENCL_VERSION__) || defined(__OPENCL_C_VERSION__)
#define EXACT
#define EXACT_TABLE constant
#define EXACT_GLOBAL global
#define exact_fma(a, b, c) fma(a, b, c)
#else
#include <stdint.h>
#include <string.h>
#define EXACT static inline __attribute__((unused))
#define EXACT_TABLE static const
#define EXACT_GLOBAL
#define exact_fma(a, b, c) __builtin_fmaf(a, b, c)

EXACT float as_float(const unsigned v)
{
    float f;
    memcpy(&f, &v, sizeof(f));
    return f;
}

EXACT unsigned as_uint(const float v)
{
    unsigned u;
    memcpy(&u, &v, sizeof(u));
    return u;
}

EXACT unsigned mul_hi(const unsigned a, const unsigned b)
{
    return (unsigned)((uint64_t)a * b >> 32);
}

/* v is not 0 */
EXACT unsigned clz(const unsigned v)
{
    return (unsigned)__builtin_clz(v);
}
#endif

// A product that no compiler merges with a sum that follows it.
EXACT float exact_mul(const float a, const float b)
{
    return exact_fma(a, b, 0.0f);
}

// exp(x) for |x| <= 80, held beyond, to about one last place; NaN stays NaN. x = n ln 2 + r with
// |r| <= ln 2 / 2, Taylor's polynomial of degree 7 (relative error 5e-9) in r, then n goes into
// the exponent.
EXACT float exact_exp(const float x)
{
    const float held = x < -80.0f ? -80.0f : x > 80.0f ? 80.0f : x;
    const float biased = exact_fma(held, 1.44269502f, 12582912.0f); // 1.5 * 2^23: n in its bits
    const float n = biased - 12582912.0f;
    const float high = exact_fma(n, -0.693145751953125f, held);
    const float r = exact_fma(n, -1.42860677e-6f, high);
    float p = exact_fma(r, 1.98412701e-4f, 1.38888892e-3f);

    p = exact_fma(r, p, 8.33333377e-3f);
    p = exact_fma(r, p, 4.16666679e-2f);
    p = exact_fma(r, p, 1.66666672e-1f);
    p = exact_fma(r, p, 0.5f);
    p = exact_fma(r, p, 1.0f);
    p = exact_fma(r, p, 1.0f);
    return exact_mul(p, as_float((as_uint(biased) - as_uint(12582912.0f) + 127u) << 23));
}

#endif
