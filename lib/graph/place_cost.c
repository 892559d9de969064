// SPDX-License-Identifier: MIT
//
// Placement by cost. The least is looked for along the order of the nodes: for every place that the
// node before may have run on, the cheapest way to there is kept with all that it has copied, so
// every copy is counted once and exactly. For graphs that are almost chains, as these are, that is
// the optimum.
#include "graph/plan.h"

#include <string.h>

/* A placement of mixed places must promise this much less than the best single place takes: each
 * switch adds a wait that rates measured alone do not show. Where all places are the same
 * processors, the threads of the one also stand in the way of the other's, and what one leaves in a
 * core's cache is not where the other looks for it. */
static const double worth_mixing = 0.95, worth_sharing = 0.7;

/* The nodes so far, where they ran, and which places have which tensors. */
typedef struct way {
    double seconds;
    int *place;           /* by node */
    unsigned char *there; /* by tensor: a bit for each place that has it */
    int *home;            /* by tensor: where it was made */
} way;

typedef struct search {
    const clvits_plan *p;
    const clvits_rates *rates;
    const unsigned char *allowed; /* by node: a bit for each place */
} search;

static clvits_status make_way(clvits_arena *a, const clvits_graph *g, way *w, clvits_report *r)
{
    w->place = clvits_arena_array(a, (size_t)g->n_nodes + 1, sizeof(*w->place));
    w->there = clvits_arena_array(a, (size_t)g->n_tensors + 1, sizeof(*w->there));
    w->home = clvits_arena_array(a, (size_t)g->n_tensors + 1, sizeof(*w->home));
    return w->place && w->there && w->home ? CLVITS_OK : clvits_fail_memory(r, "a plan");
}

static void copy_way(const clvits_graph *g, way *to, const way *from)
{
    to->seconds = from->seconds;
    memcpy(to->place, from->place, (size_t)g->n_nodes * sizeof(*to->place));
    memcpy(to->there, from->there, (size_t)g->n_tensors * sizeof(*to->there));
    memcpy(to->home, from->home, (size_t)g->n_tensors * sizeof(*to->home));
}

static double move_seconds(const search *s, const clvits_tensor *t, int from, int to)
{
    const double bytes = (double)clvits_element_bytes(t, from ? from : to) * (double)t->B *
                         (double)clvits_item_elements(t);

    return from == to ? 0.0
                      : clvits_rate_seconds(&s->rates[from].transfer, bytes) +
                            clvits_rate_seconds(&s->rates[to].transfer, bytes);
}

/* What node i adds to a way when it runs on a place: its copies, which are noted when `note`, and
 * itself. */
static double node_seconds(const search *s, way *w, int i, int place, bool note)
{
    const clvits_node *n = s->p->graph->nodes[i];
    const unsigned char bit = (unsigned char)(1u << place);
    double seconds = clvits_node_seconds(n, place, NULL, &s->rates[place]);

    for (int k = 0; k < CLVITS_MAX_IN; k++) {
        const clvits_tensor *t = n->in[k] ? n->in[k]->root : NULL;
        bool again = !t || n->in[k]->role == CLVITS_WEIGHT || w->there[t->id] & bit;
        for (int other = 0; other < k && !again; other++)
            again = n->in[other] && n->in[other]->root == t;
        if (again)
            continue;
        /* An input comes from the host to the place that reads it first, and stays there. */
        seconds += move_seconds(s, t, w->there[t->id] ? w->home[t->id] : CLVITS_CPU_PLACE, place);
        if (note && !w->there[t->id])
            w->home[t->id] = place;
        if (note)
            w->there[t->id] |= bit;
    }
    for (int k = 0; k < CLVITS_MAX_OUT; k++) {
        if (!n->out[k])
            continue;
        if (n->out[k]->output)
            seconds += move_seconds(s, n->out[k], place, CLVITS_CPU_PLACE);
        if (note) {
            w->home[n->out[k]->id] = place;
            w->there[n->out[k]->id] = bit;
        }
    }
    if (note) {
        w->place[i] = place;
        w->seconds += seconds;
    }
    return seconds;
}

/* Everything on one place, as far as it is allowed there; the first other one takes the rest. */
static void single_place(const search *s, way *w, int place)
{
    for (int i = 0; i < s->p->graph->n_nodes; i++) {
        int at = place;
        for (int other = CLVITS_CPU_PLACE; !(s->allowed[i] >> at & 1); other++)
            at = other;
        node_seconds(s, w, i, at, true);
    }
}

/* ways[place] becomes the cheapest way whose last node runs on that place. */
static void search_ways(const search *s, way *ways, way *next)
{
    const clvits_graph *g = s->p->graph;
    const int P = s->p->machine->n_places;

    for (int i = 0; i < g->n_nodes; i++) {
        for (int place = 0; place < P; place++) {
            int best = -1;
            double least = 0.0;
            next[place].seconds = -1.0;
            for (int from = 0; from < P && s->allowed[i] >> place & 1; from++) {
                if (ways[from].seconds < 0.0)
                    continue;
                const double seconds =
                    ways[from].seconds + node_seconds(s, &ways[from], i, place, false);
                if (best < 0 || seconds < least) {
                    best = from;
                    least = seconds;
                }
            }
            if (best >= 0) {
                copy_way(g, &next[place], &ways[best]);
                node_seconds(s, &next[place], i, place, true);
            }
        }
        for (int place = 0; place < P; place++) {
            const way w = ways[place];
            ways[place] = next[place];
            next[place] = w;
        }
    }
}

static clvits_status choose(const search *s, clvits_arena *a, clvits_report *r)
{
    const clvits_graph *g = s->p->graph;
    const int P = s->p->machine->n_places;
    way single[CLVITS_MAX_PLACES] = { 0 }, ways[CLVITS_MAX_PLACES] = { 0 };
    way next[CLVITS_MAX_PLACES] = { 0 };
    clvits_status status = CLVITS_OK;
    const way *best = &single[0];
    bool shared = true;

    for (int i = 0; i < P && !status; i++) {
        status = make_way(a, g, &single[i], r);
        if (!status)
            status = make_way(a, g, &ways[i], r);
        if (!status)
            status = make_way(a, g, &next[i], r);
    }
    if (status)
        return status;
    for (int i = 0; i < P; i++) {
        single_place(s, &single[i], i);
        if (single[i].seconds < best->seconds)
            best = &single[i];
        shared = shared && (i == CLVITS_CPU_PLACE || s->rates[i].shared);
        ways[i].seconds = i ? -1.0 : 0.0; /* nothing has run: one beginning for all */
    }
    search_ways(s, ways, next);
    const double enough = (shared ? worth_sharing : worth_mixing) * best->seconds;
    for (int i = 0; i < P; i++)
        if (ways[i].seconds >= 0.0 && ways[i].seconds < enough && ways[i].seconds < best->seconds)
            best = &ways[i];
    memcpy(s->p->place, best->place, (size_t)g->n_nodes * sizeof(*best->place));
    return CLVITS_OK;
}

clvits_status clvits_plan_place_cheapest(clvits_plan *p, const unsigned char *allowed,
                                         clvits_report *r)
{
    const search s = { .p = p, .rates = p->machine->rates, .allowed = allowed };
    clvits_arena arena = { 0 };
    const clvits_status status = choose(&s, &arena, r);

    clvits_arena_free(&arena);
    return status;
}
