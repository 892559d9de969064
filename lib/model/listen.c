// SPDX-License-Identifier: MIT
#include "model/listen.h"

#include "base/least.h"
#include "graph/trust.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_KEPT = 1 << 22 }; /* cells of an alignment whose memory waits for the next one */

void clvits_listening_begin(clvits_listening *l, clvits_engine *e, const clvits_heard *in,
                            bool revoice)
{
    *l = (clvits_listening){ .e = e, .in = in, .revoice = revoice, .level = CLVITS_TASK_USUAL,
                             .frames = (int)(in->n / e->config.hop_length),
                             .barred = clvits_machine_distrusted(e->machine) };
    if (in->barred)
        l->barred |= *in->barred;
    clvits_listen_context(&e->config, revoice, &l->before, &l->after);
    if (e->machine->trust)
        atomic_fetch_add(&e->machine->trust->speaking, 1);
}

static void give_back(clvits_listening *l)
{
    clvits_stage_give_back(l->e->pool, &l->other);
    clvits_stage_give_back(l->e->pool, &l->wave);
    clvits_stage_give_back(l->e->pool, &l->listen);
}

void clvits_listening_end(clvits_listening *l)
{
    give_back(l);
    if (l->in->barred)
        *l->in->barred |= l->barred;
    if (l->e->machine->trust)
        atomic_fetch_sub(&l->e->machine->trust->speaking, 1);
}

static int most_at(const clvits_listening *l, int level)
{
    const clvits_task_level *at = &clvits_task_levels[level];
    const int around = at->window + l->e->before + l->e->after;

    return l->revoice ? clvits_most(at->block, around) : at->block;
}

/* Frames of capacity that there are at a level: to listen to, and to decode. */
static int block_at(const clvits_listening *l, int level)
{
    return clvits_task_frames_for(level, clvits_least(most_at(l, level), l->frames));
}

static int window_at(const clvits_listening *l, int level)
{
    return clvits_task_frames_for(level,
                                  clvits_least(clvits_task_levels[level].window, l->frames));
}

int clvits_listening_block(const clvits_listening *l)
{
    return most_at(l, l->level);
}

int clvits_listening_capacity(const clvits_listening *l)
{
    return window_at(l, l->level);
}

/* Stages of which less may help the device that failed: by what is on loan there, and what failed,
 * unless that was weights, which are as large at any level. */
typedef struct takers {
    bool listens, decodes;
} takers;

static takers find_takers(const clvits_listening *l, const clvits_report *r)
{
    return (takers){
        .listens = (!l->decoding && !r->weights) || clvits_task_takes_of(l->e, &l->listen, r),
        .decodes = (l->decoding && !r->weights) || clvits_task_takes_of(l->e, &l->wave, r),
    };
}

/* The first level at which they take less; CLVITS_TASK_LEVELS: there is none. */
static int next_level(const clvits_listening *l, takers t)
{
    int level = l->level + 1;

    while (level < CLVITS_TASK_LEVELS &&
           !(t.listens && block_at(l, level) < block_at(l, l->level)) &&
           !(t.decodes && window_at(l, level) < window_at(l, l->level)))
        level++;
    return level;
}

/* Of what failed, if there is less of that. */
static void tell_of_less(const clvits_listening *l, int level, const clvits_report *r)
{
    const int block = block_at(l, level), window = window_at(l, level);
    const bool of_window = l->decoding ? window < window_at(l, l->level)
                                       : block == block_at(l, l->level);

    clvits_info(r, "%s; taking up to %d frames at a time instead of %d", r->text,
                of_window ? window : block,
                of_window ? window_at(l, l->level) : block_at(l, l->level));
}

bool clvits_listening_recover(clvits_listening *l, clvits_report *r)
{
    const takers t = find_takers(l, r);
    bool memory = false;

    clvits_stage_pool_finish(l->e->pool);
    if (r->trace)
        clvits_trace_collect(r->trace, NULL); /* before the graphs that it names may go */
    give_back(l);
    const unsigned place = clvits_task_blame(l->e, l->barred, &memory, r);
    if (!place)
        return false;
    const int less = next_level(l, t);
    if (memory && !l->trimmed) {
        l->trimmed = true;
    } else if (memory && less < CLVITS_TASK_LEVELS &&
               !clvits_task_is_hopeless(l->e, place, r)) {
        tell_of_less(l, less, r);
        l->level = less;
    } else if (memory) { /* the decoder's weights are the last */
        clvits_task_bar(l->e, &l->barred, place, l->decoding ? r->wanted : 0, r);
    } else {
        if (l->numberless)
            l->accused |= place;
        l->barred |= place;
    }
    l->numberless = false;
    clvits_report_clear(r);
    return true;
}

