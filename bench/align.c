// SPDX-License-Identifier: MIT
//
// Durations, and the prior of frames that follows from them.
#include "bench.h"

/* The frame at which an id ends, where each has about 2.7 of them. */
static int end(int row)
{
    return (row + 1) * 43 / 16;
}

static void durations(bench *b, const bench_shape *m, int seconds)
{
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "durations/%s, %d s", m->voice, seconds))
        return;
    const int ids = clvits_graph_clock(g.graph, bench_rows(m->ids, seconds));
    const int slot = clvits_graph_scalar(g.graph, 1);
    bench_scalar(&g, slot, 1.0f);
    clvits_graph_keep(clvits_durations(bench_input(&g, ids, 1, NULL), slot, NULL));
    bench_case_end(&g);
}

static void prior(bench *b, const bench_shape *m, int seconds)
{
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", 1, "prior/%s, %d s", m->voice, seconds))
        return;
    const int ids = clvits_graph_clock(g.graph, bench_rows(m->ids, seconds));
    const int frames = clvits_graph_clock(g.graph, bench_rows(m->frames, seconds));
    const int scale = clvits_graph_scalar(g.graph, 1), seed = clvits_graph_scalar(g.graph, 2);
    const clvits_prior_params p = { frames, scale, seed, 1 };
    bench_scalar(&g, scale, 0.667f);
    bench_scalar_int(&g, seed, 1);
    clvits_tensor *stats = bench_input(&g, ids, 2 * m->inter, NULL);
    clvits_graph_keep(clvits_prior(stats, bench_ints(&g, ids, end), NULL, &p));
    bench_case_end(&g);
}

/* The prior's statistics for each frame, as training wants them. */
static void expand(bench *b, const bench_shape *m, int seconds)
{
    bench_graph g;

    if (b->o->quick ||
        !bench_case_begin(&g, b, "operator", 1, "expand/%s, %d s", m->voice, seconds))
        return;
    const int ids = clvits_graph_clock(g.graph, bench_rows(m->ids, seconds));
    const int frames = clvits_graph_clock(g.graph, bench_rows(m->frames, seconds));
    clvits_tensor *stats = bench_input(&g, ids, 2 * m->inter, NULL);
    clvits_graph_keep(clvits_expand(stats, bench_ints(&g, ids, end), frames));
    bench_case_end(&g);
}

void bench_align(bench *b)
{
    for (int i = 0; i < bench_shape_count; i++)
        for (int s = 0; s < LENGTH(bench_seconds); s++) {
            if (bench_leaves_out(b, &bench_shapes[i], bench_seconds[s]))
                continue;
            durations(b, &bench_shapes[i], bench_seconds[s]);
            prior(b, &bench_shapes[i], bench_seconds[s]);
            expand(b, &bench_shapes[i], bench_seconds[s]);
        }
}
