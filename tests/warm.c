// SPDX-License-Identifier: MIT
//
// What a run does once it has run before, and where launches are recorded, been recorded: it
// launches, and nothing else. Speech waits besides for what it reads, its durations and its audio,
// and a batch of any lengths launches what one utterance does. The linker hands every call of these
// functions that the library makes to a counter here (a driver's own are its own).
#include "model/engine.h"
#include "model/voice_file.h"
#include "stages.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <stdio.h>
#include <stdlib.h>

typedef struct counts {
    int allocations, waits, builds, enqueues;
} counts;

static counts counted;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
cl_int __real_clFinish(cl_command_queue q);
cl_int __real_clWaitForEvents(cl_uint n, const cl_event *events);
cl_int __real_clBuildProgram(cl_program p, cl_uint n, const cl_device_id *devices,
                             const char *options, void(CL_CALLBACK *done)(cl_program, void *),
                             void *user);
cl_kernel __real_clCreateKernel(cl_program p, const char *name, cl_int *error);
cl_int __real_clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint n, const cl_event *wait,
                                     cl_event *event);
cl_int __real_clEnqueueReadBuffer(cl_command_queue q, cl_mem b, cl_bool blocking, size_t offset,
                                  size_t size, void *p, cl_uint n, const cl_event *wait,
                                  cl_event *event);
cl_int __real_clEnqueueWriteBuffer(cl_command_queue q, cl_mem b, cl_bool blocking, size_t offset,
                                   size_t size, const void *p, cl_uint n, const cl_event *wait,
                                   cl_event *event);
cl_mem __real_clCreateBuffer(cl_context c, cl_mem_flags flags, size_t size, void *host,
                             cl_int *error);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
cl_int __wrap_clFinish(cl_command_queue q);
cl_int __wrap_clWaitForEvents(cl_uint n, const cl_event *events);
cl_int __wrap_clBuildProgram(cl_program p, cl_uint n, const cl_device_id *devices,
                             const char *options, void(CL_CALLBACK *done)(cl_program, void *),
                             void *user);
cl_kernel __wrap_clCreateKernel(cl_program p, const char *name, cl_int *error);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint n, const cl_event *wait,
                                     cl_event *event);
cl_int __wrap_clEnqueueReadBuffer(cl_command_queue q, cl_mem b, cl_bool blocking, size_t offset,
                                  size_t size, void *p, cl_uint n, const cl_event *wait,
                                  cl_event *event);
cl_int __wrap_clEnqueueWriteBuffer(cl_command_queue q, cl_mem b, cl_bool blocking, size_t offset,
                                   size_t size, const void *p, cl_uint n, const cl_event *wait,
                                   cl_event *event);
cl_mem __wrap_clCreateBuffer(cl_context c, cl_mem_flags flags, size_t size, void *host,
                             cl_int *error);

void *__wrap_malloc(size_t size)
{
    counted.allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    counted.allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    counted.allocations++;
    return __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    counted.allocations++;
    return __real_aligned_alloc(alignment, size);
}

cl_int __wrap_clFinish(cl_command_queue q)
{
    counted.waits++;
    return __real_clFinish(q);
}

cl_int __wrap_clWaitForEvents(cl_uint n, const cl_event *events)
{
    counted.waits++;
    return __real_clWaitForEvents(n, events);
}

cl_int __wrap_clBuildProgram(cl_program p, cl_uint n, const cl_device_id *devices,
                             const char *options, void(CL_CALLBACK *done)(cl_program, void *),
                             void *user)
{
    counted.builds++;
    return __real_clBuildProgram(p, n, devices, options, done, user);
}

cl_kernel __wrap_clCreateKernel(cl_program p, const char *name, cl_int *error)
{
    counted.builds++;
    return __real_clCreateKernel(p, name, error);
}

cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint n, const cl_event *wait,
                                     cl_event *event)
{
    counted.enqueues++;
    return __real_clEnqueueNDRangeKernel(q, k, dimensions, offset, global, local, n, wait, event);
}

cl_int __wrap_clEnqueueReadBuffer(cl_command_queue q, cl_mem b, cl_bool blocking, size_t offset,
                                  size_t size, void *p, cl_uint n, const cl_event *wait,
                                  cl_event *event)
{
    counted.waits += blocking != CL_FALSE;
    return __real_clEnqueueReadBuffer(q, b, blocking, offset, size, p, n, wait, event);
}

cl_int __wrap_clEnqueueWriteBuffer(cl_command_queue q, cl_mem b, cl_bool blocking, size_t offset,
                                   size_t size, const void *p, cl_uint n, const cl_event *wait,
                                   cl_event *event)
{
    counted.waits += blocking != CL_FALSE;
    return __real_clEnqueueWriteBuffer(q, b, blocking, offset, size, p, n, wait, event);
}

