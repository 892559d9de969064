// SPDX-License-Identifier: MIT
//
// The blocked convolution, plain and transposed: a tile of ROWS output rows by lanes output
// channels stays in registers while the loops run over taps and input channels. Weights come
// packed as [group][phase][block][K][I / groups][lanes], so the inner loop reads them in order.
#include "cpu/isa.h"

#include <math.h>

/* Two vectors by ROWS accumulators, plus two of weights and one broadcast, fit the registers. */
#if CLVITS_REGISTERS >= 32
#define ROWS 12
#else
#define ROWS 6
#endif
#define JOB_ROWS (12 * ROWS)
#define MAX_LANES (2 * CLVITS_VECTOR)

typedef struct tile {
    const conv1d_dims *d;
    const float *x;      /* first input row of the tile, first channel of the group */
    const float *w;      /* the packed block */
    long step, tap;      /* elements from a row of the tile to the next, from a tap to the next */
    int channels;        /* input channels of the group */
} tile;

/* acc[r] = sum over taps and channels, for one vector (V = 1) or two (V = 2) of channels. */
#define ACC_ROWS(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) ACC_MORE(DO)
#if CLVITS_REGISTERS >= 32
#define ACC_MORE(DO) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#else
#define ACC_MORE(DO)
#endif

static inline float input(float v, float slope)
{
    return v >= 0.0f ? v : v * slope;
}

#define DECLARE2(r) clvits_vec a##r = { 0 }, b##r = { 0 };
#define STORE2(r) clvits_vec_store(acc[r], a##r); clvits_vec_store(acc[r] + CLVITS_VECTOR, b##r);
#define FMA2(r) { const float s = VALUE(p[r * step]); a##r += w0 * s; b##r += w1 * s; }
#define DECLARE1(r) clvits_vec a##r = { 0 };
#define STORE1(r) clvits_vec_store(acc[r], a##r);
#define FMA1(r) a##r += w0 * VALUE(p[r * step]);

