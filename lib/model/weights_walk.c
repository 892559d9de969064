// SPDX-License-Identifier: MIT
#include "model/weights.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct walk {
    clvits_weight_fn visit;
    void *user;
    clvits_status status; /* the first that was not OK; nothing is visited after it */
} walk;

__attribute__((format(printf, 3, 4))) static void tensor(walk *k, const int64_t *shape,
                                                         const char *format, ...)
{
    clvits_weight w = { 0 };
    va_list args;

    if (k->status)
        return;
    va_start(args, format);
    vsnprintf(w.name, sizeof(w.name), format, args);
    va_end(args);
    for (; shape[w.rank]; w.rank++)
        w.shape[w.rank] = shape[w.rank];
    k->status = k->visit(k->user, &w);
}

#define SHAPE(...) ((const int64_t[]){ __VA_ARGS__, 0 })

static void conv(walk *k, const char *name, int O, int I, int K)
{
    tensor(k, SHAPE(O, I, K), "%s.weight", name);
    tensor(k, SHAPE(O), "%s.bias", name);
}

static void norm(walk *k, const char *name, int C)
{
    tensor(k, SHAPE(C), "%s.gamma", name);
    tensor(k, SHAPE(C), "%s.beta", name);
}

/* The name of a layer, built where it is used. */
typedef struct layer {
    char name[80];
} layer;

__attribute__((format(printf, 1, 2))) static layer at(const char *format, ...)
{
    layer l;
    va_list args;

    va_start(args, format);
    vsnprintf(l.name, sizeof(l.name), format, args);
    va_end(args);
    return l;
}

static void text_encoder(walk *k, const clvits_config *c)
{
    const int C = clvits_config_text_channels(c);
    const int band = 2 * c->window_size + 1, D = C / c->n_heads;

    tensor(k, SHAPE(c->n_vocab, c->hidden_channels), "enc_p.emb.weight");
    for (int i = 0; i < c->n_layers; i++) {
        static const char *const projections[] = { "q", "k", "v", "o" };

        tensor(k, SHAPE(1, band, D), "enc_p.encoder.attn_layers.%d.emb_rel_k", i);
        tensor(k, SHAPE(1, band, D), "enc_p.encoder.attn_layers.%d.emb_rel_v", i);
        for (int p = 0; p < 4; p++)
            conv(k, at("enc_p.encoder.attn_layers.%d.conv_%s", i, projections[p]).name, C, C, 1);
        norm(k, at("enc_p.encoder.norm_layers_1.%d", i).name, C);
        conv(k, at("enc_p.encoder.ffn_layers.%d.conv_1", i).name, c->filter_channels, C,
             c->kernel_size);
        conv(k, at("enc_p.encoder.ffn_layers.%d.conv_2", i).name, C, c->filter_channels,
             c->kernel_size);
        norm(k, at("enc_p.encoder.norm_layers_2.%d", i).name, C);
    }
    conv(k, "enc_p.proj", 2 * c->inter_channels, C, 1);
}

static void separable_stack(walk *k, const clvits_config *c, const char *name)
{
    const int C = c->dp_filter_channels;

    for (int i = 0; i < c->dds_n_layers; i++) {
        conv(k, at("%s.convs_sep.%d", name, i).name, C, 1, c->dp_kernel_size);
        conv(k, at("%s.convs_1x1.%d", name, i).name, C, C, 1);
        norm(k, at("%s.norms_1.%d", name, i).name, C);
        norm(k, at("%s.norms_2.%d", name, i).name, C);
    }
}

static void duration_conditions(walk *k, const clvits_config *c, int C)
{
    if (c->gin_channels && c->dp_speakers)
        conv(k, "dp.cond", C, c->gin_channels, 1);
    if (c->language_channels)
        conv(k, "dp.cond_lang", C, c->language_channels, 1);
}

static void conv_flow(walk *k, const clvits_config *c, const char *name)
{
    const int C = c->dp_filter_channels;

    conv(k, at("%s.pre", name).name, C, 1, 1);
    separable_stack(k, c, at("%s.convs", name).name);
    conv(k, at("%s.proj", name).name, 3 * c->spline_bins - 1, C, 1);
}

static void stochastic_predictor(walk *k, const clvits_config *c)
{
    const int C = c->dp_filter_channels;

    conv(k, "dp.pre", C, clvits_config_text_channels(c), 1);
    separable_stack(k, c, "dp.convs");
    conv(k, "dp.proj", C, C, 1);
    duration_conditions(k, c, C);
    tensor(k, SHAPE(2, 1), "dp.flows.0.m");
    tensor(k, SHAPE(2, 1), "dp.flows.0.logs");

    /* Flips take the even places; the first ConvFlow is trained, but skipped in reverse. */
    for (int i = 1; i < c->dp_n_flows; i++)
        conv_flow(k, c, at("dp.flows.%d", 2 * i + 1).name);
}

