// SPDX-License-Identifier: MIT
//
// Level (d): whole voices, from ids to the last sample.
#include "voice.h"

#include "base/trace.h"
#include "device/device.h"
#include "model/context.h"
#include "model/engine_task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MIN_RUNS = 3, MAX_WINDOWS = 4 }; /* of the medium text */
enum { REST_NS = 15 * 1000 * 1000 };    /* threads look for work for 10 ms */

/* Texts and batches at level (d); a quick run has the first ones. */
static const struct kind {
    const char *name;
    int text, batch;
} kinds[] = {
    { "short", VOICE_SHORT, 1 },
    { "medium", VOICE_MEDIUM, 1 },
    { "medium, batch of 4", VOICE_MEDIUM, 4 },
    { "long", VOICE_LONG, 1 },
    { "medium, batch of 16", VOICE_MEDIUM, 16 },
    { "short, batch of 4", VOICE_SHORT, 4 },
    { "short, batch of 16", VOICE_SHORT, 16 },
    { "long, batch of 4", VOICE_LONG, 4 },
    { "long, batch of 16", VOICE_LONG, 16 },
};
enum { QUICK_KINDS = 3 };

/* The same texts on device and CPU path together, each operator where it costs least. */
static const struct kind placed_kinds[] = {
    { "short, placed by cost", VOICE_SHORT, 1 },
    { "medium, placed by cost", VOICE_MEDIUM, 1 },
    { "long, placed by cost", VOICE_LONG, 1 },
};

int bench_voice_count(const bench_options *o)
{
    return o->quick ? 1 : voice_count();
}

static bool matches(const bench_options *o, int v, const char *kind)
{
    char name[BENCH_NAME];

    snprintf(name, sizeof(name), "%s/%s", voice_name(v), kind);
    return !o->filter || strstr(name, o->filter);
}

/* Of the sentences, and of the stages. */
static int count_speech(const bench_options *o, int v)
{
    int n = 0;

    if (o->levels && !strstr(o->levels, "speech"))
        return 0;
    for (int i = 0; i < (o->quick ? QUICK_KINDS : LENGTH(kinds)); i++)
        n += matches(o, v, kinds[i].name);
    for (int i = 0; i < LENGTH(placed_kinds) && !o->quick; i++)
        n += matches(o, v, placed_kinds[i].name);
    for (int i = 0; bench_chunk_name(o, i); i++)
        n += matches(o, v, bench_chunk_name(o, i));
    return n;
}

static int count_stages(const bench_options *o, int v)
{
    static const char *const stages[] = { "text encoder", "duration predictor", "flow" };
    char window[40];
    int n = 0;

    if (o->levels && !strstr(o->levels, "stage"))
        return 0;
    for (int i = 0; i < LENGTH(stages); i++)
        n += matches(o, v, stages[i]);
    for (int i = 1; i <= MAX_WINDOWS; i++) {
        snprintf(window, sizeof(window), "decoder, window %d", i);
        n += matches(o, v, window);
    }
    for (int i = 0; bench_sentence_names[i]; i++)
        n += matches(o, v, bench_sentence_names[i]);
    for (int i = 0; bench_training_names[i] && voice_is_trained(voice_name(v)) && !o->quick; i++)
        n += matches(o, v, bench_training_names[i]);
    return n;
}

bool bench_voice_wanted(const bench_options *o, int v, bool first)
{
    if (first) /* what a driver's compiler takes from nothing is more than a quick run has */
        return (!o->levels || strstr(o->levels, "speech")) && !o->quick &&
               (matches(o, v, "first words, cold") || matches(o, v, "first words, warm"));
    return count_speech(o, v) || count_stages(o, v);
}

double bench_voice_time(const bench_options *o, int v, bool cpu)
{
    const double speech = fmin(1.0, (double)count_speech(o, v) / LENGTH(kinds));
    double total = bench_voice_wanted(o, v, true) ? (cpu ? 2.0 : 6.0) : 0.0;

    if (o->quick)
        return bench_voice_wanted(o, v, false) ? 30.0 * o->seconds + 5.0 : 0.0;
    total += speech * (20.0 * o->seconds + voice_cost(v, false) + (cpu ? 0.0 : 60.0));
    if (count_stages(o, v))
        total += 8.0 * o->seconds + voice_cost(v, true) + (cpu ? 0.0 : 8.0);
    return total;
}

