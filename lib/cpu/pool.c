// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "base/thread.h"
#include "cpu/cpu.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct clvits_pool {
    pthread_mutex_t caller; /* held by whoever has the threads */
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t start, done;
    pthread_t *threads;
    int n_threads; /* besides the caller */
    unsigned round;
    int busy;
    bool stop;

    void (*job)(void *context, int i);
    void *context;
    int n;
    atomic_int next;
};

static void work(clvits_pool *p)
{
    for (int i; (i = atomic_fetch_add(&p->next, 1)) < p->n;)
        p->job(p->context, i);
}

static void *thread_main(void *arg)
{
    clvits_pool *p = arg;
    unsigned seen = 0;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->round == seen && !p->stop)
            pthread_cond_wait(&p->start, &p->lock);
        if (p->stop)
            break;
        seen = p->round;
        pthread_mutex_unlock(&p->lock);
        work(p);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0)
            pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static int processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set))
        return 1;
    const int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > 256 ? 256 : n;
}

clvits_status clvits_pool_open(clvits_pool **out, int threads, clvits_report *r)
{
    *out = NULL;
    if (threads < 0 || threads > 1024)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%d threads asked for; give 1 to 1024, or 0 for "
                                                 "one per processor", threads);
    clvits_pool *p = calloc(1, sizeof(*p));
    const int extra = (threads ? threads : processors()) - 1;
    if (!p)
        return clvits_fail_memory(r, "the thread pool");
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
    p->stop = true;
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

void clvits_pool_run(clvits_pool *p, int n, void (*job)(void *context, int i), void *context)
{
    if (n <= 1 || p->n_threads == 0 || pthread_mutex_trylock(&p->caller)) {
        for (int i = 0; i < n; i++)
            job(context, i);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->job = job;
    p->context = context;
    p->n = n;
    atomic_store(&p->next, 0);
    p->busy = p->n_threads;
    p->round++;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);

    work(p);

    pthread_mutex_lock(&p->lock);
    while (p->busy)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_unlock(&p->caller);
}
