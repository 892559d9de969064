// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_SAFETENSORS_WRITE_H
#define CLVITS_IO_SAFETENSORS_WRITE_H

#include "io/arrays.h"

#include <stdio.h>

/** A tensor to be written. */
typedef struct clvits_safetensors_item {
    const char *name;
    clvits_dtype dtype; /* CLVITS_DTYPE_F32, or _F16: the data is rounded */
    int rank;
    int64_t shape[4];
    const float *data;
} clvits_safetensors_item;

/** Where to. */
typedef struct clvits_safetensors_output {
    FILE *f;
    const char *path; /* for messages */
    /** NULL, or told how many bytes of all are written; not 0 ends it. */
    int (*progress)(void *user, size_t done, size_t total);
    void *user;
} clvits_safetensors_output;

/**
 * Write a .safetensors file with one entry of metadata. Tensors whose size is a multiple of 64
 * bytes begin at one in the file, others at a multiple of the largest power of two that divides
 * their size.
 *
 * @param value  UTF-8
 * @return CLVITS_OK, _E_FILE (writing failed), _E_CANCELLED (progress() ended it) or _E_MEMORY
 */
clvits_status clvits_safetensors_write(const clvits_safetensors_output *o,
                                       const clvits_safetensors_item *items, size_t n,
                                       const char *key, const char *value, clvits_report *r);

#endif
