// SPDX-License-Identifier: MIT
#include "model/engine.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    MIN_TEXT = 64,
    MAX_TEXT = 16384,
    MIN_FRAMES = 256,
    MAX_FRAMES = 1 << 17, /* 25 minutes at 22.05 kHz, in one go */
    WINDOW_CORE = 256,    /* frames that a window of the decoder adds; its context comes on top */
    MAX_IDLE = 4,        /* runs kept per plan, beyond those in use */
    MAX_STAGES_KEPT = 12, /* plans; beyond that, the one not used for longest goes */
};

typedef enum stage_kind { TEXT, LATENT, WAVE } stage_kind;

static const char *const stage_names[] = { [TEXT] = "text", [LATENT] = "latent",
                                           [WAVE] = "wave" };

/* A stage for one batch size and capacity, with the runs that are idle. */
typedef struct stage {
    struct stage *next;
    stage_kind kind;
    int batch, capacity, frames;
    union {
        clvits_text_stage text;
        clvits_latent_stage latent;
        clvits_wave_stage wave;
    };
    clvits_graph *graph;
    clvits_plan *plan;
    clvits_run **idle; /* as many as were ever out at once */
    int n_idle, cap_idle, out;
    uint64_t used;
} stage;

struct clvits_engine {
    clvits_model model;
    const clvits_machine *machine;
    char *place;
    clvits_packed_weights *weights;
    int before, after; /* the decoder's context in frames */
    pthread_mutex_t lock; /* guards what follows, and building */
    stage *stages;
    uint64_t uses;
};

/* A run taken from a stage. */
typedef struct loan {
    stage *stage;
    clvits_run *run;
} loan;

clvits_status clvits_engine_open(clvits_engine **out, const clvits_model *m,
                                 const clvits_machine *machine, const char *place,
                                 clvits_report *r)
{
    clvits_engine *e = calloc(1, sizeof(*e));

    *out = NULL;
    if (!e)
        return clvits_fail_memory(r, "a voice");
    pthread_mutex_init(&e->lock, NULL);
    e->model = *m;
    e->machine = machine;
    e->place = place ? strdup(place) : NULL;
    clvits_decoder_context(m->config, &e->before, &e->after);
    clvits_status s = place && !e->place ? clvits_fail_memory(r, "a voice")
                                         : clvits_packed_weights_open(&e->weights, r);
    if (s)
        clvits_engine_close(&e);
    *out = e;
    return s;
}

static void free_stage(stage *s)
{
    for (int i = 0; i < s->n_idle; i++)
        clvits_run_free(&s->idle[i]);
    free(s->idle);
    clvits_plan_free(&s->plan);
    clvits_graph_close(&s->graph);
    free(s);
}

void clvits_engine_close(clvits_engine **engine)
{
    clvits_engine *e = *engine;
    if (!e)
        return;
    for (stage *s = e->stages, *next; s; s = next) {
        next = s->next;
        free_stage(s);
    }
    clvits_packed_weights_close(&e->weights);
    pthread_mutex_destroy(&e->lock);
    free(e->place);
    free(e);
    *engine = NULL;
}

/* For those who want to know what a text costs. */
static void tell(const clvits_engine *e, const stage *s, const clvits_report *r)
{
    static const char *const names[] = { [TEXT] = "text", [LATENT] = "latent", [WAVE] = "wave" };
    double bytes = 0, unshared = 0;

    for (int i = 0; i < e->machine->n_places; i++) {
        bytes += (double)clvits_plan_bytes(s->plan, i);
        unshared += (double)clvits_plan_bytes_unshared(s->plan, i);
    }
    clvits_info(r,
                "%s plan for up to %d %s: %d launches, %d copies between devices, %.1f MiB "
                "(%.1f without reuse)",
                names[s->kind], s->kind == TEXT ? s->capacity : s->frames,
                s->kind == TEXT ? "ids" : "frames", clvits_plan_launches(s->plan),
                clvits_plan_copies(s->plan), bytes / 1048576, unshared / 1048576);
}

