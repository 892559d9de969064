// SPDX-License-Identifier: MIT
//
// A sample at another rate is the sum of those around its time, weighted by a sinc function under a
// Kaiser window (Kaiser 1974; Smith and Gossett 1984).
#include "io/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS = 4096,         /* of the window's table */
    LANES = 8,            /* sums that are added up side by side */
    MOST_KEPT = 1 << 20,  /* weights */
    PIECE = 1 << 14,      /* samples between two looks at whether to go on */
};

/* 100 dB of attenuation want beta = 0.1102 (100 - 8.7), and 64 zero crossings on either side for a
 * transition over the last tenth of the pass band, whose middle is the cutoff. */
static const double beta = 10.06, crossings = 64.1, cutoff = 0.95;

typedef struct filter {
    double band;  /* the cutoff, in cycles per input sample, twice */
    double reach; /* of the window, in input samples */
    int half;     /* whole input samples on either side */
    int taps;     /* of a row of weights, a multiple of LANES */
    int phases;   /* rows: places of an output between two inputs */
    float *rows;  /* those that were computed, or one */
    bool *known;  /* NULL where there are too many to be kept */
    double window[STEPS + 2];
} filter;

static int64_t divisor(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The modified Bessel function of order 0. */
static double bessel(double x)
{
    double term = 1.0, sum = 1.0;

    for (int k = 1; term > 1e-17 * sum; k++) {
        term *= (0.5 * x / k) * (0.5 * x / k);
        sum += term;
    }
    return sum;
}

static clvits_status open_filter(filter *f, int from, int to, clvits_report *r)
{
    const double ratio = to < from ? (double)to / from : 1.0;

    *f = (filter){ .band = cutoff * ratio, .reach = crossings / ratio };
    f->half = (int)ceil(f->reach);
    f->taps = (2 * f->half + LANES - 1) / LANES * LANES;
    f->phases = (int)(to / divisor(from, to));
    const bool kept = (int64_t)f->phases * f->taps <= MOST_KEPT;
    f->rows = malloc((size_t)f->taps * (size_t)(kept ? f->phases : 1) * sizeof(*f->rows));
    f->known = kept ? calloc((size_t)f->phases, sizeof(*f->known)) : NULL;
    for (int i = 0; i <= STEPS + 1; i++) {
        const double u = i < STEPS ? (double)i / STEPS : 1.0;
        f->window[i] = bessel(beta * sqrt(1.0 - u * u)) / bessel(beta);
    }
    return f->rows && (f->known || !kept) ? CLVITS_OK
                                          : clvits_fail_memory(r, "a conversion of rates");
}

static void close_filter(filter *f)
{
    free(f->rows);
    free(f->known);
}

/* The window t input samples from its middle. */
static double window_at(const filter *f, double t)
{
    const double u = fabs(t) / f->reach * STEPS;
    const int step = (int)u;

    return step > STEPS ? 0.0
                        : f->window[step] + (u - step) * (f->window[step + 1] - f->window[step]);
}

/* The weights of inputs 1 - half .. half, seen from an output that lies a part of one after input
 * 0; their sum is 1. The sine turns from each to the next, but for those where it is small. */
static const float *row_of(filter *f, int phase)
{
    float *row = f->rows + (f->known ? (size_t)phase * (size_t)f->taps : 0);

    if (f->known && f->known[phase])
        return row;
    const double turn = acos(-1.0) * f->band, along = cos(turn), across = sin(turn);
    const double first = 1 - f->half - (double)phase / f->phases;
    double sine = sin(turn * first), cosine = cos(turn * first), sum = 0.0;
    for (int k = 0; k < 2 * f->half; k++) {
        const double t = first + k, x = turn * t;
        const double sinc = fabs(x) < 1e-9 ? 1.0 : (fabs(x) < 1.0 ? sin(x) : sine) / x;
        const double w = window_at(f, t) * sinc, next = sine * along + cosine * across;
        cosine = cosine * along - sine * across;
        sine = next;
        row[k] = (float)w;
        sum += w;
    }
    for (int k = 0; k < f->taps; k++)
        row[k] = k < 2 * f->half ? (float)((double)row[k] / sum) : 0.0f;
    if (f->known)
        f->known[phase] = true;
    return row;
}

/* in[first ..] times the row; outside of n there is silence. */
static float product(const float *row, int taps, const float *in, int64_t first, int64_t n)
{
    float sum[LANES] = { 0 };
    double total = 0.0;

    if (first >= 0 && first + taps <= n) {
        for (int k = 0; k < taps; k += LANES)
            for (int l = 0; l < LANES; l++)
                sum[l] += row[k + l] * in[first + k + l];
    } else {
        const int64_t begin = first < 0 ? -first : 0, end = n - first < taps ? n - first : taps;
        for (int64_t k = begin; k < end; k++)
            sum[k % LANES] += row[k] * in[first + k];
    }
    for (int l = 0; l < LANES; l++)
        total += (double)sum[l];
    return (float)total;
}

clvits_status clvits_resample(float **out, int64_t *n_out, const float *in, int64_t n, int from,
                              int to, clvits_report *r)
{
    filter f;

    *out = NULL;
    *n_out = 0;
    if (from < CLVITS_LEAST_RATE || from > CLVITS_MOST_RATE || to < CLVITS_LEAST_RATE ||
        to > CLVITS_MOST_RATE || n < 0 || n > INT64_MAX / (2 * CLVITS_MOST_RATE))
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%lld samples at a rate of %d cannot be converted "
                                                 "to %d; rates of %d to %d can", (long long)n,
                           from, to, CLVITS_LEAST_RATE, CLVITS_MOST_RATE);
    const int64_t all = (n * to + from - 1) / from;
    float *samples = malloc(((size_t)all + 1) * sizeof(*samples));
    if (!samples)
        return clvits_fail_memory(r, "samples at another rate");
    if (from == to) {
        memcpy(samples, in, (size_t)n * sizeof(*samples));
    } else {
        const int step = (int)divisor(from, to); /* of what is left over, from phase to phase */
        clvits_status s = open_filter(&f, from, to, r);
        for (int64_t i = 0; i < all && !s; i++) {
            const int64_t time = i * from;
            samples[i] = product(row_of(&f, (int)(time % to / step)), f.taps, in,
                                 time / to + 1 - f.half, n);
            if (i % PIECE == 0 && clvits_stopped(r))
                s = clvits_fail(r, CLVITS_E_CANCELLED, "stopped while a rate was converted");
        }
        close_filter(&f);
        if (s) {
            free(samples);
            return s;
        }
    }
    *out = samples;
    *n_out = all;
    return CLVITS_OK;
}
