// SPDX-License-Identifier: MIT
//
// What a node works on and what that costs, for traces and pictures.
#include "graph/plan.h"

#include <stdio.h>

/* Rows of a tensor that are valid: over all items, and of the longest. */
static int64_t rows_of(const clvits_tensor *t, const int *lengths, int *longest)
{
    int64_t rows = 0;
    int most = 0;

    for (int b = 0; b < t->B; b++) {
        const int n = lengths ? lengths[t->clock * t->B + b] : t->T;
        rows += n;
        most = n > most ? n : most;
    }
    if (longest)
        *longest = most;
    return rows;
}

static double bytes_of(const clvits_tensor *t, const clvits_node *n, int place,
                       const int *lengths)
{
    double count = (double)clvits_element_bytes(t, place);

    if (t->role != CLVITS_WEIGHT)
        return count * (double)rows_of(t, lengths, NULL) * t->C;
    if (n->op->packing && t == n->in[1] && place != CLVITS_CPU_PLACE &&
        n->halves & CLVITS_HALF_WEIGHTS)
        count = 2.0;
    for (int i = 0; i < t->rank; i++)
        count *= (double)t->shape[i];
    return count;
}

static size_t print(char *out, size_t used, const clvits_tensor *t, const int *lengths)
{
    const size_t left = used < CLVITS_TRACE_SHAPE ? CLVITS_TRACE_SHAPE - used : 0;
    int longest;

    out += left ? used : 0;
    if (t->role != CLVITS_WEIGHT) {
        rows_of(t, lengths, &longest);
        return used + (size_t)snprintf(out, left, "%s(%d,%d,%d)", used ? " " : "", t->B, longest,
                                       t->C);
    }
    size_t n = (size_t)snprintf(out, left, " ");
    for (int i = 0; i < t->rank; i++)
        n += (size_t)snprintf(n < left ? out + n : NULL, n < left ? left - n : 0, "[%lld]",
                              (long long)t->shape[i]);
    return used + n;
}

static void print_shape(char shape[CLVITS_TRACE_SHAPE], const clvits_node *n, const int *lengths)
{
    size_t used = 0;

    shape[0] = '\0';
    for (int i = 0; i < CLVITS_MAX_IN; i++)
        if (n->in[i])
            used = print(shape, used, n->in[i], lengths);
    if (used < CLVITS_TRACE_SHAPE)
        used += (size_t)snprintf(shape + used, CLVITS_TRACE_SHAPE - used, "%s->",
                                 used ? " " : "");
    for (int i = 0; i < CLVITS_MAX_OUT; i++)
        if (n->out[i])
            used = print(shape, used, n->out[i], lengths);
}

void clvits_node_describe(clvits_span *out, char shape[CLVITS_TRACE_SHAPE], const clvits_node *n,
                          int place, const int *lengths)
{
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];
    const double all = (double)y->B * y->T, valid = (double)rows_of(y, lengths, NULL);
    double share = all > 0.0 ? valid / all : 0.0;

    if (n->op == &clvits_op_attention) { /* every row looks at every row */
        double pairs = 0.0;
        for (int b = 0; b < y->B && lengths; b++)
            pairs += (double)lengths[y->clock * y->B + b] * lengths[y->clock * y->B + b];
        share = lengths ? pairs / (all * y->T) : 1.0;
    }
    *out = (clvits_span){ .kind = CLVITS_SPAN_NODE,
                          .device = "",
                          .name = n->op->name,
                          .stage = "",
                          .label = n->label,
                          .shape = shape,
                          .kernel = "",
                          .options = "",
                          .tuned = "",
                          .node = n->id,
                          .flops = n->op->flops ? share * n->op->flops(n) : 0.0 };
    for (int i = 0; i < CLVITS_MAX_IN; i++) {
        const bool table = i == 1 && n->op == &clvits_op_embedding; /* the rows looked up */
        out->bytes += n->in[i] ? bytes_of(table ? y : n->in[i], n, place, lengths) : 0.0;
    }
    for (int i = 0; i < CLVITS_MAX_OUT; i++)
        out->bytes += n->out[i] ? bytes_of(n->out[i], n, place, lengths) : 0.0;
    print_shape(shape, n, lengths);
}
