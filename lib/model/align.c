// SPDX-License-Identifier: MIT
#include "model/listen.h"
#include "model/speak.h"

#include <clvits/align.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_FRAMES = 1 << 17,  /* that are listened to at once */
    MOST_SAMPLES = 1 << 30, /* likewise: they are counted in ints */
    MOST_CELLS = 1 << 28,   /* frames times ids */
};

/* What becomes the caller's: everything is in the arena. */
typedef struct alignment {
    clvits_alignment public; /* what the caller sees; first, so that it is freed by its address */
    clvits_arena arena;
} alignment;

/* A call in progress. */
typedef struct aligning {
    clvits_voice *voice;
    const char *text;
    const clvits_align_params *params;
    clvits_heard in;
    int frames;
    alignment *a;
    clvits_sentence *sentences; /* copies, in the arena */
    int n_sentences, capacity;
    int n_ids; /* of all of them */
    float *z_p, *stats;
    int32_t *durations; /* in the arena */
} aligning;

size_t clvits_listen_limit(const clvits_voice *v)
{
    const size_t n = (size_t)MOST_FRAMES * (size_t)v->file.config.hop_length;
    return n < MOST_SAMPLES ? n : MOST_SAMPLES;
}

clvits_status clvits_listen_check(const clvits_voice *v, const float *samples, size_t n,
                                  clvits_report *r)
{
    const clvits_config *c = &v->file.config;

    if (!(v->file.sides & CLVITS_SIDE_POSTERIOR))
        return clvits_fail(r, CLVITS_E_UNSUPPORTED, "the voice was opened to speak alone; open it "
                                                    "with clvits_voice_open_listening()");
    if (n < (size_t)c->hop_length)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "the recording is too short: it has %zu samples, "
                                                 "and a frame takes %d; give one with speech",
                           n, c->hop_length);
    if (n > clvits_listen_limit(v))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "the recording takes %.0f seconds, %.0f at most; "
                                                 "cut it into parts",
                           (double)n / c->sampling_rate,
                           (double)clvits_listen_limit(v) / c->sampling_rate);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(samples[i]))
            return clvits_fail(r, CLVITS_E_ARGUMENT, "sample %zu of the recording is no number", i);
    return CLVITS_OK;
}

static clvits_status check(const aligning *k, const float *samples, size_t n, clvits_report *r)
{
    const clvits_status s =
        clvits_voice_check_who(k->voice, k->params->speaker, k->params->language, r);

    return s ? s : clvits_listen_check(k->voice, samples, n, r);
}

/* The recording can hold so many ids more, and there is memory for them. */
static clvits_status check_room(const aligning *k, clvits_report *r)
{
    const clvits_config *c = &k->voice->file.config;

    if (k->n_ids > k->frames)
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "the recording is shorter than its text: %d frames of %.1f ms, and the "
                           "first %d symbols of the text (padding included) take one each at "
                           "least; give only the text that is said in it",
                           k->frames, 1e3 * c->hop_length / c->sampling_rate, k->n_ids);
    if ((int64_t)k->frames * k->n_ids > MOST_CELLS)
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "%d frames of %.0f seconds times %d symbols or more are too many to be "
                           "aligned at once: %d at most; cut recording and text into parts",
                           k->frames, (double)k->in.n / c->sampling_rate, k->n_ids, MOST_CELLS);
    return CLVITS_OK;
}

static void *copy(aligning *k, const void *from, int n, size_t size)
{
    void *to = clvits_arena_array(&k->a->arena, (size_t)n + 1, size);

    if (to && n)
        memcpy(to, from, (size_t)n * size);
    return to;
}

/* Keep a sentence of the reader. */
static clvits_status keep(aligning *k, const clvits_sentence *t, clvits_report *r)
{
    if (k->n_sentences == k->capacity) {
        const int capacity = 2 * k->capacity + 16;
        clvits_sentence *more = clvits_arena_array(&k->a->arena, (size_t)capacity, sizeof(*more));
        if (!more)
            return clvits_fail_memory(r, "a text");
        if (k->n_sentences)
            memcpy(more, k->sentences, (size_t)k->n_sentences * sizeof(*more));
        k->sentences = more;
        k->capacity = capacity;
    }
    clvits_token *tokens = copy(k, t->tokens, t->n_tokens, sizeof(*tokens));
    clvits_sentence *own = &k->sentences[k->n_sentences++];
    *own = *t;
    own->tokens = tokens;
    own->ids = copy(k, t->ids, t->n_ids, sizeof(*t->ids));
    own->id_tokens = copy(k, t->id_tokens, t->n_ids, sizeof(*t->id_tokens));
    own->words = copy(k, t->words, t->n_words, sizeof(*t->words));
    bool good = tokens && own->ids && own->id_tokens && own->words;
    for (int i = 0; i < t->n_tokens && good; i++) {
        tokens[i].text = clvits_arena_text(&k->a->arena, t->tokens[i].text,
                                           strlen(t->tokens[i].text));
        good = tokens[i].text;
    }
    k->n_ids += t->n_ids;
    return good ? check_room(k, r) : clvits_fail_memory(r, "a text");
}