static clvits_status check_cancel(const atomic_int *cancel, clvits_report *r)
{
    if (clvits_stopped(r) || (cancel && atomic_load((atomic_int *)cancel)))
        return clvits_fail(r, CLVITS_E_CANCELLED, "cancelled");
    return CLVITS_OK;
}

clvits_status clvits_listening_check(clvits_listening *l, const clvits_loan *made, const float *x,
                                     int64_t n, clvits_report *r)
{
    const int place = clvits_plan_device(made->stage->plan);
    bool all = true;

    for (int64_t i = 0; i < n; i++)
        all = all && isfinite(x[i]);
    if (all)
        return CLVITS_OK;
    if (!place) {
        clvits_task_take_back(l->e->machine, &l->accused, r);
        return clvits_fail(r, CLVITS_E_FORMAT, "the voice makes what is no number of this "
                                               "recording: its weights are damaged");
    }
    l->numberless = true;
    r->device = l->e->machine->device[place];
    return clvits_fail(r, CLVITS_E_DEVICE, "%s: the %s stage makes what is no number",
                       clvits_device_get_info(r->device)->name,
                       clvits_stage_names[made->stage->size.kind]);
}

/* Take a run of that size instead of the one on loan, unless that one is of it. */
static clvits_status change(const clvits_listening *l, clvits_loan *loan,
                            const clvits_stage_size *size, clvits_report *r)
{
    if (loan->stage && loan->stage->size.frames == size->frames)
        return CLVITS_OK;
    clvits_stage_give_back(l->e->pool, loan);
    return clvits_stage_take(l->e->pool, loan, size, r);
}

static clvits_status write_speakers(const clvits_listening *l, clvits_run *run,
                                    const clvits_listen_stage *stage, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    if (stage->sid)
        s = clvits_run_write(run, stage->sid, 0, &l->in->sid, r);
    if (!s && stage->target)
        s = clvits_run_write(run, stage->target, 0, &l->in->target, r);
    if (l->revoice) {
        clvits_run_set_int(run, stage->seed, 0, (int)(uint32_t)l->in->seed);
        clvits_run_set_int(run, stage->seed + 1, 0, (int)(uint32_t)(l->in->seed >> 32));
        clvits_run_set_float(run, stage->noise_scale, 0, l->in->noise_scale);
    }
    return s;
}

clvits_status clvits_listening_window(clvits_listening *l, float *z, int at, int end,
                                      clvits_report *r)
{
    const int hop = l->e->config.hop_length, context = l->before + l->after;
    const int first = clvits_most(at - l->before, 0);
    const int last = clvits_least(end + l->after, l->frames);
    const int64_t to = last == l->frames ? l->in->n : (int64_t)last * hop;
    const clvits_stage_size size = {
        .kind = l->revoice ? CLVITS_STAGE_REVOICE : CLVITS_STAGE_LISTEN,
        .batch = 1,
        .frames = clvits_task_frames_for(l->level, end - at) + context,
        .placed_for = clvits_task_kind(l->level, l->frames) + context,
        .barred = l->barred,
    };

    l->decoding = false;
    clvits_status s = check_cancel(l->in->cancel, r);
    if (!s)
        s = change(l, &l->listen, &size, r);
    if (s)
        return s;
    const clvits_listen_stage *stage = &l->listen.stage->listen;
    clvits_run *run = l->listen.run;
    clvits_stage_trace(&l->listen, r);
    s = clvits_run_set_length(run, stage->samples, 0, (int)(to - (int64_t)first * hop), r);
    if (!s)
        s = clvits_run_set_first(run, stage->samples, 0, first * hop, r);
    if (!s)
        s = clvits_run_write(run, stage->wave, 0, l->in->samples + (int64_t)first * hop, r);
    if (!s)
        s = write_speakers(l, run, stage, r);
    if (!s)
        s = clvits_stage_go(&l->listen, r);
    if (!s)
        s = clvits_run_read(run, stage->z, 0, at - first, end - at, z, r);
    return s ? s : clvits_listening_check(l, &l->listen, z, (int64_t)(end - at) * stage->z->C, r);
}

clvits_status clvits_engine_listen(clvits_engine *e, float *z_p, const clvits_heard *in,
                                   clvits_report *r)
{
    const int C = e->config.inter_channels;
    clvits_status s = CLVITS_OK;
    clvits_listening l;

    clvits_listening_begin(&l, e, in, false);
    for (int at = 0; at < l.frames && !s;) {
        const int end = clvits_least(at + clvits_listening_block(&l), l.frames);
        s = clvits_listening_window(&l, z_p + (int64_t)at * C, at, end, r);
        if (!s)
            at = end;
        else if (clvits_listening_recover(&l, r))
            s = CLVITS_OK;
    }
    clvits_listening_end(&l);
    return s;
}

