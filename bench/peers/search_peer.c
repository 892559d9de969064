// SPDX-License-Identifier: MIT
//
// clvits-search-peer DEVICE THREADS: searches alignments on command, so that another program can
// take turns.
//
// Standard input holds one command per line, each answered by one line on standard output:
//   case ITEMS TEXT FRAMES  values for the turns that follow, mixed() of their places: "ok"
//   go                      align them: seconds
//   durations               what the last turn made, item after item
// The first line, before any command, is the name of the device. DEVICE is as clvits takes it; of
// several the first searches that can. What goes wrong is said on standard error and ends the
// program.
#include "graph/build.h"
#include "model/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct peer {
    clvits_report report;
    clvits_context *context;
    clvits_packed_weights *weights;
    clvits_graph *graph;
    clvits_plan *plan;
    clvits_run *run;
    clvits_tensor *value, *durations;
    int text, frames;
} peer;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The value at a place, from -1 to 1; as alignment.py has it. */
static float mixed(uint32_t place)
{
    uint32_t h = place * 2654435761u;

    h = (h ^ (h >> 15)) * 2246822519u;
    h ^= h >> 13;
    return (float)(h >> 8) / 8388608.0f - 1.0f;
}

static void print_log(void *user, clvits_log_level level, const char *text)
{
    (void)user;
    if (level <= CLVITS_LOG_WARNING)
        fprintf(stderr, "clvits-search-peer: %s\n", text);
}

static void close_case(peer *p)
{
    clvits_machine_finish(&p->context->machine);
    clvits_run_free(&p->run);
    clvits_plan_free(&p->plan);
    clvits_graph_close(&p->graph);
    clvits_packed_weights_close(&p->weights);
}

static clvits_status fill(peer *p)
{
    const clvits_tensor *t = p->value;
    const size_t n = (size_t)t->T * (size_t)t->C;
    float *values = malloc(n * sizeof(*values));
    clvits_status s = values ? CLVITS_OK : clvits_fail_memory(&p->report, "the values");

    for (int b = 0; b < t->B && !s; b++) {
        for (size_t i = 0; i < n; i++)
            values[i] = mixed((uint32_t)(n * (size_t)b + i));
        s = clvits_run_set_length(p->run, p->text, b, t->C, &p->report);
        if (!s)
            s = clvits_run_set_length(p->run, p->frames, b, t->T, &p->report);
        if (!s)
            s = clvits_run_write(p->run, t, b, values, &p->report);
        clvits_machine_finish(&p->context->machine); /* has read them */
    }
    free(values);
    return s;
}

static clvits_status set_case(peer *p, int items, int text, int frames)
{
    clvits_report *r = &p->report;
    clvits_tensor *ends;

    close_case(p);
    clvits_status s = clvits_packed_weights_open(&p->weights, r);
    if (!s)
        s = clvits_graph_open(&p->graph, items, r);
    if (s)
        return s;
    p->text = clvits_graph_clock(p->graph, text);
    p->frames = clvits_graph_clock(p->graph, frames);
    p->value = clvits_graph_input(p->graph, CLVITS_F32, p->frames, text);
    p->durations = clvits_graph_keep(clvits_search(p->value, p->text, &ends));
    s = clvits_graph_finish(p->graph, r);
    if (!s)
        s = clvits_plan_make(&p->plan, p->graph, &p->context->machine, p->weights, NULL, r);
    if (!s)
        s = clvits_run_make(&p->run, p->plan, r);
    return s ? s : fill(p);
}

static clvits_status go(peer *p)
{
    const double start = now();
    const clvits_status s = clvits_run_go(p->run, NULL, &p->report);

    clvits_machine_finish(&p->context->machine);
    if (!s)
        printf("%.9f\n", now() - start);
    return s;
}

static clvits_status print_durations(peer *p)
{
    const clvits_tensor *t = p->durations;
    int *frames = malloc((size_t)t->T * sizeof(*frames));
    clvits_status s = frames ? CLVITS_OK : clvits_fail_memory(&p->report, "the durations");

    for (int b = 0; b < t->B && !s; b++) {
        s = clvits_run_read(p->run, t, b, 0, t->T, (float *)(void *)frames, &p->report);
        for (int i = 0; i < t->T && !s; i++)
            printf("%d ", frames[i]);
    }
    putchar('\n');
    free(frames);
    return s;
}

static clvits_status obey(peer *p, const char *line)
{
    int items, text, frames;

    if (sscanf(line, "case %d %d %d", &items, &text, &frames) == 3) {
        const clvits_status s = set_case(p, items, text, frames);
        if (!s)
            puts("ok");
        return s;
    }
    if (p->run && !strncmp(line, "go", 2))
        return go(p);
    if (p->run && !strncmp(line, "durations", 9))
        return print_durations(p);
    return clvits_fail(&p->report, CLVITS_E_ARGUMENT, "no command, or no case yet: %.40s", line);
}

int main(int argc, char **argv)
{
    static peer p;
    char *line = NULL;
    size_t capacity = 0;

    if (argc != 3) {
        fputs("usage: clvits-search-peer DEVICE THREADS\n", stderr);
        return 2;
    }
    const clvits_context_params params = {
        .device = argv[1], .place = "", .precision = "fp32", .threads = atoi(argv[2]),
        .log = print_log,
    };
    clvits_status s = clvits_context_open(&p.context, &params);
    if (s)
        return 1; /* as the log has said */
    p.report = clvits_context_report(p.context);
    puts(clvits_context_device(p.context));
    fflush(stdout);
    while (!s && getline(&line, &capacity, stdin) > 0) {
        s = obey(&p, line);
        fflush(stdout);
    }
    if (s)
        fprintf(stderr, "clvits-search-peer: %s\n", p.report.text);
    free(line);
    close_case(&p);
    clvits_context_close(&p.context);
    return s != CLVITS_OK;
}
