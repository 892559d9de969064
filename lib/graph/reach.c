// SPDX-License-Identifier: MIT
#include "graph/plan.h"

#include <string.h>

static void widen(clvits_range *a, clvits_range b)
{
    const bool fresh = a->first == a->end;

    if (fresh || b.first < a->first)
        a->first = b.first;
    if (fresh || b.end > a->end)
        a->end = b.end;
}

/* Rows of input k that take part in rows `out` of a node's result, but where its operator knows
 * better. */
static clvits_range around(const clvits_node *n, int k, clvits_range out)
{
    const int rows = n->op->guard ? n->op->guard(n, k) : 0;
    return (clvits_range){ out.first - rows, out.end + rows };
}

clvits_range clvits_step_reach(const clvits_step *step, clvits_range out)
{
    const clvits_node *n = step->node;
    return n->op->reach ? n->op->reach(step->dims, out) : around(n, 0, out);
}

clvits_range clvits_node_wanted(const clvits_node *n, const clvits_range *wanted)
{
    clvits_range out = { 0, 0 };

    for (int k = 0; k < CLVITS_MAX_OUT; k++)
        if (n->out[k] && wanted[n->out[k]->id].end > wanted[n->out[k]->id].first)
            widen(&out, wanted[n->out[k]->id]);
    return out;
}

static void walk(const clvits_plan *p, clvits_range *wanted)
{
    for (int i = p->n_steps - 1; i >= 0; i--) {
        const clvits_node *n = p->steps[i].node;
        const clvits_range out = n ? clvits_node_wanted(n, wanted) : (clvits_range){ 0, 0 };

        if (out.first == out.end)
            continue;
        for (int k = 0; k < CLVITS_MAX_IN; k++) {
            const clvits_tensor *t = n->in[k];
            if (!t || t->role == CLVITS_WEIGHT || !t->clock)
                continue;
            clvits_range in = k ? around(n, k, out) : clvits_step_reach(&p->steps[i], out);
            in.first = in.first > 0 ? in.first : 0;
            widen(&wanted[t->root->id], in);
        }
    }
}

clvits_range clvits_plan_reach(const clvits_plan *p, const clvits_tensor *t, clvits_range rows,
                               int clock, clvits_range *wanted)
{
    clvits_range all = { 0, 0 };

    memset(wanted, 0, (size_t)p->graph->n_tensors * sizeof(*wanted));
    wanted[t->root->id] = rows;
    walk(p, wanted);
    for (int i = 0; i < p->graph->n_tensors; i++)
        if (p->graph->tensors[i]->clock == clock && wanted[i].end > wanted[i].first)
            widen(&all, wanted[i]);
    return all;
}
