// SPDX-License-Identifier: MIT
//
// What a speaker adds to the parts of the model, for all of them in one product with the speaker's
// vector. Where a condition is added to what a layer makes, the layer's bias is added here.
#include "model/blocks.h"

enum { MOST_LAYERS = 256 };

static const int all_parts[] = { CLVITS_OF_DURATIONS, CLVITS_OF_FLOW, CLVITS_OF_DECODER,
                                 CLVITS_OF_POSTERIOR };

int clvits_condition_channels(const clvits_config *c, int parts)
{
    int n = 0;

    if (!c->gin_channels)
        return 0;
    if (parts & CLVITS_OF_DURATIONS && c->dp_speakers)
        n += c->use_sdp ? c->dp_filter_channels : clvits_config_text_channels(c);
    if (parts & CLVITS_OF_FLOW)
        n += 2 * c->hidden_channels * c->flow_n_layers * c->flow_n_couplings;
    if (parts & CLVITS_OF_DECODER)
        n += c->upsample_initial_channel;
    if (parts & CLVITS_OF_POSTERIOR)
        n += 2 * c->hidden_channels * c->posterior_n_layers;
    return n;
}

clvits_tensor *clvits_scope_condition(clvits_scope *s, int part)
{
    const int n = clvits_condition_channels(s->c, part);
    int c0 = 0;

    for (int i = 0; all_parts[i] != part; i++)
        c0 += clvits_condition_channels(s->c, all_parts[i] & s->cond_parts);
    return s->cond && n ? clvits_graph_slice(s->cond, c0, n) : NULL;
}

/* Layer NAME, all of it or rows of its bias, whose result is added to that of the layer `with`. */
typedef struct layers {
    clvits_scope *s;
    clvits_weight_part weight[MOST_LAYERS], bias[MOST_LAYERS];
    int n_weights, n_biases;
} layers;

static void add_weight(layers *l, const char *name)
{
    if (l->n_weights < MOST_LAYERS)
        l->weight[l->n_weights] =
            clvits_scope_part(l->s, clvits_named("%s.weight", name).text, 0, 0);
    l->n_weights++;
}

static void add_bias(layers *l, const char *name, int64_t from, int64_t n, const char *with)
{
    clvits_weight_part b = clvits_scope_part(l->s, clvits_named("%s.bias", name).text, from, n);

    if (with)
        b.plus = clvits_scope_part(l->s, clvits_named("%s.bias", with).text, 0, b.rows).data;
    if (l->n_biases < MOST_LAYERS)
        l->bias[l->n_biases] = b;
    l->n_biases++;
}

static void add_wavenet(layers *l, const char *name, int n)
{
    const clvits_name cond = clvits_named("%s.cond_layer", name);
    const int width = 2 * l->s->c->hidden_channels;

    add_weight(l, cond.text);
    for (int i = 0; i < n; i++)
        add_bias(l, cond.text, i * width, width, clvits_named("%s.in_layers.%d", name, i).text);
}

clvits_tensor *clvits_conditions(clvits_scope *s, clvits_tensor *sid, int parts)
{
    layers l = { .s = s };

    clvits_graph_label(s->graph, "emb_g");
    clvits_tensor *g = clvits_embedding(sid, clvits_scope_weight(s, "emb_g.weight"), 1.0f);
    if (parts & CLVITS_OF_DURATIONS && s->c->dp_speakers) {
        add_weight(&l, "dp.cond");
        add_bias(&l, "dp.cond", 0, 0, s->c->use_sdp ? "dp.pre" : NULL);
    }
    for (int i = 0; i < s->c->flow_n_couplings && parts & CLVITS_OF_FLOW; i++)
        add_wavenet(&l, clvits_named("flow.flows.%d.enc", 2 * i).text, s->c->flow_n_layers);
    if (parts & CLVITS_OF_DECODER) {
        add_weight(&l, "dec.cond");
        add_bias(&l, "dec.cond", 0, 0, "dec.conv_pre");
    }
    if (parts & CLVITS_OF_POSTERIOR)
        add_wavenet(&l, "enc_q.enc", s->c->posterior_n_layers);
    if (l.n_weights > MOST_LAYERS || l.n_biases > MOST_LAYERS) {
        clvits_graph_fail(s->graph, CLVITS_E_UNSUPPORTED, "speakers condition more than %d layers",
                          MOST_LAYERS);
        return NULL;
    }
    return clvits_conv1d(g, clvits_scope_join(s, l.weight, l.n_weights, s->c->gin_channels),
                         clvits_scope_join(s, l.bias, l.n_biases, 0), &(clvits_conv1d_params){ 0 },
                         NULL);
}
