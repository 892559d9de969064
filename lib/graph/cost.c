// SPDX-License-Identifier: MIT
#include "graph/cost.h"

#include "graph/sched.h"

#include <assert.h>

double clvits_node_flops(const clvits_node *n, const int *lengths)
{
    return n->op->flops ? n->op->flops(n, lengths) : 0.0;
}

double clvits_node_bytes(const clvits_node *n, int place, const int *lengths)
{
    return n->op->bytes ? n->op->bytes(n, place, lengths) : clvits_work_bytes(n, place, lengths);
}

clvits_form clvits_node_form(const clvits_node *n, const void *dims)
{
    return n->op->form ? n->op->form(dims) : (clvits_form){ .multiplied = 1.0 };
}

clvits_form clvits_node_form_at(const clvits_node *n, const clvits_target *at)
{
    conv1d_dims d = { 0 }; /* of whatever has a form */

    assert(!n->op->form || n->op->dims_size == sizeof(d));
    if (n->op->form)
        n->op->dims(n, at, &d);
    return clvits_node_form(n, &d);
}

clvits_cost_class clvits_cost_class_of(const clvits_node *n, const clvits_form *form)
{
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];

    if (n->op->bound == CLVITS_BOUND_PAIRS)
        return CLVITS_COST_ATTENTION;
    if (n->op->form && y->C == 1)
        return CLVITS_COST_DOT;
    /* Whatever multiplies a value many times over works like a convolution, by whichever name. */
    if (clvits_node_flops(n, NULL) < 8.0 * clvits_node_bytes(n, CLVITS_CPU_PLACE, NULL))
        return n->op->bound == CLVITS_BOUND_MOVE ? CLVITS_COST_MOVE : CLVITS_COST_MATHS;
    if (form->kind == CLVITS_FORM_POINT)
        return CLVITS_COST_POINT;
    const double w = form->width;
    return (form->kind == CLVITS_FORM_TOOM ? CLVITS_COST_TOOM_32 : CLVITS_COST_DIRECT_32) +
           (w > 48.0) + (w > 96.0) + (w > 160.0);
}

double clvits_node_seconds(const clvits_node *n, const clvits_form *form, int place,
                           const int *lengths, const clvits_rates *rates)
{
    const clvits_cost_class class = clvits_cost_class_of(n, form);
    const clvits_rate *rate = &rates->node[class];

    if (class >= CLVITS_COST_MATHS)
        return clvits_rate_seconds(rate, clvits_node_bytes(n, place, lengths));
    const double products =
        clvits_rate_seconds(rate, form->multiplied * clvits_node_flops(n, lengths));
    /* One kernel for products and what is done between them. */
    return n->op->bound != CLVITS_BOUND_MATHS
               ? products
               : products + rates->node[CLVITS_COST_MATHS].each *
                                clvits_node_bytes(n, place, lengths);
}
