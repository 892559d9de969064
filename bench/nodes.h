// SPDX-License-Identifier: MIT
//
// Every node that runs when a voice speaks, or a check compares, in every way to run them.
#ifndef CLVITS_BENCH_NODES_H
#define CLVITS_BENCH_NODES_H

#include "op/op.h"

/** A way in which voices can run. */
typedef struct nodes_way {
    const char *name; /* behind a voice's; "" for the usual one */
    int halves;       /* CLVITS_HALF_* */
    bool transformed; /* every convolution that can be, as rows of the tuning could have it */
} nodes_way;

enum { NODES_WAYS = 4 };
extern const nodes_way nodes_ways[NODES_WAYS];

/** What every GPU has; operators ask for no more. To be described, clvits_device_describe(). */
extern const clvits_device_info nodes_gpu;

/** Let a device choose launches that way from now on. */
void nodes_choose(clvits_device *device, const nodes_way *way);

/** Receives a node. */
typedef void (*nodes_fn)(void *user, const clvits_node *n);

/** Those of the stages of a voice of voice.h, made for as many frames as a usual window of the
 *  decoder adds, about six seconds: the decoder has its context on top, the flow has not. fn may
 *  fail the report. */
clvits_status nodes_of_voice(int voice, const nodes_way *way, nodes_fn fn, void *user,
                             clvits_report *r);

/** Those of a check, by its number. */
clvits_status nodes_of_check(int check, const nodes_way *way, nodes_fn fn, void *user,
                             clvits_report *r);

#endif
