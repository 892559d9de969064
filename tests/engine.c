// SPDX-License-Identifier: MIT
//
// The engine as a whole, with the embedded voice: batches, windows, reuse, placement, threads,
// cancelling; and the device against the CPU path.
#include "graph/trust.h"
#include "model/engine_task.h"
#include "model/voice_file.h"
#include "stages.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IDS = 400, MAX_SAMPLES = 1 << 21, THREADS = 4, SENTENCES = 3 };

/* What one item of a batch came to. */
typedef struct speech {
    int32_t durations[MAX_IDS];
    float *samples;
    int n, pieces, stop_after;
} speech;

typedef struct fixture {
    harness h;
    clvits_voice_file file;
    clvits_engine *engine;
    int32_t *ids[SENTENCES];
    int n_ids[SENTENCES];
} fixture;

static void begin(fixture *f, const char *place)
{
    char path[1024];

    memset(f, 0, sizeof(*f));
    harness_begin(&f->h, 1);
    snprintf(path, sizeof(path), "%s/mini", SOURCE_VOICES);
    ck_assert_msg(clvits_voice_file_open(&f->file, path, NULL, &f->h.report) == CLVITS_OK, "%s",
                  f->h.report.text);
    const clvits_model m = { &f->file.config, &f->file.weights };
    ck_assert_int_eq(clvits_engine_open(&f->engine, &m, &f->h.machine, place, &f->h.report), 0);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/mini/ref/%d_ids.npy", GOLDEN_DIR, i);
        f->ids[i] = stages_ints(&f->h, path, &f->n_ids[i]);
        ck_assert_int_lt(f->n_ids[i], MAX_IDS);
    }
}

static void end(fixture *f)
{
    clvits_engine_close(&f->engine);
    clvits_voice_file_free(&f->file);
    harness_end(&f->h);
}

static clvits_item item(const fixture *f, int sentence, speech *s)
{
    return (clvits_item){ .ids = f->ids[sentence],
                          .n_ids = f->n_ids[sentence],
                          .seed = 7u + (uint64_t)sentence,
                          .noise_scale = 0.667f,
                          .noise_w = 0.5f,
                          .length_scale = 1.1f,
                          .durations = s->durations };
}

static clvits_status keep(void *user, int i, const float *samples, int n, clvits_report *r)
{
    speech *s = (speech *)user + i;

    ck_assert_int_le(s->n + n, MAX_SAMPLES);
    s->samples = realloc(s->samples, (size_t)(s->n + n) * sizeof(float));
    memcpy(s->samples + s->n, samples, (size_t)n * sizeof(float));
    s->n += n;
    if (++s->pieces == s->stop_after)
        return clvits_fail(r, CLVITS_E_CANCELLED, "enough");
    return CLVITS_OK;
}

static void speak(fixture *f, clvits_item *items, int n, int most, speech *out)
{
    const clvits_sink sink = { .user = out, .wave = keep, .most = most };
    clvits_report r = { 0 };
    ck_assert_msg(clvits_engine_speak(f->engine, items, n, &sink, &r) == CLVITS_OK, "%s", r.text);
}

/* In pieces of so many frames; 0: as many as are efficient. */
static speech speak_in_pieces(fixture *f, clvits_item it, int most)
{
    speech s = { 0 };
    it.durations = s.durations;
    speak(f, &it, 1, most, &s);
    ck_assert_int_eq(s.n, it.frames * f->file.config.hop_length);
    return s;
}

static speech speak_one(fixture *f, clvits_item it)
{
    return speak_in_pieces(f, it, 0);
}

static void assert_same(const speech *a, const speech *b, const char *what)
{
    ck_assert_msg(a->n == b->n, "%s: %d and %d samples", what, a->n, b->n);
    for (int i = 0; i < a->n; i++)
        if (a->samples[i] != b->samples[i])
            ck_abort_msg("%s: sample %d is %.9g, not %.9g", what, i, (double)b->samples[i],
                         (double)a->samples[i]);
}

START_TEST(batch_equals_singles)
{
    fixture f;
    speech batch[3] = { 0 };
    clvits_item items[3];

    begin(&f, NULL);
    for (int i = 0; i < 3; i++)
        items[i] = item(&f, i, &batch[i]);
    speak(&f, items, 3, 0, batch);
    for (int i = 0; i < 3; i++) {
        speech single = speak_one(&f, item(&f, i, &batch[i]));
        assert_same(&single, &batch[i], "in a batch");
        free(single.samples);
        free(batch[i].samples);
    }
    end(&f);
}
END_TEST

