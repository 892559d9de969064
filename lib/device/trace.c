// SPDX-License-Identifier: MIT
//
// Device commands in traces: each leaves an event of the in-order queue, which goes on as it would
// without. Once the host has waited anyway, the events' times are read and reported.
//
// A command is queued between the moment before its enqueueing call and the one after it. Each
// event so bounds what separates the device's clock from the host's; the bounds of many meet
// within microseconds.
#include "device/device_impl.h"

#include <stdlib.h>
#include <string.h>

struct clvits_trace_command {
    clvits_device *device;
    cl_event event;
    int64_t before, after; /* on the host's clock, around the call that enqueued it */
    clvits_span span;
    char shape[CLVITS_TRACE_SHAPE];
};

static clvits_status make_room(clvits_trace *t, clvits_report *r)
{
    if (t->n_commands < t->capacity)
        return CLVITS_OK;
    const size_t capacity = 2 * t->capacity + 256;
    struct clvits_trace_command *more = realloc(t->commands, capacity * sizeof(*more));
    if (!more)
        return clvits_fail_memory(r, "a trace");
    t->commands = more;
    t->capacity = capacity;
    return CLVITS_OK;
}

clvits_status clvits_command_begin(clvits_command *c, clvits_device *d, cl_event **event,
                                   clvits_report *r)
{
    *c = (clvits_command){ .device = d, .before = clvits_trace_now(r) };
    *event = c->before && d->measure ? &c->event : NULL;
    return c->before ? make_room(r->trace, r) : CLVITS_OK;
}

static clvits_span describe(const clvits_trace *t, const char *kernel, const char *options,
                            const char *name, size_t size)
{
    clvits_span s = kernel ? t->node
                           : (clvits_span){ .kind = CLVITS_SPAN_COPY, .name = name,
                                            .label = t->moving, .bytes = (double)size,
                                            .node = -1 };
    s.kernel = kernel ? kernel : "";
    s.options = kernel ? options : "";
    s.tuned = kernel ? s.tuned : "";
    s.stage = t->stage;
    s.thread = t->thread;
    return s;
}

void clvits_command_keep(const clvits_command *c, const char *kernel, const char *options,
                         const char *name, size_t size, const clvits_report *r)
{
    clvits_trace *t = r ? r->trace : NULL;

    if (!c->before)
        return;
    struct clvits_trace_command *command = &t->commands[t->n_commands++];
    *command = (struct clvits_trace_command){ .device = c->device,
                                              .event = c->event,
                                              .before = c->before,
                                              .after = clvits_trace_clock(),
                                              .span = describe(t, kernel, options, name, size) };
    if (kernel)
        memcpy(command->shape, t->shape, sizeof(command->shape));
}

/* When the command was queued, started and ended by its device's clock; false: it does not say. */
static bool times_of(const struct clvits_trace_command *c, int64_t *queued, int64_t *start,
                     int64_t *end)
{
    const cl_profiling_info what[] = { CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_START,
                                       CL_PROFILING_COMMAND_END };
    int64_t *const out[] = { queued, start, end };

    if (!c->event || clWaitForEvents(1, &c->event) != CL_SUCCESS)
        return false;
    for (int i = 0; i < 3; i++) {
        cl_ulong ns;
        if (clGetEventProfilingInfo(c->event, what[i], sizeof(ns), &ns, NULL) != CL_SUCCESS)
            return false;
        *out[i] = (int64_t)ns;
    }
    return true;
}

static int place_of(const clvits_device *d)
{
    return d->place >= 0 && d->place < CLVITS_TRACE_PLACES ? d->place : 0;
}

static void bound_offset(clvits_trace *t, const struct clvits_trace_command *c)
{
    int64_t queued, start, end, *least = &t->offset[place_of(c->device)].least,
                                *most = &t->offset[place_of(c->device)].most;

    if (!times_of(c, &queued, &start, &end))
        return;
    if (c->before - queued > *most || c->after - queued < *least) { /* the clocks drift */
        *least = c->before - queued;
        *most = c->after - queued;
        return;
    }
    *least = c->before - queued > *least ? c->before - queued : *least;
    *most = c->after - queued < *most ? c->after - queued : *most;
}

static void emit(const clvits_trace *t, struct clvits_trace_command *c)
{
    const int place = place_of(c->device);
    int64_t queued, start = c->before, end = c->before - 1;

    if (times_of(c, &queued, &start, &end)) {
        const int64_t least = t->offset[place].least, most = t->offset[place].most;
        const int64_t offset = least + (most - least) / 2;
        start += offset;
        end += offset;
    }
    c->span.start = start;
    c->span.length = end - start;
    c->span.place = c->device->place;
    c->span.device = c->device->info.name;
    c->span.shape = c->shape;
    t->fn(t->user, &c->span);
}

void clvits_trace_collect(clvits_trace *t, const clvits_device *d)
{
    size_t kept = 0;

    if (!t)
        return;
    for (size_t i = 0; i < t->n_commands; i++)
        if (!d || t->commands[i].device == d)
            bound_offset(t, &t->commands[i]);
    for (size_t i = 0; i < t->n_commands; i++) {
        struct clvits_trace_command *c = &t->commands[i];
        if (d && c->device != d) {
            t->commands[kept++] = *c;
            continue;
        }
        emit(t, c);
        if (c->event)
            clReleaseEvent(c->event);
    }
    t->n_commands = kept;
}

void clvits_trace_end(clvits_trace *t)
{
    if (!t)
        return;
    clvits_trace_collect(t, NULL);
    free(t->commands);
    t->commands = NULL;
    t->n_commands = t->capacity = 0;
}
