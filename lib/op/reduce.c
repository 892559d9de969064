// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/rows.h"

#include <stdio.h>

enum { PARTS = 64 }; /* as in cl/reduce.cl */

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *x = n->in[0];

    if (!clvits_rows_fit(x, x->clock, x->C))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: sum wants x (B,T,C)", n->label);
    return clvits_graph_output(n, 0, CLVITS_F32, 0, 1, r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_tensor *x = n->in[0];

    *(reduce_dims *)dims = (reduce_dims){
        .B = x->B,
        .C = x->C,
        .clock = x->clock,
        .x = clvits_node_view(at, x),
        .y = clvits_node_view(at, n->out[0]),
    };
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const reduce_dims *d = dims;
    const size_t group = clvits_device_work_group(at->device, PARTS);

    (void)n;
    l->program = "reduce";
    l->kernel = "sum";
    l->dimensions = 2;
    snprintf(l->options, sizeof(l->options), "-DWG=%d", (int)group);
    l->global[0] = l->local[0] = group;
    l->global[1] = (size_t)d->B;
    l->local[1] = 1;
}

static double flops(const clvits_node *n, const int *lengths)
{
    return clvits_work_cells(n->in[0], lengths);
}

const clvits_op clvits_op_sum = {
    .name = "sum",
    .inputs = 1,
    .outputs = 1,
    .dims_size = sizeof(reduce_dims),
    .shape = shape,
    .dims = dims,
    .cpu = CLVITS_CPU_SUM,
    .launch = launch,
    .flops = flops,
};

clvits_tensor *clvits_sum(clvits_tensor *x)
{
    return clvits_graph_first(clvits_graph_call(&clvits_op_sum, &x, 1, 1, NULL));
}
