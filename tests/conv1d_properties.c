// SPDX-License-Identifier: MIT
//
// Convolutions beside the formula: PyTorch's arrays, the same bits however they are asked for, and
// what is refused.
#include "conv1d.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    clvits_conv1d_params p;
} golden_cases[] = {
    { "dilated", { .dilation = 5, .pad_left = 5, .pad_right = 5 } },
    { "wide", { .dilation = 5, .pad_left = 25, .pad_right = 25 } },
    { "short", { .pad_left = 3, .pad_right = 3 } },
    { "pointwise", { 0 } },
    { "asymmetric", { .pad_left = 1, .pad_right = 2 } },
    { "depthwise", { .dilation = 9, .groups = 8, .pad_left = 9, .pad_right = 9 } },
    { "strided", { .stride = 4, .groups = 4, .pad_left = 20, .pad_right = 20 } },
    { "stride3", { .stride = 3, .pad_left = 2, .pad_right = 2 } },
};

START_TEST(as_in_pytorch)
{
    harness h;
    char name[128];
    golden g[4];
    const char *const tensors[] = { "x", "w", "b", "y" };

    if (harness_left_out(_i))
        return;
    snprintf(name, sizeof(name), "conv1d_%s_x", golden_cases[_i].name);
    harness_begin(&h, 1);
    const int batch = golden_rows(&h, name).B;
    harness_end(&h);

    harness_begin(&h, batch);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "conv1d_%s_%s", golden_cases[_i].name, tensors[i]);
        g[i] = i == 0 || i == 3 ? golden_rows(&h, name) : golden_read(&h, name);
    }
    clvits_tensor *x = harness_input_of(&h, CLVITS_F32, clvits_graph_clock(h.graph, g[0].T),
                                        g[0].C, g[0].floats);
    clvits_tensor *y = clvits_graph_keep(
        clvits_conv1d(x, clvits_graph_weight(h.graph, g[1].floats, 3, g[1].shape),
                      clvits_graph_weight(h.graph, g[2].floats, 1, g[2].shape),
                      &golden_cases[_i].p, NULL));
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(y->T, g[3].T);
    ck_assert_int_eq(y->C, g[3].C);
    harness_plan(&h);
    harness_go(&h);
    harness_close(&h, y, g[3].data, 1e-5);
    harness_end(&h);
}
END_TEST

/* A convolution gives the same bits whether it reads an activated copy or makes it: the copy is
 * written for the caller in the second run, and perhaps for nobody in the first. */
START_TEST(copies_may_go_unwritten)
{
    enum { T = 70, C = 40 };
    const clvits_conv1d_params p = { .pad_left = 1, .pad_right = 1, .act = CLVITS_ACT_LEAKY_RELU,
                                     .act_slope = 0.1f };
    float first[T * C];

    for (int run = 0; run < 2; run++) {
        const float *x, *w[2];
        clvits_tensor *act = NULL;
        harness h;
        harness_begin(&h, 1);
        const int clock = clvits_graph_clock(h.graph, T);
        clvits_tensor *tx = harness_input(&h, clock, C, -1, 1, &x);
        clvits_tensor *w0 = harness_weight(&h, 3, (int64_t[]){ C, C, 3 }, -1, 1, &w[0]);
        clvits_tensor *w1 = harness_weight(&h, 3, (int64_t[]){ C, C, 3 }, -1, 1, &w[1]);
        clvits_tensor *raw = clvits_conv1d(tx, w0, NULL, &p, &(clvits_conv1d_extra){ .act = &act });
        if (run)
            clvits_graph_keep(act);
        clvits_tensor *y = clvits_graph_keep(
            clvits_conv1d(act, w1, NULL, &p, &(clvits_conv1d_extra){ .residual = raw }));
        harness_plan(&h);
        harness_length(&h, clock, 0, T);
        harness_go(&h);
        if (run)
            ck_assert_mem_eq(first, harness_output(&h, y), sizeof(first));
        memcpy(first, harness_output(&h, y), sizeof(first));
        if (run)
            ck_assert(harness_output(&h, act)[0] != 0.0f);
        harness_end(&h);
    }
}
END_TEST