START_TEST(runs_are_reused)
{
    fixture f;
    speech s = { 0 };

    begin(&f, NULL);
    speech first = speak_one(&f, item(&f, 0, &s));
    speech other = speak_one(&f, item(&f, 1, &s));
    speech again = speak_one(&f, item(&f, 0, &s));
    assert_same(&first, &again, "after another text");
    clvits_item seeded = item(&f, 0, &s);
    seeded.seed++;
    speech different = speak_one(&f, seeded);
    ck_assert(different.n != first.n ||
              memcmp(different.samples, first.samples, (size_t)first.n * sizeof(float)));
    free(first.samples);
    free(other.samples);
    free(again.samples);
    free(different.samples);
    end(&f);
}
END_TEST

/* The decoder over all frames at once must give what its windows give. */
START_TEST(windows_equal_one_shot)
{
    fixture f;
    speech s = { 0 };
    clvits_latent_stage latent;
    clvits_text_stage text;
    clvits_wave_stage wave;
    const clvits_stage_options o = { .batch = 1 };
    const float slow = 2.0f; /* some windows */

    begin(&f, NULL);
    const clvits_model m = { &f.file.config, &f.file.weights };
    clvits_item it = item(&f, 2, &s);
    it.noise_scale = 0.0f;
    it.noise_w = 0.0f;
    it.length_scale = slow;
    speech windows = speak_in_pieces(&f, it, 256);
    ck_assert_int_gt(windows.pieces, 2);

    ck_assert_int_eq(clvits_text_stage_build(&text, &m, &o, it.n_ids, &f.h.report), 0);
    stages_run t = stages_open(&f.h, text.graph);
    clvits_run_set_float(t.run, text.length_scale, 0, slow);
    stages_length(&f.h, &t, text.clock, it.n_ids);
    stages_write(&f.h, &t, text.ids, it.ids);
    stages_go(&f.h, &t);
    const int32_t *ends = stages_read(&f.h, &t, text.ends, it.n_ids);
    const int frames = ends[it.n_ids - 1];
    ck_assert_int_eq(clvits_latent_stage_build(&latent, &m, &o, it.n_ids, frames, &f.h.report), 0);
    stages_run l = stages_open(&f.h, latent.graph);
    stages_length(&f.h, &l, latent.text_clock, it.n_ids);
    stages_length(&f.h, &l, latent.clock, frames);
    stages_write(&f.h, &l, latent.ends, ends);
    stages_write(&f.h, &l, latent.stats, stages_read(&f.h, &t, text.stats, it.n_ids));
    stages_go(&f.h, &l);
    ck_assert_int_eq(clvits_wave_stage_build(&wave, &m, &o, frames, &f.h.report), 0);
    stages_run w = stages_open(&f.h, wave.graph);
    stages_length(&f.h, &w, wave.clock, frames);
    stages_write(&f.h, &w, wave.z, stages_read(&f.h, &l, latent.z, frames));
    stages_go(&f.h, &w);
    speech whole = { .n = frames * f.file.config.hop_length };
    whole.samples = stages_read(&f.h, &w, wave.wave, whole.n);
    assert_same(&whole, &windows, "by windows");
    free(windows.samples);
    stages_close(&t, &text.graph);
    stages_close(&l, &latent.graph);
    stages_close(&w, &wave.graph);
    end(&f);
}
END_TEST

static const char *const places[] = { "enc_p=cpu",    "dp=cpu",     "flow=cpu",       "dec=cpu",
                                      "conv1d=cpu",   "normal=cpu", "layer_norm=cpu", "gate=cpu",
                                      "attention=cpu", "spline=cpu" };

START_TEST(placement_does_not_change_results)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");
    const int n = name && !strncmp(name, "cpu", 3) ? 1 /* where all places are one */
                  : getenv("CLVITS_TEST_FAMILY")   ? 2
                                                   : LENGTH(places);
    fixture f;
    speech s = { 0 };

    begin(&f, NULL);
    speech here = speak_one(&f, item(&f, 0, &s));
    end(&f);
    for (int i = 0; i < n; i++) {
        begin(&f, places[i]);
        speech there = speak_one(&f, item(&f, 0, &s));
        ck_assert_int_eq(here.n, there.n);
        stages_compare(places[i], there.samples, here.samples, here.n);
        end(&f);
        free(there.samples);
    }
    free(here.samples);
}
END_TEST

