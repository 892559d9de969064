// SPDX-License-Identifier: MIT
#include "io/onnx_module.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 64, MAX_FLOWS = 32 };

/* What a convolution must be; 0 accepts any, and "same" padding is meant. */
typedef struct want {
    int in, out, kernel, dilation, group;
} want;

static clvits_status check(onnx_reader *g, const onnx_conv *c, const want *w, const char *module)
{
    const int reach = (c->kernel - 1) * c->dilation;
    const int dilation = w->dilation ? w->dilation : 1, group = w->group ? w->group : 1;

    if (g->status)
        return g->status;
    if (c->transposed || c->stride != 1 || (w->in && c->in != w->in) ||
        (w->out && c->out != w->out) || (w->kernel && c->kernel != w->kernel) ||
        c->dilation != dilation || c->group != group)
        return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                                "'%s' takes %d to %d channels with kernel %d, dilation %d and %d "
                                "groups, which is not what a VITS voice has there",
                                module, c->in, c->out, c->kernel, c->dilation, c->group);

    const onnx_node *before = clvits_onnx_producer(g, clvits_onnx_input(c->node, 0));
    const int padded_before =
        !c->pad_left && !c->pad_right && before && clvits_onnx_is(before, "Pad");
    if (!padded_before && (c->pad_left != reach / 2 || c->pad_right != reach - reach / 2))
        return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                                "'%s' pads by %d and %d samples, not to the same length", module,
                                c->pad_left, c->pad_right);
    return CLVITS_OK;
}

/* Take the convolution prefix.name and demand what it must be. */
static onnx_conv take(onnx_reader *g, want w, const char *prefix, const char *name)
{
    char module[160];
    onnx_conv c;

    snprintf(module, sizeof(module), "%s.%s", prefix, name);
    clvits_onnx_take_conv(g, &c, "%s", module);
    check(g, &c, &w, module);
    return c;
}

static onnx_conv take_numbered(onnx_reader *g, want w, const char *prefix, const char *name, int i)
{
    char numbered[64];

    snprintf(numbered, sizeof(numbered), "%s.%d", name, i);
    return take(g, w, prefix, numbered);
}

/* How many modules called by the format there are, with the numbers 0, step, 2 step, ... */
static int count(const onnx_reader *g, const char *prefix, const char *suffix, int step)
{
    int n = 0;

    while (n < MAX_LAYERS && clvits_onnx_find_module(g, "%s.%d%s", prefix, n * step, suffix))
        n++;
    return n;
}

static clvits_status take_table(onnx_reader *g, clvits_array *a, const onnx_node *n,
                                const char *name)
{
    const onnx_tensor *t = n ? clvits_onnx_constant(g, clvits_onnx_input(n, 0)) : NULL;

    if (g->status)
        return g->status;
    if (!t)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "'%s' is missing: not a VITS voice", name);
    if (clvits_onnx_array(g, a, t))
        return g->status;
    if (a->rank != 2)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "'%s' has %d axes, not 2", name, a->rank);
    return clvits_onnx_add(g, a, name);
}

/* The input of the graph that indexes a stored table, or NULL. */
static const char *table_index(const onnx_reader *g, const onnx_node *n)
{
    const onnx_tensor *t =
        clvits_onnx_is(n, "Gather") ? clvits_onnx_constant(g, clvits_onnx_input(n, 0)) : NULL;
    const char *index = clvits_onnx_source(g, clvits_onnx_input(n, 1));

    if (!t || t->n_dims != 2 || clvits_onnx_constant(g, index))
        return NULL;
    for (size_t k = 0; k < g->graph->n_input; k++)
        if (!strcmp(g->graph->input[k]->name, index))
            return index;
    return NULL;
}

/*
 * A table is known by the input that indexes it: its own name may be anything (a single-speaker
 * export calls the symbols `sid`).
 */
