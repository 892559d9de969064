// SPDX-License-Identifier: MIT
#include "model/check.h"

#include <string.h>

/* Near what float arithmetic in another order comes to, and far below what an error would be. */
#define CLOSE 1e-5

enum { ROWS = 37 };

static float *numbers(clvits_check_graph *g, int64_t n, float lo, float hi)
{
    float *p = clvits_arena_array(&g->arena, (size_t)n, sizeof(*p));

    g->no_memory |= !p;
    for (int64_t i = 0; p && i < n; i++) {
        g->seed = g->seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = lo + (hi - lo) * (float)(g->seed >> 40) / 16777216.0f;
    }
    return p;
}

static clvits_tensor *add_input(clvits_check_graph *g, clvits_tensor *t, void *values)
{
    if (!t || !values)
        return NULL;
    g->inputs[g->n_inputs].tensor = t;
    g->inputs[g->n_inputs++].values = values;
    return t;
}

static clvits_tensor *input_of(clvits_check_graph *g, clvits_type type, int clock, int channels,
                               float lo, float hi)
{
    clvits_tensor *t = clvits_graph_input(g->graph, type, clock, channels);
    return t ? add_input(g, t, numbers(g, clvits_tensor_count(t), lo, hi)) : NULL;
}

static clvits_tensor *input(clvits_check_graph *g, int clock, int channels, float lo, float hi)
{
    return input_of(g, g->halves && clock ? CLVITS_F16 : CLVITS_F32, clock, channels, lo, hi);
}

static clvits_tensor *weight(clvits_check_graph *g, int rank, int64_t a, int64_t b, int64_t c)
{
    const int64_t shape[] = { a, b, c };
    const int64_t n = a * (rank > 1 ? b : 1) * (rank > 2 ? c : 1);
    const float *data = numbers(g, n, -0.5f, 0.5f);
    return data ? clvits_graph_weight(g->graph, data, rank, shape) : NULL;
}

static void compare(clvits_check_graph *g, clvits_tensor *t)
{
    if (t)
        g->outputs[g->n_outputs++] = clvits_graph_keep(t);
}

static int rows(clvits_check_graph *g)
{
    return clvits_graph_clock(g->graph, ROWS);
}

