// SPDX-License-Identifier: MIT
#include "graph/cost.h"

#include "graph/sched.h"

double clvits_node_flops(const clvits_node *n, const int *lengths)
{
    return n->op->flops ? n->op->flops(n, lengths) : 0.0;
}

double clvits_node_bytes(const clvits_node *n, int place, const int *lengths)
{
    return n->op->bytes ? n->op->bytes(n, place, lengths) : clvits_work_bytes(n, place, lengths);
}

clvits_cost_class clvits_cost_class_of(const clvits_node *n)
{
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];

    if (n->op->bound == CLVITS_BOUND_PAIRS)
        return CLVITS_COST_ATTENTION;
    /* Whatever multiplies a value many times over works like a convolution, by whichever name. */
    if (clvits_node_flops(n, NULL) < 8.0 * clvits_node_bytes(n, CLVITS_CPU_PLACE, NULL))
        return n->op->bound == CLVITS_BOUND_MOVE ? CLVITS_COST_MOVE : CLVITS_COST_MATHS;
    if (n->op == &clvits_op_conv_transpose1d)
        return CLVITS_COST_UP;
    return y->C <= 48   ? CLVITS_COST_CONV_32
           : y->C <= 96  ? CLVITS_COST_CONV_64
           : y->C <= 160 ? CLVITS_COST_CONV_128
                         : CLVITS_COST_CONV_256;
}

double clvits_node_seconds(const clvits_node *n, int place, const int *lengths,
                           const clvits_rates *rates)
{
    const clvits_cost_class class = clvits_cost_class_of(n);

    return clvits_rate_seconds(&rates->node[class],
                               class < CLVITS_COST_MATHS ? clvits_node_flops(n, lengths)
                                                         : clvits_node_bytes(n, place, lengths));
}
