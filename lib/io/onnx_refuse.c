// SPDX-License-Identifier: MIT
#include "io/onnx_module.h"

#include <string.h>

typedef struct alike {
    const char *part; /* of a graph input, a node's path or a metadata value */
    const char *what;
} alike;

static const alike inputs[] = {
    {"ja_bert", "Bert-VITS2"},
    {"bert", "Bert-VITS2"},
    {"emo", "Bert-VITS2"},
    {"tones", "MeloTTS"},
    {"tone", "MeloTTS"},
    {"sdp_ratio", "Bert-VITS2"},
    {"lid", "piper-plus"},
    {"emotion", "a voice with emotions"},
    {"emotion_id", "a voice with emotions"},
    {"prosody_features", "piper-plus"},
    {"tokens", "an icefall voice"},
    {"input_ids", "a voice exported from transformers (open its original folder instead)"},
    {"mel", "a vocoder"},
};

static const char *const operators[] = {
    "QLinearConv", "QLinearMatMul", "QuantizeLinear",        "DequantizeLinear",
    "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeMatMul",
    "MatMulNBits", "QAttention",    "DynamicQuantizeLSTM",   "FusedConv",
};

static const alike paths[] = {
    {"istft", "an iSTFT decoder (MB-iSTFT-VITS, piper-plus)"},
    {"subband_conv_post", "an iSTFT decoder (MB-iSTFT-VITS, piper-plus)"},
    {"multistream_conv_post", "an iSTFT decoder (MB-iSTFT-VITS, piper-plus)"},
    {"pre_transformer", "VITS2"},
    {"pre_attn_encoder", "VITS2"},
    {"spk_emb_linear", "VITS2 or Bert-VITS2"},
    {"tone_emb", "MeloTTS or Bert-VITS2"},
    {"bert_proj", "Bert-VITS2"},
    {"ja_bert_proj", "Bert-VITS2"},
    {"text_encoder", "another relative of VITS (icefall or transformers)"},
};

static const alike metadata[] = {
    {"melo", "MeloTTS"},
    {"icefall", "an icefall voice"},
    {"k2-fsa", "an icefall voice"},
    {"matcha", "Matcha-TTS"},
    {"kokoro", "Kokoro"},
    {"kitten", "KittenTTS"},
    {"bert", "Bert-VITS2"},
};

#define LENGTH(a) (sizeof(a) / sizeof(*(a)))

static clvits_status refuse(onnx_reader *g, const char *what, const char *sign)
{
    return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                            "this looks like %s (it has '%.80s'), which is not VITS as Piper, "
                            "Coqui or sherpa-onnx export it and cannot be spoken",
                            what, sign);
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
}

static int contains(const char *text, const char *part)
{
    const size_t n = strlen(part);

    for (; *text; text++) {
        size_t i = 0;
        while (i < n && lower(text[i]) == part[i])
            i++;
        if (i == n)
            return 1;
    }
    return 0;
}

/* Whether one of the components of a node's path is called that. */
static int has_component(const char *path, const char *part)
{
    const size_t n = strlen(part);

    for (const char *p = path; *p;) {
        const size_t m = strcspn(p, "./");
        if (m == n && !strncmp(p, part, n))
            return 1;
        p += m + (p[m] != 0);
    }
    return 0;
}

static clvits_status check_inputs(onnx_reader *g)
{
    static const char *const known[] = {
        "input",           "input_lengths", "scales",      "sid",          "x",
        "x_lengths",       "x_length",      "noise_scale", "length_scale", "noise_scale_w",
        "noise_scale_dur", "noise_w",       "langid",
    };

    for (size_t i = 0; i < g->graph->n_input; i++) {
        const char *name = g->graph->input[i]->name;
        size_t k = 0;
        if (clvits_onnx_constant(g, name))
            continue;
        for (size_t j = 0; j < LENGTH(inputs); j++)
            if (!strcmp(name, inputs[j].part))
                return refuse(g, inputs[j].what, name);
        while (k < LENGTH(known) && strcmp(name, known[k]))
            k++;
        if (k == LENGTH(known))
            return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                                    "the graph has an input '%.80s', which no VITS voice has",
                                    name);
    }
    return CLVITS_OK;
}

static clvits_status check_operator(onnx_reader *g, const onnx_node *n)
{
    for (size_t k = 0; k < LENGTH(operators); k++)
        if (!strcmp(n->op_type, operators[k]))
            return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                                    "a quantised or runtime-optimised graph (it has %s); take the "
                                    "voice as Piper exported it",
                                    n->op_type);
    if (!strcmp(n->op_type, "STFT") || !strcmp(n->op_type, "DFT"))
        return refuse(g, paths[0].what, n->op_type);
    for (size_t k = 0; k < LENGTH(paths); k++)
        if (has_component(n->name, paths[k].part))
            return refuse(g, paths[k].what, paths[k].part);
    return CLVITS_OK;
}

clvits_status clvits_onnx_refuse(onnx_reader *g)
{
    for (size_t i = 0; i < g->model->n_metadata_props; i++) {
        const Clvits__Onnx__Entry *e = g->model->metadata_props[i];
        if (strcmp(e->key, "model_type") && strcmp(e->key, "comment") &&
            strcmp(e->key, "model_author"))
            continue;
        for (size_t k = 0; k < LENGTH(metadata); k++)
            if (contains(e->value, metadata[k].part))
                return refuse(g, metadata[k].what, e->value);
    }
    for (size_t i = 0; i < g->graph->n_node; i++)
        if (check_operator(g, g->graph->node[i]))
            return g->status;
    for (size_t i = 0; i < g->graph->n_initializer; i++)
        for (size_t k = 0; k < LENGTH(paths); k++)
            if (has_component(g->graph->initializer[i]->name, paths[k].part))
                return refuse(g, paths[k].what, paths[k].part);
    return check_inputs(g);
}