cl_mem __wrap_clCreateBuffer(cl_context c, cl_mem_flags flags, size_t size, void *host,
                             cl_int *error)
{
    counted.allocations++;
    return __real_clCreateBuffer(c, flags, size, host, error);
}

/* Runs the stage on the device under test throughout; the last run is counted. */
static void go_thrice(harness *h, clvits_graph *g, int clock, int rows)
{
    char place[512] = "";
    size_t used = 0;

    for (int i = 0; clvits_ops[i] && h->machine.n_places > 1; i++)
        used += (size_t)snprintf(place + used, sizeof(place) - used, "%s%s=1", i ? "," : "",
                                 clvits_ops[i]->name);
    ck_assert_uint_lt(used, sizeof(place));
    h->place = place;
    stages_run s = stages_open(h, g);
    stages_length(h, &s, clock, rows);
    for (int i = 0; i < 2; i++)
        stages_go(h, &s);
    clvits_machine_finish(&h->machine);
    const int launches = clvits_plan_launches(s.plan);
    const uint64_t before =
        h->machine.n_places > 1 ? clvits_device_launches(h->machine.device[1]) : 0;
    ck_assert_int_gt(counted.allocations, 0);
    if (h->machine.n_places > 1)
        ck_assert(counted.waits > 0 && counted.builds > 0);

    counted = (counts){ 0 };
    const clvits_status status = clvits_run_go(s.run, NULL, &h->report);
    const counts n = counted; /* Check allocates as well */
    clvits_machine_finish(&h->machine);
    ck_assert_int_eq(status, CLVITS_OK);
    ck_assert_msg(!n.allocations && !n.waits && !n.builds,
                  "%d allocations, %d waits, %d builds in %d launches", n.allocations, n.waits,
                  n.builds, launches);
    if (h->machine.n_places > 1) {
        clvits_device *d = h->machine.device[1];
        ck_assert_uint_eq(clvits_device_launches(d) - before, (uint64_t)launches);
        ck_assert_int_eq(n.enqueues, clvits_device_records(d) ? 0 : launches);
    }
    stages_close(&s, &g);
}

START_TEST(launches_and_nothing_else)
{
    harness h;
    clvits_voice_file file;
    const clvits_model m = { &file.config, &file.weights };
    const clvits_stage_options o = { .batch = 1 };
    clvits_text_stage text;
    clvits_latent_stage latent;
    clvits_wave_stage wave;

    setenv("CLVITS_RECORD", _i ? "on" : "off", 1);
    harness_begin(&h, 1);
    ck_assert_int_eq(clvits_voice_file_open(&file, SOURCE_VOICES "/mini", NULL, &h.report), 0);
    ck_assert_int_eq(clvits_text_stage_build(&text, &m, &o, 12, &h.report), CLVITS_OK);
    go_thrice(&h, text.graph, text.clock, 9);
    ck_assert_int_eq(clvits_latent_stage_build(&latent, &m, &o, 12, 30, &h.report), CLVITS_OK);
    go_thrice(&h, latent.graph, latent.clock, 25);
    ck_assert_int_eq(clvits_wave_stage_build(&wave, &m, &o, 20, &h.report), CLVITS_OK);
    go_thrice(&h, wave.graph, wave.clock, 17);
    clvits_voice_file_free(&file);
    harness_end(&h);
}
END_TEST

static clvits_status count_piece(void *user, int i, const float *samples, int n, clvits_report *r)
{
    (void)i, (void)samples, (void)n, (void)r;
    ++*(int *)user;
    return CLVITS_OK;
}

static clvits_status add_launches(void *user, const clvits_plan *p, const char *stage,
                                  clvits_report *r)
{
    (void)stage, (void)r;
    *(int *)user += clvits_plan_launches(p);
    return CLVITS_OK;
}

enum { MOST = 4, IDS = 30 };

/* How an utterance, or a ragged batch of them, is spoken; and what came of it. */
typedef struct speech {
    int items, n_ids; /* of the last item; each has two more than the one before it */
    float frames;     /* of a symbol, about */
    int most;         /* frames of a piece; 0: as many as are efficient */
    int pieces;
    uint64_t launches;
    counts n;
} speech;

/* Speaks until nothing is new, and once more, which is counted. */
static void speak_warm(harness *h, clvits_engine *e, speech *sp)
{
    int32_t ids[IDS], durations[MOST][IDS];
    const clvits_sink sink = { .user = &sp->pieces, .wave = count_piece, .most = sp->most };
    const clvits_device *d = h->machine.n_places > 1 ? h->machine.device[1] : NULL;
    clvits_item items[MOST];
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < IDS; i++)
        ids[i] = 1 + i * 7 % 20;
    for (int i = 0; i < sp->items; i++)
        items[i] = (clvits_item){ .ids = ids, .n_ids = sp->n_ids - 2 * (sp->items - 1 - i),
                                  .seed = 1, .noise_scale = 0.667f, .noise_w = 0.6f,
                                  .length_scale = sp->frames, .durations = durations[i] };
    for (int i = 0; i < 3 && !s; i++) {
        sp->launches = d ? clvits_device_launches(d) : 0;
        sp->pieces = 0;
        counted = (counts){ 0 };
        s = clvits_engine_speak(e, items, sp->items, &sink, &h->report);
    }
    sp->n = counted; /* Check allocates as well */
    ck_assert_msg(!s, "%s", h->report.text);
    sp->launches = d ? clvits_device_launches(d) - sp->launches : 0;
}

