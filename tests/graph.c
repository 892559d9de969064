// SPDX-License-Identifier: MIT
//
// Shapes, clocks, placement and memory plans, apart from what any single operator computes.
#define _GNU_SOURCE
#include "harness.h"

#include "base/trace.h"
#include "graph/plan.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* x through n convolutions with a residual around each pair; returns the last. */
static clvits_tensor *chain(harness *h, clvits_tensor *x, int n)
{
    const float *values;
    const clvits_conv1d_params p = { .pad_left = 1, .pad_right = 1 };

    for (int i = 0; i < n; i++) {
        clvits_tensor *w = harness_weight(h, 3, (int64_t[]){ x->C, x->C, 3 }, -0.2f, 0.2f, &values);
        clvits_tensor *first = clvits_conv1d(x, w, NULL, &p, NULL);
        clvits_graph_label(h->graph, "block.%d", i);
        x = clvits_conv1d(first, w, NULL, &p, &(clvits_conv1d_extra){ .residual = x });
    }
    return x;
}

START_TEST(memory_is_reused)
{
    harness h;
    const float *x;

    harness_begin(&h, 2);
    clvits_tensor *in = harness_input(&h, clvits_graph_clock(h.graph, 50), 16, -1, 1, &x);
    clvits_graph_keep(chain(&h, in, 8));
    harness_plan(&h);
    const int place = h.machine.n_places - 1;
    /* Four tensors of the chain are alive at once, of seventeen. */
    ck_assert_uint_lt(clvits_plan_bytes(h.plan, place), clvits_plan_bytes_unshared(h.plan, place));
    ck_assert_int_eq(clvits_plan_launches(h.plan), 16);
    ck_assert_int_eq(clvits_plan_copies(h.plan), 0);
    harness_end(&h);
}
END_TEST

/* What a plan with reuse computes must be what separate runs compute, everything kept. */
START_TEST(reuse_changes_nothing)
{
    harness h[2];
    const float *values, *got[2];
    clvits_tensor *out[2];

    for (int k = 0; k < 2; k++) {
        harness_begin(&h[k], 2);
        clvits_tensor *in = harness_input(&h[k], clvits_graph_clock(h[k].graph, 50), 16, -1, 1,
                                          &values);
        out[k] = clvits_graph_keep(chain(&h[k], in, 5));
        for (int i = 0; i < h[k].graph->n_nodes && k; i++)
            clvits_graph_keep(h[k].graph->nodes[i]->out[0]);
        harness_plan(&h[k]);
        harness_length(&h[k], 1, 1, 33);
        for (int run = 0; run < 2; run++)
            harness_go(&h[k]);
        got[k] = harness_output(&h[k], out[k]);
    }
    ck_assert_mem_eq(got[0], got[1], (size_t)clvits_tensor_count(out[0]) * sizeof(float));
    harness_end(&h[1]);
    harness_end(&h[0]);
}
END_TEST

START_TEST(forced_placement_costs_two_copies)
{
    harness h;
    const float *x;

    harness_begin(&h, 1);
    h.place = "block.2=cpu";
    clvits_tensor *in = harness_input(&h, clvits_graph_clock(h.graph, 40), 8, -1, 1, &x);
    clvits_graph_keep(chain(&h, in, 5));
    harness_plan(&h);
    /* block.2 is the second convolution of one pair and the first of the next: their operands go
     * to the CPU (the residual and the sum so far), and the results come back. */
    int on_cpu = 0;
    for (int i = 0; i < h.graph->n_nodes; i++)
        on_cpu += clvits_plan_place(h.plan, h.graph->nodes[i]) == CLVITS_CPU_PLACE;
    ck_assert_int_eq(on_cpu, h.machine.n_places > 1 ? 2 : 10);
    ck_assert_int_eq(clvits_plan_copies(h.plan), h.machine.n_places > 1 ? 4 : 0);
    harness_go(&h);
    harness_end(&h);
}
END_TEST

