// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_ONNX_MODULE_H
#define CLVITS_IO_ONNX_MODULE_H

#include "io/onnx_graph.h"

/** A convolution as the graph applies it; channel counts are those of its input and output. */
typedef struct onnx_conv {
    const onnx_node *node;
    int transposed, bias;
    int in, out, kernel;
    int stride, dilation, group;
    int pad_left, pad_right;
} onnx_conv;

/** Name every convolution after the module of the training code that made it. */
clvits_status clvits_onnx_modules(onnx_reader *g);

/** The convolution of that module, or NULL. */
__attribute__((format(printf, 2, 3))) const onnx_node *
clvits_onnx_find_module(const onnx_reader *g, const char *format, ...);

/** Add weight and bias of a module's convolution to the output, and say what it is. */
__attribute__((format(printf, 3, 4))) clvits_status
clvits_onnx_take_conv(onnx_reader *g, onnx_conv *out, const char *format, ...);

/**
 * Add gamma and beta of a layer normalisation.
 *
 * @param[in,out] eps  replaced when the graph tells it
 */
__attribute__((format(printf, 4, 5))) clvits_status
clvits_onnx_take_norm(onnx_reader *g, int channels, float *eps, const char *format, ...);

/** Add an array under a name; a floating type is demanded. */
clvits_status clvits_onnx_add(onnx_reader *g, clvits_array *a, const char *name);

/**
 * The part of a dotted or slashed name that begins with a module of the original model
 * (`enc_p`, `dp`, `flow`, `dec`, `emb_g`), or NULL.
 */
const char *clvits_onnx_canonical(const char *name);

/** Whether the node belongs to exactly that module by the path in its name. */
int clvits_onnx_in_module(const onnx_node *n, const char *module);

/** Walk the whole graph: every array into the output, every length into the configuration. */
clvits_status clvits_onnx_take_text_encoder(onnx_reader *g, clvits_config *c);
clvits_status clvits_onnx_take_duration(onnx_reader *g, clvits_config *c);
clvits_status clvits_onnx_take_flow(onnx_reader *g, clvits_config *c);
clvits_status clvits_onnx_take_decoder(onnx_reader *g, clvits_config *c);

/** Refuse by name what looks like a Piper voice and is none. Modules must be named already. */
clvits_status clvits_onnx_refuse(onnx_reader *g);

#endif
