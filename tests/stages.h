// SPDX-License-Identifier: MIT
//
// Runs the model's stages one by one, with noise from files, and compares with golden arrays.
#ifndef CLVITS_TESTS_STAGES_H
#define CLVITS_TESTS_STAGES_H

#include "harness.h"
#include "model/model.h"
#include "npy.h"

/** Rows [T][C] of an array that its file keeps as [C][T] (any leading ones). */
float *stages_rows(harness *h, const char *path, int channels, int *rows);

/** Whole numbers of an array. */
int32_t *stages_ints(harness *h, const char *path, int *count);

/** Fail unless the signal-to-noise ratio of got against want is at least 80 dB. */
void stages_compare(const char *what, const float *got, const float *want, int64_t n);

/** Plan a stage on the machine under test; end with stages_close(). */
typedef struct stages_run {
    clvits_plan *plan;
    clvits_run *run;
} stages_run;
stages_run stages_open(harness *h, const clvits_graph *g);
void stages_close(stages_run *s, clvits_graph **g);

void stages_length(harness *h, const stages_run *s, int clock, int length);
void stages_write(harness *h, const stages_run *s, const clvits_tensor *t, const void *rows);
void stages_go(harness *h, const stages_run *s);

/** All rows of a kept tensor of one item. */
void *stages_read(harness *h, const stages_run *s, const clvits_tensor *t, int rows);

#endif
