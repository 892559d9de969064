// SPDX-License-Identifier: MIT
//
// Toom-Cook convolution (Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray,
// arXiv:1509.09308): F(m, r) makes m neighbouring outputs of an r-tap filter g from the
// P = m + r - 1 inputs d that they read, with P products instead of m * r:
//
//     y = A s,  s[j] = (G g)[j] * (B d)[j]
//
// With points a[0] ... a[P-2], and infinity as the last one:
//
//     A[i][j] = a[j]^i                       A[i][P-1] = 1 for i = m - 1, else 0
//     B[j][k] = coefficient k of M[j](x)     M[j] = product of (x - a[l]) over all l != j
//     G[j][k] = a[j]^k / M[j](a[j])          G[P-1][k] = 1 / (leading coefficient) for k = r - 1
//
// where each M[j] may be scaled as is convenient, since G divides by it. B depends on P alone.
// Over many input channels, all s are summed before A is applied, and B is applied once for every
// filter: what remains are P matrix products over channels. The points 0, +-1, +-2, +-1/2 have the
// smallest rounding errors of those that need few multiplications.
//
// Longer filters are split into groups of r = m taps: group g reads the tile that is g tiles
// further, and all groups are summed before A. That sum over groups is a convolution of tiles, so
// that a Toom-Cook form of it saves products again: F(m', r') of tiles of F(m, m) makes m' * m
// outputs of a filter of r' * m taps with P' * P products, and reads as many inputs as F(m' * m,
// r' * m) would. Both levels round: of 256 channels and eleven taps 110 dB are left. Points are
// numbered j' * P + j.
//
// B for 5, 6 and 8 points is built from that of fewer, 0, 1, -1 and infinity at first: with another
// point a, the old rows see (x - a) times the data, e[k] = d[k+1] - a * d[k], and the new row is
// the old M on the data.
//
// The macros are the same for C's and OpenCL C's vectors: T is the vector's type, d, v, s and y are
// arrays with constant indices, and all operations are written out for registers.
#ifndef CLVITS_TOOM_H
#define CLVITS_TOOM_H

// Most inputs and most outputs of a tile, and most taps of a group.
#define TOOM_MAX_N 27
#define TOOM_MAX_M 16
#define TOOM_MAX_R 12

// Finite points in the order of B's rows, and the values that G divides by; infinity is the last.
#define TOOM_POINTS_5 { 0.0, 1.0, -1.0, 2.0 }
#define TOOM_POINTS_6 { 0.0, 1.0, -1.0, 2.0, -2.0 }
#define TOOM_POINTS_7 { 1.0, -1.0, 2.0, -2.0, 0.5, -0.5 }
#define TOOM_POINTS_8 { 0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5 }
#define TOOM_NORMS_5 { 2.0, -2.0, -6.0, 6.0, 1.0 }
#define TOOM_NORMS_6 { 4.0, -6.0, -6.0, 24.0, 24.0, 1.0 }
#define TOOM_NORMS_7 { -4.5, 4.5, 45.0, -45.0, 2.8125, -2.8125, 1.0 }
#define TOOM_NORMS_8 { -4.0, -18.0, -18.0, 360.0, 360.0, 2.8125, 2.8125, 4.0 }

// v = B d for 0, 1, -1, 2, infinity: (x - 2) on the form of 0, 1, -1, infinity.
#define TOOM_INPUT_5(T, d, v)                                                                     \
    {                                                                                             \
        const T e0 = d[1] - 2.0f * d[0], e1 = d[2] - 2.0f * d[1];                                 \
        const T e2 = d[3] - 2.0f * d[2], e3 = d[4] - 2.0f * d[3];                                 \
        v[0] = e2 - e0;                                                                           \
        v[1] = e2 + e1;                                                                           \
        v[2] = e2 - e1;                                                                           \
        v[3] = d[3] - d[1];                                                                       \
        v[4] = e3 - e1;                                                                           \
    }

