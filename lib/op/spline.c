// SPDX-License-Identifier: MIT
#include "graph/build.h"

/* No bin is narrower, or lower, than this part of the whole. */
static const double MIN_SHARE = 1e-3;

enum { WORK_GROUP = 64, MOST_BINS = 512 };

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_spline_params *p = n->params;
    const clvits_tensor *x = n->in[0], *h = n->in[1];

    if (p->bins < 1 || p->bins > MOST_BINS || !(p->tail > 0.0f) || !(p->scale > 0.0f))
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: a spline of %d bins, tail %g, scale %g; it takes 1 to %d bins and "
                           "both numbers above 0", n->label, p->bins, (double)p->tail,
                           (double)p->scale, MOST_BINS);
    if (x->type != CLVITS_F32 || x->role == CLVITS_WEIGHT || h->type != CLVITS_F32 ||
        h->role == CLVITS_WEIGHT || h->clock != x->clock ||
        h->C != (int64_t)x->C * (3 * p->bins - 1))
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: a spline of %d channels by %d numbers; %d bins want %d for each "
                           "channel, and the same rows", n->label, x->C, h->C, p->bins,
                           3 * p->bins - 1);
    const clvits_status s = clvits_graph_output(n, 0, CLVITS_F32, x->clock, x->C, r);
    return s || !p->logdet ? s : clvits_graph_output(n, 1, CLVITS_F32, x->clock, 1, r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_spline_params *p = n->params;
    const clvits_tensor *y = n->out[0], *logdet = n->out[1];
    const double step = 2.0 * (double)p->tail * MIN_SHARE;
    const double gain = 2.0 * (double)p->tail * (1.0 - MIN_SHARE * p->bins);
    const int guard = logdet && logdet->root->guard > y->root->guard ? logdet->root->guard
                                                                     : y->root->guard;

    *(spline_dims *)dims = (spline_dims){
        .B = y->B,
        .C = y->C,
        .bins = p->bins,
        .clock = y->clock,
        .rows = y->T + 2 * guard,
        .reverse = p->reverse,
        .has_logdet = logdet != NULL,
        .tail = p->tail,
        .scale = p->scale,
        .step = (float)step,
        .step_low = (float)(step - (double)(float)step),
        .gain = (float)gain,
        .gain_low = (float)(gain - (double)(float)gain),
        .x = clvits_node_view(at, n->in[0]),
        .h = clvits_node_view(at, n->in[1]),
        .y = clvits_node_view(at, y),
    };
    if (logdet)
        ((spline_dims *)dims)->logdet = clvits_node_view(at, logdet);
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const spline_dims *d = dims;

    (void)n;
    l->program = "spline";
    l->kernel = "spline";
    l->dimensions = 2;
    l->local[0] = clvits_device_get_info(at->device)->family == CLVITS_FAMILY_CPU
                      ? 1
                      : clvits_device_work_group(at->device, WORK_GROUP);
    l->local[1] = 1;
    l->global[0] = (size_t)d->rows;
    l->global[1] = (size_t)d->B;
}

/* Two softmaxes and running sums over the bins (scale, exp, sum, share, sum), then about 40 for the
 * fraction of quadratics in one of them. */
static double flops(const clvits_node *n, const int *lengths)
{
    const clvits_spline_params *p = n->params;
    return (10.0 * p->bins + 40.0) * clvits_work_cells(n->out[0], lengths);
}

const clvits_op clvits_op_spline = {
    .name = "spline",
    .inputs = 2,
    .outputs = 2,
    .params_size = sizeof(clvits_spline_params),
    .dims_size = sizeof(spline_dims),
    .shape = shape,
    .dims = dims,
    .cpu = CLVITS_CPU_SPLINE,
    .launch = launch,
    .flops = flops,
};

clvits_tensor *clvits_spline(clvits_tensor *x, clvits_tensor *h,
                             const clvits_spline_params *params, clvits_tensor **logdet)
{
    clvits_spline_params p = *params;
    clvits_tensor *in[] = { x, h };

    p.logdet = logdet != NULL;
    return clvits_graph_both(clvits_graph_call(&clvits_op_spline, in, 2, 2, &p), logdet);
}
