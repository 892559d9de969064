// SPDX-License-Identifier: MIT
//
// Rational-quadratic splines, forward and inverse, with their log-determinants.
#include "cpu/isa.h"

#include <exact.h>

#include <spline.h>

enum { JOB_ROWS = 16 };

typedef struct spline_job {
    const spline_dims *d;
    const int *run;
    const float *x, *h;
    float *y, *logdet;
    int chunks;
} spline_job;

static void spline_rows(void *context, int index)
{
    const spline_job *j = context;
    const spline_dims *d = j->d;
    const int b = index / j->chunks, first = index % j->chunks * JOB_ROWS;
    const int len = j->run[d->clock * d->B + b];
    const int last = first + JOB_ROWS < len ? first + JOB_ROWS : len;

    for (int t = first; t < last; t++) {
        const float *x = j->x + clvits_at(d->x, b, t), *h = j->h + clvits_at(d->h, b, t);
        float *y = j->y + clvits_at(d->y, b, t), sum = 0.0f;

        for (int c = 0; c < d->C; c++) {
            const spline_point p = spline_at(*d, x[c], h + (long)c * (3 * d->bins - 1));
            y[c] = p.y;
            sum += p.logdet;
        }
        if (d->has_logdet)
            j->logdet[clvits_at(d->logdet, b, t)] = sum;
    }
    if (first == 0) {
        clvits_zero_guard(j->y, d->y, b, len, d->C);
        if (d->has_logdet)
            clvits_zero_guard(j->logdet, d->logdet, b, len, 1);
    }
}

void CLVITS_CPU_PATH(spline)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(spline)(const clvits_cpu_call *call)
{
    const spline_dims *d = call->dims;
    spline_job j = { d, call->run, call->in[0], call->in[1], call->out[0], call->out[1],
                     (d->rows + JOB_ROWS - 1) / JOB_ROWS };

    clvits_pool_run(call->pool, j.chunks * d->B, spline_rows, &j);
}
