// SPDX-License-Identifier: MIT
//
// Placement by cost. The least is looked for along the order of the nodes: for every place that the
// node before may have run on, the cheapest way to there is kept with all that it has copied, so
// every copy is counted once and exactly. For graphs that are almost chains, as these are, that is
// the optimum. What a plan is used for has few rows or many: it is priced for both, and between.
#include "graph/plan.h"

#include <math.h>
#include <string.h>

/* A placement of mixed places must promise this much less than the best single place takes: each
 * switch adds a wait that rates measured alone do not show. So must a device that is the CPU path's
 * own processors, against the CPU path. */
static const double worth_changing = 0.95;

/* Where places that are the same processors are mixed, the threads of the one stand in the way of
 * the other's, and what one leaves in a core's cache is not where the other looks for it: it takes
 * so many times as long as rates measured alone say. */
static const double sharing = 1.5;

/* A device that is the CPU path's own processors was seen to take up to so many times as long as
 * rates promised: what disturbs these while they are measured strikes the CPU path the most. */
static const double lending = 1.25;

/* For no number of rows may a placement take more than so many times as long as the better single
 * place; much_slower ranks those that do behind the others, whatever these must promise. */
static const double most_slower = 1.05, much_slower = 1e3;

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
    clvits_form (*forms)[CLVITS_MAX_PLACES]; /* by node and place, where it is allowed */
    const clvits_use *uses;
    int n_uses;   /* numbers of rows that are priced: without uses the capacity alone */
    int *lengths; /* [clock][item], by which is priced */
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

/* The valid rows of each item are moved with the guard rows around them. */
static double move_seconds(const search *s, const clvits_tensor *t, int from, int to)
{
    double seconds = 0.0;

    for (int b = 0; b < t->B && from != to; b++) {
        const double rows = s->lengths[t->clock * t->B + b] + 2.0 * t->guard;
        const double bytes = rows * t->C * (double)clvits_element_bytes(t, from ? from : to);
        seconds += clvits_rate_seconds(&s->rates[from].transfer, bytes) +
                   clvits_rate_seconds(&s->rates[to].transfer, bytes);
    }
    return seconds;
}

/* What node i adds to a way when it runs on a place: its copies, which are noted when `note`, and
 * itself. */