/* Every Toom-Cook form that devices have; few taps want many channels. */
static const struct {
    int I, O, K, dilation;
} stretches[] = {
    { 33, 35, 7, 3 }, { 33, 35, 11, 3 }, { 65, 67, 3, 3 }, { 65, 67, 5, 3 }, { 33, 35, 7, 9 },
    { 33, 35, 8, 3 }, { 33, 35, 12, 2 }
};

/* A stretch of a whole has its bits wherever it begins, beyond the rows that reach it. */
START_TEST(stretch_equals_whole)
{
    enum { T = 200, MOST = 170 };
    const int I = stretches[_i].I, O = stretches[_i].O, K = stretches[_i].K;
    const int D = stretches[_i].dilation, pad = K / 2 * D;
    const clvits_conv1d_params p = { .dilation = D, .pad_left = pad, .pad_right = pad };
    float whole[T * 67];
    const bool tiny = getenv("CLVITS_TEST_TINY");
    int before, after;

    if (_i && tiny)
        return;
    clvits_conv1d_reach(K, D, pad, &before, &after);
    for (int from = -1; from < 24; from += from < 0 ? 1 : tiny ? 12 : 5) {
        const int rows = from < 0 ? T : MOST;
        const float *w;
        harness h;
        harness_begin(&h, 1);
        clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ O, I, K }, -1, 1, &w);
        const float *x = harness_random(&h, T * I, -1, 1);
        const int clock = clvits_graph_clock(h.graph, rows);
        clvits_tensor *tx =
            harness_input_of(&h, CLVITS_F32, clock, I, x + (from < 0 ? 0 : from * I));
        clvits_tensor *y = clvits_graph_keep(clvits_conv1d(tx, tw, NULL, &p, NULL));
        harness_plan(&h);
        harness_length(&h, clock, 0, rows);
        if (from >= 0)
            ck_assert_int_eq(clvits_run_set_first(h.run, clock, 0, from, &h.report), 0);
        harness_go(&h);
        const float *got = harness_output(&h, y);
        const int begin = from <= 0 ? 0 : before, end = from < 0 ? T : rows - after;
        if (from < 0)
            memcpy(whole, got, (size_t)T * (size_t)O * sizeof(float));
        ck_assert_int_lt(begin + 10, end);
        ck_assert_mem_eq(got + begin * O, whole + ((from < 0 ? 0 : from) + begin) * O,
                         (size_t)(end - begin) * (size_t)O * sizeof(float));
        harness_end(&h);
    }
}
END_TEST

/* Each item of a ragged batch, read from a range of channels, has the bits of a run alone. */
START_TEST(batch_equals_single_runs)
{
    enum { T = 45, I = 39, O = 37 };
    static const int lengths[] = { T, 7, 23 };
    const clvits_conv1d_params p = { .dilation = 3, .pad_left = 3, .pad_right = 3 };
    float got[3][T * O], alone[T * O];
    harness h;

    for (int run = 0; run < 4; run++) {
        const int batch = run == 0 ? 3 : 1;
        harness_begin(&h, batch);
        const int clock = clvits_graph_clock(h.graph, run == 0 ? T : lengths[run - 1]);
        const float *w;
        clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ O, I, 3 }, -1, 1, &w);
        const float *all = harness_random(&h, 3 * T * 2 * I, -1, 1);
        clvits_tensor *x = harness_input_of(&h, CLVITS_F32, clock, 2 * I,
                                            all + (run == 0 ? 0 : (run - 1) * T * 2 * I));
        clvits_tensor *y = clvits_graph_keep(
            clvits_conv1d(clvits_graph_slice(x, I, I), tw, NULL, &p, NULL));
        harness_plan(&h);
        for (int b = 0; b < batch; b++)
            harness_length(&h, clock, b, run == 0 ? lengths[b] : lengths[run - 1]);
        harness_go(&h);
        if (run == 0) {
            memcpy(got, harness_output(&h, y), sizeof(got));
        } else {
            const size_t size = (size_t)lengths[run - 1] * O * sizeof(float);
            memcpy(alone, harness_output(&h, y), size);
            ck_assert_mem_eq(got[run - 1], alone, size);
        }
        harness_end(&h);
    }
}
END_TEST

