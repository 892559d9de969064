// SPDX-License-Identifier: MIT
#include "layer.h"

#include "calls.h"

#include <CL/cl_icd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of CL/cl_layer.h, which not every set of headers has. */
enum { LAYER_API_VERSION = 0x4240, LAYER_API_VERSION_100 = 100 };
#define EXPORTED __attribute__((visibility("default")))
EXPORTED cl_int clGetLayerInfo(cl_uint name, size_t size, void *value, size_t *needed);
EXPORTED cl_int clInitLayer(cl_uint n, const struct _cl_icd_dispatch *target, cl_uint *n_out,
                            const struct _cl_icd_dispatch **out);

static const char *const objects[] = { "contexts", "queues", "buffers", "programs", "kernels",
                                       "events", "recordings" };
enum { MOST_EXTENSIONS = 64 };

static struct _cl_icd_dispatch table;
static const struct _cl_icd_dispatch *driver;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; /* guards now */
static faults now = { .lost = -1 };
static atomic_long calls[KINDS], live[OBJECTS];
static atomic_size_t buffer_bytes;

EXPORTED int clvits_layer_set(const char *text)
{
    static faults next; /* its texts are pointed at */

    pthread_rwlock_wrlock(&lock);
    const bool ok = faults_parse(&next, text);
    if (ok) {
        faults_parse(&now, text);
        for (int k = 0; k < KINDS; k++)
            atomic_store(&calls[k], 0);
    }
    pthread_rwlock_unlock(&lock);
    return ok ? 0 : -1;
}

EXPORTED long clvits_layer_calls(const char *kind)
{
    for (int k = 0; k < KINDS; k++)
        if (!strcmp(fault_kinds[k].name, kind))
            return atomic_load(&calls[k]);
    return -1;
}

EXPORTED long clvits_layer_live(char *text, unsigned long size)
{
    long sum = 0;
    size_t used = 0;

    for (int i = 0; i < OBJECTS; i++) {
        const long n = atomic_load(&live[i]);
        sum += n;
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%ld %s", i ? ", " : "", n,
                                     objects[i]);
    }
    return sum;
}

static void crash(void)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

cl_int calls_count(enum kind kind)
{
    const long n = atomic_fetch_add(&calls[kind], 1) + 1;
    const long all = atomic_fetch_add(&calls[ANY], 1) + 1;
    cl_int e = CL_SUCCESS;

    pthread_rwlock_rdlock(&lock);
    if (now.lost >= 0 && atomic_load(&calls[LAUNCH]) > now.lost)
        e = CL_DEVICE_NOT_AVAILABLE;
    for (int i = 0; i < now.n && !e; i++) {
        const rule *r = &now.rules[i];
        const long at = r->kind == ANY ? all : r->kind == kind ? n : 0;
        if (at == r->first || (r->on && at > r->first))
            e = r->error;
    }
    pthread_rwlock_unlock(&lock);
    if (e == CRASH)
        crash();
    if (e == EXIT)
        exit(1);
    return e;
}

/* How making a buffer ends, by the limits. */
static cl_int check_size(size_t size)
{
    cl_int e = CL_SUCCESS;

    pthread_rwlock_rdlock(&lock);
    if (now.alloc && size > now.alloc)
        e = CL_INVALID_BUFFER_SIZE;
    else if ((now.more_than && size > now.more_than) ||
             (now.global && atomic_load(&buffer_bytes) + size > now.global))
        e = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    pthread_rwlock_unlock(&lock);
    return e;
}

void calls_made(enum object what, const void *object)
{
    if (object)
        atomic_fetch_add(&live[what], 1);
}

void calls_released(enum object what)
{
    atomic_fetch_sub(&live[what], 1);
}

void *calls_refused(cl_int e, cl_int *error)
{
    if (error)
        *error = e;
    return NULL;
}