static clvits_status build(clvits_engine *e, stage *s, clvits_report *r)
{
    const clvits_stage_options o = { .batch = s->batch };
    clvits_status status;

    switch (s->kind) {
    case TEXT:
        status = clvits_text_stage_build(&s->text, &e->model, &o, s->capacity, r);
        s->graph = s->text.graph;
        break;
    case LATENT:
        status = clvits_latent_stage_build(&s->latent, &e->model, &o, s->capacity, s->frames, r);
        s->graph = s->latent.graph;
        break;
    default:
        status = clvits_wave_stage_build(&s->wave, &e->model, &o, s->frames, r);
        s->graph = s->wave.graph;
    }
    if (!status)
        status = clvits_plan_make(&s->plan, s->graph, e->machine, e->weights, e->place, r);
    if (!status)
        tell(e, s, r);
    return status;
}

static void drop_unused(clvits_engine *e)
{
    stage **oldest = NULL;
    int n = 0;

    for (stage **p = &e->stages; *p; p = &(*p)->next, n++)
        if (!(*p)->out && (!oldest || (*p)->used < (*oldest)->used))
            oldest = p;
    if (n < MAX_STAGES_KEPT || !oldest)
        return;
    stage *s = *oldest;
    *oldest = s->next;
    free_stage(s);
}

static stage *find(clvits_engine *e, stage_kind kind, int batch, int capacity, int frames)
{
    for (stage *s = e->stages; s; s = s->next)
        if (s->kind == kind && s->batch == batch && s->capacity == capacity && s->frames == frames)
            return s;
    return NULL;
}

static clvits_status make_run(clvits_run **out, const stage *s, clvits_report *r)
{
    const int64_t start = clvits_trace_now(r);
    const clvits_status status = clvits_run_make(out, s->plan, r);

    clvits_trace_host(r, start, "make run", NULL, NULL);
    return status;
}

/* The lock is held. */
static clvits_status take_locked(clvits_engine *e, loan *out, stage_kind kind, int batch,
                                 int capacity, int frames, clvits_report *r)
{
    stage *s = find(e, kind, batch, capacity, frames);
    clvits_status status = CLVITS_OK;

    if (!s) {
        drop_unused(e);
        s = calloc(1, sizeof(*s));
        if (!s)
            return clvits_fail_memory(r, "a stage");
        *s = (stage){ .kind = kind, .batch = batch, .capacity = capacity, .frames = frames };
        const int64_t start = clvits_trace_now(r);
        status = build(e, s, r);
        clvits_trace_host(r, start, "plan", NULL, NULL);
        if (status) {
            free_stage(s);
            return status;
        }
        s->next = e->stages;
        e->stages = s;
    }
    if (s->out + s->n_idle >= s->cap_idle) {
        clvits_run **idle = realloc(s->idle, (size_t)(s->cap_idle + 4) * sizeof(clvits_run *));
        if (!idle)
            return clvits_fail_memory(r, "a stage");
        s->idle = idle;
        s->cap_idle += 4;
    }
    if (s->n_idle)
        out->run = s->idle[--s->n_idle];
    else
        status = make_run(&out->run, s, r);
    if (status)
        return status;
    s->out++;
    s->used = ++e->uses;
    out->stage = s;
    return CLVITS_OK;
}

static clvits_status take(clvits_engine *e, loan *out, stage_kind kind, int batch, int capacity,
                          int frames, clvits_report *r)
{
    clvits_trace_stage(r, stage_names[kind]);
    clvits_trace_moving(r, "");
    pthread_mutex_lock(&e->lock);
    const clvits_status s = take_locked(e, out, kind, batch, capacity, frames, r);
    pthread_mutex_unlock(&e->lock);
    return s;
}

static void give_back(clvits_engine *e, loan *l)
{
    if (!l->stage)
        return;
    pthread_mutex_lock(&e->lock);
    l->stage->out--;
    if (l->stage->n_idle < MAX_IDLE) {
        l->stage->idle[l->stage->n_idle++] = l->run;
        l->run = NULL;
    }
    pthread_mutex_unlock(&e->lock);
    clvits_run_free(&l->run);
    *l = (loan){ 0 };
}

/* On the CPU path this computes; a device has then yet to do it. */
static clvits_status go(const loan *l, clvits_report *r)
{
    const int64_t start = clvits_trace_now(r);
    const clvits_status s = clvits_run_go(l->run, NULL, r);

    clvits_trace_host(r, start, "run", NULL, NULL);
    return s;
}

