// SPDX-License-Identifier: MIT
#include "graph/build.h"

enum { WORK_GROUP = 64 };

static clvits_status durations_shape(clvits_node *n, clvits_report *r)
{
    const clvits_slot_params *p = n->params;
    const clvits_tensor *x = n->in[0];
    const int scalar = p->slot - CLVITS_MAX_CLOCKS;

    if (x->type != CLVITS_F32 || x->role == CLVITS_WEIGHT || x->C != 1)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: durations wants logw (B,T,1), not %d channels",
                           n->label, x->C);
    if (scalar < 0 || scalar >= n->graph->n_scalars)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: durations finds no length_scale in slot %d",
                           n->label, p->slot);
    const clvits_status s = clvits_graph_output(n, 0, CLVITS_I32, x->clock, 1, r);
    return s ? s : clvits_graph_output(n, 1, CLVITS_I32, x->clock, 1, r);
}

static void durations_dims_of(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_slot_params *p = n->params;

    *(durations_dims *)dims = (durations_dims){
        .B = n->in[0]->B,
        .clock = n->in[0]->clock,
        .slot = p->slot,
        .local_size = !at->device || clvits_device_get_info(at->device)->family == CLVITS_FAMILY_CPU
                          ? 1
                          : (int)clvits_device_work_group(at->device, WORK_GROUP),
        .x = clvits_node_view(at, n->in[0]),
        .y = clvits_node_view(at, n->out[0]),
        .ends = clvits_node_view(at, n->out[1]),
    };
}

static void durations_launch(const clvits_node *n, const clvits_target *at, const void *dims,
                             clvits_launch *l)
{
    const durations_dims *d = dims;

    (void)n;
    (void)at;
    l->program = "align";
    l->kernel = "durations";
    l->local[0] = (size_t)d->local_size;
    l->global[0] = (size_t)d->B * l->local[0];
}

/* exp, product, ceiling and running sum of each id. */
static double durations_flops(const clvits_node *n, const int *lengths)
{
    return 4.0 * clvits_work_cells(n->out[0], lengths);
}

const clvits_op clvits_op_durations = {
    .name = "durations",
    .inputs = 1,
    .outputs = 2,
    .params_size = sizeof(clvits_slot_params),
    .dims_size = sizeof(durations_dims),
    .shape = durations_shape,
    .dims = durations_dims_of,
    .cpu = CLVITS_CPU_DURATIONS,
    .launch = durations_launch,
    .flops = durations_flops,
};

static clvits_status expand_shape(clvits_node *n, clvits_report *r)
{
    const clvits_expand_params *p = n->params;
    const clvits_tensor *x = n->in[0], *ends = n->in[1];

    if (x->type != CLVITS_F32 || x->role == CLVITS_WEIGHT || ends->type != CLVITS_I32 ||
        ends->C != 1 || ends->clock != x->clock)
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: expand wants x (B,T,C) and the ends (B,T,1) of the same ids",
                           n->label);
    if (clvits_graph_capacity(n->graph, p->clock) < 1)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: expand finds no clock %d for its frames",
                           n->label, p->clock);
    return clvits_graph_output(n, 0, CLVITS_F32, p->clock, x->C, r);
}

static void expand_dims_of(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_tensor *y = n->out[0];
    const bool whole_rows =
        !at->device || clvits_device_get_info(at->device)->family == CLVITS_FAMILY_CPU;

    *(expand_dims *)dims = (expand_dims){
        .B = y->B,
        .C = y->C,
        .ids = n->in[0]->clock,
        .frames = y->clock,
        .rows = y->T + 2 * y->root->guard,
        .parts = whole_rows ? 1 : (y->C + 3) / 4,
        .x = clvits_node_view(at, n->in[0]),
        .ends = clvits_node_view(at, n->in[1]),
        .y = clvits_node_view(at, y),
    };
}

static void expand_launch(const clvits_node *n, const clvits_target *at, const void *dims,
                          clvits_launch *l)
{
    const expand_dims *d = dims;
    const size_t items = d->parts == 1 ? 1 : clvits_device_work_group(at->device, WORK_GROUP);

    (void)n;
    l->program = "align";
    l->kernel = "expand";
    l->dimensions = 3;
    l->local[0] = items < 16 ? items : 16;
    l->local[1] = items / l->local[0];
    l->local[2] = 1;
    l->global[0] = (size_t)d->parts;
    l->global[1] = (size_t)d->rows;
    l->global[2] = (size_t)d->B;
}

const clvits_op clvits_op_expand = {
    .name = "expand",
    .inputs = 2,
    .outputs = 1,
    .params_size = sizeof(clvits_expand_params),
    .dims_size = sizeof(expand_dims),
    .shape = expand_shape,
    .dims = expand_dims_of,
    .cpu = CLVITS_CPU_EXPAND,
    .launch = expand_launch,
    .bound = CLVITS_BOUND_MOVE,
};

clvits_tensor *clvits_durations(clvits_tensor *logw, int length_scale_slot, clvits_tensor **ends)
{
    return clvits_graph_both(clvits_graph_call(&clvits_op_durations, &logw, 1, 1,
                                               &(clvits_slot_params){ .slot = length_scale_slot }),
                             ends);
}

clvits_tensor *clvits_expand(clvits_tensor *x, clvits_tensor *ends, int clock)
{
    clvits_tensor *in[] = { x, ends };
    return clvits_graph_first(clvits_graph_call(&clvits_op_expand, in, 2, 2,
                                                &(clvits_expand_params){ .clock = clock }));
}
