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

/** A word, a sentence, a paragraph, a sentence half as long as that. */
enum { VOICE_SHORT, VOICE_MEDIUM, VOICE_LONG, VOICE_UNBROKEN, VOICE_TEXTS };

typedef struct voice {
    const char *name;
    bool embedded;
    clvits_model model;
    voice_text texts[VOICE_TEXTS];
    const char *note; /* for the records */
    clvits_voice_file file;
    clvits_config config;
    clvits_arrays weights;
    clvits_arena arena;
} voice;

int voice_count(void);
const char *voice_name(int i);

/**
 * Seconds, about, that this voice's speech or stages take the CPU path on few cores, beyond the
 * time that the options give each case: texts are as long as they are, and each is heard before it
 * is timed.
 */
double voice_cost(int i, bool stages);

/** Whether a step of training is measured with the voice of that name: with one, by its size. */
bool voice_is_trained(const char *name);

/** Give a generated voice its training side. */
clvits_status voice_add_training(voice *v, clvits_report *r);

clvits_status voice_open(voice *v, int i, clvits_report *r);

/** The same voice, read from a file that it was written to, or that it comes with. */
clvits_status voice_open_file(voice *v, int i, const char *path, clvits_report *r);
bool voice_is_embedded(int i);
void voice_close(voice *v);

enum { VOICE_MAX_BATCH = 16 };

/** What an item has: all its sentences, one after the other. */
typedef struct heard {
    float *samples;
    int32_t *durations; /* frames of each id */
    int64_t n, room, n_ids, ids_room;
} heard;

/** What comes out of the engine. */
typedef struct hearing {
    double start;            /* of the text, by bench_now() */
    double durations, first; /* seconds until the first durations, and the first samples */
    int64_t samples;         /* of all items */
    int frames; /* of the first item told of, the first sentence */
    bool keep;  /* in: what each item has; voice_forget() frees it */
    heard item[VOICE_MAX_BATCH];
} hearing;
void voice_forget(hearing *h);

/* Seconds: a case that would take longer for a single run is left out. */
#define VOICE_TOO_LONG 15.0

/** Seconds after which one run will have to do. */
static inline double voice_patience(const bench *b)
{
    return b->o->quick ? 1.5 : VOICE_TOO_LONG;
}

/** Speak all sentences of a text, one after the other, each as a batch of equal items. */
clvits_status voice_speak(clvits_engine *e, const voice *v, const voice_text *t, int batch,
                          hearing *h, clvits_report *r);

/**
 * Hold every item of what was heard against the CPU path: durations bit for bit, samples nearly.
 *
 * @param want  what the CPU path says of this text, once it was asked; the caller forgets it
 * @return      why there is nothing to compare with; a difference is in the record
 */
clvits_status voice_check(bench *b, const voice *v, const voice_text *t, int batch,
                          const hearing *got, hearing *want, bench_record *r);

/** The same for the first n samples of one item, spoken alone. */
clvits_status voice_check_start(bench *b, const voice *v, const voice_text *t,
                                const float *samples, int64_t n, hearing *want, bench_record *r);

/** Real-time factor and length of what was heard; first may be NULL. */
void voice_values(bench_record *r, const bench_times *first, const hearing *h, int batch,
                  int rate);

/** Level (d): the time until the first chunk, where audio is wanted as soon as may be. */
void bench_first_chunks(bench *b, const voice *v, clvits_engine *e);

/** How these records are called, behind the voice's name: NULL after the last that there is. */
const char *bench_chunk_name(const bench_options *o, int i);

/**
 * Level (c): one sentence, and its parts as it ran.
 *
 * @param plain  an engine that traces nothing, to say what tracing costs
 * @param alone  seconds of the stages timed one by one; 0: not known
 */
void bench_sentence(bench *b, const voice *v, clvits_engine *plain, double alone);

/** How the records of a sentence are called, behind the voice's name: NULL after the last. */
extern const char *const bench_sentence_names[];

/** Level (c): a step of training, and the parts that speech does without. */
void bench_training(bench *b, voice *v);
extern const char *const bench_training_names[];

/** Level (c): the stages, as the engine runs them for this text. */
typedef struct stage_sum {
    double seconds; /* of their best: what others do at the time is not theirs */
    bool complete;
} stage_sum;
stage_sum bench_stages(bench *b, const voice *v, const voice_text *t, int frames);

#endif
