// SPDX-License-Identifier: MIT
#include "model/config.h"

#include <math.h>
#include <stddef.h>

enum {
    MAX_CHANNELS = 16384,
    MAX_KERNEL = 255,
    MAX_DILATION = 1024,
    MAX_HOP = 65536,
    MAX_HEAD = 256, /* channels of an attention head, as the attention operator takes them */
    MAX_FFT = 4096, /* as the spectrogram operator takes it */
};

clvits_config clvits_config_default(void)
{
    return (clvits_config){
        .window_size = 4,
        .layer_norm_eps = 1e-5f,
        .leaky_relu_slope = 0.1f,
        .conv_pre_kernel = 7,
        .conv_post_kernel = 7,
        .dp_kernel_size = 3,
        .dp_n_flows = 4,
        .dds_n_layers = 3,
        .spline_bins = 10,
        .spline_tail = 5,
        .dp_norm_eps = 1e-5f,
        .flow_n_couplings = 4,
        .flow_n_layers = 4,
        .flow_kernel_size = 5,
        .flow_dilation_rate = 1,
        .flow_mean_only = 1,
        .n_speakers = 1,
        .dp_speakers = 1,
        .noise_scale = 0.667f,
        .noise_w = 0.8f,
        .length_scale = 1,
    };
}

static const struct int_field {
    clvits_config_field field;
    int min, max;
} int_fields[] = {
#define FIELD(name, min, max) { { #name, offsetof(clvits_config, name), 0 }, min, max }
    FIELD(n_vocab, 1, 1 << 20),
    FIELD(inter_channels, 2, MAX_CHANNELS),
    FIELD(hidden_channels, 1, MAX_CHANNELS),
    FIELD(filter_channels, 1, MAX_CHANNELS),
    FIELD(n_heads, 1, 256),
    FIELD(n_layers, 1, 256),
    FIELD(kernel_size, 1, MAX_KERNEL),
    FIELD(window_size, 1, 255),
    FIELD(resblock, 1, 2),
    FIELD(n_resblocks, 1, CLVITS_MAX_STAGES),
    FIELD(n_upsamples, 1, CLVITS_MAX_STAGES),
    FIELD(upsample_initial_channel, 1, MAX_CHANNELS),
    FIELD(conv_pre_kernel, 1, MAX_KERNEL),
    FIELD(conv_post_kernel, 1, MAX_KERNEL),
    FIELD(conv_post_bias, 0, 1),
    FIELD(use_sdp, 0, 1),
    FIELD(dp_filter_channels, 1, MAX_CHANNELS),
    FIELD(dp_kernel_size, 1, MAX_KERNEL),
    FIELD(dp_n_flows, 1, 64),
    FIELD(dds_n_layers, 1, 16),
    FIELD(spline_bins, 2, 256),
    FIELD(flow_n_couplings, 1, 64),
    FIELD(flow_n_layers, 1, 64),
    FIELD(flow_kernel_size, 1, MAX_KERNEL),
    FIELD(flow_dilation_rate, 1, MAX_DILATION),
    FIELD(flow_mean_only, 0, 1),
    FIELD(n_speakers, 1, 1 << 20),
    FIELD(gin_channels, 0, MAX_CHANNELS),
    FIELD(dp_speakers, 0, 1),
    FIELD(n_languages, 0, 1 << 16),
    FIELD(language_channels, 0, MAX_CHANNELS),
    FIELD(sampling_rate, 1000, 384000),
    FIELD(hop_length, 1, MAX_HOP),
    /* A voice speaks with any of these; what else they must be, see
     * clvits_config_check_posterior(). */
    FIELD(n_fft, 0, 1 << 20),
    FIELD(win_length, 0, 1 << 20),
    FIELD(posterior_n_layers, 0, 1 << 20),
    FIELD(posterior_kernel_size, 0, 1 << 20),
    FIELD(posterior_dilation_rate, 0, 1 << 20),
#undef FIELD
};

/* Convolutions that keep the length need as much padding on either side. */
static const struct int_field odd_fields[] = {
#define FIELD(name) { { #name, offsetof(clvits_config, name), 0 }, 0, 0 }
    FIELD(conv_pre_kernel),
    FIELD(conv_post_kernel),
    FIELD(dp_kernel_size),
    FIELD(flow_kernel_size),
#undef FIELD
};

