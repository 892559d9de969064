// SPDX-License-Identifier: MIT
//
// The convolutions of real voices, as they run for one second of speech.
#include "bench.h"

#include <math.h>
#include <stdio.h>

typedef struct conv_case {
    const char *name;
    int I, O, T, K, D, G;
    int up;        /* stride of a transposed convolution; 0: a plain one */
    int epilogue;  /* 1: residual, and an activated copy as the next convolution reads it */
    float slope;   /* on the input */
} conv_case;

/* VITS base at 22 050 Hz has 86 latent frames in a second; Piper medium the same; the embedded
 * voice 62.5 at 16 000 Hz. T is the length of the input. */
static const conv_case cases[] = {
    /*                      I    O    T      K   D  G  up epilogue */
    { "base/pre k7",        192, 512, 86,    7,  1, 1, 0, 0, 0 },
    { "base/up0 k16 s8",    512, 256, 86,    16, 1, 1, 8, 0, 0 },
    { "base/up1 k16 s8",    256, 128, 688,   16, 1, 1, 8, 0, 0 },
    { "base/up2 k4 s2",     128, 64,  5504,  4,  1, 1, 2, 0, 0 },
    { "base/up3 k4 s2",     64,  32,  11008, 4,  1, 1, 2, 0, 0 },
    { "base/256 k7 d3",     256, 256, 688,   7,  3, 1, 0, 1, 0 },
    { "base/256 k11 d5",    256, 256, 688,   11, 5, 1, 0, 1, 0 },
    { "base/128 k3 d5",     128, 128, 5504,  3,  5, 1, 0, 1, 0 },
    { "base/128 k11 d5",    128, 128, 5504,  11, 5, 1, 0, 1, 0 },
    { "base/64 k7 d3",      64,  64,  11008, 7,  3, 1, 0, 1, 0 },
    { "base/64 k7 d3 pre",  64,  64,  11008, 7,  3, 1, 0, 1, 0.1f },
    { "base/32 k3 d1",      32,  32,  22016, 3,  1, 1, 0, 1, 0 },
    { "base/32 k11 d5",     32,  32,  22016, 11, 5, 1, 0, 1, 0 },
    { "base/post 32-1 k7",  32,  1,   22016, 7,  1, 1, 0, 0, 0 },
    { "medium/32 k7 d12",   32,  32,  22016, 7,  12, 1, 0, 1, 0 },
    { "medium/up2 k8 s4",   64,  32,  5504,  8,  1, 1, 4, 0, 0 },
    { "mini/48 k7 d3",      48,  48,  4000,  7,  3, 1, 0, 1, 0 },
    { "mini/24 k7 d3",      24,  24,  16000, 7,  3, 1, 0, 1, 0 },
    { "mini/up2 k8 s4",     48,  24,  4000,  8,  1, 1, 4, 0, 0 },
    { "mini/post 24-1 k7",  24,  1,   16000, 7,  1, 1, 0, 0, 0 },
    { "flow/192-384 k5",    192, 384, 86,    5,  1, 1, 0, 0, 0 },
    { "flow/192-384 k5 50", 192, 384, 50,    5,  1, 1, 0, 0, 0 },
    { "flow/96-192 k1",     96,  192, 86,    1,  1, 1, 0, 0, 0 },
    { "text/192-768 k3",    192, 768, 100,   3,  1, 1, 0, 0, 0 },
    { "text/768-192 k3",    768, 192, 100,   3,  1, 1, 0, 0, 0 },
    { "text/192-192 k1",    192, 192, 100,   1,  1, 1, 0, 0, 0 },
    { "dp/1-192 k1",        1,   192, 100,   1,  1, 1, 0, 0, 0 },
    { "dp/192-29 k1",       192, 29,  100,   1,  1, 1, 0, 0, 0 },
    { "dp/depthwise k3 d9", 192, 192, 100,   3,  9, 192, 0, 0, 0 },
    { "dp/depthwise long",  192, 192, 4000,  3,  9, 192, 0, 0, 0 },
};

static double in(const conv_case *c, const float *x, int t, int i)
{
    const double v = t < 0 || t >= c->T ? 0.0 : (double)x[(int64_t)t * c->I + i];
    return v < 0 && c->slope != 0.0f ? v * (double)c->slope : v;
}

