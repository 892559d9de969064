// SPDX-License-Identifier: MIT
//
// Level (c) once more: what the stages take of one sentence, taken from traces of whole runs, so
// that they add up to it. What no operator and no copy took is the host's, which makes the sum
// right by itself: the stages alone tell whether anything is missing.
#include "voice.h"

#include "base/trace.h"
#include "device/device.h"

#include <math.h>
#include <string.h>

enum { TEXT, DURATIONS, FLOW, DECODER, COPIES, HOST, PARTS, MIN_RUNS = 5, MAX_NAMES = 32 };

static const char *const part_names[PARTS] = {
    [TEXT] = "text encoder", [DURATIONS] = "duration predictor", [FLOW] = "flow",
    [DECODER] = "decoder",   [COPIES] = "copies",                [HOST] = "host",
};

const char *const bench_sentence_names[] = {
    "sentence",           "sentence: text encoder", "sentence: duration predictor",
    "sentence: flow",     "sentence: decoder",      "sentence: copies",
    "sentence: host",     "sentence: text encoder, duration predictor",
    "sentence: flow, decoder", NULL
};

/* Whether any of them is asked for. */
static bool wants_any(const bench *b, const voice *v)
{
    bool any = false;

    for (int i = 0; bench_sentence_names[i]; i++) {
        char name[BENCH_NAME];
        snprintf(name, sizeof(name), "%s/%s", v->name, bench_sentence_names[i]);
        any |= bench_wants(b->o, "stage", name);
    }
    return any;
}

/* An operator's seconds in a part, over all runs. */
typedef struct share {
    const char *name;
    double seconds;
} share;

typedef struct sentence {
    bench_record part[PARTS], whole;
    share shares[PARTS][MAX_NAMES];
    double spent[PARTS], flops[PARTS], multiplied[PARTS], bytes[PARTS]; /* in this run */
    bool silent; /* the device does not tell when it did what */
} sentence;

static int part_of(const clvits_span *s)
{
    if (s->kind == CLVITS_SPAN_COPY)
        return COPIES;
    if (!strcmp(s->stage, "latent"))
        return FLOW;
    if (!strcmp(s->stage, "wave"))
        return DECODER;
    return s->label[0] == 'd' ? DURATIONS : TEXT; /* dp, durations */
}

static void on_span(void *user, const clvits_span *s)
{
    sentence *t = user;
    const int part = part_of(s);
    share *at = t->shares[part];

    if (s->kind == CLVITS_SPAN_HOST)
        return;
    if (s->length < 0) {
        t->silent = true;
        return;
    }
    t->spent[part] += 1e-9 * (double)s->length;
    t->flops[part] += s->flops;
    t->multiplied[part] += s->multiplied;
    t->bytes[part] += s->bytes;
    if (s->kind != CLVITS_SPAN_NODE)
        return;
    for (int i = 0; i < MAX_NAMES; i++, at++)
        if (!at->name || !strcmp(at->name, s->name)) {
            for (const clvits_op *const *op = clvits_ops; *op && !at->name; op++)
                at->name = strcmp((*op)->name, s->name) ? NULL : (*op)->name;
            at->seconds += 1e-9 * (double)s->length;
            return;
        }
}

/* The same engine on the same machine, whose device writes down when it did what. */
static clvits_status open_traced(bench *b, const voice *v, clvits_machine *m, clvits_engine **e)
{
    clvits_status s = CLVITS_OK;

    *m = b->machine;
    if (m->n_places > 1) {
        m->device[1] = NULL;
        s = bench_open_device(b, true, CLVITS_RECORD_OFF, &m->device[1]);
    }
    return s ? s : clvits_engine_open(e, &v->model, m, NULL, &b->report);
}

static clvits_status run_once(bench *b, const voice *v, clvits_engine *e, sentence *t, hearing *h)
{
    const int n = t->whole.host.n;
    clvits_trace trace;
    double sum = 0.0;

    memset(t->spent, 0, sizeof(t->spent));
    memset(t->flops, 0, sizeof(t->flops));
    memset(t->multiplied, 0, sizeof(t->multiplied));
    memset(t->bytes, 0, sizeof(t->bytes));
    clvits_trace_begin(&trace, on_span, t);
    b->report.trace = &trace;
    const clvits_status s = voice_speak(e, v, &v->texts[VOICE_MEDIUM], 1, h, &b->report);
    const double whole = bench_now() - h->start;
    b->report.trace = NULL;
    clvits_trace_end(&trace);
    if (s)
        return s;
    if (t->silent || b->no_events) { /* the host waits once, for the durations */
        t->spent[TEXT] = h->durations;
        t->spent[DECODER] = whole - h->durations;
        t->spent[DURATIONS] = t->spent[FLOW] = t->spent[COPIES] = 0.0;
        t->flops[TEXT] += t->flops[DURATIONS];
        t->multiplied[TEXT] += t->multiplied[DURATIONS];
        t->bytes[TEXT] += t->bytes[DURATIONS];
        t->flops[DECODER] += t->flops[FLOW];
        t->multiplied[DECODER] += t->multiplied[FLOW];
        t->bytes[DECODER] += t->bytes[FLOW];
    }
    for (int i = 0; i < HOST; i++)
        sum += t->spent[i];
    t->spent[HOST] = fmax(whole - sum, 0.0);
    t->whole.host.sample[n] = whole;
    t->whole.host.n = n + 1;
    for (int i = 0; i < PARTS; i++) {
        bench_times *times = i == HOST ? &t->part[i].host : &t->part[i].device;
        times->sample[n] = t->spent[i];
        times->n = n + 1;
        t->part[i].flops = t->flops[i];
        t->part[i].multiplied = t->multiplied[i];
        t->part[i].bytes = t->bytes[i];
    }
    return s;
}

