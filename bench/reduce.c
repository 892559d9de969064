// SPDX-License-Identifier: MIT
//
// Sums over rows and channels; losses are made of them.
#include "bench.h"

static void run_case(bench *b, const bench_shape *m, int seconds)
{
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "sum/%s, %d s", m->voice, seconds))
        return;
    const int clock = clvits_graph_clock(g.graph, bench_rows(m->frames, seconds));
    clvits_graph_keep(clvits_sum(bench_input(&g, clock, m->inter, NULL)));
    /* Of random signs: the sum is far smaller than what is added up. */
    g.tolerance = 1e-4;
    bench_case_end(&g);
}

void bench_reduce(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++)
            if (!bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                run_case(b, &bench_shapes[i], bench_seconds[s]);
}
