// SPDX-License-Identifier: MIT
//
// The single operators in tests/golden/ops, as the harness takes them.
#ifndef CLVITS_TESTS_GOLDEN_H
#define CLVITS_TESTS_GOLDEN_H

#include "harness.h"
#include "npy.h"

/** One array of tests/golden/ops, living as long as the harness. */
typedef struct golden {
    int rank;
    int64_t shape[8]; /* as in the file */
    int64_t count;
    int B, T, C;      /* of golden_rows() */
    const double *data;
    const float *floats;
} golden;

/** ops/NAME.npy in the file's own order, as weights are wanted. */
golden golden_read(harness *h, const char *name);

/** The same, an array [B, C, T] brought to [B][T][C]. */
golden golden_rows(harness *h, const char *name);

#endif
