// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_TRACE_H
#define CLVITS_PUBLIC_TRACE_H

#include <clvits/status.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a span of time was spent on. */
typedef enum clvits_span_kind {
    CLVITS_SPAN_HOST = 0, /* the calling thread: text front-end, planning, waiting, callbacks */
    CLVITS_SPAN_NODE,     /* an operator, on the CPU path or on a device */
    CLVITS_SPAN_COPY      /* memory of a device: written, read, copied, cleared */
} clvits_span_kind;

/**
 * One thing that took time. Texts are valid during the callback only and are never NULL; what
 * does not apply is "" or 0.
 *
 * What ran on a device has that device's own times, brought to the host's clock by when its
 * commands were enqueued; they are good to some microseconds among lanes, exact within one.
 */
typedef struct clvits_span {
    clvits_span_kind kind;
    int place;           /* -1: the host thread; 0: the CPU path; from 1: the devices opened */
    const char *device;  /* name of that place */
    uint64_t thread;     /* the thread that called; the same number for the same thread */
    int64_t start;       /* nanoseconds on the monotonic clock */
    int64_t length;      /* nanoseconds; -1: the device does not measure */
    const char *name;    /* operator, kind of copy, or what the host did */
    const char *stage;   /* "text", "latent" or "wave"; "" outside of them */
    const char *label;   /* module, as in "dec.resblocks.0" */
    const char *shape;   /* of a node: "(1,11,192) [192][192][3] -> (1,11,192)", valid rows */
    const char *kernel;  /* of a node on a device */
    const char *options; /* that its program was built with */
    const char *tuned;   /* of a node: values of the tuned row that it runs by, and where that
                            stands; "" where there is none */
    int node;            /* number within the stage's graph; -1: not a node */
    double flops, bytes; /* of a node: for the valid rows that it makes, operands moved once */
    double multiplied;   /* of these FLOP, those that its form leaves: fewer in a Toom-Cook form */
    double predicted;    /* seconds that a node was expected to take where nodes are placed by cost;
                            0: nothing was measured */
} clvits_span;

/**
 * Receives spans, each after it ended and not in order: those of a device follow when the host
 * next waits for it. Called from every thread that uses the context, possibly at once; must not
 * call the context's functions.
 */
typedef void (*clvits_trace_fn)(void *user, const clvits_span *span);

#ifdef __cplusplus
}
#endif
#endif
