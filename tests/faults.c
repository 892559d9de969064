// SPDX-License-Identifier: MIT
//
// One call of the driver fails, or all from one on, while the embedded voice is opened and speaks:
// the speech is what the CPU path gives but for rounding, no object is left, and the next utterance
// is as right. By default a sample of calls; CLVITS_TEST_SWEEP names a kind whose every call fails,
// or every seventh where it is "KIND/7".
// CLVITS_FAULTS may make the device another one throughout, as in "like=mali".
#include "layer/layer.h"

#include <check.h>
#include <clvits/clvits.h>
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT = 240, SWEEP_TIMEOUT = 7200, MOST_SAMPLES = 200000, CHUNK = 16, SPEAKERS = 3,
       PROCESSES = 3 /* each of which has some kinds of calls fail */ };

static const char *const kinds[] = { "any",   "buffer", "build", "program", "kernel",
                                     "argument", "launch", "read", "write",  "copy",
                                     "fill",  "map",    "finish", "context", "queue",
                                     "record" };
/* The last one is of devices that record, which those of every day do not. */
enum { KINDS = sizeof(kinds) / sizeof(*kinds), SAMPLED = KINDS - 1 };

static layer_set_fn layer_set;
static layer_calls_fn count_calls;
static layer_live_fn count_live;
static const char *device;

typedef struct speech {
    float samples[MOST_SAMPLES];
    size_t n;
    int chunks;
    int lose_after; /* chunks, then the device is gone; 0: never */
    bool long_one;  /* of several windows */
} speech;

static speech wants[2]; /* what the CPU path says; the second one is long */

/* On top of what CLVITS_FAULTS says of the device. */
static int set_faults(const char *faults)
{
    const char *device_is = getenv("CLVITS_FAULTS");
    char text[1024];

    snprintf(text, sizeof(text), "%s;%s", device_is ? device_is : "", faults ? faults : "");
    return layer_set(text);
}

static int hear(void *user, const clvits_chunk *c)
{
    speech *s = user;

    ck_assert_int_eq(c->position, (int64_t)s->n);
    ck_assert_uint_le(s->n + c->n_samples, MOST_SAMPLES);
    memcpy(s->samples + s->n, c->samples, c->n_samples * sizeof(float));
    s->n += c->n_samples;
    if (++s->chunks == s->lose_after)
        ck_assert_int_eq(set_faults("any:1+"), 0);
    return 0;
}

static clvits_status speak(clvits_voice *v, speech *s)
{
    const int32_t ids[] = { 1, 0, 20, 0, 5, 0, 27, 0, 31, 0, 2 };
    clvits_speak_params p;

    clvits_speak_params_default(v, &p);
    p.audio = hear;
    p.user = s;
    p.chunk = s->long_one ? 0 : CHUNK;
    p.length_scale = s->long_one ? 10.0f : 2.0f;
    return clvits_speak_ids(v, ids, sizeof(ids) / sizeof(*ids), &p);
}

static void compare(const char *what, const speech *got)
{
    const speech *want = &wants[got->long_one];
    double signal = 0.0, noise = 0.0;

    ck_assert_msg(got->n == want->n, "%s: %zu samples instead of %zu", what, got->n, want->n);
    for (size_t i = 0; i < want->n; i++) {
        const double d = (double)got->samples[i] - (double)want->samples[i];
        signal += (double)want->samples[i] * (double)want->samples[i];
        noise += d * d;
    }
    ck_assert_msg(noise <= 1e-8 * signal, "%s: %.1f dB", what,
                  10.0 * log10(signal / fmax(noise, 1e-300)));
}

static void *find(void *module, const char *name)
{
    void *f = dlsym(module, name);
    ck_assert_msg(f != NULL, "%s", dlerror());
    return f;
}

