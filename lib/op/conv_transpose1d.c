// SPDX-License-Identifier: MIT
//
// By phases: output row t = u * stride + p - pad sums the taps p, p + stride, ... over the input
// rows u, u - 1, ...: a plain convolution with ceil(K / stride) taps per phase.
#include "graph/build.h"
#include "op/conv.h"

static int taps(const clvits_node *n)
{
    const clvits_conv_transpose1d_params *p = n->params;
    return ((int)n->in[1]->shape[2] + p->stride - 1) / p->stride;
}

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_conv_transpose1d_params *p = n->params;
    const clvits_tensor *x = n->in[0], *w = n->in[1];

    if (!x || !w || w->role != CLVITS_WEIGHT || w->rank != 3 || w->shape[0] != x->C)
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: conv_transpose1d wants x (B,T,I) and a weight [I][O][K]", n->label);
    const int K = (int)w->shape[2];
    if (p->stride < 1 || p->pad < 0 || p->pad >= K)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: conv_transpose1d with stride %d, padding %d and "
                                              "%d taps", n->label, p->stride, p->pad, K);
    const int clock =
        clvits_graph_clock_of(n->graph, x->clock, p->stride, K - p->stride - 2 * p->pad, 1);
    return clvits_conv_outputs(n, clock, (int)w->shape[1], p->act, p->only_act, r);
}

static int guard(const clvits_node *n, int i)
{
    return i == 0 ? taps(n) - 1 : 0;
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_conv_transpose1d_params *p = n->params;
    conv1d_dims *d = dims;

    *d = (conv1d_dims){
        .I = n->in[0]->C,
        .O = (int)n->in[1]->shape[1],
        .K = taps(n),
        .stride = 1,
        .dilation = 1,
        .pad = taps(n) - 1,
        .phases = p->stride,
        .shift = p->pad,
        .groups = 1,
        .act = p->act,
        .act_slope = p->act_slope,
        .pre_slope = p->pre_slope != 0.0f ? p->pre_slope : 1.0f,
        .scale = 1.0f,
    };
    clvits_conv_dims(n, at, d);
}

static int64_t pack(const clvits_node *n, const clvits_target *at, int i, float *out)
{
    const clvits_tensor *w = n->in[1];
    conv1d_dims d;

    if (i != 1)
        return 0;
    dims(n, at, &d);
    return clvits_conv_pack(&d, at, &(clvits_conv_weight){ .data = w->data,
                                                           .o = w->shape[2],
                                                           .i = w->shape[1] * w->shape[2],
                                                           .K = (int)w->shape[2],
                                                           .transposed = true }, out);
}

static float slope(const clvits_node *n)
{
    const clvits_conv_transpose1d_params *p = n->params;
    return p->act == CLVITS_ACT_LEAKY_RELU ? p->act_slope : 0.0f;
}

/* 2 T I O K: of every row of x, all of the weight [I][O][K]. */
static double flops(const clvits_node *n, const int *lengths)
{
    return 2.0 * clvits_work_rows(n->in[0], lengths) * clvits_work_cells(n->in[1], lengths);
}

const clvits_op clvits_op_conv_transpose1d = {
    .name = "conv_transpose1d",
    .inputs = 5,
    .outputs = 2,
    .halves = true,
    .params_size = sizeof(clvits_conv_transpose1d_params),
    .dims_size = sizeof(conv1d_dims),
    .shape = shape,
    .guard = guard,
    .reach = clvits_conv_reach,
    .form = clvits_conv_form,
    .dims = dims,
    .pack = pack,
    .slope = slope,
    .packing = clvits_conv_packing,
    .cpu = CLVITS_CPU_CONV1D,
    .launch = clvits_conv_launch,
    .knobs = &clvits_conv_knobs,
    .flops = flops,
    .bytes = clvits_conv_bytes,
    .bound = CLVITS_BOUND_MOVE, /* of one channel */
};

clvits_tensor *clvits_conv_transpose1d(clvits_tensor *x, clvits_tensor *w, clvits_tensor *bias,
                                       const clvits_conv_transpose1d_params *params,
                                       clvits_tensor **act)
{
    clvits_tensor *in[] = { x, w, bias };
    clvits_node *n = clvits_graph_call(&clvits_op_conv_transpose1d, in, 3, 2, params);

    if (act)
        *act = n ? n->out[1] : NULL;
    return n ? n->out[params->only_act] : NULL;
}
