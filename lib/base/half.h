// SPDX-License-Identifier: MIT
//
// IEEE 754 half precision on the host, where values go to a device that keeps them so.
#ifndef CLVITS_BASE_HALF_H
#define CLVITS_BASE_HALF_H

#include <stddef.h>

/**
 * Round n floats to the nearest halves, ties to even; what lies beyond becomes the largest half
 * of its sign, as the kernels do it. NaN stays NaN.
 *
 * @param out  n * 2 bytes; may be x itself
 */
void clvits_halves_pack(void *out, const float *x, size_t n);

/** The same values as floats. halves may be the upper half of out: (char *)out + 2 * n. */
void clvits_halves_unpack(float *out, const void *halves, size_t n);

#endif