/* A word, a sentence in pieces, and a batch wait for their durations and for each piece of audio,
 * and for nothing else; what is allocated does not depend on how many there are of these. The word
 * and the batch launch each stage's plan once. */
START_TEST(speech_waits_for_what_it_reads)
{
    speech all[] = { { 1, 10, 1.0f, 0 }, { 1, IDS, 4.0f, 16 }, { MOST, 10, 1.0f, 0 } };
    clvits_voice_file file;
    const clvits_model m = { &file.config, &file.weights };
    clvits_engine *e;
    harness h;
    int planned = 0;

    setenv("CLVITS_RECORD", _i ? "on" : "off", 1);
    harness_begin(&h, 1);
    const bool device = h.machine.n_places > 1;
    ck_assert_int_eq(clvits_voice_file_open(&file, SOURCE_VOICES "/mini", NULL, &h.report), 0);
    ck_assert_int_eq(clvits_engine_open(&e, &m, &h.machine, NULL, &h.report), CLVITS_OK);
    ck_assert_int_eq(clvits_engine_plans(e, add_launches, &planned, &h.report), CLVITS_OK);
    for (int i = 0; i < LENGTH(all); i++) {
        speech *sp = &all[i];
        speak_warm(&h, e, sp);
        const bool recorded = device && clvits_device_records(h.machine.device[1]);
        ck_assert_int_eq(sp->n.waits, device ? sp->items + sp->pieces : 0);
        ck_assert_int_eq(sp->n.builds, 0);
        ck_assert_int_eq(sp->n.allocations, all[0].n.allocations);
        ck_assert_uint_eq((uint64_t)sp->n.enqueues, recorded ? 0 : sp->launches);
        if (!sp->most)
            ck_assert_int_eq(sp->pieces, sp->items);
        else
            ck_assert_int_ge(sp->pieces, 4);
        if (!sp->most && device)
            ck_assert_uint_eq(sp->launches, (uint64_t)planned);
    }
    clvits_engine_close(&e);
    clvits_voice_file_free(&file);
    harness_end(&h);
}
END_TEST

/* A second device of PoCL, which makes as many as it is asked for; whether there is one. */
static bool add_device(harness *h)
{
    const clvits_device_params p = { .record = CLVITS_RECORD_OFF };
    clvits_device_info *list;
    int n;

    if (h->machine.n_places < 2 || getenv("CLVITS_TEST_DEVICE"))
        return false;
    ck_assert_int_eq(clvits_device_list(&list, &n, &h->report), CLVITS_OK);
    const bool more = n > 1;
    free(list);
    if (more)
        ck_assert_int_eq(clvits_device_open(&h->machine.device[2], 1, &p, &h->report), CLVITS_OK);
    h->machine.n_places += more;
    return more;
}

/* Nor is anything allocated for what one device makes and another one reads. */
START_TEST(copies_between_devices_allocate_nothing)
{
    speech all[] = { { 1, 10, 1.0f, 0 }, { 1, IDS, 4.0f, 16 }, { MOST, 10, 1.0f, 0 } };
    clvits_voice_file file;
    const clvits_model m = { &file.config, &file.weights };
    clvits_engine *e;
    harness h;

    setenv("POCL_DEVICES", "pthread pthread", 0);
    harness_begin(&h, 1);
    if (add_device(&h)) {
        ck_assert_int_eq(clvits_voice_file_open(&file, SOURCE_VOICES "/mini", NULL, &h.report), 0);
        ck_assert_int_eq(clvits_engine_open(&e, &m, &h.machine, "flow=2", &h.report), CLVITS_OK);
        for (int i = 0; i < LENGTH(all); i++) {
            speak_warm(&h, e, &all[i]);
            ck_assert_int_gt(all[i].n.waits, all[i].items + all[i].pieces);
            ck_assert_int_eq(all[i].n.allocations, all[0].n.allocations);
        }
        clvits_engine_close(&e);
        clvits_voice_file_free(&file);
    } else {
        printf("not run: there is one device at most\n");
    }
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("warm");
    TCase *t = tcase_create("stages");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, launches_and_nothing_else, 0, 2);
    tcase_add_loop_test(t, speech_waits_for_what_it_reads, 0, 2);
    tcase_add_test(t, copies_between_devices_allocate_nothing);
    suite_add_tcase(s, t);
    return harness_main(s);
}
