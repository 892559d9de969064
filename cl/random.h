// SPDX-License-Identifier: MIT
//
// Normal noise from a counter: Philox4x32-10 (Salmon et al. 2011) gives the bits, a table of
// polynomials the normal quantile. Comes after exact.h.
#ifndef CLVITS_RANDOM_H
#define CLVITS_RANDOM_H

typedef struct {
    unsigned word[4];
} philox_block;

// The block that belongs to a 128-bit counter c0 .. c3 under a 64-bit key k0, k1; low words first.
EXACT philox_block philox(const unsigned c0, const unsigned c1, const unsigned c2,
                          const unsigned c3, const unsigned k0, const unsigned k1)
{
    philox_block x = { { c0, c1, c2, c3 } };

    for (unsigned round = 0; round < 10; round++) {
        const unsigned low0 = 0xd2511f53u * x.word[0], high0 = mul_hi(0xd2511f53u, x.word[0]);
        const unsigned low2 = 0xcd9e8d57u * x.word[2], high2 = mul_hi(0xcd9e8d57u, x.word[2]);
        x.word[0] = high2 ^ x.word[1] ^ (k0 + round * 0x9e3779b9u);
        x.word[1] = low2;
        x.word[2] = high0 ^ x.word[3] ^ (k1 + round * 0xbb67ae85u);
        x.word[3] = low0;
    }
    return x;
}

// Row k: the bits of c0 .. c7 with -quantile(2^-(k+1) * (1 - t/2)) = c0 + c1 t + ... + c7 t^7 for
// t in [0, 1), to 6e-7; written by tools/normal_table.py.
EXACT_TABLE unsigned NORMAL_TABLE[32 * 8] = {
    0x00000000, 0x3f206c9c, 0xb784e680, 0x3d2901fc, 0xbab88b86, 0x3c189283, 0xbb95c9f5, 0x3b55351c,
    0x3f2cab5b, 0x3ec96719, 0x3d552f09, 0x3ca745a0, 0x3b2f2997, 0x3c258d3a, 0xbbd5c5f8, 0x3b777277,
    0x3f933ea6, 0x3e9b7416, 0x3d58a82c, 0x3c934bd5, 0x3b2302d8, 0x3c192a36, 0xbbc6a4b1, 0x3b658491,
    0x3fc45e0f, 0x3e8219e8, 0x3d4a606a, 0x3c874695, 0x3b144592, 0x3c0ef7a7, 0xbbb9fc12, 0x3b56830a,
    0x3fee6dff, 0x3e635672, 0x3d3b90cf, 0x3c7b3a5a, 0x3b0802c1, 0x3c065ab9, 0xbbaf3d1e, 0x3b49cf57,
    0x4009d915, 0x3e4bf968, 0x3d2e9647, 0x3c6b13fa, 0x3afbba16, 0x3bfdfdab, 0xbba602d4, 0x3b3eef46,
    0x401ab949, 0x3e3a5632, 0x3d2387a7, 0x3c5d6360, 0x3aeac33e, 0x3bf1468b, 0xbb9e001a, 0x3b358520,
    0x402a3e8b, 0x3e2c728d, 0x3d1a1aa2, 0x3c51a5e5, 0x3adc6a2b, 0x3be62cfd, 0xbb96fa02, 0x3b2d4941,
    0x4038ae3e, 0x3e212984, 0x3d1200c5, 0x3c477830, 0x3ad0231a, 0x3bdc64e8, 0xbb90c32d, 0x3b260498,
    0x404639a8, 0x3e17c4cd, 0x3d0af8bc, 0x3c3e8e2e, 0x3ac583ec, 0x3bd3b360, 0xbb8b3851, 0x3b1f8c72,
    0x40530537, 0x3e0fcc81, 0x3d04cf19, 0x3c36ad4a, 0x3abc3bbe, 0x3bcbea4d, 0xbb863dad, 0x3b19bf51,
    0x405f2cb7, 0x3e08ee3b, 0x3cfeb7bb, 0x3c2fa800, 0x3ab40c64, 0x3bc4e533, 0xbb81bd2d, 0x3b1482a8,
    0x406ac5e8, 0x3e02ef51, 0x3cf4ffb2, 0x3c295a95, 0x3aacc58e, 0x3bbe86e3, 0xbb7b4a1b, 0x3b0fc129,
    0x4075e231, 0x3dfb497c, 0x3cec4508, 0x3c23a8a9, 0x3aa64149, 0x3bb8b7c3, 0xbb73cdbc, 0x3b0b6992,
    0x408047dd, 0x3df1dc5a, 0x3ce460c0, 0x3c1e7b75, 0x3aa06168, 0x3bb36486, 0xbb6ced89, 0x3b076dbe,
    0x40856d1d, 0x3de9659d, 0x3cdd338a, 0x3c19c07d, 0x3a9b0dae, 0x3bae7d44, 0xbb6695db, 0x3b03c200,
    0x408a65bd, 0x3de1be79, 0x3cd6a3f9, 0x3c15689b, 0x3a96326d, 0x3ba9f4bc, 0xbb60b649, 0x3b005c98,
    0x408f35e4, 0x3ddac821, 0x3cd09d36, 0x3c116746, 0x3a91bf84, 0x3ba5bfd0, 0xbb5b40ff, 0x3afa6aad,
    0x4093e120, 0x3dd469c7, 0x3ccb0e00, 0x3c0db208, 0x3a8da798, 0x3ba1d51a, 0xbb562a40, 0x3af48a98,
    0x40986a81, 0x3dce8f33, 0x3cc5e7ef, 0x3c0a4015, 0x3a89df88, 0x3b9e2c97, 0xbb516809, 0x3aef0d1c,
    0x409cd4b3, 0x3dc927b8, 0x3cc11ee5, 0x3c0709f6, 0x3a865df6, 0x3b9abf6b, 0xbb4cf1ba, 0x3ae9e814,
    0x40a1220c, 0x3dc42577, 0x3cbca89a, 0x3c04094d, 0x3a831af7, 0x3b9787aa, 0xbb48bfe0, 0x3ae512bc,
    0x40a5549c, 0x3dbf7cc7, 0x3cb87c48, 0x3c0138a3, 0x3a800fc6, 0x3b948032, 0xbb44cc01, 0x3ae08577,
    0x40a96e37, 0x3dbb23ca, 0x3cb49263, 0x3bfd267c, 0x3a7a6d2c, 0x3b91a488, 0xbb411074, 0x3adc39a1,
    0x40ad7081, 0x3db71215, 0x3cb0e466, 0x3bf82a06, 0x3a7514ce, 0x3b8ef0c0, 0xbb3d8841, 0x3ad82966,
    0x40b15cee, 0x3db3406b, 0x3cad6ca7, 0x3bf374b6, 0x3a700dc0, 0x3b8c6167, 0xbb3a2f05, 0x3ad44fa7,
    0x40b534d2, 0x3dafa88d, 0x3caa2633, 0x3bef0042, 0x3a6b506e, 0x3b89f36f, 0xbb3700df, 0x3ad0a7d8,
    0x40b8f95c, 0x3dac450c, 0x3ca70cb1, 0x3beac71d, 0x3a66d634, 0x3b87a422, 0xbb33fa5b, 0x3acd2df2,
    0x40bcaba2, 0x3da91129, 0x3ca41c4a, 0x3be6c45e, 0x3a62993a, 0x3b857118, 0xbb311864, 0x3ac9de5c,
    0x40c04ca0, 0x3da608b8, 0x3ca1519c, 0x3be2f3a7, 0x3a5e9456, 0x3b835826, 0xbb2e583a, 0x3ac6b5df,
    0x40c3dd3c, 0x3da3280b, 0x3c9ea9a1, 0x3bdf5113, 0x3a5ac2f0, 0x3b81575e, 0xbb2bb761, 0x3ac3b199,
    0x40c75e4a, 0x3da06be2, 0x3c9c21a7, 0x3bdbd925, 0x3a5720f4, 0x3b7eda04, 0xbb29339f, 0x3ac0cef1,
};

