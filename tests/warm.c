// SPDX-License-Identifier: MIT
//
// What a run does once it has run before, and where launches are recorded, been recorded: it
// launches, and nothing else. The linker hands every call of these functions that the library makes
// to a counter here (a driver's own are its own).
#include "model/model.h"
#include "model/voice_file.h"
#include "stages.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <stdio.h>
#include <stdlib.h>

static int allocations, waits, builds, enqueues;

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

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    allocations++;
    return __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __real_aligned_alloc(alignment, size);
}

cl_int __wrap_clFinish(cl_command_queue q)
{
    waits++;
    return __real_clFinish(q);
}

cl_int __wrap_clWaitForEvents(cl_uint n, const cl_event *events)
{
    waits++;
    return __real_clWaitForEvents(n, events);
}

cl_int __wrap_clBuildProgram(cl_program p, cl_uint n, const cl_device_id *devices,
                             const char *options, void(CL_CALLBACK *done)(cl_program, void *),
                             void *user)
{
    builds++;
    return __real_clBuildProgram(p, n, devices, options, done, user);
}

cl_kernel __wrap_clCreateKernel(cl_program p, const char *name, cl_int *error)
{
    builds++;
    return __real_clCreateKernel(p, name, error);
}

cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint n, const cl_event *wait,
                                     cl_event *event)
{
    enqueues++;
    return __real_clEnqueueNDRangeKernel(q, k, dimensions, offset, global, local, n, wait, event);
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
    ck_assert_int_gt(allocations, 0);
    if (h->machine.n_places > 1)
        ck_assert(waits > 0 && builds > 0);

    allocations = waits = builds = enqueues = 0;
    const clvits_status status = clvits_run_go(s.run, NULL, &h->report);
    const int n[] = { allocations, waits, builds, enqueues }; /* Check allocates as well */
    clvits_machine_finish(&h->machine);
    ck_assert_int_eq(status, CLVITS_OK);
    ck_assert_msg(!n[0] && !n[1] && !n[2], "%d allocations, %d waits, %d builds in %d launches",
                  n[0], n[1], n[2], launches);
    if (h->machine.n_places > 1) {
        clvits_device *d = h->machine.device[1];
        ck_assert_uint_eq(clvits_device_launches(d) - before, (uint64_t)launches);
        ck_assert_int_eq(n[3], clvits_device_records(d) ? 0 : launches);
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

int main(void)
{
    Suite *s = suite_create("warm");
    TCase *t = tcase_create("stages");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, launches_and_nothing_else, 0, 2);
    suite_add_tcase(s, t);
    return harness_main(s);
}
