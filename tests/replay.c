// SPDX-License-Identifier: MIT
//
// Launches recorded and replayed: the same bits as launches enqueued, by the driver that is there
// and by drivers made up of it, which refuse, have other versions, or are Adreno's as far as that
// is known. The linker hands what the library asks a driver to the functions below.
#include "harness.h"

#include "graph/trust.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, ROWS = 40, C = 8, USES = 5, NODES = 6, MOST_LAUNCHES = 16, MOST_RECORDINGS = 8 };
enum { EXTENSIONS_WITH_VERSION = 0x1060, RECORDABLE_MAX = 0x41DE, RECORDABLE_QUEUE = 1 << 30 };
enum { HIDDEN = -1 };
#define BYTES ((size_t)BATCH * ROWS * C * sizeof(float))
#define VERSION(major, minor, patch) ((major) << 22 | (minor) << 12 | (patch))

/* What is made up, and what was seen. Errors are of the call after so many good ones. */
typedef struct driver {
    int version; /* of cl_khr_command_buffer; 0: as it is */
    int qcom;    /* launches in one of Adreno's recordings; 0: there are none */
    bool gpu;
    const char *missing, *failing; /* an entry point */
    bool forgets;                  /* the last launch of each of Adreno's recordings */
    int good;
    cl_int error;
    bool once;

    int enqueued, replayed, made, released, refused;
    cl_uint seen; /* the version, made up or not */
    bool overlaps;
    bool goes; /* a run does */
} driver;

static driver now;

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
    /* What is small may be an assertion's. */
    return now.goes && size >= BYTES && fails("malloc") ? NULL : __real_malloc(size);
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

/* A small graph whose every use differs in what a replay must see anew: lengths, first rows, a
 * scalar, seeds. */
typedef struct drill {
    harness h;
    clvits_tensor *y;
    int clock, scale, seed, warnings;
} drill;

static void count_warnings(void *user, clvits_log_level level, const char *text)
{
    (void)text;
    *(int *)user += level <= CLVITS_LOG_WARNING;
}

static void begin(drill *d, const char *record, const char *place)
{
    const float *values;

    memset(d, 0, sizeof(*d));
    recordable = NULL; /* the queue that was may have had the next one's address */
    setenv("CLVITS_RECORD", record, 1);
    harness_begin(&d->h, BATCH);
    d->h.place = place;
    d->h.report = (clvits_report){ .log = count_warnings, .log_user = &d->warnings };
    d->clock = clvits_graph_clock(d->h.graph, ROWS);
    d->scale = clvits_graph_scalar(d->h.graph, 1);
    d->seed = clvits_graph_scalar(d->h.graph, 2);
    const clvits_unary_params scale = { .kind = CLVITS_SCALE, .a = 2.0f, .slot = d->scale + 1 };
    clvits_tensor *x = harness_input(&d->h, d->clock, C, -1, 1, &values);
    x = clvits_unary(x, &scale);
    x = clvits_binary(x, clvits_normal(d->h.graph, d->clock, C, d->seed, 0), CLVITS_ADD);
    x = clvits_unary(clvits_flip(x), &scale);
    d->y = clvits_graph_keep(clvits_unary(x, &scale));
    harness_plan(&d->h);
}

static const float *use(drill *d, int i)
{
    for (int b = 0; b < BATCH; b++) {
        ck_assert_int_eq(clvits_run_set_first(d->h.run, d->clock, b, 100 * b + i, &d->h.report), 0);
        harness_length(&d->h, d->clock, b, ROWS - 7 * i - b);
        clvits_run_set_float(d->h.run, d->scale, b, 0.5f + (float)i);
        clvits_run_set_int(d->h.run, d->seed, b, 77 + i);
        clvits_run_set_int(d->h.run, d->seed + 1, b, b);
    }
    harness_go(&d->h);
    return harness_output(&d->h, d->y);
}

