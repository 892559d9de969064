// SPDX-License-Identifier: MIT
//
// One call of the driver fails, or all from one on, while the embedded voice is opened and speaks:
// the speech is what the CPU path gives but for rounding, no object is left, and the next utterance
// is as right. By default a sample of calls; CLVITS_TEST_SWEEP names a kind whose every call fails,
// or every seventh where it is "KIND/7".
#include "layered.h"

#include <check.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT = 240, SWEEP_TIMEOUT = 7200, SPEAKERS = 3,
       PROCESSES = 3 /* each of which has some kinds of calls fail */ };

static const char *const kinds[] = { "any",   "buffer", "build", "program", "kernel",
                                     "argument", "launch", "read", "write",  "copy",
                                     "fill",  "finish", "context", "queue",  "record",
                                     "flush" };
/* The last two are of GPUs, which record and are flushed, or of devices that ask for it; those of
 * every day, which run here, do not. */
enum { KINDS = sizeof(kinds) / sizeof(*kinds), SAMPLED = KINDS - 2 };

/* Opens a voice and speaks while the nth call of a kind fails, and again when that is over; what
 * closes all has the faults only where it makes that call. How opening went. */
static clvits_status tried(const char *faults, const char *kind, long n)
{
    layered_heard h = { 0 };
    const clvits_context_params p = { .device = layered_device(), .log = layered_listen,
                                      .log_user = &h };
    char left[256];
    clvits_context *c = NULL;
    clvits_voice *v = NULL;
    bool came = false;
    static layered_speech s;

    s = (layered_speech){ 0 };
    ck_assert_int_eq(layered_set(faults), 0);
    clvits_status status = clvits_context_open(&c, &p);
    if (!status)
        status = clvits_voice_open(&v, c, NULL);
    if (!status) {
        status = layered_speak(v, &s);
        ck_assert_msg(status == CLVITS_OK, "%s: %s", faults, h.last);
        layered_compare(faults, &s);
        came = layered_calls(kind) >= n;
        if (came) {
            layered_set(NULL);
            s = (layered_speech){ 0 };
            ck_assert_msg(layered_speak(v, &s) == CLVITS_OK, "after %s: %s", faults, h.last);
            layered_compare(faults, &s);
        }
    } else {
        ck_assert_msg(status == CLVITS_E_DEVICE || status == CLVITS_E_MEMORY, "%s: %s", faults,
                      clvits_status_text(status));
        ck_assert_msg(strlen(h.last) > 10, "%s: nothing was said", faults);
    }
    clvits_voice_close(&v);
    clvits_context_close(&c);
    ck_assert_msg(came || layered_calls(kind) >= n, "%s: there is no such call", faults);
    ck_assert_msg(layered_live(left, sizeof(left)) == 0, "%s: %s", faults, left);
    return status;
}

/* How often each kind is called, with caches that are filled; how many calls open the device. */
static long count_all(long calls[KINDS])
{
    ck_assert_int_eq(tried(NULL, kinds[0], 1), CLVITS_OK);
    ck_assert_int_eq(layered_set(NULL), 0);
    const clvits_context_params p = { .device = layered_device() };
    clvits_context *c;
    clvits_voice *v;
    static layered_speech s;

    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    const long opening = layered_calls("any");
    ck_assert_int_eq(opening, layered_calls("context") + layered_calls("queue"));
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_int_eq(layered_speak(v, &s), CLVITS_OK);
    clvits_voice_close(&v);
    clvits_context_close(&c);
    ck_assert_msg(layered_calls("launch") > 0, "nothing ran on a device");
    for (int i = 0; i < KINDS; i++)
        calls[i] = layered_calls(kinds[i]);
    return opening;
}

