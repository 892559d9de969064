// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/rows.h"

#include <stdio.h>

enum {
    WORK_GROUP = 64,
    CHANNELS = 64, /* of a work-group */
    MADE = 8,      /* channels of a work-item, as in cl/prior.cl */
};

static bool is_scalar(const clvits_node *n, int slot)
{
    return slot >= CLVITS_MAX_CLOCKS && slot < CLVITS_MAX_CLOCKS + n->graph->n_scalars;
}

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_prior_params *p = n->params;
    const clvits_tensor *stats = n->in[0], *ends = n->in[1], *noise = n->in[2];

    if (stats->C % 2 || !clvits_rows_fit(stats, stats->clock, stats->C) ||
        ends->type != CLVITS_I32 || ends->C != 1 || ends->clock != stats->clock ||
        clvits_graph_capacity(n->graph, p->clock) < 1)
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: prior wants stats (B,T,2C), the ends (B,T,1) of the same ids and "
                           "a clock of frames", n->label);
    if (noise && !clvits_rows_fit(noise, p->clock, stats->C / 2))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: prior wants noise of %d channels", n->label,
                           stats->C / 2);
    if (!is_scalar(n, p->scale_slot) ||
        (!noise && (!is_scalar(n, p->seed_slot) || !is_scalar(n, p->seed_slot + 1))))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: prior finds no scale in slot %d, or no seed in "
                                              "slots %d and %d", n->label, p->scale_slot,
                           p->seed_slot, p->seed_slot + 1);
    return clvits_graph_output(n, 0, CLVITS_F32, p->clock, stats->C / 2, r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_prior_params *p = n->params;
    const clvits_tensor *z = n->out[0];
    prior_dims *d = dims;

    *d = (prior_dims){
        .B = z->B,
        .C = z->C,
        .ids = n->in[0]->clock,
        .frames = z->clock,
        .slot = p->scale_slot,
        .seed = p->seed_slot,
        .stream = p->stream,
        .has_noise = n->in[2] != NULL,
        .rows = z->T + 2 * z->root->guard,
        .stats = clvits_node_view(at, n->in[0]),
        .ends = clvits_node_view(at, n->in[1]),
        .z = clvits_node_view(at, z),
    };
    if (n->in[2])
        d->noise = clvits_node_view(at, n->in[2]);
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const prior_dims *d = dims;
    const clvits_device_info *info = clvits_device_get_info(at->device);
    const bool gpu = info->family == CLVITS_FAMILY_GPU;
    const size_t made = !gpu && info->vector >= 16 ? 16 : MADE;
    const size_t items = clvits_device_work_group(at->device, WORK_GROUP);
    const size_t across = CHANNELS / made;

    (void)n;
    l->program = "prior";
    l->kernel = gpu ? "prior" : "prior_lanes";
    l->dimensions = 3;
    l->local[0] = items < across ? items : across;
    l->local[1] = items / l->local[0];
    l->local[2] = 1;
    l->global[0] = ((size_t)d->C + made - 1) / made;
    l->global[1] = (size_t)d->rows;
    l->global[2] = (size_t)d->B;
    if (!gpu)
        snprintf(l->options, sizeof(l->options), "-DWIDTH=%d", (int)made);
}

/* As a pair of normal noise, an exponential and two products. */
static double flops(const clvits_node *n, const int *lengths)
{
    return 14.0 * clvits_work_cells(n->out[0], lengths);
}

const clvits_op clvits_op_prior = {
    .name = "prior",
    .inputs = 3,
    .outputs = 1,
    .params_size = sizeof(clvits_prior_params),
    .dims_size = sizeof(prior_dims),
    .shape = shape,
    .dims = dims,
    .cpu = CLVITS_CPU_PRIOR,
    .launch = launch,
    .flops = flops,
};

clvits_tensor *clvits_prior(clvits_tensor *stats, clvits_tensor *ends, clvits_tensor *noise,
                            const clvits_prior_params *params)
{
    clvits_tensor *in[] = { stats, ends, noise };
    return clvits_graph_first(clvits_graph_call(&clvits_op_prior, in, 3, 2, params));
}
