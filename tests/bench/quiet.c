// SPDX-License-Identifier: MIT
//
// What is called noisy, what a peak, and what does not add up, told from samples and a clock of the
// test's own: a real machine is seldom quiet enough for a test to ask anything of it. And how it is
// printed.
#include "../../bench/bench.h"

#include "../../tools/clvits/program.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *suite(void);
double __wrap_bench_now(void);
bool __wrap_bench_counters(double *busy, double *stolen);
unsigned __wrap_sleep(unsigned n);

const char program_name[] = "bench_quiet";

enum { SAMPLES = 9 };

static double seconds, step; /* the time, and how far it goes from one look to the next */
static double stolen_until;  /* that time a host takes a tenth of the processors */

/* The only clock there is. */
double __wrap_bench_now(void)
{
    return seconds += step;
}

bool __wrap_bench_counters(double *busy, double *stolen)
{
    *busy = 0.0;
    *stolen = 0.1 * (double)sysconf(_SC_NPROCESSORS_ONLN) * fmin(seconds, stolen_until);
    return true;
}

unsigned __wrap_sleep(unsigned n)
{
    seconds += n;
    return 0;
}

/* Samples about a median, the middle half of which spans a share of it. */
static bench_times around(double median, double spread)
{
    bench_times t = { .n = SAMPLES };

    for (int i = 0; i < SAMPLES; i++)
        t.sample[i] = median * (1.0 + spread * (i - SAMPLES / 2) / (SAMPLES / 2));
    return t;
}

/* A case during which the same work came to take `slower` times as long; other work, which the
 * system counts, is too short a matter to be seen. */
static bench_record measured(double spread, double slower)
{
    bench b = { 0 };
    bench_record r = { .host = around(0.01, spread) };

    step = 1e-3;
    bench_quiet_begin(&b);
    step *= slower;
    bench_quiet_end(&b, &r);
    return r;
}

START_TEST(a_quiet_machine_is_called_quiet)
{
    const bench_record r = measured(0.02, 1.0);

    ck_assert(r.noise.taken);
    ck_assert_double_eq_tol(r.noise.spread, 0.02, 1e-6);
    ck_assert_double_eq_tol(r.noise.drift, 0.0, 1e-6);
    ck_assert(!bench_is_noisy(&r.noise));
}
END_TEST

START_TEST(what_disturbs_is_called_noise)
{
    const bench_record wide = measured(0.3, 1.0), slow = measured(0.02, 1.25);
    bench_record r = measured(0.02, 1.05);

    ck_assert(bench_is_noisy(&wide.noise));
    ck_assert_double_eq_tol(slow.noise.drift, 0.25, 1e-6);
    ck_assert(bench_is_noisy(&slow.noise));
    ck_assert(!bench_is_noisy(&r.noise));
    r.noise.others = 0.5;
    ck_assert(bench_is_noisy(&r.noise));
    r.noise.others = 0.0;
    r.noise.stolen = 0.05;
    ck_assert(bench_is_noisy(&r.noise));
    r.noise.taken = false;
    ck_assert(!bench_is_noisy(&r.noise));
}
END_TEST

/* The fastest that the process saw counts, before or after the case. */
START_TEST(a_clock_that_was_faster_once_is_remembered)
{
    bench b = { 0 };
    bench_record r = { .host = around(0.01, 0.0) };

    step = 1e-3;
    bench_quiet_begin(&b);
    bench_quiet_end(&b, &r);
    ck_assert(!bench_is_noisy(&r.noise));
    step = 1.3e-3;
    bench_quiet_begin(&b);
    bench_quiet_end(&b, &r);
    ck_assert_double_eq_tol(r.noise.drift, 0.3, 1e-6);
    ck_assert(bench_is_noisy(&r.noise));
}
END_TEST

/* A try with times about a median, which spread so much. */
static bool again(bench *b, bench_tries *t, bench_record *r, double median, double spread)
{
    r->host = around(median, spread);
    step = 1e-3;
    return bench_try_again(b, t, r, NULL);
}

