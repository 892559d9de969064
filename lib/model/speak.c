// SPDX-License-Identifier: MIT
#include "model/speak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_OF_PAUSE_PIECE = 1024, MAX_CHUNK = 1024 };

/* An utterance under way. */
typedef struct speech {
    const clvits_utterance *what;    /* NULL: none is */
    clvits_report report;            /* what ended it, if anything did */
    clvits_text_reader *reader;      /* NULL for ids */
    const clvits_sentence *sentence; /* at hand; NULL for ids */
    clvits_arena arena;              /* durations and timings of the sentence */
    clvits_chunk chunk;              /* what does not change within a sentence, and position */
    int64_t left;                    /* samples of the sentence still to come */
    bool pause_first, all_said;
} speech;

/* A call in progress. */
typedef struct speaking {
    clvits_voice *voice;
    const clvits_feed *feed;
    speech speech[CLVITS_BATCH];
    clvits_item item[CLVITS_BATCH]; /* the sentences being computed, */
    speech *of[CLVITS_BATCH];       /* and whose they are */
    int n_now;
    size_t begun;
    float *scaled; /* samples times volume, or NULL */
    size_t n_scaled;
} speaking;

static clvits_status check(const clvits_voice *v, const clvits_speak_params *p, clvits_report *r)
{
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
    return clvits_voice_check_who(v, p->speaker, p->language, r);
}

static clvits_status deliver(speech *s, const float *samples, size_t n, clvits_report *r)
{
    const clvits_speak_params *p = &s->what->params;

    s->chunk.samples = samples;
    s->chunk.n_samples = n;
    const int64_t start = clvits_trace_now(r);
    const int stop = p->audio ? p->audio(p->user, &s->chunk) : 0;
    clvits_trace_host(r, start, "audio callback", NULL, NULL);
    s->chunk.position += (int64_t)n;
    return stop ? clvits_fail(r, CLVITS_E_CANCELLED, "stopped by the caller") : CLVITS_OK;
}

static clvits_status on_durations(void *user, int i, const clvits_item *item, clvits_report *r)
{
    const speaking *k = user;
    const int hop = k->voice->file.config.hop_length;
    speech *s = k->of[i];

    s->left = (int64_t)item->frames * hop;
    s->chunk.durations = item->durations;
    s->chunk.n_durations = (size_t)item->n_ids;
    s->chunk.is_first = 1;
    if (!s->sentence)
        return CLVITS_OK;
    clvits_timings t;
    const clvits_status status = clvits_timings_find(&t, &s->arena, s->sentence, s->what->text,
                                                     item->durations, hop, s->chunk.position, r);
    s->chunk.phonemes = t.phonemes;
    s->chunk.n_phonemes = t.n_phonemes;
    s->chunk.words = t.words;
    s->chunk.n_words = t.n_words;
    return status;
}

static clvits_status on_wave(void *user, int i, const float *samples, int n, clvits_report *r)
{
    speaking *k = user;
    speech *s = k->of[i];
    const float volume = s->what->params.volume;

    if (volume != 1.0f) {
        if ((size_t)n > k->n_scaled) {
            float *more = realloc(k->scaled, (size_t)n * sizeof(*more));
            if (!more)
                return clvits_fail_memory(r, "samples");
            k->scaled = more;
            k->n_scaled = (size_t)n;
        }
        for (int j = 0; j < n; j++)
            k->scaled[j] = samples[j] * volume;
        samples = k->scaled;
    }
    s->left -= n;
    s->chunk.is_last = s->left == 0;
    const clvits_status status = deliver(s, samples, (size_t)n, r);
    s->chunk.is_first = 0;
    s->chunk.n_phonemes = s->chunk.n_words = s->chunk.n_durations = 0;
    return status;
}

/* Keep what ended one of several; the others go on. */
static clvits_status on_end(void *user, int i, clvits_report *r)
{
    const speaking *k = user;

    clvits_fail(&k->of[i]->report, r->status, "%s", r->text);
    return CLVITS_OK;
}

