// SPDX-License-Identifier: MIT
//
// How a voice speaks: utterances from somewhere, several at once, each sentence by sentence.
#ifndef CLVITS_MODEL_SPEAK_H
#define CLVITS_MODEL_SPEAK_H

#include "base/mark.h"
#include "model/context.h"
#include "model/engine.h"
#include "model/voice_file.h"

#include <clvits/voice.h>

struct clvits_voice {
    clvits_context *context;
    clvits_voice_file file;
    clvits_engine *engine;
    int64_t parameters;
};

struct clvits_cancel {
    atomic_int raised;
    clvits_marks marks; /* of what is tried until it is raised */
};

static inline bool clvits_cancel_is_raised(const clvits_cancel *c)
{
    return atomic_load((atomic_int *)&c->raised);
}

/** Whether the voice has that speaker and that language: CLVITS_OK or _E_ARGUMENT. */
clvits_status clvits_voice_check_who(const clvits_voice *v, int speaker, int language,
                                     clvits_report *r);

/** How the voice reads text of that language, or symbols. */
clvits_text_settings clvits_voice_text(const clvits_voice *v, int language, int phonemes);

/** Where the symbols and words of a sentence lie; see clvits_timing. */
typedef struct clvits_timings {
    clvits_timing *phonemes, *words;
    size_t n_phonemes, n_words;
} clvits_timings;

/**
 * Find them from the frames of the sentence's ids. The padding after a symbol belongs to it; what
 * is before the first one stays before it.
 *
 * @param[out] out       in the arena, all zero on failure
 * @param      text      that the sentence is of
 * @param      position  of the sentence's first sample
 */
clvits_status clvits_timings_find(clvits_timings *out, clvits_arena *arena,
                                  const clvits_sentence *sentence, const char *text,
                                  const int32_t *durations, int hop, int64_t position,
                                  clvits_report *r);

/** Where utterances come from, and who is told how they ended; all on the thread that speaks. */
typedef struct clvits_feed {
    void *user;
    /** The next one, valid until its end is told; NULL: there is none at the moment. */
    const clvits_utterance *(*next)(void *user);
    void (*ended)(void *user, const clvits_utterance *u, clvits_status status, const char *message);
    int at_once; /* 1 to CLVITS_BATCH */
} clvits_feed;

/**
 * Speak until there is no next utterance and all have ended.
 *
 * @return CLVITS_OK however they ended; otherwise what the device or memory failed in, of which all
 *         that were under way were told
 */
clvits_status clvits_voice_speak(clvits_voice *v, const clvits_feed *feed);

#endif