/* The bytes of what nodes made and others read elsewhere. */
static void count_moved(void *user, const clvits_span *s)
{
    if (s->kind == CLVITS_SPAN_COPY && !strncmp(s->label, "block.", 6))
        *(double *)user += s->bytes;
}

/* The rows that count, and the guards around them: not what else there is room for. */
START_TEST(copies_move_what_counts)
{
    enum { T = 40, B = 3 };
    static const int lengths[B] = { 7, 0, T };
    double moved = 0.0, want = 0.0;
    clvits_trace trace;
    const float *x;
    harness h;

    harness_begin(&h, B);
    h.place = "block.2=cpu";
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_graph_keep(chain(&h, harness_input(&h, clock, 8, -1, 1, &x), 5));
    harness_plan(&h);
    for (int b = 0; b < B; b++)
        harness_length(&h, clock, b, lengths[b]);
    for (int i = 0; i < h.plan->n_steps; i++)
        for (int b = 0; b < B && !h.plan->steps[i].node; b++) {
            const clvits_tensor *t = h.plan->steps[i].tensor;
            want += lengths[b] ? (lengths[b] + 2.0 * t->guard) * t->C * sizeof(float) : 0.0;
        }
    clvits_trace_begin(&trace, count_moved, &moved);
    h.report.trace = &trace;
    harness_go(&h);
    clvits_trace_end(&trace);
    h.report.trace = NULL;
    ck_assert((want > 0.0) == (h.machine.n_places > 1));
    ck_assert_double_eq(moved, want);
    harness_end(&h);
}
END_TEST

/* A weight of rows from here and there, some backwards, negated or added to others, is what its
 * copy in one piece is; and one voice may use its data in several ways. */
START_TEST(weights_are_put_together)
{
    enum { I = 6, O = 11 };
    const float *x, *a, *b, *bias;
    float whole[O * I], whole_bias[O];
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *in = harness_input(&h, clvits_graph_clock(h.graph, 21), I, -1, 1, &x);
    harness_weight(&h, 3, (int64_t[]){ 4, I, 1 }, -1, 1, &a);
    harness_weight(&h, 3, (int64_t[]){ 4, I, 1 }, -1, 1, &b);
    harness_weight(&h, 1, (int64_t[]){ 4 }, -1, 1, &bias);
    const clvits_weight_part parts[] = { { .data = a, .rows = 4 },
                                         { .data = b, .rows = 3, .backwards = true,
                                           .inputs_backwards = true, .factor = -1.0f },
                                         { .rows = 2 },
                                         { .data = a + I, .plus = b, .rows = 2 } };
    const clvits_weight_part ones[] = { { .data = bias, .rows = 4 },
                                        { .data = bias, .rows = 3, .backwards = true,
                                          .factor = -1.0f },
                                        { .rows = 2 },
                                        { .data = bias + 1, .plus = bias, .rows = 2 } };
    for (int o = 0; o < O; o++) {
        whole_bias[o] = o < 4 ? bias[o] : o < 7 ? -bias[6 - o] : o < 9 ? 0.0f
                                                                     : bias[o - 8] + bias[o - 9];
        for (int i = 0; i < I; i++)
            whole[o * I + i] = o < 4   ? a[o * I + i]
                               : o < 7 ? -b[(6 - o) * I + I - 1 - i]
                               : o < 9 ? 0.0f
                                       : a[(o - 8) * I + i] + b[(o - 9) * I + i];
    }
    clvits_tensor *y[3];
    const int64_t shape[] = { O, I, 1 }, count = O;
    const clvits_conv1d_params p = { 0 };
    y[0] = clvits_conv1d(in, clvits_graph_weight(h.graph, whole, 3, shape),
                         clvits_graph_weight(h.graph, whole_bias, 1, &count), &p, NULL);
    y[1] = clvits_conv1d(in, clvits_graph_weight_parts(h.graph, parts, 4, 3, shape),
                         clvits_graph_weight_parts(h.graph, ones, 4, 1, &count), &p, NULL);
    y[2] = clvits_conv1d(in, clvits_graph_weight(h.graph, a, 3, (int64_t[]){ 4, I, 1 }), NULL, &p,
                         NULL);
    for (int i = 0; i < 3; i++)
        clvits_graph_keep(y[i]);
    harness_plan(&h);
    harness_go(&h);
    const float *want = harness_output(&h, y[0]), *got = harness_output(&h, y[1]);
    ck_assert_mem_eq(got, want, (size_t)clvits_tensor_count(y[0]) * sizeof(float));
    got = harness_output(&h, y[2]);
    for (int t = 0; t < 21; t++)
        for (int o = 0; o < 4; o++)
            ck_assert_float_eq_tol(got[t * 4 + o] + bias[o], want[t * O + o], 1e-5f);
    harness_end(&h);
}
END_TEST

