// SPDX-License-Identifier: MIT
//
// Noise of the latent, and the draw from the prior that it makes.
#include "bench.h"

static void run_case(bench *b, const bench_shape *m, int seconds, bool sample)
{
    const int C = m->inter;
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "%s/%s, %d s", sample ? "sample" : "normal",
                          m->voice, seconds))
        return;
    const int clock = clvits_graph_clock(g.graph, bench_rows(m->frames, seconds));
    const int slot = clvits_graph_scalar(g.graph, 2);
    if (sample) {
        clvits_tensor *stats = bench_input(&g, clock, 2 * C, NULL);
        bench_scalar(&g, slot, 0.667f);
        clvits_graph_keep(clvits_sample(clvits_graph_slice(stats, 0, C),
                                        clvits_graph_slice(stats, C, C),
                                        bench_input(&g, clock, C, NULL), slot));
    } else {
        bench_scalar_int(&g, slot, 4711);
        clvits_graph_keep(clvits_normal(g.graph, clock, C, slot, 1));
    }
    bench_case_end(&g);
}

void bench_noise(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++) {
            if (bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                continue;
            run_case(b, &bench_shapes[i], bench_seconds[s], false);
            run_case(b, &bench_shapes[i], bench_seconds[s], true);
        }
}