/* Once for all tests: it loads no driver, so that their processes can begin with it. */
static void speak_on_cpu(int n)
{
    const clvits_context_params p = { .device = "cpu" };
    clvits_context *c;
    clvits_voice *v;

    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    for (int i = 0; i < n; i++) {
        wants[i] = (speech){ .long_one = i };
        ck_assert_int_eq(speak(v, &wants[i]), CLVITS_OK);
        ck_assert_int_gt(wants[i].chunks, i ? 1 : 3);
    }
    clvits_voice_close(&v);
    clvits_context_close(&c);
}

static void speak_briefly(void)
{
    speak_on_cpu(1);
}

static void speak_both(void)
{
    speak_on_cpu(2);
}

static const char *device_name(void)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");
    return name ? name : "opencl";
}

static void begin(void)
{
    void *module = dlopen(getenv("OPENCL_LAYERS"), RTLD_NOW);

    ck_assert_msg(module != NULL, "%s", dlerror());
    *(void **)&layer_set = find(module, "clvits_layer_set");
    *(void **)&count_calls = find(module, "clvits_layer_calls");
    *(void **)&count_live = find(module, "clvits_layer_live");
    device = device_name();
}

static void keep_log(void *user, clvits_log_level level, const char *text)
{
    if (level <= CLVITS_LOG_WARNING)
        snprintf(user, 600, "%s", text);
}

/* Opens a voice and speaks twice, the second time without faults. How the first went. */
static clvits_status tried(const char *faults)
{
    char log[600] = "", left[256];
    const clvits_context_params p = { .device = device, .log = keep_log, .log_user = log };
    clvits_context *c = NULL;
    clvits_voice *v = NULL;
    static speech s;

    s = (speech){ 0 };
    ck_assert_int_eq(set_faults(faults), 0);
    clvits_status status = clvits_context_open(&c, &p);
    if (!status)
        status = clvits_voice_open(&v, c, NULL);
    if (!status) {
        status = speak(v, &s);
        ck_assert_msg(status == CLVITS_OK, "%s: %s", faults, log);
        compare(faults, &s);
        set_faults(NULL);
        s = (speech){ 0 };
        ck_assert_msg(speak(v, &s) == CLVITS_OK, "after %s: %s", faults, log);
        compare(faults, &s);
    } else {
        ck_assert_msg(status == CLVITS_E_DEVICE || status == CLVITS_E_MEMORY, "%s: %s", faults,
                      clvits_status_text(status));
        ck_assert_msg(strlen(log) > 10, "%s: nothing was said", faults);
    }
    clvits_voice_close(&v);
    clvits_context_close(&c);
    ck_assert_msg(count_live(left, sizeof(left)) == 0, "%s: %s", faults, left);
    return status;
}

/* How often each kind is called. */
static void count_all(long calls[KINDS])
{
    ck_assert_int_eq(set_faults(NULL), 0);
    const clvits_context_params p = { .device = device };
    clvits_context *c;
    clvits_voice *v;
    static speech s;

    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_int_eq(speak(v, &s), CLVITS_OK);
    clvits_voice_close(&v);
    clvits_context_close(&c);
    ck_assert_msg(count_calls("launch") > 0, "nothing ran on a device");
    for (int i = 0; i < KINDS; i++)
        calls[i] = count_calls(kinds[i]);
}

/* Whether opening may fail: where it is a device that was named. */
static bool may_fail(const char *kind)
{
    return !strcmp(kind, "context") || !strcmp(kind, "queue") || !strcmp(kind, "any");
}

static void try_call(const char *kind, long n, bool on)
{
    char faults[64];
    /* What drivers say when something went wrong long before. */
    const char *error = n % 3 == 1 && strcmp(kind, "build") ? "=-5" : "";

    snprintf(faults, sizeof(faults), "%s:%ld%s%s", kind, n, on ? "+" : "", error);
    const clvits_status s = tried(faults);
    ck_assert_msg(!s || may_fail(kind), "%s: the voice could not be opened", faults);
}

/* One call of a kind, or two. */
static void try_some(int kind, long calls)
{
    uint64_t seed = 88172645463325252u;

    for (int i = 0; i <= kind; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
    }
    if (calls > 0)
        try_call(kinds[kind], 1 + (long)(seed % (uint64_t)calls), kind & 1);
    if (calls > 1 && kind % 3 == 0)
        try_call(kinds[kind], 1 + (long)((seed >> 20) % (uint64_t)calls), !(kind & 1));
}

