// SPDX-License-Identifier: MIT
//
// How many launches an utterance takes, for the geometry of the paper: a GPU's gain is lost in
// them. Counted in plans, and, with few channels, in what twelve seconds and batches of sentences
// launch when nobody says in what pieces they are wanted, and where a GPU has little memory.
// tests/warm.c holds what is launched to what is planned.
#include "base_voice.h"
#include "graph/trust.h"
#include "harness.h"
#include "model/engine_task.h"
#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IDS = 256,
    BEFORE = 80,
    AFTER = 120, /* the durations are known */
    TWELVE = 12, /* seconds */
    ITEMS = CLVITS_TASK_ITEMS,
    HEARD = 600 /* bytes */
};

typedef struct fixture {
    harness h;
    clvits_config config;
    clvits_arrays weights;
    clvits_model model;
    clvits_engine *engine;
    const char *place; /* of its nodes, or NULL */
    int first, most;   /* frames that are wanted at first, and at a time; 0: any */
} fixture;

static clvits_status add_zeros(void *user, const clvits_weight *w)
{
    fixture *f = user;
    clvits_array a = { .name = w->name, .dtype = CLVITS_DTYPE_F32, .rank = w->rank };

    memcpy(a.shape, w->shape, sizeof(a.shape));
    a.data = clvits_arena_array(&f->h.arena, (size_t)clvits_array_count(&a), sizeof(float));
    ck_assert_ptr_nonnull(a.data);
    return clvits_arrays_add(&f->weights, &a, &f->h.report);
}

static void begin(fixture *f, const clvits_config *c)
{
    *f = (fixture){ .config = *c };
    harness_begin(&f->h, 1);
    ck_assert_msg(clvits_config_check(&f->config, &f->h.report) == CLVITS_OK, "%s",
                  f->h.report.text);
    ck_assert_int_eq(clvits_weights_walk(&f->config, add_zeros, f), CLVITS_OK);
    f->model = (clvits_model){ &f->config, &f->weights };
}

static void end(fixture *f)
{
    clvits_engine_close(&f->engine);
    harness_end(&f->h);
    clvits_arrays_free(&f->weights);
}

static int launches(fixture *f, clvits_graph *g)
{
    clvits_plan *plan;

    ck_assert_msg(clvits_plan_make(&plan, g, &f->h.machine, f->h.weights, NULL, &f->h.report) ==
                      CLVITS_OK, "%s", f->h.report.text);
    const int n = clvits_plan_launches(plan);
    clvits_plan_free(&plan);
    clvits_graph_close(&g);
    return n;
}

/* Frames of twelve seconds; rounded up, like durations. */
static int twelve_seconds(const clvits_config *c)
{
    return (TWELVE * c->sampling_rate + c->hop_length - 1) / c->hop_length;
}

static clvits_config base(bool speakers)
{
    clvits_config c = base_voice();

    c.n_speakers = speakers ? 109 : 1;
    c.gin_channels = speakers ? 256 : 0;
    return c;
}

START_TEST(base_geometry)
{
    const clvits_config c = base(_i);
    const clvits_stage_options o = { .batch = 1 };
    const int frames = twelve_seconds(&c);
    clvits_text_stage text;
    clvits_latent_stage latent;
    clvits_wave_stage wave;
    fixture f;

    begin(&f, &c);
    ck_assert_int_eq(clvits_text_stage_build(&text, &f.model, &o, IDS, &f.h.report), CLVITS_OK);
    ck_assert_int_eq(clvits_latent_stage_build(&latent, &f.model, &o, IDS, frames, &f.h.report),
                     CLVITS_OK);
    ck_assert_int_eq(clvits_wave_stage_build(&wave, &f.model, &o, frames, &f.h.report),
                     CLVITS_OK);
    const int before = launches(&f, text.graph);
    const int flow = launches(&f, latent.graph), window = launches(&f, wave.graph);
    ck_assert_msg(before <= BEFORE, "%d launches before the durations are known", before);
    ck_assert_msg(flow + window <= AFTER, "%d + %d launches after they are", flow, window);
    end(&f);
}
END_TEST

/* The paper's geometry with so few channels that any machine has computed it soon. Where all
 * weights are zero, a symbol lasts for as many frames as the length scale says. */
static clvits_config thin(void)
{
    clvits_config c = base_voice();

    c.inter_channels = c.hidden_channels = c.filter_channels = c.dp_filter_channels = 16;
    c.upsample_initial_channel = 32;
    return c;
}

