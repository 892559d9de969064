// SPDX-License-Identifier: MIT
//
// What changes from one use of a run to the next: valid lengths, first rows and scalars, which lie
// in its table, and the rows that are asked for.
#include "graph/run.h"

#include <string.h>

enum { SLOTS = CLVITS_FIRST_ROWS + CLVITS_MAX_CLOCKS };

_Static_assert(CLVITS_FIRST_ROWS == CLVITS_MAX_CLOCKS + CLVITS_MAX_SCALARS,
               "the slots of the run's table follow each other");

size_t clvits_run_table_bytes(const clvits_run *run)
{
    const clvits_graph *g = run->plan->graph;
    return ((size_t)SLOTS * (size_t)g->batch + 2 * (size_t)g->n_nodes) * sizeof(int);
}

int clvits_node_asked(const clvits_target *at, const clvits_node *n)
{
    return at->plan ? SLOTS * n->graph->batch + 2 * n->id : 0;
}

clvits_status clvits_run_set_length(clvits_run *run, int clock, int item, int length,
                                    clvits_report *r)
{
    const clvits_graph *g = run->plan->graph;

    if (clock < 1 || clock >= g->n_clocks || g->clocks[clock].parent >= 0 || item < 0 ||
        item >= g->batch || length < 0 || length > g->clocks[clock].capacity)
        return clvits_fail(r, CLVITS_E_SHAPE, "a length of %d rows for item %d where %d fit",
                           length, item, clvits_graph_capacity(g, clock));
    run->lengths[clock * g->batch + item] = length;
    for (int i = clock + 1; i < g->n_clocks; i++) {
        const struct clvits_clock *c = &g->clocks[i];
        if (c->parent < 0)
            continue;
        run->lengths[i * g->batch + item] =
            clvits_clock_rows(c, run->lengths[c->parent * g->batch + item]);
    }
    return CLVITS_OK;
}

clvits_status clvits_run_set_first(clvits_run *run, int clock, int item, int row,
                                   clvits_report *r)
{
    const clvits_graph *g = run->plan->graph;
    int *first = run->lengths + CLVITS_FIRST_ROWS * g->batch;

    if (clock < 1 || clock >= g->n_clocks || g->clocks[clock].parent >= 0 || item < 0 ||
        item >= g->batch || row < 0)
        return clvits_fail(r, CLVITS_E_SHAPE, "item %d of clock %d begins at row %d", item, clock,
                           row);
    first[clock * g->batch + item] = row;
    for (int i = clock + 1; i < g->n_clocks; i++) {
        const struct clvits_clock *c = &g->clocks[i];
        if (c->parent < 0)
            continue;
        const int64_t n = (int64_t)first[c->parent * g->batch + item] * c->mul / c->div;
        if (n > INT32_MAX)
            return clvits_fail(r, CLVITS_E_SHAPE,
                               "a stretch from row %lld on, %d at most; shorten what is spoken",
                               (long long)n, INT32_MAX);
        first[i * g->batch + item] = (int)n;
    }
    return CLVITS_OK;
}

clvits_range clvits_run_reach(clvits_run *run, const clvits_tensor *t, clvits_range rows, int clock)
{
    return clvits_plan_reach(run->plan, t, rows, clock, run->wanted);
}

void clvits_run_ask(clvits_run *run, const clvits_tensor *t, clvits_range rows)
{
    clvits_plan_reach(run->plan, t, rows, 0, run->asked);
    run->some = true;
}

clvits_range clvits_run_asked(const clvits_run *run, const clvits_node *n)
{
    return run->some ? clvits_node_wanted(n, run->asked) : (clvits_range){ 0, 0 };
}

static int as_int(int64_t row)
{
    return row < 0 ? 0 : row > INT32_MAX ? INT32_MAX : (int)row;
}

void clvits_run_put_asked(clvits_run *run)
{
    const clvits_graph *g = run->plan->graph;
    int *to = run->lengths + SLOTS * g->batch;

    for (int i = 0; i < g->n_nodes; i++) {
        const clvits_range rows = clvits_run_asked(run, g->nodes[i]);
        to[2 * i] = as_int(rows.first);
        to[2 * i + 1] = as_int(rows.end);
    }
}

double clvits_run_share(const clvits_run *run, const clvits_node *n)
{
    const clvits_plan *p = run->plan;
    const int clock = n->out[n->out[0] == NULL]->clock, B = p->graph->batch;
    const int *before = run->lengths + (CLVITS_FIRST_ROWS + clock) * B;
    const clvits_range rows = clvits_run_asked(run, n);
    int64_t made = 0, all = 0;

    if (rows.first == rows.end || !n->op->reach)
        return 1.0;
    for (int b = 0; b < B; b++) {
        const int64_t len = clvits_run_length(run, clock, b);
        const int64_t first = rows.first > before[b] ? rows.first - before[b] : 0;
        const int64_t end = rows.end - before[b] < len ? rows.end - before[b] : len;
        made += end > first ? end - first : 0;
        all += len;
    }
    return all ? (double)made / (double)all : 1.0;
}

int clvits_run_length(const clvits_run *run, int clock, int item)
{
    return run->lengths[clock * run->plan->graph->batch + item];
}

void clvits_run_set_int(clvits_run *run, int slot, int item, int value)
{
    run->lengths[slot * run->plan->graph->batch + item] = value;
}

void clvits_run_set_float(clvits_run *run, int slot, int item, float value)
{
    int bits;
    memcpy(&bits, &value, sizeof(bits));
    clvits_run_set_int(run, slot, item, bits);
}

int *clvits_run_table(const clvits_run *run)
{
    return run->lengths;
}

void clvits_run_take_slots(clvits_run *to, const clvits_run *from)
{
    memcpy(to->lengths, from->lengths,
           (size_t)SLOTS * (size_t)from->plan->graph->batch * sizeof(int));
}
