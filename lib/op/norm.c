// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/rows.h"
#include "op/tune.h"

#include <stdio.h>

enum { GPU_LANES = 16, GPU_ROWS = 4 }; /* one work-group of the GPU family; LANES in cl/norm.cl */

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *x = n->in[0];

    if (!clvits_rows_fit(x, x->clock, x->C) || !clvits_weight_fits(n->in[1], x->C) ||
        !clvits_weight_fits(n->in[2], x->C))
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: layer_norm wants x (B,T,C), gamma [C] and beta [C]", n->label);
    if (n->in[3] && !clvits_rows_fit(n->in[3], x->clock, x->C))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: the residual does not have layer_norm's rows "
                                              "and %d channels", n->label, x->C);
    return clvits_graph_output(n, 0, CLVITS_F32, x->clock, x->C, r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_layer_norm_params *p = n->params;
    const clvits_tensor *y = n->out[0];
    norm_dims *d = dims;

    *d = (norm_dims){
        .B = y->B,
        .T = y->T,
        .C = y->C,
        .clock = y->clock,
        .has_residual = n->in[3] != NULL,
        .gelu = p->gelu,
        .eps = p->eps != 0.0f ? p->eps : 1e-5f,
        .x = clvits_node_view(at, n->in[0]),
        .y = clvits_node_view(at, y),
    };
    if (n->in[3])
        d->residual = clvits_node_view(at, n->in[3]);
}

static bool takes(const clvits_node *n, const clvits_device *d)
{
    (void)n;
    return clvits_device_get_info(d)->family == CLVITS_FAMILY_CPU ||
           clvits_device_work_group(d, GPU_LANES * GPU_ROWS) == GPU_LANES * GPU_ROWS;
}

static void knobs_shape(const clvits_node *n, const clvits_target *at, clvits_terms *out)
{
    (void)at;
    clvits_terms_add(out, "c", n->out[0]->C);
}

/* Rows that share a work-group; 0: a work-item takes a whole one. */
static bool knobs_take(const clvits_target *at, const clvits_terms *shape,
                       const clvits_terms *values)
{
    const int rows = clvits_terms_get(values, "rows", -1);

    (void)shape;
    return at->device && clvits_device_get_info(at->device)->family == CLVITS_FAMILY_GPU &&
           (rows == 0 || rows == 1 || rows == 2 || rows == 4);
}

static const clvits_knob knobs[] = { { "rows", false, 4, { 0, 1, 2, 4 } }, { NULL } };

static const clvits_knobs norm_knobs = {
    .room = "norm",
    .knob = knobs,
    .shape = knobs_shape,
    .takes = knobs_take,
};

static int group_rows(const clvits_node *n, const clvits_target *at)
{
    const bool gpu = clvits_device_get_info(at->device)->family == CLVITS_FAMILY_GPU;
    clvits_terms shape = { 0 };

    knobs_shape(n, at, &shape);
    const clvits_row *row = clvits_tuned_row(at, &norm_knobs, &shape);
    return row ? clvits_terms_get(&row->values, "rows", 0)
           : gpu && at->variant <= 1 ? GPU_ROWS
                                     : 0;
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const norm_dims *d = dims;
    const int group = group_rows(n, at);
    const size_t rows = (size_t)(d->T + 2 * d->y.guard);

    l->program = "norm";
    l->kernel = "layer_norm";
    l->dimensions = 3;
    snprintf(l->options, sizeof(l->options), "-DROWS=%d", group);
    l->local[0] = group ? GPU_LANES : 1;
    l->local[1] = group ? (size_t)group : 1;
    l->local[2] = 1;
    l->global[0] = l->local[0];
    l->global[1] = (rows + l->local[1] - 1) / l->local[1] * l->local[1];
    l->global[2] = (size_t)d->B;
}

/* Ten of each value, about: residual, mean, variance, scale and shift, GELU. */
static double flops(const clvits_node *n, const int *lengths)
{
    return 10.0 * clvits_work_cells(n->out[0], lengths);
}

const clvits_op clvits_op_layer_norm = {
    .name = "layer_norm",
    .inputs = 4,
    .outputs = 1,
    .params_size = sizeof(clvits_layer_norm_params),
    .dims_size = sizeof(norm_dims),
    .shape = shape,
    .dims = dims,
    .cpu = CLVITS_CPU_LAYER_NORM,
    .takes = takes,
    .launch = launch,
    .knobs = &norm_knobs,
    .flops = flops,
};

clvits_tensor *clvits_layer_norm(clvits_tensor *x, clvits_tensor *residual, clvits_tensor *gamma,
                                 clvits_tensor *beta, const clvits_layer_norm_params *params)
{
    clvits_tensor *in[] = { x, gamma, beta, residual };
    return clvits_graph_first(clvits_graph_call(&clvits_op_layer_norm, in, 4, 3, params));
}