static const struct conv {
    int I, O, K;
    bool bias, item_bias, added, act;
    bool from_floats, to_floats; /* where others have halves */
    clvits_conv1d_params p;
} convs[] = {
    { 7, 33, 3, true, .p = { .pad_left = 1, .pad_right = 1 } },
    { 65, 50, 1, false },
    { 16, 16, 7, true, .added = true, .act = true,
      .p = { .dilation = 3, .pad_left = 9, .pad_right = 9, .pre_slope = 0.1f, .scale = 0.5f,
             .act = CLVITS_ACT_LEAKY_RELU, .act_slope = 0.1f } },
    { 12, 18, 5, true, .p = { .stride = 2, .groups = 3, .pad_left = 2, .pad_right = 2 } },
    { 9, 9, 3, true, .p = { .dilation = 3, .groups = 9, .pad_left = 3, .pad_right = 3 } },
    { 24, 1, 7, false, .item_bias = true, .to_floats = true,
      .p = { .pad_left = 3, .pad_right = 3, .act = CLVITS_ACT_TANH, .only_act = true } },
    { 11, 42, 3, true,
      .p = { .pad_left = 1, .pad_right = 1, .act = CLVITS_ACT_GATE, .only_act = true } },
    { 21, 42, 1, true, .added = true, .act = true, .p = { .act = CLVITS_ACT_SPLIT } },
    { 18, 20, 5, true, .p = { .stride = 3, .period = 5, .pad_left = 2, .pad_right = 2 } },
    /* Wide enough for Toom-Cook forms: each form and each kernel that some voice has. */
    { 48, 40, 3, true, .p = { .pad_left = 1, .pad_right = 1 } },
    { 40, 48, 3, true, .added = true, .act = true,
      .p = { .dilation = 5, .pad_left = 5, .pad_right = 5, .pre_slope = 0.1f,
             .act = CLVITS_ACT_LEAKY_RELU, .act_slope = 0.1f } },
    { 130, 130, 3, true, .p = { .pad_left = 1, .pad_right = 1 } },
    { 130, 130, 3, true, .added = true,
      .p = { .pad_left = 1, .pad_right = 1, .pre_slope = 0.1f } },
    { 36, 64, 5, true, .p = { .pad_left = 2, .pad_right = 2 } },
    { 36, 64, 5, true, .added = true,
      .p = { .dilation = 2, .pad_left = 4, .pad_right = 4, .pre_slope = 0.1f, .scale = 0.5f } },
    { 64, 48, 7, true, .added = true,
      .p = { .dilation = 3, .pad_left = 9, .pad_right = 9, .pre_slope = 0.1f, .scale = 0.5f } },
    { 64, 48, 7, true, .p = { .pad_left = 3, .pad_right = 3 } },
    { 40, 64, 7, true, .p = { .pad_left = 3, .pad_right = 3 } },
    { 40, 64, 7, true, .added = true,
      .p = { .dilation = 3, .pad_left = 9, .pad_right = 9, .pre_slope = 0.1f } },
    { 36, 64, 7, true, .p = { .dilation = 12, .pad_left = 36, .pad_right = 36 } },
    { 36, 64, 7, true, .added = true,
      .p = { .dilation = 12, .pad_left = 36, .pad_right = 36, .pre_slope = 0.1f } },
    { 33, 64, 11, true, .p = { .dilation = 5, .pad_left = 25, .pad_right = 25 } },
    { 33, 64, 11, true, .added = true, .p = { .pad_left = 5, .pad_right = 5, .pre_slope = 0.1f } },
    { 36, 96, 5, true,
      .p = { .pad_left = 2, .pad_right = 2, .act = CLVITS_ACT_GATE, .only_act = true } },
    /* Where halves begin and end. */
    { 48, 64, 1, true, .from_floats = true },
    { 48, 64, 1, true, .to_floats = true },
};

static void conv1d(clvits_check_graph *g, int i)
{
    const struct conv *c = &convs[i];
    const int clock = rows(g);
    clvits_tensor *x = c->from_floats ? input_of(g, CLVITS_F32, clock, c->I, -1, 1)
                                      : input(g, clock, c->I, -1, 1);
    clvits_tensor *act = NULL, *bias = NULL;
    clvits_conv1d_extra extra = { .act = c->act ? &act : NULL };

    if (c->bias)
        bias = weight(g, 1, c->O, 0, 0);
    if (c->item_bias)
        bias = input(g, 0, c->O, -1, 1);
    if (c->added) {
        const int made = c->p.act == CLVITS_ACT_SPLIT ? c->O / 2 : c->O;
        extra.residual = input(g, clock, made, -1, 1);
        extra.sum = input(g, clock, made, -1, 1);
    }
    clvits_tensor *w = weight(g, 3, c->O, c->I / (c->p.groups ? c->p.groups : 1), c->K);
    if (c->to_floats)
        clvits_graph_halves(g->graph, g->halves & ~CLVITS_HALF_TENSORS);
    compare(g, clvits_conv1d(x, w, bias, &c->p, &extra));
    compare(g, act);
}

static void conv_transpose1d(clvits_check_graph *g, int i)
{
    static const struct {
        int I, O, K;
        clvits_conv_transpose1d_params p;
    } cases[] = {
        { 24, 13, 16, { .stride = 8, .pad = 4, .pre_slope = 0.1f } },
        { 24, 13, 4, { .stride = 2, .pad = 1, .act = CLVITS_ACT_LEAKY_RELU, .act_slope = 0.1f } },
        /* In Toom-Cook forms. */
        { 32, 32, 16, { .stride = 8, .pad = 4 } },
        { 32, 48, 16, { .stride = 8, .pad = 4 } },
    };
    const clvits_conv_transpose1d_params *p = &cases[i].p;
    clvits_tensor *x = input(g, rows(g), cases[i].I, -1, 1), *act = NULL;
    clvits_tensor *w = weight(g, 3, cases[i].I, cases[i].O, cases[i].K);
    clvits_tensor *bias = weight(g, 1, cases[i].O, 0, 0);

    compare(g, clvits_conv_transpose1d(x, w, bias, p, p->act ? &act : NULL));
    compare(g, act);
}

