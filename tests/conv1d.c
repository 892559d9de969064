// SPDX-License-Identifier: MIT
#include "conv1d.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct conv_case {
    const char *name;
    int B, I, O, T, K, S, D, left, right, G;
    float pre, scale;
    int act;
    bool bias, residual, sum, item_bias, only_act, large;
    bool x_half; /* x is kept as halves */
    int halves;  /* CLVITS_HALF_* */
} conv_case;

enum { WEIGHTS = CLVITS_HALF_WEIGHTS, HALVES = CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS };

static const conv_case cases[] = {
    { "one by one", 1, 5, 7, 13, 1, 1, 1, 0, 0, 1, .bias = true },
    { "odd sizes", 2, 3, 5, 37, 3, 1, 1, 1, 1, 1, .bias = true },
    { "dilated", 2, 17, 33, 61, 7, 1, 5, 15, 15, 1, .bias = true },
    { "even taps", 1, 6, 9, 30, 4, 1, 1, 1, 2, 1, .bias = true },
    { "no bias, one channel", 1, 32, 1, 50, 7, 1, 1, 3, 3, 1, .act = CLVITS_ACT_TANH,
      .only_act = true },
    { "strided", 2, 4, 6, 41, 5, 3, 1, 2, 2, 1, .bias = true },
    { "groups", 1, 12, 8, 33, 5, 2, 2, 4, 4, 4, .bias = true },
    { "depthwise", 2, 24, 24, 65, 3, 1, 9, 9, 9, 24, .bias = true },
    { "unpadded", 1, 8, 8, 20, 5, 1, 2, 0, 0, 1, .bias = true },
    { "epilogue", 2, 16, 40, 47, 3, 1, 3, 3, 3, 1, 0.1f, 1.0f / 3.0f, CLVITS_ACT_LEAKY_RELU,
      .bias = true, .residual = true, .sum = true },
    { "bias per item", 3, 8, 20, 19, 5, 1, 1, 2, 2, 1, .item_bias = true },
    { "depthwise, epilogue", 2, 37, 37, 20, 3, 1, 3, 3, 3, 37, 0.2f, 0, CLVITS_ACT_LEAKY_RELU,
      .bias = true, .residual = true },
    { "groups of one, two out", 1, 6, 12, 18, 3, 1, 1, 1, 1, 6, .bias = true },
    { "one channel in", 1, 1, 70, 25, 3, 1, 1, 1, 1, 1, .bias = true },
    { "one channel out, activated input", 2, 21, 1, 33, 5, 1, 2, 4, 4, 1, 0.01f, 0,
      CLVITS_ACT_TANH, .bias = true },
    { "one channel out, groups", 1, 9, 3, 29, 4, 2, 1, 1, 2, 3, .bias = true },
    { "far strides", 1, 3, 5, 400, 20, 16, 1, 2, 2, 1, .bias = true },
    { "long reach", 1, 4, 6, 70, 41, 4, 1, 20, 20, 2, .bias = true },
    { "groups of four", 1, 16, 16, 90, 41, 4, 1, 20, 20, 4, .act = CLVITS_ACT_LEAKY_RELU,
      .bias = true },
    { "one row", 2, 33, 65, 6, 7, 1, 1, 3, 3, 1, .bias = true },
    { "odd block, activated input", 1, 70, 49, 40, 3, 1, 2, 2, 2, 1, 0.1f, .bias = true },
    { "wide", 1, 96, 70, 150, 11, 1, 5, 25, 25, 1, .act = CLVITS_ACT_LEAKY_RELU, .bias = true,
      .large = true },
    { "many channels in", 2, 300, 100, 40, 3, 1, 1, 1, 1, 1, 0.1f, .bias = true, .large = true },
    { "long", 1, 32, 32, 1000, 7, 1, 12, 36, 36, 1, .bias = true, .residual = true,
      .large = true },
    { "tiles, three taps", 2, 35, 50, 61, 3, 1, 3, 3, 3, 1, 0.1f, 1.0f / 3.0f,
      CLVITS_ACT_LEAKY_RELU, .bias = true, .residual = true, .sum = true },
    { "tiles, five taps", 2, 48, 37, 50, 5, 1, 1, 2, 2, 1, .bias = true },
    { "tiles of tiles, seven taps", 2, 33, 64, 47, 7, 1, 5, 15, 15, 1, .bias = true,
      .residual = true },
    { "tiles of tiles, eleven taps", 1, 40, 33, 40, 11, 1, 1, 5, 5, 1, .act = CLVITS_ACT_LEAKY_RELU,
      .bias = true },
    { "one tile, one row", 1, 32, 32, 1, 7, 1, 12, 36, 36, 1, .bias = true },
    { "less than a tile", 3, 32, 40, 13, 5, 1, 12, 24, 24, 1, .item_bias = true },
    { "tiles, unpadded", 1, 36, 32, 30, 11, 1, 2, 0, 0, 1, .bias = true },
    { "tiles, more rows out", 1, 32, 32, 9, 3, 1, 5, 10, 10, 1, .bias = true },
    { "tiles, channels by parts", 1, 290, 70, 60, 7, 1, 3, 9, 9, 1, 0.1f, .bias = true,
      .large = true },
    { "tiles of tiles, 256 channels", 1, 256, 40, 100, 11, 1, 1, 5, 5, 1, .bias = true,
      .large = true },
    { "tiles of tiles, many classes", 1, 140, 64, 200, 7, 1, 8, 24, 24, 1, .bias = true,
      .large = true },
    { "tiles, four groups, many classes", 1, 128, 33, 30, 13, 1, 12, 72, 72, 1, .bias = true,
      .large = true },
    { "tiles, four whole groups", 1, 256, 32, 50, 15, 1, 17, 119, 119, 1, .bias = true,
      .large = true },
    { "tiles, pairs of blocks", 1, 64, 112, 2400, 3, 1, 1, 1, 1, 1, .bias = true, .large = true },
    { "halves from floats", 2, 19, 33, 37, 7, 1, 1, 3, 3, 1, .item_bias = true, .halves = HALVES },
    { "floats from halves", 2, 37, 1, 41, 7, 1, 1, 3, 3, 1, .act = CLVITS_ACT_TANH,
      .only_act = true, .x_half = true, .halves = WEIGHTS },
    { "halves throughout", 2, 70, 40, 47, 3, 1, 3, 3, 3, 1, 0, 1.0f / 3.0f,
      CLVITS_ACT_LEAKY_RELU, .bias = true, .residual = true, .sum = true, .x_half = true,
      .halves = HALVES },
    { "halves, activated input", 1, 21, 49, 26, 5, 2, 2, 4, 4, 1, 0.1f, .bias = true,
      .x_half = true, .halves = HALVES },
    { "halves, few channels", 3, 3, 5, 19, 4, 1, 1, 1, 2, 1, .x_half = true, .halves = HALVES },
    { "halves, far strides", 1, 5, 6, 400, 20, 16, 1, 2, 2, 1, .x_half = true, .halves = HALVES },
    { "halves, depthwise", 2, 37, 37, 20, 3, 1, 3, 3, 3, 37, 0.2f, 0, CLVITS_ACT_LEAKY_RELU,
      .bias = true, .residual = true, .x_half = true, .halves = HALVES },
    { "half arithmetic", 2, 70, 40, 47, 3, 1, 3, 3, 3, 1, 0, 1.0f / 3.0f, CLVITS_ACT_LEAKY_RELU,
      .bias = true, .residual = true, .sum = true, .x_half = true,
      .halves = HALVES | CLVITS_HALF_SUMS },
    { "tiles of tiles, nine taps", 1, 40, 33, 70, 9, 1, 1, 4, 4, 1, .bias = true,
      .large = true },
    { "tiles, three groups", 1, 33, 32, 150, 11, 1, 9, 45, 45, 1, .bias = true,
      .large = true },
    { "tiles of tiles, all taps", 1, 37, 112, 1500, 12, 1, 1, 5, 6, 1, 0.1f, 0.5f,
      CLVITS_ACT_LEAKY_RELU, .bias = true, .residual = true, .sum = true, .large = true },
};

