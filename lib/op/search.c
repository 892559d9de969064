// SPDX-License-Identifier: MIT
#include "graph/build.h"

#include <stdio.h>

/* What cl/search.cl is written for. */
enum { GPU_GROUP = 64, GPU_LOCAL = 8 * 1024 };

static bool is_clock(const clvits_node *n, int clock)
{
    return clvits_graph_capacity(n->graph, clock) > 0;
}

static clvits_status search_shape(clvits_node *n, clvits_report *r)
{
    const clvits_search_params *p = n->params;
    const clvits_tensor *x = n->in[0];

    if (x->type != CLVITS_F32 || x->role == CLVITS_WEIGHT || x->clock != p->frames ||
        !is_clock(n, p->text))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: search wants values (B,F,T) and the clock of "
                                              "their columns, not %d", n->label, p->text);
    const int words = clvits_graph_clock_of(n->graph, x->clock, 1, SEARCH_FRAMES - 1,
                                            SEARCH_FRAMES);
    const int columns = (x->C + SEARCH_FRAMES - 1) / SEARCH_FRAMES * SEARCH_FRAMES;
    return clvits_graph_output(n, 0, CLVITS_I32, words, columns, r);
}

static void search_dims_of(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_search_params *p = n->params;

    *(search_dims *)dims = (search_dims){
        .B = n->in[0]->B,
        .T = n->in[0]->C,
        .C = n->out[0]->C,
        .text = p->text,
        .frames = p->frames,
        .value = clvits_node_view(at, n->in[0]),
        .bits = clvits_node_view(at, n->out[0]),
    };
}

static void search_launch(const clvits_node *n, const clvits_target *at, const void *dims,
                          clvits_launch *l)
{
    const clvits_device_info *info = clvits_device_get_info(at->device);
    const search_dims *d = dims;
    const bool groups = (info->family == CLVITS_FAMILY_GPU) == !at->variant &&
                        info->local_memory >= GPU_LOCAL &&
                        clvits_device_work_group(at->device, GPU_GROUP) == GPU_GROUP;

    (void)n;
    l->program = "search";
    l->kernel = groups ? "search" : "search_lanes";
    snprintf(l->options, sizeof(l->options), "-DKERNEL=%d", groups ? 1 : 2);
    l->local[0] = groups ? GPU_GROUP : 1;
    l->global[0] = (size_t)d->B * l->local[0];
}

/* Two comparisons and a sum of each cell. */
static double search_flops(const clvits_node *n, const int *lengths)
{
    const clvits_search_params *p = n->params;
    return 3.0 * clvits_work_block(n->in[0], p->text, lengths);
}

/* Columns are symbols of the text. */
static double search_bytes(const clvits_node *n, int place, const int *lengths)
{
    const clvits_search_params *p = n->params;

    (void)place;
    return sizeof(float) * (clvits_work_block(n->in[0], p->text, lengths) +
                            clvits_work_block(n->out[0], p->text, lengths));
}

const clvits_op clvits_op_search = {
    .name = "search",
    .inputs = 1,
    .outputs = 1,
    .params_size = sizeof(clvits_search_params),
    .dims_size = sizeof(search_dims),
    .shape = search_shape,
    .dims = search_dims_of,
    .cpu = CLVITS_CPU_SEARCH,
    .launch = search_launch,
    .flops = search_flops,
    .bytes = search_bytes,
};

static clvits_status backtrack_shape(clvits_node *n, clvits_report *r)
{
    const clvits_search_params *p = n->params;
    const clvits_tensor *x = n->in[0];

    if (x->type != CLVITS_I32 || !is_clock(n, p->text) || !is_clock(n, p->frames) ||
        (int64_t)x->T * SEARCH_FRAMES < clvits_graph_capacity(n->graph, p->frames))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: backtrack wants the words of a search and the "
                                              "clocks of text and frames", n->label);
    const clvits_status s = clvits_graph_output(n, 0, CLVITS_I32, p->text, 1, r);
    return s ? s : clvits_graph_output(n, 1, CLVITS_I32, p->text, 1, r);
}

static void backtrack_dims_of(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_search_params *p = n->params;

    *(backtrack_dims *)dims = (backtrack_dims){
        .B = n->in[0]->B,
        .T = n->in[0]->C,
        .text = p->text,
        .frames = p->frames,
        .bits = clvits_node_view(at, n->in[0]),
        .y = clvits_node_view(at, n->out[0]),
        .ends = clvits_node_view(at, n->out[1]),
    };
}

