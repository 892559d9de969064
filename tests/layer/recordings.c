// SPDX-License-Identifier: MIT
//
// cl_khr_command_buffer, between the library and the driver that offers it (one at a time). The
// declarations are our own: headers have those of one provisional version, or none.
#include "calls.h"

#include <stdint.h>
#include <string.h>

static void *(CL_API_CALL *create_there)(cl_uint n, const cl_command_queue *queues,
                                         const cl_ulong *properties, cl_int *error);
static cl_int(CL_API_CALL *add_there)(void *buffer, cl_command_queue q, const cl_ulong *properties,
                                      cl_kernel k, cl_uint n, const size_t *offset,
                                      const size_t *global, const size_t *local, cl_uint n_wait,
                                      const cl_uint *wait, cl_uint *point, void **command);
static cl_int(CL_API_CALL *finish_there)(void *buffer);
static cl_int(CL_API_CALL *enqueue_there)(cl_uint n, cl_command_queue *queues, void *buffer,
                                          cl_uint n_wait, const cl_event *wait, cl_event *event);
static cl_int(CL_API_CALL *release_there)(void *buffer);

static void *CL_API_CALL create(cl_uint n, const cl_command_queue *queues,
                                const cl_ulong *properties, cl_int *error)
{
    const cl_int e = calls_count(RECORD);
    if (e)
        return calls_refused(e, error);
    void *buffer = create_there(n, queues, properties, error);
    calls_made(RECORDINGS, buffer);
    return buffer;
}

static cl_int CL_API_CALL add(void *buffer, cl_command_queue q, const cl_ulong *properties,
                              cl_kernel k, cl_uint n, const size_t *offset, const size_t *global,
                              const size_t *local, cl_uint n_wait, const cl_uint *wait,
                              cl_uint *point, void **command)
{
    const cl_int e = calls_count(RECORD);
    return e ? e
             : add_there(buffer, q, properties, k, n, offset, global, local, n_wait, wait, point,
                         command);
}

static cl_int CL_API_CALL finish(void *buffer)
{
    const cl_int e = calls_count(RECORD);
    return e ? e : finish_there(buffer);
}

static cl_int CL_API_CALL enqueue(cl_uint n, cl_command_queue *queues, void *buffer,
                                  cl_uint n_wait, const cl_event *wait, cl_event *event)
{
    const cl_int e = calls_count(LAUNCH);
    return e ? e : enqueue_there(n, queues, buffer, n_wait, wait, event);
}

static cl_int CL_API_CALL release(void *buffer)
{
    const cl_int e = release_there(buffer);
    if (!e)
        calls_released(RECORDINGS);
    return e;
}

void *calls_recording(const char *name, void *there)
{
    const struct {
        const char *name;
        void *call, *there;
    } calls[] = { { "clCreateCommandBufferKHR", (void *)(uintptr_t)create, &create_there },
                  { "clCommandNDRangeKernelKHR", (void *)(uintptr_t)add, &add_there },
                  { "clFinalizeCommandBufferKHR", (void *)(uintptr_t)finish, &finish_there },
                  { "clEnqueueCommandBufferKHR", (void *)(uintptr_t)enqueue, &enqueue_there },
                  { "clReleaseCommandBufferKHR", (void *)(uintptr_t)release, &release_there } };

    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls) && there; i++)
        if (!strcmp(calls[i].name, name)) {
            memcpy(calls[i].there, &there, sizeof(there));
            return calls[i].call;
        }
    return there;
}
