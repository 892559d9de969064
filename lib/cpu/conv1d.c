// SPDX-License-Identifier: MIT
//
// The blocked convolution, plain and transposed: a tile of ROWS output rows by lanes output
// channels stays in registers while the loops run over taps and input channels. Weights come
// packed as [group][phase][block][K][I / groups][lanes], so the inner loop reads them in order.
//
// Two shapes would leave the lanes empty and go along other axes: one output channel is a dot
// product over input channels, weights [group][phase][K][I / groups]; one channel per group takes
// its lanes from neighbouring groups, weights [block][K][lanes].
//
// The Toom-Cook form of the first is in lib/cpu/toom.c.
#include "cpu/conv.h"
#include "cpu/math.h"

#include <math.h>
#include <stdbool.h>

enum {
    STAGED = 64,       /* channels of a row that are copied at a time when x is activated */
    DOT_ROWS = 8,
    DOT_COLUMN = 64,
};

typedef clvits_conv_job job;
typedef clvits_conv_part part;
typedef clvits_ahead ahead;

#define finish CLVITS_CPU_PATH(conv_finish)

static inline float leaky_one(float v, float slope)
{
    return v >= 0.0f ? v : v * slope;
}

/* ROWS rows of x, n channels, through the leaky ReLU; rows past the last are copies of it. */
static void stage(const part *t, const float *x, int n, int rows, float slope,
                  float out[ROWS][STAGED])
{
    for (int r = 0; r < ROWS; r++) {
        const float *p = x + (r < rows ? r : rows - 1) * t->step;
        int c = 0;
        for (; c + CLVITS_VECTOR <= n; c += CLVITS_VECTOR)
            clvits_vec_store(out[r] + c, clvits_vec_leaky(clvits_vec_load(p + c), slope));
        for (; c < n; c++)
            out[r][c] = leaky_one(p[c], slope);
    }
}

/* Three rows share a pointer: base, base + step and base + 2 * step are addresses that x86 has.
 * Where there are fewer rows, the last triples move back, so that no row past the last is read. */
#if CLVITS_REGISTERS >= 32
#define EACH_ROW(DO)                                                                              \
    DO(0, p0, 0) DO(1, p0, 1) DO(2, p0, 2) DO(3, p1, 0) DO(4, p1, 1) DO(5, p1, 2)                 \
    DO(6, p2, 0) DO(7, p2, 1) DO(8, p2, 2) DO(9, p3, 0) DO(10, p3, 1) DO(11, p3, 2)
#define POINTERS(p)                                                                               \
    const float *p0 = p, *p1 = p + (back < 3 ? back : 3) * step;                                  \
    const float *p2 = p + (back < 6 ? back : 6) * step, *p3 = p + (back < 9 ? back : 9) * step;
#define ADVANCE p0++, p1++, p2++, p3++
#else
#define EACH_ROW(DO)                                                                              \
    DO(0, p0, 0) DO(1, p0, 1) DO(2, p0, 2) DO(3, p1, 0) DO(4, p1, 1) DO(5, p1, 2)
#define POINTERS(p) const float *p0 = p, *p1 = p + (back < 3 ? back : 3) * step;
#define ADVANCE p0++, p1++
#endif

