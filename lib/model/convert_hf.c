// SPDX-License-Identifier: MIT
//
// What of a voice goes into a Hugging Face folder, and what keeps it from going there.
#include "model/convert.h"

#include "base/half.h"
#include "model/voice_parts.h"
#include "model/weights_names.h"
#include "text/utf8.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char pad[] = "<pad>";

/* One code point, which is all that the tokenizer looks up. */
static int is_single(const clvits_symbol *s)
{
    uint32_t c;
    return clvits_utf8_read(&c, s->text, s->n) == (int)s->n;
}

static clvits_status check_symbols(const clvits_voice_file *v, clvits_report *r)
{
    for (size_t i = 0; i < v->symbols.count; i++) {
        const clvits_symbol *s = &v->symbols.items[i];

        if (s->n_ids != 1)
            return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                               "a Hugging Face VitsModel has one id for a symbol, and this voice "
                               "has %d for \"%.32s\"",
                               s->n_ids, s->text);
        if ((v->text.longest_match || v->text.kind == CLVITS_TEXT_LEXICON) && !is_single(s))
            return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                               "a Hugging Face tokenizer looks up single characters, and this "
                               "voice has the symbol \"%.32s\"",
                               s->text);
    }
    if (v->text.padding == CLVITS_PADDING_BLANK && v->text.blank_id != 0)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "a Hugging Face tokenizer puts the id 0 between symbols, and this voice "
                           "wants %d",
                           (int)v->text.blank_id);
    return CLVITS_OK;
}

clvits_status clvits_hf_check(const clvits_voice_file *v, clvits_report *r)
{
    const clvits_config *c = &v->config, usual = clvits_config_default();
    const char *what = NULL;

    if (c->resblock != 1)
        what = "residual blocks of the other kind (resblock 2)";
    else if (c->conv_post_bias)
        what = "a bias in the decoder's last convolution";
    else if (c->conv_pre_kernel != usual.conv_pre_kernel ||
             c->conv_post_kernel != usual.conv_post_kernel)
        what = "other kernels than 7 at the decoder's ends";
    else if (!c->flow_mean_only)
        what = "couplings that also scale";
    else if (c->n_speakers == 1 && c->gin_channels)
        what = "conditioning on its only speaker";
    else if (c->n_speakers > 1 && !c->dp_speakers)
        what = "durations that do not depend on its speakers";
    else if (c->n_languages)
        what = "several languages";
    else if (c->use_sdp && c->dp_filter_channels != c->hidden_channels)
        what = "a stochastic duration predictor of another width than the text encoder's";
    else if (c->dp_norm_eps != (c->use_sdp ? usual.dp_norm_eps : c->layer_norm_eps))
        what = "another epsilon in the duration predictor's norms";
    if (what)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "the voice has %s, which a Hugging Face VitsModel has not; a "
                           ".safetensors file can hold it",
                           what);
    if (check_symbols(v, r))
        return r->status;
    if (v->text.padding == CLVITS_PADDING_PIPER || v->text.ends.n_begin || v->text.ends.n_end)
        clvits_warn(r, "the tokenizer of transformers leaves out what this voice has at the ends "
                       "of a sentence; give transformers ids");
    if (v->text.kind == CLVITS_TEXT_LEXICON)
        clvits_warn(r, "the tokenizer of transformers knows no lexicon; give it symbols");
    return CLVITS_OK;
}

clvits_status clvits_hf_check_training(const clvits_voice_file *v, clvits_report *r)
{
    const clvits_config *c = &v->config;
    const char *what = NULL;

    if (c->n_fft % 2)
        what = "a spectrogram of an odd n_fft";
    else if (c->n_fft && c->posterior_kernel_size != c->flow_kernel_size)
        what = "a posterior encoder with other kernels than the flow's";
    else if (c->n_fft && c->posterior_dilation_rate != c->flow_dilation_rate)
        what = "a posterior encoder with other dilations than the flow's";
    return what ? clvits_fail(r, CLVITS_E_UNSUPPORTED,
                              "the voice has %s, which a Hugging Face VitsModel has not; leave its "
                              "training side out, or write a .safetensors file",
                              what)
                : CLVITS_OK;
}

