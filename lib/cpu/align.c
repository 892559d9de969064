// SPDX-License-Identifier: MIT
//
// Log-durations to frames and their running sums; rows of ids repeated over their frames.
#include "cpu/isa.h"

#include <exact.h>

#include <align.h>

enum { JOB_FRAMES = 128 };

typedef struct durations_job {
    const durations_dims *d;
    const int *run;
    const float *logw;
    int *y, *ends;
} durations_job;

static void durations_item(void *context, int b)
{
    const durations_job *j = context;
    const durations_dims *d = j->d;
    const int len = j->run[d->clock * d->B + b];
    const float length_scale = as_float((unsigned)j->run[d->slot * d->B + b]);
    int end = 0;

    for (int t = 0; t < len; t++) {
        const int frames = frames_of(j->logw[clvits_at(d->x, b, t)], length_scale);
        end = add_frames(end, frames);
        j->y[clvits_at(d->y, b, t)] = frames;
        j->ends[clvits_at(d->ends, b, t)] = end;
    }
    clvits_zero_guard(j->y, d->y, b, len, 1);
    clvits_zero_guard(j->ends, d->ends, b, len, 1);
}

void CLVITS_CPU_PATH(durations)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(durations)(const clvits_cpu_call *call)
{
    const durations_dims *d = call->dims;
    durations_job j = { d, call->run, call->in[0], call->out[0], call->out[1] };

    clvits_pool_run(call->pool, d->B, durations_item, &j);
}

typedef struct expand_job {
    const expand_dims *d;
    const int *run;
    const float *x;
    const int *ends;
    float *y;
    int chunks;
} expand_job;

static void expand_chunk(void *context, int index)
{
    const expand_job *j = context;
    const expand_dims *d = j->d;
    const int b = index / j->chunks, first = index % j->chunks * JOB_FRAMES;
    const int frames = j->run[d->frames * d->B + b], ids = j->run[d->ids * d->B + b];
    const int last = first + JOB_FRAMES < frames ? first + JOB_FRAMES : frames;
    const int *ends = j->ends + clvits_at(d->ends, b, 0);
    const int before = j->run[(CLVITS_FIRST_ROWS + d->frames) * d->B + b];
    const size_t size = (size_t)d->C * sizeof(float);
    int id = first < last ? id_of_frame(ends, d->ends.ld, ids, before + first) : ids;

    for (int f = first; f < last; f++) {
        float *y = j->y + clvits_at(d->y, b, f);
        while (id < ids && ends[(long)id * d->ends.ld] <= before + f)
            id++;
        if (id < ids)
            memcpy(y, j->x + clvits_at(d->x, b, id), size);
        else
            memset(y, 0, size);
    }
    if (first == 0)
        clvits_zero_guard(j->y, d->y, b, frames, d->C);
}

void CLVITS_CPU_PATH(expand)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(expand)(const clvits_cpu_call *call)
{
    const expand_dims *d = call->dims;
    const int capacity = d->rows - 2 * d->y.guard;
    expand_job j = { d, call->run, call->in[0], call->in[1], call->out[0],
                     (capacity + JOB_FRAMES - 1) / JOB_FRAMES };

    clvits_pool_run(call->pool, j.chunks * d->B, expand_chunk, &j);
}
