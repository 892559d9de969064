// SPDX-License-Identifier: MIT
#include "harness.h"

#include <stdlib.h>

typedef struct embedding_case {
    const char *name;
    int B, T, V, C;
    float scale;
} embedding_case;

static const embedding_case cases[] = {
    { "odd sizes", 2, 37, 11, 7, 2.5f },
    { "vectors", 3, 20, 178, 96, 9.797959f },
    { "one channel", 1, 5, 3, 1, 0.0f },
};

static void run_case(const embedding_case *c, const int *ids)
{
    harness h;
    const float *table;

    harness_begin(&h, c->B);
    const int rows = clvits_graph_clock(h.graph, c->T);
    clvits_tensor *tt = harness_weight(&h, 2, (int64_t[]){ c->V, c->C }, -1, 1, &table);
    clvits_tensor *y = clvits_graph_keep(
        clvits_embedding(harness_input_of(&h, CLVITS_I32, rows, 1, ids), tt, c->scale));
    harness_plan(&h);
    for (int b = 0; b < c->B; b++)
        harness_length(&h, rows, b, c->T - 2 * b);
    harness_go(&h);

    double *want = calloc((size_t)clvits_tensor_count(y), sizeof(*want));
    for (int i = 0; i < c->B * c->T; i++)
        for (int k = 0; k < c->C; k++) {
            const int row = ids[i] < 0 ? 0 : ids[i] >= c->V ? c->V - 1 : ids[i];
            want[i * c->C + k] = (double)table[row * c->C + k] *
                                 (c->scale != 0.0f ? (double)c->scale : 1.0);
        }
    harness_close(&h, y, want, 1e-6);
    free(want);
    harness_end(&h);
}

START_TEST(forward)
{
    const embedding_case *c = &cases[_i];
    int *ids = malloc((size_t)(c->B * c->T) * sizeof(*ids));

    for (int i = 0; i < c->B * c->T; i++)
        ids[i] = i * 7 % c->V;
    run_case(c, ids);
    free(ids);
}
END_TEST

START_TEST(stays_inside_the_table)
{
    const int ids[] = { 0, -1, 4, 5, 1 << 30, INT32_MIN, INT32_MAX };
    run_case(&(embedding_case){ "out of range", 1, LENGTH(ids), 5, 9, 1.0f }, ids);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    harness h;
    const float *x, *w;
    const int ids[9] = { 0 };

    harness_begin(&h, 1);
    const int rows = clvits_graph_clock(h.graph, 9);
    clvits_tensor *table = harness_weight(&h, 2, (int64_t[]){ 4, 5 }, -1, 1, &w);
    clvits_tensor *floats = harness_input(&h, rows, 1, -1, 1, &x);
    clvits_tensor *ints = harness_input_of(&h, CLVITS_I32, rows, 1, ids);
    if (_i == 0)
        ck_assert_ptr_null(clvits_embedding(floats, table, 1.0f));
    if (_i == 1)
        ck_assert_ptr_null(clvits_embedding(ints, floats, 1.0f));
    if (_i == 2)
        ck_assert_ptr_null(clvits_embedding(ints, NULL, 1.0f));
    if (_i == 3)
        ck_assert_ptr_null(clvits_embedding(
            harness_input_of(&h, CLVITS_I32, rows, 2, ids), table, 1.0f));
    if (_i != 2)
        ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("embedding");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_test(t, stays_inside_the_table);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 4);
    suite_add_tcase(s, t);
    return harness_main(s);
}
