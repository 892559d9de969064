// SPDX-License-Identifier: MIT
//
// Monotonic alignment search: the best sums of every frame, and from their choices the durations.
//
// Within a frame all columns are independent, so vectors run along the text, and a strip of them
// stays in registers for 32 frames, of which each column's choices make one word. A panel of
// columns is a job, which follows the one to its left: that leaves the sums of its last column,
// frame by frame, where the panel is going to put its own words.
#include "cpu/exp.h"

#include <exact.h>

#include <search.h>

#include <math.h>
#include <sched.h>
#include <stdatomic.h>

enum {
    GROUP = SEARCH_FRAMES,
    STRIP = 4, /* vectors */
    WIDE = STRIP * CLVITS_VECTOR,
    LEAST_PANEL = 64, /* columns */
    MOST_PANEL = 512,
    LEAST_CELLS = 1 << 17, /* of a panel, for which another thread is worth waking */
    MOST_JOBS = 256, /* that can be under way at once */
    LOOKS = 64,      /* for a neighbour, before a thread lets others run */
    DONE = 1 << 30,
};

typedef struct search_job {
    const search_dims *d;
    const int *run;
    const float *value;
    int *bits;
    int panel, first; /* columns of a panel; the first job of this round */
    atomic_int groups[MOST_JOBS]; /* that each has behind it */
} search_job;

/* One panel of one item. */
typedef struct search_panel {
    const float *value; /* of frame 0 */
    long ld, end;       /* from a frame to the next; elements that may be read */
    int *bits;
    long bits_ld;
    int text, slack; /* columns; frames that the path can stay where it is */
    int frames;
    int first, last; /* columns, the last one excluded */
    float carry;     /* the sum to the left of the panel, at the frame before its next group */
    float sums[MOST_PANEL];
} search_panel;

