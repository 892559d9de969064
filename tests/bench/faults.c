// SPDX-License-Identifier: MIT
//
// An OpenCL device that fails, put before the real one by LD_PRELOAD:
//   CLVITS_FAULT=lost:N    it disappears after N kernels
//   CLVITS_FAULT=memory:N  it has no room for a buffer of N bytes or more
#define _GNU_SOURCE /* RTLD_NEXT */
#define CL_TARGET_OPENCL_VERSION 120

#include <CL/cl.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static long fault(const char *kind)
{
    const char *text = getenv("CLVITS_FAULT");
    const size_t n = strlen(kind);
    return text && !strncmp(text, kind, n) && text[n] == ':' ? strtol(text + n + 1, NULL, 10) : -1;
}

static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static long kernels;

static int lost(void)
{
    const long limit = fault("lost");
    return limit >= 0 && kernels > limit;
}

__attribute__((visibility("default"))) cl_int
clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint n, const size_t *offset,
                       const size_t *global, const size_t *local, cl_uint n_wait,
                       const cl_event *wait, cl_event *event)
{
    cl_int (*real)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *,
                   const size_t *, cl_uint, const cl_event *, cl_event *);
    *(void **)&real = next("clEnqueueNDRangeKernel");
    kernels++;
    return lost() ? CL_DEVICE_NOT_AVAILABLE
                  : real(q, k, n, offset, global, local, n_wait, wait, event);
}

__attribute__((visibility("default"))) cl_int clFinish(cl_command_queue q)
{
    cl_int (*real)(cl_command_queue);
    *(void **)&real = next("clFinish");
    return lost() ? CL_DEVICE_NOT_AVAILABLE : real(q);
}

__attribute__((visibility("default"))) cl_mem clCreateBuffer(cl_context c, cl_mem_flags flags,
                                                             size_t size, void *host,
                                                             cl_int *error)
{
    cl_mem (*real)(cl_context, cl_mem_flags, size_t, void *, cl_int *);
    const long limit = fault("memory");
    const int full = limit >= 0 && size >= (size_t)limit;

    *(void **)&real = next("clCreateBuffer");
    if (!full && !lost())
        return real(c, flags, size, host, error);
    if (error)
        *error = full ? CL_MEM_OBJECT_ALLOCATION_FAILURE : CL_DEVICE_NOT_AVAILABLE;
    return NULL;
}