#define TILE(NAME, VECTORS, SECOND)                                                               \
    static void NAME(const tile *t, float acc[ROWS][MAX_LANES])                                   \
    {                                                                                             \
        const long step = t->step;                                                                \
        const float slope = t->d->pre_slope;                                                      \
        const float *w = t->w;                                                                    \
        (void)slope;                                                                              \
        ACC_ROWS(DECLARE##VECTORS)                                                                \
        for (int k = 0; k < t->d->K; k++) {                                                       \
            const float *p = t->x + k * t->tap;                                                   \
            for (int c = 0; c < t->channels; c++, p++, w += VECTORS * CLVITS_VECTOR) {            \
                const clvits_vec w0 = clvits_vec_load(w);                                         \
                SECOND                                                                            \
                ACC_ROWS(FMA##VECTORS)                                                            \
            }                                                                                     \
        }                                                                                         \
        ACC_ROWS(STORE##VECTORS)                                                                  \
    }

#define SECOND_WEIGHT const clvits_vec w1 = clvits_vec_load(w + CLVITS_VECTOR);

#define VALUE(v) (v)
TILE(tile_two, 2, SECOND_WEIGHT)
TILE(tile_one, 1, )
#undef VALUE
#define VALUE(v) input(v, slope)
TILE(tile_two_pre, 2, SECOND_WEIGHT)
TILE(tile_one_pre, 1, )
#undef VALUE

typedef struct job {
    const conv1d_dims *d;
    const int *run;
    const float *x, *w, *bias, *residual, *sum;
    float *y, *a;
    int chunks, blocks; /* of rows; of channels in one phase and group */
} job;

static float activate(const conv1d_dims *d, float v)
{
    switch (d->act) {
    case CLVITS_ACT_LEAKY_RELU:
        return v >= 0.0f ? v : v * d->act_slope;
    case CLVITS_ACT_TANH:
        return tanhf(v);
    default:
        return v;
    }
}

/* One finished row: n channels from o0 on, to output row t of item b. */
static void store_row(const job *j, const float *acc, int b, int t, int o0, int n)
{
    const conv1d_dims *d = j->d;
    float v[MAX_LANES];

    for (int o = 0; o < n; o++)
        v[o] = acc[o];
    if (d->has_bias) {
        const float *p = j->bias + (d->has_bias == 2 ? clvits_at(d->bias, b, 0) : 0) + o0;
        for (int o = 0; o < n; o++)
            v[o] += p[o];
    }
    if (d->has_residual) {
        const float *p = j->residual + clvits_at(d->residual, b, t) + o0;
        for (int o = 0; o < n; o++)
            v[o] += p[o];
    }
    if (d->has_sum) {
        const float *p = j->sum + clvits_at(d->sum, b, t) + o0;
        for (int o = 0; o < n; o++)
            v[o] += p[o];
    }
    for (int o = 0; o < n; o++)
        v[o] *= d->scale;
    if (d->has_y)
        memcpy(j->y + clvits_at(d->y, b, t) + o0, v, (size_t)n * sizeof(float));
    if (d->has_act) {
        float *p = j->a + clvits_at(d->a, b, t) + o0;
        for (int o = 0; o < n; o++)
            p[o] = activate(d, v[o]);
    }
}

/* Zeros, where row t is a guard row of an output. */
static void store_guard(const job *j, int b, int t, int len, int o0, int n)
{
    const conv1d_dims *d = j->d;
    if (d->has_y && t >= -d->y.guard && t < len + d->y.guard)
        memset(j->y + clvits_at(d->y, b, t) + o0, 0, (size_t)n * sizeof(float));
    if (d->has_act && t >= -d->a.guard && t < len + d->a.guard)
        memset(j->a + clvits_at(d->a, b, t) + o0, 0, (size_t)n * sizeof(float));
}

static void compute(const tile *t, float acc[ROWS][MAX_LANES])
{
    if (t->d->lanes == MAX_LANES)
        (t->d->pre_slope == 1.0f ? tile_two : tile_two_pre)(t, acc);
    else
        (t->d->pre_slope == 1.0f ? tile_one : tile_one_pre)(t, acc);
}

/* Output rows of a chunk of steps, for one block of channels in one phase of one item. */
static void run_job(void *context, int index)
{
    const job *j = context;
    const conv1d_dims *d = j->d;
    const int chunk = index % j->chunks, rest = index / j->chunks;
    const int block = rest % j->blocks, p = rest / j->blocks % d->phases;
    const int g = rest / j->blocks / d->phases % d->groups;
    const int b = rest / j->blocks / d->phases / d->groups;
    const int channels = d->I / d->groups, outputs = d->O / d->groups;
    const int o0 = block * d->lanes, n = outputs - o0 < d->lanes ? outputs - o0 : d->lanes;
    const int len = j->run[d->clock * d->B + b];
    const int end = chunk * JOB_ROWS + JOB_ROWS < d->steps ? chunk * JOB_ROWS + JOB_ROWS : d->steps;
    float acc[ROWS][MAX_LANES];
    tile t = {
        .d = d,
        .w = j->w + (long)((g * d->phases + p) * j->blocks + block) * d->K * channels * d->lanes,
        .step = (long)d->stride * d->x.ld,
        .tap = (long)d->dilation * d->x.ld,
        .channels = channels,
    };

    for (int s = chunk * JOB_ROWS; s < end; s += ROWS) {
        const int u = d->u0 + s, first = u * d->phases + p - d->shift;
        const int last = first + (ROWS - 1) * d->phases;
        if (last >= 0 && first < len) {
            t.x = j->x + clvits_at(d->x, b, u * d->stride - d->pad) + g * channels;
            compute(&t, acc);
        }
        for (int r = 0; r < ROWS && s + r < d->steps; r++) {
            const int row = first + r * d->phases;
            if (row >= 0 && row < len)
                store_row(j, acc[r], b, row, g * outputs + o0, n);
            else
                store_guard(j, b, row, len, g * outputs + o0, n);
        }
    }
}

void CLVITS_CPU_PATH(conv1d)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(conv1d)(const clvits_cpu_call *call)
{
    const conv1d_dims *d = call->dims;
    job j = {
        .d = d,
        .run = call->run,
        .x = call->in[0],
        .w = call->in[1],
        .bias = call->in[2],
        .residual = call->in[3],
        .sum = call->in[4],
        .y = call->out[0],
        .a = call->out[1],
        .chunks = (d->steps + JOB_ROWS - 1) / JOB_ROWS,
        .blocks = (d->O / d->groups + d->lanes - 1) / d->lanes,
    };
    clvits_pool_run(call->pool, j.chunks * j.blocks * d->phases * d->groups * d->B, run_job, &j);
}
