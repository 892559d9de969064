// SPDX-License-Identifier: MIT
//
// Placement by cost: the cheapest places for given rates, copies and hand-placed nodes counted, and
// the rates themselves, measured and kept.
#include "commas.h"
#include "files.h"
#include "harness.h"

#include "device/source.h"
#include "graph/plan.h"
#include "graph/probe.h"
#include "graph/trust.h"
#include "model/rates.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 2, LARGE = 3 }; /* convolutions of eight channels, then of 64 */
enum { ROWS = 200 };

/* Rates of a CPU that takes 1 ns per FLOP, and of a device with the given launch cost, speed-up and
 * transfer. */
static void set_rates(harness *h, clvits_rates rates[2], double launch, double faster,
                      double transfer)
{
    for (int i = 0; i < CLVITS_COST_CLASSES; i++) {
        rates[0].node[i] = (clvits_rate){ 1e-7, 1e-9 };
        rates[1].node[i] = (clvits_rate){ launch, 1e-9 / faster };
    }
    rates[0].transfer = (clvits_rate){ 0 };
    rates[1].transfer = (clvits_rate){ transfer, 1e-10 };
    h->machine.rates = rates;
}

/* SMALL narrow convolutions, a widening one, and LARGE wide ones: direct ones on every place, as
 * those of several groups are. */
static clvits_tensor *small_then_large(harness *h, int rows)
{
    const clvits_conv1d_params same = { .pad_left = 3, .pad_right = 2, .groups = 2 };
    const float *values;
    clvits_tensor *x = harness_input(h, clvits_graph_clock(h->graph, rows), 8, -1, 1, &values);

    for (int i = 0; i < SMALL + 1 + LARGE; i++) {
        const int C = i < SMALL ? 8 : 64;
        clvits_tensor *w =
            harness_weight(h, 3, (int64_t[]){ C, x->C / 2, 6 }, -0.1f, 0.1f, &values);
        clvits_graph_label(h->graph, "%s", i < SMALL ? "enc_p" : "dec");
        x = clvits_conv1d(x, w, NULL, &same, NULL);
    }
    return clvits_graph_keep(x);
}

static int on_device(const harness *h, int first, int n)
{
    int count = 0;
    for (int i = first; i < first + n; i++)
        count += clvits_plan_place(h->plan, h->graph->nodes[i]) == 1;
    return count;
}

static const struct {
    double launch, faster, transfer;
    const char *place;
    int small, large; /* nodes expected on the device */
    bool shared;      /* it is the CPU's own processors */
} cases[] = {
    /* A GPU with slow launches: what is small stays, what is large goes. */
    { 2e-4, 100, 1e-5, "auto", 0, LARGE + 1, false },
    /* A quarter less is too little where both stand in each other's way. */
    { 2e-4, 100, 1e-5, "auto", SMALL, LARGE + 1, true },
    /* Copies that cost more than everything saves. */
    { 2e-4, 100, 1.0, "auto", 0, 0, false },
    /* Launches that cost nothing: one copy in, one out, and all between on the device. */
    { 1e-9, 100, 1e-7, "auto", SMALL, LARGE + 1, false },
    /* A device no faster than the CPU. */
    { 1e-5, 1, 1e-5, "auto", 0, 0, false },
    /* The CPU's own processors must promise more than a fifth; not another device. */
    { 1e-9, 1 / 0.8, 1e-9, "auto", 0, 0, true },
    { 1e-9, 1 / 0.7, 1e-9, "auto", SMALL, LARGE + 1, true },
    { 1e-9, 1 / 0.8, 1e-9, "auto", SMALL, LARGE + 1, false },
    /* By hand against the costs, either way. */
    { 2e-4, 100, 1e-5, "auto,dec=cpu", 0, 0, false },
    { 2e-4, 100, 1e-5, "dec=cpu,auto,dec=0", 0, 0, false },
    /* The last rule counts, and without one the device is taken. */
    { 1e-5, 1, 1e-5, "auto,device", SMALL, LARGE + 1, false },
    { 1e-5, 1, 1e-5, NULL, SMALL, LARGE + 1, false },
};

