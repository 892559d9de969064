// SPDX-License-Identifier: MIT
//
// Text encoder (enc_p): a transformer with relative positions inside a window, post-norm.
#include "model/blocks.h"

#include <math.h>

/* The three projections as one: (B,T,3*hidden). */
static clvits_tensor *queries_keys_values(clvits_scope *s, clvits_tensor *x, const char *name)
{
    clvits_weight_part weight[3], bias[3];

    for (int i = 0; i < 3; i++) {
        weight[i] =
            clvits_scope_part(s, clvits_named("%s.conv_%c.weight", name, "qkv"[i]).text, 0, 0);
        bias[i] = clvits_scope_part(s, clvits_named("%s.conv_%c.bias", name, "qkv"[i]).text, 0, 0);
    }
    return clvits_conv1d(x, clvits_scope_join(s, weight, 3, clvits_config_text_channels(s->c)),
                         clvits_scope_join(s, bias, 3, 0), &(clvits_conv1d_params){ 0 }, NULL);
}

static clvits_tensor *attention_block(clvits_scope *s, clvits_tensor *x, int layer)
{
    const clvits_name name = clvits_named("enc_p.encoder.attn_layers.%d", layer);
    const clvits_attention_params p = { .heads = s->c->n_heads, .window = s->c->window_size };
    const int C = clvits_config_text_channels(s->c);
    clvits_tensor *qkv = queries_keys_values(s, x, name.text), *rel_k = NULL, *rel_v = NULL;

    if (p.window) {
        rel_k = clvits_scope_weight(s, "%s.emb_rel_k", name.text);
        rel_v = clvits_scope_weight(s, "%s.emb_rel_v", name.text);
    }
    clvits_tensor *y =
        clvits_attention(clvits_graph_slice(qkv, 0, C), clvits_graph_slice(qkv, C, C),
                         clvits_graph_slice(qkv, 2 * C, C), rel_k, rel_v, &p);
    return clvits_layer_linear(s, y, clvits_named("%s.conv_o", name.text).text);
}

static clvits_tensor *feed_forward(clvits_scope *s, clvits_tensor *x, int layer)
{
    const clvits_name name = clvits_named("enc_p.encoder.ffn_layers.%d", layer);
    const int K = s->c->kernel_size;
    clvits_conv1d_params p = { .pad_left = (K - 1) / 2, .pad_right = K / 2,
                               .act = CLVITS_ACT_LEAKY_RELU, .act_slope = 0.0f, .only_act = true };

    x = clvits_layer_conv1d(s, x, clvits_named("%s.conv_1", name.text).text, &p, NULL);
    p.act = CLVITS_ACT_NONE;
    p.only_act = false;
    return clvits_layer_conv1d(s, x, clvits_named("%s.conv_2", name.text).text, &p, NULL);
}

clvits_tensor *clvits_text_encoder(clvits_scope *s, clvits_tensor *ids, clvits_tensor **stats)
{
    clvits_graph_label(s->graph, "enc_p.emb");
    clvits_tensor *x = clvits_embedding(ids, clvits_scope_weight(s, "enc_p.emb.weight"),
                                        sqrtf((float)s->c->hidden_channels));
    if (s->language)
        x = clvits_concat(x, s->language);
    for (int i = 0; i < s->c->n_layers; i++) {
        clvits_graph_label(s->graph, "enc_p.encoder.%d", i);
        x = clvits_layer_norm_named(s, attention_block(s, x, i), x,
                                    clvits_named("enc_p.encoder.norm_layers_1.%d", i).text,
                                    s->c->layer_norm_eps, false);
        x = clvits_layer_norm_named(s, feed_forward(s, x, i), x,
                                    clvits_named("enc_p.encoder.norm_layers_2.%d", i).text,
                                    s->c->layer_norm_eps, false);
    }
    clvits_graph_label(s->graph, "enc_p.proj");
    *stats = clvits_layer_linear(s, x, "enc_p.proj");
    return x;
}