static double leaky(double v, double slope)
{
    return v >= 0 ? v : v * slope;
}

/* The formula, in double; want and want_act are [B][U][O]. */
static void truth(const conv_case *c, int U, const float *x, const int *len, const float *w,
                  const float *bias, const float *residual, const float *sum, double *want,
                  double *want_act)
{
    const int I = c->I / c->G, O = c->O / c->G;

    for (int b = 0; b < c->B; b++)
        for (int u = 0; u < U; u++)
            for (int o = 0; o < c->O; o++) {
                const int64_t at = ((int64_t)b * U + u) * c->O + o;
                double v = 0;
                for (int k = 0; k < c->K; k++) {
                    const int t = u * c->S + k * c->D - c->left;
                    for (int i = 0; i < I && t >= 0 && t < len[b]; i++)
                        v += (double)w[((int64_t)o * I + i) * c->K + k] *
                             leaky((double)x[((int64_t)b * c->T + t) * c->I + o / O * I + i],
                                   c->pre != 0.0f ? (double)c->pre : 1.0);
                }
                v += c->bias ? (double)bias[o] : c->item_bias ? (double)bias[b * c->O + o] : 0;
                v += c->residual ? (double)residual[at] : 0;
                v += c->sum ? (double)sum[at] : 0;
                v *= c->scale != 0.0f ? (double)c->scale : 1.0;
                want[at] = v;
                want_act[at] = c->act == CLVITS_ACT_TANH ? tanh(v) : leaky(v, 0.1f);
            }
}