/* What was launched by the time that the durations are known, and what was heard. */
typedef struct counted {
    const clvits_device *device;
    uint64_t before;
    int pieces;
} counted;

static clvits_status on_durations(void *user, int i, const clvits_item *item, clvits_report *r)
{
    counted *n = user;

    (void)i, (void)item, (void)r;
    n->before = clvits_device_launches(n->device);
    return CLVITS_OK;
}

static clvits_status on_wave(void *user, int i, const float *samples, int n, clvits_report *r)
{
    (void)i, (void)samples, (void)n, (void)r;
    ((counted *)user)->pieces++;
    return CLVITS_OK;
}

static bool on_gpu(const fixture *f)
{
    return f->h.machine.n_places > 1 &&
           clvits_device_get_info(f->h.machine.device[1])->family == CLVITS_FAMILY_GPU;
}

/* It chooses no kernel by them. */
static void set_compute_units(fixture *f, int n)
{
    clvits_device_info *info = (clvits_device_info *)clvits_device_get_info(f->h.machine.device[1]);
    info->compute_units = n;
}

static void open_engine(fixture *f)
{
    ck_assert_int_eq(clvits_engine_open(&f->engine, &f->model, &f->h.machine, f->place,
                                        &f->h.report),
                     CLVITS_OK);
}

/* Launches after the durations of n utterances of so many frames, spoken at once. */
static int speak(fixture *f, int n, int frames, counted *c)
{
    const clvits_sink sink = { .user = c, .durations = on_durations, .wave = on_wave,
                               .first = f->first, .most = f->most };
    static int32_t ids[IDS], durations[ITEMS][IDS];
    clvits_item items[ITEMS];
    int n_ids = 2;

    while (frames % n_ids || frames / n_ids > 20)
        n_ids++;
    for (int i = 0; i < n; i++)
        items[i] = (clvits_item){ .ids = ids, .n_ids = n_ids, .durations = durations[i],
                                  .length_scale = (float)(frames / n_ids) };
    *c = (counted){ .device = f->h.machine.device[1] };
    ck_assert_msg(clvits_engine_speak(f->engine, items, n, &sink, &f->h.report) == CLVITS_OK, "%s",
                  f->h.report.text);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(items[i].frames, frames);
    return (int)(clvits_device_launches(c->device) - c->before);
}

static clvits_status add_launches(void *user, const clvits_plan *p, const char *stage,
                                  clvits_report *r)
{
    int *n = user; /* of the flow, of a window */

    (void)r;
    if (strcmp(stage, "text") != 0)
        n[!strcmp(stage, "wave")] = clvits_plan_launches(p);
    return CLVITS_OK;
}

/* In how many parts a batch of utterances is computed by large GPUs, small ones, and devices with a
 * CPU's caches; and in how many windows the last of these make each, which is one to GPUs. What is
 * computed at once depends on what more than 64 and 256 frames have room in. */
static const struct {
    int items, frames, large, small, cpu, windows;
} spoken[] = {
    { 1, 0, 1, 1, 1, 3 }, /* twelve seconds */
    { 4, 270, 1, 4, 4, 1 },
    { 5, 270, 2, 5, 5, 1 },
    { 16, 75, 1, 4, 16, 1 },
    { 16, 20, 1, 1, 4, 1 },
};

START_TEST(spoken_by_default)
{
    const clvits_config c = thin();
    const int frames = spoken[_i].frames ? spoken[_i].frames : twelve_seconds(&c);
    int each[2] = { 0 };
    counted n;
    fixture f;

    begin(&f, &c);
    if (f.h.machine.n_places > 1) {
        const bool gpu = on_gpu(&f);
        const int windows = gpu ? 1 : spoken[_i].windows, blocks = gpu ? 1 : (frames + 1023) / 1024;
        open_engine(&f);
        ck_assert_int_eq(clvits_engine_plans(f.engine, add_launches, each, &f.h.report),
                         CLVITS_OK);
        for (int large = 0; large < 1 + gpu; large++) {
            const int parts = !gpu ? spoken[_i].cpu : large ? spoken[_i].large : spoken[_i].small;
            if (gpu)
                set_compute_units(&f, large ? 16 : 15);
            const int got = speak(&f, spoken[_i].items, frames, &n);
            ck_assert_int_eq(got, parts * (blocks * each[0] + windows * each[1]));
            ck_assert_int_eq(n.pieces, spoken[_i].items * windows);
            if (blocks == 1 && windows == 1)
                ck_assert_int_le(got, parts * AFTER);
        }
    }
    end(&f);
}
END_TEST

