// SPDX-License-Identifier: MIT
#include "model/stage_pool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MAX_IDLE = 4,   /* runs kept per stage, beyond those in use */
    MAX_STAGES = 32 /* kept; beyond that, the one not used for longest goes */
};

const char *const clvits_stage_names[] = { [CLVITS_STAGE_TEXT] = "text",
                                           [CLVITS_STAGE_LATENT] = "latent",
                                           [CLVITS_STAGE_WAVE] = "wave",
                                           [CLVITS_STAGE_LISTEN] = "listen",
                                           [CLVITS_STAGE_REVOICE] = "revoice",
                                           [CLVITS_STAGE_ALIGN] = "align" };

struct clvits_stage_pool {
    clvits_model model;
    const clvits_machine *machine;
    char *place;
    clvits_packed_weights *weights;
    pthread_mutex_t lock;  /* guards what follows */
    pthread_cond_t change; /* signals the end of building, and runs that are given back */
    bool building;         /* somebody makes a stage or a run, without the lock: that takes long */
    clvits_stage *stages;
    uint64_t uses;
};

clvits_status clvits_stage_pool_open(clvits_stage_pool **out, const clvits_model *m,
                                     const clvits_machine *machine, const char *place,
                                     clvits_report *r)
{
    clvits_stage_pool *p = calloc(1, sizeof(*p));

    *out = NULL;
    if (!p)
        return clvits_fail_memory(r, "a voice");
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->change, NULL);
    p->model = *m;
    p->machine = machine;
    p->place = place ? strdup(place) : NULL;
    const clvits_status s = place && !p->place ? clvits_fail_memory(r, "a voice")
                                               : clvits_packed_weights_open(&p->weights, r);
    if (s)
        clvits_stage_pool_close(&p);
    *out = p;
    return s;
}

static void free_stage(clvits_stage *s)
{
    for (int i = 0; i < s->n_idle; i++)
        clvits_run_free(&s->idle[i]);
    free(s->idle);
    clvits_plan_free(&s->plan);
    clvits_graph_close(&s->graph);
    free(s);
}

void clvits_stage_pool_close(clvits_stage_pool **pool)
{
    clvits_stage_pool *p = *pool;
    if (!p)
        return;
    for (clvits_stage *s = p->stages, *next; s; s = next) {
        next = s->next;
        free_stage(s);
    }
    clvits_packed_weights_close(&p->weights);
    pthread_cond_destroy(&p->change);
    pthread_mutex_destroy(&p->lock);
    free(p->place);
    free(p);
    *pool = NULL;
}

/* For those who want to know what a text costs. */
static void tell(const clvits_stage_pool *p, const clvits_stage *s, const clvits_report *r)
{
    const bool text = s->size.kind == CLVITS_STAGE_TEXT;
    const int launches = clvits_plan_launches(s->plan), copies = clvits_plan_copies(s->plan);
    double bytes = 0, unshared = 0;

    for (int i = 0; i < p->machine->n_places; i++) {
        bytes += (double)clvits_plan_bytes(s->plan, i);
        unshared += (double)clvits_plan_bytes_unshared(s->plan, i);
    }
    clvits_info(r,
                "%s plan for up to %d %s: %d launch%s, %d cop%s between devices, %.1f MiB "
                "(%.1f without reuse)",
                clvits_stage_names[s->size.kind], text ? s->size.ids : s->size.frames,
                text ? "ids" : "frames", launches, launches == 1 ? "" : "es", copies,
                copies == 1 ? "y" : "ies", bytes / 1048576, unshared / 1048576);
}

static clvits_status build_graph(const clvits_stage_pool *p, clvits_stage *s, clvits_report *r)
{
    const bool aligns = s->size.kind == CLVITS_STAGE_LISTEN; /* in floats, as durations are made */
    const clvits_stage_options o = { .batch = s->size.batch,
                                     .halves = aligns ? 0 : p->machine->halves };
    const int ids = s->size.ids, frames = s->size.frames;
    clvits_status status;

    switch (s->size.kind) {
    case CLVITS_STAGE_TEXT:
        status = clvits_text_stage_build(&s->text, &p->model, &o, ids, r);
        s->graph = s->text.graph;
        break;
    case CLVITS_STAGE_LATENT:
        status = clvits_latent_stage_build(&s->latent, &p->model, &o, ids, frames, r);
        s->graph = s->latent.graph;
        break;
    case CLVITS_STAGE_WAVE:
        status = clvits_wave_stage_build(&s->wave, &p->model, &o, frames, r);
        s->graph = s->wave.graph;
        break;
    case CLVITS_STAGE_ALIGN:
        status = clvits_align_stage_build(&s->align, &p->model, &o, ids, frames, r);
        s->graph = s->align.graph;
        break;
    default:
        status = clvits_listen_stage_build(&s->listen, &p->model, &o, frames, !aligns, r);
        s->graph = s->listen.graph;
    }
    return status;
}