/* For devices that would not choose it, and shapes that it is not chosen for. */
static const char transformed[] = "* | * | conv1d | * | layout=5\n";

static void run_case(const conv_case *c, const char *rows)
{
    harness h;
    const float *x, *w, *bias = NULL, *residual = NULL, *sum = NULL;
    clvits_conv1d_params p = { .stride = c->S, .dilation = c->D, .groups = c->G,
                               .pad_left = c->left, .pad_right = c->right, .pre_slope = c->pre,
                               .scale = c->scale, .act = c->act, .act_slope = 0.1f,
                               .only_act = c->only_act };
    clvits_tensor *act = NULL, *tb = NULL;
    clvits_conv1d_extra extra = { .act = &act };
    const bool y_half = c->halves & CLVITS_HALF_TENSORS;
    int len[4];

    harness_begin(&h, c->B);
    for (int i = 1; i < h.machine.n_places && c->halves & CLVITS_HALF_SUMS; i++) {
        clvits_report r = { 0 };
        if (clvits_device_check_halves(h.machine.device[i], &r)) {
            printf("%s: not run: %s\n", c->name, r.text);
            harness_end(&h);
            return;
        }
    }
    const int clock = clvits_graph_clock(h.graph, c->T);
    const int out = clvits_graph_clock_of(h.graph, clock, 1,
                                          c->left + c->right - c->D * (c->K - 1) - 1 + c->S, c->S);
    clvits_tensor *tx = harness_input_like(&h, c->x_half, clock, c->I, &x);
    clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ c->O, c->I / c->G, c->K }, -1, 1, &w);
    if (c->halves)
        harness_round(w, (int64_t)c->O * c->I / c->G * c->K);
    if (c->bias)
        tb = harness_weight(&h, 1, (int64_t[]){ c->O }, -1, 1, &bias);
    if (c->item_bias)
        tb = harness_input(&h, 0, c->O, -1, 1, &bias);
    if (c->residual)
        extra.residual = harness_input_like(&h, y_half, out, c->O, &residual);
    if (c->sum)
        extra.sum = harness_input_like(&h, y_half, out, c->O, &sum);
    clvits_graph_halves(h.graph, c->halves);
    clvits_tensor *y = clvits_graph_keep(clvits_conv1d(tx, tw, tb, &p, &extra));
    clvits_graph_keep(act);
    if (rows)
        harness_tune(&h, rows);
    harness_plan(&h);
    for (int b = 0; b < c->B; b++) {
        len[b] = b == 0 ? c->T : c->T - 5 * b;
        harness_length(&h, clock, b, len[b]);
    }
    harness_go(&h);

    const int U = y->T;
    double *want = malloc((size_t)clvits_tensor_count(y) * sizeof(*want));
    double *want_act = malloc((size_t)clvits_tensor_count(y) * sizeof(*want));
    truth(c, U, x, len, w, bias, residual, sum, want, want_act);
    /* Of sums of halves, each of 16 products at most rounds, and its sum: 3e-4 as a rule, and some
     * times as much for one output of thousands. */
    const double tolerance = c->halves & CLVITS_HALF_SUMS      ? 8 * HARNESS_HALF
                             : y_half                          ? 1e-5 + HARNESS_HALF
                                                               : 1e-5;
    harness_close(&h, y, c->only_act ? want_act : want, tolerance);
    if (!c->only_act && tolerance <= 1e-5)
        harness_noise(&h, y, want);
    if (act && !c->only_act)
        harness_close(&h, act, want_act, tolerance);
    harness_ask_some(&h, y);
    free(want);
    free(want_act);
    harness_end(&h);
}