#define COUNTED(Name, type, what)                                                                  \
    static cl_int CL_API_CALL retain_##what(type object)                                           \
    {                                                                                              \
        const cl_int e = driver->clRetain##Name(object);                                           \
        if (!e)                                                                                    \
            atomic_fetch_add(&live[what], 1);                                                      \
        return e;                                                                                  \
    }                                                                                              \
    static cl_int CL_API_CALL release_##what(type object)                                          \
    {                                                                                              \
        const cl_int e = driver->clRelease##Name(object);                                          \
        if (!e)                                                                                    \
            calls_released(what);                                                                  \
        return e;                                                                                  \
    }
COUNTED(Context, cl_context, CONTEXTS)
COUNTED(CommandQueue, cl_command_queue, QUEUES)
COUNTED(MemObject, cl_mem, BUFFERS)
COUNTED(Program, cl_program, PROGRAMS)
COUNTED(Kernel, cl_kernel, KERNELS)
COUNTED(Event, cl_event, EVENTS)

static cl_context CL_API_CALL create_context(const cl_context_properties *properties, cl_uint n,
                                             const cl_device_id *devices,
                                             void(CL_CALLBACK *notify)(const char *, const void *,
                                                                       size_t, void *),
                                             void *user, cl_int *error)
{
    const cl_int e = calls_count(CONTEXT);
    if (e)
        return calls_refused(e, error);
    cl_context c = driver->clCreateContext(properties, n, devices, notify, user, error);
    calls_made(CONTEXTS, c);
    return c;
}

static cl_command_queue CL_API_CALL create_queue(cl_context c, cl_device_id d,
                                                 cl_command_queue_properties p, cl_int *error)
{
    const cl_int e = calls_count(QUEUE);
    if (e)
        return calls_refused(e, error);
    cl_command_queue q = driver->clCreateCommandQueue(c, d, p, error);
    calls_made(QUEUES, q);
    return q;
}

static cl_mem CL_API_CALL create_buffer(cl_context c, cl_mem_flags flags, size_t size, void *host,
                                        cl_int *error)
{
    cl_int e = calls_count(BUFFER);
    e = e ? e : check_size(size);
    if (e)
        return calls_refused(e, error);
    cl_mem m = driver->clCreateBuffer(c, flags, size, host, error);
    calls_made(BUFFERS, m);
    if (m)
        atomic_fetch_add(&buffer_bytes, size);
    return m;
}

/* Drivers hold buffers for as long as commands use them; to the device's user this one is gone. */
static cl_int CL_API_CALL release_buffer(cl_mem m)
{
    size_t size = 0;

    driver->clGetMemObjectInfo(m, CL_MEM_SIZE, sizeof(size), &size, NULL);
    const cl_int e = release_BUFFERS(m);
    if (!e)
        atomic_fetch_sub(&buffer_bytes, size);
    return e;
}

static cl_program CL_API_CALL create_source(cl_context c, cl_uint n, const char **texts,
                                            const size_t *sizes, cl_int *error)
{
    const cl_int e = calls_count(PROGRAM);
    if (e)
        return calls_refused(e, error);
    cl_program p = driver->clCreateProgramWithSource(c, n, texts, sizes, error);
    calls_made(PROGRAMS, p);
    return p;
}

static cl_program CL_API_CALL create_binary(cl_context c, cl_uint n, const cl_device_id *devices,
                                            const size_t *sizes, const unsigned char **binaries,
                                            cl_int *status, cl_int *error)
{
    const cl_int e = calls_count(PROGRAM);
    if (e)
        return calls_refused(e, error);
    cl_program p = driver->clCreateProgramWithBinary(c, n, devices, sizes, binaries, status, error);
    calls_made(PROGRAMS, p);
    return p;
}

static cl_int CL_API_CALL build(cl_program p, cl_uint n, const cl_device_id *devices,
                                const char *options,
                                void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    const cl_int e = calls_count(BUILD);
    return e ? e : driver->clBuildProgram(p, n, devices, options, notify, user);
}

static cl_kernel CL_API_CALL create_kernel(cl_program p, const char *name, cl_int *error)
{
    const cl_int e = calls_count(KERNEL);
    if (e)
        return calls_refused(e, error);
    cl_kernel k = driver->clCreateKernel(p, name, error);
    calls_made(KERNELS, k);
    return k;
}

