// SPDX-License-Identifier: MIT
//
// What takes an element at a time. Loops over channels carry no branch and call nothing, so that
// they become vector code.
#include "cpu/math.h"
#include "cpu/rows.h"

#include <math.h>
#include <stdbool.h>

static const float *row(const void *base, clvits_view v, int b, int t)
{
    return (const float *)base + clvits_at(v, b, t);
}

static void run_rows(const clvits_cpu_call *call, clvits_rows_fn *fn)
{
    const pointwise_dims *d = call->dims;
    clvits_rows r = { .call = call, .fn = fn, .B = d->B, .T = d->T, .clock = d->clock,
                      .outputs = d->has_logdet ? 2 : 1, .y = { d->y, d->logdet },
                      .channels = { d->C, 1 } };
    clvits_rows_run(&r);
}

#define EACH(EXPRESSION)                                                                          \
    for (long c = 0; c < n; c++)                                                                  \
        y[c] = EXPRESSION;

static void unary_row(const pointwise_dims *d, float factor, const float *restrict x,
                      float *restrict y, long n)
{
    switch (d->kind) {
    case UNARY_RELU:
        EACH(x[c] < 0.0f ? 0.0f : x[c])
        break;
    case UNARY_LEAKY_RELU:
        EACH(x[c] * (x[c] < 0.0f ? d->a : 1.0f))
        break;
    case UNARY_GELU:
        EACH(clvits_gelu(x[c]))
        break;
    case UNARY_TANH:
        EACH(clvits_tanh(x[c]))
        break;
    case UNARY_SIGMOID:
        EACH(clvits_sigmoid(x[c]))
        break;
    case UNARY_EXP:
        EACH(clvits_exp(x[c]))
        break;
    case UNARY_PLUS:
        EACH(x[c] + d->a)
        break;
    case UNARY_LOG:
        EACH(logf(x[c] + d->a))
        break;
    case UNARY_LOG_SIGMOID:
        EACH((x[c] < 0.0f ? x[c] : 0.0f) - log1pf(clvits_exp(-fabsf(x[c]))))
        break;
    case UNARY_LOG_NORMAL:
        EACH(-0.5f * x[c] * x[c] - 0.918938533f)
        break;
    default:
        EACH(x[c] * factor)
    }
}

/* Of integers: some at a time, as floats. */
static void unary_row_of_ints(const pointwise_dims *d, float factor, const float *x, float *y,
                              long n)
{
    enum { SOME = 64 };
    int ints[SOME];
    float floats[SOME];

    for (long c = 0; c < n; c += SOME) {
        const long some = n - c < SOME ? n - c : SOME;
        memcpy(ints, x + c, (size_t)some * sizeof(*ints));
        for (long i = 0; i < some; i++)
            floats[i] = (float)ints[i];
        unary_row(d, factor, floats, y + c, some);
    }
}

static float scalar(const clvits_cpu_call *call, int slot, int b)
{
    const pointwise_dims *d = call->dims;
    float f;
    memcpy(&f, &call->run[slot * d->B + b], sizeof(f));
    return f;
}

static void unary_rows(const clvits_cpu_call *call, int b, int t, int n)
{
    const pointwise_dims *d = call->dims;
    const float factor = d->slot < 0 ? d->a : d->a * scalar(call, d->slot, b);
    /* Rows without gaps are one long row. */
    const bool whole = d->x.ld == d->C && d->y.ld == d->C;
    const long length = whole ? (long)n * d->C : d->C;

    for (int i = 0; i < (whole ? 1 : n); i++)
        (d->whole ? unary_row_of_ints : unary_row)(
            d, factor, row(call->in[0], d->x, b, t + i),
            (float *)call->out[0] + clvits_at(d->y, b, t + i), length);
}

static void binary_rows(const clvits_cpu_call *call, int b, int t, int rows)
{
    const pointwise_dims *d = call->dims;
    const long n = d->C;

    for (int end = t + rows; t < end; t++) {
        const float *restrict x = row(call->in[0], d->x, b, t);
        const float *restrict p = row(call->in[1], d->p, b, d->one_row ? 0 : t);
        float *restrict y = (float *)call->out[0] + clvits_at(d->y, b, t);
        if (d->kind == BINARY_ADD)
            EACH(x[c] + p[c])
        else if (d->kind == BINARY_SUB)
            EACH(x[c] - p[c])
        else
            EACH(x[c] * p[c])
    }
}

