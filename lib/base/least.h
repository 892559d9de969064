// SPDX-License-Identifier: MIT
//
// The smaller and the larger of two.
#ifndef CLVITS_BASE_LEAST_H
#define CLVITS_BASE_LEAST_H

static inline int clvits_least(int a, int b)
{
    return a < b ? a : b;
}

static inline int clvits_most(int a, int b)
{
    return a > b ? a : b;
}

#endif