static const struct {
    const char *name, *record;
    driver made;
    const char *place;
    int enqueued, replayed, warnings; /* over all uses; see outcome() for refusals */
} cases[] = {
    { "as it is", "on", { 0 }, NULL, NODES, USES - 1, 0 },
    { "off", "off", { 0 }, NULL, NODES * USES, 0, 0 },
    { "by itself, for a CPU", "auto", { 0 }, NULL, NODES * USES, 0, 0 },
    { "by itself, for a GPU", "auto", { .gpu = true }, NULL, NODES, USES - 1, 0 },
    { "a node on the CPU path", "on", { 0 }, "flip=cpu", NODES - 1, 2 * (USES - 1), 0 },
    { "0.9.7", "on", { .version = VERSION(0, 9, 7) }, NULL, NODES, USES - 1, 0 },
    { "1.0.0", "on", { .version = VERSION(1, 0, 0) }, NULL, NODES, USES - 1, 0 },
    { "before 0.9.0", "on", { .version = VERSION(0, 8, 9) }, NULL, NODES * USES, 0, 0 },
    { "after 0.9.8", "on", { .version = VERSION(0, 9, 9) }, NULL, NODES * USES, 0, 0 },
    { "after 1.0.0", "on", { .version = VERSION(1, 0, 1) }, NULL, NODES * USES, 0, 0 },
    { "no version", "on", { .version = HIDDEN }, NULL, NODES * USES, 0, 0 },
    { "incomplete", "on", { .missing = "clFinalizeCommandBufferKHR" }, NULL, NODES * USES, 0, 0 },
    { "cannot create", "on", { .failing = "clCreateCommandBufferKHR", .error = -5 }, NULL,
      NODES * USES, 0, 1 },
    { "cannot add the third", "on",
      { .failing = "clCommandNDRangeKernelKHR", .good = 2, .error = -5 }, NULL, NODES * USES, 0,
      1 },
    { "cannot finish", "on", { .failing = "clFinalizeCommandBufferKHR", .error = -6 }, NULL,
      NODES * USES, 0, 1 },
    { "cannot record the second", "on",
      { .failing = "clCreateCommandBufferKHR", .good = 1, .error = -5 }, "flip=cpu",
      (NODES - 1) * USES, 0, 1 },
    { "cannot replay the third time", "on",
      { .failing = "clEnqueueCommandBufferKHR", .good = 2, .error = -5 }, NULL,
      NODES * (USES - 3), 3, 1 },
    { "still runs, once", "on",
      { .failing = "clEnqueueCommandBufferKHR", .good = 1, .once = true,
        .error = CL_INVALID_OPERATION }, NULL, NODES, USES - 1, 0 },
    { "Adreno's", "on", { .version = HIDDEN, .qcom = MOST_LAUNCHES }, NULL, NODES, USES - 1, 0 },
    { "Adreno's, in pieces", "on", { .version = HIDDEN, .qcom = 4 }, NULL, NODES, 2 * (USES - 1),
      0 },
    { "Adreno's, unasked", "auto", { .version = HIDDEN, .qcom = 4, .gpu = true }, NULL,
      NODES * USES, 0, 0 },
    { "Adreno's, incomplete", "on",
      { .version = HIDDEN, .qcom = 4, .missing = "clEndRecordingQCOM" }, NULL, NODES * USES, 0,
      0 },
    { "Adreno's cannot create", "on",
      { .version = HIDDEN, .qcom = 4, .failing = "clNewRecordingQCOM", .good = 1 }, NULL,
      NODES * USES, 0, 1 },
    { "Adreno's cannot add", "on",
      { .version = HIDDEN, .qcom = 4, .failing = "launch", .good = 2 }, NULL, NODES * USES, 0, 1 },
    { "Adreno's cannot end", "on",
      { .version = HIDDEN, .qcom = 4, .failing = "clEndRecordingQCOM" }, NULL, NODES * USES, 0,
      1 },
    { "Adreno's cannot replay", "on",
      { .version = HIDDEN, .qcom = 4, .failing = "clEnqueueRecordingQCOM", .good = 1 }, NULL,
      NODES * USES - 4, 1, 1 },
};

/* Whether the device under test can do what a case is about. */
static bool is_possible(int i, bool khr)
{
    return khr || cases[i].made.qcom || !(cases[i].replayed || cases[i].warnings);
}

/* A refusal, as of a list that the driver thinks still runs, costs launches. */
static void outcome(int i, const drill *d)
{
    const int segments = cases[i].place ? 2 : 1;

    ck_assert_msg(now.enqueued == cases[i].enqueued + NODES / segments * now.refused,
                  "%s: %d launches enqueued, %d replays refused", cases[i].name, now.enqueued,
                  now.refused);
    ck_assert_msg(now.replayed + now.refused == cases[i].replayed, "%s: %d replays", cases[i].name,
                  now.replayed);
    ck_assert_msg(d->warnings == cases[i].warnings, "%s: %d warnings", cases[i].name, d->warnings);
    if (now.made && !cases[i].made.qcom)
        ck_assert_int_eq(now.overlaps, now.seen < VERSION(0, 9, 8));
}

/* want: what launches that are enqueued give. Noise, sums and flips are the same on every place and
 * in either family; what differs by rounding is left out of the graph. */
static void drive(int i, const float *const *want)
{
    drill d;

    now = cases[i].made;
    begin(&d, cases[i].record, cases[i].place);
    for (int u = 0; u < USES; u++)
        ck_assert_msg(!memcmp(use(&d, u), want[u], BYTES), "%s: use %d differs", cases[i].name, u);
    outcome(i, &d);
    harness_end(&d.h);
    ck_assert_msg(now.made == now.released, "%s: %d of %d recordings released", cases[i].name,
                  now.released, now.made);
}