static const struct {
    int O, K, act, rate; /* more than 1: transposed */
} shared[] = { { 70, 5, CLVITS_ACT_NONE, 1 },
               { 140, 5, CLVITS_ACT_GATE, 1 },
               { 70, 1, CLVITS_ACT_NONE, 1 },
               { 1, 7, CLVITS_ACT_TANH, 1 },
               { 35, 8, CLVITS_ACT_NONE, 4 } };

/* What the case at i makes of x. */
static clvits_tensor *convolved(harness *h, int i, clvits_tensor *x)
{
    const int O = shared[i].O, K = shared[i].K, I = x->C;
    const clvits_conv1d_params p = { .pad_left = K / 2, .pad_right = K / 2, .act = shared[i].act,
                                     .only_act = shared[i].act != CLVITS_ACT_NONE };
    const clvits_conv_transpose1d_params up = { .stride = shared[i].rate,
                                                .pad = (K - shared[i].rate) / 2 };
    const float *values;

    if (shared[i].rate > 1)
        return clvits_conv_transpose1d(
            x, harness_weight(h, 3, (int64_t[]){ I, O, K }, -1, 1, &values), NULL, &up, NULL);
    return clvits_conv1d(x, harness_weight(h, 3, (int64_t[]){ O, I, K }, -1, 1, &values), NULL, &p,
                         NULL);
}

/* Rows have the same bits in a tensor as long as they are and in a much longer one, for which more
 * work-items are launched than there is work: in Toom-Cook form, gated, directly, of a channel, and
 * transposed. */
START_TEST(capacity_changes_no_bits)
{
    enum { B = 2, I = 33, T = 157, MOST = 20 * T };
    static const int capacities[] = { T, T + 60, MOST }, lengths[B] = { T, T - 41 };
    static float first[B][T * 140];
    const int rate = shared[_i].rate;

    for (int i = 0; i < LENGTH(capacities) && !getenv("CLVITS_TEST_TINY"); i++) {
        const int capacity = capacities[i];
        harness h;
        harness_begin(&h, B);
        const int clock = clvits_graph_clock(h.graph, capacity);
        const float *rows = harness_random(&h, B * T * I, -1, 1);
        float *x = harness_random(&h, B * MOST * I, -1, 1);
        for (int b = 0; b < B; b++)
            memcpy(x + b * capacity * I, rows + b * T * I, T * I * sizeof(float));
        clvits_tensor *y = clvits_graph_keep(
            convolved(&h, _i, harness_input_of(&h, CLVITS_F32, clock, I, x)));
        ck_assert_ptr_nonnull(y);
        ck_assert_int_eq(y->T, capacity * rate);
        harness_plan(&h);
        for (int b = 0; b < B; b++)
            harness_length(&h, clock, b, lengths[b]);
        harness_go(&h);
        for (int b = 0; b < B; b++) {
            const float *got = harness_output(&h, y) + b * y->T * y->C;
            const size_t size = (size_t)(lengths[b] * rate * y->C) * sizeof(float);
            ck_assert_uint_le(size, sizeof(first[b]));
            if (i)
                ck_assert_mem_eq(got, first[b], size);
            memcpy(first[b], got, size);
        }
        harness_end(&h);
    }
}
END_TEST

/* How convolutions are made: as each is made best, in Toom-Cook form wherever there is one, and on
 * the device and the CPU path in turns. */
static const struct {
    const char *rows, *place;
} makings[] = { { NULL, NULL },
                { "* | * | conv1d | * | layout=5\n", NULL },
                { NULL, "dec.a=cpu,dec.c=cpu" } };

static bool on_oclgrind(void)
{
    const char *device = getenv("CLVITS_TEST_DEVICE");

    return device && !strcmp(device, "Oclgrind");
}

/* Oclgrind takes it for a mistake that rows are read which nobody made, though nothing comes of
 * them: those behind an item's end, where they are copied from the CPU path. */
static bool left_out(int i)
{
    return harness_left_out(i) || (makings[i].place && on_oclgrind());
}

/* Rows that are asked for have the bits of a whole run, whatever is in the memory of others: in
 * Toom-Cook form, transposed, of one channel, with all that an epilogue adds. */
