// SPDX-License-Identifier: MIT
//
// A step of training against PyTorch in double precision, with everything given that it draws.
#include "harness.h"
#include "model/blocks.h"
#include "model/convert.h"
#include "model/training.h"
#include "model/voice_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CKPT "lightning_logs/version_0/checkpoints/epoch=5-step=1000.ckpt"

static const struct {
    const char *voice; /* below the golden files */
    const char *given; /* training/GIVEN.safetensors */
} cases[] = {
    { "vits-single/G_3000.pth", "vits-single" },
    { "vits-speakers/G_200.pth", "vits-speakers" },
    { "piper-ckpt-speakers/" CKPT, "piper-ckpt-speakers" },
};

typedef struct fixture {
    harness h;
    clvits_voice_file file;
    clvits_arrays given; /* what goes in, and what is to come out */
    clvits_arrays judging, judging_raw;
    clvits_discriminators judges;
    int B;
} fixture;

static void ok(const fixture *f, clvits_status s)
{
    ck_assert_msg(s == CLVITS_OK, "%s: %s", clvits_status_text(s), f->h.report.text);
}

static const clvits_array *array(const fixture *f, const char *name)
{
    const clvits_array *a = clvits_arrays_find(&f->given, name);
    ck_assert_msg(a != NULL, "there is no %s", name);
    return a;
}

static void *memory(fixture *f, int64_t n, size_t size)
{
    void *p = clvits_arena_array(&f->h.arena, (size_t)n + 1, size);
    ck_assert_ptr_nonnull(p);
    return p;
}

static float *floats(fixture *f, const char *name)
{
    const clvits_array *a = array(f, name);
    float *out = memory(f, clvits_array_count(a), sizeof(*out));
    clvits_array_floats(a, out);
    return out;
}

/* [B, T] or [B, C, T] of items from item `first` on as [B][T][C]. */
static float *rows(fixture *f, const char *name, int first)
{
    const clvits_array *a = array(f, name);
    const int64_t C = a->rank == 3 ? a->shape[1] : 1, T = a->shape[a->rank - 1];
    const float *from = floats(f, name) + first * C * T;
    float *out = memory(f, clvits_array_count(a), sizeof(*out));

    for (int64_t i = 0; i < (a->shape[0] - first) * C * T; i++)
        out[i] = from[(i / C / T * C + i % C) * T + i / C % T];
    return out;
}

static int32_t *ints(fixture *f, const char *name, int first)
{
    const int64_t n = clvits_array_count(array(f, name));
    const int64_t from = first * (n / array(f, name)->shape[0]);
    const float *values = floats(f, name);
    int32_t *out = memory(f, n, sizeof(*out));

    for (int64_t i = 0; i < n - from; i++)
        out[i] = (int32_t)values[from + i];
    return out;
}

static void begin(fixture *f, int i, int batch)
{
    char path[1200];

    *f = (fixture){ 0 };
    harness_begin(&f->h, 1);
    clvits_graph_close(&f->h.graph);
    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, cases[i].voice);
    ok(f, clvits_voice_file_open_sides(&f->file, path, NULL, CLVITS_SIDE_ALL, &f->h.report));
    ck_assert_int_eq(f->file.sides, CLVITS_SIDE_ALL);
    snprintf(path, sizeof(path), "%s/training/%s.safetensors", GOLDEN_DIR, cases[i].given);
    ok(f, clvits_safetensors_open(&f->given, path, &f->h.report));
    ok(f, clvits_discriminators_read(&f->judging, &f->judging_raw,
                                     GOLDEN_DIR "/discriminators/D_weight.pth", &f->h.report));
    ok(f, clvits_discriminators_measure(&f->judges, &f->judging, &f->h.report));
    f->B = batch ? batch : (int)array(f, "ids")->shape[0];
    ok(f, clvits_graph_open(&f->h.graph, f->B, &f->h.report));
}

