// SPDX-License-Identifier: MIT
//
// Memory after thousands of utterances of mixed lengths, voices and devices, some of them ended
// early, some in batches, with voices opened and closed in between: as much as after the first
// hundred.
// CLVITS_TEST_SWEEP is how many are spoken.
#include "harness.h"

#include <clvits/clvits.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FIRST = 100, FEW = 130, MOST_IDS = 48, MOST_AT_ONCE = 3 };

/* What speaks; path NULL is the embedded voice. */
static const struct {
    const char *path, *device, *precision;
    int n_ids; /* of the voice's table, that are spoken */
} kinds[] = {
    { GOLDEN_DIR "/hf-sdp", "cpu", NULL, 20 },
    { GOLDEN_DIR "/hf-sdp", "opencl,cpu", NULL, 20 },
    { GOLDEN_DIR "/hf-dp-speakers", "opencl", "fp16-storage", 20 },
    { GOLDEN_DIR "/piper-multi/model.onnx", "cpu", "fp16-storage", 20 },
    { NULL, "cpu", NULL, 60 },
    { NULL, "opencl", NULL, 60 },
};
enum { KINDS = LENGTH(kinds) };

typedef struct fixture {
    clvits_context *context[KINDS];
    clvits_voice *voice[KINDS];
    uint32_t random;
    long spoken, ended; /* utterances that were asked for, and those that their listener ended */
    double seconds;     /* of audio */
} fixture;

/* Who listens to one utterance. */
typedef struct listener {
    fixture *f;
    bool stops;
} listener;

static int draw(fixture *f, int below)
{
    f->random = f->random * 1664525u + 1013904223u;
    return (int)((uint64_t)f->random * (uint32_t)below >> 32);
}

static int heard(void *user, const clvits_chunk *c)
{
    listener *l = user;

    l->f->seconds += (double)c->n_samples / c->sample_rate;
    return l->stops;
}

/* Bytes that the process holds in memory, what the C library keeps for later not counted. */
static double resident(void)
{
    long pages = 0, unused;

    malloc_trim(0);
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%ld %ld", &unused, &pages), 2);
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void open_voice(fixture *f, int kind)
{
    ck_assert_msg(clvits_voice_open(&f->voice[kind], f->context[kind], kinds[kind].path) ==
                      CLVITS_OK, "%s", clvits_context_error(f->context[kind]));
}

static void begin(fixture *f)
{
    *f = (fixture){ .random = 7 };
    for (int i = 0; i < KINDS; i++) {
        const clvits_context_params params = { .device = kinds[i].device, .threads = 2,
                                               .precision = kinds[i].precision };
        ck_assert_int_eq(clvits_context_open(&f->context[i], &params), CLVITS_OK);
        open_voice(f, i);
    }
}

static void end(fixture *f)
{
    for (int i = 0; i < KINDS; i++) {
        clvits_voice_close(&f->voice[i]);
        clvits_context_close(&f->context[i]);
    }
}

/* One utterance, or a few at once, with one of the voices. */
static void speak(fixture *f, int kind, bool longest)
{
    int32_t ids[MOST_AT_ONCE][MOST_IDS];
    listener listeners[MOST_AT_ONCE];
    clvits_utterance u[MOST_AT_ONCE];
    const int n = longest || draw(f, 8) == 0 ? MOST_AT_ONCE : 1;
    bool stopped = false;

    for (int i = 0; i < n; i++) {
        listeners[i] = (listener){ .f = f, .stops = !longest && draw(f, 10) == 0 };
        u[i] = (clvits_utterance){ .ids = ids[i],
                                   .n = longest ? MOST_IDS : (size_t)(1 + draw(f, MOST_IDS)) };
        for (size_t k = 0; k < u[i].n; k++)
            ids[i][k] = draw(f, kinds[kind].n_ids);
        clvits_speak_params_default(f->voice[kind], &u[i].params);
        u[i].params.seed = longest ? 0 : f->random;
        u[i].params.audio = heard;
        u[i].params.user = &listeners[i];
        u[i].params.first_chunk = draw(f, 2) ? 16 : 0;
        stopped |= listeners[i].stops;
        f->ended += listeners[i].stops;
    }
    const clvits_status s = clvits_speak_batch(f->voice[kind], u, (size_t)n);
    ck_assert_msg(s == CLVITS_OK || (stopped && s == CLVITS_E_CANCELLED), "%s: %s",
                  clvits_status_text(s), clvits_context_error(f->context[kind]));
    f->spoken += n;
}

/* Memory with every voice just opened and its longest batch spoken: in between it depends on which
 * voices were opened last. */
static double settled(fixture *f)
{
    for (int i = 0; i < KINDS; i++) {
        clvits_voice_close(&f->voice[i]);
        open_voice(f, i);
        speak(f, i, true);
    }
    return resident();
}

START_TEST(memory_stays)
{
    const char *sweep = getenv("CLVITS_TEST_SWEEP");
    const long most = sweep ? atol(sweep) : FEW;
    struct timespec from, to;
    double first = 0;
    fixture f;

    clock_gettime(CLOCK_MONOTONIC, &from);
    begin(&f);
    while (f.spoken < most) {
        const int kind = draw(&f, KINDS);

        if (draw(&f, 20) == 0) {
            clvits_voice_close(&f.voice[kind]);
            open_voice(&f, kind);
        }
        speak(&f, kind, false);
        if (first == 0 && f.spoken >= FIRST)
            first = settled(&f);
    }
    const double last = settled(&f);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%ld utterances, %ld ended early, %.0f s of speech in %ld s; %.1f MB after the first "
           "%d, %.1f MB after the last\n", f.spoken, f.ended, f.seconds,
           (long)(to.tv_sec - from.tv_sec), first * 1e-6, FIRST, last * 1e-6);
    fflush(stdout);
    ck_assert_double_gt(first, 0);
    ck_assert_double_le(last, 1.05 * first);
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("soak");
    TCase *t = tcase_create("soak");

    tcase_set_timeout(t, 7200);
    tcase_add_test(t, memory_stays);
    suite_add_tcase(s, t);
    return harness_main(s);
}
