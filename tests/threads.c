// SPDX-License-Identifier: MIT
//
// Many threads speak through one context, alone, in batches and with voices of their own, and are
// cancelled at random moments: whoever is not has the samples of a voice that speaks alone, and
// whoever is has heard the first of them.
#include "harness.h"

#include <clvits/clvits.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 2, KINDS = 4, MOST = 3, IDS = 28 };

typedef struct speech {
    const struct speech *want;
    float *samples;
    size_t n;
    int chunks, stop_after; /* 0: is not stopped */
    int ended;
    clvits_status status;
} speech;

typedef struct fixture {
    const char *path; /* of the voice: a tiny one, but in sweeps the embedded one */
    clvits_context *context;
    clvits_voice *voice;
    int32_t ids[KINDS][IDS];
    speech alone[KINDS];
    uint32_t microseconds; /* that the longest took */
} fixture;

typedef struct worker {
    fixture *f;
    pthread_t thread;
    uint32_t random;
    int rounds, spoken, cancelled;
    char wrong[256];
} worker;

typedef struct canceller {
    pthread_t thread;
    clvits_cancel *cancel;
    uint32_t after; /* microseconds */
} canceller;

static uint32_t draw(worker *w, uint32_t below)
{
    w->random = w->random * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)w->random * below >> 32);
}

static int heard(void *user, const clvits_chunk *c)
{
    speech *s = user;
    float *samples = realloc(s->samples, (s->n + c->n_samples + 1) * sizeof(*samples));

    if (!samples)
        return 1;
    memcpy(samples + s->n, c->samples, c->n_samples * sizeof(*samples));
    s->samples = samples;
    s->n += c->n_samples;
    return ++s->chunks == s->stop_after;
}

static void done(void *user, const clvits_spoken *spoken)
{
    speech *s = user;

    s->ended++;
    s->status = spoken->status;
}

static clvits_utterance utterance(const fixture *f, int kind, speech *s)
{
    clvits_utterance u = { .ids = f->ids[kind], .n = (size_t)(4 + 8 * kind), .done = done };

    clvits_speak_params_default(f->voice, &u.params);
    u.params.seed = (uint64_t)kind;
    u.params.audio = heard;
    u.params.user = s;
    return u;
}

static void begin(fixture *f)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");
    const clvits_context_params params = { .device = name ? name : "opencl,cpu",
                                            .threads = 2 };
    struct timespec from, to;

    *f = (fixture){ .path = getenv("CLVITS_TEST_SWEEP") ? NULL : GOLDEN_DIR "/hf-sdp" };
    ck_assert_int_eq(clvits_context_open(&f->context, &params), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&f->voice, f->context, f->path), CLVITS_OK);
    for (int i = 0; i < KINDS; i++)
        for (int k = 0; k < IDS; k++)
            f->ids[i][k] = 1 + (i * 7 + k * 3) % 20;
    for (int i = 0; i < KINDS; i++) {
        const clvits_utterance u = utterance(f, i, &f->alone[i]);
        clock_gettime(CLOCK_MONOTONIC, &from);
        ck_assert_int_eq(clvits_speak_ids(f->voice, u.ids, u.n, &u.params), CLVITS_OK);
        clock_gettime(CLOCK_MONOTONIC, &to);
        ck_assert_uint_gt(f->alone[i].n, 0);
    }
    f->microseconds =
        (uint32_t)((to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
}

static void end(fixture *f)
{
    for (int i = 0; i < KINDS; i++)
        free(f->alone[i].samples);
    clvits_voice_close(&f->voice);
    clvits_context_close(&f->context);
}

static void *cancel_later(void *arg)
{
    const canceller *c = arg;

    nanosleep(&(struct timespec){ c->after / 1000000, c->after % 1000000 * 1000L }, NULL);
    clvits_cancel_raise(c->cancel);
    return NULL;
}

static void judge(worker *w, const speech *s, bool may_stop)
{
    const speech *want = s->want;
    const bool stopped = s->status == CLVITS_E_CANCELLED && (may_stop || s->stop_after);

    if (s->ended != 1 || (s->status && !stopped))
        snprintf(w->wrong, sizeof(w->wrong), "ended %d times, with status %d (%s)", s->ended,
                 (int)s->status, clvits_context_error(w->f->context));
    else if (stopped ? s->n > want->n : s->n != want->n)
        snprintf(w->wrong, sizeof(w->wrong), "%zu samples, alone %zu", s->n, want->n);
    else if (s->n && memcmp(s->samples, want->samples, s->n * sizeof(float)))
        snprintf(w->wrong, sizeof(w->wrong), "other samples than alone");
    w->spoken += s->status == CLVITS_OK;
    w->cancelled += stopped;
}

/* One call, for one utterance or several; by chance with a flag that somebody raises, and with a
 * listener who stops. */
static void speak(worker *w, clvits_voice *voice, clvits_cancel *cancel)
{
    speech s[MOST] = { 0 };
    clvits_utterance u[MOST];
    canceller c = { .cancel = cancel, .after = draw(w, w->f->microseconds) };
    const int n = 1 + (int)draw(w, 2) * (MOST - 1), flagged = draw(w, 2) ? (int)draw(w, n) : -1;

    for (int i = 0; i < n; i++) {
        const int kind = (int)draw(w, KINDS);
        s[i].want = &w->f->alone[kind];
        s[i].stop_after = (int)draw(w, 5) == 0;
        u[i] = utterance(w->f, kind, &s[i]);
        u[i].params.first_chunk = 16;
        u[i].params.chunk = 16 << draw(w, 4);
        u[i].params.cancel = i == flagged ? cancel : NULL;
    }
    clvits_cancel_lower(cancel);
    if (flagged >= 0 && pthread_create(&c.thread, NULL, cancel_later, &c)) {
        snprintf(w->wrong, sizeof(w->wrong), "no thread");
        return;
    }
    if (n > 1)
        clvits_speak_batch(voice, u, (size_t)n);
    else
        done(&s[0], &(clvits_spoken){
            .status = clvits_speak_ids(voice, u[0].ids, u[0].n, &u[0].params) });
    if (flagged >= 0)
        pthread_join(c.thread, NULL);
    for (int i = 0; i < n; i++) {
        judge(w, &s[i], i == flagged);
        free(s[i].samples);
    }
}

static void *work(void *arg)
{
    worker *w = arg;
    clvits_voice *own = NULL;
    clvits_cancel *cancel;

    if (clvits_cancel_make(&cancel)) {
        snprintf(w->wrong, sizeof(w->wrong), "no flag");
        return NULL;
    }
    for (int i = 0; i < w->rounds && !w->wrong[0]; i++) {
        if (draw(w, 3) == 0 && clvits_voice_open(&own, w->f->context, w->f->path))
            snprintf(w->wrong, sizeof(w->wrong), "%s", clvits_context_error(w->f->context));
        else
            speak(w, own ? own : w->f->voice, cancel);
        clvits_voice_close(&own);
    }
    clvits_cancel_free(&cancel);
    return NULL;
}

START_TEST(many_speak_and_some_are_cancelled)
{
    const char *sweep = getenv("CLVITS_TEST_SWEEP");
    worker workers[THREADS];
    int spoken = 0, cancelled = 0;
    fixture f;

    begin(&f);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){ .f = &f, .random = 0x9e3779b9u * (uint32_t)(i + 1),
                               .rounds = sweep ? atoi(sweep) : ROUNDS };
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        ck_assert_msg(!workers[i].wrong[0], "thread %d: %s", i, workers[i].wrong);
        spoken += workers[i].spoken;
        cancelled += workers[i].cancelled;
    }
    printf("%d were spoken, %d cancelled\n", spoken, cancelled);
    ck_assert_int_gt(spoken, 0);
    ck_assert_int_gt(cancelled, 0);
    end(&f);
}
END_TEST

