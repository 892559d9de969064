// SPDX-License-Identifier: MIT
//
// The voices that the bench generates take the work for a second of speech that each geometry is
// known to take, and a ragged batch that of its items; work.py has what the records say.
#include "../../bench/voice.h"
#include "graph/plan.h"

#include <check.h>
#include <math.h>
#include <string.h>

Suite *suite(void);

/* So that what frames are rounded to matters little. */
enum { SECONDS = 10 };

/* GFLOP for a second of speech, a multiply and an add counting as two, and shares; where
 * it is known, what the decoder's convolutions move, in megabytes. */
static const struct {
    const char *voice;
    double total, decoder, flow, megabytes;
} known[] = {
    { "base", 54.6, 0.970, 0.022, 349.0 },
    { "mms", 39.8, 0.967, 0.022 },
    { "medium", 5.6, 0.70, 0.22 },
    { "low", 4.2, 0.68, 0.21 },
    { "x-low", 3.2, 0.89, 0.07 },
};

/* Megabytes for a second: what each convolution reads and writes, once and without weights. */
static double moved_by(const clvits_graph *g)
{
    int64_t sum = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        const clvits_node *n = g->nodes[i];
        if (strncmp(n->op->name, "conv", 4))
            continue;
        const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];
        sum += 4 * (clvits_tensor_count(n->in[0]) + clvits_tensor_count(y));
    }
    return (double)sum / SECONDS * 1e-6;
}

static int index_of(const char *name)
{
    for (int i = 0; i < voice_count(); i++)
        if (!strcmp(voice_name(i), name))
            return i;
    ck_abort_msg("no voice %s", name);
}

START_TEST(work)
{
    const clvits_stage_options o = { .batch = 1 };
    clvits_report r = { 0 };
    clvits_wave_stage wave;
    clvits_voice_cost c;
    voice v;

    ck_assert_int_eq(voice_open(&v, index_of(known[_i].voice), &r), CLVITS_OK);
    ck_assert_int_eq(clvits_model_cost(&c, &v.model, &r), CLVITS_OK);
    printf("%s: %.4f GFLOP for a second: text %.4f, durations %.4f, flow %.4f (%.4f), "
           "decoder %.4f (%.4f)\n",
           v.name, c.total, c.text, c.durations, c.flow, c.flow / c.total, c.decoder,
           c.decoder / c.total);
    ck_assert_double_le(fabs(c.total / known[_i].total - 1.0), 0.01);
    ck_assert_double_le(fabs(c.decoder / c.total - known[_i].decoder), 0.01);
    ck_assert_double_le(fabs(c.flow / c.total - known[_i].flow), 0.01);

    const int frames = SECONDS * v.config.sampling_rate / v.config.hop_length;
    ck_assert_int_eq(clvits_wave_stage_build(&wave, &v.model, &o, frames, &r), CLVITS_OK);
    const double moved = moved_by(wave.graph);
    clvits_graph_close(&wave.graph);
    printf("its convolutions move %.1f MB, %.1f FLOP for each byte\n", moved,
           1e3 * c.decoder / moved);
    if (known[_i].megabytes > 0.0)
        ck_assert_double_le(fabs(moved / known[_i].megabytes - 1.0), 0.02);
    voice_close(&v);
}
END_TEST

/* What makes few rows of many, whose columns are another clock's rows, or what has weights. */
enum { LOSS, SUM, SEARCH, PRODUCT, TRANSPOSED, ATTENTION, SPECTROGRAM, CONV, UP, LOOKUP };
enum { OPERATORS = LOOKUP + 1, CHANNELS = 32, TAPS = 4, BINS = 33, ITEMS = 2 };

typedef struct extent {
    int rows, columns; /* of the second clock */
} extent;

static clvits_tensor *add_operator(clvits_graph *g, int which, int clock, int other)
{
    clvits_tensor *x = clvits_graph_input(g, CLVITS_F32, clock, CHANNELS), *ends;
    const clvits_attention_params attention = { .heads = 2, .window = 0 };
    const clvits_conv1d_params same = { .pad_left = 1, .pad_right = 2 };
    const clvits_conv_transpose1d_params twice = { .stride = 2, .pad = 1 };
    static const float zeros[CHANNELS * CHANNELS * TAPS];
    clvits_tensor *w = clvits_graph_weight(g, zeros, 3, (int64_t[]){ CHANNELS, CHANNELS, TAPS });

    switch (which) {
    case LOSS:
        return clvits_loss_absolute(x, clvits_copy(x), 1.0f, NULL);
    case SUM:
        return clvits_sum(x);
    case SEARCH:
        x = clvits_graph_input(g, CLVITS_F32, clock, clvits_graph_capacity(g, other));
        return clvits_search(x, other, &ends);
    case PRODUCT: /* as many rows of the other as x has columns */
        return clvits_matmul(clvits_graph_input(g, CLVITS_F32, clock,
                                                clvits_graph_capacity(g, other)),
                             clvits_graph_input(g, CLVITS_F32, other, CHANNELS),
                             &(clvits_matmul_params){ .scale = 1.0f });
    case TRANSPOSED:
        return clvits_matmul(x, clvits_graph_input(g, CLVITS_F32, other, CHANNELS),
                             &(clvits_matmul_params){ .transpose_b = true });
    case ATTENTION:
        return clvits_attention(x, clvits_copy(x), clvits_copy(x), NULL, NULL, &attention);
    case CONV:
        return clvits_conv1d(x, w, NULL, &same, NULL);
    case UP:
        return clvits_conv_transpose1d(x, w, NULL, &twice, NULL);
    case LOOKUP:
        return clvits_embedding(clvits_graph_input(g, CLVITS_I32, clock, 1),
                                clvits_graph_weight(g, zeros, 2, (int64_t[]){ TAPS, CHANNELS }),
                                1.0f);
    default:
        return clvits_spectrogram(clvits_graph_input(g, CLVITS_F32, clock, 1),
                                  &(clvits_spectrogram_params){ .n_fft = 64, .hop = 16 });
    }
}

