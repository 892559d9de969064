// SPDX-License-Identifier: MIT
//
// How much of a batch is computed at once, and the capacities of the stages that do it.
#include "model/engine_task.h"

#include "base/least.h"

enum { MOST = 1024 }; /* frames in a piece */

const clvits_task_level clvits_task_levels[CLVITS_TASK_LEVELS] = {
    [CLVITS_TASK_WIDE] = { 1024, 1024, 64 },
    [CLVITS_TASK_USUAL] = { 512, 1024, 64 },
    [CLVITS_TASK_SMALL] = { 256, 1024, 64 },
    { 64, 256, 64 },
    { 16, 64, 16 },
};

/* The smallest of 64, 128, 256 ... that holds n: few plans serve all texts. */
int clvits_task_ids_for(int n)
{
    int ids = CLVITS_STAGE_IDS;
    while (ids < n)
        ids *= 2;
    return ids;
}

/* The same for frames, in greater steps while they are few: rows that are not used cost little but
 * memory. */
int clvits_task_frames_for(int level, int n)
{
    int frames = clvits_task_levels[level].least;
    while (frames < n)
        frames *= frames < clvits_task_levels[CLVITS_TASK_SMALL].window ? 4 : 2;
    return frames;
}

/* Slots that stay empty cost as little. */
int clvits_task_slots_for(int n)
{
    int slots = 1;
    while (slots < n)
        slots *= 4;
    return slots;
}

int clvits_task_kind(int level, int frames)
{
    return clvits_task_frames_for(level, clvits_least(frames, clvits_task_levels[level].block));
}

int clvits_task_window(const clvits_task *t, int level)
{
    const int window = clvits_task_levels[level].window;
    const int most = clvits_least(t->sink->most, MOST);

    return !most ? window : level < CLVITS_TASK_SMALL ? most : clvits_least(most, window);
}

/* One window; or so many wide ones as a GPU is given, or of others what one of these has. */
int clvits_task_at_once(const clvits_task *t, int level)
{
    const int wide = clvits_task_levels[CLVITS_TASK_WIDE].window;
    const int window = clvits_task_levels[level].window;

    return !t->wide                    ? window
           : level == CLVITS_TASK_WIDE ? t->wide * wide
                                       : clvits_least(CLVITS_TASK_WINDOWS * window, wide);
}

static clvits_task_needs needs_of(const clvits_task *t, int level, int items)
{
    const int most = clvits_least(t->longest, clvits_task_window(t, level));

    return (clvits_task_needs){
        .wave = clvits_task_frames_for(level, most),
        .latent = clvits_task_kind(level, t->longest_block),
        .items = items,
    };
}

clvits_task_needs clvits_task_needs_now(const clvits_task *t)
{
    return needs_of(t, t->level, t->n_now);
}

/* Where memory is short, one window's frames at once: at each level these are fewer than at the one
 * before, and so are the items that share them, or as many. */
clvits_task_needs clvits_task_needs_at(const clvits_task *t, int level)
{
    const int window = clvits_task_levels[level].window;
    const int kind = clvits_task_kind(level, clvits_least(t->frames, window));
    const int size = clvits_least(kind, window);
    int items = t->n_now;

    while (items > 1 && clvits_task_slots_for(items) * size > window)
        items--;
    return needs_of(t, level, items);
}

static bool takes_less(const clvits_task *t, int level)
{
    const clvits_task_needs a = clvits_task_needs_at(t, level), b = clvits_task_needs_now(t);

    return (!t->wave_elsewhere && (a.wave < b.wave || a.items < b.items)) ||
           (!t->latent_elsewhere && (a.latent < b.latent || a.items < b.items));
}

/* That may be the level itself, by fewer items than a GPU is given while nothing is short: that it
 * is, the first level does not say. */
int clvits_task_next_level(const clvits_task *t)
{
    int level = clvits_most(t->wide ? t->level : t->level + 1, CLVITS_TASK_WIDE + 1);

    while (level < CLVITS_TASK_LEVELS && !takes_less(t, level))
        level++;
    return level;
}

clvits_stage_size clvits_task_text_size(const clvits_task *t)
{
    return (clvits_stage_size){ .kind = CLVITS_STAGE_TEXT, .batch = clvits_task_slots_for(t->n),
                                .ids = t->ids,
                                .barred = t->barred };
}

clvits_stage_size clvits_task_latent_size(const clvits_task *t, int frames)
{
    const clvits_engine *e = t->e;
    const int context = e->before + e->after + e->flow_before + e->flow_after;
    return (clvits_stage_size){ .kind = CLVITS_STAGE_LATENT,
                                .batch = clvits_task_slots_for(t->n_now),
                                .ids = t->ids,
                                .frames = context + clvits_task_frames_for(
                                                        t->level, clvits_least(frames, MOST)),
                                .placed_for = clvits_task_kind(t->level, t->frames) + context,
                                .context = context,
                                .barred = t->barred };
}

clvits_stage_size clvits_task_wave_size(const clvits_task *t, int frames)
{
    const int context = t->e->before + t->e->after;
    const int window = clvits_least(t->frames, clvits_task_levels[t->level].window);
    return (clvits_stage_size){ .kind = CLVITS_STAGE_WAVE, .batch = clvits_task_slots_for(t->n_now),
                                .frames = context + clvits_task_frames_for(
                                                        t->level, clvits_least(frames, MOST)),
                                .placed_for = clvits_task_frames_for(t->level, window) + context,
                                .context = context,
                                .barred = t->barred };
}
