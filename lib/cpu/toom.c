// SPDX-License-Identifier: MIT
//
// The Toom-Cook form of the blocked convolution: cl/toom.h has the mathematics, cl/dims.h says how
// tiles lie in the rows. A job makes some blocks of channels, stretch of rows by stretch: inputs
// are transformed, some channels at a time, to [P][tile][channel]; for every point, a product over
// channels and groups of taps, in the registers, adds to [block][P][tile][lane]; and what comes
// back from the transform of that goes through the convolution's epilogue. Transform and epilogue
// only move memory, which the products leave idle: meanwhile, what they will want is fetched.
//
// The tiles of a stretch are numbered step * classes + class, where a step is one tile of every
// residue class of the stretch: group g of taps then reads tile + g * classes.
#include "base/least.h"
#include "cpu/conv.h"

#include <stdbool.h>
#include <toom.h>

enum {
    WIDTH = 128,         /* most channels that are transformed at a time */
    X_FLOATS = 56 << 10, /* of the stack: for transformed inputs */
    Y_FLOATS = 72 << 10, /* and for sums; both together take half of a cache of 1 MiB */
    STEPS = 192,         /* of a stretch, at least, where there are so many; half for phases */
    CLASSES = 12,        /* most residue classes of a stretch */
    STRETCHED_EACH = 16, /* jobs for each thread, where a job could have several stretches */
};

typedef void input_fn(const float *const *rows, int n, float slope, float *v, long next);
typedef void output_fn(const float *s, long next, int n, float *y);

typedef struct form {
    int m, r, P;
    input_fn *input;
    output_fn *output;
} form;

typedef struct toom {
    const clvits_conv_job *j;
    const form *form;
    int P, G;
    int all;                     /* blocks of all phases */
    int width;                   /* channels of a chunk */
    int classes, steps, blocks;  /* of a stretch; a job has `stretches` of them */
    int stretches;
    int classed, stepped, split; /* jobs along each of them */
} toom;

static inline clvits_vec load_some(const float *p, int n)
{
    clvits_vec v = { 0 };
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
}

/* v = B d for n channels of the rows of a tile; the vectors of a point are `next` floats apart. */
#define INPUT(P)                                                                                  \
    static void input_##P(const float *const *rows, int n, float slope, float *v, long next)      \
    {                                                                                             \
        for (int c = 0; c < n; c += CLVITS_VECTOR) {                                              \
            clvits_vec d[P], e[P];                                                                \
            for (int k = 0; k < P; k++)                                                           \
                d[k] = n - c >= CLVITS_VECTOR ? clvits_vec_load(rows[k] + c)                      \
                                              : load_some(rows[k] + c, n - c);                    \
            for (int k = 0; k < P && slope != 1.0f; k++)                                          \
                d[k] = clvits_vec_leaky(d[k], slope);                                             \
            TOOM_INPUT_##P(clvits_vec, d, e)                                                      \
            for (int k = 0; k < P; k++)                                                           \
                clvits_vec_store(v + k * next + c, e[k]);                                         \
        }                                                                                         \
    }
INPUT(5)
INPUT(6)
INPUT(7)
INPUT(8)

/* y = A s for n lanes, rows of y n floats apart. */
#define OUTPUT(m, r, P)                                                                           \
    static void output_##P##_##m(const float *s, long next, int n, float *y)                      \
    {                                                                                             \
        for (int c = 0; c < n; c += CLVITS_VECTOR) {                                              \
            clvits_vec e[P], z[m];                                                                \
            for (int k = 0; k < P; k++)                                                           \
                e[k] = clvits_vec_load(s + k * next + c);                                         \
            TOOM_OUTPUT_##P##_##m(clvits_vec, e, z)                                               \
            for (int k = 0; k < m; k++)                                                           \
                clvits_vec_store(y + k * n + c, z[k]);                                            \
        }                                                                                         \
    }
TOOM_FORMS(OUTPUT)

