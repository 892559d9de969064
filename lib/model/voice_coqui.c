// SPDX-License-Identifier: MIT
//
// Coqui's VITS: a file of PyTorch and its config.json.
#include "io/coqui_names.h"
#include "model/voice_parts.h"

#include <cjson/cJSON.h>

#include <string.h>

#define ARGS "model_args."

static clvits_status refuse_other_models(clvits_json *j)
{
    const char *model = clvits_json_text(j, "model", CLVITS_JSON_REQUIRED);
    int rate = 0, interpolate = 1;

    if (model && strcmp(model, "vits"))
        return clvits_json_fail(j, CLVITS_E_UNSUPPORTED,
                                "model is \"%.32s\"; of Coqui's models \"vits\" is supported",
                                model);
    clvits_json_int(j, &rate, ARGS "encoder_sample_rate", CLVITS_JSON_OPTIONAL);
    clvits_json_bool(j, &interpolate, ARGS "interpolate_z", CLVITS_JSON_OPTIONAL);
    if (rate && interpolate)
        return clvits_json_fail(j, CLVITS_E_UNSUPPORTED,
                                "encoder_sample_rate is %d and interpolate_z is true: latents that "
                                "are stretched before the decoder are not supported",
                                rate);
    return j->status;
}

static void read_resblock(clvits_json *j, clvits_config *c)
{
    static const char key[] = ARGS "resblock_type_decoder";
    const char *type = clvits_json_text(j, key, CLVITS_JSON_REQUIRED);

    c->resblock = type && !strcmp(type, "2") ? 2 : 1;
    if (type && strcmp(type, "1") && strcmp(type, "2"))
        clvits_json_fail(j, CLVITS_E_FORMAT, "%s is \"%.32s\", but must be \"1\" or \"2\"", key,
                         type);
}

static void read_manner(clvits_json *j, clvits_config *c)
{
    c->noise_w = 1; /* unlike elsewhere, where it is not said */
    clvits_json_int(j, &c->sampling_rate, "audio.sample_rate", CLVITS_JSON_REQUIRED);
    clvits_json_float(j, &c->noise_scale, ARGS "inference_noise_scale", CLVITS_JSON_OPTIONAL);
    clvits_json_float(j, &c->noise_w, ARGS "inference_noise_scale_dp", CLVITS_JSON_OPTIONAL);
    clvits_json_float(j, &c->length_scale, ARGS "length_scale", CLVITS_JSON_OPTIONAL);
}

static void read_config(clvits_json *j, clvits_config *c)
{
    clvits_json_int(j, &c->hidden_channels, ARGS "hidden_channels", CLVITS_JSON_REQUIRED);
    c->inter_channels = c->hidden_channels;
    clvits_json_int(j, &c->filter_channels, ARGS "hidden_channels_ffn_text_encoder",
                    CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->n_heads, ARGS "num_heads_text_encoder", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->n_layers, ARGS "num_layers_text_encoder", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->kernel_size, ARGS "kernel_size_text_encoder", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->flow_kernel_size, ARGS "kernel_size_flow", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->flow_dilation_rate, ARGS "dilation_rate_flow", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->flow_n_layers, ARGS "num_layers_flow", CLVITS_JSON_OPTIONAL);
    read_resblock(j, c);
    clvits_decoder_read(j, c, ARGS, "_decoder");

    c->use_sdp = 1;
    clvits_json_bool(j, &c->use_sdp, ARGS "use_sdp", CLVITS_JSON_OPTIONAL);
    clvits_json_bool(j, &c->dp_speakers, ARGS "condition_dp_on_speaker", CLVITS_JSON_OPTIONAL);
    if (!c->use_sdp)
        c->dp_norm_eps = 1e-4f;
    read_manner(j, c);
}