typedef struct speech {
    bench *b;
    const voice *v;
    clvits_engine *e;
    bool placed;             /* by cost: e is opened by the first case, */
    clvits_context *context; /* on this */
    clvits_engine *alone[2]; /* then: the CPU path's, opened as well, and the device's */
    bench_times times[2];
    int nodes[2];            /* that the last text ran: on the CPU path, on the device */
    const char *wrong; /* why nothing of this voice is timed, or NULL */
    double pace;       /* of the last text, seconds for an id of an item; 0: not known */
    int frames;        /* of the medium text */
    hearing *want;     /* of each text, from the CPU path */
} speech;

void voice_values(bench_record *r, const bench_times *first, const hearing *h, int batch, int rate)
{
    const double audio = (double)h->samples / rate;

    bench_value(r, "rtf", bench_statistics(&r->host).median / audio);
    if (first)
        bench_value(r, "first_audio_ms", 1e3 * bench_statistics(first).median);
    bench_value(r, "audio_s", audio);
    bench_value(r, "batch", batch);
}

/* The voice as a program speaks with it that names the device and leaves the choice open. */
static clvits_status open_placed(speech *sp)
{
    bench *b = sp->b;
    const bench_options *o = b->o;
    char number[16];
    const clvits_context_params p = { .device = number,
                                      .place = "auto",
                                      .cache_dir = o->cache_dir ? o->cache_dir : "",
                                      .kernel_dir = o->kernel_dir,
                                      .precision = o->precision ? o->precision : "fp32",
                                      .threads = clvits_pool_threads(b->machine.cpu.pool),
                                      .cpu_isa = b->machine.cpu.table->isa,
                                      .kernel_family = o->family,
                                      .log = b->report.log,
                                      .log_user = b->report.log_user };

    snprintf(number, sizeof(number), "%d", b->place->index);
    b->warning[0] = '\0';
    const clvits_status s = clvits_context_open(&sp->context, &p);
    if (s)
        return clvits_fail(&b->report, s, "%s", b->warning);
    clvits_context_rate(sp->context, &b->report);
    if (!sp->context->machine.rates)
        return clvits_fail(&b->report, CLVITS_E_DEVICE, "costs are not known: %s", b->warning);
    const clvits_status opened = clvits_engine_open(&sp->e, &sp->v->model, &sp->context->machine,
                                                    sp->context->place, &b->report);
    if (opened)
        return opened;
    return clvits_engine_open(&sp->alone[0], &sp->v->model, &b->reference, NULL, &b->report);
}

static void rest(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = REST_NS }, NULL);
}

/* What is placed by cost goes in turns with both of its devices alone, since a machine's pace
 * changes from minute to minute; each begins as often, and while no thread of another's looks for
 * work. */
static clvits_status speak_round(speech *sp, const struct kind *k, hearing *h, bench_times *first,
                                 bench_record *r)
{
    const int parties = sp->placed ? 1 + LENGTH(sp->alone) : 1, round = r->host.n;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < parties && !s; i++) {
        const int who = (round + i) % parties;
        hearing of_other = { 0 }, *own = who ? &of_other : h;
        bench_times *times = who ? &sp->times[who - 1] : &r->host;
        if (parties > 1)
            rest();
        s = voice_speak(who ? sp->alone[who - 1] : sp->e, sp->v, &sp->v->texts[k->text], k->batch,
                        own, &sp->b->report);
        times->sample[times->n++] = bench_now() - own->start;
        if (!who)
            first->sample[first->n++] = own->first;
    }
    return s;
}

static void alone_values(bench_record *r, const speech *sp)
{
    if (!sp->placed)
        return;
    bench_value(r, "cpu_alone_s", bench_statistics(&sp->times[0]).median);
    bench_value(r, "device_alone_s", bench_statistics(&sp->times[1]).median);
    bench_value(r, "cpu_nodes", sp->nodes[0]);
    bench_value(r, "device_nodes", sp->nodes[1]);
}

static void on_span(void *user, const clvits_span *s)
{
    speech *sp = user;

    if (s->kind == CLVITS_SPAN_NODE)
        sp->nodes[s->place != CLVITS_CPU_PLACE]++;
}

