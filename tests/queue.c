// SPDX-License-Identifier: MIT
//
// Several voices on one queue: every utterance once and as spoken alone, the faster voice more, and
// ends that are told.
#include "base/processors.h"
#include "harness.h"

#include <clvits/clvits.h>

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VOICES = 2, UTTERANCES = 14, MAX_IDS = 40 };

/* What was heard of one utterance. */
typedef struct speech {
    float *samples;
    size_t n;
    int ended;
    clvits_status status;
    char message[200];
    size_t voice;
} speech;

typedef struct fixture {
    clvits_context *context[VOICES];
    clvits_voice *voice[VOICES];
    clvits_queue *queue;
    speech speech[UTTERANCES];
    int32_t ids[UTTERANCES][MAX_IDS];
} fixture;

static int heard(void *user, const clvits_chunk *c)
{
    speech *s = user;

    s->samples = realloc(s->samples, (s->n + c->n_samples) * sizeof(float));
    if (!s->samples)
        return 1;
    memcpy(s->samples + s->n, c->samples, c->n_samples * sizeof(float));
    s->n += c->n_samples;
    return 0;
}

static void done(void *user, const clvits_spoken *spoken)
{
    speech *s = user;

    s->ended++;
    s->status = spoken->status;
    s->voice = spoken->voice;
    snprintf(s->message, sizeof(s->message), "%s", spoken->message);
}

static void open_voice(fixture *f, int i, const clvits_context_params *params)
{
    ck_assert_int_eq(clvits_context_open(&f->context[i], params), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&f->voice[i], f->context[i], NULL), CLVITS_OK);
}

static void begin_batches(fixture *f, const clvits_context_params *first,
                          const clvits_context_params *second, int at_once)
{
    *f = (fixture){ 0 };
    open_voice(f, 0, first);
    open_voice(f, 1, second);
    ck_assert_int_eq(clvits_queue_open(&f->queue, f->voice, VOICES, at_once), CLVITS_OK);
    for (int i = 0; i < UTTERANCES; i++)
        for (int k = 0; k < MAX_IDS; k++)
            f->ids[i][k] = 1 + (i * 7 + k * 3) % 20;
}

static void begin(fixture *f, const clvits_context_params *first,
                  const clvits_context_params *second)
{
    begin_batches(f, first, second, 1);
}

/* Watched by sanitizers, fewer and shorter ones say as much. */
static int utterances(void)
{
    return getenv("CLVITS_TEST_TINY") ? 6 : UTTERANCES;
}

static size_t length(int i)
{
    return (size_t)(5 + i % 5 * (getenv("CLVITS_TEST_TINY") ? 2 : 8));
}

static clvits_utterance utterance(fixture *f, int i)
{
    clvits_utterance u = { .ids = f->ids[i], .n = length(i), .done = done };

    clvits_speak_params_default(f->voice[0], &u.params);
    u.params.seed = (uint64_t)i;
    u.params.audio = heard;
    u.params.user = &f->speech[i];
    return u;
}

static void end(fixture *f)
{
    clvits_queue_close(&f->queue);
    ck_assert_ptr_null(f->queue);
    for (int i = 0; i < VOICES; i++) {
        clvits_voice_close(&f->voice[i]);
        clvits_context_close(&f->context[i]);
    }
    for (int i = 0; i < UTTERANCES; i++)
        free(f->speech[i].samples);
}

static const clvits_context_params one_thread = { .device = "cpu", .threads = 1 };

START_TEST(every_utterance_is_spoken_once)
{
    const int n = utterances();
    fixture f;

    begin_batches(&f, &one_thread, &one_thread, _i ? 5 : 1);
    for (int i = 0; i < n; i++) {
        clvits_utterance u = utterance(&f, i);
        int32_t copy[MAX_IDS];
        memcpy(copy, u.ids, sizeof(copy));
        u.ids = copy;
        ck_assert_int_eq(clvits_queue_add(f.queue, &u), CLVITS_OK);
        memset(copy, -1, sizeof(copy)); /* the queue has its own */
    }
    clvits_queue_wait(f.queue);
    ck_assert_uint_eq(clvits_queue_count(f.queue, 0) + clvits_queue_count(f.queue, 1), n);
    ck_assert_uint_eq(clvits_queue_count(f.queue, VOICES), 0);
    for (int i = 0; i < n; i++) {
        speech alone = { 0 };
        clvits_utterance u = utterance(&f, i);
        u.params.user = &alone;
        ck_assert_int_eq(f.speech[i].ended, 1);
        ck_assert_int_eq(f.speech[i].status, CLVITS_OK);
        ck_assert_str_eq(f.speech[i].message, "");
        ck_assert_int_eq(clvits_speak_ids(f.voice[0], u.ids, u.n, &u.params), CLVITS_OK);
        ck_assert_uint_gt(alone.n, 0);
        ck_assert_uint_eq(f.speech[i].n, alone.n);
        ck_assert_mem_eq(f.speech[i].samples, alone.samples, alone.n * sizeof(float));
        free(alone.samples);
    }
    end(&f);
}
END_TEST

