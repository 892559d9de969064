// SPDX-License-Identifier: MIT
#include "device/device_impl.h"
#include "device/source.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PLATFORMS = 32, MAX_DEVICES = 64, MAX_TEXT = 1 << 20 };

const char *clvits_cl_error(cl_int e)
{
    switch (e) {
    case CL_SUCCESS: return "CL_SUCCESS";
    case CL_DEVICE_NOT_FOUND: return "CL_DEVICE_NOT_FOUND";
    case CL_DEVICE_NOT_AVAILABLE: return "CL_DEVICE_NOT_AVAILABLE";
    case CL_COMPILER_NOT_AVAILABLE: return "CL_COMPILER_NOT_AVAILABLE";
    case CL_MEM_OBJECT_ALLOCATION_FAILURE: return "CL_MEM_OBJECT_ALLOCATION_FAILURE";
    case CL_OUT_OF_RESOURCES: return "CL_OUT_OF_RESOURCES";
    case CL_OUT_OF_HOST_MEMORY: return "CL_OUT_OF_HOST_MEMORY";
    case CL_BUILD_PROGRAM_FAILURE: return "CL_BUILD_PROGRAM_FAILURE";
    case CL_MISALIGNED_SUB_BUFFER_OFFSET: return "CL_MISALIGNED_SUB_BUFFER_OFFSET";
    case CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: return "CL_EXEC_STATUS_ERROR";
    case CL_INVALID_VALUE: return "CL_INVALID_VALUE";
    case CL_INVALID_DEVICE: return "CL_INVALID_DEVICE";
    case CL_INVALID_CONTEXT: return "CL_INVALID_CONTEXT";
    case CL_INVALID_COMMAND_QUEUE: return "CL_INVALID_COMMAND_QUEUE";
    case CL_INVALID_BINARY: return "CL_INVALID_BINARY";
    case CL_INVALID_BUILD_OPTIONS: return "CL_INVALID_BUILD_OPTIONS";
    case CL_INVALID_PROGRAM_EXECUTABLE: return "CL_INVALID_PROGRAM_EXECUTABLE";
    case CL_INVALID_KERNEL_NAME: return "CL_INVALID_KERNEL_NAME";
    case CL_INVALID_KERNEL_ARGS: return "CL_INVALID_KERNEL_ARGS";
    case CL_INVALID_ARG_INDEX: return "CL_INVALID_ARG_INDEX";
    case CL_INVALID_ARG_SIZE: return "CL_INVALID_ARG_SIZE";
    case CL_INVALID_ARG_VALUE: return "CL_INVALID_ARG_VALUE";
    case CL_INVALID_WORK_DIMENSION: return "CL_INVALID_WORK_DIMENSION";
    case CL_INVALID_WORK_GROUP_SIZE: return "CL_INVALID_WORK_GROUP_SIZE";
    case CL_INVALID_WORK_ITEM_SIZE: return "CL_INVALID_WORK_ITEM_SIZE";
    case CL_INVALID_GLOBAL_WORK_SIZE: return "CL_INVALID_GLOBAL_WORK_SIZE";
    case CL_INVALID_BUFFER_SIZE: return "CL_INVALID_BUFFER_SIZE";
    case -1001: return "CL_PLATFORM_NOT_FOUND_KHR";
    default: return "OpenCL error";
    }
}

void clvits_device_blame(const clvits_device *d, clvits_report *r)
{
    if (r && r->status == CLVITS_OK)
        r->device = d;
}

bool clvits_cl_shortage(cl_int e)
{
    return e == CL_MEM_OBJECT_ALLOCATION_FAILURE || e == CL_OUT_OF_HOST_MEMORY ||
           e == CL_OUT_OF_RESOURCES || e == CL_INVALID_BUFFER_SIZE;
}

void clvits_cl_note_loss(const clvits_device *d, cl_int e)
{
    if (e == CL_DEVICE_NOT_AVAILABLE || e == CL_INVALID_DEVICE || e == CL_INVALID_CONTEXT ||
        e == CL_INVALID_COMMAND_QUEUE)
        atomic_store(&((clvits_device *)d)->lost, true);
}

clvits_status clvits_cl_fail(clvits_report *r, const clvits_device *d, const char *what, cl_int e)
{
    clvits_device_blame(d, r);
    if (d)
        clvits_cl_note_loss(d, e);
    return clvits_fail(r, clvits_cl_shortage(e) ? CLVITS_E_MEMORY : CLVITS_E_DEVICE,
                       "%s: %s: %s (%d)", d ? d->info.name : "OpenCL", what, clvits_cl_error(e), e);
}

/* A driver's answer for a platform (id NULL) or a device, with a zero after it; NULL where there
 * is none. Drivers answer nothing at all into a buffer that is too small. */