START_TEST(cheapest_places_are_found)
{
    clvits_rates rates[2] = { 0 };
    harness h;

    harness_begin(&h, 1);
    h.place = cases[_i].place;
    set_rates(&h, rates, cases[_i].launch, cases[_i].faster, cases[_i].transfer);
    rates[1].shared = cases[_i].shared;
    small_then_large(&h, ROWS);
    harness_plan(&h);
    const bool device = h.machine.n_places > 1;
    ck_assert_int_eq(on_device(&h, 0, SMALL), device ? cases[_i].small : 0);
    ck_assert_int_eq(on_device(&h, SMALL, LARGE + 1), device ? cases[_i].large : 0);
    const bool mixed = device && cases[_i].small != SMALL && cases[_i].large;
    ck_assert_int_eq(clvits_plan_copies(h.plan), mixed ? 1 : 0);
    harness_go(&h);
    harness_end(&h);
}
END_TEST

static clvits_form form_at(const harness *h, const clvits_node *n, int place)
{
    return clvits_node_form_at(n, &(clvits_target){ .cpu = place ? NULL : &h->machine.cpu,
                                                    .device = h->machine.device[place],
                                                    .place = place });
}

/* Seconds that the rates say of a chain of so many rows; bit i is set where node i runs on the
 * device. */
static double seconds_of(const harness *h, unsigned places, int rows)
{
    const int lengths[] = { 1, rows }; /* of its clock */
    const clvits_graph *g = h->graph;
    double seconds = 0.0;
    unsigned at = CLVITS_CPU_PLACE;

    for (int i = 0; i <= g->n_nodes; i++) { /* the last turn brings the output to the host */
        const clvits_tensor *t = i ? g->nodes[i - 1]->out[0] : g->nodes[0]->in[0];
        const unsigned to = i < g->n_nodes ? places >> i & 1 : CLVITS_CPU_PLACE;
        if (to != at)
            seconds += clvits_rate_seconds(&h->machine.rates[1].transfer,
                                           (double)clvits_element_bytes(t, 1) * (double)t->C *
                                               (rows + 2.0 * t->guard));
        if (i < g->n_nodes) {
            const clvits_form form = form_at(h, g->nodes[i], (int)to);
            seconds += clvits_node_seconds(g->nodes[i], &form, (int)to, lengths,
                                           &h->machine.rates[to]);
        }
        at = to;
    }
    return seconds;
}

/* Other launch costs, speeds and transfers of a device, each kind of work with its own. */
static void shuffle_rates(harness *h, clvits_rates *device)
{
    const float *x = harness_random(h, 2 * CLVITS_COST_CLASSES + 1, 0.0f, 3.0f);

    for (int i = 0; i < CLVITS_COST_CLASSES; i++)
        device->node[i] = (clvits_rate){ 1e-6 * pow(10.0, (double)x[2 * i]),
                                         1e-9 * pow(10.0, 0.5 - (double)x[2 * i + 1]) };
    device->transfer.fixed = 1e-6 * pow(10.0, (double)x[2 * CLVITS_COST_CLASSES]);
}

/* What is to be chosen: the least of all placements, where it is worth a mixture, else the better
 * of the two places. Of a device that is the CPU's own processors more is asked. */
static double best_seconds(double cpu, double device, double least, bool shared)
{
    const double other = device * (shared ? 1.25 : 1.0);
    const double mixed = least * (shared ? 1.25 * 1.5 : 1.0);

    if (mixed / 0.95 < fmin(cpu, other / (shared ? 0.95 : 1.0)))
        return least;
    return cpu <= 1.05 * other && cpu < other / (shared ? 0.95 : 1.0) ? cpu : device;
}

/* By the rates, and what they do not show, never slower than the better of the two places. */
START_TEST(nothing_is_cheaper)
{
    enum { RATES = 100 };
    clvits_rates rates[2] = { 0 };
    int mixed = 0, single = 0;
    harness h;

    harness_begin(&h, 1);
    h.place = "auto";
    set_rates(&h, rates, 1e-5, 10, 1e-5);
    small_then_large(&h, ROWS);
    harness_plan(&h);
    const unsigned all = (1u << h.graph->n_nodes) - 1;
    for (int i = 0; i < RATES && h.machine.n_places > 1; i++) {
        unsigned chosen = 0;
        double least = INFINITY;
        clvits_plan *p;
        shuffle_rates(&h, &rates[1]);
        rates[1].shared = i % 4 == 0;
        ck_assert_int_eq(
            clvits_plan_make(&p, h.graph, &h.machine, h.weights, "auto", &h.report), CLVITS_OK);
        for (int k = 0; k < h.graph->n_nodes; k++)
            chosen |= (unsigned)clvits_plan_place(p, h.graph->nodes[k]) << k;
        clvits_plan_free(&p);
        for (unsigned k = 0; k <= all; k++)
            least = fmin(least, seconds_of(&h, k, ROWS));
        const double want = best_seconds(seconds_of(&h, 0, ROWS), seconds_of(&h, all, ROWS), least,
                                         rates[1].shared);
        ck_assert_double_eq_tol(seconds_of(&h, chosen, ROWS), want, 1e-9 * want);
        mixed += chosen != 0 && chosen != all;
        single += chosen == 0 || chosen == all;
    }
    if (h.machine.n_places > 1)
        ck_assert_msg(mixed >= 10 && single >= 10, "%d mixed, %d not", mixed, single);
    harness_end(&h);
}
END_TEST

