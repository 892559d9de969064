// SPDX-License-Identifier: MIT
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct separable_case {
    const char *name;
    int B, T, C, K, D;
    float eps;
    bool large;
} separable_case;

static const separable_case cases[] = {
    { "odd sizes", 2, 29, 7, 3, 1, 0.0f },
    { "one row", 1, 1, 33, 3, 9, 1e-5f },
    { "three vectors, wide gaps", 2, 40, 96, 3, 9, 1e-5f, true },
    { "many taps", 1, 17, 50, 7, 2, 1e-4f },
    { "the model's", 2, 37, 192, 3, 3, 1e-5f, true },
    { "most channels", 1, 14, SEPARABLE_MAX_CHANNELS, 3, 1, 1e-5f, true },
};

static double gelu(double x)
{
    return 0.5 * x * erfc(-x * sqrt(0.5));
}

static void normalise(int C, double *v, const float *gamma, const float *beta, double eps)
{
    double mean = 0, var = 0;

    for (int c = 0; c < C; c++)
        mean += v[c] / C;
    for (int c = 0; c < C; c++)
        var += (v[c] - mean) * (v[c] - mean) / C;
    for (int c = 0; c < C; c++)
        v[c] = gelu((v[c] - mean) / sqrt(var + eps) * (double)gamma[c] + (double)beta[c]);
}

/* One item of len valid rows. */
static void truth(const separable_case *c, int len, const float *x, const float *depthwise,
                  const float *w, const float *rows, double *y)
{
    const int C = c->C;
    double *from = malloc((size_t)C * 2 * sizeof(*from)), *to = from + C;
    const double eps = c->eps != 0.0f ? (double)c->eps : 1e-5;

    for (int t = 0; t < len; t++) {
        for (int i = 0; i < C; i++) {
            from[i] = (double)rows[i];
            for (int k = 0; k < c->K; k++) {
                const int row = t + (k - c->K / 2) * c->D;
                if (row >= 0 && row < len)
                    from[i] += (double)depthwise[i * c->K + k] * (double)x[row * C + i];
            }
        }
        normalise(C, from, rows + C, rows + 2 * C, eps);
        for (int o = 0; o < C; o++) {
            to[o] = (double)rows[3 * C + o];
            for (int i = 0; i < C; i++)
                to[o] += (double)w[o * C + i] * from[i];
        }
        normalise(C, to, rows + 4 * C, rows + 5 * C, eps);
        for (int i = 0; i < C; i++)
            y[t * C + i] = (double)x[t * C + i] + to[i];
    }
    free(from);
}

START_TEST(forward)
{
    const separable_case *c = &cases[_i];
    const clvits_separable_params p = { .dilation = c->D, .eps = c->eps };
    const float *x, *depthwise, *w, *rows;
    harness h;

    if (c->large && getenv("CLVITS_TEST_TINY"))
        return;
    harness_begin(&h, c->B);
    const int clock = clvits_graph_clock(h.graph, c->T), C = c->C;
    clvits_tensor *tx = harness_input(&h, clock, C, -1, 1, &x);
    clvits_tensor *td = harness_weight(&h, 3, (int64_t[]){ C, 1, c->K }, -1, 1, &depthwise);
    clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ C, C, 1 }, -0.3f, 0.3f, &w);
    clvits_tensor *tr = harness_weight(&h, 2, (int64_t[]){ 6, C }, -1, 1, &rows);
    clvits_tensor *y = clvits_graph_keep(clvits_separable(tx, td, tw, tr, &p));
    harness_plan(&h);
    double *want = calloc((size_t)clvits_tensor_count(y), sizeof(*want));
    for (int b = 0; b < c->B; b++) {
        const int len = c->T - 11 * b;
        harness_length(&h, clock, b, len);
        truth(c, len, x + b * c->T * C, depthwise, w, rows, want + b * c->T * C);
    }
    harness_go(&h);
    harness_close(&h, y, want, 1e-5);
    free(want);
    harness_end(&h);
}
END_TEST

/* Each item of a ragged batch, read from a range of channels, has the bits of a run alone. */
START_TEST(batch_equals_single_runs)
{
    enum { T = 31, C = 20 };
    static const int lengths[] = { T, 5, 18 };
    const clvits_separable_params p = { .dilation = 3 };
    float got[3][T * C];
    harness h;

    for (int run = 0; run < 4; run++) {
        const int batch = run == 0 ? 3 : 1, item = run == 0 ? 0 : run - 1;
        const float *values;
        harness_begin(&h, batch);
        const int clock = clvits_graph_clock(h.graph, run == 0 ? T : lengths[item]);
        clvits_tensor *td = harness_weight(&h, 3, (int64_t[]){ C, 1, 3 }, -1, 1, &values);
        clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ C, C, 1 }, -1, 1, &values);
        clvits_tensor *tr = harness_weight(&h, 1, (int64_t[]){ 6 * C }, -1, 1, &values);
        const float *all = harness_random(&h, 3 * T * 2 * C, -1, 1);
        clvits_tensor *x =
            harness_input_of(&h, CLVITS_F32, clock, 2 * C, all + item * T * 2 * C);
        clvits_tensor *y = clvits_graph_keep(
            clvits_separable(clvits_graph_slice(x, C, C), td, tw, tr, &p));
        harness_plan(&h);
        for (int b = 0; b < batch; b++)
            harness_length(&h, clock, b, run == 0 ? lengths[b] : lengths[item]);
        harness_go(&h);
        const float *out = harness_output(&h, y);
        if (run == 0)
            memcpy(got, out, sizeof(got));
        else
            ck_assert_mem_eq(got[item], out, (size_t)lengths[item] * C * sizeof(float));
        harness_end(&h);
    }
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    const int C = _i == 0 ? SEPARABLE_MAX_CHANNELS + 1 : 6;
    const int64_t depthwise[] = { C, 1, _i == 1 ? 4 : 3 }, w[] = { C, _i == 2 ? C - 1 : C, 1 };
    const int64_t rows[] = { (_i == 3 ? 5 : 6) * C };
    const float *values;
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *x = harness_input(&h, clvits_graph_clock(h.graph, 9), C, -1, 1, &values);
    ck_assert_ptr_null(clvits_separable(x, harness_weight(&h, 3, depthwise, -1, 1, &values),
                                        harness_weight(&h, 3, w, -1, 1, &values),
                                        harness_weight(&h, 1, rows, -1, 1, &values),
                                        &(clvits_separable_params){ 0 }));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("separable");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_test(t, batch_equals_single_runs);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 4);
    suite_add_tcase(s, t);
    return harness_main(s);
}
