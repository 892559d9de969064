// SPDX-License-Identifier: MIT
//
// What a driver says of itself is taken whole, tells its caches from another's, and what a table
// says that a device must be spared is spared; a shortage that is over is forgotten. tests/layer
// stands between loader and driver.
#include "harness.h"

#include "device/cache.h"
#include "graph/plan.h"
#include "graph/probe.h"
#include "graph/trust.h"
#include "layer/layer.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT " | https://example.org/1\n"

static layer_set_fn layer_set;
static layer_calls_fn count_calls;

static void *find(void *module, const char *name)
{
    void *f = dlsym(module, name);
    ck_assert_msg(f != NULL, "%s", dlerror());
    return f;
}

static void begin(void)
{
    void *module = dlopen(getenv("OPENCL_LAYERS"), RTLD_NOW);

    ck_assert_msg(module != NULL, "%s", dlerror());
    *(void **)&layer_set = find(module, "clvits_layer_set");
    *(void **)&count_calls = find(module, "clvits_layer_calls");
    clvits_device_info *list;
    clvits_report r = { 0 };
    int n;
    ck_assert_int_eq(clvits_device_list(&list, &n, &r), CLVITS_OK); /* the loader reads the layer */
    free(list);
}

/* A device of the first platform, which says of itself what `faults` has. */
static clvits_device *open_as(const char *faults)
{
    const clvits_device_params p = { .record = CLVITS_RECORD_ON };
    clvits_report r = { 0 };
    clvits_device *d;

    ck_assert_msg(layer_set(faults) == 0, "%s", faults ? faults : "no faults");
    ck_assert_msg(clvits_device_open(&d, 0, &p, &r) == CLVITS_OK, "%s", r.text);
    return d;
}

START_TEST(long_texts_are_read)
{
    static const char *const kinds[] = { "name",    "vendor",   "driver",
                                         "version", "platform", "platform-version" };
    const char *got[LENGTH(kinds)];
    char faults[512], text[300];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    snprintf(faults, sizeof(faults), "%s=%s", kinds[_i], text);
    clvits_device *d = open_as(faults);
    const clvits_device_info *i = clvits_device_get_info(d);
    got[0] = i->name;
    got[1] = i->vendor;
    got[2] = i->driver;
    got[3] = i->version;
    got[4] = i->platform;
    got[5] = i->platform_version;
    ck_assert_str_eq(got[_i], text);
    const uint64_t key = clvits_cache_key(d);
    clvits_device_close(&d);
    faults[strlen(faults) - 1] = 'y';
    d = open_as(faults);
    ck_assert_uint_ne(clvits_cache_key(d), key);
    clvits_device_close(&d);
}
END_TEST

static const char *const nonsense[] = {
    "buffer>nonsense", "buffer>",      "buffer>0",  "buffer>5x",    "buffer>-1",     "local=-1",
    "local=much",      "local>5",      "group:5",   "launch:0",     "launch:1=",     "launch:1=0",
    "launch:1=7",      "launch:1=x",   "launch>1",  "nothing:1",    "launch:x",      "leaks=1",
    "type=cpu",        "like=nothing", "lost:1=-5", "launch:1=exi", "launch:1;what",
};

/* Where a layer followed a part of it, tests would pass that test nothing. */
START_TEST(nonsense_is_refused)
{
    ck_assert_msg(layer_set(nonsense[_i]) == -1, "%s", nonsense[_i]);
}
END_TEST

/* Beyond what there is room for: cut, and no more. */
START_TEST(endless_texts_are_cut)
{
    char faults[1000];

    snprintf(faults, sizeof(faults), "platform=%0*d;extensions=%*s cl_khr_fp16", 600, 7, 300, "");
    clvits_device *d = open_as(faults);
    ck_assert_uint_eq(strlen(clvits_device_get_info(d)->platform), CLVITS_INFO_TEXT - 1);
    ck_assert(clvits_device_get_info(d)->fp16);
    clvits_device_close(&d);
}
END_TEST