static char *answer_of(cl_platform_id platform, cl_device_id id, cl_uint what, size_t *size)
{
    cl_int e = id ? clGetDeviceInfo(id, what, 0, NULL, size)
                  : clGetPlatformInfo(platform, what, 0, NULL, size);
    char *text = e == CL_SUCCESS && *size < MAX_TEXT ? calloc(1, *size + 1) : NULL;

    if (text)
        e = id ? clGetDeviceInfo(id, what, *size, text, NULL)
               : clGetPlatformInfo(platform, what, *size, text, NULL);
    if (e != CL_SUCCESS) {
        free(text);
        text = NULL;
    }
    return text;
}

void *clvits_device_answer(const clvits_device *d, cl_device_info what, size_t *size)
{
    return answer_of(NULL, d->id, what, size);
}

static void text_of(char out[CLVITS_INFO_TEXT], cl_platform_id platform, cl_device_id id,
                    cl_uint what)
{
    size_t size = 0;
    char *text = answer_of(platform, id, what, &size);

    snprintf(out, CLVITS_INFO_TEXT, "%s", text ? text : "");
    free(text);
}

static void read_info(clvits_device_info *info, cl_platform_id platform, cl_device_id id)
{
    cl_device_type type = 0;
    cl_uint units = 0, width = 0, clock = 0;
    cl_ulong local = 0, global = 0, alloc = 0;
    cl_bool unified = CL_FALSE;
    size_t size = 0;

    memset(info, 0, sizeof(*info));
    text_of(info->name, platform, id, CL_DEVICE_NAME);
    text_of(info->vendor, platform, id, CL_DEVICE_VENDOR);
    text_of(info->version, platform, id, CL_DEVICE_VERSION);
    text_of(info->driver, platform, id, CL_DRIVER_VERSION);
    text_of(info->platform, platform, NULL, CL_PLATFORM_NAME);
    text_of(info->platform_version, platform, NULL, CL_PLATFORM_VERSION);
    char *extensions = answer_of(platform, id, CL_DEVICE_EXTENSIONS, &size);
    clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof(type), &type, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(units), &units, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof(clock), &clock, NULL);
    clGetDeviceInfo(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof(width), &width, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof(size_t), &info->max_work_group, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof(info->max_work_item),
                    info->max_work_item, NULL);
    clGetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof(local), &local, NULL);
    clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(global), &global, NULL);
    clGetDeviceInfo(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(alloc), &alloc, NULL);
    clGetDeviceInfo(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof(unified), &unified, NULL);
    info->gpu = (type & CL_DEVICE_TYPE_GPU) != 0;
    info->compute_units = (int)units;
    info->clock_mhz = clock <= INT_MAX ? (int)clock : 0;
    info->vector = (int)width;
    info->local_memory = (size_t)local;
    info->global_memory = (size_t)global;
    info->max_alloc = (size_t)alloc;
    info->unified_memory = unified == CL_TRUE;
    info->fp16 = extensions && strstr(extensions, "cl_khr_fp16");
    free(extensions);
    info->family = type & CL_DEVICE_TYPE_CPU ? CLVITS_FAMILY_CPU : CLVITS_FAMILY_GPU;
}

struct found {
    cl_platform_id platform[MAX_DEVICES];
    cl_device_id id[MAX_DEVICES];
    int n;
};

static void find(struct found *f)
{
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint n_platforms = 0;

    f->n = 0;
    if (clGetPlatformIDs(MAX_PLATFORMS, platforms, &n_platforms) != CL_SUCCESS)
        return;
    for (cl_uint p = 0; p < n_platforms && p < MAX_PLATFORMS; p++) {
        cl_uint n = 0;
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, (cl_uint)(MAX_DEVICES - f->n),
                           f->id + f->n, &n) != CL_SUCCESS)
            continue;
        if (n > (cl_uint)(MAX_DEVICES - f->n)) /* how many there are, not how many fitted */
            n = (cl_uint)(MAX_DEVICES - f->n);
        for (cl_uint i = 0; i < n; i++) {
            cl_bool available = CL_FALSE, compiler = CL_FALSE;
            const cl_device_id id = f->id[f->n + (int)i];
            clGetDeviceInfo(id, CL_DEVICE_AVAILABLE, sizeof(available), &available, NULL);
            clGetDeviceInfo(id, CL_DEVICE_COMPILER_AVAILABLE, sizeof(compiler), &compiler, NULL);
            if (!available || !compiler) {
                memmove(f->id + f->n + i, f->id + f->n + i + 1, (n - i - 1) * sizeof(*f->id));
                n--, i--;
                continue;
            }
            f->platform[f->n + (int)i] = platforms[p];
        }
        f->n += (int)n;
    }
}

