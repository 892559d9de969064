// SPDX-License-Identifier: MIT
//
// The prior of every frame: rows of ids repeated over their frames, and noise.
#include "cpu/isa.h"
#include "cpu/math.h"

#include <exact.h>

#include <align.h>
#include <random.h>

enum { JOB_FRAMES = 32 };

typedef struct prior_job {
    const prior_dims *d;
    const int *run;
    const float *stats;
    const int *ends;
    const float *noise;
    float *z;
    int chunks;
} prior_job;

/* The noise of frame f of item b, which is frame `frame` of the whole. */
static void draw(const prior_job *j, int b, int f, int frame, float *z)
{
    const prior_dims *d = j->d;
    const unsigned low = (unsigned)j->run[d->seed * d->B + b];
    const unsigned high = (unsigned)j->run[(d->seed + 1) * d->B + b];

    if (d->has_noise) {
        memcpy(z, j->noise + clvits_at(d->noise, b, f), (size_t)d->C * sizeof(*z));
        return;
    }
    for (int c = 0; c < d->C; c += 2) {
        const normal_pair e =
            normal_at(low, high, (unsigned)d->stream, (unsigned)frame, (unsigned)c / 2);
        z[c] = e.even;
        if (c + 1 < d->C)
            z[c + 1] = e.odd;
    }
}

static void prior_chunk(void *context, int index)
{
    const prior_job *j = context;
    const prior_dims *d = j->d;
    const int b = index / j->chunks, first = index % j->chunks * JOB_FRAMES;
    const int frames = j->run[d->frames * d->B + b], ids = j->run[d->ids * d->B + b];
    const int last = first + JOB_FRAMES < frames ? first + JOB_FRAMES : frames;
    const int row = j->run[(CLVITS_FIRST_ROWS + d->frames) * d->B + b];
    const int *ends = j->ends + clvits_at(d->ends, b, 0);
    const float scale = as_float((unsigned)j->run[d->slot * d->B + b]);
    int id = first < last ? id_of_frame(ends, d->ends.ld, ids, row + first) : ids;

    for (int f = first; f < last; f++) {
        float *restrict z = j->z + clvits_at(d->z, b, f);
        while (id < ids && ends[(long)id * d->ends.ld] <= row + f)
            id++;
        draw(j, b, f, row + f, z);
        if (id < ids) {
            const float *restrict m = j->stats + clvits_at(d->stats, b, id), *logs = m + d->C;
            for (int c = 0; c < d->C; c++)
                z[c] = m[c] + z[c] * clvits_exp(logs[c]) * scale;
        } else {
            for (int c = 0; c < d->C; c++)
                z[c] *= scale;
        }
    }
    if (first == 0)
        clvits_zero_guard(j->z, d->z, b, frames, d->C);
}

void CLVITS_CPU_PATH(prior)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(prior)(const clvits_cpu_call *call)
{
    const prior_dims *d = call->dims;
    prior_job j = { d, call->run, call->in[0], call->in[1], call->in[2], call->out[0],
                    (d->rows - 2 * d->z.guard + JOB_FRAMES - 1) / JOB_FRAMES };

    clvits_pool_run(call->pool, j.chunks * d->B, prior_chunk, &j);
}