/* Kernels are chosen by the device's type, and by what is known of it. */
START_TEST(families_are_known)
{
    clvits_device *d = open_as("platform=rusticl;name=llvmpipe (LLVM 15.0.6, 256 bits)");

    ck_assert_int_eq(clvits_device_get_info(d)->family, CLVITS_FAMILY_GPU);
    clvits_device_close(&d);
    d = open_as("platform=rusticl");
    ck_assert_int_eq(clvits_device_get_info(d)->family == CLVITS_FAMILY_GPU,
                     clvits_device_get_info(d)->gpu);
    clvits_device_close(&d);
}
END_TEST

static bool records(const char *faults)
{
    clvits_device *d = open_as(faults);
    const bool any = clvits_device_records(d);

    clvits_device_close(&d);
    return any;
}

/* Nothing shines through of what the device has that stands for another. A faked extension has a
 * version that the library knows; that of a newer driver it need not. */
START_TEST(extensions_are_the_faked_ones)
{
    ck_assert(!records("like=mali"));
    ck_assert(!records("like=adreno"));
    ck_assert(!records("extensions=cl_khr_fp16 cl_khr_command_buffers"));
    ck_assert(!records(NULL) || records("extensions=cl_khr_fp16  cl_khr_command_buffer"));
}
END_TEST

