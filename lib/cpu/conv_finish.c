// SPDX-License-Identifier: MIT
//
// The epilogue of both forms of the blocked convolution: bias, residual, running sum and scale,
// activation, two outputs, guard rows.
#include "cpu/conv.h"
#include "cpu/math.h"

#include <math.h>
#include <stdbool.h>

typedef clvits_conv_job job;
typedef clvits_conv_part part;

/* A row, one channel after the other. */
static void finish_some(const job *j, const part *t, const float *v, int row)
{
    const conv1d_dims *d = j->d;
    const int at = t->o0;

    for (int i = 0; i < t->n; i++) {
        float s = v[i];
        if (d->has_bias)
            s += j->bias[(d->has_bias == 2 ? clvits_at(d->bias, t->b, 0) : 0) + at + i];
        if (d->has_residual)
            s += j->residual[clvits_at(d->residual, t->b, row) + at + i];
        if (d->has_sum)
            s += j->sum[clvits_at(d->sum, t->b, row) + at + i];
        s *= d->scale;
        if (d->has_y)
            j->y[clvits_at(d->y, t->b, row) + at + i] = s;
        if (d->has_act)
            j->a[clvits_at(d->a, t->b, row) + at + i] =
                d->act == CLVITS_ACT_LEAKY_RELU ? s >= 0.0f ? s : s * d->act_slope
                : d->act == CLVITS_ACT_TANH     ? tanhf(s)
                                                : s;
    }
}

/* to = (v + bias + add) * scale for n channels; bias and add may be NULL. */
static void add_up(float *to, const float *v, const float *bias, const float *add, float scale,
                   int n)
{
    for (int c = 0; c + CLVITS_VECTOR <= n;) {
        clvits_vec s = clvits_vec_load(v + c);
        if (bias)
            s += clvits_vec_load(bias + c);
        if (add)
            s += clvits_vec_load(add + c);
        clvits_vec_store(to + c, s * scale);
        /* The last vector overlaps the one before it. */
        c = c + CLVITS_VECTOR < n && c + 2 * CLVITS_VECTOR > n ? n - CLVITS_VECTOR
                                                               : c + CLVITS_VECTOR;
    }
    for (int c = 0; c < n && n < CLVITS_VECTOR; c++)
        to[c] = (v[c] + (bias ? bias[c] : 0.0f) + (add ? add[c] : 0.0f)) * scale;
}

/* The bias of the block's first channel, or NULL. */
static const float *bias_of(const job *j, const part *t)
{
    const conv1d_dims *d = j->d;
    return d->has_bias ? j->bias + (d->has_bias == 2 ? clvits_at(d->bias, t->b, 0) : 0) + t->o0
                       : NULL;
}

/* How many of the block's channels belong to the first of two halves. */
static int in_first_half(const conv1d_dims *d, const part *t)
{
    const int left = d->O / 2 - t->o0;
    return left < 0 ? 0 : left < t->n ? left : t->n;
}

static void finish_split(const job *j, const part *t, const float *v, int row)
{
    const conv1d_dims *d = j->d;
    const int n = in_first_half(d, t), rest = t->o0 + n - d->O / 2;
    const float *bias = bias_of(j, t);

    add_up(j->y + clvits_at(d->y, t->b, row) + t->o0, v, bias,
           d->has_residual ? j->residual + clvits_at(d->residual, t->b, row) + t->o0 : NULL,
           d->scale, n);
    if (n < t->n)
        add_up(j->a + clvits_at(d->a, t->b, row) + rest, v + n, bias ? bias + n : NULL,
               d->has_sum ? j->sum + clvits_at(d->sum, t->b, row) + rest : NULL, d->scale,
               t->n - n);
}

/* A vector of each half, of which the first n lanes are channels. */
static void finish_gate(const job *j, const part *t, const float *v, int row)
{
    const conv1d_dims *d = j->d;
    const size_t size = (size_t)t->n * sizeof(float);
    const float *bias = bias_of(j, t);
    float p[CLVITS_VECTOR] = { 0 }, q[CLVITS_VECTOR] = { 0 }, y[CLVITS_VECTOR];

    if (bias) {
        memcpy(p, bias, size);
        memcpy(q, bias + d->O / 2, size);
    }
    for (int i = 0; i < CLVITS_VECTOR; i++)
        y[i] = clvits_tanh((v[i] + p[i]) * d->scale) *
               clvits_sigmoid((v[CLVITS_VECTOR + i] + q[i]) * d->scale);
    memcpy(j->a + clvits_at(d->a, t->b, row) + t->o0, y, size);
}

