// SPDX-License-Identifier: MIT
#ifndef CLVITS_GRAPH_GRAPH_H
#define CLVITS_GRAPH_GRAPH_H

#include "base/arena.h"
#include "op/op.h"

/**
 * A graph: operators and the tensors between them, for one batch size and one capacity.
 *
 * Building never needs a check after each call: a failed or NULL operand makes the result NULL,
 * the graph keeps the first failure, and clvits_graph_finish() returns it. Immutable once
 * finished, and then shared by any number of plans and threads.
 */
clvits_status clvits_graph_open(clvits_graph **out, int batch, clvits_report *r);
void clvits_graph_close(clvits_graph **graph);

/**
 * A clock: a run-time length per item, at most capacity rows. Clock 0 exists always; its capacity
 * and length are 1 (speaker vectors).
 */
int clvits_graph_clock(clvits_graph *g, int capacity);

/** The clock whose length is (parent's length * mul + add) / div, rounded down; made once. */
int clvits_graph_clock_of(clvits_graph *g, int parent, int mul, int add, int div);
int clvits_graph_capacity(const clvits_graph *g, int clock);
int clvits_graph_batch(const clvits_graph *g);

/** n scalars per item, set before each run; returns the first one's slot. */
int clvits_graph_scalar(clvits_graph *g, int n);

/** A tensor that the caller writes before a run. */
clvits_tensor *clvits_graph_input(clvits_graph *g, clvits_type type, int clock, int channels);

/** A constant in its file's shape and layout; data must outlive every plan of the graph. */
clvits_tensor *clvits_graph_weight(clvits_graph *g, const float *data, int rank,
                                   const int64_t *shape);

/**
 * A constant that a builder computed, in memory of the graph's arena: what is packed for one graph
 * serves the next one, wherever it has its own.
 */
clvits_tensor *clvits_graph_constant(clvits_graph *g, const float *data, int rank,
                                     const int64_t *shape);

/**
 * A constant put together from several when it is packed; the data must outlive every plan of
 * the graph, the parts are copied. Their rows must come to shape[0].
 */
clvits_tensor *clvits_graph_weight_parts(clvits_graph *g, const clvits_weight_part *parts, int n,
                                         int rank, const int64_t *shape);

/** Channels [c0, c0 + n) of a tensor, without a copy. */
clvits_tensor *clvits_graph_slice(clvits_tensor *x, int c0, int n);

/** Mark a tensor as readable after a run; returns it. */
clvits_tensor *clvits_graph_keep(clvits_tensor *x);

/** Name what is added from here on, for traces and forced placement. */
void clvits_graph_label(clvits_graph *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** What devices may do in half precision for nodes added from here on: CLVITS_HALF_*, 0 at first.
 *  Operators that know nothing of it take and make floats alone. */
void clvits_graph_halves(clvits_graph *g, int halves);

/** Add a node; params is copied. NULL when an input that must be is NULL, when the shape rule
 *  refuses or memory runs out. */
clvits_node *clvits_graph_add(clvits_graph *g, const clvits_op *op, clvits_tensor *const *in,
                              int n_in, const void *params);

/** As above, for the builders: NULL when one of the first `required` inputs is. */
clvits_node *clvits_graph_call(const clvits_op *op, clvits_tensor *const *in, int n_in,
                               int required, const void *params);

/** The builders' results: a node's first output; the same, with its second in *second. */
clvits_tensor *clvits_graph_first(const clvits_node *n);
clvits_tensor *clvits_graph_both(const clvits_node *n, clvits_tensor **second);

/** For shape rules: set output i of the node; of operators that can make halves, the type is
 *  clvits_graph_float(). */
clvits_status clvits_graph_output(clvits_node *n, int i, clvits_type type, int clock, int channels,
                                  clvits_report *r);

clvits_type clvits_graph_float(const clvits_node *n);

/** For builders: a failure found outside a shape rule, kept as the graph's. */
void clvits_graph_fail(clvits_graph *g, clvits_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Check the whole and settle the guards; from here on the graph is immutable. */
clvits_status clvits_graph_finish(clvits_graph *g, clvits_report *r);

struct clvits_clock {
    int parent, mul, add, div; /* parent -1: set per run */
    int capacity;
};

/** The rows of a clock that has a parent, where that has so many. */
static inline int clvits_clock_rows(const struct clvits_clock *c, int parent)
{
    const int64_t n = (int64_t)parent * c->mul + c->add;
    return parent && n > 0 ? (int)(n / c->div) : 0;
}

enum { CLVITS_MAX_CLOCKS = 64, CLVITS_MAX_SCALARS = 32 };

struct clvits_graph {
    clvits_arena arena;
    clvits_report failure;
    int batch;
    clvits_node **nodes;
    int n_nodes, cap_nodes;
    clvits_tensor **tensors;
    int n_tensors, cap_tensors;
    struct clvits_clock clocks[CLVITS_MAX_CLOCKS];
    int n_clocks;
    int n_scalars; /* their slots follow CLVITS_MAX_CLOCKS in the run's table */
    const char *label;
    int halves;
    bool finished;
};

#endif
