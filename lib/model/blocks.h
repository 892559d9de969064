// SPDX-License-Identifier: MIT
//
// The pieces that the model's parts are made of; shapes are (B,T,C), names canonical.
#ifndef CLVITS_MODEL_BLOCKS_H
#define CLVITS_MODEL_BLOCKS_H

#include "model/model.h"

/** The parts of a model that a speaker conditions, in the order of their channels. */
enum {
    CLVITS_OF_DURATIONS = 1,
    CLVITS_OF_FLOW = 2,
    CLVITS_OF_DECODER = 4,
    CLVITS_OF_SPEECH = 7, /* those above */
    CLVITS_OF_POSTERIOR = 8,
};

/** A graph under construction for a model. */
typedef struct clvits_scope {
    clvits_graph *graph;
    const clvits_config *c;
    const clvits_arrays *weights;
    clvits_tensor *cond; /* (B,1,channels): what the speaker adds to the parts; NULL: no speakers */
    int cond_parts;      /* CLVITS_OF_*: those that it has channels of */
    clvits_tensor *language; /* (B,T,channels): per id, the embedding of its language; or NULL */
    int halves; /* CLVITS_HALF_*, for the parts that may use them */
} clvits_scope;

/** Begin a graph for a model; end it, finished, or closed where that fails. */
clvits_status clvits_scope_begin(clvits_scope *s, const clvits_model *m,
                                 const clvits_stage_options *o, clvits_report *r);
clvits_status clvits_scope_end(clvits_scope *s, clvits_graph **out, clvits_report *r);

/** Let devices use halves in what is added from here on, as the voice was opened; with results in
 *  floats, or not at all. */
typedef enum clvits_scope_half {
    CLVITS_IN_FLOATS,
    CLVITS_TO_FLOATS,
    CLVITS_IN_HALVES
} clvits_scope_half;
void clvits_scope_halves(clvits_scope *s, clvits_scope_half half);