/* What speech has of the capacities: those of ids are twice as large as the next smaller ones, and
 * the smallest are four times what a word has. Of frames a quarter, also where the next smaller
 * capacity is the half: what is left of longer speech, and what of it is to be heard soon, is
 * computed in the same places. A decoder's context is mostly left out where it would cost most; the
 * flow's is hardly ever there. The graph's clocks are known once it is built. */
static void find_uses(const clvits_stage *s, clvits_use uses[3])
{
    const int ids = s->size.ids, frames = s->size.frames - s->size.context;
    const clvits_use of_ids = { .few = ids / (ids > CLVITS_STAGE_IDS ? 2 : 4) + 1, .many = ids };
    const clvits_use of_frames = { .few = frames / 4 + 1, .many = frames };

    memset(uses, 0, 3 * sizeof(*uses));
    if (s->size.kind == CLVITS_STAGE_TEXT) {
        uses[0] = of_ids;
        uses[0].clock = s->text.clock;
    } else if (s->size.kind == CLVITS_STAGE_LATENT) {
        uses[0] = of_ids;
        uses[0].clock = s->latent.text_clock;
        uses[1] = of_frames;
        uses[1].clock = s->latent.clock;
    } else if (s->size.kind == CLVITS_STAGE_WAVE) {
        uses[0] = of_frames;
        uses[0].clock = s->wave.clock;
    }
}

static clvits_status build(clvits_stage_pool *p, clvits_stage *s, const clvits_plan *like,
                           clvits_report *r)
{
    clvits_status status = build_graph(p, s, r);
    clvits_use uses[3];

    if (!status) {
        find_uses(s, uses);
        status = like ? clvits_plan_make_like(&s->plan, s->graph, like, p->weights, r)
                      : clvits_plan_make_without(&s->plan, s->graph, p->machine, p->weights,
                                                 p->place, s->size.barred, uses, r);
    }
    if (!status)
        tell(p, s, r);
    return status;
}

/* Make room for `more`, where enough are not on loan. */
static void drop_unused(clvits_stage_pool *p, int more)
{
    for (;;) {
        clvits_stage **oldest = NULL;
        int n = more;

        for (clvits_stage **s = &p->stages; *s; s = &(*s)->next, n++)
            if (!(*s)->out && (!oldest || (*s)->used < (*oldest)->used))
                oldest = s;
        if (n <= MAX_STAGES || !oldest)
            return;
        clvits_stage *s = *oldest;
        *oldest = s->next;
        free_stage(s);
    }
}

static bool same(const clvits_stage_size *a, const clvits_stage_size *b)
{
    return a->kind == b->kind && a->batch == b->batch && a->ids == b->ids &&
           a->frames == b->frames && a->placed_for == b->placed_for && a->barred == b->barred;
}

static clvits_stage *find(const clvits_stage_pool *p, const clvits_stage_size *size)
{
    for (clvits_stage *s = p->stages; s; s = s->next)
        if (same(&s->size, size))
            return s;
    return NULL;
}

/* The lock is held, but not while the stage is built. */
static clvits_status add_stage(clvits_stage_pool *p, clvits_stage **out,
                               const clvits_stage_size *size, clvits_stage *like, clvits_report *r)
{
    clvits_stage *s = calloc(1, sizeof(*s));
    if (!s)
        return clvits_fail_memory(r, "a stage");
    s->size = *size;
    if (like)
        like->out++; /* so that nobody drops it */
    pthread_mutex_unlock(&p->lock);
    const int64_t start = clvits_trace_now(r);
    const clvits_status status = build(p, s, like ? like->plan : NULL, r);
    clvits_trace_host(r, start, "plan", NULL, NULL);
    pthread_mutex_lock(&p->lock);
    if (like)
        like->out--;
    if (status) {
        free_stage(s);
        return status;
    }
    s->next = p->stages;
    p->stages = s;
    *out = s;
    return CLVITS_OK;
}

