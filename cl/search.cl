// search.cl — search: the best sums of monotonic paths (Kim et al. 2020),
//             sum[f,c] = value[f,c] + max(sum[f-1,c], sum[f-1,c-1]), of which only the choices
//             are kept, as dims.h says; a tie stays in its column
//             backtrack: the path that ends in the last column, as frames of each column
//
// A path has a frame in every column and comes to column c at frame c at the earliest; behind it
// are as many frames as columns, at least. The text is taken in panels of columns, each through
// all frames at which a path can be there. What a panel's last column sums up to, frame by frame,
// lies for a while where the next panel is going to put its own words.

#include "search.h"

// Knobs, set by lib/op/search.c. The defaults are legal on every device.
#ifndef KERNEL
#define KERNEL 0 // 1, 2 or 3: build that one only, in the order below
#endif

#define WORDS SEARCH_FRAMES

// Zeros before and after so many groups of frames, by `of` work-items.
void search_guard(const search_dims d, global int *bits, const int b, const int groups,
                  const int item, const int of)
{
    for (int e = item; e < d.bits.guard * d.C; e += of) {
        bits[at(d.bits, b, -1 - e / d.C, e % d.C)] = 0;
        bits[at(d.bits, b, groups + e / d.C, e % d.C)] = 0;
    }
}

#if KERNEL == 0 || KERNEL == 1
#define GROUP 64
#define EACH 8   // columns of a work-item: c, c + GROUP, ..
#define AHEAD 4  // frames whose values are fetched at a time
#define PANEL (GROUP * EACH)

// What a work-item keeps of its columns of a panel.
typedef struct {
    int from[EACH]; // the frame at which a path is in the column at the earliest
    int word[EACH]; // the choices of a group of frames
    float sum[EACH];
} search_columns;

// Before the first frame, in columns from `first` on until `last`, excluded.
void enter(const int first, const int last, search_columns *own)
{
    for (int k = 0; k < EACH; k++) {
        const int c = first + (int)get_local_id(0) + k * GROUP;
        own->from[k] = c < last ? c : INT_MAX;
        own->sum[k] = 0.0f;
    }
}

// The values of a frame, whose first one is at index `row`; past the last column, that one's again.
void fetch(global const float *value, const int row, const int last, const search_columns *own,
           float *v)
{
#pragma unroll
    for (int k = 0; k < EACH; k++)
        v[k] = value[row + min(own->from[k], last - 1)];
}

// Frame f with values v: rows has the sums of the frame before, left that of the column before the
// panel. The next frame reads the row that this one writes, and nobody this one's.
void advance(const int f, const int slack, const float *v, local const float *left,
             local float (*rows)[PANEL], search_columns *own)
{
    const int item = get_local_id(0);

#pragma unroll
    for (int k = 0; k < EACH; k++) {
        const int x = item + k * GROUP;
        const float step = x == 0 ? *left : rows[f & 1][x - 1];
        const bool comes = f == own->from[k] || !(own->sum[k] >= step);
        if ((uint)f - (uint)own->from[k] <= (uint)slack) {
            own->sum[k] = v[k] + (comes ? step : own->sum[k]);
            own->word[k] |= comes << ((uint)f % WORDS);
        }
    }
#pragma unroll
    for (int k = 0; k < EACH; k++)
        rows[(f + 1) & 1][item + k * GROUP] = own->sum[k];
}

// The words of columns from `first` on. Nothing comes to column 0.
void put_words(const int first, const int columns, const search_columns *own, global int *to)
{
    for (int k = 0; k < EACH; k++) {
        const int c = first + (int)get_local_id(0) + k * GROUP;
        if (c < columns)
            to[c] = c > 0 ? own->word[k] : 0;
    }
}

