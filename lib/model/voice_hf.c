// SPDX-License-Identifier: MIT
#include "io/file.h"
#include "model/voice_parts.h"

#include <cjson/cJSON.h>

#include <string.h>

/* Say what it may be instead of a voice. */
static clvits_status no_type(clvits_json *j)
{
    if (clvits_json_at(j, "num_mels") && clvits_json_at(j, "upsample_rates"))
        return clvits_json_fail(j, CLVITS_E_UNSUPPORTED,
                                "num_mels says that this is a vocoder such as HiFi-GAN, which "
                                "makes speech of spectrograms and not of text; it is no voice");
    return clvits_json_fail(j, CLVITS_E_FORMAT,
                            "model_type is missing, which says \"vits\" in a Hugging Face voice; "
                            "so this is none, nor any other voice that is known here");
}

static clvits_status check_type(clvits_json *j)
{
    if (clvits_refuse_config(j))
        return j->status;

    const char *type = clvits_json_text(j, "model_type", CLVITS_JSON_OPTIONAL);
    if (!type && !j->status)
        return no_type(j);
    if (type && strcmp(type, "vits"))
        return clvits_json_fail(j, CLVITS_E_UNSUPPORTED,
                                "model_type is \"%.32s\"; only \"vits\" is supported", type);
    return j->status;
}

/* Options of the format that no published voice uses. */
static void check_fixed(clvits_json *j)
{
    const char *act = clvits_json_text(j, "hidden_act", CLVITS_JSON_OPTIONAL);
    int use_bias = 1, separable_channels = 2;

    clvits_json_bool(j, &use_bias, "use_bias", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &separable_channels, "depth_separable_channels", CLVITS_JSON_OPTIONAL);
    if (act && strcmp(act, "relu"))
        clvits_json_fail(j, CLVITS_E_UNSUPPORTED, "hidden_act is \"%.32s\"; only \"relu\" is "
                                                  "supported", act);
    if (!use_bias)
        clvits_json_fail(j, CLVITS_E_UNSUPPORTED, "use_bias is false; only true is supported");
    if (separable_channels != 2)
        clvits_json_fail(j, CLVITS_E_UNSUPPORTED,
                         "depth_separable_channels is %d; only 2 is supported",
                         separable_channels);
}

static void read_duration(clvits_json *j, clvits_config *c)
{
    c->use_sdp = 1;
    clvits_json_bool(j, &c->use_sdp, "use_stochastic_duration_prediction", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->dp_kernel_size, "duration_predictor_kernel_size", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->dp_n_flows, "duration_predictor_num_flows", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->dds_n_layers, "depth_separable_num_layers", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->spline_bins, "duration_predictor_flow_bins", CLVITS_JSON_OPTIONAL);
    clvits_json_float(j, &c->spline_tail, "duration_predictor_tail_bound", CLVITS_JSON_OPTIONAL);

    /* The stochastic predictor is as wide as the encoder, whatever the file says. */
    c->dp_filter_channels = c->hidden_channels;
    if (!c->use_sdp) {
        c->dp_filter_channels = 256;
        clvits_json_int(j, &c->dp_filter_channels, "duration_predictor_filter_channels",
                        CLVITS_JSON_OPTIONAL);
        c->dp_norm_eps = c->layer_norm_eps;
    }
}

static void read_config(clvits_json *j, clvits_config *c)
{
    double speaking_rate = 1;

    clvits_json_int(j, &c->n_vocab, "vocab_size", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->inter_channels, "flow_size", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->hidden_channels, "hidden_size", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->filter_channels, "ffn_dim", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->n_heads, "num_attention_heads", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->n_layers, "num_hidden_layers", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->kernel_size, "ffn_kernel_size", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->window_size, "window_size", CLVITS_JSON_OPTIONAL);
    clvits_json_float(j, &c->layer_norm_eps, "layer_norm_eps", CLVITS_JSON_OPTIONAL);
    check_fixed(j);
    c->resblock = 1;
    clvits_decoder_read(j, c, "", "");
    clvits_json_float(j, &c->leaky_relu_slope, "leaky_relu_slope", CLVITS_JSON_OPTIONAL);
    read_duration(j, c);

    clvits_json_int(j, &c->flow_n_couplings, "prior_encoder_num_flows", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->flow_n_layers, "prior_encoder_num_wavenet_layers",
                    CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->flow_kernel_size, "wavenet_kernel_size", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->flow_dilation_rate, "wavenet_dilation_rate", CLVITS_JSON_OPTIONAL);

    c->posterior_dilation_rate = c->flow_dilation_rate;
    clvits_json_int(j, &c->win_length, "win_length", CLVITS_JSON_OPTIONAL); /* clvits writes it */

    clvits_json_int(j, &c->n_speakers, "num_speakers", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->gin_channels, "speaker_embedding_size", CLVITS_JSON_OPTIONAL);
    if (c->n_speakers == 0)
        c->n_speakers = 1;
    if (c->n_speakers == 1)
        c->gin_channels = 0; /* there is no table of speakers then, and nothing to feed in */

    clvits_json_int(j, &c->sampling_rate, "sampling_rate", CLVITS_JSON_REQUIRED);
    clvits_json_float(j, &c->noise_scale, "noise_scale", CLVITS_JSON_OPTIONAL);
    clvits_json_float(j, &c->noise_w, "noise_scale_duration", CLVITS_JSON_OPTIONAL);
    clvits_json_double(j, &speaking_rate, "speaking_rate", CLVITS_JSON_OPTIONAL);
    if (!(speaking_rate > 0))
        clvits_json_fail(j, CLVITS_E_FORMAT, "speaking_rate is %g, but must be above zero",
                         speaking_rate);
    c->length_scale = (float)(1 / speaking_rate);
}

