// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_TRACE_H
#define CLVITS_BASE_TRACE_H

#include "base/status.h"

#include <clvits/trace.h>

#include <stddef.h>

enum { CLVITS_TRACE_SHAPE = 128, CLVITS_TRACE_PLACES = 8 };

/**
 * The trace of one public call, reached through its report; used by the calling thread alone, so
 * nothing is locked. Without one the report's trace is NULL, and that is all that is looked at.
 *
 * Commands of devices wait here for their times: lib/device/trace.c.
 */
typedef struct clvits_trace {
    clvits_trace_fn fn;
    void *user;
    uint64_t thread;
    const char *stage;  /* for all spans from here on */
    const char *moving; /* label of the copies from here on */
    clvits_span node;   /* the node that is about to run */
    char shape[CLVITS_TRACE_SHAPE];
    struct clvits_trace_command *commands;
    size_t n_commands, capacity;
    /* Bounds of what to add to a device's clock to have the host's. */
    struct {
        int64_t least, most;
    } offset[CLVITS_TRACE_PLACES];
} clvits_trace;

/** Begin a trace of the calling thread. */
void clvits_trace_begin(clvits_trace *t, clvits_trace_fn fn, void *user);

/** Nanoseconds on the monotonic clock. */
int64_t clvits_trace_clock(void);

/** When something starts: the clock, or 0 where nothing is traced. */
static inline int64_t clvits_trace_now(const clvits_report *r)
{
    return r && r->trace ? clvits_trace_clock() : 0;
}

/** The host did this since then; nothing when start is 0. label and options may be NULL. */
void clvits_trace_host(const clvits_report *r, int64_t start, const char *name, const char *label,
                       const char *options);

/** The CPU path ran the trace's node since then; nothing when start is 0. */
void clvits_trace_cpu(const clvits_report *r, int64_t start);

static inline void clvits_trace_stage(const clvits_report *r, const char *stage)
{
    if (r->trace)
        r->trace->stage = stage;
}

static inline void clvits_trace_moving(const clvits_report *r, const char *label)
{
    if (r->trace)
        r->trace->moving = label;
}

#endif
