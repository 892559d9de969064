// SPDX-License-Identifier: MIT
#include "device/device_impl.h"

#include <stdio.h>
#include <stdlib.h>

static void give_bytes(clvits_device *d, size_t size)
{
    atomic_fetch_sub(&d->bytes, size);
    if (d->taken)
        atomic_fetch_sub(d->taken, size);
}

/* Counts them unless that is more than the device, with those that it shares with, may have: also
 * not for a moment, in which another thread would find too little left. */
static bool take_bytes(clvits_device *d, size_t size)
{
    atomic_size_t *all = d->taken ? d->taken : &d->bytes;
    size_t had = atomic_load(all);

    do {
        if (d->memory && (size > d->memory || had > d->memory - size))
            return false;
    } while (!atomic_compare_exchange_weak(all, &had, had + size));
    const size_t now = (d->taken ? atomic_fetch_add(&d->bytes, size) : had) + size;
    size_t peak = atomic_load(&d->peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&d->peak_bytes, &peak, now))
        ;
    return true;
}

static void add_buffer(clvits_buffer *b)
{
    clvits_device *d = b->device;

    pthread_mutex_lock(&d->buffer_lock);
    b->older = d->newest;
    *(b->older ? &b->older->newer : &d->oldest) = b;
    d->newest = b;
    pthread_mutex_unlock(&d->buffer_lock);
}

static void remove_buffer(clvits_buffer *b)
{
    clvits_device *d = b->device;

    pthread_mutex_lock(&d->buffer_lock);
    *(b->older ? &b->older->newer : &d->oldest) = b->newer;
    *(b->newer ? &b->newer->older : &d->newest) = b->older;
    pthread_mutex_unlock(&d->buffer_lock);
}

/* Under the lock, so that nobody releases it meanwhile. */
bool clvits_buffers_can_be_read(clvits_device *d)
{
    unsigned char byte;

    pthread_mutex_lock(&d->buffer_lock);
    const bool can = !d->oldest || clEnqueueReadBuffer(d->queue, d->oldest->memory, CL_TRUE, 0, 1,
                                                       &byte, 0, NULL, NULL) == CL_SUCCESS;
    pthread_mutex_unlock(&d->buffer_lock);
    return can;
}

static clvits_status too_much(const clvits_device *d, size_t size, clvits_report *r)
{
    clvits_device_blame(d, r);
    return clvits_fail(r, CLVITS_E_MEMORY,
                       "%s: a buffer of %zu bytes on top of %zu is more than the limit of %zu",
                       d->info.name, size, atomic_load(d->taken ? d->taken : &d->bytes), d->memory);
}

static void release(clvits_buffer *b)
{
    give_bytes(b->device, b->size);
    clReleaseMemObject(b->memory);
    free(b);
}

/* Listed once it is cleared: until then a driver may have no memory for it yet, and that it cannot
 * be read says nothing of the device. */
clvits_status clvits_buffer_make(clvits_buffer **out, clvits_device *d, size_t size,
                                 clvits_report *r)
{
    cl_int e;

    *out = NULL;
    if (size > d->info.max_alloc) {
        clvits_device_blame(d, r);
        return clvits_fail(r, CLVITS_E_MEMORY,
                           "%s: a buffer of %zu bytes is more than the %zu that the device allows",
                           d->info.name, size, d->info.max_alloc);
    }
    clvits_buffer *b = calloc(1, sizeof(*b));
    if (!b)
        return clvits_fail_memory(r, "a buffer");
    b->device = d;
    b->size = size ? size : 4;
    if (!take_bytes(d, b->size)) {
        free(b);
        return too_much(d, size, r);
    }
    b->memory = clCreateBuffer(d->context, CL_MEM_READ_WRITE, b->size, NULL, &e);
    if (e != CL_SUCCESS) {
        give_bytes(d, b->size);
        free(b);
        return clvits_cl_fail(r, d, "cannot allocate a buffer", e);
    }
    const clvits_status s = clvits_buffer_zero(b, 0, b->size, r);
    if (s) {
        release(b);
        return s;
    }
    add_buffer(b);
    *out = b;
    return CLVITS_OK;
}

void clvits_buffer_free(clvits_buffer **buffer)
{
    clvits_buffer *b = *buffer;
    if (!b)
        return;
    remove_buffer(b);
    release(b);
    *buffer = NULL;
}

size_t clvits_buffer_size(const clvits_buffer *b)
{
    return b ? b->size : 0;
}

/* What came of enqueueing a transfer. */
static clvits_status result(const clvits_command *c, const char *name, size_t size, cl_int e,
                            clvits_report *r)
{
    char what[64];

    if (e == CL_SUCCESS) {
        clvits_command_keep(c, NULL, NULL, name, size, r);
        return CLVITS_OK;
    }
    snprintf(what, sizeof(what), "cannot %s a buffer", name);
    return clvits_cl_fail(r, c->device, what, e);
}

clvits_status clvits_buffer_write(clvits_buffer *b, size_t offset, size_t size, const void *src,
                                  bool wait, clvits_report *r)
{
    clvits_command c;
    cl_event *event;

    if (!size)
        return CLVITS_OK;
    const clvits_status s = clvits_command_begin(&c, b->device, &event, r);
    if (s)
        return s;
    return result(&c, "write", size,
                  clEnqueueWriteBuffer(b->device->queue, b->memory, wait ? CL_TRUE : CL_FALSE,
                                       offset, size, src, 0, NULL, event), r);
}

clvits_status clvits_buffer_read(clvits_buffer *b, size_t offset, size_t size, void *dst,
                                 clvits_report *r)
{
    clvits_command c;
    cl_event *event;

    if (!size)
        return CLVITS_OK;
    clvits_status s = clvits_command_begin(&c, b->device, &event, r);
    if (s)
        return s;
    s = result(&c, "read", size,
               clEnqueueReadBuffer(b->device->queue, b->memory, CL_TRUE, offset, size, dst, 0, NULL,
                                   event), r);
    if (c.before) {
        clvits_trace_host(r, c.before, "wait and read", r->trace->moving, NULL);
        clvits_trace_collect(r->trace, b->device);
    }
    return s;
}

clvits_status clvits_buffer_copy(clvits_buffer *dst, size_t dst_offset, clvits_buffer *src,
                                 size_t src_offset, size_t size, clvits_report *r)
{
    clvits_command c;
    cl_event *event;

    if (!size)
        return CLVITS_OK;
    const clvits_status s = clvits_command_begin(&c, dst->device, &event, r);
    if (s)
        return s;
    return result(&c, "copy", size,
                  clEnqueueCopyBuffer(dst->device->queue, src->memory, dst->memory, src_offset,
                                      dst_offset, size, 0, NULL, event), r);
}

clvits_status clvits_buffer_zero(clvits_buffer *b, size_t offset, size_t size, clvits_report *r)
{
    const cl_uint zero = 0;
    clvits_command c;
    cl_event *event;

    if (!size)
        return CLVITS_OK;
    const clvits_status s = clvits_command_begin(&c, b->device, &event, r);
    if (s)
        return s;
    return result(&c, "clear", size,
                  clEnqueueFillBuffer(b->device->queue, b->memory, &zero,
                                      (offset | size) % sizeof(zero) ? 2 : sizeof(zero), offset,
                                      size, 0, NULL, event), r);
}