/* The posterior encoder, of which the configuration of a voice says nothing. */
static int posterior_layers(const clvits_arrays *training)
{
    char name[64];
    int n = 0;

    do
        snprintf(name, sizeof(name), "enc_q.enc.in_layers.%d.weight", n);
    while (clvits_arrays_find(training, name) && ++n < 1000);
    return n ? n : 16;
}

static int spectrogram_bins(const clvits_arrays *training)
{
    const clvits_array *a = clvits_arrays_find(training, "enc_q.pre.weight");
    return a && a->rank > 1 ? (int)a->shape[1] : 513;
}

typedef struct setting {
    const char *key;
    double value;
    int is_float;
} setting;

/* With a point, without which transformers does not take it for a float. */
static int put_float(cJSON *to, const char *key, double value)
{
    cJSON *number = cJSON_CreateNumber(value);
    char *text = number ? cJSON_PrintUnformatted(number) : NULL, pointed[48];

    if (text)
        snprintf(pointed, sizeof(pointed), "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
    const int good = text && cJSON_AddRawToObject(to, key, pointed);
    cJSON_free(text);
    cJSON_Delete(number);
    return good;
}

static int put_numbers(cJSON *to, const setting *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].is_float ? !put_float(to, list[i].key, list[i].value)
                             : !cJSON_AddNumberToObject(to, list[i].key, list[i].value))
            return 0;
    return 1;
}

static int put_list(cJSON *to, const char *key, const int *numbers, int n)
{
    cJSON *list = cJSON_CreateIntArray(numbers, n);
    return list && (key ? cJSON_AddItemToObject(to, key, list) : cJSON_AddItemToArray(to, list));
}

static int put_decoder(cJSON *to, const clvits_config *c)
{
    if (!put_list(to, "upsample_rates", c->upsample_rates, c->n_upsamples) ||
        !put_list(to, "upsample_kernel_sizes", c->upsample_kernel_sizes, c->n_upsamples) ||
        !put_list(to, "resblock_kernel_sizes", c->resblock_kernel_sizes, c->n_resblocks))
        return 0;
    cJSON *rows = cJSON_AddArrayToObject(to, "resblock_dilation_sizes");
    for (int i = 0; rows && i < c->n_resblocks; i++)
        if (!put_list(rows, NULL, c->resblock_dilation_sizes[i], c->n_resblock_dilations[i]))
            return 0;
    return rows != NULL;
}

static int put_fixed(cJSON *to, const clvits_config *c)
{
    cJSON *models = cJSON_AddArrayToObject(to, "architectures");
    cJSON *name = cJSON_CreateString("VitsModel");

    return models && name && cJSON_AddItemToArray(models, name) &&
           cJSON_AddStringToObject(to, "model_type", "vits") &&
           cJSON_AddStringToObject(to, "dtype", "float32") &&
           cJSON_AddStringToObject(to, "torch_dtype", "float32") &&
           cJSON_AddStringToObject(to, "hidden_act", "relu") &&
           cJSON_AddBoolToObject(to, "use_bias", 1) &&
           cJSON_AddBoolToObject(to, "use_stochastic_duration_prediction", c->use_sdp);
}

