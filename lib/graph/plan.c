// SPDX-License-Identifier: MIT
//
// Graph and machine to a list of steps and a memory layout: place every node (place.c), insert the
// copies that this needs and no others, then lay out each place's tensors by their lifetimes, the
// largest first, each at the lowest offset that is free during its life.
#include "graph/plan.h"
#include "graph/trust.h"

#include <stdlib.h>
#include <string.h>

/* Tiles may read rows past a tensor's guards (and drop what they computed from them). */
enum { SLACK_ROWS = 160, ALIGN_FLOATS = 32 };

typedef struct life {
    int tensor, place;
    int first, last; /* steps */
    int64_t floats, offset;
} life;

clvits_target clvits_plan_target(const clvits_plan *p, int place)
{
    return (clvits_target){ .cpu = place == CLVITS_CPU_PLACE ? &p->machine->cpu : NULL,
                            .device = p->machine->device[place],
                            .plan = p,
                            .place = place };
}

clvits_view clvits_node_view(const clvits_target *at, const clvits_tensor *t)
{
    const clvits_tensor *root = t->root;
    const int64_t offset = at->plan ? at->plan->offset[root->id][at->place] : 0;

    return (clvits_view){ .off = (int)(offset + t->c0),
                          .ld = root->C,
                          .bs = (int)clvits_item_elements(root),
                          .guard = root->guard };
}

const clvits_tensor *clvits_node_raw(const clvits_target *at, const clvits_node *n)
{
    return at->plan && at->plan->raw[n->id] ? n->in[0]->producer->out[0] : NULL;
}

bool clvits_node_unread(const clvits_target *at, const clvits_tensor *t)
{
    return at->plan && at->plan->unread[t->id];
}

static const clvits_row *tuned_row(const clvits_node *n, const clvits_target *at)
{
    clvits_terms shape = { 0 };

    if (!n->op->knobs)
        return NULL;
    n->op->knobs->shape(n, at, &shape);
    return !shape.n ? NULL : clvits_tuned_row(at, n->op->knobs, &shape);
}

void *clvits_plan_dims(clvits_plan *p, const clvits_node *n, const clvits_target *at)
{
    void *dims = clvits_arena_alloc(&p->arena, n->op->dims_size);
    if (dims)
        n->op->dims(n, at, dims);
    return dims;
}

/* One pass over the nodes: their steps, and a copy wherever an input is not where it is read. */
static void list_steps(clvits_plan *p, bool (*there)[CLVITS_MAX_PLACES])
{
    for (int i = 0; i < p->graph->n_nodes; i++) {
        const clvits_node *n = p->graph->nodes[i];
        const int place = p->place[i];

        for (int k = 0; k < CLVITS_MAX_IN; k++) {
            if (!n->in[k] || n->in[k]->role == CLVITS_WEIGHT)
                continue;
            const clvits_tensor *t = n->in[k]->root;
            if (p->home[t->id] < 0) {
                p->home[t->id] = place; /* an input, written where it is read first */
                there[t->id][place] = true;
            }
            if (there[t->id][place])
                continue;
            there[t->id][place] = true;
            p->steps[p->n_steps++] = (clvits_step){ .tensor = t, .place = place,
                                                    .from = p->home[t->id] };
            p->n_copies++;
        }
        for (int k = 0; k < CLVITS_MAX_OUT; k++)
            if (n->out[k]) {
                p->home[n->out[k]->id] = place;
                there[n->out[k]->id][place] = true;
            }
        p->steps[p->n_steps++] = (clvits_step){ .node = n, .place = place };
    }
    /* An input that no node reads still can be written. */
    for (int i = 0; i < p->graph->n_tensors; i++) {
        const clvits_tensor *t = p->graph->tensors[i];
        if (t->role == CLVITS_INPUT && t->root == t && p->home[i] < 0) {
            p->home[i] = CLVITS_CPU_PLACE;
            there[i][CLVITS_CPU_PLACE] = true;
        }
    }
}

static clvits_target node_target(const clvits_plan *p, const clvits_node *n)
{
    clvits_target at = clvits_plan_target(p, p->place[n->id]);
    at.variant = at.device ? p->variant[n->id] : 0;
    return at;
}