/* What a plan of room for ROWS is used for, and where nodes belong by that: priced for all the rows
 * that there is room for, launches and copies would look cheaper than they mostly are. */
static const struct {
    int few, many;
    double launch, faster, transfer;
    int small, large; /* nodes expected on the device */
} uses[] = {
    /* Not one node where it pays off for the longest alone, */
    { 17, 64, 7e-4, 10, 1e-4, 0, 0 },
    { 51, 200, 5e-4, 1.3, 1e-5, 0, 0 },
    { 101, 200, 7e-4, 1.3, 1e-5, 0, 0 },
    /* those where it does for all, */
    { 51, 200, 2e-4, 1.3, 1e-5, 0, LARGE },
    { 51, 200, 1e-4, 100, 1e-5, 0, LARGE + 1 },
    /* and all of them. */
    { 51, 200, 1e-6, 100, 1e-5, SMALL, LARGE + 1 },
};

START_TEST(few_rows_count_as_many_do)
{
    clvits_rates rates[2] = { 0 };
    unsigned chosen = 0;
    clvits_plan *p;
    harness h;

    harness_begin(&h, 1);
    set_rates(&h, rates, uses[_i].launch, uses[_i].faster, uses[_i].transfer);
    const clvits_tensor *y = small_then_large(&h, ROWS);
    harness_plan(&h);
    const clvits_use use[] = { { y->clock, uses[_i].few, uses[_i].many }, { 0 } };
    ck_assert_int_eq(clvits_plan_make_without(&p, h.graph, &h.machine, h.weights, "auto", 0, use,
                                              &h.report), CLVITS_OK);
    for (int k = 0; k < h.graph->n_nodes; k++)
        chosen |= (unsigned)clvits_plan_place(p, h.graph->nodes[k]) << k;
    clvits_plan_free(&p);
    const unsigned all = (1u << h.graph->n_nodes) - 1, first = (1u << uses[_i].small) - 1;
    const unsigned last = all & ~(all >> uses[_i].large);
    ck_assert_uint_eq(chosen, h.machine.n_places > 1 ? first | last : 0);
    for (int i = 0; i <= 8 && h.machine.n_places > 1; i++) {
        const int rows = uses[_i].few + (uses[_i].many - uses[_i].few) * i / 8;
        const double one = fmin(seconds_of(&h, 0, rows), seconds_of(&h, all, rows));
        ck_assert_double_le(seconds_of(&h, chosen, rows), 1.05 * one);
    }
    harness_end(&h);
}
END_TEST

/* What the CPU path and kernels for CPUs multiply of a convolution from 64 channels to 64: products
 * for each point of a tile, and groups of taps, over those that its outputs have of all taps. */
static const struct {
    int taps, dilation;
    double multiplied;
    clvits_cost_class class;
} forms[] = {
    { 1, 1, 1.0, CLVITS_COST_POINT },
    { 2, 1, 1.0, CLVITS_COST_DIRECT_64 },
    { 3, 1, 8.0 / (6 * 3), CLVITS_COST_TOOM_64 },
    { 5, 1, 8.0 / (4 * 5), CLVITS_COST_TOOM_64 },
    { 7, 3, 5.0 * 7 / (16 * 7), CLVITS_COST_TOOM_64 },        /* nested, */
    { 11, 5, 6.0 * 7 / (16 * 11), CLVITS_COST_TOOM_64 },
    { 7, 12, 2.0 * 7 / (4 * 7), CLVITS_COST_TOOM_128 },       /* and two groups: values are used */
};                                                            /* twice */

static clvits_tensor *convolve(harness *h, clvits_tensor *x, int taps, int dilation)
{
    const clvits_conv1d_params same = { .pad_left = taps / 2 * dilation,
                                        .pad_right = (taps - 1) / 2 * dilation,
                                        .dilation = dilation };
    const float *values;

    clvits_graph_label(h->graph, "dec");
    return clvits_conv1d(x, harness_weight(h, 3, (int64_t[]){ 64, 64, taps }, -0.1f, 0.1f, &values),
                         NULL, &same, NULL);
}

