// SPDX-License-Identifier: MIT
//
// What the files of the layer share: counts, and the objects behind them.
#ifndef CLVITS_TESTS_LAYER_CALLS_H
#define CLVITS_TESTS_LAYER_CALLS_H

#include "faults.h"

enum object { CONTEXTS, QUEUES, BUFFERS, PROGRAMS, KERNELS, EVENTS, RECORDINGS, OBJECTS };

/** Count a call and say how it ends: CL_SUCCESS, so that the driver is asked, or an error. */
cl_int calls_count(enum kind kind);

/** What a call that makes an object returns without the driver. */
void *calls_refused(cl_int e, cl_int *error);

/** An object is there (unless it is NULL), or gone. */
void calls_made(enum object what, const void *object);
void calls_released(enum object what);

/** What stands for the driver's function of that name, which may be NULL: one of
 *  cl_khr_command_buffer's is counted, others are handed on. */
void *calls_recording(const char *name, void *there);

#endif
