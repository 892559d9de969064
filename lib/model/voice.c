// SPDX-License-Identifier: MIT
#include "model/context.h"
#include "model/engine.h"
#include "model/voice_file.h"

#include <clvits/voice.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct clvits_voice {
    clvits_context *context;
    clvits_voice_file file;
    clvits_engine *engine;
    int64_t parameters;
};

enum { LENGTH_OF_PAUSE_PIECE = 1024, MAX_CHUNK = 1024 };

struct clvits_cancel {
    atomic_int raised;
};

clvits_status clvits_voice_open(clvits_voice **out, clvits_context *context, const char *path)
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
        s = clvits_voice_file_open(&v->file, path, NULL, &r);
    if (!s) {
        v->context = context;
        for (size_t i = 0; i < v->file.weights.count; i++)
            v->parameters += clvits_array_count(&v->file.weights.items[i]);
        const clvits_model m = { &v->file.config, &v->file.weights };
        clvits_context_rate(context, &r);
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

void clvits_voice_get_info(const clvits_voice *v, clvits_voice_info *info)
{
    const clvits_config *c = &v->file.config;
    static const char *const front_ends[] = { [CLVITS_TEXT_IDS] = "ids",
                                              [CLVITS_TEXT_ESPEAK] = "espeak-ng",
                                              [CLVITS_TEXT_CHARACTERS] = "characters" };

    *info = (clvits_voice_info){
        .name = v->file.name ? v->file.name : "",
        .sample_rate = c->sampling_rate,
        .hop_length = c->hop_length,
        .n_symbols = c->n_vocab,
        .n_speakers = c->n_speakers > 1 ? c->n_speakers : 1,
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
    };
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

clvits_status clvits_cancel_make(clvits_cancel **out)
{
    *out = calloc(1, sizeof(**out));
    return *out ? CLVITS_OK : CLVITS_E_MEMORY;
}

void clvits_cancel_raise(clvits_cancel *cancel)
{
    atomic_store(&cancel->raised, 1);
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

/* A call of clvits_speak() in progress. */
typedef struct speech {
    clvits_voice *voice;
    const clvits_speak_params *params;
    const char *text;
    const clvits_sentence *sentence; /* NULL for ids */
    clvits_arena arena;              /* timings of the sentence */
    clvits_chunk chunk;              /* what does not change within a sentence, and position */
    float *scaled;                   /* samples times volume, or NULL */
    size_t n_scaled;
    int64_t left;                    /* samples of the sentence still to come */
} speech;

static clvits_status check(const clvits_voice *v, const clvits_speak_params *p, clvits_report *r)
{
    const int speakers = v->file.config.n_speakers > 1 ? v->file.config.n_speakers : 1;

    if (!(p->noise_scale >= 0.0f && p->noise_scale <= 100.0f))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "noise_scale %g; give 0 to 100",
                           (double)p->noise_scale);
    if (!(p->noise_w >= 0.0f && p->noise_w <= 100.0f))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "noise_w %g; give 0 to 100", (double)p->noise_w);
    if (!(p->length_scale > 0.0f && p->length_scale <= 100.0f))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "length_scale %g; give more than 0, at most 100",
                           (double)p->length_scale);
    if (!(p->sentence_silence >= 0.0f && p->sentence_silence <= 3600.0f))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "sentence_silence %g; give 0 to 3600 seconds",
                           (double)p->sentence_silence);
    if (!isfinite(p->volume) || p->volume < 0.0f)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "volume %g; give 0 or more", (double)p->volume);
    if (p->first_chunk < 0 || p->first_chunk > MAX_CHUNK || p->chunk < 0 || p->chunk > MAX_CHUNK)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "chunks of %d and %d frames; give 0 to %d",
                           p->first_chunk, p->chunk, MAX_CHUNK);
    if (p->speaker < 0 || p->speaker >= speakers)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "speaker %d; this voice has 0 to %d", p->speaker,
                           speakers - 1);
    return CLVITS_OK;
}

static clvits_status deliver(speech *s, const float *samples, size_t n, clvits_report *r)
{
    s->chunk.samples = samples;
    s->chunk.n_samples = n;
    const int64_t start = clvits_trace_now(r);
    const int stop = s->params->audio ? s->params->audio(s->params->user, &s->chunk) : 0;
    clvits_trace_host(r, start, "audio callback", NULL, NULL);
    s->chunk.position += (int64_t)n;
    return stop ? clvits_fail(r, CLVITS_E_CANCELLED, "stopped by the caller") : CLVITS_OK;
}