/* One output in double precision. */
static double truth(const conv_case *c, const float *x, const float *w, const float *bias, int t,
                    int o)
{
    const int I = c->I / c->G, O = c->O / c->G, S = c->up;
    double v = (double)bias[o];

    for (int k = 0; k < c->K; k++)
        for (int i = 0; i < I; i++) {
            if (!S) {
                v += (double)w[((int64_t)o * I + i) * c->K + k] *
                     in(c, x, t + (k - (c->K - 1) / 2) * c->D, o / O * I + i);
            } else {
                const int from = t + (c->K - S) / 2 - k;
                if (from >= 0 && from % S == 0)
                    v += (double)w[((int64_t)i * c->O + o) * c->K + k] * in(c, x, from / S, i);
            }
        }
    return v;
}

/* The largest error of some outputs over the largest value; 2000 of them, edges included. */
static double check(const conv_case *c, const clvits_tensor *y, const float *got, const float *x,
                    const float *w, const float *bias, const float *residual)
{
    double worst = 0.0, largest = 1e-30;

    for (int n = 0; n < 2000; n++) {
        const int t = n < 40 ? n % y->T : n < 80 ? y->T - 1 - n % 40 % y->T : (n * 7919) % y->T;
        const int o = (n * 31) % y->C;
        const int64_t at = (int64_t)t * y->C + o;
        const double want = truth(c, x, w, bias, t, o) + (residual ? (double)residual[at] : 0.0);
        largest = fmax(largest, fabs(want));
        worst = fmax(worst, fabs(want - (double)got[at]));
    }
    return worst / largest;
}

static void run_case(bench *b, const conv_case *c)
{
    bench_graph g;
    bench_time time;
    const float *x, *w, *bias, *residual = NULL;
    clvits_tensor *y, *act = NULL;
    char name[64], note[64] = "";

    bench_begin(&g, b, 1);
    const int clock = clvits_graph_clock(g.graph, c->T);
    const int64_t plain[] = { c->O, c->I / c->G, c->K }, transposed[] = { c->I, c->O, c->K };
    clvits_tensor *tx = bench_input(&g, clock, c->I, &x);
    clvits_tensor *tw = bench_weight(&g, 3, c->up ? transposed : plain, 1.0f, &w);
    clvits_tensor *tb = bench_weight(&g, 1, (int64_t[]){ c->O }, 1.0f, &bias);
    const int act_kind = c->epilogue ? CLVITS_ACT_LEAKY_RELU : CLVITS_ACT_NONE;
    if (c->up) {
        const clvits_conv_transpose1d_params p = { .stride = c->up, .pad = (c->K - c->up) / 2,
                                                   .pre_slope = c->slope, .act = act_kind };
        y = clvits_conv_transpose1d(tx, tw, tb, &p, &act);
    } else {
        const int reach = c->D * (c->K - 1);
        const clvits_conv1d_params p = { .dilation = c->D, .groups = c->G, .pad_left = reach / 2,
                                         .pad_right = reach - reach / 2, .pre_slope = c->slope,
                                         .act = act_kind, .act_slope = 0.1f };
        const clvits_conv1d_extra extra = {
            .residual = c->epilogue ? bench_input(&g, clock, c->O, &residual) : NULL,
            .act = &act,
        };
        y = clvits_conv1d(tx, tw, tb, &p, &extra);
    }
    clvits_graph_keep(y);
    clvits_graph_keep(act);
    const float *got = bench_plan(&g) ? bench_output(&g, y) : NULL;
    if (got) {
        const double error = check(c, y, got, x, w, bias, residual);
        if (!(error <= 1e-5)) {
            snprintf(note, sizeof(note), "WRONG: relative error %.2g", error);
            b->failures++;
        }
        snprintf(name, sizeof(name), "conv1d/%s", c->name);
        if (bench_measure(&g, y, true, &time))
            bench_print(b, name, &time, g.graph->nodes[0]->op->flops(g.graph->nodes[0]), note);
    }
    bench_end(&g);
}

void bench_conv1d(bench *b)
{
    char name[64];

    for (int i = 0; i < LENGTH(cases); i++) {
        snprintf(name, sizeof(name), "conv1d/%s", cases[i].name);
        if (bench_wants(b, name))
            run_case(b, &cases[i]);
    }
}