/* The smallest of least, 2 * least, 4 * least ... that holds n: few plans serve all texts. */
static int capacity_for(int n, int least)
{
    while (least < n)
        least *= 2;
    return least;
}

static void set_seed(clvits_run *run, int slot, int item, uint64_t seed)
{
    clvits_run_set_int(run, slot, item, (int)(uint32_t)seed);
    clvits_run_set_int(run, slot + 1, item, (int)(uint32_t)(seed >> 32));
}

/* What the speakers add, from the text stage to another. */
static clvits_status copy_conditions(clvits_run *run, const clvits_tensor *cond, const loan *text,
                                     int n, clvits_report *r)
{
    clvits_status s = CLVITS_OK;
    for (int i = 0; i < n && cond && !s; i++)
        s = clvits_run_copy(run, cond, i, text->run, text->stage->text.cond, i, 0, r);
    return s;
}

static clvits_status run_text(const loan *l, clvits_item *items, int n, clvits_report *r)
{
    const clvits_text_stage *t = &l->stage->text;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < n && !s; i++) {
        set_seed(l->run, t->seed, i, items[i].seed);
        clvits_run_set_float(l->run, t->noise_w, i, items[i].noise_w);
        clvits_run_set_float(l->run, t->length_scale, i, items[i].length_scale);
        s = clvits_run_set_length(l->run, t->clock, i, items[i].n_ids, r);
        if (!s)
            s = clvits_run_write(l->run, t->ids, i, items[i].ids, r);
        if (!s && t->sid)
            s = clvits_run_write(l->run, t->sid, i, &items[i].sid, r);
    }
    if (!s)
        s = go(l, r);
    for (int i = 0; i < n && !s; i++) {
        int64_t frames = 0;
        s = clvits_run_read(l->run, t->durations, i, 0, items[i].n_ids, items[i].durations, r);
        for (int k = 0; k < items[i].n_ids && !s; k++)
            frames += items[i].durations[k];
        if (!s && frames > MAX_FRAMES)
            s = clvits_fail(r, CLVITS_E_UNSUPPORTED,
                            "%lld frames of speech from one sentence, %d at most; shorten it or "
                            "lower the length scale", (long long)frames, MAX_FRAMES);
        items[i].frames = frames > 0 ? (int)frames : 1;
    }
    return s;
}

static clvits_status run_latent(const loan *l, const loan *text, const clvits_item *items, int n,
                                clvits_report *r)
{
    const clvits_latent_stage *t = &l->stage->latent;
    const clvits_text_stage *from = &text->stage->text;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < n && !s; i++) {
        set_seed(l->run, t->seed, i, items[i].seed);
        clvits_run_set_float(l->run, t->noise_scale, i, items[i].noise_scale);
        s = clvits_run_set_length(l->run, t->text_clock, i, items[i].n_ids, r);
        if (!s)
            s = clvits_run_set_length(l->run, t->clock, i, items[i].frames, r);
        if (!s)
            s = clvits_run_copy(l->run, t->stats, i, text->run, from->stats, i, 0, r);
        if (!s)
            s = clvits_run_copy(l->run, t->ends, i, text->run, from->ends, i, 0, r);
    }
    if (!s)
        s = copy_conditions(l->run, t->cond, text, n, r);
    return s ? s : go(l, r);
}

/* One window of every item that is not done: frames [at, at + core) and their context. */
static clvits_status run_window(clvits_engine *e, const loan *l, const loan *text,
                                const loan *latent, int at, const clvits_item *items, int n,
                                const clvits_sink *sink, float *samples, clvits_report *r)
{
    const clvits_wave_stage *t = &l->stage->wave;
    const int hop = e->model.config->hop_length;
    const int first = at > e->before ? at - e->before : 0;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < n && !s; i++) {
        const int end = at + WINDOW_CORE + e->after;
        const int last = end < items[i].frames ? end : items[i].frames;
        s = clvits_run_set_length(l->run, t->clock, i,
                                  at < items[i].frames ? last - first : 0, r);
        if (!s)
            s = clvits_run_set_first(l->run, t->clock, i, first, r);
        if (!s && at < items[i].frames)
            s = clvits_run_copy(l->run, t->z, i, latent->run, latent->stage->latent.z, i, first, r);
    }
    if (!s)
        s = copy_conditions(l->run, t->cond, text, n, r);
    if (!s)
        s = go(l, r);
    for (int i = 0; i < n && !s; i++) {
        const int left = items[i].frames - at;
        const int rows = (left < WINDOW_CORE ? left : WINDOW_CORE) * hop;
        if (left <= 0)
            continue;
        s = clvits_run_read(l->run, t->wave, i, (at - first) * hop, rows, samples, r);
        if (!s)
            s = sink->wave(sink->user, i, samples, rows, r);
    }
    return s;
}

