// SPDX-License-Identifier: MIT
//
// The pieces that the model's parts are made of; shapes are (B,T,C), names canonical.
#ifndef CLVITS_MODEL_BLOCKS_H
#define CLVITS_MODEL_BLOCKS_H

#include "model/model.h"

/** A graph under construction for a model. */
typedef struct clvits_scope {
    clvits_graph *graph;
    const clvits_config *c;
    const clvits_arrays *weights;
    clvits_tensor *g; /* (B,1,gin), or NULL */
} clvits_scope;

/** The weight of that name; the graph fails when there is none. */
clvits_tensor *clvits_scope_weight(clvits_scope *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Entries [from, from + n) of the first axis of that weight. */
clvits_tensor *clvits_scope_rows(clvits_scope *s, const char *name, int64_t from, int64_t n);

/** A layer's name, made where it is used. */
typedef struct clvits_name {
    char text[96];
} clvits_name;
clvits_name clvits_named(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Convolution NAME.weight, NAME.bias with the given parameters. */
clvits_tensor *clvits_layer_conv1d(clvits_scope *s, clvits_tensor *x, const char *name,
                                   const clvits_conv1d_params *p, const clvits_conv1d_extra *e);

/** The same with one tap, or with padding that keeps the length; no activation. */
clvits_tensor *clvits_layer_linear(clvits_scope *s, clvits_tensor *x, const char *name);
clvits_tensor *clvits_layer_same(clvits_scope *s, clvits_tensor *x, const char *name, int kernel,
                                 int dilation);

/** Layer norm with NAME.gamma, NAME.beta; residual may be NULL. */
clvits_tensor *clvits_layer_norm_named(clvits_scope *s, clvits_tensor *x, clvits_tensor *residual,
                                       const char *name, float eps, bool gelu);

/** Dilated depth-separable convolutions (DDSConv); g (B,T,C) is added to x, or NULL. */
clvits_tensor *clvits_dds_conv(clvits_scope *s, clvits_tensor *x, clvits_tensor *g,
                               const char *name);

/** WaveNet of the flow and posterior encoder: hidden channels in and out. */
clvits_tensor *clvits_wavenet(clvits_scope *s, clvits_tensor *x, const char *name, int kernel,
                              int dilation_rate, int layers);

/* The parts; see their files. */
clvits_tensor *clvits_text_encoder(clvits_scope *s, clvits_tensor *ids, clvits_tensor **stats);
clvits_tensor *clvits_duration_plain(clvits_scope *s, clvits_tensor *enc);
clvits_tensor *clvits_duration_stochastic(clvits_scope *s, clvits_tensor *enc,
                                          clvits_tensor *noise, int noise_w_slot);
clvits_tensor *clvits_flow_reverse(clvits_scope *s, clvits_tensor *z_p);
clvits_tensor *clvits_decoder(clvits_scope *s, clvits_tensor *z);

#endif