static int starts(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

/* Norms of the plain predictor are [1, C, 1]. */
static void flatten(clvits_array *a)
{
    if (a->rank == 3 && a->shape[0] == 1 && a->shape[2] == 1 && starts(a->name, "dp.norm_")) {
        a->rank = 1;
        a->shape[0] = a->shape[1];
        a->shape[1] = a->shape[2] = 0;
    }
}

/* Call the tensors as the original code does, and leave out the model of another kind that some
 * were trained with. */
static clvits_status rename_arrays(clvits_opening *o)
{
    clvits_arrays *raw = &o->v->raw;
    size_t kept = 0;

    for (size_t i = 0; i < raw->count; i++) {
        clvits_array *a = &raw->items[i];
        char name[256];

        if (strstr(a->name, "speaker_encoder."))
            continue;
        if (clvits_coqui_name(name, sizeof(name), a->name) && strcmp(name, a->name)) {
            a->name = clvits_arena_text(&raw->arena, name, strlen(name));
            if (!a->name)
                return clvits_fail_memory(o->r, "the names of the weights");
        }
        flatten(a);
        raw->items[kept++] = *a;
    }
    raw->count = kept;
    return CLVITS_OK;
}

/* Rows and columns of a tensor; 0 where it has none. */
static int length(const clvits_arrays *raw, const char *name, int axis)
{
    const clvits_array *a = clvits_arrays_find(raw, name);
    const int64_t n = a && axis < a->rank ? a->shape[axis] : 0;

    return n > 0 && n <= 1 << 20 ? (int)n : 0;
}

/* What no configuration says, or not reliably: how many symbols, speakers and languages there are,
 * and how wide the duration predictor is. */
static void measure(clvits_config *c, const clvits_arrays *raw)
{
    c->n_vocab = length(raw, "enc_p.emb.weight", 0);
    c->n_speakers = length(raw, "emb_g.weight", 0);
    c->gin_channels = length(raw, "emb_g.weight", 1);
    c->n_languages = length(raw, "emb_l.weight", 0);
    c->language_channels = length(raw, "emb_l.weight", 1);
    c->dp_filter_channels = length(raw, c->use_sdp ? "dp.pre.weight" : "dp.conv_1.weight", 0);
    if (!c->n_speakers)
        c->n_speakers = 1;
}

/* A plain predictor has the layer for speakers even where it is not used. */
static int is_unused(const clvits_config *c, const char *name)
{
    return !c->dp_speakers && starts(name, "dp.cond.");
}

static void drop_unused(clvits_voice_file *v)
{
    size_t kept = 0;

    for (size_t i = 0; i < v->raw.count; i++)
        if (!is_unused(&v->config, v->raw.items[i].name))
            v->raw.items[kept++] = v->raw.items[i];
    v->raw.count = kept;
}

/* Vectors of speakers, where they come from recordings. */
static clvits_status read_vectors(clvits_opening *o, clvits_json *j, const char *path)
{
    static const char *const usual[4] = { "speakers.json", "speakers.pth", "d_vectors.json",
                                          "d_vectors.pth" };
    int wanted = 0, width = 0;

    clvits_json_bool(j, &wanted, ARGS "use_d_vector_file", CLVITS_JSON_OPTIONAL);
    if (j->status || !wanted)
        return j->status;
    clvits_json_int(j, &width, ARGS "d_vector_dim", CLVITS_JSON_REQUIRED);
    if (!j->status && (width < 1 || width > 1 << 16))
        return clvits_json_fail(j, CLVITS_E_FORMAT, ARGS "d_vector_dim is %d", width);
    const char *file = clvits_coqui_file(o, j, path, "d_vector_file", usual);
    if (!file && !j->status && !o->r->status)
        return clvits_json_fail(j, CLVITS_E_FILE,
                                "use_d_vector_file is true: the speakers' vectors, which "
                                "d_vector_file names, should stand beside the voice, but do not");
    if (!file)
        return j->status ? j->status : o->r->status;
    return clvits_coqui_vectors_read(o, file, width);
}

static clvits_status read_all(clvits_opening *o, clvits_json *j, const char *path)
{
    if (refuse_other_models(j))
        return j->status;
    read_config(j, &o->v->config);
    if (j->status || clvits_opening_arrays(o) || rename_arrays(o) ||
        read_vectors(o, j, path))
        return j->status ? j->status : o->r->status;
    measure(&o->v->config, &o->v->raw);
    clvits_spectrogram_read(o, j, "audio.fft_size", "audio.win_length");
    if (o->v->config.n_fft)
        clvits_json_int(j, &o->v->config.posterior_dilation_rate,
                        ARGS "dilation_rate_posterior_encoder", CLVITS_JSON_OPTIONAL);
    drop_unused(o->v);
    return clvits_coqui_text_read(o, j, path);
}

clvits_status clvits_voice_coqui_open(clvits_opening *o, const char *path)
{
    const char *config = clvits_config_of(o, path);
    clvits_json j;

    if (!config)
        return o->r->status;
    clvits_voice_file_note(o->v, config);
    o->v->kind = "Coqui VITS";
    o->v->config = clvits_config_default();
    clvits_status status = clvits_json_open(&j, config, o->r);
    if (!status)
        status = read_all(o, &j, path);
    clvits_json_close(&j);
    return status ? status : clvits_opening_finish(o, path);
}

int clvits_coqui_config_detect(const char *path)
{
    clvits_report r = { 0 };
    clvits_json j;

    const int found = !clvits_json_open(&j, path, &r) && clvits_json_at(&j, "model_args");
    clvits_json_close(&j);
    return found;
}

clvits_status clvits_coqui_graph_read(clvits_opening *o, const char *config, const char *path)
{
    clvits_json j;

    clvits_voice_file_note(o->v, config);
    o->v->kind = "Coqui VITS, as ONNX";
    clvits_status status = clvits_json_open(&j, config, o->r);
    if (!status)
        status = refuse_other_models(&j);
    if (!status)
        read_manner(&j, &o->v->config);
    if (!status)
        status = j.status ? j.status : clvits_coqui_text_read(o, &j, path);
    clvits_json_close(&j);
    return status;
}
