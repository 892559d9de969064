// SPDX-License-Identifier: MIT
//
// What the direct and the Toom-Cook form of the blocked convolution share: what a node's jobs are
// given, and the epilogue.
#ifndef CLVITS_CPU_CONV_H
#define CLVITS_CPU_CONV_H

#include "cpu/isa.h"

/* Two vectors by ROWS accumulators, plus two of weights and one broadcast, fit the registers. */
#if CLVITS_REGISTERS >= 32
#define ROWS 12
#else
#define ROWS 6
#endif
#define MAX_LANES (2 * CLVITS_VECTOR)

enum { JOBS_EACH = 4 }; /* jobs for each thread, so that none waits long for the last */

typedef int clvits_vec_bits __attribute__((vector_size(CLVITS_VECTOR * sizeof(int))));

typedef struct clvits_conv_job {
    const conv1d_dims *d;
    const int *run;
    clvits_pool *pool;
    const float *x, *w, *bias, *residual, *sum;
    float *y, *a;
    int channels, outputs; /* of a group */
    int rows;              /* steps of a job */
    int chunks, blocks;    /* jobs along the steps; along the channels of one phase and group */
} clvits_conv_job;

/* Steps [first, end) of one block of channels in one phase, group and item. */
typedef struct clvits_conv_part {
    int b, p, len;
    int o0, n; /* first output channel, how many */
    int first, end;
    const float *x, *w; /* tap 0 of step 0, first channel of the group; the packed block */
    long step, tap;     /* elements of x from a step to the next, from a tap to the next */
    int taps, channels;
} clvits_conv_part;

static inline clvits_vec clvits_vec_leaky(clvits_vec v, float slope)
{
    const clvits_vec_bits m = v >= 0.0f;
    return (clvits_vec)((m & (clvits_vec_bits)v) | (~m & (clvits_vec_bits)(v * slope)));
}

/* The epilogue of the sums v, ld apart, in rows row, row + step, ...: those that are valid. */
void CLVITS_CPU_PATH(conv_finish)(const clvits_conv_job *j, const clvits_conv_part *t,
                                  const float *v, int ld, int row, int step, int rows);

/* Zeros in the guard rows of the part's channels. */
void CLVITS_CPU_PATH(conv_zero_guards)(const clvits_conv_job *j, const clvits_conv_part *t);

/* The whole node in Toom-Cook form, where no item has more than `most` rows: lib/cpu/toom.c. */
void CLVITS_CPU_PATH(conv_toom)(const clvits_conv_job *j, int most);

#endif