/* Of tiles of F(4, 4), seven points each: both transforms begin with that of the tiles. */
#define NESTED_INPUT(P)                                                                           \
    static void input_nested_##P(const float *const *rows, int n, float slope, float *v,          \
                                 long next)                                                       \
    {                                                                                             \
        for (int c = 0; c < n; c += CLVITS_VECTOR) {                                              \
            clvits_vec d[4 * P + 3], e[7][P], v7[7], e7[7], u[P];                                 \
            for (int k = 0; k < 4 * P + 3; k++) {                                                 \
                d[k] = n - c >= CLVITS_VECTOR ? clvits_vec_load(rows[k] + c)                      \
                                              : load_some(rows[k] + c, n - c);                    \
                if (slope != 1.0f)                                                                \
                    d[k] = clvits_vec_leaky(d[k], slope);                                         \
            }                                                                                     \
            for (int k = 0; k < 7; k++) {                                                         \
                for (int o = 0; o < P; o++)                                                       \
                    u[o] = d[4 * o + k];                                                          \
                TOOM_INPUT_##P(clvits_vec, u, e[k])                                               \
            }                                                                                     \
            for (int o = 0; o < P; o++) {                                                         \
                for (int k = 0; k < 7; k++)                                                       \
                    e7[k] = e[k][o];                                                              \
                TOOM_INPUT_7(clvits_vec, e7, v7)                                                  \
                for (int k = 0; k < 7; k++)                                                       \
                    clvits_vec_store(v + (7 * o + k) * next + c, v7[k]);                          \
            }                                                                                     \
        }                                                                                         \
    }
NESTED_INPUT(5)
NESTED_INPUT(6)

#define NESTED_OUTPUT(m, r, P)                                                                    \
    static void output_nested_##P##_##m(const float *s, long next, int n, float *y)               \
    {                                                                                             \
        for (int c = 0; c < n; c += CLVITS_VECTOR) {                                              \
            clvits_vec e[P], z[7][m], e7[7], y4[4];                                               \
            for (int k = 0; k < 7; k++) {                                                         \
                for (int o = 0; o < P; o++)                                                       \
                    e[o] = clvits_vec_load(s + (7 * o + k) * next + c);                           \
                TOOM_OUTPUT_##P##_##m(clvits_vec, e, z[k])                                        \
            }                                                                                     \
            for (int o = 0; o < m; o++) {                                                         \
                for (int k = 0; k < 7; k++)                                                       \
                    e7[k] = z[k][o];                                                              \
                TOOM_OUTPUT_7_4(clvits_vec, e7, y4)                                               \
                for (int k = 0; k < 4; k++)                                                       \
                    clvits_vec_store(y + (4 * o + k) * n + c, y4[k]);                             \
            }                                                                                     \
        }                                                                                         \
    }
TOOM_NESTED(NESTED_OUTPUT)

#define FORM(m, r, P) { m, r, P, input_##P, output_##P##_##m },
#define NESTED(m, r, P) { 4 * m, 4 * r, 7 * P, input_nested_##P, output_nested_##P##_##m },
static const form forms[] = { TOOM_FORMS(FORM) TOOM_NESTED(NESTED) };

/* Three rows share a pointer: base, base + next and base + 2 * next are addresses that x86 has. */
#define ROWS_1(DO) DO(0, p0, 0)
#define ROWS_2(DO) ROWS_1(DO) DO(1, p0, 1)
#define ROWS_3(DO) ROWS_2(DO) DO(2, p0, 2)
#define ROWS_4(DO) ROWS_3(DO) DO(3, p1, 0)
#define ROWS_5(DO) ROWS_4(DO) DO(4, p1, 1)
#define ROWS_6(DO) ROWS_5(DO) DO(5, p1, 2)
#define ROWS_7(DO) ROWS_6(DO) DO(6, p2, 0)
#define ROWS_8(DO) ROWS_7(DO) DO(7, p2, 1)
#define ROWS_9(DO) ROWS_8(DO) DO(8, p2, 2)
#define ROWS_10(DO) ROWS_9(DO) DO(9, p3, 0)
#define ROWS_11(DO) ROWS_10(DO) DO(10, p3, 1)
#define ROWS_12(DO) ROWS_11(DO) DO(11, p3, 2)

