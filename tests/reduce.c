// SPDX-License-Identifier: MIT
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    int B, T, C;
    float lo, hi;
} cases[] = {
    { 2, 37, 5, -1, 2 },
    { 3, 19, 1, 0, 1 },
    { 1, 3, 7, -2, 1 },
    { 2, 700, 192, 0, 1 }, /* long enough for a plain sum to lose digits */
};

START_TEST(forward)
{
    const bool tiny = getenv("CLVITS_TEST_TINY");
    const int B = cases[_i].B, T = tiny && cases[_i].T > 40 ? 40 : cases[_i].T, C = cases[_i].C;
    const float *x;
    double want[4] = { 0 };
    harness h;

    harness_begin(&h, B);
    const int rows = clvits_graph_clock(h.graph, T);
    clvits_tensor *tx = harness_input(&h, rows, C + 2, cases[_i].lo, cases[_i].hi, &x);
    clvits_tensor *y = clvits_graph_keep(clvits_sum(clvits_graph_slice(tx, 1, C)));
    ck_assert_int_eq(y->T, 1);
    harness_plan(&h);
    for (int b = 0; b < B; b++)
        harness_length(&h, rows, b, b == 2 ? 0 : T - 6 * b);
    harness_go(&h);
    for (int b = 0; b < B; b++)
        for (int i = 0; i < (b == 2 ? 0 : T - 6 * b) * C; i++)
            want[b] += (double)x[(b * T + i / C) * (C + 2) + 1 + i % C];
    harness_close(&h, y, want, 1e-6);
    harness_end(&h);
}
END_TEST

/* An item's sum has the same bits alone and in a batch of longer ones. */
START_TEST(does_not_depend_on_the_batch)
{
    enum { T = 30, LONG = 45, C = 3 };
    float sums[2], both[2 * LONG * C];
    const float *x = NULL;

    for (int batch = 1; batch <= 2; batch++) {
        harness h;
        const int capacity = batch == 1 ? T : LONG;
        harness_begin(&h, batch);
        const int rows = clvits_graph_clock(h.graph, capacity);
        x = harness_random(&h, LONG * C, -1, 1);
        memcpy(both, x, sizeof(both) / 2);
        memcpy(both + LONG * C, x, sizeof(both) / 2);
        clvits_tensor *y = clvits_graph_keep(
            clvits_sum(harness_input_of(&h, CLVITS_F32, rows, C, both)));
        harness_plan(&h);
        harness_length(&h, rows, batch - 1, T);
        harness_go(&h);
        sums[batch - 1] = harness_output(&h, y)[batch - 1];
        harness_end(&h);
    }
    ck_assert_mem_eq(&sums[0], &sums[1], sizeof(float));
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    const float *x;
    harness h;

    harness_begin(&h, 1);
    ck_assert_ptr_null(clvits_sum(harness_weight(&h, 1, (int64_t[]){ 4 }, -1, 1, &x)));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reduce");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_test(t, does_not_depend_on_the_batch);
    tcase_add_test(t, refuses_what_does_not_fit);
    suite_add_tcase(s, t);
    return harness_main(s);
}
