// SPDX-License-Identifier: MIT
#include "io/coqui_names.h"
#include "io/file.h"
#include "io/onnx_graph.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LARGE = 1024,     /* bytes from which a parsed buffer is kept in the output */
    MAX_CHAIN = 16,   /* Identity nodes in a row */
    SPARE = 64 << 20, /* what the parser may take besides a multiple of the file's size */
    EXTERNAL = 1,     /* TensorProto.DataLocation */
    TYPE_FLOAT = 1,   /* TensorProto.DataType, as all below */
    TYPE_INT32 = 6,
    TYPE_INT64 = 7,
    TYPE_HALF = 10,
    TYPE_DOUBLE = 11,
    TYPE_BFLOAT16 = 16,
};

clvits_status clvits_onnx_fail(onnx_reader *g, clvits_status status, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (g->status == CLVITS_OK)
        g->status = clvits_fail(g->report, status, "%s: %s", g->path, text);
    return g->status;
}

/*
 * The parser's memory. Large buffers, which are weights, come straight from the output's arena,
 * so that a voice is copied once; the rest goes with the scratch arena. The sum is bounded, as
 * two bytes of a hostile file can ask for a hundred.
 */
static void *parser_alloc(void *user, size_t size)
{
    onnx_reader *g = user;
    const size_t cost = size + 64;

    void *p = NULL;

    if (size <= SIZE_MAX / 2 && cost <= g->allowed) {
        g->allowed -= cost;
        p = clvits_arena_alloc(size >= LARGE ? &g->out->arena : &g->scratch, size);
    }
    g->refused |= !p;
    return p;
}

static void parser_free(void *user, void *p)
{
    (void)user, (void)p;
}

static int by_name(const void *a, const void *b)
{
    const onnx_value *x = a, *y = b;
    const int order = strcmp(x->name, y->name);

    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static clvits_status index_values(onnx_reader *g)
{
    const onnx_graph *p = g->graph;
    size_t n = p->n_initializer;

    for (size_t i = 0; i < p->n_node; i++)
        n += p->node[i]->n_output;
    g->values = clvits_arena_array(&g->scratch, n, sizeof(*g->values));
    if (!g->values)
        return clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory for the index of the graph");
    for (size_t i = 0; i < p->n_initializer; i++) {
        onnx_value *v = &g->values[g->n_values++];
        *v = (onnx_value){.name = p->initializer[i]->name, .tensor = p->initializer[i]};
        v->order = g->n_values;
    }
    for (size_t i = 0; i < p->n_node; i++) {
        for (size_t k = 0; k < p->node[i]->n_output; k++) {
            onnx_value *v = &g->values[g->n_values++];
            *v = (onnx_value){.name = p->node[i]->output[k], .node = p->node[i]};
            v->order = g->n_values;
        }
    }
    qsort(g->values, g->n_values, sizeof(*g->values), by_name);
    return CLVITS_OK;
}

static void rename_from_coqui(onnx_reader *g, char **name)
{
    char text[512];

    if (!clvits_coqui_name(text, sizeof(text), *name) || !strcmp(text, *name))
        return; /* what is longer than that is no name of a module */
    char *copy = clvits_arena_text(&g->scratch, text, strlen(text));
    if (copy)
        *name = copy;
    else
        clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory for the names in the graph");
}

/* A graph that Coqui exported, read as if its modules were called as in the original code. */
static clvits_status rename_all(onnx_reader *g)
{
    const onnx_graph *p = g->graph;

    for (size_t i = 0; i < p->n_node && !g->is_coqui; i++)
        g->is_coqui = clvits_coqui_sign(p->node[i]->name);
    for (size_t i = 0; i < p->n_initializer && !g->is_coqui; i++)
        g->is_coqui = clvits_coqui_sign(p->initializer[i]->name);
    if (!g->is_coqui)
        return CLVITS_OK;
    for (size_t i = 0; i < p->n_initializer; i++)
        rename_from_coqui(g, &p->initializer[i]->name);
    for (size_t i = 0; i < p->n_node; i++) {
        onnx_node *n = p->node[i];
        rename_from_coqui(g, &n->name);
        for (size_t k = 0; k < n->n_input; k++)
            rename_from_coqui(g, &n->input[k]);
        for (size_t k = 0; k < n->n_output; k++)
            rename_from_coqui(g, &n->output[k]);
    }
    return g->status;
}

static clvits_status parse(onnx_reader *g, const void *bytes, size_t size)
{
    ProtobufCAllocator allocator = {parser_alloc, parser_free, g};

    g->allowed = size > (SIZE_MAX - SPARE) / 4 ? SIZE_MAX : 4 * size + SPARE;
    g->model = clvits__onnx__model__unpack(&allocator, size, bytes);
    if (!g->model && g->refused)
        return clvits_onnx_fail(g, CLVITS_E_MEMORY,
                                "the graph asks for more memory than %zu "
                                "bytes of file may",
                                size);
    if (!g->model)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT,
                                "not a complete ONNX file; it may be damaged or cut short");
    g->graph = g->model->graph;
    if (!g->graph || !g->graph->n_node)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "an ONNX file without a graph");
    return rename_all(g) ? g->status : index_values(g);
}

