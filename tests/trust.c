// SPDX-License-Identifier: MIT
//
// Kernels are proven before they are used: one that is wrong, makes no numbers, leaves guard rows
// as they were or does not build is found out, told of once, and another or the CPU path steps in.
#include "files.h"
#include "harness.h"

#include "graph/plan.h"
#include "graph/probe.h"
#include "graph/trial.h"
#include "graph/trust.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The allocation that fails next; 0: none does. */
static int failing;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
    return failing > 0 && !--failing ? NULL : __real_calloc(n, size);
}

/* What a log says of trust. */
typedef struct heard {
    int warnings, trials, skipped;
    char last[512];
} heard;

/* A device with kernels of its own, and what was said. */
typedef struct fixture {
    harness h;
    struct clvits_trust trust;
    heard heard;
} fixture;

static void listen(void *user, clvits_log_level level, const char *text)
{
    heard *h = user;
    int n = 0;

    if (level == CLVITS_LOG_WARNING) {
        h->warnings++;
        snprintf(h->last, sizeof(h->last), "%s", text);
    } else if (sscanf(text, "%d kernels tried", &n) == 1) {
        h->trials += n;
    } else {
        h->skipped += strstr(text, "was not computed again: out of memory") != NULL;
    }
}

static const char *const copied[] = { "align.cl", "align.h", "attention.cl", "common.cl",
                                      "conv1d.cl", "conv1d.h", "dims.h", "exact.h", "move.cl",
                                      "norm.cl", "pointwise.cl", "toom.cl", "toom.h" };

/* Every `from` replaced; *found counts them. */
static char *replace(const char *text, const char *from, const char *to, int *found)
{
    const size_t n = strlen(from);
    char *out = calloc(1, strlen(text) * (1 + strlen(to)) + 1);

    ck_assert_ptr_nonnull(out);
    for (const char *at; (at = strstr(text, from)) != NULL; text = at + n, ++*found) {
        strncat(out, text, (size_t)(at - text));
        strcat(out, to);
    }
    return strcat(out, text);
}

/* The project's kernels in a folder of the test, with a text of one of them replaced. */
static void write_kernels(const char *name, const char *from, const char *to)
{
    int found = 0;

    for (int i = 0; i < LENGTH(copied); i++) {
        char path[512], own[64];
        size_t size;
        snprintf(path, sizeof(path), "%s/%s", SOURCE_KERNELS, copied[i]);
        snprintf(own, sizeof(own), "cl/%s", copied[i]);
        char *text = files_read(path, &size);
        char *own_text =
            replace(text, name && !strcmp(copied[i], name) ? from : "@none@", to ? to : "", &found);
        files_text(own, own_text);
        free(own_text);
        free(text);
    }
    ck_assert_int_eq(found > 0, name != NULL);
}

static int index_of(const char *device)
{
    clvits_device_info *list;
    clvits_report r = { 0 };
    int n, found = -1;

    ck_assert_int_eq(clvits_device_list(&list, &n, &r), CLVITS_OK);
    for (int i = 0; i < n && found < 0; i++)
        if (!strcmp(list[i].name, device))
            found = i;
    free(list);
    return found;
}

/* False where there is no device to test. */
static bool begin(fixture *f, bool cached)
{
    memset(f, 0, sizeof(*f));
    harness_begin(&f->h, 2);
    if (f->h.machine.n_places < 2)
        return false;
    const clvits_device_info info = *clvits_device_get_info(f->h.machine.device[1]);
    const clvits_device_params p = { .cache_dir = cached ? files_path("cache") : NULL,
                                     .source_dir = files_path("cl"),
                                     .family = 1 + (int)info.family };
    clvits_device_close(&f->h.machine.device[1]);
    ck_assert_int_eq(clvits_device_open(&f->h.machine.device[1], index_of(info.name), &p,
                                        &f->h.report), CLVITS_OK);
    f->h.report.log = listen;
    f->h.report.log_user = &f->heard;
    f->h.machine.trust = &f->trust;
    f->trust.proves = true;
    ck_assert_int_eq(clvits_verdicts_load(f->h.machine.device[1], &f->h.report), CLVITS_OK);
    return true;
}