static clvits_status make_stage(clvits_stage_pool *p, clvits_stage **out,
                                const clvits_stage_size *size, clvits_report *r)
{
    const bool alike = p->machine->rates && (size->placed_for || size->batch > 1);
    clvits_stage_size first = *size;
    clvits_stage *like = NULL;
    clvits_status status = CLVITS_OK;

    drop_unused(p, alike ? 2 : 1);
    if (alike) {
        first.batch = 1;
        first.frames = size->placed_for ? size->placed_for : size->frames;
        first.placed_for = 0;
        like = find(p, &first);
        status = like ? CLVITS_OK : add_stage(p, &like, &first, NULL, r);
    }
    if (like)
        like->used = ++p->uses; /* so that it stays for the next size */
    return status ? status : add_stage(p, out, size, like, r);
}

/* The lock is held, but not while the run is made. */
static clvits_status make_run(clvits_stage_pool *p, clvits_run **out, clvits_stage *s,
                              clvits_report *r)
{
    s->out++;
    pthread_mutex_unlock(&p->lock);
    const int64_t start = clvits_trace_now(r);
    const clvits_status status = clvits_run_make(out, s->plan, r);
    clvits_trace_host(r, start, "make run", NULL, NULL);
    pthread_mutex_lock(&p->lock);
    s->out--;
    return status;
}

static clvits_status make_room(clvits_stage *s, clvits_report *r)
{
    if (s->out + s->n_idle < s->cap_idle)
        return CLVITS_OK;
    clvits_run **idle = realloc(s->idle, (size_t)(s->cap_idle + 4) * sizeof(clvits_run *));
    if (!idle)
        return clvits_fail_memory(r, "a stage");
    s->idle = idle;
    s->cap_idle += 4;
    return CLVITS_OK;
}

/* A run of the stage, which is made where there is none. The lock is held. */
static clvits_status build_locked(clvits_stage_pool *p, clvits_loan *out, clvits_stage *s,
                                  const clvits_stage_size *size, clvits_report *r)
{
    clvits_status status = s ? CLVITS_OK : make_stage(p, &s, size, r);

    if (!status)
        status = make_room(s, r);
    if (!status)
        status = make_run(p, &out->run, s, r);
    if (!status)
        out->stage = s;
    return status;
}

/* For a change, or until it is time to see whether anybody still wants what is waited for. The lock
 * is held. */
static void wait_for_change(clvits_stage_pool *p)
{
    enum { LOOK_EACH = 20000000 }; /* ns */
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_EACH;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&p->change, &p->lock, &until);
}

/* Until there is a stage of that size, with an idle run where one is wanted, or nobody builds. The
 * lock is held. */
static clvits_status wait_for_builder(clvits_stage_pool *p, const clvits_stage_size *size,
                                      bool idle, clvits_report *r)
{
    const clvits_stage *s = find(p, size);

    for (; p->building && !(s && (s->n_idle || !idle)); s = find(p, size)) {
        if (clvits_stopped(r))
            return r->status;
        wait_for_change(p);
    }
    return CLVITS_OK;
}

/* The lock is held. */
static clvits_status take_locked(clvits_stage_pool *p, clvits_loan *out,
                                 const clvits_stage_size *size, clvits_report *r)
{
    clvits_status status = wait_for_builder(p, size, true, r);
    clvits_stage *s = find(p, size);

    if (status)
        return status;
    if (s && s->n_idle) {
        out->run = s->idle[--s->n_idle];
        out->stage = s;
    } else {
        p->building = true;
        status = build_locked(p, out, s, size, r);
        p->building = false;
        pthread_cond_broadcast(&p->change);
    }
    if (status)
        return status;
    out->stage->out++;
    out->stage->used = ++p->uses;
    return CLVITS_OK;
}

/* The lock is held. */
static clvits_status look_locked(clvits_stage_pool *p, clvits_stage_needs *out,
                                 const clvits_stage_size *size, clvits_report *r)
{
    clvits_status status = wait_for_builder(p, size, false, r);
    clvits_stage *s = find(p, size);

    if (status)
        return status;
    if (!s) {
        p->building = true;
        status = make_stage(p, &s, size, r);
        p->building = false;
        pthread_cond_broadcast(&p->change);
    }
    if (status)
        return status;
    s->used = ++p->uses;
    out->place = clvits_plan_device(s->plan);
    out->bytes = clvits_plan_bytes(s->plan, out->place);
    return CLVITS_OK;
}

