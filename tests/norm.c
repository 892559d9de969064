// SPDX-License-Identifier: MIT
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct norm_case {
    const char *name;
    int B, T, C;
    bool residual, gelu;
    float lo, hi, eps;
} norm_case;

static const norm_case cases[] = {
    { "odd sizes", 2, 13, 7, false, false, -1, 1, 1e-5f },
    { "vectors", 2, 37, 192, true, false, -3, 3, 1e-5f },
    { "gelu", 3, 21, 96, false, true, -3, 3, 1e-4f },
    { "both", 1, 9, 50, true, true, -1, 1, 0.0f },
    { "one channel", 1, 4, 1, false, false, -1, 1, 1e-5f },
    { "many channels", 1, 3, 1030, true, false, -1, 1, 1e-5f },
};

static double gelu(double x)
{
    return 0.5 * x * erfc(-x * sqrt(0.5));
}

/* One row of C channels, in double. */
static void truth(int C, const float *x, const float *residual, const float *gamma,
                  const float *beta, double eps, bool with_gelu, double *y)
{
    double mean = 0, var = 0;

    for (int c = 0; c < C; c++) {
        y[c] = (double)x[c] + (residual ? (double)residual[c] : 0.0);
        mean += y[c] / C;
    }
    for (int c = 0; c < C; c++)
        var += (y[c] - mean) * (y[c] - mean) / C;
    for (int c = 0; c < C; c++) {
        y[c] = (y[c] - mean) / sqrt(var + eps) * (double)gamma[c] + (double)beta[c];
        y[c] = with_gelu ? gelu(y[c]) : y[c];
    }
}

START_TEST(forward)
{
    const norm_case *c = &cases[_i];
    const clvits_layer_norm_params p = { .eps = c->eps, .gelu = c->gelu };
    const float *x, *residual = NULL, *gamma, *beta;
    clvits_tensor *tr = NULL;
    harness h;

    harness_begin(&h, c->B);
    const int rows = clvits_graph_clock(h.graph, c->T);
    clvits_tensor *tx = harness_input(&h, rows, c->C, c->lo, c->hi, &x);
    if (c->residual)
        tr = harness_input(&h, rows, c->C, c->lo, c->hi, &residual);
    clvits_tensor *tg = harness_weight(&h, 1, (int64_t[]){ c->C }, -2, 2, &gamma);
    clvits_tensor *tb = harness_weight(&h, 1, (int64_t[]){ c->C }, -1, 1, &beta);
    clvits_tensor *y = clvits_graph_keep(clvits_layer_norm(tx, tr, tg, tb, &p));
    harness_plan(&h);
    for (int b = 0; b < c->B; b++)
        harness_length(&h, rows, b, b == 2 ? 0 : c->T - 4 * b);
    harness_go(&h);

    double *want = malloc((size_t)clvits_tensor_count(y) * sizeof(*want));
    for (int i = 0; i < c->B * c->T; i++)
        truth(c->C, x + i * c->C, residual ? residual + i * c->C : NULL, gamma, beta,
              c->eps != 0.0f ? (double)c->eps : 1e-5, c->gelu, want + i * c->C);
    harness_close(&h, y, want, 1e-5);
    free(want);
    harness_end(&h);
}
END_TEST

START_TEST(like_pytorch)
{
    static const char *const names[] = { "odd", "offset", "step" };
    char x[64], gamma[64], beta[64], y[64];
    harness h;

    snprintf(x, sizeof(x), "layer_norm_%s_x", names[_i]);
    snprintf(gamma, sizeof(gamma), "layer_norm_%s_gamma", names[_i]);
    snprintf(beta, sizeof(beta), "layer_norm_%s_beta", names[_i]);
    snprintf(y, sizeof(y), "layer_norm_%s_y", names[_i]);
    harness_begin(&h, _i == 0 ? 2 : _i == 1 ? 1 : 3);
    const golden gx = golden_rows(&h, x), gg = golden_read(&h, gamma), gb = golden_read(&h, beta);
    const golden gy = golden_rows(&h, y);
    const int rows = clvits_graph_clock(h.graph, gx.T);
    clvits_tensor *t = clvits_graph_keep(clvits_layer_norm(
        harness_input_of(&h, CLVITS_F32, rows, gx.C, gx.floats), NULL,
        clvits_graph_weight(h.graph, gg.floats, gg.rank, gg.shape),
        clvits_graph_weight(h.graph, gb.floats, gb.rank, gb.shape),
        &(clvits_layer_norm_params){ .eps = 1e-5f }));
    ck_assert_int_eq(h.graph->batch, gx.B);
    harness_plan(&h);
    harness_go(&h);
    harness_close(&h, t, gy.data, 1e-5);
    harness_end(&h);
}
END_TEST

/* Channels of a wider tensor, and a residual from elsewhere in it. */
START_TEST(of_slices)
{
    enum { T = 11, C = 20, WIDE = 50 };
    const float *x, *gamma, *beta;
    harness h;

    harness_begin(&h, 1);
    const int rows = clvits_graph_clock(h.graph, T);
    clvits_tensor *tx = harness_input(&h, rows, WIDE, -1, 1, &x);
    clvits_tensor *tg = harness_weight(&h, 1, (int64_t[]){ C }, -2, 2, &gamma);
    clvits_tensor *tb = harness_weight(&h, 1, (int64_t[]){ C }, -1, 1, &beta);
    clvits_tensor *y = clvits_graph_keep(clvits_layer_norm(
        clvits_graph_slice(tx, 3, C), clvits_graph_slice(tx, 30, C), tg, tb,
        &(clvits_layer_norm_params){ 0 }));
    harness_plan(&h);
    harness_go(&h);
    double want[T * C];
    for (int t = 0; t < T; t++)
        truth(C, x + t * WIDE + 3, x + t * WIDE + 30, gamma, beta, 1e-5, false, want + t * C);
    harness_close(&h, y, want, 1e-5);
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    harness h;
    const float *x;

    harness_begin(&h, 1);
    const int rows = clvits_graph_clock(h.graph, 9);
    clvits_tensor *tx = harness_input(&h, rows, 4, -1, 1, &x);
    clvits_tensor *wide = harness_input(&h, rows, 5, -1, 1, &x);
    clvits_tensor *four = harness_weight(&h, 1, (int64_t[]){ 4 }, -1, 1, &x);
    clvits_tensor *five = harness_weight(&h, 1, (int64_t[]){ 5 }, -1, 1, &x);
    const clvits_layer_norm_params p = { 0 };
    ck_assert_ptr_null(_i == 0 ? clvits_layer_norm(tx, NULL, five, four, &p)
                       : _i == 1 ? clvits_layer_norm(tx, NULL, four, five, &p)
                                 : clvits_layer_norm(tx, wide, four, four, &p));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("norm");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_loop_test(t, like_pytorch, 0, 3);
    tcase_add_test(t, of_slices);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 3);
    suite_add_tcase(s, t);
    return harness_main(s);
}
