// SPDX-License-Identifier: MIT
//
// The small graphs that clvits_check() runs on a device and on the CPU path.
#ifndef CLVITS_MODEL_CHECK_H
#define CLVITS_MODEL_CHECK_H

#include "graph/build.h"

enum { CLVITS_CHECK_BATCH = 3, CLVITS_CHECK_INPUTS = 6, CLVITS_CHECK_OUTPUTS = 2 };

/** A graph being built for one check, with what must be written before it runs. */
typedef struct clvits_check_graph {
    clvits_graph *graph;
    clvits_arena arena;
    uint64_t seed; /* of the numbers in it */
    bool no_memory;
    int halves; /* CLVITS_HALF_*: then rows of operands are of the type that devices keep so */
    struct {
        clvits_tensor *tensor;
        void *values; /* [B][T][C] floats or ints */
    } inputs[CLVITS_CHECK_INPUTS];
    int n_inputs;
    int scalar; /* slot whose value is a float for all items; 0: none */
    float scalar_value;
    int seed_slot; /* slot of the items' seeds; 0: none */
    clvits_tensor *outputs[CLVITS_CHECK_OUTPUTS];
    int n_outputs;
} clvits_check_graph;

typedef struct clvits_check_case {
    const char *name;
    const clvits_op *op;
    double tolerance; /* 0: the same bits */
    /** Add the operator and keep what is to be compared; i is the case's own number. */
    void (*build)(clvits_check_graph *g, int i);
    int i;
} clvits_check_case;

extern const clvits_check_case clvits_check_cases[];
extern const int clvits_check_case_count;

/** The finished graph of a case; halves: CLVITS_HALF_*, for the operators that take them. */
clvits_status clvits_check_open(clvits_check_graph *out, const clvits_check_case *c, int halves,
                                clvits_report *r);
void clvits_check_close(clvits_check_graph *g);

#endif
