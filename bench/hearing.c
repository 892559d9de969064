// SPDX-License-Identifier: MIT
//
// What comes out of the engine: as much of it as is wanted, and whether it is what the CPU path
// says.
#include "voice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Items of a batch share these draws of noise, so that many have a reference. */
enum { DRAWS = 4 };

/* The noise that an item of a batch draws; items 4 and 8 apart draw different noise. */
static int draw_of(int item)
{
    return (item ^ item >> 2) % DRAWS;
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

/* Room for more elements of four bytes behind the first ones. */
static clvits_status reserve(void **array, int64_t used, int64_t more, int64_t *room,
                             clvits_report *r)
{
    if (used + more <= *room)
        return CLVITS_OK;
    const int64_t wanted = 2 * (used + more);
    void *grown = realloc(*array, (size_t)wanted * 4);
    if (!grown)
        return clvits_fail_memory(r, "what was heard");
    *array = grown;
    *room = wanted;
    return CLVITS_OK;
}

static clvits_status on_wave(void *user, int item, const float *samples, int n, clvits_report *r)
{
    hearing *h = user;
    heard *of = &h->item[item];

    if (!h->samples)
        h->first = bench_now() - h->start;
    h->samples += n;
    if (!h->keep)
        return CLVITS_OK;
    const clvits_status s = reserve((void **)&of->samples, of->n, n, &of->room, r);
    if (!s) {
        memcpy(of->samples + of->n, samples, (size_t)n * sizeof(*samples));
        of->n += n;
    }
    return s;
}

static clvits_status keep_durations(hearing *h, const clvits_item *items, int batch,
                                    clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < batch && !s; i++) {
        heard *of = &h->item[i];
        const int n = items[i].n_ids;
        s = reserve((void **)&of->durations, of->n_ids, n, &of->ids_room, r);
        if (s)
            break;
        memcpy(of->durations + of->n_ids, items[i].durations, (size_t)n * sizeof(int32_t));
        of->n_ids += n;
    }
    return s;
}

clvits_status voice_speak(clvits_engine *e, const voice *v, const voice_text *t, int batch,
                          hearing *h, clvits_report *r)
{
    const clvits_config *c = v->model.config;
    const clvits_sink sink = { .user = h, .durations = on_durations, .wave = on_wave };
    clvits_status s = CLVITS_OK;

    h->start = bench_now();
    h->samples = h->frames = 0;
    for (int i = 0; i < VOICE_MAX_BATCH; i++)
        h->item[i].n = h->item[i].n_ids = 0;
    for (int k = 0; k < t->sentences && !s; k++) {
        clvits_item items[VOICE_MAX_BATCH];
        int32_t *durations = calloc((size_t)batch * (size_t)t->n_ids[k], sizeof(*durations));
        if (!durations)
            return clvits_fail_memory(r, "durations");
        for (int i = 0; i < batch; i++)
            items[i] = (clvits_item){ .ids = t->ids[k],
                                      .n_ids = t->n_ids[k],
                                      .seed = (uint64_t)(k * DRAWS + draw_of(i)),
                                      .noise_scale = c->noise_scale,
                                      .noise_w = c->noise_w,
                                      .length_scale = c->length_scale,
                                      .durations = durations + (size_t)i * (size_t)t->n_ids[k] };
        s = clvits_engine_speak(e, items, batch, &sink, r);
        if (!s && h->keep)
            s = keep_durations(h, items, batch, r);
        free(durations);
    }
    return s;
}

void voice_forget(hearing *h)
{
    for (int i = 0; i < VOICE_MAX_BATCH; i++) {
        free(h->item[i].samples);
        free(h->item[i].durations);
        h->item[i] = (heard){ 0 };
    }
}

/* One item against what it should be; returns noise over signal, or says what is wrong. */
static double compare(const heard *got, const heard *want, char *why, size_t size)
{
    double signal = 0.0, noise = 0.0;

    for (int64_t i = 0; i < want->n_ids && got->n_ids == want->n_ids; i++)
        if (got->durations[i] != want->durations[i]) {
            snprintf(why, size, "id %lld has %d frames, %d on the CPU path", (long long)i,
                     got->durations[i], want->durations[i]);
            return INFINITY;
        }
    if (got->n != want->n || got->n_ids != want->n_ids) {
        snprintf(why, size, "%lld samples, %lld on the CPU path", (long long)got->n,
                 (long long)want->n);
        return INFINITY;
    }
    for (int64_t i = 0; i < want->n; i++) {
        const double d = (double)got->samples[i] - (double)want->samples[i];
        signal += (double)want->samples[i] * (double)want->samples[i];
        noise += d * d;
    }
    snprintf(why, size, "%.1f dB of signal to noise against the CPU path",
             10.0 * log10(signal / fmax(noise, 1e-300)));
    return noise <= 0.0 ? 0.0 : noise / signal;
}

/* The reference's items, as far as they are not there yet. */
static clvits_status refer(bench *b, const voice *v, const voice_text *t, int draws, hearing *want)
{
    clvits_engine *e = NULL;

    if (want->item[draws - 1].n)
        return CLVITS_OK;
    want->keep = true;
    clvits_status s = clvits_engine_open(&e, &v->model, &b->reference, NULL, &b->report);
    if (!s)
        s = voice_speak(e, v, t, draws, want, &b->report);
    clvits_engine_close(&e);
    return s;
}

clvits_status voice_check(bench *b, const voice *v, const voice_text *t, int batch,
                          const hearing *got, hearing *want, bench_record *r)
{
    const double most = bench_in_halves(b) ? BENCH_HALF_NOISE : 1e-6; /* 60 dB */
    const clvits_status s = refer(b, v, t, batch < DRAWS ? batch : DRAWS, want);
    double worst = 0.0;

    for (int i = 0; i < batch && !s; i++) {
        char why[128];
        const double noise = compare(&got->item[i], &want->item[draw_of(i)], why, sizeof(why));
        if (!(noise <= worst))
            worst = isfinite(noise) ? noise : INFINITY;
        if (noise <= most || !strcmp(r->verdict, "wrong"))
            continue;
        r->verdict = "wrong";
        if (batch > 1)
            snprintf(r->reason, sizeof(r->reason), "item %d of %d: %s", i + 1, batch, why);
        else
            snprintf(r->reason, sizeof(r->reason), "%s", why);
    }
    r->error = sqrt(worst);
    return s;
}

clvits_status voice_check_start(bench *b, const voice *v, const voice_text *t,
                                const float *samples, int64_t n, hearing *want, bench_record *r)
{
    const double most = bench_in_halves(b) ? BENCH_HALF_NOISE : 1e-6; /* 60 dB */
    const clvits_status s = refer(b, v, t, 1, want);
    char why[128];

    if (s)
        return s;
    const heard got = { .samples = (float *)samples, .n = n };
    heard start = want->item[0];
    start.n = n < start.n ? n : start.n;
    start.n_ids = 0; /* nobody asked for durations */
    const double noise = compare(&got, &start, why, sizeof(why));
    r->error = sqrt(isfinite(noise) ? noise : 1e60);
    if (!(noise <= most)) {
        r->verdict = "wrong";
        snprintf(r->reason, sizeof(r->reason), "the first chunk: %s", why);
    }
    return CLVITS_OK;
}
