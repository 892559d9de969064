// SPDX-License-Identifier: MIT
//
// What the rooms that work row by row share: their rows in blocks, one job each.
#ifndef CLVITS_CPU_ROWS_H
#define CLVITS_CPU_ROWS_H

#include "cpu/isa.h"

/* Computes rows [t, t + n) of item b, all of them valid. */
typedef void clvits_rows_fn(const clvits_cpu_call *call, int b, int t, int n);

typedef struct clvits_rows {
    const clvits_cpu_call *call;
    clvits_rows_fn *fn;
    int B, T, clock;
    int block, blocks; /* rows of a job, jobs of an item */
    int outputs;
    clvits_view y[2];
    int channels[2];
} clvits_rows;

static void clvits_rows_job(void *context, int index)
{
    const clvits_rows *r = context;
    const int b = index / r->blocks, t = index % r->blocks * r->block;
    const int len = r->call->run[r->clock * r->B + b];

    for (int k = 0; k < r->outputs && t == 0; k++)
        clvits_zero_guard(r->call->out[k], r->y[k], b, len, r->channels[k]);
    if (t < len)
        r->fn(r->call, b, t, len - t < r->block ? len - t : r->block);
}

/* Run fn over all items; a job is made large enough to be worth a thread. */
static inline void clvits_rows_run(clvits_rows *r)
{
    enum { JOB_FLOATS = 8192 };
    r->block = JOB_FLOATS / (r->channels[0] + 1) + 1;
    r->blocks = (r->T + r->block - 1) / r->block;
    clvits_pool_run(r->call->pool, r->B * r->blocks, clvits_rows_job, r);
}

#endif
