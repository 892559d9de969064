// SPDX-License-Identifier: MIT
#include "model/engine.h"

#include "model/stage_pool.h"

#include <limits.h>
#include <stdlib.h>

enum {
    MIN_TEXT = 64,
    MAX_TEXT = 16384,
    MAX_FRAMES = 1 << 17, /* 25 minutes at 22.05 kHz, in one sentence */
    MOST = 1024,          /* frames in a piece */
    LEVELS = 3,
};

/* Frames that a window of the decoder adds, and a block of the flow, whose context is longer and
 * work is less; their context comes on top. Then the least that a plan is made for. The first is
 * efficient, the others take less memory. */
static const struct level {
    int window, block, least;
} levels[LEVELS] = { { 256, 1024, 64 }, { 64, 256, 64 }, { 16, 64, 16 } };

struct clvits_engine {
    clvits_config config;
    const clvits_machine *machine;
    clvits_stage_pool *pool;
    int before, after;           /* the decoder's context in frames, at most */
    int flow_before, flow_after; /* the flow's, at most */
    atomic_int level;            /* that devices have had memory for */
    atomic_int too_many;         /* ids, batch times capacity, from which on not; 0: none */
};

/* A batch on its way. */
typedef struct task {
    const clvits_engine *e;
    clvits_item *items;
    int n;
    const clvits_sink *sink;
    clvits_loan text, latent, wave;
    int z_first;    /* the frame of the latent's row 0 */
    int ids;        /* the text's capacity */
    int frames;     /* of the longest item; 0: durations are yet to be told */
    float *samples; /* of a window */
    int window;     /* frames that these hold */
    int soon;       /* frames of the first window; 0: as many as are efficient */
    struct level level;
    unsigned barred; /* places to do without, as bits */
    bool trimmed;    /* has given its pool's memory back */
    int32_t *ends;   /* of an item's ids, when the durations were computed elsewhere */
} task;

clvits_status clvits_engine_open(clvits_engine **out, const clvits_model *m,
                                 const clvits_machine *machine, const char *place,
                                 clvits_report *r)
{
    clvits_engine *e = calloc(1, sizeof(*e));

    *out = NULL;
    if (!e)
        return clvits_fail_memory(r, "a voice");
    e->config = *m->config;
    e->machine = machine;
    clvits_decoder_context(m->config, &e->before, &e->after);
    clvits_latent_context(m->config, &e->flow_before, &e->flow_after);
    const clvits_status s = clvits_stage_pool_open(&e->pool, m, machine, place, r);
    if (s)
        clvits_engine_close(&e);
    *out = e;
    return s;
}

