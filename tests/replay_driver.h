// SPDX-License-Identifier: MIT
//
// Drivers made up of the one that is there, which refuse, have other versions, or are Adreno's as
// far as that is known. For tests linked with -Wl,--wrap= of what replay_driver.c wraps.
#ifndef CLVITS_TESTS_REPLAY_DRIVER_H
#define CLVITS_TESTS_REPLAY_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

enum { MOST_LAUNCHES = 16 }; /* in one of Adreno's recordings */
enum { HIDDEN = -1 };
#define VERSION(major, minor, patch) ((major) << 22 | (minor) << 12 | (patch))

/** What is made up, and what was seen. Errors are of the call after so many good ones. */
typedef struct driver {
    int version; /* of cl_khr_command_buffer; 0: as it is; HIDDEN */
    int qcom;    /* launches in one of Adreno's recordings; 0: there are none */
    bool gpu;
    const char *missing, *failing; /* an entry point */
    size_t large;                  /* bytes; smaller allocations do not fail */
    bool forgets;                  /* the last launch of each of Adreno's recordings */
    int good;
    cl_int error;
    bool once;

    int enqueued, replayed, made, released, refused;
    cl_uint seen; /* the version, made up or not */
    bool overlaps;
    bool goes; /* a run does */
} driver;

/** The one that answers now. */
extern driver now;

/** Forget a queue that was closed: the next one may have its address. */
void driver_forget_queue(void);

#endif
