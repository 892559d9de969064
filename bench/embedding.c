// SPDX-License-Identifier: MIT
//
// Symbols to vectors, from tables of 256 as Piper's voices have them.
#include "bench.h"

enum { SYMBOLS = 256 };

static int symbol(int row)
{
    return row * 37 % SYMBOLS;
}

static void run_case(bench *b, const bench_shape *m, int seconds)
{
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "embedding/%s, %d s", m->voice, seconds))
        return;
    const int clock = clvits_graph_clock(g.graph, bench_rows(m->ids, seconds));
    clvits_tensor *table = bench_weight(&g, 2, (int64_t[]){ SYMBOLS, m->hidden }, 1.0f, NULL);
    clvits_graph_keep(clvits_embedding(bench_ints(&g, clock, symbol), table, 10.0f));
    bench_case_end(&g);
}

void bench_embedding(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++)
            if (!bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                run_case(b, &bench_shapes[i], bench_seconds[s]);
}