static cl_int CL_API_CALL set_argument(cl_kernel k, cl_uint i, size_t size, const void *value)
{
    const cl_int e = calls_count(ARGUMENT);
    return e ? e : driver->clSetKernelArg(k, i, size, value);
}

/* A command's result, its event counted. */
static cl_int enqueued(cl_int e, const cl_event *event)
{
    if (!e && event)
        calls_made(EVENTS, *event);
    return e;
}

/* Whether a kernel's group is what the device allows. */
static cl_int check_group(cl_command_queue q, cl_kernel k, cl_uint n, const size_t *local)
{
    size_t items = 1;
    cl_ulong bytes = 0;
    cl_device_id d;

    pthread_rwlock_rdlock(&lock);
    const size_t most_items = now.group, most_bytes = now.local;
    pthread_rwlock_unlock(&lock);
    for (cl_uint i = 0; local && i < n; i++)
        items *= local[i];
    if (most_items && items > most_items)
        return CL_INVALID_WORK_GROUP_SIZE;
    if (most_bytes && !driver->clGetCommandQueueInfo(q, CL_QUEUE_DEVICE, sizeof(d), &d, NULL) &&
        !driver->clGetKernelWorkGroupInfo(k, d, CL_KERNEL_LOCAL_MEM_SIZE, sizeof(bytes), &bytes,
                                          NULL) && bytes > most_bytes)
        return CL_OUT_OF_RESOURCES;
    return CL_SUCCESS;
}

/* Whether a launch of that kernel ends the process. */
static bool crashes(cl_kernel k)
{
    char name[64] = "";

    pthread_rwlock_rdlock(&lock);
    if (now.crash)
        driver->clGetKernelInfo(k, CL_KERNEL_FUNCTION_NAME, sizeof(name), name, NULL);
    const bool does = *name && !strcmp(name, now.crash);
    pthread_rwlock_unlock(&lock);
    return does;
}

static cl_int CL_API_CALL launch(cl_command_queue q, cl_kernel k, cl_uint n, const size_t *offset,
                                 const size_t *global, const size_t *local, cl_uint n_wait,
                                 const cl_event *wait, cl_event *event)
{
    cl_int e = calls_count(LAUNCH);

    if (crashes(k))
        crash();
    e = e ? e : check_group(q, k, n, local);
    return e ? e
             : enqueued(driver->clEnqueueNDRangeKernel(q, k, n, offset, global, local, n_wait, wait,
                                                       event), event);
}

static cl_int CL_API_CALL read_buffer(cl_command_queue q, cl_mem m, cl_bool wait, size_t offset,
                                      size_t size, void *to, cl_uint n, const cl_event *events,
                                      cl_event *event)
{
    const cl_int e = calls_count(READ);
    return e ? e
             : enqueued(driver->clEnqueueReadBuffer(q, m, wait, offset, size, to, n, events, event),
                        event);
}

static cl_int CL_API_CALL write_buffer(cl_command_queue q, cl_mem m, cl_bool wait, size_t offset,
                                       size_t size, const void *from, cl_uint n,
                                       const cl_event *events, cl_event *event)
{
    const cl_int e = calls_count(WRITE);
    return e ? e
             : enqueued(driver->clEnqueueWriteBuffer(q, m, wait, offset, size, from, n, events,
                                                     event), event);
}

static cl_int CL_API_CALL copy_buffer(cl_command_queue q, cl_mem from, cl_mem to, size_t at,
                                      size_t offset, size_t size, cl_uint n,
                                      const cl_event *events, cl_event *event)
{
    const cl_int e = calls_count(COPY);
    return e ? e
             : enqueued(driver->clEnqueueCopyBuffer(q, from, to, at, offset, size, n, events,
                                                    event), event);
}

static cl_int CL_API_CALL fill_buffer(cl_command_queue q, cl_mem m, const void *pattern,
                                      size_t pattern_size, size_t offset, size_t size, cl_uint n,
                                      const cl_event *events, cl_event *event)
{
    const cl_int e = calls_count(FILL);
    return e ? e
             : enqueued(driver->clEnqueueFillBuffer(q, m, pattern, pattern_size, offset, size, n,
                                                    events, event), event);
}

