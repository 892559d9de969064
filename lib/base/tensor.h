// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_TENSOR_H
#define CLVITS_BASE_TENSOR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct clvits_graph clvits_graph;
typedef struct clvits_node clvits_node;
typedef struct clvits_op clvits_op;

typedef enum clvits_type {
    CLVITS_F32 = 0,
    CLVITS_I32 = 1,
    CLVITS_F16 = 2, /* floats that devices keep as halves; the CPU path keeps them as floats */
} clvits_type;

/** What devices may do in half precision for a node; the CPU path does everything in single. */
enum {
    CLVITS_HALF_WEIGHTS = 1, /* keep its weights as halves */
    CLVITS_HALF_TENSORS = 2, /* keep its results as halves */
    CLVITS_HALF_SUMS = 4,    /* in the kernels for GPUs: multiply halves, and add up a few so */
};

typedef enum clvits_role {
    CLVITS_TEMPORARY = 0,
    CLVITS_INPUT,  /* written before a run */
    CLVITS_WEIGHT, /* constant; lives in the voice, in PyTorch's layout */
} clvits_role;

/**
 * Entries of a weight's first axis that lie together in the voice. What they hold is
 * factor * (data + plus).
 */
typedef struct clvits_weight_part {
    const float *data, *plus; /* as the file has them; NULL: zeros */
    int64_t rows;
    bool backwards;        /* the last entry comes first */
    bool inputs_backwards; /* so does the last of each entry's own */
    float factor;          /* 0 means 1 */
} clvits_weight_part;

/**
 * A value of a graph: (B,T,C), time-major, or a weight in its file's own shape.
 *
 * T is the capacity. How many rows of an item are valid is said at run time by the tensor's
 * clock; what reads rows outside finds the zeros of the guard.
 */
typedef struct clvits_tensor {
    clvits_graph *graph;
    int id;
    clvits_type type;
    clvits_role role;
    int B, T, C;
    int clock;
    int guard;                  /* most rows that any reader needs outside; kept in the root */
    bool output;                /* to be read after a run */
    struct clvits_tensor *root; /* itself, or the tensor of which this is a range of channels */
    int c0;                     /* first channel in the root */
    clvits_node *producer;      /* NULL for inputs and weights */

    const float *data; /* weights only: not owned; NULL where there are parts */
    const clvits_weight_part *parts;
    int n_parts;
    uint64_t content; /* of a weight that is known by what it holds, a hash of that; else 0 */
    int rank;
    int64_t shape[4];
} clvits_tensor;

/** Rows and channels counted over the whole tensor: B * T * C, checked when it was made. */
static inline int64_t clvits_tensor_count(const clvits_tensor *t)
{
    return (int64_t)t->B * t->T * t->C;
}

/** How many of b, above 0, make up a, which may be negative. */
static inline int clvits_ceil_div(int a, int b)
{
    return a > 0 ? (a - 1) / b + 1 : -(-a / b);
}

#endif
