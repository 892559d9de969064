// SPDX-License-Identifier: MIT
//
// Attention and softmax.
//
// A job takes LANES query rows of one head and lays them across the lanes of vectors, so that
// scores, the running softmax and the weighted sum are all vectors times scalars, with no sum
// over lanes: scores[j] += q[c] * k[j][c], then out[c] += p[j] * v[j][c]. Keys come in blocks;
// when a block raises a row's largest score, what was summed so far is scaled down.
#include "cpu/exp.h"
#include "cpu/tile.h"

#if CLVITS_VECTOR == 16
#define VECTORS 1 /* more rows per job would leave short texts to one core */
#define tile clvits_tile_one
#else
#define VECTORS 2
#define tile clvits_tile_two
#endif
#define LANES (VECTORS * CLVITS_VECTOR)
#define KEYS (60 / CLVITS_TILE * CLVITS_TILE)
#define ROUND_TILE(n) (((n) + CLVITS_TILE - 1) / CLVITS_TILE * CLVITS_TILE)
#define BAND (KEYS + LANES + CLVITS_TILE)

typedef struct attention_job {
    const attention_dims *d;
    const int *run;
    const float *q, *k, *v, *rel_k, *rel_v;
    float *y;
    int blocks; /* of query rows */
} attention_job;

/* The state of one job; one vector of LANES rows per entry. */
typedef struct rows {
    _Alignas(64) float q[ATTENTION_MAX_HEAD][LANES];
    _Alignas(64) float out[ATTENTION_MAX_HEAD + CLVITS_TILE][LANES];
    _Alignas(64) float p[KEYS][LANES]; /* scores of a block of keys, then their weights */
    _Alignas(64) float band[BAND][LANES];
    _Alignas(64) float top[LANES], total[LANES];
    int first;                   /* query row in lane 0 */
    int key, keys;               /* the block */
    int band_first, band_last;   /* relative positions that occur in it */
} rows;

static void load_queries(const attention_job *j, rows *s, int b, int h, int len)
{
    const attention_dims *d = j->d;

    for (int i = 0; i < LANES; i++) {
        const float *q = j->q + clvits_at(d->q, b, s->first + i) + h * d->D;
        const int valid = s->first + i < len;
        for (int c = 0; c < d->D; c++)
            s->q[c][i] = valid ? q[c] * d->scale : 0.0f;
        s->top[i] = -3e38f;
        s->total[i] = 0.0f;
    }
    memset(s->out, 0, (size_t)ROUND_TILE(d->D) * sizeof(s->out[0]));
}

/* Relative positions m = key - query + window between the rows and the block. */
static void find_band(const attention_dims *d, rows *s)
{
    const int low = s->key - (s->first + LANES - 1) + d->window;
    const int high = s->key + s->keys - 1 - s->first + d->window;

    s->band_first = low > 0 ? low : 0;
    s->band_last = high < 2 * d->window ? high : 2 * d->window;
    if (!d->has_rel)
        s->band_last = s->band_first - 1;
}

/* Lanes whose key at relative position m is in the block: [*from, *to). Lane i's key is row
 * *from_key + i of the block. */
static int band_lanes(const attention_dims *d, const rows *s, int m, int *from, int *to)
{
    const int shift = s->first + m - d->window - s->key;

    *from = shift < 0 ? -shift : 0;
    *to = s->keys - shift < LANES ? s->keys - shift : LANES;
    return shift;
}

static void scores(const attention_job *j, rows *s, const float *k)
{
    const attention_dims *d = j->d;

    for (int r = 0; r < s->keys; r += CLVITS_TILE)
        tile(s->p[r], s->keys - r, d->D, s->q[0], k + (long)(s->key + r) * d->k.ld, 1, d->k.ld, 0);
    for (int m0 = s->band_first; m0 <= s->band_last; m0 += CLVITS_TILE) {
        tile(s->band[0], s->band_last - m0 + 1, d->D, s->q[0], j->rel_k + (long)m0 * d->D, 1,
             d->D, 0);
        for (int m = m0; m < m0 + CLVITS_TILE && m <= s->band_last; m++) {
            int from, to;
            const int shift = band_lanes(d, s, m, &from, &to);
            for (int i = from; i < to; i++)
                s->p[shift + i][i] += s->band[m - m0][i];
        }
    }
}

static void soften(const attention_dims *d, rows *s)
{
    for (int x = 0; x < LANES; x += CLVITS_VECTOR) {
        const clvits_vec before = clvits_vec_load(s->top + x);
        clvits_vec top = before, total = clvits_vec_load(s->total + x);

        for (int r = 0; r < s->keys; r++)
            top = clvits_vec_max(clvits_vec_load(s->p[r] + x), top);
        const clvits_vec factor = clvits_vec_exp(before - top);
        total *= factor;
        for (int r = 0; r < s->keys; r++) {
            const clvits_vec p = clvits_vec_exp(clvits_vec_load(s->p[r] + x) - top);
            total += p;
            clvits_vec_store(s->p[r] + x, p);
        }
        clvits_vec_store(s->top + x, top);
        clvits_vec_store(s->total + x, total);
        for (int c = 0; c < d->D && s->key > 0; c++)
            clvits_vec_store(s->out[c] + x, clvits_vec_load(s->out[c] + x) * factor);
    }
}

