// SPDX-License-Identifier: MIT
#include "model/speak.h"

#include "base/thread.h"

#include <clvits/queue.h>

#include <stdlib.h>
#include <string.h>

enum { WAITING_EACH = 4 }; /* utterances per voice, at least: enough that none runs dry */

typedef struct job {
    clvits_utterance what; /* first, and text or ids behind this struct */
    struct job *next;
} job;

typedef struct worker {
    clvits_queue *queue;
    clvits_voice *voice;
    size_t index;
    pthread_t thread;
    bool started;
    job *taken;             /* after waiting for it, and not yet begun */
    size_t speaking, ended; /* utterances; guarded by the queue's lock */
} worker;

struct clvits_queue {
    pthread_mutex_t lock; /* guards all below but the voices */
    pthread_cond_t added, taken, idle;
    job *first, **end;
    size_t waiting, speaking;
    bool closing;
    int at_once;
    size_t n_workers;
    worker workers[];
};

static void tell(const job *j, size_t voice, clvits_status status, const char *message)
{
    const clvits_spoken spoken = { voice, status, status ? message : "" };

    if (j->what.done)
        j->what.done(j->what.params.user, &spoken);
}

/* The first of those that wait. The lock is held. */
static job *take(worker *w)
{
    clvits_queue *q = w->queue;
    job *j = q->first;

    q->first = j->next;
    if (!q->first)
        q->end = &q->first;
    q->waiting--;
    q->speaking++;
    w->speaking++;
    pthread_cond_signal(&q->taken);
    return j;
}

/* Another one beside those under way, but no more than this voice's share of all there are, so that
 * no other voice is idle at the end. */
static const clvits_utterance *next(void *user)
{
    worker *w = user;
    clvits_queue *q = w->queue;
    job *j = w->taken;

    w->taken = NULL;
    if (j)
        return &j->what;
    pthread_mutex_lock(&q->lock);
    if (q->first && w->speaking * q->n_workers < q->waiting + q->speaking)
        j = take(w);
    pthread_mutex_unlock(&q->lock);
    return j ? &j->what : NULL;
}

static void ended(void *user, const clvits_utterance *u, clvits_status status, const char *message)
{
    worker *w = user;
    clvits_queue *q = w->queue;
    job *j = (job *)u;

    tell(j, w->index, status, message);
    free(j);
    pthread_mutex_lock(&q->lock);
    w->ended++;
    w->speaking--;
    if (--q->speaking == 0 && q->waiting == 0)
        pthread_cond_broadcast(&q->idle);
    pthread_mutex_unlock(&q->lock);
}

static void *work(void *arg)
{
    worker *w = arg;
    clvits_queue *q = w->queue;
    const clvits_feed feed = { w, next, ended, q->at_once };

    for (;;) {
        pthread_mutex_lock(&q->lock);
        while (!q->first && !q->closing)
            pthread_cond_wait(&q->added, &q->lock);
        w->taken = q->first ? take(w) : NULL;
        pthread_mutex_unlock(&q->lock);
        if (!w->taken)
            return NULL;
        clvits_voice_speak(w->voice, &feed);
    }
}

/* Told to the context of the first voice. */
static clvits_status fail_memory(const clvits_voice *v, const char *what)
{
    clvits_report r = clvits_context_report(v->context);

    clvits_fail_memory(&r, what);
    return clvits_context_keep(v->context, &r);
}

clvits_status clvits_queue_open(clvits_queue **out, clvits_voice *const *voices, size_t n,
                                int at_once)
{
    *out = NULL;
    if (!voices || n == 0 || at_once < 1 || at_once > CLVITS_BATCH)
        return CLVITS_E_ARGUMENT;
    clvits_queue *q = n > (SIZE_MAX - sizeof(clvits_queue)) / sizeof(worker)
                          ? NULL
                          : calloc(1, sizeof(*q) + n * sizeof(worker));
    if (!q)
        return fail_memory(voices[0], "a queue");
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->added, NULL);
    pthread_cond_init(&q->taken, NULL);
    pthread_cond_init(&q->idle, NULL);
    q->end = &q->first;
    q->at_once = at_once;
    q->n_workers = n;
    for (size_t i = 0; i < n; i++) {
        worker *w = &q->workers[i];
        *w = (worker){ .queue = q, .voice = voices[i], .index = i };
        w->started = clvits_thread_start(&w->thread, work, w) == 0;
        if (!w->started) {
            clvits_queue_close(&q);
            return fail_memory(voices[0], "a queue's thread");
        }
    }
    *out = q;
    return CLVITS_OK;
}

/* The utterance with its text or ids copied behind it. */
static job *make_job(const clvits_utterance *u)
{
    const size_t each = u->text ? 1 : sizeof(*u->ids);

    if (u->n > (SIZE_MAX - sizeof(job)) / each)
        return NULL;
    job *j = malloc(sizeof(*j) + u->n * each);
    if (!j)
        return NULL;
    *j = (job){ .what = *u };
    if (u->text)
        j->what.text = memcpy(j + 1, u->text, u->n);
    else
        j->what.ids = memcpy(j + 1, u->ids, u->n * each);
    return j;
}

clvits_status clvits_queue_add(clvits_queue *q, const clvits_utterance *utterance)
{
    if (!utterance->text == !utterance->ids)
        return CLVITS_E_ARGUMENT;
    job *j = make_job(utterance);
    if (!j)
        return fail_memory(q->workers[0].voice, "an utterance");
    const int each = q->at_once < WAITING_EACH ? WAITING_EACH : q->at_once;
    pthread_mutex_lock(&q->lock);
    while (q->waiting >= (size_t)each * q->n_workers)
        pthread_cond_wait(&q->taken, &q->lock);
    *q->end = j;
    q->end = &j->next;
    q->waiting++;
    pthread_cond_signal(&q->added);
    pthread_mutex_unlock(&q->lock);
    return CLVITS_OK;
}

void clvits_queue_wait(clvits_queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->waiting || q->speaking)
        pthread_cond_wait(&q->idle, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

size_t clvits_queue_count(const clvits_queue *queue, size_t voice)
{
    clvits_queue *q = (clvits_queue *)queue;

    if (voice >= q->n_workers)
        return 0;
    pthread_mutex_lock(&q->lock);
    const size_t n = q->workers[voice].ended;
    pthread_mutex_unlock(&q->lock);
    return n;
}

void clvits_queue_close(clvits_queue **queue)
{
    clvits_queue *q = *queue;
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    job *left = q->first;
    q->first = NULL;
    q->end = &q->first;
    q->waiting = 0;
    q->closing = true;
    pthread_cond_broadcast(&q->added);
    pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < q->n_workers; i++)
        if (q->workers[i].started)
            pthread_join(q->workers[i].thread, NULL);
    for (job *next; left; left = next) {
        next = left->next;
        tell(left, SIZE_MAX, CLVITS_E_CANCELLED, "the queue was closed before this was spoken");
        free(left);
    }
    pthread_cond_destroy(&q->added);
    pthread_cond_destroy(&q->taken);
    pthread_cond_destroy(&q->idle);
    pthread_mutex_destroy(&q->lock);
    free(q);
    *queue = NULL;
}