#define DECLARE1(r, p, q) clvits_vec a##r = { 0 };
#define DECLARE2(r, p, q) clvits_vec a##r = { 0 }, b##r = { 0 };
#define STORE1(r, p, q) clvits_vec_store(acc[r], a##r);
#define STORE2(r, p, q)                                                                           \
    clvits_vec_store(acc[r], a##r);                                                               \
    clvits_vec_store(acc[r] + CLVITS_VECTOR, b##r);
#define WEIGHTS1 const clvits_vec w0 = clvits_vec_load(w);
#define WEIGHTS2 WEIGHTS1 const clvits_vec w1 = clvits_vec_load(w + CLVITS_VECTOR);
#define MULTIPLY1(r, p, q) a##r += w0 * p[q * step];
#define MULTIPLY2(r, p, q)                                                                        \
    {                                                                                             \
        const float s = p[q * step];                                                              \
        a##r += w0 * s;                                                                           \
        b##r += w1 * s;                                                                           \
    }

/* acc[r] = sum over taps and channels for one row of x, or three and more, from there on. */
#define TILE(NAME, VECTORS, STAGE)                                                                \
    static void NAME(const part *t, const float *x, int rows, float slope, clvits_ahead *next,    \
                     float acc[ROWS][MAX_LANES])                                                  \
    {                                                                                             \
        float staged[STAGE ? ROWS : 1][STAGED];                                                   \
        const int most = STAGE ? STAGED : t->channels;                                            \
        const long step = STAGE ? STAGED : rows == 1 ? 0 : t->step;                               \
        const long back = rows < 3 ? 0 : rows - 3;                                                \
        const float *w = t->w;                                                                    \
        EACH_ROW(DECLARE##VECTORS)                                                                \
        (void)slope, (void)staged;                                                                \
        for (int k = 0; k < t->taps; k++)                                                         \
            for (int c0 = 0; c0 < t->channels; c0 += most) {                                      \
                const float *p = x + k * t->tap + c0;                                             \
                int n = t->channels - c0 < most ? t->channels - c0 : most;                        \
                if (STAGE) {                                                                      \
                    stage(t, p, n, rows, slope, staged);                                          \
                    p = staged[0];                                                                \
                }                                                                                 \
                POINTERS(p)                                                                       \
                for (; n > 0; n -= CLVITS_FETCHED) {                                              \
                    clvits_fetch(next);                                                           \
                    for (int i = n < CLVITS_FETCHED ? n : CLVITS_FETCHED; i > 0; i--) {           \
                        WEIGHTS##VECTORS                                                          \
                        EACH_ROW(MULTIPLY##VECTORS)                                               \
                        w += VECTORS * CLVITS_VECTOR, ADVANCE;                                    \
                    }                                                                             \
                }                                                                                 \
            }                                                                                     \
        EACH_ROW(STORE##VECTORS)                                                                  \
    }

TILE(tile_one, 1, 0)
TILE(tile_two, 2, 0)
TILE(tile_one_staged, 1, 1)
TILE(tile_two_staged, 2, 1)

/* The rows that a tile's epilogue reads and writes, to be there when its sums are. */
static ahead look_ahead(const job *j, const part *t, int row, int rows)
{
    const conv1d_dims *d = j->d;
    ahead a = { .n = 0 };

    if (d->act == CLVITS_ACT_GATE || d->act == CLVITS_ACT_SPLIT)
        return a;
    clvits_want_epilogue(&a, j, t, row, d->phases, rows);
    clvits_spread(&a, t->taps * ((t->channels + CLVITS_FETCHED - 1) / CLVITS_FETCHED));
    return a;
}

static void run_tiles(const job *j, const part *t)
{
    const conv1d_dims *d = j->d;
    const bool staged = d->pre_slope != 1.0f;
    const bool two = t->n > CLVITS_VECTOR || d->act == CLVITS_ACT_GATE;
    float acc[ROWS][MAX_LANES];

    for (int u = t->first, rows; u < t->end; u += rows) {
        rows = t->end - u < 3 ? 1 : t->end - u < ROWS ? t->end - u : ROWS;
        const int row = u * d->phases + t->p - d->shift;
        ahead next = look_ahead(j, t, row, rows);
        (staged ? two ? tile_two_staged : tile_one_staged : two ? tile_two : tile_one)(
            t, t->x + u * t->step, rows, d->pre_slope, &next, acc);
        /* A triple that moved back ends where the rows do. */
        const int whole = rows < 3 ? rows : rows / 3 * 3;
        finish(j, t, acc[0], MAX_LANES, row, d->phases, whole);
        finish(j, t, acc[whole + 3 * (whole < rows) - (rows - whole)], MAX_LANES,
               row + whole * d->phases, d->phases, rows - whole);
    }
}

#define EACH_DOT(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define DOT_DECLARE(r) clvits_vec a##r = { 0 };
#define DOT_POINTER(r) const float *p##r = p + (r < rows ? r : rows - 1) * t->step;
#define DOT_STEP(r) a##r += w * VALUE(clvits_vec_load(p##r + c));
#define DOT_LAST(r)                                                                               \
    a##r += w * VALUE((clvits_vec)(fresh & (clvits_vec_bits)clvits_vec_load(p##r + last)));
#define DOT_STORE(r) clvits_vec_store(acc[r], a##r);

/* acc[r] = sums over every CLVITS_VECTOR-th channel, of DOT_ROWS rows. The last vector of a tap
 * overlaps the one before it: `fresh` masks what would count twice. */
#define DOT(NAME)                                                                                 \
    static void NAME(const part *t, const float *x, int rows, float slope, clvits_vec_bits fresh, \
                     float acc[DOT_ROWS][CLVITS_VECTOR])                                          \
    {                                                                                             \
        const int last = t->channels - CLVITS_VECTOR;                                             \
        EACH_DOT(DOT_DECLARE)                                                                     \
        (void)slope;                                                                              \
        for (int k = 0; k < t->taps; k++) {                                                       \
            const float *p = x + k * t->tap, *pw = t->w + (long)k * t->channels;                  \
            EACH_DOT(DOT_POINTER)                                                                 \
            for (int c = 0; c <= last; c += CLVITS_VECTOR) {                                      \
                const clvits_vec w = clvits_vec_load(pw + c);                                     \
                EACH_DOT(DOT_STEP)                                                                \
            }                                                                                     \
            if (t->channels % CLVITS_VECTOR) {                                                    \
                const clvits_vec w = clvits_vec_load(pw + last);                                  \
                EACH_DOT(DOT_LAST)                                                                \
            }                                                                                     \
        }                                                                                         \
        EACH_DOT(DOT_STORE)                                                                       \
    }

#define VALUE(v) (v)
DOT(dot)
#undef VALUE
#define VALUE(v) clvits_vec_leaky(v, slope)
DOT(dot_staged)
#undef VALUE

/* The epilogue of one channel in rows row, row + step, ...: the tanh in a loop over rows by itself,
 * which makes vector code of it. Sums beyond the n that are wanted must be there. */
static void finish_column(const job *j, const part *t, float v[DOT_COLUMN], int row, int step,
                          int n)
{
    const conv1d_dims *d = j->d;

    if (d->act != CLVITS_ACT_TANH) {
        finish(j, t, v, 1, row, step, n);
        return;
    }
    for (int i = 0, r = row; i < n; i++, r += step) {
        if (d->has_bias)
            v[i] += j->bias[(d->has_bias == 2 ? clvits_at(d->bias, t->b, 0) : 0) + t->o0];
        if (d->has_residual)
            v[i] += j->residual[clvits_at(d->residual, t->b, r) + t->o0];
        if (d->has_sum)
            v[i] += j->sum[clvits_at(d->sum, t->b, r) + t->o0];
        v[i] *= d->scale;
        if (d->has_y)
            j->y[clvits_at(d->y, t->b, r) + t->o0] = v[i];
    }
    for (int i = 0; i < DOT_COLUMN; i++)
        v[i] = clvits_tanh(v[i]);
    for (int i = 0, r = row; i < n && d->has_act; i++, r += step)
        j->a[clvits_at(d->a, t->b, r) + t->o0] = v[i];
}

static float total(const float acc[CLVITS_VECTOR])
{
    float v[4] = { 0 };

    for (int i = 0; i < CLVITS_VECTOR; i += 4)
        for (int l = 0; l < 4; l++)
            v[l] += acc[i + l];
    return (v[0] + v[1]) + (v[2] + v[3]);
}

static void run_dots(const job *j, const part *t)
{
    const conv1d_dims *d = j->d;
    float acc[DOT_ROWS][CLVITS_VECTOR], column[DOT_COLUMN] = { 0 };
    clvits_vec_bits fresh;

    for (int i = 0; i < CLVITS_VECTOR; i++)
        fresh[i] = i < CLVITS_VECTOR - t->channels % CLVITS_VECTOR ? 0 : -1;
    for (int first = t->first; first < t->end; first += DOT_COLUMN) {
        const int n = t->end - first < DOT_COLUMN ? t->end - first : DOT_COLUMN;
        for (int u = 0; u < n; u += DOT_ROWS) {
            const int rows = n - u < DOT_ROWS ? n - u : DOT_ROWS;
            (d->pre_slope == 1.0f ? dot : dot_staged)(t, t->x + (first + u) * t->step, rows,
                                                      d->pre_slope, fresh, acc);
            for (int r = 0; r < rows; r++)
                column[u + r] = total(acc[r]);
        }
        finish_column(j, t, column, first * d->phases + t->p - d->shift, d->phases, n);
    }
}

/* A block of neighbouring groups of one channel each. */
static void run_depthwise(const job *j, const part *t)
{
    const conv1d_dims *d = j->d;
    float v[CLVITS_VECTOR];

    for (int u = t->first; u < t->end; u++) {
        const float *x = t->x + u * t->step;
        clvits_vec acc = { 0 };
        for (int k = 0; k < t->taps; k++, x += t->tap) {
            clvits_vec in = { 0 };
            if (t->n == CLVITS_VECTOR)
                in = clvits_vec_load(x);
            else
                memcpy(&in, x, (size_t)t->n * sizeof(float));
            acc += clvits_vec_leaky(in, d->pre_slope) *
                   clvits_vec_load(t->w + (long)k * CLVITS_VECTOR);
        }
        clvits_vec_store(v, acc);
        finish(j, t, v, CLVITS_VECTOR, u, 1, 1);
    }
}

static void run_job(void *context, int index)
{
    const job *j = context;
    const conv1d_dims *d = j->d;
    const bool depthwise = d->layout == CLVITS_CONV_DEPTHWISE;
    /* Phases come first: together they read the same rows, and write neighbouring ones. */
    const int p = index % d->phases, chunk = index / d->phases % j->chunks;
    const int rest = index / d->phases / j->chunks, block = rest % j->blocks;
    const int units = depthwise ? 1 : d->groups, g = rest / j->blocks % units;
    const int b = rest / j->blocks / units;
    /* A gate's block has lanes for the same channels of both halves. */
    const int halves = d->act == CLVITS_ACT_GATE ? 2 : 1, lanes = d->lanes / halves;
    const int outputs = (depthwise ? d->O : j->outputs) / halves, o0 = block * lanes;
    part t = {
        .b = b,
        .p = p,
        .len = j->run[d->clock * d->B + b],
        .o0 = g * outputs + o0,
        .n = outputs - o0 < lanes ? outputs - o0 : lanes,
        .x = j->x + clvits_at(d->x, b, -d->pad) + (depthwise ? o0 : g * j->channels) +
             (long)p * d->folded,
        .w = j->w + (long)((d->folded ? g : g * d->phases + p) * j->blocks + block) * d->lanes *
                        d->K * j->channels,
        .step = (long)d->stride * d->x.ld,
        .tap = (long)d->dilation * d->x.ld,
        .taps = d->K,
        .channels = j->channels,
    };
    /* Step u makes row u * phases + p - shift: this job takes its part of those to be made. */
    clvits_conv_rows(j, b, &t.low, &t.high);
    const int first = clvits_ceil_div(t.low + d->shift - p, d->phases);
    const int end = clvits_ceil_div(t.high + d->shift - p, d->phases);

    t.first = first + chunk * j->rows;
    t.end = t.first + j->rows < end ? t.first + j->rows : end;
    if (chunk == 0 && p == 0)
        CLVITS_CPU_PATH(conv_zero_guards)(j, &t);
    if (depthwise) {
        run_depthwise(j, &t);
    } else {
        if (t.tap == t.channels) { /* the rows of all taps lie side by side */
            t.channels *= t.taps;
            t.taps = 1;
        }
        (d->layout == CLVITS_CONV_DOT ? run_dots : run_tiles)(j, &t);
    }
}

void CLVITS_CPU_PATH(conv1d)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(conv1d)(const clvits_cpu_call *call)
{
    const conv1d_dims *d = call->dims;
    job j = {
        .d = d,
        .run = call->run,
        .pool = call->pool,
        .x = call->in[0],
        .w = call->in[1],
        .bias = call->in[2],
        .residual = call->in[3],
        .sum = call->in[4],
        .y = call->out[0],
        .a = call->out[1],
        .channels = d->I / d->groups,
        .outputs = d->O / d->groups,
        .rows = d->job,
    };
    const bool depthwise = d->layout == CLVITS_CONV_DEPTHWISE;
    const int units = depthwise ? 1 : d->groups;
    int most = 1; /* guard rows are for every item */

    if (d->layout == CLVITS_CONV_TOOM) {
        CLVITS_CPU_PATH(conv_toom)(&j);
        return;
    }
    for (int b = 0, first, end; b < d->B; b++) {
        clvits_conv_rows(&j, b, &first, &end);
        most = end - first > most ? end - first : most;
    }
    most = clvits_ceil_div(most, d->phases);
    j.blocks = clvits_ceil_div(depthwise ? d->O : j.outputs, d->lanes);
    const int others = j.blocks * d->phases * units * d->B;
    const int wanted = JOBS_EACH * clvits_pool_threads(call->pool);
    while (j.rows > ROWS && others * clvits_ceil_div(most, j.rows) < wanted)
        j.rows = clvits_ceil_div(j.rows / 2, ROWS) * ROWS;
    j.chunks = clvits_ceil_div(most, j.rows);
    clvits_pool_run(call->pool, j.chunks * others, run_job, &j);
}
