// SPDX-License-Identifier: MIT
//
// Level (a): the ceilings of a place, measured on the spot.
#include "bench.h"

#include <string.h>

enum { BLOCK = 1 << 24, SMALL = 4096, QUEUED = 100 };

typedef struct device_work {
    bench *b;
    clvits_device *device;
    clvits_kernel *kernel;
    clvits_replay *replay;
    clvits_buffer *buffer;
    char host[BLOCK];
} device_work;

typedef clvits_status work_fn(device_work *w);

static clvits_status launch_wait(device_work *w)
{
    const clvits_status s = clvits_kernel_run(w->kernel, NULL, &w->b->report);
    return s ? s : clvits_device_finish(w->device, &w->b->report);
}

static clvits_status launch_many(device_work *w)
{
    clvits_status s = CLVITS_OK;
    for (int i = 0; i < QUEUED && !s; i++)
        s = clvits_kernel_run(w->kernel, NULL, &w->b->report);
    return s ? s : clvits_device_finish(w->device, &w->b->report);
}

static clvits_status replay_many(device_work *w)
{
    const clvits_status s = clvits_replay_run(w->replay, &w->b->report);
    return s ? s : clvits_device_finish(w->device, &w->b->report);
}

static clvits_status write_block(device_work *w)
{
    return clvits_buffer_write(w->buffer, 0, BLOCK, w->host, true, &w->b->report);
}

static clvits_status read_block(device_work *w)
{
    return clvits_buffer_read(w->buffer, 0, BLOCK, w->host, &w->b->report);
}

static clvits_status read_small(device_work *w)
{
    return clvits_buffer_read(w->buffer, 0, SMALL, w->host, &w->b->report);
}

static const struct {
    const char *name;
    work_fn *fn;
    double bytes;
    int times; /* what is reported is the time of one of so many */
} device_cases[] = {
    { "launch, of 100 replayed", replay_many, 0, QUEUED }, /* see replays() */
    { "launch and wait", launch_wait, 0, 1 },
    { "launch, of 100 queued", launch_many, 0, QUEUED },
    { "host to device, 16 MiB", write_block, BLOCK, 1 },
    { "device to host, 16 MiB", read_block, BLOCK, 1 },
    { "device to host, 4 KiB", read_small, SMALL, 1 },
};

static clvits_status prepare(device_work *w)
{
    static const int no_loops = 0;
    clvits_device *d = w->device;
    const bool gpu = clvits_device_get_info(d)->family == CLVITS_FAMILY_GPU;
    clvits_launch l = { .program = "peak", .kernel = "peak_mad", .dimensions = 1,
                        .global = { 1 }, .local = { 1 } };
    clvits_status s = clvits_buffer_make(&w->buffer, d, BLOCK, &w->b->report);
    clvits_buffer *buffers[] = { w->buffer, w->buffer };

    snprintf(l.options, sizeof(l.options), "-DWIDTH=%d", gpu ? 4 : 16);
    if (!s)
        s = clvits_kernel_make(&w->kernel, d, &l, &no_loops, sizeof(no_loops), buffers, 2,
                               &w->b->report);
    return s;
}

static void device_case(bench *b, device_work *w, int i)
{
    bench_record r = { .level = "machine", .verdict = "ok", .bytes = device_cases[i].bytes };
    const double start = bench_now();

    snprintf(r.name, sizeof(r.name), "%s", device_cases[i].name);
    if (!bench_record_begin(b, &r))
        return;
    clvits_status s = w->kernel ? CLVITS_OK : prepare(w);
    if (!s)
        s = device_cases[i].fn(w);
    while (!s && r.host.n < BENCH_MAX_RUNS &&
           (r.host.n < 5 || bench_now() - start < b->o->seconds)) {
        const double from = bench_now();
        s = device_cases[i].fn(w);
        r.host.sample[r.host.n++] = (bench_now() - from) / device_cases[i].times;
    }
    if (s)
        bench_note_failure(&r, &b->report);
    bench_send(b, &r);
}

static void release(device_work *w)
{
    clvits_replay_free(&w->replay);
    clvits_kernel_free(&w->kernel);
    clvits_buffer_free(&w->buffer);
}

/* Launches recorded, on a device that can, whether or not that is the rule there. */
static void replays(bench *b, device_work *w)
{
    clvits_kernel *kernels[QUEUED];
    clvits_status s = bench_open_device(b, false, CLVITS_RECORD_ON, &w->device);

    if (!s && clvits_device_records(w->device))
        s = prepare(w);
    for (int i = 0; i < QUEUED; i++)
        kernels[i] = w->kernel;
    if (!s && w->kernel)
        clvits_replay_make(&w->replay, kernels, QUEUED, &b->report);
    if (w->replay)
        device_case(b, w, 0);
    release(w);
    clvits_device_close(&w->device);
    clvits_report_clear(&b->report);
}

static void nothing(void *context, int i)
{
    (void)context;
    (void)i;
}

static void pool_case(bench *b)
{
    bench_record r = { .level = "machine", .name = "wake all threads", .verdict = "ok" };

    if (!bench_record_begin(b, &r))
        return;
    for (; r.host.n < BENCH_MAX_RUNS; r.host.n++) {
        const double from = bench_now();
        clvits_pool_run(b->machine.cpu.pool, clvits_pool_threads(b->machine.cpu.pool), nothing,
                        NULL);
        r.host.sample[r.host.n] = bench_now() - from;
    }
    bench_send(b, &r);
}

void bench_machine(bench *b)
{
    static device_work work; /* 16 MiB that one worker uses */
    device_work *w = &work;

    if (bench_record_begin(b, &b->mad))
        bench_send(b, &b->mad);
    if (bench_record_begin(b, &b->half))
        bench_send(b, &b->half);
    if (bench_record_begin(b, &b->copy))
        bench_send(b, &b->copy);
    if (b->machine.n_places < 2) {
        pool_case(b);
        return;
    }
    w->b = b;
    w->device = b->machine.device[1];
    for (int i = 1; i < LENGTH(device_cases); i++)
        device_case(b, w, i);
    release(w);
    replays(b, w);
}