/* What the stochastic predictor is trained with. */
static void durations_posterior(walk *k, const clvits_config *c)
{
    const int C = c->dp_filter_channels;

    conv_flow(k, c, "dp.flows.1");
    conv(k, "dp.post_pre", C, 1, 1);
    separable_stack(k, c, "dp.post_convs");
    conv(k, "dp.post_proj", C, C, 1);
    tensor(k, SHAPE(2, 1), "dp.post_flows.0.m");
    tensor(k, SHAPE(2, 1), "dp.post_flows.0.logs");
    for (int i = 0; i < c->dp_n_flows; i++)
        conv_flow(k, c, at("dp.post_flows.%d", 2 * i + 1).name);
}

static void plain_predictor(walk *k, const clvits_config *c)
{
    const int C = c->dp_filter_channels, width = clvits_config_text_channels(c);

    conv(k, "dp.conv_1", C, width, c->dp_kernel_size);
    norm(k, "dp.norm_1", C);
    conv(k, "dp.conv_2", C, C, c->dp_kernel_size);
    norm(k, "dp.norm_2", C);
    conv(k, "dp.proj", 1, C, 1);
    duration_conditions(k, c, width);
}

static void wavenet(walk *k, const clvits_config *c, const char *name, int kernel, int n)
{
    const int C = c->hidden_channels;

    if (c->gin_channels)
        conv(k, at("%s.cond_layer", name).name, 2 * C * n, c->gin_channels, 1);
    for (int i = 0; i < n; i++) {
        conv(k, at("%s.in_layers.%d", name, i).name, 2 * C, C, kernel);
        conv(k, at("%s.res_skip_layers.%d", name, i).name, i < n - 1 ? 2 * C : C, C, 1);
    }
}

static void flow(walk *k, const clvits_config *c)
{
    const int C = c->hidden_channels, half = c->inter_channels / 2;

    for (int i = 0; i < c->flow_n_couplings; i++) {
        const layer f = at("flow.flows.%d", 2 * i); /* flips take the odd places */

        conv(k, at("%s.pre", f.name).name, C, half, 1);
        wavenet(k, c, at("%s.enc", f.name).name, c->flow_kernel_size, c->flow_n_layers);
        conv(k, at("%s.post", f.name).name, c->flow_mean_only ? half : 2 * half, C, 1);
    }
}

static void posterior_encoder(walk *k, const clvits_config *c)
{
    const int C = c->hidden_channels;

    conv(k, "enc_q.pre", C, c->n_fft / 2 + 1, 1);
    wavenet(k, c, "enc_q.enc", c->posterior_kernel_size, c->posterior_n_layers);
    conv(k, "enc_q.proj", 2 * c->inter_channels, C, 1);
}

static void residual_block(walk *k, const clvits_config *c, int place, int C, int block)
{
    const int K = c->resblock_kernel_sizes[block];

    for (int i = 0; i < c->n_resblock_dilations[block]; i++) {
        if (c->resblock == 2) {
            conv(k, at("dec.resblocks.%d.convs.%d", place, i).name, C, C, K);
            continue;
        }
        conv(k, at("dec.resblocks.%d.convs1.%d", place, i).name, C, C, K);
        conv(k, at("dec.resblocks.%d.convs2.%d", place, i).name, C, C, K);
    }
}

static void decoder(walk *k, const clvits_config *c)
{
    int C = c->upsample_initial_channel;

    conv(k, "dec.conv_pre", C, c->inter_channels, c->conv_pre_kernel);
    if (c->gin_channels)
        conv(k, "dec.cond", C, c->gin_channels, 1);
    for (int i = 0; i < c->n_upsamples; i++, C /= 2) {
        tensor(k, SHAPE(C, C / 2, c->upsample_kernel_sizes[i]), "dec.ups.%d.weight", i);
        tensor(k, SHAPE(C / 2), "dec.ups.%d.bias", i);
        for (int j = 0; j < c->n_resblocks; j++)
            residual_block(k, c, i * c->n_resblocks + j, C / 2, j);
    }
    tensor(k, SHAPE(1, C, c->conv_post_kernel), "dec.conv_post.weight");
    if (c->conv_post_bias)
        tensor(k, SHAPE(1), "dec.conv_post.bias");
}

clvits_status clvits_weights_walk(const clvits_config *c, clvits_weight_fn visit, void *user)
{
    walk k = { visit, user, CLVITS_OK };

    text_encoder(&k, c);
    if (c->use_sdp)
        stochastic_predictor(&k, c);
    else
        plain_predictor(&k, c);
    flow(&k, c);
    decoder(&k, c);
    if (c->gin_channels)
        tensor(&k, SHAPE(c->n_speakers, c->gin_channels), "emb_g.weight");
    if (c->language_channels)
        tensor(&k, SHAPE(c->n_languages, c->language_channels), "emb_l.weight");
    return k.status;
}

clvits_status clvits_weights_walk_training(const clvits_config *c, int sides,
                                           clvits_weight_fn visit, void *user)
{
    walk k = { visit, user, CLVITS_OK };

    if (sides & CLVITS_SIDE_POSTERIOR)
        posterior_encoder(&k, c);
    if (sides & CLVITS_SIDE_DURATIONS && c->use_sdp)
        durations_posterior(&k, c);
    return k.status;
}
