// SPDX-License-Identifier: MIT
#ifndef CLVITS_DEVICE_DEVICE_H
#define CLVITS_DEVICE_DEVICE_H

#include "base/file.h"
#include "base/trace.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Which kernels suit a device: work-groups that share local memory (GPU), or one work-item per
 * job with explicit wide vectors (CPU devices such as PoCL's).
 */
typedef enum clvits_family { CLVITS_FAMILY_GPU = 0, CLVITS_FAMILY_CPU = 1 } clvits_family;

enum { CLVITS_INFO_TEXT = 512 }; /* of a driver's texts; Adreno's platforms have above 150 bytes */

/** What a device says of itself, but for what cl/devices.quirks says of it. */
typedef struct clvits_device_info {
    char name[CLVITS_INFO_TEXT], vendor[CLVITS_INFO_TEXT], platform[CLVITS_INFO_TEXT];
    char version[CLVITS_INFO_TEXT], driver[CLVITS_INFO_TEXT];
    char platform_version[CLVITS_INFO_TEXT]; /* where PoCL names its LLVM */
    clvits_family family;
    bool gpu; /* CL_DEVICE_TYPE_GPU */
    int compute_units, clock_mhz; /* the clock as the driver tells it; 0: it does not */
    int vector; /* floats in a native vector */
    size_t max_work_group, max_work_item[3];
    size_t local_memory, global_memory, max_alloc;
    bool fp16, unified_memory;
} clvits_device_info;

struct clvits_tuned; /* op/tune.h */
typedef struct clvits_device clvits_device; /* open: context, queue, programs; any thread */
typedef struct clvits_buffer clvits_buffer; /* memory on one device */
typedef struct clvits_kernel clvits_kernel; /* a kernel with its arguments; one thread at a time */

/** One launch: filled by an operator, turned into a clvits_kernel when a run is made. */
typedef struct clvits_launch {
    const char *program; /* room: cl/<program>.cl */
    const char *kernel;
    char options[256];   /* -D knobs; the language version is added */
    int dimensions;
    size_t global[3], local[3]; /* local[0] == 0: the driver chooses */
} clvits_launch;

/** Append an option to a launch's. */
void clvits_launch_option(clvits_launch *l, const char *option);

/** Whether two launches are of one kernel, built alike and in groups of one size. */
bool clvits_launch_same(const clvits_launch *a, const clvits_launch *b);

/** Every OpenCL device of this machine; list is freed with free(). No platform is no failure. */
clvits_status clvits_device_list(clvits_device_info **list, int *count, clvits_report *r);

/** Whether launches that repeat are recorded, clvits_replay_make(). */
typedef enum clvits_record_mode {
    CLVITS_RECORD_AUTO = 0, /* on GPUs that have cl_khr_command_buffer */
    CLVITS_RECORD_OFF,
    CLVITS_RECORD_ON /* wherever there is an extension for it */
} clvits_record_mode;

typedef struct clvits_device_params {
    const char *cache_dir;  /* program binaries; NULL: no cache */
    atomic_bool *cache_told; /* shared, and outlives the device: that it cannot be written was
                                said; NULL: nobody is told */
    const char *source_dir; /* read cl/ from here instead of the embedded text; NULL normally */
    int family;             /* 0: by device type; else a clvits_family + 1 */
    bool measure;           /* commands can be timed, for traces; then none are recorded */
    clvits_record_mode record;
    int place;              /* what traces call the device */
    size_t memory;          /* bytes that all buffers may take; 0: what there is */
    atomic_size_t *taken;   /* shared, and outlives the device: what the buffers of all devices that
                               have it take of that; NULL: the device has the limit for itself */
    const char *quirks;     /* a table instead of cl/devices.quirks; NULL normally */
} clvits_device_params;

/** Open the index-th device of clvits_device_list(). */
clvits_status clvits_device_open(clvits_device **out, int index, const clvits_device_params *p,
                                 clvits_report *r);
void clvits_device_close(clvits_device **device);

/**
 * A device that is only described: operators choose kernels and layouts for it as for such a
 * device, without any OpenCL. Nothing can be built or run on it.
 */
clvits_status clvits_device_describe(clvits_device **out, const clvits_device_info *info,
                                     clvits_report *r);
const clvits_device_info *clvits_device_get_info(const clvits_device *d);

/** Rows for this device, op/tune.h, given before anything is planned for it; NULL: none. */
void clvits_device_set_tuned(clvits_device *d, const struct clvits_tuned *tuned);
const struct clvits_tuned *clvits_device_tuned(const clvits_device *d);

/** What cl/devices.quirks has the device spared, with the reports of it; "" for nothing. */
const char *clvits_device_quirks(const clvits_device *d);

/** What a message says behind the device's name, where it begins with that; else all of it. */
const char *clvits_device_unnamed(const clvits_device *d, const char *message);

/** The largest power of two that the device allows as a work-group, at most the given one. */
size_t clvits_device_work_group(const clvits_device *d, size_t most);

/** OK where the device reports cl_khr_fp16 and computes a known answer in halves; else it fails
 *  with the reason: _E_UNSUPPORTED where it does not report it, _E_DEVICE where the answer is
 *  wrong. */
clvits_status clvits_device_check_halves(clvits_device *d, clvits_report *r);

/**
 * Use an open device no more: nothing new is planned for it. The first time, a warning says so.
 *
 * @param why  what happened, as in a report's text
 */
void clvits_device_distrust(clvits_device *d, const char *why, clvits_report *r);
bool clvits_device_trusted(const clvits_device *d);

/** What one call of clvits_device_distrust() said was not so. Whether none stands any more, and the
 *  device is used again. */
bool clvits_device_take_back(clvits_device *d);

/** Whether an error has said that the device is gone; so is one whose compiler builds nothing. */
bool clvits_device_lost(const clvits_device *d);

/** After an error that may have many causes: see whether the device takes in and gives back any
 *  bytes, or at least gives back what it has while memory is short; if not, it is lost. Whether it
 *  is. */
bool clvits_device_probe(clvits_device *d);

/** Bytes that all buffers of the device may take: what it has, or its limit. */
size_t clvits_device_memory(const clvits_device *d);

/** Bytes now allocated on the device, and the most there ever were, or were since begin_peak(). */
size_t clvits_device_bytes(const clvits_device *d);
size_t clvits_device_peak_bytes(const clvits_device *d);
void clvits_device_begin_peak(clvits_device *d);

/** How many launches since the device was opened. */
uint64_t clvits_device_launches(const clvits_device *d);

/** Programs that a device was given, and how long the driver took for each kind: compiled from
 *  source, which may have failed, or loaded from the binaries that the cache folder has. */
typedef struct clvits_builds {
    int compiled, loaded;
    double compile_seconds, load_seconds;
} clvits_builds;

/** Those since the device was opened. Any thread may ask. */
clvits_builds clvits_device_builds(clvits_device *d);

/** Zeroed memory of at least one byte. */
clvits_status clvits_buffer_make(clvits_buffer **out, clvits_device *d, size_t size,
                                 clvits_report *r);
void clvits_buffer_free(clvits_buffer **buffer);

/** Its bytes; of NULL none. */
size_t clvits_buffer_size(const clvits_buffer *b);

/* Transfers, in order with the launches of the same device. A write that does not wait may still
 * be reading src: it stays as it is until the next blocking call. A read blocks until done. */
clvits_status clvits_buffer_write(clvits_buffer *b, size_t offset, size_t size, const void *src,
                                  bool wait, clvits_report *r);
clvits_status clvits_buffer_read(clvits_buffer *b, size_t offset, size_t size, void *dst,
                                 clvits_report *r);
clvits_status clvits_buffer_copy(clvits_buffer *dst, size_t dst_offset, clvits_buffer *src,
                                 size_t src_offset, size_t size, clvits_report *r);
/* Zeroes whole halves or floats. */
clvits_status clvits_buffer_zero(clvits_buffer *b, size_t offset, size_t size, clvits_report *r);

/** Whether the program builds and has the kernel: asked before a node is placed on a device.
 *  UNSUPPORTED where the device's quirks leave the kernel out. */
clvits_status clvits_program_check(clvits_device *d, const clvits_launch *l, clvits_report *r);

/** FNV-1a over the launch's kernel as this device would have it: source, name, options and
 *  work-group; builds the program. Fails where that fails. */
clvits_status clvits_launch_hash(uint64_t *out, clvits_device *d, const clvits_launch *l,
                                 clvits_report *r);

/** The same of source and name alone: one for all options and work-groups. */
clvits_status clvits_kernel_hash(uint64_t *out, clvits_device *d, const clvits_launch *l,
                                 clvits_report *r);

/** What a trial of a kernel on this device has shown. */
typedef enum clvits_verdict {
    CLVITS_UNTRIED = 0,
    CLVITS_RIGHT, /* it computes what it should */
    CLVITS_WRONG, /* it does not */
} clvits_verdict;

enum { CLVITS_VERDICT_TEXT = 200 };

/** What is known of a key; why, of CLVITS_VERDICT_TEXT bytes, receives what went wrong. */
clvits_verdict clvits_verdict_get(clvits_device *d, uint64_t key, char *why);

/** Keep a verdict, and what went wrong; for later programs as well where `lasting`. */
clvits_status clvits_verdict_set(clvits_device *d, uint64_t key, clvits_verdict verdict,
                                 const char *why, bool lasting, clvits_report *r);

/** Read what earlier programs found of this device with this driver by this version; a damaged
 *  file is none. And have later ones find what is new. */
clvits_status clvits_verdicts_load(clvits_device *d, clvits_report *r);
clvits_status clvits_verdicts_read(clvits_device *d, const char *path, clvits_report *r);
void clvits_verdicts_save(clvits_device *d, const clvits_report *r);

/** What a driver may end the program with: building a kernel, loading its binary, running it for
 *  the first time, or recording launches. */
typedef struct clvits_attempt {
    int fd;
    struct clvits_marks *marks;
    char path[CLVITS_MAX_PATH];
} clvits_attempt;

/**
 * Leave a mark in the cache folder while a part is tried of what the key stands for.
 *
 * Programs that ended meanwhile leave theirs. After two of them at the same part that is a verdict
 * on the whole, which lasts; that another part goes well says nothing of this one. Who wants what
 * runs to end, as the report's stop says, takes it back: then nothing else need be why.
 *
 * @param[out] a     to be ended, also after a failure
 * @param      part  what tells parts apart; 0 where there is but one
 * @return CLVITS_OK, also where no mark can be left; _E_DEVICE: it is not to be tried; _E_MEMORY
 */
clvits_status clvits_attempt_begin(clvits_attempt *a, clvits_device *d, uint64_t key,
                                   uint64_t part, const char *what, const char *options,
                                   clvits_report *r);
void clvits_attempt_end(clvits_attempt *a);

/**
 * Create the kernel and set its arguments once: dims by value, then the buffers in order; NULL
 * buffers are replaced by the first one. The launch outlives the kernel, which names it in traces.
 */
clvits_status clvits_kernel_make(clvits_kernel **out, clvits_device *d, const clvits_launch *l,
                                 const void *dims, size_t dims_size,
                                 clvits_buffer *const *buffers, int n, clvits_report *r);
void clvits_kernel_free(clvits_kernel **kernel);

/** Enqueue it. When ns is not NULL, wait and store the device's own time. */
clvits_status clvits_kernel_run(clvits_kernel *k, double *ns, clvits_report *r);

/** The extension by which launches are recorded; NULL: they are not. */
const char *clvits_device_records(const clvits_device *d);

/** Launches that a device keeps, to be enqueued as one; one thread at a time. */
typedef struct clvits_replay clvits_replay;

/**
 * Record n launches of one device. What the kernels' buffers hold may change from one replay to
 * the next, and nothing else.
 *
 * @param[out] out      NULL where the device does not record; the first failure, or that earlier
 *                      programs ended there, is warned of, and the device then records no more
 * @param      kernels  outlives the replay, as do the kernels
 */
void clvits_replay_make(clvits_replay **out, clvits_kernel *const *kernels, int n,
                        clvits_report *r);

/** After the first time that those of n were replayed: wait until that has ended, and take away
 *  what says, as clvits_attempt_begin() has it, that they may end programs. NULLs are none. */
void clvits_replays_settle(clvits_replay *const *replays, int n);

/** May wait for the device. */
void clvits_replay_free(clvits_replay **replay);
int clvits_replay_launches(const clvits_replay *p);

/** Enqueue the launches, in order; one by one where the driver does not take them as one. */
clvits_status clvits_replay_run(clvits_replay *p, clvits_report *r);

/** It does something else than its launches: the device's are enqueued from now on. */
void clvits_replay_distrust(const clvits_replay *p, clvits_report *r);

/**
 * Report the device's commands that wait in a trace, which itself waits until they ended.
 *
 * @param t  NULL does nothing
 * @param d  NULL for those of all devices
 */
void clvits_trace_collect(clvits_trace *t, const clvits_device *d);

/** Report what waits and release what the trace holds; NULL does nothing. */
void clvits_trace_end(clvits_trace *t);

/** Have the device begin with what was enqueued so far: drivers may keep it until somebody waits.
 *  What goes wrong shows in what follows. */
void clvits_device_submit(clvits_device *d);

/** Wait for everything enqueued so far. */
clvits_status clvits_device_finish(clvits_device *d, clvits_report *r);

#endif
