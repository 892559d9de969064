// SPDX-License-Identifier: MIT
#include "graph/plan.h"

/* Valid rows of an item; all of them where there are no lengths. */
static double length_of(const clvits_tensor *t, int clock, int most, int item, const int *lengths)
{
    const int n = lengths && clock >= 0 ? lengths[clock * t->B + item] : most;
    return n < most ? n : most;
}

/* The clock that says how many of a tensor's columns count in a node; -1: all do. */
static int columns_clock(const clvits_node *n, const clvits_tensor *t)
{
    const clvits_matmul_params *product = n->op == &clvits_op_matmul ? n->params : NULL;

    if (product && (product->transpose_b ? t == n->out[0]
                                         : t == n->in[0] && !product->transpose_a))
        return n->in[1]->clock;
    if ((n->op == &clvits_op_search && (t == n->in[0] || t == n->out[0])) ||
        (n->op == &clvits_op_backtrack && t == n->in[0]))
        return ((const clvits_search_params *)n->params)->text;
    return -1;
}

/* Elements of a tensor that count in a node. */
static double cells_of(const clvits_node *n, const clvits_tensor *t, const int *lengths)
{
    const int columns = columns_clock(n, t);
    double cells = 0.0;

    for (int b = 0; b < t->B; b++)
        cells += length_of(t, t->clock, t->T, b, lengths) *
                 length_of(t, columns, t->C, b, lengths);
    return cells;
}

static double rows_of(const clvits_tensor *t, const int *lengths)
{
    double rows = 0.0;
    for (int b = 0; b < t->B; b++)
        rows += length_of(t, t->clock, t->T, b, lengths);
    return rows;
}

static double bytes_of(const clvits_tensor *t, const clvits_node *n, int place,
                       const int *lengths)
{
    double count = (double)clvits_element_bytes(t, place);

    if (t->role != CLVITS_WEIGHT)
        return count * cells_of(n, t, lengths);
    if (n->op->packing && t == n->in[1] && place != CLVITS_CPU_PLACE &&
        n->halves & CLVITS_HALF_WEIGHTS)
        count = 2.0;
    for (int i = 0; i < t->rank; i++)
        count *= (double)t->shape[i];
    return count;
}

/* Products that a matrix product makes. */
static double products_of(const clvits_node *n, const int *lengths)
{
    const clvits_matmul_params *p = n->params;
    const clvits_tensor *a = n->in[0], *b = n->in[1], *y = n->out[0];
    const int depth = p->transpose_a ? a->T : a->C;
    const int clock = p->transpose_a ? a->clock : p->transpose_b ? -1 : b->clock;
    double sum = 0.0;

    for (int i = 0; i < y->B; i++)
        sum += length_of(y, y->clock, y->T, i, lengths) *
               length_of(y, columns_clock(n, y), y->C, i, lengths) *
               length_of(y, clock, depth, i, lengths);
    return sum;
}

/* What a node's work is counted by: the rows that it makes, unless it makes of many what is one. */
static double amount_of(const clvits_node *n, const int *lengths)
{
    const clvits_tensor *x = n->in[0], *y = n->out[0] ? n->out[0] : n->out[1];
    double pairs = 0.0;

    if (n->op == &clvits_op_matmul)
        return products_of(n, lengths);
    if (n->op == &clvits_op_loss || n->op == &clvits_op_sum || n->op == &clvits_op_search)
        return cells_of(n, x, lengths);
    if (n->op == &clvits_op_backtrack)
        return rows_of(x, lengths) + rows_of(y, lengths);
    if (n->op != &clvits_op_attention)
        return rows_of(y, lengths);
    for (int b = 0; b < y->B; b++) { /* every row looks at every row */
        const double rows = length_of(y, y->clock, y->T, b, lengths);
        pairs += rows * rows;
    }
    return pairs;
}

void clvits_node_work(const clvits_node *n, int place, const int *lengths, double *flops,
                      double *bytes)
{
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];
    const double all = amount_of(n, NULL), share = all > 0.0 ? amount_of(n, lengths) / all : 0.0;

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
