// SPDX-License-Identifier: MIT
//
// What the rooms that work row by row share; the kernels' side is row_of() in cl/common.cl.
#ifndef CLVITS_OP_ROWS_H
#define CLVITS_OP_ROWS_H

#include "op/op.h"

/** A grid over B items, `rows` rows each (guards counted) and C channels. */
void clvits_rows_launch(clvits_launch *l, const clvits_device *device, const char *program,
                        const char *kernel, int B, int rows, int C);

/** Whether t is a float tensor with these rows and channels; clock 0: one row. */
bool clvits_rows_fit(const clvits_tensor *t, int clock, int channels);

/** The same, also of the type that devices keep as halves. */
bool clvits_rows_fit_either(const clvits_tensor *t, int clock, int channels);

/** Tell the kernel which of x, w and y are halves. */
void clvits_halves_launch(clvits_launch *l, const clvits_tensor *x, bool w,
                          const clvits_tensor *y);

/** Whether t is a weight of n elements, of any shape. */
bool clvits_weight_fits(const clvits_tensor *t, int n);

#endif
