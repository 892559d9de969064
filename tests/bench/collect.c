// SPDX-License-Identifier: MIT
//
// What bench_collect() gives its workers, as they see it: workers of the test's own measure nothing
// and send that back.
#include "../../bench/bench.h"

#include <check.h>
#include <signal.h>
#include <string.h>

Suite *suite(void);
void __wrap_bench_work(bench *b, bench_task task, const bench_place *place, int voice);

const char program_name[] = "bench_collect";

/* Seconds that each worker's only case says to have waited. */
enum { WAITED = 70 };

/* The first of each place dies of its second case. */
void __wrap_bench_work(bench *b, bench_task task, const bench_place *place, int voice)
{
    cJSON *o = cJSON_CreateObject();

    (void)place, (void)voice;
    cJSON_AddStringToObject(o, "level", "operator");
    cJSON_AddStringToObject(o, "name", "a case");
    cJSON_AddStringToObject(o, "verdict", "ok");
    cJSON_AddNumberToObject(o, "task", task);
    cJSON_AddNumberToObject(o, "from", b->from);
    cJSON_AddNumberToObject(o, "patience", b->patience);
    cJSON_AddNumberToObject(cJSON_AddObjectToObject(o, "noise"), "waited", WAITED);
    bench_send_object(b, "record", o);
    if (task == BENCH_OPERATORS && !b->from) {
        b->number = 2;
        bench_say_begin(b, "operator", "another case");
        raise(SIGKILL);
    }
}

static double get(const cJSON *o, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItem(o, name));
}

static void drop(bench_result *r)
{
    cJSON_Delete(r->devices);
    cJSON_Delete(r->results);
}

/* Each has what those before it left, whatever it does, wherever, and after whoever died; at the
 * end that is less than nothing. */
START_TEST(workers_share_the_time_to_wait)
{
    const bench_options o = { .devices = "cpu,cpu:baseline", .filter = "medium/", .seconds = 0.1,
                              .patience = 7 * WAITED + 5 };
    bench_result result = { 0 };
    double left = o.patience;
    int tasks[BENCH_VOICE + 1] = { 0 }, died = 0;
    const cJSON *r;

    ck_assert_int_eq(bench_collect(&o, &result), 0);
    cJSON_ArrayForEach(r, result.results) {
        if (!strcmp(bench_text(r, "verdict"), "failed")) {
            ck_assert_str_eq(bench_text(r, "name"), "another case");
            died++;
            continue;
        }
        ck_assert_double_eq_tol(get(r, "patience"), left, 1e-6);
        const int task = (int)get(r, "task");
        const bool again = task == BENCH_OPERATORS && tasks[task] % 2;
        ck_assert_double_eq(get(r, "from"), again ? 2.0 : 0.0);
        tasks[task]++;
        left -= WAITED;
    }
    ck_assert_int_eq(died, 2);
    ck_assert_int_eq(tasks[BENCH_OPERATORS], 4);
    for (int task = BENCH_COLD; task <= BENCH_VOICE; task++)
        ck_assert_int_ge(tasks[task], 2);
    ck_assert_double_lt(left, 0.0);
    drop(&result);
}
END_TEST

START_TEST(workers_do_not_wait_unasked)
{
    const bench_options o = { .devices = "cpu", .levels = "operator", .seconds = 0.1 };
    bench_result result = { 0 };

    ck_assert_int_eq(bench_collect(&o, &result), 0);
    ck_assert_double_eq(get(cJSON_GetArrayItem(result.results, 0), "patience"), 0.0);
    drop(&result);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("bench_collect");
    TCase *t = tcase_create("workers");

    tcase_add_test(t, workers_share_the_time_to_wait);
    tcase_add_test(t, workers_do_not_wait_unasked);
    suite_add_tcase(s, t);
    return s;
}