/* The same on the CPU path. */
static void begin_reference(fixture *f)
{
    memset(f, 0, sizeof(*f));
    harness_begin(&f->h, 2);
    clvits_device_close(&f->h.machine.device[1]);
    f->h.machine.n_places = 1;
}

enum { NODES = 4 };

/* Two convolutions of which some devices make the first otherwise, a norm, a function. */
static clvits_tensor *small_graph(harness *h)
{
    const clvits_layer_norm_params norm = { .eps = 1e-5f };
    const clvits_unary_params unary = { .kind = CLVITS_TANH };
    const float *values;
    clvits_tensor *x = harness_input(h, clvits_graph_clock(h->graph, 90), 32, -1, 1, &values);

    for (int i = 0; i < 2; i++) {
        const int K = i ? 1 : 7;
        const clvits_conv1d_params same = { .pad_left = K / 2, .pad_right = K / 2 };
        clvits_tensor *w =
            harness_weight(h, 3, (int64_t[]){ 32, 32, K }, -0.1f, 0.1f, &values);
        x = clvits_conv1d(x, w, NULL, &same, NULL);
    }
    x = clvits_layer_norm(x, NULL, harness_weight(h, 1, (int64_t[]){ 32 }, -1, 1, &values),
                          harness_weight(h, 1, (int64_t[]){ 32 }, -1, 1, &values), &norm);
    return clvits_graph_keep(clvits_unary(x, &unary));
}

/* Plan and run the graph on both, and compare. */
static void check_result(fixture *f)
{
    fixture reference;
    begin_reference(&reference);
    clvits_tensor *y[2] = { small_graph(&f->h), small_graph(&reference.h) };

    harness_plan(&f->h);
    harness_go(&f->h);
    harness_plan(&reference.h);
    harness_go(&reference.h);
    const int64_t n = clvits_tensor_count(y[1]);
    const float *got = harness_output(&reference.h, y[1]);
    double *want = malloc((size_t)n * sizeof(*want));
    ck_assert_ptr_nonnull(want);
    for (int64_t i = 0; i < n; i++)
        want[i] = (double)got[i];
    harness_close(&f->h, y[0], want, 1e-5);
    free(want);
    harness_end(&reference.h);
}

static int place_of(const fixture *f, int node)
{
    return clvits_plan_place(f->h.plan, f->h.graph->nodes[node]);
}

static const char *kernel_of(const fixture *f, int node)
{
    for (int i = 0; i < f->h.plan->n_steps; i++)
        if (f->h.plan->steps[i].node == f->h.graph->nodes[node])
            return f->h.plan->steps[i].launch.kernel;
    return "";
}

START_TEST(right_kernels_are_tried_once)
{
    fixture f;
    write_kernels(NULL, NULL, NULL);
    for (int i = 0; i < 4; i++) {
        const bool cached = i < 3;
        if (!begin(&f, cached)) {
            harness_end(&f.h);
            return;
        }
        if (i == 2) { /* not quite the file that it was */
            size_t size;
            char path[512];
            clvits_verdicts_save(f.h.machine.device[1], &f.h.report);
            ck_assert_int_eq(files_find(path, sizeof(path), "cache", "trust-"), 1);
            char *text = files_read(path, &size);
            FILE *file = fopen(path, "wb");
            ck_assert_ptr_nonnull(file);
            ck_assert_uint_eq(fwrite(text, 1, size / 2, file), size / 2);
            ck_assert_int_eq(fclose(file), 0);
            free(text);
            harness_end(&f.h);
            ck_assert(begin(&f, true));
        }
        check_result(&f);
        for (int k = 0; k < NODES; k++)
            ck_assert_int_eq(place_of(&f, k), 1);
        ck_assert_int_eq(f.heard.trials, i == 1 ? 0 : NODES);
        ck_assert_int_eq(f.heard.warnings, 0);
        harness_end(&f.h);
    }
}
END_TEST