static void end(fixture *f)
{
    harness_end(&f->h);
    clvits_arrays_free(&f->given);
    clvits_arrays_free(&f->judging);
    clvits_arrays_free(&f->judging_raw);
    clvits_voice_file_free(&f->file);
}

/* Every valid row of items from `first` on, relative to the largest number. */
static void compare(fixture *f, const clvits_tensor *t, const char *name, int first,
                    double tolerance)
{
    const float *values = rows(f, name, first);
    double *want = memory(f, clvits_tensor_count(t), sizeof(*want));

    for (int64_t i = 0; i < clvits_tensor_count(t); i++)
        want[i] = (double)values[i];
    harness_close(&f->h, t, want, tolerance);
}

/* A number of every item by itself. */
static void compare_items(fixture *f, const clvits_tensor *t, const char *name, int first,
                          double tolerance)
{
    const float *want = floats(f, name) + first, *got = harness_output(&f->h, t);

    for (int b = 0; b < f->B; b++)
        ck_assert_msg(fabs((double)got[b] - (double)want[b]) <= tolerance * fabs((double)want[b]),
                      "%s of item %d: %.9g, want %.9g", name, first + b, (double)got[b],
                      (double)want[b]);
}

enum { SEGMENT = 8, MELS = 5 };

static void set_lengths(fixture *f, const clvits_training_step *step, int first)
{
    const int32_t *ids = ints(f, "ids_lengths", first), *starts = ints(f, "starts", first);
    const int32_t *frames = ints(f, "frames_lengths", first);

    for (int b = 0; b < f->B; b++) {
        harness_length(&f->h, step->text_clock, b, ids[b]);
        harness_length(&f->h, step->clock, b, frames[b]);
        clvits_run_set_int(f->h.run, step->start, b, starts[b]);
    }
}

/* Item b draws by seed first + b. */
static void set_seeds(fixture *f, const clvits_training_step *step, int first)
{
    for (int b = 0; b < f->B; b++) {
        clvits_run_set_int(f->h.run, step->seed, b, first + b);
        clvits_run_set_int(f->h.run, step->seed + 1, b, 0);
    }
}

/* Whether the frames of the spectrogram reach one another. */
static bool has_mel(const fixture *f)
{
    return f->file.config.n_fft >= f->file.config.hop_length;
}

static clvits_training_options options(const fixture *f, bool inject)
{
    return (clvits_training_options){
        .batch = f->B,
        .text = (int)array(f, "ids")->shape[1],
        .frames = (int)array(f, "spec")->shape[2],
        .segment = SEGMENT,
        .n_mels = has_mel(f) ? MELS : 0,
        .discriminators = &f->judges,
        .inject_noise = inject,
        .keep_all = true,
    };
}

/* The whole step over items from `first` on. */
static clvits_training_step run_step(fixture *f, int first, bool inject)
{
    const clvits_model m = { &f->file.config, &f->file.weights };
    const clvits_training_options o = options(f, inject);
    clvits_training_step step;

    clvits_graph_close(&f->h.graph);
    ok(f, clvits_training_step_build(&step, &m, &o, &f->h.report));
    f->h.graph = step.graph;
    harness_feed(&f->h, step.ids, ints(f, "ids", first));
    harness_feed(&f->h, step.spec, rows(f, "spec", first));
    harness_feed(&f->h, step.speech, rows(f, "audio", first));
    if (step.sid)
        harness_feed(&f->h, step.sid, ints(f, "sid", first));
    if (step.noise_z)
        harness_feed(&f->h, step.noise_z, rows(f, "noise_z", first));
    if (step.noise_dp)
        harness_feed(&f->h, step.noise_dp, rows(f, "noise_dp", first));
    harness_plan(&f->h);
    set_lengths(f, &step, first);
    set_seeds(f, &step, first);
    harness_go(&f->h);
    return step;
}

/* The loss of the batch, in every item. */
static void compare_loss(fixture *f, const clvits_tensor *t, int i, const char *name)
{
    const float *got = harness_output(&f->h, t), want = floats(f, "losses")[i];

    for (int b = 0; b < f->B; b++)
        ck_assert_msg(fabs((double)got[b] - (double)want) <= 1e-5 * fabs((double)want),
                      "%s: %.9g, want %.9g", name, (double)got[b], (double)want);
}

