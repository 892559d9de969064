// SPDX-License-Identifier: MIT
//
// What else the machine did while a case was timed. A time is worth what the machine was quiet.
#include "bench.h"

#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROUNDS = 1 << 15, LOOKS = 12, MOST_LOOKS = 400, TRIES = 3 };

#define SPREAD 0.1  /* of the middle half of the times, over the median */
#define DRIFT 0.1   /* of the clock, over the fastest that this process saw */
#define OTHERS 0.25 /* processors that other work kept busy */
#define STOLEN 0.02 /* share of the time that the host of this virtual machine took */
#define SETTLED 0.03 /* of the clock: as fast as it ever was */
#define PATIENCE 2.0 /* seconds that a try may take and be made again */
#define WAIT 240.0   /* seconds after which a case waits no longer: the silent are taken for hung */
#define PAUSE 2      /* seconds between two looks whether it is quiet */
#define WINDOW 0.5  /* seconds at least for which the system's counters, in 10 ms, say something */

/* Seconds for the same work on one thread: the clock as it is now. Wide vectors on all processors
 * slow some down for a few milliseconds, as do this process's threads while they look for more
 * work, which is no disturbance: the case itself does that, in every run. So it is looked at for
 * longer than that, unless it is as fast before as it ever was. */
static double calibrate(double fastest)
{
    double best = 1e30;

    for (int t = 0; t < LOOKS || (t < MOST_LOOKS && best > fastest * (1.0 + SETTLED)); t++) {
        volatile double sink = 1.0;
        double x = sink;
        const double start = bench_now();
        for (int i = 0; i < ROUNDS; i++)
            x = x * 0.999 + 0.001;
        sink = x;
        const double s = bench_now() - start;
        best = s < best ? s : best;
    }
    return best;
}

static double own_seconds(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
           1e-6 * (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec);
}

void bench_quiet_begin(bench *b)
{
    bench_quiet *q = &b->quiet;
    struct rusage u = { 0 };

    q->before = calibrate(q->best);
    if (q->best <= 0.0 || q->before < q->best)
        q->best = q->before;
    getrusage(RUSAGE_SELF, &u);
    q->switches = u.ru_nivcsw;
    q->start = bench_now();
    if (q->since > 0.0)
        return;
    q->known = bench_counters(&q->busy, &q->stolen);
    q->own = own_seconds(&u);
    q->since = q->start;
}

/* The counters are coarse, so a short case has the figures of those before it as well. */
static void count_others(bench_quiet *q, const struct rusage *u)
{
    const double now = bench_now(), elapsed = now - q->since;
    double busy, stolen;

    if (elapsed < WINDOW || !q->known || !bench_counters(&busy, &stolen))
        return;
    const double own = own_seconds(u), others = (busy - q->busy - (own - q->own)) / elapsed;
    q->others = others > 0.0 ? others : 0.0;
    q->steal = (stolen - q->stolen) / elapsed / (double)sysconf(_SC_NPROCESSORS_ONLN);
    q->busy = busy;
    q->stolen = stolen;
    q->own = own;
    q->since = now;
}

static double widest(const bench_record *r)
{
    const double device = bench_statistics(&r->device).spread;
    const double host = bench_statistics(&r->host).spread;
    return r->device.n ? device : host;
}

void bench_quiet_end(bench *b, bench_record *r)
{
    bench_quiet *q = &b->quiet;
    struct rusage u = { 0 };

    if (!r->device.n && !r->host.n)
        return;
    const double elapsed = bench_now() - q->start;
    getrusage(RUSAGE_SELF, &u);
    count_others(q, &u);
    const double after = calibrate(q->best);
    q->best = after < q->best ? after : q->best;
    r->noise = (bench_disturbance){ .spread = widest(r),
                              .drift = (after > q->before ? after : q->before) / q->best - 1.0,
                              .others = q->others,
                              .stolen = q->steal,
                              .switches = (double)(u.ru_nivcsw - q->switches) / elapsed,
                              .tries = 1,
                              .taken = true };
}

double bench_disturbed(const bench_disturbance *n)
{
    const double most[] = { n->spread / SPREAD, n->drift / DRIFT, n->others / OTHERS,
                            n->stolen / STOLEN };
    double largest = 0.0;

    for (int i = 0; i < LENGTH(most) && n->taken; i++)
        largest = fmax(largest, most[i]);
    return largest;
}

bool bench_is_noisy(const bench_disturbance *n)
{
    return bench_disturbed(n) > 1.0;
}

/* A try that took long says enough, and costs too much to be made again. A quick run has other
 * cases to come to. */
static bool is_worth_another(const bench *b, const bench_tries *t)
{
    const double now = bench_now();
    return t->n < TRIES && !b->o->quick && now < b->deadline &&
           now - t->start < t->n * PATIENCE;
}

/* Whether it is other work that disturbs: only that passes. */
static bool is_by_others(double others, double stolen)
{
    return others > OTHERS || stolen > STOLEN;
}

static void keep_busy(void *context, int i)
{
    const double end = *(const double *)context;

    (void)i;
    while (bench_now() < end)
        ;
}

/* Whether the processors are left to this process, kept busy by as many threads as it has: a host
 * takes none away that nobody uses. */
static bool is_quiet(bench *b)
{
    clvits_pool *const pool = b->machine.cpu.pool;
    bench_quiet *q = &b->quiet;
    struct rusage u = { 0 };
    double end;

    q->since = 0.0;
    bench_quiet_begin(b);
    end = q->start + 1.1 * WINDOW;
    clvits_pool_run(pool, clvits_pool_threads(pool), keep_busy, &end);
    getrusage(RUSAGE_SELF, &u);
    count_others(q, &u);
    return !is_by_others(q->others, q->steal);
}

/* Wait for a quiet machine, while patience lasts; whether it came. */
static bool wait_for_quiet(bench *b, bench_tries *t)
{
    const double start = bench_now();
    const double end = fmin(start + b->patience, t->start + WAIT);
    const bool shown = isatty(STDERR_FILENO);
    bool quiet = false;

    while (!quiet && bench_now() < end) {
        if (shown)
            fprintf(stderr, "\rwaiting for a quiet machine, %.0f minutes more at most\033[K",
                    ceil((b->patience - (bench_now() - start)) / 60.0));
        sleep(PAUSE);
        quiet = is_quiet(b);
    }
    if (shown)
        fputs("\r\033[K", stderr);
    const double spent = bench_now() - start;
    t->waited += spent;
    b->patience -= spent;
    return quiet;
}

bool bench_try_again(bench *b, bench_tries *t, bench_record *r, bench_times *more)
{
    if (!r->device.n && !r->host.n)
        return false;
    if (!t->n++)
        t->start = b->quiet.start;
    bench_quiet_end(b, r);
    if (t->n == 1 || bench_disturbed(&r->noise) < bench_disturbed(&t->noise)) {
        t->host = r->host;
        t->device = r->device;
        t->noise = r->noise;
        t->runs = r->runs;
        if (more)
            t->more = *more;
    }
    const bool waits = b->patience > 0.0 && is_by_others(t->noise.others, t->noise.stolen);
    if (bench_is_noisy(&t->noise) &&
        (is_worth_another(b, t) || (waits && wait_for_quiet(b, t)))) {
        bench_quiet_begin(b);
        return true;
    }
    r->host = t->host;
    r->device = t->device;
    r->noise = t->noise;
    r->runs = t->runs;
    r->noise.tries = t->n;
    r->noise.waited = t->waited;
    if (more)
        *more = t->more;
    return false;
}
