// SPDX-License-Identifier: MIT
#include "model/engine_task.h"

#include "base/least.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

enum {
    MAX_FRAMES = 1 << 17, /* 25 minutes at 22.05 kHz, in one sentence */
    MOST_DURATION = 1 << 16, /* of an id, cl/align.h */
};

/* Take a run of that size instead of the one on loan, unless that one is of it. */
static clvits_status change(const clvits_task *t, clvits_loan *loan, const clvits_stage_size *size,
                            clvits_report *r)
{
    if (clvits_stage_is_of(t->e->pool, loan, size))
        return CLVITS_OK;
    clvits_stage_give_back(t->e->pool, loan);
    return clvits_stage_take(t->e->pool, loan, size, r);
}

static void set_seed(clvits_run *run, int slot, int item, uint64_t seed)
{
    clvits_run_set_int(run, slot, item, (int)(uint32_t)seed);
    clvits_run_set_int(run, slot + 1, item, (int)(uint32_t)(seed >> 32));
}

/* The item's rows are these of its frames. */
static clvits_status set_stretch(clvits_run *run, int clock, int item, clvits_range rows,
                                 int frames, clvits_report *r)
{
    const int first = (int)rows.first, end = rows.end < frames ? (int)rows.end : frames;
    const clvits_status s =
        clvits_run_set_length(run, clock, item, end > first ? end - first : 0, r);
    return s ? s : clvits_run_set_first(run, clock, item, first, r);
}

/* What the speakers add, from the text stage to another. */
static clvits_status copy_conditions(clvits_run *run, const clvits_tensor *cond,
                                     const clvits_task *t, clvits_report *r)
{
    clvits_status s = CLVITS_OK;
    for (int i = 0; i < t->n_now && cond && !s; i++)
        s = clvits_run_copy(run, cond, i, t->text.run, t->text.stage->text.cond, t->now[i], 0, r);
    return s;
}

/* Slots from n on stay empty. */
static clvits_status empty_slots(const clvits_loan *loan, int clock, int n, clvits_report *r)
{
    clvits_status s = CLVITS_OK;
    for (int i = n; i < loan->stage->size.batch && !s; i++)
        s = clvits_run_set_length(loan->run, clock, i, 0, r);
    return s;
}

clvits_status clvits_task_end_item(clvits_task *t, clvits_item *item, clvits_report *r)
{
    clvits_status s = r->status;

    item->frames = 0;
    t->ended = true;
    if (t->sink->ended) {
        s = t->sink->ended(t->sink->user, (int)(item - t->items), r);
        if (!s)
            clvits_report_clear(r);
    }
    return s;
}

static clvits_status run_text(clvits_task *t, clvits_report *r)
{
    const clvits_text_stage *stage = &t->text.stage->text;
    clvits_run *run = t->text.run;
    clvits_status s = empty_slots(&t->text, stage->clock, t->n, r);

    for (int i = 0; i < t->n && !s; i++) {
        const clvits_item *item = t->item[i];
        set_seed(run, stage->seed, i, item->seed);
        clvits_run_set_float(run, stage->noise_w, i, item->noise_w);
        clvits_run_set_float(run, stage->length_scale, i, item->length_scale);
        s = clvits_run_set_length(run, stage->clock, i, item->n_ids, r);
        if (!s)
            s = clvits_run_write(run, stage->ids, i, item->ids, r);
        if (!s && stage->sid)
            s = clvits_run_write(run, stage->sid, i, &item->sid, r);
        if (!s && stage->lids)
            s = clvits_run_write(run, stage->lids, i, item->lids, r);
    }
    return s ? s : clvits_stage_go(&t->text, r);
}

static clvits_status blame(clvits_task *t, const clvits_loan *l, int place, const char *what,
                           clvits_report *r)
{
    t->numberless = true;
    r->device = t->e->machine->device[place];
    return clvits_fail(r, CLVITS_E_DEVICE, "%s: the %s stage makes %s",
                       clvits_device_get_info(r->device)->name,
                       clvits_stage_names[l->stage->size.kind], what);
}