/* As stages are found: nobody says for what a stage is placed where that makes no difference. */
static clvits_stage_size found_by(const clvits_stage_pool *p, const clvits_stage_size *size)
{
    clvits_stage_size own = *size;

    if (!p->machine->rates || own.placed_for == own.frames)
        own.placed_for = 0;
    return own;
}

clvits_status clvits_stage_look(clvits_stage_pool *p, clvits_stage_needs *out,
                                const clvits_stage_size *size, clvits_report *r)
{
    const clvits_stage_size own = found_by(p, size);

    clvits_trace_stage(r, clvits_stage_names[size->kind]);
    clvits_trace_moving(r, "");
    pthread_mutex_lock(&p->lock);
    const clvits_status s = look_locked(p, out, &own, r);
    pthread_mutex_unlock(&p->lock);
    return s;
}

clvits_status clvits_stage_take(clvits_stage_pool *p, clvits_loan *out,
                                const clvits_stage_size *size, clvits_report *r)
{
    const clvits_stage_size own = found_by(p, size);

    clvits_trace_stage(r, clvits_stage_names[size->kind]);
    clvits_trace_moving(r, "");
    pthread_mutex_lock(&p->lock);
    const clvits_status s = take_locked(p, out, &own, r);
    pthread_mutex_unlock(&p->lock);
    return s;
}

bool clvits_stage_is_of(const clvits_stage_pool *p, const clvits_loan *l,
                        const clvits_stage_size *size)
{
    const clvits_stage_size own = found_by(p, size);
    return l->stage && same(&l->stage->size, &own);
}

bool clvits_stage_is_there(clvits_stage_pool *p, const clvits_loan *l,
                           const clvits_stage_size *size)
{
    const clvits_stage_size own = found_by(p, size);

    if (clvits_stage_is_of(p, l, size))
        return true;
    pthread_mutex_lock(&p->lock);
    const clvits_stage *s = find(p, &own);
    const bool there = s && s->n_idle;
    pthread_mutex_unlock(&p->lock);
    return there;
}

bool clvits_stage_is_on_gpu(const clvits_stage_pool *p, const clvits_loan *l)
{
    const int place = clvits_plan_device(l->stage->plan);

    return place && !clvits_plan_copies(l->stage->plan) &&
           clvits_device_get_info(p->machine->device[place])->family == CLVITS_FAMILY_GPU;
}

void clvits_stage_give_back(clvits_stage_pool *p, clvits_loan *l)
{
    if (!l->stage)
        return;
    pthread_mutex_lock(&p->lock);
    l->stage->out--;
    if (l->stage->n_idle < MAX_IDLE) {
        l->stage->idle[l->stage->n_idle++] = l->run;
        l->run = NULL;
    }
    clvits_run_free(&l->run); /* while nobody can drop the stage */
    pthread_cond_broadcast(&p->change);
    pthread_mutex_unlock(&p->lock);
    *l = (clvits_loan){ 0 };
}

void clvits_stage_pool_trim(clvits_stage_pool *p)
{
    pthread_mutex_lock(&p->lock);
    for (clvits_stage **at = &p->stages, *s; (s = *at) != NULL;) {
        if (s->out) {
            while (s->n_idle)
                clvits_run_free(&s->idle[--s->n_idle]);
            at = &s->next;
            continue;
        }
        *at = s->next;
        free_stage(s);
    }
    if (!p->stages && !p->building)
        clvits_packed_weights_leave_devices(p->weights);
    pthread_mutex_unlock(&p->lock);
}

void clvits_stage_pool_submit(const clvits_stage_pool *p)
{
    clvits_machine_submit(p->machine);
}

void clvits_stage_pool_finish(const clvits_stage_pool *p)
{
    clvits_machine_finish(p->machine);
}

void clvits_stage_trace(const clvits_loan *l, clvits_report *r)
{
    clvits_trace_stage(r, clvits_stage_names[l->stage->size.kind]);
}

clvits_status clvits_stage_go(const clvits_loan *l, clvits_report *r)
{
    const int64_t start = clvits_trace_now(r);
    const clvits_status s = clvits_run_go(l->run, NULL, r);

    clvits_trace_host(r, start, "run", NULL, NULL);
    return s;
}