/* Weights that a graph computed are known by what they hold: memory is used again. */
START_TEST(constants_are_found_by_their_contents)
{
    enum { I = 5, ROUNDS = 3 };
    static float w[I]; /* at one address in every graph */
    clvits_packed_weights *weights = NULL;
    const float *x;

    for (int i = 0; i < ROUNDS; i++) {
        harness h;
        harness_begin(&h, 1);
        clvits_packed_weights_close(&h.weights);
        if (i == 0)
            ck_assert(!clvits_packed_weights_open(&weights, &h.report));
        h.weights = weights;
        for (int k = 0; k < I; k++)
            w[k] = (float)(i + k);
        const int clock = clvits_graph_clock(h.graph, 1);
        clvits_tensor *in = harness_input(&h, clock, I, -1, 1, &x);
        clvits_tensor *y = clvits_graph_keep(
            clvits_conv1d(in, clvits_graph_constant(h.graph, w, 3, (int64_t[]){ 1, I, 1 }), NULL,
                          &(clvits_conv1d_params){ .dilation = 1 }, NULL));
        harness_plan(&h);
        harness_go(&h);
        double want = 0.0;
        for (int k = 0; k < I; k++)
            want += (double)w[k] * (double)x[k];
        harness_close(&h, y, &want, 1e-5);
        h.weights = NULL;
        if (i == ROUNDS - 1)
            clvits_packed_weights_close(&weights);
        else
            clvits_packed_weights_leave_devices(weights);
        harness_end(&h);
    }
}
END_TEST

START_TEST(refuses_parts_that_do_not_add_up)
{
    const float data[6] = { 0 };
    const clvits_weight_part part = { .data = data, .rows = 2 };
    harness h;

    harness_begin(&h, 1);
    ck_assert_ptr_null(clvits_graph_weight_parts(h.graph, &part, 1, 2, (int64_t[]){ 3, 2 }));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

static const char *const bad_places[] = { "conv1d", "conv1d=", "conv1d=gpu", "conv1d=7", "=cpu",
                                          "conv1d=1x",  "no_such_node=gpu" };

START_TEST(refuses_bad_placement)
{
    harness h;
    const float *x;

    harness_begin(&h, 1);
    clvits_tensor *in = harness_input(&h, clvits_graph_clock(h.graph, 9), 4, -1, 1, &x);
    clvits_graph_keep(chain(&h, in, 1));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_OK);
    ck_assert_int_eq(clvits_plan_make(&h.plan, h.graph, &h.machine, h.weights, bad_places[_i],
                                      &h.report),
                     CLVITS_E_ARGUMENT);
    ck_assert_ptr_null(h.plan);
    clvits_report_clear(&h.report);
    ck_assert_int_eq(clvits_place_check(&h.machine, bad_places[_i], &h.report), CLVITS_E_ARGUMENT);
    ck_assert_int_eq(clvits_place_check(&h.machine, "decoder=cpu", &h.report), CLVITS_E_ARGUMENT);
    clvits_report_clear(&h.report);
    ck_assert_int_eq(clvits_place_check(&h.machine, "conv1d=cpu,enc_p=0", &h.report), CLVITS_OK);
    ck_assert_int_eq(clvits_place_check(&h.machine, "dec.ups.1=cpu", &h.report), CLVITS_OK);
    ck_assert_int_eq(clvits_place_check(&h.machine, NULL, &h.report), CLVITS_OK);
    harness_end(&h);
}
END_TEST

