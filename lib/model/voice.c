// SPDX-License-Identifier: MIT
#include "model/speak.h"

#include <stdlib.h>

clvits_status clvits_voice_open(clvits_voice **out, clvits_context *context, const char *path)
{
    return clvits_voice_open_config(out, context, path, NULL);
}

/* Whether what was opened to listen can. */
static clvits_status check_listening(const clvits_voice_file *f, clvits_report *r)
{
    if (!(f->sides & CLVITS_SIDE_POSTERIOR))
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "the voice %s (%s) has no posterior encoder, by which a voice listens: "
                           "what is made for speaking leaves it out. Take the checkpoint that the "
                           "voice was made from, or what \"clvits convert --with-training\" makes "
                           "of that; the embedded voice has one, too",
                           f->name, f->kind);
    if (f->config.n_fft < f->config.hop_length)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "the configuration of the voice %s has frames of %d samples every %d, "
                           "which leave some of them out",
                           f->name, f->config.n_fft, f->config.hop_length);
    return CLVITS_OK;
}

static clvits_status open_voice(clvits_voice **out, clvits_context *context, const char *path,
                                const char *config_path, int sides)
{
    clvits_trace trace;
    clvits_report r = clvits_context_traced(context, &trace);
    const int64_t start = clvits_trace_now(&r);
    clvits_voice *v = calloc(1, sizeof(*v));
    char embedded[4096];
    clvits_status s = v ? CLVITS_OK : clvits_fail_memory(&r, "a voice");

    *out = NULL;
    if (!s && !path) {
        s = clvits_voice_file_embedded_path(embedded, sizeof(embedded), &r);
        path = embedded;
    }
    if (!s)
        s = clvits_voice_file_open_sides(&v->file, path, config_path, sides, &r);
    if (!s && sides)
        s = check_listening(&v->file, &r);
    if (!s) {
        v->context = context;
        for (size_t i = 0; i < v->file.weights.count; i++)
            if (!clvits_weight_of_training(v->file.weights.items[i].name))
                v->parameters += clvits_array_count(&v->file.weights.items[i]);
        s = clvits_context_rate(context, &r);
    }
    if (!s) {
        const clvits_model m = { &v->file.config, &v->file.weights };
        s = clvits_engine_open(&v->engine, &m, &context->machine, context->place, &r);
    }
    clvits_trace_host(&r, start, "open voice", NULL, NULL);
    clvits_trace_end(r.trace);
    if (s) {
        clvits_voice_close(&v);
        return clvits_context_keep(context, &r);
    }
    *out = v;
    return CLVITS_OK;
}

clvits_status clvits_voice_open_config(clvits_voice **out, clvits_context *context,
                                       const char *path, const char *config_path)
{
    return open_voice(out, context, path, config_path, 0);
}

clvits_status clvits_voice_open_listening(clvits_voice **out, clvits_context *context,
                                          const char *path, const char *config_path)
{
    return open_voice(out, context, path, config_path, CLVITS_SIDE_POSTERIOR);
}

void clvits_voice_close(clvits_voice **voice)
{
    if (!*voice)
        return;
    clvits_engine_close(&(*voice)->engine);
    clvits_voice_file_free(&(*voice)->file);
    free(*voice);
    *voice = NULL;
}

clvits_context *clvits_voice_context(const clvits_voice *v)
{
    return v->context;
}

int clvits_voice_has_file(const clvits_voice *v, const char *path)
{
    return clvits_voice_file_has(&v->file, path);
}

