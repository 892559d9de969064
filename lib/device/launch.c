// SPDX-License-Identifier: MIT
#include "device/device_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void clvits_launch_option(clvits_launch *l, const char *option)
{
    const size_t n = strlen(l->options);
    snprintf(l->options + n, sizeof(l->options) - n, "%s%s", n ? " " : "", option);
}

bool clvits_launch_same(const clvits_launch *a, const clvits_launch *b)
{
    return a->program && b->program && !strcmp(a->program, b->program) &&
           !strcmp(a->kernel, b->kernel) && !strcmp(a->options, b->options) &&
           !memcmp(a->local, b->local, sizeof(a->local));
}

static clvits_status fail(clvits_report *r, const clvits_device *d, const char *what,
                          const char *kernel, cl_int e)
{
    char text[160];
    snprintf(text, sizeof(text), "%s kernel %s", what, kernel);
    return clvits_cl_fail(r, d, text, e);
}

static clvits_status set_arguments(clvits_kernel *k, const void *dims, size_t dims_size,
                                   clvits_buffer *const *buffers, int n, clvits_report *r)
{
    cl_int e = clSetKernelArg(k->kernel, 0, dims_size, dims);
    for (int i = 0; i < n && e == CL_SUCCESS; i++)
        e = clSetKernelArg(k->kernel, (cl_uint)i + 1, sizeof(cl_mem),
                           &(buffers[i] ? buffers[i] : buffers[0])->memory);
    return e == CL_SUCCESS ? CLVITS_OK
                           : fail(r, k->device, "cannot set an argument of", k->name, e);
}

clvits_status clvits_kernel_make(clvits_kernel **out, clvits_device *d, const clvits_launch *l,
                                 const void *dims, size_t dims_size,
                                 clvits_buffer *const *buffers, int n, clvits_report *r)
{
    cl_program program;
    cl_int e;
    clvits_status s = clvits_program_get(&program, d, l, r);

    *out = NULL;
    if (s)
        return s;
    clvits_kernel *k = calloc(1, sizeof(*k));
    if (!k)
        return clvits_fail_memory(r, "a kernel");
    k->device = d;
    k->name = l->kernel;
    k->options = l->options;
    k->dimensions = (cl_uint)l->dimensions;
    for (int i = 0; i < 3; i++) {
        k->group[i] = l->local[i] ? l->local[i] : 1;
        k->global[i] = (l->global[i] + k->group[i] - 1) / k->group[i] * k->group[i];
    }
    k->local = l->local[0] ? k->group : NULL;
    k->kernel = clCreateKernel(program, l->kernel, &e);
    s = e == CL_SUCCESS ? set_arguments(k, dims, dims_size, buffers, n, r)
                        : fail(r, d, "cannot create", l->kernel, e);
    if (s)
        clvits_kernel_free(&k);
    *out = k;
    return s;
}

void clvits_kernel_free(clvits_kernel **kernel)
{
    clvits_kernel *k = *kernel;
    if (!k)
        return;
    if (k->kernel)
        clReleaseKernel(k->kernel);
    free(k);
    *kernel = NULL;
}

static clvits_status open_timed(clvits_device *d, clvits_report *r)
{
    cl_int e = CL_SUCCESS;

    pthread_mutex_lock(&d->lock);
    if (!d->timed)
        d->timed = clCreateCommandQueue(d->context, d->id, CL_QUEUE_PROFILING_ENABLE, &e);
    pthread_mutex_unlock(&d->lock);
    return e == CL_SUCCESS ? CLVITS_OK : clvits_cl_fail(r, d, "cannot make a profiling queue", e);
}

static clvits_status run_timed(clvits_kernel *k, double *ns, clvits_report *r)
{
    clvits_device *d = k->device;
    cl_ulong start = 0, end = 0;
    cl_event event;
    clvits_status s = open_timed(d, r);

    if (!s)
        s = clvits_device_finish(d, r);
    if (s)
        return s;
    cl_int e = clEnqueueNDRangeKernel(d->timed, k->kernel, k->dimensions, NULL, k->global,
                                      k->local, 0, NULL, &event);
    if (e != CL_SUCCESS)
        return fail(r, d, "cannot launch", k->name, e);
    e = clWaitForEvents(1, &event);
    if (e == CL_SUCCESS)
        e = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof(start), &start, NULL);
    if (e == CL_SUCCESS)
        e = clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof(end), &end, NULL);
    clReleaseEvent(event);
    *ns = (double)(end - start);
    return e == CL_SUCCESS ? CLVITS_OK : fail(r, d, "cannot time", k->name, e);
}

clvits_status clvits_kernel_run(clvits_kernel *k, double *ns, clvits_report *r)
{
    const unsigned long long launches = atomic_fetch_add(&k->device->launches, 1) + 1;
    clvits_command c;
    cl_event *event;

    if (ns)
        return run_timed(k, ns, r);
    const clvits_status s = clvits_command_begin(&c, k->device, &event, r);
    if (s)
        return s;
    const cl_int e = clEnqueueNDRangeKernel(k->device->queue, k->kernel, k->dimensions, NULL,
                                            k->global, k->local, 0, NULL, event);
    const int flush = k->device->quirks.flush;
    if (e == CL_SUCCESS && flush && launches % (unsigned)flush == 0)
        clvits_device_submit(k->device);
    if (e != CL_SUCCESS)
        return fail(r, k->device, "cannot launch", k->name, e);
    clvits_command_keep(&c, k->name, k->options, NULL, 0, r);
    return CLVITS_OK;
}