void clvits_engine_close(clvits_engine **engine)
{
    if (!*engine)
        return;
    clvits_stage_pool_close(&(*engine)->pool);
    free(*engine);
    *engine = NULL;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* The smallest of from, 2 * from, 4 * from ... that holds n: few plans serve all texts. */
static int capacity_for(int n, int from)
{
    while (from < n)
        from *= 2;
    return from;
}

static clvits_stage_size text_size(const task *t)
{
    return (clvits_stage_size){ .kind = CLVITS_STAGE_TEXT, .batch = t->n, .ids = t->ids,
                                .barred = t->barred };
}

/* The same for frames, in greater steps: rows that are not used cost little. */
static int frames_for(const task *t, int n)
{
    int frames = t->level.least;
    while (frames < n)
        frames *= 4;
    return frames;
}

/* For a stretch of `frames`, and their context, of what the task has at most. */
static clvits_stage_size latent_size(const task *t, int frames)
{
    const clvits_engine *e = t->e;
    const int context = e->before + e->after + e->flow_before + e->flow_after;
    return (clvits_stage_size){ .kind = CLVITS_STAGE_LATENT, .batch = t->n, .ids = t->ids,
                                .frames = frames_for(t, frames) + context,
                                .placed_for = frames_for(t, least(t->frames, t->level.block)) +
                                              context,
                                .barred = t->barred };
}

static clvits_stage_size wave_size(const task *t, int frames)
{
    const int context = t->e->before + t->e->after;
    return (clvits_stage_size){ .kind = CLVITS_STAGE_WAVE, .batch = t->n,
                                .frames = frames_for(t, frames) + context,
                                .placed_for = frames_for(t, least(t->frames, t->level.window)) +
                                              context,
                                .barred = t->barred };
}

/* Take a run of that size instead of the one on loan, unless that one fits. */
static clvits_status change(const task *t, clvits_loan *loan, const clvits_stage_size *size,
                            clvits_report *r)
{
    if (loan->stage && loan->stage->size.frames == size->frames)
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
static clvits_status copy_conditions(clvits_run *run, const clvits_tensor *cond, const task *t,
                                     clvits_report *r)
{
    clvits_status s = CLVITS_OK;
    for (int i = 0; i < t->n && cond && !s; i++)
        s = clvits_run_copy(run, cond, i, t->text.run, t->text.stage->text.cond, i, 0, r);
    return s;
}

static clvits_status read_durations(task *t, clvits_report *r)
{
    clvits_status s = CLVITS_OK;
    int most = 0;

    for (int i = 0; i < t->n && !s; i++) {
        clvits_item *item = &t->items[i];
        int64_t frames = 0;
        s = clvits_run_read(t->text.run, t->text.stage->text.durations, i, 0, item->n_ids,
                            item->durations, r);
        for (int k = 0; k < item->n_ids && !s; k++)
            frames += item->durations[k];
        if (!s && frames > MAX_FRAMES)
            s = clvits_fail(r, CLVITS_E_UNSUPPORTED,
                            "%lld frames of speech from one sentence, %d at most; shorten it or "
                            "lower the length scale", (long long)frames, MAX_FRAMES);
        item->frames = frames > 0 ? (int)frames : 1;
        most = item->frames > most ? item->frames : most;
    }
    t->frames = s ? 0 : most;
    return s;
}

static clvits_status run_text(task *t, clvits_report *r)
{
    const clvits_text_stage *stage = &t->text.stage->text;
    clvits_run *run = t->text.run;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < t->n && !s; i++) {
        const clvits_item *item = &t->items[i];
        set_seed(run, stage->seed, i, item->seed);
        clvits_run_set_float(run, stage->noise_w, i, item->noise_w);
        clvits_run_set_float(run, stage->length_scale, i, item->length_scale);
        s = clvits_run_set_length(run, stage->clock, i, item->n_ids, r);
        if (!s)
            s = clvits_run_write(run, stage->ids, i, item->ids, r);
        if (!s && stage->sid)
            s = clvits_run_write(run, stage->sid, i, &item->sid, r);
    }
    if (!s)
        s = clvits_stage_go(&t->text, r);
    return s;
}

/* Where the ids of an item end: as the text stage says, or as was told before it ran again. */
static clvits_status set_ends(task *t, int i, clvits_report *r)
{
    const clvits_latent_stage *stage = &t->latent.stage->latent;
    const clvits_item *item = &t->items[i];

    if (!t->ends)
        return clvits_run_copy(t->latent.run, stage->ends, i, t->text.run,
                               t->text.stage->text.ends, i, 0, r);
    int32_t *ends = t->ends + (size_t)i * (size_t)t->ids, end = 0;
    for (int k = 0; k < item->n_ids; k++)
        ends[k] = end += item->durations[k];
    return clvits_run_write(t->latent.run, stage->ends, i, ends, r);
}

/* The frames that the decoder reads for samples of frames [at, end). */
static clvits_status wave_reach(clvits_range *out, const task *t, int at, int end,
                                clvits_report *r)
{
    const clvits_wave_stage *stage = &t->wave.stage->wave;
    const int64_t hop = t->e->config.hop_length;

    return clvits_plan_reach(out, t->wave.stage->plan, stage->wave,
                             (clvits_range){ at * hop, end * hop }, stage->clock, r);
}

/* z of all frames that the decoder reads for frames [at, end). */
static clvits_status run_latent(task *t, int at, int end, clvits_report *r)
{
    const clvits_latent_stage *stage = &t->latent.stage->latent;
    const clvits_text_stage *from = &t->text.stage->text;
    clvits_run *run = t->latent.run;
    clvits_range rows;
    clvits_status s = wave_reach(&rows, t, at, end, r);

    clvits_stage_trace(&t->latent, r);
    if (!s)
        s = clvits_plan_reach(&rows, t->latent.stage->plan, stage->z, rows, stage->clock, r);
    t->z_first = s ? 0 : (int)rows.first;
    for (int i = 0; i < t->n && !s; i++) {
        const clvits_item *item = &t->items[i];
        const bool done = item->frames <= at;
        set_seed(run, stage->seed, i, item->seed);
        clvits_run_set_float(run, stage->noise_scale, i, item->noise_scale);
        s = set_stretch(run, stage->clock, i, rows, done ? 0 : item->frames, r);
        if (!s)
            s = clvits_run_set_length(run, stage->text_clock, i, item->n_ids, r);
        if (!s)
            s = clvits_run_copy(run, stage->stats, i, t->text.run, from->stats, i, 0, r);
        if (!s)
            s = set_ends(t, i, r);
    }
    if (!s)
        s = copy_conditions(run, stage->cond, t, r);
    return s ? s : clvits_stage_go(&t->latent, r);
}

static clvits_status deliver(const task *t, int at, int end, int first, clvits_report *r)
{
    const int hop = t->e->config.hop_length;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < t->n && !s; i++) {
        clvits_item *item = &t->items[i];
        const int from = item->heard > at ? item->heard : at;
        const int rows = (least(end, item->frames) - from) * hop;
        if (rows <= 0)
            continue;
        s = clvits_run_read(t->wave.run, t->wave.stage->wave.wave, i, (from - first) * hop, rows,
                            t->samples, r);
        if (s)
            break;
        item->heard = least(end, item->frames);
        s = t->sink->wave(t->sink->user, i, t->samples, rows, r);
    }
    return s;
}