cJSON *clvits_hf_config(const clvits_voice_file *v, const clvits_arrays *training)
{
    const clvits_config *c = &v->config;
    const setting numbers[] = {
        { "vocab_size", c->n_vocab },
        { "flow_size", c->inter_channels },
        { "hidden_size", c->hidden_channels },
        { "ffn_dim", c->filter_channels },
        { "num_attention_heads", c->n_heads },
        { "num_hidden_layers", c->n_layers },
        { "ffn_kernel_size", c->kernel_size },
        { "window_size", c->window_size },
        { "layer_norm_eps", clvits_float_shortest(c->layer_norm_eps), 1 },
        { "upsample_initial_channel", c->upsample_initial_channel },
        { "leaky_relu_slope", clvits_float_shortest(c->leaky_relu_slope), 1 },
        { "duration_predictor_kernel_size", c->dp_kernel_size },
        { "duration_predictor_num_flows", c->dp_n_flows },
        { "duration_predictor_flow_bins", c->spline_bins },
        { "duration_predictor_tail_bound", clvits_float_shortest(c->spline_tail), 1 },
        { "duration_predictor_filter_channels", c->use_sdp ? 256 : c->dp_filter_channels },
        { "depth_separable_channels", 2 },
        { "depth_separable_num_layers", c->dds_n_layers },
        { "prior_encoder_num_flows", c->flow_n_couplings },
        { "prior_encoder_num_wavenet_layers", c->flow_n_layers },
        { "posterior_encoder_num_wavenet_layers", posterior_layers(training) },
        { "spectrogram_bins", spectrogram_bins(training) },
        { "wavenet_kernel_size", c->flow_kernel_size },
        { "wavenet_dilation_rate", c->flow_dilation_rate },
        { "num_speakers", c->n_speakers },
        { "speaker_embedding_size", c->gin_channels },
        { "sampling_rate", c->sampling_rate },
        { "noise_scale", clvits_float_shortest(c->noise_scale), 1 },
        { "noise_scale_duration", clvits_float_shortest(c->noise_w), 1 },
        { "speaking_rate", 1 / (double)c->length_scale, 1 },
    };
    cJSON *config = cJSON_CreateObject();
    cJSON *own = clvits_voice_about(v, CLVITS_TELL_TEXT);

    if (config && own && put_fixed(config, c) &&
        put_numbers(config, numbers, sizeof(numbers) / sizeof(numbers[0])) &&
        put_decoder(config, c) &&
        (!training->count || !c->n_fft ||
         cJSON_AddNumberToObject(config, "win_length", c->win_length)) &&
        cJSON_AddItemToObject(config, "clvits", own))
        return config;
    cJSON_Delete(own);
    cJSON_Delete(config);
    return NULL;
}

cJSON *clvits_hf_vocabulary(const clvits_voice_file *v)
{
    cJSON *map = cJSON_CreateObject();
    int good = map != NULL;

    for (size_t i = 0; i < v->symbols.count && good; i++) {
        const clvits_symbol *s = &v->symbols.items[i];
        good = cJSON_AddNumberToObject(map, s->text, s->ids[0]) != NULL;
    }
    /* The last name of an id is what the tokenizer calls it. A letter that is the blank as well, as
     * in MMS, would be taken for a special token where a text has it. */
    if (good && !clvits_symbols_find(&v->symbols, pad, strlen(pad)))
        good = cJSON_AddNumberToObject(map, pad, 0) != NULL;
    if (good)
        return map;
    cJSON_Delete(map);
    return NULL;
}

cJSON *clvits_hf_tokenizer(const clvits_voice_file *v)
{
    const clvits_text_settings *t = &v->text;
    /* It knows espeak-ng's American English alone. Other voices are given phonemes. */
    const int phonemize = t->kind == CLVITS_TEXT_ESPEAK && t->padding == CLVITS_PADDING_BLANK &&
                          !t->bare && !strcmp(t->espeak_voice, "en-us");
    cJSON *j = cJSON_CreateObject();

    if (j && cJSON_AddStringToObject(j, "tokenizer_class", "VitsTokenizer") &&
        cJSON_AddBoolToObject(j, "add_blank", t->padding != CLVITS_PADDING_NONE) &&
        cJSON_AddBoolToObject(j, "normalize",
                              t->kind == CLVITS_TEXT_CHARACTERS && t->lower_case) &&
        cJSON_AddBoolToObject(j, "phonemize", phonemize) &&
        cJSON_AddBoolToObject(j, "is_uroman", t->romanised) &&
        cJSON_AddStringToObject(j, "pad_token", pad) &&
        cJSON_AddStringToObject(j, "unk_token", pad))
        return j;
    cJSON_Delete(j);
    return NULL;
}