// 0, +-1, +-2 of e0 ... e4; infinity, of e1, e3, e5, is last.
#define TOOM_SIX(T, e0, e1, e2, e3, e4, e5, v, last)                                              \
    {                                                                                             \
        const T one = e4 - 4.0f * e2, odd = e3 - 4.0f * e1;                                       \
        const T two = e4 - e2, odd2 = e3 - e1;                                                    \
        v[0] = 4.0f * e0 + (e4 - 5.0f * e2);                                                      \
        v[1] = one + odd;                                                                         \
        v[2] = one - odd;                                                                         \
        v[3] = two + 2.0f * odd2;                                                                 \
        v[4] = two - 2.0f * odd2;                                                                 \
        v[last] = 4.0f * e1 + (e5 - 5.0f * e3);                                                   \
    }

#define TOOM_INPUT_6(T, d, v) TOOM_SIX(T, d[0], d[1], d[2], d[3], d[4], d[5], v, 5)

// Without 0: for points +-a, M is (x +- a) times the product over the other pairs, of x^2.
#define TOOM_INPUT_7(T, d, v)                                                                     \
    {                                                                                             \
        const T e1 = d[0] + (d[4] - 4.25f * d[2]), o1 = d[1] + (d[5] - 4.25f * d[3]);             \
        const T e2 = d[4] + (0.25f * d[0] - 1.25f * d[2]);                                        \
        const T o2 = d[5] + (0.25f * d[1] - 1.25f * d[3]);                                        \
        const T e3 = d[4] + (4.0f * d[0] - 5.0f * d[2]), o3 = d[5] + (4.0f * d[1] - 5.0f * d[3]); \
        v[0] = o1 + e1;                                                                           \
        v[1] = o1 - e1;                                                                           \
        v[2] = o2 + 2.0f * e2;                                                                    \
        v[3] = o2 - 2.0f * e2;                                                                    \
        v[4] = o3 + 0.5f * e3;                                                                    \
        v[5] = o3 - 0.5f * e3;                                                                    \
        v[6] = d[6] - d[0] + 5.25f * (d[2] - d[4]);                                               \
    }

// 4 * (x - 1/2) * (x + 1/2) on the six.
#define TOOM_INPUT_8(T, d, v)                                                                     \
    {                                                                                             \
        const T f0 = 4.0f * d[2] - d[0], f1 = 4.0f * d[3] - d[1], f2 = 4.0f * d[4] - d[2];        \
        const T f3 = 4.0f * d[5] - d[3], f4 = 4.0f * d[6] - d[4], f5 = 4.0f * d[7] - d[5];        \
        const T h0 = 4.0f * d[1] + (d[5] - 5.0f * d[3]), h1 = 4.0f * d[2] + (d[6] - 5.0f * d[4]); \
        TOOM_SIX(T, f0, f1, f2, f3, f4, f5, v, 7)                                                 \
        v[5] = 2.0f * h1 + h0;                                                                    \
        v[6] = 2.0f * h1 - h0;                                                                    \
    }

// y = A s, by P and m.
#define TOOM_OUTPUT_5_3(T, s, y)                                                                  \
    {                                                                                             \
        const T e1 = s[1] + s[2], o1 = s[1] - s[2];                                               \
        y[0] = s[0] + e1 + s[3];                                                                  \
        y[1] = o1 + 2.0f * s[3];                                                                  \
        y[2] = e1 + 4.0f * s[3] + s[4];                                                           \
    }

#define TOOM_OUTPUT_5_4(T, s, y)                                                                  \
    {                                                                                             \
        const T e1 = s[1] + s[2], o1 = s[1] - s[2];                                               \
        y[0] = s[0] + e1 + s[3];                                                                  \
        y[1] = o1 + 2.0f * s[3];                                                                  \
        y[2] = e1 + 4.0f * s[3];                                                                  \
        y[3] = o1 + 8.0f * s[3] + s[4];                                                           \
    }

#define TOOM_PAIRS(T, s)                                                                          \
    const T e1 = s[1] + s[2], o1 = s[1] - s[2], e2 = s[3] + s[4], o2 = s[3] - s[4];

#define TOOM_OUTPUT_6_4(T, s, y)                                                                  \
    {                                                                                             \
        TOOM_PAIRS(T, s)                                                                          \
        y[0] = s[0] + e1 + e2;                                                                    \
        y[1] = o1 + 2.0f * o2;                                                                    \
        y[2] = e1 + 4.0f * e2;                                                                    \
        y[3] = o1 + 8.0f * o2 + s[5];                                                             \
    }

