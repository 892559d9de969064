// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_ONNX_GRAPH_H
#define CLVITS_IO_ONNX_GRAPH_H

#include "io/onnx.h"

#include "onnx.pb-c.h"

typedef Clvits__Onnx__Tensor onnx_tensor;
typedef Clvits__Onnx__Attribute onnx_attribute;
typedef Clvits__Onnx__Node onnx_node;
typedef Clvits__Onnx__Graph onnx_graph;
typedef Clvits__Onnx__Model onnx_model;

/** Where a value of the graph comes from: stored in the file, or computed by a node. */
typedef struct onnx_value {
    const char *name;
    const onnx_tensor *tensor;
    const onnx_node *node;
    size_t order;
} onnx_value;

/** A convolution under the dotted name of the module that made it. */
typedef struct onnx_module {
    const char *name;
    const onnx_node *node;
} onnx_module;

/** One file being read. The first failure stays in status, and every later call does nothing. */
typedef struct onnx_reader {
    clvits_arrays *out;
    clvits_arena scratch; /* the parsed graph, less the large tensors, which go to out */
    size_t allowed;       /* bytes the parser may still take */
    int refused;          /* it wanted more */
    int is_coqui; /* its modules were called otherwise */
    const char *path;
    const onnx_model *model;
    const onnx_graph *graph;
    onnx_value *values; /* by name */
    size_t n_values;
    onnx_module *modules; /* by name */
    size_t n_modules;
    clvits_status status;
    clvits_report *report;
} onnx_reader;

/** Fail with "path: ..." and return the status. */
__attribute__((format(printf, 3, 4))) clvits_status
clvits_onnx_fail(onnx_reader *g, clvits_status status, const char *format, ...);

/** Parse the file and index its values. What it took is freed with the scratch arena. */
clvits_status clvits_onnx_load(onnx_reader *g);

/** The tensor of that name, seen through Identity, Cast and Constant nodes; NULL when computed. */
const onnx_tensor *clvits_onnx_constant(const onnx_reader *g, const char *name);

/** The node that computes a value, seen through Identity and Cast; NULL for stored ones. */
const onnx_node *clvits_onnx_producer(const onnx_reader *g, const char *name);

/** The first node of that type that takes a value, possibly through Identity or Cast, or NULL. */
const onnx_node *clvits_onnx_consumer(const onnx_reader *g, const char *value, const char *op);

/** The name a value had before any Identity or Cast. */
const char *clvits_onnx_source(const onnx_reader *g, const char *name);

/** Input i of a node, or "" when it has fewer. */
const char *clvits_onnx_input(const onnx_node *n, size_t i);

const onnx_attribute *clvits_onnx_attribute(const onnx_node *n, const char *name);

/** Whether a node is of that type in ONNX's own domain. */
int clvits_onnx_is(const onnx_node *n, const char *op);

/**
 * Present a tensor as an unnamed array whose data is in the reader's output.
 *
 * Checks type, sizes and location; fails with the tensor's name.
 */
clvits_status clvits_onnx_array(onnx_reader *g, clvits_array *a, const onnx_tensor *t);

/** The value of a stored scalar of a floating type; 0 when it is none. */
int clvits_onnx_scalar(onnx_reader *g, float *out, const char *name);

#endif