START_TEST(asked_rows_equal_whole)
{
    enum { MOST = 60, FEWER = 40, I = 36, O = 35, RATE = 4, B = 2, FEW = 3 };
    static const int first[B] = { 7, 12 };
    static const clvits_range asked[] = { { 0, 900 },   { 97, 150 },  { 41, 42 },  { 0, 30 },
                                          { 160, 230 }, { 230, 900 }, { 500, 510 } };
    const bool tiny = getenv("CLVITS_TEST_TINY");
    const int T = tiny ? FEWER : MOST, ROWS = T * RATE, lengths[B] = { T, T - 22 };
    const size_t size = (size_t)(B * ROWS) * sizeof(float);
    const clvits_conv1d_params dilated = { .dilation = 3, .pad_left = 9, .pad_right = 9,
                                           .act = CLVITS_ACT_LEAKY_RELU, .act_slope = 0.1f };
    const clvits_conv1d_params short_one = { .pad_left = 3, .pad_right = 3 };
    const clvits_conv1d_params last = { .pad_left = 3, .pad_right = 3, .act = CLVITS_ACT_TANH,
                                        .only_act = true };
    const clvits_conv_transpose1d_params up = { .stride = RATE, .pad = 2 };
    static float whole[B * MOST * RATE];
    const float *values;
    clvits_tensor *act = NULL;
    harness h;

    if (left_out(_i))
        return;
    harness_begin(&h, B);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *x = harness_input(&h, clock, I, -1, 1, &values);
    clvits_tensor *w[] = { harness_weight(&h, 3, (int64_t[]){ O, I, 7 }, -0.2f, 0.2f, &values),
                           harness_weight(&h, 3, (int64_t[]){ O, I, 2 * RATE }, -0.2f, 0.2f,
                                          &values),
                           harness_weight(&h, 3, (int64_t[]){ I, I, 7 }, -0.2f, 0.2f, &values),
                           harness_weight(&h, 3, (int64_t[]){ 1, I, 7 }, -0.2f, 0.2f, &values) };
    clvits_graph_label(h.graph, "dec.a");
    clvits_tensor *pre = clvits_conv1d(x, w[0], NULL, &short_one, NULL);
    clvits_graph_label(h.graph, "dec.b");
    clvits_tensor *upped = clvits_conv_transpose1d(pre, w[1], NULL, &up, NULL);
    clvits_graph_label(h.graph, "dec.c");
    clvits_tensor *raw = clvits_conv1d(upped, w[2], NULL, &dilated,
                                       &(clvits_conv1d_extra){ .residual = upped, .act = &act });
    clvits_graph_label(h.graph, "dec.d");
    clvits_tensor *sum = clvits_conv1d(act, w[2], NULL, &dilated,
                                       &(clvits_conv1d_extra){ .residual = raw, .sum = upped,
                                                               .act = &act });
    clvits_tensor *y = clvits_graph_keep(clvits_conv1d(sum, w[3], NULL, &last, NULL));
    ck_assert_ptr_nonnull(y);
    ck_assert_int_eq(y->T, ROWS);
    if (makings[_i].rows)
        harness_tune(&h, makings[_i].rows);
    h.place = h.machine.n_places > 1 ? makings[_i].place : NULL;
    harness_plan(&h);
    for (int b = 0; b < B; b++) {
        harness_length(&h, clock, b, lengths[b]);
        ck_assert_int_eq(clvits_run_set_first(h.run, clock, b, first[b], &h.report), 0);
    }
    harness_go(&h);
    memcpy(whole, harness_output(&h, y), size);
    for (int i = tiny ? 1 : 0; i < (tiny ? FEW : LENGTH(asked)); i++) {
        clvits_run_ask(h.run, y, asked[i]);
        ck_assert((clvits_run_share(h.run, y->producer) < 1.0) == (i > 0));
        harness_go(&h);
        const float *got = harness_output(&h, y);
        int others = 0;
        for (int b = 0; b < B; b++)
            for (int k = 0; k < lengths[b] * RATE; k++) {
                const int row = k + first[b] * RATE, at = b * ROWS + k;
                const bool same = !memcmp(&got[at], &whole[at], sizeof(float));
                ck_assert(same || row < asked[i].first || row >= asked[i].end);
                others += !same;
            }
        ck_assert((others > 0) == (i > 0));
    }
    if (!tiny || !getenv("CLVITS_TEST_EVERY")) {
        harness_go(&h); /* that was for the next run alone */
        ck_assert_mem_eq(harness_output(&h, y), whole, size);
    }
    harness_end(&h);
}
END_TEST

