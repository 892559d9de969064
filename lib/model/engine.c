// SPDX-License-Identifier: MIT
#include "model/engine.h"

#include "base/least.h"
#include "graph/trust.h"
#include "model/engine_task.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 16384, MAX_ROOM = 1 << 20 };

/* How many ids items have that are computed at once: enough to keep processors busy, and then no
 * more than their caches hold; a GPU wants more, and its launches to be few. */
enum { IDS_AT_ONCE = 1024, GPU_FACTOR = 4 };

/* A GPU of less than so many compute units is busy with one wide window, and what it launches must
 * end before its driver takes it for hung. */
enum { LARGE_GPU = 16 };

/* Of a GPU's memory, what a run of the decoder may take, in parts: weights, the other stages and
 * the runs of other threads want the rest, and on phones all other programs. */
enum { MEMORY_PARTS = 8 };

/* Whether the voice has the parts that are placed by hand. */
static clvits_status check_place(const clvits_model *m, const char *place, clvits_report *r)
{
    const clvits_stage_options o = { .batch = 1 };
    const int any = CLVITS_STAGE_IDS;
    clvits_text_stage text = { 0 };
    clvits_latent_stage latent = { 0 };
    clvits_wave_stage wave = { 0 };

    if (!place || !strchr(place, '.'))
        return CLVITS_OK;
    clvits_status s = clvits_text_stage_build(&text, m, &o, any, r);
    if (!s)
        s = clvits_latent_stage_build(&latent, m, &o, any, any, r);
    if (!s)
        s = clvits_wave_stage_build(&wave, m, &o, any, r);
    if (!s) {
        const clvits_graph *const all[] = { text.graph, latent.graph, wave.graph };
        s = clvits_place_check_parts(all, 3, place, r);
    }
    clvits_graph_close(&text.graph);
    clvits_graph_close(&latent.graph);
    clvits_graph_close(&wave.graph);
    return s;
}

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
    clvits_status s = check_place(m, place, r);
    if (!s)
        s = clvits_stage_pool_open(&e->pool, m, machine, place, r);
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

/* By what items are put together: those of one kind, in the order of their sizes. */
typedef struct key {
    int kind, size, index;
} key;

static int compare(const void *a, const void *b)
{
    const key *x = a, *y = b;

    return x->kind != y->kind   ? x->kind - y->kind
           : x->size != y->size ? x->size - y->size
                                : x->index - y->index;
}

static bool is_gpu(const clvits_engine *e, int place)
{
    return place > 0 && place < e->machine->n_places &&
           clvits_device_get_info(e->machine->device[place])->family == CLVITS_FAMILY_GPU;
}

/* How many texts of n sorted keys are computed at once. */
static int texts_together(const clvits_engine *e, const key *k, int n)
{
    const int at_once = IDS_AT_ONCE * (is_gpu(e, 1) ? GPU_FACTOR : 1);
    const int limit = atomic_load((atomic_int *)&e->most);
    const int most = limit ? limit : CLVITS_TASK_ITEMS;
    int count = 1;

    while (count < n && count < most && k[count].kind == k->kind &&
           (count + 1) * k[count].size <= at_once)
        count++;
    return count;
}

/* Whether something may run on a GPU. */
static bool has_gpu(const clvits_task *t)
{
    bool any = false;

    for (int i = 1; i < t->e->machine->n_places; i++)
        any = any || (!(t->barred >> i & 1) && is_gpu(t->e, i));
    return any;
}

/* The level while there is memory. */
static int first_level(const clvits_task *t)
{
    return has_gpu(t) ? CLVITS_TASK_WIDE : CLVITS_TASK_USUAL;
}

/* The level as memory is; the CPU path has always had it. */
static int level_for(const clvits_task *t)
{
    const bool on_cpu = t->barred == clvits_machine_devices(t->e->machine);
    const int first = first_level(t);
    const int level = atomic_load((atomic_int *)&t->e->level) + t->less;

    return on_cpu ? first : clvits_least(clvits_most(level, first), CLVITS_TASK_LEVELS - 1);
}

/* What a GPU has room for. */
typedef struct room {
    int frames; /* of capacity, contexts among them, in its memory; 0: it is no GPU */
    int wide;   /* windows that it is given at once */
} room;