/* As long, and the same but for rounding: 80 dB. */
static void compare(const speech *got, const speech *want)
{
    ck_assert_uint_gt(want->n, 0);
    ck_assert_uint_eq(got->n, want->n);
    ck_assert_double_ge(harness_decibels(got->samples, want->samples, (int64_t)want->n), 80.0);
}

enum { PATIENCE = 200 }; /* seconds: before a test that waits fails of its own time */

/* Until the voices together have ended so many utterances. */
static void wait_for(const clvits_queue *q, size_t ended)
{
    for (int i = 0; i < 100 * PATIENCE; i++) {
        if (clvits_queue_count(q, 0) + clvits_queue_count(q, 1) >= ended)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
}

static clvits_queue *waited_for;

/* The voice that took the first utterance waits with its audio until the other one has ended one,
 * whose threads may come later to the processor. */
static int heard_beside(void *user, const clvits_chunk *c)
{
    wait_for(waited_for, 1);
    return heard(user, c);
}

static bool all_of_pocl(const clvits_device_desc *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].platform, "Portable Computing Language"))
            return false;
    return n > 0;
}

/* The OpenCL device and the CPU path together; with PoCL alone, two of its devices. */
START_TEST(devices_share)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");
    const bool chosen = getenv("POCL_DEVICES") != NULL;
    const int n_utterances = utterances();
    clvits_device_desc *list;
    size_t n;

    setenv("POCL_DEVICES", "pthread pthread", 0);
    ck_assert_int_eq(clvits_devices(&list, &n), CLVITS_OK);
    if (!name && !chosen && all_of_pocl(list, n))
        ck_assert_uint_eq(n, 2);
    const bool two = !name && n > 1, cpu = n == 0 || (name && !strncmp(name, "cpu", 3));
    clvits_devices_free(&list);
    const clvits_context_params first = { .device = cpu ? "cpu" : name ? name : "0" };
    const clvits_context_params second = { .device = two ? "1" : "cpu" };
    fixture f;

    begin(&f, &first, &second);
    waited_for = f.queue;
    for (int i = 0; i < n_utterances; i++) {
        clvits_utterance u = utterance(&f, i);
        u.params.audio = i == 0 ? heard_beside : heard;
        ck_assert_int_eq(clvits_queue_add(f.queue, &u), CLVITS_OK);
    }
    clvits_queue_wait(f.queue);
    for (int i = 0; i < n_utterances; i++) {
        speech alone = { 0 };
        clvits_utterance u = utterance(&f, i);
        u.params.user = &alone;
        ck_assert_int_eq(f.speech[i].status, CLVITS_OK);
        ck_assert_int_eq(clvits_speak_ids(f.voice[1], u.ids, u.n, &u.params), CLVITS_OK);
        compare(&f.speech[i], &alone);
        free(alone.samples);
    }
    ck_assert_uint_gt(clvits_queue_count(f.queue, 0), 0);
    ck_assert_uint_gt(clvits_queue_count(f.queue, 1), 0);
    end(&f);
}
END_TEST

enum { TRIALS = 8, BY_THE_FAST = 5 };

/* The voice that took the first utterance waits with its audio until the other one has ended most
 * of the rest. */
static int heard_late(void *user, const clvits_chunk *c)
{
    wait_for(waited_for, BY_THE_FAST);
    return heard(user, c);
}

START_TEST(faster_does_more)
{
    fixture f;

    begin(&f, &one_thread, &one_thread);
    waited_for = f.queue;
    for (int i = 0; i < TRIALS; i++) {
        clvits_utterance u = utterance(&f, i);
        u.params.audio = i == 0 ? heard_late : heard;
        ck_assert_int_eq(clvits_queue_add(f.queue, &u), CLVITS_OK);
    }
    clvits_queue_wait(f.queue);
    const size_t slow = f.speech[0].voice;
    ck_assert_uint_ge(clvits_queue_count(f.queue, 1 - slow), BY_THE_FAST);
    ck_assert_uint_ge(clvits_queue_count(f.queue, slow), 1);
    end(&f);
}
END_TEST

int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);

static atomic_bool joins; /* somebody waits for a thread's end, as a queue that closes does */