/* table: NULL for the library's own. */
static void heed_quirks(clvits_quirks *q, clvits_device_info *info, const char *table)
{
    for (const clvits_source *f = clvits_sources; f->name && !table; f++)
        if (!strcmp(f->name, "devices.quirks"))
            table = f->text;
    clvits_quirks_read(q, table ? table : "", info);
    if (q->group && (size_t)q->group < info->max_work_group)
        info->max_work_group = (size_t)q->group;
    if (q->family)
        info->family = (clvits_family)(q->family - 1);
}

clvits_status clvits_device_list(clvits_device_info **list, int *count, clvits_report *r)
{
    struct found f;

    find(&f);
    *count = 0;
    *list = calloc((size_t)f.n + 1, sizeof(**list));
    if (!*list)
        return clvits_fail_memory(r, "the list of devices");
    for (int i = 0; i < f.n; i++) {
        clvits_quirks quirks;
        read_info(*list + i, f.platform[i], f.id[i]);
        heed_quirks(&quirks, *list + i, NULL);
    }
    *count = f.n;
    return CLVITS_OK;
}

static clvits_status open_queue(clvits_device *d, cl_platform_id platform, clvits_report *r)
{
    const cl_context_properties properties[] = { CL_CONTEXT_PLATFORM,
                                                 (cl_context_properties)platform, 0 };
    cl_int e;

    d->context = clCreateContext(properties, 1, &d->id, NULL, NULL, &e);
    if (e != CL_SUCCESS)
        return clvits_cl_fail(r, d, "cannot make a context", e);
    if (d->measure) {
        d->queue = clCreateCommandQueue(d->context, d->id, CL_QUEUE_PROFILING_ENABLE, &e);
        if (e == CL_SUCCESS)
            return CLVITS_OK;
        d->measure = false; /* traces then say that nothing was measured */
    }
    d->queue = clCreateCommandQueue(d->context, d->id, 0, &e);
    if (e != CL_SUCCESS)
        return clvits_cl_fail(r, d, "cannot make a command queue", e);
    return CLVITS_OK;
}

clvits_status clvits_device_describe(clvits_device **out, const clvits_device_info *info,
                                     clvits_report *r)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return clvits_fail_memory(r, "a device");
    (*out)->info = *info;
    pthread_mutex_init(&(*out)->lock, NULL);
    pthread_mutex_init(&(*out)->verdict_lock, NULL);
    pthread_mutex_init(&(*out)->buffer_lock, NULL);
    return CLVITS_OK;
}

clvits_status clvits_device_open(clvits_device **out, int index, const clvits_device_params *p,
                                 clvits_report *r)
{
    struct found f;
    clvits_status s;

    *out = NULL;
    find(&f);
    if (index < 0 || index >= f.n)
        return clvits_fail(r, CLVITS_E_DEVICE, "there is no OpenCL device %d; there are %d", index,
                           f.n);
    clvits_device *d = calloc(1, sizeof(*d));
    if (!d)
        return clvits_fail_memory(r, "a device");
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->verdict_lock, NULL);
    pthread_mutex_init(&d->buffer_lock, NULL);
    d->id = f.id[index];
    d->measure = p->measure;
    d->cache_told = p->cache_told;
    d->place = p->place;
    d->memory = p->memory;
    d->taken = p->taken;
    read_info(&d->info, f.platform[index], d->id);
    heed_quirks(&d->quirks, &d->info, p->quirks);
    if (p->family)
        d->info.family = (clvits_family)(p->family - 1);
    d->cache_dir = p->cache_dir ? strdup(p->cache_dir) : NULL;
    d->source_dir = p->source_dir ? strdup(p->source_dir) : NULL;
    if ((p->cache_dir && !d->cache_dir) || (p->source_dir && !d->source_dir))
        s = clvits_fail_memory(r, "a device");
    else
        s = open_queue(d, f.platform[index], r);
    if (!s && !d->measure)
        clvits_player_find(d, p->record);
    if (s)
        clvits_device_close(&d);
    *out = d;
    return s;
}

void clvits_device_close(clvits_device **device)
{
    clvits_device *d = *device;
    if (!d)
        return;
    if (d->queue)
        clFinish(d->queue);
    for (struct clvits_program *p = d->programs, *next; p; p = next) {
        next = p->next;
        if (p->program)
            clReleaseProgram(p->program);
        free(p->key);
        free(p);
    }
    if (d->player)
        d->player->close(d);
    if (d->timed)
        clReleaseCommandQueue(d->timed);
    if (d->queue)
        clReleaseCommandQueue(d->queue);
    if (d->context)
        clReleaseContext(d->context);
    clvits_verdicts_free(d);
    pthread_mutex_destroy(&d->buffer_lock);
    pthread_mutex_destroy(&d->verdict_lock);
    pthread_mutex_destroy(&d->lock);
    free(d->cache_dir);
    free(d->source_dir);
    free(d);
    *device = NULL;
}