START_TEST(clocks_follow_their_parents)
{
    harness h;
    const float *x;

    harness_begin(&h, 2);
    const int clock = clvits_graph_clock(h.graph, 100);
    const int up = clvits_graph_clock_of(h.graph, clock, 4, 0, 1);
    const int down = clvits_graph_clock_of(h.graph, up, 1, 2, 3);
    ck_assert_int_eq(clvits_graph_clock_of(h.graph, clock, 4, 0, 1), up);
    ck_assert_int_eq(clvits_graph_clock_of(h.graph, clock, 1, 0, 1), clock);
    ck_assert_int_eq(clvits_graph_capacity(h.graph, down), 134);
    clvits_graph_keep(clvits_copy(harness_input(&h, clock, 3, -1, 1, &x)));
    harness_plan(&h);
    harness_length(&h, clock, 1, 7);
    ck_assert_int_eq(clvits_run_length(h.run, up, 1), 28);
    ck_assert_int_eq(clvits_run_length(h.run, down, 1), 10);
    ck_assert_int_eq(clvits_run_length(h.run, down, 0), 134);
    ck_assert_int_eq(clvits_run_set_length(h.run, clock, 0, 101, &h.report), CLVITS_E_SHAPE);
    ck_assert_int_eq(clvits_run_set_first(h.run, clock, 0, INT32_MAX / 4, &h.report), CLVITS_OK);
    ck_assert_int_eq(clvits_run_set_first(h.run, clock, 0, INT32_MAX / 4 + 1, &h.report),
                     CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

static void use_stack(void *context, int i)
{
    volatile char room[768 << 10]; /* what public headers ask of callers */
    atomic_int *used = context;

    for (int k = 0; k < (int)sizeof(room); k += 1024)
        room[k] = (char)i;
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL); /* so that all threads have some */
    atomic_fetch_add(used, room[0] == (char)i);
}

/* Whatever the process's default. */
START_TEST(threads_have_stack_enough)
{
    atomic_int used = 0;
    pthread_attr_t small;
    clvits_pool *pool;
    clvits_report r = { 0 };

    ck_assert_int_eq(pthread_attr_init(&small), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&small, 128 << 10), 0);
    ck_assert_int_eq(pthread_setattr_default_np(&small), 0);
    pthread_attr_destroy(&small);
    ck_assert_int_eq(clvits_pool_open(&pool, 3, &r), CLVITS_OK);
    clvits_pool_run(pool, 30, use_stack, &used);
    ck_assert_int_eq(atomic_load(&used), 30);
    clvits_pool_close(&pool);
}
END_TEST

static void count_job(void *context, int i)
{
    atomic_int *count = context;
    atomic_fetch_add(&count[i], 1);
}

/* Rounds that come at once, after threads looked in vain, and with more threads than processors:
 * every job is done once, and before the round ends. */