/* Of the device that the decoder runs on for so long an item. In what pieces it is wanted makes no
 * difference: they are to be computed in the same places. */
static clvits_status find_room(clvits_task *t, int frames, room *out, clvits_report *r)
{
    const clvits_engine *e = t->e;
    const int window = clvits_least(frames, clvits_task_levels[t->level].window);
    clvits_stage_needs needs;

    t->n_now = 1;
    t->frames = t->longest = t->longest_block = frames;
    const clvits_stage_size size = clvits_task_wave_size(t, window);
    const clvits_status s = clvits_stage_look(e->pool, &needs, &size, r);

    *out = (room){ 0, 1 };
    if (s || !is_gpu(e, needs.place))
        return s;
    const clvits_device *d = e->machine->device[needs.place];
    const clvits_device_info *info = clvits_device_get_info(d);
    const size_t share = clvits_device_memory(d) / MEMORY_PARTS;
    const size_t each = needs.bytes / (size_t)size.frames + 1;
    const size_t fit = (share < info->max_alloc ? share : info->max_alloc) / each;
    out->frames = fit < 1 ? 1 : fit > MAX_ROOM ? MAX_ROOM : (int)fit;
    out->wide = info->compute_units < LARGE_GPU ? 1 : CLVITS_TASK_WINDOWS;
    return CLVITS_OK;
}

/* The task's level, or the next one that a GPU has room for, for items of that size. */
static int fitting(const clvits_task *t, const room *found, int size)
{
    const int context = t->e->before + t->e->after;
    int level = t->level;

    if (!found->frames)
        return clvits_most(level, CLVITS_TASK_USUAL);
    while (level < CLVITS_TASK_SMALL &&
           found->frames < clvits_least(size, clvits_task_levels[level].window) + context)
        level++;
    return level;
}

/* Of n sorted items, how many are computed at once, and by how many frames: on a GPU by many, as
 * far as its memory goes, so that its launches are few and have work for all of it; elsewhere by so
 * many that processors hardly wait for each other. */
static clvits_status choose(clvits_task *t, const key *k, int n, int *count, clvits_report *r)
{
    const int context = t->e->before + t->e->after;
    clvits_status s = CLVITS_OK;
    room found = { 0, 1 };

    while (k[n - 1].kind != k->kind)
        n--;
    *count = 1;
    t->wide = 0;
    t->level = level_for(t);
    const bool is_short = t->level > first_level(t);
    if (has_gpu(t) && (n > 1 || k->size > clvits_task_levels[CLVITS_TASK_SMALL].window))
        s = find_room(t, t->item[k[n - 1].index]->frames, &found, r);
    if (s) { /* what is on loan was for others, and did not fail */
        clvits_stage_give_back(t->e->pool, &t->wave);
        clvits_stage_give_back(t->e->pool, &t->latent);
        return s;
    }
    t->level = fitting(t, &found, k[n - 1].size);
    t->wide = found.frames && !is_short ? found.wide : 0;
    const int window = clvits_task_levels[t->level].window;
    const int most = clvits_task_at_once(t, t->level);
    for (; *count < n; ++*count) {
        const int slots = clvits_task_slots_for(*count + 1);
        const int size = clvits_least(k[*count].size, window);
        if (slots * size > most || (found.frames && slots * (size + context) > found.frames))
            break;
    }
    return CLVITS_OK;
}

/* The items of the text stage from their frames to their samples. Where operators are placed by
 * cost, what is placed alike is put together: each item is computed where it would be alone. */
static clvits_status run_frames(clvits_task *t, clvits_report *r)
{
    key keys[CLVITS_TASK_ITEMS];
    clvits_status s = CLVITS_OK;
    int n = 0;

    const int level = t->level = level_for(t);
    const int window = clvits_task_levels[level].window;
    for (int i = 0; i < t->n; i++) {
        const int frames = t->item[i]->frames;
        if (t->item[i]->heard < frames)
            keys[n++] = (key){ .kind = t->e->machine->rates ? clvits_task_kind(level, frames) : 0,
                               .size = clvits_task_kind(level, clvits_least(frames, window)),
                               .index = i };
    }
    qsort(keys, (size_t)n, sizeof(*keys), compare);
    for (int i = 0, count; i < n && !s; i += count) {
        s = choose(t, keys + i, n - i, &count, r);
        for (int k = 0; k < count; k++)
            t->now[k] = keys[i + k].index;
        t->n_now = count;
        if (!s)
            s = clvits_task_frames(t, r);
    }
    return s;
}

