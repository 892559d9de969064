// SPDX-License-Identifier: MIT
//
// Every operator that there is has a case of the bench; nothing is run for that.
#include "../../bench/bench.h"

#include <check.h>
#include <stdarg.h>
#include <string.h>

Suite *suite(void);
bool __real_bench_case_begin(bench_graph *g, bench *b, const char *level, int batch,
                             const char *format, ...);
bool __wrap_bench_case_begin(bench_graph *g, bench *b, const char *level, int batch,
                             const char *format, ...) __attribute__((format(printf, 5, 6)));
bool __wrap_bench_case_check(bench_graph *g);
void __wrap_bench_case_end(bench_graph *g);
void __wrap_bench_quiet_begin(bench *b);

enum { MOST_OPERATORS = 64 };

static bool seen[MOST_OPERATORS];
static int cases;

/* Large inputs take time to make, and show no other operator than small ones. */
static bool is_large(const char *name)
{
    return strstr(name, ", 10 s") ||
           (strstr(name, " at once") && !strstr(name, "/100 x 500, 1 at once"));
}

bool __wrap_bench_case_begin(bench_graph *g, bench *b, const char *level, int batch,
                             const char *format, ...)
{
    char name[BENCH_NAME];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    return !is_large(name) && __real_bench_case_begin(g, b, level, batch, "%s", name);
}

bool __wrap_bench_case_check(bench_graph *g)
{
    (void)g;
    return false;
}

void __wrap_bench_case_end(bench_graph *g)
{
    ck_assert_msg(g->graph->n_nodes > 0, "%s is empty", g->record.name);
    ck_assert_str_eq(g->record.verdict, "ok");
    for (int i = 0; i < g->graph->n_nodes; i++)
        for (int k = 0; clvits_ops[k]; k++)
            seen[k] |= g->graph->nodes[i]->op == clvits_ops[k];
    cases++;
    bench_graph_close(g);
}

void __wrap_bench_quiet_begin(bench *b)
{
    (void)b;
}

START_TEST(every_operator_has_a_case)
{
    const bench_options o = { .levels = "operator", .seconds = 0.01, .threads = 1 };
    bench b = { .o = &o, .deadline = 1e300, .machine.n_places = 1 };

    b.out = fopen("/dev/null", "w");
    ck_assert_ptr_nonnull(b.out);
    ck_assert_int_eq(clvits_cpu_open(&b.machine.cpu, NULL, 1, &b.report), CLVITS_OK);
    bench_operators(&b);
    ck_assert_int_gt(cases, 100);
    for (int k = 0; clvits_ops[k]; k++) {
        ck_assert_int_lt(k, MOST_OPERATORS);
        ck_assert_msg(seen[k], "no case has the operator %s", clvits_ops[k]->name);
    }
    clvits_cpu_close(&b.machine.cpu);
    fclose(b.out);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("bench_rooms");
    TCase *t = tcase_create("operators");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_operator_has_a_case);
    suite_add_tcase(s, t);
    return s;
}
