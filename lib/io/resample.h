// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_RESAMPLE_H
#define CLVITS_IO_RESAMPLE_H

#include "base/status.h"

#include <stdint.h>

/** Rates that are converted from and to, in samples per second. */
enum { CLVITS_LEAST_RATE = 1000, CLVITS_MOST_RATE = 1000000 };

/**
 * Convert n samples to another rate: ceil(n * to / from) samples, the first at the time of the
 * first. What both rates can hold passes up to 90 % of half the lower one, within 0.001 dB; from
 * half the lower one on, 100 dB less is left.
 *
 * @param[out] out  NULL on failure; release with free()
 * @return CLVITS_OK, _E_ARGUMENT (a rate beyond the limits), _E_MEMORY or _E_CANCELLED
 */
clvits_status clvits_resample(float **out, int64_t *n_out, const float *in, int64_t n, int from,
                              int to, clvits_report *r);

#endif
