// SPDX-License-Identifier: MIT
//
// The linker hands what the library asks a driver to the functions below.
#include "harness.h"
#include "replay_driver.h"

#include <stdint.h>
#include <string.h>

enum { EXTENSIONS_WITH_VERSION = 0x1060, RECORDABLE_MAX = 0x41DE, RECORDABLE_QUEUE = 1 << 30 };
enum { MOST_RECORDINGS = 8 };

driver now;

/* What Adreno's calls record. */
typedef struct recording {
    cl_kernel kernel[MOST_LAUNCHES];
    cl_uint dimensions[MOST_LAUNCHES];
    size_t global[MOST_LAUNCHES][3], local[MOST_LAUNCHES][3];
    const size_t *group[MOST_LAUNCHES];
    int n;
    bool ended;
} recording;

static recording recordings[MOST_RECORDINGS], *open_recording;
static cl_command_queue recordable;

void driver_forget_queue(void)
{
    recordable = NULL;
}

cl_int __real_clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t size, void *value,
                              size_t *written);
void *__real_clGetExtensionFunctionAddressForPlatform(cl_platform_id p, const char *name);
cl_command_queue __real_clCreateCommandQueue(cl_context c, cl_device_id d,
                                             cl_command_queue_properties p, cl_int *e);
cl_int __real_clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint n, const cl_event *wait,
                                     cl_event *event);
cl_int __wrap_clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t size, void *value,
                              size_t *written);
void *__wrap_clGetExtensionFunctionAddressForPlatform(cl_platform_id p, const char *name);
cl_command_queue __wrap_clCreateCommandQueue(cl_context c, cl_device_id d,
                                             cl_command_queue_properties p, cl_int *e);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint n, const cl_event *wait,
                                     cl_event *event);

/* Whether the call of that name is to fail now. */
static bool fails(const char *name)
{
    if (!now.failing || strcmp(now.failing, name) || now.good-- > 0)
        return false;
    if (now.once)
        now.failing = NULL;
    return true;
}

clvits_status __real_clvits_run_go(clvits_run *run, clvits_node_time *times, clvits_report *r);
clvits_status __wrap_clvits_run_go(clvits_run *run, clvits_node_time *times, clvits_report *r);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
cl_int __real_clEnqueueReadBuffer(cl_command_queue q, cl_mem b, cl_bool wait, size_t offset,
                                  size_t size, void *to, cl_uint n, const cl_event *events,
                                  cl_event *event);
cl_int __wrap_clEnqueueReadBuffer(cl_command_queue q, cl_mem b, cl_bool wait, size_t offset,
                                  size_t size, void *to, cl_uint n, const cl_event *events,
                                  cl_event *event);

clvits_status __wrap_clvits_run_go(clvits_run *run, clvits_node_time *times, clvits_report *r)
{
    now.goes = true;
    const clvits_status s = __real_clvits_run_go(run, times, r);
    now.goes = false;
    return s;
}

void *__wrap_malloc(size_t size)
{
    return now.goes && size >= now.large && fails("malloc") ? NULL : __real_malloc(size);
}

/* Of something that is there already. */
void *__wrap_realloc(void *p, size_t size)
{
    return p && now.goes && size >= now.large && fails("realloc") ? NULL : __real_realloc(p, size);
}

cl_int __wrap_clEnqueueReadBuffer(cl_command_queue q, cl_mem b, cl_bool wait, size_t offset,
                                  size_t size, void *to, cl_uint n, const cl_event *events,
                                  cl_event *event)
{
    return now.goes && fails("clEnqueueReadBuffer")
               ? CL_MEM_OBJECT_ALLOCATION_FAILURE
               : __real_clEnqueueReadBuffer(q, b, wait, offset, size, to, n, events, event);
}

static void change_version(char *list, size_t size)
{
    for (char *at = list; at + 68 <= list + size; at += 68) { /* a version and a name */
        if (strcmp(at + 4, "cl_khr_command_buffer"))
            continue;
        if (now.version == HIDDEN)
            at[4] = '-';
        else if (now.version)
            memcpy(at, &now.version, sizeof(now.version));
        memcpy(&now.seen, at, sizeof(now.seen));
    }
}

