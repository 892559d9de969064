// SPDX-License-Identifier: MIT
#include "base/least.h"
#include "model/listen.h"
#include "model/speak.h"

#include <clvits/revoice.h>

#include <math.h>
#include <stdlib.h>

/* What receives the new voice, and what is under way. */
typedef struct revoicing {
    clvits_listening l;
    clvits_status (*wave)(void *user, const float *samples, int n, clvits_report *r);
    void *user;
    float *z;       /* of a block, and the decoder's context around it */
    int z_first;    /* the frame of its row 0 */
    float *samples; /* of a window */
} revoicing;

/* Samples of frames [at, end), of which z is at hand. */
static clvits_status decode(revoicing *v, int at, int end, clvits_report *r)
{
    clvits_listening *l = &v->l;
    const clvits_engine *e = l->e;
    const int context = e->before + e->after, hop = e->config.hop_length;
    const int first = clvits_most(at - e->before, 0);
    const int last = clvits_least(end + e->after, l->frames);
    const clvits_stage_size size = { .kind = CLVITS_STAGE_WAVE, .batch = 1,
                                     .frames = clvits_listening_capacity(l) + context,
                                     .context = context,
                                     .barred = l->barred };

    l->decoding = true;
    clvits_status s = l->wave.stage ? CLVITS_OK : clvits_stage_take(e->pool, &l->wave, &size, r);
    if (s)
        return s;
    const clvits_wave_stage *stage = &l->wave.stage->wave;
    clvits_run *run = l->wave.run;
    clvits_stage_trace(&l->wave, r);
    s = clvits_run_set_length(run, stage->clock, 0, last - first, r);
    if (!s)
        s = clvits_run_set_first(run, stage->clock, 0, first, r);
    if (!s)
        s = clvits_run_write(run, stage->z, 0,
                             v->z + (int64_t)(first - v->z_first) * stage->z->C, r);
    if (!s && stage->cond)
        s = clvits_run_copy(run, stage->cond, 0, l->listen.run, l->listen.stage->listen.cond, 0, 0,
                            r);
    if (!s) {
        clvits_run_ask(run, stage->wave, (clvits_range){ (int64_t)at * hop, (int64_t)end * hop });
        s = clvits_stage_go(&l->wave, r);
    }
    if (!s)
        s = clvits_run_read(run, stage->wave, 0, (at - first) * hop, (end - at) * hop, v->samples,
                            r);
    return s ? s : clvits_listening_check(l, &l->wave, v->samples, (int64_t)(end - at) * hop, r);
}

/* The block from frame *at on, which goes on with what was heard of it: with the decoder's context,
 * as many frames as are listened to at once. */
static clvits_status run_block(revoicing *v, int *at, clvits_report *r)
{
    clvits_listening *l = &v->l;
    const int window = clvits_task_levels[l->level].window, hop = l->e->config.hop_length;
    const int block = clvits_listening_block(l) - l->e->before - l->e->after;
    const int end = clvits_least(*at + block, l->frames);
    const int last = clvits_least(end + l->e->after, l->frames);

    v->z_first = clvits_most(*at - l->e->before, 0);
    clvits_status s = clvits_listening_window(l, v->z, v->z_first, last, r);
    while (*at < end && !s) {
        const int next = clvits_least(*at + window, end);
        s = decode(v, *at, next, r);
        if (!s)
            s = v->wave(v->user, v->samples, (next - *at) * hop, r);
        if (!s)
            *at = next;
    }
    return s;
}

clvits_status clvits_engine_revoice(clvits_engine *e, const clvits_heard *in,
                                    clvits_status (*wave)(void *user, const float *samples, int n,
                                                          clvits_report *r),
                                    void *user, clvits_report *r)
{
    const clvits_task_level *widest = &clvits_task_levels[CLVITS_TASK_USUAL];
    const size_t hop = (size_t)e->config.hop_length;
    revoicing v = { .wave = wave, .user = user };

    clvits_listening_begin(&v.l, e, in, true);
    v.z = malloc((size_t)clvits_listening_block(&v.l) * (size_t)e->config.inter_channels *
                 sizeof(float));
    v.samples = malloc((size_t)widest->window * hop * sizeof(float));
    clvits_status s = v.z && v.samples ? CLVITS_OK : clvits_fail_memory(r, "a piece of speech");

    for (int at = 0; at < v.l.frames && !s;) {
        s = run_block(&v, &at, r);
        if (s && clvits_listening_recover(&v.l, r))
            s = CLVITS_OK;
    }
    clvits_listening_end(&v.l);
    free(v.samples);
    free(v.z);
    return s;
}

/* The caller's ear. */
typedef struct hearing {
    const clvits_revoice_params *params;
    clvits_chunk chunk;
    int64_t left;
} hearing;

static clvits_status deliver(void *user, const float *samples, int n, clvits_report *r)
{
    hearing *h = user;

    h->left -= n;
    h->chunk.samples = samples;
    h->chunk.n_samples = (size_t)n;
    h->chunk.is_last = h->left == 0;
    const int64_t start = clvits_trace_now(r);
    const int stop = h->params->audio ? h->params->audio(h->params->user, &h->chunk) : 0;
    clvits_trace_host(r, start, "audio callback", NULL, NULL);
    h->chunk.is_first = 0;
    h->chunk.position += n;
    return stop ? clvits_fail(r, CLVITS_E_CANCELLED, "stopped by the caller") : CLVITS_OK;
}

static clvits_status check(const clvits_voice *v, const float *samples, size_t n,
                           const clvits_revoice_params *p, clvits_report *r)
{
    const int speakers = v->file.config.n_speakers;

    if (speakers < 2)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "the voice has one speaker; what one says is said again in the voice of "
                           "another, which takes several");
    if (p->from < 0 || p->from >= speakers || p->to < 0 || p->to >= speakers)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "speaker %d; this voice has 0 to %d",
                           p->from < 0 || p->from >= speakers ? p->from : p->to, speakers - 1);
    if (!(p->noise_scale >= 0.0f && p->noise_scale <= 100.0f))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "noise_scale %g; give 0 to 100",
                           (double)p->noise_scale);
    return clvits_listen_check(v, samples, n, r);
}

clvits_status clvits_revoice(clvits_voice *v, const float *samples, size_t n,
                             const clvits_revoice_params *params)
{
    clvits_trace trace;
    clvits_report r = clvits_context_traced(v->context, &trace);
    const int64_t start = clvits_trace_now(&r);
    const int hop = v->file.config.hop_length;
    hearing h = { .params = params,
                  .chunk = { .sample_rate = v->file.config.sampling_rate, .is_first = 1 } };

    clvits_status s = check(v, samples, n, params, &r);
    if (!s) {
        const clvits_heard in = { .samples = samples,
                                  .n = (int64_t)n,
                                  .sid = params->from,
                                  .target = params->to,
                                  .seed = params->seed,
                                  .noise_scale = params->noise_scale,
                                  .cancel = params->cancel ? &params->cancel->raised : NULL };
        h.left = (int64_t)n / hop * hop;
        s = clvits_engine_revoice(v->engine, &in, deliver, &h, &r);
    }
    clvits_trace_host(&r, start, "revoice", NULL, NULL);
    clvits_trace_end(r.trace);
    return s ? clvits_context_keep(v->context, &r) : CLVITS_OK;
}
