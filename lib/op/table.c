// SPDX-License-Identifier: MIT
#include "op/op.h"

const clvits_op *const clvits_ops[] = {
    &clvits_op_affine,
    &clvits_op_attention,
    &clvits_op_binary,
    &clvits_op_concat,
    &clvits_op_conv1d,
    &clvits_op_conv_transpose1d,
    &clvits_op_copy,
    &clvits_op_coupling,
    &clvits_op_durations,
    &clvits_op_embedding,
    &clvits_op_expand,
    &clvits_op_flip,
    &clvits_op_gate,
    &clvits_op_layer_norm,
    &clvits_op_log_flow,
    &clvits_op_matmul,
    &clvits_op_normal,
    &clvits_op_spline,
    &clvits_op_sample,
    &clvits_op_separable,
    &clvits_op_softmax,
    &clvits_op_sum,
    &clvits_op_unary,
    NULL,
};