/* From the text, or from where the sink's samples end, to the end. */
static clvits_status attempt(clvits_task *t, clvits_report *r)
{
    const clvits_stage_size size = clvits_task_text_size(t);

    if (t->told && !t->ends) {
        t->ends = calloc((size_t)t->n * (size_t)t->ids, sizeof(*t->ends));
        if (!t->ends)
            return clvits_fail_memory(r, "durations");
    }
    t->in_text = true;
    clvits_status s = clvits_stage_take(t->e->pool, &t->text, &size, r);
    if (!s)
        s = clvits_task_text(t, r);
    t->in_text = s != CLVITS_OK;
    return s ? s : run_frames(t, r);
}

static void give_back(clvits_task *t)
{
    clvits_stage_give_back(t->e->pool, &t->wave);
    clvits_stage_give_back(t->e->pool, &t->latent);
    clvits_stage_give_back(t->e->pool, &t->text);
}

/* Whether memory is short because others speak as well: that passes. */
static bool others_speak(const clvits_engine *e)
{
    return e->machine->trust && atomic_load(&e->machine->trust->speaking) > 1;
}

/* What failed, and what is done about it. */
static void warn_of_less(const clvits_task *t, int level, clvits_report *r)
{
    const clvits_task_needs a = clvits_task_needs_at(t, level);
    const clvits_task_needs b = clvits_task_needs_now(t);

    if (a.wave < b.wave && !t->wave_elsewhere)
        clvits_warn(r, "%s; taking up to %d frames at a time instead of %d", r->text, a.wave,
                    b.wave);
    else if (a.latent < b.latent && !t->latent_elsewhere)
        clvits_warn(r, "%s; taking up to %d frames of the flow at a time instead of %d", r->text,
                    a.latent, b.latent);
    else
        clvits_warn(r, "%s; %d item%s at once instead of %d", r->text, a.items,
                    a.items == 1 ? "" : "s", b.items);
}

/* Batches of so many ids and more do without a place. */
static void note_too_many(clvits_engine *e, unsigned place, int ids)
{
    const int was = atomic_load(&e->too_many);

    atomic_store(&e->too_many, was ? clvits_least(was, ids) : ids);
    atomic_fetch_or(&e->too_many_for, place);
}

/* What a device that has no memory is spared: at first nothing but what the pool keeps, then
 * frames, or items of a text stage, then the batch. This stands for the batches to come as well,
 * for a while, unless it is others that have the memory. */
static void take_less(clvits_task *t, clvits_engine *e, unsigned place, clvits_report *r)
{
    const bool passes = others_speak(e);
    const int less = t->in_text ? CLVITS_TASK_LEVELS : clvits_task_next_level(t);
    const size_t enough = t->in_text ? 0 : r->wanted; /* the other stages have weights as well */

    if (!t->trimmed) {
        t->trimmed = true;
    } else if (clvits_task_is_hopeless(e, place, r)) {
        atomic_fetch_or(&e->too_small, place);
        clvits_task_bar(e, &t->barred, place, enough, r);
    } else if (t->in_text && !t->told && t->n > 1) {
        clvits_info(r, "%s; %d item%s at once instead of %d", r->text, t->n / 2,
                    t->n / 2 == 1 ? "" : "s", t->n);
        t->n /= 2;
        t->ids = clvits_task_ids_for(t->item[t->n - 1]->n_ids);
        if (!passes)
            atomic_store(&e->most, t->n);
    } else if (less < CLVITS_TASK_LEVELS) {
        warn_of_less(t, less, r);
        if (passes) {
            t->less = clvits_most(less - atomic_load(&e->level), 0);
        } else {
            atomic_store(&e->level, less);
            t->less = 0; /* that is part of the level now */
        }
    } else {
        if (!passes)
            note_too_many(e, place, t->n * (t->in_text ? t->ids : CLVITS_STAGE_IDS));
        clvits_task_bar(e, &t->barred, place, enough, r);
    }
    if (t->trimmed && !passes)
        atomic_store(&e->calm, 0);
}

