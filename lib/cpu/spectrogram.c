// SPDX-License-Identifier: MIT
//
// Magnitudes of the short-time Fourier transform: a job takes as many frames as a vector has lanes,
// and transforms them side by side, a frame in each lane.
#include "cpu/isa.h"

#include <exact.h>

#include <spectrogram.h>

#include <math.h>

enum { FRAMES = CLVITS_VECTOR, BINS = 4 /* of a product, at once */ };

typedef struct spectrogram_job {
    const spectrogram_dims *d;
    const int *run;
    const float *x, *table;
    float *y;
    int blocks; /* of frames, of an item */
} spectrogram_job;

/* What is transformed, and bins on their way out. */
typedef struct spectrogram_block {
    clvits_vec re[SPECTROGRAM_MOST / 2], im[SPECTROGRAM_MOST / 2];
    float *y[FRAMES]; /* rows of the result */
    int frames;       /* how many of them there are */
    float eps;
} spectrogram_block;

/* Samples of a frame that begins at sample `start` of n, times the window. */
static void windowed(float *to, const spectrogram_job *j, const float *x, int start, int n)
{
    const int N = j->d->N, ld = j->d->x.ld;

    if (start >= 0 && start + N <= n) {
        x += (long)start * ld;
        for (int i = 0; i < N; i++)
            to[i] = x[(long)i * ld] * j->table[i];
    } else {
        for (int i = 0; i < N; i++)
            to[i] = x[(long)reflected(start + i, n) * ld] * j->table[i];
    }
}

/* Lanes without a frame have the last one again. */
static void load(spectrogram_block *s, const spectrogram_job *j, int b, int first, int frames)
{
    const spectrogram_dims *d = j->d;
    const int N = d->N, n = j->run[d->from * d->B + b];
    float one[SPECTROGRAM_MOST];

    for (int l = 0; l < FRAMES; l++) {
        float *re = (float *)s->re + l, *im = (float *)s->im + l;
        const int frame = first + l < frames ? first + l : frames - 1;
        windowed(one, j, j->x + clvits_at(d->x, b, 0), frame * d->hop - d->pad, n);
        if (SPECTROGRAM_IS_FFT(N)) {
            for (int i = 0; i < N / 2; i++) {
                re[i * FRAMES] = one[2 * i];
                im[i * FRAMES] = one[2 * i + 1];
            }
            continue;
        }
        for (int i = 0; i <= N / 2; i++) {
            const bool single = i == 0 || 2 * i == N;
            re[i * FRAMES] = single ? one[i] : one[i] + one[N - i];
            im[i * FRAMES] = single ? 0.0f : one[i] - one[N - i];
        }
    }
}

static void store(const spectrogram_block *s, int bin, clvits_vec squares)
{
    float y[FRAMES];

    for (int l = 0; l < FRAMES; l++)
        y[l] = sqrtf(squares[l] + s->eps);
    for (int l = 0; l < s->frames; l++)
        s->y[l][bin] = y[l];
}

static void transform(spectrogram_block *s, int N, const float *table)
{
    const int M = N / 2;
    clvits_vec *re = s->re, *im = s->im, first, second;
    int n = M;

    for (; n >= 4; n /= 4)
        for (int i = 0; i < n / 4; i++)
            for (int at = i; at < M; at += n)
                RADIX_4(clvits_vec, re, im, at, n / 4, table, N, i * (N / n))
    for (int at = 0; n == 2 && at < M; at += 2)
        RADIX_2(clvits_vec, re, im, at)
    const int bits = __builtin_ctz((unsigned)M);
    for (int bin = 0; bin <= M / 2; bin++) {
        const int at = reversed(bin, bits), other = reversed((M - bin) & (M - 1), bits);
        TWO_BINS(clvits_vec, re, im, at, other, table, N, bin, first, second)
        store(s, bin, first);
        store(s, M - bin, second);
    }
}

static void multiply(spectrogram_block *s, int N, const float *table)
{
    for (int bin = 0; bin <= N / 2; bin += BINS) {
        clvits_vec re[BINS] = { { 0 } }, im[BINS] = { { 0 } };
        int at[BINS] = { 0 }; /* bin * i modulo N */

        for (int i = 0; i <= N / 2; i++)
            for (int k = 0; k < BINS; k++) {
                re[k] += s->re[i] * table[N + at[k]];
                im[k] += s->im[i] * table[2 * N + at[k]];
                at[k] += bin + k;
                at[k] -= at[k] >= N ? N : 0;
            }
        for (int k = 0; k < BINS && bin + k <= N / 2; k++)
            store(s, bin + k, re[k] * re[k] + im[k] * im[k]);
    }
}

static void spectrogram_frames(void *context, int index)
{
    const spectrogram_job *j = context;
    const spectrogram_dims *d = j->d;
    const int b = index / j->blocks, first = index % j->blocks * FRAMES;
    const int frames = j->run[d->clock * d->B + b];
    spectrogram_block s;

    if (first == 0)
        clvits_zero_guard(j->y, d->y, b, frames, d->N / 2 + 1);
    if (first >= frames)
        return;
    s.eps = d->eps;
    s.frames = frames - first < FRAMES ? frames - first : FRAMES;
    for (int l = 0; l < s.frames; l++)
        s.y[l] = j->y + clvits_at(d->y, b, first + l);
    load(&s, j, b, first, frames);
    if (SPECTROGRAM_IS_FFT(d->N))
        transform(&s, d->N, j->table);
    else
        multiply(&s, d->N, j->table);
}

clvits_cpu_fn CLVITS_CPU_PATH(spectrogram);

void CLVITS_CPU_PATH(spectrogram)(const clvits_cpu_call *call)
{
    const spectrogram_dims *d = call->dims;
    spectrogram_job j = { d, call->run, call->in[0], call->in[1], call->out[0],
                          (d->T + FRAMES - 1) / FRAMES };

    clvits_pool_run(call->pool, j.blocks * d->B, spectrogram_frames, &j);
}
