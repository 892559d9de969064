// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/conv.h"

static int stride(const clvits_conv1d_params *p)
{
    return p->stride ? p->stride : 1;
}

static int dilation(const clvits_conv1d_params *p)
{
    return p->dilation ? p->dilation : 1;
}

static int groups(const clvits_conv1d_params *p)
{
    return p->groups ? p->groups : 1;
}

static int period(const clvits_conv1d_params *p)
{
    return p->period ? p->period : 1;
}

/* With stride 1 columns need no phases: their taps lie `period` rows apart, and that is all. */
static int phases(const clvits_conv1d_params *p)
{
    return stride(p) > 1 ? period(p) : 1;
}

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_conv1d_params *p = n->params;
    const clvits_tensor *x = n->in[0], *w = n->in[1];
    const int S = stride(p), D = dilation(p), G = groups(p), P = period(p);

    if (!x || !w || w->role != CLVITS_WEIGHT || w->rank != 3)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: conv1d wants x (B,T,I) and a weight [O][I][K]",
                           n->label);
    const int64_t O = w->shape[0], K = w->shape[2];
    if (S < 1 || D < 1 || G < 1 || p->pad_left < 0 || p->pad_right < 0 || x->C % G || O % G ||
        w->shape[1] != x->C / G || (G > 1 && p->act == CLVITS_ACT_GATE) || P < 1 ||
        (P > 1 && G > 1))
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: conv1d of %d channels by weight [%lld][%lld][%lld] in %d groups, "
                           "stride %d, dilation %d, period %d", n->label, x->C, (long long)O,
                           (long long)w->shape[1], (long long)K, G, S, D, P);
    const int growth = p->pad_left + p->pad_right - D * ((int)K - 1) - 1 + S;
    int clock = clvits_conv_clock(n, phases(p) * S, P * growth);
    if (phases(p) > 1)
        clock = clvits_graph_clock_of(n->graph, clock, P, 0, 1);
    return clvits_conv_outputs(n, clock, (int)O, p->act, p->only_act, r);
}

static int guard(const clvits_node *n, int i)
{
    const clvits_conv1d_params *p = n->params;
    const int reach = dilation(p) * ((int)n->in[1]->shape[2] - 1);

    if (i != 0)
        return 0;
    return period(p) * (p->pad_left > reach - p->pad_left ? p->pad_left : reach - p->pad_left);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_conv1d_params *p = n->params;
    const int P = period(p), columns = phases(p), apart = P / columns;
    conv1d_dims *d = dims;

    *d = (conv1d_dims){
        .I = n->in[0]->C,
        .O = (int)n->in[1]->shape[0],
        .K = (int)n->in[1]->shape[2],
        .stride = stride(p),
        .dilation = dilation(p) * apart,
        .pad = p->pad_left * apart,
        .phases = columns,
        .groups = groups(p),
        .act = p->act,
        .act_slope = p->act_slope,
        .pre_slope = p->pre_slope != 0.0f ? p->pre_slope : 1.0f,
        .scale = p->scale != 0.0f ? p->scale : 1.0f,
    };
    clvits_conv_dims(n, at, d);
    if (columns > 1) {
        d->folded = d->x.ld;
        d->x.ld *= columns;
    }
}

static int64_t pack(const clvits_node *n, const clvits_target *at, int i, float *out)
{
    const clvits_tensor *w = n->in[1];
    conv1d_dims d;

    if (i != 1)
        return 0;
    dims(n, at, &d);
    d.phases = 1; /* a folded convolution has the weights of one */
    return clvits_conv_pack(&d, at, &(clvits_conv_weight){ .data = w->data,
                                                           .o = w->shape[1] * w->shape[2],
                                                           .i = w->shape[2],
                                                           .K = (int)w->shape[2] }, out);
}

static float slope(const clvits_node *n)
{
    const clvits_conv1d_params *p = n->params;
    return p->act == CLVITS_ACT_LEAKY_RELU ? p->act_slope : 0.0f;
}

/* In Toom-Cook form an activation of the input costs next to nothing; other kernels take longer. */
static bool activates(const clvits_node *n, const clvits_target *at)
{
    conv1d_dims d;

    if (((const clvits_conv1d_params *)n->params)->pre_slope != 0.0f)
        return false;
    dims(n, &(clvits_target){ .cpu = at->cpu, .device = at->device, .place = at->place,
                              .variant = at->variant }, &d);
    return d.layout == CLVITS_CONV_TOOM;
}

static void activate(void *params, float slope)
{
    ((clvits_conv1d_params *)params)->pre_slope = slope;
}

/* 2 U O I K: of every row of the result, all of the weight [O][I][K] (I of a group). */
static double flops(const clvits_node *n, const int *lengths)
{
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];
    return 2.0 * clvits_work_rows(y, lengths) * clvits_work_cells(n->in[1], lengths);
}

const clvits_op clvits_op_conv1d = {
    .name = "conv1d",
    .inputs = 5,
    .outputs = 2,
    .halves = true,
    .params_size = sizeof(clvits_conv1d_params),
    .dims_size = sizeof(conv1d_dims),
    .shape = shape,
    .guard = guard,
    .reach = clvits_conv_reach,
    .form = clvits_conv_form,
    .dims = dims,
    .pack = pack,
    .slope = slope,
    .activates = activates,
    .activate = activate,
    .packing = clvits_conv_packing,
    .cpu = CLVITS_CPU_CONV1D,
    .launch = clvits_conv_launch,
    .knobs = &clvits_conv_knobs,
    .flops = flops,
    .bytes = clvits_conv_bytes,
    .bound = CLVITS_BOUND_MOVE, /* of one channel */
};

clvits_tensor *clvits_conv1d(clvits_tensor *x, clvits_tensor *w, clvits_tensor *bias,
                             const clvits_conv1d_params *params,
                             const clvits_conv1d_extra *extra)
{
    const clvits_conv1d_extra none = { 0 };
    const clvits_conv1d_extra *e = extra ? extra : &none;
    clvits_tensor *in[] = { x, w, bias, e->residual, e->sum };
    clvits_node *n = clvits_graph_call(&clvits_op_conv1d, in, 5, 2, params);

    if (e->act)
        *e->act = n ? n->out[1] : NULL;
    return n ? n->out[params->only_act] : NULL;
}
