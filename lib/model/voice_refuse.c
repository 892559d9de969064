// SPDX-License-Identifier: MIT
//
// What looks like VITS, and is something else: found by what a configuration or a tensor is called.
#include "model/voice_parts.h"
#include "model/weights_names.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <string.h>

/* At the top, or in the sections of a training configuration. */
static const char *const sections[] = { "", "model.", "data.", "train." };
static const struct {
    const char *key, *model;
} keys[] = {
    { "num_tones", "MeloTTS or Bert-VITS2" },
    { "num_languages", "MeloTTS or Bert-VITS2" },
    { "disable_bert", "MeloTTS" },
    { "use_spk_conditioned_encoder", "Bert-VITS2" },
    { "bert_gen", "Bert-VITS2" },
    { "use_transformer_flows", "VITS2" },
    { "use_transformer_flow", "VITS2" },
    { "use_mel_posterior_encoder", "VITS2" },
    { "gen_istft_n_fft", "an iSTFT decoder (MB-iSTFT-VITS)" },
    { "mb_istft_vits", "an iSTFT decoder (MB-iSTFT-VITS)" },
    { "ms_istft_vits", "an iSTFT decoder (MS-iSTFT-VITS)" },
    { "istft_vits", "an iSTFT decoder (iSTFT-VITS)" },
    { "ssl_dim", "so-vits-svc, which converts singing" },
    { "speech_encoder", "so-vits-svc, which converts singing" },
    { "spk_embed_dim", "RVC, which converts voices" },
    { "semantic_frame_rate", "GPT-SoVITS" },
};

/* `*` is any text; the first row that fits is taken. */
static const struct {
    const char *name, *model;
} tensors[] = {
    { "enc_p.tone_emb.*", "MeloTTS or Bert-VITS2" },
    { "enc_p.language_emb.*", "MeloTTS or Bert-VITS2" },
    { "enc_p.*bert_proj*", "MeloTTS or Bert-VITS2" },
    { "sdp.*", "MeloTTS or Bert-VITS2" },
    { "enc_p.emo_proj.*", "W2V2-VITS, whose encoder also reads an emotion" },
    { "enc_p.emb_phone.*", "RVC, which converts voices" },
    { "enc_p.emb_pitch.*", "RVC, which converts voices" },
    { "enc_p.f0_emb.*", "so-vits-svc, which converts singing" },
    { "emb_uv.*", "so-vits-svc, which converts singing" },
    { "f0_decoder.*", "so-vits-svc, which converts singing" },
    { "enc_p.encoder_ssl.*", "GPT-SoVITS" },
    { "enc_p.text_embedding.*", "GPT-SoVITS" },
    { "quantizer.vq.*", "GPT-SoVITS" },
    { "ssl_proj.*", "GPT-SoVITS" },
    { "ar_text_embedding.*", "the text part of GPT-SoVITS" },
    { "*.ar_text_embedding.*", "the text part of GPT-SoVITS" },
    { "enc_spk.*", "FreeVC, which converts voices" },
    { "dec.m_source.*", "a voice with a pitch source in its decoder (RVC or so-vits-svc)" },
    { "dec.noise_convs.*", "a voice with a pitch source in its decoder (RVC or so-vits-svc)" },
    { "ref_enc.*", "OpenVoice or Bert-VITS2, whose speakers come from a recording" },
    { "flow.flows.*.pre_transformer.*", "VITS2" },
    { "flow.flows.*.attn_layers.*", "VITS2 or Bert-VITS2" },
    { "enc_p.encoder.spk_emb_linear.*", "VITS2 or Bert-VITS2" },
    { "dec.subband_conv_post.*", "an iSTFT decoder (MB-iSTFT-VITS)" },
    { "dec.multistream_conv_post.*", "an iSTFT decoder (MS-iSTFT-VITS)" },
    { "dec.pqmf.*", "an iSTFT decoder (MB-iSTFT-VITS)" },
    { "dec.stft.*", "an iSTFT decoder (iSTFT-VITS)" },
    { "*generator.decoder.input_conv.*", "the VITS of icefall or ESPnet, with another encoder" },
    { "*generator.text_encoder.*", "the VITS of icefall or ESPnet, with another encoder" },
    { "*._packed_params*", "a quantised model" },
    { "*.zero_point", "a quantised model" },
};

/* A switch that is off says nothing of a model. */
static int is_off(const cJSON *node)
{
    return !node || cJSON_IsFalse(node) || (cJSON_IsNumber(node) && node->valuedouble == 0);
}

clvits_status clvits_refuse_config(clvits_json *j)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++) {
            char key[64];
            snprintf(key, sizeof(key), "%s%s", sections[s], keys[i].key);
            if (!is_off(clvits_json_at(j, key)))
                return clvits_json_fail(j, CLVITS_E_UNSUPPORTED,
                                        "%s says that this is %s, which is not VITS and is not "
                                        "supported",
                                        key, keys[i].model);
        }
    }
    return CLVITS_OK;
}

/* Whether a name is as a pattern says. */
static int fits(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL;

    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++from;
        } else {
            return 0;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

clvits_status clvits_refuse_tensor(const char *name, const char *path, clvits_report *r)
{
    for (size_t i = 0; i < sizeof(tensors) / sizeof(tensors[0]); i++)
        if (fits(tensors[i].name, name))
            return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                               "%s: the tensor %.80s says that this is %s, which is not VITS as "
                               "it was published and is not supported",
                               path, name, tensors[i].model);
    return CLVITS_OK;
}

clvits_status clvits_refuse_arrays(const clvits_arrays *raw, const char *path, clvits_report *r)
{
    for (size_t i = 0; i < raw->count; i++) {
        const clvits_array *a = &raw->items[i];
        char name[112];
        clvits_weight_part part;

        if (clvits_refuse_tensor(a->name, path, r))
            return r->status;
        if (clvits_weight_name(name, sizeof(name), &part, a->name) && a->rank == 3 &&
            a->shape[0] > 1 && !strcmp(name, "dec.conv_post.weight"))
            return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                               "%s: %s makes %lld channels and not one, so this is a decoder that "
                               "ends in an iSTFT (iSTFT-VITS), which is not VITS as it was "
                               "published and is not supported",
                               path, a->name, (long long)a->shape[0]);
    }
    return CLVITS_OK;
}
