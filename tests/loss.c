// SPDX-License-Identifier: MIT
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct loss_case {
    clvits_loss_kind kind;
    bool alone; /* compared with the target */
    float target;
    int B, T, C;
} cases[] = {
    { CLVITS_LOSS_SUM, false, 0, 2, 37, 5 },
    { CLVITS_LOSS_ABSOLUTE, false, 0, 3, 61, 3 },
    { CLVITS_LOSS_ABSOLUTE, true, 0.25f, 2, 23, 1 },
    { CLVITS_LOSS_SQUARE, false, 0, 2, 19, 70 },
    { CLVITS_LOSS_SQUARE, true, 1, 3, 700, 1 },
    { CLVITS_LOSS_KL, false, 0, 3, 41, 12 },
    { CLVITS_LOSS_KL, false, 0, 1, 5300, 192 }, /* a million */
    { CLVITS_LOSS_ABSOLUTE, false, 0, 1, 5300, 192 },
};

static double term(const struct loss_case *k, double x, double p, double q, double r)
{
    const double away = x - (k->alone ? (double)k->target : p);

    switch (k->kind) {
    case CLVITS_LOSS_SUM:
        return x;
    case CLVITS_LOSS_ABSOLUTE:
        return fabs(away);
    case CLVITS_LOSS_SQUARE:
        return away * away;
    default:
        return r - p - 0.5 + 0.5 * (x - q) * (x - q) * exp(-2.0 * r);
    }
}

static int operands(const struct loss_case *k)
{
    return k->kind == CLVITS_LOSS_KL ? 4 : k->kind == CLVITS_LOSS_SUM || k->alone ? 1 : 2;
}

static int length(int T, int b)
{
    return b == 2 ? 0 : T - 7 * b;
}

/* The operands are ranges of channels of wider tensors. */
START_TEST(forward)
{
    const struct loss_case *k = &cases[_i];
    const int T = getenv("CLVITS_TEST_TINY") && k->T > 50 ? 50 : k->T, C = k->C, wide = C + 2;
    const float *v[4] = { NULL };
    clvits_tensor *in[4] = { NULL };
    double sum[3] = { 0 }, all = 0.0, rows = 0.0;
    harness h;

    if (harness_left_out(_i))
        return;
    harness_begin(&h, k->B);
    const int clock = clvits_graph_clock(h.graph, T);
    for (int i = 0; i < operands(k); i++)
        in[i] = clvits_graph_slice(harness_input(&h, clock, wide, -1, i % 2 ? 0.5f : 1.5f, &v[i]),
                                   1, C);
    clvits_tensor *sums = clvits_graph_keep(clvits_loss(
        in[0], in[1], in[2], in[3], &(clvits_loss_params){ k->kind, k->target }));
    const float *before;
    clvits_tensor *add = harness_input(&h, 0, 1, 1, 2, &before);
    clvits_tensor *y = clvits_graph_keep(
        clvits_total(sums, add, &(clvits_total_params){ 1.5f, clock, C }));
    harness_plan(&h);
    for (int b = 0; b < k->B; b++)
        harness_length(&h, clock, b, length(T, b));
    harness_go(&h);
    for (int b = 0; b < k->B; b++) {
        for (int i = 0; i < length(T, b) * C; i++) {
            const int at = (b * T + i / C) * wide + 1 + i % C;
            sum[b] += term(k, v[0][at], v[1] ? v[1][at] : 0, v[2] ? v[2][at] : 0,
                           v[3] ? v[3][at] : 0);
        }
        all += sum[b];
        rows += length(T, b);
    }
    const float *got = harness_output(&h, sums);
    for (int b = 0; b < k->B; b++) {
        double total = 0.0;
        for (int s = 0; s < LOSS_STRETCHES; s++)
            total += (double)got[b * LOSS_STRETCHES + s];
        ck_assert_double_le(fabs(total - sum[b]), 1e-6 * fabs(sum[b]));
        ck_assert(b != 2 || total == 0.0);
    }
    got = harness_output(&h, y);
    for (int b = 0; b < k->B; b++) {
        const double want = (double)before[b] + 1.5 * all / (rows * C);
        ck_assert_double_le(fabs((double)got[b] - want), 1e-6 * want);
    }
    harness_end(&h);
}
END_TEST

/* An item's sums have the same bits alone and in a batch of longer ones. */
START_TEST(does_not_depend_on_the_batch)
{
    enum { T = 130, LONG = 177, C = 9, ALL = LONG * C };
    float sums[2][LOSS_STRETCHES], both[4][2 * ALL];

    for (int batch = 1; batch <= 2; batch++) {
        clvits_tensor *in[4];
        harness h;
        harness_begin(&h, batch);
        const int clock = clvits_graph_clock(h.graph, batch == 1 ? T : LONG);
        for (int i = 0; i < 4; i++) {
            const float *x = harness_random(&h, ALL, -1, 1);
            memcpy(both[i], x, sizeof(both[i]) / 2);
            memcpy(both[i] + ALL, x, sizeof(both[i]) / 2);
            in[i] = harness_input_of(&h, CLVITS_F32, clock, C, both[i]);
        }
        clvits_tensor *y = clvits_graph_keep(clvits_loss(
            in[0], in[1], in[2], in[3], &(clvits_loss_params){ .kind = CLVITS_LOSS_KL }));
        harness_plan(&h);
        harness_length(&h, clock, batch - 1, T);
        harness_go(&h);
        memcpy(sums[batch - 1], harness_output(&h, y) + (batch - 1) * LOSS_STRETCHES,
               sizeof(sums[0]));
        harness_end(&h);
    }
    ck_assert_mem_eq(sums[0], sums[1], sizeof(sums[0]));
}
END_TEST