START_TEST(a_sample_of_calls_fails)
{
    const int step = getenv("CLVITS_TEST_TINY") ? 2 : 1;
    long calls[KINDS];

    begin();
    count_all(calls);
    for (int i = _i * step; i < SAMPLED; i += PROCESSES * step)
        try_some(i, calls[i]);
}
END_TEST

START_TEST(every_call_fails)
{
    const char *which = getenv("CLVITS_TEST_SWEEP");
    const size_t length = strcspn(which, "/");
    const long step = which[length] ? strtol(which + length + 1, NULL, 10) : 1;
    long calls[KINDS];

    if (strncmp(which, kinds[_i], length) || kinds[_i][length])
        return;
    begin();
    ck_assert_int_eq(tried(NULL), CLVITS_OK); /* caches are filled */
    count_all(calls);
    const long n = calls[_i];
    ck_assert_int_gt(step, 0);
    for (long k = 1; k <= n; k += step) {
        try_call(kinds[_i], k, false);
        try_call(kinds[_i], k, true);
    }
    printf("%s: %ld calls, %ld runs\n", kinds[_i], n, 2 * ((n + step - 1) / step));
    fflush(stdout);
}
END_TEST

/* What was heard stands, and goes on on the CPU path. */
START_TEST(stream_goes_on)
{
    clvits_context_params p = { 0 };
    clvits_context *c;
    clvits_voice *v;
    static speech s;

    begin();
    p.device = device;
    s = (speech){ .lose_after = _i };
    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_int_eq(speak(v, &s), CLVITS_OK);
    ck_assert_int_gt(s.chunks, _i);
    compare("lost in mid-stream", &s);
    const uint64_t launches = clvits_context_launches(c);
    s = (speech){ 0 };
    set_faults(NULL);
    ck_assert_int_eq(speak(v, &s), CLVITS_OK);
    compare("after the loss", &s);
    ck_assert_uint_eq(clvits_context_launches(c), launches); /* it is not trusted again */
    clvits_voice_close(&v);
    clvits_context_close(&c);
}
END_TEST

/* Speaks twice within a limit and tells of the first time: the most that was taken, launches. */
static void speak_within(const char *memory, char *log, size_t *peak, uint64_t *launches)
{
    const clvits_context_params p = { .device = device, .memory = memory, .log = keep_log,
                                      .log_user = log };
    clvits_context *c;
    clvits_voice *v;
    static speech s;

    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    for (int i = 0; i < 2; i++) {
        s = (speech){ .long_one = true };
        ck_assert_msg(speak(v, &s) == CLVITS_OK, "%s: %s", memory, log);
        compare(memory ? memory : "no limit", &s);
        if (i == 0)
            *launches = clvits_context_launches(c);
    }
    clvits_context_device_bytes(c, peak);
    clvits_voice_close(&v);
    ck_assert_uint_eq(clvits_context_device_bytes(c, NULL), 0);
    clvits_context_close(&c);
}

/* With less memory, smaller windows; with too little, the CPU path. */
START_TEST(memory_is_limited)
{
    size_t all, peak;
    uint64_t most, launches;
    char text[32], log[600] = "";

    begin();
    speak_within(NULL, log, &all, &most);
    ck_assert_str_eq(log, "");
    for (int i = 1; i <= 2; i++) {
        static const double share[] = { 0.0, 0.55, 0.02 };
        const size_t limit = (size_t)(share[i] * (double)all);
        log[0] = '\0';
        snprintf(text, sizeof(text), "%zu", limit);
        speak_within(text, log, &peak, &launches);
        ck_assert_uint_le(peak, limit);
        ck_assert_msg(strstr(log, i < 2 ? "frames at a time" : "without this device"), "%s", log);
        if (i < 2)
            ck_assert_uint_gt(launches, most);
    }
    snprintf(text, sizeof(text), "%zuK", all / 1024 + 1);
    speak_within(text, log, &peak, &launches);
    ck_assert_uint_eq(launches, most);
}
END_TEST