const clvits_device_info *clvits_device_get_info(const clvits_device *d)
{
    return &d->info;
}

void clvits_device_set_tuned(clvits_device *d, const struct clvits_tuned *tuned)
{
    d->tuned = tuned;
}

const struct clvits_tuned *clvits_device_tuned(const clvits_device *d)
{
    return d->tuned;
}

const char *clvits_device_quirks(const clvits_device *d)
{
    return d->quirks.text;
}

const char *clvits_device_unnamed(const clvits_device *d, const char *message)
{
    const size_t n = strlen(d->info.name);

    return !strncmp(message, d->info.name, n) && !strncmp(message + n, ": ", 2) ? message + n + 2
                                                                               : message;
}

size_t clvits_device_work_group(const clvits_device *d, size_t most)
{
    size_t n = 1;
    while (n * 2 <= most && n * 2 <= d->info.max_work_group && n * 2 <= d->info.max_work_item[0])
        n *= 2;
    return n;
}

void clvits_device_distrust(clvits_device *d, const char *why, clvits_report *r)
{
    const bool first = !atomic_fetch_add(&d->accusations, 1);

    if (first)
        clvits_warn(r, "%s; this device is not used any more: its work goes elsewhere", why);
}

bool clvits_device_take_back(clvits_device *d)
{
    return atomic_fetch_sub(&d->accusations, 1) == 1;
}

bool clvits_device_lost(const clvits_device *d)
{
    return atomic_load(&((clvits_device *)d)->lost);
}

/* Have four bytes of memory take others and give them back. had: they were there, which drivers may
 * see to as late as when they are written. */
static cl_int exchange(const clvits_device *d, bool *had)
{
    const cl_uint sent = 0x5eed5eed;
    cl_uint got = 0;
    cl_int e;
    cl_mem m = clCreateBuffer(d->context, CL_MEM_READ_WRITE, sizeof(sent), NULL, &e);

    *had = false;
    if (e != CL_SUCCESS)
        return e;
    e = clEnqueueWriteBuffer(d->queue, m, CL_TRUE, 0, sizeof(sent), &sent, 0, NULL, NULL);
    *had = e == CL_SUCCESS;
    if (*had)
        e = clEnqueueReadBuffer(d->queue, m, CL_TRUE, 0, sizeof(got), &got, 0, NULL, NULL);
    clReleaseMemObject(m);
    return e == CL_SUCCESS && got != sent ? CL_DEVICE_NOT_AVAILABLE : e;
}

/* Some drivers say of a device that is gone that resources are short, whatever is asked of it. What
 * is short may be held by what still runs; and by other programs, but then what is on the device
 * already can be read. */
bool clvits_device_probe(clvits_device *d)
{
    bool had;
    cl_int e = exchange(d, &had);

    if (clvits_cl_shortage(e)) {
        const cl_int finished = clFinish(d->queue);
        if (finished == CL_SUCCESS)
            e = exchange(d, &had);
        else if (!clvits_cl_shortage(finished))
            e = finished;
    }
    if (clvits_cl_shortage(e) ? had || !clvits_buffers_can_be_read(d) : e != CL_SUCCESS)
        atomic_store(&d->lost, true);
    return clvits_device_lost(d);
}

bool clvits_device_trusted(const clvits_device *d)
{
    return !atomic_load(&((clvits_device *)d)->accusations);
}

size_t clvits_device_memory(const clvits_device *d)
{
    const size_t all = d->info.global_memory;

    return d->memory && d->memory < all ? d->memory : all;
}

size_t clvits_device_bytes(const clvits_device *d)
{
    return atomic_load(&((clvits_device *)d)->bytes);
}

size_t clvits_device_peak_bytes(const clvits_device *d)
{
    return atomic_load(&((clvits_device *)d)->peak_bytes);
}

void clvits_device_begin_peak(clvits_device *d)
{
    atomic_store(&d->peak_bytes, atomic_load(&d->bytes));
}

uint64_t clvits_device_launches(const clvits_device *d)
{
    return atomic_load(&((clvits_device *)d)->launches);
}

void clvits_device_submit(clvits_device *d)
{
    clFlush(d->queue);
}

clvits_status clvits_device_finish(clvits_device *d, clvits_report *r)
{
    const cl_int e = clFinish(d->queue);
    return e == CL_SUCCESS ? CLVITS_OK : clvits_cl_fail(r, d, "cannot finish", e);
}
