// SPDX-License-Identifier: MIT
//
// VITS as three graphs: text (ids to prior and durations), latent (prior and durations to the
// decoder's input) and wave (a window of that to samples). Between the first two the host reads
// the durations; the third is run window by window.
//
// And the other way, for models whose posterior encoder is at hand: listen (samples to the prior's
// space) and align (that and a text's prior to durations); or revoice (samples of one speaker to
// the decoder's input for another).
#ifndef CLVITS_MODEL_MODEL_H
#define CLVITS_MODEL_MODEL_H

#include "graph/build.h"
#include "io/arrays.h"
#include "model/config.h"

#include <clvits/voice.h>

/** Canonical weights and the checked configuration they belong to; both outlive the graphs. */
typedef struct clvits_model {
    const clvits_config *config;
    const clvits_arrays *weights;
} clvits_model;

/** How a stage is built. */
typedef struct clvits_stage_options {
    int batch;
    bool inject_noise; /* noise is an input rather than generated: for comparisons */
    bool keep_all;     /* the tensors named below can be read after a run, not only the results */
    int halves;        /* CLVITS_HALF_*: what devices may do so in flow and decoder */
} clvits_stage_options;

/** ids to durations. Scalars are given per item; sid only where the model has speakers. */
typedef struct clvits_text_stage {
    clvits_graph *graph;
    int clock;                /* ids */
    int seed, noise_w, length_scale; /* slots; seed takes two */
    clvits_tensor *ids, *sid; /* (B,T,1), (B,1,1), CLVITS_I32; sid NULL without speakers */
    clvits_tensor *lids;      /* (B,T,1), CLVITS_I32: each id's language; NULL without languages */
    clvits_tensor *cond;      /* (B,1,C): what the speaker adds in all stages; result, or NULL */
    clvits_tensor *noise;     /* (B,T,2) input where injected, NULL for the plain predictor */
    clvits_tensor *enc;       /* (B,T,hidden), when kept */
    clvits_tensor *stats;     /* (B,T,2*inter): m_p, then logs_p; result */
    clvits_tensor *logw;      /* (B,T,1), when kept */
    clvits_tensor *durations; /* (B,T,1) CLVITS_I32; result */
    clvits_tensor *ends;      /* (B,T,1) CLVITS_I32, inclusive running sums; result */
} clvits_text_stage;

/** Prior and durations to z. */
typedef struct clvits_latent_stage {
    clvits_graph *graph;
    int text_clock, clock; /* ids; frames */
    int seed, noise_scale; /* slots */
    clvits_tensor *stats, *ends, *cond; /* as the text stage has made them */
    clvits_tensor *noise; /* (B,F,inter) input where injected */
    clvits_tensor *z_p;   /* (B,F,inter), when kept */
    clvits_tensor *z;     /* (B,F,inter); result */
} clvits_latent_stage;

/** A window of z to samples. */
typedef struct clvits_wave_stage {
    clvits_graph *graph;
    int clock; /* frames of the window */
    clvits_tensor *z, *cond;
    clvits_tensor *wave; /* (B,frames*hop,1); result */
} clvits_wave_stage;

/** A window of samples, with its context, to what the flow makes of it. */
typedef struct clvits_listen_stage {
    clvits_graph *graph;
    int samples, clock; /* clocks: of the samples, and of the frames that they make */
    clvits_tensor *wave; /* (B,samples,1) */
    clvits_tensor *sid;  /* (B,1,1), CLVITS_I32: who speaks; NULL without speakers */
    clvits_tensor *z;    /* (B,F,inter): z_p, of the posterior's mean; the decoder's input, where it
                            is to be revoiced; result */
    /* To revoice only: */
    int seed, noise_scale; /* slots */
    clvits_tensor *target; /* (B,1,1), CLVITS_I32: who is to be heard */
    clvits_tensor *cond;   /* (B,1,C): what the target adds, as the wave stage wants it; result */
} clvits_listen_stage;

/** z_p and the prior of a text's ids to how many frames each of them has. */
typedef struct clvits_align_stage {
    clvits_graph *graph;
    int text_clock, clock; /* ids; frames */
    clvits_tensor *z_p, *stats;
    clvits_tensor *durations; /* (B,T,1) CLVITS_I32; result */
} clvits_align_stage;

/* Build and finish a stage; the caller closes its graph. Streams of an item's noise: 0 for the
 * duration predictor, 1 for z, 2 for the posterior. */
clvits_status clvits_text_stage_build(clvits_text_stage *out, const clvits_model *m,
                                      const clvits_stage_options *o, int capacity,
                                      clvits_report *r);
clvits_status clvits_latent_stage_build(clvits_latent_stage *out, const clvits_model *m,
                                        const clvits_stage_options *o, int text_capacity,
                                        int frames, clvits_report *r);
clvits_status clvits_wave_stage_build(clvits_wave_stage *out, const clvits_model *m,
                                      const clvits_stage_options *o, int frames, clvits_report *r);

clvits_status clvits_listen_stage_build(clvits_listen_stage *out, const clvits_model *m,
                                        const clvits_stage_options *o, int frames, bool revoice,
                                        clvits_report *r);
clvits_status clvits_align_stage_build(clvits_align_stage *out, const clvits_model *m,
                                       const clvits_stage_options *o, int text_capacity,
                                       int frames, clvits_report *r);

/** How many frames before and after a frame what is listened to there depends on; to revoice it,
 *  the flow's way back counts as well. */
void clvits_listen_context(const clvits_config *c, bool revoice, int *before, int *after);

/** How many frames before and after a frame its z depends on: the flow's convolutions. */
void clvits_latent_context(const clvits_config *c, int *before, int *after);

/**
 * How many latent frames before and after a frame its samples depend on, computed from kernel
 * sizes, dilations and rates.
 */
void clvits_decoder_context(const clvits_config *c, int *before, int *after);

/** What a second of speech takes; see clvits_voice_get_cost(). */
clvits_status clvits_model_cost(clvits_voice_cost *out, const clvits_model *m, clvits_report *r);

#endif
