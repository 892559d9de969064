// SPDX-License-Identifier: MIT
//
// A row of channels normalised. Sums run in CLVITS_NORM_LANES parts, which are added pairwise; the
// moments are taken about a first estimate of the mean and corrected for it, so that an offset much
// larger than the spread costs no digits.
#ifndef CLVITS_CPU_NORM_H
#define CLVITS_CPU_NORM_H

#include "cpu/math.h"

#include <math.h>
#include <stdbool.h>

enum { CLVITS_NORM_LANES = 16 };

static inline float clvits_norm_sum(float v[CLVITS_NORM_LANES])
{
    for (int n = CLVITS_NORM_LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            v[i] += v[i + n];
    return v[0];
}

static inline float clvits_norm_mean(const float *restrict v, int C)
{
    float s[CLVITS_NORM_LANES] = { 0 };
    int c = 0;

    for (; c + CLVITS_NORM_LANES <= C; c += CLVITS_NORM_LANES)
        for (int i = 0; i < CLVITS_NORM_LANES; i++)
            s[i] += v[c + i];
    for (int i = 0; c < C; c++, i++)
        s[i] += v[c];
    return clvits_norm_sum(s) / (float)C;
}

/* Moves the row to mean 0 and returns its variance. */
static inline float clvits_norm_centre(float *restrict v, int C)
{
    const float guess = clvits_norm_mean(v, C);
    float s1[CLVITS_NORM_LANES] = { 0 }, s2[CLVITS_NORM_LANES] = { 0 };
    int c = 0;

    for (; c + CLVITS_NORM_LANES <= C; c += CLVITS_NORM_LANES)
        for (int i = 0; i < CLVITS_NORM_LANES; i++) {
            const float e = v[c + i] - guess;
            s1[i] += e;
            s2[i] += e * e;
        }
    for (int i = 0; c < C; c++, i++) {
        const float e = v[c] - guess;
        s1[i] += e;
        s2[i] += e * e;
    }
    const float shift = clvits_norm_sum(s1) / (float)C;
    const float var = clvits_norm_sum(s2) / (float)C - shift * shift;
    for (c = 0; c < C; c++)
        v[c] = (v[c] - guess) - shift;
    return var > 0.0f ? var : 0.0f;
}

/* The row becomes (row - mean) / sqrt(variance + eps) * gamma + beta, or the GELU of that. */
static inline void clvits_norm_row(float *restrict v, int C, const float *restrict gamma,
                                   const float *restrict beta, float eps, bool gelu)
{
    const float scale = 1.0f / sqrtf(clvits_norm_centre(v, C) + eps);

    if (gelu)
        for (int c = 0; c < C; c++)
            v[c] = clvits_gelu(v[c] * scale * gamma[c] + beta[c]);
    else
        for (int c = 0; c < C; c++)
            v[c] = v[c] * scale * gamma[c] + beta[c];
}

#endif