/* The halves of a tensor's channels, against two arrays. */
static void compare_halves(fixture *f, const clvits_tensor *t, const char *first,
                           const char *second)
{
    const float *halves[] = { rows(f, first, 0), rows(f, second, 0) };
    double *want = memory(f, clvits_tensor_count(t), sizeof(*want));
    const int C = t->C / 2;

    for (int64_t i = 0; i < clvits_tensor_count(t); i++)
        want[i] = (double)halves[i / C % 2][i / t->C * C + i % C];
    harness_close(&f->h, t, want, 1e-5);
}

static void compare_duration(fixture *f, const clvits_duration_loss *d)
{
    if (!f->file.config.use_sdp) {
        compare(f, d->logw, "predictor", 0, 1e-5);
        return;
    }
    compare(f, d->z_u, "z_u", 0, 1e-5);
    compare(f, d->z, "z_dp", 0, 1e-5);
    compare_items(f, d->logq, "logq", 0, 1e-5);
    compare_items(f, d->nll, "nll", 0, 1e-5);
    compare_items(f, d->loss, "predictor", 0, 1e-5);
}

START_TEST(step)
{
    fixture f;

    begin(&f, _i, 0);
    if (f.h.machine.n_places > 1 && _i < LENGTH(cases) - 1 && !getenv("CLVITS_TEST_SWEEP")) {
        end(&f); /* kernels take long to build, and are those of the last one */
        return;
    }
    const clvits_training_step s = run_step(&f, 0, true);
    compare(&f, s.enc, "enc", 0, 1e-5);
    compare_halves(&f, s.stats, "m", "logs");
    compare_halves(&f, s.posterior, "m_q", "logs_q");
    compare(&f, s.z, "z", 0, 1e-5);
    compare(&f, s.z_p, "z_p", 0, 1e-5);
    const int32_t *got = (const int32_t *)(const void *)harness_output(&f.h, s.durations);
    ck_assert_mem_eq(got, ints(&f, "durations", 0), sizeof(*got) * (size_t)(f.B * s.durations->T));
    compare_halves(&f, s.prior, "m_p", "logs_p");
    compare_duration(&f, &s.duration);
    compare(&f, s.wave, "wave", 0, 1e-5);
    compare_loss(&f, s.duration_loss, 0, "duration");
    compare_loss(&f, s.kl_loss, 1, "KL");
    if (s.mel_loss) {
        compare(&f, s.mel, "mel", 0, 1e-5);
        compare(&f, s.mel_hat, "mel_hat", 0, 1e-5);
        compare_loss(&f, s.mel_loss, 2, "mel");
        compare_loss(&f, s.loss, 6, "whole");
    }
    compare_loss(&f, s.generator_loss, 3, "generator");
    compare_loss(&f, s.discriminator_loss, 4, "discriminator");
    compare_loss(&f, s.feature_loss, 5, "feature");
    end(&f);
}
END_TEST

/* What an item gives follows from its own seed, not from those beside it. */
START_TEST(step_of_one)
{
    enum { ITEM = 1 };
    fixture all, one;

    begin(&all, 2, 0);
    begin(&one, 2, 1);
    const clvits_training_step s = run_step(&all, 0, false), t = run_step(&one, ITEM, false);
    const clvits_tensor *const both[][2] = {
        { s.z, t.z }, { s.z_p, t.z_p }, { s.ends, t.ends }, { s.wave, t.wave },
        { s.duration.z, t.duration.z }, { s.duration.loss, t.duration.loss },
    };
    ck_assert(!s.noise_z && !s.noise_dp);
    for (int i = 0; i < LENGTH(both); i++) {
        const int64_t n = (int64_t)both[i][1]->T * both[i][1]->C;
        ck_assert_mem_eq(harness_output(&all.h, both[i][0]) + ITEM * n,
                         harness_output(&one.h, both[i][1]), (size_t)n * sizeof(float));
    }
    end(&one);

    const float kl = *harness_output(&all.h, s.kl_loss);
    const float duration = *harness_output(&all.h, s.duration_loss);
    ck_assert(isfinite(kl) && isfinite(duration));
    set_seeds(&all, &s, 9);
    harness_go(&all.h);
    ck_assert(*harness_output(&all.h, s.kl_loss) != kl);
    ck_assert(*harness_output(&all.h, s.duration_loss) != duration);
    end(&all);
}
END_TEST

