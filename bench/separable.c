// SPDX-License-Identifier: MIT
//
// A layer of the duration predictor's depth-separable stacks.
#include "bench.h"

static void run_case(bench *b, const bench_shape *m, int seconds)
{
    const clvits_separable_params p = { .dilation = 3 };
    const int C = m->filter;
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "separable/%s, %d s", m->voice, seconds))
        return;
    const int clock = clvits_graph_clock(g.graph, bench_rows(m->ids, seconds));
    clvits_tensor *x = bench_input(&g, clock, C, NULL);
    clvits_tensor *depthwise = bench_weight(&g, 3, (int64_t[]){ C, 1, 3 }, 1.0f, NULL);
    clvits_tensor *w = bench_weight(&g, 3, (int64_t[]){ C, C, 1 }, 0.2f, NULL);
    clvits_tensor *rows = bench_weight(&g, 2, (int64_t[]){ 6, C }, 1.0f, NULL);
    clvits_graph_keep(clvits_separable(x, depthwise, w, rows, &p));
    bench_case_end(&g);
}

void bench_separable(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++)
            if (!bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                run_case(b, &bench_shapes[i], bench_seconds[s]);
}
