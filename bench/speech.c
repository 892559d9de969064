// SPDX-License-Identifier: MIT
//
// Level (d): whole voices, from ids to the last sample.
#include "voice.h"

#include "model/context.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { MAX_BATCH = 16, MIN_RUNS = 3 };

static const char *const kinds[] = { "short", "medium", "long", "medium, batch of 4",
                                     "medium, batch of 16", "short, batch of 16" };

/* The same texts on device and CPU path together, each operator where it costs least. */
static const char *const placed_kinds[] = { "short, placed by cost", "medium, placed by cost",
                                            "long, placed by cost" };

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
    for (int i = 0; i < LENGTH(kinds); i++)
        n += matches(o, v, kinds[i]);
    for (int i = 0; i < LENGTH(placed_kinds) && !o->quick; i++)
        n += matches(o, v, placed_kinds[i]);
    return n;
}

static int count_stages(const bench_options *o, int v)
{
    static const char *const stages[] = { "text encoder", "duration predictor", "flow",
                                          "decoder, window 1", "sentence" };
    int n = 0;

    for (int i = 0; i < LENGTH(stages) && (!o->levels || strstr(o->levels, "stage")); i++)
        n += matches(o, v, stages[i]);
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
    double total = bench_voice_wanted(o, v, true) ? (cpu ? 1.0 : 5.0) : 0.0;

    if (o->quick)
        return bench_voice_wanted(o, v, false) ? 30.0 * o->seconds + 5.0 : 0.0;
    total += speech * (10.0 * o->seconds + voice_cost(v, false) + (cpu ? 0.0 : 50.0));
    if (count_stages(o, v))
        total += 8.0 * o->seconds + voice_cost(v, true) + (cpu ? 0.0 : 8.0);
    return total;
}

static clvits_status on_durations(void *user, int item, const clvits_item *what, clvits_report *r)
{
    hearing *h = user;
    (void)item;
    (void)r;
    if (!h->frames) {
        h->frames = what->frames;
        h->durations = bench_now() - h->start;
    }
    return CLVITS_OK;
}

static clvits_status on_wave(void *user, int item, const float *samples, int n, clvits_report *r)
{
    hearing *h = user;

    (void)r;
    if (!h->samples)
        h->first = bench_now() - h->start;
    h->samples += n;
    for (int i = 0; i < n; i++)
        h->finite &= isfinite(samples[i]);
    if (item == 0 && h->n_kept + n <= h->room) {
        memcpy(h->kept + h->n_kept, samples, (size_t)n * sizeof(*samples));
        h->n_kept += n;
    }
    return CLVITS_OK;
}

clvits_status voice_speak(clvits_engine *e, const voice *v, const voice_text *t, int batch,
                          hearing *h, clvits_report *r)
{
    const clvits_config *c = v->model.config;
    const clvits_sink sink = { .user = h, .durations = on_durations, .wave = on_wave };
    clvits_status s = CLVITS_OK;

    h->start = bench_now();
    h->samples = h->n_kept = h->frames = 0;
    h->finite = true;
    for (int k = 0; k < t->sentences && !s; k++) {
        clvits_item items[MAX_BATCH];
        int32_t *durations = calloc((size_t)batch * (size_t)t->n_ids[k], sizeof(*durations));
        if (!durations)
            return clvits_fail_memory(r, "durations");
        for (int i = 0; i < batch; i++)
            items[i] = (clvits_item){ .ids = t->ids[k],
                                      .n_ids = t->n_ids[k],
                                      .seed = (uint64_t)(k * MAX_BATCH + i),
                                      .noise_scale = c->noise_scale,
                                      .noise_w = c->noise_w,
                                      .length_scale = c->length_scale,
                                      .durations = durations + (size_t)i * (size_t)t->n_ids[k] };
        s = clvits_engine_speak(e, items, batch, &sink, r);
        free(durations);
    }
    return s;
}

void bench_note_failure(bench_record *r, clvits_report *report)
{
    r->verdict = "failed";
    snprintf(r->reason, sizeof(r->reason), "%.500s", report->text);
    clvits_report_clear(report);
}

static double host_peak(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0.0 : 1024.0 * (double)u.ru_maxrss;
}

