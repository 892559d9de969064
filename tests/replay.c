// SPDX-License-Identifier: MIT
//
// Launches recorded and replayed: the same bits as launches enqueued, by the driver that is there
// and by drivers made up of it.
#include "harness.h"
#include "replay_driver.h"

#include "graph/trust.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, ROWS = 40, C = 8, USES = 5, NODES = 6 };
#define BYTES ((size_t)BATCH * ROWS * C * sizeof(float))

/* A small graph whose every use differs in what a replay must see anew: lengths, first rows, a
 * scalar, seeds. */
typedef struct drill {
    harness h;
    clvits_tensor *y;
    int clock, scale, seed, warnings;
} drill;

static void begin(drill *d, const char *record, const char *place)
{
    const float *values;

    memset(d, 0, sizeof(*d));
    driver_forget_queue();
    setenv("CLVITS_RECORD", record, 1);
    harness_begin(&d->h, BATCH);
    d->h.place = place;
    d->h.report = (clvits_report){ .log = harness_count_warnings, .log_user = &d->warnings };
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
    /* What is small may be an assertion's. */
    now = (driver){ .version = HIDDEN, .qcom = MOST_LAUNCHES, .large = BYTES };
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

/* Every use is looked at again, for which there is no room in one. */
static bool look_again_without(int good, const float *const *want)
{
    struct clvits_trust trust = { .recheck = 1 };
    bool failed = false;
    drill d;

    now = (driver){ 0 };
    begin(&d, "off", NULL);
    d.h.machine.trust = &trust;
    for (int u = 0; u < USES; u++) {
        now.failing = u == 1 ? "malloc" : NULL;
        now.good = good;
        now.once = true;
        ck_assert_msg(!memcmp(use(&d, u), want[u], BYTES), "%d: use %d differs", good, u);
        failed = failed || (u == 1 && !now.failing);
    }
    ck_assert_int_eq(d.warnings, 0);
    harness_end(&d.h);
    return failed;
}

START_TEST(no_room_to_look_again)
{
    const float *want[USES];
    drill plain;
    int good = 0;

    now = (driver){ 0 };
    begin(&plain, "off", NULL);
    for (int u = 0; u < USES; u++)
        want[u] = use(&plain, u);
    while (plain.h.machine.n_places > 1 && look_again_without(good, want))
        good++;
    ck_assert(good > 0 || plain.h.machine.n_places < 2);
    harness_end(&plain.h);
}
END_TEST

static void ignore(void *user, const clvits_span *span)
{
    (void)user;
    (void)span;
}

/* A trace that nothing is collected of, until it finds no room to grow. Whether that was at the
 * launch that is looked at again, and then the run goes well; none is launched twice. */
static bool trace_without(int skipped)
{
    struct clvits_trust trust = { .recheck = 1 };
    clvits_status s = CLVITS_OK;
    clvits_trace trace;
    drill d;

    now = (driver){ .large = 256 * sizeof(clvits_span) };
    begin(&d, "off", NULL);
    d.h.machine.trust = &trust;
    for (int i = 0; i < skipped; i++)
        use(&d, 0);
    clvits_trace_begin(&trace, ignore, NULL);
    d.h.report.trace = &trace;
    now.failing = "realloc";
    now.once = true;
    for (int i = 0; i < 256 && now.failing && !s; i++) {
        const int before = now.enqueued;
        s = clvits_run_go(d.h.run, NULL, &d.h.report);
        if (!s)
            ck_assert_int_eq(now.enqueued - before, NODES);
        else
            ck_assert_int_eq(s, CLVITS_E_MEMORY);
    }
    const bool failed = !now.failing;
    clvits_report_clear(&d.h.report);
    clvits_trace_end(&trace);
    d.h.report.trace = NULL;
    harness_end(&d.h);
    return failed && !s;
}

START_TEST(no_room_to_trace)
{
    int times = 0;
    drill d;

    now = (driver){ 0 };
    begin(&d, "off", NULL);
    const bool device = d.h.machine.n_places > 1;
    harness_end(&d.h);
    for (int i = 0; i < NODES && device; i++)
        times += trace_without(i);
    ck_assert(times > 0 || !device);
}
END_TEST

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
    tcase_add_test(t, no_room_to_look_again);
    tcase_add_test(t, no_room_to_trace);
    suite_add_tcase(s, t);
    return harness_main(s);
}