/* Without a time: what is to be right, and of what is placed, where. */
static clvits_status speak_first(speech *sp, const struct kind *k, hearing *h)
{
    clvits_report *r = &sp->b->report;
    clvits_trace trace;

    sp->nodes[0] = sp->nodes[1] = 0;
    clvits_trace_begin(&trace, on_span, sp);
    r->trace = sp->placed ? &trace : NULL;
    const clvits_status s = voice_speak(sp->e, sp->v, &sp->v->texts[k->text], k->batch, h, r);
    r->trace = NULL;
    clvits_trace_end(&trace);
    return s;
}

static int ids_of(const voice_text *t)
{
    int n = 0;

    for (int k = 0; k < t->sentences; k++)
        n += t->n_ids[k];
    return n;
}

/* Seconds that a run will take, by the text before it; where a filter leaves that out, by a word,
 * spoken once to build what it needs and once more. */
static double expected(speech *sp, const voice_text *t, int batch)
{
    bench *b = sp->b;
    const voice_text *word = &sp->v->texts[VOICE_SHORT];
    hearing h = { 0 };

    for (int i = 0; i < 2 && !sp->pace && sp->e && t != word; i++) {
        if (voice_speak(sp->e, sp->v, word, 1, &h, &b->report))
            clvits_report_clear(&b->report); /* as the text will say */
        else if (i)
            sp->pace = (bench_now() - h.start) / ids_of(word);
    }
    return sp->pace * batch * ids_of(t);
}

/* Linux forgets the most that the process had; false where nothing can. */
static bool forget_host_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    const bool written = f && fputs("5", f) >= 0;
    return f && !fclose(f) && written;
}

/* Since it was forgotten; 0: not known. */
static double host_peak_since(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0.0;

    while (f && fgets(line, sizeof(line), f))
        if (!strncmp(line, "VmHWM:", 6))
            kib = strtod(line + 6, NULL);
    if (f)
        fclose(f);
    return 1024.0 * kib;
}

static clvits_device *device_of(const speech *sp)
{
    const clvits_machine *m = sp->context ? &sp->context->machine : &sp->b->machine;
    return m->n_places > 1 ? m->device[1] : NULL;
}

/* Nothing of the texts before counts. */
static void begin_memory(const speech *sp)
{
    clvits_stage_pool_trim(sp->e->pool);
    if (device_of(sp))
        clvits_device_begin_peak(device_of(sp));
}

static void end_memory(const speech *sp, bool host, bench_record *r)
{
    const double peak = host ? host_peak_since() : 0.0;

    if (peak > 0.0)
        bench_value(r, "peak_host_mb", peak * 1e-6);
    if (device_of(sp))
        bench_value(r, "peak_device_mb", (double)clvits_device_peak_bytes(device_of(sp)) * 1e-6);
}

/* Once right, often. */
static clvits_status time_right(speech *sp, const struct kind *k, bench_record *r)
{
    bench *b = sp->b;
    const voice_text *t = &sp->v->texts[k->text];
    const double limit = 2.0 * b->o->seconds;
    bench_times first = { 0 };
    bench_tries tries = { 0 };
    hearing h = { .keep = true };
    clvits_status s = sp->placed && !sp->e ? open_placed(sp) : CLVITS_OK;

    if (!s) {
        begin_memory(sp);
        s = speak_first(sp, k, &h);
    }
    if (!s)
        s = voice_check(b, sp->v, t, k->batch, &h, sp->want + k->text, r);
    if (k->text == VOICE_MEDIUM && h.frames)
        sp->frames = h.frames;
    voice_forget(&h);
    h.keep = false;
    const bool forgotten = forget_host_peak(); /* of the reference as well */
    if (!s && sp->placed && !strcmp(r->verdict, "ok")) /* the others may have to be built */
        s = speak_round(sp, k, &h, &first, r);
    bench_quiet_begin(b);
    do {
        const double start = bench_now();
        first.n = r->host.n = sp->times[0].n = sp->times[1].n = 0;
        while (!s && !strcmp(r->verdict, "ok") && r->host.n < BENCH_MAX_RUNS &&
               (!r->host.n ||
                bench_now() - start < (r->host.n < MIN_RUNS ? voice_patience(b) : limit)))
            s = speak_round(sp, k, &h, &first, r);
    } while (!s && bench_try_again(b, &tries, r, &first));
    if (!s && r->host.n) {
        voice_values(r, &first, &h, k->batch, sp->v->model.config->sampling_rate);
        end_memory(sp, forgotten, r);
        alone_values(r, sp);
        sp->pace = bench_statistics(&r->host).median / k->batch / ids_of(t);
    }
    return s;
}

