// SPDX-License-Identifier: MIT
//
// Level (d): how soon somebody who listens along hears something: the time until clvits_speak()
// delivers the first small chunk of a text.
#include "voice.h"

#include "model/speak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Frames of it, as the program's --stream has them. */
enum { FIRST_FRAMES = 16, MIN_RUNS = 3 };

/* A quick run has the first ones. */
static const struct kind {
    const char *name;
    int text;
} kinds[] = {
    { "short, first chunk", VOICE_SHORT },
    { "medium, first chunk", VOICE_MEDIUM },
    { "long, first chunk", VOICE_LONG },
    { "unbroken, first chunk", VOICE_UNBROKEN },
};
enum { QUICK_KINDS = 2 };

const char *bench_chunk_name(const bench_options *o, int i)
{
    return i < (o->quick ? QUICK_KINDS : LENGTH(kinds)) ? kinds[i].name : NULL;
}

/* What is spoken, for the library to divide: a line for each sentence, of one symbol that stands
 * for all of its ids. */
typedef struct line_text {
    clvits_symbols symbols;
    char lines[2 * VOICE_MAX_SENTENCES + 1];
} line_text;

static clvits_status write_lines(line_text *out, const voice_text *t, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    *out = (line_text){ 0 };
    for (int i = 0; i < t->sentences && !s; i++) {
        const char symbol[] = { (char)('A' + i), '\0' };
        s = clvits_symbols_add(&out->symbols, symbol, t->ids[i], t->n_ids[i], r);
        out->lines[2 * i] = symbol[0];
        out->lines[2 * i + 1] = '\n';
    }
    return s;
}

typedef struct listener {
    double start, first; /* when it was asked for; seconds until it came */
    float *samples;      /* of a chunk, or NULL: nobody wants them */
    size_t n, room;      /* samples that came; that there is room for */
} listener;

static int on_chunk(void *user, const clvits_chunk *chunk)
{
    listener *l = user;

    l->first = bench_now() - l->start;
    l->n = chunk->n_samples;
    if (l->samples && l->n <= l->room)
        memcpy(l->samples, chunk->samples, l->n * sizeof(*l->samples));
    return 1; /* that is all */
}

static clvits_status hear(clvits_voice *v, const char *text, listener *l, clvits_report *r)
{
    clvits_speak_params p;

    clvits_speak_params_default(v, &p);
    p.audio = on_chunk;
    p.user = l;
    p.first_chunk = FIRST_FRAMES;
    l->n = 0;
    l->start = bench_now();
    const clvits_status s = clvits_speak(v, text, strlen(text), &p);
    if (!l->n)
        return clvits_fail(r, s ? s : CLVITS_E_DEVICE, "%s",
                           s ? clvits_context_error(v->context) : "nothing was heard");
    return CLVITS_OK;
}

/* What is heard first, against the first sentence from the CPU path. */
static clvits_status check(bench *b, const voice *v, clvits_voice *public, const char *text,
                           const voice_text *t, bench_record *r)
{
    const size_t most = (size_t)(FIRST_FRAMES * v->model.config->hop_length);
    listener l = { .samples = calloc(most, sizeof(*l.samples)), .room = most };
    voice_text first = *t;
    hearing want = { 0 };
    clvits_status s = l.samples ? hear(public, text, &l, &b->report)
                                : clvits_fail_memory(&b->report, "a chunk");

    first.sentences = 1;
    if (!s && l.n > l.room) {
        r->verdict = "wrong";
        snprintf(r->reason, sizeof(r->reason), "the first chunk has more than %d frames",
                 FIRST_FRAMES);
    } else if (!s) {
        s = voice_check_start(b, v, &first, l.samples, (int64_t)l.n, &want, r);
    }
    if (!s) {
        bench_value(r, "chunk_s", (double)l.n / v->model.config->sampling_rate);
        bench_value(r, "ids", t->n_ids[0]);
    }
    voice_forget(&want);
    free(l.samples);
    return s;
}

static clvits_status take(bench *b, clvits_voice *public, const char *text, bench_record *r)
{
    const double limit = b->o->seconds;
    bench_tries tries = { 0 };
    clvits_status s = CLVITS_OK;

    bench_quiet_begin(b);
    do {
        const double start = bench_now();
        for (r->host.n = 0; !s && r->host.n < BENCH_MAX_RUNS &&
                            (!r->host.n || bench_now() - start < (r->host.n < MIN_RUNS
                                                                      ? voice_patience(b)
                                                                      : limit));) {
            listener l = { 0 };
            s = hear(public, text, &l, &b->report);
            r->host.sample[r->host.n++] = l.first;
        }
    } while (!s && bench_try_again(b, &tries, r, NULL));
    return s;
}

static void chunk_case(bench *b, const voice *v, clvits_voice *public, const struct kind *k)
{
    const voice_text *t = &v->texts[k->text];
    bench_record r = { .level = "speech", .verdict = "ok" };
    line_text text;

    snprintf(r.name, sizeof(r.name), "%s/%s", v->name, k->name);
    if (!bench_record_begin(b, &r))
        return;
    snprintf(r.reason, sizeof(r.reason), "%s", v->note);
    clvits_status s = write_lines(&text, t, &b->report);
    public->file.text = (clvits_text_settings){ .kind = CLVITS_TEXT_CHARACTERS,
                                                .symbols = &text.symbols };
    if (!s)
        s = public->context ? check(b, v, public, text.lines, t, &r)
                            : clvits_fail_memory(&b->report, "messages");
    if (!s && !strcmp(r.verdict, "ok"))
        s = take(b, public, text.lines, &r);
    clvits_symbols_free(&text.symbols);
    if (s) {
        r.host.n = 0;
        bench_note_failure(&r, &b->report);
    }
    bench_send(b, &r);
}

void bench_first_chunks(bench *b, const voice *v, clvits_engine *e)
{
    const clvits_context_params p = { .device = "cpu", .place = "", .precision = "fp32",
                                      .cache_dir = "", .threads = 1 };
    clvits_context *context = NULL; /* for messages; the engine has devices of its own */
    clvits_voice public = { .file = { .config = *v->model.config }, .engine = e };

    if (!clvits_context_open(&context, &p)) /* which wants nothing but memory here */
        public.context = context;
    for (int i = 0; bench_chunk_name(b->o, i); i++)
        chunk_case(b, v, &public, &kinds[i]);
    clvits_context_close(&context);
}