/* However much work a row is, there is an odd number of them. */
START_TEST(trials_have_tails)
{
    const clvits_conv1d_params same = { .pad_left = 2, .pad_right = 2 };
    const float *values;
    fixture f;

    write_kernels(NULL, NULL, NULL);
    if (begin(&f, false)) {
        const int clock = clvits_graph_clock(f.h.graph, 200);
        const clvits_target at = { .device = f.h.machine.device[1], .place = 1 };
        int fewest = 200, most = 0;
        for (int C = 64; C <= 512; C += 32) {
            clvits_tensor *x = harness_input(&f.h, clock, C, -1, 1, &values);
            clvits_tensor *w = harness_weight(&f.h, 3, (int64_t[]){ C, C, 5 }, -1, 1, &values);
            const clvits_tensor *y = clvits_conv1d(x, w, NULL, &same, NULL);
            clvits_trial t;
            ck_assert_int_eq(clvits_trial_open(&t, &f.h.machine, y->producer, &at, 0.0f, 0,
                                               &f.h.report), CLVITS_OK);
            const int rows = t.graph->clocks[t.node->out[0]->clock].capacity;
            ck_assert_msg(rows % 2 == 1, "%d channels: %d rows", C, rows);
            fewest = rows < fewest ? rows : fewest;
            most = rows > most ? rows : most;
            clvits_trial_close(&t);
        }
        ck_assert_int_lt(fewest, 30);
        ck_assert_int_gt(most, 100);
    }
    harness_end(&f.h);
}
END_TEST

/* What the CPU path makes no numbers of proves nothing. */
START_TEST(nothing_is_proven_without_numbers)
{
    const clvits_conv1d_params endless = { .pad_left = 3, .pad_right = 3, .scale = INFINITY };
    const float *values;
    fixture f;

    write_kernels(NULL, NULL, NULL);
    if (begin(&f, true)) {
        clvits_tensor *x = harness_input(&f.h, clvits_graph_clock(f.h.graph, 9), 4, -1, 1, &values);
        clvits_tensor *w = harness_weight(&f.h, 3, (int64_t[]){ 4, 4, 7 }, -1, 1, &values);
        clvits_graph_keep(clvits_conv1d(x, w, NULL, &endless, NULL));
        harness_plan(&f.h);
        ck_assert_int_eq(place_of(&f, 0), CLVITS_CPU_PLACE);
        ck_assert_int_eq(f.heard.warnings, 1);
        ck_assert_msg(strstr(f.heard.last, "cannot be proven"), "%s", f.heard.last);
    }
    harness_end(&f.h);
}
END_TEST

/* What costs are measured of is right: where nothing is, nothing like it is to go. */
START_TEST(wrong_kernels_have_no_rates)
{
    clvits_rates rates[2];
    fixture f;

    write_kernels("norm.cl", "/ d.C;", "/ (d.C == 192 ? 0.0f : d.C);");
    if (begin(&f, false)) {
        f.trust.recheck = 1; /* which is not part of any cost */
        ck_assert_int_eq(clvits_rates_measure(rates, &f.h.machine, &f.h.report), CLVITS_OK);
        for (int i = 0; i < CLVITS_COST_CLASSES; i++) {
            ck_assert_double_lt(rates[0].node[i].fixed, 1.0);
            ck_assert_msg((rates[1].node[i].fixed > 1.0) == (i == CLVITS_COST_MATHS),
                          "class %d: %g s, %s", i, rates[1].node[i].fixed, f.heard.last);
        }
        ck_assert_uint_eq(atomic_load(&f.trust.runs), 0);
        ck_assert_int_eq(f.heard.warnings, 1);
        ck_assert_ptr_nonnull(strstr(f.heard.last, "layer_norm goes wrong on device 1"));
    }
    harness_end(&f.h);
}
END_TEST