static void embedding(clvits_check_graph *g, int i)
{
    enum { SYMBOLS = 41 };
    clvits_tensor *ids = clvits_graph_input(g->graph, CLVITS_I32, rows(g), 1);
    const int64_t n = ids ? clvits_tensor_count(ids) : 0;
    int *values = clvits_arena_array(&g->arena, (size_t)n, sizeof(*values));

    (void)i;
    g->no_memory |= !values;
    for (int64_t k = 0; values && k < n; k++)
        values[k] = (int)(k * 29 % SYMBOLS);
    ids = add_input(g, ids, values);
    compare(g, clvits_embedding(ids, weight(g, 2, SYMBOLS, 27, 0), 5.0f));
}

static void layer_norm(clvits_check_graph *g, int i)
{
    const int clock = rows(g), C = i ? 96 : 51;
    clvits_tensor *x = input(g, clock, C, -1, 1);
    clvits_tensor *residual = i ? NULL : input(g, clock, C, -1, 1);
    const clvits_layer_norm_params p = { .eps = 1e-5f, .gelu = i };
    clvits_tensor *gamma = weight(g, 1, C, 0, 0), *beta = weight(g, 1, C, 0, 0);

    compare(g, clvits_layer_norm(x, residual, gamma, beta, &p));
}

static void separable(clvits_check_graph *g, int i)
{
    const clvits_separable_params p = { .dilation = 3 };
    clvits_tensor *x = input(g, rows(g), 51, -1, 1), *depthwise = weight(g, 3, 51, 1, 3);
    clvits_tensor *w = weight(g, 3, 51, 51, 1);

    (void)i;
    compare(g, clvits_separable(x, depthwise, w, weight(g, 2, 6, 51, 0), &p));
}

static void attention(clvits_check_graph *g, int i)
{
    const int clock = rows(g);
    const clvits_attention_params p = { .heads = 2, .window = i ? 4 : 0 };
    clvits_tensor *q = input(g, clock, 26, -1, 1), *k = input(g, clock, 26, -1, 1);
    clvits_tensor *v = input(g, clock, 26, -1, 1);
    clvits_tensor *rel_k = i ? weight(g, 3, 1, 9, 13) : NULL;
    clvits_tensor *rel_v = i ? weight(g, 3, 1, 9, 13) : NULL;

    compare(g, clvits_attention(q, k, v, rel_k, rel_v, &p));
}

static void softmax(clvits_check_graph *g, int i)
{
    (void)i;
    compare(g, clvits_softmax(input(g, rows(g), ROWS, -4, 4)));
}

static void matmul(clvits_check_graph *g, int i)
{
    const int a_clock = rows(g), b_clock = i ? rows(g) : clvits_graph_clock(g->graph, 19);
    const clvits_matmul_params p = { .transpose_b = i, .scale = 0.25f };
    clvits_tensor *a = input(g, a_clock, 19, -1, 1), *b = input(g, b_clock, i ? 19 : 33, -1, 1);

    compare(g, clvits_matmul(a, b, &p));
}

static void unary(clvits_check_graph *g, int i)
{
    const clvits_unary_params p = { .kind = (clvits_unary_kind)i, .a = 0.1f };
    const bool of_positive = p.kind == CLVITS_LOG;
    compare(g, clvits_unary(input(g, rows(g), 21, of_positive ? 0 : -6, 6), &p));
}

static void binary(clvits_check_graph *g, int i)
{
    const int clock = rows(g);
    const bool one_row = i == 3;
    const clvits_binary_kind kind = one_row ? CLVITS_ADD : (clvits_binary_kind)i;
    clvits_tensor *a = input(g, clock, 21, -1, 1), *b = input(g, one_row ? 0 : clock, 21, -1, 1);

    compare(g, clvits_binary(a, b, kind));
}

static void gate(clvits_check_graph *g, int i)
{
    clvits_tensor *x = input(g, rows(g), 42, -3, 3), *c = i ? input(g, 0, 42, -3, 3) : NULL;
    compare(g, clvits_gate(x, c));
}

