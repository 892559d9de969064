// SPDX-License-Identifier: MIT
#include "op/op.h"

const clvits_op *const clvits_ops[] = {
    &clvits_op_attention,
    &clvits_op_conv1d,
    &clvits_op_conv_transpose1d,
    &clvits_op_softmax,
    NULL,
};
