// SPDX-License-Identifier: MIT
#include "base/thread.h"

#include <clvits/device.h>
#include <clvits/queue.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WAITING_EACH = 4 }; /* utterances per voice: enough that none runs dry */

typedef struct job {
    struct job *next;
    clvits_utterance what; /* with text or ids behind this struct */
} job;

typedef struct worker {
    clvits_queue *queue;
    clvits_voice *voice;
    size_t index;
    pthread_t thread;
    bool started;
    size_t ended; /* utterances; guarded by the queue's lock */
} worker;

struct clvits_queue {
    pthread_mutex_t lock; /* guards all below but the voices */
    pthread_cond_t added, taken, idle;
    job *first, **end;
    size_t waiting, speaking;
    bool closing;
    size_t n_workers;
    worker workers[];
};

static void tell(const job *j, size_t voice, clvits_status status, const char *message)
{
    const clvits_spoken spoken = { voice, status, status ? message : "" };

    if (j->what.done)
        j->what.done(j->what.params.user, &spoken);
}

static void speak(worker *w, job *j)
{
    const clvits_utterance *u = &j->what;
    const clvits_status s = u->text ? clvits_speak(w->voice, u->text, u->n, &u->params)
                                    : clvits_speak_ids(w->voice, u->ids, u->n, &u->params);

    tell(j, w->index, s, clvits_context_error(clvits_voice_context(w->voice)));
    free(j);
}

/* The next utterance, or NULL when there will be none. The lock is held. */
static job *take(clvits_queue *q)
{
    while (!q->first && !q->closing)
        pthread_cond_wait(&q->added, &q->lock);
    job *j = q->first;
    if (!j)
        return NULL;
    q->first = j->next;
    if (!q->first)
        q->end = &q->first;
    q->waiting--;
    q->speaking++;
    pthread_cond_signal(&q->taken);
    return j;
}

static void *work(void *arg)
{
    worker *w = arg;
    clvits_queue *q = w->queue;

    pthread_mutex_lock(&q->lock);
    for (job *j; (j = take(q)) != NULL;) {
        pthread_mutex_unlock(&q->lock);
        speak(w, j);
        pthread_mutex_lock(&q->lock);
        w->ended++;
        if (--q->speaking == 0 && q->waiting == 0)
            pthread_cond_broadcast(&q->idle);
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

clvits_status clvits_queue_open(clvits_queue **out, clvits_voice *const *voices, size_t n)
{
    *out = NULL;
    if (!voices || n == 0)
        return CLVITS_E_ARGUMENT;
    if (n > (SIZE_MAX - sizeof(clvits_queue)) / sizeof(worker))
        return CLVITS_E_MEMORY;
    clvits_queue *q = calloc(1, sizeof(*q) + n * sizeof(worker));
    if (!q)
        return CLVITS_E_MEMORY;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->added, NULL);
    pthread_cond_init(&q->taken, NULL);
    pthread_cond_init(&q->idle, NULL);
    q->end = &q->first;
    q->n_workers = n;
    for (size_t i = 0; i < n; i++) {
        worker *w = &q->workers[i];
        *w = (worker){ .queue = q, .voice = voices[i], .index = i };
        w->started = clvits_thread_start(&w->thread, work, w) == 0;
        if (!w->started) {
            clvits_queue_close(&q);
            return CLVITS_E_MEMORY;
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
        return CLVITS_E_MEMORY;
    pthread_mutex_lock(&q->lock);
    while (q->waiting >= WAITING_EACH * q->n_workers)
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
