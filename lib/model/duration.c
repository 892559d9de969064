// SPDX-License-Identifier: MIT
//
// Duration predictors (dp): log-durations from the text encoder's output.
#include "model/blocks.h"

#include <math.h>

static clvits_tensor *convolve(clvits_scope *s, clvits_tensor *x, int i)
{
    const int pad = s->c->dp_kernel_size / 2;
    const clvits_conv1d_params p = { .pad_left = pad, .pad_right = pad,
                                     .act = CLVITS_ACT_LEAKY_RELU, .act_slope = 0.0f,
                                     .only_act = true };

    x = clvits_layer_conv1d(s, x, clvits_named("dp.conv_%d", i).text, &p, NULL);
    return clvits_layer_norm_named(s, x, NULL, clvits_named("dp.norm_%d", i).text,
                                   s->c->dp_norm_eps, false);
}

clvits_tensor *clvits_duration_plain(clvits_scope *s, clvits_tensor *enc)
{
    clvits_tensor *cond = clvits_scope_condition(s, CLVITS_OF_DURATIONS);

    clvits_graph_label(s->graph, "dp");
    if (cond)
        enc = clvits_binary(enc, cond, CLVITS_ADD);
    if (s->language)
        enc = clvits_binary(enc, clvits_layer_linear(s, s->language, "dp.cond_lang"), CLVITS_ADD);
    return clvits_layer_linear(s, convolve(s, convolve(s, enc, 1), 2), "dp.proj");
}

clvits_tensor *clvits_conv_flow(clvits_scope *s, const char *name, clvits_tensor *x0,
                                clvits_tensor *x1, clvits_tensor *text, bool reverse,
                                clvits_tensor **logdet)
{
    const clvits_spline_params p = { .reverse = reverse, .bins = s->c->spline_bins,
                                     .tail = s->c->spline_tail,
                                     .scale = 1.0f / sqrtf((float)s->c->dp_filter_channels) };

    clvits_graph_label(s->graph, "%s", name);
    clvits_tensor *h = clvits_layer_conv1d(s, x0, clvits_named("%s.pre", name).text,
                                           &(clvits_conv1d_params){ 0 },
                                           &(clvits_conv1d_extra){ .residual = text });
    h = clvits_dds_conv(s, h, clvits_named("%s.convs", name).text);
    h = clvits_layer_linear(s, h, clvits_named("%s.proj", name).text);
    return clvits_spline(x1, h, &p, logdet);
}

clvits_tensor *clvits_duration_text(clvits_scope *s, clvits_tensor *enc)
{
    clvits_tensor *cond = clvits_scope_condition(s, CLVITS_OF_DURATIONS);

    clvits_graph_label(s->graph, "dp");
    const clvits_conv1d_extra language = {
        .residual = s->language ? clvits_layer_linear(s, s->language, "dp.cond_lang") : NULL
    };
    clvits_tensor *x = clvits_conv1d(enc, clvits_scope_weight(s, "dp.pre.weight"),
                                     cond ? cond : clvits_scope_weight(s, "dp.pre.bias"),
                                     &(clvits_conv1d_params){ 0 }, &language);
    return clvits_layer_linear(s, clvits_dds_conv(s, x, "dp.convs"), "dp.proj");
}

/*
 * The flows in reverse with the first ConvFlow left out, as in the original's inference. A flip of
 * two channels is an exchange of names.
 */
clvits_tensor *clvits_duration_stochastic(clvits_scope *s, clvits_tensor *enc,
                                          clvits_tensor *noise, int noise_w_slot)
{
    const clvits_unary_params scale = { .kind = CLVITS_SCALE, .a = 1.0f, .slot = noise_w_slot + 1 };

    clvits_tensor *x = clvits_duration_text(s, enc);
    clvits_tensor *z = clvits_unary(noise, &scale);
    clvits_tensor *z0 = clvits_graph_slice(z, 0, 1), *z1 = clvits_graph_slice(z, 1, 1);

    for (int i = s->c->dp_n_flows - 1; i >= 1; i--) {
        clvits_tensor *kept = z1;
        z1 = clvits_conv_flow(s, clvits_named("dp.flows.%d", 2 * i + 1).text, kept, z0, x, true,
                              NULL);
        z0 = kept;
    }
    clvits_graph_label(s->graph, "dp.flows.0");
    return clvits_affine(z1, clvits_scope_rows(s, "dp.flows.0.m", 0, 1),
                         clvits_scope_rows(s, "dp.flows.0.logs", 0, 1), true, NULL);
}
