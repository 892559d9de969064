// SPDX-License-Identifier: MIT
//
// Self-attention of the text encoder, with its window of relative positions; and the softmax of its
// scores, which no voice runs by itself.
#include "bench.h"

static void run_case(bench *b, const bench_shape *m, int seconds)
{
    const clvits_attention_params p = { .heads = m->heads, .window = 4 };
    const int C = m->hidden, D = C / m->heads;
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "attention/%s, %d s", m->voice, seconds))
        return;
    const int clock = clvits_graph_clock(g.graph, bench_rows(m->ids, seconds));
    clvits_tensor *q = bench_input(&g, clock, C, NULL), *k = bench_input(&g, clock, C, NULL);
    clvits_tensor *v = bench_input(&g, clock, C, NULL);
    clvits_tensor *rel_k = bench_weight(&g, 3, (int64_t[]){ 1, 9, D }, 0.5f, NULL);
    clvits_tensor *rel_v = bench_weight(&g, 3, (int64_t[]){ 1, 9, D }, 0.5f, NULL);
    clvits_graph_keep(clvits_attention(q, k, v, rel_k, rel_v, &p));
    bench_case_end(&g);
}

static void softmax(bench *b, const bench_shape *m, int seconds)
{
    const int ids = bench_rows(m->ids, seconds);
    bench_graph g;

    if (b->o->quick ||
        !bench_case_begin(&g, b, "operator", m->heads, "softmax/%s, %d s", m->voice, seconds))
        return;
    clvits_graph_keep(clvits_softmax(bench_input(&g, clvits_graph_clock(g.graph, ids), ids, NULL)));
    bench_case_end(&g);
}

void bench_attention(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++) {
            if (bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                continue;
            run_case(b, &bench_shapes[i], bench_seconds[s]);
            softmax(b, &bench_shapes[i], bench_seconds[s]);
        }
}
