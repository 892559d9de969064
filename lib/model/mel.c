// SPDX-License-Identifier: MIT
#include "model/mel.h"

#include <math.h>

/* Slaney's scale: 15 steps to 1 kHz, then 27 to every factor of 6.4. */
static const double linear_hz = 200.0 / 3.0, knee_hz = 1000.0, knee = 15.0;

static double steps_above(void)
{
    return log(6.4) / 27.0;
}

double clvits_mel_of(double hz, clvits_mel_scale scale)
{
    if (scale == CLVITS_MEL_HTK)
        return 2595.0 * log10(1.0 + hz / 700.0);
    return hz < knee_hz ? hz / linear_hz : knee + log(hz / knee_hz) / steps_above();
}

static double to_hz(double mel, clvits_mel_scale scale)
{
    if (scale == CLVITS_MEL_HTK)
        return 700.0 * (pow(10.0, mel / 2595.0) - 1.0);
    return mel < knee ? mel * linear_hz : knee_hz * exp((mel - knee) * steps_above());
}

clvits_status clvits_mel_filterbank(float *out, int n_fft, int rate, int n_mels, double fmin,
                                    double fmax, clvits_mel_scale scale, bool normalised,
                                    clvits_report *r)
{
    const int bins = n_fft / 2 + 1;

    if (rate > 0 && fmax == 0.0)
        fmax = 0.5 * rate;
    if (n_fft < 2 || rate < 1 || n_mels < 1 || n_mels > CLVITS_MOST_MELS || !(fmin >= 0.0) ||
        !(fmax > fmin) || !(fmax <= 0.5 * rate))
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "%d mel filters from %g to %g Hz, at %d samples per second and %d "
                           "points; give 1 to %d of them, and frequencies that rise to half the "
                           "rate at most", n_mels, fmin, fmax, rate, n_fft, CLVITS_MOST_MELS);
    const double low = clvits_mel_of(fmin, scale);
    const double step = (clvits_mel_of(fmax, scale) - low) / (n_mels + 1);
    for (int m = 0; m < n_mels; m++) {
        const double begin = to_hz(low + m * step, scale);
        const double peak = to_hz(low + (m + 1) * step, scale);
        const double end = to_hz(low + (m + 2) * step, scale);
        const double height = normalised ? 2.0 / (end - begin) : 1.0;
        for (int k = 0; k < bins; k++) {
            const double hz = (double)k * rate / n_fft;
            const double side = hz < peak ? (hz - begin) / (peak - begin)
                                          : (end - hz) / (end - peak);
            out[m * bins + k] = (float)(height * (side > 0.0 ? side : 0.0));
        }
    }
    return CLVITS_OK;
}
