// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/rows.h"

#include <stdio.h>

_Static_assert((int)CLVITS_LOSS_SUM == LOSS_SUM && (int)CLVITS_LOSS_ABSOLUTE == LOSS_ABSOLUTE &&
                   (int)CLVITS_LOSS_SQUARE == LOSS_SQUARE && (int)CLVITS_LOSS_KL == LOSS_KL,
               "kinds of losses");

static clvits_status loss_shape(clvits_node *n, clvits_report *r)
{
    const clvits_loss_params *p = n->params;
    const clvits_tensor *x = n->in[0];
    const int most = p->kind == CLVITS_LOSS_SUM ? 1 : p->kind == CLVITS_LOSS_KL ? 4 : 2;
    const int least = p->kind == CLVITS_LOSS_KL ? 4 : 1;

    for (int i = 0; i < 4; i++) {
        const clvits_tensor *t = n->in[i];
        if (t ? i >= most || !clvits_rows_fit(t, x->clock, x->C) : i < least)
            return clvits_fail(r, CLVITS_E_SHAPE,
                               "%s: this loss wants %d to %d tensors (B,T,C) of one shape",
                               n->label, least, most);
    }
    return clvits_graph_output(n, 0, CLVITS_F32, 0, LOSS_STRETCHES, r);
}

static void loss_dims_of(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_loss_params *p = n->params;
    const clvits_tensor *x = n->in[0];
    loss_dims *d = dims;

    *d = (loss_dims){
        .B = x->B,
        .C = x->C,
        .clock = x->clock,
        .kind = (int)p->kind,
        .has_p = n->in[1] != NULL,
        .target = p->target,
        .x = clvits_node_view(at, x),
        .y = clvits_node_view(at, n->out[0]),
    };
    clvits_view *const views[] = { &d->p, &d->q, &d->r };
    for (int i = 1; i < 4; i++)
        if (n->in[i])
            *views[i - 1] = clvits_node_view(at, n->in[i]);
}

static size_t choose_group(const clvits_target *at, const char *kernel, clvits_launch *l)
{
    const size_t group = clvits_device_work_group(at->device, LOSS_LANES);

    l->program = "loss";
    l->kernel = kernel;
    snprintf(l->options, sizeof(l->options), "-DWG=%d", (int)group);
    return group;
}

static void loss_launch(const clvits_node *n, const clvits_target *at, const void *dims,
                        clvits_launch *l)
{
    (void)n;
    l->dimensions = 3;
    l->global[0] = l->local[0] = choose_group(at, "loss", l);
    l->global[1] = LOSS_STRETCHES;
    l->global[2] = (size_t)((const loss_dims *)dims)->B;
    l->local[1] = l->local[2] = 1;
}

/* Of each value its term, and the sum. */
static double loss_flops(const clvits_node *n, const int *lengths)
{
    static const double each[] = { 1, 2, 3, 9 };
    const clvits_loss_params *p = n->params;
    return each[p->kind] * clvits_work_cells(n->in[0], lengths);
}

const clvits_op clvits_op_loss = {
    .name = "loss",
    .inputs = 4,
    .outputs = 1,
    .params_size = sizeof(clvits_loss_params),
    .dims_size = sizeof(loss_dims),
    .shape = loss_shape,
    .dims = loss_dims_of,
    .cpu = CLVITS_CPU_LOSS,
    .launch = loss_launch,
    .flops = loss_flops,
};

static clvits_status total_shape(clvits_node *n, clvits_report *r)
{
    const clvits_total_params *p = n->params;
    const clvits_tensor *x = n->in[0], *add = n->in[1];

    if (!clvits_rows_fit(x, 0, x->C) || (add && !clvits_rows_fit(add, 0, 1)))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: total wants (B,1,C), and (B,1,1) to add to",
                           n->label);
    if (p->rows < 0 || clvits_graph_capacity(n->graph, p->rows) < 1 || p->channels < 0)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: total finds no clock %d for its rows", n->label,
                           p->rows);
    return clvits_graph_output(n, 0, CLVITS_F32, 0, 1, r);
}