static void add_memory(bench *b, bench_record *r, const char *text)
{
    char name[64];

    snprintf(name, sizeof(name), "peak_host_mb_%s", text);
    bench_value(r, name, host_peak() * 1e-6);
    if (b->machine.n_places < 2)
        return;
    snprintf(name, sizeof(name), "peak_device_mb_%s", text);
    bench_value(r, name, (double)clvits_device_peak_bytes(b->machine.device[1]) * 1e-6);
}

void bench_voice_first(bench *b, int n, double start, bool warm)
{
    bench_record r = { .level = "speech", .verdict = "ok" };
    clvits_report *report = &b->report;
    clvits_engine *e = NULL;
    hearing h = { 0 };
    voice v;

    snprintf(r.name, sizeof(r.name), "%s/first words, %s", voice_name(n), warm ? "warm" : "cold");
    if (!bench_record_begin(b, &r))
        return;
    const double opened = bench_now() - start;
    clvits_status s = voice_open(&v, n, report);
    const double read = bench_now() - start - v.generation;
    if (!s)
        s = clvits_engine_open(&e, &v.model, &b->machine, NULL, report);
    if (!s)
        s = voice_speak(e, &v, &v.texts[VOICE_SHORT], 1, &h, report);
    if (!s) {
        r.host.sample[r.host.n++] = h.start + h.first - start - v.generation;
        bench_value(&r, "device_open_s", opened);
        bench_value(&r, "voice_open_s", read - opened);
        snprintf(r.reason, sizeof(r.reason), "%s", v.note);
    }
    for (int t = VOICE_SHORT; t <= VOICE_LONG && warm && !s; t++) {
        const double before = bench_now();
        if (t > VOICE_SHORT && h.first > VOICE_TOO_LONG / 10)
            break;
        s = voice_speak(e, &v, &v.texts[t], 1, &h, report);
        h.first = bench_now() - before;
        if (!s)
            add_memory(b, &r, v.texts[t].name);
    }
    if (s)
        bench_note_failure(&r, report);
    bench_send(b, &r);
    clvits_engine_close(&e);
    voice_close(&v);
}

/* The same words by the reference: durations bit for bit, samples nearly. */
static void check(bench *b, const voice *v, const hearing *got, bench_record *r)
{
    clvits_engine *e = NULL;
    hearing want = { .room = got->room, .kept = malloc((size_t)got->room * sizeof(float)) };
    const double most = bench_in_halves(b) ? BENCH_HALF_NOISE : 1e-6; /* 60 dB */
    double signal = 0.0, noise = 0.0;
    clvits_status s = want.kept ? clvits_engine_open(&e, &v->model, &b->reference, NULL, &b->report)
                                : clvits_fail_memory(&b->report, "samples");

    if (!s)
        s = voice_speak(e, v, &v->texts[VOICE_SHORT], 1, &want, &b->report);
    for (int64_t i = 0; i < want.n_kept && i < got->n_kept; i++) {
        const double d = (double)got->kept[i] - (double)want.kept[i];
        signal += (double)want.kept[i] * (double)want.kept[i];
        noise += d * d;
    }
    if (s) {
        bench_note_failure(r, &b->report);
    } else if (got->samples != want.samples || !got->finite || !(noise <= most * signal)) {
        r->verdict = "wrong";
        snprintf(r->reason, sizeof(r->reason),
                 "%lld samples, %lld on the CPU path; signal to noise %.1f dB",
                 (long long)got->samples, (long long)want.samples,
                 10.0 * log10(signal / fmax(noise, 1e-300)));
    }
    r->error = signal > 0.0 ? sqrt(noise / signal) : 0.0;
    clvits_engine_close(&e);
    free(want.kept);
}

typedef struct speech {
    bench *b;
    const voice *v;
    clvits_engine *e;
    bool placed;             /* by cost: e is opened by the first case, */
    clvits_context *context; /* on this */
    const char *wrong; /* why nothing of this voice is timed, or NULL */
    double rtf;        /* of the last text; 0 before there is one */
    int frames;        /* of the medium text */
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
    return clvits_engine_open(&sp->e, &sp->v->model, &sp->context->machine, sp->context->place,
                              &b->report);
}