/* Every place's nodes by what their own forms multiply, one by one and traced. */
START_TEST(forms_are_priced_by_what_they_multiply)
{
    clvits_rates rates = { 0 };
    const int lengths[] = { 1, ROWS };
    const float *values;
    harness h;

    harness_begin(&h, 1);
    for (int i = 0; i < CLVITS_COST_CLASSES; i++)
        rates.node[i] = (clvits_rate){ 1e-6, 1e-9 * (i + 1) };
    clvits_tensor *x =
        harness_input(&h, clvits_graph_clock(h.graph, ROWS), 64, -1, 1, &values);
    for (int i = 0; i < LENGTH(forms); i++)
        x = convolve(&h, x, forms[i].taps, forms[i].dilation);
    clvits_graph_keep(x);
    harness_plan(&h);
    for (int place = 0; place < h.machine.n_places; place++) {
        const bool gpu = place && clvits_device_get_info(h.machine.device[place])->family ==
                                      CLVITS_FAMILY_GPU; /* direct forms alone */
        for (int i = 0; i < LENGTH(forms); i++) {
            const clvits_form form = form_at(&h, h.graph->nodes[i], place);
            const bool direct = gpu && forms[i].taps > 1;
            const clvits_cost_class class = direct ? CLVITS_COST_DIRECT_64 : forms[i].class;
            const double multiplied = direct ? 1.0 : forms[i].multiplied;
            const double want = 1e-6 + 1e-9 * (class + 1) * multiplied * 2.0 * ROWS * 64 * 64 *
                                           forms[i].taps;
            ck_assert_int_eq(clvits_cost_class_of(h.graph->nodes[i], &form), class);
            ck_assert_double_eq_tol(clvits_node_seconds(h.graph->nodes[i], &form, place, lengths,
                                                        &rates), want, 1e-9 * want);
        }
    }
    harness_end(&h);
}
END_TEST

/* A device that computes directly, in half the time for each FLOP, against a CPU path that
 * multiplies a third of them: it gets what has one tap. */
START_TEST(another_form_may_be_the_cheaper_one)
{
    static const clvits_row row = { .room = "conv1d", .text = "",
                                    .values = { 1, { { "layout", CLVITS_CONV_BLOCKS,
                                                       CLVITS_CONV_BLOCKS } } } };
    static const clvits_row *const list[] = { &row };
    static const clvits_tuned direct = { .row = list, .n = 1 };
    static const int taps[] = { 7, 7, 1, 1, 11, 11 };
    clvits_rates rates[2] = { 0 };
    const float *values;
    harness h;

    harness_begin(&h, 1);
    h.place = "auto";
    set_rates(&h, rates, 1e-7, 2, 1e-7);
    if (h.machine.n_places > 1)
        clvits_device_set_tuned(h.machine.device[1], &direct);
    clvits_tensor *x =
        harness_input(&h, clvits_graph_clock(h.graph, ROWS), 64, -1, 1, &values);
    for (int i = 0; i < LENGTH(taps); i++)
        x = convolve(&h, x, taps[i], 1);
    clvits_graph_keep(x);
    harness_plan(&h);
    for (int i = 0; i < LENGTH(taps); i++)
        ck_assert_int_eq(on_device(&h, i, 1), h.machine.n_places > 1 && taps[i] == 1);
    harness_go(&h);
    if (h.machine.n_places > 1)
        clvits_device_set_tuned(h.machine.device[1], NULL);
    harness_end(&h);
}
END_TEST

/* Wherever the nodes run, the numbers are the same but for rounding. */
START_TEST(placement_changes_nothing)
{
    clvits_rates rates[2] = { 0 };
    const char *const places[] = { "conv1d=cpu", "auto" };
    harness h[2];
    clvits_tensor *y[2];
    double *want;

    for (int i = 0; i < 2; i++) {
        harness_begin(&h[i], 1);
        h[i].place = places[i];
        set_rates(&h[i], rates, 2e-4, 100, 1e-5);
        y[i] = small_then_large(&h[i], ROWS);
        harness_plan(&h[i]);
        harness_go(&h[i]);
    }
    const float *got = harness_output(&h[0], y[0]);
    want = malloc((size_t)clvits_tensor_count(y[0]) * sizeof(*want));
    ck_assert_ptr_nonnull(want);
    for (int64_t i = 0; i < clvits_tensor_count(y[0]); i++)
        want[i] = (double)got[i];
    harness_close(&h[1], y[1], want, 1e-5);
    free(want);
    harness_end(&h[1]);
    harness_end(&h[0]);
}
END_TEST