START_TEST(device_agrees_with_cpu)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");
    fixture f;
    speech s = { 0 };

    if (name && !strcmp(name, "cpu")) /* itself */
        return;
    begin(&f, NULL);
    const uint64_t before =
        f.h.machine.n_places > 1 ? clvits_device_launches(f.h.machine.device[1]) : 0;
    speech device[SENTENCES], cpu;
    for (int i = 0; i < SENTENCES; i++)
        device[i] = speak_one(&f, item(&f, i, &s));
    if (f.h.machine.n_places > 1)
        ck_assert_uint_gt(clvits_device_launches(f.h.machine.device[1]), before);
    end(&f);

    setenv("CLVITS_TEST_DEVICE", "cpu", 1);
    begin(&f, NULL);
    for (int i = 0; i < SENTENCES; i++) {
        cpu = speak_one(&f, item(&f, i, &s));
        ck_assert_int_eq(cpu.n, device[i].n);
        stages_compare("device against CPU", device[i].samples, cpu.samples, cpu.n);
        free(cpu.samples);
        free(device[i].samples);
    }
    end(&f);
}
END_TEST

typedef struct worker {
    fixture *f;
    pthread_t thread;
    speech out;
    int sentence;
} worker;

/* Watched by sanitizers, the beginning says as much. */
static speech speak_watched(fixture *f, int sentence, speech *s)
{
    clvits_item it = item(f, sentence, s);

    if (getenv("CLVITS_TEST_TINY"))
        it.n_ids /= 3;
    return speak_one(f, it);
}

static void *work(void *arg)
{
    worker *w = arg;
    w->out = speak_watched(w->f, w->sentence, &w->out);
    return NULL;
}

START_TEST(threads_share_an_engine)
{
    fixture f;
    speech s = { 0 }, alone[SENTENCES];
    worker workers[THREADS];

    begin(&f, NULL);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){ .f = &f, .sentence = i % SENTENCES };
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < SENTENCES; i++)
        alone[i] = speak_watched(&f, i, &s);
    for (int i = 0; i < THREADS; i++) {
        assert_same(&alone[workers[i].sentence], &workers[i].out, "beside other threads");
        free(workers[i].out.samples);
    }
    for (int i = 0; i < SENTENCES; i++)
        free(alone[i].samples);
    end(&f);
}
END_TEST

START_TEST(stops_when_told)
{
    fixture f;
    speech s = { .stop_after = 1 };
    atomic_int cancel = 1;
    const clvits_sink sink = { .user = &s, .wave = keep };
    clvits_report r = { 0 };

    begin(&f, NULL);
    clvits_item it = item(&f, 2, &s);
    it.length_scale = 3.0f;
    ck_assert_int_eq(clvits_engine_speak(f.engine, &it, 1, &sink, &r), CLVITS_E_CANCELLED);
    ck_assert_int_eq(s.pieces, 1);
    clvits_report_clear(&r);
    it.cancel = &cancel;
    ck_assert_int_eq(clvits_engine_speak(f.engine, &it, 1, &sink, &r), CLVITS_E_CANCELLED);
    ck_assert_int_eq(s.pieces, 1);
    free(s.samples);
    s = speak_one(&f, item(&f, 0, &s));
    free(s.samples);
    end(&f);
}
END_TEST

/* What a device was given by each piece, and has begun with. */
typedef struct progress {
    const clvits_device *device;
    uint64_t launches[64], submitted[64];
    int pieces;
} progress;

static const clvits_device *flushing; /* the one that is looked at, or NULL */
static uint64_t flushed;              /* its launches at the last flush */
cl_int __real_clFlush(cl_command_queue queue);
cl_int __wrap_clFlush(cl_command_queue queue);
cl_int __wrap_clFlush(cl_command_queue queue)
{
    if (flushing)
        flushed = clvits_device_launches(flushing);
    return __real_clFlush(queue);
}

static clvits_status note(void *user, int i, const float *samples, int n, clvits_report *r)
{
    progress *p = user;

    (void)i, (void)samples, (void)n, (void)r;
    ck_assert_int_lt(p->pieces, LENGTH(p->launches));
    p->submitted[p->pieces] = flushed;
    p->launches[p->pieces++] = clvits_device_launches(p->device);
    return CLVITS_OK;
}

/* A GPU has the next window to compute while somebody hears a piece, but for the first one, which
 * nothing holds up; other devices have not. */