// A normal deviate from 64 random bits. The bits of `where` choose a sign, and by their leading
// zeros one of 32 intervals, each half as likely as the one before it; `inside` is the place t in
// the interval. The largest magnitude is 6.34.
EXACT float normal_of(const unsigned where, const unsigned inside)
{
    const unsigned c = 8 * clz(where << 1 | 1u);
    const float t = (float)((inside >> 9 << 1) + 1u) * 5.9604644775390625e-8f; // 2^-24
    float z = exact_fma(t, as_float(NORMAL_TABLE[c + 7]), as_float(NORMAL_TABLE[c + 6]));

    z = exact_fma(t, z, as_float(NORMAL_TABLE[c + 5]));
    z = exact_fma(t, z, as_float(NORMAL_TABLE[c + 4]));
    z = exact_fma(t, z, as_float(NORMAL_TABLE[c + 3]));
    z = exact_fma(t, z, as_float(NORMAL_TABLE[c + 2]));
    z = exact_fma(t, z, as_float(NORMAL_TABLE[c + 1]));
    z = exact_fma(t, z, as_float(NORMAL_TABLE[c]));
    return as_float(as_uint(z) | (where & 0x80000000u));
}

// The deviates of row t, channels 2 * pair and 2 * pair + 1.
typedef struct {
    float even, odd;
} normal_pair;

EXACT normal_pair normal_at(const unsigned seed_low, const unsigned seed_high,
                            const unsigned stream, const unsigned t, const unsigned pair)
{
    const philox_block b = philox(pair, t, stream, 0, seed_low, seed_high);
    const normal_pair z = { normal_of(b.word[0], b.word[1]), normal_of(b.word[2], b.word[3]) };
    return z;
}

#endif