START_TEST(what_was_disturbed_is_timed_again)
{
    bench_options o = { .quick = false };
    bench b = { .o = &o, .deadline = 1e300 };
    bench_record r = { 0 };
    bench_tries t = { 0 };

    step = 1e-3;
    bench_quiet_begin(&b);
    ck_assert(again(&b, &t, &r, 0.01, 0.5));
    ck_assert(again(&b, &t, &r, 0.03, 0.2)); /* less disturbed, and slower */
    ck_assert(!again(&b, &t, &r, 0.02, 0.3));
    ck_assert_int_eq(r.noise.tries, 3);
    ck_assert_double_eq_tol(bench_statistics(&r.host).median, 0.03, 1e-9);
    ck_assert_double_eq_tol(bench_disturbed(&r.noise), 2.0, 1e-6);
    ck_assert(bench_is_noisy(&r.noise));

    t = (bench_tries){ 0 };
    bench_quiet_begin(&b);
    ck_assert(again(&b, &t, &r, 0.01, 0.5));
    ck_assert(!again(&b, &t, &r, 0.02, 0.05)); /* quiet: that is enough */
    ck_assert_int_eq(r.noise.tries, 2);
    ck_assert_double_eq_tol(bench_statistics(&r.host).median, 0.02, 1e-9);
    ck_assert(!bench_is_noisy(&r.noise));

    t = (bench_tries){ 0 };
    o.quick = true;
    bench_quiet_begin(&b);
    ck_assert(!again(&b, &t, &r, 0.01, 0.5)); /* other cases are to come */
    o.quick = false;
    t = (bench_tries){ 0 };
    b.deadline = 0.0;
    bench_quiet_begin(&b);
    ck_assert(!again(&b, &t, &r, 0.01, 0.5)); /* no time is left */
    ck_assert_int_eq(r.noise.tries, 1);
    r.host.n = 0;
    ck_assert(!bench_try_again(&b, &t, &r, NULL));
}
END_TEST

/* A case of times that are alike, for whose timing a second goes by. */
static bool steady(bench *b, bench_tries *t, bench_record *r)
{
    r->host = around(0.01, 0.01);
    seconds += 1.0;
    return bench_try_again(b, t, r, NULL);
}

START_TEST(what_others_disturb_waits_while_patience_lasts)
{
    const bench_options o = { .quick = false };
    bench b = { .o = &o, .deadline = 1e300, .patience = 1000.0 };
    bench_record r = { 0 };
    bench_tries t = { 0 };

    step = 1e-3;
    ck_assert_int_eq(clvits_cpu_open(&b.machine.cpu, NULL, 1, &b.report), CLVITS_OK);
    stolen_until = seconds + 60.0;
    bench_quiet_begin(&b);
    while (steady(&b, &t, &r))
        ;
    ck_assert_int_eq(r.noise.tries, 4);
    ck_assert(!bench_is_noisy(&r.noise));
    ck_assert(r.noise.waited > 50.0 && r.noise.waited < 70.0);
    ck_assert_double_eq_tol(b.patience, 1000.0 - r.noise.waited, 1e-6);

    stolen_until = 1e300;
    t = (bench_tries){ 0 };
    bench_quiet_begin(&b);
    while (steady(&b, &t, &r))
        ;
    ck_assert_int_eq(r.noise.tries, 3);
    ck_assert(bench_is_noisy(&r.noise));
    ck_assert(r.noise.waited > 200.0 && r.noise.waited < 250.0); /* of a case */

    b.patience = 20.0;
    t = (bench_tries){ 0 };
    bench_quiet_begin(&b);
    while (steady(&b, &t, &r))
        ;
    ck_assert(r.noise.waited > 19.0 && r.noise.waited < 25.0); /* of the run */
    ck_assert_double_le(b.patience, 0.0);
    b.patience = 20.0;
    b.quiet = (bench_quiet){ 0 };
    stolen_until = 0.0;
    t = (bench_tries){ 0 };
    bench_quiet_begin(&b);
    while (again(&b, &t, &r, 0.01, 0.5)) /* of itself */
        ;
    ck_assert_int_eq(r.noise.tries, 3);
    ck_assert_double_eq(r.noise.waited, 0.0);
    clvits_cpu_close(&b.machine.cpu);
}
END_TEST

START_TEST(medians_are_in_the_middle)
{
    double three[] = { 9.0, 1.0, 2.0 }, four[] = { 4.0, 100.0, 1.0, 2.0 };

    ck_assert_double_eq(bench_median(three, 3), 2.0);
    ck_assert_double_eq(bench_median(four, 4), 3.0);
    ck_assert_double_eq(bench_median(four, 0), 0.0);
}
END_TEST

/* The CPU's peak as it is measured anew, while the clock goes on so far from look to look. */
static double peak_at(bench *b, double s)
{
    step = s;
    bench_peak_again(b);
    return b->peak_flops;
}

START_TEST(a_peak_falls_when_it_is_seen_twice)
{
    bench b = { .machine.n_places = 1 };

    ck_assert_int_eq(clvits_cpu_open(&b.machine.cpu, NULL, 1, &b.report), CLVITS_OK);
    const double high = peak_at(&b, 1e-3);
    ck_assert_double_gt(high, 0.0);
    ck_assert_double_eq_tol(peak_at(&b, 2e-3) / high, 1.0, 1e-6);
    ck_assert_double_eq_tol(peak_at(&b, 2e-3) / high, 0.5, 1e-6);
    ck_assert_double_eq_tol(peak_at(&b, 1e-3) / high, 1.0, 1e-6);
    clvits_cpu_close(&b.machine.cpu);
}
END_TEST

