// SPDX-License-Identifier: MIT
#ifndef CLVITS_GRAPH_SNAPSHOT_H
#define CLVITS_GRAPH_SNAPSHOT_H

#include "graph/plan.h"

/** The whole memory of a run, on every place. */
typedef struct clvits_snapshot {
    void *bytes[CLVITS_MAX_PLACES];
    size_t size[CLVITS_MAX_PLACES];
} clvits_snapshot;

/** Waits for what was enqueued. Empty on failure; free with clvits_snapshot_free(). */
clvits_status clvits_snapshot_take(clvits_snapshot *out, const clvits_run *run,
                                   const clvits_plan *p, clvits_report *r);

/** Make the run's memory what it was. */
clvits_status clvits_snapshot_put_back(const clvits_snapshot *from, const clvits_run *run,
                                       const clvits_plan *p, clvits_report *r);

/** Whether two of one run are the same, bit for bit. */
bool clvits_snapshot_same(const clvits_snapshot *a, const clvits_snapshot *b);

void clvits_snapshot_free(clvits_snapshot *s);

#endif