/* The device again, with a limit, at a place that has none. */
static void open_device(fixture *f, const clvits_device_info was, int place, size_t bytes)
{
    const clvits_device_params p = { .family = 1 + (int)was.family, .memory = bytes };
    clvits_device_info *list;
    int n, i = 0;

    ck_assert_int_eq(clvits_device_list(&list, &n, &f->h.report), CLVITS_OK);
    while (i < n && (strcmp(list[i].name, was.name) || strcmp(list[i].platform, was.platform)))
        i++;
    free(list);
    ck_assert_int_lt(i, n);
    ck_assert_int_eq(clvits_device_open(&f->h.machine.device[place], i, &p, &f->h.report),
                     CLVITS_OK);
}

static void limit_memory(fixture *f, size_t bytes)
{
    const clvits_device_info was = *clvits_device_get_info(f->h.machine.device[1]);

    clvits_device_close(&f->h.machine.device[1]);
    open_device(f, was, 1, bytes);
}

/* A limit of `all` bytes, of which others leave so many. */
static clvits_buffer *take_memory(fixture *f, size_t all, size_t left)
{
    clvits_buffer *others = NULL;

    limit_memory(f, all);
    const size_t taken = (all - left) / sizeof(float) * sizeof(float);
    ck_assert_msg(clvits_buffer_make(&others, f->h.machine.device[1], taken, &f->h.report) ==
                      CLVITS_OK, "%s", f->h.report.text);
    return others;
}

static void keep_warning(void *user, clvits_log_level level, const char *text)
{
    if (level <= CLVITS_LOG_WARNING)
        snprintf(user, HEARD, "%s", text);
}

static void join_warnings(void *user, clvits_log_level level, const char *text)
{
    const size_t n = strlen(user);

    if (level <= CLVITS_LOG_WARNING)
        snprintf((char *)user + n, HEARD - n, "%s", text);
}

/* Where an eighth of its memory does not hold a large window, a GPU is given smaller ones at once;
 * where that is not there when it is wanted, from then on. Memory is that of a large window and all
 * else, times as much; then what others leave of it, of that; and windows that are made. */
static const struct {
    size_t times;
    double left;
    int windows;
} short_of[] = { { 5, 1.0, 3 }, { 2, 1.0, 5 }, { 16, 0.8 / 16, 3 } };

START_TEST(memory_is_short)
{
    const clvits_config c = thin();
    const int frames = twelve_seconds(&c);
    char heard[HEARD] = "";
    clvits_buffer *others = NULL;
    counted n;
    fixture f;

    begin(&f, &c);
    open_engine(&f);
    speak(&f, 1, frames, &n);
    ck_assert_int_eq(n.pieces, 1);
    clvits_engine_close(&f.engine);
    const size_t peak = clvits_device_peak_bytes(f.h.machine.device[1]);
    f.h.report.log = keep_warning;
    f.h.report.log_user = heard;
    for (int k = 0; k < LENGTH(short_of); k++) {
        const size_t all = peak * short_of[k].times;
        const bool taken = short_of[k].left < 1.0;
        if (taken)
            others = take_memory(&f, all, (size_t)(short_of[k].left * (double)all));
        else
            limit_memory(&f, all);
        open_engine(&f);
        for (int i = 0; i < 2; i++) {
            heard[0] = '\0';
            speak(&f, 1, frames, &n);
            ck_assert_int_eq(n.pieces, short_of[k].windows);
            const char *said = strstr(heard, "taking up to 512 frames at a time instead of 1024");
            ck_assert_msg(taken && !i ? said != NULL : !heard[0], "%s", heard);
        }
        clvits_engine_close(&f.engine);
        clvits_buffer_free(&others);
    }
    end(&f);
}
END_TEST

/* What does not fit is tried again only with less of it, which is said; and then with more. */
static const struct {
    const char *place;
    int frames, first, most;
    int others;  /* frames that take memory of which there is a part, */
    double left; /* this one */
    const char *said;
    int level, more; /* from then on; and when it has gone well */
} less[] = {
    { NULL, 48, 0, 0, 48, 0.95, "; taking up to 16 frames at a time instead of 64", 4, 3 },
    { NULL, 1100, 0, 0, 16, 0.1, "; going on without this device", 0, 0 }, /* weights */
    { NULL, 1100, 16, 0, 16, 0.95, "; taking up to 16 frames at a time instead of 64", 4, 3 },
    { NULL, 1100, 0, 1024, 1100, 0.6, "; taking up to 256 frames at a time instead of 1024", 2, 1 },
    { "dec=cpu", 1100, 0, 0, 1100, 0.6,
      "; taking up to 256 frames of the flow at a time instead of 1024", 3, 2 },
};