cl_int __wrap_clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t size, void *value,
                              size_t *written)
{
    static const char more[] = " cl_qcom_recordable_queues";
    const cl_device_type gpu = CL_DEVICE_TYPE_GPU;
    size_t n = 0;

    if (what == RECORDABLE_MAX && now.qcom) {
        memcpy(value, &now.qcom, size);
        return CL_SUCCESS;
    }
    if (what == CL_DEVICE_TYPE && now.gpu) {
        memcpy(value, &gpu, size);
        return CL_SUCCESS;
    }
    const cl_int e = __real_clGetDeviceInfo(d, what, size, value, &n);
    if (e == CL_SUCCESS && what == CL_DEVICE_EXTENSIONS && now.qcom) {
        if (value && n - 1 + sizeof(more) <= size)
            memcpy((char *)value + strlen(value), more, sizeof(more));
        n += sizeof(more) - 1;
    }
    if (e == CL_SUCCESS && what == EXTENSIONS_WITH_VERSION && value)
        change_version(value, size);
    if (written)
        *written = n;
    return e;
}

cl_command_queue __wrap_clCreateCommandQueue(cl_context c, cl_device_id d,
                                             cl_command_queue_properties p, cl_int *e)
{
    if (p != RECORDABLE_QUEUE)
        return __real_clCreateCommandQueue(c, d, p, e);
    return recordable = __real_clCreateCommandQueue(c, d, 0, e);
}

static cl_int add(recording *r, cl_kernel k, cl_uint dimensions, const size_t *global,
                  const size_t *local)
{
    ck_assert(r && !r->ended && r->n < MOST_LAUNCHES);
    if (r->n == now.qcom || fails("launch"))
        return CL_OUT_OF_RESOURCES;
    r->kernel[r->n] = k;
    r->dimensions[r->n] = dimensions;
    for (cl_uint i = 0; i < dimensions; i++) {
        r->global[r->n][i] = global[i];
        r->local[r->n][i] = local ? local[i] : 0;
    }
    r->group[r->n] = local ? r->local[r->n] : NULL;
    r->n++;
    return CL_SUCCESS;
}

cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint n, const cl_event *wait,
                                     cl_event *event)
{
    if (recordable && q == recordable)
        return add(open_recording, k, dimensions, global, local);
    now.enqueued++;
    return __real_clEnqueueNDRangeKernel(q, k, dimensions, offset, global, local, n, wait, event);
}

static void *qcom_create(cl_command_queue q, cl_int *e)
{
    ck_assert(q == recordable && !open_recording && now.made < MOST_RECORDINGS);
    *e = fails("clNewRecordingQCOM") ? CL_INVALID_COMMAND_QUEUE : CL_SUCCESS;
    if (*e)
        return NULL;
    open_recording = &recordings[now.made++];
    *open_recording = (recording){ 0 };
    return open_recording;
}

static cl_int qcom_finish(void *r)
{
    ck_assert(r == open_recording);
    open_recording->ended = true;
    open_recording = NULL;
    return fails("clEndRecordingQCOM") ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}

static cl_int qcom_enqueue(cl_command_queue q, void *of, size_t n_arguments, const void *arguments,
                           size_t n_offsets, const void *offsets, size_t n_globals,
                           const void *globals, size_t n_locals, const void *locals, cl_uint n,
                           const cl_event *wait, cl_event *event)
{
    const recording *r = of;

    ck_assert(q != recordable && r->ended);
    ck_assert(!n_arguments && !arguments && !n_offsets && !offsets && !n_globals && !globals &&
              !n_locals && !locals && !n && !wait && !event);
    if (fails("clEnqueueRecordingQCOM"))
        return CL_OUT_OF_RESOURCES;
    now.replayed++;
    for (int i = 0; i < r->n - now.forgets; i++)
        ck_assert_int_eq(__real_clEnqueueNDRangeKernel(q, r->kernel[i], r->dimensions[i], NULL,
                                                       r->global[i], r->group[i], 0, NULL, NULL),
                         CL_SUCCESS);
    return CL_SUCCESS;
}

