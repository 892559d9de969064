// SPDX-License-Identifier: MIT
//
// What the direct and the Toom-Cook form of the blocked convolution share: what a node's jobs are
// given, and the epilogue.
#ifndef CLVITS_CPU_CONV_H
#define CLVITS_CPU_CONV_H

#include "base/tensor.h"
#include "cpu/isa.h"

/* Two vectors by ROWS accumulators, plus two of weights and one broadcast, fit the registers. */
#if CLVITS_REGISTERS >= 32
#define ROWS 12
#else
#define ROWS 6
#endif
#define MAX_LANES (2 * CLVITS_VECTOR)

enum { JOBS_EACH = 4 }; /* jobs for each thread, so that none waits long for the last */

typedef int clvits_vec_bits __attribute__((vector_size(CLVITS_VECTOR * sizeof(int))));

typedef struct clvits_conv_job {
    const conv1d_dims *d;
    const int *run;
    clvits_pool *pool;
    const float *x, *w, *bias, *residual, *sum;
    float *y, *a;
    int channels, outputs; /* of a group */
    int rows;              /* steps of a job */
    int chunks, blocks;    /* jobs along the steps; along the channels of one phase and group */
} clvits_conv_job;

/* The number in [least, most] that is next to v. */
static inline int clvits_between(int v, int least, int most)
{
    return v < least ? least : v > most ? most : v;
}

/* The rows of item b's result that are to be made: of the valid ones those that are asked for. */
static inline void clvits_conv_rows(const clvits_conv_job *j, int b, int *first, int *end)
{
    const conv1d_dims *d = j->d;
    const int len = j->run[d->clock * d->B + b];
    const int before = j->run[(CLVITS_FIRST_ROWS + d->clock) * d->B + b];
    const int *asked = j->run + d->asked;
    const bool some = asked[0] < asked[1];

    *first = some ? clvits_between(asked[0] - before, 0, len) : 0;
    *end = some ? clvits_between(asked[1] - before, *first, len) : len;
}

/* Steps [first, end) of one block of channels in one phase, group and item. */
typedef struct clvits_conv_part {
    int b, p, len, low, high; /* valid rows; those to be made are [low, high) */
    int o0, n;                /* first output channel, how many */
    int first, end;
    const float *x, *w; /* tap 0 of step 0, first channel of the group; the packed block */
    long step, tap;     /* elements of x from a step to the next, from a tap to the next */
    int taps, channels;
} clvits_conv_part;

static inline clvits_vec clvits_vec_leaky(clvits_vec v, float slope)
{
    const clvits_vec_bits m = v >= 0.0f;
    return (clvits_vec)((m & (clvits_vec_bits)v) | (~m & (clvits_vec_bits)(v * slope)));
}

/* Rows of memory that will be wanted soon, fetched line by line while products leave it idle. */
typedef struct clvits_ahead {
    struct {
        const char *at;
        long stride;
        int rows, lines, line; /* rows left, lines of each, the next one */
        int write;
    } part[5];
    int n, each; /* parts left; lines to fetch at a time */
} clvits_ahead;

enum {
    CLVITS_LINE = 64,   /* bytes that memory gives at a time */
    CLVITS_FETCHED = 8, /* channels of a product between two fetches */
};

/* Rows `from`, `from` + stride floats, ... of n channels. */
static inline void clvits_want(clvits_ahead *a, const float *from, long stride, int n, int rows,
                               int write)
{
    if (rows <= 0)
        return;
    a->part[a->n].at = (const char *)from;
    a->part[a->n].stride = stride * (long)sizeof(float);
    a->part[a->n].rows = rows;
    a->part[a->n].line = 0;
    a->part[a->n].write = write;
    a->part[a->n++].lines = (n * (int)sizeof(float) + CLVITS_LINE - 1) / CLVITS_LINE;
}

/* What the epilogue of the part's channels wants in rows row, row + step, ... */
static inline void clvits_want_epilogue(clvits_ahead *a, const clvits_conv_job *j,
                                        const clvits_conv_part *t, int row, int step, int rows)
{
    const conv1d_dims *d = j->d;

    while (rows > 0 && row < t->low)
        row += step, rows--;
    if (row + (rows - 1) * step >= t->high)
        rows = (t->high - row + step - 1) / step;
    if (d->has_residual && d->residual.off != d->x.off)
        clvits_want(a, j->residual + clvits_at(d->residual, t->b, row) + t->o0,
                    (long)d->residual.ld * step, t->n, rows, 0);
    if (d->has_sum)
        clvits_want(a, j->sum + clvits_at(d->sum, t->b, row) + t->o0, (long)d->sum.ld * step, t->n,
                    rows, 0);
    if (d->has_act)
        clvits_want(a, j->a + clvits_at(d->a, t->b, row) + t->o0, (long)d->a.ld * step, t->n, rows,
                    1);
    if (d->has_y)
        clvits_want(a, j->y + clvits_at(d->y, t->b, row) + t->o0, (long)d->y.ld * step, t->n, rows,
                    1);
}

/* Everything that is wanted, in so many times. */
static inline void clvits_spread(clvits_ahead *a, int times)
{
    int lines = 0;

    for (int i = 0; i < a->n; i++)
        lines += a->part[i].rows * a->part[i].lines;
    a->each = (lines + times - 1) / times;
}

/* A few lines at a time: more would fill the queue of those that are under way, and wait. */
static inline void clvits_fetch(clvits_ahead *a)
{
    for (int i = 0; i < a->each && a->n; i++) {
        __typeof__(a->part[0]) *p = &a->part[a->n - 1];
        const char *line = p->at + p->line * CLVITS_LINE;
        if (p->write)
            __builtin_prefetch(line, 1, 2);
        else
            __builtin_prefetch(line, 0, 2);
        if (++p->line < p->lines)
            continue;
        p->line = 0;
        p->at += p->stride;
        if (!--p->rows)
            a->n--;
    }
}

/* The epilogue of the sums v, ld apart, in rows row, row + step, ...: those to be made. */
void CLVITS_CPU_PATH(conv_finish)(const clvits_conv_job *j, const clvits_conv_part *t,
                                  const float *v, int ld, int row, int step, int rows);

/* Zeros in the guard rows of the part's channels. */
void CLVITS_CPU_PATH(conv_zero_guards)(const clvits_conv_job *j, const clvits_conv_part *t);

/* The whole node in Toom-Cook form: lib/cpu/toom.c. */
void CLVITS_CPU_PATH(conv_toom)(const clvits_conv_job *j);

#endif