/* Where the tokens and words of the sentence lie, from the frames of their ids. The padding after
 * a symbol belongs to it; what is before the first one stays before it. */
static clvits_status find_timings(speech *s, const clvits_item *item, clvits_report *r)
{
    const clvits_sentence *t = s->sentence;
    const int hop = s->voice->file.config.hop_length;
    int64_t at = s->chunk.position;
    int token = -1;

    clvits_timing *phonemes = clvits_arena_array(&s->arena, (size_t)t->n_tokens, sizeof(*phonemes));
    clvits_timing *words = clvits_arena_array(&s->arena, (size_t)t->n_words, sizeof(*words));
    if (!phonemes || !words)
        return clvits_fail_memory(r, "timings");
    for (int i = 0; i < t->n_tokens; i++)
        phonemes[i] = (clvits_timing){ .text = t->tokens[i].text, .n = strlen(t->tokens[i].text),
                                       .word = t->tokens[i].word };
    for (int i = 0; i < item->n_ids; i++) {
        const int64_t length = (int64_t)item->durations[i] * hop;
        if (t->id_tokens[i] >= 0 && t->id_tokens[i] != token) {
            token = t->id_tokens[i];
            phonemes[token].start = at;
        }
        if (token >= 0)
            phonemes[token].length += length;
        at += length;
    }
    for (int w = 0; w < t->n_words; w++) {
        words[w] = (clvits_timing){ .text = s->text + t->words[w].start, .n = t->words[w].n,
                                    .start = -1, .word = w };
        for (int i = 0; i < t->n_tokens; i++) {
            if (phonemes[i].word != w)
                continue;
            if (words[w].start < 0)
                words[w].start = phonemes[i].start;
            words[w].length = phonemes[i].start + phonemes[i].length - words[w].start;
        }
        if (words[w].start < 0) /* not spoken: where it would be */
            words[w].start = w ? words[w - 1].start + words[w - 1].length : s->chunk.position;
    }
    s->chunk.phonemes = phonemes;
    s->chunk.n_phonemes = (size_t)t->n_tokens;
    s->chunk.words = words;
    s->chunk.n_words = (size_t)t->n_words;
    return CLVITS_OK;
}

static clvits_status on_durations(void *user, const clvits_item *items, int n, clvits_report *r)
{
    speech *s = user;

    (void)n;
    s->left = (int64_t)items->frames * s->voice->file.config.hop_length;
    s->chunk.durations = items->durations;
    s->chunk.n_durations = (size_t)items->n_ids;
    s->chunk.is_first = 1;
    return s->sentence ? find_timings(s, items, r) : CLVITS_OK;
}

static clvits_status on_wave(void *user, int item, const float *samples, int n, clvits_report *r)
{
    speech *s = user;

    (void)item;
    if (s->params->volume != 1.0f) {
        if ((size_t)n > s->n_scaled) {
            float *more = realloc(s->scaled, (size_t)n * sizeof(*more));
            if (!more)
                return clvits_fail_memory(r, "samples");
            s->scaled = more;
            s->n_scaled = (size_t)n;
        }
        for (int i = 0; i < n; i++)
            s->scaled[i] = samples[i] * s->params->volume;
        samples = s->scaled;
    }
    s->left -= n;
    s->chunk.is_last = s->left == 0;
    const clvits_status status = deliver(s, samples, (size_t)n, r);
    s->chunk.is_first = 0;
    s->chunk.n_phonemes = s->chunk.n_words = s->chunk.n_durations = 0;
    return status;
}

/* Frames of the sentence's first chunk: whoever listens has what was delivered to go on with. */
static int first_chunk(const speech *s)
{
    const int64_t delivered = s->chunk.position / s->voice->file.config.hop_length;
    const int first = s->params->first_chunk ? s->params->first_chunk : s->params->chunk;

    return !first || delivered < first ? first : delivered < MAX_CHUNK ? (int)delivered : MAX_CHUNK;
}