static cl_int qcom_release(void *r)
{
    ck_assert(((recording *)r)->ended);
    now.released++;
    return CL_SUCCESS;
}

static void *(*khr_create_there)(cl_uint n, const cl_command_queue *queues,
                                 const cl_ulong *properties, cl_int *e);
static cl_int (*khr_add_there)(void *b, cl_command_queue q, const cl_ulong *properties,
                               cl_kernel k, cl_uint dimensions, const size_t *offset,
                               const size_t *global, const size_t *local, cl_uint n,
                               const cl_uint *wait, cl_uint *point, void **command);
static cl_int (*khr_finish_there)(void *b);
static cl_int (*khr_enqueue_there)(cl_uint n, cl_command_queue *queues, void *b, cl_uint n_wait,
                                   const cl_event *wait, cl_event *event);
static cl_int (*khr_release_there)(void *b);

static void *khr_create(cl_uint n, const cl_command_queue *queues, const cl_ulong *properties,
                        cl_int *e)
{
    *e = now.error;
    if (fails("clCreateCommandBufferKHR"))
        return NULL;
    now.made++;
    now.overlaps = properties != NULL;
    return khr_create_there(n, queues, properties, e);
}

static cl_int khr_add(void *b, cl_command_queue q, const cl_ulong *properties, cl_kernel k,
                      cl_uint dimensions, const size_t *offset, const size_t *global,
                      const size_t *local, cl_uint n, const cl_uint *wait, cl_uint *point,
                      void **command)
{
    return fails("clCommandNDRangeKernelKHR")
               ? now.error
               : khr_add_there(b, q, properties, k, dimensions, offset, global, local, n, wait,
                               point, command);
}

static cl_int khr_finish(void *b)
{
    return fails("clFinalizeCommandBufferKHR") ? now.error : khr_finish_there(b);
}

static cl_int khr_enqueue(cl_uint n, cl_command_queue *queues, void *b, cl_uint n_wait,
                          const cl_event *wait, cl_event *event)
{
    const cl_int e = fails("clEnqueueCommandBufferKHR")
                         ? now.error
                         : khr_enqueue_there(n, queues, b, n_wait, wait, event);
    *(e ? &now.refused : &now.replayed) += 1;
    return e;
}

static cl_int khr_release(void *b)
{
    now.released++;
    return khr_release_there(b);
}

void *__wrap_clGetExtensionFunctionAddressForPlatform(cl_platform_id p, const char *name)
{
#define CALL(name, call, there) { name, (void *)(uintptr_t)(call), (void *)(there) }
    const struct {
        const char *name;
        void *call, *there;
    } calls[] = {
        CALL("clCreateCommandBufferKHR", khr_create, &khr_create_there),
        CALL("clCommandNDRangeKernelKHR", khr_add, &khr_add_there),
        CALL("clFinalizeCommandBufferKHR", khr_finish, &khr_finish_there),
        CALL("clEnqueueCommandBufferKHR", khr_enqueue, &khr_enqueue_there),
        CALL("clReleaseCommandBufferKHR", khr_release, &khr_release_there),
        CALL("clNewRecordingQCOM", qcom_create, NULL),
        CALL("clEndRecordingQCOM", qcom_finish, NULL),
        CALL("clEnqueueRecordingQCOM", qcom_enqueue, NULL),
        CALL("clReleaseRecordingQCOM", qcom_release, NULL),
    };
#undef CALL
    void *there = __real_clGetExtensionFunctionAddressForPlatform(p, name);

    for (int i = 0; i < LENGTH(calls); i++) {
        if (strcmp(name, calls[i].name) || (now.missing && !strcmp(name, now.missing)))
            continue;
        if (calls[i].there)
            memcpy(calls[i].there, &there, sizeof(there));
        return there || !calls[i].there ? calls[i].call : NULL;
    }
    return NULL;
}