/* A device that is never worth it costs an utterance nothing: the plan is that of the CPU path. */
START_TEST(what_stays_is_planned_alike)
{
    clvits_rates rates[2] = { 0 };
    clvits_plan *alone;
    harness h;

    harness_begin(&h, 1);
    h.place = "auto";
    set_rates(&h, rates, 1.0, 1, 1.0);
    small_then_large(&h, ROWS);
    harness_plan(&h);
    ck_assert_int_eq(
        clvits_plan_make(&alone, h.graph, &h.machine, h.weights, "conv1d=cpu", &h.report),
        CLVITS_OK);
    ck_assert_int_eq(h.plan->n_steps, alone->n_steps);
    ck_assert_mem_eq(h.plan->floats, alone->floats, sizeof(alone->floats));
    ck_assert_mem_eq(h.plan->offset, alone->offset,
                     (size_t)h.graph->n_tensors * sizeof(*alone->offset));
    for (int i = 0; i < alone->n_steps; i++) {
        const clvits_step *a = &h.plan->steps[i], *b = &alone->steps[i];
        ck_assert_ptr_eq(a->node, b->node);
        ck_assert_int_eq(a->place, CLVITS_CPU_PLACE);
        ck_assert_mem_eq(a->dims, b->dims, b->node->op->dims_size);
        for (int k = 0; k < CLVITS_MAX_IN; k++)
            ck_assert_mem_eq(&a->weight[k], &b->weight[k], sizeof(b->weight[k]));
    }
    clvits_plan_free(&alone);
    harness_end(&h);
}
END_TEST

/* What prices take of memory is gone when nodes are placed. */
START_TEST(prices_leave_nothing_behind)
{
    enum { NODES = 4000, BLOCK = 1 << 17 /* what an arena takes at a time, and more */ };
    const char *const places[] = { "unary=cpu", "auto" };
    size_t total[2];

    for (int i = 0; i < 2; i++) {
        const clvits_unary_params negate = { .kind = CLVITS_SCALE, .a = -1.0f };
        clvits_rates rates[2] = { 0 };
        const float *values;
        harness h;
        harness_begin(&h, 1);
        h.place = places[i];
        set_rates(&h, rates, 1.0, 1, 1.0);
        clvits_tensor *x =
            harness_input(&h, clvits_graph_clock(h.graph, 2), 1, -1, 1, &values);
        for (int k = 0; k < NODES; k++)
            x = clvits_unary(x, &negate);
        clvits_graph_keep(x);
        harness_plan(&h);
        ck_assert_int_eq(on_device(&h, 0, NODES), 0);
        total[i] = h.plan->arena.total;
        harness_end(&h);
    }
    ck_assert_uint_le(total[1], total[0] + BLOCK);
}
END_TEST

/* A kernel that does not build is found out, its nodes go elsewhere and the rest stays. */
START_TEST(nodes_that_do_not_build_go_elsewhere)
{
    clvits_rates rates[2] = { 0 };
    const clvits_device_params params = { .source_dir = files_path("") };
    harness h;

    harness_begin(&h, 1);
    if (h.machine.n_places > 1) {
        clvits_device_close(&h.machine.device[1]);
        files_text("dims.h", "");
        files_text("common.cl", "this is no kernel");
        files_text("conv1d.cl", "");
        ck_assert_int_eq(clvits_device_open(&h.machine.device[1], 0, &params, &h.report),
                         CLVITS_OK);
    }
    h.place = "auto";
    set_rates(&h, rates, 1e-9, 100, 1e-7);
    small_then_large(&h, ROWS);
    harness_plan(&h);
    ck_assert_int_eq(on_device(&h, 0, h.graph->n_nodes), 0);
    harness_go(&h);
    harness_end(&h);
}
END_TEST

static int measurements;

static void count_measurements(void *user, clvits_log_level level, const char *text)
{
    (void)user;
    measurements += level == CLVITS_LOG_INFO && strstr(text, "measuring");
}

