// SPDX-License-Identifier: MIT
#include "io/onnx_module.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 160 };

static size_t component(const char *p)
{
    return strcspn(p, "./");
}

const char *clvits_onnx_canonical(const char *name)
{
    static const char *const tops[] = {"enc_p", "dp", "flow", "dec", "emb_g", "emb_l"};
    const char *p = name;

    while (*p) {
        const size_t n = component(p);
        for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++)
            if (n == strlen(tops[i]) && !strncmp(p, tops[i], n))
                return p;
        p += n + (p[n] != 0);
    }
    return NULL;
}

/* A node called /a/b.0/Conv belongs to the module a.b.0; an unnamed one to none. */
static size_t path_length(const char *path)
{
    const char *last = path ? strrchr(path, '/') : NULL;
    return last ? (size_t)(last - path) : 0;
}

int clvits_onnx_in_module(const onnx_node *n, const char *module)
{
    const char *path = strchr(n->name, '/') ? clvits_onnx_canonical(n->name) : NULL;
    const size_t length = path_length(path);

    if (!length || strlen(module) != length)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (path[i] != module[i] && !(path[i] == '/' && module[i] == '.'))
            return 0;
    return 1;
}

static const char *copy_name(onnx_reader *g, const char *from, size_t n)
{
    char *name = clvits_arena_text(&g->scratch, from, n);

    for (char *p = name; p && *p; p++)
        if (*p == '/')
            *p = '.';
    return name;
}

static const char *stem(onnx_reader *g, const char *name, const char *suffix)
{
    const char *from = clvits_onnx_canonical(name);
    const size_t n = from ? strlen(from) : 0, m = strlen(suffix);

    if (n <= m || strcmp(from + n - m, suffix))
        return NULL;
    return copy_name(g, from, n - m);
}

/* The direction and the magnitude of a weight whose normalisation was not folded. */
static int weight_norm_parts(const onnx_reader *g, const onnx_node *mul, const char **v,
                             const char **magnitude)
{
    if (!mul || !clvits_onnx_is(mul, "Mul"))
        return 0;
    for (size_t i = 0; i < 2; i++) {
        const onnx_node *div = clvits_onnx_producer(g, clvits_onnx_input(mul, i));
        if (div && clvits_onnx_is(div, "Div")) {
            *v = clvits_onnx_input(div, 0);
            *magnitude = clvits_onnx_input(mul, 1 - i);
            return clvits_onnx_constant(g, *v) && clvits_onnx_constant(g, *magnitude);
        }
    }
    return 0;
}

/*
 * The path in the node's name is what an exporter cannot get wrong. Older exporters number
 * their nodes; then the weight's own name counts, and where that was folded away the bias's.
 */
static const char *module_name(onnx_reader *g, const onnx_node *n)
{
    const char *path = strchr(n->name, '/') ? clvits_onnx_canonical(n->name) : NULL;
    const char *weight = clvits_onnx_input(n, 1), *name = NULL, *v, *magnitude;

    if (path_length(path))
        return copy_name(g, path, path_length(path));
    name = stem(g, weight, ".weight");
    if (!name && weight_norm_parts(g, clvits_onnx_producer(g, weight), &v, &magnitude))
        name = stem(g, v, ".weight_v");
    return name ? name : stem(g, clvits_onnx_input(n, 2), ".bias");
}

static int by_module(const void *a, const void *b)
{
    const onnx_module *x = a, *y = b;
    return strcmp(x->name, y->name);
}

clvits_status clvits_onnx_modules(onnx_reader *g)
{
    size_t n = 0;

    for (size_t i = 0; i < g->graph->n_node; i++)
        n += clvits_onnx_is(g->graph->node[i], "Conv") ||
             clvits_onnx_is(g->graph->node[i], "ConvTranspose");
    g->modules = clvits_arena_array(&g->scratch, n, sizeof(*g->modules));
    if (!g->modules)
        return clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory for the module names");
    for (size_t i = 0; i < g->graph->n_node; i++) {
        const onnx_node *node = g->graph->node[i];
        if (!clvits_onnx_is(node, "Conv") && !clvits_onnx_is(node, "ConvTranspose"))
            continue;
        const char *name = module_name(g, node);
        if (name)
            g->modules[g->n_modules++] = (onnx_module){name, node};
    }
    qsort(g->modules, g->n_modules, sizeof(*g->modules), by_module);
    for (size_t i = 1; i < g->n_modules; i++)
        if (!by_module(&g->modules[i - 1], &g->modules[i]))
            return clvits_onnx_fail(g, CLVITS_E_FORMAT,
                                    "two convolutions are called '%s'; export the voice again "
                                    "without merging its tensors",
                                    g->modules[i].name);
    return CLVITS_OK;
}

