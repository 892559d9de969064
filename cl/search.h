// SPDX-License-Identifier: MIT
//
// The choices of an alignment search, as dims.h says. Comes after exact.h.
#ifndef CLVITS_SEARCH_H
#define CLVITS_SEARCH_H

#if defined(__OPENCL_VERSION__) || defined(__OPENCL_C_VERSION__)
#define HIGHEST_BIT(word) (31 - (int)clz(word))
#else
#define HIGHEST_BIT(word) (31 - __builtin_clz(word))
#endif

// Of a column's word for the frames from `frame` on, the bits at which a path can be there, where
// slack is how many more frames than columns there are. At the first of them it can only have come
// from the left, but to column 0 it never does.
EXACT int search_word(const int column, const int slack, const int frame, unsigned word)
{
    const int from = column - frame, to = from + slack;

    if (column == 0 || from >= SEARCH_FRAMES || to < 0)
        return 0;
    if (from >= 0)
        word |= 1u << from;
    if (from > 0)
        word &= 0xffffffffu << from;
    if (to < SEARCH_FRAMES - 1)
        word &= ~(0xffffffffu << (to + 1));
    return (int)word;
}

// The frame at which a path that is in a column at some frame came there: the last one until then
// with a bit in the column's words, which are ld apart. No frame is before the column's number:
// every column has one frame at least.
EXACT int search_begin(EXACT_GLOBAL const int *bits, const int ld, const int column,
                       const int frame)
{
    int group = frame / SEARCH_FRAMES;
    unsigned word = (unsigned)bits[group * ld + column] &
                    (0xffffffffu >> (SEARCH_FRAMES - 1 - frame % SEARCH_FRAMES));

    if (column == 0)
        return 0;
    while (!word && group * SEARCH_FRAMES > column)
        word = (unsigned)bits[--group * ld + column];
    const int begin = word ? group * SEARCH_FRAMES + HIGHEST_BIT(word) : column;
    return begin > column ? begin : column;
}

#endif
