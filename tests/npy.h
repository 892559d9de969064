// SPDX-License-Identifier: MIT
#ifndef CLVITS_TESTS_NPY_H
#define CLVITS_TESTS_NPY_H

#include <stddef.h>
#include <stdint.h>

/** One array of a NumPy file, in C order (as which a matrix in Fortran order is read, too). */
typedef struct npy {
    int rank;
    int64_t shape[8];
    size_t count;
    double *data;
    float *floats; /* the same values: what an operator is fed with */
} npy;

/**
 * Read a little-endian .npy file of float32, float64, int32 or int64; the test fails, with the
 * path, when the file is missing or of another kind. Free with npy_free().
 */
npy npy_read(const char *path);

void npy_free(npy *a);

#endif