/* No frames at all, or as many as there can be, are made of log-durations that are no numbers, or
 * as good as none: a device's are computed again. */
static bool is_duration(int frames)
{
    return frames > 0 && frames < MOST_DURATION;
}

static clvits_status read_durations(clvits_task *t, clvits_report *r)
{
    const int place = clvits_plan_device(t->text.stage->plan);
    bool right = true;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < t->n && !s; i++) {
        clvits_item *item = t->item[i];
        int64_t frames = 0;
        s = clvits_run_read(t->text.run, t->text.stage->text.durations, i, 0, item->n_ids,
                            item->durations, r);
        for (int k = 0; k < item->n_ids && !s; k++) {
            frames += item->durations[k];
            right = right && is_duration(item->durations[k]);
        }
        if (!s && !right && place)
            s = blame(t, &t->text, place, "durations of what is no number", r);
        item->frames = frames < 1 ? 1 : frames > INT_MAX ? INT_MAX : (int)frames;
    }
    if (!s && !right)
        t->numberless = true; /* that is how the voice is */
    return s;
}

static clvits_status tell_durations(clvits_task *t, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    t->told = true;
    for (int i = 0; i < t->n && !s; i++) {
        clvits_item *item = t->item[i];
        clvits_status own = CLVITS_OK;
        if (item->frames > MAX_FRAMES)
            own = clvits_fail(r, CLVITS_E_UNSUPPORTED,
                              "%d frames of speech from one sentence, %d at most; shorten it or "
                              "lower the length scale", item->frames, MAX_FRAMES);
        else if (t->sink->durations)
            own = t->sink->durations(t->sink->user, (int)(item - t->items), item, r);
        if (own)
            s = clvits_task_end_item(t, item, r);
    }
    return s;
}

clvits_status clvits_task_text(clvits_task *t, clvits_report *r)
{
    clvits_status s = run_text(t, r);

    if (!s && !t->told)
        s = read_durations(t, r);
    return s || t->told ? s : tell_durations(t, r);
}

/* Where the ids of an item end: as the text stage says, or as was told before it ran again. */
static clvits_status set_ends(clvits_task *t, int i, clvits_report *r)
{
    const clvits_latent_stage *stage = &t->latent.stage->latent;
    const clvits_item *item = t->item[t->now[i]];

    if (!t->ends)
        return clvits_run_copy(t->latent.run, stage->ends, i, t->text.run,
                               t->text.stage->text.ends, t->now[i], 0, r);
    int32_t *ends = t->ends + (size_t)t->now[i] * (size_t)t->ids, end = 0;
    for (int k = 0; k < item->n_ids; k++)
        ends[k] = end += item->durations[k];
    return clvits_run_write(t->latent.run, stage->ends, i, ends, r);
}

static clvits_range samples_of(const clvits_task *t, int at, int end)
{
    const int64_t hop = t->e->config.hop_length;
    return (clvits_range){ at * hop, end * hop };
}

/* The frames that the decoder reads for samples of frames [at, end). */
static clvits_range wave_reach(const clvits_task *t, int at, int end)
{
    const clvits_wave_stage *stage = &t->wave.stage->wave;
    return clvits_run_reach(t->wave.run, stage->wave, samples_of(t, at, end), stage->clock);
}

