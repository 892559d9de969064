// SPDX-License-Identifier: MIT
//
// From a graph to results: placement, plan, run. A machine is the CPU and the opened devices; a
// plan says what runs where and in which memory; a run owns the memory of one batch at a time.
#ifndef CLVITS_GRAPH_SCHED_H
#define CLVITS_GRAPH_SCHED_H

#include "graph/cost.h"
#include "op/tune.h"

#include <pthread.h>

enum { CLVITS_CPU_PLACE = 0, CLVITS_MAX_PLACES = 5 };

/** Where nodes can run: place 0 is the CPU, the others are OpenCL devices. Immutable. */
typedef struct clvits_machine {
    clvits_cpu cpu;
    clvits_device *device[CLVITS_MAX_PLACES]; /* device[0] is NULL */
    int n_places;
    const clvits_rates *rates; /* by place; NULL: nothing was measured */
    struct clvits_trust *trust; /* graph/trust.h; NULL: all are, blindly */
    int halves; /* CLVITS_HALF_*: what models on it ask of devices, never of the CPU */
} clvits_machine;

/* Places as bits: a device's, all devices', and those of the devices that are not trusted. */
unsigned clvits_machine_bit(const clvits_machine *m, const clvits_device *d);
unsigned clvits_machine_devices(const clvits_machine *m);
unsigned clvits_machine_distrusted(const clvits_machine *m);

/** Give every place its tuned rows, which outlive the machine; before anything is planned. */
clvits_status clvits_machine_tune(clvits_machine *m, clvits_tuning *t, clvits_report *r);

/**
 * Say what devices may do in half precision, by name: "fp32" nothing, "fp16-storage" keep weights
 * and tensors of flow and decoder, "fp16" also compute; UNSUPPORTED where a device cannot.
 */
clvits_status clvits_machine_set_precision(clvits_machine *m, const char *name, clvits_report *r);

/**
 * Weights as packed for the places that use them; made once, shared by plans and threads.
 *
 * Zero-initialise through clvits_weights_open(); outlives the plans made with it.
 */
typedef struct clvits_packed_weights clvits_packed_weights;
clvits_status clvits_packed_weights_open(clvits_packed_weights **out, clvits_report *r);
void clvits_packed_weights_close(clvits_packed_weights **weights);
size_t clvits_packed_weights_host_bytes(const clvits_packed_weights *weights);

/** Free what is packed on devices; while there are no plans. */
void clvits_packed_weights_leave_devices(clvits_packed_weights *weights);

/** Placement and memory of one graph. Immutable; any number of runs and threads may share it. */
typedef struct clvits_plan clvits_plan;

/**
 * Plan a finished graph.
 *
 * @param place  NULL, or entries separated by commas, of which later ones win. "device": every node
 *               goes to the first OpenCL device that takes it, else to the CPU; so it is when
 *               nothing is said. "auto": where the machine's rates say that it costs least, copies
 *               counted; without rates as "device". "NAME=cpu" or "NAME=1": by hand, NAME being an
 *               operator or the start of a label ("conv1d", "enc_p", "dec.ups"), the value "cpu"
 *               or a place's index.
 */
clvits_status clvits_plan_make(clvits_plan **out, const clvits_graph *g, const clvits_machine *m,
                               clvits_packed_weights *w, const char *place, clvits_report *r);

/** How many rows runs of a plan mostly make of a clock of its own, in each item. */
typedef struct clvits_use {
    int clock, few, many;
} clvits_use;

/**
 * The same without some places, barred, given as bits; the CPU is always among those there are.
 *
 * @param uses  what counts where nodes are placed by cost: ends with clock 0; NULL, or a clock that
 *              is not there, counts at its capacity
 */
clvits_status clvits_plan_make_without(clvits_plan **out, const clvits_graph *g,
                                       const clvits_machine *m, clvits_packed_weights *w,
                                       const char *place, unsigned barred, const clvits_use *uses,
                                       clvits_report *r);

/** Plan a graph that differs from another plan's by capacities alone: every node runs where it does
 *  there. `like` may be freed afterwards. */
clvits_status clvits_plan_make_like(clvits_plan **out, const clvits_graph *g,
                                    const clvits_plan *like, clvits_packed_weights *w,
                                    clvits_report *r);
void clvits_plan_free(clvits_plan **plan);

/** Whether a forced placement is well-formed and asks for places that the machine has. */
clvits_status clvits_place_check(const clvits_machine *m, const char *place, clvits_report *r);

/** Whether every part of a module that a placement names, as in "dec.ups", is in one of the graphs;
 *  else it fails with what there is instead. */
clvits_status clvits_place_check_parts(const clvits_graph *const *graphs, int n, const char *place,
                                       clvits_report *r);

/** Whether nodes are placed by cost: the last "auto" or "device" of a placement says so. */
bool clvits_place_by_cost(const char *place);

/** Where a node runs. */
int clvits_plan_place(const clvits_plan *p, const clvits_node *n);