static bool cancelled(const clvits_sink *sink)
{
    return sink->cancel && atomic_load((atomic_int *)sink->cancel);
}

static clvits_status run_windows(clvits_engine *e, const loan *wave, const loan *text,
                                 const loan *latent, const clvits_item *items, int n, int frames,
                                 const clvits_sink *sink, clvits_report *r)
{
    const size_t size = (size_t)WINDOW_CORE * (size_t)e->model.config->hop_length;
    float *samples = malloc(size * sizeof(*samples));
    clvits_status s = CLVITS_OK;

    if (!samples)
        return clvits_fail_memory(r, "samples");
    for (int at = 0; at < frames && !s; at += WINDOW_CORE) {
        if (cancelled(sink))
            s = clvits_fail(r, CLVITS_E_CANCELLED, "cancelled");
        else
            s = run_window(e, wave, text, latent, at, items, n, sink, samples, r);
    }
    free(samples);
    return s;
}

static clvits_status check_items(const clvits_engine *e, const clvits_item *items, int n,
                                 int *most_ids, clvits_report *r)
{
    const clvits_config *c = e->model.config;

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

clvits_status clvits_engine_speak(clvits_engine *e, clvits_item *items, int n,
                                  const clvits_sink *sink, clvits_report *r)
{
    loan text = { 0 }, latent = { 0 }, wave = { 0 };
    int most_ids, frames = 0;
    clvits_status s = check_items(e, items, n, &most_ids, r);
    const int capacity = capacity_for(most_ids, MIN_TEXT);

    if (!s)
        s = take(e, &text, TEXT, n, capacity, 0, r);
    if (!s)
        s = run_text(&text, items, n, r);
    if (!s && sink->durations)
        s = sink->durations(sink->user, items, n, r);
    if (!s && cancelled(sink))
        s = clvits_fail(r, CLVITS_E_CANCELLED, "cancelled");
    for (int i = 0; i < n; i++)
        frames = items[i].frames > frames ? items[i].frames : frames;
    if (!s)
        s = take(e, &latent, LATENT, n, capacity, capacity_for(frames, MIN_FRAMES), r);
    if (!s)
        s = run_latent(&latent, &text, items, n, r);
    if (!s)
        s = take(e, &wave, WAVE, n, 0, WINDOW_CORE + e->before + e->after, r);
    if (!s)
        s = run_windows(e, &wave, &text, &latent, items, n, frames, sink, r);
    if (s)
        clvits_machine_finish(e->machine);
    if (r->trace)
        clvits_trace_collect(r->trace, NULL); /* before the graphs that it names may go */
    clvits_trace_stage(r, "");
    give_back(e, &wave);
    give_back(e, &latent);
    give_back(e, &text);
    return s;
}

clvits_status clvits_engine_plans(clvits_engine *e, clvits_plan_fn fn, void *user,
                                  clvits_report *r)
{
    const struct {
        stage_kind kind;
        int capacity, frames;
    } stages[] = { { TEXT, MIN_TEXT, 0 },
                   { LATENT, MIN_TEXT, MIN_FRAMES },
                   { WAVE, 0, WINDOW_CORE + e->before + e->after } };
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < 3 && !s; i++) {
        loan l = { 0 };
        s = take(e, &l, stages[i].kind, 1, stages[i].capacity, stages[i].frames, r);
        if (!s)
            s = fn(user, l.stage->plan, stage_names[stages[i].kind], r);
        give_back(e, &l);
    }
    return s;
}