static const onnx_node *find_module(const onnx_reader *g, const char *name)
{
    const onnx_module key = {name, NULL};
    const onnx_module *m =
        g->n_modules ? bsearch(&key, g->modules, g->n_modules, sizeof(key), by_module) : NULL;
    return m ? m->node : NULL;
}

const onnx_node *clvits_onnx_find_module(const onnx_reader *g, const char *format, ...)
{
    char name[NAME];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    return find_module(g, name);
}

clvits_status clvits_onnx_add(onnx_reader *g, clvits_array *a, const char *name)
{
    if (g->status)
        return g->status;
    if (a->dtype == CLVITS_DTYPE_I32 || a->dtype == CLVITS_DTYPE_I64)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "'%s' holds integers, not weights", name);
    a->name = name;
    return g->status = clvits_arrays_add(g->out, a, g->report);
}

static float *floats_of(onnx_reader *g, const clvits_array *a)
{
    float *x = clvits_arena_array(&g->scratch, (size_t)clvits_array_count(a), sizeof(*x));

    if (x)
        clvits_array_floats(a, x);
    else
        clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory to fold a weight");
    return x;
}

/* w = magnitude * v / |v|, the norm over every axis but the first. */
static clvits_status fold(onnx_reader *g, clvits_array *a, const char *v, const char *magnitude,
                          const char *module)
{
    clvits_array direction, length;

    if (clvits_onnx_array(g, &direction, clvits_onnx_constant(g, v)) ||
        clvits_onnx_array(g, &length, clvits_onnx_constant(g, magnitude)))
        return g->status;

    const int64_t rows = direction.rank ? direction.shape[0] : 0;
    if (!rows || clvits_array_count(&length) != rows)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "the weight norm of '%s' has the wrong shape",
                                module);
    const size_t count = (size_t)clvits_array_count(&direction), row = count / (size_t)rows;
    const float *x = floats_of(g, &direction), *m = floats_of(g, &length);
    float *w = clvits_arena_array(&g->out->arena, count, sizeof(*w));

    if (!x || !m || !w)
        return clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory to fold '%s'", module);
    for (size_t r = 0; r < (size_t)rows; r++) {
        double square = 0;
        for (size_t i = r * row; i < (r + 1) * row; i++)
            square += (double)x[i] * x[i];
        for (size_t i = r * row; i < (r + 1) * row; i++)
            w[i] = (float)(m[r] * (x[i] / sqrt(square)));
    }
    *a = direction;
    a->dtype = CLVITS_DTYPE_F32;
    a->data = w;
    return CLVITS_OK;
}

static clvits_status weight_of(onnx_reader *g, clvits_array *a, const onnx_node *n,
                               const char *module)
{
    const char *name = clvits_onnx_input(n, 1), *v, *magnitude;
    const onnx_tensor *t = clvits_onnx_constant(g, name);

    if (t)
        return clvits_onnx_array(g, a, t);
    const onnx_node *maker = clvits_onnx_producer(g, name);
    if (weight_norm_parts(g, maker, &v, &magnitude))
        return fold(g, a, v, magnitude, module);
    return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                            "the weight of '%s' is computed in the graph by '%s'", module,
                            maker ? maker->op_type : "nothing");
}

/* The whole number of an attribute, or of the first and second of a list. */
static int ints_of(const onnx_node *n, const char *name, int fallback, int *second)
{
    const onnx_attribute *a = clvits_onnx_attribute(n, name);
    int64_t first = fallback, other = fallback;

    if (a && a->n_ints) {
        first = a->ints[0];
        other = a->ints[a->n_ints - 1];
    } else if (a) {
        first = other = a->i;
    }
    if (first < 0 || first > 1 << 20 || other < 0 || other > 1 << 20)
        first = other = -1;
    if (second)
        *second = (int)other;
    return (int)first;
}

