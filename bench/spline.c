// SPDX-License-Identifier: MIT
//
// The spline of the duration predictor: one channel, one row per id.
#include "bench.h"

#include <math.h>

static void run_case(bench *b, const bench_shape *m, int seconds)
{
    const clvits_spline_params p = { .reverse = true, .bins = 10, .tail = 5.0f,
                                     .scale = 1.0f / sqrtf((float)m->filter) };
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "spline/%s, %d s", m->voice, seconds))
        return;
    const int clock = clvits_graph_clock(g.graph, bench_rows(m->ids, seconds));
    clvits_tensor *x = bench_input(&g, clock, 1, NULL), *h = bench_input(&g, clock, 29, NULL);
    clvits_graph_keep(clvits_spline(x, h, &p, NULL));
    bench_case_end(&g);
}

void bench_spline(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++)
            if (!bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                run_case(b, &bench_shapes[i], bench_seconds[s]);
}
