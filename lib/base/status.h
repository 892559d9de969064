// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_STATUS_H
#define CLVITS_BASE_STATUS_H

#include <clvits/status.h>

#include <stdbool.h>
#include <stddef.h>

/** Who may want what runs to end before it is done. */
typedef struct clvits_stop {
    const struct clvits_stop *next; /* another one, or NULL */
    bool (*wanted)(const void *user); /* any thread */
    const void *user;
    struct clvits_marks *marks; /* base/mark.h: taken back when it is wanted; or NULL */
} clvits_stop;

/**
 * Where the layers below the public API leave what went wrong.
 *
 * Every call that can fail takes one, so that threads never share a message; the public call
 * copies it into the context. The first failure wins: later ones are its consequences.
 */
typedef struct clvits_report {
    clvits_status status;
    char text[512];
    clvits_log_fn log; /* NULL is silence */
    void *log_user;
    const clvits_stop *stop;    /* NULL: nobody; clvits_stopped() asks */
    struct clvits_trace *trace; /* of the public call, base/trace.h; NULL: not traced */
    const struct clvits_device *device; /* what failed, where others may do its work; or NULL */
    size_t weights, wanted; /* bytes of it for all weights so far where one did not fit, and with
                               all else that is there with them; else 0 */
} clvits_report;

/** Keep status and message (unless a failure is kept already) and return the status. */
__attribute__((format(printf, 3, 4))) clvits_status clvits_fail(clvits_report *r,
                                                                clvits_status status,
                                                                const char *format, ...);

/** CLVITS_E_MEMORY with what was wanted, as in "the symbol table". */
clvits_status clvits_fail_memory(clvits_report *r, const char *what);

/** Whether somebody wants what runs to end: then it failed with CLVITS_E_CANCELLED. */
bool clvits_stopped(clvits_report *r);

/** Forget a failure that was dealt with, such as a kernel for which the CPU stepped in. */
void clvits_report_clear(clvits_report *r);

__attribute__((format(printf, 2, 3))) void clvits_warn(const clvits_report *r, const char *format,
                                                       ...);
__attribute__((format(printf, 2, 3))) void clvits_info(const clvits_report *r, const char *format,
                                                       ...);

/** What makes a noun agree with a number in front of it. */
static inline const char *clvits_plural(int n)
{
    return n == 1 ? "" : "s";
}

#endif