static clvits_status speak_ids(speech *s, const int32_t *ids, size_t n, clvits_report *r)
{
    const clvits_sink sink = { .user = s, .durations = on_durations, .wave = on_wave,
                               .cancel = s->params->cancel ? &s->params->cancel->raised : NULL,
                               .first = first_chunk(s), .most = s->params->chunk };
    clvits_item item = { .ids = ids,
                         .n_ids = n > INT32_MAX ? INT32_MAX : (int)n,
                         .sid = s->params->speaker,
                         /* Sentences of a text must not repeat each other's noise. */
                         .seed = s->params->seed + (uint64_t)s->chunk.sentence *
                                                       0x9e3779b97f4a7c15u,
                         .noise_scale = s->params->noise_scale,
                         .noise_w = s->params->noise_w,
                         .length_scale = s->params->length_scale };

    item.durations = clvits_arena_array(&s->arena, n, sizeof(*item.durations));
    if (!item.durations)
        return clvits_fail_memory(r, "durations");
    return clvits_engine_speak(s->voice->engine, &item, 1, &sink, r);
}

static clvits_status silence(speech *s, clvits_report *r)
{
    const int rate = s->voice->file.config.sampling_rate;
    size_t left = (size_t)((double)s->params->sentence_silence * rate + 0.5);
    float zeros[LENGTH_OF_PAUSE_PIECE] = { 0 };
    clvits_status status = CLVITS_OK;

    s->chunk.is_silence = 1;
    s->chunk.is_first = 1;
    for (size_t n; left > 0 && !status; left -= n) {
        if (s->params->cancel && atomic_load(&s->params->cancel->raised)) {
            status = clvits_fail(r, CLVITS_E_CANCELLED, "cancelled");
            break;
        }
        n = left < LENGTH_OF_PAUSE_PIECE ? left : LENGTH_OF_PAUSE_PIECE;
        s->chunk.is_last = n == left;
        status = deliver(s, zeros, n, r);
        s->chunk.is_first = 0;
    }
    s->chunk.is_silence = 0;
    return status;
}

static clvits_status speak_sentences(speech *s, clvits_text_reader *reader, clvits_report *r)
{
    bool pause_first = false;
    clvits_status status = CLVITS_OK;

    for (;;) {
        const int64_t start = clvits_trace_now(r);
        status = clvits_text_next(&s->sentence, reader, r);
        clvits_trace_host(r, start, "text front-end", NULL, NULL);
        if (status || !s->sentence)
            return status;
        if (pause_first)
            status = silence(s, r);
        s->chunk.text_start = s->sentence->start;
        s->chunk.text_n = s->sentence->n;
        if (!status)
            status = speak_ids(s, s->sentence->ids, (size_t)s->sentence->n_ids, r);
        if (status)
            return status;
        pause_first = s->sentence->ends;
        s->chunk.sentence++;
        clvits_arena_free(&s->arena);
    }
}

static clvits_status end(speech *s, int64_t start, const clvits_report *r)
{
    clvits_trace_host(r, start, "speak", NULL, NULL);
    clvits_trace_end(r->trace);
    clvits_arena_free(&s->arena);
    free(s->scaled);
    return clvits_context_keep(s->voice->context, r);
}

clvits_status clvits_speak(clvits_voice *v, const char *text, size_t n,
                           const clvits_speak_params *params)
{
    clvits_trace trace;
    clvits_report r = clvits_context_traced(v->context, &trace);
    const int64_t start = clvits_trace_now(&r);
    speech s = { .voice = v, .params = params, .text = text,
                 .chunk = { .sample_rate = v->file.config.sampling_rate } };
    clvits_text_reader *reader = NULL;

    if (!check(v, params, &r) && !clvits_text_open(&reader, &v->file.text, text, n, &r))
        speak_sentences(&s, reader, &r);
    clvits_text_close(&reader);
    return end(&s, start, &r);
}

clvits_status clvits_speak_ids(clvits_voice *v, const int32_t *ids, size_t n,
                               const clvits_speak_params *params)
{
    clvits_trace trace;
    clvits_report r = clvits_context_traced(v->context, &trace);
    const int64_t start = clvits_trace_now(&r);
    speech s = { .voice = v, .params = params,
                 .chunk = { .sample_rate = v->file.config.sampling_rate } };

    if (!check(v, params, &r))
        speak_ids(&s, ids, n, &r);
    return end(&s, start, &r);
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