clvits_status clvits_onnx_load(onnx_reader *g)
{
    void *bytes;
    size_t size;

    g->status = clvits_file_read(&bytes, &size, CLVITS_ARRAYS_MOST, g->path, g->report);
    if (g->status)
        return g->status;
    if (!size)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "the file is empty");
    parse(g, bytes, size);
    clvits_file_free(bytes, size);
    return g->status;
}

static const onnx_value *find_value(const onnx_reader *g, const char *name)
{
    size_t low = 0, high = g->n_values;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (strcmp(g->values[mid].name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (!*name || low == g->n_values || strcmp(g->values[low].name, name))
        return NULL;
    return &g->values[low];
}

static int passes_through(const onnx_node *n)
{
    return clvits_onnx_is(n, "Identity") || clvits_onnx_is(n, "Cast");
}

const char *clvits_onnx_source(const onnx_reader *g, const char *name)
{
    for (int i = 0; i < MAX_CHAIN; i++) {
        const onnx_value *v = find_value(g, name);
        if (!v || !v->node || !passes_through(v->node) || !*clvits_onnx_input(v->node, 0))
            break;
        name = clvits_onnx_input(v->node, 0);
    }
    return name;
}

const onnx_node *clvits_onnx_producer(const onnx_reader *g, const char *name)
{
    const onnx_value *v = find_value(g, clvits_onnx_source(g, name));
    return v ? v->node : NULL;
}

const onnx_node *clvits_onnx_consumer(const onnx_reader *g, const char *value, const char *op)
{
    for (size_t i = 0; i < g->graph->n_node; i++) {
        const onnx_node *n = g->graph->node[i];
        for (size_t k = 0; k < n->n_input; k++)
            if (clvits_onnx_is(n, op) && !strcmp(clvits_onnx_source(g, n->input[k]), value))
                return n;
    }
    return NULL;
}

const onnx_tensor *clvits_onnx_constant(const onnx_reader *g, const char *name)
{
    const onnx_value *v = find_value(g, clvits_onnx_source(g, name));

    if (!v || v->tensor)
        return v ? v->tensor : NULL;
    if (!clvits_onnx_is(v->node, "Constant"))
        return NULL;
    const onnx_attribute *a = clvits_onnx_attribute(v->node, "value");
    return a ? a->t : NULL;
}

const char *clvits_onnx_input(const onnx_node *n, size_t i)
{
    return i < n->n_input ? n->input[i] : "";
}

const onnx_attribute *clvits_onnx_attribute(const onnx_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (!strcmp(n->attribute[i]->name, name))
            return n->attribute[i];
    return NULL;
}

int clvits_onnx_is(const onnx_node *n, const char *op)
{
    return !strcmp(n->op_type, op) && (!*n->domain || !strcmp(n->domain, "ai.onnx"));
}

static int element_size(clvits_dtype type)
{
    switch (type) {
    case CLVITS_DTYPE_F16:
    case CLVITS_DTYPE_BF16:
        return 2;
    case CLVITS_DTYPE_F64:
    case CLVITS_DTYPE_I64:
        return 8;
    default:
        return 4;
    }
}

static int type_of(clvits_dtype *out, int32_t type)
{
    switch (type) {
    case TYPE_FLOAT:
        *out = CLVITS_DTYPE_F32;
        return 1;
    case TYPE_HALF:
        *out = CLVITS_DTYPE_F16;
        return 1;
    case TYPE_BFLOAT16:
        *out = CLVITS_DTYPE_BF16;
        return 1;
    case TYPE_DOUBLE:
        *out = CLVITS_DTYPE_F64;
        return 1;
    case TYPE_INT32:
        *out = CLVITS_DTYPE_I32;
        return 1;
    case TYPE_INT64:
        *out = CLVITS_DTYPE_I64;
        return 1;
    default:
        return 0;
    }
}

/* The bytes of a tensor wherever its exporter put them; sizes are left to the caller. */
static clvits_status stored_bytes(onnx_reader *g, const void **data, size_t *bytes,
                                  const onnx_tensor *t, clvits_dtype type)
{
    *data = t->raw_data.data;
    *bytes = t->raw_data.len;
    if (t->raw_data.len)
        return CLVITS_OK;
    if (type == CLVITS_DTYPE_F32 && t->n_float_data) {
        *data = t->float_data;
        *bytes = t->n_float_data * sizeof(float);
    } else if (type == CLVITS_DTYPE_F64 && t->n_double_data) {
        *data = t->double_data;
        *bytes = t->n_double_data * sizeof(double);
    } else if (type == CLVITS_DTYPE_I64 && t->n_int64_data) {
        *data = t->int64_data;
        *bytes = t->n_int64_data * sizeof(int64_t);
    } else if (type == CLVITS_DTYPE_I32 && t->n_int32_data) {
        *data = t->int32_data;
        *bytes = t->n_int32_data * sizeof(int32_t);
    } else if (t->n_int32_data) {
        uint16_t *half = clvits_arena_array(&g->scratch, t->n_int32_data, sizeof(*half));
        if (!half)
            return clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory for the tensor '%s'", t->name);
        for (size_t i = 0; i < t->n_int32_data; i++)
            half[i] = (uint16_t)t->int32_data[i];
        *data = half;
        *bytes = t->n_int32_data * sizeof(*half);
    }
    return CLVITS_OK;
}

static clvits_status shape_of(onnx_reader *g, clvits_array *a, size_t *bytes, const onnx_tensor *t)
{
    uint64_t count = 1;

    if (t->n_dims > 4)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "the tensor '%s' has %zu axes", t->name,
                                t->n_dims);
    a->rank = (int)t->n_dims;
    for (size_t i = 0; i < t->n_dims; i++) {
        const int64_t n = t->dims[i];
        if (n < 1 || n > INT_MAX / 16 || count > (UINT64_C(1) << 40) / (uint64_t)n)
            return clvits_onnx_fail(g, CLVITS_E_FORMAT, "the tensor '%s' has an axis of %lld",
                                    t->name, (long long)n);
        count *= (uint64_t)n;
        a->shape[i] = n;
    }
    if (count > SIZE_MAX / 8)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT, "the tensor '%s' is too large", t->name);
    *bytes = (size_t)count * (size_t)element_size(a->dtype);
    return CLVITS_OK;
}

