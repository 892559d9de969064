// SPDX-License-Identifier: MIT
//
// Files by which a program is found to have ended in the middle of something (device/attempt.c),
// which is taken back where somebody wanted it to end.
#ifndef CLVITS_BASE_MARK_H
#define CLVITS_BASE_MARK_H

#include <stdatomic.h>

enum { CLVITS_MARKS = 8 }; /* at once; more cannot be taken back */

/** Zero at first. Any thread. */
typedef struct clvits_marks {
    atomic_int slot[CLVITS_MARKS];
} clvits_marks;

/** Note an open file that says nothing once it is cut to so many bytes, 0 or 1. */
void clvits_marks_add(clvits_marks *m, int fd, int size);

/** The file is about to be closed. */
void clvits_marks_remove(clvits_marks *m, int fd);

/** Cut all files; also in a signal handler. */
void clvits_marks_take_back(clvits_marks *m);

#endif
