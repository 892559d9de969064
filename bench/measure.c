// SPDX-License-Identifier: MIT
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_RUNS = 1000 };

struct bench_input {
    struct bench_input *next;
    clvits_tensor *tensor;
    const float *values;
};

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool bench_wants(const bench *b, const char *name)
{
    return !b->filter || strstr(name, b->filter);
}

static bool ok(bench *b, clvits_status s)
{
    if (s) {
        fprintf(stderr, "clvits-bench: %s: %s\n", clvits_status_text(s), b->report.text);
        clvits_report_clear(&b->report);
        b->failures++;
    }
    return !s;
}

void bench_begin(bench_graph *g, bench *b, int batch)
{
    *g = (bench_graph){ .b = b, .seed = 1 };
    if (clvits_packed_weights_open(&g->weights, &b->report) ||
        clvits_graph_open(&g->graph, batch, &b->report))
        abort(); /* nothing but memory can be missing here */
}

static void *memory(bench_graph *g, size_t n, size_t size)
{
    void *p = clvits_arena_array(&g->arena, n + 1, size);
    if (!p)
        abort();
    return p;
}

float *bench_random(bench_graph *g, int64_t n, float range)
{
    float *p = memory(g, (size_t)n, sizeof(*p));
    for (int64_t i = 0; i < n; i++) {
        g->seed = g->seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = range * (2.0f * (float)(g->seed >> 40) / 16777216.0f - 1.0f);
    }
    return p;
}

clvits_tensor *bench_input(bench_graph *g, int clock, int channels, const float **values)
{
    struct bench_input *in = memory(g, 1, sizeof(*in));
    const int64_t rows = (int64_t)g->graph->batch * clvits_graph_capacity(g->graph, clock);

    in->tensor = clvits_graph_input(g->graph, CLVITS_F32, clock, channels);
    in->values = bench_random(g, rows * channels, 1.0f);
    in->next = g->inputs;
    g->inputs = in;
    if (values)
        *values = in->values;
    return in->tensor;
}

clvits_tensor *bench_weight(bench_graph *g, int rank, const int64_t *shape, float range,
                            const float **values)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= shape[i];
    const float *w = bench_random(g, n, range);
    if (values)
        *values = w;
    return clvits_graph_weight(g->graph, w, rank, shape);
}

bool bench_plan(bench_graph *g)
{
    bench *b = g->b;
    const double start = bench_now();
    clvits_status s = clvits_graph_finish(g->graph, &b->report);

    if (!s)
        s = clvits_plan_make(&g->plan, g->graph, &b->machine, g->weights, NULL, &b->report);
    if (!s)
        s = clvits_run_make(&g->run, g->plan, &b->report);
    for (int c = 1; c < g->graph->n_clocks && !s; c++)
        for (int i = 0; i < g->graph->batch && g->graph->clocks[c].parent < 0 && !s; i++)
            s = clvits_run_set_length(g->run, c, i, g->graph->clocks[c].capacity, &b->report);
    for (const struct bench_input *in = g->inputs; in; in = in->next)
        for (int i = 0; i < in->tensor->B && !s; i++)
            s = clvits_run_write(g->run, in->tensor, i,
                                 in->values + (int64_t)i * in->tensor->T * in->tensor->C,
                                 &b->report);
    if (!s)
        s = clvits_run_go(g->run, NULL, &b->report);
    if (!s && b->machine.n_places > 1)
        s = clvits_device_finish(b->machine.device[1], &b->report);
    g->first = bench_now() - start;
    return ok(b, s);
}

const float *bench_output(bench_graph *g, const clvits_tensor *t)
{
    float *out = memory(g, (size_t)clvits_tensor_count(t), sizeof(*out));
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < t->B && !s; i++)
        s = clvits_run_read(g->run, t, i, 0, t->T, out + (int64_t)i * t->T * t->C, &g->b->report);
    return ok(g->b, s) ? out : NULL;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

bool bench_measure(bench_graph *g, const clvits_tensor *output, bool nodes, bench_time *t)
{
    const int launches = clvits_plan_launches(g->plan);
    clvits_node_time *times = memory(g, (size_t)launches, sizeof(*times));
    double *seconds = memory(g, MAX_RUNS, sizeof(*seconds)), spent = 0.0;
    float *row = memory(g, (size_t)output->C, sizeof(*row));
    clvits_status s = CLVITS_OK;
    int n = 0;

    while (!s && n < MAX_RUNS && (n < 5 || spent < g->b->seconds)) {
        const double start = bench_now();
        s = clvits_run_go(g->run, nodes ? times : NULL, &g->b->report);
        if (!s)
            s = clvits_run_read(g->run, output, 0, 0, 1, row, &g->b->report);
        seconds[n] = bench_now() - start;
        spent += seconds[n];
        if (nodes) {
            seconds[n] = 0.0;
            for (int i = 0; i < launches; i++)
                seconds[n] += times[i].seconds;
        }
        n++;
    }
    if (!ok(g->b, s))
        return false;
    bench_peak_again(g->b);
    qsort(seconds, (size_t)n, sizeof(*seconds), ascending);
    *t = (bench_time){ .median = seconds[n / 2], .best = seconds[0], .runs = n };
    return true;
}

void bench_print(bench *b, const char *name, const bench_time *t, double flops, const char *note)
{
    printf("%-28s %9.3f ms %7.1f GFLOP/s; best %9.3f ms %7.1f GFLOP/s, %3.0f %% of peak%s%s\n",
           name,
           t->median * 1e3, flops / t->median * 1e-9, t->best * 1e3, flops / t->best * 1e-9,
           100.0 * flops / t->best / b->peak_flops, note[0] ? "  " : "", note);
    fflush(stdout);
}

void bench_end(bench_graph *g)
{
    clvits_run_free(&g->run);
    clvits_plan_free(&g->plan);
    clvits_graph_close(&g->graph);
    clvits_packed_weights_close(&g->weights);
    clvits_arena_free(&g->arena);
}