/* After enough batches that went well, more is tried again, first what was given up last: all items
 * of a batch, then one level after the other, whatever the last items were. Each time it has to go
 * well for twice as long. Batches of which nothing was left to compute tell nothing of memory, nor
 * do those that others left none, nor the CPU path, which only passes the time of what is given up
 * as a whole. */
static void take_more(const clvits_task *t, clvits_engine *e)
{
    enum { FIRST = 32, LONGEST = 4096 };
    const int level = atomic_load(&e->level), patience = atomic_load(&e->patience);
    const bool fewer = atomic_load(&e->too_many) || atomic_load(&e->most);
    const bool on_cpu = t->barred == clvits_machine_devices(e->machine);
    const bool tells = t->frames && !t->less && (fewer || (level && !on_cpu));
    const int needed = patience ? patience : FIRST;

    if (!tells || atomic_fetch_add(&e->calm, 1) + 1 < needed)
        return;
    atomic_store(&e->calm, 0);
    atomic_store(&e->patience, 2 * needed < LONGEST ? 2 * needed : LONGEST);
    atomic_store(&e->too_many, 0);
    atomic_store(&e->too_many_for, 0);
    atomic_store(&e->most, 0);
    if (!fewer)
        atomic_store(&e->level, level - 1);
}

/* Whether the batch can go on without what failed; the failure is then dealt with. */
static bool recover(clvits_task *t, clvits_engine *e, clvits_report *r)
{
    bool memory = false;
    const unsigned place = clvits_task_blame(e, t->barred, &memory, r);

    if (!place)
        return false;
    if (memory) {
        take_less(t, e, place, r);
    } else {
        if (t->numberless)
            t->accused |= place;
        t->barred |= place;
    }
    t->numberless = false;
    clvits_report_clear(r);
    return true;
}

/* The places that a batch of so many ids does without. */
static unsigned barred_for(const clvits_engine *e, int ids)
{
    const int too_many = atomic_load((atomic_int *)&e->too_many);

    return clvits_machine_distrusted(e->machine) | atomic_load((atomic_uint *)&e->too_small) |
           (too_many && ids >= too_many ? atomic_load((atomic_uint *)&e->too_many_for) : 0);
}

/* Whether a stage takes nothing of the device that failed. One that is not on loan may be what did
 * not fit; but weights that did not are as large for any stage. */
static bool is_elsewhere(const clvits_task *t, const clvits_loan *l, const clvits_report *r)
{
    return l->stage ? !clvits_task_takes_of(t->e, l, r) : r->weights != 0;
}

static void note_elsewhere(clvits_task *t, const clvits_report *r)
{
    t->wave_elsewhere = is_elsewhere(t, &t->wave, r);
    t->latent_elsewhere = is_elsewhere(t, &t->latent, r);
}

/* What t holds, with other devices or less at a time when one fails. */
static clvits_status run_group(clvits_task *t, clvits_engine *e, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    t->barred = barred_for(e, t->n * t->ids);
    t->less = 0;
    t->level = level_for(t);
    t->accused = 0;
    t->frames = 0;
    t->told = t->trimmed = t->numberless = false;
    if (e->machine->trust)
        atomic_fetch_add(&e->machine->trust->speaking, 1);
    for (bool more = true; more;) {
        t->ended = false;
        s = attempt(t, r);
        if (s || t->ended)
            clvits_stage_pool_finish(e->pool);
        if (r->trace)
            clvits_trace_collect(r->trace, NULL); /* before the graphs that it names may go */
        clvits_trace_stage(r, "");
        note_elsewhere(t, r);
        give_back(t);
        more = s && recover(t, e, r);
    }
    if (e->machine->trust)
        atomic_fetch_sub(&e->machine->trust->speaking, 1);
    if (s == CLVITS_E_FORMAT || t->numberless)
        clvits_task_take_back(e->machine, &t->accused, r);
    if (!s)
        take_more(t, e);
    free(t->ends);
    t->ends = NULL;
    return s;
}

