// SPDX-License-Identifier: MIT
#include "model/weights_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Hugging Face names and what they are called in the original code; the first row that fits is
 * taken, in either direction. `*` at the end is the rest. `#` on the left is a number, and on the
 * right the next of those numbers, `@` its double (the flow, whose flips have no place in the
 * Hugging Face list) and `~` its double less one (the duration flows, where the affine step
 * precedes them).
 */
enum { HUGGING_FACE, ORIGINAL };
static const char *const rows[][2] = {
    { "text_encoder.embed_tokens.*", "enc_p.emb.*" },
    { "text_encoder.project.*", "enc_p.proj.*" },
    { "text_encoder.encoder.layers.#.attention.q_proj.*", "enc_p.encoder.attn_layers.#.conv_q.*" },
    { "text_encoder.encoder.layers.#.attention.k_proj.*", "enc_p.encoder.attn_layers.#.conv_k.*" },
    { "text_encoder.encoder.layers.#.attention.v_proj.*", "enc_p.encoder.attn_layers.#.conv_v.*" },
    { "text_encoder.encoder.layers.#.attention.out_proj.*",
      "enc_p.encoder.attn_layers.#.conv_o.*" },
    { "text_encoder.encoder.layers.#.attention.*", "enc_p.encoder.attn_layers.#.*" },
    { "text_encoder.encoder.layers.#.layer_norm.weight", "enc_p.encoder.norm_layers_1.#.gamma" },
    { "text_encoder.encoder.layers.#.layer_norm.bias", "enc_p.encoder.norm_layers_1.#.beta" },
    { "text_encoder.encoder.layers.#.final_layer_norm.weight",
      "enc_p.encoder.norm_layers_2.#.gamma" },
    { "text_encoder.encoder.layers.#.final_layer_norm.bias",
      "enc_p.encoder.norm_layers_2.#.beta" },
    { "text_encoder.encoder.layers.#.feed_forward.*", "enc_p.encoder.ffn_layers.#.*" },

    { "duration_predictor.norm_#.weight", "dp.norm_#.gamma" },
    { "duration_predictor.norm_#.bias", "dp.norm_#.beta" },
    { "duration_predictor.conv_pre.*", "dp.pre.*" },
    { "duration_predictor.conv_proj.*", "dp.proj.*" },
    { "duration_predictor.conv_dds.convs_dilated.*", "dp.convs.convs_sep.*" },
    { "duration_predictor.conv_dds.convs_pointwise.*", "dp.convs.convs_1x1.*" },
    { "duration_predictor.conv_dds.norms_#.#.weight", "dp.convs.norms_#.#.gamma" },
    { "duration_predictor.conv_dds.norms_#.#.bias", "dp.convs.norms_#.#.beta" },
    { "duration_predictor.flows.0.translate", "dp.flows.0.m" },
    { "duration_predictor.flows.0.log_scale", "dp.flows.0.logs" },
    { "duration_predictor.flows.#.conv_pre.*", "dp.flows.~.pre.*" },
    { "duration_predictor.flows.#.conv_proj.*", "dp.flows.~.proj.*" },
    { "duration_predictor.flows.#.conv_dds.convs_dilated.*", "dp.flows.~.convs.convs_sep.*" },
    { "duration_predictor.flows.#.conv_dds.convs_pointwise.*", "dp.flows.~.convs.convs_1x1.*" },
    { "duration_predictor.flows.#.conv_dds.norms_#.#.weight", "dp.flows.~.convs.norms_#.#.gamma" },
    { "duration_predictor.flows.#.conv_dds.norms_#.#.bias", "dp.flows.~.convs.norms_#.#.beta" },
    { "duration_predictor.post_conv_pre.*", "dp.post_pre.*" },
    { "duration_predictor.post_conv_proj.*", "dp.post_proj.*" },
    { "duration_predictor.post_conv_dds.convs_dilated.*", "dp.post_convs.convs_sep.*" },
    { "duration_predictor.post_conv_dds.convs_pointwise.*", "dp.post_convs.convs_1x1.*" },
    { "duration_predictor.post_conv_dds.norms_#.#.weight", "dp.post_convs.norms_#.#.gamma" },
    { "duration_predictor.post_conv_dds.norms_#.#.bias", "dp.post_convs.norms_#.#.beta" },
    { "duration_predictor.post_flows.0.translate", "dp.post_flows.0.m" },
    { "duration_predictor.post_flows.0.log_scale", "dp.post_flows.0.logs" },
    { "duration_predictor.post_flows.#.conv_pre.*", "dp.post_flows.~.pre.*" },
    { "duration_predictor.post_flows.#.conv_proj.*", "dp.post_flows.~.proj.*" },
    { "duration_predictor.post_flows.#.conv_dds.convs_dilated.*",
      "dp.post_flows.~.convs.convs_sep.*" },
    { "duration_predictor.post_flows.#.conv_dds.convs_pointwise.*",
      "dp.post_flows.~.convs.convs_1x1.*" },
    { "duration_predictor.post_flows.#.conv_dds.norms_#.#.weight",
      "dp.post_flows.~.convs.norms_#.#.gamma" },
    { "duration_predictor.post_flows.#.conv_dds.norms_#.#.bias",
      "dp.post_flows.~.convs.norms_#.#.beta" },
    { "duration_predictor.*", "dp.*" },

    { "flow.flows.#.conv_pre.*", "flow.flows.@.pre.*" },
    { "flow.flows.#.conv_post.*", "flow.flows.@.post.*" },
    { "flow.flows.#.wavenet.*", "flow.flows.@.enc.*" },

    { "decoder.upsampler.*", "dec.ups.*" },
    { "decoder.*", "dec.*" },
    { "embed_speaker.*", "emb_g.*" },

    { "posterior_encoder.conv_pre.*", "enc_q.pre.*" },
    { "posterior_encoder.conv_proj.*", "enc_q.proj.*" },
    { "posterior_encoder.wavenet.*", "enc_q.enc.*" },
};

