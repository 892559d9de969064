// SPDX-License-Identifier: MIT
//
// Runs a model's stages for batches of id sequences: the text as a whole, then the flow by blocks
// of frames and the decoder by windows of these, each with the context that makes its result what
// all frames at once would give. So memory does not grow with the speech, and the first samples
// come when the first window is done. Any number of threads may use one engine at once.
#ifndef CLVITS_MODEL_ENGINE_H
#define CLVITS_MODEL_ENGINE_H

#include "graph/sched.h"
#include "model/model.h"

#include <stdatomic.h>

typedef struct clvits_engine clvits_engine;

/**
 * @param m      copied; its configuration and weights outlive the engine, as does the machine
 * @param place  NULL, or a forced placement (see clvits_plan_make); copied
 */
clvits_status clvits_engine_open(clvits_engine **out, const clvits_model *m,
                                 const clvits_machine *machine, const char *place,
                                 clvits_report *r);
void clvits_engine_close(clvits_engine **engine);

/** One item of a batch: what is given, and what comes of it. */
typedef struct clvits_item {
    const int32_t *ids;
    int n_ids; /* 1 to 16384 */
    int sid;
    const int32_t *lids; /* the language of each id, of models that have any */
    uint64_t seed;
    float noise_scale, noise_w, length_scale;
    const atomic_int *cancel; /* NULL, or ends the item when it is not 0 */
    int32_t *durations;       /* receives frames per id; room for n_ids */
    int frames;               /* receives their sum, at least 1; 0: it ended early */
    int heard;                /* receives how many of these the sink has */
} clvits_item;

/** How the caller follows a batch; item is an index. */
typedef struct clvits_sink {
    void *user;
    /** NULL, or called once an item's durations are known; another status than OK ends the item. */
    clvits_status (*durations)(void *user, int item, const clvits_item *what, clvits_report *r);
    /** Called with the samples of each item, in order, in pieces; another status than OK ends the
     *  item. */
    clvits_status (*wave)(void *user, int item, const float *samples, int n, clvits_report *r);
    /** Told when an item ends before its samples do, why being in r: what it is made of is not
     *  allowed, it was cancelled, or a call above ended it. The others go on if this returns OK;
     *  NULL: they do not. What a device or memory fails in ends all and is not told here. */
    clvits_status (*ended)(void *user, int item, clvits_report *r);
    /* Frames in a piece: `first` in the first one at most (0: as `most` says), more in each one
     * after it, and `most` at most (0: what is efficient; not above 1024). */
    int first, most;
} clvits_sink;

/** Receives the plan of a stage, "text", "latent" or "wave"; another status than OK ends. */
typedef clvits_status (*clvits_plan_fn)(void *user, const clvits_plan *p, const char *stage,
                                        clvits_report *r);

/** Show the plans of all stages, in order, at their smallest capacities and for one item; the
 *  decoder's is that of the usual window, although a GPU may speak with a wider one. */
clvits_status clvits_engine_plans(clvits_engine *e, clvits_plan_fn fn, void *user,
                                  clvits_report *r);

/**
 * Speak a batch, of which as many items are computed at once as is efficient; they differ in
 * length, and each gets exactly what it would get alone.
 *
 * What a device fails to do is done without it: it is distrusted, or, where it has no memory, gets
 * less at a time and then nothing of this batch. What the sink has already stands, and goes on
 * where it ended, off by rounding at most.
 */
clvits_status clvits_engine_speak(clvits_engine *e, clvits_item *items, int n,
                                  const clvits_sink *sink, clvits_report *r);

#endif
