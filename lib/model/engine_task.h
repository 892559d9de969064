// SPDX-License-Identifier: MIT
//
// A batch on its way through the engine: the stages that its items pass, some of them at a time.
#ifndef CLVITS_MODEL_ENGINE_TASK_H
#define CLVITS_MODEL_ENGINE_TASK_H

#include "model/engine.h"
#include "model/stage_pool.h"

enum {
    CLVITS_TASK_ITEMS = 16, /* computed at once */
    CLVITS_TASK_WINDOWS = 4, /* wide windows that a GPU computes at once, at most */
    CLVITS_TASK_WIDE = 0,   /* a level for GPUs that have memory for it: few launches, each large */
    CLVITS_TASK_USUAL = 1,  /* elsewhere, since threads wait for each other at each layer's end */
    CLVITS_TASK_SMALL = 2,  /* what a GPU begins with however little memory it has; the others are
                               for what did not fit then */
    CLVITS_TASK_LEVELS = 5,
};

/** Frames that a window of the decoder adds, and a block of the flow, whose context is longer and
 *  work is less; their context comes on top. Then the least that a plan is made for. */
typedef struct clvits_task_level {
    int window, block, least;
} clvits_task_level;
extern const clvits_task_level clvits_task_levels[CLVITS_TASK_LEVELS];

struct clvits_engine {
    clvits_config config;
    const clvits_machine *machine;
    clvits_stage_pool *pool;
    int before, after;           /* the decoder's context in frames, at most */
    int flow_before, flow_after; /* the flow's, at most */
    atomic_int level;            /* that devices have had memory for */
    atomic_int too_many;         /* ids, batch times capacity, from which on not; 0: none */
    atomic_uint too_many_for;    /* places that this is so of, as bits */
    atomic_int most;             /* items at once, likewise; 0: as many as are efficient */
    atomic_uint too_small;       /* places with less memory than weights take, as bits */
    atomic_int calm, patience;   /* batches since devices were short of memory; for how many more
                                    level, too_many and most stand before more is tried */
};

typedef struct clvits_task {
    const clvits_engine *e;
    const clvits_sink *sink;
    clvits_item *items; /* the whole batch */
    clvits_loan text, latent, wave;
    /* What the text stage holds, slot by slot. */
    clvits_item *item[CLVITS_TASK_ITEMS];
    int n;
    int ids;   /* the text's capacity */
    bool told; /* the durations were */
    bool in_text; /* what runs, or is made ready to, is the text stage, perhaps once more */
    /* Of these, what the other stages hold: the slots of the text stage, slot by slot. */
    int now[CLVITS_TASK_ITEMS];
    int n_now;
    int frames;     /* of the longest of them */
    int longest, longest_block; /* stretches of them that the decoder and the flow had so far, or
                                   would have, as long as it is looked for room */
    int wide;       /* wide windows that their device is given at once, where that is a GPU that has
                       more to do than one short item, and memory is not short; else 0 */
    int z_first;    /* the frame of the latent's row 0 */
    int z_from, z_end; /* rows of it that the decoder reads, all that are made */
    int at, end;    /* the window under way, frame by frame, */
    int row0;       /* the frame of its row 0, */
    int block_end;  /* and where what the latent holds of it ends */
    float *samples; /* of a window, */
    size_t room;    /* of each item so many */
    int window;     /* frames that it has at most */
    int soon;       /* frames of the first window; 0: as many as are efficient */
    int level;         /* of clvits_task_levels */
    int less;          /* of these, how many this batch alone goes further down */
    unsigned barred;   /* places to do without, as bits */
    unsigned accused;  /* of these, those that this distrusts for what is no number */
    bool numberless;   /* what failed last did so in that */
    bool trimmed;    /* has given its pool's memory back */
    bool wave_elsewhere, latent_elsewhere; /* take nothing of the device that failed last */
    bool ended;      /* an item did before its samples */
    int32_t *ends;   /* of items' ids, when the durations were computed elsewhere */
} clvits_task;

/** What stages the task needs: for its items; for a stretch of `frames`, and their context. */
clvits_stage_size clvits_task_text_size(const clvits_task *t);
clvits_stage_size clvits_task_latent_size(const clvits_task *t, int frames);
clvits_stage_size clvits_task_wave_size(const clvits_task *t, int frames);

/** Capacity of a text stage for so many ids. */
int clvits_task_ids_for(int n);

/** Capacity of a stage for a stretch of so many frames. */
int clvits_task_frames_for(int level, int n);

/** And for so many items. */
int clvits_task_slots_for(int n);

/** Capacity for the longest stretch of an item of so many frames; what has the same is placed alike
 *  by cost. */
int clvits_task_kind(int level, int frames);

/** Frames that the decoder has at a time at a level, at most: who asks for pieces gets those, but
 *  not where memory is short. */
int clvits_task_window(const clvits_task *t, int level);

/** Frames that the decoder has at once at a level, of all items, their contexts aside. */
int clvits_task_at_once(const clvits_task *t, int level);

/** What the items under way take: the capacities of the decoder and of the flow, in frames, and how
 *  many items there are at once. Now; and at a level that is gone to because memory is short. */
typedef struct clvits_task_needs {
    int wave, latent, items;
} clvits_task_needs;
clvits_task_needs clvits_task_needs_now(const clvits_task *t);
clvits_task_needs clvits_task_needs_at(const clvits_task *t, int level);

/** The first level at which they take less than now of a device that had no memory;
 *  CLVITS_TASK_LEVELS: there is none. Windows make no difference where the decoder runs elsewhere,
 *  nor blocks where the flow does. */
int clvits_task_next_level(const clvits_task *t);

/** An item has ended before its samples did, by what the report says; OK: the others go on. */
clvits_status clvits_task_end_item(clvits_task *t, clvits_item *item, clvits_report *r);

/**
 * The device that a failure is of, by its place's bit; 0: it is of none, or of one that the call
 * does without already. What the pool keeps is given back.
 *
 * @param barred       places that the call does without
 * @param[out] memory  it had none; else it is distrusted from now on
 */
unsigned clvits_task_blame(const clvits_engine *e, unsigned barred, bool *memory,
                           clvits_report *r);

/** Go on without a place that has no memory, which barred then has. enough: bytes that would be, or
 *  0 where that is not known. */
void clvits_task_bar(const clvits_engine *e, unsigned *barred, unsigned place, size_t enough,
                     const clvits_report *r);

/** Whether a loan takes memory of the device that a report names. */
bool clvits_task_takes_of(const clvits_engine *e, const clvits_loan *l, const clvits_report *r);

/** Whether no window is small enough, since the weights alone are more than the device has. */
bool clvits_task_is_hopeless(const clvits_engine *e, unsigned place, const clvits_report *r);

/** The CPU path makes no numbers either, so it is the voice: trust the places again that were
 *  accused of that, and of nothing else by others. */
void clvits_task_take_back(const clvits_machine *m, unsigned *accused, const clvits_report *r);

/** Compute durations, and tell them unless that was done, with a text stage on loan. */
clvits_status clvits_task_text(clvits_task *t, clvits_report *r);

/** Compute what the sink does not have yet of the items in t->now. */
clvits_status clvits_task_frames(clvits_task *t, clvits_report *r);

#endif