static void gate_rows(const clvits_cpu_call *call, int b, int t, int rows)
{
    const pointwise_dims *d = call->dims;
    const long n = d->C;

    for (int end = t + rows; t < end; t++) {
        const float *restrict x = row(call->in[0], d->x, b, t), *restrict x2 = x + n;
        float *restrict y = (float *)call->out[0] + clvits_at(d->y, b, t);
        if (d->has_p) {
            const float *restrict g = row(call->in[1], d->p, b, d->one_row ? 0 : t);
            const float *restrict g2 = g + n;
            EACH(clvits_tanh(x[c] + g[c]) * clvits_sigmoid(x2[c] + g2[c]))
        } else {
            EACH(clvits_tanh(x[c]) * clvits_sigmoid(x2[c]))
        }
    }
}

static void flow_rows(const clvits_cpu_call *call, int b, int t, int rows)
{
    const pointwise_dims *d = call->dims;
    const long n = d->C;

    for (int end = t + rows; t < end; t++) {
        const float *restrict x = row(call->in[0], d->x, b, t);
        const float *restrict m = d->per_channel ? call->in[1] : row(call->in[1], d->p, b, t);
        const float *restrict s = d->per_channel ? call->in[2]
                                  : d->has_q     ? row(call->in[2], d->q, b, t)
                                                 : NULL;
        float *restrict y = (float *)call->out[0] + clvits_at(d->y, b, t);
        float sum = 0.0f;

        if (!d->has_q && d->reverse)
            EACH(x[c] - m[c])
        else if (!d->has_q)
            EACH(m[c] + x[c])
        else if (d->reverse)
            EACH((x[c] - m[c]) * clvits_exp(-s[c]))
        else
            EACH(m[c] + x[c] * clvits_exp(s[c]))
        if (!d->has_logdet)
            continue;
        for (long c = 0; c < n && d->has_q; c++)
            sum += s[c];
        ((float *)call->out[1])[clvits_at(d->logdet, b, t)] = d->reverse ? -sum : sum;
    }
}

static void log_flow_rows(const clvits_cpu_call *call, int b, int t, int rows)
{
    const pointwise_dims *d = call->dims;
    const long n = d->C;

    for (int end = t + rows; t < end; t++) {
        const float *restrict x = row(call->in[0], d->x, b, t);
        float *restrict y = (float *)call->out[0] + clvits_at(d->y, b, t);
        float sum = 0.0f;

        if (d->reverse)
            EACH(clvits_exp(x[c]))
        else
            EACH(logf(x[c] < 1e-5f ? 1e-5f : x[c]))
        if (!d->has_logdet)
            continue;
        for (long c = 0; c < n; c++)
            sum += d->reverse ? x[c] : -y[c];
        ((float *)call->out[1])[clvits_at(d->logdet, b, t)] = sum;
    }
}

static void sample_rows(const clvits_cpu_call *call, int b, int t, int rows)
{
    const pointwise_dims *d = call->dims;
    const float factor = scalar(call, d->slot, b);
    const long n = d->C;

    for (int end = t + rows; t < end; t++) {
        const float *restrict m = row(call->in[0], d->x, b, t);
        const float *restrict s = row(call->in[1], d->p, b, t);
        const float *restrict e = row(call->in[2], d->q, b, t);
        float *restrict y = (float *)call->out[0] + clvits_at(d->y, b, t);
        EACH(m[c] + e[c] * clvits_exp(s[c]) * factor)
    }
}

#define CPU_PATH(NAME, ROWS)                                                                      \
    void CLVITS_CPU_PATH(NAME)(const clvits_cpu_call *call);                                      \
    void CLVITS_CPU_PATH(NAME)(const clvits_cpu_call *call)                                       \
    {                                                                                             \
        run_rows(call, ROWS);                                                                     \
    }

CPU_PATH(unary, unary_rows)
CPU_PATH(binary, binary_rows)
CPU_PATH(gate, gate_rows)
CPU_PATH(affine, flow_rows)
CPU_PATH(coupling, flow_rows)
CPU_PATH(log_flow, log_flow_rows)
CPU_PATH(sample, sample_rows)
