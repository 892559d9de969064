// SPDX-License-Identifier: MIT
#include "op/conv.h"

#include "graph/graph.h"

#include <stdio.h>

enum { CL_ROWS = 12, CL_JOB_TILES = 8 }; /* CPU family: rows of a tile, tiles of a work-item */

int clvits_conv_clock(const clvits_node *n, int stride, int add)
{
    const clvits_tensor *x = n->in[0];
    return clvits_graph_clock_of(n->graph, x->clock, 1, add, stride);
}

static bool fits(const clvits_tensor *t, const clvits_node *n, int clock, int channels)
{
    return !t || (t->type == CLVITS_F32 && t->role != CLVITS_WEIGHT && t->B == n->in[0]->B &&
                  t->clock == clock && t->C == channels);
}

clvits_status clvits_conv_outputs(clvits_node *n, int clock, int channels, int act, bool only_act,
                                  clvits_report *r)
{
    const clvits_tensor *bias = n->in[2];
    clvits_status s = CLVITS_OK;

    if (clock < 0)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: the convolution leaves no rows", n->label);
    if (bias && !(bias->role == CLVITS_WEIGHT ? bias->rank == 1 && bias->shape[0] == channels
                                              : fits(bias, n, 0, channels)))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: the bias does not have %d channels", n->label,
                           channels);
    if (!fits(n->in[3], n, clock, channels) || !fits(n->in[4], n, clock, channels))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: what is added does not have the convolution's "
                                              "rows and %d channels", n->label, channels);
    if (!only_act)
        s = clvits_graph_output(n, 0, CLVITS_F32, clock, channels, r);
    if (!s && (act || only_act))
        s = clvits_graph_output(n, 1, CLVITS_F32, clock, channels, r);
    return s;
}

int clvits_conv_lanes(int O, const clvits_target *at)
{
    if (at->cpu) {
        const int v = at->cpu->table->vector;
        return O > v ? 2 * v : v;
    }
    return O > 16 ? 32 : 16;
}

static int floor_div(int a, int b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

void clvits_conv_dims(const clvits_node *n, const clvits_target *at, conv1d_dims *d)
{
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];
    int guard = 0;

    d->B = y->B;
    d->lanes = clvits_conv_lanes(d->O / d->groups, at);
    d->clock = y->clock;
    d->x = clvits_node_view(at, n->in[0]);
    d->has_bias = !n->in[2] ? 0 : n->in[2]->role == CLVITS_WEIGHT ? 1 : 2;
    if (d->has_bias == 2)
        d->bias = clvits_node_view(at, n->in[2]);
    d->has_residual = n->in[3] != NULL;
    if (n->in[3])
        d->residual = clvits_node_view(at, n->in[3]);
    d->has_sum = n->in[4] != NULL;
    if (n->in[4])
        d->sum = clvits_node_view(at, n->in[4]);
    d->has_y = n->out[0] != NULL;
    if (n->out[0])
        d->y = clvits_node_view(at, n->out[0]);
    d->has_act = n->out[1] != NULL;
    if (n->out[1])
        d->a = clvits_node_view(at, n->out[1]);

    for (int i = 0; i < CLVITS_MAX_OUT; i++)
        if (n->out[i] && n->out[i]->root->guard > guard)
            guard = n->out[i]->root->guard;
    d->u0 = floor_div(d->shift - guard, d->phases);
    d->steps = floor_div(y->T + guard - 1 + d->shift, d->phases) - d->u0 + 1;
}

void clvits_conv_launch(const clvits_node *n, const clvits_device *device, const void *dims,
                        clvits_launch *l)
{
    const conv1d_dims *d = dims;
    const size_t blocks = (size_t)((d->O / d->groups + d->lanes - 1) / d->lanes);
    const size_t tiles = (size_t)((d->steps + CL_ROWS - 1) / CL_ROWS);

    (void)n;
    (void)device;
    l->program = "conv1d";
    l->kernel = "conv1d";
    l->dimensions = 3;
    snprintf(l->options, sizeof(l->options), "-DLANES=%d -DPRE=%d -DJOB_TILES=%d", d->lanes,
             d->pre_slope != 1.0f, CL_JOB_TILES);
    l->global[0] = (tiles + CL_JOB_TILES - 1) / CL_JOB_TILES;
    l->global[1] = blocks * (size_t)d->phases * (size_t)d->groups;
    l->global[2] = (size_t)d->B;
    l->local[0] = l->local[1] = l->local[2] = 1;
}
