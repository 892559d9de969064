// SPDX-License-Identifier: MIT
//
// The convolutions of real voices, as they run for one second of speech, and in the other form.
#include "bench.h"

#include "graph/plan.h"
#include "op/conv.h"

#include <math.h>

typedef struct conv_case {
    const char *name;
    int I, O, T, K, D, G;
    int up;        /* stride of a transposed convolution; 0: a plain one */
    int epilogue;  /* 1: residual, and an activated copy as the next convolution reads it */
    float slope;   /* on the input */
    bool quick;    /* also in a quick run, for one second */
    bool both;     /* also in the other form: Toom-Cook, or direct */
} conv_case;

/* T is the length of the input for one second: VITS base (as Piper high) and Piper medium have 86
 * latent frames in it, 22 050 samples, and here all layers of their decoders; Piper low is medium,
 * and MMS is base, with 62.5 frames; x-low has medium's decoder on half the latent, with as many;
 * the embedded voice is mini. */
static const conv_case cases[] = {
    /*                        I    O    T      K   D  G  up epilogue, slope, quick, both */
    { "base/pre k7",          192, 512, 86,    7,  1, 1, 0, 0, 0, false, true },
    { "base/up0 k16 s8",      512, 256, 86,    16, 1, 1, 8, 0, 0, false, true },
    { "base/up1 k16 s8",      256, 128, 688,   16, 1, 1, 8, 0, 0, false, true },
    { "base/up2 k4 s2",       128, 64,  5504,  4,  1, 1, 2, 0, 0, false, true },
    { "base/up3 k4 s2",       64,  32,  11008, 4,  1, 1, 2, 0, 0, false, true },
    { "base/256 k3 d1",       256, 256, 688,   3,  1, 1, 0, 1, 0, false, true },
    { "base/256 k3 d3",       256, 256, 688,   3,  3, 1, 0, 1, 0, false, false },
    { "base/256 k3 d5",       256, 256, 688,   3,  5, 1, 0, 1, 0, false, false },
    { "base/256 k7 d1",       256, 256, 688,   7,  1, 1, 0, 1, 0, false, false },
    { "base/256 k7 d3",       256, 256, 688,   7,  3, 1, 0, 1, 0, false, true },
    { "base/256 k7 d5",       256, 256, 688,   7,  5, 1, 0, 1, 0, false, false },
    { "base/256 k11 d1",      256, 256, 688,   11, 1, 1, 0, 1, 0, false, false },
    { "base/256 k11 d3",      256, 256, 688,   11, 3, 1, 0, 1, 0, false, false },
    { "base/256 k11 d5",      256, 256, 688,   11, 5, 1, 0, 1, 0, false, true },
    { "base/128 k3 d1",       128, 128, 5504,  3,  1, 1, 0, 1, 0, false, false },
    { "base/128 k3 d3",       128, 128, 5504,  3,  3, 1, 0, 1, 0, false, false },
    { "base/128 k3 d5",       128, 128, 5504,  3,  5, 1, 0, 1, 0, false, true },
    { "base/128 k7 d1",       128, 128, 5504,  7,  1, 1, 0, 1, 0, false, false },
    { "base/128 k7 d3",       128, 128, 5504,  7,  3, 1, 0, 1, 0, false, false },
    { "base/128 k7 d5",       128, 128, 5504,  7,  5, 1, 0, 1, 0, false, false },
    { "base/128 k11 d1",      128, 128, 5504,  11, 1, 1, 0, 1, 0, false, false },
    { "base/128 k11 d3",      128, 128, 5504,  11, 3, 1, 0, 1, 0, false, false },
    { "base/128 k11 d5",      128, 128, 5504,  11, 5, 1, 0, 1, 0, true, true },
    { "base/64 k3 d1",        64,  64,  11008, 3,  1, 1, 0, 1, 0, false, true },
    { "base/64 k3 d3",        64,  64,  11008, 3,  3, 1, 0, 1, 0, false, false },
    { "base/64 k3 d5",        64,  64,  11008, 3,  5, 1, 0, 1, 0, false, false },
    { "base/64 k7 d1",        64,  64,  11008, 7,  1, 1, 0, 1, 0, false, false },
    { "base/64 k7 d3",        64,  64,  11008, 7,  3, 1, 0, 1, 0, false, true },
    { "base/64 k7 d3 pre",    64,  64,  11008, 7,  3, 1, 0, 1, 0.1f, false, true },
    { "base/64 k7 d5",        64,  64,  11008, 7,  5, 1, 0, 1, 0, false, false },
    { "base/64 k11 d1",       64,  64,  11008, 11, 1, 1, 0, 1, 0, false, false },
    { "base/64 k11 d3",       64,  64,  11008, 11, 3, 1, 0, 1, 0, false, false },
    { "base/64 k11 d5",       64,  64,  11008, 11, 5, 1, 0, 1, 0, false, false },
    { "base/32 k3 d1",        32,  32,  22016, 3,  1, 1, 0, 1, 0, false, true },
    { "base/32 k3 d3",        32,  32,  22016, 3,  3, 1, 0, 1, 0, false, true },
    { "base/32 k3 d5",        32,  32,  22016, 3,  5, 1, 0, 1, 0, false, true },
    { "base/32 k7 d1",        32,  32,  22016, 7,  1, 1, 0, 1, 0, false, false },
    { "base/32 k7 d3",        32,  32,  22016, 7,  3, 1, 0, 1, 0, false, false },
    { "base/32 k7 d5",        32,  32,  22016, 7,  5, 1, 0, 1, 0, false, false },
    { "base/32 k11 d1",       32,  32,  22016, 11, 1, 1, 0, 1, 0, false, false },
    { "base/32 k11 d3",       32,  32,  22016, 11, 3, 1, 0, 1, 0, false, false },
    { "base/32 k11 d5",       32,  32,  22016, 11, 5, 1, 0, 1, 0, false, true },
    { "base/post 32-1 k7",    32,  1,   22016, 7,  1, 1, 0, 0, 0, false, false },
    { "medium/pre k7",        192, 256, 86,    7,  1, 1, 0, 0, 0, false, true },
    { "medium/up0 k16 s8",    256, 128, 86,    16, 1, 1, 8, 0, 0, false, true },
    { "medium/up1 k16 s8",    128, 64,  688,   16, 1, 1, 8, 0, 0, true, true },
    { "medium/up2 k8 s4",     64,  32,  5504,  8,  1, 1, 4, 0, 0, false, true },
    { "medium/128 k3 d1",     128, 128, 688,   3,  1, 1, 0, 1, 0, false, true },
    { "medium/128 k3 d2",     128, 128, 688,   3,  2, 1, 0, 1, 0, false, false },
    { "medium/128 k5 d2",     128, 128, 688,   5,  2, 1, 0, 1, 0, false, false },
    { "medium/128 k5 d6",     128, 128, 688,   5,  6, 1, 0, 1, 0, false, true },
    { "medium/128 k7 d3",     128, 128, 688,   7,  3, 1, 0, 1, 0, false, false },
    { "medium/128 k7 d12",    128, 128, 688,   7,  12, 1, 0, 1, 0, false, false },
    { "medium/64 k3 d1",      64,  64,  5504,  3,  1, 1, 0, 1, 0, false, false },
    { "medium/64 k3 d2",      64,  64,  5504,  3,  2, 1, 0, 1, 0, false, true },
    { "medium/64 k5 d2",      64,  64,  5504,  5,  2, 1, 0, 1, 0, false, true },
    { "medium/64 k5 d6",      64,  64,  5504,  5,  6, 1, 0, 1, 0, false, false },
    { "medium/64 k7 d3",      64,  64,  5504,  7,  3, 1, 0, 1, 0, false, false },
    { "medium/64 k7 d12",     64,  64,  5504,  7,  12, 1, 0, 1, 0, false, false },
    { "medium/32 k3 d1",      32,  32,  22016, 3,  1, 1, 0, 1, 0, false, true },
    { "medium/32 k3 d2",      32,  32,  22016, 3,  2, 1, 0, 1, 0, false, false },
    { "medium/32 k5 d2",      32,  32,  22016, 5,  2, 1, 0, 1, 0, false, false },
    { "medium/32 k5 d6",      32,  32,  22016, 5,  6, 1, 0, 1, 0, false, false },
    { "medium/32 k7 d3",      32,  32,  22016, 7,  3, 1, 0, 1, 0, false, false },
    { "medium/32 k7 d12",     32,  32,  22016, 7,  12, 1, 0, 1, 0, true, true },
    { "mms/pre k7",           192, 512, 62,    7,  1, 1, 0, 0, 0, false, true },
    { "mms/up0 k16 s8",       512, 256, 62,    16, 1, 1, 8, 0, 0, false, true },
    { "mms/256 k7 d3",        256, 256, 500,   7,  3, 1, 0, 1, 0, false, true },
    { "mms/128 k11 d5",       128, 128, 4000,  11, 5, 1, 0, 1, 0, false, true },
    { "mms/64 k7 d3",         64,  64,  8000,  7,  3, 1, 0, 1, 0, false, true },
    { "mms/32 k11 d5",        32,  32,  16000, 11, 5, 1, 0, 1, 0, false, true },
    { "low/up1 k16 s8",       128, 64,  500,   16, 1, 1, 8, 0, 0, false, true },
    { "low/64 k5 d2",         64,  64,  4000,  5,  2, 1, 0, 1, 0, false, true },
    { "low/32 k7 d12",        32,  32,  16000, 7,  12, 1, 0, 1, 0, false, true },
    { "x-low/pre k7",         96,  256, 62,    7,  1, 1, 0, 0, 0, false, true },
    { "mini/48 k7 d3",        48,  48,  4000,  7,  3, 1, 0, 1, 0, false, true },
    { "mini/24 k7 d3",        24,  24,  16000, 7,  3, 1, 0, 1, 0, false, true },
    { "mini/up2 k8 s4",       48,  24,  4000,  8,  1, 1, 4, 0, 0, false, true },
    { "mini/post 24-1 k7",    24,  1,   16000, 7,  1, 1, 0, 0, 0, false, false },
    { "flow/pre 96-192 k1",   96,  192, 86,    1,  1, 1, 0, 0, 0, false, false },
    { "flow/in 192-384 k5",   192, 384, 86,    5,  1, 1, 0, 0, 0, true, true },
    { "flow/skip 192-384 k1", 192, 384, 86,    1,  1, 1, 0, 0, 0, false, false },
    { "flow/in 96-192 k5",    96,  192, 62,    5,  1, 1, 0, 0, 0, false, true },
    { "text/192-768 k3",      192, 768, 32,    3,  1, 1, 0, 0, 0, false, true },
    { "text/768-192 k3",      768, 192, 32,    3,  1, 1, 0, 0, 0, false, true },
    { "text/192-192 k1",      192, 192, 32,    1,  1, 1, 0, 0, 0, false, false },
    { "text/96-384 k3",       96,  384, 32,    3,  1, 1, 0, 0, 0, false, true },
    { "text/384-96 k3",       384, 96,  32,    3,  1, 1, 0, 0, 0, false, true },
    { "dp/1-192 k1",          1,   192, 32,    1,  1, 1, 0, 0, 0, false, false },
    { "dp/192-29 k1",         192, 29,  32,    1,  1, 1, 0, 0, 0, false, false },
    { "dp/depthwise k3 d9",   192, 192, 32,    3,  9, 192, 0, 0, 0, true, false },
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

static clvits_tensor *transposed(const conv_case *c, clvits_tensor *x, clvits_tensor *w,
                                 clvits_tensor *bias)
{
    const clvits_conv_transpose1d_params p = { .stride = c->up, .pad = (c->K - c->up) / 2,
                                               .pre_slope = c->slope };
    return clvits_conv_transpose1d(x, w, bias, &p, NULL);
}

static clvits_target target_of(const bench *b)
{
    const bool cpu = b->machine.n_places == 1;

    return (clvits_target){ .cpu = cpu ? &b->machine.cpu : NULL,
                            .device = cpu ? NULL : b->machine.device[1],
                            .place = !cpu };
}

static const clvits_tuned *rows_of(const bench *b)
{
    return b->machine.n_places == 1 ? b->machine.cpu.tuned
                                    : clvits_device_tuned(b->machine.device[1]);
}

static void set_rows(bench *b, const clvits_tuned *rows)
{
    if (b->machine.n_places == 1)
        b->machine.cpu.tuned = rows;
    else
        clvits_device_set_tuned(b->machine.device[1], rows);
}

static int layout_of(const bench *b, const clvits_tensor *y)
{
    const clvits_target at = target_of(b);
    conv1d_dims d;

    y->producer->op->dims(y->producer, &at, &d);
    return d.layout;
}

/* Of what is planned. */
static int layout_of_plan(const bench_graph *g)
{
    for (int i = 0; i < g->plan->n_steps; i++)
        if (g->plan->steps[i].node)
            return ((const conv1d_dims *)g->plan->steps[i].dims)->layout;
    return 0;
}

/* The case with a row that makes a Toom-Cook form of the direct one that the device chooses, or the
 * reverse. */
static bool check_other_form(bench_graph *g, const clvits_tensor *y)
{
#define FORM(LAYOUT)                                                                              \
    { .room = "conv1d", .text = "", .values = { 1, { { "layout", LAYOUT, LAYOUT } } } }
    static const clvits_row toom[] = { FORM(CLVITS_CONV_TOOM) };
    static const clvits_row direct[] = { FORM(CLVITS_CONV_TILE), FORM(CLVITS_CONV_BLOCKS) };
#undef FORM
    const clvits_tuned *own = rows_of(g->b);
    const bool transformed = layout_of(g->b, y) == CLVITS_CONV_TOOM;
    const clvits_row *rows = transformed ? direct : toom;
    const int n = transformed ? LENGTH(direct) : LENGTH(toom);
    bool found = false, right = false;

    for (int i = 0; i < n && !found; i++) {
        const clvits_row *const row = &rows[i];
        set_rows(g->b, &(clvits_tuned){ .row = &row, .n = 1 });
        found = (layout_of(g->b, y) == CLVITS_CONV_TOOM) != transformed;
        right = found && bench_case_check(g);
        set_rows(g->b, own);
    }
    if (!found)
        bench_case_fail(g, "skipped", "there is one form of it");
    if (!right || (layout_of_plan(g) == CLVITS_CONV_TOOM) != transformed)
        return right;
    bench_case_fail(g, "skipped", "the kernel of the other form is not used there");
    return false;
}

static void run_case(bench *b, const conv_case *model, int seconds, bool other)
{
    conv_case c = *model;
    bench_graph g;
    const float *x, *w, *bias, *residual = NULL;
    clvits_tensor *y, *act = NULL;

    c.T *= seconds;
    if (!bench_case_begin(&g, b, "operator", 1, "conv1d/%s, %d s%s", c.name, seconds,
                          other ? ", other form" : ""))
        return;
    const int clock = clvits_graph_clock(g.graph, c.T);
    const int64_t plain[] = { c.O, c.I / c.G, c.K }, turned[] = { c.I, c.O, c.K };
    clvits_tensor *tx = bench_input(&g, clock, c.I, &x);
    clvits_tensor *tw = bench_weight(&g, 3, c.up ? turned : plain, 1.0f, &w);
    clvits_tensor *tb = bench_weight(&g, 1, (int64_t[]){ c.O }, 1.0f, &bias);
    if (c.up) {
        y = transposed(&c, tx, tw, tb);
    } else {
        const int reach = c.D * (c.K - 1);
        const clvits_conv1d_params p = { .dilation = c.D, .groups = c.G, .pad_left = reach / 2,
                                         .pad_right = reach - reach / 2, .pre_slope = c.slope,
                                         .act = c.epilogue ? CLVITS_ACT_LEAKY_RELU
                                                           : CLVITS_ACT_NONE,
                                         .act_slope = 0.1f };
        const clvits_conv1d_extra extra = {
            .residual = c.epilogue ? bench_input(&g, clock, c.O, &residual) : NULL,
            .act = &act,
        };
        y = clvits_conv1d(tx, tw, tb, &p, &extra);
    }
    clvits_graph_keep(y);
    clvits_graph_keep(act);
    const bool right = other ? check_other_form(&g, y) : bench_case_check(&g);
    const float *got = right ? bench_output(&g, y) : NULL;
    if (got) {
        bench_value(&g.record, "toom_cook", layout_of_plan(&g) == CLVITS_CONV_TOOM);
        const double error = check(&c, y, got, x, w, bias, residual);
        if (!(error <= 1e-5))
            bench_case_fail(&g, "wrong", "differs by %.2g of the largest value from the formula",
                            error);
    }
    bench_case_end(&g);
}

void bench_conv1d(bench *b)
{
    for (int i = 0; i < LENGTH(cases); i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++)
            if (!b->o->quick || (cases[i].quick && bench_seconds[s] == 1))
                run_case(b, &cases[i], bench_seconds[s], false);
    for (int i = 0; i < LENGTH(cases) && !b->o->quick; i++)
        for (int s = 0; s < LENGTH(bench_seconds) && cases[i].both; s++)
            run_case(b, &cases[i], bench_seconds[s], true);
}