/* Opening fails where a device that was named gives no context or queue, and only then. */
static void try_call(const char *kind, long n, bool on, long opening)
{
    char faults[64];
    /* What drivers say when something went wrong long before. */
    const char *error = n % 3 == 1 && strcmp(kind, "build") ? "=-5" : "";

    snprintf(faults, sizeof(faults), "%s:%ld%s%s", kind, n, on ? "+" : "", error);
    const bool opens = strcmp(kind, "context") && strcmp(kind, "queue") &&
                       (strcmp(kind, "any") || n > opening);
    const clvits_status s = tried(faults, kind, n);
    ck_assert_msg(!s == opens, "%s: the voice was %sopened", faults, s ? "not " : "");
}

/* One call of a kind, or two. */
static void try_some(int kind, long calls, long opening)
{
    uint64_t seed = 88172645463325252u;

    for (int i = 0; i <= kind; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
    }
    if (calls > 0)
        try_call(kinds[kind], 1 + (long)(seed % (uint64_t)calls), kind & 1, opening);
    if (calls > 1 && kind % 3 == 0)
        try_call(kinds[kind], 1 + (long)((seed >> 20) % (uint64_t)calls), !(kind & 1),
                 opening);
}

START_TEST(a_sample_of_calls_fails)
{
    const int step = getenv("CLVITS_TEST_TINY") ? 2 : 1;
    long calls[KINDS];

    layered_begin();
    const long opening = count_all(calls);
    for (int i = _i * step; i < SAMPLED; i += PROCESSES * step)
        try_some(i, calls[i], opening);
}
END_TEST

/* The kind that CLVITS_TEST_SWEEP names, and which of its calls: every `step`th. KINDS where it
 * makes no sense. */
static int swept(long *step)
{
    const char *which = getenv("CLVITS_TEST_SWEEP");
    const size_t length = strcspn(which, "/");
    int kind = 0;

    *step = which[length] ? strtol(which + length + 1, NULL, 10) : 1;
    while (kind < KINDS && (strncmp(which, kinds[kind], length) || kinds[kind][length]))
        kind++;
    return *step > 0 ? kind : KINDS;
}

START_TEST(every_call_fails)
{
    const char *kind = kinds[_i];
    long calls[KINDS], step;

    swept(&step);
    layered_begin();
    const long opening = count_all(calls), n = calls[_i];
    ck_assert_msg(n > 0, "%s: there are no such calls", kind);
    for (long k = 1; k <= n; k += step) {
        try_call(kind, k, false, opening);
        try_call(kind, k, true, opening);
    }
    printf("%s: %ld calls, %ld runs\n", kind, n, 2 * ((n + step - 1) / step));
    fflush(stdout);
}
END_TEST

/* What was heard stands, and goes on on the CPU path. */
START_TEST(stream_goes_on)
{
    clvits_context_params p = { 0 };
    clvits_context *c;
    clvits_voice *v;
    static layered_speech s;

    layered_begin();
    p.device = layered_device();
    s = (layered_speech){ .lose_after = _i };
    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_int_eq(layered_speak(v, &s), CLVITS_OK);
    ck_assert_int_gt(s.chunks, _i);
    layered_compare("lost in mid-stream", &s);
    const uint64_t launches = clvits_context_launches(c);
    s = (layered_speech){ 0 };
    layered_set(NULL);
    ck_assert_int_eq(layered_speak(v, &s), CLVITS_OK);
    layered_compare("after the loss", &s);
    ck_assert_uint_eq(clvits_context_launches(c), launches); /* it is not trusted again */
    clvits_voice_close(&v);
    clvits_context_close(&c);
}
END_TEST

/* A device that goes away while its kernels are tried is told of once, as gone, and no kernel is
 * said to be wrong; nor where there is no room to try them. */
static const struct {
    const char *faults, *memory;
    int warnings, gone; /* 0 warnings: as many as it takes */
} proofs[] = {
    { "launch:1+", NULL, 1, 1 },
    { "lost:5", NULL, 1, 1 },
    { "launch:40+=-36", NULL, 1, 1 },
    { "read:7+=-9999", NULL, 1, 1 },
    { "", "60K", 0, 0 },
};

