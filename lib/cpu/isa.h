// SPDX-License-Identifier: MIT
//
// The CPU paths are compiled once per instruction set, each time with CLVITS_ISA defined; their
// symbols carry it as a suffix.
#ifndef CLVITS_CPU_ISA_H
#define CLVITS_CPU_ISA_H

#include "cpu/cpu.h"

#include <dims.h>
#include <string.h>

#define CLVITS_ISA_PASTE2(name, isa) name##_##isa
#define CLVITS_ISA_PASTE(name, isa) CLVITS_ISA_PASTE2(name, isa)
#define CLVITS_ISA_TEXT2(isa) #isa
#define CLVITS_ISA_TEXT(isa) CLVITS_ISA_TEXT2(isa)

/* The symbol of a CPU path in this build, as in clvits_cpu_conv1d_avx2. */
#define CLVITS_CPU_PATH(name) CLVITS_ISA_PASTE(clvits_cpu_##name, CLVITS_ISA)

/* Floats in a vector register, and how many registers the blocked loops may count on. */
#if defined(__AVX512F__)
#define CLVITS_VECTOR 16
#define CLVITS_REGISTERS 32
#elif defined(__AVX__)
#define CLVITS_VECTOR 8
#define CLVITS_REGISTERS 16
#elif defined(__aarch64__)
#define CLVITS_VECTOR 4
#define CLVITS_REGISTERS 32
#else
#define CLVITS_VECTOR 4
#define CLVITS_REGISTERS 16
#endif

typedef float clvits_vec __attribute__((vector_size(CLVITS_VECTOR * sizeof(float))));

static inline clvits_vec clvits_vec_load(const float *p)
{
    clvits_vec v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline void clvits_vec_store(float *p, clvits_vec v)
{
    memcpy(p, &v, sizeof(v));
}

/* Element of row t, channel 0, item b. */
static inline long clvits_at(clvits_view v, int b, int t)
{
    return (long)v.off + (long)b * v.bs + (long)t * v.ld;
}

/* Zero the guard rows around the len valid rows of item b, channels 0 .. channels - 1. */
static inline void clvits_zero_guard(void *y, clvits_view v, int b, int len, int channels)
{
    for (int g = 1; g <= v.guard; g++) {
        memset((float *)y + clvits_at(v, b, -g), 0, (size_t)channels * sizeof(float));
        memset((float *)y + clvits_at(v, b, len + g - 1), 0, (size_t)channels * sizeof(float));
    }
}

#endif
