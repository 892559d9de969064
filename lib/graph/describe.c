// SPDX-License-Identifier: MIT
//
// What a node works on and what that costs, for traces and pictures.
#include "graph/cost.h"
#include "graph/plan.h"

#include <stdio.h>

/* Valid rows of a tensor's longest item. */
static int longest(const clvits_tensor *t, const int *lengths)
{
    int most = 0;

    for (int b = 0; b < t->B; b++) {
        const int n = lengths ? lengths[t->clock * t->B + b] : t->T;
        most = n > most ? n : most;
    }
    return most;
}

static size_t print(char *out, size_t used, const clvits_tensor *t, const int *lengths)
{
    const size_t left = used < CLVITS_TRACE_SHAPE ? CLVITS_TRACE_SHAPE - used : 0;

    out += left ? used : 0;
    if (t->role != CLVITS_WEIGHT) {
        return used + (size_t)snprintf(out, left, "%s(%d,%d,%d)", used ? " " : "", t->B,
                                       longest(t, lengths), t->C);
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
                          .flops = clvits_node_flops(n, lengths),
                          .bytes = clvits_node_bytes(n, place, lengths) };
    print_shape(shape, n, lengths);
}
