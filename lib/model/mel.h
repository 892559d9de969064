// SPDX-License-Identifier: MIT
#ifndef CLVITS_MODEL_MEL_H
#define CLVITS_MODEL_MEL_H

#include "base/status.h"

#include <stdbool.h>

typedef enum clvits_mel_scale {
    CLVITS_MEL_SLANEY = 0, /* linear up to 1 kHz, logarithmic above (Slaney, Auditory Toolbox) */
    CLVITS_MEL_HTK,        /* 2595 log10(1 + f / 700) */
} clvits_mel_scale;

enum { CLVITS_MOST_MELS = 1024 };

/** The place of a frequency on a scale. */
double clvits_mel_of(double hz, clvits_mel_scale scale);

/**
 * Triangles on the mel scale, each from the peak before it to the one after it.
 *
 * @param[out] out         [n_mels][n_fft / 2 + 1], as clvits_mel() wants them
 * @param      rate        samples per second
 * @param      n_mels      1 to CLVITS_MOST_MELS
 * @param      fmin        where the first one begins, in Hz
 * @param      fmax        where the last one ends, at most rate / 2; 0: there
 * @param      normalised  all of the same area (2 / width in Hz), not of height 1
 * @return CLVITS_OK or _E_ARGUMENT
 */
clvits_status clvits_mel_filterbank(float *out, int n_fft, int rate, int n_mels, double fmin,
                                    double fmax, clvits_mel_scale scale, bool normalised,
                                    clvits_report *r);

#endif