static const struct {
    const char *file, *from, *to; /* what is changed, and into what */
    int node;                     /* whose kernel that is, or -1: both convolutions' */
    const char *op, *error;       /* what the warning says */
    bool cpu;                     /* no other kernel can do it */
} wrongs[] = {
    { "norm.cl", "+ d.eps", "+ 2.0f * d.eps + 0.001f", 2, "layer_norm", "off by", true },
    { "norm.cl", "const norm_dims d, ", "const norm_dims d_, ", 2, "layer_norm", "not build",
      true },
    { "norm.cl", "/ d.C;", "/ (d.C == 32 ? 0.0f : d.C);", 2, "layer_norm", "not a number", true },
    { "pointwise.cl", "v = tanh(v)", "if (r.t < len - 1) v = tanh(v)", 3, "unary", "row", true },
    { "conv1d.cl", "k < taps;", "k < taps - 1;", 1, "conv1d", "off by", true },
    { "conv1d.h", "clamp(low - before, 0, len)", "clamp(low - before + 1, 0, len)", -1, "conv1d",
      "not a number", true },
    { "toom.h", "#define", "#error\n#define", 0, "conv1d", "not build", false },
    { "toom.cl", "sums + tile * LANES", "sums + 0 * tile", 0, "conv1d", "off by", false },
};

START_TEST(wrong_kernels_are_left_out)
{
    const int node = wrongs[_i].node, first = node < 0 ? 0 : node, last = node < 0 ? 1 : node;
    fixture f;

    write_kernels(wrongs[_i].file, wrongs[_i].from, wrongs[_i].to);
    for (int i = 0; i < 2; i++) { /* the second time by what is known */
        if (!begin(&f, true)) {
            harness_end(&f.h);
            return;
        }
        check_result(&f);
        for (int k = 0; k < NODES; k++)
            ck_assert_int_eq(place_of(&f, k), k < first || k > last || !wrongs[_i].cpu);
        if (!wrongs[_i].cpu)
            ck_assert_str_ne(kernel_of(&f, first), "conv1d_toom");
        const bool builds = !strstr(wrongs[_i].error, "build");
        const bool cpu_family = clvits_device_get_info(f.h.machine.device[1])->family ==
                                CLVITS_FAMILY_CPU;
        const bool happens = wrongs[_i].cpu || cpu_family;
        ck_assert_int_eq(f.heard.warnings, happens);
        if (happens) {
            ck_assert_msg(strstr(f.heard.last, wrongs[_i].op) == f.heard.last, "%s", f.heard.last);
            ck_assert_ptr_nonnull(strstr(f.heard.last, wrongs[_i].error));
            ck_assert_ptr_nonnull(
                strstr(f.heard.last, clvits_device_get_info(f.h.machine.device[1])->name));
        }
        if (i)
            ck_assert_int_eq(f.heard.trials, 0);
        else if (builds)
            ck_assert_int_ge(f.heard.trials, NODES);
        harness_end(&f.h);
    }
}
END_TEST

/* The barriers of row_sum() in common.cl, one after the other: before a group writes what it may
 * still read of the last sum, before it reads what others wrote, before all read what one wrote.
 * Without the last one, nothing goes wrong where work-items go one after the other, as on PoCL. */
static const struct {
    const char *from, *to;
    bool found;
} barriers[] = {
    { "        barrier(CLK_LOCAL_MEM_FENCE); \\\n        part[lane] = v;",
      "        part[lane] = v;", true },
    { "            barrier(CLK_LOCAL_MEM_FENCE); \\\n", "", true },
    { "        barrier(CLK_LOCAL_MEM_FENCE); \\\n        return part[0];",
      "        return part[0];", false },
};