static clvits_status read_text(aligning *k, size_t n, clvits_report *r)
{
    const clvits_text_settings settings =
        clvits_voice_text(k->voice, k->params->language, k->params->phonemes);
    const clvits_sentence *sentence;
    clvits_text_reader *reader;
    const int64_t start = clvits_trace_now(r);

    clvits_status s = clvits_text_open(&reader, &settings, k->text, n, r);
    while (!s) {
        s = clvits_text_next(&sentence, reader, r);
        if (s || !sentence)
            break;
        s = keep(k, sentence, r);
    }
    clvits_text_close(&reader);
    clvits_trace_host(r, start, "text front-end", NULL, NULL);
    return s;
}

/* All n ids are of the language that was asked for. */
static const int32_t *languages(aligning *k, int n, clvits_report *r)
{
    int32_t *lids = clvits_arena_array(&k->a->arena, (size_t)n, sizeof(*lids));

    for (int i = 0; lids && i < n; i++)
        lids[i] = k->params->language;
    if (!lids)
        clvits_fail_memory(r, "a text");
    return lids;
}

/* What the model expects of all sentences, one behind the other. */
static clvits_status read_prior(aligning *k, clvits_report *r)
{
    const clvits_config *c = &k->voice->file.config;
    float *at = k->stats;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < k->n_sentences && !s; i++) {
        const clvits_sentence *t = &k->sentences[i];
        clvits_item item = { .ids = t->ids, .n_ids = t->n_ids, .sid = k->params->speaker };

        if (c->n_languages && !(item.lids = languages(k, t->n_ids, r)))
            return r->status;
        s = clvits_engine_prior(k->voice->engine, at, &item, &k->in, r);
        at += (int64_t)t->n_ids * 2 * c->inter_channels;
    }
    return s;
}

/* The logarithm of the density of frames [f, f + n) under an id. */
static double score_of(const aligning *k, int id, int f, int n)
{
    const int C = k->voice->file.config.inter_channels;
    const float *m = k->stats + (int64_t)id * 2 * C, *logs = m + C;
    const double log_two_pi = 1.8378770664093454836;
    double sum = 0;

    for (int i = 0; i < n; i++) {
        const float *z = k->z_p + (int64_t)(f + i) * C;
        for (int d = 0; d < C; d++) {
            const double away = ((double)z[d] - (double)m[d]) * exp(-(double)logs[d]);
            sum -= 0.5 * (log_two_pi + away * away) + (double)logs[d];
        }
    }
    return sum;
}

/* A sum of scores, and of how many frames. */
typedef struct score {
    double sum;
    int64_t frames;
} score;

static void add(score *to, double sum, int64_t frames)
{
    to->sum += sum;
    to->frames += frames;
}

static float mean(const score *s)
{
    return s->frames ? (float)(s->sum / (double)s->frames) : 0.0f;
}

/* The sentence from id and frame on, and its scores, which are added to those of the whole. */
static clvits_status fill_sentence(aligning *k, clvits_aligned *out, const clvits_sentence *t,
                                   int id, int frame, score *whole, clvits_report *r)
{
    const int hop = k->voice->file.config.hop_length;
    const int64_t start = (int64_t)frame * hop;
    float *scores = clvits_arena_array(&k->a->arena, (size_t)t->n_tokens + 1, sizeof(*scores));
    score own = { 0 }, phoneme = { 0 };
    clvits_timings timed;
    int token = -1;

    if (!scores)
        return clvits_fail_memory(r, "an alignment");
    if (clvits_timings_find(&timed, &k->a->arena, t, k->text, k->durations + id, hop, start, r))
        return r->status;
    for (int i = 0; i < t->n_ids; i++) {
        const int frames = k->durations[id + i];
        const double sum = score_of(k, id + i, frame, frames);

        frame += frames;
        if (t->id_tokens[i] >= 0 && t->id_tokens[i] != token) {
            token = t->id_tokens[i];
            phoneme = (score){ 0 };
        }
        add(&phoneme, sum, frames);
        if (token >= 0)
            scores[token] = mean(&phoneme);
        add(&own, sum, frames);
    }
    add(whole, own.sum, own.frames);
    *out = (clvits_aligned){
        .text_start = t->start,
        .text_n = t->n,
        .start = start,
        .length = own.frames * hop,
        .phonemes = timed.phonemes,
        .phoneme_scores = scores,
        .n_phonemes = timed.n_phonemes,
        .words = timed.words,
        .n_words = timed.n_words,
        .durations = k->durations + id,
        .n_durations = (size_t)t->n_ids,
        .score = mean(&own),
    };
    return CLVITS_OK;
}