/* An item whose frames are fewer than its ids, and than a segment. */
START_TEST(short_item)
{
    enum { B = 2, IDS = 9, FRAMES = 20, SHORT = 4 };
    const int32_t numbers[B * IDS] = { 0, 1, 2, 1, 0, 1, 2, 0, 1, 1, 1, 0, 1, 2, 0, 1, 2, 1 };
    fixture f = { 0 };
    clvits_training_step s;

    harness_begin(&f.h, B);
    clvits_graph_close(&f.h.graph);
    ok(&f, clvits_voice_file_open_sides(&f.file, GOLDEN_DIR "/vits-single", NULL,
                                        CLVITS_SIDE_ALL, &f.h.report));
    const clvits_model m = { &f.file.config, &f.file.weights };
    const clvits_training_options o = { .batch = B, .text = IDS, .frames = FRAMES,
                                        .segment = SEGMENT };
    ok(&f, clvits_training_step_build(&s, &m, &o, &f.h.report));
    f.h.graph = s.graph;
    harness_feed(&f.h, s.ids, numbers);
    harness_feed(&f.h, s.spec, harness_random(&f.h, clvits_tensor_count(s.spec), 0, 1));
    harness_plan(&f.h);
    harness_length(&f.h, s.clock, 1, SHORT);
    for (int b = 0; b < B; b++)
        clvits_run_set_int(f.h.run, s.start, b, 0);
    harness_go(&f.h);
    const float *durations = harness_output(&f.h, s.durations);
    int sum = 0;
    for (int t = 0; t < IDS; t++) {
        sum += ((const int32_t *)(const void *)durations)[t];
        ck_assert_int_eq(((const int32_t *)(const void *)durations)[IDS + t], 0);
    }
    ck_assert_int_eq(sum, FRAMES);
    ck_assert(isfinite(*harness_output(&f.h, s.loss)));
    ck_assert(!s.mel_loss && !s.generator_loss && !s.discriminator_loss);
    harness_end(&f.h);
    clvits_voice_file_free(&f.file);
}
END_TEST

START_TEST(refuses)
{
    fixture f;
    clvits_training_step s;

    begin(&f, 0, 0);
    const clvits_model m = { &f.file.config, &f.file.weights };
    clvits_training_options o = options(&f, false);
    clvits_status want = CLVITS_E_ARGUMENT;

    f.h.report.log = NULL;
    if (_i == 0)
        o.text = 0;
    else if (_i == 1)
        o.frames = -1;
    else if (_i == 2)
        o.segment = -1;
    else if (_i == 3)
        o.n_mels = 100000;
    else if (_i == 4)
        o.batch = 0;
    else if (_i == 5) {
        clvits_voice_file_free(&f.file);
        ok(&f, clvits_voice_file_open(&f.file, GOLDEN_DIR "/vits-single", NULL, &f.h.report));
        want = CLVITS_E_FORMAT;
    }
    ck_assert_int_eq(clvits_training_step_build(&s, &m, &o, &f.h.report), want);
    ck_assert_ptr_null(s.graph);
    ck_assert_uint_gt(strlen(f.h.report.text), 20);
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("training");
    TCase *t = tcase_create("step");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, step, 0, LENGTH(cases));
    tcase_add_test(t, step_of_one);
    tcase_add_test(t, short_item);
    tcase_add_loop_test(t, refuses, 0, 6);
    suite_add_tcase(s, t);
    return harness_main(s);
}
