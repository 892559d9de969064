// SPDX-License-Identifier: MIT
#include "model/blocks.h"

#include <stdarg.h>
#include <stdio.h>

clvits_name clvits_named(const char *format, ...)
{
    clvits_name n;
    va_list args;

    va_start(args, format);
    vsnprintf(n.text, sizeof(n.text), format, args);
    va_end(args);
    return n;
}

clvits_status clvits_scope_begin(clvits_scope *s, const clvits_model *m,
                                 const clvits_stage_options *o, clvits_report *r)
{
    *s = (clvits_scope){ .c = m->config, .weights = m->weights, .halves = o->halves };
    return clvits_graph_open(&s->graph, o->batch, r);
}

clvits_status clvits_scope_end(clvits_scope *s, clvits_graph **out, clvits_report *r)
{
    const clvits_status status = clvits_graph_finish(s->graph, r);

    if (status)
        clvits_graph_close(&s->graph);
    *out = s->graph;
    return status;
}

void clvits_scope_halves(clvits_scope *s, clvits_scope_half half)
{
    clvits_graph_halves(s->graph, half == CLVITS_IN_HALVES   ? s->halves
                                  : half == CLVITS_TO_FLOATS ? s->halves & ~CLVITS_HALF_TENSORS
                                                             : 0);
}

clvits_tensor *clvits_scope_weight(clvits_scope *s, const char *format, ...)
{
    clvits_name n;
    va_list args;

    va_start(args, format);
    vsnprintf(n.text, sizeof(n.text), format, args);
    va_end(args);
    const clvits_array *a = clvits_arrays_find(s->weights, n.text);
    if (!a) {
        clvits_graph_fail(s->graph, CLVITS_E_FORMAT, "the voice has no tensor %s", n.text);
        return NULL;
    }
    return clvits_graph_weight(s->graph, a->data, a->rank, a->shape);
}

clvits_tensor *clvits_scope_rows(clvits_scope *s, const char *name, int64_t from, int64_t n)
{
    const clvits_array *a = clvits_arrays_find(s->weights, name);
    int64_t shape[4], stride = 1;

    if (!a || from < 0 || n < 1 || from + n > a->shape[0]) {
        clvits_graph_fail(s->graph, CLVITS_E_FORMAT,
                          "the voice's tensor %s is missing or too small", name);
        return NULL;
    }
    for (int i = 0; i < a->rank; i++) {
        shape[i] = i ? a->shape[i] : n;
        stride *= i ? a->shape[i] : 1;
    }
    return clvits_graph_weight(s->graph, (const float *)a->data + from * stride, a->rank, shape);
}

clvits_weight_part clvits_scope_part(clvits_scope *s, const char *name, int64_t from, int64_t n)
{
    const clvits_array *a = clvits_arrays_find(s->weights, name);

    if (a && !n)
        n = a->shape[0] - from;
    if (!a || from < 0 || n < 1 || from + n > a->shape[0]) {
        clvits_graph_fail(s->graph, CLVITS_E_FORMAT,
                          "the voice's tensor %s is missing or too small", name);
        return (clvits_weight_part){ 0 };
    }
    const int64_t row = clvits_array_count(a) / a->shape[0];
    return (clvits_weight_part){ .data = (const float *)a->data + from * row, .rows = n };
}

clvits_tensor *clvits_scope_join(clvits_scope *s, const clvits_weight_part *parts, int n,
                                 int64_t inputs)
{
    int64_t shape[] = { 0, inputs, 1 };

    for (int i = 0; i < n; i++)
        shape[0] += parts[i].rows;
    return clvits_graph_weight_parts(s->graph, parts, n, inputs ? 3 : 1, shape);
}

clvits_tensor *clvits_layer_conv1d(clvits_scope *s, clvits_tensor *x, const char *name,
                                   const clvits_conv1d_params *p, const clvits_conv1d_extra *e)
{
    return clvits_conv1d(x, clvits_scope_weight(s, "%s.weight", name),
                         clvits_scope_weight(s, "%s.bias", name), p, e);
}

clvits_tensor *clvits_layer_linear(clvits_scope *s, clvits_tensor *x, const char *name)
{
    return clvits_layer_conv1d(s, x, name, &(clvits_conv1d_params){ 0 }, NULL);
}

clvits_tensor *clvits_layer_same(clvits_scope *s, clvits_tensor *x, const char *name, int kernel,
                                 int dilation)
{
    const int pad = (kernel - 1) * dilation / 2;
    const clvits_conv1d_params p = { .dilation = dilation, .pad_left = pad, .pad_right = pad };
    return clvits_layer_conv1d(s, x, name, &p, NULL);
}

