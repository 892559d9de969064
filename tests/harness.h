// SPDX-License-Identifier: MIT
//
// Runs small graphs on the device under test and compares with a formula in double precision.
//
// CLVITS_TEST_DEVICE names it: "cpu", "cpu:avx2" (an instruction set), or a part of an OpenCL
// device's or platform's name ("pthread", "llvmpipe", "oclgrind"); CLVITS_TEST_FAMILY=gpu or =cpu
// forces the kernel family. Without either, the first OpenCL device, else the CPU. CLVITS_RECORD=on
// or =off says whether launches that repeat are recorded.
#ifndef CLVITS_TESTS_HARNESS_H
#define CLVITS_TESTS_HARNESS_H

#include "graph/build.h"
#include "graph/sched.h"
#include "op/tune.h"

#include <check.h>

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))

/** One graph under test; begun and ended within a test. */
typedef struct harness {
    clvits_report report;
    clvits_machine machine;
    clvits_packed_weights *weights;
    clvits_graph *graph;
    clvits_plan *plan;
    clvits_run *run;
    clvits_arena arena;
    struct harness_input *inputs;
    uint64_t seed;
    const char *place; /* forced placement, NULL by default */
    clvits_tuning *tuning;
} harness;

/** Open the device under test and an empty graph. */
void harness_begin(harness *h, int batch);

/** Follow these rows of tuned values from the next plan on; once. */
void harness_tune(harness *h, const char *rows);

/** Free everything; fails the test on memory left on a device. */
void harness_end(harness *h);

/** Uniform numbers in [lo, hi], the same in every run. */
float *harness_random(harness *h, int64_t n, float lo, float hi);

/** An input (B,T,C) of uniform numbers; values receives them, [B][T][C]. */
clvits_tensor *harness_input(harness *h, int clock, int channels, float lo, float hi,
                             const float **values);

/** The same between -1 and 1; half: of the type that devices keep as halves, and rounded so. */
clvits_tensor *harness_input_like(harness *h, bool half, int clock, int channels,
                                  const float **values);

/** An input with the caller's values, [B][T][C] floats or ints, not copied. */
clvits_tensor *harness_input_of(harness *h, clvits_type type, int clock, int channels,
                                const void *values);

/** The caller's values for an input that the graph has already. */
void harness_feed(harness *h, clvits_tensor *input, const void *values);

/** A weight of uniform numbers. */
clvits_tensor *harness_weight(harness *h, int rank, const int64_t *shape, float lo, float hi,
                              const float **values);

/**
 * Finish the graph and plan it. Every tensor then has guard rows, so that writers are seen to zero
 * them; lengths are set with harness_length() after this.
 */
void harness_plan(harness *h);

/** Set the valid rows of an item; the capacity where this is not called. */
void harness_length(harness *h, int clock, int item, int length);

/**
 * Make every word of a run's memory a NaN, which a fresh run's zeros are not: a result that rests
 * on a row nobody wrote, or a guard row that nobody zeroed, then shows on every device.
 */
void harness_poison(harness *h, const clvits_run *run, const clvits_plan *plan);

/** Write the inputs into poisoned memory, run. */
void harness_go(harness *h);

/** The valid rows of a kept output, [B][T][C] with zeros after each item's length; the guard rows
 *  are checked to be zero. */
const float *harness_output(harness *h, const clvits_tensor *t);

/** Run again, asked for some rows of a kept output of a convolution alone: fail unless these have
 *  the bits that they had, and no others were made. */
void harness_ask_some(harness *h, const clvits_tensor *t);

/** Fail unless max |got - want| <= tolerance * max |want|, over the valid rows. */
void harness_close(harness *h, const clvits_tensor *t, const double *want, double tolerance);

/** Fail unless the valid rows are at least 110 dB above what they are off by. */
void harness_noise(harness *h, const clvits_tensor *t, const double *want);

/** How far n numbers are above what they are off by, in decibels; some 3000 where by nothing. */
double harness_decibels(const float *got, const float *want, int64_t n);

/**
 * Round numbers of harness_random() to halves, so that neither a device that keeps them so nor the
 * formula rounds them again. A result in halves then is off by at most half a unit in the last of
 * its 11 bits, HARNESS_HALF of the largest, beyond what floats are.
 */
void harness_round(const float *values, int64_t n);
#define HARNESS_HALF 0x1p-11

/** Whether case i is left to other runs: CLVITS_TEST_EVERY, "N" or "N+K", has every Nth case from K
 *  on run, where each takes long. */
bool harness_left_out(int i);

/** A clvits_log_fn that adds warnings, and what is worse, to an int. */
void harness_count_warnings(void *user, clvits_log_level level, const char *text);

/** main() of every test file: one suite, run in forked children with time for a kernel build. */
int harness_main(Suite *s);
#define HARNESS_TIMEOUT 240

#endif
