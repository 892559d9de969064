// SPDX-License-Identifier: MIT
//
// The two convolutions of a WaveNet layer of the flow: gated, with or without a speaker, and split
// into residual and skip.
#include "bench.h"

typedef enum kind { GATE, GATE_SPEAKER, SPLIT } kind;
static const char *const names[] = { "gate", "gate, speaker", "residual and skip" };

/* Weights are uniform, as inputs of [-1, 1] are. */
static const float w_range = 0.1f;

static void build(bench_graph *g, const bench_shape *m, int seconds, kind k)
{
    const int H = m->hidden, taps = k == SPLIT ? 1 : 5;
    const int frames = clvits_graph_clock(g->graph, bench_rows(m->frames, seconds));
    const clvits_conv1d_params p = { .pad_left = taps / 2, .pad_right = taps / 2,
                                     .act = k == SPLIT ? CLVITS_ACT_SPLIT : CLVITS_ACT_GATE,
                                     .only_act = k != SPLIT };
    clvits_tensor *x = bench_input(g, frames, H, NULL), *skip = NULL;
    clvits_tensor *w = bench_weight(g, 3, (int64_t[]){ 2 * H, H, taps }, w_range, NULL);
    clvits_tensor *bias = k == GATE_SPEAKER ? bench_input(g, 0, 2 * H, NULL)
                                            : bench_weight(g, 1, (int64_t[]){ 2 * H }, 1.0f, NULL);
    clvits_conv1d_extra extra = { .act = &skip };

    if (k == SPLIT) {
        extra.residual = bench_input(g, frames, H, NULL);
        extra.sum = bench_input(g, frames, H, NULL);
    }
    /* A gate makes at most 1 of sums that are several times as large, with their errors as they
     * are: its slope is 1 at most. */
    if (k != SPLIT)
        g->tolerance = bench_rounding(H * taps, (double)w_range / 3.0);
    clvits_graph_keep(clvits_conv1d(x, w, bias, &p, &extra));
    clvits_graph_keep(skip);
}

void bench_wavenet(bench *b)
{
    bench_graph g;

    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++) {
            const bench_shape *m = &bench_shapes[i];
            if (bench_leaves_out(b, m, bench_seconds[s]))
                continue;
            for (int k = 0; k < LENGTH(names); k++) {
                if (!bench_case_begin(&g, b, "operator", 1, "wavenet/%s %s, %d s", m->voice,
                                      names[k], bench_seconds[s]))
                    continue;
                build(&g, m, bench_seconds[s], (kind)k);
                bench_case_end(&g);
            }
        }
}