void clvits_voice_get_info(const clvits_voice *v, clvits_voice_info *info)
{
    const clvits_config *c = &v->file.config;
    static const char *const front_ends[] = { [CLVITS_TEXT_IDS] = "ids",
                                              [CLVITS_TEXT_ESPEAK] = "espeak-ng",
                                              [CLVITS_TEXT_CHARACTERS] = "characters",
                                              [CLVITS_TEXT_LEXICON] = "lexicon" };

    *info = (clvits_voice_info){
        .name = v->file.name ? v->file.name : "",
        .sample_rate = c->sampling_rate,
        .hop_length = c->hop_length,
        .n_symbols = c->n_vocab,
        .n_speakers = c->n_speakers > 1 ? c->n_speakers : 1,
        .n_languages = c->n_languages > 1 ? c->n_languages : 1,
        .parameters = v->parameters,
        .takes_text = v->file.text.kind != CLVITS_TEXT_IDS,
        .front_end = front_ends[v->file.text.kind],
        .language = v->file.text.espeak_voice ? v->file.text.espeak_voice : "",
        .noise_scale = c->noise_scale,
        .noise_w = c->noise_w,
        .length_scale = c->length_scale,
        .hidden_channels = c->hidden_channels,
        .inter_channels = c->inter_channels,
        .n_layers = c->n_layers,
        .n_heads = c->n_heads,
        .resblock = c->resblock,
        .stochastic_durations = c->use_sdp,
        .upsample_initial_channel = c->upsample_initial_channel,
        .kind = v->file.kind ? v->file.kind : "",
        .origin = v->file.origin ? v->file.origin : "",
        .modules = v->file.modules,
        .n_modules = v->file.n_modules,
    };
    for (int i = 0; i < v->file.n_modules; i++)
        info->has_training |= v->file.modules[i].training > 0;
}

const char *clvits_voice_speaker_name(const clvits_voice *v, int speaker)
{
    for (int i = 0; i < v->file.n_speakers; i++)
        if (v->file.speakers[i].id == speaker)
            return v->file.speakers[i].name;
    return NULL;
}

int clvits_voice_find_speaker(const clvits_voice *v, const char *name)
{
    return clvits_voice_file_speaker(&v->file, name);
}

const char *clvits_voice_language_name(const clvits_voice *v, int language)
{
    for (int i = 0; i < v->file.n_languages; i++)
        if (v->file.languages[i].id == language)
            return v->file.languages[i].name;
    return NULL;
}

int clvits_voice_find_language(const clvits_voice *v, const char *name)
{
    return clvits_voice_file_language(&v->file, name);
}

clvits_status clvits_cancel_make(clvits_cancel **out)
{
    *out = calloc(1, sizeof(**out));
    return *out ? CLVITS_OK : CLVITS_E_MEMORY;
}

void clvits_cancel_raise(clvits_cancel *cancel)
{
    atomic_store(&cancel->raised, 1);
    clvits_marks_take_back(&cancel->marks);
}

void clvits_cancel_lower(clvits_cancel *cancel)
{
    atomic_store(&cancel->raised, 0);
}

void clvits_cancel_free(clvits_cancel **cancel)
{
    free(*cancel);
    *cancel = NULL;
}

void clvits_speak_params_default(const clvits_voice *v, clvits_speak_params *params)
{
    *params = (clvits_speak_params){ .noise_scale = v->file.config.noise_scale,
                                     .noise_w = v->file.config.noise_w,
                                     .length_scale = v->file.config.length_scale,
                                     .sentence_silence = 0.2f,
                                     .volume = 1.0f };
}

/* Where the picture of a voice's graphs goes. */
typedef struct picture {
    clvits_text_fn write;
    void *user;
} picture;

static clvits_status write_text(void *user, const char *text, size_t n, clvits_report *r)
{
    const picture *p = user;
    return p->write(p->user, text, n) ? clvits_fail(r, CLVITS_E_CANCELLED, "stopped by the caller")
                                      : CLVITS_OK;
}

static clvits_status write_plan(void *user, const clvits_plan *p, const char *stage,
                                clvits_report *r)
{
    return clvits_plan_dot(p, stage, write_text, user, r);
}

clvits_status clvits_voice_write_graph(clvits_voice *v, clvits_text_fn write, void *user)
{
    static const char head[] = "digraph clvits {\n"
                               "  node [shape=box, style=filled, fontname=\"sans-serif\"];\n"
                               "  edge [fontname=\"sans-serif\", fontsize=10];\n";
    clvits_report r = clvits_context_report(v->context);
    picture p = { write, user };
    clvits_status s = write_text(&p, head, sizeof(head) - 1, &r);

    if (!s)
        s = clvits_engine_plans(v->engine, write_plan, &p, &r);
    if (!s)
        write_text(&p, "}\n", 2, &r);
    return clvits_context_keep(v->context, &r);
}
