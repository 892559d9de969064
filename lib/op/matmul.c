// SPDX-License-Identifier: MIT
#include "graph/build.h"

#include <stdio.h>

/* What cl/matmul.cl is written for, per family: rows and columns of y in a job. */
enum { GPU_GROUP = 64, GPU_ROWS = 32, GPU_COLS = 64, GPU_LOCAL = 8 * 1024 };
enum { LANES_ROWS = 12, LANES_COLS = 16, LANES_JOB_TILES = 8 };

static bool is_rows(const clvits_tensor *x)
{
    return x && x->type == CLVITS_F32 && x->role != CLVITS_WEIGHT;
}

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_matmul_params *p = n->params;
    const clvits_tensor *a = n->in[0], *b = n->in[1];

    if (!is_rows(a) || !is_rows(b) || a->B != b->B)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: matmul wants two tensors (B,T,C)", n->label);
    const int a_depth = p->transpose_a ? a->T : a->C, b_depth = p->transpose_b ? b->C : b->T;
    if (a_depth != b_depth || (p->transpose_a && !p->transpose_b && a->clock != b->clock))
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: matmul of %d rows and %d channels%s by %d rows and %d channels%s",
                           n->label, a->T, a->C, p->transpose_a ? ", transposed," : "", b->T, b->C,
                           p->transpose_b ? ", transposed" : "");
    /* The channels of a transposed operand are rows that are always valid. */
    const int clock = p->transpose_a ? clvits_graph_clock_of(n->graph, 0, 1, a->C - 1, 1)
                                     : a->clock;
    return clvits_graph_output(n, 0, CLVITS_F32, clock, p->transpose_b ? b->T : b->C, r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_matmul_params *p = n->params;
    const clvits_tensor *a = n->in[0], *b = n->in[1], *y = n->out[0];
    const bool ta = p->transpose_a, tb = p->transpose_b;
    matmul_dims *d = dims;

    *d = (matmul_dims){
        .B = y->B,
        .M = y->T,
        .N = y->C,
        .K = ta ? a->T : a->C,
        .m_clock = y->clock,
        .n_clock = tb ? b->clock : -1,
        .k_clock = ta ? a->clock : tb ? -1 : b->clock,
        .scale = p->scale != 0.0f ? p->scale : 1.0f,
        .a = clvits_node_view(at, a),
        .b = clvits_node_view(at, b),
        .y = clvits_node_view(at, y),
    };
    d->am = ta ? 1 : d->a.ld;
    d->ak = ta ? d->a.ld : 1;
    d->bk = tb ? 1 : d->b.ld;
    d->bn = tb ? d->b.ld : 1;
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const clvits_device_info *info = clvits_device_get_info(at->device);
    const matmul_dims *d = dims;
    const bool groups = (info->family == CLVITS_FAMILY_GPU) == !at->variant &&
                        info->local_memory >= GPU_LOCAL &&
                        clvits_device_work_group(at->device, GPU_GROUP) == GPU_GROUP;
    const int rows = groups ? GPU_ROWS : LANES_ROWS * LANES_JOB_TILES;
    const int cols = groups ? GPU_COLS : LANES_COLS;
    const size_t group = groups ? GPU_GROUP : 1;

    (void)n;
    l->program = "matmul";
    l->kernel = groups ? "matmul" : "matmul_lanes";
    l->dimensions = 3;
    snprintf(l->options, sizeof(l->options), "-DKERNEL=%d -DJOB_TILES=%d", groups ? 1 : 2,
             LANES_JOB_TILES);
    l->global[0] = (size_t)((d->M + rows - 1) / rows) * group;
    l->global[1] = (size_t)((d->N + cols - 1) / cols);
    l->global[2] = (size_t)d->B;
    l->local[0] = group;
    l->local[1] = l->local[2] = 1;
}

/* 2 M N K of each item, of which any may be counted by a clock. */
static double flops(const clvits_node *n, const int *lengths)
{
    const clvits_matmul_params *p = n->params;
    const clvits_tensor *a = n->in[0], *b = n->in[1], *y = n->out[0];
    double products = 0.0;

    for (int i = 0; i < y->B; i++) {
        const double columns = p->transpose_b ? clvits_work_item(b, i, lengths) : y->C;
        const double depth = p->transpose_a   ? clvits_work_item(a, i, lengths)
                             : p->transpose_b ? a->C
                                              : clvits_work_item(b, i, lengths);
        products += clvits_work_item(y, i, lengths) * columns * depth;
    }
    return 2.0 * products;
}

/* The columns of a, or those of y, are as many as b has rows. */
static double bytes(const clvits_node *n, int place, const int *lengths)
{
    const clvits_matmul_params *p = n->params;
    const clvits_tensor *a = n->in[0], *b = n->in[1], *y = n->out[0];
    const int inner = p->transpose_a || p->transpose_b ? -1 : b->clock;
    const int outer = p->transpose_b ? b->clock : -1;

    (void)place;
    return sizeof(float) * (clvits_work_block(a, inner, lengths) + clvits_work_cells(b, lengths) +
                            clvits_work_block(y, outer, lengths));
}

const clvits_op clvits_op_matmul = {
    .name = "matmul",
    .inputs = 2,
    .outputs = 1,
    .params_size = sizeof(clvits_matmul_params),
    .dims_size = sizeof(matmul_dims),
    .shape = shape,
    .dims = dims,
    .cpu = CLVITS_CPU_MATMUL,
    .launch = launch,
    .flops = flops,
    .bytes = bytes,
    .bound = CLVITS_BOUND_MOVE, /* of few rows */
};

clvits_tensor *clvits_matmul(clvits_tensor *a, clvits_tensor *b,
                             const clvits_matmul_params *params)
{
    clvits_tensor *in[] = { a, b };
    return clvits_graph_first(clvits_graph_call(&clvits_op_matmul, in, 2, 2, params));
}
