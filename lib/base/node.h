// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_NODE_H
#define CLVITS_BASE_NODE_H

#include "base/tensor.h"

enum { CLVITS_MAX_IN = 8, CLVITS_MAX_OUT = 2 };

/** One operator in a graph: what it reads and writes. Unused slots are NULL. */
struct clvits_node {
    const clvits_op *op;
    clvits_graph *graph;
    int id;
    const char *label; /* stage and module, as in "dec.resblocks.0" */
    clvits_tensor *in[CLVITS_MAX_IN];
    clvits_tensor *out[CLVITS_MAX_OUT];
    const void *params; /* the operator's own struct, kept by the graph */
    int halves;         /* CLVITS_HALF_* */
};

#endif
