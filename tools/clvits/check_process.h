// SPDX-License-Identifier: MIT
//
// A check in a process of its own: where a driver crashes, that costs the operator it was at.
#ifndef CLVITS_TOOLS_CHECK_PROCESS_H
#define CLVITS_TOOLS_CHECK_PROCESS_H

#include "program.h"

enum { CHECK_TEXT = 640 };

/** What one context is asked to check, and what came of it. */
typedef struct check_process {
    const clvits_context_params *params;
    clvits_check_params wanted; /* its first: what comes next */
    program_said *said; /* what the library says, and what earlier processes did */
    /** Called in the new process with the open context; NULL: not. What it writes it flushes. */
    int (*opened)(void *user, clvits_context *context);
    clvits_check_fn result; /* in this one; NULL: nothing is checked */
    void *user;             /* of both */
    char device[CHECK_TEXT]; /* what the context runs on; empty: it could not be opened */
    char text[CHECK_TEXT];   /* why it is not complete, or what the last check says */
    clvits_status status;    /* likewise */
    bool complete; /* all that is wanted has results, and nothing failed after the last */
    int crashes;
    bool stopped; /* by result() */
} check_process;

/** Returns CODE_OK, or the code of a message that was printed. What checks show is no failure
 *  here, nor is a context that could not be opened: that is in text and status. */
int check_process_run(check_process *p);

#endif