START_TEST(forward)
{
    /* Tiles are a matter of the transformed form; to the direct one they are large. */
    const bool large = cases[_i].large || !strncmp(cases[_i].name, "tiles", 5);

    if ((!large || !getenv("CLVITS_TEST_TINY")) && !harness_left_out(_i))
        run_case(&cases[_i], NULL);
}
END_TEST

START_TEST(forward_transformed)
{
    const conv_case *c = &cases[_i];

    if ((_i % 2 && getenv("CLVITS_TEST_TINY")) || harness_left_out(_i / 2))
        return;
    if (c->S == 1 && c->G == 1 && c->K > 1 && c->I >= 32 && c->O > 16 && !c->large)
        run_case(c, transformed);
}
END_TEST

/* Columns of a folded waveform, one row less in each item; the truth convolves each by itself. */
static const conv_case folded[] = {
    { "first", 2, 1, 20, 53, 5, 3, 1, 2, 2, 1, .bias = true },
    { "strided", 2, 19, 35, 40, 5, 3, 1, 2, 2, 1, 0.1f, 0, CLVITS_ACT_LEAKY_RELU, .bias = true },
    { "short", 2, 32, 70, 5, 5, 3, 1, 2, 2, 1, .bias = true },
    { "one channel out", 1, 24, 1, 29, 3, 2, 2, 1, 2, 1, .bias = true },
    { "stride 1", 2, 36, 40, 21, 5, 1, 1, 2, 2, 1, .act = CLVITS_ACT_LEAKY_RELU, .bias = true },
    { "unpadded", 1, 6, 9, 30, 4, 2, 1, 0, 0, 1 },
};