clvits_tensor *clvits_layer_norm_named(clvits_scope *s, clvits_tensor *x, clvits_tensor *residual,
                                       const char *name, float eps, bool gelu)
{
    const clvits_layer_norm_params p = { .eps = eps, .gelu = gelu };
    return clvits_layer_norm(x, residual, clvits_scope_weight(s, "%s.gamma", name),
                             clvits_scope_weight(s, "%s.beta", name), &p);
}

/* A layer in one operator, for channels and taps that it takes. */
static clvits_tensor *separable(clvits_scope *s, clvits_tensor *x, const char *name, int i,
                                int dilation)
{
    static const char *const rows[] = { "convs_sep.%d.bias", "norms_1.%d.gamma", "norms_1.%d.beta",
                                        "convs_1x1.%d.bias", "norms_2.%d.gamma",
                                        "norms_2.%d.beta" };
    const clvits_separable_params p = { .dilation = dilation, .eps = s->c->dp_norm_eps };
    clvits_weight_part parts[6];

    for (int k = 0; k < 6; k++) {
        char row[32];
        snprintf(row, sizeof(row), rows[k], i);
        parts[k] = clvits_scope_part(s, clvits_named("%s.%s", name, row).text, 0, 0);
    }
    return clvits_separable(x, clvits_scope_weight(s, "%s.convs_sep.%d.weight", name, i),
                            clvits_scope_weight(s, "%s.convs_1x1.%d.weight", name, i),
                            clvits_scope_join(s, parts, 6, 0), &p);
}

clvits_tensor *clvits_dds_conv(clvits_scope *s, clvits_tensor *x, const char *name)
{
    int dilation = 1;

    for (int i = 0; i < s->c->dds_n_layers; i++, dilation *= s->c->dp_kernel_size) {
        if (s->c->dp_filter_channels <= SEPARABLE_MAX_CHANNELS &&
            s->c->dp_kernel_size <= SEPARABLE_MAX_TAPS) {
            x = separable(s, x, name, i, dilation);
            continue;
        }
        const int pad = (s->c->dp_kernel_size - 1) * dilation / 2;
        const clvits_conv1d_params p = { .dilation = dilation, .groups = s->c->dp_filter_channels,
                                         .pad_left = pad, .pad_right = pad };
        clvits_tensor *y =
            clvits_layer_conv1d(s, x, clvits_named("%s.convs_sep.%d", name, i).text, &p, NULL);
        y = clvits_layer_norm_named(s, y, NULL, clvits_named("%s.norms_1.%d", name, i).text,
                                    s->c->dp_norm_eps, true);
        y = clvits_layer_linear(s, y, clvits_named("%s.convs_1x1.%d", name, i).text);
        y = clvits_layer_norm_named(s, y, NULL, clvits_named("%s.norms_2.%d", name, i).text,
                                    s->c->dp_norm_eps, true);
        x = clvits_binary(x, y, CLVITS_ADD);
    }
    return x;
}

/* tanh(a) * sigmoid(b) for the halves of in_layers.i of x. */
static clvits_tensor *gated(clvits_scope *s, clvits_tensor *x, clvits_tensor *cond,
                            const char *name, int i, int kernel, int dilation)
{
    const int pad = (kernel - 1) * dilation / 2, H = x ? x->C : 0;
    const clvits_name layer = clvits_named("%s.in_layers.%d", name, i);
    const clvits_conv1d_params p = { .dilation = dilation, .pad_left = pad, .pad_right = pad,
                                     .act = CLVITS_ACT_GATE, .only_act = true };

    return clvits_conv1d(x, clvits_scope_weight(s, "%s.weight", layer.text),
                         cond ? clvits_graph_slice(cond, 2 * H * i, 2 * H)
                              : clvits_scope_weight(s, "%s.bias", layer.text),
                         &p, NULL);
}

clvits_tensor *clvits_wavenet(clvits_scope *s, clvits_tensor *x, clvits_tensor *cond,
                              const char *name, int kernel, int dilation_rate, int layers)
{
    const clvits_conv1d_params split = { .act = CLVITS_ACT_SPLIT }, plain = { 0 };
    clvits_tensor *out = NULL;
    int dilation = 1;

    for (int i = 0; i < layers - 1; i++, dilation *= dilation_rate) {
        clvits_tensor *a = gated(s, x, cond, name, i, kernel, dilation);
        x = clvits_layer_conv1d(
            s, a, clvits_named("%s.res_skip_layers.%d", name, i).text, &split,
            &(clvits_conv1d_extra){ .residual = x, .sum = out, .act = &out });
    }
    return clvits_layer_conv1d(s, gated(s, x, cond, name, layers - 1, kernel, dilation),
                               clvits_named("%s.res_skip_layers.%d", name, layers - 1).text, &plain,
                               &(clvits_conv1d_extra){ .residual = out });
}