// One work-group per item, a frame at a time: two rows of sums in local memory.
kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void search(const search_dims d, global const int *run, global const float *restrict value,
            global int *bits)
{
    local float rows[2][PANEL], edge[WORDS + 1], sums[WORDS];
    const int item = get_local_id(0), b = get_group_id(0);
    const int frames = valid_rows(run, d.frames, d.B, b);
    const int text = min(valid_rows(run, d.text, d.B, b), d.T), slack = frames - text;
    const int groups = (frames + WORDS - 1) / WORDS;

    search_guard(d, bits, b, groups, item, GROUP);
    value += at(d.value, b, 0, 0);
    bits += at(d.bits, b, 0, 0);
    for (int first = 0; first < d.C; first += PANEL) {
        const int last = slack < 0 ? first : min(first + PANEL, text); // columns, excluded
        const int begin = first / WORDS, end = first < last ? last + slack : 0;
        search_columns own;

        enter(first, last, &own);
        // In column 0 a path begins at frame 0, and none comes from the left.
        if (item == 0)
            edge[WORDS] =
                first == 0     ? 0.0f
                : first < last ? as_float(bits[(begin - 1) * d.bits.ld + first + WORDS - 1])
                               : -INFINITY;
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
        for (int g = 0; g < groups; g++) {
            const int frame = g * WORDS;

            for (int k = 0; k < EACH; k++)
                own.word[k] = 0;
            if (g >= begin && frame < end) {
                const float before = edge[WORDS];
                barrier(CLK_LOCAL_MEM_FENCE);
                if (item == 0)
                    edge[0] = before;
                if (item < WORDS)
                    edge[1 + item] =
                        first == 0 ? -INFINITY : as_float(bits[g * d.bits.ld + first + item]);
                barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
                for (int i = 0; i < WORDS && frame + i < end; i += AHEAD) {
                    float ahead[AHEAD][EACH];
#pragma unroll
                    for (int a = 0; a < AHEAD; a++)
                        fetch(value, min(frame + i + a, end - 1) * d.value.ld, last, &own,
                              ahead[a]);
#pragma unroll
                    for (int a = 0; a < AHEAD; a++) {
                        advance(frame + i + a, slack, ahead[a], edge + i + a, rows, &own);
                        if (item == GROUP - 1)
                            sums[i + a] = own.sum[EACH - 1];
                        barrier(CLK_LOCAL_MEM_FENCE);
                    }
                }
            }
            put_words(first, d.C, &own, bits + g * d.bits.ld);
            if (first + PANEL < text && item < WORDS && g >= begin && frame + item < end)
                bits[g * d.bits.ld + first + PANEL + item] = as_int(sums[item]);
        }
        barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    }
}
#endif

#if KERNEL == 0 || KERNEL == 2
#define STRIP 64 // columns of a panel, in four vectors

float16 after(const float left, const float16 x)
{
    return (float16)(left, x.s01234567, x.s89ab, x.scd, x.se);
}

