// SPDX-License-Identifier: MIT
//
// Voices to measure with: the embedded one, and generated ones that have real voices' geometry and
// random weights. Times do not depend on the weights' values.
#ifndef CLVITS_BENCH_VOICE_H
#define CLVITS_BENCH_VOICE_H

#include "bench.h"
#include "model/engine.h"
#include "model/voice_file.h"

enum { VOICE_MAX_SENTENCES = 8 };

typedef struct voice_text {
    const char *name;
    const int32_t *ids[VOICE_MAX_SENTENCES];
    int n_ids[VOICE_MAX_SENTENCES];
    int sentences;
} voice_text;

/** A word, a sentence, a paragraph. */
enum { VOICE_SHORT, VOICE_MEDIUM, VOICE_LONG, VOICE_TEXTS };

typedef struct voice {
    const char *name;
    bool embedded;
    clvits_model model;
    double generation; /* seconds that making the weights took */
    voice_text texts[VOICE_TEXTS];
    const char *note; /* for the records */
    clvits_voice_file file;
    clvits_config config;
    clvits_arrays weights;
    clvits_arena arena;
} voice;

int voice_count(void);
const char *voice_name(int i);
clvits_status voice_open(voice *v, int i, clvits_report *r);
void voice_close(voice *v);

/** Level (c): the stages, as the engine runs them for this text. */
typedef struct stage_sum {
    double seconds; /* of their best: what others do at the time is not theirs */
    bool complete;
} stage_sum;
stage_sum bench_stages(bench *b, const voice *v, const voice_text *t, int frames);

#endif
