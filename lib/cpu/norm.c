// SPDX-License-Identifier: MIT
//
// Layer norm over channels. Sums run in LANES parts, which are added pairwise; the moments are
// taken about a first estimate of the mean and corrected for it, so that an offset much larger
// than the spread costs no digits.
#include "cpu/math.h"
#include "cpu/rows.h"

#include <math.h>

enum { LANES = 16 };

static float lanes_sum(float v[LANES])
{
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            v[i] += v[i + n];
    return v[0];
}

static float mean_of(const float *restrict v, int C)
{
    float s[LANES] = { 0 };
    int c = 0;

    for (; c + LANES <= C; c += LANES)
        for (int i = 0; i < LANES; i++)
            s[i] += v[c + i];
    for (int i = 0; c < C; c++, i++)
        s[i] += v[c];
    return lanes_sum(s) / (float)C;
}

/* Moves the row to mean 0 and returns its variance. */
static float centre(float *restrict v, int C)
{
    const float guess = mean_of(v, C);
    float s1[LANES] = { 0 }, s2[LANES] = { 0 };
    int c = 0;

    for (; c + LANES <= C; c += LANES)
        for (int i = 0; i < LANES; i++) {
            const float e = v[c + i] - guess;
            s1[i] += e;
            s2[i] += e * e;
        }
    for (int i = 0; c < C; c++, i++) {
        const float e = v[c] - guess;
        s1[i] += e;
        s2[i] += e * e;
    }
    const float shift = lanes_sum(s1) / (float)C;
    const float var = lanes_sum(s2) / (float)C - shift * shift;
    for (c = 0; c < C; c++)
        v[c] = (v[c] - guess) - shift;
    return var > 0.0f ? var : 0.0f;
}

static void rows(const clvits_cpu_call *call, int b, int t, int n)
{
    const norm_dims *d = call->dims;
    const float *restrict gamma = call->in[1], *restrict beta = call->in[2];

    for (; n > 0; n--, t++) {
        const float *restrict x = (const float *)call->in[0] + clvits_at(d->x, b, t);
        float *restrict y = (float *)call->out[0] + clvits_at(d->y, b, t);
        if (d->has_residual) {
            const float *restrict e = (const float *)call->in[3] + clvits_at(d->residual, b, t);
            for (int c = 0; c < d->C; c++)
                y[c] = x[c] + e[c];
        } else {
            memcpy(y, x, (size_t)d->C * sizeof(float));
        }
        const float scale = 1.0f / sqrtf(centre(y, d->C) + d->eps);
        if (d->gelu)
            for (int c = 0; c < d->C; c++)
                y[c] = clvits_gelu(y[c] * scale * gamma[c] + beta[c]);
        else
            for (int c = 0; c < d->C; c++)
                y[c] = y[c] * scale * gamma[c] + beta[c];
    }
}

void CLVITS_CPU_PATH(layer_norm)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(layer_norm)(const clvits_cpu_call *call)
{
    const norm_dims *d = call->dims;
    clvits_rows r = { .call = call, .fn = rows, .B = d->B, .T = d->T, .clock = d->clock,
                      .outputs = 1, .y = { d->y }, .channels = { d->C } };
    clvits_rows_run(&r);
}