START_TEST(computes_what_is_heard_next)
{
    fixture f;
    speech s = { 0 };
    progress p;

    begin(&f, NULL);
    flushing = p.device = f.h.machine.device[1];
    const bool ahead =
        p.device && clvits_device_get_info(p.device)->family == CLVITS_FAMILY_GPU;
    const clvits_sink sink = { .user = &p, .wave = note, .most = 64 };
    for (int i = 0; i < 2 && p.device; i++) { /* what is taken must be there */
        clvits_item it = item(&f, 2, &s);
        p.pieces = 0;
        ck_assert_int_eq(clvits_engine_speak(f.engine, &it, 1, &sink, &f.h.report), CLVITS_OK);
        ck_assert_int_ge(p.pieces, 4);
    }
    for (int i = 1; i < p.pieces && p.device; i++) {
        ck_assert_msg((p.launches[i] > p.launches[i - 1]) == (!ahead || i < p.pieces - 1),
                      "piece %d of %d", i, p.pieces);
        ck_assert(!ahead || p.submitted[i] == p.launches[i]);
    }
    if (ahead) /* the second piece came with its own window and the next one */
        ck_assert_uint_gt(p.launches[1] - p.launches[0], p.launches[2] - p.launches[1]);
    flushing = NULL;
    end(&f);
}
END_TEST

/* Who builds, until it may go on. */
typedef struct builder {
    clvits_stage_pool *pool;
    clvits_loan loan;
    clvits_status status;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool began, may_end;
} builder;

