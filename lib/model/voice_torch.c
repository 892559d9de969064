// SPDX-License-Identifier: MIT
//
// Which voice a file of PyTorch holds, and where in it.
#include "io/torch.h"
#include "model/voice_parts.h"
#include "model/weights.h"

#include <stdio.h>
#include <string.h>

/* Where checkpoints keep their tensors; the first of these that holds any is taken. */
static const char *const places[] = { "model", "state_dict", "model_state_dict", "weight",
                                      "net_g", "generator", "" };

/* What training code puts in front of a model's names. */
static const char *const prefixes[] = { "", "module.", "model_g.", "net_g.", "model.",
                                       "_orig_mod." };

/* A tensor that only one kind of voice has. */
static const struct {
    const char *tensor;
    clvits_status (*open)(clvits_opening *o, const char *path);
} kinds[] = {
    { "enc_p.emb.weight", clvits_voice_vits_open },
    { "text_encoder.embed_tokens.weight", clvits_voice_hf_open },
    { "waveform_decoder.conv_pre.weight", clvits_voice_coqui_open },
};

static int has_tensors(const clvits_value *dict)
{
    if (!dict || dict->kind != CLVITS_VALUE_DICT)
        return 0;
    for (size_t i = 0; i < clvits_value_count(dict); i++)
        if (clvits_value_item(dict, i)->kind == CLVITS_VALUE_TENSOR)
            return 1;
    return 0;
}

/* The name of a tensor without the prefix; NULL for what is something else. */
static const char *tensor_name(const clvits_opening *o, size_t i)
{
    const char *name = clvits_value_text(clvits_value_key(o->state, i));
    const size_t n = strlen(o->prefix);

    if (!name || clvits_value_item(o->state, i)->kind != CLVITS_VALUE_TENSOR ||
        strncmp(name, o->prefix, n))
        return NULL;
    return name + n;
}

static clvits_status refuse_relatives(clvits_opening *o, const char *path)
{
    for (size_t i = 0; i < clvits_value_count(o->state); i++) {
        const char *name = tensor_name(o, i);
        if (name && clvits_refuse_tensor(name, path, o->r))
            return o->r->status;
    }
    return CLVITS_OK;
}

static int any_begins(const clvits_opening *o, const char *start)
{
    for (size_t i = 0; i < clvits_value_count(o->state); i++) {
        const char *name = tensor_name(o, i);
        if (name && !strncmp(name, start, strlen(start)))
            return 1;
    }
    return 0;
}

/* Say what it is instead of a voice, as far as that can be seen. */
static clvits_status no_voice(clvits_opening *o, const char *path)
{
    if (!o->state)
        return clvits_fail(o->r, CLVITS_E_FORMAT, "%s is a file of PyTorch, but holds no tensors "
                                                  "where a checkpoint has them", path);
    if (refuse_relatives(o, path))
        return o->r->status;
    if (any_begins(o, "discriminators.") || any_begins(o, "mpd.") || any_begins(o, "msd."))
        return clvits_fail(o->r, CLVITS_E_UNSUPPORTED,
                           "%s is the discriminator of a training run, which judges speech and "
                           "makes none; speak with the G_... of the same number beside it",
                           path);
    if (any_begins(o, "conv_pre.") && any_begins(o, "ups."))
        return clvits_fail(o->r, CLVITS_E_UNSUPPORTED,
                           "%s is a HiFi-GAN generator, which makes speech of spectrograms and not "
                           "of text; it is no voice",
                           path);
    const char *name = NULL;
    for (size_t i = 0; i < clvits_value_count(o->state) && !name; i++)
        name = tensor_name(o, i);
    return clvits_fail(o->r, CLVITS_E_UNSUPPORTED,
                       "%s is a file of PyTorch, but not of a model that is known here: its first "
                       "tensor is %.80s, and there is no enc_p.emb.weight",
                       path, name ? name : "without a name");
}

static clvits_status open_state(clvits_opening *o, const char *path)
{
    const clvits_value *root = clvits_torch_root(o->torch);
    char name[128];

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !o->state; i++) {
        const clvits_value *dict = *places[i] ? clvits_value_at(root, places[i]) : root;
        if (has_tensors(dict))
            o->state = dict;
    }
    for (size_t p = 0; o->state && p < sizeof(prefixes) / sizeof(prefixes[0]); p++)
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            snprintf(name, sizeof(name), "%s%s", prefixes[p], kinds[k].tensor);
            if (!clvits_value_at(o->state, name))
                continue;
            o->prefix = prefixes[p];
            if (refuse_relatives(o, path))
                return o->r->status;
            if (clvits_value_at(root, "hyper_parameters") && !strcmp(o->prefix, "model_g."))
                return clvits_voice_piper_checkpoint_open(o, path);
            return kinds[k].open(o, path);
        }
    return no_voice(o, path);
}

clvits_status clvits_voice_torch_open(clvits_opening *o, const char *path)
{
    clvits_torch *torch;
    clvits_status status = clvits_torch_open(&torch, path, o->r);

    o->torch = torch;
    o->prefix = "";
    if (!status)
        status = open_state(o, path);
    o->torch = NULL;
    o->state = NULL;
    clvits_torch_close(&torch);
    return status;
}

static int all_but_posterior(const char *name)
{
    return clvits_weight_beyond(name, CLVITS_SIDE_POSTERIOR);
}

static int all_but_sides(const char *name)
{
    return clvits_weight_beyond(name, CLVITS_SIDE_ALL);
}

/* Which tensors are not read. */
static int (*left_aside(const clvits_opening *o))(const char *name)
{
    if (o->keep_all)
        return NULL;
    return !o->sides                          ? clvits_weight_of_training
           : o->sides == CLVITS_SIDE_POSTERIOR ? all_but_posterior
                                               : all_but_sides;
}

clvits_status clvits_opening_arrays(clvits_opening *o)
{
    if (!o->torch)
        return CLVITS_OK;
    return clvits_torch_arrays_but(&o->v->raw, o->torch, o->state, o->prefix, left_aside(o), o->r);
}

void clvits_opening_count_training(clvits_opening *o)
{
    int (*const aside)(const char *name) = left_aside(o);

    for (size_t i = 0; aside && i < clvits_value_count(o->state); i++) {
        const char *name = tensor_name(o, i);
        if (name && aside(name))
            clvits_weights_add_training(o->v->modules, &o->v->n_modules, name,
                                        clvits_value_item(o->state, i)->tensor->count);
    }
}