static clvits_status silence(speech *s, clvits_report *r)
{
    const clvits_speak_params *p = &s->what->params;
    size_t left = (size_t)((double)p->sentence_silence * s->chunk.sample_rate + 0.5);
    float zeros[LENGTH_OF_PAUSE_PIECE] = { 0 };
    clvits_status status = CLVITS_OK;

    s->chunk.is_silence = 1;
    s->chunk.is_first = 1;
    for (size_t n; left > 0 && !status; left -= n) {
        if (clvits_stopped(r) || (p->cancel && clvits_cancel_is_raised(p->cancel))) {
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

/* Tell how the utterance ended, and forget it. */
static void end(speaking *k, speech *s)
{
    const clvits_utterance *u = s->what;

    clvits_text_close(&s->reader);
    clvits_arena_free(&s->arena);
    s->what = NULL;
    clvits_context_keep(k->voice->context, &s->report);
    k->feed->ended(k->feed->user, u, s->report.status, s->report.text);
}

static void begin(speaking *k, speech *s, const clvits_utterance *u, const clvits_report *r)
{
    clvits_voice *v = k->voice;

    *s = (speech){ .what = u, .report = *r,
                   .chunk = { .sample_rate = v->file.config.sampling_rate,
                              .utterance = k->begun++ } };
    clvits_status status = u->text && u->ids
                               ? clvits_fail(&s->report, CLVITS_E_ARGUMENT,
                                             "an utterance has both text and ids; give one")
                               : check(v, &u->params, &s->report);
    if (!status && u->text) {
        const clvits_text_settings t =
            clvits_voice_text(v, u->params.language, u->params.phonemes);
        status = clvits_text_open(&s->reader, &t, u->text, u->n, &s->report);
    }
    if (status)
        end(k, s);
}

/* All n ids are of the language that was asked for; false when memory ran out. */
static bool set_language(const clvits_voice *v, speech *s, clvits_item *item, size_t n)
{
    if (!v->file.config.n_languages)
        return true;
    int32_t *lids = clvits_arena_array(&s->arena, n, sizeof(*lids));
    for (size_t i = 0; lids && i < n; i++)
        lids[i] = s->what->params.language;
    item->lids = lids;
    return lids;
}

/* The utterance's next sentence as an item; false: it has ended. */
static bool next_item(speaking *k, speech *s, clvits_item *item)
{
    const clvits_speak_params *p = &s->what->params;
    const int32_t *ids = s->what->ids;
    size_t n = s->what->n;
    clvits_status status = CLVITS_OK;
    bool more = !s->all_said;

    if (s->what->text) {
        const int64_t start = clvits_trace_now(&s->report);
        status = clvits_text_next(&s->sentence, s->reader, &s->report);
        clvits_trace_host(&s->report, start, "text front-end", NULL, NULL);
        more = !status && s->sentence;
        if (more && s->pause_first)
            status = silence(s, &s->report);
        if (more) {
            s->chunk.text_start = s->sentence->start;
            s->chunk.text_n = s->sentence->n;
            s->pause_first = s->sentence->ends;
            ids = s->sentence->ids;
            n = (size_t)s->sentence->n_ids;
        }
    }
    if (status || !more) {
        end(k, s);
        return false;
    }
    s->all_said = !s->what->text;
    *item = (clvits_item){
        .ids = ids,
        .n_ids = n > INT32_MAX ? INT32_MAX : (int)n,
        .sid = p->speaker,
        /* Sentences of a text must not repeat each other's noise. */
        .seed = p->seed + (uint64_t)s->chunk.sentence * 0x9e3779b97f4a7c15u,
        .noise_scale = p->noise_scale,
        .noise_w = p->noise_w,
        .length_scale = p->length_scale,
        .cancel = p->cancel ? &p->cancel->raised : NULL,
        .durations = clvits_arena_array(&s->arena, n, sizeof(int32_t)),
    };
    if (!item->durations || !set_language(k->voice, s, item, n)) {
        clvits_fail_memory(&s->report, "durations");
        end(k, s);
        return false;
    }
    return true;
}

/* The smaller of two counts of frames, of which 0 is no wish. */
static int sooner(int a, int b)
{
    return !a || (b && b < a) ? b : a;
}

/* Frames of the sentence's first chunk: whoever listens has what was delivered to go on with. */
static int first_chunk(const speech *s, int hop)
{
    const clvits_speak_params *p = &s->what->params;
    const int64_t delivered = s->chunk.position / hop;
    const int first = p->first_chunk ? p->first_chunk : p->chunk;

    return !first || delivered < first ? first : delivered < MAX_CHUNK ? (int)delivered : MAX_CHUNK;
}

/* Whether nobody wants what is computed any more. */
static bool all_cancelled(const void *user)
{
    const speaking *k = user;

    for (int i = 0; i < k->n_now; i++)
        if (!k->item[i].cancel || !atomic_load((atomic_int *)k->item[i].cancel))
            return false;
    return true;
}

/* Compute a sentence of each of n. */
static clvits_status say(speaking *k, int n, clvits_report *r)
{
    const clvits_stop *const others = r->stop;
    const clvits_stop stop = { .next = others, .wanted = all_cancelled, .user = k };
    clvits_sink sink = { .user = k, .durations = on_durations, .wave = on_wave, .ended = on_end };

    for (int i = 0; i < n; i++) {
        sink.first = sooner(sink.first, first_chunk(k->of[i], k->voice->file.config.hop_length));
        sink.most = sooner(sink.most, k->of[i]->what->params.chunk);
    }
    k->n_now = n;
    r->stop = &stop;
    const clvits_status status = clvits_engine_speak(k->voice->engine, k->item, n, &sink, r);
    r->stop = others;
    for (int i = 0; i < n; i++) {
        speech *s = k->of[i];
        if (status)
            clvits_fail(&s->report, status, "%s", r->text);
        if (s->report.status)
            end(k, s);
        s->chunk.sentence++;
        clvits_arena_free(&s->arena);
    }
    if (status != CLVITS_E_CANCELLED)
        return status;
    clvits_report_clear(r); /* what there is besides is spoken */
    return CLVITS_OK;
}

/* A sentence of each utterance under way, after others came in for those that have ended; how many
 * there are. */
static int gather(speaking *k, const clvits_report *r)
{
    int n = 0;

    for (int i = 0; i < k->feed->at_once; i++) {
        speech *s = &k->speech[i];
        for (;;) {
            while (!s->what) {
                const clvits_utterance *u = k->feed->next(k->feed->user);
                if (!u)
                    break;
                begin(k, s, u, r);
            }
            if (!s->what)
                break;
            if (next_item(k, s, &k->item[n])) {
                k->of[n++] = s;
                break;
            }
        }
    }
    return n;
}

clvits_status clvits_voice_speak(clvits_voice *v, const clvits_feed *feed)
{
    clvits_trace trace;
    clvits_report r = clvits_context_traced(v->context, &trace);
    const int64_t start = clvits_trace_now(&r);
    speaking k = { .voice = v, .feed = feed };
    clvits_status status = CLVITS_OK;

    for (int n; !status && (n = gather(&k, &r)) > 0;)
        status = say(&k, n, &r);
    clvits_trace_host(&r, start, "speak", NULL, NULL);
    clvits_trace_end(r.trace);
    free(k.scaled);
    return status;
}

/* The utterances of a call, in their order. */
typedef struct batch {
    clvits_context *context;
    const clvits_utterance *first;
    size_t n, next;
    size_t failed; /* the first that was not spoken; SIZE_MAX: none */
    clvits_report why;
} batch;

static const clvits_utterance *next_of(void *user)
{
    batch *b = user;
    return b->next < b->n ? &b->first[b->next++] : NULL;
}

static void ended_of(void *user, const clvits_utterance *u, clvits_status status,
                     const char *message)
{
    batch *b = user;
    const size_t index = (size_t)(u - b->first);

    if (status && index < b->failed) {
        b->failed = index;
        clvits_report_clear(&b->why);
        clvits_fail(&b->why, status, "%s", message);
    }
    if (u->done)
        u->done(u->params.user, &(clvits_spoken){ 0, status, status ? message : "" });
}

clvits_status clvits_speak_batch(clvits_voice *v, const clvits_utterance *utterances, size_t n)
{
    batch b = { .context = v->context, .first = utterances, .n = n, .failed = SIZE_MAX };
    const clvits_feed feed = { &b, next_of, ended_of, n < CLVITS_BATCH ? (int)n : CLVITS_BATCH };
    const clvits_status status = clvits_voice_speak(v, &feed);
    const char *message = clvits_context_error(v->context);

    while (status && b.next < n)
        ended_of(&b, next_of(&b), status, message);
    return clvits_context_keep(v->context, &b.why); /* again: others may have failed since */
}

clvits_status clvits_speak(clvits_voice *v, const char *text, size_t n,
                           const clvits_speak_params *params)
{
    const clvits_utterance u = { .text = text ? text : "", .n = n, .params = *params };
    return clvits_speak_batch(v, &u, 1);
}

clvits_status clvits_speak_ids(clvits_voice *v, const int32_t *ids, size_t n,
                               const clvits_speak_params *params)
{
    const clvits_utterance u = { .ids = ids, .n = n, .params = *params };
    return clvits_speak_batch(v, &u, 1);
}