static clvits_status read_prior(clvits_listening *l, float *stats, const clvits_item *item,
                                clvits_report *r)
{
    const clvits_stage_size size = { .kind = CLVITS_STAGE_TEXT, .batch = 1,
                                     .ids = clvits_task_ids_for(item->n_ids),
                                     .barred = l->barred };

    clvits_status s = check_cancel(l->in->cancel, r);
    if (!s)
        s = clvits_stage_take(l->e->pool, &l->other, &size, r);
    if (s)
        return s;
    const clvits_text_stage *stage = &l->other.stage->text;
    clvits_run *run = l->other.run;
    clvits_run_set_int(run, stage->seed, 0, 0);
    clvits_run_set_int(run, stage->seed + 1, 0, 0);
    clvits_run_set_float(run, stage->noise_w, 0, 0.0f);
    clvits_run_set_float(run, stage->length_scale, 0, 1.0f);
    s = clvits_run_set_length(run, stage->clock, 0, item->n_ids, r);
    if (!s)
        s = clvits_run_write(run, stage->ids, 0, item->ids, r);
    if (!s && stage->sid)
        s = clvits_run_write(run, stage->sid, 0, &item->sid, r);
    if (!s && stage->lids)
        s = clvits_run_write(run, stage->lids, 0, item->lids, r);
    if (!s)
        s = clvits_stage_go(&l->other, r);
    if (!s)
        s = clvits_run_read(run, stage->stats, 0, 0, item->n_ids, stats, r);
    return s ? s
             : clvits_listening_check(l, &l->other, stats, (int64_t)item->n_ids * stage->stats->C,
                                      r);
}

clvits_status clvits_engine_prior(clvits_engine *e, float *stats, const clvits_item *item,
                                  const clvits_heard *in, clvits_report *r)
{
    clvits_listening l;
    clvits_status s;

    clvits_listening_begin(&l, e, in, false);
    l.level = CLVITS_TASK_LEVELS - 1; /* there is no less at a time */
    do
        s = read_prior(&l, stats, item, r);
    while (s && clvits_listening_recover(&l, r));
    clvits_listening_end(&l);
    return s;
}

/* The path as a device may have it: what is no path is computed again elsewhere. */
static clvits_status check_path(const clvits_listening *l, const int32_t *durations, int n_ids,
                                clvits_report *r)
{
    const int place = clvits_plan_device(l->other.stage->plan);
    int64_t sum = 0;
    bool right = true;

    for (int i = 0; i < n_ids; i++) {
        right = right && durations[i] >= 1;
        sum += durations[i];
    }
    if (right && sum == l->frames)
        return CLVITS_OK;
    r->device = l->e->machine->device[place];
    return clvits_fail(r, CLVITS_E_DEVICE, "the align stage makes what is no path");
}

static clvits_status search(clvits_listening *l, int32_t *durations, const float *z_p,
                            const float *stats, int n_ids, clvits_report *r)
{
    const clvits_stage_size size = { .kind = CLVITS_STAGE_ALIGN, .batch = 1,
                                     .ids = n_ids, .frames = l->frames,
                                     .barred = l->barred };

    clvits_status s = check_cancel(l->in->cancel, r);
    if (!s)
        s = clvits_stage_take(l->e->pool, &l->other, &size, r);
    if (s)
        return s;
    const clvits_align_stage *stage = &l->other.stage->align;
    clvits_run *run = l->other.run;
    s = clvits_run_set_length(run, stage->clock, 0, l->frames, r);
    if (!s)
        s = clvits_run_set_length(run, stage->text_clock, 0, n_ids, r);
    if (!s)
        s = clvits_run_write(run, stage->z_p, 0, z_p, r);
    if (!s)
        s = clvits_run_write(run, stage->stats, 0, stats, r);
    if (!s)
        s = clvits_stage_go(&l->other, r);
    if (!s)
        s = clvits_run_read(run, stage->durations, 0, 0, n_ids, durations, r);
    if (!s)
        s = check_cancel(l->in->cancel, r); /* a search takes seconds */
    return s ? s : check_path(l, durations, n_ids, r);
}

clvits_status clvits_engine_align(clvits_engine *e, int32_t *durations, const float *z_p,
                                  const float *stats, int n_ids, const clvits_heard *in,
                                  clvits_report *r)
{
    clvits_listening l;
    clvits_status s;

    clvits_listening_begin(&l, e, in, false);
    l.level = CLVITS_TASK_LEVELS - 1;
    do
        s = search(&l, durations, z_p, stats, n_ids, r);
    while (s && clvits_listening_recover(&l, r));
    clvits_listening_end(&l);
    if ((int64_t)l.frames * n_ids > MOST_KEPT)
        clvits_stage_pool_trim(e->pool);
    return s;
}