/** Which of the kernels that its device has for it a node runs on: 0 where nothing spoke against
 *  the one that is chosen first. Tuned rows hold for that one alone. */
int clvits_plan_variant(const clvits_plan *p, const clvits_node *n);

/** The first device that the plan runs nodes on, a place; CLVITS_CPU_PLACE where there is none. */
int clvits_plan_device(const clvits_plan *p);

/** Bytes of a run's memory on that place, and what they would be without reuse. */
size_t clvits_plan_bytes(const clvits_plan *p, int place);
size_t clvits_plan_bytes_unshared(const clvits_plan *p, int place);

/** Nodes that the plan runs, and copies between places. */
int clvits_plan_launches(const clvits_plan *p);
int clvits_plan_copies(const clvits_plan *p);

/** Receives a piece of text; another status than OK ends the writing. */
typedef clvits_status (*clvits_write_fn)(void *user, const char *text, size_t n, clvits_report *r);

/**
 * Write the graph, as placed, as a cluster of a Graphviz digraph.
 *
 * @param name  of the cluster; sets its nodes apart from those of others
 */
clvits_status clvits_plan_dot(const clvits_plan *p, const char *name, clvits_write_fn write,
                              void *user, clvits_report *r);

/** The memory and kernels for running a plan, and from its second use on, where a device records
 *  them, its launches as few replays; one thread at a time. */
typedef struct clvits_run clvits_run;
clvits_status clvits_run_make(clvits_run **out, clvits_plan *p, clvits_report *r);
void clvits_run_free(clvits_run **run);

/**
 * Which rows of a clock the run must have, so that rows `rows` of a tensor get the bits that they
 * have in a run over the whole: both counted in the whole. Past its end there is nothing to have.
 */
clvits_range clvits_run_reach(clvits_run *run, const clvits_tensor *t, clvits_range rows,
                              int clock);

/**
 * Rows `rows` of a tensor, counted in the whole, are all that the next clvits_run_go() is to make,
 * and the last tensor for which that was said counts: convolutions then leave out what does not
 * take part in these bits, on devices as well, and what other rows hold is not defined. For graphs,
 * up to there, of convolutions and of operators that take each row by itself.
 */
void clvits_run_ask(clvits_run *run, const clvits_tensor *t, clvits_range rows);

/** The share of a node's valid rows that the next clvits_run_go() is to make. */
double clvits_run_share(const clvits_run *run, const clvits_node *n);

/* What changes from run to run. Lengths come first: writing an input zeroes the rows around them.
 * Setting a clock of its own also sets those derived from it. */
clvits_status clvits_run_set_length(clvits_run *run, int clock, int item, int length,
                                    clvits_report *r);
/** Row 0 of an item is row `row` of the whole that it is a stretch of; 0 at first. Noise and
 *  expanded ids go by it, so that stretches give what the whole would. Clocks derived from this one
 *  begin at the row that belongs to it; rows must then divide as the clock's own. */
clvits_status clvits_run_set_first(clvits_run *run, int clock, int item, int row,
                                   clvits_report *r);
int clvits_run_length(const clvits_run *run, int clock, int item);
void clvits_run_set_float(clvits_run *run, int slot, int item, float value);
void clvits_run_set_int(clvits_run *run, int slot, int item, int value);

/** Write all valid rows of an input, [length][C] floats (or ints), for one item. src stays as it
 *  is until clvits_run_go() and a read have returned. */
clvits_status clvits_run_write(clvits_run *run, const clvits_tensor *t, int item, const void *src,
                               clvits_report *r);

/** Read rows [row, row + rows) of an output or input, guard rows among them; blocks. */
clvits_status clvits_run_read(clvits_run *run, const clvits_tensor *t, int item, int row, int rows,
                              void *dst, clvits_report *r);

/** Fill all valid rows of an input of dst from rows row, row + 1, ... of a tensor of another run
 *  (of the same machine), without passing through the host where both live on one device, as
 *  floats or halves alike. */
clvits_status clvits_run_copy(clvits_run *dst, const clvits_tensor *t, int item, clvits_run *src,
                              const clvits_tensor *from, int from_item, int row, clvits_report *r);

/** Times of one node, for traces and benches; in the order in which the nodes ran. */
typedef struct clvits_node_time {
    const clvits_node *node;
    int place;
    double seconds;
} clvits_node_time;

/**
 * Run all nodes. Returns once everything is enqueued; reads wait.
 *
 * @param times  NULL, or room for clvits_plan_launches() entries: every node is then waited for
 *               and launched by itself, as it is where r traces
 */
clvits_status clvits_run_go(clvits_run *run, clvits_node_time *times, clvits_report *r);

/** Have every device begin with what was enqueued, while nobody waits for it. */
void clvits_machine_submit(const clvits_machine *m);

/** Wait until every device has done what was enqueued; before giving up on a run half-way. */
void clvits_machine_finish(const clvits_machine *m);

#endif
