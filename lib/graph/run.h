// SPDX-License-Identifier: MIT
//
// What a run is made of: run.c moves its tensors and follows the plan, run_table.c has its table.
#ifndef CLVITS_GRAPH_RUN_H
#define CLVITS_GRAPH_RUN_H

#include "graph/plan.h"

struct clvits_run {
    const clvits_plan *plan;
    clvits_memory memory[CLVITS_MAX_PLACES];
    clvits_buffer *table[CLVITS_MAX_PLACES]; /* the run's table on each device */
    int *lengths;                            /* the table: [slot][B], [node][2] */
    float *staging;
    clvits_kernel **kernels; /* by step; NULL for copies and CPU nodes */
    clvits_replay **replays; /* by step: launches from this one on, enqueued as one; mostly NULL */
    clvits_range *wanted;    /* by tensor: for clvits_run_reach(), */
    clvits_range *asked;     /* and what the next run is to make, if `some` is set */
    bool some, used, recorded;
};

/** Bytes of a run's table. */
size_t clvits_run_table_bytes(const clvits_run *run);

/** Put into the table which rows the next run is to make. */
void clvits_run_put_asked(clvits_run *run);

#endif
