// SPDX-License-Identifier: MIT
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct conv_case {
    const char *name;
    int B, I, O, T, K, S, pad;
    float pre;
    int act;
    bool bias, only_act, large, halves;
} conv_case;

static const conv_case cases[] = {
    { "k16s8p4", 1, 12, 20, 11, 16, 8, 4, .bias = true },
    { "k8s4p2", 2, 10, 7, 19, 8, 4, 2, .bias = true },
    { "k4s2p1", 2, 5, 33, 27, 4, 2, 1 },
    { "k7s3p2, ragged taps", 3, 6, 9, 17, 7, 3, 2, .bias = true },
    { "k5s2p0", 1, 4, 3, 23, 5, 2, 0, .bias = true },
    { "taps fewer than the stride", 1, 4, 6, 9, 2, 3, 0, .bias = true },
    { "stride one", 1, 7, 5, 21, 3, 1, 1, .bias = true },
    { "one row", 1, 8, 16, 1, 16, 8, 4, .bias = true },
    { "one channel out", 1, 24, 1, 14, 4, 2, 1, .bias = true },
    { "both outputs", 2, 16, 24, 31, 8, 4, 2, 0.1f, CLVITS_ACT_LEAKY_RELU, .bias = true },
    { "activated only", 1, 9, 40, 15, 4, 2, 1, 0, CLVITS_ACT_LEAKY_RELU, .only_act = true },
    { "wide", 1, 128, 80, 90, 16, 8, 4, 0, CLVITS_ACT_LEAKY_RELU, .bias = true, .large = true },
    { "halves", 2, 16, 24, 31, 8, 4, 2, 0.1f, CLVITS_ACT_LEAKY_RELU, .bias = true,
      .halves = true },
    { "two taps of a phase", 2, 40, 35, 33, 8, 4, 2, 0.1f, CLVITS_ACT_LEAKY_RELU, .bias = true },
    { "three taps of a phase", 1, 33, 32, 29, 11, 4, 3, .bias = true },
    { "four taps of a phase", 1, 32, 67, 26, 8, 2, 3 },
};

static double leaky(double v, double slope)
{
    return v >= 0 ? v : v * slope;
}

/* The formula, scattered as it is usually written, in double; want is [B][U][O]. */
static void truth(const conv_case *c, int U, const float *x, const int *len, const float *w,
                  const float *bias, double *want)
{
    for (int64_t i = 0; i < (int64_t)c->B * U * c->O; i++)
        want[i] = c->bias ? (double)bias[i % c->O] : 0.0;
    for (int b = 0; b < c->B; b++)
        for (int t = 0; t < len[b]; t++)
            for (int k = 0; k < c->K; k++) {
                const int u = t * c->S + k - c->pad;
                for (int i = 0; i < c->I && u >= 0 && u < U; i++)
                    for (int o = 0; o < c->O; o++)
                        want[((int64_t)b * U + u) * c->O + o] +=
                            (double)w[((int64_t)i * c->O + o) * c->K + k] *
                            leaky((double)x[((int64_t)b * c->T + t) * c->I + i],
                                  c->pre != 0.0f ? (double)c->pre : 1.0);
            }
}

static void run_case(const conv_case *c, const char *rows)
{
    harness h;
    const float *x, *w, *bias = NULL;
    clvits_tensor *act = NULL, *tb = NULL;
    const clvits_conv_transpose1d_params p = { .stride = c->S, .pad = c->pad, .pre_slope = c->pre,
                                               .act = c->act, .act_slope = 0.2f,
                                               .only_act = c->only_act };
    int len[4];

    harness_begin(&h, c->B);
    const int clock = clvits_graph_clock(h.graph, c->T);
    clvits_tensor *tx = harness_input_like(&h, c->halves, clock, c->I, &x);
    clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ c->I, c->O, c->K }, -1, 1, &w);
    if (c->halves) {
        harness_round(w, (int64_t)c->I * c->O * c->K);
        clvits_graph_halves(h.graph, CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS);
    }
    if (c->bias)
        tb = harness_weight(&h, 1, (int64_t[]){ c->O }, -1, 1, &bias);
    clvits_tensor *y = clvits_graph_keep(clvits_conv_transpose1d(tx, tw, tb, &p, &act));
    clvits_graph_keep(act);
    if (rows)
        harness_tune(&h, rows);
    harness_plan(&h);
    for (int b = 0; b < c->B; b++) {
        len[b] = c->T - 5 * b;
        harness_length(&h, clock, b, len[b]);
        ck_assert_int_eq(clvits_run_length(h.run, y->clock, b),
                         (len[b] - 1) * c->S - 2 * c->pad + c->K);
    }
    harness_go(&h);

    const double tolerance = 1e-5 + (c->halves ? HARNESS_HALF : 0.0);
    double *want = malloc((size_t)clvits_tensor_count(y) * sizeof(*want));
    truth(c, y->T, x, len, w, bias, want);
    if (!c->only_act)
        harness_close(&h, y, want, tolerance);
    if (!c->only_act && !c->halves)
        harness_noise(&h, y, want);
    for (int64_t i = 0; i < clvits_tensor_count(y); i++)
        want[i] = leaky(want[i], (double)0.2f);
    if (act)
        harness_close(&h, act, want, tolerance);
    harness_ask_some(&h, y);
    free(want);
    harness_end(&h);
}

START_TEST(forward)
{
    if ((!cases[_i].large || !getenv("CLVITS_TEST_TINY")) && !harness_left_out(_i))
        run_case(&cases[_i], NULL);
}
END_TEST

