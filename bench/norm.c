// SPDX-License-Identifier: MIT
//
// Layer norms: after a residual in the text encoder, before a GELU in the duration predictor.
#include "bench.h"

static void run_case(bench *b, const bench_shape *m, int seconds, bool gelu)
{
    const clvits_layer_norm_params p = { .eps = 1e-5f, .gelu = gelu };
    const int C = gelu ? m->filter : m->hidden;
    const char *name = gelu ? "GELU" : "residual";
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "norm/%s %s, %d s", m->voice, name, seconds))
        return;
    const int clock = clvits_graph_clock(g.graph, bench_rows(m->ids, seconds));
    clvits_tensor *x = bench_input(&g, clock, C, NULL);
    clvits_tensor *residual = gelu ? NULL : bench_input(&g, clock, C, NULL);
    clvits_tensor *gamma = bench_weight(&g, 1, (int64_t[]){ C }, 1.0f, NULL);
    clvits_tensor *beta = bench_weight(&g, 1, (int64_t[]){ C }, 1.0f, NULL);
    clvits_graph_keep(clvits_layer_norm(x, residual, gamma, beta, &p));
    bench_case_end(&g);
}

void bench_norm(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++) {
            if (bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                continue;
            run_case(b, &bench_shapes[i], bench_seconds[s], false);
            run_case(b, &bench_shapes[i], bench_seconds[s], true);
        }
}
