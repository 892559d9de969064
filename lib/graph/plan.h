// SPDX-License-Identifier: MIT
//
// What plan.c makes and run.c follows; beside them the tests' harness and the bench include it.
#ifndef CLVITS_GRAPH_PLAN_H
#define CLVITS_GRAPH_PLAN_H

#include "graph/sched.h"

/** A stretch of memory: host on the CPU, buffer on a device. */
typedef struct clvits_memory {
    float *host;
    clvits_buffer *buffer;
} clvits_memory;

typedef struct clvits_step {
    const clvits_node *node;     /* NULL: a copy */
    const clvits_tensor *tensor; /* of a copy: a root tensor, of which valid rows and guards move */
    int place;                   /* where the node runs; where a copy goes */
    int from;                    /* where a copy comes from */
    clvits_memory weight[CLVITS_MAX_IN];
    const void *dims;
    clvits_launch launch;
    const clvits_row *tuned; /* what its operator chose by; NULL: its own rule */
} clvits_step;

struct clvits_plan {
    clvits_arena arena;
    const clvits_graph *graph;
    const clvits_machine *machine;
    unsigned barred;  /* places that must not be chosen, as bits */
    int *place;       /* by node id */
    unsigned char *variant; /* by node id: clvits_target.variant there */
    int *home;        /* by tensor id (roots): where it is made or written first; -1 never used */
    int64_t (*offset)[CLVITS_MAX_PLACES]; /* by tensor id: elements to row 0 of item 0; -1 absent */
    bool *raw;        /* by node id: activates what its input 0 is a copy of */
    bool *unread;     /* by tensor id: all its readers make it: it has no memory */
    clvits_step *steps;
    int n_steps, n_copies;
    int64_t floats[CLVITS_MAX_PLACES], unshared[CLVITS_MAX_PLACES];
    int64_t staging; /* floats that copies pass through the host: between devices, or as halves */
};

/** A place as operators are asked about it, in its first variant; the plan gives the views. */
clvits_target clvits_plan_target(const clvits_plan *p, int place);

/** Plan a graph with all nodes on one place, in one variant; nothing is asked or proven. */
clvits_status clvits_plan_make_at(clvits_plan **out, const clvits_graph *g, const clvits_machine *m,
                                  clvits_packed_weights *w, const clvits_target *at,
                                  clvits_report *r);

/** The dims of a node there, in the plan's arena; NULL when memory runs out. */
void *clvits_plan_dims(clvits_plan *p, const clvits_node *n, const clvits_target *at);

/** Fill p->place and p->variant, as clvits_plan_make_without() describes. */
clvits_status clvits_plan_place_nodes(clvits_plan *p, const char *place, const clvits_use *uses,
                                      clvits_report *r);

/** Fill p->place with what the machine's rates make cheapest; allowed has, for every node, a bit
 *  for each place that it may run on. */
clvits_status clvits_plan_place_cheapest(clvits_plan *p, const unsigned char *allowed,
                                         const clvits_use *uses, clvits_report *r);

/** As clvits_run_reach() describes; `wanted` is room for a range of every tensor of the graph. */
clvits_range clvits_plan_reach(const clvits_plan *p, const clvits_tensor *t, clvits_range rows,
                               int clock, clvits_range *wanted);

/** The rows of a node's results that are wanted, by those of every tensor; empty: none. */
clvits_range clvits_node_wanted(const clvits_node *n, const clvits_range *wanted);

/** The memory of a run's tensors on a place, clvits_plan_bytes() long; NULLs when it has none. */
clvits_memory clvits_run_memory(const clvits_run *run, int place);

/** Rows of input 0 that take part in the bits of rows `out` of a step's results. */
clvits_range clvits_step_reach(const clvits_step *step, clvits_range out);

/** The rows of a node's results that the next clvits_run_go(), or the one under way, is asked for;
 *  empty: all. */
clvits_range clvits_run_asked(const clvits_run *run, const clvits_node *n);

/** A run's table, [slot][item] and what is asked for. */
int *clvits_run_table(const clvits_run *run);

/** Lengths, first rows and scalars of another run with the same clocks and batch. */
void clvits_run_take_slots(clvits_run *to, const clvits_run *from);

/** Read rows of a root tensor as they are on a place, at any point of a run; blocks. */
clvits_status clvits_run_peek(const clvits_run *run, const clvits_tensor *t, int place, int item,
                              int row, int rows, float *dst, clvits_report *r);

/** What traces say of a node on that place, for a run's lengths ([clock][item]; NULL: at full
 *  capacity). What differs from run to run is left empty; shape receives the shape's text. */
void clvits_node_describe(clvits_span *out, char shape[CLVITS_TRACE_SHAPE], const clvits_node *n,
                          int place, const int *lengths);

/** The weight input i of a node as that place wants it; packed at the first call. */
clvits_status clvits_packed_weights_get(clvits_packed_weights *w, const clvits_node *n, int i,
                                        const clvits_target *at, clvits_memory *out,
                                        clvits_report *r);

/** Bytes of weights that a device has, and those that it still wants for one. */
size_t clvits_packed_weights_there(clvits_packed_weights *w, int place);
size_t clvits_packed_weights_more(clvits_packed_weights *w, const clvits_node *n, int i,
                                  const clvits_target *at);

/** Whether a name, n bytes of a forced placement, means a node: its operator, or the first parts of
 *  its label; and whether it can mean any, as far as that is known without a voice. */
bool clvits_place_means(const char *name, size_t n, const clvits_node *node);
bool clvits_place_is_name(const char *name, size_t n);

/** Bytes of a tensor's elements on that place. */
static inline size_t clvits_element_bytes(const clvits_tensor *t, int place)
{
    return t->type == CLVITS_F16 && place != CLVITS_CPU_PLACE ? 2 : 4;
}

/** Elements from an item of a root tensor to the next, guards included. */
static inline int64_t clvits_item_elements(const clvits_tensor *root)
{
    return ((int64_t)root->T + 2 * root->guard) * root->C;
}

#endif