static void *CL_API_CALL map_buffer(cl_command_queue q, cl_mem m, cl_bool wait, cl_map_flags flags,
                                    size_t offset, size_t size, cl_uint n, const cl_event *events,
                                    cl_event *event, cl_int *error)
{
    const cl_int e = calls_count(MAP);
    if (e)
        return calls_refused(e, error);
    void *p = driver->clEnqueueMapBuffer(q, m, wait, flags, offset, size, n, events, event, error);
    if (p && event)
        calls_made(EVENTS, *event);
    return p;
}

static cl_int CL_API_CALL flush(cl_command_queue q)
{
    const cl_int e = calls_count(FLUSH);
    return e ? e : driver->clFlush(q);
}

/* What was enqueued before a device went away has ended with it. */
static cl_int CL_API_CALL finish(cl_command_queue q)
{
    const cl_int e = calls_count(FINISH), done = driver->clFinish(q);
    return e ? e : done;
}

/* An answer of a query in the way that OpenCL gives them. */
static cl_int answer(const void *value, size_t n, size_t size, void *out, size_t *needed)
{
    if (out && size < n)
        return CL_INVALID_VALUE;
    if (out)
        memcpy(out, value, n);
    if (needed)
        *needed = n;
    return CL_SUCCESS;
}

static cl_int answer_extensions(const char *names, size_t size, void *out, size_t *needed)
{
    cl_name_version list[MOST_EXTENSIONS] = { { 0 } };
    size_t n = 0;

    for (const char *at = names; *at && n < MOST_EXTENSIONS;) {
        const size_t length = strcspn(at, " ");
        if (length) {
            list[n].version = CL_MAKE_VERSION(1, 0, 0);
            snprintf(list[n++].name, sizeof(list[0].name), "%.*s", (int)length, at);
        }
        at += length + (at[length] == ' ');
    }
    return answer(list, n * sizeof(*list), size, out, needed);
}

/* The caller has the lock. */
static cl_int answer_of_device(cl_device_id d, cl_device_info what, size_t size, void *out,
                               size_t *needed)
{
    const struct {
        cl_device_info what;
        const char *text;
    } texts[] = { { CL_DEVICE_NAME, now.name },
                  { CL_DEVICE_VENDOR, now.vendor },
                  { CL_DRIVER_VERSION, now.driver },
                  { CL_DEVICE_VERSION, now.version },
                  { CL_DEVICE_EXTENSIONS, now.extensions } };
    const struct {
        cl_device_info what;
        size_t value;
    } sizes[] = { { CL_DEVICE_LOCAL_MEM_SIZE, now.local },
                  { CL_DEVICE_MAX_MEM_ALLOC_SIZE, now.alloc },
                  { CL_DEVICE_GLOBAL_MEM_SIZE, now.global } };
    const cl_device_type gpu = CL_DEVICE_TYPE_GPU;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (texts[i].what == what && texts[i].text)
            return answer(texts[i].text, strlen(texts[i].text) + 1, size, out, needed);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        const cl_ulong value = sizes[i].value;
        if (sizes[i].what == what && value)
            return answer(&value, sizeof(value), size, out, needed);
    }
    if (what == CL_DEVICE_EXTENSIONS_WITH_VERSION && now.extensions)
        return answer_extensions(now.extensions, size, out, needed);
    if (what == CL_DEVICE_TYPE && now.gpu)
        return answer(&gpu, sizeof(gpu), size, out, needed);
    if (what == CL_DEVICE_MAX_WORK_GROUP_SIZE && now.group)
        return answer(&now.group, sizeof(now.group), size, out, needed);
    const cl_int e = driver->clGetDeviceInfo(d, what, size, out, needed);
    for (size_t i = 0; !e && out && what == CL_DEVICE_MAX_WORK_ITEM_SIZES && now.group &&
                       i < size / sizeof(size_t); i++)
        if (((size_t *)out)[i] > now.group)
            ((size_t *)out)[i] = now.group;
    return e;
}

