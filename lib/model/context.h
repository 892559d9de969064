// SPDX-License-Identifier: MIT
#ifndef CLVITS_MODEL_CONTEXT_H
#define CLVITS_MODEL_CONTEXT_H

#include "graph/sched.h"
#include "graph/trust.h"

#include <clvits/device.h>

#include <stdatomic.h>

struct clvits_context {
    clvits_machine machine;
    clvits_tuning *tuning; /* the machine's */
    struct clvits_trust trust; /* the machine's, where kernels are to be proven */
    clvits_rates rates[CLVITS_MAX_PLACES]; /* the machine's, once they are needed */
    pthread_mutex_t rate_lock;             /* guards the rates and what follows */
    bool rated;                            /* they were, with or without success */
    atomic_ullong rating;                  /* launches that this took; not guarded */
    char *place, *cache_dir;
    atomic_bool cache_told; /* that nothing can be kept there */
    atomic_size_t taken;    /* bytes that all devices' buffers take */
    clvits_log_fn log;
    void *log_user;
    clvits_stop stop; /* of every call, where the caller gave a flag */
    clvits_trace_fn trace;
    void *trace_user;
    pthread_key_t error; /* which message is a thread's own, counted from 1 */
    bool has_key;
    pthread_mutex_t lock; /* guards what follows */
    struct clvits_message *messages[CLVITS_MOST_ERRORS]; /* those of the last threads */
    uintptr_t n_messages;                                /* that there ever were */
};

/** A report that logs to the context's log. */
clvits_report clvits_context_report(const clvits_context *c);

/** A report that also traces, where the context is traced, through *t: ended with
 *  clvits_trace_end(). It points at t. */
clvits_report clvits_context_traced(const clvits_context *c, clvits_trace *t);

/** Have the machine's rates when nodes are placed by cost; a warning tells where they cannot be
 *  had. Before a voice's engine is opened. Fails only when it is cancelled. */
clvits_status clvits_context_rate(clvits_context *c, clvits_report *r);

/** Keep a failed report as the calling thread's message, log it, and return its status. */
clvits_status clvits_context_keep(clvits_context *c, const clvits_report *r);

#endif