/* affine, coupling, log_flow, spline: i is 1 in reverse. */
static void affine(clvits_check_graph *g, int i)
{
    clvits_tensor *x = input(g, rows(g), 5, -2, 2), *logdet = NULL;
    clvits_tensor *m = weight(g, 1, 5, 0, 0), *logs = weight(g, 1, 5, 0, 0);

    compare(g, clvits_affine(x, m, logs, i, &logdet));
    compare(g, logdet);
}

static void coupling(clvits_check_graph *g, int i)
{
    const int clock = rows(g);
    clvits_tensor *x = input(g, clock, 11, -2, 2), *m = input(g, clock, 11, -1, 1);
    clvits_tensor *logs = input(g, clock, 11, -1, 1), *logdet = NULL;

    compare(g, clvits_coupling(x, m, logs, i, &logdet));
    compare(g, logdet);
}

static void mean_coupling(clvits_check_graph *g, int i)
{
    const int clock = rows(g);
    clvits_tensor *x = input(g, clock, 11, -2, 2), *m = input(g, clock, 11, -1, 1);

    compare(g, clvits_coupling(x, m, NULL, i, NULL));
}

static void log_flow(clvits_check_graph *g, int i)
{
    clvits_tensor *x = input(g, rows(g), 3, i ? -3.0f : 0.0f, 3), *logdet = NULL;

    compare(g, clvits_log_flow(x, i, i ? NULL : &logdet));
    compare(g, logdet);
}

static void spline(clvits_check_graph *g, int i)
{
    const clvits_spline_params p = { .reverse = i, .bins = 10, .tail = 5, .scale = 0.2f };
    const int clock = rows(g);
    clvits_tensor *x = input(g, clock, 3, -6, 6), *h = input(g, clock, 3 * 29, -3, 3);
    clvits_tensor *logdet = NULL;

    compare(g, clvits_spline(x, h, &p, &logdet));
    compare(g, logdet);
}

static void copy(clvits_check_graph *g, int i)
{
    (void)i;
    compare(g, clvits_copy(clvits_graph_slice(input(g, rows(g), 19, -1, 1), 5, 11)));
}

static void concat(clvits_check_graph *g, int i)
{
    const int clock = rows(g);
    clvits_tensor *a = input(g, clock, 6, -1, 1), *b = input(g, clock, 13, -1, 1);

    (void)i;
    compare(g, clvits_concat(a, b));
}

static void flip(clvits_check_graph *g, int i)
{
    (void)i;
    compare(g, clvits_flip(input(g, rows(g), 19, -1, 1)));
}

static void fold(clvits_check_graph *g, int i)
{
    (void)i;
    compare(g, clvits_fold(input(g, rows(g), 3, -1, 1), 11));
}

static void slice_rows(clvits_check_graph *g, int i)
{
    const int clock = clvits_graph_clock(g->graph, 8);

    (void)i;
    g->seed_slot = clvits_graph_scalar(g->graph, 2); /* of which the second is the item */
    compare(g, clvits_slice_rows(input(g, rows(g), 19, -1, 1), clock, g->seed_slot + 1, 3));
}

static void loss(clvits_check_graph *g, int i)
{
    const int clock = rows(g), operands = i == CLVITS_LOSS_KL ? 4 : i == CLVITS_LOSS_SUM ? 1 : 2;
    clvits_tensor *in[4] = { NULL };

    for (int k = 0; k < operands; k++)
        in[k] = input(g, clock, 19, -0.5f, 1);
    compare(g, clvits_loss(in[0], in[1], in[2], in[3], &(clvits_loss_params){ i, 0 }));
}

static void total(clvits_check_graph *g, int i)
{
    clvits_tensor *x = input(g, 0, 32, -0.5f, 1), *add = input(g, 0, 1, 0, 1);

    (void)i;
    compare(g, clvits_total(x, add, &(clvits_total_params){ 2.0f, rows(g), 19 }));
}

static void sum(clvits_check_graph *g, int i)
{
    (void)i;
    compare(g, clvits_sum(input(g, rows(g), 19, -0.5f, 1)));
}

