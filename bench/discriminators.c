// SPDX-License-Identifier: MIT
//
// The discriminators of VITS on segments of 8192 samples, 16 at a time: their convolutions one by
// one, and whole.
#include "bench.h"
#include "model/discriminator_graph.h"

#include <math.h>

enum { BATCH = 16, SAMPLES = 8192, CONVS = 7 };

typedef struct layer {
    int I, O, K, stride, groups;
} layer;

static const layer scale[CONVS] = {
    { 1, 16, 15, 1, 1 },        { 16, 64, 41, 4, 4 },        { 64, 256, 41, 4, 16 },
    { 256, 1024, 41, 4, 64 },   { 1024, 1024, 41, 4, 256 },  { 1024, 1024, 5, 1, 1 },
    { 1024, 1, 3, 1, 1 },
};
static const layer period[CONVS] = {
    { 1, 32, 5, 3, 1 },      { 32, 128, 5, 3, 1 }, { 128, 512, 5, 3, 1 }, { 512, 1024, 5, 3, 1 },
    { 1024, 1024, 5, 1, 1 }, { 1024, 1, 3, 1, 1 },
};

static const layer *layers(int p)
{
    return p > 1 ? period : scale;
}

static void name_of(char name[32], int p)
{
    snprintf(name, 32, p > 1 ? "period %d" : "scale", p);
}

static clvits_discriminator_conv weights_of(bench_graph *g, const layer *l)
{
    const int64_t I = l->I / l->groups;
    const float range = 1.7f / sqrtf((float)(I * l->K));

    return (clvits_discriminator_conv){ .weight = bench_random(g, l->O * I * l->K, range),
                                        .bias = bench_random(g, l->O, 0.1f),
                                        .I = l->I, .O = l->O, .K = l->K, .stride = l->stride,
                                        .groups = l->groups };
}

/* A convolution alone, with as many rows as it has there. */
static void conv(bench *b, int p, int i)
{
    const layer *l = &layers(p)[i];
    const int pad = (l->K - 1) / 2;
    const clvits_conv1d_params params = { .stride = l->stride, .groups = l->groups, .period = p,
                                          .pad_left = pad, .pad_right = pad,
                                          .act = CLVITS_ACT_LEAKY_RELU, .act_slope = 0.1f,
                                          .only_act = true };
    int rows = (SAMPLES + p - 1) / p;
    char name[32];
    bench_graph g;

    for (int k = 0; k < i; k++)
        rows = (rows - 1) / layers(p)[k].stride + 1;
    name_of(name, p);
    if (!bench_case_begin(&g, b, "operator", BATCH, "conv1d/discriminator, %s.%d", name, i))
        return;
    const int clock = clvits_graph_clock(g.graph, rows * p);
    const clvits_discriminator_conv c = weights_of(&g, l);
    clvits_tensor *w = clvits_graph_weight(g.graph, c.weight, 3,
                                           (int64_t[]){ l->O, l->I / l->groups, l->K });
    clvits_tensor *bias = clvits_graph_weight(g.graph, c.bias, 1, (int64_t[]){ l->O });
    clvits_graph_keep(clvits_conv1d(bench_input(&g, clock, l->I, NULL), w, bias, &params, NULL));
    bench_case_end(&g);
}

/* All of one: what a discriminator's graph has of it. */
static void whole(bench *b, int p)
{
    clvits_discriminator d = { .period = p };
    clvits_tensor *map[CLVITS_DISCRIMINATOR_MAPS];
    char name[32];
    bench_graph g;

    name_of(name, p);
    if (!bench_case_begin(&g, b, "operator", BATCH, "discriminator/%s", name))
        return;
    for (; d.n < CONVS && layers(p)[d.n].O; d.n++)
        d.conv[d.n] = weights_of(&g, &layers(p)[d.n]);
    clvits_discriminator_add(map, &d,
                             bench_input(&g, clvits_graph_clock(g.graph, SAMPLES), 1, NULL));
    clvits_graph_keep(map[d.n - 1]);
    bench_case_end(&g);
}

void bench_discriminators(bench *b)
{
    static const int periods[] = { 1, 2, 11 };

    for (int k = 0; k < LENGTH(periods) && !b->o->quick; k++) {
        for (int i = 0; i < CONVS && layers(periods[k])[i].O; i++)
            conv(b, periods[k], i);
        whole(b, periods[k]);
    }
}
