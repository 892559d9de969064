// SPDX-License-Identifier: MIT
//
// Copies: the flip between two couplings, the halves of the latent put together.
#include "bench.h"

static void run_case(bench *b, const bench_shape *m, int seconds, int kind)
{
    static const char *const names[] = { "copy", "flip", "concat" };
    const int half = m->inter / 2;
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "%s/%s, %d s", names[kind], m->voice, seconds))
        return;
    const int clock = clvits_graph_clock(g.graph, bench_rows(m->frames, seconds));
    clvits_tensor *x = bench_input(&g, clock, kind == 2 ? half : m->inter, NULL);
    clvits_graph_keep(kind == 0   ? clvits_copy(clvits_graph_slice(x, half, half))
                      : kind == 1 ? clvits_flip(x)
                                  : clvits_concat(x, bench_input(&g, clock, half, NULL)));
    bench_case_end(&g);
}

void bench_move(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++)
            for (int k = 0; k < 3; k++)
                if (!bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                    run_case(b, &bench_shapes[i], bench_seconds[s], k);
}
