// SPDX-License-Identifier: MIT
//
// Standard normal noise, a function of seed, stream, channel and the row's place in the whole.
#include "cpu/isa.h"

#include <exact.h>

#include <random.h>

enum { JOB_ROWS = 32 };

typedef struct normal_job {
    const normal_dims *d;
    const int *run;
    float *y;
    int chunks;
} normal_job;

static void normal_rows(void *context, int index)
{
    const normal_job *j = context;
    const normal_dims *d = j->d;
    const int b = index / j->chunks, first = index % j->chunks * JOB_ROWS;
    const int len = j->run[d->clock * d->B + b];
    const int last = first + JOB_ROWS < len ? first + JOB_ROWS : len;
    const unsigned low = (unsigned)j->run[d->slot * d->B + b];
    const unsigned high = (unsigned)j->run[(d->slot + 1) * d->B + b];
    const int row = j->run[(CLVITS_FIRST_ROWS + d->clock) * d->B + b];

    for (int t = first; t < last; t++) {
        float *y = j->y + clvits_at(d->y, b, t);
        for (int c = 0; c < d->C; c += 2) {
            const normal_pair z =
                normal_at(low, high, (unsigned)d->stream, (unsigned)(row + t), (unsigned)c / 2);
            y[c] = z.even;
            if (c + 1 < d->C)
                y[c + 1] = z.odd;
        }
    }
    if (first == 0)
        clvits_zero_guard(j->y, d->y, b, len, d->C);
}

void CLVITS_CPU_PATH(normal)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(normal)(const clvits_cpu_call *call)
{
    const normal_dims *d = call->dims;
    normal_job j = { d, call->run, call->out[0],
                     (d->rows - 2 * d->y.guard + JOB_ROWS - 1) / JOB_ROWS };

    clvits_pool_run(call->pool, j.chunks * d->B, normal_rows, &j);
}