#define LOAD1(r, p, q) clvits_vec a##r = first ? zero : clvits_vec_load(s + r * CLVITS_VECTOR);
#define LOAD2(r, p, q)                                                                            \
    clvits_vec a##r = first ? zero : clvits_vec_load(s + 2 * r * CLVITS_VECTOR);                  \
    clvits_vec b##r = first ? zero : clvits_vec_load(s + (2 * r + 1) * CLVITS_VECTOR);
#define STORE1(r, p, q) clvits_vec_store(s + r * CLVITS_VECTOR, a##r);
#define STORE2(r, p, q)                                                                           \
    clvits_vec_store(s + 2 * r * CLVITS_VECTOR, a##r);                                            \
    clvits_vec_store(s + (2 * r + 1) * CLVITS_VECTOR, b##r);
#define LOAD4(r, p, q)                                                                            \
    LOAD2(r, p, q)                                                                                \
    clvits_vec c##r = first ? zero : clvits_vec_load(second + 2 * r * CLVITS_VECTOR);             \
    clvits_vec d##r = first ? zero : clvits_vec_load(second + (2 * r + 1) * CLVITS_VECTOR);
#define STORE4(r, p, q)                                                                           \
    STORE2(r, p, q)                                                                               \
    clvits_vec_store(second + 2 * r * CLVITS_VECTOR, c##r);                                       \
    clvits_vec_store(second + (2 * r + 1) * CLVITS_VECTOR, d##r);
#define WEIGHTS1 const clvits_vec w0 = clvits_vec_load(w);
#define WEIGHTS2 WEIGHTS1 const clvits_vec w1 = clvits_vec_load(w + CLVITS_VECTOR);
#define WEIGHTS4                                                                                  \
    WEIGHTS2                                                                                      \
    const clvits_vec w2 = clvits_vec_load(w + other);                                             \
    const clvits_vec w3 = clvits_vec_load(w + other + CLVITS_VECTOR);
#define MULTIPLY1(r, p, q) a##r += w0 * p[q * next];
#define MULTIPLY2(r, p, q)                                                                        \
    {                                                                                             \
        const float e = p[q * next];                                                              \
        a##r += w0 * e;                                                                           \
        b##r += w1 * e;                                                                           \
    }
#define MULTIPLY4(r, p, q)                                                                        \
    {                                                                                             \
        const float e = p[q * next];                                                              \
        a##r += w0 * e;                                                                           \
        b##r += w1 * e;                                                                           \
        c##r += w2 * e;                                                                           \
        d##r += w3 * e;                                                                           \
    }

typedef struct product {
    int groups, n;      /* of taps; channels of each */
    long tap, skip;     /* floats from a group to the next, of v and of w */
    long next;          /* floats of v from a row to the next */
    long other, sums;   /* floats of w and of s from a block to the one beside it, if any */
    int first;          /* the sums begin with these channels */
    clvits_ahead *ahead;
} product;

typedef void product_fn(const product *t, const float *v, const float *w, float *s);

/* s[r] (+)= sum over groups and channels of v[r] * w, for a run of R rows. Four vectors are those
 * of two blocks: half the rows, and two loads in three for as many products. */
#define PRODUCT(R, VECTORS)                                                                       \
    static void product_##R##_##VECTORS(const product *t, const float *v, const float *w,         \
                                        float *s)                                                 \
    {                                                                                             \
        const long next = t->next, other = t->other;                                              \
        float *second = s + t->sums;                                                              \
        const int first = t->first;                                                               \
        const clvits_vec zero = { 0 };                                                            \
        (void)other, (void)second;                                                                \
        ROWS_##R(LOAD##VECTORS)                                                                   \
        for (int g = 0; g < t->groups; g++, v += t->tap, w += t->skip) {                          \
            const float *p0 = v, *p1 = v + 3 * next, *p2 = v + 6 * next, *p3 = v + 9 * next;      \
            (void)p1, (void)p2, (void)p3;                                                         \
            for (int n = t->n; n > 0; n -= CLVITS_FETCHED) {                                      \
                clvits_fetch(t->ahead);                                                           \
                for (int i = n < CLVITS_FETCHED ? n : CLVITS_FETCHED; i > 0; i--) {               \
                    WEIGHTS##VECTORS                                                              \
                    ROWS_##R(MULTIPLY##VECTORS)                                                   \
                    w += (VECTORS > 1 ? 2 : 1) * CLVITS_VECTOR, p0++, p1++, p2++, p3++;           \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
        ROWS_##R(STORE##VECTORS)                                                                  \
    }
#define PRODUCTS(R) PRODUCT(R, 1) PRODUCT(R, 2)
#define PRODUCT_NAMES(R) { product_##R##_1, product_##R##_2 },

PRODUCTS(1)
PRODUCTS(2)
PRODUCTS(3)
PRODUCTS(4)
PRODUCTS(5)
PRODUCTS(6)
#if ROWS == 12
PRODUCTS(7)
PRODUCTS(8)
PRODUCTS(9)
PRODUCTS(10)
PRODUCTS(11)
PRODUCTS(12)
#endif

static product_fn *const products[][2] = {
    { NULL, NULL },   PRODUCT_NAMES(1) PRODUCT_NAMES(2) PRODUCT_NAMES(3) PRODUCT_NAMES(4)
    PRODUCT_NAMES(5)  PRODUCT_NAMES(6)
#if ROWS == 12
    PRODUCT_NAMES(7)  PRODUCT_NAMES(8) PRODUCT_NAMES(9) PRODUCT_NAMES(10) PRODUCT_NAMES(11)
    PRODUCT_NAMES(12)
#endif
};

#if ROWS == 12
#define PAIR(R) PRODUCT(R, 4)
#define PAIR_NAME(R) product_##R##_4,
PAIR(1)
PAIR(2)
PAIR(3)
PAIR(4)
PAIR(5)
PAIR(6)

enum { PAIR_ROWS = 6 };
static product_fn *const pairs[] = { NULL, PAIR_NAME(1) PAIR_NAME(2) PAIR_NAME(3) PAIR_NAME(4)
                                               PAIR_NAME(5) PAIR_NAME(6) };
#else
/* There are no registers for two blocks. */
enum { PAIR_ROWS = 0 };
static product_fn *const pairs[] = { NULL };
#endif

/* What a job makes: steps from k0 on, classes from i0 on, of item b. */
typedef struct span {
    int b, k0, steps, i0, classes;
    int shift;     /* rows of the first step before row 0 */
    int low, high; /* rows of the result that are to be made */
} span;

/* The step where a tile begins. */
static int step_of(const toom *t, const span *s, int tile)
{
    const conv1d_dims *d = t->j->d;
    return (s->k0 + tile / s->classes) * t->form->m * d->dilation - s->shift + s->i0 +
           tile % s->classes;
}

/* Floats from a point's inputs to the next point's, at least so many: an odd number of vectors, as
 * what is a multiple of 4 KiB apart would fall into the same few sets of the cache. */
static long apart(long floats)
{
    return floats / CLVITS_VECTOR % 2 ? floats : floats + CLVITS_VECTOR;
}

/* Channels [c, c + n) of all tiles. */
static void transform(const toom *t, const span *s, int c, int n, float *x)
{
    static const float zeros[WIDTH];
    const conv1d_dims *d = t->j->d;
    const int tiles = (s->steps + t->G - 1) * s->classes, len = t->j->run[d->from * d->B + s->b];

    for (int i = 0; i < tiles; i++) {
        const float *rows[TOOM_MAX_N];
        int row = step_of(t, s, i) - d->pad;
        for (int k = 0; k < t->form->m + t->form->r - 1; k++, row += d->dilation)
            rows[k] = row >= 0 && row < len ? t->j->x + clvits_at(d->x, s->b, row) + c : zeros;
        t->form->input(rows, n, d->pre_slope, x + (long)i * t->width,
                       apart((long)tiles * t->width));
    }
}

/* The sums of one block, or of two, over the channels that were transformed. */
static void multiply(const toom *t, const span *s, const product *job, const float *x,
                     const float *w, int lanes, float *y)
{
    const int tiles = s->steps * s->classes;
    const int parts = clvits_ceil_div(tiles, job->other ? PAIR_ROWS : ROWS);
    const long of_x = apart((long)(s->steps + t->G - 1) * s->classes * t->width);
    const long of_w = (long)t->G * t->j->channels * lanes;

    for (int p = 0; p < t->P; p++)
        for (int i = 0; i < parts; i++) {
            const int from = i * tiles / parts, rows = (i + 1) * tiles / parts - from;
            (job->other ? pairs[rows] : products[rows][lanes > CLVITS_VECTOR])(
                job, x + p * of_x + (long)from * t->width, w + p * of_w,
                y + ((long)p * tiles + from) * lanes);
        }
}

/* The first channel of a block, those of all phases being counted. */
static int channel_of(const toom *t, int block)
{
    const int each = t->all / t->j->d->phases;
    return block / each * t->j->d->O + block % each * t->j->d->lanes;
}

/* What the epilogue of a stretch, of blocks [block, end), adds and writes, and what the next one
 * reads. Where rows lie side by side, phases do as channels do. */
static clvits_ahead look_ahead(const toom *t, const span *s, int block, int end, bool more)
{
    const clvits_conv_job *j = t->j;
    const conv1d_dims *d = j->d;
    const int c = channel_of(t, block), last = channel_of(t, end - 1) + d->lanes;
    const clvits_conv_part part = { .b = s->b, .low = s->low, .high = s->high, .o0 = c % d->O,
                                    .n = clvits_least(last, d->phases * d->O) - c };
    const int whole = t->form->m * d->dilation, rows = s->steps * whole;
    const int row = s->k0 * whole - s->shift;
    const int read = row + rows - d->pad + (t->G - 1) * whole + (t->form->r - 1) * d->dilation;
    const int from = read > 0 ? read : 0, left = j->run[d->from * d->B + s->b] - from;
    clvits_ahead a = { .n = 0 };

    if (s->classes < d->dilation || d->act == CLVITS_ACT_GATE || d->act == CLVITS_ACT_SPLIT)
        return a;
    if (more)
        clvits_want(&a, j->x + clvits_at(d->x, s->b, from), d->x.ld, d->I,
                    clvits_least(read + rows - from, left), 0);
    clvits_want_epilogue(&a, j, &part, row * d->phases + c / d->O - d->shift, d->phases, rows);
    clvits_spread(&a, t->P * t->G * t->blocks * clvits_ceil_div(d->I, CLVITS_FETCHED) *
                          clvits_ceil_div(s->steps * s->classes, ROWS));
    return a;
}

static void finish(const toom *t, const span *s, const clvits_conv_part *part, int lanes,
                   const float *y)
{
    const conv1d_dims *d = t->j->d;
    const int tiles = s->steps * s->classes, first = part->p - d->shift;
    float rows[TOOM_MAX_M * MAX_LANES];

    for (int i = 0; i < tiles; i++) {
        t->form->output(y + (long)i * lanes, (long)tiles * lanes, lanes, rows);
        CLVITS_CPU_PATH(conv_finish)(t->j, part, rows, lanes, step_of(t, s, i) * d->phases + first,
                                     d->dilation * d->phases, t->form->m);
    }
}

/* Block number `block` of the channels of all phases; returns its lanes. */
static int block_of(const toom *t, const span *s, int block, clvits_conv_part *part)
{
    const conv1d_dims *d = t->j->d;
    /* A gate's block has lanes for the same channels of both halves. */
    const bool gate = d->act == CLVITS_ACT_GATE;
    const int lanes = gate ? d->lanes / 2 : d->lanes, outputs = gate ? d->O / 2 : d->O;
    const int each = t->all / d->phases, o0 = block % each * lanes;

    *part = (clvits_conv_part){
        .b = s->b,
        .p = block / each,
        .len = t->j->run[d->clock * d->B + s->b],
        .low = s->low,
        .high = s->high,
        .o0 = o0,
        .n = outputs - o0 < lanes ? outputs - o0 : lanes,
        .w = t->j->w + (long)block * t->P * t->G * d->I * d->lanes,
    };
    return gate || part->n > CLVITS_VECTOR ? 2 * CLVITS_VECTOR : CLVITS_VECTOR;
}

/* A stretch: blocks [block, end) of output channels. */
static void run_stretch(const toom *t, const span *s, int block, int end, bool more)
{
    const conv1d_dims *d = t->j->d;
    const long sums = (long)t->P * s->steps * s->classes;
    float x[X_FLOATS] __attribute__((aligned(64))), y[Y_FLOATS] __attribute__((aligned(64)));
    clvits_conv_part part, beside;
    clvits_ahead next = look_ahead(t, s, block, end, more);

    for (int c = 0; c < d->I; c += t->width) {
        const int n = d->I - c < t->width ? d->I - c : t->width;
        float *to = y;
        transform(t, s, c, n, x);
        for (int o = block, blocks; o < end; o += blocks) {
            const int lanes = block_of(t, s, o, &part);
            const bool pair = PAIR_ROWS > 0 && lanes == MAX_LANES && o + 1 < end &&
                              block_of(t, s, o + 1, &beside) == lanes;
            const product job = { .groups = t->G, .n = n, .next = t->width, .first = c == 0,
                                  .ahead = &next,
                                  .tap = (long)s->classes * t->width,
                                  .skip = (long)(d->I - n) * lanes,
                                  .other = pair ? beside.w - part.w : 0,
                                  .sums = pair ? sums * lanes : 0 };
            multiply(t, s, &job, x, part.w + (long)c * lanes, lanes, to);
            blocks = pair ? 2 : 1;
            to += sums * lanes * blocks;
        }
    }
    const float *from = y;
    for (int o = block; o < end; o++) {
        const int lanes = block_of(t, s, o, &part);
        finish(t, s, &part, lanes, from);
        from += sums * lanes;
    }
}

/* The steps of item b that are to be made: from k0 on, before the one that this returns. */
static int steps_of(const toom *t, int b, span *s)
{
    const conv1d_dims *d = t->j->d;
    const int whole = t->form->m * d->dilation;

    s->shift = t->j->run[(CLVITS_FIRST_ROWS + d->clock) * d->B + b] / d->phases % whole;
    clvits_conv_rows(t->j, b, &s->low, &s->high);
    s->k0 = ((s->low + d->shift) / d->phases + s->shift) / whole;
    if (s->low >= s->high)
        return s->k0;
    const int end = clvits_ceil_div(s->high + d->shift, d->phases);
    return clvits_ceil_div(end + s->shift, whole);
}

static void run_job(void *context, int index)
{
    const toom *t = context;
    const conv1d_dims *d = t->j->d;
    const int step = index % t->stepped, rest = index / t->stepped;
    const int class = rest % t->classed, split = rest / t->classed % t->split;
    const int b = rest / t->classed / t->split;
    const int block = split * t->blocks, end = clvits_least(block + t->blocks, t->all);
    span s = { .b = b, .i0 = class * t->classes };
    int last = steps_of(t, b, &s);
    const int k0 = s.k0 + step * t->stretches * t->steps;
    clvits_conv_part part;

    s.classes = d->dilation - s.i0 < t->classes ? d->dilation - s.i0 : t->classes;
    for (int o = block; o < end && step == 0 && class == 0; o++) {
        block_of(t, &s, o, &part);
        if (part.p == 0)
            CLVITS_CPU_PATH(conv_zero_guards)(t->j, &part);
    }
    if (last > k0 + t->stretches * t->steps)
        last = k0 + t->stretches * t->steps;
    for (s.k0 = k0; s.k0 < last; s.k0 += t->steps) {
        s.steps = last - s.k0 < t->steps ? last - s.k0 : t->steps;
        run_stretch(t, &s, block, end, s.k0 + t->steps < last);
    }
}

/* Residue classes of a stretch: no more than leave room for one step and the groups of taps that it
 * reaches. Steps: as many as the scratch holds of one block, and no more than make STEPS of every
 * class together or half the scratch full. Then jobs: enough of them for the threads. Several
 * threads share many, since at the end all wait for the last one; but not one per stretch, since
 * what the next stretch of a job reads is fetched ahead. */
static void choose_job(toom *t, int steps)
{
    const conv1d_dims *d = t->j->d;
    const int all = t->all;

    /* Phases make more blocks of the same inputs, and write further apart. */
    const int tiles = (d->phases > 1 ? STEPS / 2 : STEPS) / t->form->m;
    t->width = clvits_ceil_div(d->I, clvits_ceil_div(d->I, WIDTH));
    t->width = clvits_ceil_div(t->width, CLVITS_VECTOR) * CLVITS_VECTOR;
    /* Less what apart() adds. */
    const int floats = X_FLOATS / t->P - CLVITS_VECTOR;
    t->classes = clvits_least(clvits_least(d->dilation, CLASSES), floats / (t->width * t->G));
    const int most_x = floats / (t->width * t->classes) - (t->G - 1);
    const int most_y = Y_FLOATS / (t->P * d->lanes * t->classes);
    const int enough = clvits_ceil_div(tiles, t->classes);
    const int half = clvits_least(most_x, most_y / all) / 2;
    t->steps = clvits_least(half > enough ? half : enough, clvits_least(most_x, most_y));
    t->steps = clvits_least(t->steps, steps);
    t->blocks = clvits_least(most_y / t->steps, all);
    t->classed = clvits_ceil_div(d->dilation, t->classes);
    t->split = clvits_ceil_div(all, t->blocks);

    const int threads = clvits_pool_threads(t->j->pool), wanted = JOBS_EACH * threads;
    const int stretched = threads > 1 ? STRETCHED_EACH * threads : wanted;
    while (clvits_ceil_div(steps, t->steps) * t->classed * t->split * d->B < wanted) {
        if (t->steps * t->classes > 2 * ROWS)
            t->steps = clvits_ceil_div(t->steps, 2);
        else if (t->blocks > 1)
            t->blocks = clvits_ceil_div(t->blocks, 2);
        else
            break;
        t->split = clvits_ceil_div(all, t->blocks);
    }
    const int jobs = clvits_ceil_div(stretched, t->classed * t->split * d->B);
    t->stretches = clvits_ceil_div(clvits_ceil_div(steps, t->steps), jobs);
    t->stepped = clvits_ceil_div(steps, t->steps * t->stretches);
}

void CLVITS_CPU_PATH(conv_toom)(const clvits_conv_job *j)
{
    const conv1d_dims *d = j->d;
    toom t = { .j = j, .G = clvits_ceil_div(d->K, d->r), .form = forms,
               .all = clvits_ceil_div(d->O, d->lanes) * d->phases };
    int most = 1;

    while (t.form->m != d->m || t.form->r != d->r)
        t.form++;
    t.P = t.form->P;
    for (int b = 0; b < d->B; b++) {
        span s;
        const int last = steps_of(&t, b, &s);
        most = last - s.k0 > most ? last - s.k0 : most;
    }
    choose_job(&t, most);
    clvits_pool_run(j->pool, t.stepped * t.classed * t.split * d->B, run_job, &t);
}
