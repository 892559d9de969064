// SPDX-License-Identifier: MIT
//
// Batched matrix product: a job packs a panel of b, two vectors of columns wide, and multiplies
// the rows of its chunk by it, a tile at a time. Between panels, y holds the sums so far.
#include "cpu/tile.h"

#define LANES (2 * CLVITS_VECTOR)
#define JOB_ROWS (8 * CLVITS_TILE)
#define PANEL 128

typedef struct matmul_job {
    const matmul_dims *d;
    const int *run;
    const float *a, *b;
    float *y;
    int chunks, blocks; /* of rows, of columns */
} matmul_job;

static int valid(const matmul_job *j, int slot, int item, int all)
{
    const int n = slot < 0 ? all : j->run[slot * j->d->B + item];
    return n < all ? n : all;
}

/* n rows of the panel from b on; columns from cols on are zeros. */
static void pack_panel(const matmul_dims *d, float panel[PANEL][LANES], const float *b, int n,
                       int cols)
{
    for (int k = 0; k < n; k++, b += d->bk) {
        if (d->bn == 1) {
            memcpy(panel[k], b, (size_t)cols * sizeof(float));
        } else {
            for (int e = 0; e < cols; e++)
                panel[k][e] = b[(long)e * d->bn];
        }
        memset(panel[k] + cols, 0, (size_t)(LANES - cols) * sizeof(float));
    }
}

static void matmul_rows(void *context, int index)
{
    const matmul_job *j = context;
    const matmul_dims *d = j->d;
    const int chunk = index % j->chunks, block = index / j->chunks % j->blocks;
    const int item = index / j->chunks / j->blocks, n0 = block * LANES, first = chunk * JOB_ROWS;
    const int rows = valid(j, d->m_clock, item, d->M), depth = valid(j, d->k_clock, item, d->K);
    const int end = first + JOB_ROWS < rows ? first + JOB_ROWS : rows;
    const int wide = d->N - n0 < LANES ? d->N - n0 : LANES;
    const int left = valid(j, d->n_clock, item, d->N) - n0;
    const int cols = left < 0 ? 0 : left < wide ? left : wide;
    const float *a = j->a + clvits_at(d->a, item, 0);
    const float *b = j->b + clvits_at(d->b, item, 0) + (long)n0 * d->bn;
    _Alignas(64) float panel[PANEL][LANES];
    _Alignas(64) float acc[CLVITS_TILE][LANES];

    if (chunk == 0)
        clvits_zero_guard(j->y + n0, d->y, item, rows, wide);
    for (int k = 0; k == 0 || k < depth; k += PANEL) {
        const int n = depth - k < PANEL ? depth - k : PANEL;
        const float scale = k + PANEL < depth ? 1.0f : d->scale;

        if (first < end)
            pack_panel(d, panel, b + (long)k * d->bk, n, cols);
        for (int m = first; m < end; m += CLVITS_TILE) {
            const int some = end - m < CLVITS_TILE ? end - m : CLVITS_TILE;
            float *y = j->y + clvits_at(d->y, item, m) + n0;
            for (int r = 0; r < some && k > 0; r++)
                memcpy(acc[r], y + (long)r * d->y.ld, (size_t)cols * sizeof(float));
            clvits_tile_two(acc[0], some, n, panel[0], a + (long)m * d->am + (long)k * d->ak,
                            d->ak, d->am, k > 0);
            for (int r = 0; r < some; r++, y += d->y.ld) {
                for (int e = 0; e < cols; e++)
                    y[e] = acc[r][e] * scale;
                memset(y + cols, 0, (size_t)(wide - cols) * sizeof(float));
            }
        }
    }
}

clvits_cpu_fn CLVITS_CPU_PATH(matmul);

void CLVITS_CPU_PATH(matmul)(const clvits_cpu_call *call)
{
    const matmul_dims *d = call->dims;
    matmul_job j = { d, call->run, call->in[0], call->in[1], call->out[0],
                     (d->M + JOB_ROWS - 1) / JOB_ROWS, (d->N + LANES - 1) / LANES };

    clvits_pool_run(call->pool, j.chunks * j.blocks * d->B, matmul_rows, &j);
}
