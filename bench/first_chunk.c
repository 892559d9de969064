// SPDX-License-Identifier: MIT
//
// Level (d): how soon somebody who listens along hears something: the time until clvits_speak_ids()
// delivers the first small chunk.
#include "voice.h"

#include "model/speak.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Frames of it, as the program's --stream has them. */
enum { FIRST_FRAMES = 16, MIN_RUNS = 3 };

static const int texts[] = { VOICE_SHORT, VOICE_MEDIUM };

const char *const bench_chunk_names[] = { "short, first chunk", "medium, first chunk", NULL };

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

static clvits_status hear(clvits_voice *v, const voice_text *t, listener *l, clvits_report *r)
{
    clvits_speak_params p;

    clvits_speak_params_default(v, &p);
    p.audio = on_chunk;
    p.user = l;
    p.first_chunk = FIRST_FRAMES;
    l->n = 0;
    l->start = bench_now();
    const clvits_status s = clvits_speak_ids(v, t->ids[0], (size_t)t->n_ids[0], &p);
    if (!l->n)
        return clvits_fail(r, s ? s : CLVITS_E_DEVICE, "%s",
                           s ? clvits_context_error(v->context) : "nothing was heard");
    return CLVITS_OK;
}

/* What is heard first, against the CPU path. */
static clvits_status check(bench *b, const voice *v, clvits_voice *public, const voice_text *t,
                           hearing *want, bench_record *r)
{
    const size_t most = (size_t)(FIRST_FRAMES * v->model.config->hop_length);
    listener l = { .samples = calloc(most, sizeof(*l.samples)), .room = most };
    clvits_status s = l.samples ? hear(public, t, &l, &b->report)
                                : clvits_fail_memory(&b->report, "a chunk");

    if (!s && l.n > l.room) {
        r->verdict = "wrong";
        snprintf(r->reason, sizeof(r->reason), "the first chunk has more than %d frames",
                 FIRST_FRAMES);
    } else if (!s) {
        s = voice_check_start(b, v, t, l.samples, (int64_t)l.n, want, r);
    }
    if (!s)
        bench_value(r, "chunk_s", (double)l.n / v->model.config->sampling_rate);
    free(l.samples);
    return s;
}

static clvits_status take(bench *b, clvits_voice *public, const voice_text *t, bench_record *r)
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
            s = hear(public, t, &l, &b->report);
            r->host.sample[r->host.n++] = l.first;
        }
    } while (!s && bench_try_again(b, &tries, r, NULL));
    return s;
}

static void chunk_case(bench *b, const voice *v, clvits_voice *public, int i, hearing *want)
{
    const voice_text *t = &v->texts[texts[i]];
    bench_record r = { .level = "speech", .verdict = "ok" };

    snprintf(r.name, sizeof(r.name), "%s/%s", v->name, bench_chunk_names[i]);
    if (!bench_record_begin(b, &r))
        return;
    snprintf(r.reason, sizeof(r.reason), "%s", v->note);
    clvits_status s = public->context ? check(b, v, public, t, &want[texts[i]], &r)
                                      : clvits_fail_memory(&b->report, "messages");
    if (!s && !strcmp(r.verdict, "ok"))
        s = take(b, public, t, &r);
    if (s) {
        r.host.n = 0;
        bench_note_failure(&r, &b->report);
    }
    bench_send(b, &r);
}

void bench_first_chunks(bench *b, const voice *v, clvits_engine *e, hearing *want)
{
    const clvits_context_params p = { .device = "cpu", .place = "", .precision = "fp32",
                                      .cache_dir = "", .threads = 1 };
    clvits_context *context = NULL; /* for messages; the engine has devices of its own */
    clvits_voice public = { .file = { .config = *v->model.config,
                                      .text = { .kind = CLVITS_TEXT_IDS } },
                            .engine = e };

    if (!clvits_context_open(&context, &p)) /* which wants nothing but memory here */
        public.context = context;
    for (int i = 0; i < LENGTH(texts); i++)
        chunk_case(b, v, &public, i, want);
    clvits_context_close(&context);
}