START_TEST(only_less_is_tried)
{
    const clvits_config c = thin();
    char heard[HEARD] = "";
    counted n;
    fixture f;

    begin(&f, &c);
    if (f.h.machine.n_places < 2) {
        end(&f);
        return;
    }
    f.place = less[_i].place;
    f.first = less[_i].first;
    f.most = less[_i].most;
    open_engine(&f);
    speak(&f, 1, less[_i].others, &n);
    clvits_engine_close(&f.engine);
    const size_t peak = clvits_device_peak_bytes(f.h.machine.device[1]);
    clvits_buffer *others = take_memory(&f, 16 * peak, (size_t)(less[_i].left * (double)peak));
    f.h.report.log = join_warnings;
    f.h.report.log_user = heard;
    open_engine(&f);
    speak(&f, 1, less[_i].frames, &n);
    char *enough = strstr(heard, ", and about ");
    ck_assert_msg(!enough == !strstr(less[_i].said, "without"), "%s", heard);
    if (enough)
        *enough = '\0';
    const char *said = strstr(heard, "; ");
    ck_assert_msg(said && !strcmp(said, less[_i].said), "%s", heard);
    ck_assert_uint_gt(n.before, 0); /* it was not the text stage */
    ck_assert_int_eq(atomic_load(&f.engine->level), less[_i].level);
    clvits_buffer_free(&others);
    atomic_store(&f.engine->patience, 1);
    speak(&f, 1, less[_i].frames, &n);
    ck_assert_int_eq(atomic_load(&f.engine->level), less[_i].more);
    end(&f);
}
END_TEST

/* Of a batch, how many items a large GPU has at once from a level on while memory is short: as many
 * as share one window, so that what is said to be less is. */
static const struct {
    int items, frames;
    int level; /* the next one fits, */
    const char *said;
} fewer[] = {
    { 4, 1000, 0, "; taking up to 512 frames at a time instead of 1024" },
    { 4, 1000, 1, "; taking up to 256 frames at a time instead of 512" },
    { 16, 75, 0, "; 1 item at once instead of 16" },
};

/* What that batch takes at a level. */
static size_t peak_of(fixture *f, int i, int level)
{
    counted n;

    limit_memory(f, 0);
    set_compute_units(f, 16);
    open_engine(f);
    atomic_store(&f->engine->level, level);
    speak(f, fewer[i].items, fewer[i].frames, &n);
    clvits_engine_close(&f->engine);
    return clvits_device_peak_bytes(f->h.machine.device[1]);
}

START_TEST(fewer_items_are_less)
{
    const clvits_config c = thin();
    const int level = fewer[_i].level;
    char heard[HEARD] = "";
    counted n;
    fixture f;

    begin(&f, &c);
    const size_t now = peak_of(&f, _i, level), next = peak_of(&f, _i, level + 1);
    ck_assert_uint_lt(next, now);
    clvits_buffer *others = take_memory(&f, 16 * now, next + (now - next) / 2);
    set_compute_units(&f, 16);
    f.h.report.log = join_warnings;
    f.h.report.log_user = heard;
    open_engine(&f);
    atomic_store(&f.engine->level, level);
    for (int i = 0; i < 2; i++) { /* and so have those that follow */
        speak(&f, fewer[_i].items, fewer[_i].frames, &n);
        const char *said = strstr(heard, "; ");
        ck_assert_msg(said && !strcmp(said, fewer[_i].said), "%s", heard);
        ck_assert_int_eq(atomic_load(&f.engine->level), level + 1);
    }
    clvits_buffer_free(&others);
    end(&f);
}
END_TEST