#define TOOM_PAIRS_7(T, s)                                                                        \
    const T e1 = s[0] + s[1], o1 = s[0] - s[1], e2 = s[2] + s[3], o2 = s[2] - s[3];               \
    const T e3 = s[4] + s[5], o3 = s[4] - s[5];

#define TOOM_OUTPUT_7_3(T, s, y)                                                                  \
    {                                                                                             \
        TOOM_PAIRS_7(T, s)                                                                        \
        y[0] = e1 + e2 + e3;                                                                      \
        y[1] = o1 + 2.0f * o2 + 0.5f * o3;                                                        \
        y[2] = e1 + 4.0f * e2 + 0.25f * e3 + s[6];                                                \
    }

#define TOOM_OUTPUT_7_4(T, s, y)                                                                  \
    {                                                                                             \
        TOOM_PAIRS_7(T, s)                                                                        \
        y[0] = e1 + e2 + e3;                                                                      \
        y[1] = o1 + 2.0f * o2 + 0.5f * o3;                                                        \
        y[2] = e1 + 4.0f * e2 + 0.25f * e3;                                                       \
        y[3] = o1 + 8.0f * o2 + 0.125f * o3 + s[6];                                               \
    }

#define TOOM_OUTPUT_7_5(T, s, y)                                                                  \
    {                                                                                             \
        TOOM_PAIRS_7(T, s)                                                                        \
        y[0] = e1 + e2 + e3;                                                                      \
        y[1] = o1 + 2.0f * o2 + 0.5f * o3;                                                        \
        y[2] = e1 + 4.0f * e2 + 0.25f * e3;                                                       \
        y[3] = o1 + 8.0f * o2 + 0.125f * o3;                                                      \
        y[4] = e1 + 16.0f * e2 + 0.0625f * e3 + s[6];                                             \
    }

#define TOOM_OUTPUT_7_6(T, s, y)                                                                  \
    {                                                                                             \
        TOOM_PAIRS_7(T, s)                                                                        \
        y[0] = e1 + e2 + e3;                                                                      \
        y[1] = o1 + 2.0f * o2 + 0.5f * o3;                                                        \
        y[2] = e1 + 4.0f * e2 + 0.25f * e3;                                                       \
        y[3] = o1 + 8.0f * o2 + 0.125f * o3;                                                      \
        y[4] = e1 + 16.0f * e2 + 0.0625f * e3;                                                    \
        y[5] = o1 + 32.0f * o2 + 0.03125f * o3 + s[6];                                            \
    }

#define TOOM_OUTPUT_8_4(T, s, y)                                                                  \
    {                                                                                             \
        TOOM_PAIRS(T, s)                                                                          \
        const T e3 = s[5] + s[6], o3 = s[5] - s[6];                                               \
        y[0] = s[0] + e1 + e2 + e3;                                                               \
        y[1] = o1 + 2.0f * o2 + 0.5f * o3;                                                        \
        y[2] = e1 + 4.0f * e2 + 0.25f * e3;                                                       \
        y[3] = o1 + 8.0f * o2 + 0.125f * o3 + s[7];                                               \
    }

#define TOOM_OUTPUT_8_6(T, s, y)                                                                  \
    {                                                                                             \
        TOOM_PAIRS(T, s)                                                                          \
        const T e3 = s[5] + s[6], o3 = s[5] - s[6];                                               \
        y[0] = s[0] + e1 + e2 + e3;                                                               \
        y[1] = o1 + 2.0f * o2 + 0.5f * o3;                                                        \
        y[2] = e1 + 4.0f * e2 + 0.25f * e3;                                                       \
        y[3] = o1 + 8.0f * o2 + 0.125f * o3;                                                      \
        y[4] = e1 + 16.0f * e2 + 0.0625f * e3;                                                    \
        y[5] = o1 + 32.0f * o2 + 0.03125f * o3 + s[7];                                            \
    }

// Every form of one level: DO(m, r, P). Every one of tiles of F(4, 4): DO(m', r', P').
#define TOOM_FORMS(DO)                                                                            \
    DO(4, 2, 5) DO(6, 2, 7) DO(3, 3, 5) DO(4, 3, 6) DO(5, 3, 7) DO(6, 3, 8) DO(4, 4, 7)           \
    DO(3, 5, 7) DO(4, 5, 8)
#define TOOM_NESTED(DO) DO(4, 2, 5) DO(4, 3, 6)

#endif
