// SPDX-License-Identifier: MIT
//
// clvits-bench: what the operators reach on one place, against the peak measured there and then.
// A case is checked against a formula in double precision before it is timed.
#ifndef CLVITS_BENCH_BENCH_H
#define CLVITS_BENCH_BENCH_H

#include "graph/build.h"
#include "graph/sched.h"

#include <stdbool.h>

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))

typedef struct bench {
    clvits_report report;
    clvits_machine machine; /* the CPU, and the device when there is one under test */
    const char *filter;     /* part of a case's name; NULL: all */
    double seconds;         /* to spend on a case, at least */
    double peak_flops;      /* multiply-adds count as two */
    double peak_bytes;      /* read plus written, per second */
    int failures;
} bench;

/** One room's cases; main.c has the list. */
typedef void bench_room(bench *b);
bench_room bench_conv1d, bench_decoder;

bool bench_wants(const bench *b, const char *name);

/** Fill in the peaks of the place under test. */
clvits_status bench_peak(bench *b);

/** The CPU's multiply-adds once more: its clock moves with what else the machine does. */
void bench_peak_again(bench *b);

double bench_now(void);

/** A graph of one case: built, planned, fed with random numbers, run and timed. */
typedef struct bench_graph {
    bench *b;
    clvits_packed_weights *weights;
    clvits_graph *graph;
    clvits_plan *plan;
    clvits_run *run;
    clvits_arena arena;
    struct bench_input *inputs;
    uint64_t seed;
    double first; /* seconds of the plan and the first run: building the kernels */
} bench_graph;

void bench_begin(bench_graph *g, bench *b, int batch);
float *bench_random(bench_graph *g, int64_t n, float range);

/** An input or a weight of uniform numbers in [-range, range]; values (may be NULL) gets them. */
clvits_tensor *bench_input(bench_graph *g, int clock, int channels, const float **values);
clvits_tensor *bench_weight(bench_graph *g, int rank, const int64_t *shape, float range,
                            const float **values);

/** Finish, plan, write the inputs, run once; false, with the reason printed, when it fails. */
bool bench_plan(bench_graph *g);

/** Values of a kept output, [B][T][C]; NULL when they cannot be read. */
const float *bench_output(bench_graph *g, const clvits_tensor *t);

typedef struct bench_time {
    double median, best; /* seconds of a run */
    int runs;
} bench_time;

/**
 * Run again and again. Between launches is not counted (nodes = true), or it is: the clock runs
 * from the call until the output can be read.
 */
bool bench_measure(bench_graph *g, const clvits_tensor *output, bool nodes, bench_time *t);

/** One line of the table; flops is the work of a run. */
void bench_print(bench *b, const char *name, const bench_time *t, double flops, const char *note);

void bench_end(bench_graph *g);

#endif
