// SPDX-License-Identifier: MIT
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FRAMES = 65536, MOST_END = 0x3fffffff };

/* The capacity of the ids, and of the frames after them. */
static const struct {
    int B, T, C, frames;
} cases[] = {
    { 1, 1, 1, 1 },    { 1, 2, 3, 17 },    { 2, 7, 4, 40 },
    { 3, 63, 5, 200 }, { 1, 64, 24, 150 }, { 2, 65, 97, 333 },
    { 1, 193, 2, 700 }, { 2, 130, 192, 50 },
};

static int frames_of(float logw, float length_scale)
{
    const double w = exp((double)logw) * (double)length_scale;
    return isnan(w) || w <= 0.0 ? 0 : w > MOST_FRAMES ? MOST_FRAMES : (int)ceil(w);
}

static const int *as_ints(const float *p)
{
    return (const int *)(const void *)p;
}

/* Durations that are far from a whole number, so that the formula says which it is. */
static void safe_logw(float *logw, int n, float length_scale)
{
    for (int i = 0; i < n; i++)
        while (fabs(exp((double)logw[i]) * (double)length_scale -
                    nearbyint(exp((double)logw[i]) * (double)length_scale)) < 1e-4)
            logw[i] += 0.001f;
}

START_TEST(frames_and_rows)
{
    const int B = cases[_i].B, T = cases[_i].T, C = cases[_i].C;
    const float scales[] = { 1.0f, 0.77f, 1.3f };
    const float *x;
    harness h;
    clvits_tensor *ends;

    harness_begin(&h, B);
    const int ids = clvits_graph_clock(h.graph, T);
    const int frames = clvits_graph_clock(h.graph, cases[_i].frames);
    const int slot = clvits_graph_scalar(h.graph, 1);
    float *logw = harness_random(&h, (int64_t)B * T, -3.0f, 2.0f);
    for (int b = 0; b < B; b++)
        safe_logw(logw + b * T, T, scales[b]);
    clvits_tensor *tl = harness_input_of(&h, CLVITS_F32, ids, 1, logw);
    clvits_tensor *tx = clvits_graph_slice(harness_input(&h, ids, C + 2, -1, 1, &x), 1, C);
    clvits_tensor *d = clvits_graph_keep(clvits_durations(tl, slot, &ends));
    clvits_graph_keep(ends);
    clvits_tensor *y = clvits_graph_keep(clvits_expand(tx, ends, frames));
    harness_plan(&h);
    for (int b = 0; b < B; b++)
        clvits_run_set_float(h.run, slot, b, 9.0f);
    harness_go(&h); /* leaves longer sequences where the next run must leave zeros */
    for (int b = 0; b < B; b++) {
        harness_length(&h, ids, b, T - (b + 1) * (T / 4));
        harness_length(&h, frames, b, cases[_i].frames - b * (cases[_i].frames / 4));
        clvits_run_set_float(h.run, slot, b, scales[b]);
    }
    harness_go(&h);

    const int *got = as_ints(harness_output(&h, d)), *got_ends = as_ints(harness_output(&h, ends));
    const float *rows = harness_output(&h, y);
    for (int b = 0; b < B; b++) {
        const int len = clvits_run_length(h.run, ids, b);
        const int n = clvits_run_length(h.run, frames, b);
        int end = 0, f = 0;
        for (int t = 0; t < len; t++) {
            ck_assert_int_eq(got[b * T + t], frames_of(logw[b * T + t], scales[b]));
            end += got[b * T + t];
            ck_assert_int_eq(got_ends[b * T + t], end);
            for (; f < end && f < n; f++)
                ck_assert_mem_eq(rows + ((int64_t)b * y->T + f) * C,
                                 x + ((int64_t)b * T + t) * (C + 2) + 1, (size_t)C * sizeof(float));
        }
        for (; f < n; f++)
            for (int c = 0; c < C; c++)
                ck_assert(rows[((int64_t)b * y->T + f) * C + c] == 0.0f);
    }
    harness_end(&h);
}
END_TEST

/* Frames expanded in stretches are those of the whole, also past the last id's. */
START_TEST(stretches)
{
    enum { IDS = 5, C = 3, FRAMES = 20, PART = 7 };
    const int ends[IDS] = { 2, 2, 9, 10, 17 };
    const float *x;
    harness h;

    harness_begin(&h, 1);
    const int ids = clvits_graph_clock(h.graph, IDS), whole = clvits_graph_clock(h.graph, FRAMES);
    const int part = clvits_graph_clock(h.graph, PART);
    clvits_tensor *tx = harness_input(&h, ids, C, -1, 1, &x);
    clvits_tensor *te = harness_input_of(&h, CLVITS_I32, ids, 1, ends);
    clvits_tensor *y = clvits_graph_keep(clvits_expand(tx, te, whole));
    clvits_tensor *z = clvits_graph_keep(clvits_expand(tx, te, part));
    harness_plan(&h);
    for (int first = 0; first + PART <= FRAMES; first++) {
        ck_assert_int_eq(clvits_run_set_first(h.run, part, 0, first, &h.report), 0);
        harness_go(&h);
        ck_assert_mem_eq(harness_output(&h, z), harness_output(&h, y) + first * C,
                         PART * C * sizeof(float));
    }
    harness_end(&h);
}
END_TEST

