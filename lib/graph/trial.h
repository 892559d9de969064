// SPDX-License-Identifier: MIT
//
// A trial: one node by itself, made small, on a device and on the CPU path; or as it is in a run.
#ifndef CLVITS_GRAPH_TRIAL_H
#define CLVITS_GRAPH_TRIAL_H

#include "graph/graph.h"
#include "graph/plan.h"

/* What halves may be off by, of the largest value: they have eleven bits, and what lies between
 * them and the result, an exponential or a sum of both signs, may be some times as coarse. */
#define CLVITS_TRIAL_HALVES 4e-3

typedef struct clvits_trial {
    clvits_machine device, cpu; /* each with that place alone */
    clvits_target at;           /* the node's on the first */
    clvits_graph *graph;
    clvits_node *node;
    clvits_arena arena; /* numbers */
    const void *dims;   /* as the device would have them */
    clvits_launch launch;
    bool placed;   /* its memory on the device could be had */
    bool compared; /* the device gave results: what is wrong is wrong with these */
} clvits_trial;

/**
 * The trial of a node as clvits_trust_node() says; cheap, since no number is made yet.
 *
 * @param rows  of the first item, and then outputs have guard rows whether they are read or not; 0:
 *              few, but more than a work-group has
 */
clvits_status clvits_trial_open(clvits_trial *out, const clvits_machine *m, const clvits_node *n,
                                const clvits_target *at, float slope, int rows, clvits_report *r);
void clvits_trial_close(clvits_trial *t);

/** The node of a plan's step by itself, as it is there, to be computed on the CPU path. */
clvits_status clvits_trial_whole(clvits_trial *out, const clvits_plan *p, const clvits_step *step,
                                 clvits_report *r);

/** A hash of all that decides its outcome on that device; builds the kernel. */
clvits_status clvits_trial_key(uint64_t *out, clvits_trial *t, clvits_report *r);

/** OK where both agree, else _E_DEVICE, as where the CPU path makes few numbers; _E_MEMORY where
 *  there was no room to find out. What finds no resources is tried once more: what ran then may
 *  have had them. */
clvits_status clvits_trial_run(clvits_trial *t, clvits_report *r);

/** Zeros in those of an item's valid rows, from the first one on, that were not asked for, unless
 *  all were: where nobody made them, their memory may hold anything. */
void clvits_trial_keep_rows(float *x, const clvits_tensor *t, int item, const clvits_run *run,
                            clvits_range rows);

/** OK where an output's rows agree, [item][guard + T + guard][C], to a part of the largest. */
clvits_status clvits_trial_compare(const clvits_trial *t, const clvits_tensor *y, const float *got,
                                   const float *want, double tolerance, clvits_report *r);

#endif
