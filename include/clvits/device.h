// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_DEVICE_H
#define CLVITS_PUBLIC_DEVICE_H

#include <clvits/status.h>
#include <clvits/trace.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes for one of a driver's texts; what is longer is cut. Some are above 150. */
enum { CLVITS_DEVICE_TEXT = 512 };

/** An OpenCL device of this machine, as its driver describes it. Sizes are in bytes. */
typedef struct clvits_device_desc {
    int number;           /* what clvits_context_params.device takes, as decimal digits */
    char name[CLVITS_DEVICE_TEXT];
    char vendor[CLVITS_DEVICE_TEXT];
    char platform[CLVITS_DEVICE_TEXT];
    char version[CLVITS_DEVICE_TEXT]; /* "OpenCL 3.0 ..." */
    char driver[CLVITS_DEVICE_TEXT];
    int is_gpu;
    int compute_units;
    int clock_mhz; /* the highest that the driver tells; 0: it tells none */
    size_t max_work_group; /* work-items */
    size_t local_memory, global_memory, max_allocation;
    int has_fp16;
    int has_unified_memory;
} clvits_device_desc;

/**
 * List the OpenCL devices. A machine without any is no failure: the list is then empty.
 *
 * @param[out] list   release with clvits_devices_free(); NULL on failure
 * @param[out] count  number of entries
 * @return CLVITS_OK or _E_MEMORY
 */
CLVITS_API clvits_status clvits_devices(clvits_device_desc **list, size_t *count);

/** Release a list of clvits_devices() and set it to NULL; releasing NULL is allowed. */
CLVITS_API void clvits_devices_free(clvits_device_desc **list);

/** Threads whose last error a context keeps. */
enum { CLVITS_MOST_ERRORS = 256 };

/** How a context is opened; zero everywhere is the default. Texts are copied. */
typedef struct clvits_context_params {
    /**
     * NULL or "auto": the first OpenCL GPU, else the first OpenCL device, else the CPU path, also
     * (with a warning) where that device cannot be opened.
     * "cpu": the CPU path alone. "opencl": as "auto", but never the CPU path alone. A number:
     * that device of clvits_devices(). Anything else: the first device with this in its name or
     * its platform's, in any case of letters. Several, separated by commas: nodes go to the first
     * that takes them. Whatever no device takes runs on the CPU path, which takes everything: what
     * stands behind "cpu" has to name a device as well, but is never used. With "auto", or nothing,
     * the library also chooses between device and CPU path: see `place`.
     */
    const char *device;
    /**
     * NULL, or what runs where, entries separated by commas. "device": every operator on the first
     * opened device that takes it, which is the rule where `device` names one. "auto": where
     * operators, launches and copies cost least, which is the rule where `device` leaves the choice
     * open; the costs are measured when the first voice is opened, and kept in the cache folder.
     * "NAME=cpu" or "NAME=1": by hand, NAME being an operator ("conv1d") or the start of a
     * module's name ("enc_p", "flow", "dec.ups"), the value "cpu" or the place of a device among
     * those opened, counted from 1. Never changes results beyond rounding.
     */
    const char *place;
    const char *cache_dir;  /* built kernels, tuned rows, what was found of kernels; NULL: the
                               user's cache folder; "": none */
    const char *kernel_dir; /* NULL, or a folder to read kernels from instead of the built-in ones;
                               for their development */
    const char *cpu_isa;    /* NULL: the best of this processor; "baseline", "avx2", "avx512" */
    /**
     * NULL or "fp32": floats. "fp16-storage": devices keep weights and values of flow and decoder
     * as halves and still add them up as floats: half the memory, at 45 dB or more of the same
     * speech. "fp16": they also multiply halves in convolutions; only where every opened device
     * reports cl_khr_fp16, passes a probe and runs work-group kernels (see kernel_family).
     * Durations are computed in floats whatever this says, and so is everything on the CPU path.
     */
    const char *precision;
    /**
     * NULL, or how much the context takes of its devices together at most: bytes, or with K, M or
     * G behind the number 1024, 1024^2 or 1024^3 of them. Where a voice does not get by with that,
     * the decoder makes smaller windows, and where it still does not, the CPU path does the work;
     * both with a warning, and neither changes results beyond rounding.
     */
    const char *memory;
    /**
     * Before a device's kernel is used, it computes a small known answer; one that goes wrong is
     * left out, and another kernel or the CPU path does its work, with one warning. NULL or
     * "cached": once for a device, its driver and this version of the library, kept in the cache
     * folder. "always": anew in every context. "never": kernels are used as they are.
     */
    const char *trust;
    /**
     * Whether launches that come again, for the next window or sentence, are recorded and enqueued
     * as one. "on": on every device that has cl_khr_command_buffer in a known version (0.9.0 to
     * 0.9.8, 1.0.0) or cl_qcom_recordable_queues, whose use was never run on hardware. "off": no.
     * NULL or "auto": on GPUs with the former. Where a driver fails at it, one warning tells, and
     * launches are enqueued one by one; so they are for a trace, which sees each. Never changes
     * results.
     */
    const char *record;
    /**
     * From 1 on: of so many graphs that run on devices, one has a node that the CPU path computes
     * again. Where both differ, the device is not used any more, and what was spoken is computed
     * anew, as far as it was not delivered. 0: as CLVITS_RECHECK says, else never; -1: never.
     */
    int recheck;
    /**
     * Of the CPU path. 0: one per processor that this process may use, by its affinity and by its
     * container's quota of their time, but no more than 256.
     */
    int threads;
    int kernel_family;      /* 0: as suits the device; 1: work-group kernels; 2: vector kernels */
    clvits_log_fn log;      /* NULL: silence; it must not call the library */
    void *log_user;
    /**
     * NULL, or a flag, see clvits_cancel_raise(), that ends everything done with the context as
     * soon as may be: opening a voice, speaking, checking. Outlives the context.
     */
    struct clvits_cancel *cancel;
    clvits_trace_fn trace;  /* NULL, or receives where the time goes; asks devices to measure */
    void *trace_user;
} clvits_context_params;