START_TEST(a_missing_barrier_is_found)
{
    fixture f;

    write_kernels("common.cl", barriers[_i].from, barriers[_i].to);
    if (!begin(&f, false)) {
        harness_end(&f.h);
        return;
    }
    const clvits_device_info info = *clvits_device_get_info(f.h.machine.device[1]);
    const clvits_device_params p = { .source_dir = files_path("cl"),
                                     .family = 1 + CLVITS_FAMILY_GPU };
    clvits_device_close(&f.h.machine.device[1]);
    ck_assert_int_eq(clvits_device_open(&f.h.machine.device[1], index_of(info.name), &p,
                                        &f.h.report), CLVITS_OK);
    f.h.place = "conv1d=cpu";
    check_result(&f);
    /* Where a compiler makes one vector of a work-group, nothing waits and nothing goes wrong. */
    if (barriers[_i].found && !strstr(info.platform, "Intel")) {
        ck_assert_int_eq(f.heard.warnings, 1);
        ck_assert_int_eq(strncmp(f.heard.last, "layer_norm", 10), 0);
    }
    ck_assert_int_eq(strcmp(kernel_of(&f, 2), "layer_norm") == 0, place_of(&f, 2) == 1);
    harness_end(&f.h);
}
END_TEST

/* One of every so many graphs is looked at, and each stage of those that come in turns. */
START_TEST(every_stage_is_sampled)
{
    enum { STAGES = 3, ROUNDS = 200 };
    int seen[STAGES] = { 0 };
    fixture f;

    write_kernels(NULL, NULL, NULL);
    if (begin(&f, false)) {
        f.trust.proves = false;
        small_graph(&f.h);
        harness_plan(&f.h);
        f.trust.recheck = _i;
        for (int i = 0; i < ROUNDS * _i * STAGES; i++)
            seen[i % STAGES] += clvits_recheck_choose(f.h.plan) >= 0;
        ck_assert_int_eq(seen[0] + seen[1] + seen[2], ROUNDS * STAGES);
        for (int i = 0; i < STAGES; i++)
            ck_assert_int_gt(seen[i], ROUNDS / 2);
    }
    harness_end(&f.h);
}
END_TEST

/* Two convolutions in a form that reaches less far than the CPU path's. */
static clvits_tensor *direct_graph(fixture *f)
{
    const clvits_conv1d_params same = { .pad_left = 3, .pad_right = 3 };
    const clvits_target cpu = { .cpu = &f->h.machine.cpu };
    const float *values;
    char row[CLVITS_MAX_ROW];
    conv1d_dims d;
    clvits_tensor *x =
        harness_input(&f->h, clvits_graph_clock(f->h.graph, 90), 32, -1, 1, &values);

    for (int i = 0; i < 2; i++)
        x = clvits_conv1d(
            x, harness_weight(&f->h, 3, (int64_t[]){ 32, 32, 7 }, -0.1f, 0.1f, &values), NULL,
            &same, NULL);
    /* Not by its name, which may be that of the processor, as the CPU path's is. */
    snprintf(row, sizeof(row), "* | %s | conv1d | * | layout=%d\n",
             clvits_device_get_info(f->h.machine.device[1])->driver, CLVITS_CONV_BLOCKS);
    harness_tune(&f->h, row);
    x->producer->op->dims(x->producer, &cpu, &d);
    ck_assert_int_eq(d.layout, CLVITS_CONV_TOOM);
    return clvits_graph_keep(x);
}

/* What is computed again is right, or wrong, by the rows that were asked for, whatever others hold:
 * the first two runs look at either convolution. */