/* Samples of frames [at, end) of every item that has them. */
static clvits_status run_window(const task *t, int at, int end, clvits_report *r)
{
    const clvits_wave_stage *stage = &t->wave.stage->wave;
    clvits_run *run = t->wave.run;
    clvits_range rows;
    clvits_status s = wave_reach(&rows, t, at, end, r);

    clvits_stage_trace(&t->wave, r);
    for (int i = 0; i < t->n && !s; i++) {
        const int frames = t->items[i].frames;
        s = set_stretch(run, stage->clock, i, rows, frames <= at ? 0 : frames, r);
        if (!s && at < frames)
            s = clvits_run_copy(run, stage->z, i, t->latent.run, t->latent.stage->latent.z, i,
                                (int)rows.first - t->z_first, r);
    }
    if (!s)
        s = copy_conditions(run, stage->cond, t, r);
    if (!s)
        s = clvits_stage_go(&t->wave, r);
    return s ? s : deliver(t, at, end, (int)rows.first, r);
}

static clvits_status go_on(const clvits_sink *sink, clvits_report *r)
{
    return sink->cancel && atomic_load((atomic_int *)sink->cancel)
               ? clvits_fail(r, CLVITS_E_CANCELLED, "cancelled")
               : CLVITS_OK;
}

/* Where the stretch ends that begins at frame `at`: `most` frames later, or sooner where something
 * is to be heard soon, but then not so that hardly more than a context's length would remain. */
static int stretch_end(const task *t, int at, int most, int end)
{
    const int soon = t->soon ? least(most, t->soon + at) : most;
    return end - at <= most && end - at <= soon + soon / 2 && at ? end : least(at + soon, end);
}