static clvits_status describe(onnx_reader *g, onnx_conv *c, const clvits_array *w,
                              const char *module)
{
    const onnx_node *n = c->node;
    const onnx_attribute *automatic = clvits_onnx_attribute(n, "auto_pad");

    if (w->rank != 3)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "the weight of '%s' has %d axes, not 3", module,
                                w->rank);
    if (automatic && automatic->s.len &&
        (automatic->s.len != 6 || memcmp(automatic->s.data, "NOTSET", 6)))
        return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED, "'%s' uses automatic padding", module);
    c->transposed = clvits_onnx_is(n, "ConvTranspose");
    c->stride = ints_of(n, "strides", 1, NULL);
    c->dilation = ints_of(n, "dilations", 1, NULL);
    c->group = ints_of(n, "group", 1, NULL);
    c->pad_left = ints_of(n, "pads", 0, &c->pad_right);
    c->kernel = (int)w->shape[2];
    if (c->stride < 1 || c->dilation < 1 || c->group < 1 || c->group > 1 << 16 || c->pad_left < 0 ||
        ints_of(n, "kernel_shape", c->kernel, NULL) != c->kernel ||
        ints_of(n, "output_padding", 0, NULL) != 0 || w->shape[1] > INT_MAX / c->group)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "the attributes of '%s' make no sense", module);

    const int first = (int)w->shape[0], second = (int)w->shape[1] * c->group;
    c->in = c->transposed ? first : second;
    c->out = c->transposed ? second : first;
    return CLVITS_OK;
}

static clvits_status take_bias(onnx_reader *g, onnx_conv *c, const char *module)
{
    const char *input = clvits_onnx_input(c->node, 2);
    char name[NAME + 8];
    clvits_array a;

    c->bias = *input != 0;
    if (!c->bias)
        return CLVITS_OK;
    const onnx_tensor *t = clvits_onnx_constant(g, input);
    if (!t)
        return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED, "the bias of '%s' is not stored", module);
    if (clvits_onnx_array(g, &a, t))
        return g->status;
    if (a.rank != 1 || a.shape[0] != c->out)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "the bias of '%s' does not fit its weight",
                                module);
    snprintf(name, sizeof(name), "%s.bias", module);
    return clvits_onnx_add(g, &a, name);
}

clvits_status clvits_onnx_take_conv(onnx_reader *g, onnx_conv *out, const char *format, ...)
{
    char module[NAME], name[NAME + 8];
    clvits_array a;
    va_list args;

    *out = (onnx_conv){.in = 1, .out = 1, .kernel = 1, .stride = 1, .dilation = 1, .group = 1};
    if (g->status)
        return g->status;
    va_start(args, format);
    vsnprintf(module, sizeof(module), format, args);
    va_end(args);
    out->node = find_module(g, module);
    if (!out->node)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT,
                                "no convolution is called '%s': not a complete VITS voice", module);
    if (weight_of(g, &a, out->node, module) || describe(g, out, &a, module))
        return g->status;
    snprintf(name, sizeof(name), "%s.weight", module);
    if (clvits_onnx_add(g, &a, name))
        return g->status;
    return take_bias(g, out, module);
}

/* The operand of a binary node that is stored with that many values, as an index, or -1. */
static int stored_operand(const onnx_reader *g, const onnx_node *n, int count)
{
    for (int i = 0; i < 2; i++) {
        const onnx_tensor *t = clvits_onnx_constant(g, clvits_onnx_input(n, (size_t)i));
        int64_t product = 1;
        for (size_t k = 0; t && k < t->n_dims && product > 0 && product <= count; k++)
            product = t->dims[k] <= count ? product * t->dims[k] : 0;
        if (t && t->n_dims && product == count)
            return i;
    }
    return -1;
}