static void durations(clvits_check_graph *g, int i)
{
    clvits_tensor *logw = input(g, rows(g), 1, -2, 3), *ends = NULL;

    (void)i;
    g->scalar = clvits_graph_scalar(g->graph, 1);
    g->scalar_value = 1.1f;
    compare(g, clvits_durations(logw, g->scalar, &ends));
    compare(g, ends);
}

static void expand(clvits_check_graph *g, int i)
{
    clvits_tensor *logw = input(g, rows(g), 1, -1, 1), *ends = NULL;
    clvits_tensor *x = logw ? input(g, logw->clock, 10, -1, 1) : NULL;
    const int frames = clvits_graph_clock(g->graph, 91);

    (void)i;
    g->scalar = clvits_graph_scalar(g->graph, 1);
    g->scalar_value = 1.0f;
    clvits_durations(logw, g->scalar, &ends);
    compare(g, clvits_expand(x, ends, frames));
}

static void sample(clvits_check_graph *g, int i)
{
    const int clock = rows(g);
    clvits_tensor *m = input(g, clock, 21, -1, 1), *logs = input(g, clock, 21, -1, 1);
    clvits_tensor *noise = input(g, clock, 21, -3, 3);

    (void)i;
    g->scalar = clvits_graph_scalar(g->graph, 1);
    g->scalar_value = 0.667f;
    compare(g, clvits_sample(m, logs, noise, g->scalar));
}

static void prior(clvits_check_graph *g, int i)
{
    clvits_tensor *logw = input(g, rows(g), 1, -1, 1), *ends = NULL;
    const int frames = clvits_graph_clock(g->graph, 91);
    clvits_tensor *stats = logw ? input(g, logw->clock, 26, -1, 1) : NULL;
    clvits_tensor *noise = i ? NULL : input(g, frames, 13, -3, 3);

    g->scalar = clvits_graph_scalar(g->graph, 1);
    g->scalar_value = 0.667f;
    g->seed_slot = clvits_graph_scalar(g->graph, 2);
    clvits_durations(logw, g->scalar, &ends);
    compare(g, clvits_prior(stats, ends, noise,
                            &(clvits_prior_params){ frames, g->scalar, g->seed_slot, i }));
}

static void normal(clvits_check_graph *g, int i)
{
    g->seed_slot = clvits_graph_scalar(g->graph, 2);
    compare(g, clvits_normal(g->graph, rows(g), 21, g->seed_slot, i));
}

static void search(clvits_check_graph *g, int i)
{
    const int frames = clvits_graph_clock(g->graph, 91), text = rows(g);
    clvits_tensor *value = input(g, frames, ROWS, -1, 1), *ends = NULL;

    (void)i;
    compare(g, clvits_search(value, text, &ends));
    compare(g, ends);
}

static void spectrogram(clvits_check_graph *g, int i)
{
    const int clock = clvits_graph_clock(g->graph, 700);

    compare(g, clvits_spectrogram(input(g, clock, 1, -1, 1),
                                  &(clvits_spectrogram_params){ .n_fft = i ? 100 : 128,
                                                                .hop = 32 }));
}

