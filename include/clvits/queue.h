// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_QUEUE_H
#define CLVITS_PUBLIC_QUEUE_H

#include <clvits/voice.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Utterances for several devices: whichever is free takes the next, so the faster does more.
 *
 * Each voice of a queue speaks on a thread of its own. They are the same voice, opened on contexts
 * of different devices (or of different shares of the CPU's threads); the same device twice only
 * helps where one utterance does not fill it. Any number of threads may add at once.
 */
typedef struct clvits_queue clvits_queue;

/** How one utterance ended. */
typedef struct clvits_spoken {
    size_t voice; /* which voice spoke it: an index into those of clvits_queue_open(); SIZE_MAX
                     where none did before the queue was closed */
    clvits_status status;
    const char *message; /* what went wrong; "" otherwise. Valid during the call only */
} clvits_spoken;

/** Receives the end of an utterance, after its last audio, on the thread of the voice that spoke
 *  it (or that closes the queue); user is that of its params. Must not call the queue. */
typedef void (*clvits_spoken_fn)(void *user, const clvits_spoken *spoken);

/** What to speak; text or ids is NULL. Both are copied. */
typedef struct clvits_utterance {
    const char *text; /* UTF-8, n bytes */
    const int32_t *ids; /* n of them, spoken as one sentence */
    size_t n;
    /** params.audio runs on the thread of the voice that speaks; for one utterance in order, for
     *  several at once. params.user and params.cancel outlive the utterance. */
    clvits_speak_params params;
    clvits_spoken_fn done; /* may be NULL */
} clvits_utterance;

/**
 * Start a queue.
 *
 * @param[out] out     NULL on failure
 * @param      voices  n of them, at least one; they outlive the queue
 * @return CLVITS_OK, _E_ARGUMENT (no voice) or _E_MEMORY (also for threads)
 */
CLVITS_API clvits_status clvits_queue_open(clvits_queue **out, clvits_voice *const *voices,
                                           size_t n);

/**
 * Add an utterance; blocks while more are waiting than the voices will soon need, so that a long
 * text is not held in memory. Not from a callback.
 *
 * @return CLVITS_OK, _E_ARGUMENT (neither or both of text and ids) or _E_MEMORY; how speaking it
 *         went is told to its done() alone
 */
CLVITS_API clvits_status clvits_queue_add(clvits_queue *queue, const clvits_utterance *utterance);

/** Wait until everything that was added has been spoken. Not from a callback. */
CLVITS_API void clvits_queue_wait(clvits_queue *queue);

/** How many utterances that voice has ended so far, failed ones included. */
CLVITS_API size_t clvits_queue_count(const clvits_queue *queue, size_t voice);

/** End what still waits with CLVITS_E_CANCELLED, wait for what is being spoken, release the queue
 *  and set it to NULL; closing NULL is allowed. Not from a callback, nor while another thread calls
 *  the queue. */
CLVITS_API void clvits_queue_close(clvits_queue **queue);

#ifdef __cplusplus
}
#endif
#endif
