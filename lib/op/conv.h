// SPDX-License-Identifier: MIT
//
// What the plain and the transposed convolution share: both run as the blocked kernel conv1d.
#ifndef CLVITS_OP_CONV_H
#define CLVITS_OP_CONV_H

#include "op/op.h"

/** The clock of x, seen through y = (x + add) / stride. */
int clvits_conv_clock(const clvits_node *n, int stride, int add);

/** Check bias, residual and sum against the output's shape and add the outputs asked for. */
clvits_status clvits_conv_outputs(clvits_node *n, int clock, int channels, int act, bool only_act,
                                  clvits_report *r);

/** Output channels in a packed block of weights, for O channels in a group. */
int clvits_conv_lanes(int O, const clvits_target *at);

/** Fill in what follows from the tensors, once the caller has set geometry and parameters. */
void clvits_conv_dims(const clvits_node *n, const clvits_target *at, conv1d_dims *d);

void clvits_conv_launch(const clvits_node *n, const clvits_device *device, const void *dims,
                        clvits_launch *l);

#endif
