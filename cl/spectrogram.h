// SPDX-License-Identifier: MIT
//
// Transforms of frames of N real numbers: the same text for C and OpenCL C, for numbers or for
// vectors that have a frame in each lane. Comes after exact.h.
//
// Where N is a power of two, x[2j] + i x[2j + 1] are transformed as N / 2 complex numbers, in place
// (Gentleman and Sande 1966), by steps of radix 4 and a last one of radix 2 where that is left: the
// k-th result comes to where the bits of k, in reverse, say. From these, of which two belong
// together, come two of the spectrum. All other N are a product with cosines and sines, halved by
// adding and subtracting x[n] and x[N - n] first.
//
// A table has three rows of N: the window, cos(2 pi n / N) and sin(2 pi n / N).
#ifndef CLVITS_SPECTROGRAM_H
#define CLVITS_SPECTROGRAM_H

enum { SPECTROGRAM_MOST = 4096, SPECTROGRAM_LEAST_FFT = 8 };

#define SPECTROGRAM_IS_FFT(N) ((N) >= SPECTROGRAM_LEAST_FFT && ((N) & ((N)-1)) == 0)

// The sample that stands for sample t of n > 0: past an end that is reflected in the end's own
// sample, as often as it takes.
EXACT int reflected(int t, const int n)
{
    const int period = 2 * (n - 1);

    if (t >= 0 && t < n)
        return t;
    if (n == 1)
        return 0;
    t = (t < 0 ? -t : t) % period;
    return t < n ? t : period - t;
}

// The lowest `bits` bits of k, in reverse.
EXACT int reversed(const int k, const int bits)
{
    unsigned v = (unsigned)k;

    v = (v >> 1 & 0x55555555u) | (v & 0x55555555u) << 1;
    v = (v >> 2 & 0x33333333u) | (v & 0x33333333u) << 2;
    v = (v >> 4 & 0x0f0f0f0fu) | (v & 0x0f0f0f0fu) << 4;
    v = (v >> 8 & 0x00ff00ffu) | (v & 0x00ff00ffu) << 8;
    v = v >> 16 | v << 16;
    return (int)(v >> (32 - bits));
}

// (re, im) times exp(-2 pi i k / N).
#define TURN(T, re, im, table, N, k)                                                              \
    {                                                                                             \
        const float cosine = (table)[(N) + (k)], sine = (table)[2 * (N) + (k)];                   \
        const T turned = (re) * cosine + (im) * sine;                                             \
        im = (im) * cosine - (re) * sine;                                                         \
        re = turned;                                                                              \
    }

// One step of radix 4 on the elements at, at + quarter, ...: the transform of their four, of which
// all but the first turn by 2k, k and 3k. Radix 2 twice gives the same order.
#define RADIX_4(T, re, im, at, quarter, table, N, k)                                              \
    {                                                                                             \
        const int i0 = at, i1 = i0 + (quarter), i2 = i1 + (quarter), i3 = i2 + (quarter);         \
        const T ar = re[i0] + re[i2], ai = im[i0] + im[i2];                                       \
        const T br = re[i1] + re[i3], bi = im[i1] + im[i3];                                       \
        const T cr = re[i0] - re[i2], ci = im[i0] - im[i2];                                       \
        const T dr = re[i1] - re[i3], di = im[i1] - im[i3];                                       \
        T xr = ar - br, xi = ai - bi, yr = cr + di, yi = ci - dr, zr = cr - di, zi = ci + dr;     \
        TURN(T, xr, xi, table, N, 2 * (k))                                                        \
        TURN(T, yr, yi, table, N, k)                                                              \
        TURN(T, zr, zi, table, N, 3 * (k))                                                        \
        re[i0] = ar + br;                                                                         \
        im[i0] = ai + bi;                                                                         \
        re[i1] = xr;                                                                              \
        im[i1] = xi;                                                                              \
        re[i2] = yr;                                                                              \
        im[i2] = yi;                                                                              \
        re[i3] = zr;                                                                              \
        im[i3] = zi;                                                                              \
    }

#define RADIX_2(T, re, im, at)                                                                    \
    {                                                                                             \
        const T odd_re = re[at] - re[(at) + 1], odd_im = im[at] - im[(at) + 1];                   \
        re[at] += re[(at) + 1];                                                                   \
        im[at] += im[(at) + 1];                                                                   \
        re[(at) + 1] = odd_re;                                                                    \
        im[(at) + 1] = odd_im;                                                                    \
    }

// Bins k and N / 2 - k out of the transform of N / 2 complex numbers, as |X|^2.
#define TWO_BINS(T, re, im, at, other, table, N, k, first, second)                                \
    {                                                                                             \
        const T er = 0.5f * (re[at] + re[other]), ei = 0.5f * (im[at] - im[other]);               \
        T pr = 0.5f * (im[at] + im[other]), pi = 0.5f * (re[other] - re[at]);                     \
        TURN(T, pr, pi, table, N, k)                                                              \
        first = (er + pr) * (er + pr) + (ei + pi) * (ei + pi);                                    \
        second = (er - pr) * (er - pr) + (ei - pi) * (ei - pi);                                   \
    }

#endif