static void fill(float *to, int n, float a, float b)
{
    for (int i = 0; i < n; i++)
        to[i] = i % 2 ? a : b;
}

/* KL(N(0,1) || N(2, 0.5^2)) = log 0.5 + (1 + 4) / 0.5 - 0.5: numbers that are half 1, half -1 have
 * the mean and the variance that the draw should have. It is per frame of the whole batch. */
START_TEST(knows_a_divergence)
{
    enum { B = 2, T = 10, C = 6, N = B * T * C };
    float z[N], logs_q[N], m[N], logs_p[N];
    harness h;

    fill(z, N, 1.0f, -1.0f);
    fill(logs_q, N, 0.0f, 0.0f);
    fill(m, N, 2.0f, 2.0f);
    fill(logs_p, N, logf(0.5f), logf(0.5f));
    harness_begin(&h, B);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *y = clvits_graph_keep(
        clvits_loss_kl(harness_input_of(&h, CLVITS_F32, clock, C, z),
                       harness_input_of(&h, CLVITS_F32, clock, C, logs_q),
                       harness_input_of(&h, CLVITS_F32, clock, C, m),
                       harness_input_of(&h, CLVITS_F32, clock, C, logs_p)));
    harness_plan(&h);
    harness_length(&h, clock, 1, 4);
    harness_go(&h);
    for (int b = 0; b < B; b++)
        ck_assert_double_eq_tol((double)harness_output(&h, y)[b], C * 8.806852819440055, 1e-4);
    harness_end(&h);
}
END_TEST

/* What there is beside it: 0.5 * 3 + mean |a - b| * 45 and so on, over ragged items. */
START_TEST(chains_terms)
{
    enum { B = 2, T = 7, C = 3 };
    const float *a, *b, *nll;
    double absolute = 0.0, square = 0.0, score = 0.0, sum = 0.0;
    harness h;

    harness_begin(&h, B);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *x = harness_input(&h, clock, C, -1, 1, &a);
    clvits_tensor *y = harness_input(&h, clock, C, -1, 1, &b);
    clvits_tensor *n = harness_input(&h, 0, 1, -1, 1, &nll);
    clvits_tensor *loss = clvits_loss_absolute(x, y, 45.0f, NULL);
    loss = clvits_loss_square(x, y, loss);
    loss = clvits_loss_score(x, 1.0f, loss);
    clvits_graph_keep(loss = clvits_loss_sum(n, clock, loss));
    harness_plan(&h);
    harness_length(&h, clock, 0, 2);
    harness_go(&h);
    for (int i = 0; i < B * T * C; i++) {
        if (i >= 2 * C && i < T * C)
            continue;
        absolute += fabs((double)a[i] - (double)b[i]);
        square += pow((double)a[i] - (double)b[i], 2);
        score += pow((double)a[i] - 1.0, 2);
    }
    sum = (double)nll[0] + (double)nll[1];
    const double rows = 2 + T;
    const double want = 45 * absolute / (rows * C) + (square + score) / (rows * C) + sum / rows;
    harness_close(&h, loss, (double[]){ want, want }, 1e-6);
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    static const struct {
        clvits_loss_kind kind;
        int with; /* operands beside x */
        bool other;
    } bad[] = {
        { CLVITS_LOSS_SUM, 1, false },
        { CLVITS_LOSS_ABSOLUTE, 2, false },
        { CLVITS_LOSS_SQUARE, 1, true },
        { CLVITS_LOSS_KL, 1, false },
    };
    const float *x;
    harness h;

    harness_begin(&h, 1);
    const int clock = clvits_graph_clock(h.graph, 9);
    clvits_tensor *a = harness_input(&h, clock, 3, -1, 1, &x);
    clvits_tensor *b = harness_input(&h, clock, bad[_i].other ? 4 : 3, -1, 1, &x);
    ck_assert_ptr_null(clvits_loss(a, bad[_i].with > 0 ? b : NULL, bad[_i].with > 1 ? b : NULL,
                                   NULL, &(clvits_loss_params){ .kind = bad[_i].kind }));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

START_TEST(refuses_a_total_of_rows)
{
    const float *x;
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *a = harness_input(&h, clvits_graph_clock(h.graph, 9), 3, -1, 1, &x);
    ck_assert_ptr_null(clvits_total(a, NULL, &(clvits_total_params){ 0 }));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loss");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_test(t, does_not_depend_on_the_batch);
    tcase_add_test(t, knows_a_divergence);
    tcase_add_test(t, chains_terms);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 4);
    tcase_add_test(t, refuses_a_total_of_rows);
    suite_add_tcase(s, t);
    return harness_main(s);
}