enum { MAX_DIGITS = 6 };

/* The number that stands for `#` where this one stands for a letter; -1: none does. */
static int number_behind(char letter, int number)
{
    if (letter == '@')
        return number % 2 ? -1 : number / 2;
    if (letter == '~')
        return number % 2 ? number / 2 + 1 : -1;
    return number;
}

const char *clvits_weight_match(const char *pattern, const char *name,
                                int numbers[CLVITS_WEIGHT_NUMBERS])
{
    int n = 0;

    for (; *pattern && *pattern != '*'; pattern++) {
        if (!strchr("#@~", *pattern)) {
            if (*pattern != *name++)
                return NULL;
            continue;
        }
        const size_t digits = strspn(name, "0123456789");
        if (digits == 0 || digits > MAX_DIGITS)
            return NULL;
        numbers[n] = number_behind(*pattern, atoi(name));
        if (numbers[n++] < 0)
            return NULL;
        name += digits;
    }
    return *pattern == '*' || *name == '\0' ? name : NULL;
}

/* Append text when it fits. */
static int put(char *out, size_t size, size_t *used, const char *text)
{
    const size_t n = strlen(text);
    if (n >= size - *used)
        return 0;
    memcpy(out + *used, text, n + 1);
    *used += n;
    return 1;
}

static int rewrite(char *out, size_t size, const char *target, const int *numbers,
                   const char *rest)
{
    size_t used = 0;

    for (; *target; target++) {
        char text[16] = { *target };

        if (*target == '*')
            return put(out, size, &used, rest);
        if (*target == '#')
            snprintf(text, sizeof(text), "%d", *numbers++);
        else if (*target == '@')
            snprintf(text, sizeof(text), "%d", 2 * *numbers++);
        else if (*target == '~')
            snprintf(text, sizeof(text), "%d", 2 * *numbers++ - 1);
        if (!put(out, size, &used, text))
            return 0;
    }
    return 1;
}

/* A name that no row knows is copied. */
static int translate(char *out, size_t size, const char *name, int from, int to)
{
    size_t used = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int numbers[CLVITS_WEIGHT_NUMBERS];
        const char *rest = clvits_weight_match(rows[i][from], name, numbers);
        if (rest)
            return rewrite(out, size, rows[i][to], numbers, rest);
    }
    return put(out, size, &used, name);
}

/* Cut a suffix of weight normalisation down to ".weight". */
static clvits_weight_part take_suffix(char *name)
{
    static const struct {
        const char *suffix;
        clvits_weight_part part;
    } suffixes[] = {
        { ".weight_g", CLVITS_WEIGHT_GAIN },
        { ".weight_v", CLVITS_WEIGHT_DIRECTION },
        { ".parametrizations.weight.original0", CLVITS_WEIGHT_GAIN },
        { ".parametrizations.weight.original1", CLVITS_WEIGHT_DIRECTION },
    };
    const size_t length = strlen(name);

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        const size_t n = strlen(suffixes[i].suffix);
        if (length > n && !strcmp(name + length - n, suffixes[i].suffix)) {
            strcpy(name + length - n, ".weight");
            return suffixes[i].part;
        }
    }
    return CLVITS_WEIGHT_WHOLE;
}

int clvits_weight_name(char *out, size_t size, clvits_weight_part *part, const char *name)
{
    char plain[160];

    if (strlen(name) >= sizeof(plain))
        return 0;
    strcpy(plain, name);
    *part = take_suffix(plain);

    return translate(out, size, plain, HUGGING_FACE, ORIGINAL);
}

int clvits_weight_hf_name(char *out, size_t size, const char *name, int use_sdp)
{
    static const char proj[] = "dp.proj."; /* which the plain predictor calls so as well */
    size_t used = 0;

    if (!use_sdp && !strncmp(name, proj, sizeof(proj) - 1))
        return put(out, size, &used, "duration_predictor.proj.") &&
               put(out, size, &used, name + sizeof(proj) - 1);
    return translate(out, size, name, ORIGINAL, HUGGING_FACE);
}