/* z of all frames that the decoder reads for frames [at, end). */
static clvits_status run_latent(clvits_task *t, int at, int end, clvits_report *r)
{
    const clvits_latent_stage *stage = &t->latent.stage->latent;
    const clvits_text_stage *from = &t->text.stage->text;
    clvits_run *run = t->latent.run;
    const clvits_range read = wave_reach(t, at, end);
    const clvits_range rows = clvits_run_reach(run, stage->z, read, stage->clock);
    clvits_status s = empty_slots(&t->latent, stage->clock, t->n_now, r);

    clvits_stage_trace(&t->latent, r);
    t->z_first = (int)rows.first;
    t->z_from = (int)(read.first - rows.first);
    t->z_end = (int)(read.end - rows.first);
    if (!s)
        s = empty_slots(&t->latent, stage->text_clock, t->n_now, r);
    for (int i = 0; i < t->n_now && !s; i++) {
        const clvits_item *item = t->item[t->now[i]];
        const bool done = item->frames <= at;
        set_seed(run, stage->seed, i, item->seed);
        clvits_run_set_float(run, stage->noise_scale, i, item->noise_scale);
        s = set_stretch(run, stage->clock, i, rows, done ? 0 : item->frames, r);
        if (!s)
            s = clvits_run_set_length(run, stage->text_clock, i, item->n_ids, r);
        if (!s)
            s = clvits_run_copy(run, stage->stats, i, t->text.run, from->stats, t->now[i], 0, r);
        if (!s)
            s = set_ends(t, i, r);
    }
    if (!s)
        s = copy_conditions(run, stage->cond, t, r);
    if (s)
        return s;
    clvits_run_ask(run, stage->z, read);
    return clvits_stage_go(&t->latent, r);
}

static bool are_numbers(const float *x, int64_t n)
{
    bool all = true;

    for (int64_t i = 0; i < n; i++)
        all = all && isfinite(x[i]);
    return all;
}

/* Whether a stage made numbers of rows [from, end) of a tensor, as far as these are valid, of n
 * items; if that cannot be found out, not. */
static bool made_numbers(const clvits_loan *l, const clvits_tensor *x, int n, int from, int end)
{
    clvits_report r = { 0 };
    float *values = malloc(((size_t)x->T * (size_t)x->C + 1) * sizeof(*values));
    bool all = values != NULL;

    for (int i = 0; i < n && all; i++) {
        const int rows = clvits_least(clvits_run_length(l->run, x->clock, i), end) - from;
        all = rows <= 0 || (clvits_run_read(l->run, x, i, from, rows, values, &r) == CLVITS_OK &&
                            are_numbers(values, (int64_t)rows * x->C));
    }
    free(values);
    return all;
}

/* The speech has what is no number: the first stage that made such is to blame, or rather its
 * device; where there is none, the voice. */
static clvits_status fail_numbers(clvits_task *t, clvits_report *r)
{
    const struct {
        const clvits_loan *loan;
        const clvits_tensor *made; /* NULL: the speech */
        int n, from, end;
    } stages[] = { { &t->text, t->text.stage->text.stats, t->n, 0, INT_MAX },
                   { &t->latent, t->latent.stage->latent.z, t->n_now, t->z_from, t->z_end },
                   { &t->wave } };

    for (int i = 0; i < 3; i++) {
        const int place = clvits_plan_device(stages[i].loan->stage->plan);
        if (place &&
            !(stages[i].made && made_numbers(stages[i].loan, stages[i].made, stages[i].n,
                                             stages[i].from, stages[i].end)))
            return blame(t, stages[i].loan, place, "what is no number", r);
    }
    return clvits_fail(r, CLVITS_E_FORMAT, "the voice makes what is no number: its weights are "
                                           "damaged, or what it is asked is beyond it");
}

/* Samples of the window under way that an item's sink does not have. */
static clvits_range missing(const clvits_task *t, const clvits_item *item, int at, int end)
{
    const int first = item->heard > at ? item->heard : at, last = clvits_least(end, item->frames);
    return samples_of(t, first, last > first ? last : first);
}

static float *samples_for(const clvits_task *t, int i)
{
    return t->samples + (size_t)i * t->room;
}

/* Wait for the window under way, whose samples are then here and its run free again. */
static clvits_status fetch(clvits_task *t, clvits_report *r)
{
    const int64_t row0 = samples_of(t, t->row0, t->row0).first;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < t->n_now && !s; i++) {
        const clvits_range x = missing(t, t->item[t->now[i]], t->at, t->end);
        const int n = (int)(x.end - x.first);
        if (n == 0)
            continue;
        s = clvits_run_read(t->wave.run, t->wave.stage->wave.wave, i, (int)(x.first - row0), n,
                            samples_for(t, i), r);
        if (!s && !are_numbers(samples_for(t, i), n))
            s = fail_numbers(t, r);
    }
    return s;
}