int __wrap_pthread_join(pthread_t thread, void **result)
{
    atomic_store(&joins, true);
    return __real_pthread_join(thread, result);
}

/* Whoever speaks goes on when the queue closes. */
static int heard_at_the_end(void *user, const clvits_chunk *c)
{
    for (int i = 0; i < 100 * PATIENCE && !atomic_load(&joins); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    return heard(user, c);
}

START_TEST(ends_are_told)
{
    const clvits_utterance neither = { 0 };
    fixture f;
    clvits_queue *none;

    ck_assert_int_eq(clvits_queue_open(&none, NULL, 0, 1), CLVITS_E_ARGUMENT);
    ck_assert_ptr_null(none);
    begin(&f, &one_thread, &one_thread);
    ck_assert_int_eq(clvits_queue_open(&none, f.voice, 1, 0), CLVITS_E_ARGUMENT);
    ck_assert_int_eq(clvits_queue_open(&none, f.voice, 1, CLVITS_BATCH + 1), CLVITS_E_ARGUMENT);
    ck_assert_int_eq(clvits_queue_add(f.queue, &neither), CLVITS_E_ARGUMENT);
    f.ids[1][2] = 30000;
    for (int i = 0; i < 3; i++) {
        const clvits_utterance u = utterance(&f, i);
        ck_assert_int_eq(clvits_queue_add(f.queue, &u), CLVITS_OK);
    }
    clvits_queue_wait(f.queue);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(f.speech[i].ended, 1);
        ck_assert_int_eq(f.speech[i].status, i == 1 ? CLVITS_E_ARGUMENT : CLVITS_OK);
    }
    ck_assert_ptr_nonnull(strstr(f.speech[1].message, "30000"));

    /* What still waits when a queue closes is cancelled; what is being spoken is finished. */
    atomic_store(&joins, false);
    for (int i = 3; i < 9; i++) {
        clvits_utterance u = utterance(&f, i);
        u.params.audio = heard_at_the_end;
        ck_assert_int_eq(clvits_queue_add(f.queue, &u), CLVITS_OK);
    }
    clvits_queue_close(&f.queue);
    int cancelled = 0;
    for (int i = 3; i < 9; i++) {
        ck_assert_int_eq(f.speech[i].ended, 1);
        cancelled += f.speech[i].status == CLVITS_E_CANCELLED;
        ck_assert(f.speech[i].status == CLVITS_OK || f.speech[i].status == CLVITS_E_CANCELLED);
        ck_assert(f.speech[i].status == CLVITS_OK || f.speech[i].voice == SIZE_MAX);
    }
    ck_assert_int_ge(cancelled, 6 - VOICES);
    end(&f);
}
END_TEST

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds for all utterances through the first n voices. */
static double time_queue(fixture *f, size_t n)
{
    clvits_queue *q;

    ck_assert_int_eq(clvits_queue_open(&q, f->voice, n, 1), CLVITS_OK);
    const double start = seconds();
    for (int i = 0; i < UTTERANCES; i++) {
        clvits_utterance u = utterance(f, i);
        u.n = MAX_IDS;
        u.params.audio = NULL;
        ck_assert_int_eq(clvits_queue_add(q, &u), CLVITS_OK);
    }
    clvits_queue_wait(q);
    const double took = seconds() - start;
    clvits_queue_close(&q);
    return took;
}

/* Two halves of a machine against one of them, each by its best of several rounds. */
START_TEST(two_halves_do_more)
{
    const int threads = clvits_processors() / 2;
    const clvits_context_params half = { .device = "cpu", .threads = threads };
    double one = INFINITY, two = INFINITY;
    fixture f;

    begin(&f, &half, &half);
    time_queue(&f, 1);
    for (int i = 0; i < 5; i++) {
        one = fmin(one, time_queue(&f, 1));
        two = fmin(two, time_queue(&f, 2));
    }
    printf("two halves of %d threads each do %.2f times as much as one\n", threads, one / two);
    ck_assert_double_ge(one / two, 1.7);
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("queue");
    TCase *t = tcase_create("threads");
    const char *timed = getenv("CLVITS_TEST_TIMED");

    if (timed && clvits_processors() < 2) {
        puts("one processor has no halves");
        return 77;
    }
    tcase_set_timeout(t, HARNESS_TIMEOUT);
    if (timed) {
        tcase_add_test(t, two_halves_do_more);
    } else {
        tcase_add_loop_test(t, every_utterance_is_spoken_once, 0, 2);
        tcase_add_test(t, devices_share);
        tcase_add_test(t, faster_does_more);
        tcase_add_test(t, ends_are_told);
    }
    suite_add_tcase(s, t);
    return harness_main(s);
}