static clvits_status take_embeddings(onnx_reader *g, clvits_config *c)
{
    const onnx_node *symbols = NULL, *speakers = NULL, *languages = NULL;
    clvits_array a;

    for (size_t i = 0; i < g->graph->n_node; i++) {
        const onnx_node *n = g->graph->node[i];
        const char *index = table_index(g, n);
        if (index && !strcmp(index, "sid"))
            speakers = n;
        else if (index && !strcmp(index, "langid"))
            languages = n;
        else if (index)
            symbols = n;
    }
    if (take_table(g, &a, symbols, "enc_p.emb.weight"))
        return g->status;
    c->n_vocab = (int)a.shape[0];
    c->hidden_channels = (int)a.shape[1];
    c->n_speakers = 1;
    c->gin_channels = c->n_languages = c->language_channels = 0;
    if (speakers && !take_table(g, &a, speakers, "emb_g.weight")) {
        c->n_speakers = (int)a.shape[0];
        c->gin_channels = (int)a.shape[1];
    }
    if (languages && !take_table(g, &a, languages, "emb_l.weight")) {
        c->n_languages = (int)a.shape[0];
        c->language_channels = (int)a.shape[1];
    }
    return g->status;
}

/* Relative positions, [1, 2 window + 1, head size]: keys are used before values. */
static clvits_status take_relative(onnx_reader *g, clvits_config *c, const char *layer)
{
    static const char *const names[] = {"emb_rel_k", "emb_rel_v"};
    const onnx_tensor *found[2] = {NULL, NULL};
    int n = 0;

    for (size_t i = 0; i < g->graph->n_node && n < 2; i++) {
        const onnx_node *node = g->graph->node[i];
        const onnx_tensor *t = clvits_onnx_constant(g, clvits_onnx_input(node, 0));
        const int here = clvits_onnx_in_module(node, layer);
        char wanted[160];
        snprintf(wanted, sizeof(wanted), "%s.%s", layer, names[n]);
        const char *name = clvits_onnx_canonical(clvits_onnx_input(node, 0));
        if (t && t->n_dims == 3 && (here || (name && !strcmp(name, wanted))))
            found[n++] = t;
    }
    for (int i = 0; i < 2; i++) {
        char name[160];
        clvits_array a;
        snprintf(name, sizeof(name), "%s.%s", layer, names[i]);
        if (!found[i])
            return clvits_onnx_fail(g, CLVITS_E_FORMAT, "'%s' is missing: not a VITS text encoder",
                                    name);
        if (clvits_onnx_array(g, &a, found[i]))
            return g->status;
        const int d = (int)a.shape[2], span = (int)a.shape[1];
        const int h = clvits_config_text_channels(c);
        if (a.shape[0] != 1 || span % 2 == 0 || h % d ||
            (c->n_heads && (c->n_heads != h / d || c->window_size != span / 2)))
            return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED, "'%s' has an unknown shape", name);
        c->n_heads = h / d;
        c->window_size = span / 2;
        clvits_onnx_add(g, &a, name);
    }
    return g->status;
}

clvits_status clvits_onnx_take_text_encoder(onnx_reader *g, clvits_config *c)
{
    static const char enc[] = "enc_p.encoder";
    static const char *const projections[] = {"conv_q", "conv_k", "conv_v", "conv_o"};

    if (take_embeddings(g, c))
        return g->status;
    const int h = clvits_config_text_channels(c);
    c->n_layers = count(g, "enc_p.encoder.attn_layers", ".conv_q", 1);
    c->n_heads = c->filter_channels = c->kernel_size = 0;
    if (!c->n_layers)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT,
                                "no text encoder (enc_p.encoder.attn_layers): not a VITS voice");
    for (int i = 0; i < c->n_layers && !g->status; i++) {
        char layer[64];
        snprintf(layer, sizeof(layer), "%s.attn_layers.%d", enc, i);
        for (int k = 0; k < 4; k++)
            take(g, (want){.in = h, .out = h, .kernel = 1}, layer, projections[k]);
        take_relative(g, c, layer);
        clvits_onnx_take_norm(g, h, &c->layer_norm_eps, "%s.norm_layers_1.%d", enc, i);
        snprintf(layer, sizeof(layer), "%s.ffn_layers.%d", enc, i);
        const onnx_conv up =
            take(g, (want){.in = h, .out = c->filter_channels, .kernel = c->kernel_size}, layer,
                 "conv_1");
        take(g, (want){.in = up.out, .out = h, .kernel = up.kernel}, layer, "conv_2");
        c->filter_channels = up.out;
        c->kernel_size = up.kernel;
        clvits_onnx_take_norm(g, h, &c->layer_norm_eps, "%s.norm_layers_2.%d", enc, i);
    }
    c->inter_channels = take(g, (want){.in = h, .kernel = 1}, "enc_p", "proj").out / 2;
    return g->status;
}