/* For devices that would not choose it, and shapes that it is not chosen for. */
static const char transformed[] = "* | * | conv1d | * | layout=5\n";

START_TEST(forward_transformed)
{
    const conv_case *c = &cases[_i];

    if (harness_left_out(_i))
        return;
    if (c->K > c->S && c->I >= 32 && c->O > 16 && !(c->large && getenv("CLVITS_TEST_TINY")))
        run_case(c, transformed);
}
END_TEST

/* A stretch of a whole has its bits wherever it begins, beyond the rows that reach it. */
START_TEST(stretch_equals_whole)
{
    enum { T = 70, MOST = 40, I = 40, O = 35, S = 4 };
    const int K = (_i + 2) * S - 1, pad = S / 2;
    const clvits_conv_transpose1d_params p = { .stride = S, .pad = pad };
    float whole[(T + 4) * S * O];
    int before, after;

    if (getenv("CLVITS_TEST_TINY"))
        return;
    clvits_conv_transpose1d_reach(K, S, &before, &after);
    for (int from = -1; from < 12; from += from < 0 ? 1 : 5) {
        const int rows = from < 0 ? T : MOST;
        const float *w;
        harness h;
        harness_begin(&h, 1);
        clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ I, O, K }, -1, 1, &w);
        const float *x = harness_random(&h, T * I, -1, 1);
        const int clock = clvits_graph_clock(h.graph, rows);
        clvits_tensor *tx =
            harness_input_of(&h, CLVITS_F32, clock, I, x + (from < 0 ? 0 : from * I));
        clvits_tensor *y = clvits_graph_keep(clvits_conv_transpose1d(tx, tw, NULL, &p, NULL));
        harness_tune(&h, transformed);
        harness_plan(&h);
        harness_length(&h, clock, 0, rows);
        if (from >= 0)
            ck_assert_int_eq(clvits_run_set_first(h.run, clock, 0, from, &h.report), 0);
        harness_go(&h);
        const float *got = harness_output(&h, y);
        const int begin = from <= 0 ? 0 : (before + 1) * S, end = (rows - after) * S - pad;
        if (from < 0)
            memcpy(whole, got, (size_t)y->T * O * sizeof(float));
        else
            ck_assert_mem_eq(got + begin * O, whole + (from * S + begin) * O,
                             (size_t)(end - begin) * O * sizeof(float));
        ck_assert_int_lt(begin + 10, end);
        harness_end(&h);
    }
}
END_TEST

static const struct {
    const char *name;
    int stride, pad;
} golden_cases[] = {
    { "k16s8p4", 8, 4 }, { "k8s4p2", 4, 2 },   { "k4s2p1", 2, 1 },
    { "k7s3p2", 3, 2 },  { "k11s5p3", 5, 3 },
};

START_TEST(as_in_pytorch)
{
    harness h;
    char name[128];
    golden g[4];

    snprintf(name, sizeof(name), "conv_transpose1d_%s_x", golden_cases[_i].name);
    harness_begin(&h, 1);
    g[0] = golden_rows(&h, name);
    harness_end(&h);

    harness_begin(&h, g[0].B);
    const char *const tensors[] = { "x", "w", "b", "y" };
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "conv_transpose1d_%s_%s", golden_cases[_i].name, tensors[i]);
        g[i] = i == 0 || i == 3 ? golden_rows(&h, name) : golden_read(&h, name);
    }
    clvits_tensor *x = harness_input_of(&h, CLVITS_F32, clvits_graph_clock(h.graph, g[0].T),
                                        g[0].C, g[0].floats);
    const clvits_conv_transpose1d_params p = { .stride = golden_cases[_i].stride,
                                               .pad = golden_cases[_i].pad };
    clvits_tensor *y = clvits_graph_keep(clvits_conv_transpose1d(
        x, clvits_graph_weight(h.graph, g[1].floats, 3, g[1].shape),
        clvits_graph_weight(h.graph, g[2].floats, 1, g[2].shape), &p, NULL));
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(y->T, g[3].T);
    ck_assert_int_eq(y->C, g[3].C);
    harness_plan(&h);
    harness_go(&h);
    harness_close(&h, y, g[3].data, 1e-5);
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    harness h;
    const float *x, *w;

    harness_begin(&h, 1);
    clvits_tensor *tx = harness_input(&h, clvits_graph_clock(h.graph, 9), 4, -1, 1, &x);
    clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ 5, 4, 3 }, -1, 1, &w);
    ck_assert_ptr_null(clvits_conv_transpose1d(
        tx, tw, NULL, &(clvits_conv_transpose1d_params){ .stride = 2 }, NULL));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

START_TEST(refuses_a_stride_of_zero)
{
    harness h;
    const float *x, *w;

    harness_begin(&h, 1);
    clvits_tensor *tx = harness_input(&h, clvits_graph_clock(h.graph, 9), 4, -1, 1, &x);
    clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ 4, 5, 3 }, -1, 1, &w);
    ck_assert_ptr_null(
        clvits_conv_transpose1d(tx, tw, NULL, &(clvits_conv_transpose1d_params){ 0 }, NULL));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conv_transpose1d");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_loop_test(t, forward_transformed, 0, LENGTH(cases));
    tcase_add_loop_test(t, stretch_equals_whole, 0, 3);
    tcase_add_loop_test(t, as_in_pytorch, 0, LENGTH(golden_cases));
    tcase_add_test(t, refuses_what_does_not_fit);
    tcase_add_test(t, refuses_a_stride_of_zero);
    suite_add_tcase(s, t);
    return harness_main(s);
}