enum { FAILING = CLVITS_MOST_ERRORS + 4 };

static clvits_status fail_at(clvits_context *c, int i)
{
    char path[64];
    clvits_voice *v;

    snprintf(path, sizeof(path), "/no/voice/%d", i);
    return clvits_voice_open(&v, c, path);
}

static bool has_failed(const clvits_context *c, int i)
{
    char path[64];

    snprintf(path, sizeof(path), "/no/voice/%d cannot", i);
    return strstr(clvits_context_error(c), path) != NULL;
}

typedef struct failing {
    clvits_context *context;
    int number;
    bool right;
} failing;

static void *fail_once(void *arg)
{
    failing *f = arg;

    f->right = !strcmp(clvits_context_error(f->context), "") && fail_at(f->context, f->number) &&
               has_failed(f->context, f->number);
    return NULL;
}

/* Each thread has its own error, and what threads leave behind does not add up. */
START_TEST(threads_that_end_leave_little)
{
    const clvits_context_params params = { .device = "cpu", .threads = 1 };
    clvits_context *c;

    ck_assert_int_eq(clvits_context_open(&c, &params), CLVITS_OK);
    ck_assert_int_ne(fail_at(c, 0), CLVITS_OK);
    for (int i = 1; i <= FAILING; i++) {
        failing f = { .context = c, .number = i };
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, fail_once, &f), 0);
        pthread_join(thread, NULL);
        ck_assert_msg(f.right, "thread %d: \"%s\"", i, clvits_context_error(c));
        if (i < CLVITS_MOST_ERRORS)
            ck_assert(has_failed(c, 0));
    }
    ck_assert_str_eq(clvits_context_error(c), "");
    ck_assert_int_ne(fail_at(c, FAILING + 1), CLVITS_OK);
    ck_assert(has_failed(c, FAILING + 1));
    clvits_context_close(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("threads");
    TCase *t = tcase_create("threads");

    tcase_set_timeout(t, getenv("CLVITS_TEST_SWEEP") ? 3600 : HARNESS_TIMEOUT);
    tcase_add_test(t, many_speak_and_some_are_cancelled);
    tcase_add_test(t, threads_that_end_leave_little);
    suite_add_tcase(s, t);
    return harness_main(s);
}
