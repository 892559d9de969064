// SPDX-License-Identifier: MIT
//
// What a place can do at most: independent multiply-adds in registers, and copies between two
// buffers that no cache holds.
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOPS = 1 << 15, CHAINS = 12, REPEATS = 7, PEAK_REPEATS = 40 };
#define MORE_SECONDS 0.1 /* beyond REPEATS: a CPU device's are short and mostly disturbed */
enum { JOBS_EACH = 8 }; /* of a thread: where one of four is kept away, the others take its jobs */
enum { COPY_BYTES = 1 << 27, LEAST_BYTES = 1 << 20 }; /* of a copy, and where memory is short */

/* CHAINS vectors, each multiplied and added to itself: enough to hide the latency. */
#define CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define START(i) VECTOR a##i = m * (float)(i + 1);
#define STEP(i) a##i = a##i * m + c;
#define TOTAL(i) s += a##i;
#define MADS(NAME, TARGET)                                                                        \
    TARGET static float NAME(void)                                                                \
    {                                                                                             \
        const volatile float half = 0.5f;                                                         \
        const VECTOR m = (VECTOR){ 0 } + half, c = m;                                             \
        CHAIN(START)                                                                              \
        for (int i = 0; i < LOOPS; i++) {                                                         \
            CHAIN(STEP)                                                                           \
        }                                                                                         \
        VECTOR s = { 0 };                                                                         \
        CHAIN(TOTAL)                                                                              \
        float total = 0.0f;                                                                       \
        for (size_t i = 0; i < sizeof(s) / sizeof(float); i++)                                    \
            total += s[i];                                                                        \
        return total;                                                                             \
    }

typedef float vector4 __attribute__((vector_size(16)));
#define VECTOR vector4
MADS(mads_4, )
#undef VECTOR
#if defined(__x86_64__)
typedef float vector8 __attribute__((vector_size(32)));
typedef float vector16 __attribute__((vector_size(64)));
#define VECTOR vector8
MADS(mads_8, __attribute__((target("avx2,fma"))))
#undef VECTOR
#define VECTOR vector16
MADS(mads_16, __attribute__((target("avx512f"))))
#undef VECTOR
#endif

typedef struct cpu_job {
    int vector;
    char *from, *to;
    size_t piece;
} cpu_job;

static void multiply(void *context, int i)
{
    const cpu_job *j = context;
#if defined(__x86_64__)
    const volatile float sink = j->vector == 16 ? mads_16() : j->vector == 8 ? mads_8() : mads_4();
#else
    const volatile float sink = mads_4();
    (void)j;
#endif
    (void)sink;
    (void)i;
}

static void move(void *context, int i)
{
    const cpu_job *j = context;
    memcpy(j->to + (size_t)i * j->piece, j->from + (size_t)i * j->piece, j->piece);
}

void bench_peak_again(bench *b)
{
    const int n = JOBS_EACH * clvits_pool_threads(b->machine.cpu.pool);
    cpu_job j = { .vector = b->machine.cpu.table->vector };
    const double work = 2.0 * LOOPS * CHAINS * (double)j.vector * n, before = b->peak_seen;
    double best = 1e30;

    if (b->machine.n_places > 1)
        return;
    for (int i = 0; i < PEAK_REPEATS; i++) {
        const double start = bench_now();
        clvits_pool_run(b->machine.cpu.pool, n, multiply, &j);
        best = fmin(best, bench_now() - start);
    }
    b->peak_seen = work / best;
    b->peak_flops = fmax(b->peak_seen, before);
}

void bench_roofline(const bench *b, bench_record *r)
{
    const bool halves = r->half_sums && b->machine.halves & CLVITS_HALF_SUMS;
    const double peak = halves ? b->peak_half : b->peak_flops;
    const double median = bench_statistics(r->device.n ? &r->device : &r->host).median;

    if (peak <= 0.0 || b->peak_bytes <= 0.0 || median <= 0.0)
        return;
    r->roofline = fmax(r->flops / peak, r->bytes / b->peak_bytes) / median;
    r->peak_flops = peak;
    r->peak_bytes = b->peak_bytes;
}

static clvits_status cpu_peak(bench *b)
{
    const int n = clvits_pool_threads(b->machine.cpu.pool);
    cpu_job j = { .vector = b->machine.cpu.table->vector, .piece = COPY_BYTES / (size_t)n };

    j.from = calloc(2, COPY_BYTES);
    if (!j.from)
        return clvits_fail_memory(&b->report, "two buffers to copy between");
    j.to = j.from + COPY_BYTES;
    memset(j.from, 1, 2 * (size_t)COPY_BYTES);
    for (int i = 0; i < REPEATS; i++) {
        const double start = bench_now();
        clvits_pool_run(b->machine.cpu.pool, n, move, &j);
        b->copy.host.sample[b->copy.host.n++] = bench_now() - start;
    }
    free(j.from);
    b->copy.bytes = 2.0 * (double)j.piece * n;
    for (int i = 0; i < BENCH_MAX_RUNS; i++) {
        const double start = bench_now();
        clvits_pool_run(b->machine.cpu.pool, JOBS_EACH * n, multiply, &j);
        b->mad.host.sample[b->mad.host.n++] = bench_now() - start;
    }
    b->mad.flops = 2.0 * LOOPS * CHAINS * (double)j.vector * JOBS_EACH * n;
    return CLVITS_OK;
}

typedef struct device_peak {
    clvits_buffer *from, *to;
} device_peak;

