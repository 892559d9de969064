// SPDX-License-Identifier: MIT
//
// The Toom-Cook form of a convolution: which shapes take it, and its weights. cl/toom.h has the
// mathematics.
#ifndef CLVITS_OP_TOOM_H
#define CLVITS_OP_TOOM_H

#include "op/conv.h"

/** The points of a form that exists. */
int clvits_toom_points(int m, int r);

/** Whether the target has a kernel or path that does so, with all that it wants. */
bool clvits_toom_runs(const clvits_target *at, const conv1d_dims *d, int m, int r);

/** Whether it has one with such values, -1 being any, for a convolution that is not known yet. */
bool clvits_toom_has(const clvits_target *at, int m, int r);

/** The target's best form for so many taps; zeros where none fits. */
void clvits_toom_form(const clvits_target *at, const conv1d_dims *d, int *m, int *r);

/** Whether the target computes in that form and gains by it: a matter of channels, taps and
 *  dilation alone. */
bool clvits_toom_wins(const clvits_target *at, const conv1d_dims *d);

/** Set how much a device's work-items make. */
void clvits_toom_job(const clvits_target *at, conv1d_dims *d);

void clvits_toom_launch(const clvits_node *n, const clvits_target *at, const conv1d_dims *d,
                        clvits_launch *l);

/** Transformed weights; as clvits_conv_pack(). */
int64_t clvits_toom_pack(const conv1d_dims *d, const clvits_target *at,
                         const clvits_conv_weight *w, float *out);

#endif