START_TEST(memory_is_as_large_as_is_faked)
{
    clvits_buffer *first, *second;
    clvits_report r = { 0 };
    clvits_device *d = open_as("global=1000000");

    ck_assert_int_eq(clvits_buffer_make(&first, d, 600000, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_buffer_make(&second, d, 600000, &r), CLVITS_E_MEMORY);
    clvits_buffer_free(&first);
    ck_assert_int_eq(clvits_buffer_make(&second, d, 600000, &r), CLVITS_OK);
    clvits_buffer_free(&second);
    clvits_device_close(&d);
}
END_TEST

/* buffers: of those that are there, the middle one is released before. */
static bool seems_lost(const char *faults, int buffers)
{
    clvits_device *d = open_as(NULL);
    clvits_buffer *b[3] = { NULL };
    clvits_report r = { 0 };

    for (int i = 0; i < buffers; i++)
        ck_assert_int_eq(clvits_buffer_make(&b[i], d, 4, &r), CLVITS_OK);
    clvits_buffer_free(&b[1]);
    ck_assert_int_eq(layer_set(faults), 0);
    const bool lost = clvits_device_probe(d);
    ck_assert_int_eq(clvits_device_lost(d), lost);
    ck_assert_int_eq(layer_set(NULL), 0);
    clvits_buffer_free(&b[2]);
    clvits_buffer_free(&b[0]);
    clvits_device_close(&d);
    return lost;
}

/* Some drivers say that memory is short, CL_OUT_OF_RESOURCES, when the device is gone, and all may
 * say so while others have its memory, or this program's own commands. */
START_TEST(a_shortage_is_no_loss)
{
    for (int buffers = 0; buffers <= 3; buffers++) {
        ck_assert(!seems_lost(NULL, buffers));
        ck_assert(!seems_lost("buffer:1+", buffers));
        ck_assert(!seems_lost("buffer:1+=-5", buffers));
        ck_assert(!seems_lost("write:1+=-4", buffers));
        ck_assert(!seems_lost("write:1+=-5", buffers));
        ck_assert(!seems_lost("read:1=-5", buffers));
        ck_assert(seems_lost("buffer:1+=-2", buffers));
        ck_assert(seems_lost("write:1+=-5;finish:1=-36", buffers));
        ck_assert(seems_lost("read:1+=-5", buffers));
        ck_assert(seems_lost("read:1+=-9999", buffers));
        ck_assert_int_eq(seems_lost("write:1+=-5;read:1+=-5", buffers), buffers > 0);
    }
}
END_TEST

/* Several devices of one context have one limit. */
START_TEST(memory_is_shared)
{
    atomic_size_t taken = 0;
    const clvits_device_params p = { .memory = 1000000, .taken = &taken };
    clvits_device *d[2];
    clvits_buffer *first, *second;
    clvits_report r = { 0 };

    ck_assert_int_eq(layer_set(NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(clvits_device_open(&d[i], 0, &p, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_buffer_make(&first, d[0], 600000, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_buffer_make(&second, d[1], 600000, &r), CLVITS_E_MEMORY);
    clvits_buffer_free(&first);
    ck_assert_int_eq(clvits_buffer_make(&second, d[1], 600000, &r), CLVITS_OK);
    ck_assert_uint_eq(atomic_load(&taken), clvits_device_bytes(d[1]));
    clvits_buffer_free(&second);
    ck_assert_uint_eq(atomic_load(&taken), 0);
    clvits_device_close(&d[0]);
    clvits_device_close(&d[1]);
}
END_TEST

enum { LIMIT = 1000000 };

typedef struct greedy {
    clvits_device *device;
    atomic_bool end;
} greedy;

/* Ask for more than there ever is. */
static void *ask_for_all(void *user)
{
    greedy *g = user;

    while (!atomic_load(&g->end)) {
        clvits_report r = { 0 };
        clvits_buffer *b;
        ck_assert_int_eq(clvits_buffer_make(&b, g->device, LIMIT + 1, &r), CLVITS_E_MEMORY);
    }
    return NULL;
}

/* What is refused takes nothing away, not even for a moment. */
START_TEST(refusals_take_no_memory)
{
    enum { TIMES = 20000 };
    atomic_size_t taken = 0;
    const clvits_device_params p = { .memory = LIMIT, .taken = _i ? &taken : NULL };
    clvits_report r = { 0 };
    pthread_t thread;
    greedy g = { 0 };

    ck_assert_int_eq(layer_set(NULL), 0);
    ck_assert_int_eq(clvits_device_open(&g.device, 0, &p, &r), CLVITS_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_for_all, &g), 0);
    int refused = 0;
    for (int i = 0; i < TIMES; i++) {
        clvits_buffer *b;
        refused += clvits_buffer_make(&b, g.device, 1000, &r) != CLVITS_OK;
        clvits_buffer_free(&b);
        clvits_report_clear(&r);
    }
    atomic_store(&g.end, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(refused, 0);
    ck_assert_uint_eq(atomic_load(&taken), 0);
    ck_assert_uint_eq(clvits_device_bytes(g.device), 0);
    clvits_device_close(&g.device);
}
END_TEST

static clvits_status check_program(clvits_device *d)
{
    const clvits_launch l = { .program = "reduce", .kernel = "sum" };
    clvits_report r = { 0 };

    return clvits_program_check(d, &l, &r);
}

/* A program that does not build is not built again; one for which memory ran out is. */
START_TEST(programs_are_tried_again)
{
    clvits_device *d = open_as("program:1+");

    ck_assert_int_eq(check_program(d), CLVITS_E_MEMORY);
    ck_assert_int_eq(layer_set(NULL), 0);
    ck_assert_int_eq(check_program(d), CLVITS_OK);
    clvits_device_close(&d);
    d = open_as("build:1+");
    ck_assert_int_eq(check_program(d), CLVITS_E_DEVICE);
    ck_assert_int_eq(layer_set(NULL), 0);
    ck_assert_int_eq(check_program(d), CLVITS_E_DEVICE);
    clvits_device_close(&d);
}
END_TEST

static const struct {
    const char *faults;
    bool lost;
} builds[] = {
    { "build:1", false },
    { "build:1+", true },
    { "build:1+=-5", false }, /* CL_OUT_OF_RESOURCES */
    { "build:1+=-6", false }, /* CL_OUT_OF_HOST_MEMORY */
    { "build:1=-2", true },   /* CL_DEVICE_NOT_AVAILABLE */
    { "build:1+=-5;read:1+=-5", true },
};

/* The compiler is tried after the first build that says something of it. */
START_TEST(the_compiler_is_tried_late)
{
    static const char *const passing[] = {
        "program:1=-6;build:1+", "build:1=-5;build:2=-5;build:3=-5;build:4=-5;build:5+"
    };
    clvits_device *d = open_as(passing[_i]);
    const clvits_launch other = { .program = "move", .kernel = "move" };
    clvits_report r = { 0 };

    check_program(d);
    ck_assert(!clvits_device_lost(d));
    ck_assert_int_eq(clvits_program_check(d, &other, &r), CLVITS_E_DEVICE);
    ck_assert(clvits_device_lost(d));
    clvits_device_close(&d);
}
END_TEST

/* A device is lost where nothing builds, and not where something is short as long as it answers. */
START_TEST(builds_that_fail_lose_few_devices)
{
    clvits_device *d = open_as(builds[_i].faults);

    ck_assert_int_eq(check_program(d), CLVITS_E_DEVICE);
    ck_assert_int_eq(clvits_device_lost(d), builds[_i].lost);
    clvits_device_close(&d);
}
END_TEST

/* The first device is lost by its first build, and the second takes what costs least there. */
START_TEST(a_lost_device_has_no_rates)
{
    clvits_rates rates[CLVITS_MAX_PLACES];
    harness h;

    ck_assert_int_eq(layer_set(NULL), 0);
    harness_begin(&h, 1);
    h.machine.device[2] = h.machine.device[1];
    h.machine.device[1] = open_as("build:1=-2"); /* CL_DEVICE_NOT_AVAILABLE */
    h.machine.n_places = 3;
    ck_assert_msg(clvits_rates_measure(rates, &h.machine, &h.report) == CLVITS_OK, "%s",
                  h.report.text);
    ck_assert_uint_eq(clvits_machine_distrusted(&h.machine), 1u << 1);
    for (int place = 0; place < 3; place++)
        for (int i = 0; i < CLVITS_COST_CLASSES; i++) {
            const clvits_rate *r = &rates[place].node[i];
            ck_assert_double_gt(r->fixed + r->each, 0.0);
            ck_assert_int_eq(clvits_rate_seconds(r, 1e6) > 10.0, place == 1);
        }
    harness_end(&h);
}
END_TEST

/* The device under test again, with a table of quirks and kernels for GPUs. */
static void begin_spared(harness *h, const char *table, clvits_record_mode record)
{
    const clvits_device_params p = { .cache_dir = getenv("CLVITS_CACHE"),
                                     .quirks = table,
                                     .record = record,
                                     .family = 1 + CLVITS_FAMILY_GPU };
    clvits_device_info *list;
    int n, found = -1;

    ck_assert_int_eq(layer_set(NULL), 0);
    harness_begin(h, 2);
    const clvits_device_info info = *clvits_device_get_info(h->machine.device[1]);
    clvits_device_close(&h->machine.device[1]);
    ck_assert_int_eq(clvits_device_list(&list, &n, &h->report), CLVITS_OK);
    for (int i = 0; i < n && found < 0; i++)
        if (!strcmp(list[i].name, info.name))
            found = i;
    free(list);
    ck_assert_int_eq(clvits_device_open(&h->machine.device[1], found, &p, &h->report), CLVITS_OK);
}

static const struct {
    const char *table;
    clvits_record_mode record;
    int every; /* launches; 0: the driver knows when */
} flushes[] = {
    { "*|*|*|group 32" REPORT, CLVITS_RECORD_OFF, 0 },
    { "*|*|*|flush 3" REPORT, CLVITS_RECORD_OFF, 3 },
    { "*|*|*|flush 3" REPORT, CLVITS_RECORD_ON, 3 },
    { "*|*|*|flush 1" REPORT, CLVITS_RECORD_ON, 1 },
};

/* Whether launches are recorded or not, no more than so many wait. */
START_TEST(launches_are_flushed)
{
    enum { NODES = 8, USES = 3 };
    const clvits_unary_params negate = { .kind = CLVITS_SCALE, .a = -1.0f };
    const float *values;
    harness h;

    begin_spared(&h, flushes[_i].table, flushes[_i].record);
    clvits_tensor *x = harness_input(&h, clvits_graph_clock(h.graph, 5), 3, -1, 1, &values);
    for (int i = 0; i < NODES; i++)
        x = clvits_flip(clvits_unary(x, &negate));
    clvits_graph_keep(x);
    harness_plan(&h);
    const uint64_t before = clvits_device_launches(h.machine.device[1]);
    const long flushed = count_calls("flush");
    for (int i = 0; i < USES; i++) {
        harness_go(&h);
        for (int k = 0; k < 2 * 5 * 3; k++) /* an even number of each */
            ck_assert_float_eq(harness_output(&h, x)[k], values[k]);
    }
    const long launches = (long)(clvits_device_launches(h.machine.device[1]) - before);
    ck_assert_int_eq(launches, USES * 2 * NODES);
    if (flushes[_i].every)
        ck_assert_int_ge(count_calls("flush") - flushed, launches / flushes[_i].every);
    else
        ck_assert_int_eq(count_calls("flush"), flushed);
    harness_end(&h);
}
END_TEST

static const clvits_step *step_of(const harness *h, const char *op)
{
    for (int i = 0; i < h->plan->n_steps; i++)
        if (h->plan->steps[i].node && !strcmp(h->plan->steps[i].node->op->name, op))
            return &h->plan->steps[i];
    ck_abort_msg("no %s", op);
}

/* Groups are as small as is said, and a kernel that is left out is not run; the result stands. */
START_TEST(groups_and_kernels_are_spared)
{
    enum { T = 9, C = 40 };
    static const char *const tables[] = { "", "*|*|*|group 16" REPORT,
                                          "*|*|*|without layer_norm" REPORT };
    const clvits_unary_params negate = { .kind = CLVITS_SCALE, .a = -1.0f };
    struct clvits_trust trust = { .proves = true }; /* newer PoCL compiles one wrongly */
    const float *x, *ones, *zeros;
    harness h;

    begin_spared(&h, tables[_i], CLVITS_RECORD_OFF);
    h.machine.trust = &trust;
    ck_assert_int_eq(clvits_verdicts_load(h.machine.device[1], &h.report), CLVITS_OK);
    clvits_tensor *y = clvits_layer_norm(
        harness_input(&h, clvits_graph_clock(h.graph, T), C, -1, 1, &x), NULL,
        harness_weight(&h, 1, (int64_t[]){ C }, 1, 1, &ones),
        harness_weight(&h, 1, (int64_t[]){ C }, 0, 0, &zeros),
        &(clvits_layer_norm_params){ .eps = 1e-5f });
    y = clvits_graph_keep(clvits_unary(y, &negate));
    harness_plan(&h);
    harness_go(&h);
    double want[2 * T * C];
    for (int t = 0; t < 2 * T; t++) {
        double mean = 0.0, square = 0.0;
        for (int c = 0; c < C; c++)
            mean += (double)x[t * C + c] / C;
        for (int c = 0; c < C; c++)
            square += ((double)x[t * C + c] - mean) * ((double)x[t * C + c] - mean) / C;
        for (int c = 0; c < C; c++)
            want[t * C + c] = (mean - (double)x[t * C + c]) / sqrt(square + 1e-5);
    }
    harness_close(&h, y, want, 1e-5);
    /* This one wants groups of 64. */
    ck_assert_int_eq(step_of(&h, "layer_norm")->place, _i ? CLVITS_CPU_PLACE : 1);
    const size_t *local = step_of(&h, "unary")->launch.local;
    const size_t items = local[0] * (local[1] ? local[1] : 1) * (local[2] ? local[2] : 1);
    ck_assert_int_eq(step_of(&h, "unary")->place, 1);
    ck_assert(items > 0 && (items <= 16) == (_i == 1));
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("driver");
    TCase *t = tcase_create("driver");

    if (!getenv("OPENCL_LAYERS"))
        return 77;
    tcase_add_checked_fixture(t, begin, NULL);
    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, long_texts_are_read, 0, 6);
    tcase_add_test(t, endless_texts_are_cut);
    tcase_add_loop_test(t, nonsense_is_refused, 0, LENGTH(nonsense));
    tcase_add_test(t, families_are_known);
    tcase_add_test(t, extensions_are_the_faked_ones);
    tcase_add_test(t, memory_is_as_large_as_is_faked);
    tcase_add_test(t, a_shortage_is_no_loss);
    tcase_add_test(t, memory_is_shared);
    tcase_add_loop_test(t, refusals_take_no_memory, 0, 2);
    tcase_add_test(t, programs_are_tried_again);
    tcase_add_loop_test(t, the_compiler_is_tried_late, 0, 2);
    tcase_add_loop_test(t, builds_that_fail_lose_few_devices, 0, LENGTH(builds));
    tcase_add_test(t, a_lost_device_has_no_rates);
    tcase_add_loop_test(t, launches_are_flushed, 0, LENGTH(flushes));
    tcase_add_loop_test(t, groups_and_kernels_are_spared, 0, 3);
    suite_add_tcase(s, t);
    return harness_main(s);
}
