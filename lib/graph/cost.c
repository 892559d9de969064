// SPDX-License-Identifier: MIT
#include "graph/plan.h"

static double rows_of(const clvits_tensor *t, const int *lengths)
{
    double rows = 0.0;
    for (int b = 0; b < t->B; b++)
        rows += lengths ? lengths[t->clock * t->B + b] : t->T;
    return rows;
}

static double bytes_of(const clvits_tensor *t, const clvits_node *n, int place,
                       const int *lengths)
{
    double count = (double)clvits_element_bytes(t, place);

    if (t->role != CLVITS_WEIGHT)
        return count * rows_of(t, lengths) * t->C;
    if (n->op->packing && t == n->in[1] && place != CLVITS_CPU_PLACE &&
        n->halves & CLVITS_HALF_WEIGHTS)
        count = 2.0;
    for (int i = 0; i < t->rank; i++)
        count *= (double)t->shape[i];
    return count;
}

void clvits_node_work(const clvits_node *n, int place, const int *lengths, double *flops,
                      double *bytes)
{
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];
    const double all = (double)y->B * y->T;
    double share = all > 0.0 ? rows_of(y, lengths) / all : 0.0;

    if (n->op == &clvits_op_attention) { /* every row looks at every row */
        double pairs = 0.0;
        for (int b = 0; b < y->B && lengths; b++)
            pairs += (double)lengths[y->clock * y->B + b] * lengths[y->clock * y->B + b];
        share = lengths ? pairs / (all * y->T) : 1.0;
    }
    *flops = n->op->flops ? share * n->op->flops(n) : 0.0;
    *bytes = 0.0;
    for (int i = 0; i < CLVITS_MAX_IN; i++) {
        const bool some = (i == 1 && n->op == &clvits_op_embedding) || /* the rows looked up */
                          n->op == &clvits_op_slice_rows;              /* or cut out */
        *bytes += n->in[i] ? bytes_of(some ? y : n->in[i], n, place, lengths) : 0.0;
    }
    for (int i = 0; i < CLVITS_MAX_OUT; i++)
        *bytes += n->out[i] ? bytes_of(n->out[i], n, place, lengths) : 0.0;
}

clvits_cost_class clvits_cost_class_of(const clvits_node *n)
{
    static const clvits_op *const moves[] = { &clvits_op_binary, &clvits_op_concat,
                                              &clvits_op_copy,   &clvits_op_embedding,
                                              &clvits_op_expand, &clvits_op_flip };
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];
    double flops, bytes;

    if (n->op == &clvits_op_attention)
        return CLVITS_COST_ATTENTION;
    for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++)
        if (n->op == moves[i])
            return CLVITS_COST_MOVE;
    /* Whatever multiplies a value many times over works like a convolution, by whichever name. */
    clvits_node_work(n, CLVITS_CPU_PLACE, NULL, &flops, &bytes);
    if (flops < 8.0 * bytes)
        return n->op == &clvits_op_conv1d ? CLVITS_COST_MOVE : CLVITS_COST_MATHS;
    return y->C <= 48   ? CLVITS_COST_CONV_32
           : y->C <= 96  ? CLVITS_COST_CONV_64
           : y->C <= 160 ? CLVITS_COST_CONV_128
                         : CLVITS_COST_CONV_256;
}

double clvits_node_seconds(const clvits_node *n, int place, const int *lengths,
                           const clvits_rates *rates)
{
    const clvits_cost_class class = clvits_cost_class_of(n);
    double flops, bytes;

    clvits_node_work(n, place, lengths, &flops, &bytes);
    return clvits_rate_seconds(&rates->node[class],
                               class < CLVITS_COST_MATHS ? flops : bytes);
}
