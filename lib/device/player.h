// SPDX-License-Identifier: MIT
//
// Who records launches: one player for each OpenCL extension that can. The declarations are our
// own, since headers have those of one provisional version, or none at all.
#ifndef CLVITS_DEVICE_PLAYER_H
#define CLVITS_DEVICE_PLAYER_H

#include "device/device.h"

/** cl_khr_command_buffer: the calls that a list of kernels needs. */
typedef struct clvits_khr_calls {
    void *(CL_API_CALL *create)(cl_uint n_queues, const cl_command_queue *queues,
                                const cl_ulong *properties, cl_int *e);
    cl_int(CL_API_CALL *add)(void *buffer, cl_command_queue queue, const cl_ulong *properties,
                             cl_kernel kernel, cl_uint dimensions, const size_t *offset,
                             const size_t *global, const size_t *local, cl_uint n_wait,
                             const cl_uint *wait, cl_uint *point, void **command);
    cl_int(CL_API_CALL *finish)(void *buffer);
    cl_int(CL_API_CALL *enqueue)(cl_uint n_queues, cl_command_queue *queues, void *buffer,
                                 cl_uint n_wait, const cl_event *wait, cl_event *event);
    cl_int(CL_API_CALL *release)(void *buffer);
    bool overlap; /* ask that a list may be enqueued while it still runs */
} clvits_khr_calls;

/** cl_qcom_recordable_queues. Nothing that changes between replays is passed, so that the arrays
 *  of changed arguments, offsets and sizes are always empty. */
typedef struct clvits_qcom_calls {
    void *(CL_API_CALL *create)(cl_command_queue queue, cl_int *e);
    cl_int(CL_API_CALL *finish)(void *recording);
    cl_int(CL_API_CALL *enqueue)(cl_command_queue queue, void *recording, size_t n_arguments,
                                 const void *arguments, size_t n_offsets, const void *offsets,
                                 size_t n_globals, const void *globals, size_t n_locals,
                                 const void *locals, cl_uint n_wait, const cl_event *wait,
                                 cl_event *event);
    cl_int(CL_API_CALL *release)(void *recording);
    cl_command_queue queue; /* launches on it are recorded; made with the first recording */
} clvits_qcom_calls;

typedef struct clvits_player_calls {
    int most;     /* launches in one recording */
    bool forgets; /* what a recording refers to has to live until it has run */
    clvits_khr_calls khr;
    clvits_qcom_calls qcom;
} clvits_player_calls;

typedef struct clvits_player {
    const char *extension;
    bool proven; /* it was run on some device, so that GPUs use it unasked */
    /* Whether the device has the extension, as known here; fills d->calls. */
    bool (*find)(clvits_device *d, cl_platform_id platform);
    cl_int (*record)(void **out, clvits_device *d, clvits_kernel *const *kernels, int n);
    /* CL_INVALID_OPERATION: not now, since it still runs. */
    cl_int (*enqueue)(const clvits_device *d, void *recording);
    void (*release)(const clvits_device *d, void *recording);
    void (*close)(clvits_device *d);
} clvits_player;

extern const clvits_player clvits_player_khr, clvits_player_qcom;

/** Choose the player of a device that was opened. */
void clvits_player_find(clvits_device *d, clvits_record_mode mode);

/** A device's answer, with a zero after it; NULL where there is none. Freed by the caller. */
void *clvits_device_answer(const clvits_device *d, cl_device_info what, size_t *size);

/** An extension's function, and the pointer to functions that receives it. */
typedef struct clvits_extension_call {
    void *to;
    const char *name;
} clvits_extension_call;

/** Look all of them up; false where one is missing. */
bool clvits_extension_calls(cl_platform_id platform, const clvits_extension_call *calls, size_t n);

#endif