static clvits_status check_item(const clvits_engine *e, const clvits_item *item, clvits_report *r)
{
    const clvits_config *c = &e->config;
    const int speakers = c->n_speakers > 1 ? c->n_speakers : 1;

    if (item->n_ids < 1 || item->n_ids > MAX_TEXT)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%d ids in one sentence; give 1 to %d",
                           item->n_ids, MAX_TEXT);
    if (item->sid < 0 || item->sid >= speakers)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "speaker %d; this voice has 0 to %d", item->sid,
                           speakers - 1);
    for (int k = 0; k < item->n_ids && c->n_languages; k++)
        if (item->lids[k] < 0 || item->lids[k] >= c->n_languages)
            return clvits_fail(r, CLVITS_E_ARGUMENT, "language %d; this voice has 0 to %d",
                               (int)item->lids[k], c->n_languages - 1);
    for (int k = 0; k < item->n_ids; k++)
        if (item->ids[k] < 0 || item->ids[k] >= c->n_vocab)
            return clvits_fail(r, CLVITS_E_ARGUMENT, "id %d at position %d; this voice has 0 to %d",
                               item->ids[k], k, c->n_vocab - 1);
    return CLVITS_OK;
}

/* The batch in groups, the shortest items first. */
static clvits_status run_groups(clvits_task *t, clvits_engine *e, key *keys, int n,
                                clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    qsort(keys, (size_t)n, sizeof(*keys), compare);
    for (int i = 0; i < n && !s; i += t->n) {
        t->n = texts_together(e, keys + i, n - i);
        for (int k = 0; k < t->n; k++)
            t->item[k] = &t->items[keys[i + k].index];
        t->ids = clvits_task_ids_for(keys[i + t->n - 1].size);
        s = run_group(t, e, r);
    }
    return s;
}

clvits_status clvits_engine_speak(clvits_engine *e, clvits_item *items, int n,
                                  const clvits_sink *sink, clvits_report *r)
{
    clvits_task t = { .e = e, .items = items, .sink = sink };
    key *keys = malloc(((size_t)n + 1) * sizeof(*keys));
    clvits_status s = keys ? CLVITS_OK : clvits_fail_memory(r, "a batch");
    int fit = 0;

    for (int i = 0; i < n && !s; i++) {
        items[i].heard = 0;
        if (check_item(e, &items[i], r))
            s = clvits_task_end_item(&t, &items[i], r);
        else
            keys[fit++] = (key){
                .kind = e->machine->rates ? clvits_task_ids_for(items[i].n_ids) : 0,
                .size = items[i].n_ids,
                .index = i,
            };
    }
    if (!s)
        s = run_groups(&t, e, keys, fit, r);
    free(keys);
    return s;
}

/* A stage, without the devices that are lost, or have no memory, while it is planned. */
static clvits_status take(clvits_engine *e, clvits_loan *out, clvits_stage_size *size,
                          unsigned *barred, clvits_report *r)
{
    bool memory = false;

    for (;;) {
        size->barred = *barred;
        const clvits_status s = clvits_stage_take(e->pool, out, size, r);
        const unsigned place = s ? clvits_task_blame(e, *barred, &memory, r) : 0;
        if (!place)
            return s;
        if (memory)
            clvits_task_bar(e, barred, place, 0, r);
        else
            *barred |= place;
        clvits_report_clear(r);
    }
}

clvits_status clvits_engine_plans(clvits_engine *e, clvits_plan_fn fn, void *user,
                                  clvits_report *r)
{
    const int frames = clvits_task_levels[CLVITS_TASK_USUAL].window;
    const clvits_task t = { .e = e, .n = 1, .ids = CLVITS_STAGE_IDS, .n_now = 1, .frames = frames,
                            .level = CLVITS_TASK_USUAL,
                            .barred = barred_for(e, CLVITS_STAGE_IDS) };
    clvits_stage_size sizes[] = { clvits_task_text_size(&t), clvits_task_latent_size(&t, frames),
                                  clvits_task_wave_size(&t, frames) };
    unsigned barred = t.barred;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < 3 && !s; i++) {
        clvits_loan l = { 0 };
        s = take(e, &l, &sizes[i], &barred, r);
        if (!s)
            s = fn(user, l.stage->plan, clvits_stage_names[sizes[i].kind], r);
        clvits_stage_give_back(e->pool, &l);
    }
    return s;
}
