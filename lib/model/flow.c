// SPDX-License-Identifier: MIT
//
// Residual coupling flow (flow), in both directions: from the prior to the decoder as speech is
// made, from the posterior to the prior as it is listened to.
//
// Between the couplings the channels change their order. Here they stay, and every other coupling
// has its weights the other way round instead: what it reads as its first half is the second half
// backwards.
#include "model/blocks.h"

/* A layer from or to the channels of z: in a flipped coupling they are backwards. */
static clvits_tensor *pre(clvits_scope *s, clvits_tensor *x0, const char *name, bool flipped)
{
    clvits_weight_part w = clvits_scope_part(s, clvits_named("%s.pre.weight", name).text, 0, 0);

    w.inputs_backwards = flipped;
    return clvits_conv1d(x0, clvits_scope_join(s, &w, 1, s->c->inter_channels / 2),
                         clvits_scope_weight(s, "%s.pre.bias", name), &(clvits_conv1d_params){ 0 },
                         NULL);
}

/* z with post's means added to one half, or taken off it; the other half has weights of zero. */
static clvits_tensor *shift(clvits_scope *s, clvits_tensor *h, clvits_tensor *z, const char *name,
                            bool flipped, bool reverse)
{
    const int half = s->c->inter_channels / 2;
    clvits_weight_part weight[2] = { { .rows = half }, { .rows = half } };
    clvits_weight_part bias[2] = { { .rows = half }, { .rows = half } };
    const int i = flipped ? 0 : 1;

    weight[i] = clvits_scope_part(s, clvits_named("%s.post.weight", name).text, 0, half);
    bias[i] = clvits_scope_part(s, clvits_named("%s.post.bias", name).text, 0, half);
    weight[i].backwards = bias[i].backwards = flipped;
    weight[i].factor = bias[i].factor = reverse ? -1.0f : 1.0f;
    return clvits_conv1d(h, clvits_scope_join(s, weight, 2, s->c->hidden_channels),
                         clvits_scope_join(s, bias, 2, 0), &(clvits_conv1d_params){ 0 },
                         &(clvits_conv1d_extra){ .residual = z });
}

/* The same where half of post's channels are means, the other half logarithms of scales; logdet may
 * be NULL. */
static clvits_tensor *affine(clvits_scope *s, clvits_tensor *h, clvits_tensor *z, const char *name,
                             bool flipped, bool reverse, clvits_tensor **logdet)
{
    const int half = s->c->inter_channels / 2;
    clvits_weight_part weight[2], bias[2];
    clvits_tensor *x0 = clvits_graph_slice(z, flipped ? half : 0, half);
    clvits_tensor *x1 = clvits_graph_slice(z, flipped ? 0 : half, half);

    for (int i = 0; i < 2; i++) {
        weight[i] =
            clvits_scope_part(s, clvits_named("%s.post.weight", name).text, i * half, half);
        bias[i] = clvits_scope_part(s, clvits_named("%s.post.bias", name).text, i * half, half);
        weight[i].backwards = bias[i].backwards = flipped;
    }
    clvits_tensor *m = clvits_conv1d(h, clvits_scope_join(s, weight, 2, s->c->hidden_channels),
                                     clvits_scope_join(s, bias, 2, 0),
                                     &(clvits_conv1d_params){ 0 }, NULL);
    x1 = clvits_coupling(x1, clvits_graph_slice(m, 0, half), clvits_graph_slice(m, half, half),
                         reverse, logdet);
    return flipped ? clvits_concat(x1, x0) : clvits_concat(x0, x1);
}

/* Coupling i, or its reverse; logdet may be NULL, and receives nothing where it only shifts. */
static clvits_tensor *couple(clvits_scope *s, clvits_tensor *z, int i, bool flipped, bool reverse,
                             clvits_tensor **logdet)
{
    const clvits_config *c = s->c;
    const int half = c->inter_channels / 2, width = 2 * c->hidden_channels * c->flow_n_layers;
    const clvits_name name = clvits_named("flow.flows.%d", 2 * i);
    clvits_tensor *cond = clvits_scope_condition(s, CLVITS_OF_FLOW);

    clvits_graph_label(s->graph, "%s", name.text);
    clvits_scope_halves(s, CLVITS_IN_HALVES);
    clvits_tensor *h = pre(s, clvits_graph_slice(z, flipped ? half : 0, half), name.text, flipped);
    h = clvits_wavenet(s, h, cond ? clvits_graph_slice(cond, width * i, width) : NULL,
                       clvits_named("%s.enc", name.text).text, c->flow_kernel_size,
                       c->flow_dilation_rate, c->flow_n_layers);
    clvits_scope_halves(s, CLVITS_TO_FLOATS); /* z itself stays as it is */
    z = c->flow_mean_only ? shift(s, h, z, name.text, flipped, reverse)
                          : affine(s, h, z, name.text, flipped, reverse, logdet);
    clvits_scope_halves(s, CLVITS_IN_FLOATS);
    return z;
}

clvits_tensor *clvits_flow_reverse(clvits_scope *s, clvits_tensor *z_p)
{
    clvits_tensor *z = z_p;
    bool flipped = false;

    for (int i = s->c->flow_n_couplings - 1; i >= 0; i--) {
        flipped = !flipped;
        z = couple(s, z, i, flipped, true, NULL);
    }
    return flipped ? clvits_flip(z) : z;
}

clvits_tensor *clvits_flow_forward(clvits_scope *s, clvits_tensor *z, clvits_tensor **logdet)
{
    const bool wanted = logdet && !s->c->flow_mean_only;
    clvits_tensor *sum = NULL;
    bool flipped = false;

    for (int i = 0; i < s->c->flow_n_couplings; i++, flipped = !flipped) {
        clvits_tensor *own = NULL;
        z = couple(s, z, i, flipped, false, wanted ? &own : NULL);
        if (wanted)
            sum = i ? clvits_binary(sum, own, CLVITS_ADD) : own;
    }
    if (logdet)
        *logdet = sum;
    return flipped ? clvits_flip(z) : z;
}