static void time_text(speech *sp, const struct kind *k)
{
    bench *b = sp->b;
    bench_record r = { .level = "speech", .verdict = "ok" };

    snprintf(r.name, sizeof(r.name), "%s/%s", sp->v->name, k->name);
    if (!bench_record_begin(b, &r))
        return;
    snprintf(r.reason, sizeof(r.reason), "%s", sp->v->note);
    /* A word's pace, which is slow, is no reason to be without a sentence. */
    const bool at_any_rate = sp->wrong || (k->text <= VOICE_MEDIUM && k->batch == 1);
    const double will_take =
        at_any_rate ? 0.0 : expected(sp, &sp->v->texts[k->text], k->batch);
    if (sp->wrong || will_take > VOICE_TOO_LONG) {
        r.verdict = "skipped";
        if (sp->wrong)
            snprintf(r.reason, sizeof(r.reason), "%s", sp->wrong);
        else
            snprintf(r.reason, sizeof(r.reason), "it would take about %.0f s", will_take);
        bench_send(b, &r);
        return;
    }
    if (time_right(sp, k, &r)) {
        r.host.n = 0;
        bench_note_failure(&r, &b->report);
    }
    if (strcmp(r.verdict, "ok"))
        sp->wrong = "the voice does not run here as it should";
    bench_send(b, &r);
}

/* To be held against the device and the CPU path, each alone. */
static void time_placed(const speech *device)
{
    bench *b = device->b;
    speech sp = { .b = b, .v = device->v, .placed = true, .want = device->want,
                  .alone = { NULL, device->e } };

    if (b->machine.n_places < 2 || b->o->quick)
        return;
    for (int i = 0; i < LENGTH(placed_kinds); i++)
        time_text(&sp, &placed_kinds[i]);
    clvits_engine_close(&sp.alone[0]);
    clvits_engine_close(&sp.e);
    clvits_context_close(&sp.context);
}

/* Each stage alone, then all of them as they run together. */
static void time_stages(speech *sp)
{
    bench *b = sp->b;
    hearing h = { 0 };

    if (!sp->frames && bench_now() < b->deadline) {
        if (voice_speak(sp->e, sp->v, &sp->v->texts[VOICE_MEDIUM], 1, &h, &b->report))
            clvits_report_clear(&b->report);
        sp->frames = h.frames;
    }
    if (!sp->frames) /* the stages will say that they were left out */
        sp->frames = 1;
    const stage_sum sum = bench_stages(b, sp->v, &sp->v->texts[VOICE_MEDIUM], sp->frames);
    bench_sentence(b, sp->v, sp->e, sum.complete ? sum.seconds : 0.0);
}

void bench_voice(bench *b, int n)
{
    voice v;
    hearing want[VOICE_TEXTS] = { 0 };
    speech sp = { .b = b, .v = &v, .want = want };
    clvits_status s = voice_open(&v, n, &b->report);

    if (!s)
        s = clvits_engine_open(&sp.e, &v.model, &b->machine, NULL, &b->report);
    if (s) {
        bench_record r = { .level = "speech" };
        snprintf(r.name, sizeof(r.name), "%s", voice_name(n));
        b->for_another = true; /* for all of its cases, of which some are asked for */
        if (bench_record_begin(b, &r)) {
            bench_note_failure(&r, &b->report);
            bench_send(b, &r);
        }
    } else {
        for (int i = 0; i < (b->o->quick ? QUICK_KINDS : LENGTH(kinds)); i++)
            time_text(&sp, &kinds[i]);
        if (!sp.wrong)
            bench_first_chunks(b, &v, sp.e);
        time_placed(&sp);
        time_stages(&sp);
        bench_training(b, &v);
    }
    clvits_engine_close(&sp.e);
    for (int t = 0; t < VOICE_TEXTS; t++)
        voice_forget(&want[t]);
    voice_close(&v);
}
