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

clvits_tensor *clvits_dds_conv(clvits_scope *s, clvits_tensor *x, clvits_tensor *g,
                               const char *name)
{
    int dilation = 1;

    if (g)
        x = clvits_binary(x, g, CLVITS_ADD);
    for (int i = 0; i < s->c->dds_n_layers; i++, dilation *= s->c->dp_kernel_size) {
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

/* Output channels [from, from + n) of a 1x1 layer, with what is added to them. */
static clvits_tensor *part(clvits_scope *s, clvits_tensor *x, const char *name, int from, int n,
                           clvits_tensor *add)
{
    return clvits_conv1d(x, clvits_scope_rows(s, clvits_named("%s.weight", name).text, from, n),
                         clvits_scope_rows(s, clvits_named("%s.bias", name).text, from, n),
                         &(clvits_conv1d_params){ 0 }, &(clvits_conv1d_extra){ .residual = add });
}

clvits_tensor *clvits_wavenet(clvits_scope *s, clvits_tensor *x, const char *name, int kernel,
                              int dilation_rate, int layers)
{
    clvits_tensor *cond = NULL, *out = NULL;
    const int H = x ? x->C : 0;
    int dilation = 1;

    if (s->g)
        cond = clvits_layer_linear(s, s->g, clvits_named("%s.cond_layer", name).text);
    for (int i = 0; i < layers; i++, dilation *= dilation_rate) {
        const clvits_name skip = clvits_named("%s.res_skip_layers.%d", name, i);
        clvits_tensor *a = clvits_layer_same(
            s, x, clvits_named("%s.in_layers.%d", name, i).text, kernel, dilation);
        a = clvits_gate(a, clvits_graph_slice(cond, 2 * H * i, 2 * H));
        if (i == layers - 1)
            return part(s, a, skip.text, 0, H, out);
        x = part(s, a, skip.text, 0, H, x);
        out = part(s, a, skip.text, H, H, out);
    }
    return out;
}