static void time_text(speech *sp, int text, int batch, const char *kind)
{
    bench *b = sp->b;
    const voice_text *t = &sp->v->texts[text];
    const int rate = sp->v->model.config->sampling_rate;
    bench_record r = { .level = "speech", .verdict = "ok" };
    bench_times first = { 0 };
    hearing h = { .room = text == VOICE_SHORT ? 1 << 20 : 0 };

    snprintf(r.name, sizeof(r.name), "%s/%s", sp->v->name, kind);
    if (!bench_record_begin(b, &r))
        return;
    snprintf(r.reason, sizeof(r.reason), "%s", sp->v->note);
    const double expected = sp->rtf * batch * t->sentences * sp->frames *
                            sp->v->model.config->hop_length / rate;
    if (sp->wrong || expected > VOICE_TOO_LONG) {
        r.verdict = "skipped";
        snprintf(r.reason, sizeof(r.reason), sp->wrong ? "%s" : "%s%.0f s",
                 sp->wrong ? sp->wrong : "it would take about ", expected);
        bench_send(b, &r);
        return;
    }
    h.kept = h.room ? malloc((size_t)h.room * sizeof(float)) : NULL;
    h.room = h.kept ? h.room : 0;
    clvits_status s = sp->placed && !sp->e ? open_placed(sp) : CLVITS_OK;
    if (!s)
        s = voice_speak(sp->e, sp->v, t, batch, &h, &b->report);
    if (!s && text == VOICE_SHORT && batch == 1)
        check(b, sp->v, &h, &r);
    if (!s && !h.finite)
        r.verdict = "wrong";
    const double start = bench_now(), limit = 2.0 * b->o->seconds;
    while (!s && !strcmp(r.verdict, "ok") && r.host.n < BENCH_MAX_RUNS &&
           (!r.host.n || bench_now() - start < (r.host.n < MIN_RUNS ? voice_patience(b) : limit))) {
        s = voice_speak(sp->e, sp->v, t, batch, &h, &b->report);
        first.sample[first.n++] = h.first;
        r.host.sample[r.host.n++] = bench_now() - h.start;
    }
    if (s) {
        bench_note_failure(&r, &b->report);
    } else if (r.host.n) {
        const double median = bench_statistics(&r.host).median;
        voice_values(&r, &first, &h, batch, rate);
        sp->rtf = median * rate / (double)h.samples;
    }
    if (text == VOICE_MEDIUM && h.frames)
        sp->frames = h.frames;
    if (strcmp(r.verdict, "ok"))
        sp->wrong = "the voice does not run here as it should";
    free(h.kept);
    bench_send(b, &r);
}

/* To be held against the same cases of this device and of the CPU path. */
static void time_placed(const speech *device)
{
    bench *b = device->b;
    speech sp = { .b = b, .v = device->v, .placed = true };

    if (b->machine.n_places < 2 || b->o->quick)
        return;
    for (int i = 0; i < LENGTH(placed_kinds); i++)
        time_text(&sp, VOICE_SHORT + i, 1, placed_kinds[i]);
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
    speech sp = { .b = b, .v = &v };
    clvits_status s = voice_open(&v, n, &b->report);

    if (!s)
        s = clvits_engine_open(&sp.e, &v.model, &b->machine, NULL, &b->report);
    if (s) {
        bench_record r = { .level = "speech" };
        snprintf(r.name, sizeof(r.name), "%s", voice_name(n));
        if (bench_record_begin(b, &r)) {
            bench_note_failure(&r, &b->report);
            bench_send(b, &r);
        }
    } else {
        time_text(&sp, VOICE_SHORT, 1, kinds[0]);
        time_text(&sp, VOICE_MEDIUM, 1, kinds[1]);
        if (!b->o->quick)
            time_text(&sp, VOICE_LONG, 1, kinds[2]);
        time_text(&sp, VOICE_MEDIUM, 4, kinds[3]);
        if (!b->o->quick)
            time_text(&sp, VOICE_MEDIUM, 16, kinds[4]);
        if (!b->o->quick)
            time_text(&sp, VOICE_SHORT, 16, kinds[5]);
        time_placed(&sp);
        time_stages(&sp);
    }
    clvits_engine_close(&sp.e);
    voice_close(&v);
}