static const struct float_field {
    clvits_config_field field;
    float min, max;
} float_fields[] = {
#define FIELD(name, min, max) { { #name, offsetof(clvits_config, name), 1 }, min, max }
    FIELD(layer_norm_eps, 1e-12f, 1),
    FIELD(dp_norm_eps, 1e-12f, 1),
    FIELD(leaky_relu_slope, 0, 1),
    FIELD(spline_tail, 1e-3f, 1e6f),
    FIELD(noise_scale, 0, 100),
    FIELD(noise_w, 0, 100),
    FIELD(length_scale, 1e-3f, 1000),
#undef FIELD
};

enum {
    N_INTS = sizeof(int_fields) / sizeof(int_fields[0]),
    N_FLOATS = sizeof(float_fields) / sizeof(float_fields[0]),
};

const clvits_config_field *clvits_config_fields(size_t i)
{
    if (i < N_INTS)
        return &int_fields[i].field;
    return i - N_INTS < N_FLOATS ? &float_fields[i - N_INTS].field : NULL;
}

static int int_at(const clvits_config *c, size_t offset)
{
    return *(const int *)((const char *)c + offset);
}

static clvits_status check_int(const char *name, int value, int min, int max, clvits_report *r)
{
    if (value >= min && value <= max)
        return CLVITS_OK;
    return clvits_fail(r, CLVITS_E_FORMAT, "configuration: %s is %d, but must be %d to %d", name,
                       value, min, max);
}

static clvits_status check_ranges(const clvits_config *c, clvits_report *r)
{
    for (size_t i = 0; i < N_INTS; i++) {
        const struct int_field *f = &int_fields[i];
        if (check_int(f->field.name, int_at(c, f->field.offset), f->min, f->max, r))
            return CLVITS_E_FORMAT;
    }
    for (size_t i = 0; i < sizeof(odd_fields) / sizeof(odd_fields[0]); i++) {
        const int value = int_at(c, odd_fields[i].field.offset);
        if (value % 2 == 0)
            return clvits_fail(r, CLVITS_E_FORMAT, "configuration: %s is %d, but must be odd",
                               odd_fields[i].field.name, value);
    }
    for (size_t i = 0; i < N_FLOATS; i++) {
        const struct float_field *f = &float_fields[i];
        const float value = *(const float *)((const char *)c + f->field.offset);
        if (!(value >= f->min && value <= f->max)) /* NaN is out of range as well */
            return clvits_fail(r, CLVITS_E_FORMAT, "configuration: %s is %g, but must be %g to %g",
                               f->field.name, value, f->min, f->max);
    }
    return CLVITS_OK;
}

/* The dilation of the last layer of a stack whose dilations grow by a factor per layer. */
static clvits_status check_dilation(const char *name, int factor, int layers, clvits_report *r)
{
    int dilation = 1;

    for (int i = 1; i < layers && factor > 1; i++) {
        dilation *= factor;
        if (dilation > MAX_DILATION)
            return clvits_fail(r, CLVITS_E_FORMAT,
                               "configuration: %s is %d, with which the dilation of layer %d "
                               "exceeds %d",
                               name, factor, i, MAX_DILATION);
    }
    return CLVITS_OK;
}

static clvits_status check_upsampling(const clvits_config *c, clvits_report *r)
{
    int hop = 1;

    for (int i = 0; i < c->n_upsamples; i++) {
        const int rate = c->upsample_rates[i], kernel = c->upsample_kernel_sizes[i];

        if (check_int("upsample_rates", rate, 1, MAX_KERNEL, r) ||
            check_int("upsample_kernel_sizes", kernel, 1, MAX_KERNEL, r))
            return CLVITS_E_FORMAT;
        if (kernel < rate || (kernel - rate) % 2)
            return clvits_fail(r, CLVITS_E_FORMAT,
                               "configuration: upsample_kernel_sizes[%d] is %d, but must be as "
                               "large as the rate %d or larger by an even number",
                               i, kernel, rate);
        hop *= rate;
        if (hop > MAX_HOP)
            return clvits_fail(r, CLVITS_E_FORMAT,
                               "configuration: the product of upsample_rates exceeds %d", MAX_HOP);
    }
    if (c->hop_length != hop)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "configuration: hop_length is %d, but upsample_rates multiply to %d",
                           c->hop_length, hop);
    if (c->upsample_initial_channel >> c->n_upsamples == 0)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "configuration: upsample_initial_channel is %d, which cannot be halved "
                           "%d times",
                           c->upsample_initial_channel, c->n_upsamples);
    return CLVITS_OK;
}