START_TEST(rounds_do_every_job_once)
{
    enum { JOBS = 7, ROUNDS = 2000 };
    static const int threads[] = { 1, 2, 4, 64 };

    for (size_t k = 0; k < sizeof(threads) / sizeof(*threads); k++) {
        atomic_int count[JOBS] = { 0 };
        clvits_pool *pool;
        clvits_report r = { 0 };
        ck_assert_int_eq(clvits_pool_open(&pool, threads[k], &r), CLVITS_OK);
        for (int i = 0; i < ROUNDS; i++) {
            const int n = 1 + i % JOBS;
            for (int j = 0; j < JOBS; j++)
                atomic_store(&count[j], 0);
            clvits_pool_run(pool, n, count_job, count);
            for (int j = 0; j < JOBS; j++)
                ck_assert_int_eq(atomic_load(&count[j]), j < n);
            if (i % 400 == 0)
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        clvits_pool_close(&pool);
    }
}
END_TEST

/* Rows that a tensor does not have are neither read nor copied. */
START_TEST(rows_stay_within)
{
    enum { T = 9, GUARDS = 64 };
    float got[(T + 2 * GUARDS) * 3];
    const float *values;
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *x = harness_input(&h, clvits_graph_clock(h.graph, T), 3, -1, 1, &values);
    clvits_tensor *y = clvits_graph_keep(clvits_copy(x));
    harness_plan(&h);
    harness_go(&h);
    ck_assert_int_lt(y->guard, GUARDS);
    const int bad[][2] = { { -y->guard - 1, 1 }, { T + y->guard, 1 }, { 0, T + y->guard + 1 },
                           { 0, -1 }, { INT32_MAX, 1 } };
    ck_assert_int_eq(clvits_run_read(h.run, y, 0, -y->guard, T + 2 * y->guard, got, &h.report), 0);
    for (int i = 0; i < LENGTH(bad); i++)
        ck_assert_int_eq(clvits_run_read(h.run, y, 0, bad[i][0], bad[i][1], got, &h.report),
                         CLVITS_E_SHAPE);
    harness_length(&h, x->clock, 0, T - 2);
    for (int row = -1; row <= 3; row++)
        ck_assert_int_eq(clvits_run_copy(h.run, x, 0, h.run, y, 0, row, &h.report),
                         row < 0 || row > 2 ? CLVITS_E_SHAPE : CLVITS_OK);
    harness_end(&h);
}
END_TEST

/* Every operand of the wrong kind or shape is refused, and the graph says so once. */
START_TEST(keeps_its_first_failure)
{
    harness h;
    const float *x, *y;

    harness_begin(&h, 1);
    clvits_tensor *a = harness_input(&h, clvits_graph_clock(h.graph, 9), 4, -1, 1, &x);
    clvits_tensor *b = harness_input(&h, clvits_graph_clock(h.graph, 8), 4, -1, 1, &y);
    clvits_graph_label(h.graph, "here");
    ck_assert_ptr_null(clvits_binary(a, b, CLVITS_ADD));
    ck_assert_ptr_null(clvits_graph_slice(a, 3, 2));
    ck_assert_ptr_null(clvits_copy(NULL));
    ck_assert_ptr_null(clvits_copy(a)); /* nothing is added after a failure */
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(h.report.text, "here"));
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_is_too_large)
{
    harness h;

    harness_begin(&h, 64);
    const int clock = clvits_graph_clock(h.graph, 1 << 20);
    ck_assert_ptr_null(clvits_graph_input(h.graph, CLVITS_F32, clock, 512));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("graph");
    TCase *t = tcase_create("plans");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, memory_is_reused);
    tcase_add_test(t, reuse_changes_nothing);
    tcase_add_test(t, forced_placement_costs_two_copies);
    tcase_add_test(t, copies_move_what_counts);
    tcase_add_test(t, weights_are_put_together);
    tcase_add_test(t, constants_are_found_by_their_contents);
    tcase_add_test(t, refuses_parts_that_do_not_add_up);
    tcase_add_loop_test(t, refuses_bad_placement, 0, LENGTH(bad_places));
    tcase_add_test(t, clocks_follow_their_parents);
    tcase_add_test(t, threads_have_stack_enough);
    tcase_add_test(t, rounds_do_every_job_once);
    tcase_add_test(t, rows_stay_within);
    tcase_add_test(t, keeps_its_first_failure);
    tcase_add_test(t, refuses_what_is_too_large);
    suite_add_tcase(s, t);
    return harness_main(s);
}