/* False where a device that is silent has no such part. */
static bool name_part(bench_record *r, const voice *v, int i, bool silent)
{
    snprintf(r->name, sizeof(r->name), "%s/sentence: %s", v->name,
             silent && i == TEXT      ? "text encoder, duration predictor"
             : silent && i == DECODER ? "flow, decoder"
                                      : part_names[i]);
    return !silent || i == TEXT || i == DECODER;
}

static void send_parts(bench *b, const voice *v, sentence *t)
{
    const bool silent = t->silent || b->no_events;
    const double deadline = b->deadline;

    b->deadline = INFINITY; /* they were measured with the whole */
    for (int i = 0; i < PARTS; i++) {
        bench_record *r = &t->part[i];
        const double n = r->device.n;
        const bool there = name_part(r, v, i, silent);
        r->level = "stage";
        r->verdict = "ok";
        r->noise = t->whole.noise;
        r->half_sums = i == FLOW || i == DECODER;
        if (!silent)
            bench_roofline(b, r);
        for (int k = 0; k < MAX_NAMES && t->shares[i][k].name && !silent; k++)
            bench_operator(r, t->shares[i][k].name, t->shares[i][k].seconds / n);
        if (silent) {
            r->host = r->device;
            r->device.n = 0;
            snprintf(r->reason, sizeof(r->reason), "the device has no times of its own");
        }
        if (there && bench_record_begin(b, r))
            bench_send(b, r);
        else
            bench_drop(r);
    }
    b->deadline = deadline;
}

/* Parts of a sentence that was not measured, so that none is missing without a word. */
static void send_unmeasured(bench *b, const voice *v, const bench_record *whole)
{
    for (int i = 0; i < PARTS; i++) {
        bench_record r = { .level = "stage", .verdict = "ok" };
        if (!name_part(&r, v, i, b->no_events) || !bench_record_begin(b, &r))
            continue;
        r.verdict = strcmp(whole->verdict, "ok") ? whole->verdict : "failed";
        snprintf(r.reason, sizeof(r.reason), "%s",
                 whole->reason[0] ? whole->reason : "the sentence did not come to its end");
        bench_send(b, &r);
    }
}

void bench_sentence(bench *b, const voice *v, clvits_engine *plain, double alone)
{
    static sentence t; /* large; one worker has one */
    bench_record *whole = &t.whole;
    clvits_machine m;
    clvits_engine *e = NULL;
    hearing h = { 0 };
    bench_times untraced = { 0 };

    t = (sentence){ .whole = { .level = "stage", .verdict = "ok" } };
    snprintf(whole->name, sizeof(whole->name), "%s/sentence", v->name);
    b->for_another = wants_any(b, v);
    if (!bench_record_begin(b, whole)) {
        send_unmeasured(b, v, whole);
        return;
    }
    clvits_status s = open_traced(b, v, &m, &e);
    if (!s)
        s = voice_speak(e, v, &v->texts[VOICE_MEDIUM], 1, &h, &b->report);
    const double start = bench_now();
    while (!s && whole->host.n < BENCH_MAX_RUNS &&
           (!whole->host.n || bench_now() - start < (whole->host.n < MIN_RUNS
                                                         ? voice_patience(b)
                                                         : 2.0 * b->o->seconds))) {
        s = voice_speak(plain, v, &v->texts[VOICE_MEDIUM], 1, &h, &b->report);
        untraced.sample[untraced.n++] = bench_now() - h.start;
        if (!s)
            s = run_once(b, v, e, &t, &h);
    }
    if (s) {
        bench_note_failure(whole, &b->report);
    } else {
        bench_quiet_end(b, whole);
        voice_values(whole, NULL, &h, 1, v->model.config->sampling_rate);
        bench_add_up(whole, t.part, PARTS, alone);
        bench_value(whole, "over_untraced", bench_statistics(&whole->host).median /
                                                bench_statistics(&untraced).median);
    }
    bench_send(b, whole);
    if (s)
        send_unmeasured(b, v, whole);
    else
        send_parts(b, v, &t);
    clvits_engine_close(&e);
    if (m.n_places > 1)
        clvits_device_close(&m.device[1]);
}