/* Where it is others that speak who have the memory, a batch alone takes less. */
START_TEST(others_leave_less)
{
    const clvits_config c = thin();
    struct clvits_trust trust = { 0 };
    char heard[HEARD] = "";
    counted n;
    fixture f;

    begin(&f, &c);
    if (f.h.machine.n_places > 1) {
        open_engine(&f);
        speak(&f, 1, 48, &n);
        clvits_engine_close(&f.engine);
        const size_t peak = clvits_device_peak_bytes(f.h.machine.device[1]);
        clvits_buffer *others = take_memory(&f, 16 * peak, (size_t)(0.95 * (double)peak));
        f.h.report.log = keep_warning;
        f.h.report.log_user = heard;
        f.h.machine.trust = &trust;
        atomic_store(&trust.speaking, 1);
        open_engine(&f);
        atomic_store(&f.engine->level, CLVITS_TASK_SMALL);
        atomic_store(&f.engine->patience, 1);
        speak(&f, 1, 48, &n);
        ck_assert_ptr_nonnull(strstr(heard, "taking up to 16 frames at a time instead of 64"));
        ck_assert_int_eq(atomic_load(&f.engine->level), CLVITS_TASK_SMALL);
        clvits_buffer_free(&others);
        heard[0] = '\0';
        speak(&f, 1, 48, &n);
        ck_assert_str_eq(heard, "");
        ck_assert_int_lt(atomic_load(&f.engine->level), CLVITS_TASK_SMALL);
    }
    end(&f);
}
END_TEST

static clvits_status on_ended(void *user, int i, clvits_report *r)
{
    (void)user, (void)i, (void)r;
    return CLVITS_OK;
}

/* What was cancelled, or ran elsewhere, says nothing of a device's memory, and a short text no more
 * than a long one. */
START_TEST(more_is_tried_level_by_level)
{
    const clvits_config c = thin();
    const int last = CLVITS_TASK_LEVELS - 1;
    static int32_t ids[2], durations[2];
    const clvits_sink sink = { .ended = on_ended };
    atomic_int cancel = 1;
    clvits_item item = { .ids = ids, .n_ids = 2, .durations = durations, .length_scale = 8,
                         .cancel = &cancel };
    counted n;
    fixture f;

    begin(&f, &c);
    if (f.h.machine.n_places > 1) {
        open_engine(&f);
        atomic_store(&f.engine->patience, 1);
        atomic_store(&f.engine->level, last);
        ck_assert_int_eq(clvits_engine_speak(f.engine, &item, 1, &sink, &f.h.report), CLVITS_OK);
        ck_assert_int_eq(item.frames, 0);
        ck_assert_int_eq(atomic_load(&f.engine->level), last);
        atomic_store(&f.engine->too_many, 1);
        atomic_store(&f.engine->too_many_for, 1U << 1);
        ck_assert_int_eq(speak(&f, 1, 16, &n), 0);
        ck_assert_int_eq(atomic_load(&f.engine->level), last);
        for (int level = last; level > 0; level--) {
            atomic_store(&f.engine->patience, 1);
            ck_assert_int_gt(speak(&f, 1, 16, &n), 0);
            ck_assert_int_eq(atomic_load(&f.engine->level), level - 1);
        }
    }
    end(&f);
}
END_TEST

/* Where one device has no memory, the next one goes on, with the batches to come as well. */
START_TEST(one_is_short_of_two)
{
    const clvits_config c = thin();
    char heard[HEARD] = "";
    counted n;
    fixture f;

    begin(&f, &c);
    if (f.h.machine.n_places > 1) {
        const clvits_device_info was = *clvits_device_get_info(f.h.machine.device[1]);
        clvits_buffer *others = take_memory(&f, 1 << 28, 1 << 10);
        open_device(&f, was, 2, 0);
        f.h.machine.n_places = 3;
        f.h.report.log = keep_warning;
        f.h.report.log_user = heard;
        open_engine(&f);
        for (int i = 0; i < 2; i++) {
            const uint64_t before = clvits_device_launches(f.h.machine.device[2]);
            heard[0] = '\0';
            ck_assert_int_eq(speak(&f, 1, 48, &n), 0);
            ck_assert_uint_gt(clvits_device_launches(f.h.machine.device[2]), before);
            ck_assert_int_eq(!strstr(heard, "going on without this device"), i);
        }
        clvits_buffer_free(&others);
    }
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("launches");
    TCase *t = tcase_create("geometries");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    if (!getenv("CLVITS_TEST_FAMILY")) /* whose kernels make no difference to plans */
        tcase_add_loop_test(t, base_geometry, 0, 2);
    else {
        tcase_add_test(t, memory_is_short);
        tcase_add_loop_test(t, fewer_items_are_less, 0, LENGTH(fewer));
    }
    tcase_add_loop_test(t, spoken_by_default, 0, LENGTH(spoken));
    tcase_add_loop_test(t, only_less_is_tried, 0, LENGTH(less));
    tcase_add_test(t, others_leave_less);
    tcase_add_test(t, more_is_tried_level_by_level);
    tcase_add_test(t, one_is_short_of_two);
    suite_add_tcase(s, t);
    return harness_main(s);
}
