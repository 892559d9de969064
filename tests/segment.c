// SPDX-License-Identifier: MIT
#include "harness.h"

#include <string.h>

static const struct {
    int B, T, C, rows, step;
    int start[3], length[3];
} slices[] = {
    { 3, 20, 5, 8, 1, { 0, 5, 12 }, { 20, 13, 20 } },
    { 2, 90, 1, 30, 10, { 6, 0 }, { 90, 20 } },          /* samples; an item that is shorter */
    { 3, 17, 12, 4, 1, { 15, 40, -3 }, { 17, 17, 17 } }, /* beyond either end */
};

START_TEST(slices_rows)
{
    const int B = slices[_i].B, T = slices[_i].T, C = slices[_i].C, n = slices[_i].rows;
    double want[256] = { 0 };
    const float *x;
    harness h;

    harness_begin(&h, B);
    const int clock = clvits_graph_clock(h.graph, T), segment = clvits_graph_clock(h.graph, n);
    const int slot = clvits_graph_scalar(h.graph, 1);
    clvits_tensor *tx = harness_input(&h, clock, C + 1, -1, 1, &x);
    clvits_tensor *y = clvits_graph_keep(clvits_slice_rows(clvits_graph_slice(tx, 1, C), segment,
                                                           slot, slices[_i].step));
    harness_plan(&h);
    for (int b = 0; b < B; b++) {
        harness_length(&h, clock, b, slices[_i].length[b]);
        harness_length(&h, segment, b, n - b);
        clvits_run_set_int(h.run, slot, b, slices[_i].start[b]);
    }
    harness_go(&h);
    for (int b = 0; b < B; b++)
        for (int i = 0; i < (n - b) * C; i++) {
            const int t = slices[_i].start[b] * slices[_i].step + i / C;
            if (t >= 0 && t < slices[_i].length[b])
                want[b * n * C + i] = (double)x[(b * T + t) * (C + 1) + 1 + i % C];
        }
    harness_close(&h, y, want, 0.0);
    harness_end(&h);
}
END_TEST

static const int periods[] = { 1, 2, 3, 5, 7, 11 };

START_TEST(folds)
{
    enum { B = 4, T = 29, C = 3 };
    static const int lengths[B] = { T, 22, 1, 0 };
    const int p = periods[_i];
    double want[B * (T + 11) * C] = { 0 };
    const float *x;
    harness h;

    harness_begin(&h, B);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *tx = harness_input(&h, clock, C, -1, 1, &x);
    clvits_tensor *y = clvits_graph_keep(clvits_fold(tx, p));
    ck_assert_int_eq(y->T, (T + p - 1) / p * p);
    harness_plan(&h);
    for (int b = 0; b < B; b++)
        harness_length(&h, clock, b, lengths[b]);
    harness_go(&h);
    for (int b = 0; b < B; b++) {
        const int len = lengths[b];
        for (int t = 0; t < (len + p - 1) / p * p; t++) {
            const int mirrored = t < len ? t : 2 * (len - 1) - t;
            for (int c = 0; c < C; c++)
                want[(b * y->T + t) * C + c] =
                    (double)x[(b * T + (mirrored > 0 ? mirrored : 0)) * C + c];
        }
    }
    harness_close(&h, y, want, 0.0);
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    const float *x;
    harness h;

    harness_begin(&h, 1);
    const int clock = clvits_graph_clock(h.graph, 9);
    if (_i == 0)
        ck_assert_ptr_null(clvits_fold(harness_input(&h, clock, 3, -1, 1, &x), 0));
    else
        ck_assert_ptr_null(clvits_slice_rows(harness_input(&h, clock, 3, -1, 1, &x), clock, 3, 1));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

/* Every place is about as likely as another, and the last one is reached. */
START_TEST(chooses_starts)
{
    enum { LENGTH_OF_ALL = 40, SEGMENT = 32, PLACES = 9, DRAWS = 9000 };
    int found[PLACES] = { 0 };

    for (int i = 0; i < DRAWS; i++) {
        const int start = clvits_segment_start(77, i, LENGTH_OF_ALL, SEGMENT);
        ck_assert_int_ge(start, 0);
        ck_assert_int_lt(start, PLACES);
        found[start]++;
    }
    for (int i = 0; i < PLACES; i++) {
        ck_assert_int_gt(found[i], 850);
        ck_assert_int_lt(found[i], 1150);
    }
    ck_assert_int_eq(clvits_segment_start(1, 0, 31, 32), 0);
    ck_assert_int_eq(clvits_segment_start(1, 0, 32, 32), 0);
    ck_assert_int_eq(clvits_segment_start(5, 3, 4000, 32), clvits_segment_start(5, 3, 4000, 32));
    ck_assert_int_ne(clvits_segment_start(5, 3, 4000, 32), clvits_segment_start(6, 3, 4000, 32));
    ck_assert_int_ne(clvits_segment_start(5, 3, 4000, 32), clvits_segment_start(5, 4, 4000, 32));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("segment");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, slices_rows, 0, LENGTH(slices));
    tcase_add_loop_test(t, folds, 0, LENGTH(periods));
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 2);
    tcase_add_test(t, chooses_starts);
    suite_add_tcase(s, t);
    return harness_main(s);
}