/* Where an epilogue's tensors have the block's first channel of a row; NULL where there is none.
 * Apart from the node's dims, which a compiler must take for changed by every store. */
typedef struct place {
    const float *bias, *residual, *sum;
    float *y, *a;
    long of_residual, of_sum, of_y, of_a; /* floats to the next row that is made */
    float scale, slope;
    int n;
} place;

static place place_of(const job *j, const part *t, int row, int step)
{
    const conv1d_dims *d = j->d;
    const int b = t->b, o = t->o0;

    return (place){
        .bias = bias_of(j, t),
        .residual = d->has_residual ? j->residual + clvits_at(d->residual, b, row) + o : NULL,
        .sum = d->has_sum ? j->sum + clvits_at(d->sum, b, row) + o : NULL,
        .y = d->has_y ? j->y + clvits_at(d->y, b, row) + o : NULL,
        .a = d->has_act ? j->a + clvits_at(d->a, b, row) + o : NULL,
        .of_residual = (long)d->residual.ld * step,
        .of_sum = (long)d->sum.ld * step,
        .of_y = (long)d->y.ld * step,
        .of_a = (long)d->a.ld * step,
        .scale = d->scale,
        .slope = d->act == CLVITS_ACT_LEAKY_RELU ? d->act_slope : 1.0f,
        .n = t->n,
    };
}

static inline void advance(place *p)
{
    p->residual = p->residual ? p->residual + p->of_residual : NULL;
    p->sum = p->sum ? p->sum + p->of_sum : NULL;
    p->y = p->y ? p->y + p->of_y : NULL;
    p->a = p->a ? p->a + p->of_a : NULL;
}

/* One row, of at least a vector, without more than a leaky ReLU. */
static inline void finish_vectors(const place *p, const float *v)
{
    for (int o = 0; o + CLVITS_VECTOR <= p->n;) {
        clvits_vec s = clvits_vec_load(v + o);
        if (p->bias)
            s += clvits_vec_load(p->bias + o);
        if (p->residual)
            s += clvits_vec_load(p->residual + o);
        if (p->sum)
            s += clvits_vec_load(p->sum + o);
        s *= p->scale;
        if (p->y)
            clvits_vec_store(p->y + o, s);
        if (p->a)
            clvits_vec_store(p->a + o, clvits_vec_leaky(s, p->slope));
        /* The last vector overlaps the one before it. */
        o = o + CLVITS_VECTOR < p->n && o + 2 * CLVITS_VECTOR > p->n ? p->n - CLVITS_VECTOR
                                                                     : o + CLVITS_VECTOR;
    }
}

void CLVITS_CPU_PATH(conv_finish)(const job *j, const part *t, const float *v, int ld, int row,
                                  int step, int rows)
{
    const int act = j->d->act;

    for (; rows > 0 && row < t->low; rows--, row += step, v += ld)
        ;
    while (rows > 0 && row + (rows - 1) * step >= t->high)
        rows--;
    if (act == CLVITS_ACT_GATE || act == CLVITS_ACT_SPLIT) {
        for (; rows > 0; rows--, row += step, v += ld)
            (act == CLVITS_ACT_GATE ? finish_gate : finish_split)(j, t, v, row);
    } else if (act == CLVITS_ACT_TANH || t->n < CLVITS_VECTOR) {
        for (; rows > 0; rows--, row += step, v += ld)
            finish_some(j, t, v, row);
    } else {
        place p = place_of(j, t, row, step);
        for (; rows > 0; rows--, v += ld, advance(&p))
            finish_vectors(&p, v);
    }
}

void CLVITS_CPU_PATH(conv_zero_guards)(const job *j, const part *t)
{
    const conv1d_dims *d = j->d;
    const bool split = d->act == CLVITS_ACT_SPLIT;
    const int n = split ? in_first_half(d, t) : t->n, first = split ? t->o0 + n - d->O / 2 : t->o0;

    if (d->has_y)
        clvits_zero_guard(j->y + t->o0, d->y, t->b, t->len, n);
    if (d->has_act && (!split || n < t->n))
        clvits_zero_guard(j->a + first, d->a, t->b, t->len, split ? t->n - n : n);
}