static void total_dims_of(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_total_params *p = n->params;
    const clvits_tensor *x = n->in[0];
    total_dims *d = dims;

    *d = (total_dims){
        .B = x->B,
        .C = x->C,
        .rows = p->rows,
        .channels = p->channels ? p->channels : 1,
        .has_add = n->in[1] != NULL,
        .scale = p->scale != 0.0f ? p->scale : 1.0f,
        .x = clvits_node_view(at, x),
        .y = clvits_node_view(at, n->out[0]),
    };
    if (n->in[1])
        d->add = clvits_node_view(at, n->in[1]);
}

static void total_launch(const clvits_node *n, const clvits_target *at, const void *dims,
                         clvits_launch *l)
{
    (void)n;
    l->dimensions = 2;
    l->global[0] = l->local[0] = choose_group(at, "total", l);
    l->global[1] = (size_t)((const total_dims *)dims)->B;
    l->local[1] = 1;
}

static double total_flops(const clvits_node *n, const int *lengths)
{
    return clvits_work_cells(n->in[0], lengths);
}

const clvits_op clvits_op_total = {
    .name = "total",
    .inputs = 2,
    .outputs = 1,
    .params_size = sizeof(clvits_total_params),
    .dims_size = sizeof(total_dims),
    .shape = total_shape,
    .dims = total_dims_of,
    .cpu = CLVITS_CPU_TOTAL,
    .launch = total_launch,
    .flops = total_flops,
};

clvits_tensor *clvits_loss(clvits_tensor *x, clvits_tensor *p, clvits_tensor *q, clvits_tensor *r,
                           const clvits_loss_params *params)
{
    clvits_tensor *in[] = { x, p, q, r };
    return clvits_graph_first(clvits_graph_call(&clvits_op_loss, in, 4, 1, params));
}

clvits_tensor *clvits_total(clvits_tensor *x, clvits_tensor *add,
                            const clvits_total_params *params)
{
    clvits_tensor *in[] = { x, add };
    return clvits_graph_first(clvits_graph_call(&clvits_op_total, in, 2, 1, params));
}

clvits_tensor *clvits_loss_kl(clvits_tensor *z, clvits_tensor *logs_q, clvits_tensor *m,
                              clvits_tensor *logs_p)
{
    if (!logs_q || !m || !logs_p)
        return NULL;
    clvits_tensor *sums =
        clvits_loss(z, logs_q, m, logs_p, &(clvits_loss_params){ .kind = CLVITS_LOSS_KL });
    return sums ? clvits_total(sums, NULL, &(clvits_total_params){ .rows = z->clock }) : NULL;
}

/* The mean of a loss's terms, times scale, added to what there is; b may be NULL. */
static clvits_tensor *mean(clvits_loss_kind kind, clvits_tensor *a, clvits_tensor *b, float target,
                           float scale, clvits_tensor *add)
{
    clvits_tensor *sums =
        clvits_loss(a, b, NULL, NULL, &(clvits_loss_params){ .kind = kind, .target = target });
    return sums ? clvits_total(sums, add, &(clvits_total_params){ .scale = scale,
                                                                  .rows = a->clock,
                                                                  .channels = a->C })
                : NULL;
}

clvits_tensor *clvits_loss_absolute(clvits_tensor *a, clvits_tensor *b, float scale,
                                    clvits_tensor *add)
{
    return b ? mean(CLVITS_LOSS_ABSOLUTE, a, b, 0.0f, scale, add) : NULL;
}

clvits_tensor *clvits_loss_square(clvits_tensor *a, clvits_tensor *b, clvits_tensor *add)
{
    return b ? mean(CLVITS_LOSS_SQUARE, a, b, 0.0f, 1.0f, add) : NULL;
}

clvits_tensor *clvits_loss_score(clvits_tensor *score, float target, clvits_tensor *add)
{
    return mean(CLVITS_LOSS_SQUARE, score, NULL, target, 1.0f, add);
}

clvits_tensor *clvits_loss_sum(clvits_tensor *x, int rows, clvits_tensor *add)
{
    clvits_tensor *sums = clvits_loss(x, NULL, NULL, NULL, &(clvits_loss_params){ 0 });
    return clvits_total(sums, add, &(clvits_total_params){ .rows = rows });
}
