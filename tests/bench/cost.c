// SPDX-License-Identifier: MIT
//
// The voices that the bench generates take the work for a second of speech that each geometry is
// known to take; work.py has what the records say.
#include "../../bench/voice.h"

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

Suite *suite(void)
{
    Suite *s = suite_create("bench_cost");
    TCase *t = tcase_create("geometries");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, work, 0, LENGTH(known));
    suite_add_tcase(s, t);
    return s;
}
