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
 *
 * An utterance's params.audio and done run on the thread of the voice that speaks it: for one
 * utterance in order, for those of several voices at once. They must not call the queue, but
 * clvits_queue_count(). The samples are those of clvits_speak() by that voice, bit for bit.
 */
typedef struct clvits_queue clvits_queue;

/**
 * Start a queue.
 *
 * @param[out] out      NULL on failure
 * @param      voices   n of them, at least one; they outlive the queue
 * @param      at_once  how many utterances each voice speaks at once, as clvits_speak_batch() does,
 *                      where so many wait: 1 to CLVITS_BATCH
 * @return CLVITS_OK, _E_ARGUMENT (no voice, at_once out of range) or _E_MEMORY (also for threads),
 *         which the context of the first voice then has as its error, here and below
 */
CLVITS_API clvits_status clvits_queue_open(clvits_queue **out, clvits_voice *const *voices,
                                           size_t n, int at_once);

/**
 * Add an utterance; blocks while more are waiting than the voices will soon need, so that a long
 * text is not held in memory. Text or ids are copied; user and cancel of its params outlive it.
 * Not from a callback.
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
