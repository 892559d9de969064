// spectrogram.cl — y[b,f,k] = sqrt(eps + |sum over n of w[n] x[b, f * hop - pad + n]
//                                               exp(-2 pi i k n / N)|^2), 0 <= k <= N / 2
//
// Before its first sample and after its last one, an item is reflected. The table has the window w,
// then cosines and sines; the transforms are in spectrogram.h.
//
// spectrogram: 64 work-items transform a frame in local memory; for GPUs. spectrogram_lanes: one
// work-item has a frame in each lane of its vectors; for CPU devices.

#include "spectrogram.h"

// Knobs, set by lib/op/spectrogram.c. The defaults are legal on every device.
#ifndef KERNEL
#define KERNEL 0    // 1 or 2: build that one only, in the order above
#endif
#ifndef POINTS
#define POINTS 1024 // N, at most
#endif
#ifndef FFT
#define FFT 1       // whether N is a power of two
#endif

// log2 of a power of two.
int log_of(const int n)
{
    return 31 - (int)clz(n);
}

void spectrogram_guard(const spectrogram_dims d, global float *y, const int b, const int frames,
                       const int item, const int of)
{
    const int bins = d.N / 2 + 1;

    for (int e = item; e < d.y.guard * bins; e += of) {
        y[at(d.y, b, -1 - e / bins, e % bins)] = 0.0f;
        y[at(d.y, b, frames + e / bins, e % bins)] = 0.0f;
    }
}

#if KERNEL == 0 || KERNEL == 1
#define GROUP 64

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void spectrogram(const spectrogram_dims d, global const int *run, global const float *restrict x,
                 global const float *restrict table, global float *restrict y)
{
    local float re[POINTS / 2], im[POINTS / 2];
    const int item = get_local_id(0), frame = get_group_id(0), b = get_group_id(1);
    const int frames = valid_rows(run, d.clock, d.B, b), samples = valid_rows(run, d.from, d.B, b);
    const int start = frame * d.hop - d.pad;
    const int N = d.N, M = N / 2, bins = frame < frames ? M + 1 : 0;

    if (frame == 0)
        spectrogram_guard(d, y, b, frames, item, GROUP);
    x += at(d.x, b, 0, 0);
    y += at(d.y, b, frame, 0);
#define WINDOWED(n) (x[reflected(start + (n), samples) * d.x.ld] * table[n])
#if FFT
    for (int i = item; i < M && i < bins; i += GROUP) {
        re[i] = WINDOWED(2 * i);
        im[i] = WINDOWED(2 * i + 1);
    }
    int n = M;
    for (; n >= 4; n /= 4) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = item; 4 * i < M && i < bins; i += GROUP) {
            const int k = i & (n / 4 - 1);
            RADIX_4(float, re, im, 4 * (i - k) + k, n / 4, table, N, k * (N / n))
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (n == 2) {
        for (int i = item; 2 * i < M && i < bins; i += GROUP)
            RADIX_2(float, re, im, 2 * i)
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int bin = item; 2 * bin < bins; bin += GROUP) {
        const int from = reversed(bin, log_of(M));
        const int other = reversed((M - bin) & (M - 1), log_of(M));
        float first, second;
        TWO_BINS(float, re, im, from, other, table, N, bin, first, second)
        y[bin] = sqrt(first + d.eps);
        y[M - bin] = sqrt(second + d.eps);
    }
#else
    for (int i = item; i < bins; i += GROUP) {
        const float low = WINDOWED(i), high = WINDOWED((N - i) % N);
        const int single = i == 0 || 2 * i == N;
        re[i] = single ? low : low + high;
        im[i] = single ? 0.0f : low - high;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int bin = item; bin < bins; bin += GROUP) {
        float r = 0.0f, i = 0.0f;
        for (int n = 0, k = 0; n <= M; n++) {
            r = MAD(re[n], table[N + k], r);
            i = MAD(im[n], table[2 * N + k], i);
            k += bin;
            k -= k >= N ? N : 0;
        }
        y[bin] = sqrt(r * r + i * i + d.eps);
    }
#endif
#undef WINDOWED
}
#endif

