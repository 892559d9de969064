// SPDX-License-Identifier: MIT
#include "model/weights.h"
#include "model/weights_names.h"

#include <limits.h>
#include <string.h>

static int to_int(int64_t n)
{
    return n > INT_MAX ? INT_MAX : (int)n;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

/* What the first coupling reads and makes. */
typedef struct coupling {
    int in, out;
} coupling;

/* What the tensor of a canonical name tells. */
static void look(clvits_config *c, coupling *first, const char *name, const clvits_array *a)
{
    int n[CLVITS_WEIGHT_NUMBERS];
    int s[4];

    for (int i = 0; i < 4; i++)
        s[i] = i < a->rank ? to_int(a->shape[i]) : 1;
    if (!strcmp(name, "enc_p.emb.weight")) {
        c->n_vocab = s[0];
    } else if (!strcmp(name, "emb_g.weight")) {
        c->n_speakers = s[0];
        c->gin_channels = s[1];
    } else if (clvits_weight_match("enc_p.encoder.attn_layers.#.emb_rel_k", name, n)) {
        c->window_size = (s[1] - 1) / 2;
    } else if (clvits_weight_match("flow.flows.#.enc.in_layers.#.weight", name, n)) {
        c->flow_n_couplings = larger(c->flow_n_couplings, n[0] / 2 + 1);
        c->flow_n_layers = larger(c->flow_n_layers, n[1] + 1);
        c->flow_kernel_size = s[2];
    } else if (!strcmp(name, "flow.flows.0.pre.weight")) {
        first->in = s[1];
    } else if (!strcmp(name, "flow.flows.0.post.weight")) {
        first->out = s[0];
    } else if (!strcmp(name, "dp.conv_1.weight")) {
        c->use_sdp = 0;
        c->dp_filter_channels = s[0];
        c->dp_kernel_size = s[2];
    } else if (!strcmp(name, "dp.pre.weight")) {
        c->use_sdp = 1;
        c->dp_filter_channels = s[0];
    } else if (clvits_weight_match("dp.convs.convs_sep.#.weight", name, n)) {
        c->dds_n_layers = larger(c->dds_n_layers, n[0] + 1);
        c->dp_kernel_size = s[2];
    } else if (clvits_weight_match("dp.flows.#.proj.weight", name, n)) {
        c->dp_n_flows = larger(c->dp_n_flows, (n[0] + 1) / 2);
        c->spline_bins = s[0] / 3 + 1;
    } else if (!strcmp(name, "dec.conv_pre.weight")) {
        c->conv_pre_kernel = s[2];
    } else if (!strcmp(name, "dec.conv_post.weight")) {
        c->conv_post_kernel = s[2];
    } else if (!strcmp(name, "dec.conv_post.bias")) {
        c->conv_post_bias = 1;
    }
}

void clvits_config_measure(clvits_config *c, const clvits_arrays *raw)
{
    const clvits_config given = *c;
    coupling first = { 0 };

    c->flow_n_couplings = c->flow_n_layers = c->dds_n_layers = c->dp_n_flows = 0;
    for (size_t i = 0; i < raw->count; i++) {
        char name[112];
        clvits_weight_part part;

        if (clvits_weight_name(name, sizeof(name), &part, raw->items[i].name) &&
            part != CLVITS_WEIGHT_GAIN)
            look(c, &first, name, &raw->items[i]);
    }
    if (first.in && first.out)
        c->flow_mean_only = first.out == first.in;
    /* Where there is none of a kind, the judge of the weights says what is missing. */
    c->flow_n_couplings = c->flow_n_couplings ? c->flow_n_couplings : given.flow_n_couplings;
    c->flow_n_layers = c->flow_n_layers ? c->flow_n_layers : given.flow_n_layers;
    c->dds_n_layers = c->dds_n_layers ? c->dds_n_layers : given.dds_n_layers;
    c->dp_n_flows = c->dp_n_flows ? c->dp_n_flows : given.dp_n_flows;
}

void clvits_config_measure_posterior(clvits_config *c, const clvits_arrays *raw)
{
    int bins = 0, layers = 0, kernel = 0;

    for (size_t i = 0; i < raw->count; i++) {
        const clvits_array *a = &raw->items[i];
        int n[CLVITS_WEIGHT_NUMBERS];
        clvits_weight_part part;
        char name[112];

        if (!clvits_weight_name(name, sizeof(name), &part, a->name) || part == CLVITS_WEIGHT_GAIN)
            continue;
        if (!strcmp(name, "enc_q.pre.weight") && a->rank > 1) {
            bins = to_int(a->shape[1]);
        } else if (clvits_weight_match("enc_q.enc.in_layers.#.weight", name, n)) {
            layers = larger(layers, n[0] + 1);
            kernel = a->rank > 2 ? to_int(a->shape[2]) : 1;
        }
    }
    if (!bins) {
        clvits_config_drop_posterior(c);
        return;
    }
    if (!c->n_fft)
        c->n_fft = bins > 1 && bins < INT_MAX / 2 ? 2 * (bins - 1) : 0;
    if (!c->win_length)
        c->win_length = c->n_fft;
    if (!c->posterior_n_layers)
        c->posterior_n_layers = layers;
    if (!c->posterior_kernel_size)
        c->posterior_kernel_size = kernel;
    if (!c->posterior_dilation_rate)
        c->posterior_dilation_rate = 1;
}
