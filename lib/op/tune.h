// SPDX-License-Identifier: MIT
//
// What can be tuned, and the rows that say how. A row decides how fast a node runs, never what it
// computes: an operator takes only values that its kernels are right with, and values that decide
// how weights are packed or in which order is summed follow from the weight's shape alone.
#ifndef CLVITS_OP_TUNE_H
#define CLVITS_OP_TUNE_H

#include "base/tune.h"
#include "op/op.h"

/** A number that may be tuned, and what is worth trying. */
typedef struct clvits_knob {
    const char *name; /* NULL ends a list */
    bool base;        /* tried in all combinations, before the others */
    int n, value[10];
} clvits_knob;

/** Everything that a room lets be tuned. */
typedef struct clvits_knobs {
    const char *room;
    const clvits_knob *knob;

    /** What of a node decides: weight shape and parameters, never a capacity or a length. Nothing
     *  is added for a node that no row is for. */
    void (*shape)(const clvits_node *n, const clvits_target *at, clvits_terms *out);

    /**
     * Whether the target's kernels are right with these values for that shape, and each value has
     * a meaning there. What the shape does not tell is not known yet, and nothing is refused for.
     */
    bool (*takes)(const clvits_target *at, const clvits_terms *shape, const clvits_terms *values);
} clvits_knobs;

/** The rows that may apply to one target, the best first. Immutable. */
typedef struct clvits_tuned {
    const clvits_row *const *row;
    int n, own; /* own: how many of them are the user's */
    const char *file; /* the user's; NULL when there is none */
} clvits_tuned;

/** The rows of the library and of a user's file; outlives the targets that use them. */
typedef struct clvits_tuning clvits_tuning;

/**
 * Read the library's rows, and "tuned.txt" in the folder where there is one. A row that makes no
 * sense is ignored with one warning.
 *
 * @param folder  the user's cache folder; NULL for none
 * @return CLVITS_OK or _E_MEMORY
 */
clvits_status clvits_tuning_open(clvits_tuning **out, const char *folder, clvits_report *r);
void clvits_tuning_close(clvits_tuning **tuning);

/** The target's rows, which it is then given; they live as long as the tuning. */
clvits_status clvits_tuning_choose(const clvits_tuned **out, clvits_tuning *t,
                                   const clvits_target *at, clvits_report *r);

/** Who the target is, to rows. */
clvits_tuned_device clvits_target_names(const clvits_target *at);

/** The best row for a shape on a target that the room accepts there; NULL: its own rule, as for
 *  all variants but the first. */
const clvits_row *clvits_tuned_row(const clvits_target *at, const clvits_knobs *knobs,
                                   const clvits_terms *shape);

#endif
