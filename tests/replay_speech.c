// SPDX-License-Identifier: MIT
//
// Speech with recorded launches: what it is without, in batches, by windows, used again and again,
// and from several threads at once.
#include "model/engine.h"
#include "model/voice_file.h"
#include "stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCES = 2, ROUNDS = 2, THREADS = 3, MAX_IDS = 400, WINDOW = 32 };

typedef struct speech {
    int32_t durations[MAX_IDS];
    float *samples;
    int n, pieces;
} speech;

typedef struct voice {
    harness h;
    clvits_voice_file file;
    clvits_engine *engine;
    clvits_item items[SENTENCES];
} voice;

static atomic_bool recorded;

static void open_voice(voice *v, const char *record)
{
    char path[1024];

    memset(v, 0, sizeof(*v));
    setenv("CLVITS_RECORD", record, 1);
    harness_begin(&v->h, 1);
    ck_assert_int_eq(clvits_voice_file_open(&v->file, SOURCE_VOICES "/mini", NULL, &v->h.report),
                     CLVITS_OK);
    const clvits_model m = { &v->file.config, &v->file.weights };
    ck_assert_int_eq(clvits_engine_open(&v->engine, &m, &v->h.machine, NULL, &v->h.report), 0);
    for (int i = 0; i < SENTENCES; i++) {
        clvits_item *it = &v->items[i];
        snprintf(path, sizeof(path), "%s/mini/ref/%d_ids.npy", GOLDEN_DIR, i);
        *it = (clvits_item){ .seed = 5 + (uint64_t)i, .noise_scale = 0.667f, .noise_w = 0.5f,
                             .length_scale = 1.2f };
        it->ids = stages_ints(&v->h, path, &it->n_ids);
        ck_assert_int_lt(it->n_ids, MAX_IDS);
    }
}

static void close_voice(voice *v)
{
    clvits_engine_close(&v->engine);
    clvits_voice_file_free(&v->file);
    harness_end(&v->h);
}

static clvits_status keep(void *user, int i, const float *samples, int n, clvits_report *r)
{
    speech *s = (speech *)user + i;

    (void)r;
    s->samples = realloc(s->samples, (size_t)(s->n + n) * sizeof(float));
    memcpy(s->samples + s->n, samples, (size_t)n * sizeof(float));
    s->n += n;
    s->pieces++;
    return CLVITS_OK;
}

/* What is logged when launches were recorded. */
static void note(void *user, clvits_log_level level, const char *text)
{
    (void)user;
    ck_assert_int_gt(level, CLVITS_LOG_WARNING);
    if (strstr(text, "launches recorded"))
        atomic_store(&recorded, true);
}

/* Sentences from the first one on, as a batch. */
static void speak(voice *v, int first, int n, speech *out)
{
    const clvits_sink sink = { .user = out, .wave = keep, .most = WINDOW };
    clvits_item items[SENTENCES];
    clvits_report r = { .log = note };

    for (int i = 0; i < n; i++) {
        items[i] = v->items[first + i];
        out[i] = (speech){ 0 };
        items[i].durations = out[i].durations;
    }
    ck_assert_msg(clvits_engine_speak(v->engine, items, n, &sink, &r) == CLVITS_OK, "%s", r.text);
    for (int i = 0; i < n; i++)
        ck_assert_int_gt(out[i].pieces, 1);
}

/* Fails unless both are equal; frees the latter. */
static void assert_same(const speech *want, speech *got)
{
    ck_assert_int_eq(want->n, got->n);
    ck_assert(!memcmp(want->samples, got->samples, (size_t)want->n * sizeof(float)));
    free(got->samples);
}

typedef struct worker {
    voice *v;
    pthread_t thread;
    speech out;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    speak(w->v, 0, 1, &w->out);
    return NULL;
}

START_TEST(speech_is_the_same)
{
    speech want[SENTENCES], got[SENTENCES];
    worker workers[THREADS];
    voice v;

    open_voice(&v, "off");
    speak(&v, 0, SENTENCES, want);
    close_voice(&v);

    open_voice(&v, "on");
    for (int round = 0; round < ROUNDS; round++) {
        speak(&v, 0, SENTENCES, got);
        for (int i = 0; i < SENTENCES; i++)
            assert_same(&want[i], &got[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < THREADS; i++) {
            workers[i].v = &v;
            ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(workers[i].thread, NULL);
            assert_same(&want[0], &workers[i].out);
        }
    }
    ck_assert(atomic_load(&recorded) ||
              v.h.machine.n_places == 1 || !clvits_device_records(v.h.machine.device[1]));
    close_voice(&v);
    for (int i = 0; i < SENTENCES; i++)
        free(want[i].samples);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("replay_speech");
    TCase *t = tcase_create("threads");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, speech_is_the_same);
    suite_add_tcase(s, t);
    return harness_main(s);
}