/** The weight of that name; the graph fails when there is none. */
clvits_tensor *clvits_scope_weight(clvits_scope *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Entries [from, from + n) of the first axis of that weight. */
clvits_tensor *clvits_scope_rows(clvits_scope *s, const char *name, int64_t from, int64_t n);

/** The same as a part of another weight; n 0: all that follow. */
clvits_weight_part clvits_scope_part(clvits_scope *s, const char *name, int64_t from, int64_t n);

/** The parts as one weight: [rows][inputs][1], or with inputs 0 [rows]. */
clvits_tensor *clvits_scope_join(clvits_scope *s, const clvits_weight_part *parts, int n,
                                 int64_t inputs);

/** A layer's name, made where it is used. */
typedef struct clvits_name {
    char text[96];
} clvits_name;
clvits_name clvits_named(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Convolution NAME.weight, NAME.bias with the given parameters. */
clvits_tensor *clvits_layer_conv1d(clvits_scope *s, clvits_tensor *x, const char *name,
                                   const clvits_conv1d_params *p, const clvits_conv1d_extra *e);

/** The same with one tap, or with padding that keeps the length; no activation. */
clvits_tensor *clvits_layer_linear(clvits_scope *s, clvits_tensor *x, const char *name);
clvits_tensor *clvits_layer_same(clvits_scope *s, clvits_tensor *x, const char *name, int kernel,
                                 int dilation);

/** Layer norm with NAME.gamma, NAME.beta; residual may be NULL. */
clvits_tensor *clvits_layer_norm_named(clvits_scope *s, clvits_tensor *x, clvits_tensor *residual,
                                       const char *name, float eps, bool gelu);

/** Dilated depth-separable convolutions (DDSConv). */
clvits_tensor *clvits_dds_conv(clvits_scope *s, clvits_tensor *x, const char *name);

/**
 * WaveNet of the flow and posterior encoder: hidden channels in and out.
 *
 * cond (B,1,2*hidden*layers): what the speaker adds before each gate, the layers' biases
 * included; NULL without speakers.
 */
clvits_tensor *clvits_wavenet(clvits_scope *s, clvits_tensor *x, clvits_tensor *cond,
                              const char *name, int kernel, int dilation_rate, int layers);

/**
 * What a speaker sid (B,1,1) adds to the given parts (CLVITS_OF_*): (B,1,channels), in one product.
 *
 * It stands for the bias of the layer that it is added to, and includes it (but for the plain
 * duration predictor, where it is added to the layer's input).
 */
clvits_tensor *clvits_conditions(clvits_scope *s, clvits_tensor *sid, int parts);

/** Channels of the conditions of these parts; 0 without speakers. */
int clvits_condition_channels(const clvits_config *c, int parts);

/** The scope's condition of one part; NULL where no speaker conditions it. */
clvits_tensor *clvits_scope_condition(clvits_scope *s, int part);

/* The parts; see their files. */
clvits_tensor *clvits_text_encoder(clvits_scope *s, clvits_tensor *ids, clvits_tensor **stats);
clvits_tensor *clvits_duration_plain(clvits_scope *s, clvits_tensor *enc);
clvits_tensor *clvits_duration_stochastic(clvits_scope *s, clvits_tensor *enc,
                                          clvits_tensor *noise, int noise_w_slot);

/** What the stochastic predictor makes of the text. */
clvits_tensor *clvits_duration_text(clvits_scope *s, clvits_tensor *enc);

/** A ConvFlow of that predictor: x1 through the spline that x0 and the text choose, or through its
 *  inverse. logdet may be NULL. */
clvits_tensor *clvits_conv_flow(clvits_scope *s, const char *name, clvits_tensor *x0,
                                clvits_tensor *x1, clvits_tensor *text, bool reverse,
                                clvits_tensor **logdet);

/** What training makes of known durations; what the predictor does not have is NULL. */
typedef struct clvits_duration_loss {
    clvits_tensor *z_u; /* (B,T,1): the logits of u, which makes durations continuous: d - u */
    clvits_tensor *z;   /* (B,T,2): those, and what goes with them, as noise */
    clvits_tensor *logq, *nll; /* (B,1,1): log q(u, v | d, text), -log p(d - u, v | text) */
    clvits_tensor *logw; /* (B,T,1): what the plain predictor says */
    clvits_tensor *loss; /* (B,1,1): nll + logq, or of the plain predictor the sum of
                            (logw - log(d + 1e-6))^2; to be divided by the ids of all items */
} clvits_duration_loss;

/**
 * The duration predictor in the direction of training (the paper's section 2.2.2), without
 * dropout.
 *
 * durations (B,T,1) of CLVITS_I32; noise (B,T,2), standard normal, which the plain predictor does
 * not use. Training changes neither text encoder nor speakers through it: no gradient passes enc
 * and the condition.
 */
void clvits_duration_training(clvits_duration_loss *out, clvits_scope *s, clvits_tensor *enc,
                              clvits_tensor *durations, clvits_tensor *noise);

clvits_tensor *clvits_flow_reverse(clvits_scope *s, clvits_tensor *z_p);
clvits_tensor *clvits_decoder(clvits_scope *s, clvits_tensor *z);

/**
 * The direction of training: z to z_p.
 *
 * @param[out] logdet  NULL, or receives the logarithm of the determinant, (B,T,1), summed over
 *                     channels; it is none (NULL) where the couplings only shift, and so 0
 */
clvits_tensor *clvits_flow_forward(clvits_scope *s, clvits_tensor *z, clvits_tensor **logdet);

/**
 * z of a spectrogram (B,T,n_fft/2+1), drawn from the posterior: m + noise * exp(logs).
 *
 * @param      noise    (B,T,inter), of variance 1 in training; NULL: z is m
 * @param[out] m, logs  (B,T,inter)
 */
clvits_tensor *clvits_posterior_encoder(clvits_scope *s, clvits_tensor *spec, clvits_tensor *noise,
                                        clvits_tensor **m, clvits_tensor **logs);

#endif
