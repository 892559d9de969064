// SPDX-License-Identifier: MIT
//
// What runs element by element: the WaveNet's gate and the coupling of the flow, the affine and
// the additions of the duration predictor, and the logarithm that trains it.
#include "bench.h"

typedef enum kind { GATE, GATE_SPEAKER, COUPLING, AFFINE, ADD, SCALE, LOG, KINDS } kind;
static const char *const names[KINDS] = { "gate", "gate, speaker", "coupling", "affine",
                                          "add",  "scale",         "log" };

static void build(bench_graph *g, const bench_shape *m, int seconds, kind k)
{
    const int C = m->hidden, half = m->inter / 2;
    const int frames = clvits_graph_clock(g->graph, bench_rows(m->frames, seconds));
    const int ids = clvits_graph_clock(g->graph, bench_rows(m->ids, seconds));
    const clvits_unary_params scale = { .kind = CLVITS_SCALE, .a = 0.8f };
    clvits_tensor *y = NULL, *other = NULL, *x;

    switch (k) {
    case GATE:
    case GATE_SPEAKER:
        other = k == GATE ? NULL : bench_input(g, 0, 2 * C, NULL);
        y = clvits_gate(bench_input(g, frames, 2 * C, NULL), other);
        break;
    case COUPLING:
        x = bench_input(g, frames, half, NULL);
        y = clvits_coupling(x, bench_input(g, frames, half, NULL), NULL, true, NULL);
        break;
    case AFFINE:
        x = bench_input(g, ids, 2, NULL);
        other = bench_weight(g, 1, (int64_t[]){ 2 }, 1.0f, NULL);
        y = clvits_affine(x, other, bench_weight(g, 1, (int64_t[]){ 2 }, 1.0f, NULL), true, NULL);
        break;
    case ADD:
        x = bench_input(g, ids, m->filter, NULL);
        y = clvits_binary(x, bench_input(g, ids, m->filter, NULL), CLVITS_ADD);
        break;
    case SCALE:
        y = clvits_unary(bench_input(g, ids, 2, NULL), &scale);
        break;
    default:
        y = clvits_log_flow(bench_input(g, ids, 1, NULL), false, NULL);
        break;
    }
    clvits_graph_keep(y);
}

void bench_pointwise(bench *b)
{
    bench_graph g;

    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++) {
            const bench_shape *m = &bench_shapes[i];
            if (bench_leaves_out(b, m, bench_seconds[s]))
                continue;
            for (int k = 0; k < (b->o->quick ? LOG : KINDS); k++) {
                if (!bench_case_begin(&g, b, "operator", 1, "pointwise/%s %s, %d s", m->voice,
                                      names[k], bench_seconds[s]))
                    continue;
                build(&g, m, bench_seconds[s], (kind)k);
                bench_case_end(&g);
            }
        }
}