static void backtrack_launch(const clvits_node *n, const clvits_target *at, const void *dims,
                             clvits_launch *l)
{
    (void)n;
    (void)at;
    l->program = "search";
    l->kernel = "backtrack";
    snprintf(l->options, sizeof(l->options), "-DKERNEL=3");
    l->local[0] = 1;
    l->global[0] = (size_t)((const backtrack_dims *)dims)->B;
}

/* A step per column, and one per word of its frames. */
static double backtrack_flops(const clvits_node *n, const int *lengths)
{
    return clvits_work_rows(n->out[0], lengths) + clvits_work_rows(n->in[0], lengths);
}

static double backtrack_bytes(const clvits_node *n, int place, const int *lengths)
{
    const clvits_search_params *p = n->params;

    (void)place;
    return sizeof(int) * (clvits_work_block(n->in[0], p->text, lengths) +
                          clvits_work_cells(n->out[0], lengths) +
                          clvits_work_cells(n->out[1], lengths));
}

const clvits_op clvits_op_backtrack = {
    .name = "backtrack",
    .inputs = 1,
    .outputs = 2,
    .params_size = sizeof(clvits_search_params),
    .dims_size = sizeof(backtrack_dims),
    .shape = backtrack_shape,
    .dims = backtrack_dims_of,
    .cpu = CLVITS_CPU_BACKTRACK,
    .launch = backtrack_launch,
    .flops = backtrack_flops,
    .bytes = backtrack_bytes,
};

clvits_tensor *clvits_search(clvits_tensor *value, int text, clvits_tensor **ends)
{
    const clvits_search_params p = { text, value ? value->clock : 0 };
    clvits_tensor *bits = clvits_graph_first(clvits_graph_call(&clvits_op_search, &value, 1, 1,
                                                               &p));

    return clvits_graph_both(clvits_graph_call(&clvits_op_backtrack, &bits, 1, 1, &p), ends);
}

/* A 1x1 convolution to one channel, whose weights are the same for each half of x's channels. */
static clvits_tensor *row_sum(clvits_graph *g, clvits_tensor *x, float first, float second,
                              float bias)
{
    if (!x)
        return NULL;
    float *w = clvits_arena_array(&g->arena, (size_t)x->C + 1, sizeof(*w));
    if (!w) {
        clvits_graph_fail(g, CLVITS_E_MEMORY, "no memory for the sums of an alignment");
        return NULL;
    }
    for (int c = 0; c < x->C; c++)
        w[c] = c < x->C / 2 ? first : second;
    w[x->C] = bias;
    return clvits_conv1d(x, clvits_graph_constant(g, w, 3, (int64_t[]){ 1, x->C, 1 }),
                         clvits_graph_constant(g, w + x->C, 1, (int64_t[]){ 1 }),
                         &(clvits_conv1d_params){ .dilation = 1 }, NULL);
}

static clvits_tensor *scaled(clvits_tensor *x, clvits_unary_kind kind, float a)
{
    return clvits_unary(x, &(clvits_unary_params){ .kind = kind, .a = a });
}

clvits_tensor *clvits_likelihood(clvits_tensor *z, clvits_tensor *m, clvits_tensor *logs)
{
    const double log_two_pi = 1.8378770664093454836;

    if (!z || !m || !logs)
        return NULL;
    clvits_graph *g = z->graph;
    /* -1/2 (z² s + z (-2 m s) + Σ (m² s + 2 logs + log 2π)), s = exp(-2 logs) */
    clvits_tensor *s = scaled(scaled(logs, CLVITS_SCALE, -2.0f), CLVITS_EXP, 0.0f);
    clvits_tensor *ms = clvits_binary(m, s, CLVITS_MUL), *mms = clvits_binary(m, ms, CLVITS_MUL);
    clvits_tensor *rest = row_sum(g, clvits_concat(logs, mms), 2.0f, 1.0f,
                                  (float)(log_two_pi * m->C));
    clvits_tensor *ones = row_sum(g, z, 0.0f, 0.0f, 1.0f);
    clvits_tensor *a = clvits_concat(clvits_concat(clvits_binary(z, z, CLVITS_MUL), z), ones);
    clvits_tensor *b = clvits_concat(clvits_concat(s, scaled(ms, CLVITS_SCALE, -2.0f)), rest);

    return clvits_matmul(a, b, &(clvits_matmul_params){ .transpose_b = true, .scale = -0.5f });
}
