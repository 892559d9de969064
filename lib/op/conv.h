// SPDX-License-Identifier: MIT
//
// What the plain and the transposed convolution share: both run as the blocked kernel conv1d.
#ifndef CLVITS_OP_CONV_H
#define CLVITS_OP_CONV_H

#include "op/tune.h"

/** The clock of x, seen through y = (x + add) / stride. */
int clvits_conv_clock(const clvits_node *n, int stride, int add);

/** Check bias, residual and sum against the output's shape and add the outputs asked for. */
clvits_status clvits_conv_outputs(clvits_node *n, int clock, int channels, int act, bool only_act,
                                  clvits_report *r);

/** Where PyTorch keeps the weight of output o, input i of its group and tap k. */
typedef struct clvits_conv_weight {
    const float *data;
    int64_t o, i;    /* floats from an output channel to the next, from an input to the next */
    int K;           /* taps, all phases together */
    bool transposed; /* tap k of phase p is p + (taps of a phase - 1 - k) * phases */
} clvits_conv_weight;

/** The body of both operators' pack(): zeros where a block has no channel or a phase no tap. */
int64_t clvits_conv_pack(const conv1d_dims *d, const clvits_target *at,
                         const clvits_conv_weight *w, float *out);

/** Where the weight keeps tap k of phase p; -1: nowhere, the tap is zero. */
int clvits_conv_tap(const conv1d_dims *d, const clvits_conv_weight *w, int p, int k);

/** The output channel, counted from its group's first, of a lane in block b; O and more: none. */
int clvits_conv_channel(const conv1d_dims *d, int O, int b, int lane);

/** The body of both operators' packing(): layout and what belongs to it. */
clvits_packing clvits_conv_packing(const clvits_node *n, const clvits_target *at, int i);

/** The body of both operators' bytes(): devices may keep the weight as halves. */
double clvits_conv_bytes(const clvits_node *n, int place, const int *lengths);

/** Floats of a vector in the kernels or paths of the target. */
int clvits_conv_vector(const clvits_target *at);

/** The body of both operators' form(): Toom-Cook ones multiply less often. */
clvits_form clvits_conv_form(const void *dims);

/** The rows of x behind rows of the result: in Toom-Cook form those of whole tiles. */
clvits_range clvits_conv_reach(const void *dims, clvits_range out);

/** Fill in layout and what follows from the tensors, once the caller has set the geometry. */
void clvits_conv_dims(const clvits_node *n, const clvits_target *at, conv1d_dims *d);

void clvits_conv_launch(const clvits_node *n, const clvits_target *at, const void *dims,
                        clvits_launch *l);

/** What both operators let be tuned; one room, since their kernels are the same. */
extern const clvits_knobs clvits_conv_knobs;

#endif
