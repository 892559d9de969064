// SPDX-License-Identifier: MIT
//
// cl_khr_command_buffer. The calls below are the same in all the versions listed, though those for
// other commands changed; commands recorded for an in-order queue follow each other without sync
// points. PoCL 3.1 has version 0.9.0.
#include "device/device_impl.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define VERSION(major, minor, patch) ((cl_uint)(major) << 22 | (cl_uint)(minor) << 12 | (patch))

enum {
    EXTENSIONS_WITH_VERSION = 0x1060,
    COMMAND_BUFFER_CAPABILITIES = 0x12A9,
    COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES = 0x12AA,
    COMMAND_BUFFER_FLAGS = 0x1293,
    SIMULTANEOUS_USE = 1 << 0,
    CAPABILITY_SIMULTANEOUS_USE = 1 << 2,
};

typedef struct name_version {
    cl_uint version;
    char name[64];
} name_version;

/* 0 where the device does not say. */
static cl_uint version_of(const clvits_device *d, const char *extension)
{
    size_t size = 0;
    name_version *list = clvits_device_answer(d, EXTENSIONS_WITH_VERSION, &size);
    cl_uint version = 0;

    for (size_t i = 0; list && i < size / sizeof(*list); i++)
        if (!strncmp(list[i].name, extension, sizeof(list[i].name)))
            version = list[i].version;
    free(list);
    return version;
}

static bool is_known(cl_uint version)
{
    return (version >= VERSION(0, 9, 0) && version <= VERSION(0, 9, 8)) ||
           version == VERSION(1, 0, 0);
}

static bool find(clvits_device *d, cl_platform_id platform)
{
    const clvits_extension_call calls[] = {
        { &d->calls.khr.create, "clCreateCommandBufferKHR" },
        { &d->calls.khr.add, "clCommandNDRangeKernelKHR" },
        { &d->calls.khr.finish, "clFinalizeCommandBufferKHR" },
        { &d->calls.khr.enqueue, "clEnqueueCommandBufferKHR" },
        { &d->calls.khr.release, "clReleaseCommandBufferKHR" },
    };
    const cl_uint version = version_of(d, clvits_player_khr.extension);
    cl_bitfield required = 0, capabilities = 0;

    /* The queue has no properties, and no driver known asks for some. */
    if (!is_known(version) ||
        clGetDeviceInfo(d->id, COMMAND_BUFFER_REQUIRED_QUEUE_PROPERTIES, sizeof(required),
                        &required, NULL) != CL_SUCCESS ||
        required ||
        clGetDeviceInfo(d->id, COMMAND_BUFFER_CAPABILITIES, sizeof(capabilities), &capabilities,
                        NULL) != CL_SUCCESS)
        return false;
    if (!clvits_extension_calls(platform, calls, sizeof(calls) / sizeof(*calls)))
        return false;
    /* Up to 0.9.7 a list is in use until the driver has noticed that it ended, which can be later
     * than the host did. From then on an in-order queue is enough. */
    d->calls.khr.overlap = version < VERSION(0, 9, 8) &&
                           (capabilities & CAPABILITY_SIMULTANEOUS_USE);
    d->calls.most = INT_MAX;
    d->calls.forgets = version < VERSION(0, 9, 3);
    return true;
}

static cl_int record(void **out, clvits_device *d, clvits_kernel *const *kernels, int n)
{
    const clvits_khr_calls *c = &d->calls.khr;
    const cl_ulong overlap[] = { COMMAND_BUFFER_FLAGS, SIMULTANEOUS_USE, 0 };
    cl_int e = CL_SUCCESS;
    void *buffer = c->create(1, &d->queue, c->overlap ? overlap : NULL, &e);

    for (int i = 0; i < n && e == CL_SUCCESS; i++) {
        const clvits_kernel *k = kernels[i];
        e = c->add(buffer, NULL, NULL, k->kernel, k->dimensions, NULL, k->global, k->local, 0,
                   NULL, NULL, NULL);
    }
    if (e == CL_SUCCESS)
        e = c->finish(buffer);
    if (e != CL_SUCCESS && buffer)
        c->release(buffer);
    *out = e == CL_SUCCESS ? buffer : NULL;
    return e;
}

static cl_int enqueue(const clvits_device *d, void *recording)
{
    return d->calls.khr.enqueue(0, NULL, recording, 0, NULL, NULL);
}

static void release(const clvits_device *d, void *recording)
{
    d->calls.khr.release(recording);
}

static void close(clvits_device *d)
{
    (void)d;
}

const clvits_player clvits_player_khr = {
    .extension = "cl_khr_command_buffer", .proven = true, .find = find, .record = record,
    .enqueue = enqueue, .release = release, .close = close,
};
