// SPDX-License-Identifier: MIT
#include "model/plot.h"

#include "graph/build.h"
#include "graph/sched.h"
#include "model/mel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    POINTS = 1024,
    BINS = POINTS / 2 + 1,
    HOP = 256,
    AROUND = 2,    /* frames before and after some that their own samples reach into, or more */
    BLOCK = 1024,  /* frames that are computed at a time */
    MELS = CLVITS_PLOT_MELS,
};

static const float quiet = 0.02f, loudest = 1e6f; /* silence is not blown up */
static const float quiet_mel = -0.4f; /* nor is it bright: 80 dB above what it has at 16 kHz */

/* Mel spectrograms of a stretch of samples. */
typedef struct stretch {
    clvits_packed_weights *weights;
    clvits_graph *graph;
    clvits_plan *plan;
    clvits_run *run;
    clvits_tensor *x, *y;
    int clock;
    float filters[MELS * BINS];
    float samples[(BLOCK + 2 * AROUND) * HOP], mels[(BLOCK + 2 * AROUND) * MELS];
} stretch;

static clvits_status open_stretch(stretch *t, const clvits_machine *m, int rate, clvits_report *r)
{
    clvits_status s = clvits_mel_filterbank(t->filters, POINTS, rate, MELS, 0.0, 0.0,
                                            CLVITS_MEL_SLANEY, true, r);
    if (!s)
        s = clvits_packed_weights_open(&t->weights, r);
    if (!s)
        s = clvits_graph_open(&t->graph, 1, r);
    if (s)
        return s;
    t->clock = clvits_graph_clock(t->graph, (BLOCK + 2 * AROUND) * HOP);
    t->x = clvits_graph_input(t->graph, CLVITS_F32, t->clock, 1);
    t->y = clvits_graph_keep(clvits_mel(
        clvits_spectrogram(t->x, &(clvits_spectrogram_params){ .n_fft = POINTS, .hop = HOP }),
        clvits_graph_weight(t->graph, t->filters, 3, (int64_t[]){ MELS, BINS, 1 })));
    s = clvits_graph_finish(t->graph, r);
    if (!s)
        s = clvits_plan_make(&t->plan, t->graph, m, t->weights, NULL, r);
    return s ? s : clvits_run_make(&t->run, t->plan, r);
}

static void close_stretch(stretch *t)
{
    clvits_run_free(&t->run);
    clvits_plan_free(&t->plan);
    clvits_graph_close(&t->graph);
    clvits_packed_weights_close(&t->weights);
    free(t);
}

/* Frames first .. first + n - 1 of the whole, from t->mels on. */
static clvits_status run_stretch(stretch *t, const clvits_plot *p, int64_t first, int n,
                                 clvits_report *r)
{
    const int before = first > 0 ? AROUND : 0;
    const int64_t begin = (first - before) * HOP, left = (int64_t)p->n_samples - begin;
    const int64_t wanted = (int64_t)(before + n + AROUND) * HOP;
    int64_t some = left < wanted ? left : wanted;

    memcpy(t->samples, p->samples + begin, (size_t)some * sizeof(*t->samples));
    for (; some < HOP; some++) /* a frame at least */
        t->samples[some] = 0.0f;
    clvits_status s = clvits_run_set_length(t->run, t->clock, 0, (int)some, r);
    if (!s)
        s = clvits_run_write(t->run, t->x, 0, t->samples, r);
    if (!s)
        s = clvits_run_go(t->run, NULL, r);
    return s ? s : clvits_run_read(t->run, t->y, 0, before, n, t->mels, r);
}

/* The mean of the frames of each column. */
static clvits_status add_frames(clvits_plot_columns *c, stretch *t, const clvits_plot *p,
                                int64_t frames, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    for (int64_t first = 0; first < frames && !s; first += BLOCK) {
        const int n = frames - first < BLOCK ? (int)(frames - first) : BLOCK;
        s = run_stretch(t, p, first, n, r);
        for (int f = 0; f < n && !s; f++) {
            const int64_t column = (first + f) * c->n_mels / frames;
            const int64_t begin = (column * frames + c->n_mels - 1) / c->n_mels;
            const int64_t end = ((column + 1) * frames + c->n_mels - 1) / c->n_mels;
            for (int m = 0; m < MELS; m++)
                c->mels[m * c->n_mels + column] += t->mels[f * MELS + m] / (float)(end - begin);
        }
        if (!s && clvits_stopped(r))
            s = clvits_fail(r, CLVITS_E_CANCELLED, "stopped while a picture was drawn");
    }
    return s;
}

static clvits_status add_mels(clvits_plot_columns *c, const clvits_plot *p, int most,
                              const clvits_cpu *cpu, clvits_report *r)
{
    const int64_t all = (int64_t)(p->n_samples / HOP), frames = all ? all : 1;
    const clvits_machine machine = { .cpu = *cpu, .n_places = 1 };
    stretch *t = calloc(1, sizeof(*t));

    c->n_mels = frames < most ? (int)frames : most;
    c->mels = calloc((size_t)c->n_mels * MELS, sizeof(*c->mels));
    if (!t || !c->mels) {
        free(t);
        return clvits_fail_memory(r, "a picture");
    }
    clvits_status s = open_stretch(t, &machine, p->sample_rate, r);
    if (!s)
        s = add_frames(c, t, p, frames, r);
    close_stretch(t);
    float largest = quiet_mel;
    for (int i = 0; i < c->n_mels * MELS; i++)
        largest = fmaxf(largest, c->mels[i]);
    for (int i = 0; i < c->n_mels * MELS; i++)
        c->mels[i] -= largest;
    return s;
}

static clvits_status add_peaks(clvits_plot_columns *c, const clvits_plot *p, int most,
                               clvits_report *r)
{
    const size_t n = p->n_samples;

    c->n_peaks = n < (size_t)most ? (int)n : most;
    c->low = malloc((size_t)c->n_peaks * sizeof(*c->low));
    c->high = malloc((size_t)c->n_peaks * sizeof(*c->high));
    if (!c->low || !c->high)
        return clvits_fail_memory(r, "a picture");
    c->loudest = quiet;
    for (int k = 0; k < c->n_peaks; k++) {
        const size_t begin = (size_t)((double)n * k / c->n_peaks);
        const size_t end = (size_t)((double)n * (k + 1) / c->n_peaks);
        float low = p->samples[begin], high = low;
        for (size_t i = begin; i < end; i++) {
            if (!(fabsf(p->samples[i]) <= loudest))
                return clvits_fail(r, CLVITS_E_ARGUMENT,
                                   "a picture of samples that are no numbers, or beyond all "
                                   "measure");
            low = fminf(low, p->samples[i]);
            high = fmaxf(high, p->samples[i]);
        }
        c->low[k] = low;
        c->high[k] = high;
        c->loudest = fmaxf(c->loudest, fmaxf(-low, high));
    }
    return CLVITS_OK;
}

clvits_status clvits_plot_compute(clvits_plot_columns *out, const clvits_plot *plot, int most,
                                  const clvits_cpu *cpu, clvits_report *r)
{
    *out = (clvits_plot_columns){ 0 };
    const clvits_status s = add_peaks(out, plot, most, r);
    return s ? s : add_mels(out, plot, most, cpu, r);
}

void clvits_plot_free(clvits_plot_columns *columns)
{
    free(columns->low);
    free(columns->high);
    free(columns->mels);
    *columns = (clvits_plot_columns){ 0 };
}
