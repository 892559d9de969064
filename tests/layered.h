// SPDX-License-Identifier: MIT
//
// What tests share in which the embedded voice speaks on a device behind the layer (layer/layer.h).
// CLVITS_FAULTS may make the device another one throughout, as in "like=mali".
#ifndef CLVITS_TESTS_LAYERED_H
#define CLVITS_TESTS_LAYERED_H

#include "layer/layer.h"

#include <clvits/clvits.h>

#include <stdbool.h>
#include <stddef.h>

enum { LAYERED_SAMPLES = 400000 };

/** One utterance, and what was heard of it. */
typedef struct layered_speech {
    float samples[LAYERED_SAMPLES];
    size_t n;
    int chunks;
    int lose_after; /* chunks, then the device is gone; 0: never */
    bool long_one;  /* of several windows */
} layered_speech;

/** What a log says; of a context's parameters the user. */
typedef struct layered_heard {
    int warnings, wrong, gone;
    char last[600];
} layered_heard;

/** Speak on the CPU path, before the tests fork: it loads no driver, so that their processes can
 *  begin with it. The second one speaks the long utterance as well. */
void layered_learn(void);
void layered_learn_both(void);

/** Find the layer, once in each test. */
void layered_begin(void);

/** The device under test, by CLVITS_TEST_DEVICE. */
const char *layered_device(void);

/** As clvits_layer_set(), on top of what CLVITS_FAULTS says of the device. */
int layered_set(const char *faults);

/** As clvits_layer_calls() and clvits_layer_live(). */
long layered_calls(const char *kind);
long layered_live(char *text, unsigned long size);

/** The log of a context whose log_user is a layered_heard: warnings and errors. */
void layered_listen(void *user, clvits_log_level level, const char *text);

/** Hears a chunk; the user is a layered_speech. */
int layered_hear(void *user, const clvits_chunk *c);

clvits_status layered_speak(clvits_voice *v, layered_speech *s);

/** The short utterance, to another listener. */
clvits_status layered_speak_to(clvits_voice *v, clvits_audio_fn hear, void *user);

/** Fail the test unless this is what the CPU path says, but for rounding. */
void layered_compare(const char *what, const layered_speech *got);

#endif