clvits_status clvits_onnx_array(onnx_reader *g, clvits_array *a, const onnx_tensor *t)
{
    size_t wanted = 0, found = 0;

    *a = (clvits_array){0};
    if (g->status)
        return g->status;
    if (t->data_location == EXTERNAL || t->n_external_data)
        return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                                "the tensor '%s' is stored in a second file; save the voice as "
                                "one file, without external data",
                                t->name);
    if (!type_of(&a->dtype, t->data_type))
        return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                                "the tensor '%s' has type %d; weights must be fp32 or fp16",
                                t->name, (int)t->data_type);
    if (shape_of(g, a, &wanted, t) || stored_bytes(g, &a->data, &found, t, a->dtype))
        return g->status;
    if (found != wanted)
        return clvits_onnx_fail(g, CLVITS_E_FORMAT,
                                "the tensor '%s' holds %zu bytes where its shape asks for %zu",
                                t->name, found, wanted);
    if (found < LARGE || a->dtype == CLVITS_DTYPE_F16 || a->dtype == CLVITS_DTYPE_BF16) {
        /* small ones, and halves that were widened, lie in the scratch arena */
        void *copy = clvits_arena_alloc(&g->out->arena, found);
        if (!copy)
            return clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory for '%s'", t->name);
        a->data = memcpy(copy, a->data, found);
    }
    return CLVITS_OK;
}

int clvits_onnx_scalar(onnx_reader *g, float *out, const char *name)
{
    const onnx_tensor *t = clvits_onnx_constant(g, name);
    clvits_array a;

    if (!t ||
        (t->data_type != TYPE_FLOAT && t->data_type != TYPE_HALF && t->data_type != TYPE_DOUBLE))
        return 0;
    for (size_t i = 0; i < t->n_dims; i++)
        if (t->dims[i] != 1)
            return 0;
    if (clvits_onnx_array(g, &a, t))
        return 0;
    clvits_array_floats(&a, out);
    return 1;
}
