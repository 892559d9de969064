// SPDX-License-Identifier: MIT
//
// Products of two tensors. No voice runs one in inference, where attention is one operator; these
// are the sizes of its parts, and of the likelihoods that alignment search needs.
#include "bench.h"

static void run_case(bench *b, const bench_shape *m, int seconds, bool transposed)
{
    const clvits_matmul_params p = { .transpose_b = transposed };
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "matmul/%s %s, %d s", m->voice,
                          transposed ? "frames by ids" : "ids by channels", seconds))
        return;
    const int ids = clvits_graph_clock(g.graph, bench_rows(m->ids, seconds));
    const int frames = clvits_graph_clock(g.graph, bench_rows(m->frames, seconds));
    const int columns = bench_rows(m->ids, seconds);
    clvits_tensor *a = bench_input(&g, frames, transposed ? m->inter : columns, NULL);
    clvits_graph_keep(clvits_matmul(a, bench_input(&g, ids, m->inter, NULL), &p));
    bench_case_end(&g);
}

void bench_matmul(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++) {
            if (bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                continue;
            run_case(b, &bench_shapes[i], bench_seconds[s], false);
            run_case(b, &bench_shapes[i], bench_seconds[s], true);
        }
}