START_TEST(drivers)
{
    const float *want[USES];
    drill plain, d;

    now = (driver){ 0 };
    begin(&d, "on", NULL);
    const bool device = d.h.machine.n_places > 1;
    const char *extension = device ? clvits_device_records(d.h.machine.device[1]) : NULL;
    harness_end(&d.h);
    begin(&plain, "off", NULL);
    for (int u = 0; u < USES; u++)
        want[u] = use(&plain, u);
    ck_assert(memcmp(want[0], want[1], BYTES) != 0);
    for (int i = 0; i < LENGTH(cases) && device; i++)
        if (is_possible(i, extension != NULL))
            drive(i, want);
    harness_end(&plain.h);
}
END_TEST

/* A driver is believed once a replay has done what its launches do. */
START_TEST(rehearsed)
{
    struct clvits_trust trust = { .proves = true };
    drill plain, d;

    now = (driver){ 0 };
    begin(&plain, "off", NULL);
    for (int i = 0; i < 2 && plain.h.machine.n_places > 1; i++) {
        now = (driver){ .version = HIDDEN, .qcom = MOST_LAUNCHES, .forgets = i };
        begin(&d, "on", NULL);
        d.h.machine.trust = &trust;
        now.enqueued = 0;
        for (int u = 0; u < USES; u++) {
            const float *want = use(&plain, u);
            const int before = now.enqueued;
            ck_assert_msg(!memcmp(use(&d, u), want, BYTES), "use %d differs", u);
            ck_assert_int_eq(now.enqueued - before, u < 2 || now.forgets ? NODES : 0);
        }
        ck_assert_int_eq(now.replayed, now.forgets ? 1 : USES - 1);
        ck_assert_int_eq(d.warnings, now.forgets);
        harness_end(&d.h);
    }
    harness_end(&plain.h);
}
END_TEST

/* Whether a call that takes memory fails in the run that records and compares, after so many good
 * ones: what is heard is the same, and unless everything was compared, nothing is replayed. */
static bool rehearse_without(const char *call, int good, const float *const *want)
{
    struct clvits_trust trust = { .proves = true };
    bool failed = false;
    drill d;
    now = (driver){ .version = HIDDEN, .qcom = MOST_LAUNCHES };
    begin(&d, "on", NULL);
    d.h.machine.trust = &trust;
    for (int u = 0; u < USES; u++) {
        now.failing = u == 1 ? call : NULL;
        now.good = good;
        now.once = true;
        ck_assert_msg(!memcmp(use(&d, u), want[u], BYTES), "%s %d: use %d differs", call, good, u);
        failed = failed || (u == 1 && !now.failing);
    }
    ck_assert_int_eq(d.warnings, 0);
    ck_assert_msg(failed ? now.replayed <= 1 : now.replayed == USES - 1, "%s %d: %d replays", call,
                  good, now.replayed);
    harness_end(&d.h);
    ck_assert_int_eq(now.made, now.released);
    return failed;
}

START_TEST(no_room_to_rehearse)
{
    static const char *const calls[] = { "malloc", "clEnqueueReadBuffer" };
    const float *want[USES];
    drill plain;

    now = (driver){ 0 };
    begin(&plain, "off", NULL);
    for (int u = 0; u < USES; u++)
        want[u] = use(&plain, u);
    for (int i = 0; i < LENGTH(calls) && plain.h.machine.n_places > 1; i++) {
        int good = 0;
        while (rehearse_without(calls[i], good, want))
            good++;
        ck_assert_int_ge(good, 3); /* before, and after either way */
    }
    harness_end(&plain.h);
}
END_TEST

static void ignore(void *user, const clvits_span *span)
{
    (void)user;
    (void)span;
}

/* Who wants to see each launch gets each, before and after the launches were recorded. */
START_TEST(looked_at)
{
    clvits_node_time times[NODES];
    clvits_trace trace;
    drill d;

    now = (driver){ 0 };
    begin(&d, "on", NULL);
    for (int u = 0; u < USES; u++)
        use(&d, u);
    now.enqueued = now.replayed = 0;
    ck_assert_int_eq(clvits_run_go(d.h.run, times, &d.h.report), CLVITS_OK);
    clvits_trace_begin(&trace, ignore, NULL);
    d.h.report.trace = &trace;
    ck_assert_int_eq(clvits_run_go(d.h.run, NULL, &d.h.report), CLVITS_OK);
    clvits_trace_end(&trace);
    d.h.report.trace = NULL;
    ck_assert_int_eq(now.enqueued, d.h.machine.n_places > 1 ? 2 * NODES : 0);
    ck_assert_int_eq(now.replayed, 0);
    harness_end(&d.h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("replay");
    TCase *t = tcase_create("drivers");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, drivers);
    tcase_add_test(t, looked_at);
    tcase_add_test(t, rehearsed);
    tcase_add_test(t, no_room_to_rehearse);
    suite_add_tcase(s, t);
    return harness_main(s);
}
