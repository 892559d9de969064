// SPDX-License-Identifier: MIT
//
// What the files of lib/device share; nothing outside includes it.
#ifndef CLVITS_DEVICE_IMPL_H
#define CLVITS_DEVICE_IMPL_H

#include "device/device.h"
#include "device/quirks.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "device/player.h"

/** FNV-1a, 64 bits: told apart are a handful of files, and some hundred kernels. */
#define CLVITS_HASH 0xcbf29ce484222325u /* where it starts */
uint64_t clvits_hash(uint64_t h, const void *data, size_t n);

struct clvits_program {
    struct clvits_program *next;
    char *key; /* "room options" */
    uint64_t source; /* hash of its text */
    cl_program program;
    clvits_report failure; /* kept, so that a program is built once even when it fails */
};

struct clvits_device {
    clvits_device_info info;
    clvits_quirks quirks; /* info has heed of them */
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;     /* in order; profiling as measure says */
    bool measure;
    int place;
    cl_command_queue timed;     /* in order; profiling on; made on the first timed launch */
    char *cache_dir, *source_dir;
    atomic_bool *cache_told; /* NULL: nobody is told */
    const struct clvits_tuned *tuned;
    pthread_mutex_t lock;       /* guards programs, builds, compiles and timed */
    struct clvits_program *programs;
    clvits_builds builds;
    bool compiles; /* something was built from source, if no more than an empty kernel */
    size_t memory; /* that buffers may take; 0: no limit */
    atomic_size_t *taken; /* of it, by all devices that share it; NULL: by this one, bytes */
    pthread_mutex_t verdict_lock; /* guards the verdicts */
    struct clvits_judged *verdicts;
    bool verdicts_new; /* some are not on disk */
    pthread_mutex_t buffer_lock; /* guards the buffers, from the newest to the oldest */
    struct clvits_buffer *newest, *oldest;
    atomic_size_t bytes, peak_bytes;
    atomic_ullong launches;
    atomic_int accusations; /* that stand; 0: it is trusted */
    atomic_bool lost; /* an error said that it is gone, or nothing can be built for it */
    const clvits_player *player; /* of recorded launches; NULL: none are recorded */
    clvits_player_calls calls;   /* the player's */
    atomic_bool refused;         /* recording failed once: from then on launches are enqueued */
};

struct clvits_buffer {
    clvits_device *device;
    struct clvits_buffer *newer, *older; /* of those that the device has */
    cl_mem memory;
    size_t size;
};

struct clvits_kernel {
    clvits_device *device;
    cl_kernel kernel;
    const char *name, *options; /* of the launch, which outlives it */
    cl_uint dimensions;
    size_t global[3], group[3];
    const size_t *local; /* group; NULL: the driver chooses */
};

/** A command that is being enqueued. */
typedef struct clvits_command {
    clvits_device *device;
    int64_t before; /* 0: not traced */
    cl_event event;
} clvits_command;

/**
 * Before a command is enqueued: find room to keep it, so that nothing fails once it was.
 *
 * @param event  where the enqueueing call leaves its event, in c: NULL when there is no trace, or
 *               nothing to ask
 * @return CLVITS_OK or _E_MEMORY
 */
clvits_status clvits_command_begin(clvits_command *c, clvits_device *d, cl_event **event,
                                   clvits_report *r);

/**
 * Keep the command, which was enqueued, for clvits_trace_collect(). Nothing when it is not traced.
 *
 * @param kernel  NULL for a copy, whose name and size follow
 */
void clvits_command_keep(const clvits_command *c, const char *kernel, const char *options,
                         const char *name, size_t size, const clvits_report *r);

/** The name of an OpenCL error, as in "CL_OUT_OF_RESOURCES". */
const char *clvits_cl_error(cl_int e);

/** Whether memory or other resources were short, which may pass. */
bool clvits_cl_shortage(cl_int e);

/** Have the device as lost where the error says that it is gone. */
void clvits_cl_note_loss(const clvits_device *d, cl_int e);

/** Name the device as what failed, where the report keeps no failure yet. */
void clvits_device_blame(const clvits_device *d, clvits_report *r);

/** Fail with CLVITS_E_DEVICE (or _MEMORY), naming what was tried, the device and the error. */
clvits_status clvits_cl_fail(clvits_report *r, const clvits_device *d, const char *what, cl_int e);

/** The built program of a launch, from memory, disk cache or source. Owned by the device. */
clvits_status clvits_program_get(cl_program *out, clvits_device *d, const clvits_launch *l,
                                 clvits_report *r);

/** Whether the device gives back what the oldest of its buffers holds, or has none. */
bool clvits_buffers_can_be_read(clvits_device *d);

/** Release what is known of the device's kernels. */
void clvits_verdicts_free(clvits_device *d);

#endif
