// SPDX-License-Identifier: MIT
//
// Every run that is timed works on the case's inputs, not on what the one before left in their
// memory; and what is not run is told, part by part, with why.
#include "../../bench/voice.h"

#include <check.h>
#include <string.h>

Suite *suite(void);
void __wrap_bench_send(bench *b, bench_record *r);
void *__real_clvits_arena_array(clvits_arena *a, size_t n, size_t size);
void *__wrap_clvits_arena_array(clvits_arena *a, size_t n, size_t size);

enum { ROWS = 1000, CHANNELS = 4 };

static bench_graph graph;
static clvits_tensor *sum;
static float first, last;
static int runs, sent;
static bool no_memory;
static bench_record records[8];

static void keep_record(const bench_record *r)
{
    ck_assert_int_lt(sent, LENGTH(records));
    records[sent++] = *r;
}

void *__wrap_clvits_arena_array(clvits_arena *a, size_t n, size_t size)
{
    return no_memory ? NULL : __real_clvits_arena_array(a, n, size);
}

/* A record is sent when all its runs are over and their memory is still there. */
void __wrap_bench_send(bench *b, bench_record *r)
{
    (void)b;
    if (!graph.run) {
        keep_record(r);
        bench_drop(r);
        return;
    }
    const float *row = bench_output(&graph, sum);
    ck_assert_str_eq(r->verdict, "ok");
    ck_assert_ptr_nonnull(row);
    last = *row;
    runs = r->host.n;
    bench_drop(r);
}

static void open_bench(bench *b)
{
    static const bench_options o = { .levels = "operator", .seconds = 0.01, .threads = 1,
                                     .quick = true };

    *b = (bench){ .o = &o, .deadline = 1e300, .out = fopen("/dev/null", "w") };
    ck_assert_ptr_nonnull(b->out);
    ck_assert_int_eq(clvits_cpu_open(&b->machine.cpu, NULL, 1, &b->report), CLVITS_OK);
    b->machine.n_places = 1;
    b->reference = b->machine;
}

static void close_bench(bench *b)
{
    clvits_cpu_close(&b->machine.cpu);
    fclose(b->out);
}

START_TEST(inputs_are_those_of_the_case)
{
    bench b;

    open_bench(&b);
    ck_assert(bench_case_begin(&graph, &b, "operator", 1, "two nodes"));
    const int clock = clvits_graph_clock(graph.graph, ROWS);
    clvits_tensor *x = bench_input(&graph, clock, CHANNELS, NULL);
    sum = clvits_sum(clvits_binary(x, x, CLVITS_MUL));
    clvits_graph_keep(sum);
    ck_assert(bench_case_check(&graph));
    first = *bench_output(&graph, sum);
    ck_assert_float_gt(first, 0.0f);
    bench_case_end(&graph);
    ck_assert_int_gt(runs, 1);
    ck_assert_float_eq(first, last);
    close_bench(&b);
}
END_TEST

START_TEST(a_case_without_memory_has_a_reason)
{
    const float *values = &first;
    bench b;

    open_bench(&b);
    sent = 0;
    ck_assert(bench_case_begin(&graph, &b, "operator", 1, "large"));
    const int clock = clvits_graph_clock(graph.graph, ROWS);
    no_memory = true;
    clvits_tensor *x = bench_input(&graph, clock, CHANNELS, &values);
    ck_assert_ptr_null(values);
    ck_assert_ptr_null(bench_weight(&graph, 1, (int64_t[]){ CHANNELS }, 1.0f, &values));
    ck_assert_ptr_null(values);
    no_memory = false;
    clvits_graph_keep(clvits_sum(x));
    ck_assert(!bench_case_check(&graph));
    bench_case_end(&graph);
    ck_assert_int_eq(sent, 1);
    ck_assert_str_eq(records[0].verdict, "failed");
    ck_assert_ptr_nonnull(strstr(records[0].reason, "out of memory for"));
    close_bench(&b);
}
END_TEST

/* What a sentence sends of which nothing is run, but for the first `from` cases. */
static void send_sentence(FILE *out, double deadline, int from)
{
    const bench_options o = { .levels = "stage" };
    const voice v = { .name = "tiny" };
    bench b = { .o = &o, .deadline = deadline, .out = out, .from = from };

    sent = 0;
    bench_sentence(&b, &v, NULL, 0.0);
    ck_assert_int_eq(b.number, 7);
}

START_TEST(parts_of_a_skipped_sentence_are_skipped)
{
    FILE *out = fopen("/dev/null", "w");

    ck_assert_ptr_nonnull(out);
    send_sentence(NULL, 0.0, 0);
    ck_assert_int_eq(sent, 0);
    send_sentence(out, 0.0, 0);
    ck_assert_int_eq(sent, 7);
    for (int i = 0; i < sent; i++) {
        ck_assert_str_eq(records[i].verdict, "skipped");
        ck_assert_str_eq(records[i].reason, "no time was left for it");
    }
    ck_assert_str_eq(records[0].name, "tiny/sentence");
    ck_assert_str_eq(records[4].name, "tiny/sentence: decoder");
    send_sentence(out, 1e300, 1); /* the process died of the whole */
    ck_assert_int_eq(sent, 6);
    for (int i = 0; i < sent; i++)
        ck_assert_str_eq(records[i].verdict, "failed");
    fclose(out);
}
END_TEST

/* Of speech of two windows the later one can be asked for; it is not the whole then. */
START_TEST(a_later_window_is_run_alone)
{
    const bench_options o = { .levels = "stage", .filter = "window 2", .seconds = 0.001,
                              .threads = 1 };
    bench b;
    voice v;

    open_bench(&b);
    b.o = &o;
    sent = 0;
    ck_assert_int_eq(voice_open(&v, 0, &b.report), CLVITS_OK);
    const stage_sum stages = bench_stages(&b, &v, &v.texts[VOICE_MEDIUM], 520);
    ck_assert(!stages.complete);
    ck_assert_int_eq(sent, 1);
    ck_assert_msg(strstr(records[0].name, "/decoder, window 2"), "%s", records[0].name);
    ck_assert_str_eq(records[0].verdict, "ok");
    voice_close(&v);
    close_bench(&b);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("bench_runs");
    TCase *t = tcase_create("inputs");
    tcase_add_test(t, inputs_are_those_of_the_case);
    tcase_add_test(t, a_case_without_memory_has_a_reason);
    tcase_add_test(t, parts_of_a_skipped_sentence_are_skipped);
    tcase_add_test(t, a_later_window_is_run_alone);
    suite_add_tcase(s, t);
    return s;
}
