// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_REVOICE_H
#define CLVITS_PUBLIC_REVOICE_H

#include <clvits/voice.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How to revoice. */
typedef struct clvits_revoice_params {
    int from, to;      /* who speaks, and who is to be heard: 0 to n_speakers - 1 */
    float noise_scale; /* variety of the sound, 0 to 100: 0 is the likeliest, 1 as in training */
    uint64_t seed;     /* of that: the same seed gives the same speech */
    clvits_audio_fn audio; /* as in clvits_speak(): one sentence, without text; may be NULL */
    void *user;
    clvits_cancel *cancel; /* may be NULL; outlives the call */
} clvits_revoice_params;

/**
 * Say what one speaker of a voice said in the voice of another of its speakers.
 *
 * What the posterior encoder hears is brought into the space that all speakers share, and decoded
 * from there, window by window. As many whole frames of hop_length samples come as go in. Devices
 * that fail are done without, as clvits_speak() says.
 *
 * @param voice    opened by clvits_voice_open_listening(), with several speakers
 * @param samples  n of them, at the voice's sample_rate, mono, about -1 to 1; up to
 *                 clvits_listen_limit(). See clvits_samples_read()
 * @return CLVITS_OK, _E_ARGUMENT (a parameter out of range; less than a frame of samples, some that
 *         are no numbers, or too many), _E_UNSUPPORTED (the voice was opened to speak alone, or has
 *         one speaker), _E_FORMAT (the voice makes what is no number), _E_CANCELLED, _E_DEVICE or
 *         _E_MEMORY
 */
CLVITS_API clvits_status clvits_revoice(clvits_voice *voice, const float *samples, size_t n,
                                        const clvits_revoice_params *params);

#ifdef __cplusplus
}
#endif
#endif