static void get_rates(harness *h, clvits_rates *rates)
{
    h->report.log = count_measurements;
    ck_assert_int_eq(clvits_rates_get(rates, &h->machine, files_path(""), NULL, &h->report),
                     CLVITS_OK);
    for (int place = 0; place < h->machine.n_places; place++)
        for (int i = 0; i < CLVITS_COST_CLASSES; i++) {
            const clvits_rate *r = &rates[place].node[i];
            ck_assert_double_gt(r->fixed + r->each, 0.0);
            ck_assert_double_lt(clvits_rate_seconds(r, 1e6), 10.0);
        }
}

static const char *rates_path(void)
{
    DIR *dir = opendir(files_path(""));
    const char *path = NULL;

    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (!strncmp(e->d_name, "rates-", 6)) {
            ck_assert_ptr_null(path);
            path = files_path(e->d_name);
        }
    closedir(dir);
    ck_assert_ptr_nonnull(path);
    return path;
}

START_TEST(rates_are_measured_once)
{
    clvits_rates first[CLVITS_MAX_PLACES], second[CLVITS_MAX_PLACES];
    char head[CLVITS_RATES_HEAD], other[CLVITS_RATES_HEAD];
    harness h;
    size_t size;

    harness_begin(&h, 1);
    commas_begin(); /* a program's locale is not the file's */
    get_rates(&h, first);
    commas_end();
    get_rates(&h, second);
    commas_begin();
    get_rates(&h, second);
    commas_end();
    ck_assert_int_eq(measurements, 1);
    for (int i = 0; i < CLVITS_COST_CLASSES; i++)
        ck_assert_double_le(fabs(second[0].node[i].each - first[0].node[i].each),
                            1e-5 * first[0].node[i].each);

    /* Cut at any place, with a number that is none or in the format before this one, it is measured
     * again and written anew. */
    char *whole = files_read(rates_path(), &size);
    const size_t end = (size_t)(strstr(whole, "\nend\n") - whole);
    const size_t cuts[] = { 0, 10, end / 2, end, end + 4 };
    for (int i = 0; i < LENGTH(cuts) + 2; i++) {
        char *damaged = strndup(whole, i < LENGTH(cuts) ? cuts[i] : size);
        if (i == LENGTH(cuts) + 1)
            memcpy(strstr(damaged, "rates 2"), "rates 1", 7);
        if (i == LENGTH(cuts))
            memcpy(strstr(damaged, "toom-32 ") + 8, "nan", 3);
        FILE *f = fopen(rates_path(), "wb");
        ck_assert_ptr_nonnull(f);
        fputs(damaged, f);
        ck_assert_int_eq(fclose(f), 0);
        free(damaged);
        get_rates(&h, second);
        ck_assert_int_eq(measurements, 2 + i);
    }
    /* A build whose CPU path may be faster, or whose nodes are other ones, measures its own. */
    clvits_rates_head(head, &h.machine, clvits_build);
    clvits_rates_head(other, &h.machine, "another build");
    ck_assert(!strncmp(whole, head, strlen(head)));
    ck_assert_str_ne(head, other);
    free(whole);
    ck_assert_int_eq(files_count(), 1);

    /* Whatever the rates depend on asks for others: here, another precision. */
    h.machine.halves ^= CLVITS_HALF_WEIGHTS;
    get_rates(&h, second);
    ck_assert_int_eq(measurements, 2 + LENGTH(cuts) + 2);
    ck_assert_int_eq(files_count(), 2);

    /* So are those of kernels that nobody tried: wrong ones may be fast. */
    struct clvits_trust trust = { .proves = true };
    h.machine.trust = &trust;
    get_rates(&h, second);
    ck_assert_int_eq(measurements, 2 + LENGTH(cuts) + 3);
    get_rates(&h, second);
    ck_assert_int_eq(measurements, 2 + LENGTH(cuts) + 3);
    ck_assert_int_eq(files_count(), 3);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("placement");
    TCase *t = tcase_create("placement");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, cheapest_places_are_found, 0, LENGTH(cases));
    tcase_add_test(t, nothing_is_cheaper);
    tcase_add_loop_test(t, few_rows_count_as_many_do, 0, LENGTH(uses));
    tcase_add_test(t, forms_are_priced_by_what_they_multiply);
    tcase_add_test(t, another_form_may_be_the_cheaper_one);
    tcase_add_test(t, placement_changes_nothing);
    tcase_add_test(t, what_stays_is_planned_alike);
    tcase_add_test(t, prices_leave_nothing_behind);
    tcase_add_test(t, nodes_that_do_not_build_go_elsewhere);
    tcase_add_test(t, rates_are_measured_once);
    suite_add_tcase(s, t);
    return harness_main(s);
}