/* What was fetched of frames [at, end). */
static clvits_status deliver(clvits_task *t, int at, int end, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < t->n_now && !s; i++) {
        clvits_item *item = t->item[t->now[i]];
        const clvits_range x = missing(t, item, at, end);
        const int n = (int)(x.end - x.first);
        if (n == 0)
            continue;
        item->heard = clvits_least(end, item->frames);
        if (t->sink->wave(t->sink->user, (int)(item - t->items), samples_for(t, i), n, r))
            s = clvits_task_end_item(t, item, r);
    }
    return s;
}

/* Samples of the window under way, of every item that has them. */
static clvits_status run_window(clvits_task *t, clvits_report *r)
{
    const clvits_wave_stage *stage = &t->wave.stage->wave;
    clvits_run *run = t->wave.run;
    const clvits_range rows = wave_reach(t, t->at, t->end);
    clvits_status s = empty_slots(&t->wave, stage->clock, t->n_now, r);

    clvits_stage_trace(&t->wave, r);
    t->row0 = (int)rows.first;
    for (int i = 0; i < t->n_now && !s; i++) {
        const int frames = t->item[t->now[i]]->frames;
        s = set_stretch(run, stage->clock, i, rows, frames <= t->at ? 0 : frames, r);
        if (!s && t->at < frames)
            s = clvits_run_copy(run, stage->z, i, t->latent.run, t->latent.stage->latent.z, i,
                                (int)rows.first - t->z_first, r);
    }
    if (!s)
        s = copy_conditions(run, stage->cond, t, r);
    if (s)
        return s;
    clvits_run_ask(run, stage->wave, samples_of(t, t->at, t->end));
    return clvits_stage_go(&t->wave, r);
}

/* End what was cancelled, and see how far the others go. */
static clvits_status go_on(clvits_task *t, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    t->frames = 0;
    for (int i = 0; i < t->n_now && !s; i++) {
        clvits_item *item = t->item[t->now[i]];
        if (item->frames && item->cancel && atomic_load((atomic_int *)item->cancel)) {
            clvits_fail(r, CLVITS_E_CANCELLED, "cancelled");
            s = clvits_task_end_item(t, item, r);
        }
        t->frames = item->frames > t->frames ? item->frames : t->frames;
    }
    return s;
}

/* Frames that the speech's last stretch may have on top: where nothing follows, or nothing stands
 * before, capacities have room that contexts do not take. Who asks for pieces gets none so long. */
static int spare(const clvits_task *t, int at, int end)
{
    if (end < t->frames || t->sink->most || t->level > CLVITS_TASK_WIDE)
        return 0;
    return t->e->after + (at ? 0 : t->e->before);
}

/* Where the stretch ends that begins at frame `at`: `most` frames later, or `soon` where something
 * is to be heard soon, but then not so that hardly more than a context's length would remain. */
static int stretch_end(const clvits_task *t, int at, int soon, int most, int end)
{
    const int left = end - at;
    const bool whole = left <= most + spare(t, at, end) && left <= soon + soon / 2;

    return whole && (at || !t->soon) ? end : clvits_least(at + soon, end);
}

static int block_end(const clvits_task *t, int at)
{
    const int most = clvits_task_levels[t->level].block;
    return stretch_end(t, at, t->soon ? clvits_least(most, t->soon + at) : most, most, t->frames);
}

/* Stretches grow with what was heard. Beyond the small window they take half of that, so that who
 * listens need not wait for a device that makes 1.5 seconds of speech in a second. */
static int window_end(const clvits_task *t, int at, int end)
{
    const int half = clvits_most(at / 2, clvits_task_levels[CLVITS_TASK_SMALL].window);
    const int soon = t->soon ? clvits_least(t->window, t->soon + at) : t->window;
    const bool grows = t->soon && !t->sink->most;

    return stretch_end(t, at, grows ? clvits_least(soon, half) : soon, t->window, end);
}

