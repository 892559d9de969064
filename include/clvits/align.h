// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_ALIGN_H
#define CLVITS_PUBLIC_ALIGN_H

#include <clvits/voice.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How to align; all zero is the default. */
typedef struct clvits_align_params {
    int speaker;           /* who speaks: 0 to n_speakers - 1 */
    int language;          /* 0 to n_languages - 1 */
    int phonemes;          /* not 0: the text is symbols of the voice already (IPA for most) */
    clvits_cancel *cancel; /* may be NULL; outlives the call */
} clvits_align_params;

/**
 * A sentence of an alignment, in the order of the text.
 *
 * Every frame belongs to some symbol: there is no silence beside them. What is heard between two
 * words is with the symbols that stand there, and what follows the last one with that.
 */
typedef struct clvits_aligned {
    size_t text_start, text_n; /* bytes of it in the text */
    int64_t start, length;     /* samples, from the start of the recording */
    const clvits_timing *phonemes; /* n_phonemes; their starts count from there as well */
    const float *phoneme_scores;   /* as clvits_alignment.score, of the frames of each */
    size_t n_phonemes;
    const clvits_timing *words; /* their texts point into the text that was given */
    size_t n_words;
    const int32_t *durations; /* frames per id, padding included */
    size_t n_durations;
    float score; /* as that of the alignment */
} clvits_aligned;

/** Where a text is heard in a recording. It is read-only, and for any thread. */
typedef struct clvits_alignment {
    int sample_rate, hop_length; /* Hz; samples of a frame, in which all begins and ends */
    int64_t n_frames;            /* of the recording; less than one may follow them */
    /**
     * How well they fit: the logarithm of the density of a frame under its symbol, the mean over
     * all frames. Higher is better; the same voice's scores can be compared, and no others.
     */
    float score;
    const clvits_aligned *sentences;
    size_t n_sentences;
} clvits_alignment;

/**
 * Find where each symbol and word of a text is in a recording of it (Kim et al. 2020): the most
 * likely path through the text, frame by frame, of what the voice's posterior encoder hears, at the
 * mean of its distribution, so that the same recording always gives the same result.
 *
 * All of the text must be spoken in the recording, in its order, and nothing else of length. The
 * text's symbols need a frame each; frames times symbols are limited to 2^28, which is five minutes
 * of usual speech, and take up to 1 GiB; a longer recording is to be cut into parts. Devices that
 * fail are done without, as clvits_speak() says.
 *
 * @param[out] out      NULL on failure; release with clvits_alignment_free()
 * @param      voice    opened by clvits_voice_open_listening()
 * @param      samples  n_samples of them, at the voice's sample_rate, mono, about -1 to 1; up to
 *                      clvits_listen_limit(). See clvits_samples_read()
 * @param      text     UTF-8, n bytes; need not be terminated. It stays as it is while the
 *                      alignment is used
 * @param      params   NULL for the defaults
 * @return CLVITS_OK, _E_ARGUMENT (no text, nothing in it that the voice knows, invalid UTF-8; a
 *         parameter out of range; no samples, or some that are no numbers; a recording that is
 *         shorter than its text, or too long), _E_UNSUPPORTED (the voice was opened to speak alone,
 *         takes ids only, or espeak-ng is not installed), _E_FORMAT (the voice is damaged),
 *         _E_CANCELLED, _E_DEVICE or _E_MEMORY
 */
CLVITS_API clvits_status clvits_align(clvits_alignment **out, clvits_voice *voice,
                                      const float *samples, size_t n_samples, const char *text,
                                      size_t n, const clvits_align_params *params);

/** Release an alignment and set it to NULL; releasing NULL is allowed. */
CLVITS_API void clvits_alignment_free(clvits_alignment **alignment);

#ifdef __cplusplus
}
#endif
#endif