static clvits_status fill(aligning *k, clvits_report *r)
{
    clvits_aligned *list =
        clvits_arena_array(&k->a->arena, (size_t)k->n_sentences + 1, sizeof(*list));
    clvits_status s = list ? CLVITS_OK : clvits_fail_memory(r, "an alignment");
    score whole = { 0 };
    int id = 0;

    for (int i = 0; i < k->n_sentences && !s; i++) {
        s = fill_sentence(k, &list[i], &k->sentences[i], id, (int)whole.frames, &whole, r);
        id += k->sentences[i].n_ids;
    }
    if (!s && !isfinite(mean(&whole)))
        s = clvits_fail(r, CLVITS_E_FORMAT, "the voice makes what is no number of this text: its "
                                            "weights are damaged");
    k->a->public = (clvits_alignment){
        .sample_rate = k->voice->file.config.sampling_rate,
        .hop_length = k->voice->file.config.hop_length,
        .n_frames = k->frames,
        .score = mean(&whole),
        .sentences = list,
        .n_sentences = (size_t)k->n_sentences,
    };
    return s;
}

static clvits_status align(aligning *k, size_t n, clvits_report *r)
{
    const size_t C = (size_t)k->voice->file.config.inter_channels;

    if (read_text(k, n, r))
        return r->status;
    k->durations = clvits_arena_array(&k->a->arena, (size_t)k->n_ids + 1, sizeof(*k->durations));
    k->stats = malloc(((size_t)k->n_ids + 1) * 2 * C * sizeof(*k->stats));
    k->z_p = malloc((size_t)k->frames * C * sizeof(*k->z_p));
    if (!k->durations || !k->stats || !k->z_p)
        return clvits_fail_memory(r, "an alignment");
    clvits_status s = read_prior(k, r);
    if (!s)
        s = clvits_engine_listen(k->voice->engine, k->z_p, &k->in, r);
    if (!s)
        s = clvits_engine_align(k->voice->engine, k->durations, k->z_p, k->stats, k->n_ids, &k->in,
                                r);
    return s ? s : fill(k, r);
}

clvits_status clvits_align(clvits_alignment **out, clvits_voice *v, const float *samples,
                           size_t n_samples, const char *text, size_t n,
                           const clvits_align_params *params)
{
    static const clvits_align_params usual;
    clvits_trace trace;
    clvits_report r = clvits_context_traced(v->context, &trace);
    const int64_t start = clvits_trace_now(&r);
    unsigned barred = 0;
    aligning k = { .voice = v, .text = text ? text : "", .params = params ? params : &usual,
                   .a = calloc(1, sizeof(*k.a)) };

    *out = NULL;
    clvits_status s = k.a ? check(&k, samples, n_samples, &r)
                          : clvits_fail_memory(&r, "an alignment");
    if (!s) {
        k.in = (clvits_heard){ .samples = samples, .n = (int64_t)n_samples,
                               .sid = k.params->speaker,
                               .barred = &barred,
                               .cancel = k.params->cancel ? &k.params->cancel->raised : NULL };
        k.frames = (int)(k.in.n / v->file.config.hop_length);
        s = align(&k, n, &r);
    }
    free(k.stats);
    free(k.z_p);
    clvits_trace_host(&r, start, "align", NULL, NULL);
    clvits_trace_end(r.trace);
    if (!s) {
        *out = &k.a->public;
        return CLVITS_OK;
    }
    clvits_alignment *made = k.a ? &k.a->public : NULL;
    clvits_alignment_free(&made);
    return clvits_context_keep(v->context, &r);
}

void clvits_alignment_free(clvits_alignment **made)
{
    alignment *a = (alignment *)*made; /* its first member */

    if (!a)
        return;
    clvits_arena_free(&a->arena);
    free(a);
    *made = NULL;
}
