// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_PLOT_H
#define CLVITS_PUBLIC_PLOT_H

#include <clvits/voice.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Speech to be drawn. Timings are in samples from its start, in the order in which they are heard;
 *  their member word is not looked at. */
typedef struct clvits_plot {
    const float *samples; /* mono, n_samples of them, at least 1 */
    size_t n_samples;
    int sample_rate;      /* Hz, 1000 to 1000000 */
    const clvits_timing *phonemes; /* may be NULL where n_phonemes is 0 */
    size_t n_phonemes;
    const clvits_timing *words;    /* likewise */
    size_t n_words;
} clvits_plot;

/**
 * Write a picture of speech as SVG in one file: waveform, mel spectrogram, and phonemes and words
 * at their times, for light and dark surroundings. A second has 200 pixels; of what is longer than
 * 40 seconds columns are averaged, and labels for which there is no room are left out, so that the
 * picture has at most two megabytes. It is drawn on the CPU path.
 *
 * @return CLVITS_OK, _E_ARGUMENT (no samples, some that are no numbers, or a rate out of range),
 *         _E_CANCELLED (write() ended it) or _E_MEMORY
 */
CLVITS_API clvits_status clvits_plot_write(clvits_context *context, const clvits_plot *plot,
                                           clvits_text_fn write, void *user);

#ifdef __cplusplus
}
#endif
#endif
