// SPDX-License-Identifier: MIT
//
// cl_qcom_recordable_queues, Adreno's. NEVER RUN ON HARDWARE: none was at hand; tests/replay.c has
// it talk to a driver that is made up from what is known of the real one. So it is used only where
// it is asked for.
//
// Launches on a queue that was made for it are recorded instead of run, at most so many in one
// recording; on another queue they then are enqueued together, in their order.
#include "device/device_impl.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDABLE_QUEUE_MAX_SIZE = 0x41DE, QUEUE_RECORDABLE = 1 << 30 };

/* Whether a list of words has this one. */
static bool lists(const char *list, const char *word)
{
    const size_t n = strlen(word);

    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return true;
    return false;
}

static bool find(clvits_device *d, cl_platform_id platform)
{
    const clvits_extension_call calls[] = {
        { &d->calls.qcom.create, "clNewRecordingQCOM" },
        { &d->calls.qcom.finish, "clEndRecordingQCOM" },
        { &d->calls.qcom.enqueue, "clEnqueueRecordingQCOM" },
        { &d->calls.qcom.release, "clReleaseRecordingQCOM" },
    };
    size_t size = 0;
    char *extensions = clvits_device_answer(d, CL_DEVICE_EXTENSIONS, &size);
    const bool has = extensions && lists(extensions, clvits_player_qcom.extension);
    cl_uint most = 0;

    free(extensions);
    if (!has ||
        clGetDeviceInfo(d->id, RECORDABLE_QUEUE_MAX_SIZE, sizeof(most), &most, NULL) !=
            CL_SUCCESS ||
        !most)
        return false;
    if (!clvits_extension_calls(platform, calls, sizeof(calls) / sizeof(*calls)))
        return false;
    d->calls.most = most < 4096 ? (int)most : 4096;
    d->calls.forgets = true; /* it does not say */
    return true;
}

/* The lock is held: a queue takes one recording at a time. */
static cl_int record_locked(void **out, clvits_device *d, clvits_kernel *const *kernels, int n)
{
    clvits_qcom_calls *c = &d->calls.qcom;
    cl_int e = CL_SUCCESS;

    if (!c->queue)
        c->queue = clCreateCommandQueue(d->context, d->id, QUEUE_RECORDABLE, &e);
    void *recording = e == CL_SUCCESS ? c->create(c->queue, &e) : NULL;
    for (int i = 0; i < n && e == CL_SUCCESS; i++)
        e = clEnqueueNDRangeKernel(c->queue, kernels[i]->kernel, kernels[i]->dimensions, NULL,
                                   kernels[i]->global, kernels[i]->local, 0, NULL, NULL);
    if (recording) {
        const cl_int ended = c->finish(recording);
        e = e == CL_SUCCESS ? ended : e;
        if (e != CL_SUCCESS)
            c->release(recording);
    }
    *out = e == CL_SUCCESS ? recording : NULL;
    return e;
}

static cl_int record(void **out, clvits_device *d, clvits_kernel *const *kernels, int n)
{
    pthread_mutex_lock(&d->lock);
    const cl_int e = record_locked(out, d, kernels, n);
    pthread_mutex_unlock(&d->lock);
    return e;
}

static cl_int enqueue(const clvits_device *d, void *recording)
{
    return d->calls.qcom.enqueue(d->queue, recording, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL,
                                 NULL);
}

static void release(const clvits_device *d, void *recording)
{
    d->calls.qcom.release(recording);
}

static void close(clvits_device *d)
{
    if (d->calls.qcom.queue)
        clReleaseCommandQueue(d->calls.qcom.queue);
}

const clvits_player clvits_player_qcom = {
    .extension = "cl_qcom_recordable_queues", .proven = false, .find = find, .record = record,
    .enqueue = enqueue, .release = release, .close = close,
};