static void weigh(const attention_job *j, rows *s, const float *v)
{
    const attention_dims *d = j->d;
    const int band = s->band_last - s->band_first + 1;

    for (int c = 0; c < d->D; c += CLVITS_TILE)
        tile(s->out[c], d->D - c, s->keys, s->p[0], v + (long)s->key * d->v.ld + c, d->v.ld, 1, 1);
    if (band <= 0)
        return;
    memset(s->band, 0, (size_t)band * sizeof(s->band[0]));
    for (int m = s->band_first; m <= s->band_last; m++) {
        int from, to;
        const int shift = band_lanes(d, s, m, &from, &to);
        for (int i = from; i < to; i++)
            s->band[m - s->band_first][i] = s->p[shift + i][i];
    }
    for (int c = 0; c < d->D; c += CLVITS_TILE)
        tile(s->out[c], d->D - c, band, s->band[0],
             j->rel_v + (long)s->band_first * d->D + c, d->D, 1, 1);
}

static void attention_rows(void *context, int index)
{
    const attention_job *j = context;
    const attention_dims *d = j->d;
    const int block = index % j->blocks, h = index / j->blocks % d->H;
    const int b = index / j->blocks / d->H, len = j->run[d->clock * d->B + b];
    const float *k = j->k + clvits_at(d->k, b, 0) + h * d->D;
    const float *v = j->v + clvits_at(d->v, b, 0) + h * d->D;
    rows s;

    s.first = block * LANES;
    if (block == 0)
        clvits_zero_guard(j->y + h * d->D, d->y, b, len, d->D);
    if (s.first >= len)
        return;
    load_queries(j, &s, b, h, len);
    for (s.key = 0; s.key < len; s.key += KEYS) {
        s.keys = len - s.key < KEYS ? len - s.key : KEYS;
        find_band(d, &s);
        scores(j, &s, k);
        soften(d, &s);
        weigh(j, &s, v);
    }
    for (int i = 0; i < LANES && s.first + i < len; i++) {
        float *y = j->y + clvits_at(d->y, b, s.first + i) + h * d->D;
        for (int c = 0; c < d->D; c++)
            y[c] = s.out[c][i] / s.total[i];
    }
}

clvits_cpu_fn CLVITS_CPU_PATH(attention);

void CLVITS_CPU_PATH(attention)(const clvits_cpu_call *call)
{
    const attention_dims *d = call->dims;
    attention_job j = { d, call->run, call->in[0], call->in[1], call->in[2], call->in[3],
                        call->in[4], call->out[0], (d->T + LANES - 1) / LANES };

    clvits_pool_run(call->pool, j.blocks * d->H * d->B, attention_rows, &j);
}

enum { SOFTMAX_ROWS = 16 };

typedef struct softmax_job {
    const softmax_dims *d;
    const int *run;
    const float *x;
    float *y;
    int blocks;
} softmax_job;

static clvits_vec load_some(const float *p, int n, float rest)
{
    float e[CLVITS_VECTOR];

    if (n >= CLVITS_VECTOR)
        return clvits_vec_load(p);
    for (int i = 0; i < CLVITS_VECTOR; i++)
        e[i] = i < n ? p[i] : rest;
    return clvits_vec_load(e);
}

static void softmax_row(const float *x, float *y, int n, int channels)
{
    clvits_vec top = clvits_vec_splat(-3e38f);
    float lanes[CLVITS_VECTOR], most = -3e38f, total = 0.0f;

    for (int c = 0; c < n; c += CLVITS_VECTOR)
        top = clvits_vec_max(load_some(x + c, n - c, -3e38f), top);
    clvits_vec_store(lanes, top);
    for (int i = 0; i < CLVITS_VECTOR; i++)
        most = lanes[i] > most ? lanes[i] : most;

    clvits_vec sum = { 0 };
    for (int c = 0; c < n; c += CLVITS_VECTOR) {
        const int some = n - c < CLVITS_VECTOR ? n - c : CLVITS_VECTOR;
        clvits_vec_store(lanes, clvits_vec_exp(load_some(x + c, n - c, -3e38f) - most));
        memcpy(y + c, lanes, (size_t)some * sizeof(float));
        sum += load_some(y + c, some, 0.0f);
    }
    clvits_vec_store(lanes, sum);
    for (int i = 0; i < CLVITS_VECTOR; i++)
        total += lanes[i];
    for (int c = 0; c < n; c++)
        y[c] /= total;
    memset(y + n, 0, (size_t)(channels - n) * sizeof(float));
}

static void softmax_rows(void *context, int index)
{
    const softmax_job *j = context;
    const softmax_dims *d = j->d;
    const int block = index % j->blocks, b = index / j->blocks;
    const int len = j->run[d->clock * d->B + b], t0 = block * SOFTMAX_ROWS;
    const int n = len < d->C ? len : d->C;

    if (block == 0)
        clvits_zero_guard(j->y, d->y, b, len, d->C);
    for (int t = t0; t < t0 + SOFTMAX_ROWS && t < len; t++)
        softmax_row(j->x + clvits_at(d->x, b, t), j->y + clvits_at(d->y, b, t), n, d->C);
}

clvits_cpu_fn CLVITS_CPU_PATH(softmax);

void CLVITS_CPU_PATH(softmax)(const clvits_cpu_call *call)
{
    const softmax_dims *d = call->dims;
    softmax_job j = { d, call->run, call->in[0], call->out[0],
                      (d->T + SOFTMAX_ROWS - 1) / SOFTMAX_ROWS };

    clvits_pool_run(call->pool, j.blocks * d->B, softmax_rows, &j);
}
