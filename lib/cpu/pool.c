// SPDX-License-Identifier: MIT
#include "base/processors.h"
#include "base/thread.h"
#include "cpu/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* How long a thread looks for the next round before it sleeps. It keeps its processor for longer
 * than from one node of a plan to the next, then offers it to whoever else has work: to wake a
 * sleeping processor of a virtual machine takes 50 us, and milliseconds where its host is busy. */
enum { SPIN_NS = 100 * 1000, LOOK_NS = 10 * 1000 * 1000, LOOKS = 64 };

enum { MOST = 256 }; /* threads, unless more are asked for */

enum { CLOSED = 1 << 30 };

/*
 * A round is one call of clvits_pool_run(). Threads join it while it is open, so that one that
 * wakes late keeps nobody waiting; the caller closes it when no job is left, and waits for those
 * that joined. Who waits looks for a while, then sleeps, and says so before its last look: whoever
 * changes what it looks at wakes the sleepers that it then sees.
 */
struct clvits_pool {
    pthread_mutex_t caller; /* held by whoever has the threads */
    pthread_t *threads;
    int n_threads; /* besides the caller */
    bool spins;

    atomic_uint round;
    atomic_int joined, left; /* threads of this round; CLOSED is part of joined */
    atomic_bool stop;

    pthread_mutex_t lock; /* of those who sleep */
    pthread_cond_t start, done;
    atomic_int sleepers;
    atomic_bool caller_sleeps;

    void (*job)(void *context, int i); /* of the round, for who has joined it */
    void *context;
    int n;
    atomic_int next;
};

static void work(clvits_pool *p)
{
    for (int i; (i = atomic_fetch_add(&p->next, 1)) < p->n;)
        p->job(p->context, i);
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool has_round(clvits_pool *p, unsigned seen)
{
    return atomic_load(&p->round) != seen || atomic_load(&p->stop);
}

static bool all_left(clvits_pool *p, unsigned joined)
{
    return atomic_load(&p->left) == (int)joined;
}

/* Look for a while; whether it came. */
static bool look(clvits_pool *p, bool (*came)(clvits_pool *p, unsigned value), unsigned value)
{
    const int64_t start = p->spins ? now_ns() : 0;

    for (int64_t passed = 0; passed < LOOK_NS;) {
        for (int i = 0; i < LOOKS; i++) {
            if (came(p, value))
                return true;
            relax();
        }
        if (!p->spins)
            break;
        passed = now_ns() - start;
        if (passed > SPIN_NS)
            sched_yield();
    }
    return false;
}

static void wait_for_round(clvits_pool *p, unsigned seen)
{
    if (look(p, has_round, seen))
        return;
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (!has_round(p, seen))
        pthread_cond_wait(&p->start, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static bool join(clvits_pool *p)
{
    int joined = atomic_load(&p->joined);

    while (!(joined & CLOSED))
        if (atomic_compare_exchange_weak(&p->joined, &joined, joined + 1))
            return true;
    return false;
}

static void leave(clvits_pool *p)
{
    atomic_fetch_add(&p->left, 1);
    if (!atomic_load(&p->caller_sleeps))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

static void *thread_main(void *arg)
{
    clvits_pool *p = arg;

    for (unsigned seen = 0; !atomic_load(&p->stop);) {
        wait_for_round(p, seen);
        seen = atomic_load(&p->round);
        if (join(p)) {
            work(p);
            leave(p);
        }
    }
    return NULL;
}

clvits_status clvits_pool_open(clvits_pool **out, int threads, clvits_report *r)
{
    *out = NULL;
    if (threads < 0 || threads > CLVITS_MAX_THREADS)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%d threads asked for; give 1 to %d, or 0 for one "
                                                 "per processor", threads, CLVITS_MAX_THREADS);
    clvits_pool *p = calloc(1, sizeof(*p));
    const int there = clvits_processors(), most = there < MOST ? there : MOST;
    const int extra = (threads ? threads : most) - 1;
    if (!p)
        return clvits_fail_memory(r, "the thread pool");
    /* Threads that share a processor would keep each other from working. */
    p->spins = extra < there;
    atomic_store(&p->joined, CLOSED);
    pthread_mutex_init(&p->caller, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->done, NULL);

    p->threads = calloc((size_t)extra + 1, sizeof(*p->threads));
    if (!p->threads) {
        clvits_pool_close(&p);
        return clvits_fail_memory(r, "the thread pool");
    }
    while (p->n_threads < extra) {
        if (clvits_thread_start(&p->threads[p->n_threads], thread_main, p)) {
            clvits_warn(r, "only %d of %d threads could be started", p->n_threads + 1, extra + 1);
            break;
        }
        p->n_threads++;
    }
    *out = p;
    return CLVITS_OK;
}

void clvits_pool_close(clvits_pool **pool)
{
    clvits_pool *p = *pool;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->start);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->caller);
    free(p->threads);
    free(p);
    *pool = NULL;
}

int clvits_pool_threads(const clvits_pool *p)
{
    return p->n_threads + 1;
}

static void open_round(clvits_pool *p, int n, void (*job)(void *context, int i), void *context)
{
    p->job = job;
    p->context = context;
    p->n = n;
    atomic_store(&p->next, 0);
    atomic_store(&p->left, 0);
    atomic_store(&p->joined, 0);
    atomic_fetch_add(&p->round, 1);
    if (!atomic_load(&p->sleepers))
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
}

static void close_round(clvits_pool *p)
{
    const unsigned joined = (unsigned)atomic_fetch_or(&p->joined, CLOSED);

    if (look(p, all_left, joined))
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->caller_sleeps, true);
    while (!all_left(p, joined))
        pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->lock);
}

void clvits_pool_run(clvits_pool *p, int n, void (*job)(void *context, int i), void *context)
{
    if (n <= 1 || p->n_threads == 0 || pthread_mutex_trylock(&p->caller)) {
        for (int i = 0; i < n; i++)
            job(context, i);
        return;
    }
    open_round(p, n, job, context);
    work(p);
    close_round(p);
    pthread_mutex_unlock(&p->caller);
}
