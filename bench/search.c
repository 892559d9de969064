// SPDX-License-Identifier: MIT
//
// Alignment search, and the likelihoods that it searches, from the shapes of training to those of a
// long recording.
#include "bench.h"

static const struct {
    int B, text, frames;
    bool quick;
} cases[] = {
    { 1, 100, 500, false },    { 16, 100, 500, true },    { 64, 100, 500, false },
    { 1, 500, 2500, false },   { 16, 500, 2500, false },  { 64, 500, 2500, false },
    { 1, 1000, 4000, false },  { 16, 1000, 4000, false }, { 64, 1000, 4000, false },
    { 1, 2000, 8000, false },  { 16, 2000, 8000, false },
};

static void search(bench *b, int i)
{
    bench_graph g;
    clvits_tensor *ends;

    if (!bench_case_begin(&g, b, "operator", cases[i].B, "search/%d x %d, %d at once",
                          cases[i].text, cases[i].frames, cases[i].B))
        return;
    const int text = clvits_graph_clock(g.graph, cases[i].text);
    const int frames = clvits_graph_clock(g.graph, cases[i].frames);
    clvits_tensor *value = bench_input(&g, frames, cases[i].text, NULL);
    clvits_graph_keep(clvits_search(value, text, &ends));
    clvits_graph_keep(ends);
    bench_case_end(&g);
}

static void likelihood(bench *b, int i)
{
    enum { CHANNELS = 192 };
    bench_graph g;

    if (!bench_case_begin(&g, b, "operator", cases[i].B, "likelihood/%d x %d, %d at once",
                          cases[i].text, cases[i].frames, cases[i].B))
        return;
    const int text = clvits_graph_clock(g.graph, cases[i].text);
    const int frames = clvits_graph_clock(g.graph, cases[i].frames);
    clvits_tensor *z = bench_input(&g, frames, CHANNELS, NULL);
    clvits_tensor *m = bench_input(&g, text, CHANNELS, NULL);
    clvits_graph_keep(clvits_likelihood(z, m, bench_input(&g, text, CHANNELS, NULL)));
    bench_case_end(&g);
}

void bench_search(bench *b)
{
    for (int i = 0; i < LENGTH(cases); i++) {
        if (b->o->quick && !cases[i].quick)
            continue;
        search(b, i);
        if (cases[i].text <= 500)
            likelihood(b, i);
    }
}