/**
 * Devices, threads and caches that voices run on. Any number of threads may use one at once.
 *
 * The environment fills in what the params leave open: CLVITS_DEVICE, CLVITS_PLACE, CLVITS_CACHE,
 * CLVITS_KERNELS, CLVITS_CPU, CLVITS_PRECISION, CLVITS_MEMORY, CLVITS_RECORD, CLVITS_TRUST,
 * CLVITS_RECHECK, CLVITS_THREADS, CLVITS_FAMILY (gpu or cpu).
 */
typedef struct clvits_context clvits_context;

/**
 * Open a context.
 *
 * @param[out] out     NULL on failure (the message then goes to params->log)
 * @param      params  NULL for the defaults
 * @return CLVITS_OK, _E_DEVICE (there is none, or it cannot be opened), _E_ARGUMENT (nothing
 *         matches a name, or a value is none, the environment's included), _E_UNSUPPORTED or
 *         _E_MEMORY
 */
CLVITS_API clvits_status clvits_context_open(clvits_context **out,
                                             const clvits_context_params *params);

/** Close a context whose voices are closed, and set it to NULL; closing NULL is allowed. */
CLVITS_API void clvits_context_close(clvits_context **context);

/**
 * What happened in the last call on this context, by the calling thread, that failed.
 *
 * @return valid until this thread's next failing call on the context, and until those of
 *         CLVITS_MOST_ERRORS other threads; "" when nothing failed, or only before these
 */
CLVITS_API const char *clvits_context_error(const clvits_context *context);

/** The name of the first opened device, or the processor's; valid while open. */
CLVITS_API const char *clvits_context_device(const clvits_context *context);

/** Number of OpenCL devices opened; 0 when everything runs on the CPU path. */
CLVITS_API int clvits_context_device_count(const clvits_context *context);

/**
 * How many of the opened devices failed, or had no memory for an utterance or a recording, so that
 * another one or the CPU path went on.
 */
CLVITS_API int clvits_context_lost_count(const clvits_context *context);

/** Kernels launched since the context was opened; 0 while all that ran was on the CPU path. */
CLVITS_API uint64_t clvits_context_launches(const clvits_context *context);

/** Bytes of device memory in use, and the most there were; summed over the opened devices. */
CLVITS_API size_t clvits_context_device_bytes(const clvits_context *context, size_t *peak);

/**
 * How many tuned rows a place has: what kernels were measured to run best with there.
 *
 * @param      place  0: the CPU path; from 1: the devices opened
 * @param[out] file   NULL, or receives the path of the user's rows, "tuned.txt" in the cache
 *                    folder, valid while the context is open; "" where there are none
 * @param[out] own    NULL, or receives how many of the rows stand in that file; the others are the
 *                    library's
 * @return 0 for a place that there is not
 */
CLVITS_API int clvits_context_tuned(const clvits_context *context, int place, const char **file,
                                    int *own);

/**
 * What a device is spared because of public reports about such devices and drivers, as in
 * "flush 24 (https://...)"; the library's cl/devices.quirks says what that means.
 *
 * @param place  from 1: the devices opened
 * @return "" for nothing, and for a place that there is not; valid while the context is open
 */
CLVITS_API const char *clvits_context_quirks(const clvits_context *context, int place);

#ifdef __cplusplus
}
#endif
#endif