static clvits_status run_block(task *t, int block, int block_end, clvits_report *r)
{
    const int first_end = stretch_end(t, block, t->window, block_end);
    clvits_stage_size size = wave_size(t, first_end - block);
    clvits_status s = change(t, &t->wave, &size, r);

    size = latent_size(t, block_end - block);
    if (!s)
        s = change(t, &t->latent, &size, r);
    if (!s)
        s = run_latent(t, block, block_end, r);
    for (int at = block, end; at < block_end && !s; at = end) {
        end = stretch_end(t, at, t->window, block_end);
        size = wave_size(t, end - at);
        s = change(t, &t->wave, &size, r);
        if (!s)
            s = run_window(t, at, end, r);
        if (!s && end < t->frames)
            s = go_on(t->sink, r);
    }
    return s;
}

/* The first frame that an item is still to get. */
static int first_frame(const task *t)
{
    int first = t->frames;

    for (int i = 0; i < t->n; i++)
        if (t->items[i].heard < t->items[i].frames)
            first = least(first, t->items[i].heard);
    return first;
}

static clvits_status run_blocks(task *t, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    t->window = t->sink->most ? least(t->sink->most, MOST) : levels[0].window;
    if (t->level.window < levels[0].window)
        t->window = least(t->window, t->level.window);
    t->soon = t->sink->first ? t->sink->first : t->sink->most;
    t->samples = malloc((size_t)t->window * (size_t)t->e->config.hop_length * sizeof(float));
    if (!t->samples)
        return clvits_fail_memory(r, "samples");
    for (int at = first_frame(t), end; at < t->frames && !s; at = end) {
        end = stretch_end(t, at, t->level.block, t->frames);
        s = run_block(t, at, end, r);
    }
    free(t->samples);
    return s;
}

static clvits_status check_items(const clvits_engine *e, const clvits_item *items, int n,
                                 int *most_ids, clvits_report *r)
{
    const clvits_config *c = &e->config;

    *most_ids = 0;
    for (int i = 0; i < n; i++) {
        if (items[i].n_ids < 1 || items[i].n_ids > MAX_TEXT)
            return clvits_fail(r, CLVITS_E_ARGUMENT, "%d ids in one sentence; give 1 to %d",
                               items[i].n_ids, MAX_TEXT);
        if (items[i].sid < 0 || items[i].sid >= (c->n_speakers > 1 ? c->n_speakers : 1))
            return clvits_fail(r, CLVITS_E_ARGUMENT, "speaker %d; this voice has 0 to %d",
                               items[i].sid, c->n_speakers > 1 ? c->n_speakers - 1 : 0);
        for (int k = 0; k < items[i].n_ids; k++)
            if (items[i].ids[k] < 0 || items[i].ids[k] >= c->n_vocab)
                return clvits_fail(r, CLVITS_E_ARGUMENT,
                                   "id %d at position %d; this voice has 0 to %d",
                                   items[i].ids[k], k, c->n_vocab - 1);
        *most_ids = items[i].n_ids > *most_ids ? items[i].n_ids : *most_ids;
    }
    return CLVITS_OK;
}

/* From the text, or from where the sink's samples end, to the end. */
static clvits_status attempt(task *t, clvits_report *r)
{
    const clvits_stage_size size = text_size(t);
    const bool told = t->frames > 0;
    clvits_status s = CLVITS_OK;

    if (told && !t->ends) {
        t->ends = calloc((size_t)t->n * (size_t)t->ids, sizeof(*t->ends));
        if (!t->ends)
            return clvits_fail_memory(r, "durations");
    }
    s = clvits_stage_take(t->e->pool, &t->text, &size, r);
    if (!s)
        s = run_text(t, r);
    if (!s && !told)
        s = read_durations(t, r);
    if (!s && !told && t->sink->durations)
        s = t->sink->durations(t->sink->user, t->items, t->n, r);
    if (!s)
        s = go_on(t->sink, r);
    return s ? s : run_blocks(t, r);
}