START_TEST(proofs_fail)
{
    layered_heard h = { 0 };
    const clvits_context_params p = { .device = layered_device(), .memory = proofs[_i].memory,
                                      .trust = "always", .log = layered_listen, .log_user = &h };
    clvits_context *c;
    clvits_voice *v;
    static layered_speech s;

    layered_begin();
    s = (layered_speech){ 0 };
    ck_assert_int_eq(layered_set(NULL), 0);
    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(layered_set(proofs[_i].faults), 0);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_msg(layered_speak(v, &s) == CLVITS_OK, "%s: %s", proofs[_i].faults, h.last);
    layered_compare(proofs[_i].faults, &s);
    ck_assert_msg(!h.wrong, "%s: %s", proofs[_i].faults, h.last);
    ck_assert_int_eq(h.gone, proofs[_i].gone);
    if (proofs[_i].warnings)
        ck_assert_int_eq(h.warnings, proofs[_i].warnings);
    clvits_voice_close(&v);
    clvits_context_close(&c);
}
END_TEST

/* One of those who speak at once. */
typedef struct crowd {
    clvits_voice *voice;
    layered_speech own;
    clvits_status status;
} crowd;

static void *speak_beside(void *of)
{
    crowd *w = of;

    w->status = layered_speak(w->voice, &w->own);
    return NULL;
}

/* A device that goes while several speak on it: each goes on elsewhere, and one is told. */
START_TEST(lost_among_many)
{
    static const char *const lost[] = { "lost:1", "lost:60", "lost:200" };
    static crowd speakers[SPEAKERS];
    layered_heard h = { 0 };
    const clvits_context_params p = { .device = layered_device(), .log = layered_listen,
                                      .log_user = &h };
    pthread_t threads[SPEAKERS];
    char left[256];
    clvits_context *c;
    clvits_voice *v;

    layered_begin();
    ck_assert_int_eq(layered_set(NULL), 0);
    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_int_eq(layered_set(lost[_i]), 0);
    for (int i = 0; i < SPEAKERS; i++) {
        speakers[i] = (crowd){ .voice = v };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, speak_beside, &speakers[i]), 0);
    }
    for (int i = 0; i < SPEAKERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(speakers[i].status == CLVITS_OK, "%s", h.last);
        layered_compare(lost[_i], &speakers[i].own);
    }
    ck_assert_int_eq(h.gone, 1);
    ck_assert_int_eq(h.wrong, 0);
    clvits_voice_close(&v);
    clvits_context_close(&c);
    ck_assert_msg(layered_live(left, sizeof(left)) == 0, "%s: %s", lost[_i], left);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("calls"), *threads = tcase_create("threads");
    const char *sweep = getenv("CLVITS_TEST_SWEEP");
    long step;

    if (!getenv("OPENCL_LAYERS"))
        return 77;
    if (sweep && swept(&step) == KINDS) {
        fprintf(stderr, "CLVITS_TEST_SWEEP=%s names no kind of calls\n", sweep);
        return EXIT_FAILURE;
    }
    tcase_add_unchecked_fixture(t, layered_learn, NULL);
    tcase_add_unchecked_fixture(threads, layered_learn, NULL);
    tcase_set_timeout(t, sweep ? SWEEP_TIMEOUT : TIMEOUT);
    tcase_set_timeout(threads, TIMEOUT);
    if (sweep) {
        tcase_add_loop_test(t, every_call_fails, swept(&step), swept(&step) + 1);
    } else {
        tcase_add_loop_test(t, a_sample_of_calls_fails, 0, PROCESSES);
        tcase_add_loop_test(t, stream_goes_on, 1, 3);
        tcase_add_loop_test(t, proofs_fail, 0, (int)(sizeof(proofs) / sizeof(*proofs)));
        tcase_add_loop_test(threads, lost_among_many, 0, getenv("CLVITS_TEST_TINY") ? 1 : 3);
    }
    suite_add_tcase(s, t);
    suite_add_tcase(s, threads);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