static clvits_status time_kernel(bench *b, const clvits_launch *l, int n, device_peak *p,
                                 bench_times *out)
{
    clvits_kernel *k = NULL;
    clvits_buffer *buffers[] = { p->from, p->to };
    double ns = 0.0;
    clvits_status s = clvits_kernel_make(&k, b->machine.device[1], l, &n, sizeof(n), buffers, 2,
                                         &b->report);

    if (!s)
        s = clvits_kernel_run(k, &ns, &b->report); /* the first one's time is the compiler's */
    const double begin = bench_now();
    for (out->n = 0; out->n < PEAK_REPEATS && !s; out->n++) {
        const double start = bench_now();
        if (out->n >= REPEATS && start - begin > MORE_SECONDS)
            break;
        s = clvits_kernel_run(k, &ns, &b->report);
        const double wall = bench_now() - start;
        /* Some drivers note when a kernel was handed on, not when it ran. */
        b->no_events |= wall > 1e-3 && ns * 1e-9 < 0.02 * wall;
        out->sample[out->n] = b->no_events ? wall : ns * 1e-9;
    }
    clvits_kernel_free(&k);
    return s;
}

/* A driver may offer what its compiler then refuses: that costs this row alone. */
static void half_peak(bench *b, clvits_launch l, int loops, device_peak *p)
{
    l.kernel = "peak_mad_half";
    snprintf(l.options + strlen(l.options), sizeof(l.options) - strlen(l.options), " -DFP16");
    b->half.verdict = "ok";
    b->half.reason[0] = '\0';
    b->half.flops = b->mad.flops;
    if (time_kernel(b, &l, loops, p, &b->half.device)) {
        b->half.device.n = 0;
        bench_note_failure(&b->half, &b->report);
    }
}

/* Two buffers, smaller ones where the device has no memory for more; returns their size. */
static size_t make_buffers(bench *b, device_peak *p, size_t least, clvits_status *s)
{
    clvits_device *d = b->machine.device[1];

    for (size_t bytes = COPY_BYTES;; bytes /= 2) {
        *s = clvits_buffer_make(&p->from, d, bytes, &b->report);
        if (!*s)
            *s = clvits_buffer_make(&p->to, d, bytes, &b->report);
        if (!*s && bytes < COPY_BYTES)
            snprintf(b->copy.reason, sizeof(b->copy.reason),
                     "the device has no memory for more than %zu KiB at a time", bytes >> 10);
        if (*s != CLVITS_E_MEMORY || bytes / 2 < least)
            return bytes;
        clvits_buffer_free(&p->from);
        clvits_report_clear(&b->report);
    }
}

static clvits_status device_peaks(bench *b)
{
    clvits_device *d = b->machine.device[1];
    const clvits_device_info *info = clvits_device_get_info(d);
    const bool gpu = info->family == CLVITS_FAMILY_GPU;
    const size_t local = gpu ? clvits_device_work_group(d, 64) : 1;
    const int width = gpu ? 4 : 16, loops = gpu ? 1 << 10 : 1 << 12;
    const size_t items = (size_t)info->compute_units * (gpu ? 64 * local : 64);
    device_peak p = { 0 };
    clvits_launch l = { .program = "peak", .kernel = "peak_mad", .dimensions = 1,
                        .global = { items }, .local = { local } };
    const size_t written = items * (size_t)width * sizeof(float);
    clvits_status s;
    const size_t bytes = make_buffers(b, &p, written > LEAST_BYTES ? written : LEAST_BYTES, &s);

    snprintf(l.options, sizeof(l.options), "-DWIDTH=%d", width);
    if (!s)
        s = time_kernel(b, &l, loops, &p, &b->mad.device);
    b->mad.flops = 2.0 * CHAINS * width * (double)loops * (double)items;
    if (!s && info->fp16)
        half_peak(b, l, loops, &p);
    l.kernel = "peak_copy";
    l.global[0] = gpu ? 1 << 16 : (size_t)info->compute_units * 8;
    if (!s)
        s = time_kernel(b, &l, (int)(bytes / 4) / width, &p, &b->copy.device);
    b->copy.bytes = 2.0 * (double)bytes;
    clvits_buffer_free(&p.from);
    clvits_buffer_free(&p.to);
    return s;
}

static double best(const bench_record *r)
{
    return bench_statistics(r->device.n ? &r->device : &r->host).min;
}

clvits_status bench_peak(bench *b)
{
    b->mad = (bench_record){ .level = "machine", .name = "multiply-add, fp32", .verdict = "ok" };
    b->copy = (bench_record){ .level = "machine", .name = "copy in memory", .verdict = "ok" };
    b->half = (bench_record){ .level = "machine", .name = "multiply-add, fp16",
                              .verdict = "skipped" };
    snprintf(b->half.reason, sizeof(b->half.reason), "not offered here");
    bench_quiet_begin(b);
    const clvits_status s = b->machine.n_places > 1 ? device_peaks(b) : cpu_peak(b);

    bench_quiet_end(b, &b->mad);
    bench_quiet_end(b, &b->copy);
    bench_quiet_end(b, &b->half);
    if (!s) {
        b->peak_flops = b->peak_seen = b->mad.flops / best(&b->mad);
        b->peak_bytes = b->copy.bytes / best(&b->copy);
        b->peak_half = b->half.device.n ? b->half.flops / best(&b->half) : 0.0;
    }
    return s;
}