static void give_back(task *t)
{
    clvits_stage_give_back(t->e->pool, &t->wave);
    clvits_stage_give_back(t->e->pool, &t->latent);
    clvits_stage_give_back(t->e->pool, &t->text);
}

/* What a device that has no memory is spared, from now on and in the batches to come: at first
 * nothing but what the pool keeps, then frames, then the batch. */
static void take_less(task *t, clvits_engine *e, bool in_text, unsigned place, clvits_report *r)
{
    const int level = atomic_load(&e->level);

    if (!t->trimmed) {
        t->trimmed = true;
    } else if (!in_text && level + 1 < LEVELS) {
        atomic_store(&e->level, level + 1);
        clvits_warn(r, "%s; taking %d frames at a time instead of %d", r->text,
                    levels[level + 1].window, levels[level].window);
    } else {
        atomic_store(&e->too_many, t->n * (in_text ? t->ids : MIN_TEXT));
        clvits_warn(r, "%s; going on without this device", r->text);
        t->barred |= place;
    }
    t->level = levels[atomic_load(&e->level)];
}

/* Whether the batch can go on without what failed; the failure is then dealt with. */
static bool recover(task *t, clvits_engine *e, bool in_text, clvits_report *r)
{
    clvits_device *d = (clvits_device *)r->device;
    const unsigned place = d ? clvits_machine_bit(e->machine, d) : 0;

    if (!place || t->barred & place)
        return false;
    if (r->status == CLVITS_E_MEMORY) {
        take_less(t, e, in_text, place, r);
    } else {
        clvits_device_distrust(d, r->text, r);
        t->barred |= place;
    }
    clvits_report_clear(r);
    clvits_stage_pool_trim(e->pool);
    return true;
}

/* The places that a batch of so many ids does without. */
static unsigned barred_for(const clvits_engine *e, int ids)
{
    const int too_many = atomic_load((atomic_int *)&e->too_many);

    return too_many && ids >= too_many ? clvits_machine_devices(e->machine)
                                       : clvits_machine_distrusted(e->machine);
}

clvits_status clvits_engine_speak(clvits_engine *e, clvits_item *items, int n,
                                  const clvits_sink *sink, clvits_report *r)
{
    task t = { .e = e, .items = items, .n = n, .sink = sink };
    clvits_status s = check_items(e, items, n, &t.ids, r);
    bool more = !s;

    t.ids = capacity_for(t.ids, MIN_TEXT);
    t.level = levels[atomic_load(&e->level)];
    t.barred = barred_for(e, n * t.ids);
    for (int i = 0; i < n; i++)
        items[i].heard = 0;
    while (more) {
        s = attempt(&t, r);
        if (s)
            clvits_stage_pool_finish(e->pool);
        if (r->trace)
            clvits_trace_collect(r->trace, NULL); /* before the graphs that it names may go */
        clvits_trace_stage(r, "");
        const bool in_text = !t.text.stage || !t.frames;
        give_back(&t);
        more = s && recover(&t, e, in_text, r);
    }
    free(t.ends);
    return s;
}

clvits_status clvits_engine_plans(clvits_engine *e, clvits_plan_fn fn, void *user,
                                  clvits_report *r)
{
    const task t = { .e = e, .n = 1, .ids = MIN_TEXT, .frames = levels[0].window,
                     .level = levels[0], .barred = barred_for(e, MIN_TEXT) };
    const clvits_stage_size sizes[] = { text_size(&t), latent_size(&t, t.frames),
                                        wave_size(&t, t.frames) };
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < 3 && !s; i++) {
        clvits_loan l = { 0 };
        s = clvits_stage_take(e->pool, &l, &sizes[i], r);
        if (!s)
            s = fn(user, l.stage->plan, clvits_stage_names[sizes[i].kind], r);
        clvits_stage_give_back(e->pool, &l);
    }
    return s;
}