#if CLVITS_VECTOR == 16
#define AFTER(a, b)                                                                               \
    __builtin_shufflevector(a, b, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
#elif CLVITS_VECTOR == 8
#define AFTER(a, b) __builtin_shufflevector(a, b, 7, 8, 9, 10, 11, 12, 13, 14)
#else
#define AFTER(a, b) __builtin_shufflevector(a, b, 3, 4, 5, 6)
#endif

/*
 * n vectors of columns through some frames. edge[i] is the sum to their left before frame i, and
 * becomes their own last one before frame i. A path comes from the left unless the sum of its own
 * column is as large, which it never is where that is no number: no path was there yet, perhaps.
 */
static inline __attribute__((always_inline)) void strip(const int n, const int frames,
                                                        const float *value, long ld, float *sums,
                                                        float *edge, uint32_t *words)
{
    clvits_vec sum[STRIP];
    clvits_uvec word[STRIP], bit = (clvits_uvec){ 0 } + 1u;

    for (int k = 0; k < n; k++) {
        sum[k] = clvits_vec_load(sums + k * CLVITS_VECTOR);
        word[k] = (clvits_uvec){ 0 };
    }
    for (int f = 0; f < frames; f++, value += ld, bit += bit) {
        const clvits_vec left = clvits_vec_splat(edge[f]);
        edge[f] = sum[n - 1][CLVITS_VECTOR - 1];
        for (int k = n - 1; k >= 0; k--) {
            const clvits_vec step = AFTER(k ? sum[k - 1] : left, sum[k]);
            const clvits_ivec stays = sum[k] >= step;
            const clvits_vec best =
                (clvits_vec)(((clvits_ivec)sum[k] & stays) | ((clvits_ivec)step & ~stays));
            word[k] |= bit & (clvits_uvec)~stays;
            sum[k] = clvits_vec_load(value + k * CLVITS_VECTOR) + best;
        }
    }
    edge[frames] = sum[n - 1][CLVITS_VECTOR - 1];
    for (int k = 0; k < n; k++) {
        clvits_vec_store(sums + k * CLVITS_VECTOR, sum[k]);
        memcpy(words + k * CLVITS_VECTOR, &word[k], sizeof(word[k]));
    }
}

static void strips(int n, int frames, const float *value, long ld, float *sums, float *edge,
                   uint32_t *words)
{
    switch (n) {
    case 1: strip(1, frames, value, ld, sums, edge, words); break;
    case 2: strip(2, frames, value, ld, sums, edge, words); break;
    case 3: strip(3, frames, value, ld, sums, edge, words); break;
    default: strip(STRIP, frames, value, ld, sums, edge, words);
    }
}

static void finish_words(const search_panel *p, int group, int column, int n,
                         const uint32_t *words)
{
    const int frame = group * GROUP;
    int *to = p->bits + (long)group * p->bits_ld + column;

    if (column > 0 && column + n <= frame && column + p->slack >= frame + GROUP - 1) {
        memcpy(to, words, (size_t)n * sizeof(*words));
        return;
    }
    for (int i = 0; i < n; i++)
        to[i] = search_word(column + i, p->slack, frame, words[i]);
}

/* All columns of the panel through the frames of a group; edge has GROUP + 1. */
static void panel_group(search_panel *p, int group, float *edge)
{
    const int frame = group * GROUP;
    const int frames = p->frames - frame < GROUP ? p->frames - frame : GROUP;
    uint32_t words[WIDE];

    for (int c = p->first; c < p->last; c += WIDE) {
        const int n = p->last - c < WIDE ? p->last - c : WIDE;
        const int vectors = (n + CLVITS_VECTOR - 1) / CLVITS_VECTOR;
        const float *value = p->value + (long)frame * p->ld + c;
        float *sums = p->sums + (c - p->first);

        /* No path is there, nor was in the frame before, from where one could come to the right. */
        if (c >= frame + frames || c + n + p->slack < frame) {
            memset(p->bits + (long)group * p->bits_ld + c, 0, (size_t)n * sizeof(*words));
            continue;
        }
        if ((long)(frame + frames - 1) * p->ld + c + vectors * CLVITS_VECTOR <= p->end) {
            strips(vectors, frames, value, p->ld, sums, edge, words);
        } else {
            float copy[GROUP * WIDE] = { 0 };
            for (int f = 0; f < frames; f++)
                memcpy(copy + f * WIDE, value + f * p->ld, (size_t)n * sizeof(float));
            strips(vectors, frames, copy, WIDE, sums, edge, words);
        }
        finish_words(p, group, c, n, words);
    }
}

/* What the panel to the left has left for this one, and what this one leaves for the next. */
static void take_edge(search_panel *p, int group, float *edge)
{
    edge[0] = p->carry;
    memcpy(edge + 1, p->bits + (long)group * p->bits_ld + p->first, GROUP * sizeof(float));
    p->carry = edge[GROUP];
}

static void leave_edge(const search_panel *p, int group, const float *edge)
{
    if (p->last < p->text)
        memcpy(p->bits + (long)group * p->bits_ld + p->last, edge + 1, GROUP * sizeof(float));
}

static void wait_for(atomic_int *groups, int wanted)
{
    for (int i = 0; atomic_load_explicit(groups, memory_order_acquire) < wanted; i++)
        if (i % LOOKS == LOOKS - 1)
            sched_yield();
}

static void no_words(const search_panel *p, int from, int to, int columns)
{
    for (int g = from; g < to; g++)
        memset(p->bits + (long)g * p->bits_ld + p->first, 0, (size_t)columns * sizeof(int));
}

/* The groups of frames at which a path can be in the panel. */
static void panel_run(search_panel *p, int groups, atomic_int *left, atomic_int *own)
{
    const int begin = p->first / GROUP;
    const int last = p->last - 1 + p->slack, end = last / GROUP + 1 < groups ? last / GROUP + 1
                                                                               : groups;
    const int left_end = p->first ? (p->first - 1 + p->slack) / GROUP + 1 : 0;
    float edge[GROUP + 1];

    p->carry = -INFINITY;
    if (p->first) {
        if (left)
            wait_for(left, begin);
        memcpy(&p->carry, p->bits + (begin - 1) * p->bits_ld + p->first + GROUP - 1,
               sizeof(p->carry));
    }
    no_words(p, 0, begin, p->last - p->first);
    for (int i = 0; i < MOST_PANEL; i++)
        p->sums[i] = -INFINITY;
    for (int g = begin; g < end; g++) {
        for (int f = 0; f <= GROUP; f++)
            edge[f] = -INFINITY;
        if (p->first && g < left_end) {
            if (left)
                wait_for(left, g + 1);
            take_edge(p, g, edge);
        } else if (!p->first && g == 0) {
            edge[0] = 0.0f; /* a path begins */
        }
        panel_group(p, g, edge);
        leave_edge(p, g, edge);
        atomic_store_explicit(own, g + 1, memory_order_release);
    }
    no_words(p, end, groups, p->last - p->first);
    atomic_store_explicit(own, DONE, memory_order_release);
}

static void search_item_panel(void *context, int index)
{
    search_job *j = context;
    const search_dims *d = j->d;
    const int b = (j->first + index) % d->B, first = (j->first + index) / d->B * j->panel;
    const int frames = j->run[d->frames * d->B + b], valid = j->run[d->text * d->B + b];
    const int text = valid < d->T ? valid : d->T, groups = (frames + GROUP - 1) / GROUP;
    const int next = first + j->panel < d->C ? first + j->panel : d->C;
    search_panel p = {
        .value = j->value + clvits_at(d->value, b, 0),
        .ld = d->value.ld,
        .end = (long)(frames - 1) * d->value.ld + d->T,
        .bits = j->bits + clvits_at(d->bits, b, 0),
        .bits_ld = d->bits.ld,
        .text = text,
        .slack = frames - text,
        .frames = frames,
        .first = first,
        .last = next < text ? next : text,
    };

    if (first == 0)
        clvits_zero_guard(j->bits, d->bits, b, groups, d->C);
    if (p.slack < 0 || first >= text)
        p.last = first;
    else
        panel_run(&p, groups, index >= d->B ? &j->groups[index - d->B] : NULL, &j->groups[index]);
    for (int g = 0; g < groups && p.last < next; g++)
        memset(p.bits + (long)g * p.bits_ld + p.last, 0, (size_t)(next - p.last) * sizeof(int));
    atomic_store_explicit(&j->groups[index], DONE, memory_order_release);
}

/* Wide panels read memory in long pieces; where there are few items, more of them run at once. */
static int panel_for(const search_dims *d, const int *run, int threads)
{
    const int wanted = (2 * threads + d->B - 1) / d->B;
    int frames = 1;

    for (int b = 0; b < d->B; b++)
        frames = run[d->frames * d->B + b] > frames ? run[d->frames * d->B + b] : frames;
    const int share = d->T / wanted, least = LEAST_CELLS / frames;
    const int columns = ((share > least ? share : least) + LEAST_PANEL - 1) / LEAST_PANEL;
    return columns < 1                         ? LEAST_PANEL
           : columns < MOST_PANEL / LEAST_PANEL ? columns * LEAST_PANEL
                                               : MOST_PANEL;
}

clvits_cpu_fn CLVITS_CPU_PATH(search);

void CLVITS_CPU_PATH(search)(const clvits_cpu_call *call)
{
    const search_dims *d = call->dims;
    search_job j = { d, call->run, call->in[0], call->out[0],
                     panel_for(d, call->run, clvits_pool_threads(call->pool)), 0, { 0 } };
    const int jobs = (d->C + j.panel - 1) / j.panel * d->B;

    for (; j.first < jobs; j.first += MOST_JOBS) {
        const int n = jobs - j.first < MOST_JOBS ? jobs - j.first : MOST_JOBS;
        for (int i = 0; i < n; i++)
            atomic_store(&j.groups[i], 0);
        clvits_pool_run(call->pool, n, search_item_panel, &j);
    }
}

typedef struct backtrack_job {
    const backtrack_dims *d;
    const int *run;
    const int *bits;
    int *y, *ends;
} backtrack_job;

static void backtrack_item(void *context, int b)
{
    const backtrack_job *j = context;
    const backtrack_dims *d = j->d;
    const int len = j->run[d->text * d->B + b], frames = j->run[d->frames * d->B + b];
    const int text = len < d->T ? len : d->T;
    const int *bits = j->bits + clvits_at(d->bits, b, 0);
    int end = text <= frames ? frames : 0;

    for (int t = text; t < len; t++) {
        j->y[clvits_at(d->y, b, t)] = 0;
        j->ends[clvits_at(d->ends, b, t)] = end;
    }
    for (int t = text - 1; t >= 0; t--) {
        const int begin = end ? search_begin(bits, d->bits.ld, t, end - 1) : 0;
        j->y[clvits_at(d->y, b, t)] = end - begin;
        j->ends[clvits_at(d->ends, b, t)] = end;
        end = begin;
    }
    clvits_zero_guard(j->y, d->y, b, len, 1);
    clvits_zero_guard(j->ends, d->ends, b, len, 1);
}

clvits_cpu_fn CLVITS_CPU_PATH(backtrack);

void CLVITS_CPU_PATH(backtrack)(const clvits_cpu_call *call)
{
    const backtrack_dims *d = call->dims;
    backtrack_job j = { d, call->run, call->in[0], call->out[0], call->out[1] };

    clvits_pool_run(call->pool, d->B, backtrack_item, &j);
}
