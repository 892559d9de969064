// SPDX-License-Identifier: MIT
//
// One layer of a stack of dilated depth-separable convolutions, a tile of rows after the other, so
// that what lies between its steps never leaves the cache.
#include "cpu/norm.h"
#include "cpu/rows.h"
#include "cpu/tile.h"

enum { LANES = 2 * CLVITS_VECTOR, PADDED = (SEPARABLE_MAX_CHANNELS + LANES - 1) / LANES * LANES };

/* Row t after the depthwise convolution; channels beyond the last are of no use. */
static void depthwise(const separable_dims *d, const float *restrict x, const float *restrict w,
                      const float *restrict bias, float *restrict to)
{
    const long tap = (long)d->dilation * d->x.ld;

    memcpy(to, bias, (size_t)d->C * sizeof(*to));
    x -= d->K / 2 * tap;
    for (int k = 0; k < d->K; k++, x += tap, w += d->padded)
        for (int c = 0; c < d->C; c++)
            to[c] += w[c] * x[c];
}

/* to[r] = w times from[r], in blocks of LANES channels; no row is longer than PADDED. */
static void multiply(const separable_dims *d, int rows, const float *w, const float *from,
                     float *to)
{
    float acc[CLVITS_TILE * LANES];

    for (int o = 0; o < d->padded; o += LANES) {
        clvits_tile_two(acc, rows, d->C, w + (long)o * d->padded, from, 1, PADDED, 0);
        for (int r = 0; r < rows; r++)
            memcpy(to + r * PADDED + o, acc + r * LANES, LANES * sizeof(*to));
    }
}

static void rows(const clvits_cpu_call *call, int b, int t, int n)
{
    const separable_dims *d = call->dims;
    const float *all = call->in[3], *x = (const float *)call->in[0] + clvits_at(d->x, b, t);
    float *y = (float *)call->out[0] + clvits_at(d->y, b, t);
    float from[CLVITS_TILE * PADDED], to[CLVITS_TILE * PADDED];
    const long P = d->padded;

    for (int r = 0; r < n; r++) {
        depthwise(d, x + (long)r * d->x.ld, call->in[1], all, from + r * PADDED);
        clvits_norm_row(from + r * PADDED, d->C, all + P, all + 2 * P, d->eps, true);
    }
    multiply(d, n, call->in[2], from, to);
    for (int r = 0; r < n; r++, x += d->x.ld, y += d->y.ld) {
        float *restrict row = to + r * PADDED;
        for (int c = 0; c < d->C; c++)
            row[c] += all[3 * P + c];
        clvits_norm_row(row, d->C, all + 4 * P, all + 5 * P, d->eps, true);
        for (int c = 0; c < d->C; c++)
            y[c] = x[c] + row[c];
    }
}

void CLVITS_CPU_PATH(separable)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(separable)(const clvits_cpu_call *call)
{
    const separable_dims *d = call->dims;
    clvits_rows r = { .call = call, .fn = rows, .B = d->B, .T = d->T, .clock = d->clock,
                      .outputs = 1, .y = { d->y }, .channels = { d->C }, .block = CLVITS_TILE,
                      .blocks = (d->T + CLVITS_TILE - 1) / CLVITS_TILE };

    clvits_pool_run(call->pool, r.B * r.blocks, clvits_rows_job, &r);
}