const clvits_check_case clvits_check_cases[] = {
    { "affine", &clvits_op_affine, CLOSE, affine, 0 },
    { "affine, reverse", &clvits_op_affine, CLOSE, affine, 1 },
    { "attention", &clvits_op_attention, CLOSE, attention, 0 },
    { "attention, relative", &clvits_op_attention, CLOSE, attention, 1 },
    { "backtrack", &clvits_op_backtrack, 0, search, 0 },
    { "binary, add", &clvits_op_binary, CLOSE, binary, CLVITS_ADD },
    { "binary, subtract", &clvits_op_binary, CLOSE, binary, CLVITS_SUB },
    { "binary, multiply", &clvits_op_binary, CLOSE, binary, CLVITS_MUL },
    { "binary, one row", &clvits_op_binary, CLOSE, binary, 3 },
    { "concat", &clvits_op_concat, 0, concat, 0 },
    { "conv1d", &clvits_op_conv1d, CLOSE, conv1d, 0 },
    { "conv1d, one tap", &clvits_op_conv1d, CLOSE, conv1d, 1 },
    { "conv1d, dilated, fused", &clvits_op_conv1d, CLOSE, conv1d, 2 },
    { "conv1d, stride, groups", &clvits_op_conv1d, CLOSE, conv1d, 3 },
    { "conv1d, depthwise", &clvits_op_conv1d, CLOSE, conv1d, 4 },
    { "conv1d, bias per item", &clvits_op_conv1d, CLOSE, conv1d, 5 },
    { "conv1d, gate", &clvits_op_conv1d, CLOSE, conv1d, 6 },
    { "conv1d, split", &clvits_op_conv1d, CLOSE, conv1d, 7 },
    { "conv1d, folded", &clvits_op_conv1d, CLOSE, conv1d, 8 },
    { "conv1d, wide", &clvits_op_conv1d, CLOSE, conv1d, 9 },
    { "conv1d, wide, fused", &clvits_op_conv1d, CLOSE, conv1d, 10 },
    { "conv1d, wider", &clvits_op_conv1d, CLOSE, conv1d, 11 },
    { "conv1d, wider, fused", &clvits_op_conv1d, CLOSE, conv1d, 12 },
    { "conv1d, five taps", &clvits_op_conv1d, CLOSE, conv1d, 13 },
    { "conv1d, five taps, fused", &clvits_op_conv1d, CLOSE, conv1d, 14 },
    { "conv1d, seven taps, few, fused", &clvits_op_conv1d, CLOSE, conv1d, 15 },
    { "conv1d, seven taps, few", &clvits_op_conv1d, CLOSE, conv1d, 16 },
    { "conv1d, seven taps", &clvits_op_conv1d, CLOSE, conv1d, 17 },
    { "conv1d, seven taps, fused", &clvits_op_conv1d, CLOSE, conv1d, 18 },
    { "conv1d, seven taps, apart", &clvits_op_conv1d, CLOSE, conv1d, 19 },
    { "conv1d, seven taps, apart, fused", &clvits_op_conv1d, CLOSE, conv1d, 20 },
    { "conv1d, eleven taps", &clvits_op_conv1d, CLOSE, conv1d, 21 },
    { "conv1d, eleven taps, fused", &clvits_op_conv1d, CLOSE, conv1d, 22 },
    { "conv1d, wide, gate", &clvits_op_conv1d, CLOSE, conv1d, 23 },
    { "conv1d, from floats", &clvits_op_conv1d, CLOSE, conv1d, 24 },
    { "conv1d, to floats", &clvits_op_conv1d, CLOSE, conv1d, 25 },
    { "conv_transpose1d", &clvits_op_conv_transpose1d, CLOSE, conv_transpose1d, 0 },
    { "conv_transpose1d, fused", &clvits_op_conv_transpose1d, CLOSE, conv_transpose1d, 1 },
    { "conv_transpose1d, even", &clvits_op_conv_transpose1d, CLOSE, conv_transpose1d, 2 },
    { "conv_transpose1d, wide", &clvits_op_conv_transpose1d, CLOSE, conv_transpose1d, 3 },
    { "copy", &clvits_op_copy, 0, copy, 0 },
    { "coupling", &clvits_op_coupling, CLOSE, coupling, 0 },
    { "coupling, reverse", &clvits_op_coupling, CLOSE, coupling, 1 },
    { "coupling, mean only", &clvits_op_coupling, CLOSE, mean_coupling, 1 },
    { "durations", &clvits_op_durations, 0, durations, 0 },
    { "embedding", &clvits_op_embedding, CLOSE, embedding, 0 },
    { "expand", &clvits_op_expand, 0, expand, 0 },
    { "flip", &clvits_op_flip, 0, flip, 0 },
    { "fold", &clvits_op_fold, 0, fold, 0 },
    { "gate", &clvits_op_gate, CLOSE, gate, 0 },
    { "gate, conditioned", &clvits_op_gate, CLOSE, gate, 1 },
    { "layer_norm, residual", &clvits_op_layer_norm, CLOSE, layer_norm, 0 },
    { "layer_norm, GELU", &clvits_op_layer_norm, CLOSE, layer_norm, 1 },
    { "log_flow", &clvits_op_log_flow, CLOSE, log_flow, 0 },
    { "log_flow, reverse", &clvits_op_log_flow, CLOSE, log_flow, 1 },
    { "loss, sum", &clvits_op_loss, CLOSE, loss, CLVITS_LOSS_SUM },
    { "loss, absolute", &clvits_op_loss, CLOSE, loss, CLVITS_LOSS_ABSOLUTE },
    { "loss, square", &clvits_op_loss, CLOSE, loss, CLVITS_LOSS_SQUARE },
    { "loss, KL", &clvits_op_loss, CLOSE, loss, CLVITS_LOSS_KL },
    { "matmul", &clvits_op_matmul, CLOSE, matmul, 0 },
    { "matmul, transposed", &clvits_op_matmul, CLOSE, matmul, 1 },
    { "normal", &clvits_op_normal, 0, normal, 7 },
    { "prior", &clvits_op_prior, CLOSE, prior, 0 },
    { "prior, drawn", &clvits_op_prior, CLOSE, prior, 1 },
    { "sample", &clvits_op_sample, CLOSE, sample, 0 },
    { "search", &clvits_op_search, 0, search, 0 },
    { "separable", &clvits_op_separable, CLOSE, separable, 0 },
    { "slice_rows", &clvits_op_slice_rows, 0, slice_rows, 0 },
    { "softmax", &clvits_op_softmax, CLOSE, softmax, 0 },
    { "spectrogram", &clvits_op_spectrogram, CLOSE, spectrogram, 0 },
    { "spectrogram, no power of two", &clvits_op_spectrogram, CLOSE, spectrogram, 1 },
    { "spline", &clvits_op_spline, CLOSE, spline, 0 },
    { "spline, reverse", &clvits_op_spline, CLOSE, spline, 1 },
    { "sum", &clvits_op_sum, CLOSE, sum, 0 },
    { "total", &clvits_op_total, CLOSE, total, 0 },
    { "unary, ReLU", &clvits_op_unary, CLOSE, unary, CLVITS_RELU },
    { "unary, leaky ReLU", &clvits_op_unary, CLOSE, unary, CLVITS_LEAKY_RELU },
    { "unary, GELU", &clvits_op_unary, CLOSE, unary, CLVITS_GELU },
    { "unary, tanh", &clvits_op_unary, CLOSE, unary, CLVITS_TANH },
    { "unary, sigmoid", &clvits_op_unary, CLOSE, unary, CLVITS_SIGMOID },
    { "unary, exp", &clvits_op_unary, CLOSE, unary, CLVITS_EXP },
    { "unary, scale", &clvits_op_unary, CLOSE, unary, CLVITS_SCALE },
    { "unary, plus", &clvits_op_unary, CLOSE, unary, CLVITS_PLUS },
    { "unary, log", &clvits_op_unary, CLOSE, unary, CLVITS_LOG },
    { "unary, log sigmoid", &clvits_op_unary, CLOSE, unary, CLVITS_LOG_SIGMOID },
    { "unary, log normal", &clvits_op_unary, CLOSE, unary, CLVITS_LOG_NORMAL },
};
const int clvits_check_case_count =
    (int)(sizeof(clvits_check_cases) / sizeof(clvits_check_cases[0]));

clvits_status clvits_check_open(clvits_check_graph *out, const clvits_check_case *c, int halves,
                                clvits_report *r)
{
    *out = (clvits_check_graph){ .seed = 1, .halves = c->op->halves ? halves : 0 };
    const clvits_status s = clvits_graph_open(&out->graph, CLVITS_CHECK_BATCH, r);

    if (s)
        return s;
    clvits_graph_halves(out->graph, out->halves);
    c->build(out, c->i);
    return out->no_memory ? clvits_fail_memory(r, "numbers to compare with")
                          : clvits_graph_finish(out->graph, r);
}

void clvits_check_close(clvits_check_graph *g)
{
    clvits_graph_close(&g->graph);
    clvits_arena_free(&g->arena);
}