/* The stages for the window from frame `at` on, and for the block that it begins, if it does. */
typedef struct sizes {
    int window_end, block_end;
    bool new_block;
    clvits_stage_size wave, latent;
} sizes;

static sizes sizes_at(const clvits_task *t, int at)
{
    sizes z = { .new_block = at >= t->block_end };

    z.block_end = z.new_block ? block_end(t, at) : t->block_end;
    z.window_end = window_end(t, at, z.block_end);
    z.wave = clvits_task_wave_size(t, z.window_end - at);
    z.latent = clvits_task_latent_size(t, z.block_end - at);
    return z;
}

/* Set out for the window from frame `at` on, and first for the block that it begins, if it does. */
static clvits_status begin_window(clvits_task *t, int at, clvits_report *r)
{
    const sizes z = sizes_at(t, at);

    t->longest = clvits_most(t->longest, z.window_end - at);
    t->longest_block = clvits_most(t->longest_block, z.block_end - at);
    clvits_status s = change(t, &t->wave, &z.wave, r);

    if (!s && z.new_block)
        s = change(t, &t->latent, &z.latent, r);
    if (!s && z.new_block)
        s = run_latent(t, at, z.block_end, r);
    if (s)
        return s;
    t->block_end = z.block_end;
    t->at = at;
    t->end = z.window_end;
    return run_window(t, r);
}

/* Whether setting out for the window from frame `at` on takes no time worth mentioning: a GPU has
 * all of it to do, and what it takes is there. */
static bool sets_out_at_once(const clvits_task *t, int at)
{
    const sizes z = sizes_at(t, at);

    return clvits_stage_is_on_gpu(t->e->pool, &t->wave) &&
           clvits_stage_is_on_gpu(t->e->pool, &t->latent) &&
           clvits_stage_is_there(t->e->pool, &t->wave, &z.wave) &&
           (!z.new_block || clvits_stage_is_there(t->e->pool, &t->latent, &z.latent));
}

/* All windows, each computed while the sink has the one before it where a GPU does it. The first
 * piece is delivered at once where it is wanted soon. */
static clvits_status run_windows(clvits_task *t, int first, clvits_report *r)
{
    clvits_status s = begin_window(t, first, r);

    while (!s) {
        const int at = t->at, end = t->end;
        s = fetch(t, r);
        const bool ahead = !s && end < t->frames && (at > first || !t->soon) &&
                           sets_out_at_once(t, end);
        if (ahead) {
            s = begin_window(t, end, r);
            clvits_stage_pool_submit(t->e->pool);
        }
        if (!s)
            s = deliver(t, at, end, r);
        if (!s && end < t->frames)
            s = go_on(t, r);
        if (end >= t->frames) {
            if (ahead) /* for items that have ended since: its run may be used again at once */
                clvits_stage_pool_finish(t->e->pool);
            break;
        }
        if (!s && !ahead)
            s = begin_window(t, end, r);
    }
    return s;
}

/* The first frame that an item is still to get. */
static int first_frame(const clvits_task *t)
{
    int first = t->frames;

    for (int i = 0; i < t->n_now; i++) {
        const clvits_item *item = t->item[t->now[i]];
        if (item->heard < item->frames)
            first = clvits_least(first, item->heard);
    }
    return first;
}

clvits_status clvits_task_frames(clvits_task *t, clvits_report *r)
{
    clvits_status s = go_on(t, r);

    if (s)
        return s;
    t->window = clvits_task_window(t, t->level);
    t->soon = t->sink->first ? t->sink->first : t->sink->most;
    const int most = clvits_least(t->frames, t->window + t->e->before + t->e->after);
    const int first = first_frame(t);
    t->longest = t->longest_block = 0;
    t->room = (size_t)most * (size_t)t->e->config.hop_length;
    t->samples = malloc((size_t)t->n_now * t->room * sizeof(float) + 1);
    if (!t->samples)
        return clvits_fail_memory(r, "samples");
    t->block_end = first;
    s = first < t->frames ? run_windows(t, first, r) : CLVITS_OK;
    free(t->samples);
    return s;
}