START_TEST(asked_rows_are_computed_again)
{
    const clvits_range asked = { 41, 43 };
    fixture f;

    for (int wrong = 0; wrong < 2; wrong++) {
        write_kernels("conv1d.h", "v *= p->scale;", wrong ? "v *= 1.5f;" : "v *= p->scale;");
        if (!begin(&f, false)) {
            harness_end(&f.h);
            return;
        }
        f.trust.proves = false;
        clvits_tensor *y = direct_graph(&f);
        harness_plan(&f.h);
        harness_go(&f.h);
        const float first = harness_output(&f.h, y)[0];
        for (unsigned run = 0; run < 2; run++) {
            f.trust.recheck = 0;
            clvits_run_ask(f.h.run, y, asked);
            harness_go(&f.h); /* leaves other rows poisoned, or as what lay there before */
            ck_assert(harness_output(&f.h, y)[0] != first);
            f.trust.recheck = 1;
            f.trust.runs = run;
            clvits_run_ask(f.h.run, y, asked);
            ck_assert_int_eq(clvits_run_go(f.h.run, NULL, &f.h.report),
                             wrong ? CLVITS_E_DEVICE : CLVITS_OK);
            clvits_report_clear(&f.h.report);
        }
        harness_end(&f.h);
    }
}
END_TEST

/* Where there is no room for it, that is said, and the device has done its work, once. */
START_TEST(nothing_is_launched_twice)
{
    int n = 0;
    fixture f;

    write_kernels(NULL, NULL, NULL);
    if (begin(&f, false)) {
        f.trust.proves = false;
        const clvits_tensor *y = small_graph(&f.h);
        harness_plan(&f.h);
        harness_go(&f.h);
        const uint64_t usual = clvits_device_launches(f.h.machine.device[1]);
        const size_t size = (size_t)clvits_tensor_count(y) * sizeof(float);
        float *first = malloc(size);
        ck_assert_ptr_nonnull(first);
        memcpy(first, harness_output(&f.h, y), size);
        f.trust.recheck = 1;
        for (int left = 0; !left; n++) {
            const uint64_t before = clvits_device_launches(f.h.machine.device[1]);
            f.heard.skipped = 0;
            f.trust.runs = 0;
            failing = n + 1;
            harness_go(&f.h);
            left = failing;
            failing = 0;
            ck_assert_int_eq(f.heard.skipped, !left);
            ck_assert_uint_eq(clvits_device_launches(f.h.machine.device[1]) - before, usual);
            ck_assert(!memcmp(harness_output(&f.h, y), first, size));
        }
        ck_assert_int_gt(n, 4); /* before it is launched, and after */
        free(first);
    }
    harness_end(&f.h);
}
END_TEST

/* Without proof, what is wrong goes through. */
START_TEST(trust_can_be_blind)
{
    const float *values;
    fixture f;

    write_kernels("pointwise.cl", "v = tanh(v)", "v = 3.0f");
    if (begin(&f, true)) {
        f.h.machine.trust = NULL;
        clvits_tensor *x = harness_input(&f.h, clvits_graph_clock(f.h.graph, 5), 3, -1, 1, &values);
        clvits_tensor *y =
            clvits_graph_keep(clvits_unary(x, &(clvits_unary_params){ .kind = CLVITS_TANH }));
        harness_plan(&f.h);
        harness_go(&f.h);
        ck_assert_float_eq(harness_output(&f.h, y)[0], 3.0f);
        ck_assert_int_eq(f.heard.warnings, 0);
    }
    harness_end(&f.h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trust");
    TCase *t = tcase_create("trust");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, trials_have_tails);
    tcase_add_test(t, nothing_is_proven_without_numbers);
    tcase_add_test(t, wrong_kernels_have_no_rates);
    tcase_add_test(t, right_kernels_are_tried_once);
    tcase_add_loop_test(t, wrong_kernels_are_left_out, 0, LENGTH(wrongs));
    tcase_add_loop_test(t, a_missing_barrier_is_found, 0, LENGTH(barriers));
    tcase_add_loop_test(t, every_stage_is_sampled, 1, 8);
    tcase_add_test(t, asked_rows_are_computed_again);
    tcase_add_test(t, nothing_is_launched_twice);
    tcase_add_test(t, trust_can_be_blind);
    suite_add_tcase(s, t);
    return harness_main(s);
}
