// SPDX-License-Identifier: MIT
#ifndef CLVITS_CPU_CPU_H
#define CLVITS_CPU_CPU_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { CLVITS_MAX_THREADS = 1024 }; /* of a pool */

/** A pool of sleeping threads. Several callers may use it; one at a time gets its threads. */
typedef struct clvits_pool clvits_pool;

/** threads: 0 for one per processor that this process may use. */
clvits_status clvits_pool_open(clvits_pool **out, int threads, clvits_report *r);
void clvits_pool_close(clvits_pool **pool);
int clvits_pool_threads(const clvits_pool *pool);

/**
 * Call job(context, i) for every i in [0, n), from several threads, and return when all are done.
 *
 * When another caller holds the threads, the jobs run on the calling thread alone: the result is
 * the same.
 */
void clvits_pool_run(clvits_pool *pool, int n, void (*job)(void *context, int i), void *context);

/** What a CPU path is given; see clvits_op for the order of arguments. */
typedef struct clvits_cpu_call {
    const void *dims;
    const int *run;
    const void *in[8];
    void *out[2];
    clvits_pool *pool;
} clvits_cpu_call;

/** Computes a node with the mathematics of the kernel of the same name. */
typedef void clvits_cpu_fn(const clvits_cpu_call *call);

/** One per CPU path; an operator names its own. */
typedef enum clvits_cpu_id {
    CLVITS_CPU_AFFINE,
    CLVITS_CPU_ATTENTION,
    CLVITS_CPU_BACKTRACK,
    CLVITS_CPU_BINARY,
    CLVITS_CPU_CONCAT,
    CLVITS_CPU_CONV1D, /* transposed as well */
    CLVITS_CPU_COPY,
    CLVITS_CPU_COUPLING,
    CLVITS_CPU_DURATIONS,
    CLVITS_CPU_EMBEDDING,
    CLVITS_CPU_EXPAND,
    CLVITS_CPU_FLIP,
    CLVITS_CPU_FOLD,
    CLVITS_CPU_GATE,
    CLVITS_CPU_LAYER_NORM,
    CLVITS_CPU_LOG_FLOW,
    CLVITS_CPU_LOSS,
    CLVITS_CPU_MATMUL,
    CLVITS_CPU_NORMAL,
    CLVITS_CPU_PRIOR,
    CLVITS_CPU_SAMPLE,
    CLVITS_CPU_SEARCH,
    CLVITS_CPU_SEPARABLE,
    CLVITS_CPU_SLICE_ROWS,
    CLVITS_CPU_SOFTMAX,
    CLVITS_CPU_SPECTROGRAM,
    CLVITS_CPU_SPLINE,
    CLVITS_CPU_SUM,
    CLVITS_CPU_TOTAL,
    CLVITS_CPU_UNARY,
    CLVITS_CPU_COUNT
} clvits_cpu_id;

/** The CPU paths as built for one instruction set. */
typedef struct clvits_cpu_table {
    const char *isa;
    int vector;    /* floats in a vector register */
    int registers; /* how many of those there are */
    clvits_cpu_fn *fn[CLVITS_CPU_COUNT];
} clvits_cpu_table;

/** The CPU as a device: which build of the paths this machine runs, and its threads. */
typedef struct clvits_cpu {
    const clvits_cpu_table *table;
    clvits_pool *pool;
    char name[128];
    const struct clvits_tuned *tuned; /* rows for this place, op/tune.h; NULL: none */
} clvits_cpu;

/** Whether this machine, and this build, have the CPU paths of an instruction set. */
bool clvits_cpu_has(const char *isa);

/** isa: NULL for the best this machine has, or a name such as "baseline", "avx2", "avx512". */
clvits_status clvits_cpu_open(clvits_cpu *out, const char *isa, int threads, clvits_report *r);
void clvits_cpu_close(clvits_cpu *cpu);

#endif