#if KERNEL == 0 || KERNEL == 2
#define FRAMES 8
#define BINS 4 // of a product, at once

// Where the frames of a work-item begin, and where their results go.
typedef struct {
    global float *y[FRAMES];
    int frames;
    float eps;
} spectrogram_rows;

void put_bin(const spectrogram_rows *r, const int bin, const float8 squares)
{
    float e[FRAMES];

    vstore8(sqrt(squares + r->eps), 0, e);
    for (int l = 0; l < r->frames; l++)
        r->y[l][bin] = e[l];
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void spectrogram_lanes(const spectrogram_dims d, global const int *run,
                       global const float *restrict x, global const float *restrict table,
                       global float *restrict y)
{
    float8 re[POINTS / 2], im[POINTS / 2];
    float one[POINTS];
    const int N = d.N, M = N / 2;
    const int first_frame = (int)get_global_id(0) * FRAMES, b = get_global_id(1);
    const int frames = valid_rows(run, d.clock, d.B, b), samples = valid_rows(run, d.from, d.B, b);
    spectrogram_rows r;

    if (first_frame == 0)
        spectrogram_guard(d, y, b, frames, 0, 1);
    if (first_frame >= frames)
        return;
    r.frames = min(frames - first_frame, FRAMES);
    r.eps = d.eps;
    x += at(d.x, b, 0, 0);
    for (int l = 0; l < FRAMES; l++) { // lanes without a frame have the last one again
        const int frame = min(first_frame + l, frames - 1), start = frame * d.hop - d.pad;
        r.y[l] = y + at(d.y, b, frame, 0);
        if (start >= 0 && start + N <= samples && d.x.ld == 1) {
            for (int i = 0; i < N; i++)
                one[i] = x[start + i] * table[i];
        } else {
            for (int i = 0; i < N; i++)
                one[i] = x[reflected(start + i, samples) * d.x.ld] * table[i];
        }
#if FFT
        for (int i = 0; i < M; i++) {
            ((float *)re)[i * FRAMES + l] = one[2 * i];
            ((float *)im)[i * FRAMES + l] = one[2 * i + 1];
        }
#else
        for (int i = 0; i <= M; i++) {
            const int single = i == 0 || 2 * i == N;
            ((float *)re)[i * FRAMES + l] = single ? one[i] : one[i] + one[N - i];
            ((float *)im)[i * FRAMES + l] = single ? 0.0f : one[i] - one[N - i];
        }
#endif
    }
#if FFT
    int n = M;
    for (; n >= 4; n /= 4)
        for (int i = 0; i < n / 4; i++)
            for (int from = i; from < M; from += n)
                RADIX_4(float8, re, im, from, n / 4, table, N, i * (N / n))
    for (int from = 0; n == 2 && from < M; from += 2)
        RADIX_2(float8, re, im, from)
    for (int bin = 0; bin <= M / 2; bin++) {
        const int from = reversed(bin, log_of(M));
        const int other = reversed((M - bin) & (M - 1), log_of(M));
        float8 first, second;
        TWO_BINS(float8, re, im, from, other, table, N, bin, first, second)
        put_bin(&r, bin, first);
        put_bin(&r, M - bin, second);
    }
#else
    for (int bin = 0; bin <= M; bin += BINS) {
        float8 sum_re[BINS], sum_im[BINS];
        int turn[BINS]; // bin * i modulo N
        for (int k = 0; k < BINS; k++) {
            sum_re[k] = sum_im[k] = (float8)(0.0f);
            turn[k] = 0;
        }
        for (int i = 0; i <= M; i++)
            for (int k = 0; k < BINS; k++) {
                sum_re[k] = MAD(re[i], (float8)(table[N + turn[k]]), sum_re[k]);
                sum_im[k] = MAD(im[i], (float8)(table[2 * N + turn[k]]), sum_im[k]);
                turn[k] += bin + k;
                turn[k] -= turn[k] >= N ? N : 0;
            }
        for (int k = 0; k < BINS && bin + k <= M; k++)
            put_bin(&r, bin + k, sum_re[k] * sum_re[k] + sum_im[k] * sum_im[k]);
    }
#endif
}
#endif