/* What a log says. */
typedef struct heard {
    int warnings, wrong, gone;
    char last[600];
} heard;

static void listen(void *user, clvits_log_level level, const char *text)
{
    heard *h = user;

    if (level > CLVITS_LOG_WARNING)
        return;
    h->warnings++;
    h->wrong += strstr(text, "goes wrong") != NULL;
    h->gone += strstr(text, "is not used any more") != NULL;
    snprintf(h->last, sizeof(h->last), "%s", text);
}

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
    heard h = { 0 };
    const clvits_context_params p = { .device = device_name(), .memory = proofs[_i].memory,
                                      .trust = "always", .log = listen, .log_user = &h };
    clvits_context *c;
    clvits_voice *v;
    static speech s;

    begin();
    s = (speech){ 0 };
    ck_assert_int_eq(set_faults(NULL), 0);
    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(set_faults(proofs[_i].faults), 0);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_msg(speak(v, &s) == CLVITS_OK, "%s: %s", proofs[_i].faults, h.last);
    compare(proofs[_i].faults, &s);
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
    speech own, other;
    clvits_status status;
} crowd;

static void *speak_beside(void *of)
{
    crowd *w = of;

    w->status = speak(w->voice, &w->own);
    return NULL;
}

/* A device that goes while several speak on it: each goes on elsewhere, and one is told. */
START_TEST(lost_among_many)
{
    static const char *const lost[] = { "lost:1", "lost:60", "lost:200" };
    static crowd speakers[SPEAKERS];
    heard h = { 0 };
    const clvits_context_params p = { .device = device_name(), .log = listen, .log_user = &h };
    pthread_t threads[SPEAKERS];
    char left[256];
    clvits_context *c;
    clvits_voice *v;

    begin();
    ck_assert_int_eq(set_faults(NULL), 0);
    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_int_eq(set_faults(lost[_i]), 0);
    for (int i = 0; i < SPEAKERS; i++) {
        speakers[i] = (crowd){ .voice = v };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, speak_beside, &speakers[i]), 0);
    }
    for (int i = 0; i < SPEAKERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(speakers[i].status == CLVITS_OK, "%s", h.last);
        compare(lost[_i], &speakers[i].own);
    }
    ck_assert_int_eq(h.gone, 1);
    ck_assert_int_eq(h.wrong, 0);
    clvits_voice_close(&v);
    clvits_context_close(&c);
    ck_assert_msg(count_live(left, sizeof(left)) == 0, "%s: %s", lost[_i], left);
}
END_TEST

/* A stream that others speak beside, in its own callback. */
static int hear_and_speak(void *user, const clvits_chunk *c)
{
    crowd *w = user;

    if (!w->own.n)
        ck_assert_int_eq(speak(w->voice, &w->other), CLVITS_OK);
    return hear(&w->own, c);
}

/* Two that speak at once have memory for one: the other goes without the device, and afterwards
 * nothing has changed. */