static clvits_status check_resblocks(const clvits_config *c, clvits_report *r)
{
    for (int i = 0; i < c->n_resblocks; i++) {
        const int kernel = c->resblock_kernel_sizes[i], n = c->n_resblock_dilations[i];

        if (check_int("resblock_kernel_sizes", kernel, 1, MAX_KERNEL, r) ||
            check_int("the length of resblock_dilation_sizes", n, 1, CLVITS_MAX_STAGES, r))
            return CLVITS_E_FORMAT;
        if (kernel % 2 == 0)
            return clvits_fail(r, CLVITS_E_FORMAT,
                               "configuration: resblock_kernel_sizes[%d] is %d, but must be odd", i,
                               kernel);
        for (int j = 0; j < n; j++)
            if (check_int("resblock_dilation_sizes", c->resblock_dilation_sizes[i][j], 1,
                          MAX_DILATION, r))
                return CLVITS_E_FORMAT;
    }
    return CLVITS_OK;
}

clvits_status clvits_config_check(const clvits_config *c, clvits_report *r)
{
    clvits_status status = check_ranges(c, r);
    if (!status)
        status = check_upsampling(c, r);
    if (!status)
        status = check_resblocks(c, r);
    if (!status)
        status = check_dilation("dp_kernel_size", c->dp_kernel_size, c->dds_n_layers, r);
    if (!status)
        status = check_dilation("flow_dilation_rate", c->flow_dilation_rate, c->flow_n_layers, r);
    if (status)
        return status;

    if (c->inter_channels % 2)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "configuration: inter_channels is %d, but must be even: the flow works "
                           "on halves",
                           c->inter_channels);
    const int width = clvits_config_text_channels(c);
    if (width % c->n_heads)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "configuration: n_heads is %d, which does not divide hidden_channels %d",
                           c->n_heads, width);
    if (width / c->n_heads > MAX_HEAD)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "configuration: hidden_channels %d in n_heads %d makes heads of more "
                           "than %d channels",
                           width, c->n_heads, MAX_HEAD);
    if (!c->n_languages != !c->language_channels)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "configuration: n_languages is %d, but language_channels is %d",
                           c->n_languages, c->language_channels);
    if (c->n_speakers > 1 && c->gin_channels == 0)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "configuration: n_speakers is %d, but gin_channels is 0", c->n_speakers);
    return CLVITS_OK;
}

clvits_status clvits_config_check_posterior(const clvits_config *c, clvits_report *r)
{
    clvits_status s = check_int("n_fft", c->n_fft, 2, MAX_FFT, r);

    if (!s)
        s = check_int("win_length", c->win_length, 1, c->n_fft, r);
    if (!s)
        s = check_int("posterior_n_layers", c->posterior_n_layers, 1, 64, r);
    if (!s)
        s = check_int("posterior_kernel_size", c->posterior_kernel_size, 1, MAX_KERNEL, r);
    if (!s)
        s = check_int("posterior_dilation_rate", c->posterior_dilation_rate, 1, MAX_DILATION, r);
    if (!s)
        s = check_dilation("posterior_dilation_rate", c->posterior_dilation_rate,
                           c->posterior_n_layers, r);
    if (!s && c->posterior_kernel_size % 2 == 0)
        s = clvits_fail(r, CLVITS_E_FORMAT,
                        "configuration: posterior_kernel_size is %d, but must be odd",
                        c->posterior_kernel_size);
    return s;
}

int clvits_config_of_posterior(size_t offset)
{
    return offset >= offsetof(clvits_config, n_fft) &&
           offset <= offsetof(clvits_config, posterior_dilation_rate);
}

void clvits_config_drop_posterior(clvits_config *c)
{
    c->n_fft = c->win_length = 0;
    c->posterior_n_layers = c->posterior_kernel_size = c->posterior_dilation_rate = 0;
}
