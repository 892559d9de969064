// SPDX-License-Identifier: MIT
//
// A step of training against PyTorch in double precision, with everything given that it draws.
#include "harness.h"
#include "model/blocks.h"
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
    f->B = batch ? batch : (int)array(f, "ids")->shape[0];
    ok(f, clvits_graph_open(&f->h.graph, f->B, &f->h.report));
}

static void end(fixture *f)
{
    harness_end(&f->h);
    clvits_arrays_free(&f->given);
    clvits_voice_file_free(&f->file);
}

/* An input of the graph with a given array. */
static clvits_tensor *input(fixture *f, const char *name, int clock, int first)
{
    const clvits_array *a = array(f, name);
    return harness_input_of(&f->h, CLVITS_F32, clock, a->rank == 3 ? (int)a->shape[1] : 1,
                            rows(f, name, first));
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

/* The duration predictor over items from `first` on. */
static clvits_duration_loss predict(fixture *f, int first)
{
    clvits_scope s = { .graph = f->h.graph, .c = &f->file.config, .weights = &f->file.weights,
                       .cond_parts = CLVITS_OF_DURATIONS };
    const int ids = clvits_graph_clock(s.graph, (int)array(f, "ids")->shape[1]);
    const int32_t *lengths = ints(f, "ids_lengths", first);
    clvits_tensor *noise = s.c->use_sdp ? input(f, "noise_dp", ids, first) : NULL;
    clvits_tensor *durations =
        harness_input_of(&f->h, CLVITS_I32, ids, 1, ints(f, "durations", first));
    clvits_duration_loss d;

    if (s.c->gin_channels)
        s.cond = clvits_conditions(
            &s, harness_input_of(&f->h, CLVITS_I32, 0, 1, ints(f, "sid", first)),
            CLVITS_OF_DURATIONS);
    clvits_duration_training(&d, &s, input(f, "enc", ids, first), durations, noise);
    clvits_tensor *const kept[] = { d.z_u, d.z, d.logq, d.nll, d.logw, d.loss };
    for (int i = 0; i < LENGTH(kept); i++)
        clvits_graph_keep(kept[i]);
    harness_plan(&f->h);
    for (int b = 0; b < f->B; b++)
        harness_length(&f->h, ids, b, lengths[b]);
    harness_go(&f->h);
    return d;
}

START_TEST(durations)
{
    fixture f;
    double sum = 0;
    int ids = 0;

    begin(&f, _i, 0);
    const clvits_duration_loss d = predict(&f, 0);
    const int32_t *lengths = ints(&f, "ids_lengths", 0);
    if (f.file.config.use_sdp) {
        compare(&f, d.z_u, "z_u", 0, 1e-5);
        compare(&f, d.z, "z_dp", 0, 1e-5);
        compare_items(&f, d.logq, "logq", 0, 1e-5);
        compare_items(&f, d.nll, "nll", 0, 1e-5);
        compare_items(&f, d.loss, "predictor", 0, 1e-5);
    } else {
        compare(&f, d.logw, "predictor", 0, 1e-5);
    }
    const float *loss = harness_output(&f.h, d.loss), *want = floats(&f, "losses");
    for (int b = 0; b < f.B; b++) {
        sum += (double)loss[b];
        ids += lengths[b];
    }
    ck_assert_double_le(fabs(sum / ids - (double)want[0]), 1e-5 * fabs((double)want[0]));
    end(&f);
}
END_TEST

/* What an item gives does not depend on those beside it. */
START_TEST(durations_of_one)
{
    fixture all, one;

    begin(&all, _i, 0);
    const clvits_duration_loss d = predict(&all, 0);
    const float *want = harness_output(&all.h, d.loss);
    for (int b = 1; b < 3; b++) {
        begin(&one, _i, 1);
        const clvits_duration_loss e = predict(&one, b);
        ck_assert_mem_eq(harness_output(&one.h, e.loss), want + b, sizeof(float));
        end(&one);
    }
    end(&all);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("training");
    TCase *t = tcase_create("durations");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, durations, 0, LENGTH(cases));
    tcase_add_test(t, durations_of_one);
    suite_add_tcase(s, t);
    return harness_main(s);
}
