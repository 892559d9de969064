// SPDX-License-Identifier: MIT
#ifndef CLVITS_MODEL_CONFIG_H
#define CLVITS_MODEL_CONFIG_H

#include "base/status.h"

#include <stddef.h>

enum { CLVITS_MAX_STAGES = 8 };

/**
 * The geometry of a VITS model, in the words of the paper's code: what a voice file says,
 * and what it leaves unsaid and the original hard-codes. Everything is filled in and checked
 * by clvits_config_check() before a graph is built.
 */
typedef struct clvits_config {
    int n_vocab;
    int inter_channels;  /* latent z */
    int hidden_channels; /* text encoder, flow WaveNet */
    int filter_channels; /* feed-forward of the text encoder */
    int n_heads, n_layers;
    int kernel_size; /* feed-forward of the text encoder */
    int window_size; /* relative attention */
    float layer_norm_eps;

    int resblock; /* 1 or 2 */
    int n_resblocks;
    int resblock_kernel_sizes[CLVITS_MAX_STAGES];
    int n_resblock_dilations[CLVITS_MAX_STAGES];
    int resblock_dilation_sizes[CLVITS_MAX_STAGES][CLVITS_MAX_STAGES];
    int n_upsamples;
    int upsample_rates[CLVITS_MAX_STAGES];
    int upsample_kernel_sizes[CLVITS_MAX_STAGES];
    int upsample_initial_channel;
    float leaky_relu_slope; /* before upsampling and in the residual blocks: 0.1 */
    int conv_pre_kernel, conv_post_kernel;
    int conv_post_bias; /* VITS has none; a HiFi-GAN generator has one */

    int use_sdp; /* stochastic duration predictor, else the deterministic one */
    int dp_filter_channels, dp_kernel_size;
    int dp_n_flows;    /* ConvFlows, 4; the first is skipped in the reverse direction */
    int dds_n_layers;  /* 3 */
    int spline_bins;   /* 10 */
    float spline_tail; /* 5 */
    float dp_norm_eps;

    int flow_n_couplings; /* 4 */
    int flow_n_layers;    /* WaveNet layers in a coupling, 4 */
    int flow_kernel_size; /* 5 */
    int flow_dilation_rate;
    int flow_mean_only;

    int n_speakers;   /* 1 or more */
    int gin_channels; /* 0: no conditioning */
    int dp_speakers;  /* the speaker conditions the duration predictor as well: 1 */

    int n_languages;       /* Coqui's; 0: no conditioning */
    int language_channels; /* added to those of the text encoder */

    int sampling_rate; /* Hz */
    int hop_length;    /* samples per latent frame: the product of upsample_rates */

    /* The posterior encoder, of the training side; all 0 where it is not at hand. */
    int n_fft;      /* of its spectrogram, which has n_fft / 2 + 1 channels */
    int win_length; /* of the window in that, at most n_fft */
    int posterior_n_layers, posterior_kernel_size, posterior_dilation_rate; /* 16, 5, 1 */

    float noise_scale, noise_w, length_scale; /* the voice's own defaults */
} clvits_config;

/** Channels inside the text encoder: hidden_channels, and those of the language. */
static inline int clvits_config_text_channels(const clvits_config *c)
{
    return c->hidden_channels + c->language_channels;
}

/** What the original code hard-codes, with its default inference scales; the rest zero. */
clvits_config clvits_config_default(void);

/** A number of a configuration, for those who go through them all; lists are not among them. */
typedef struct clvits_config_field {
    const char *name;
    size_t offset;
    int is_float; /* else an int */
} clvits_config_field;

/** The numbers in their order; NULL after the last. */
const clvits_config_field *clvits_config_fields(size_t i);

/** Refuse, by field name, a geometry that is incomplete, contradictory or absurdly large. */
clvits_status clvits_config_check(const clvits_config *c, clvits_report *r);

/** The same for what it says of the posterior encoder, which speaking does without. */
clvits_status clvits_config_check_posterior(const clvits_config *c, clvits_report *r);

/** Whether a field, by its offset, is of the posterior encoder. */
int clvits_config_of_posterior(size_t offset);

/** Forget that there is one. */
void clvits_config_drop_posterior(clvits_config *c);

#endif
