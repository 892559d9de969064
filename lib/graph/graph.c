// SPDX-License-Identifier: MIT
#include "graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 4096, MAX_ROWS = 1 << 26, MAX_CHANNELS = 1 << 20 };

clvits_status clvits_graph_open(clvits_graph **out, int batch, clvits_report *r)
{
    *out = NULL;
    if (batch < 1 || batch > MAX_BATCH)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "a batch of %d items; give 1 to %d", batch,
                           MAX_BATCH);
    clvits_graph *g = calloc(1, sizeof(*g));
    if (!g)
        return clvits_fail_memory(r, "a graph");
    g->batch = batch;
    g->label = "";
    g->clocks[0] = (struct clvits_clock){ .parent = -1, .capacity = 1 };
    g->n_clocks = 1;
    *out = g;
    return CLVITS_OK;
}

void clvits_graph_close(clvits_graph **graph)
{
    if (!*graph)
        return;
    free((*graph)->nodes);
    free((*graph)->tensors);
    clvits_arena_free(&(*graph)->arena);
    free(*graph);
    *graph = NULL;
}

void clvits_graph_fail(clvits_graph *g, clvits_status status, const char *format, ...)
{
    char text[sizeof(g->failure.text)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    clvits_fail(&g->failure, status, "%s", text);
}

static int add_clock(clvits_graph *g, struct clvits_clock c)
{
    if (c.capacity < 1 || c.capacity > MAX_ROWS) {
        clvits_graph_fail(g, CLVITS_E_SHAPE, "%s: a capacity of %d rows", g->label, c.capacity);
        return -1;
    }
    for (int i = 1; i < g->n_clocks && c.parent >= 0; i++) {
        const struct clvits_clock *k = &g->clocks[i];
        if (k->parent == c.parent && k->mul == c.mul && k->add == c.add && k->div == c.div)
            return i;
    }
    if (g->n_clocks == CLVITS_MAX_CLOCKS) {
        clvits_graph_fail(g, CLVITS_E_UNSUPPORTED, "more than %d lengths in one graph",
                          CLVITS_MAX_CLOCKS);
        return -1;
    }
    g->clocks[g->n_clocks] = c;
    return g->n_clocks++;
}

int clvits_graph_clock(clvits_graph *g, int capacity)
{
    return add_clock(g, (struct clvits_clock){ .parent = -1, .capacity = capacity });
}

int clvits_graph_clock_of(clvits_graph *g, int parent, int mul, int add, int div)
{
    if (parent < 0 || parent >= g->n_clocks)
        return -1;
    if (mul == div && add >= 0 && add < div)
        return parent;
    const int64_t rows = ((int64_t)g->clocks[parent].capacity * mul + add) / div;
    if (rows < 1 || rows > MAX_ROWS) {
        clvits_graph_fail(g, CLVITS_E_SHAPE, "%s: %lld rows out of %d", g->label, (long long)rows,
                          g->clocks[parent].capacity);
        return -1;
    }
    return add_clock(g, (struct clvits_clock){ parent, mul, add, div, (int)rows });
}

int clvits_graph_capacity(const clvits_graph *g, int clock)
{
    return clock >= 0 && clock < g->n_clocks ? g->clocks[clock].capacity : 0;
}

int clvits_graph_batch(const clvits_graph *g)
{
    return g->batch;
}

int clvits_graph_scalar(clvits_graph *g, int n)
{
    const int slot = CLVITS_MAX_CLOCKS + g->n_scalars;
    if (g->n_scalars + n > CLVITS_MAX_SCALARS) {
        clvits_graph_fail(g, CLVITS_E_UNSUPPORTED, "more than %d scalars in one graph",
                          CLVITS_MAX_SCALARS);
        return CLVITS_MAX_CLOCKS;
    }
    g->n_scalars += n;
    return slot;
}

/* Room for one more pointer in a growing list. */
static bool reserve(void *list, int n, int *capacity)
{
    void **p = *(void ***)list;
    if (n < *capacity)
        return true;
    const int more = *capacity ? *capacity * 2 : 64;
    p = realloc(p, (size_t)more * sizeof(*p));
    if (!p)
        return false;
    *(void ***)list = p;
    *capacity = more;
    return true;
}

static clvits_tensor *add_tensor(clvits_graph *g, clvits_tensor t)
{
    clvits_tensor *p = clvits_arena_alloc(&g->arena, sizeof(*p));

    if (!p || !reserve(&g->tensors, g->n_tensors, &g->cap_tensors)) {
        clvits_fail_memory(&g->failure, "a graph's tensors");
        return NULL;
    }
    *p = t;
    p->graph = g;
    p->id = g->n_tensors;
    if (!p->root)
        p->root = p;
    g->tensors[g->n_tensors++] = p;
    return p;
}

static clvits_tensor *add_rows(clvits_graph *g, clvits_type type, clvits_role role, int clock,
                               int channels)
{
    if (clock < 0 || clock >= g->n_clocks || channels < 1 || channels > MAX_CHANNELS ||
        (int64_t)g->batch * g->clocks[clock].capacity * channels > INT32_MAX / 4) {
        clvits_graph_fail(g, CLVITS_E_SHAPE, "%s: a tensor of %d items, %d rows and %d channels is "
                                             "too large", g->label, g->batch,
                          clvits_graph_capacity(g, clock), channels);
        return NULL;
    }
    return add_tensor(g, (clvits_tensor){ .type = type,
                                          .role = role,
                                          .B = g->batch,
                                          .T = g->clocks[clock].capacity,
                                          .C = channels,
                                          .clock = clock });
}

clvits_tensor *clvits_graph_input(clvits_graph *g, clvits_type type, int clock, int channels)
{
    return add_rows(g, type, CLVITS_INPUT, clock, channels);
}

clvits_tensor *clvits_graph_weight(clvits_graph *g, const float *data, int rank,
                                   const int64_t *shape)
{
    clvits_tensor t = { .role = CLVITS_WEIGHT, .data = data, .rank = rank };

    if (!data || rank < 1 || rank > 4) {
        clvits_graph_fail(g, CLVITS_E_SHAPE, "%s: a weight of rank %d", g->label, rank);
        return NULL;
    }
    memcpy(t.shape, shape, (size_t)rank * sizeof(*shape));
    return add_tensor(g, t);
}

static uint64_t hash_bytes(uint64_t h, const void *data, size_t size)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

clvits_tensor *clvits_graph_constant(clvits_graph *g, const float *data, int rank,
                                     const int64_t *shape)
{
    clvits_tensor *t = clvits_graph_weight(g, data, rank, shape);
    int64_t n = 1;

    if (!t)
        return NULL;
    for (int i = 0; i < rank; i++)
        n *= shape[i];
    t->content = hash_bytes(0xcbf29ce484222325u, shape, (size_t)rank * sizeof(*shape));
    t->content = hash_bytes(t->content, data, (size_t)n * sizeof(*data)) | 1;
    return t;
}

clvits_tensor *clvits_graph_weight_parts(clvits_graph *g, const clvits_weight_part *parts, int n,
                                         int rank, const int64_t *shape)
{
    const size_t size = (size_t)(n > 0 ? n : 0) * sizeof(*parts);
    clvits_weight_part *copy = clvits_arena_alloc(&g->arena, size);
    clvits_tensor t = { .role = CLVITS_WEIGHT, .parts = copy, .n_parts = n, .rank = rank };
    int64_t rows = 0;

    for (int i = 0; i < n; i++)
        rows += parts[i].rows;
    if (n < 1 || rank < 1 || rank > 4 || rows != shape[0]) {
        clvits_graph_fail(g, CLVITS_E_SHAPE, "%s: a weight of %d parts with %lld rows", g->label, n,
                          (long long)rows);
        return NULL;
    }
    if (!copy) {
        clvits_fail_memory(&g->failure, "a graph's weights");
        return NULL;
    }
    memcpy(copy, parts, size);
    memcpy(t.shape, shape, (size_t)rank * sizeof(*shape));
    return add_tensor(g, t);
}

clvits_tensor *clvits_graph_slice(clvits_tensor *x, int c0, int n)
{
    if (!x)
        return NULL;
    if (x->role == CLVITS_WEIGHT || c0 < 0 || n < 1 || c0 + n > x->C) {
        clvits_graph_fail(x->graph, CLVITS_E_SHAPE, "%s: channels %d to %d of %d", x->graph->label,
                          c0, c0 + n, x->C);
        return NULL;
    }
    clvits_tensor t = *x;
    t.C = n;
    t.c0 = x->c0 + c0;
    t.output = false;
    return add_tensor(x->graph, t);
}

clvits_tensor *clvits_graph_keep(clvits_tensor *x)
{
    if (x)
        x->root->output = true;
    return x;
}

void clvits_graph_label(clvits_graph *g, const char *format, ...)
{
    char text[128];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const char *label = clvits_arena_text(&g->arena, text, strlen(text));
    if (label)
        g->label = label;
}

void clvits_graph_halves(clvits_graph *g, int halves)
{
    g->halves = halves;
}

clvits_type clvits_graph_float(const clvits_node *n)
{
    return n->halves & CLVITS_HALF_TENSORS ? CLVITS_F16 : CLVITS_F32;
}

clvits_status clvits_graph_output(clvits_node *n, int i, clvits_type type, int clock, int channels,
                                  clvits_report *r)
{
    (void)r;
    n->out[i] = add_rows(n->graph, type, CLVITS_TEMPORARY, clock, channels);
    if (!n->out[i])
        return n->graph->failure.status;
    n->out[i]->producer = n;
    return CLVITS_OK;
}

clvits_node *clvits_graph_add(clvits_graph *g, const clvits_op *op, clvits_tensor *const *in,
                              int n_in, const void *params)
{
    if (g->failure.status)
        return NULL;
    clvits_node *n = clvits_arena_alloc(&g->arena, sizeof(*n));
    void *copy = clvits_arena_alloc(&g->arena, op->params_size);
    if (!n || !copy || !reserve(&g->nodes, g->n_nodes, &g->cap_nodes)) {
        clvits_fail_memory(&g->failure, "a graph's nodes");
        return NULL;
    }
    if (op->params_size)
        memcpy(copy, params, op->params_size);
    n->op = op;
    n->graph = g;
    n->id = g->n_nodes;
    n->label = g->label;
    n->params = copy;
    n->halves = g->halves;
    for (int i = 0; i < n_in; i++)
        n->in[i] = in[i];
    if (op->shape(n, &g->failure))
        return NULL;
    g->nodes[g->n_nodes++] = n;
    return n;
}

clvits_node *clvits_graph_call(const clvits_op *op, clvits_tensor *const *in, int n_in,
                               int required, const void *params)
{
    for (int i = 0; i < required; i++)
        if (!in[i])
            return NULL;
    return clvits_graph_add(in[0]->graph, op, in, n_in, params);
}

clvits_tensor *clvits_graph_first(const clvits_node *n)
{
    return n ? n->out[0] : NULL;
}

clvits_tensor *clvits_graph_both(const clvits_node *n, clvits_tensor **second)
{
    if (second)
        *second = n ? n->out[1] : NULL;
    return clvits_graph_first(n);
}

clvits_status clvits_graph_finish(clvits_graph *g, clvits_report *r)
{
    if (g->failure.status)
        return clvits_fail(r, g->failure.status, "%s", g->failure.text);
    for (int i = 0; i < g->n_nodes; i++) {
        const clvits_node *n = g->nodes[i];
        for (int k = 0; k < CLVITS_MAX_IN; k++) {
            const int guard = n->in[k] && n->op->guard ? n->op->guard(n, k) : 0;
            if (guard > 0 && n->in[k]->root->guard < guard)
                n->in[k]->root->guard = guard;
        }
    }
    g->finished = true;
    return CLVITS_OK;
}