/* FLOP of an item by the formula, and floats read and written by all its nodes but for weights. */
static void known_work(double out[2], int which, extent e)
{
    const double T = e.rows, N = e.columns, C = CHANNELS;
    const double words = (e.rows + SEARCH_FRAMES - 1) / SEARCH_FRAMES, frames = e.rows / 16;
    const struct {
        double flops, floats;
    } all[OPERATORS] = {
        [LOSS] = { 2 * T * C + LOSS_STRETCHES, 2 * T * C + 2 * T * C + 2 * LOSS_STRETCHES + 1 },
        [SUM] = { T * C, T * C + 1 },
        [SEARCH] = { 3 * T * N + N + words, T * N + 2 * words * N + 2 * N },
        [PRODUCT] = { 2 * T * N * C, T * N + N * C + T * C },
        [TRANSPOSED] = { 2 * T * N * C, T * N + N * C + T * C },
        [ATTENTION] = { 4 * T * T * C, 2 * 2 * T * C + 4 * T * C },
        [SPECTROGRAM] = { frames * (64 + 2.5 * 64 * 5 + 10 * BINS), T + frames * BINS },
        [CONV] = { 2 * T * C * C * TAPS, 2 * T * C },
        [UP] = { 2 * T * C * C * TAPS, T * C + 2 * T * C },
        [LOOKUP] = { T * C, T + 2 * T * C },
    };

    out[0] = all[which].flops;
    out[1] = sizeof(float) * all[which].floats;
}

static double bytes_of_weight(const clvits_tensor *t)
{
    double bytes = sizeof(float);

    if (!t || t->role != CLVITS_WEIGHT)
        return 0.0;
    for (int i = 0; i < t->rank; i++)
        bytes *= (double)t->shape[i];
    return bytes;
}

/* FLOP and bytes of a batch of these extents, in a graph with room for `most`. */
static void work_of(double out[2], int which, const extent *item, int batch, extent most)
{
    clvits_machine m = { .n_places = 1 };
    clvits_packed_weights *weights = NULL;
    clvits_graph *g = NULL;
    clvits_plan *plan = NULL;
    clvits_run *run = NULL;
    clvits_report r = { 0 };

    ck_assert_int_eq(clvits_cpu_open(&m.cpu, "baseline", 1, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_packed_weights_open(&weights, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_graph_open(&g, batch, &r), CLVITS_OK);
    const int clock = clvits_graph_clock(g, most.rows), other = clvits_graph_clock(g, most.columns);
    clvits_graph_keep(add_operator(g, which, clock, other));
    ck_assert_msg(!clvits_graph_finish(g, &r), "%s", r.text);
    ck_assert_int_eq(clvits_plan_make(&plan, g, &m, weights, NULL, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_run_make(&run, plan, &r), CLVITS_OK);
    for (int i = 0; i < batch; i++) {
        ck_assert_int_eq(clvits_run_set_length(run, clock, i, item[i].rows, &r), CLVITS_OK);
        ck_assert_int_eq(clvits_run_set_length(run, other, i, item[i].columns, &r), CLVITS_OK);
    }
    out[0] = out[1] = 0.0;
    for (int i = 0; i < g->n_nodes; i++) {
        const clvits_node *n = g->nodes[i];
        out[0] += clvits_node_flops(n, clvits_run_table(run));
        out[1] += clvits_node_bytes(n, CLVITS_CPU_PLACE, clvits_run_table(run));
        for (int k = 0; k < CLVITS_MAX_IN && which != LOOKUP; k++) /* once for all items */
            out[1] -= bytes_of_weight(n->in[k]);
    }
    clvits_run_free(&run);
    clvits_plan_free(&plan);
    clvits_graph_close(&g);
    clvits_packed_weights_close(&weights);
    clvits_cpu_close(&m.cpu);
}

START_TEST(a_batch_is_the_sum_of_its_items)
{
    static const extent items[ITEMS] = { { 640, 128 }, { 320, 64 } };
    double batch[2], one[2], known_one[2], sum[2] = { 0.0, 0.0 };

    work_of(batch, _i, items, ITEMS, items[0]);
    for (int i = 0; i < ITEMS; i++) {
        work_of(one, _i, &items[i], 1, items[i]);
        known_work(known_one, _i, items[i]);
        ck_assert_double_eq_tol(one[0] / known_one[0], 1.0, 1e-12);
        ck_assert_double_eq(one[1], known_one[1]);
        sum[0] += one[0];
        sum[1] += one[1];
    }
    ck_assert_double_gt(sum[0], 0.0);
    ck_assert_double_eq_tol(batch[0] / sum[0], 1.0, 1e-9);
    ck_assert_double_eq_tol(batch[1] / sum[1], 1.0, 1e-9);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("bench_cost");
    TCase *t = tcase_create("geometries");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, work, 0, LENGTH(known));
    tcase_add_loop_test(t, a_batch_is_the_sum_of_its_items, 0, OPERATORS);
    suite_add_tcase(s, t);
    return s;
}
