// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/rows.h"

#include <exact.h>

#include <random.h>

enum { STREAM = 0x7e65 }; /* which no noise has */

static clvits_status refuse(const clvits_node *n, clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_SHAPE, "%s: %s wants x (B,T,C)", n->label, n->op->name);
}

static clvits_status slice_shape(clvits_node *n, clvits_report *r)
{
    const clvits_slice_params *p = n->params;
    const clvits_tensor *x = n->in[0];
    const int scalar = p->slot - CLVITS_MAX_CLOCKS;

    if (!clvits_rows_fit(x, x->clock, x->C))
        return refuse(n, r);
    if (scalar < 0 || scalar >= n->graph->n_scalars || p->step < 0)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: slice_rows finds no start in slot %d",
                           n->label, p->slot);
    return clvits_graph_output(n, 0, CLVITS_F32, p->clock, x->C, r);
}

static clvits_status fold_shape(clvits_node *n, clvits_report *r)
{
    const clvits_fold_params *p = n->params;
    const clvits_tensor *x = n->in[0];

    if (!clvits_rows_fit(x, x->clock, x->C))
        return refuse(n, r);
    if (p->period < 1)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: fold of period %d", n->label, p->period);
    const int rows = clvits_graph_clock_of(n->graph, x->clock, 1, p->period - 1, p->period);
    const int clock = clvits_graph_clock_of(n->graph, rows, p->period, 0, 1);
    return clvits_graph_output(n, 0, CLVITS_F32, clock, x->C, r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_slice_params *p = n->op == &clvits_op_slice_rows ? n->params : NULL;
    const clvits_tensor *x = n->in[0], *y = n->out[0];

    *(segment_dims *)dims = (segment_dims){
        .B = y->B,
        .T = y->T,
        .C = y->C,
        .clock = y->clock,
        .from = x->clock,
        .slot = p ? p->slot : -1,
        .step = p && p->step ? p->step : 1,
        .x = clvits_node_view(at, x),
        .y = clvits_node_view(at, y),
    };
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const segment_dims *d = dims;

    (void)n;
    clvits_rows_launch(l, at->device, "segment", "segment", d->B, d->T + 2 * d->y.guard, d->C);
}

/* Of x no more than the rows that are cut out. */
static double slice_bytes(const clvits_node *n, int place, const int *lengths)
{
    (void)place;
    return 2.0 * sizeof(float) * clvits_work_cells(n->out[0], lengths);
}

/* Both run one kernel. */
#define OPERATOR(NAME, ID, SHAPE, PARAMS, BYTES)                                                  \
    const clvits_op clvits_op_##NAME = {                                                          \
        .name = #NAME,                                                                            \
        .inputs = 1,                                                                              \
        .outputs = 1,                                                                             \
        .params_size = sizeof(PARAMS),                                                            \
        .dims_size = sizeof(segment_dims),                                                        \
        .shape = SHAPE,                                                                           \
        .dims = dims,                                                                             \
        .cpu = CLVITS_CPU_##ID,                                                                   \
        .launch = launch,                                                                         \
        .bytes = BYTES,                                                                           \
    };

OPERATOR(fold, FOLD, fold_shape, clvits_fold_params, NULL)
OPERATOR(slice_rows, SLICE_ROWS, slice_shape, clvits_slice_params, slice_bytes)

clvits_tensor *clvits_fold(clvits_tensor *x, int period)
{
    return clvits_graph_first(
        clvits_graph_call(&clvits_op_fold, &x, 1, 1, &(clvits_fold_params){ period }));
}

clvits_tensor *clvits_slice_rows(clvits_tensor *x, int clock, int slot, int step)
{
    const clvits_slice_params p = { clock, slot, step };
    return clvits_graph_first(clvits_graph_call(&clvits_op_slice_rows, &x, 1, 1, &p));
}

int clvits_segment_start(uint64_t seed, int item, int length, int segment)
{
    const philox_block b =
        philox((unsigned)item, 0, STREAM, 0, (unsigned)seed, (unsigned)(seed >> 32));
    const int64_t places = (int64_t)length - segment + 1;
    return places > 0 ? (int)(places * b.word[0] >> 32) : 0;
}