/* Whether the kernel that activates the node's input is right there. */
static bool trusted(const clvits_plan *p, const clvits_node *n, const clvits_target *at,
                    float slope, const clvits_report *r)
{
    clvits_report own = { .log = r->log, .log_user = r->log_user, .stop = r->stop,
                          .trace = r->trace };

    if (at->cpu || !clvits_trust_proves(p->machine) ||
        clvits_trust_node(p->machine, n, at, slope, &own) == CLVITS_OK)
        return true;
    if (own.status == CLVITS_E_CANCELLED || clvits_device_lost(at->device))
        return false; /* nothing will come of this plan */
    if (own.status != CLVITS_E_MEMORY && clvits_trust_tell(p->machine->trust, n->op, at->place))
        clvits_warn(r, "%s goes wrong on device %d, %s: %s; another kernel does its work",
                    n->op->name, at->place, clvits_device_get_info(at->device)->name,
                    clvits_device_unnamed(at->device, own.text));
    return false;
}

/* Whether node i may read what its input 0 is the activated copy of: both are made where it runs,
 * and the original lives until then, since a node from i on reads it. */
static bool reads_raw(const clvits_plan *p, int i, const clvits_report *r)
{
    const clvits_node *n = p->graph->nodes[i];
    const clvits_tensor *x = n->in[0];
    const clvits_node *made = x ? x->producer : NULL;
    const clvits_target at = node_target(p, n);

    if (!made || x->root != x || x != made->out[1] || !made->out[0] || !made->op->slope ||
        made->op->slope(made) == 0.0f || p->place[made->id] != p->place[i] ||
        !n->op->activates || !n->op->activates(n, &at))
        return false;
    for (int j = i; j < p->graph->n_nodes; j++)
        for (int k = 0; k < CLVITS_MAX_IN && p->place[j] == p->place[i]; k++)
            if (p->graph->nodes[j]->in[k] == made->out[0])
                return trusted(p, n, &at, made->op->slope(made), r);
    return false;
}

/* Activated copies that every reader makes itself need not be written. */
static void drop_copies(clvits_plan *p, const clvits_report *r)
{
    for (int i = 0; i < p->graph->n_nodes; i++) {
        const clvits_node *n = p->graph->nodes[i];
        p->raw[i] = reads_raw(p, i, r);
        if (p->raw[i] && !n->in[0]->output)
            p->unread[n->in[0]->id] = true;
    }
    for (int i = 0; i < p->graph->n_nodes; i++)
        for (int k = 0; k < CLVITS_MAX_IN; k++) {
            const clvits_tensor *t = p->graph->nodes[i]->in[k];
            if (t && !(k == 0 && p->raw[i]))
                p->unread[t->root->id] = false;
        }
}

static void touch(life *l, int step)
{
    if (step < l->first)
        l->first = step;
    if (step > l->last)
        l->last = step;
}

/* index[tensor][place] is a life's number + 1; 0 for what nobody writes. */
static void find_lives(const clvits_plan *p, life *lives, int (*index)[CLVITS_MAX_PLACES])
{
    for (int s = 0; s < p->n_steps; s++) {
        const clvits_step *step = &p->steps[s];
        if (!step->node) {
            touch(&lives[index[step->tensor->id][step->from] - 1], s);
            touch(&lives[index[step->tensor->id][step->place] - 1], s);
            continue;
        }
        for (int k = 0; k < CLVITS_MAX_IN; k++)
            if (step->node->in[k] && step->node->in[k]->role != CLVITS_WEIGHT &&
                !p->unread[step->node->in[k]->root->id])
                touch(&lives[index[step->node->in[k]->root->id][step->place] - 1], s);
        for (int k = 0; k < CLVITS_MAX_OUT; k++)
            if (step->node->out[k] && !p->unread[step->node->out[k]->id])
                touch(&lives[index[step->node->out[k]->id][step->place] - 1], s);
    }
}

static int larger_first(const void *a, const void *b)
{
    const life *x = *(life *const *)a, *y = *(life *const *)b;
    if (x->floats != y->floats)
        return x->floats < y->floats ? 1 : -1;
    return x < y ? -1 : 1;
}

