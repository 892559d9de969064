// SPDX-License-Identifier: MIT
#include "graph/build.h"

#include <math.h>
#include <stdio.h>

/* Sizes that cl/attention.cl is written for: the rows of a job, per family. */
enum { GPU_GROUP = 64, GPU_ROWS = 16, LANES_ROWS = 16, GPU_LOCAL = 16 * 1024 };

static bool rows_like(const clvits_tensor *x, const clvits_tensor *like)
{
    return x && x->type == CLVITS_F32 && x->role != CLVITS_WEIGHT && x->clock == like->clock &&
           x->C == like->C;
}

static bool rel_fits(const clvits_tensor *w, int window, int D)
{
    return w->role == CLVITS_WEIGHT && w->rank == 3 && w->shape[0] == 1 &&
           w->shape[1] == 2 * (int64_t)window + 1 && w->shape[2] == D;
}

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_attention_params *p = n->params;
    const clvits_tensor *q = n->in[0], *rel_k = n->in[3], *rel_v = n->in[4];

    if (!q || !rows_like(q, q) || !rows_like(n->in[1], q) || !rows_like(n->in[2], q))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: attention wants q, k and v of one shape (B,T,C)",
                           n->label);
    if (p->heads < 1 || q->C % p->heads || q->C / p->heads > ATTENTION_MAX_HEAD)
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: %d channels in %d attention heads: heads must divide them, and "
                           "have at most %d each", n->label, q->C, p->heads, ATTENTION_MAX_HEAD);
    if (p->window < 0 || (p->window > 0) != (rel_k != NULL) || !rel_k != !rel_v ||
        (rel_k && (!rel_fits(rel_k, p->window, q->C / p->heads) ||
                   !rel_fits(rel_v, p->window, q->C / p->heads))))
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: an attention window of %d wants %s", n->label, p->window,
                           p->window > 0 ? "two weights [1][2 * window + 1][C / heads]"
                                         : "no relative weights, and is not negative");
    return clvits_graph_output(n, 0, CLVITS_F32, q->clock, q->C, r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_attention_params *p = n->params;
    const clvits_tensor *y = n->out[0];
    attention_dims *d = dims;
    const int D = y->C / p->heads;

    *d = (attention_dims){
        .B = y->B,
        .H = p->heads,
        .D = D,
        .T = y->T,
        .window = p->window,
        .has_rel = n->in[3] != NULL,
        .clock = y->clock,
        .scale = 1.0f / sqrtf((float)D),
        .q = clvits_node_view(at, n->in[0]),
        .k = clvits_node_view(at, n->in[1]),
        .v = clvits_node_view(at, n->in[2]),
        .y = clvits_node_view(at, y),
    };
}

/* Whether the kernels that share local memory suit the device, or are the other variant there. */
static bool by_groups(const clvits_target *at)
{
    const clvits_device_info *info = clvits_device_get_info(at->device);

    return (info->family == CLVITS_FAMILY_GPU) == !at->variant &&
           info->local_memory >= GPU_LOCAL &&
           clvits_device_work_group(at->device, GPU_GROUP) == GPU_GROUP;
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const attention_dims *d = dims;
    const bool groups = by_groups(at);
    const int rows = groups ? GPU_ROWS : LANES_ROWS;
    const size_t group = groups ? GPU_GROUP : 1;

    (void)n;
    l->program = "attention";
    l->kernel = groups ? "attention" : "attention_lanes";
    l->dimensions = 3;
    snprintf(l->options, sizeof(l->options), "-DKERNEL=%d -DHEAD=%d", groups ? 1 : 2,
             d->D);
    l->global[0] = (size_t)((d->T + rows - 1) / rows) * group;
    l->global[1] = (size_t)d->H;
    l->global[2] = (size_t)d->B;
    l->local[0] = group;
    l->local[1] = l->local[2] = 1;
}

/* 4 T T C of each item: every row looks at every row, for a weight and with it. */
static double flops(const clvits_node *n, const int *lengths)
{
    const clvits_tensor *y = n->out[0];
    double pairs = 0.0;

    for (int b = 0; b < y->B; b++) {
        const double rows = clvits_work_item(y, b, lengths);
        pairs += rows * rows;
    }
    return 4.0 * pairs * y->C;
}

const clvits_op clvits_op_attention = {
    .name = "attention",
    .inputs = 5,
    .outputs = 1,
    .params_size = sizeof(clvits_attention_params),
    .dims_size = sizeof(attention_dims),
    .shape = shape,
    .dims = dims,
    .cpu = CLVITS_CPU_ATTENTION,
    .launch = launch,
    .flops = flops,
    .bound = CLVITS_BOUND_PAIRS,
};

static clvits_status softmax_shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *x = n->in[0];

    if (!x || !rows_like(x, x))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: softmax wants a tensor (B,T,C)", n->label);
    return clvits_graph_output(n, 0, CLVITS_F32, x->clock, x->C, r);
}

static void softmax_fill(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_tensor *y = n->out[0];

    *(softmax_dims *)dims = (softmax_dims){
        .B = y->B,
        .T = y->T,
        .C = y->C,
        .clock = y->clock,
        .x = clvits_node_view(at, n->in[0]),
        .y = clvits_node_view(at, y),
    };
}

static void softmax_launch(const clvits_node *n, const clvits_target *at, const void *dims,
                           clvits_launch *l)
{
    const softmax_dims *d = dims;
    const bool groups = by_groups(at);
    const size_t group = groups ? GPU_GROUP : 1;

    (void)n;
    l->program = "attention";
    l->kernel = groups ? "softmax" : "softmax_lanes";
    l->dimensions = 2;
    snprintf(l->options, sizeof(l->options), "-DKERNEL=%d", groups ? 3 : 4);
    l->global[0] = (size_t)d->T * group;
    l->global[1] = (size_t)d->B;
    l->local[0] = group;
    l->local[1] = 1;
}

/* Of each value: largest, exponential, sum, quotient. */
static double softmax_flops(const clvits_node *n, const int *lengths)
{
    return 4.0 * clvits_work_cells(n->out[0], lengths);
}

const clvits_op clvits_op_softmax = {
    .name = "softmax",
    .inputs = 1,
    .outputs = 1,
    .dims_size = sizeof(softmax_dims),
    .shape = softmax_shape,
    .dims = softmax_fill,
    .cpu = CLVITS_CPU_SOFTMAX,
    .launch = softmax_launch,
    .flops = softmax_flops,
};

clvits_tensor *clvits_attention(clvits_tensor *q, clvits_tensor *k, clvits_tensor *v,
                                clvits_tensor *rel_k, clvits_tensor *rel_v,
                                const clvits_attention_params *params)
{
    clvits_tensor *in[] = { q, k, v, rel_k, rel_v };
    return clvits_graph_first(clvits_graph_call(&clvits_op_attention, in, 5, 3, params));
}

clvits_tensor *clvits_softmax(clvits_tensor *x)
{
    return clvits_graph_first(clvits_graph_call(&clvits_op_softmax, &x, 1, 1, NULL));
}
