// SPDX-License-Identifier: MIT
//
// A placed graph as a cluster of Graphviz text: a box per node in the colour of its place, within
// boxes for the parts of the model; what the caller writes and reads as ellipses; red where a
// value goes from one place to another.
#include "graph/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct writer {
    const clvits_plan *plan;
    const char *name;
    clvits_write_fn write;
    void *user;
    clvits_report *report;
    clvits_status status;
} writer;

__attribute__((format(printf, 2, 3))) static void put(writer *w, const char *format, ...)
{
    char text[1024];
    va_list args;

    if (w->status)
        return;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    w->status = n < 0 || (size_t)n >= sizeof(text)
                    ? clvits_fail(w->report, CLVITS_E_UNSUPPORTED, "a node's text is too long")
                    : w->write(w->user, text, (size_t)n, w->report);
}

/* Text within quotes. */
static void put_text(writer *w, const char *text)
{
    for (; *text; text++)
        put(w, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

static const char *colour(int place)
{
    static const char *const colours[CLVITS_MAX_PLACES] = { "#ffe0b0", "#bfe0ff", "#c8f0c0",
                                                            "#e4d0f8", "#f8d0e0" };
    return colours[place];
}

static const clvits_step *step_of(const clvits_plan *p, const clvits_node *n)
{
    for (int i = 0; i < p->n_steps; i++)
        if (p->steps[i].node == n)
            return &p->steps[i];
    return NULL;
}

static void put_place(writer *w, int place)
{
    const clvits_machine *m = w->plan->machine;

    put_text(w, place ? clvits_device_get_info(m->device[place])->name : m->cpu.name);
}

/* Whether a and b belong to one part of the model: labels agree up to the first dot. */
static bool same_part(const clvits_node *a, const clvits_node *b)
{
    const size_t n = strcspn(a->label, ".");
    return n == strcspn(b->label, ".") && !strncmp(a->label, b->label, n);
}

static void put_node(writer *w, const clvits_node *n)
{
    const clvits_step *step = step_of(w->plan, n);
    char shape[CLVITS_TRACE_SHAPE];
    clvits_span span;

    clvits_node_describe(&span, shape, n, clvits_plan_place(w->plan, n), NULL);
    put(w, "      %s_%d [label=\"%d %s\\n", w->name, n->id, n->id, n->op->name);
    put_text(w, n->label);
    put(w, "\\n");
    put_text(w, shape);
    put(w, "\\n%.3g MFLOP, %.3g MB", span.flops * 1e-6, span.bytes * 1e-6);
    put(w, "\", fillcolor=\"%s\", tooltip=\"", colour(clvits_plan_place(w->plan, n)));
    put_place(w, clvits_plan_place(w->plan, n));
    if (step && step->launch.kernel) {
        put(w, ", ");
        put_text(w, step->launch.kernel);
        put(w, " ");
        put_text(w, step->launch.options);
    }
    put(w, "\"];\n");
}

static void put_parts(writer *w)
{
    const clvits_graph *g = w->plan->graph;

    for (int i = 0, parts = 0; i < g->n_nodes; i++) {
        int first = 0;
        while (!same_part(g->nodes[first], g->nodes[i]))
            first++;
        if (first < i)
            continue;
        put(w, "    subgraph cluster_%s_%d {\n      style=\"rounded,filled\"; color=\"#f0f0f0\";\n"
               "      label=\"", w->name, parts++);
        put(w, "%.*s\";\n", (int)strcspn(g->nodes[i]->label, "."), g->nodes[i]->label);
        for (int k = i; k < g->n_nodes; k++)
            if (same_part(g->nodes[i], g->nodes[k]))
                put_node(w, g->nodes[k]);
        put(w, "    }\n");
    }
}

static void put_ends(writer *w)
{
    const clvits_graph *g = w->plan->graph;

    for (int i = 0; i < g->n_tensors; i++) {
        const clvits_tensor *t = g->tensors[i];
        if (t->root != t || (t->role != CLVITS_INPUT && !t->output))
            continue;
        put(w, "    %s_t%d [label=\"%s (%d,%d,%d)\", shape=ellipse, fillcolor=white];\n", w->name,
            t->id, t->role == CLVITS_INPUT ? "input" : "result", t->B, t->T, t->C);
        if (t->producer)
            put(w, "    %s_%d -> %s_t%d;\n", w->name, t->producer->id, w->name, t->id);
    }
}

/* Whether this node is the first on its place to read t, for which the plan copies it. */
static bool reads_first(const writer *w, const clvits_node *n, const clvits_tensor *t)
{
    for (int i = 0; i < n->id; i++) {
        const clvits_node *other = w->plan->graph->nodes[i];
        for (int k = 0; k < CLVITS_MAX_IN; k++)
            if (other->in[k] && other->in[k]->root == t &&
                clvits_plan_place(w->plan, other) == clvits_plan_place(w->plan, n))
                return false;
    }
    return true;
}

static void put_edges(writer *w, const clvits_node *n)
{
    const int place = clvits_plan_place(w->plan, n);

    for (int k = 0; k < CLVITS_MAX_IN; k++) {
        if (!n->in[k] || n->in[k]->role == CLVITS_WEIGHT)
            continue;
        const clvits_tensor *t = n->in[k]->root;
        if (t->producer)
            put(w, "    %s_%d -> %s_%d", w->name, t->producer->id, w->name, n->id);
        else
            put(w, "    %s_t%d -> %s_%d", w->name, t->id, w->name, n->id);
        if (w->plan->home[t->id] != place && reads_first(w, n, t))
            put(w, " [color=red, fontcolor=red, label=\"copy, %.3g MB\"]",
                1e-6 * (double)(t->B * clvits_item_elements(t)) *
                    (double)clvits_element_bytes(t, place));
        else if (w->plan->home[t->id] != place)
            put(w, " [color=red]");
        put(w, ";\n");
    }
}

static void put_legend(writer *w)
{
    for (int i = 0; i < w->plan->machine->n_places; i++) {
        put(w, "    %s_place%d [shape=note, label=\"", w->name, i);
        put_place(w, i);
        put(w, "\", fillcolor=\"%s\"];\n", colour(i));
    }
}

clvits_status clvits_plan_dot(const clvits_plan *p, const char *name, clvits_write_fn write,
                              void *user, clvits_report *r)
{
    writer w = { .plan = p, .name = name, .write = write, .user = user, .report = r };

    put(&w, "  subgraph cluster_%s {\n    label=\"%s: %d nodes, %d copies\";\n", name, name,
        clvits_plan_launches(p), clvits_plan_copies(p));
    put_legend(&w);
    put_parts(&w);
    put_ends(&w);
    for (int i = 0; i < p->graph->n_nodes; i++)
        put_edges(&w, p->graph->nodes[i]);
    put(&w, "  }\n");
    return w.status;
}
