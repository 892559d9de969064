// SPDX-License-Identifier: MIT
#include "harness.h"

#include <stdlib.h>

static const struct {
    int B, T, Ca, Cb;
} shapes[] = { { 2, 17, 7, 5 }, { 1, 40, 96, 96 }, { 3, 11, 1, 1 }, { 2, 9, 16, 3 } };

enum { COPY, CONCAT, FLIP };

/* Of channels 2 .. 2 + Ca of a wider tensor, and a second tensor. */
START_TEST(forward)
{
    const int B = shapes[_i / 3].B, T = shapes[_i / 3].T;
    const int Ca = shapes[_i / 3].Ca, Cb = shapes[_i / 3].Cb, what = _i % 3, wide = Ca + 5;
    const int C = what == CONCAT ? Ca + Cb : Ca;
    const float *a, *b;
    harness h;

    harness_begin(&h, B);
    const int rows = clvits_graph_clock(h.graph, T);
    clvits_tensor *ta = clvits_graph_slice(harness_input(&h, rows, wide, -1, 1, &a), 2, Ca);
    clvits_tensor *tb = harness_input(&h, rows, Cb, -1, 1, &b);
    clvits_tensor *y = clvits_graph_keep(what == COPY     ? clvits_copy(ta)
                                         : what == CONCAT ? clvits_concat(ta, tb)
                                                          : clvits_flip(ta));
    harness_plan(&h);
    for (int i = 0; i < B; i++)
        harness_length(&h, rows, i, T - 4 * i);
    harness_go(&h);

    double *want = malloc((size_t)(B * T * C) * sizeof(*want));
    for (int i = 0; i < B * T; i++)
        for (int c = 0; c < C; c++) {
            const int from = what == FLIP ? C - 1 - c : c;
            want[i * C + c] = (double)(c < Ca ? a[i * wide + 2 + from] : b[i * Cb + c - Ca]);
        }
    harness_close(&h, y, want, 0.0);
    free(want);
    harness_end(&h);
}
END_TEST

/* Small integers have the bits of denormal numbers, which a device may flush. */
START_TEST(integers_pass)
{
    const int values[] = { 1, 2, 3, 4, 5, -1, 0, 1 << 30, 8388607, 9 };
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *x =
        harness_input_of(&h, CLVITS_I32, clvits_graph_clock(h.graph, LENGTH(values)), 1, values);
    clvits_tensor *y = clvits_graph_keep(clvits_copy(x));
    ck_assert_int_eq(y->type, CLVITS_I32);
    harness_plan(&h);
    harness_go(&h);
    int got[LENGTH(values)];
    ck_assert_int_eq(clvits_run_read(h.run, y, 0, 0, LENGTH(values), got, &h.report), CLVITS_OK);
    ck_assert_mem_eq(got, values, sizeof(values));
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    const int ints[9] = { 0 };
    const float *x;
    harness h;

    harness_begin(&h, 1);
    const int rows = clvits_graph_clock(h.graph, 9);
    clvits_tensor *a = harness_input(&h, rows, 4, -1, 1, &x);
    clvits_tensor *shorter = harness_input(&h, clvits_graph_clock(h.graph, 8), 4, -1, 1, &x);
    clvits_tensor *i32 = harness_input_of(&h, CLVITS_I32, rows, 1, ints);
    clvits_tensor *weight = harness_weight(&h, 1, (int64_t[]){ 4 }, -1, 1, &x);
    ck_assert_ptr_null(_i == 0   ? clvits_concat(a, shorter)
                       : _i == 1 ? clvits_concat(a, i32)
                       : _i == 2 ? clvits_copy(weight)
                       : _i == 3 ? clvits_flip(weight)
                                 : clvits_concat(a, weight));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("move");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, 3 * LENGTH(shapes));
    tcase_add_test(t, integers_pass);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 5);
    suite_add_tcase(s, t);
    return harness_main(s);
}