static void hold_up(void *user, clvits_log_level level, const char *text)
{
    builder *b = user;

    (void)level;
    if (!strstr(text, "plan for up to"))
        return;
    pthread_mutex_lock(&b->lock);
    b->began = true;
    pthread_cond_broadcast(&b->moved);
    while (!b->may_end)
        pthread_cond_wait(&b->moved, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static clvits_status take_text(clvits_loan *out, clvits_stage_pool *pool, int ids, clvits_report *r)
{
    const clvits_stage_size size = { .kind = CLVITS_STAGE_TEXT, .batch = 1, .ids = ids };
    return clvits_stage_take(pool, out, &size, r);
}

static void *build_slowly(void *arg)
{
    builder *b = arg;
    clvits_report r = { .log = hold_up, .log_user = b };

    b->status = take_text(&b->loan, b->pool, 48, &r);
    return NULL;
}

static bool always(const void *user)
{
    (void)user;
    return true;
}

/* While somebody builds, others take and give back what there is, and may give up. */
START_TEST(nobody_waits_for_who_builds)
{
    builder b = { .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };
    const clvits_stop stop = { .wanted = always };
    clvits_loan loan = { 0 }, other = { 0 };
    clvits_report r = { 0 }, stopped = { .stop = &stop };
    pthread_t thread;
    fixture f;

    begin(&f, NULL);
    const clvits_model m = { &f.file.config, &f.file.weights };
    ck_assert_int_eq(clvits_stage_pool_open(&b.pool, &m, &f.h.machine, "enc_p=cpu,dp=cpu", &r), 0);
    ck_assert_int_eq(take_text(&loan, b.pool, 32, &r), CLVITS_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, build_slowly, &b), 0);
    pthread_mutex_lock(&b.lock);
    while (!b.began)
        pthread_cond_wait(&b.moved, &b.lock);
    pthread_mutex_unlock(&b.lock);
    clvits_stage_give_back(b.pool, &loan);
    ck_assert_int_eq(take_text(&loan, b.pool, 32, &r), CLVITS_OK);
    ck_assert_int_eq(take_text(&other, b.pool, 16, &stopped), CLVITS_E_CANCELLED);
    clvits_stage_pool_trim(b.pool); /* what is being built stays */
    pthread_mutex_lock(&b.lock);
    b.may_end = true;
    pthread_cond_broadcast(&b.moved);
    pthread_mutex_unlock(&b.lock);
    ck_assert_int_eq(take_text(&other, b.pool, 16, &r), CLVITS_OK);
    pthread_join(thread, NULL);
    ck_assert_int_eq(b.status, CLVITS_OK);
    clvits_stage_give_back(b.pool, &b.loan);
    clvits_stage_give_back(b.pool, &other);
    clvits_stage_give_back(b.pool, &loan);
    clvits_stage_pool_close(&b.pool);
    end(&f);
}
END_TEST

static void count_plans(void *user, clvits_log_level level, const char *text)
{
    (void)level;
    *(int *)user += strstr(text, "plan for up to") != NULL;
}

/* However many sizes are asked for, few stay; and what others are placed like is among these. A
 * loan is of its size, and not of one that is placed like another. */
START_TEST(stages_stay_few)
{
    enum { SIZES = 40, LIKE = 64 };
    clvits_rates rates[CLVITS_MAX_PLACES] = { 0 };
    clvits_stage_pool *pool;
    int plans = 0;
    fixture f;

    begin(&f, NULL);
    clvits_report r = { .log = count_plans, .log_user = &plans };
    const clvits_model m = { &f.file.config, &f.file.weights };
    f.h.machine.rates = rates;
    ck_assert_int_eq(clvits_stage_pool_open(&pool, &m, &f.h.machine, "dec=cpu", &r), CLVITS_OK);
    for (int i = 0; i <= SIZES; i++) {
        const clvits_stage_size size = { .kind = CLVITS_STAGE_WAVE, .batch = 1,
                                         .frames = 1 + i % SIZES, .placed_for = LIKE };
        clvits_loan loan = { 0 };
        clvits_stage_size other = size;
        other.placed_for++;
        ck_assert(!clvits_stage_is_of(pool, &loan, &size));
        ck_assert_msg(!clvits_stage_take(pool, &loan, &size, &r), "%s", r.text);
        ck_assert(clvits_stage_is_of(pool, &loan, &size));
        ck_assert(!clvits_stage_is_of(pool, &loan, &other));
        clvits_stage_give_back(pool, &loan);
        ck_assert_int_eq(plans, i + 2); /* also of the first size again, which has gone */
    }
    clvits_stage_pool_close(&pool);
    f.h.machine.rates = NULL;
    end(&f);
}
END_TEST

/* A voice that makes no numbers anywhere clears a device of that, and of nothing else: it stands
 * that one had no memory. */
START_TEST(accusations_are_taken_back)
{
    enum { PLACE = 1, ACCUSERS = 2 };
    struct clvits_trust trust = { 0 };
    harness h;

    harness_begin(&h, 1);
    h.machine.trust = &trust;
    if (h.machine.n_places > PLACE) {
        clvits_device *d = h.machine.device[PLACE];
        atomic_store(&trust.short_of_memory, 1u << PLACE);
        for (int i = 0; i < ACCUSERS; i++)
            clvits_device_distrust(d, "no number", &h.report);
        for (int i = 1; i <= ACCUSERS; i++) {
            unsigned accused = 1u << PLACE;
            clvits_task_take_back(&h.machine, &accused, &h.report);
            ck_assert_uint_eq(accused, 0);
            ck_assert_int_eq(clvits_device_trusted(d), i == ACCUSERS);
            ck_assert_uint_eq(clvits_machine_distrusted(&h.machine) >> PLACE, i < ACCUSERS);
            ck_assert_uint_eq(atomic_load(&trust.short_of_memory), 1u << PLACE);
        }
    }
    harness_end(&h);
}
END_TEST

START_TEST(refuses_bad_items)
{
    fixture f;
    speech s = { 0 };
    clvits_sink sink = { .user = &s, .wave = keep };

    begin(&f, NULL);
    for (int i = 0; i < 5; i++) {
        clvits_report r = { 0 };
        clvits_item it = item(&f, 0, &s);
        const int32_t high = f.file.config.n_vocab, low = -1;
        if (i < 2) {
            it.ids = i ? &high : &low;
            it.n_ids = 1;
        }
        it.n_ids = i == 2 ? 0 : i == 3 ? 1 << 20 : it.n_ids;
        it.sid = i == 4;
        ck_assert_int_eq(clvits_engine_speak(f.engine, &it, 1, &sink, &r), CLVITS_E_ARGUMENT);
        ck_assert_int_gt(strlen(r.text), 10);
    }
    ck_assert_int_eq(s.n, 0);
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine");
    TCase *t = tcase_create("embedded voice"), *threads = tcase_create("threads");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, batch_equals_singles);
    tcase_add_test(t, runs_are_reused);
    tcase_add_test(t, windows_equal_one_shot);
    tcase_add_test(t, placement_does_not_change_results);
    tcase_add_test(t, device_agrees_with_cpu);
    tcase_add_test(t, computes_what_is_heard_next);
    tcase_add_test(t, stages_stay_few);
    tcase_add_test(t, accusations_are_taken_back);
    tcase_add_test(t, refuses_bad_items);
    suite_add_tcase(s, t);
    tcase_set_timeout(threads, HARNESS_TIMEOUT);
    tcase_add_test(threads, threads_share_an_engine);
    tcase_add_test(threads, stops_when_told);
    tcase_add_test(threads, nobody_waits_for_who_builds);
    suite_add_tcase(s, threads);
    return harness_main(s);
}