/* Taps of zeros, which fill a last group, see no row that nobody makes, whatever it holds. Oclgrind
 * takes it for a mistake that such a row is read at all, so there all rows are made once. */
START_TEST(asked_rows_need_no_others)
{
    enum { T = 40, I = 36, O = 35 };
    static const int taps[] = { 7, 11 };
    const int every = getenv("CLVITS_TEST_TINY") ? 7 : 1;
    const float *values;

    for (int i = 0; i < LENGTH(taps) && !left_out(_i); i++) {
        const int K = taps[i];
        const clvits_conv1d_params p = { .pad_left = K / 2, .pad_right = K / 2 };
        harness h;
        harness_begin(&h, 1);
        const int clock = clvits_graph_clock(h.graph, T);
        clvits_tensor *x = harness_input(&h, clock, I, -1, 1, &values);
        clvits_tensor *point = harness_weight(&h, 3, (int64_t[]){ I, I, 1 }, -1, 1, &values);
        clvits_tensor *w = harness_weight(&h, 3, (int64_t[]){ O, I, K }, -1, 1, &values);
        clvits_graph_label(h.graph, "dec.a");
        clvits_tensor *made = clvits_conv1d(x, point, NULL, &(clvits_conv1d_params){ 0 }, NULL);
        clvits_graph_label(h.graph, "dec.b");
        clvits_tensor *y = clvits_graph_keep(clvits_conv1d(made, w, NULL, &p, NULL));
        if (makings[_i].rows)
            harness_tune(&h, makings[_i].rows);
        h.place = h.machine.n_places > 1 ? makings[_i].place : NULL;
        harness_plan(&h);
        if (on_oclgrind())
            harness_go(&h);
        for (int first = 0; first < 12; first += every)
            for (int end = first + 1; end < first + 9; end += every) {
                clvits_run_ask(h.run, y, (clvits_range){ first, end });
                harness_go(&h);
                const float *got = harness_output(&h, y);
                for (int k = first * O; k < end * O; k++)
                    ck_assert(isfinite(got[k]));
            }
        harness_end(&h);
    }
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    harness h;
    const float *x, *w;

    harness_begin(&h, 1);
    clvits_tensor *tx = harness_input(&h, clvits_graph_clock(h.graph, 9), 4, -1, 1, &x);
    clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ 4, 5, 3 }, -1, 1, &w);
    ck_assert_ptr_null(clvits_conv1d(tx, tw, NULL, &(clvits_conv1d_params){ 0 }, NULL));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

/* An odd channel has no half, a gate adds nothing and has one output, split ones need two. */
START_TEST(refuses_what_has_no_halves)
{
    static const int acts[] = { CLVITS_ACT_GATE, CLVITS_ACT_GATE, CLVITS_ACT_GATE,
                                CLVITS_ACT_SPLIT, CLVITS_ACT_SPLIT };
    const float *values;
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *x = harness_input(&h, clvits_graph_clock(h.graph, 9), 3, -1, 1, &values);
    clvits_tensor *w = harness_weight(&h, 3, (int64_t[]){ _i == 0 ? 5 : 6, 3, 1 }, -1, 1, &values);
    const clvits_conv1d_params p = { .act = acts[_i], .only_act = _i != 2 && _i != 4 };
    const clvits_conv1d_extra extra = { .residual = _i == 1 ? x : _i == 4 ? w : NULL };
    ck_assert_ptr_null(clvits_conv1d(x, w, NULL, &p, &extra));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

void conv1d_add_properties(TCase *t)
{
    tcase_add_loop_test(t, refuses_what_has_no_halves, 0, 5);
    tcase_add_loop_test(t, as_in_pytorch, 0, LENGTH(golden_cases));
    tcase_add_test(t, copies_may_go_unwritten);
    tcase_add_loop_test(t, stretch_equals_whole, 0, LENGTH(stretches));
    tcase_add_test(t, batch_equals_single_runs);
    tcase_add_loop_test(t, asked_rows_equal_whole, 0, LENGTH(makings));
    tcase_add_loop_test(t, asked_rows_need_no_others, 0, LENGTH(makings));
    tcase_add_loop_test(t, capacity_changes_no_bits, 0, LENGTH(shared));
    tcase_add_test(t, refuses_what_does_not_fit);
}
