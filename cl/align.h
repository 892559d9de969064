// SPDX-License-Identifier: MIT
//
// From log-durations to whole frames, alike everywhere: a last bit would move the whole utterance.
// Comes after exact.h.
#ifndef CLVITS_ALIGN_H
#define CLVITS_ALIGN_H

enum { MOST_FRAMES = 65536, MOST_END = 0x3fffffff };

// ceil(exp(logw) * length_scale), at most MOST_FRAMES; 0 for what is not a number or where exp
// is 0 in single precision.
EXACT int frames_of(const float logw, const float length_scale)
{
    const float frames = exact_exp(logw < -60.0f ? -60.0f : logw) * length_scale;

    if (!(frames > 0.0f) || logw < -103.97f)
        return 0;
    if (frames >= (float)MOST_FRAMES)
        return MOST_FRAMES;
    return (int)frames + ((float)(int)frames < frames);
}

// A running sum of frames; sums that are held give the same in any grouping.
EXACT int add_frames(const int a, const int b)
{
    return a + b < MOST_END ? a + b : MOST_END;
}

// The first of n ids whose end lies beyond the frame; n when none does.
EXACT int id_of_frame(EXACT_GLOBAL const int *ends, const int ld, const int n, const int frame)
{
    int low = 0, high = n;

    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (ends[middle * ld] > frame)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

#endif