static bool meet(const life *a, const life *b)
{
    return a->place == b->place && a->first <= b->last && b->first <= a->last;
}

/* The lowest offset at which l overlaps none of those already placed during its life. */
static int64_t fit(const life *l, life *const *placed, int n)
{
    int64_t offset = 0;
    for (int i = 0; i < n;) {
        const life *o = placed[i];
        if (meet(l, o) && offset < o->offset + o->floats && o->offset < offset + l->floats) {
            offset = o->offset + o->floats;
            i = 0;
        } else {
            i++;
        }
    }
    return offset;
}

static clvits_status lay_out(clvits_plan *p, life *lives, int n, clvits_report *r)
{
    life **order = clvits_arena_array(&p->arena, (size_t)n + 1, sizeof(*order));
    int64_t slack = ALIGN_FLOATS;

    if (!order)
        return clvits_fail_memory(r, "a plan");
    for (int i = 0; i < n; i++) {
        const clvits_tensor *t = p->graph->tensors[lives[i].tensor];
        const size_t bytes = clvits_element_bytes(t, lives[i].place);
        const int64_t rows = (int64_t)SLACK_ROWS * t->C * (int64_t)bytes / (int64_t)sizeof(float);
        order[i] = &lives[i];
        slack = slack > rows ? slack : rows;
    }
    slack = (slack + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    qsort(order, (size_t)n, sizeof(*order), larger_first);
    for (int i = 0; i < n; i++) {
        life *l = order[i];
        const clvits_tensor *t = p->graph->tensors[l->tensor];
        const int64_t each = (int64_t)(sizeof(float) / clvits_element_bytes(t, l->place));
        l->offset = fit(l, order, i);
        p->offset[l->tensor][l->place] = each * (slack + l->offset) + (int64_t)t->guard * t->C;
        p->unshared[l->place] += l->floats;
        if (p->floats[l->place] < 2 * slack + l->offset + l->floats)
            p->floats[l->place] = 2 * slack + l->offset + l->floats;
        if (each * p->floats[l->place] > INT32_MAX)
            return clvits_fail(r, CLVITS_E_MEMORY,
                               "this text and batch need more than %d values at once; use a "
                               "shorter text or smaller batch",
                               INT32_MAX);
    }
    return CLVITS_OK;
}

static clvits_status plan_memory(clvits_plan *p, bool (*there)[CLVITS_MAX_PLACES],
                                 clvits_report *r)
{
    const int T = p->graph->n_tensors;
    life *lives = clvits_arena_array(&p->arena, (size_t)T * CLVITS_MAX_PLACES + 1, sizeof(*lives));
    int(*index)[CLVITS_MAX_PLACES] = clvits_arena_array(&p->arena, (size_t)T + 1, sizeof(*index));
    int n = 0;

    if (!lives || !index)
        return clvits_fail_memory(r, "a plan");
    for (int t = 0; t < T; t++)
        for (int place = 0; place < p->machine->n_places; place++) {
            const clvits_tensor *x = p->graph->tensors[t];
            p->offset[t][place] = -1;
            if (!there[t][place] || p->unread[t])
                continue;
            const int64_t each = (int64_t)(sizeof(float) / clvits_element_bytes(x, place));
            const int64_t line = ALIGN_FLOATS * each;
            const int64_t lines = (x->B * clvits_item_elements(x) + line - 1) / line;
            lives[n] = (life){ .tensor = t, .place = place, .first = p->n_steps, .last = -1,
                               .floats = lines * ALIGN_FLOATS };
            index[t][place] = ++n;
        }
    find_lives(p, lives, index);
    for (int i = 0; i < n; i++) {
        const clvits_tensor *x = p->graph->tensors[lives[i].tensor];
        if (lives[i].place != p->home[lives[i].tensor])
            continue;
        if (x->role == CLVITS_INPUT)
            touch(&lives[i], 0);
        if (x->output)
            touch(&lives[i], p->n_steps);
        if (x->role == CLVITS_INPUT && x->output)
            touch(&lives[i], 0);
    }
    return lay_out(p, lives, n, r);
}

/* Room for what a copy to that place cannot take as it lies: from a device, or to be rounded. */
static void stage(clvits_plan *p, const clvits_tensor *t, int from, int to)
{
    const int64_t floats = t->B * clvits_item_elements(t);

    if (to && (from || t->type == CLVITS_F16) && floats > p->staging)
        p->staging = floats;
}

/* A weight of step i did not fit: how much of the device's memory all of them are, those of later
 * steps among them, and how much there would have to be with this plan and all else. */
static void note_wanted(const clvits_plan *p, clvits_packed_weights *w, int i, clvits_report *r)
{
    const int place = p->steps[i].place;
    size_t more = 0;

    if (r->status != CLVITS_E_MEMORY || !r->device)
        return;
    for (; i < p->n_steps; i++) {
        const clvits_node *n = p->steps[i].place == place ? p->steps[i].node : NULL;
        const clvits_target at = n ? node_target(p, n) : (clvits_target){ 0 };
        for (int k = 0; n && k < CLVITS_MAX_IN; k++)
            if (n->in[k] && n->in[k]->role == CLVITS_WEIGHT)
                more += clvits_packed_weights_more(w, n, k, &at);
    }
    r->weights = clvits_packed_weights_there(w, place) + more;
    r->wanted = clvits_device_bytes(r->device) + more + clvits_plan_bytes(p, place);
}

static clvits_status settle_steps(clvits_plan *p, clvits_packed_weights *w, clvits_report *r)
{
    for (int i = 0; i < p->n_steps; i++) {
        clvits_step *step = &p->steps[i];

        if (!step->node) {
            stage(p, step->tensor, step->from, step->place);
            continue;
        }
        const clvits_target at = node_target(p, step->node);
        step->dims = clvits_plan_dims(p, step->node, &at);
        if (!step->dims)
            return clvits_fail_memory(r, "a plan");
        step->tuned = tuned_row(step->node, &at);
        for (int k = 0; k < CLVITS_MAX_IN; k++) {
            if (!step->node->in[k] || step->node->in[k]->role != CLVITS_WEIGHT)
                continue;
            const clvits_status s =
                clvits_packed_weights_get(w, step->node, k, &at, &step->weight[k], r);
            if (s) {
                note_wanted(p, w, i, r);
                return s;
            }
        }
        if (step->place != CLVITS_CPU_PLACE) {
            step->launch.dimensions = 1;
            step->node->op->launch(step->node, &at, step->dims, &step->launch);
        }
    }
    return CLVITS_OK;
}

/* What says where nodes run. */
typedef struct rule {
    const char *text;        /* as clvits_plan_make() has it */
    unsigned barred;         /* with it, */
    const clvits_use *uses;  /* and this */
    const clvits_plan *like; /* or as they do there */
    const clvits_target *at; /* or here */
} rule;

static clvits_status place_nodes(clvits_plan *p, const rule *by, clvits_report *r)
{
    const int n = p->graph->n_nodes;

    if (by->like) {
        memcpy(p->place, by->like->place, (size_t)n * sizeof(*p->place));
        memcpy(p->variant, by->like->variant, (size_t)n * sizeof(*p->variant));
    } else if (by->at) {
        for (int i = 0; i < n; i++) {
            p->place[i] = by->at->place;
            p->variant[i] = (unsigned char)by->at->variant;
        }
    } else {
        return clvits_plan_place_nodes(p, by->text, by->uses, r);
    }
    return CLVITS_OK;
}

static clvits_status make(clvits_plan **out, const clvits_graph *g, const clvits_machine *m,
                          clvits_packed_weights *w, const rule *by, clvits_report *r)
{
    clvits_plan *p = calloc(1, sizeof(*p));
    clvits_status s = CLVITS_OK;

    *out = NULL;
    if (!p)
        return clvits_fail_memory(r, "a plan");
    p->graph = g;
    p->machine = m;
    p->barred = by->like ? by->like->barred : by->barred;
    const size_t T = (size_t)g->n_tensors + 1, N = (size_t)g->n_nodes + 1;
    bool(*there)[CLVITS_MAX_PLACES] = clvits_arena_array(&p->arena, T, sizeof(*there));
    p->place = clvits_arena_array(&p->arena, N, sizeof(*p->place));
    p->variant = clvits_arena_array(&p->arena, N, sizeof(*p->variant));
    p->home = clvits_arena_array(&p->arena, T, sizeof(*p->home));
    p->offset = clvits_arena_array(&p->arena, T, sizeof(*p->offset));
    p->raw = clvits_arena_array(&p->arena, N, sizeof(*p->raw));
    p->unread = clvits_arena_array(&p->arena, T, sizeof(*p->unread));
    p->steps = clvits_arena_array(&p->arena, N * (1 + CLVITS_MAX_IN), sizeof(*p->steps));
    if (!there || !p->place || !p->variant || !p->home || !p->offset || !p->raw || !p->unread ||
        !p->steps)
        s = clvits_fail_memory(r, "a plan");
    for (size_t i = 0; !s && i < T; i++)
        p->home[i] = -1;

    if (!s)
        s = place_nodes(p, by, r);
    if (!s) {
        drop_copies(p, r);
        list_steps(p, there);
        s = plan_memory(p, there, r);
    }
    /* An input may be copied from a run that has it on another device. */
    const bool others = m->n_places > 2;
    for (int i = 0; !s && i < g->n_tensors; i++)
        if (g->tensors[i]->role == CLVITS_INPUT)
            stage(p, g->tensors[i], others, p->home[i]);
    if (!s)
        s = settle_steps(p, w, r);
    if (!s && clvits_stopped(r))
        s = r->status;
    if (clvits_trust_proves(m))
        clvits_trust_keep(m, r);
    if (s)
        clvits_plan_free(&p);
    *out = p;
    return s;
}

clvits_status clvits_plan_make(clvits_plan **out, const clvits_graph *g, const clvits_machine *m,
                               clvits_packed_weights *w, const char *place, clvits_report *r)
{
    return make(out, g, m, w, &(rule){ .text = place }, r);
}

clvits_status clvits_plan_make_without(clvits_plan **out, const clvits_graph *g,
                                       const clvits_machine *m, clvits_packed_weights *w,
                                       const char *place, unsigned barred, const clvits_use *uses,
                                       clvits_report *r)
{
    return make(out, g, m, w, &(rule){ .text = place, .barred = barred, .uses = uses }, r);
}

clvits_status clvits_plan_make_like(clvits_plan **out, const clvits_graph *g,
                                    const clvits_plan *like, clvits_packed_weights *w,
                                    clvits_report *r)
{
    return make(out, g, like->machine, w, &(rule){ .like = like }, r);
}

clvits_status clvits_plan_make_at(clvits_plan **out, const clvits_graph *g, const clvits_machine *m,
                                  clvits_packed_weights *w, const clvits_target *at,
                                  clvits_report *r)
{
    return make(out, g, m, w, &(rule){ .at = at }, r);
}

void clvits_plan_free(clvits_plan **plan)
{
    if (!*plan)
        return;
    clvits_arena_free(&(*plan)->arena);
    free(*plan);
    *plan = NULL;
}

int clvits_plan_place(const clvits_plan *p, const clvits_node *n)
{
    return p->place[n->id];
}

int clvits_plan_variant(const clvits_plan *p, const clvits_node *n)
{
    return p->variant[n->id];
}

int clvits_plan_device(const clvits_plan *p)
{
    int place = CLVITS_CPU_PLACE;

    for (int i = 0; i < p->graph->n_nodes; i++)
        if (p->place[i] != CLVITS_CPU_PLACE && (!place || p->place[i] < place))
            place = p->place[i];
    return place;
}

size_t clvits_plan_bytes(const clvits_plan *p, int place)
{
    return (size_t)p->floats[place] * sizeof(float);
}

size_t clvits_plan_bytes_unshared(const clvits_plan *p, int place)
{
    return (size_t)p->unshared[place] * sizeof(float);
}

int clvits_plan_launches(const clvits_plan *p)
{
    return p->n_steps - p->n_copies;
}

int clvits_plan_copies(const clvits_plan *p)
{
    return p->n_copies;
}