/* The projections of attention are matrices there. */
static void drop_last_axis(clvits_safetensors_item *item)
{
    static const char *const names[] = { "q_proj.weight", "k_proj.weight", "v_proj.weight",
                                         "out_proj.weight" };
    const char *name = strrchr(item->name, '.');

    while (name > item->name && name[-1] != '.')
        name--;
    for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(name, names[i]) && item->rank == 3 && item->shape[2] == 1)
            item->rank = 2;
}

static int ends(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* The norm of a row of w as it will be stored. */
static float norm_of(const clvits_safetensors_item *w, const float *row, int64_t columns)
{
    double square = 0;

    for (int64_t j = 0; j < columns; j++) {
        float x = row[j];
        if (w->dtype == CLVITS_DTYPE_F16) {
            char half[2];
            clvits_halves_pack(half, &x, 1);
            clvits_halves_unpack(&x, half, 1);
        }
        square += (double)x * x;
    }
    return (float)sqrt(square);
}

/* A row without direction gets one, which its gain of zero makes no difference to. */
static clvits_status give_direction(clvits_convert_tensors *t, clvits_safetensors_item *w,
                                    const float *norms, int64_t columns, clvits_report *r)
{
    float *copy = clvits_arena_array(&t->arena, (size_t)(w->shape[0] * columns), sizeof(*copy));

    if (!copy)
        return clvits_fail_memory(r, "weight normalisation");
    memcpy(copy, w->data, (size_t)(w->shape[0] * columns) * sizeof(*copy));
    for (int64_t i = 0; i < w->shape[0]; i++)
        for (int64_t j = 0; j < columns && norms[i] == 0; j++)
            copy[i * columns + j] = 1;
    w->data = copy;
    return CLVITS_OK;
}

/* The norms of w, which as a gain make w its own direction. */
static clvits_status split(clvits_convert_tensors *t, clvits_safetensors_item *w, const char *name,
                           clvits_report *r)
{
    enum { ROOM = 200 };
    clvits_safetensors_item *gain = &t->items[t->count];
    const int stem = (int)(strlen(name) - strlen("weight"));
    const int64_t rows = w->shape[0];
    int64_t columns = 1;
    int directed = 1;
    char *names = clvits_arena_array(&t->arena, 2, ROOM);
    float *norms = clvits_arena_array(&t->arena, (size_t)rows, sizeof(*norms));

    if (!names || !norms)
        return clvits_fail_memory(r, "weight normalisation");
    for (int i = 1; i < w->rank; i++)
        columns *= w->shape[i];
    for (int64_t i = 0; i < rows; i++) {
        norms[i] = norm_of(w, w->data + i * columns, columns);
        directed &= norms[i] != 0;
    }
    snprintf(names, ROOM, "%.*sparametrizations.weight.original0", stem, name);
    snprintf(names + ROOM, ROOM, "%.*sparametrizations.weight.original1", stem, name);
    *gain = (clvits_safetensors_item){ names, CLVITS_DTYPE_F32, 3, { rows, 1, 1 }, norms };
    w->name = names + ROOM;
    t->count++;
    return directed ? CLVITS_OK : give_direction(t, w, norms, columns, r);
}

clvits_status clvits_hf_tensors(clvits_convert_tensors *t, int use_sdp, clvits_report *r)
{
    clvits_safetensors_item *old = t->items;
    const size_t n = t->count;

    t->items = clvits_arena_array(&t->arena, 2 * n + 1, sizeof(*t->items));
    if (!t->items)
        return clvits_fail_memory(r, "the list of tensors");
    t->count = 0;
    for (size_t i = 0; i < n; i++) {
        clvits_safetensors_item *item = &t->items[t->count++];
        char *name = clvits_arena_alloc(&t->arena, 160);

        if (!name)
            return clvits_fail_memory(r, "the names of the tensors");
        *item = old[i];
        if (!clvits_weight_hf_name(name, 160, item->name, use_sdp) || !strcmp(name, item->name))
            return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                               "the voice has %s, which a Hugging Face VitsModel has not",
                               item->name);
        item->name = name;
        drop_last_axis(item);
        if (strstr(name, ".wavenet.") && ends(name, ".weight") && split(t, item, name, r))
            return r->status;
    }
    return CLVITS_OK;
}