static cl_int CL_API_CALL device_info(cl_device_id d, cl_device_info what, size_t size, void *out,
                                      size_t *needed)
{
    pthread_rwlock_rdlock(&lock);
    const cl_int e = answer_of_device(d, what, size, out, needed);
    pthread_rwlock_unlock(&lock);
    return e;
}

static cl_int CL_API_CALL platform_info(cl_platform_id p, cl_platform_info what, size_t size,
                                        void *out, size_t *needed)
{
    pthread_rwlock_rdlock(&lock);
    const char *text = what == CL_PLATFORM_NAME      ? now.platform
                       : what == CL_PLATFORM_VERSION ? now.platform_version
                                                     : NULL;
    const cl_int e = text ? answer(text, strlen(text) + 1, size, out, needed)
                          : driver->clGetPlatformInfo(p, what, size, out, needed);
    pthread_rwlock_unlock(&lock);
    return e;
}

static void *CL_API_CALL extension_call(cl_platform_id p, const char *name)
{
    return calls_recording(name, driver->clGetExtensionFunctionAddressForPlatform(p, name));
}

__attribute__((destructor)) static void tell_leaks(void)
{
    char text[256];

    pthread_rwlock_rdlock(&lock);
    const bool tells = now.leaks;
    pthread_rwlock_unlock(&lock);
    if (tells && clvits_layer_live(text, sizeof(text))) {
        fprintf(stderr, "OpenCL objects that were not released: %s\n", text);
        _exit(86);
    }
}

cl_int clGetLayerInfo(cl_uint name, size_t size, void *value, size_t *needed)
{
    const cl_uint version = LAYER_API_VERSION_100;
    return name == LAYER_API_VERSION ? answer(&version, sizeof(version), size, value, needed)
                                     : CL_INVALID_VALUE;
}

cl_int clInitLayer(cl_uint n, const struct _cl_icd_dispatch *target, cl_uint *n_out,
                   const struct _cl_icd_dispatch **out)
{
    const cl_uint ours = sizeof(table) / sizeof(table.clGetPlatformIDs);
    const cl_uint most = n < ours ? n : ours;

    if (clvits_layer_set(getenv("CLVITS_FAULTS"))) {
        fprintf(stderr, "CLVITS_FAULTS makes no sense: %s\n", getenv("CLVITS_FAULTS"));
        _exit(2);
    }
    driver = target;
    memcpy(&table, target, most * sizeof(table.clGetPlatformIDs));
    table.clGetPlatformInfo = platform_info;
    table.clGetDeviceInfo = device_info;
    table.clGetExtensionFunctionAddressForPlatform = extension_call;
    table.clCreateContext = create_context;
    table.clRetainContext = retain_CONTEXTS;
    table.clReleaseContext = release_CONTEXTS;
    table.clCreateCommandQueue = create_queue;
    table.clRetainCommandQueue = retain_QUEUES;
    table.clReleaseCommandQueue = release_QUEUES;
    table.clCreateBuffer = create_buffer;
    table.clRetainMemObject = retain_BUFFERS;
    table.clReleaseMemObject = release_buffer;
    table.clCreateProgramWithSource = create_source;
    table.clCreateProgramWithBinary = create_binary;
    table.clRetainProgram = retain_PROGRAMS;
    table.clReleaseProgram = release_PROGRAMS;
    table.clBuildProgram = build;
    table.clCreateKernel = create_kernel;
    table.clRetainKernel = retain_KERNELS;
    table.clReleaseKernel = release_KERNELS;
    table.clRetainEvent = retain_EVENTS;
    table.clReleaseEvent = release_EVENTS;
    table.clSetKernelArg = set_argument;
    table.clEnqueueNDRangeKernel = launch;
    table.clEnqueueReadBuffer = read_buffer;
    table.clEnqueueWriteBuffer = write_buffer;
    table.clEnqueueCopyBuffer = copy_buffer;
    table.clEnqueueFillBuffer = fill_buffer;
    table.clEnqueueMapBuffer = map_buffer;
    table.clFlush = flush;
    table.clFinish = finish;
    *out = &table;
    *n_out = most;
    return CL_SUCCESS;
}