static const struct {
    double parts, alone; /* of the whole; alone 0: not known */
    const char *reason;
} sums[] = {
    { 1.0, 1.0, "" },
    { 1.0, 0.0, "" },
    { 1.08, 0.93, "" },
    { 0.92, 1.08, "" },
    { 1.0, 0.8, "the stages alone take 80 % of this" },
    { 1.0, 1.25, "the stages alone take 125 % of this" },
    { 0.85, 1.0, "the parts do not add up to this" },
    { 1.2, 1.3, "the parts do not add up to this" },
};

static double value(const bench_record *r, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(r->values, name);
    return item ? strtod(item->valuestring, NULL) : NAN;
}

START_TEST(sums_are_held_to_ten_percent)
{
    const double seconds_of_whole = 0.02;
    bench_record whole = { .host = around(seconds_of_whole, 0.0) }, parts[2] = { 0 };

    parts[0].device = around(0.75 * sums[_i].parts * seconds_of_whole, 0.0);
    parts[1].host = around(0.25 * sums[_i].parts * seconds_of_whole, 0.0);
    bench_add_up(&whole, parts, 2, sums[_i].alone * seconds_of_whole);
    ck_assert_str_eq(whole.reason, sums[_i].reason);
    ck_assert_double_eq_tol(value(&whole, "sum_of_parts"), sums[_i].parts, 1e-4);
    if (sums[_i].alone > 0.0)
        ck_assert_double_eq_tol(value(&whole, "alone"), sums[_i].alone, 1e-4);
    else
        ck_assert(isnan(value(&whole, "alone")));
    cJSON_Delete(whole.values);
}
END_TEST

/* The line, or lines, of a record. */
static void print(char out[512], const char *name, double device, double host)
{
    FILE *f = tmpfile();
    char text[512];

    ck_assert_ptr_nonnull(f);
    snprintf(text, sizeof(text),
             "{\"level\": \"operator\", \"name\": \"%s\", \"verdict\": \"ok\", \"noisy\": true,"
             " \"device_seconds\": {\"median\": %g}, \"host_seconds\": {\"median\": %g},"
             " \"noise\": {\"spread\": 0.3}}", name, device, host);
    cJSON *record = cJSON_Parse(text);
    ck_assert_ptr_nonnull(record);
    fflush(stdout);
    const int before = dup(STDOUT_FILENO);
    ck_assert_int_ge(dup2(fileno(f), STDOUT_FILENO), 0);
    bench_print_record(record);
    dup2(before, STDOUT_FILENO);
    close(before);
    rewind(f);
    out[fread(out, 1, 511, f)] = '\0';
    fclose(f);
    cJSON_Delete(record);
}

START_TEST(lines_keep_to_their_columns)
{
    static const char longest[] = "a name of forty-four characters and not more";
    static const char longer[] = "a name of forty-five characters, and one more";
    char line[512];

    ck_assert_int_eq(strlen(longest), BENCH_COLUMN - 9);
    ck_assert_int_eq(strlen(longer), BENCH_COLUMN - 8);
    print(line, longest, 2e-3, 3e-3);
    ck_assert_ptr_eq(strstr(line, "2.000 ms"), line + BENCH_COLUMN + 6);
    ck_assert_ptr_nonnull(strstr(line, " noisy (spread 30 %"));
    print(line, longer, 2e-3, 3e-3);
    ck_assert_ptr_nonnull(strchr(line, '\n'));
    ck_assert_ptr_eq(strstr(line, "2.000 ms"), strchr(line, '\n') + 1 + BENCH_COLUMN + 6);
}
END_TEST

START_TEST(times_that_contradict_are_explained)
{
    char line[512];

    print(line, "contrary", 3e-3, 2e-3);
    ck_assert_ptr_nonnull(strstr(line, " noisy (device and host in other runs, spread 30 %"));
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("bench_quiet");
    TCase *t = tcase_create("quiet");

    tcase_add_test(t, a_quiet_machine_is_called_quiet);
    tcase_add_test(t, what_disturbs_is_called_noise);
    tcase_add_test(t, a_clock_that_was_faster_once_is_remembered);
    tcase_add_test(t, what_was_disturbed_is_timed_again);
    tcase_add_test(t, what_others_disturb_waits_while_patience_lasts);
    tcase_add_test(t, medians_are_in_the_middle);
    tcase_add_test(t, a_peak_falls_when_it_is_seen_twice);
    tcase_add_loop_test(t, sums_are_held_to_ten_percent, 0, LENGTH(sums));
    tcase_add_test(t, lines_keep_to_their_columns);
    tcase_add_test(t, times_that_contradict_are_explained);
    suite_add_tcase(s, t);
    return s;
}