// One work-item per item; for CPU devices. Sums stay in vectors through all frames.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void search_lanes(const search_dims d, global const int *run, global const float *restrict value,
                  global int *bits)
{
    const int b = get_global_id(0), frames = valid_rows(run, d.frames, d.B, b);
    const int text = min(valid_rows(run, d.text, d.B, b), d.T), slack = frames - text;
    const int groups = (frames + WORDS - 1) / WORDS;
    float edge[WORDS + 1];
    int16 words[4];
    float16 fetched[4];

    search_guard(d, bits, b, groups, 0, 1);
    value += at(d.value, b, 0, 0);
    bits += at(d.bits, b, 0, 0);
    for (int first = 0; first < d.C; first += STRIP) {
        const int last = slack < 0 ? first : min(first + STRIP, text); // columns, excluded
        const int begin = first / WORDS, end = first < last ? last + slack : 0;
        const int columns = min(STRIP, d.C - first);
        float16 s0 = -INFINITY, s1 = -INFINITY, s2 = -INFINITY, s3 = -INFINITY;
        float carry = first > 0 && first < last
                          ? as_float(bits[(begin - 1) * d.bits.ld + first + WORDS - 1])
                          : -INFINITY;

        for (int g = 0; g < groups; g++) {
            global int *to = bits + g * d.bits.ld + first;
            const int frame = g * WORDS, some = min(frames - frame, WORDS);
            int16 w0 = 0, w1 = 0, w2 = 0, w3 = 0;

            if (g < begin || frame >= end) {
                for (int c = 0; c < columns; c++)
                    to[c] = 0;
                continue;
            }
            edge[0] = first == 0 && g == 0 ? 0.0f : carry;
            for (int i = 0; i < WORDS; i++)
                edge[1 + i] = first == 0 ? -INFINITY : as_float(to[i]);
            carry = edge[WORDS];
            for (int i = 0; i < some; i++) {
                global const float *v = value + (frame + i) * d.value.ld + first;
                const int16 bit = 1 << i;
                // A row's end is followed by the next row, but for the last ones.
                if ((frame + i) * d.value.ld + first + STRIP <= (frames - 1) * d.value.ld + d.T) {
                    for (int k = 0; k < 4; k++)
                        fetched[k] = vload16(k, v);
                } else {
                    for (int c = 0; c < STRIP; c++)
                        ((float *)fetched)[c] = first + c < d.T ? v[c] : 0.0f;
                }
                const float16 b0 = after(edge[i], s0), b1 = after(s0.sf, s1);
                const float16 b2 = after(s1.sf, s2), b3 = after(s2.sf, s3);
                edge[i] = s3.sf;
                const int16 c0 = ~(s0 >= b0);
                w0 |= c0 & bit;
                const int16 c1 = ~(s1 >= b1);
                w1 |= c1 & bit;
                const int16 c2 = ~(s2 >= b2);
                w2 |= c2 & bit;
                const int16 c3 = ~(s3 >= b3);
                w3 |= c3 & bit;
                s0 = fetched[0] + select(s0, b0, c0);
                s1 = fetched[1] + select(s1, b1, c1);
                s2 = fetched[2] + select(s2, b2, c2);
                s3 = fetched[3] + select(s3, b3, c3);
            }
            edge[some] = s3.sf;
            words[0] = w0;
            words[1] = w1;
            words[2] = w2;
            words[3] = w3;
            for (int c = 0; c < columns; c++)
                to[c] = first + c < last
                            ? search_word(first + c, slack, frame, ((unsigned *)words)[c])
                            : 0;
            if (first + STRIP < text)
                for (int i = 0; i < WORDS; i++)
                    to[STRIP + i] = as_int(edge[1 + i]);
        }
    }
}
#endif

#if KERNEL == 0 || KERNEL == 3
// One work-item per item: as many steps as there are columns, and one for every 32 frames.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void backtrack(const backtrack_dims d, global const int *run, global const int *bits,
               global int *y, global int *ends)
{
    const int b = get_global_id(0), len = valid_rows(run, d.text, d.B, b);
    const int frames = valid_rows(run, d.frames, d.B, b), text = min(len, d.T);
    int end = text <= frames ? frames : 0;

    for (int t = text; t < len; t++) {
        y[at(d.y, b, t, 0)] = 0;
        ends[at(d.ends, b, t, 0)] = end;
    }
    bits += at(d.bits, b, 0, 0);
    for (int t = text - 1; t >= 0; t--) {
        const int begin = end > 0 ? search_begin(bits, d.bits.ld, t, end - 1) : 0;
        y[at(d.y, b, t, 0)] = end - begin;
        ends[at(d.ends, b, t, 0)] = end;
        end = begin;
    }
    for (int g = 0; g < d.y.guard; g++) {
        y[at(d.y, b, -1 - g, 0)] = 0;
        y[at(d.y, b, len + g, 0)] = 0;
    }
    for (int g = 0; g < d.ends.guard; g++) {
        ends[at(d.ends, b, -1 - g, 0)] = 0;
        ends[at(d.ends, b, len + g, 0)] = 0;
    }
}
#endif
