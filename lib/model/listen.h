// SPDX-License-Identifier: MIT
//
// Speech to what the model makes of it: an engine's stages in the other direction, window by
// window. What a device fails in is done without it, as when an engine speaks. Any number of
// threads may listen with one engine at once.
#ifndef CLVITS_MODEL_LISTEN_H
#define CLVITS_MODEL_LISTEN_H

#include "model/engine_task.h"

/** What is heard, of which there is a frame at least, and how; the caller's. */
typedef struct clvits_heard {
    const float *samples; /* n of them, at the voice's rate; all are numbers */
    int64_t n;
    int sid;              /* who speaks */
    int target;           /* to revoice: who is to be heard, */
    uint64_t seed;        /* and how the posterior is drawn from: */
    float noise_scale;    /* 0: its mean */
    const atomic_int *cancel; /* NULL, or ends the call when it is not 0 */
    unsigned *barred;         /* NULL, or places that had no memory, as bits, for calls to come */
} clvits_heard;

/** A call in progress. */
typedef struct clvits_listening {
    clvits_engine *e;
    const clvits_heard *in;
    int frames;
    int before, after; /* context of a frame, at most */
    bool revoice;
    unsigned barred;   /* places to do without, as bits */
    unsigned accused;  /* of these, those that this distrusts for what is no number */
    bool numberless;   /* what failed last did so in that */
    bool trimmed;      /* has given its pool's memory back */
    bool decoding;     /* what runs, or is made ready to, is the decoder */
    int level;         /* of clvits_task_levels */
    clvits_loan listen, wave, other;
} clvits_listening;

/** Begin, and end with what is on loan given back. */
void clvits_listening_begin(clvits_listening *l, clvits_engine *e, const clvits_heard *in,
                            bool revoice);
void clvits_listening_end(clvits_listening *l);

/** How many frames are listened to at once: to revoice, a window and its context at least. */
int clvits_listening_block(const clvits_listening *l);

/** Capacity of the decoder for its windows, their contexts aside. */
int clvits_listening_capacity(const clvits_listening *l);

/** Compute the rows of z (stage listen) of frames [at, end), and read them. */
clvits_status clvits_listening_window(clvits_listening *l, float *z, int at, int end,
                                      clvits_report *r);

/** Whether what failed can be done again, otherwise: what is on loan is given back. */
bool clvits_listening_recover(clvits_listening *l, clvits_report *r);

/** Fail unless all are numbers: a device that made others is named by the report. */
clvits_status clvits_listening_check(clvits_listening *l, const clvits_loan *made, const float *x,
                                     int64_t n, clvits_report *r);

/** z_p, [frames][inter], of all that is heard, at the posterior's mean. */
clvits_status clvits_engine_listen(clvits_engine *e, float *z_p, const clvits_heard *in,
                                   clvits_report *r);

/** The prior of a text's ids, [n_ids][2 * inter], for what is heard; of the item, only ids, sid and
 *  lids count. */
clvits_status clvits_engine_prior(clvits_engine *e, float *stats, const clvits_item *item,
                                  const clvits_heard *in, clvits_report *r);

/** How many of the frames of what is heard each id has, by the likeliest path; frames are at least
 *  as many as ids. */
clvits_status clvits_engine_align(clvits_engine *e, int32_t *durations, const float *z_p,
                                  const float *stats, int n_ids, const clvits_heard *in,
                                  clvits_report *r);

/** Say again what is heard in the target's voice, in windows, in order: frames * hop samples. */
clvits_status clvits_engine_revoice(clvits_engine *e, const clvits_heard *in,
                                    clvits_status (*wave)(void *user, const float *samples, int n,
                                                          clvits_report *r),
                                    void *user, clvits_report *r);

/** Whether the voice can hear that: it has a posterior encoder, and the samples are numbers, of a
 *  frame at least and clvits_listen_limit() at most. */
clvits_status clvits_listen_check(const struct clvits_voice *v, const float *samples, size_t n,
                                  clvits_report *r);

#endif