START_TEST(folded_by_period)
{
    const conv_case *c = &folded[_i / 3];
    const int period = (const int[]){ 2, 5, 11 }[_i % 3], B = c->B;
    const clvits_conv1d_params p = { .stride = c->S, .dilation = c->D, .period = period,
                                     .pad_left = c->left, .pad_right = c->right,
                                     .pre_slope = c->pre, .act = c->act, .act_slope = 0.1f };
    const int rows = c->T * period, columns = B * period;
    const float *x, *w, *bias = NULL;
    clvits_tensor *tb = NULL, *act = NULL;
    int len[22];
    harness h;

    if ((_i % 3 && getenv("CLVITS_TEST_TINY")) || harness_left_out(_i / 3))
        return;
    harness_begin(&h, B);
    const int clock = clvits_graph_clock(h.graph, rows);
    clvits_tensor *tx = harness_input(&h, clock, c->I, -1, 1, &x);
    clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ c->O, c->I, c->K }, -1, 1, &w);
    if (c->bias)
        tb = harness_weight(&h, 1, (int64_t[]){ c->O }, -1, 1, &bias);
    clvits_tensor *y = clvits_graph_keep(
        clvits_conv1d(tx, tw, tb, &p, &(clvits_conv1d_extra){ .act = &act }));
    clvits_graph_keep(act);
    harness_plan(&h);
    for (int b = 0; b < B; b++)
        harness_length(&h, clock, b, rows - b * period);
    harness_go(&h);

    const int U = (c->T + c->left + c->right - c->D * (c->K - 1) - 1) / c->S + 1;
    const size_t n = (size_t)(columns * U * c->O);
    float *columns_of_x = malloc((size_t)(columns * c->T * c->I) * sizeof(float));
    double *truths = malloc(4 * n * sizeof(double)), *want = truths + 2 * n;
    conv_case column = *c;
    column.B = columns;
    ck_assert_int_eq(y->T, U * period);
    for (int i = 0; i < columns * c->T * c->I; i++) {
        const int j = i / (c->T * c->I), t = i / c->I % c->T;
        columns_of_x[i] = x[(j / period * rows + t * period + j % period) * c->I + i % c->I];
    }
    for (int j = 0; j < columns; j++)
        len[j] = c->T - j / period;
    truth(&column, U, columns_of_x, len, w, bias, NULL, NULL, truths, truths + n);
    for (size_t i = 0; i < n; i++) {
        const int j = (int)i / (U * c->O), u = (int)i / c->O % U;
        const int to = (j / period * U * period + u * period + j % period) * c->O + (int)i % c->O;
        want[to] = truths[i];
        want[n + (size_t)to] = truths[n + i];
    }
    harness_close(&h, y, want, 1e-5);
    if (act)
        harness_close(&h, act, want + n, 1e-5);
    harness_ask_some(&h, y);
    free(truths);
    free(columns_of_x);
    harness_end(&h);
}
END_TEST

/* Outputs that are halves of the channels: gated, or split over both outputs. */
static const conv_case halves[] = {
    { "gate", 2, 17, 2 * 13, 37, 3, 1, 1, 1, 1, 1, .act = CLVITS_ACT_GATE, .bias = true },
    { "gate, narrow", 1, 6, 2 * 3, 11, 1, 1, 1, 0, 0, 1, .act = CLVITS_ACT_GATE },
    { "gate, bias per item", 2, 24, 2 * 40, 29, 5, 1, 2, 4, 4, 1, .act = CLVITS_ACT_GATE,
      .scale = 0.5f, .item_bias = true, .large = true },
    { "split", 2, 11, 2 * 9, 37, 1, 1, 1, 0, 0, 1, .act = CLVITS_ACT_SPLIT, .bias = true,
      .residual = true, .sum = true },
    { "split, no sum", 1, 8, 2 * 48, 9, 3, 1, 1, 1, 1, 1, .act = CLVITS_ACT_SPLIT,
      .bias = true, .residual = true },
    { "split, straddled", 1, 7, 2 * 40, 14, 1, 1, 1, 0, 0, 1, .act = CLVITS_ACT_SPLIT,
      .scale = 0.5f, .item_bias = true, .sum = true },
    { "gate, tiles", 2, 36, 2 * 40, 33, 5, 1, 1, 2, 2, 1, .act = CLVITS_ACT_GATE, .scale = 0.1f,
      .bias = true },
    { "split, tiles", 1, 32, 2 * 24, 26, 3, 1, 2, 2, 2, 1, .act = CLVITS_ACT_SPLIT, .bias = true,
      .residual = true, .sum = true },
};