/* The product with gamma, or the fused node of newer opsets. */
static const onnx_node *norm_node(const onnx_reader *g, const char *module, int channels)
{
    char gamma[NAME + 8];

    snprintf(gamma, sizeof(gamma), "%s.gamma", module);
    for (size_t i = 0; i < g->graph->n_node; i++) {
        const onnx_node *n = g->graph->node[i];
        const int fused = clvits_onnx_is(n, "LayerNormalization");
        if (!fused && !clvits_onnx_is(n, "Mul"))
            continue;
        if (!fused && stored_operand(g, n, channels) < 0)
            continue;
        if (clvits_onnx_in_module(n, module))
            return n;
        for (size_t k = 0; k < n->n_input; k++) {
            const char *name = clvits_onnx_canonical(n->input[k]);
            if (name && !strcmp(name, gamma))
                return n;
        }
    }
    return NULL;
}

/* (x - mean) / sqrt(variance + eps), or times the root's reciprocal. */
static void read_eps(onnx_reader *g, float *eps, const char *normalised)
{
    const onnx_node *div = clvits_onnx_producer(g, normalised), *root = NULL, *sum = NULL;

    for (size_t i = 0; div && clvits_onnx_is(div, "Mul") && i < 2; i++) {
        const onnx_node *n = clvits_onnx_producer(g, clvits_onnx_input(div, i));
        if (n && (clvits_onnx_is(n, "Div") || clvits_onnx_is(n, "Reciprocal")))
            div = n;
    }
    if (div && clvits_onnx_is(div, "Div"))
        root = clvits_onnx_producer(g, clvits_onnx_input(div, 1));
    else if (div && clvits_onnx_is(div, "Reciprocal"))
        root = clvits_onnx_producer(g, clvits_onnx_input(div, 0));
    if (root && clvits_onnx_is(root, "Sqrt"))
        sum = clvits_onnx_producer(g, clvits_onnx_input(root, 0));
    if (sum && clvits_onnx_is(sum, "Add") && !clvits_onnx_scalar(g, eps, clvits_onnx_input(sum, 1)))
        clvits_onnx_scalar(g, eps, clvits_onnx_input(sum, 0));
}

static clvits_status take_vector(onnx_reader *g, const char *value, int channels,
                                 const char *module, const char *suffix)
{
    const onnx_tensor *t = clvits_onnx_constant(g, value);
    char name[NAME + 8];
    clvits_array a;

    snprintf(name, sizeof(name), "%s.%s", module, suffix);
    if (!t)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "'%s' is not stored in the file", name);
    if (clvits_onnx_array(g, &a, t))
        return g->status;
    if (clvits_array_count(&a) != channels)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "'%s' has %lld values, not %d", name,
                                (long long)clvits_array_count(&a), channels);
    a.rank = 1;
    a.shape[0] = channels;
    return clvits_onnx_add(g, &a, name);
}

clvits_status clvits_onnx_take_norm(onnx_reader *g, int channels, float *eps, const char *format,
                                    ...)
{
    char module[NAME];
    const char *gamma, *beta;
    va_list args;

    if (g->status)
        return g->status;
    va_start(args, format);
    vsnprintf(module, sizeof(module), format, args);
    va_end(args);

    const onnx_node *n = norm_node(g, module, channels);
    if (!n)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT,
                                "no normalisation is called '%s': not a complete VITS voice",
                                module);
    if (clvits_onnx_is(n, "Mul")) {
        const int i = stored_operand(g, n, channels);
        const onnx_node *add = n->n_output ? clvits_onnx_consumer(g, n->output[0], "Add") : NULL;
        const int k = add ? stored_operand(g, add, channels) : -1;
        gamma = clvits_onnx_input(n, (size_t)i);
        beta = k < 0 ? "" : clvits_onnx_input(add, (size_t)k);
        read_eps(g, eps, clvits_onnx_input(n, (size_t)(1 - i)));
    } else {
        const onnx_attribute *a = clvits_onnx_attribute(n, "epsilon");
        gamma = clvits_onnx_input(n, 1);
        beta = clvits_onnx_input(n, 2);
        *eps = a ? a->f : 1e-5f;
    }
    if (take_vector(g, gamma, channels, module, "gamma"))
        return g->status;
    return take_vector(g, beta, channels, module, "beta");
}
