// SPDX-License-Identifier: MIT
#include "graph/build.h"

enum { WORK_GROUP = 64 };

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_normal_params *p = n->params;
    const int scalar = p->slot - CLVITS_MAX_CLOCKS;

    if (scalar < 0 || scalar + 1 >= n->graph->n_scalars)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: normal finds no seed in slots %d and %d",
                           n->label, p->slot, p->slot + 1);
    if (clvits_graph_capacity(n->graph, p->clock) < 1)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: normal finds no clock %d for its rows",
                           n->label, p->clock);
    return clvits_graph_output(n, 0, CLVITS_F32, p->clock, p->channels, r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_normal_params *p = n->params;
    const clvits_tensor *y = n->out[0];

    *(normal_dims *)dims = (normal_dims){
        .B = y->B,
        .C = y->C,
        .clock = y->clock,
        .slot = p->slot,
        .stream = p->stream,
        .rows = y->T + 2 * y->root->guard,
        .y = clvits_node_view(at, y),
    };
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const normal_dims *d = dims;
    const size_t pairs = (size_t)(d->C + 1) / 2;
    const size_t items = clvits_device_work_group(at->device, WORK_GROUP);

    (void)n;
    l->program = "random";
    l->kernel = "normal";
    l->dimensions = 3;
    l->local[0] = items < 16 ? items : 16;
    l->local[1] = items / l->local[0];
    l->local[2] = 1;
    l->global[0] = pairs;
    l->global[1] = (size_t)d->rows;
    l->global[2] = (size_t)d->B;
}

/* Of a pair: a logarithm, a root, a sine and a cosine, two products; the generator's whole numbers
 * are not counted. */
static double flops(const clvits_node *n, const int *lengths)
{
    return 3.0 * clvits_work_cells(n->out[0], lengths);
}

const clvits_op clvits_op_normal = {
    .name = "normal",
    .inputs = 0,
    .outputs = 1,
    .params_size = sizeof(clvits_normal_params),
    .dims_size = sizeof(normal_dims),
    .shape = shape,
    .dims = dims,
    .cpu = CLVITS_CPU_NORMAL,
    .launch = launch,
    .flops = flops,
};

clvits_tensor *clvits_normal(clvits_graph *g, int clock, int channels, int seed_slot, int stream)
{
    const clvits_normal_params p = { clock, channels, seed_slot, stream };
    return clvits_graph_first(clvits_graph_add(g, &clvits_op_normal, NULL, 0, &p));
}
