// SPDX-License-Identifier: MIT
//
// What a step of training makes of a batch, up to its losses, as one graph: SynthesizerTrn's pass
// over text, spectrogram and speech, and that of the discriminators. Without dropout, in single
// precision.
#ifndef CLVITS_MODEL_TRAINING_H
#define CLVITS_MODEL_TRAINING_H

#include "model/blocks.h"
#include "model/discriminator_graph.h"

enum { CLVITS_SEGMENT_FRAMES = 32 };

/** What the original weighs the mel spectrograms' distance with. */
#define CLVITS_MEL_WEIGHT 45.0f

/** How a step is built. */
typedef struct clvits_training_options {
    int batch;
    int text, frames; /* capacities: ids, and frames of a spectrogram */
    int segment;      /* frames that the decoder makes speech of; 0: CLVITS_SEGMENT_FRAMES */
    int n_mels;       /* of the mel spectrograms that are compared; 0: none are */
    float mel_fmin, mel_fmax; /* Hz; mel_fmax 0: half of the sampling rate */
    const clvits_discriminators *discriminators; /* NULL: nobody judges; else outlives the graph */
    bool inject_noise; /* noise is an input rather than generated: for comparisons */
    bool keep_all;     /* all tensors named below can be read after a run, not only the losses */
} clvits_training_options;

/**
 * A step. Of its tensors, those that belong to what a model does not have (speakers, the
 * stochastic duration predictor), or to what was not asked for, are NULL.
 *
 * The search for durations and the duration predictor pass no gradient back to the text encoder,
 * the flow or the speakers, and the discriminators' own loss none to the wave; all else does.
 */
typedef struct clvits_training_step {
    clvits_graph *graph;
    int text_clock, clock; /* ids; frames */
    int seed, start;       /* slots: seed takes two; the segment's first frame (whole numbers) */

    clvits_tensor *ids, *sid, *lids; /* as in clvits_text_stage */
    clvits_tensor *spec;     /* (B,F,n_fft/2+1) */
    clvits_tensor *speech;   /* (B,F*hop,1): of which that is, for the discriminators */
    clvits_tensor *noise_dp; /* (B,T,2) inputs where injected, */
    clvits_tensor *noise_z;  /* (B,F,inter) */

    clvits_tensor *enc, *stats;    /* (B,T,hidden), (B,T,2*inter): m_p, then logs_p */
    clvits_tensor *posterior;      /* (B,F,2*inter): m_q, then logs_q */
    clvits_tensor *z, *z_p;        /* (B,F,inter): drawn from that; through the flow */
    clvits_tensor *likelihood;     /* (B,F,T) */
    clvits_tensor *durations, *ends; /* (B,T,1) CLVITS_I32: of the best alignment */
    clvits_tensor *prior;          /* (B,F,2*inter): stats, repeated by those */
    clvits_duration_loss duration;
    clvits_tensor *wave;           /* (B,segment*hop,1): what the decoder makes of the segment */
    clvits_tensor *mel, *mel_hat;  /* (B,segment,n_mels): of spec and of that */
    clvits_tensor *real;           /* (B,segment*hop,1): the segment of the speech */
    clvits_judgement of_real, of_wave;

    /* (B,1,1): losses of the whole batch, each item having the same number; results. */
    clvits_tensor *duration_loss;
    clvits_tensor *kl_loss;  /* sum over channels, mean over frames */
    clvits_tensor *mel_loss; /* mean distance, without its weight */
    clvits_tensor *generator_loss, *feature_loss;
    clvits_tensor *loss; /* what the generator makes small: all of these, the mel loss weighed */
    clvits_tensor *discriminator_loss; /* what the discriminators make small */
} clvits_training_step;

/* Streams of an item's noise beside those of speech. */
enum { CLVITS_TRAINING_DURATION_STREAM = 2, CLVITS_TRAINING_LATENT_STREAM = 3 };

/**
 * Build and finish a step of a model that has its training side (CLVITS_SIDE_ALL); the caller
 * closes its graph.
 *
 * An item wants no more ids than frames: with more there is no alignment, and all its durations
 * are 0. Where it has fewer frames than a segment, zeros follow them.
 *
 * @return CLVITS_OK, _E_ARGUMENT (options), _E_FORMAT (the training side is missing), _E_SHAPE or
 *         _E_MEMORY
 */
clvits_status clvits_training_step_build(clvits_training_step *out, const clvits_model *m,
                                         const clvits_training_options *o, clvits_report *r);

#endif