/* The geometry and defaults in config.json; nothing is checked but types. */
clvits_status clvits_hf_config_read(clvits_config *c, const char *path, clvits_report *r)
{
    clvits_json j;

    *c = clvits_config_default();
    if (!clvits_json_open(&j, path, r) && !check_type(&j))
        read_config(&j, c);
    clvits_json_close(&j);
    return j.status;
}

static clvits_status read_vocabulary(clvits_voice_file *v, clvits_json *j)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, j->root) {
        int id;
        if (!clvits_json_node_int(&id, item))
            return clvits_json_fail(j, CLVITS_E_FORMAT,
                                    "the symbol \"%.32s\" should have a whole number",
                                    item->string);
        if (clvits_voice_symbol_add(v, j, "vocab", item->string, &(int32_t){ id }, 1))
            return j->status;
    }
    return CLVITS_OK;
}

static void read_tokenizer(clvits_voice_file *v, clvits_json *j)
{
    int add_blank = 1, normalize = 1, phonemize = 1, romanize = 0;

    clvits_json_bool(j, &add_blank, "add_blank", CLVITS_JSON_OPTIONAL);
    clvits_json_bool(j, &normalize, "normalize", CLVITS_JSON_OPTIONAL);
    clvits_json_bool(j, &phonemize, "phonemize", CLVITS_JSON_OPTIONAL);
    clvits_json_bool(j, &romanize, "is_uroman", CLVITS_JSON_OPTIONAL);

    v->text.kind = phonemize ? CLVITS_TEXT_ESPEAK : CLVITS_TEXT_CHARACTERS;
    v->text.espeak_voice = phonemize ? "en-us" : NULL; /* the format knows no other language */
    v->text.padding = add_blank ? CLVITS_PADDING_BLANK : CLVITS_PADDING_NONE;
    v->text.blank_id = 0;
    v->text.lower_case = normalize ? CLVITS_CASE_LOWER_ELSE : CLVITS_CASE_KEPT;
    v->text.romanised = romanize;
}

clvits_status clvits_hf_text_read(clvits_voice_file *v, const char *vocab_path,
                                  const char *tokenizer_path, clvits_report *r)
{
    clvits_json vocab, tokenizer;

    clvits_voice_file_note(v, vocab_path);
    clvits_voice_file_note(v, tokenizer_path);
    if (!clvits_json_open(&vocab, vocab_path, r))
        read_vocabulary(v, &vocab);
    clvits_json_close(&vocab);
    if (vocab.status)
        return vocab.status;

    if (!clvits_json_open(&tokenizer, tokenizer_path, r))
        read_tokenizer(v, &tokenizer);
    clvits_json_close(&tokenizer);
    return tokenizer.status;
}

/*
 * Names of speakers, languages and other ways to lay out ids, for which the format has no words,
 * stand in an object "clvits" of config.json where this library made it.
 */
static clvits_status read_own_text(clvits_opening *o, const char *config, int *there)
{
    clvits_json j;

    *there = 0;
    if (!clvits_json_open(&j, config, o->r)) {
        const cJSON *own = clvits_json_object(&j, "clvits", CLVITS_JSON_OPTIONAL);
        clvits_json part = { .root = (cJSON *)own, .path = config, .report = o->r };

        *there = own != NULL;
        if (own)
            j.status = clvits_voice_about_read(o->v, &part, 0);
    }
    clvits_json_close(&j);
    return j.status;
}

static clvits_status read_text(clvits_opening *o, const char *path, const char *config_path)
{
    int own;

    if (read_own_text(o, config_path, &own) || own)
        return o->r->status;
    const int folder = clvits_path_folder(path);
    const char *beside = clvits_opening_keep(o, "%s.json", path);
    const char *usual = clvits_opening_keep(o, "%.*smodel.safetensors.json", folder, path);
    const char *vocab = clvits_opening_keep(o, "%.*svocab.json", folder, path);
    const char *tokenizer = clvits_opening_keep(o, "%.*stokenizer_config.json", folder, path);

    if (!beside || !usual || !vocab || !tokenizer)
        return o->r->status;
    if (clvits_file_exists(beside))
        return clvits_piper_json_read(o->v, beside, o->r);
    if (clvits_file_exists(usual))
        return clvits_piper_json_read(o->v, usual, o->r);
    return clvits_hf_text_read(o->v, vocab, tokenizer, o->r);
}

clvits_status clvits_voice_hf_open(clvits_opening *o, const char *path)
{
    const char *config = o->config_path;

    o->v->kind = "Hugging Face VitsModel";
    if (!config)
        config = clvits_opening_keep(o, "%.*sconfig.json", clvits_path_folder(path), path);
    if (!config)
        return o->r->status;

    clvits_voice_file_note(o->v, config);
    clvits_status status = clvits_hf_config_read(&o->v->config, config, o->r);
    if (!status) {
        clvits_report why = { 0 };
        status = clvits_config_check(&o->v->config, &why);
        if (status)
            clvits_fail(o->r, status, "%s: %s", config, why.text);
    }
    if (!status)
        status = read_text(o, path, config);
    if (!status)
        status = clvits_opening_arrays(o);
    return status ? status : clvits_opening_finish(o, path);
}