static void take_separable(onnx_reader *g, clvits_config *c, const char *prefix)
{
    const int f = c->dp_filter_channels;
    int64_t dilation = 1;

    for (int i = 0; i < c->dds_n_layers && !g->status; i++) {
        const want w = {
            .in = f, .out = f, .kernel = c->dp_kernel_size, .dilation = (int)dilation, .group = f};
        c->dp_kernel_size = take_numbered(g, w, prefix, "convs_sep", i).kernel;
        take_numbered(g, (want){.in = f, .out = f, .kernel = 1}, prefix, "convs_1x1", i);
        clvits_onnx_take_norm(g, f, &c->dp_norm_eps, "%s.norms_1.%d", prefix, i);
        clvits_onnx_take_norm(g, f, &c->dp_norm_eps, "%s.norms_2.%d", prefix, i);
        dilation = dilation * c->dp_kernel_size < 1 << 20 ? dilation * c->dp_kernel_size : 1 << 20;
    }
}

static int is_pair(const onnx_tensor *t)
{
    return t && t->n_dims == 2 && t->dims[0] == 2 && t->dims[1] == 1;
}

static clvits_status take_pair(onnx_reader *g, const onnx_tensor *t, const char *name, int inverted,
                               int exponentiated)
{
    float *x = clvits_arena_array(&g->out->arena, 2, sizeof(*x));
    clvits_array a;

    if (!x)
        return clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory for '%s'", name);
    if (clvits_onnx_array(g, &a, t))
        return g->status;
    clvits_array_floats(&a, x);
    for (int i = 0; i < 2; i++) {
        if (exponentiated && !(x[i] > 0))
            return clvits_onnx_fail(g, CLVITS_E_FORMAT, "'%s' has no logarithm", name);
        x[i] = exponentiated ? logf(x[i]) : x[i];
        x[i] = inverted ? 0.0f - x[i] : x[i];
    }
    a.dtype = CLVITS_DTYPE_F32;
    a.data = x;
    return clvits_onnx_add(g, &a, name);
}

/*
 * (x - m) * exp(-logs): the only stored [2, 1] pair that is subtracted. The factor is stored as
 * logs, as -logs or as exp(-logs), by how much the exporter folded.
 */
