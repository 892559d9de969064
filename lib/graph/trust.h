// SPDX-License-Identifier: MIT
//
// Proof before use: the kernel that a plan would give to a node computes a known answer first.
#ifndef CLVITS_GRAPH_TRUST_H
#define CLVITS_GRAPH_TRUST_H

#include "graph/sched.h"

#include <stdatomic.h>

enum { CLVITS_VARIANTS = 3 }; /* that an operator has at most */

/** How far a machine's devices are trusted; zero at first: blindly. Any thread. */
struct clvits_trust {
    /* By place: the operators that a warning was given for, a bit for each in clvits_ops. */
    atomic_ullong told[CLVITS_MAX_PLACES];
    atomic_int trials; /* since they were last told of */
    atomic_llong nanoseconds;
    bool proves;     /* kernels are tried before they are used; set before the first plan */
    int recheck;     /* of so many runs one has a node computed again; 0: none; likewise */
    atomic_uint runs;
    atomic_int speaking; /* batches under way, whose memory is theirs until they end */
    /* By place, a bit for each device that had no memory for a batch, which went elsewhere. */
    atomic_uint short_of_memory;
};

static inline bool clvits_trust_proves(const clvits_machine *m)
{
    return m->trust && m->trust->proves;
}

/**
 * Have a node's kernel on a device, as clvits_target.variant says, compute a small problem of the
 * node's own channels, weights' shape and parameters, and compare that with the CPU path: items of
 * different lengths, NaNs where nothing is written, guard rows, a stretch's first row. What
 * was once found counts from then on.
 *
 * @param slope  0, or of the leaky ReLU that the node is to apply to its input 0 itself
 * @return CLVITS_OK; _E_DEVICE with what is wrong, and then the kernel is not to be used, or, if
 *         clvits_device_lost(), nothing on the device; _E_MEMORY where there was no room to find
 *         out, the report naming the device if it was its room
 */
clvits_status clvits_trust_node(const clvits_machine *m, const clvits_node *n,
                                const clvits_target *at, float slope, clvits_report *r);

struct clvits_step;

/** Which step of the next run of a plan is to be computed again: a device's, or -1. */
int clvits_recheck_choose(const clvits_plan *p);

/**
 * Have a device compute a step, and the CPU path as well, and compare, if there is room for that.
 *
 * @return CLVITS_OK; _E_DEVICE where they differ, the report naming the device; _E_MEMORY where it
 *         has no room
 */
clvits_status clvits_recheck(const clvits_run *run, const clvits_plan *p,
                             const struct clvits_step *step, clvits_kernel *kernel,
                             clvits_report *r);

/** Have later programs know what was found since the last time. */
void clvits_trust_keep(const clvits_machine *m, const clvits_report *r);

/** Whether nobody was told yet that the operator goes wrong on a place; from now on somebody is. */
bool clvits_trust_tell(struct clvits_trust *t, const clvits_op *op, int place);

#endif