START_TEST(a_shortage_passes)
{
    heard h = { 0 };
    clvits_context_params p = { .device = device_name(), .log = listen, .log_user = &h };
    clvits_context *c;
    static crowd w;
    uint64_t first = 0;
    char text[32];
    size_t all;

    begin();
    w = (crowd){ 0 };
    ck_assert_int_eq(set_faults(NULL), 0);
    for (int limited = 0; limited < 2; limited++) {
        h.warnings = 0;
        ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
        ck_assert_int_eq(clvits_voice_open(&w.voice, c, NULL), CLVITS_OK);
        for (int i = 0; i < 3; i++) { /* recordings are compared with launches, once each */
            first = clvits_context_launches(c);
            w.own = (speech){ 0 };
            ck_assert_int_eq(speak(w.voice, &w.own), CLVITS_OK);
        }
        const uint64_t launches = clvits_context_launches(c) - first;
        clvits_context_device_bytes(c, &all);
        if (limited) {
            const int32_t ids[] = { 1, 0, 20, 0, 5, 0, 27, 0, 31, 0, 2 };
            clvits_speak_params q;
            ck_assert_int_eq(h.warnings, 0);
            clvits_speak_params_default(w.voice, &q);
            q.audio = hear_and_speak;
            q.user = &w;
            q.chunk = CHUNK;
            q.length_scale = 2.0f;
            w.own = w.other = (speech){ 0 };
            ck_assert_int_eq(clvits_speak_ids(w.voice, ids, sizeof(ids) / sizeof(*ids), &q),
                             CLVITS_OK);
            compare("the first", &w.own);
            compare("the second", &w.other);
            ck_assert_int_gt(h.warnings, 0);
            const uint64_t before = clvits_context_launches(c);
            w.own = (speech){ 0 };
            ck_assert_int_eq(speak(w.voice, &w.own), CLVITS_OK);
            ck_assert_uint_eq(clvits_context_launches(c) - before, launches);
        }
        clvits_voice_close(&w.voice);
        clvits_context_close(&c);
        snprintf(text, sizeof(text), "%zu", all + all / 10);
        p.memory = text;
    }
}
END_TEST

/* What does not fit for a while is tried again, and then fits: after a word over and over. */
START_TEST(more_is_tried_again)
{
    enum { TIMES = 40 };
    const int32_t word[] = { 1, 0, 2 };
    clvits_speak_params brief;
    heard h = { 0 };
    const clvits_context_params p = { .device = device_name(), .log = listen, .log_user = &h };
    clvits_context *c;
    clvits_voice *v;
    static speech s;
    uint64_t launches = 0;

    begin();
    ck_assert_int_eq(set_faults(NULL), 0);
    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_int_eq(set_faults("buffer>1000"), 0);
    s = (speech){ 0 };
    ck_assert_int_eq(speak(v, &s), CLVITS_OK);
    ck_assert_ptr_nonnull(strstr(h.last, "going on without this device"));
    ck_assert_int_eq(set_faults(NULL), 0);
    clvits_speak_params_default(v, &brief);
    for (int i = 0; i < TIMES; i++)
        ck_assert_int_eq(clvits_speak_ids(v, word, sizeof(word) / sizeof(*word), &brief),
                         CLVITS_OK);
    launches = clvits_context_launches(c);
    s = (speech){ 0 };
    ck_assert_int_eq(speak(v, &s), CLVITS_OK);
    compare("in the end", &s);
    ck_assert_uint_gt(clvits_context_launches(c), launches);
    clvits_voice_close(&v);
    clvits_context_close(&c);
}
END_TEST

START_TEST(limits_are_checked)
{
    static const char *const texts[] = { "0", "-1", "1X", "M", "1MB", "99999999999999999999",
                                         "99999999999G" };
    const clvits_context_params p = { .device = "cpu", .memory = texts[_i] };
    clvits_context *c;

    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_E_ARGUMENT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("calls"), *threads = tcase_create("threads");

    if (!getenv("OPENCL_LAYERS"))
        return 77;
    tcase_add_unchecked_fixture(t, speak_both, NULL);
    tcase_add_unchecked_fixture(threads, speak_briefly, NULL);
    tcase_set_timeout(t, getenv("CLVITS_TEST_SWEEP") ? SWEEP_TIMEOUT : TIMEOUT);
    tcase_set_timeout(threads, TIMEOUT);
    if (getenv("CLVITS_TEST_SWEEP")) {
        tcase_add_loop_test(t, every_call_fails, 0, KINDS);
    } else {
        tcase_add_loop_test(t, a_sample_of_calls_fails, 0, PROCESSES);
        tcase_add_loop_test(t, stream_goes_on, 1, 3);
        tcase_add_test(t, memory_is_limited);
        tcase_add_loop_test(t, proofs_fail, 0, (int)(sizeof(proofs) / sizeof(*proofs)));
        tcase_add_test(t, a_shortage_passes);
        tcase_add_test(t, more_is_tried_again);
        tcase_add_loop_test(t, limits_are_checked, 0, 7);
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
