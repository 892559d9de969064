// SPDX-License-Identifier: MIT
//
// Losses, random segments and folded waveforms, as a batch of training has them: 16 items, with
// segments of 32 frames, which are 8192 samples.
#include "bench.h"

enum { BATCH = 16, FRAMES = 800, SEGMENT = 32, HOP = 256, SAMPLES = SEGMENT * HOP };

static void loss(bench *b, const char *name, clvits_loss_kind kind, int rows, int channels)
{
    const int operands = kind == CLVITS_LOSS_KL ? 4 : 2;
    clvits_tensor *in[4] = { NULL };
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", BATCH, "loss/%s, %d x %d", name, rows, channels))
        return;
    const int clock = clvits_graph_clock(g.graph, rows);
    for (int i = 0; i < operands; i++)
        in[i] = bench_input(&g, clock, channels, NULL);
    clvits_tensor *sums = clvits_loss(in[0], in[1], in[2], in[3], &(clvits_loss_params){ kind, 0 });
    clvits_graph_keep(clvits_total(
        sums, NULL, &(clvits_total_params){ .rows = clock, .channels = channels }));
    bench_case_end(&g);
}

static void slice(bench *b, const char *name, int rows, int step, int channels)
{
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", BATCH, "slice_rows/%s", name))
        return;
    const int clock = clvits_graph_clock(g.graph, rows * step);
    const int segment = clvits_graph_clock(g.graph, SEGMENT * step);
    const int slot = clvits_graph_scalar(g.graph, 1);
    bench_scalar_int(&g, slot, 300);
    clvits_graph_keep(clvits_slice_rows(bench_input(&g, clock, channels, NULL), segment, slot,
                                        step));
    bench_case_end(&g);
}

static void fold(bench *b, int period)
{
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", BATCH, "fold/period %d", period))
        return;
    const int clock = clvits_graph_clock(g.graph, SAMPLES);
    clvits_graph_keep(clvits_fold(bench_input(&g, clock, 1, NULL), period));
    bench_case_end(&g);
}

void bench_loss(bench *b)
{
    loss(b, "KL", CLVITS_LOSS_KL, FRAMES, 192);
    slice(b, "latent", FRAMES, 1, 192);
    fold(b, 11);
    if (b->o->quick)
        return;
    loss(b, "mel spectrograms", CLVITS_LOSS_ABSOLUTE, SEGMENT, 80);
    loss(b, "feature maps", CLVITS_LOSS_ABSOLUTE, SAMPLES, 16);
    loss(b, "feature maps", CLVITS_LOSS_ABSOLUTE, SAMPLES / 81, 1024);
    slice(b, "samples", FRAMES, HOP, 1);
}