/* What is no ordinary duration; also that exact powers give exact frames. */
START_TEST(strange_durations)
{
    const float logw[] = { 0.0f, NAN, INFINITY, -INFINITY, 80.0f, 200.0f, -50.0f, -100.0f, -1e30f,
                           1e30f, 11.0903549f, 11.0f, 0.0f, -0.0f, 0.693147f, 0.6931473f };
    const float scale[] = { 1.0f, 0.0f, NAN, -1.0f, INFINITY };
    const int want[] = { 1, 0, MOST_FRAMES, 0, MOST_FRAMES, MOST_FRAMES, 1, 1, 0,
                         MOST_FRAMES, MOST_FRAMES, 59875, 1, 1, 2, 3 };
    enum { N = LENGTH(want) };
    float in[LENGTH(scale) * N];
    harness h;

    harness_begin(&h, LENGTH(scale));
    for (int b = 0; b < LENGTH(scale); b++)
        memcpy(in + b * N, logw, sizeof(logw));
    const int ids = clvits_graph_clock(h.graph, N), slot = clvits_graph_scalar(h.graph, 1);
    clvits_tensor *x = harness_input_of(&h, CLVITS_F32, ids, 1, in);
    clvits_tensor *d = clvits_graph_keep(clvits_durations(x, slot, NULL));
    harness_plan(&h);
    for (int b = 0; b < LENGTH(scale); b++)
        clvits_run_set_float(h.run, slot, b, scale[b]);
    harness_go(&h);
    const int *got = as_ints(harness_output(&h, d));
    for (int i = 0; i < N; i++) {
        ck_assert_msg(got[i] == want[i], "logw %g gives %d, not %d", (double)logw[i], got[i],
                      want[i]);
        for (int b = 1; b < 4; b++)
            ck_assert_int_eq(got[b * N + i], 0);
        ck_assert_int_eq(got[4 * N + i], want[i] ? MOST_FRAMES : 0);
    }
    harness_end(&h);
}
END_TEST

START_TEST(ends_are_held)
{
    enum { N = 16400 };
    harness h;
    clvits_tensor *ends;

    harness_begin(&h, 1);
    float *logw = harness_random(&h, N, 50.0f, 60.0f);
    const int ids = clvits_graph_clock(h.graph, N), slot = clvits_graph_scalar(h.graph, 1);
    clvits_durations(harness_input_of(&h, CLVITS_F32, ids, 1, logw), slot, &ends);
    clvits_graph_keep(ends);
    harness_plan(&h);
    clvits_run_set_float(h.run, slot, 0, 1.0f);
    harness_go(&h);
    const int *got = as_ints(harness_output(&h, ends));
    for (int t = 0; t < N; t++)
        ck_assert_int_eq(got[t], t + 1 < 16384 ? (t + 1) * MOST_FRAMES : MOST_END);
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    harness h;
    const float *x;
    clvits_tensor *ends;

    harness_begin(&h, 1);
    const int ids = clvits_graph_clock(h.graph, 9), other = clvits_graph_clock(h.graph, 9);
    const int slot = clvits_graph_scalar(h.graph, 1);
    clvits_tensor *logw = harness_input(&h, ids, 1, -1, 1, &x);
    switch (_i) {
    case 0:
        ck_assert_ptr_null(clvits_durations(harness_input(&h, ids, 2, -1, 1, &x), slot, NULL));
        break;
    case 1:
        ck_assert_ptr_null(clvits_durations(logw, slot + 1, NULL));
        break;
    case 2:
        clvits_durations(logw, slot, &ends);
        ck_assert_ptr_null(clvits_expand(harness_input(&h, other, 3, -1, 1, &x), ends, other));
        break;
    case 3:
        ck_assert_ptr_null(clvits_expand(logw, logw, other));
        break;
    default:
        clvits_durations(logw, slot, &ends);
        ck_assert_ptr_null(clvits_expand(logw, ends, 40));
    }
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("align");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, frames_and_rows, 0, getenv("CLVITS_TEST_TINY") ? 3 : LENGTH(cases));
    tcase_add_test(t, stretches);
    tcase_add_test(t, strange_durations);
    if (!getenv("CLVITS_TEST_TINY"))
        tcase_add_test(t, ends_are_held);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 5);
    suite_add_tcase(s, t);
    return harness_main(s);
}