static double node_seconds(const search *s, way *w, int i, int place, bool note)
{
    const clvits_node *n = s->p->graph->nodes[i];
    const unsigned char bit = (unsigned char)(1u << place);
    double seconds = clvits_node_seconds(n, &s->forms[i][place], place, s->lengths,
                                         &s->rates[place]);

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
static void single_place(const search *s, int *places, int place)
{
    for (int i = 0; i < s->p->graph->n_nodes; i++) {
        places[i] = place;
        for (int other = CLVITS_CPU_PLACE; !(s->allowed[i] >> places[i] & 1); other++)
            places[i] = other;
    }
}

static void begin_way(const clvits_graph *g, way *w)
{
    w->seconds = 0.0;
    memset(w->there, 0, (size_t)g->n_tensors * sizeof(*w->there));
    memset(w->home, 0, (size_t)g->n_tensors * sizeof(*w->home));
}

/* ways[place] becomes the cheapest way whose last node runs on that place; below 0: there is none.
 */
static void search_ways(const search *s, way *ways, way *next)
{
    const clvits_graph *g = s->p->graph;
    const int P = s->p->machine->n_places;

    for (int i = 0; i < P; i++) {
        begin_way(g, &ways[i]);
        ways[i].seconds = i ? -1.0 : 0.0; /* nothing has run: one beginning for all */
    }
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

enum { FEW, MIDDLE, MANY, USES };

/* A placement that may be chosen. */
typedef struct choice {
    int *place; /* by node */
    double seconds[USES];
    double worth; /* what it must promise, of another's time that need not promise anything */
    double slower; /* times than what rates say */
} choice;

/* Price by as many rows as such runs have. */
static void set_lengths(const search *s, int use)
{
    const clvits_graph *g = s->p->graph;

    for (int i = 0; i < g->n_clocks; i++) {
        const struct clvits_clock *c = &g->clocks[i];
        int rows = c->capacity;
        for (const clvits_use *u = s->uses; u && u->clock; u++)
            if (u->clock == i)
                rows = use == FEW    ? u->few
                       : use == MANY ? u->many
                                     : (int)lround(sqrt((double)u->few * u->many));
        if (c->parent >= 0)
            rows = clvits_clock_rows(c, s->lengths[c->parent * g->batch]);
        for (int b = 0; b < g->batch; b++)
            s->lengths[i * g->batch + b] = rows;
    }
}

/* What the rates do not show of a choice. */
static void judge(const search *s, choice *c, bool single)
{
    bool on[CLVITS_MAX_PLACES] = { false }, shared = false;
    int used = 0, same = 0; /* places; of these, those that are the CPU path's processors */

    for (int i = 0; i < s->p->graph->n_nodes; i++)
        on[c->place[i]] = true;
    for (int i = 0; i < s->p->machine->n_places; i++) {
        used += on[i];
        same += on[i] && (i == CLVITS_CPU_PLACE || s->rates[i].shared);
        shared = shared || (on[i] && s->rates[i].shared);
    }
    c->worth = shared || (!single && used > 1) ? worth_changing : 1.0;
    c->slower = (shared ? lending : 1.0) * (!single && same > 1 ? sharing : 1.0);
}

/* All on each place, and then the cheapest for every use; how many there are. */
static int list_choices(const search *s, choice *choices, way *ways, way *next)
{
    const int P = s->p->machine->n_places;
    const size_t size = (size_t)s->p->graph->n_nodes * sizeof(*choices->place);
    int n = 0;

    for (int i = 0; i < P; i++, n++) {
        single_place(s, choices[n].place, i);
        judge(s, &choices[n], true);
    }
    for (int use = 0; use < s->n_uses; use++) {
        set_lengths(s, use);
        search_ways(s, ways, next);
        for (int i = 0; i < P; i++) {
            if (ways[i].seconds < 0.0)
                continue;
            memcpy(choices[n].place, ways[i].place, size);
            judge(s, &choices[n++], false);
        }
    }
    for (int use = 0; use < s->n_uses; use++) {
        set_lengths(s, use);
        for (int i = 0; i < n; i++) {
            begin_way(s->p->graph, next);
            for (int k = 0; k < s->p->graph->n_nodes; k++)
                node_seconds(s, next, k, choices[i].place[k], true);
            choices[i].seconds[use] = next->seconds * choices[i].slower;
        }
    }
    return n;
}

/* The least, over all uses, of those that are nowhere much slower than the better single place;
 * where there is none, the one whose worst is least. */
static const choice *choose(const choice *choices, int n, int singles, int uses)
{
    const choice *best = NULL;
    double least = 0.0;

    for (int i = 0; i < n; i++) {
        double worst = 0.0, sum = 0.0;
        for (int use = 0; use < uses; use++) {
            double single = choices[0].seconds[use];
            for (int k = 1; k < singles; k++)
                single = fmin(single, choices[k].seconds[use]);
            const double times = single > 0.0 ? choices[i].seconds[use] / single : 1.0;
            worst = fmax(worst, times);
            sum += times / choices[i].worth / uses;
        }
        const double cost = worst > most_slower ? much_slower * worst : sum;
        if (!best || cost < least) {
            best = &choices[i];
            least = cost;
        }
    }
    return best;
}

static void set_forms(const search *s)
{
    for (int i = 0; i < s->p->graph->n_nodes; i++)
        for (int place = 0; place < s->p->machine->n_places; place++) {
            clvits_target at = clvits_plan_target(s->p, place);
            at.plan = NULL; /* which has no layout */
            if (s->allowed[i] >> place & 1)
                s->forms[i][place] = clvits_node_form_at(s->p->graph->nodes[i], &at);
        }
}

/* All memory is the arena's, which the caller frees. */
static clvits_status place_cheapest(clvits_plan *p, search *s, clvits_arena *a, clvits_report *r)
{
    const clvits_graph *g = p->graph;
    const int P = p->machine->n_places;
    choice choices[CLVITS_MAX_PLACES * (1 + USES)] = { 0 };
    way ways[CLVITS_MAX_PLACES] = { 0 }, next[CLVITS_MAX_PLACES] = { 0 };
    clvits_status status;

    s->lengths = clvits_arena_array(a, (size_t)g->n_clocks * (size_t)g->batch, sizeof(int));
    s->forms = clvits_arena_array(a, (size_t)g->n_nodes + 1, sizeof(*s->forms));
    status = s->lengths && s->forms ? CLVITS_OK : clvits_fail_memory(r, "a plan");
    for (int i = 0; i < P && !status; i++) {
        status = make_way(a, g, &ways[i], r);
        if (!status)
            status = make_way(a, g, &next[i], r);
    }
    for (int i = 0; i < P * (1 + s->n_uses) && !status; i++) {
        choices[i].place = clvits_arena_array(a, (size_t)g->n_nodes + 1, sizeof(int));
        if (!choices[i].place)
            status = clvits_fail_memory(r, "a plan");
    }
    if (status)
        return status;
    set_forms(s);
    const choice *best = choose(choices, list_choices(s, choices, ways, next), P, s->n_uses);
    memcpy(p->place, best->place, (size_t)g->n_nodes * sizeof(*best->place));
    return CLVITS_OK;
}

clvits_status clvits_plan_place_cheapest(clvits_plan *p, const unsigned char *allowed,
                                         const clvits_use *uses, clvits_report *r)
{
    search s = { .p = p, .rates = p->machine->rates, .allowed = allowed, .uses = uses,
                 .n_uses = uses && uses->clock ? USES : 1 };
    clvits_arena scratch = { 0 };
    const clvits_status status = place_cheapest(p, &s, &scratch, r);

    clvits_arena_free(&scratch);
    return status;
}