START_TEST(in_halves)
{
    const conv_case *c = &halves[_i];
    const int H = c->O / 2;
    const bool gate = c->act == CLVITS_ACT_GATE;
    const clvits_conv1d_params p = { .dilation = c->D, .pad_left = c->left, .scale = c->scale,
                                     .pad_right = c->right, .act = c->act, .only_act = gate };
    const float *x, *w, *bias = NULL, *residual = NULL, *sum = NULL;
    clvits_tensor *second = NULL, *tb = NULL;
    clvits_conv1d_extra extra = { .act = &second };
    int len[2];
    harness h;

    if ((c->large && getenv("CLVITS_TEST_TINY")) || harness_left_out(_i))
        return;
    harness_begin(&h, c->B);
    const int clock = clvits_graph_clock(h.graph, c->T);
    clvits_tensor *tx = harness_input(&h, clock, c->I, -1, 1, &x);
    clvits_tensor *tw = harness_weight(&h, 3, (int64_t[]){ c->O, c->I, c->K }, -1, 1, &w);
    if (c->bias)
        tb = harness_weight(&h, 1, (int64_t[]){ c->O }, -1, 1, &bias);
    if (c->item_bias)
        tb = harness_input(&h, 0, c->O, -1, 1, &bias);
    if (c->residual)
        extra.residual = harness_input(&h, clock, H, -1, 1, &residual);
    if (c->sum)
        extra.sum = harness_input(&h, clock, H, -1, 1, &sum);
    clvits_tensor *y = clvits_graph_keep(clvits_conv1d(tx, tw, tb, &p, &extra));
    clvits_graph_keep(second);
    harness_plan(&h);
    for (int b = 0; b < c->B; b++) {
        len[b] = c->T - 9 * b;
        harness_length(&h, clock, b, len[b]);
    }
    harness_go(&h);

    const int rows = c->B * c->T;
    conv_case plain = *c;
    plain.residual = plain.sum = false;
    plain.scale = 1.0f;
    double *all = malloc((size_t)(rows * c->O) * 2 * sizeof(*all)), *unused = all + rows * c->O;
    double *want[2] = { malloc((size_t)(rows * H) * sizeof(**want)),
                        malloc((size_t)(rows * H) * sizeof(**want)) };
    truth(&plain, c->T, x, len, w, bias, NULL, NULL, all, unused);
    for (int i = 0; i < rows * H; i++) {
        const double *row = all + i / H * c->O;
        const double scale = c->scale != 0.0f ? (double)c->scale : 1.0;
        const double a = row[i % H], b = row[H + i % H];
        want[0][i] = gate ? tanh(a * scale) / (1 + exp(-b * scale))
                          : (a + (residual ? (double)residual[i] : 0)) * scale;
        want[1][i] = (b + (sum ? (double)sum[i] : 0)) * scale;
    }
    harness_close(&h, y, want[0], 1e-5);
    ck_assert((second != NULL) && (second == y) == gate);
    if (!gate)
        harness_close(&h, second, want[1], 1e-5);
    harness_ask_some(&h, gate ? y : second);
    free(all);
    free(want[0]);
    free(want[1]);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("conv1d");
    TCase *t = tcase_create("cases"), *toom = tcase_create("transformed");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_loop_test(t, folded_by_period, 0, 3 * LENGTH(folded));
    tcase_add_loop_test(t, in_halves, 0, LENGTH(halves));
    conv1d_add_properties(t);
    suite_add_tcase(s, t);
    tcase_set_timeout(toom, HARNESS_TIMEOUT);
    tcase_add_loop_test(toom, forward_transformed, 0, LENGTH(cases));
    suite_add_tcase(s, toom);
    return harness_main(s);
}
