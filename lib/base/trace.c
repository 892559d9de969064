// SPDX-License-Identifier: MIT
#include "base/trace.h"

#include <pthread.h>
#include <time.h>

void clvits_trace_begin(clvits_trace *t, clvits_trace_fn fn, void *user)
{
    *t = (clvits_trace){ .fn = fn, .user = user, .thread = (uint64_t)(uintptr_t)pthread_self(),
                         .stage = "", .moving = "" };
    for (int i = 0; i < CLVITS_TRACE_PLACES; i++) {
        t->offset[i].least = INT64_MIN;
        t->offset[i].most = INT64_MAX;
    }
}

int64_t clvits_trace_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void clvits_trace_host(const clvits_report *r, int64_t start, const char *name, const char *label,
                       const char *options)
{
    if (!start)
        return;
    const clvits_trace *t = r->trace;
    const clvits_span span = { .kind = CLVITS_SPAN_HOST,
                               .place = -1,
                               .device = "",
                               .thread = t->thread,
                               .start = start,
                               .length = clvits_trace_clock() - start,
                               .name = name,
                               .stage = t->stage,
                               .label = label ? label : "",
                               .shape = "",
                               .kernel = "",
                               .options = options ? options : "",
                               .tuned = "",
                               .node = -1 };
    t->fn(t->user, &span);
}

void clvits_trace_cpu(const clvits_report *r, int64_t start)
{
    if (!start)
        return;
    const clvits_trace *t = r->trace;
    clvits_span span = t->node;

    span.thread = t->thread;
    span.stage = t->stage;
    span.shape = t->shape;
    span.start = start;
    span.length = clvits_trace_clock() - start;
    t->fn(t->user, &span);
}
