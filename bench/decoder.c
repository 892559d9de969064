// SPDX-License-Identifier: MIT
//
// Whole decoders (HiFi-GAN generators) with random weights, as the chains of convolutions that a
// voice runs: the real-time factor to expect of the geometry on this place.
#include "bench.h"

#include <stdio.h>

typedef struct geometry {
    const char *name;
    int rate, frames; /* samples per second; latent frames of one second */
    int latent, channels;
    int stages, up[4], kernel[4];
    int blocks, block_kernel[3];
    int convs, dilation[3][3]; /* convolutions of a block along time */
    bool pairs;                /* residual block 1: each is followed by an undilated one */
} geometry;

static const geometry geometries[] = {
    { "decoder/base", 22050, 86, 192, 512, 4, { 8, 8, 2, 2 }, { 16, 16, 4, 4 }, 3, { 3, 7, 11 }, 3,
      { { 1, 3, 5 }, { 1, 3, 5 }, { 1, 3, 5 } }, true },
    { "decoder/piper-medium", 22050, 86, 192, 256, 3, { 8, 8, 4 }, { 16, 16, 8 }, 3, { 3, 5, 7 },
      2, { { 1, 2 }, { 2, 6 }, { 3, 12 } }, false },
    { "decoder/mini", 16000, 62, 96, 192, 3, { 8, 8, 4 }, { 16, 16, 8 }, 2, { 3, 7 }, 2,
      { { 1, 3 }, { 1, 3 } }, true },
};

/* Weights that keep the values' size from layer to layer. */
static clvits_tensor *weight(bench_graph *g, int a, int b, int k, int sum)
{
    return bench_weight(g, 3, (int64_t[]){ a, b, k }, 1.5f / (float)sum, NULL);
}

/* x raw, *active its leaky ReLU on entry; each convolution keeps both for the next one. sum, when
 * there is one, is added at the end, and the last block divides by their number. */
static clvits_tensor *block(bench_graph *g, const geometry *m, int stage, int n, int channels,
                            clvits_tensor *x, clvits_tensor *active, clvits_tensor *sum,
                            clvits_tensor **out_active)
{
    const int K = m->block_kernel[n];
    const bool last_block = n == m->blocks - 1;

    for (int i = 0; i < m->convs; i++) {
        const bool last = i == m->convs - 1, end = last && last_block;
        const int pad = m->dilation[n][i] * (K - 1) / 2;
        clvits_conv1d_params p = { .dilation = m->dilation[n][i], .pad_left = pad,
                                   .pad_right = pad, .act_slope = 0.1f };
        clvits_tensor *w = weight(g, channels, channels, K, channels);
        clvits_tensor *bias = bench_weight(g, 1, (int64_t[]){ channels }, 0.1f, NULL);
        clvits_tensor *in = active;
        if (m->pairs) {
            p.act = CLVITS_ACT_LEAKY_RELU;
            p.only_act = true;
            in = clvits_conv1d(in, w, bias, &p, NULL);
            w = weight(g, channels, channels, K, channels);
            p = (clvits_conv1d_params){ .pad_left = (K - 1) / 2, .pad_right = (K - 1) / 2,
                                        .act_slope = 0.1f };
        }
        p.act = !last || end ? CLVITS_ACT_LEAKY_RELU : CLVITS_ACT_NONE;
        p.only_act = end;
        p.scale = end ? 1.0f / (float)m->blocks : 0.0f;
        if (end && stage == m->stages - 1)
            p.act_slope = 0.01f;
        clvits_tensor *act = NULL;
        const clvits_conv1d_extra extra = { .residual = x, .sum = last ? sum : NULL, .act = &act };
        x = clvits_conv1d(in, w, bias, &p, &extra);
        active = act;
    }
    *out_active = active;
    return x;
}

static clvits_tensor *decoder(bench_graph *g, const geometry *m, clvits_tensor *z)
{
    int channels = m->channels;
    clvits_conv1d_params pre = { .pad_left = 3, .pad_right = 3, .act = CLVITS_ACT_LEAKY_RELU,
                                 .act_slope = 0.1f, .only_act = true };
    clvits_tensor *active =
        clvits_conv1d(z, weight(g, channels, m->latent, 7, m->latent),
                      bench_weight(g, 1, (int64_t[]){ channels }, 0.1f, NULL), &pre, NULL);

    for (int s = 0; s < m->stages; s++, channels /= 2) {
        const clvits_conv_transpose1d_params up = { .stride = m->up[s],
                                                    .pad = (m->kernel[s] - m->up[s]) / 2,
                                                    .act = CLVITS_ACT_LEAKY_RELU,
                                                    .act_slope = 0.1f };
        clvits_tensor *w = weight(g, channels, channels / 2, m->kernel[s], channels / 2);
        clvits_tensor *bias = bench_weight(g, 1, (int64_t[]){ channels / 2 }, 0.1f, NULL);
        clvits_tensor *x_active, *sum = NULL, *end = NULL;
        clvits_tensor *x = clvits_conv_transpose1d(active, w, bias, &up, &x_active);
        for (int n = 0; n < m->blocks; n++)
            sum = block(g, m, s, n, channels / 2, x, x_active, sum, &end);
        active = end;
    }
    const clvits_conv1d_params post = { .pad_left = 3, .pad_right = 3, .act = CLVITS_ACT_TANH,
                                        .only_act = true };
    return clvits_graph_keep(
        clvits_conv1d(active, weight(g, 1, channels, 7, channels), NULL, &post, NULL));
}

static double work(const clvits_graph *g)
{
    double flops = 0.0;
    for (int i = 0; i < g->n_nodes; i++)
        flops += g->nodes[i]->op->flops(g->nodes[i]);
    return flops;
}

static void run_case(bench *b, const geometry *m)
{
    bench_graph g;
    bench_time time;
    char note[96];

    bench_begin(&g, b, 1);
    clvits_tensor *wave =
        decoder(&g, m, bench_input(&g, clvits_graph_clock(g.graph, m->frames), m->latent, NULL));
    if (bench_plan(&g) && bench_measure(&g, wave, false, &time)) {
        snprintf(note, sizeof(note), "real-time factor %.4f, %d launches, %.2f s to the first",
                 time.median * m->rate / wave->T, clvits_plan_launches(g.plan), g.first);
        bench_print(b, m->name, &time, work(g.graph), note);
    }
    bench_end(&g);
}

void bench_decoder(bench *b)
{
    for (int i = 0; i < LENGTH(geometries); i++)
        if (bench_wants(b, geometries[i].name))
            run_case(b, &geometries[i]);
}