static clvits_status take_affine(onnx_reader *g)
{
    const onnx_node *sub = NULL, *mul = NULL;

    for (size_t i = 0; i < g->graph->n_node && !mul; i++) {
        sub = g->graph->node[i];
        if (clvits_onnx_is(sub, "Sub") && sub->n_output &&
            is_pair(clvits_onnx_constant(g, clvits_onnx_input(sub, 1))))
            mul = clvits_onnx_consumer(g, sub->output[0], "Mul");
    }
    if (g->status)
        return g->status;
    if (!mul)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT,
                                "no elementwise affine flow (dp.flows.0): not a VITS voice");

    const int second = !strcmp(clvits_onnx_source(g, clvits_onnx_input(mul, 0)), sub->output[0]);
    const char *factor = clvits_onnx_input(mul, (size_t)second);
    const onnx_node *exponent = clvits_onnx_producer(g, factor), *negative = NULL;
    const int exponentiated = is_pair(clvits_onnx_constant(g, factor));

    if (!exponentiated && exponent && clvits_onnx_is(exponent, "Exp")) {
        factor = clvits_onnx_input(exponent, 0);
        negative = clvits_onnx_producer(g, factor);
        if (negative && clvits_onnx_is(negative, "Neg"))
            factor = clvits_onnx_input(negative, 0);
        else
            negative = NULL;
    }
    if (!is_pair(clvits_onnx_constant(g, factor)))
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "'dp.flows.0.logs' is not stored in the file");
    if (take_pair(g, clvits_onnx_constant(g, clvits_onnx_input(sub, 1)), "dp.flows.0.m", 0, 0))
        return g->status;
    return take_pair(g, clvits_onnx_constant(g, factor), "dp.flows.0.logs", !negative,
                     exponentiated);
}

/* The comparison of a spline's input with the bound of its tail. */
static void read_tail(onnx_reader *g, clvits_config *c)
{
    for (size_t i = 0; i < g->graph->n_node; i++) {
        const onnx_node *n = g->graph->node[i];
        float tail;
        if (clvits_onnx_is(n, "LessOrEqual") &&
            clvits_onnx_scalar(g, &tail, clvits_onnx_input(n, 1)) && tail > 0) {
            c->spline_tail = tail;
            return;
        }
    }
}

static clvits_status take_stochastic(onnx_reader *g, clvits_config *c)
{
    int last = 0;

    for (int i = 1; i < 2 * MAX_FLOWS; i += 2)
        if (clvits_onnx_find_module(g, "dp.flows.%d.pre", i))
            last = i;
    if (last < 3 || clvits_onnx_find_module(g, "dp.flows.1.pre"))
        return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED, "the duration predictor %s, unlike VITS",
                                last < 3 ? "has no spline flows (dp.flows)"
                                         : "applies its first spline flow (dp.flows.1)");
    c->dp_n_flows = (last + 1) / 2;
    const int h = clvits_config_text_channels(c);
    c->dp_filter_channels = take(g, (want){.in = h, .kernel = 1}, "dp", "pre").out;
    const int f = c->dp_filter_channels;
    take(g, (want){.in = f, .out = f, .kernel = 1}, "dp", "proj");
    c->dds_n_layers = count(g, "dp.convs.convs_sep", "", 1);
    c->dp_kernel_size = 0;
    take_separable(g, c, "dp.convs");
    take_affine(g);

    int parameters = 0;
    for (int i = 3; i <= last && !g->status; i += 2) {
        char flow[32], convs[48];
        snprintf(flow, sizeof(flow), "dp.flows.%d", i);
        snprintf(convs, sizeof(convs), "%s.convs", flow);
        take(g, (want){.in = 1, .out = f, .kernel = 1}, flow, "pre");
        take_separable(g, c, convs);
        parameters = take(g, (want){.in = f, .out = parameters, .kernel = 1}, flow, "proj").out;
    }
    c->spline_bins = (parameters + 1) / 3;
    if (!g->status && (c->spline_bins < 1 || c->spline_bins * 3 - 1 != parameters))
        return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                                "the splines of dp.flows have %d parameters, unlike VITS",
                                parameters);
    read_tail(g, c);
    return g->status;
}

static void take_plain(onnx_reader *g, clvits_config *c)
{
    const onnx_conv first =
        take(g, (want){.in = clvits_config_text_channels(c)}, "dp", "conv_1");
    const int f = c->dp_filter_channels = first.out;

    c->dp_kernel_size = first.kernel;
    take(g, (want){.in = f, .out = f, .kernel = first.kernel}, "dp", "conv_2");
    take(g, (want){.in = f, .out = 1, .kernel = 1}, "dp", "proj");
    clvits_onnx_take_norm(g, f, &c->dp_norm_eps, "dp.norm_1");
    clvits_onnx_take_norm(g, f, &c->dp_norm_eps, "dp.norm_2");
}

clvits_status clvits_onnx_take_duration(onnx_reader *g, clvits_config *c)
{
    c->use_sdp = !clvits_onnx_find_module(g, "dp.conv_1");
    if (!g->status && c->use_sdp && !clvits_onnx_find_module(g, "dp.pre"))
        return clvits_onnx_fail(g, CLVITS_E_FORMAT,
                                "no duration predictor (dp.pre or dp.conv_1): not a VITS voice");
    if (c->use_sdp)
        take_stochastic(g, c);
    else
        take_plain(g, c);

    const int width = c->use_sdp ? c->dp_filter_channels : clvits_config_text_channels(c);
    /* Coqui's may leave the speaker out here. */
    c->dp_speakers =
        c->gin_channels > 0 && (!g->is_coqui || clvits_onnx_find_module(g, "dp.cond") != NULL);
    if (c->dp_speakers)
        take(g, (want){.in = c->gin_channels, .out = width, .kernel = 1}, "dp", "cond");
    if (c->language_channels)
        take(g, (want){.in = c->language_channels, .out = width, .kernel = 1}, "dp", "cond_lang");
    return g->status;
}

static void take_wavenet(onnx_reader *g, clvits_config *c, const char *prefix)
{
    const int h = c->hidden_channels, n = c->flow_n_layers;
    int dilation = 1;

    for (int i = 0; i < n && !g->status; i++) {
        const onnx_node *node = clvits_onnx_find_module(g, "%s.in_layers.%d", prefix, i);
        const onnx_attribute *a = node ? clvits_onnx_attribute(node, "dilations") : NULL;
        if (i == 1)
            c->flow_dilation_rate =
                a && a->n_ints && a->ints[0] > 0 && a->ints[0] < 1024 ? (int)a->ints[0] : 1;
        if (i > 0)
            dilation = dilation < 1 << 16 ? dilation * c->flow_dilation_rate : dilation;
        const want in = {
            .in = h, .out = 2 * h, .kernel = c->flow_kernel_size, .dilation = dilation};
        c->flow_kernel_size = take_numbered(g, in, prefix, "in_layers", i).kernel;
        take_numbered(g, (want){.in = h, .out = i < n - 1 ? 2 * h : h, .kernel = 1}, prefix,
                      "res_skip_layers", i);
    }
    if (c->gin_channels)
        take(g, (want){.in = c->gin_channels, .out = 2 * h * n, .kernel = 1}, prefix, "cond_layer");
}

clvits_status clvits_onnx_take_flow(onnx_reader *g, clvits_config *c)
{
    const int half = c->inter_channels / 2, h = c->hidden_channels;
    int post = 0;

    if (g->status)
        return g->status;
    c->flow_n_couplings = count(g, "flow.flows", ".pre", 2);
    c->flow_n_layers = count(g, "flow.flows.0.enc.in_layers", "", 1);
    c->flow_dilation_rate = 1;
    c->flow_kernel_size = 0;
    if (!c->flow_n_couplings || !c->flow_n_layers)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT,
                                "no residual coupling flow (flow.flows): not a VITS voice");
    for (int i = 0; i < c->flow_n_couplings && !g->status; i++) {
        char flow[32], enc[48];
        snprintf(flow, sizeof(flow), "flow.flows.%d", 2 * i);
        snprintf(enc, sizeof(enc), "%s.enc", flow);
        take(g, (want){.in = half, .out = h, .kernel = 1}, flow, "pre");
        take_wavenet(g, c, enc);
        post = take(g, (want){.in = h, .out = post, .kernel = 1}, flow, "post").out;
    }
    c->flow_mean_only = post == half;
    if (!g->status && post != half && post != 2 * half)
        return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                                "'flow.flows.0.post' gives %d channels for a half of %d", post,
                                half);
    return g->status;
}
