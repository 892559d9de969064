// SPDX-License-Identifier: MIT
//
// Quotas are read from folders like Linux's, made here; the processors of this process and the
// threads of a pool follow what the system says.
#define _GNU_SOURCE /* sched_setaffinity */
#include "base/file.h"
#include "base/processors.h"
#include "cpu/cpu.h"
#include "files.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *suite(void);

enum { FILES = 4, NONE = INT_MAX };

static size_t possible; /* processors of a system that is played; 0: this one's */

int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);

/* As Linux refuses sets with less room than there may be processors. Only the last one is left to
 * this process. */
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    if (!possible)
        return __real_sched_getaffinity(pid, size, set);
    if (8 * size < possible) {
        errno = EINVAL;
        return -1;
    }
    memset(set, 0, size);
    CPU_SET_S(possible - 1, size, set);
    return 0;
}

static const struct {
    const char *name, *groups; /* of the process, as it sees them; NULL: does not */
    struct {
        const char *path, *text; /* under the folder of groups */
    } file[FILES];
    int want;
} cases[] = {
    { "nothing is there", NULL, { { 0 } }, NONE },
    { "no quota anywhere", "0::/a/b\n", { { 0 } }, NONE },
    { "its own", "0::/a/b\n", { { "a/b/cpu.max", "400000 100000\n" } }, 4 },
    { "without a line's end", "0::/a\n", { { "a/cpu.max", "400000 100000" } }, 4 },
    { "rounded up", "0::/a\n", { { "a/cpu.max", "150000 100000\n" } }, 2 },
    { "by a little", "0::/a\n", { { "a/cpu.max", "300001 100000\n" } }, 4 },
    { "at least one", "0::/a\n", { { "a/cpu.max", "1000 100000\n" } }, 1 },
    { "huge", "0::/a\n", { { "a/cpu.max", "9223372036854775807 1\n" } }, NONE },
    { "unlimited", "0::/a\n", { { "a/cpu.max", "max 100000\n" } }, NONE },
    { "of the group around it", "0::/a/b\n",
      { { "a/b/cpu.max", "max 100000\n" }, { "a/cpu.max", "200000 100000\n" } }, 2 },
    { "the tightest is inside", "0::/a/b\n",
      { { "a/b/cpu.max", "300000 100000\n" }, { "a/cpu.max", "800000 100000\n" } }, 3 },
    { "the tightest is outermost", "0::/a/b\n",
      { { "a/b/cpu.max", "300000 100000\n" }, { "a/cpu.max", "800000 100000\n" },
        { "cpu.max", "50000 25000\n" } }, 2 },
    { "of another group", "0::/a/b\n",
      { { "a/b/c/cpu.max", "100000 100000\n" }, { "b/cpu.max", "100000 100000\n" } }, NONE },
    { "a name's start is no group", "0::/ab\n", { { "a/cpu.max", "100000 100000\n" } }, NONE },
    { "the container's is outermost", "0::/\n", { { "cpu.max", "300000 100000\n" } }, 3 },
    { "under the host's name", "0::/docker/1f\n", { { "cpu.max", "300000 100000\n" } }, 3 },
    { "colons and blanks", "0::/a:b c/d\n", { { "a:b c/d/cpu.max", "300000 100000\n" } }, 3 },
    { "v1", "12:cpuset:/\n4:cpu,cpuacct:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "250000\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } }, 3 },
    { "v1, mounted by both names", "4:cpuacct,cpu:/a\n",
      { { "cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n" },
        { "cpu,cpuacct/a/cpu.cfs_period_us", "50000\n" } }, 5 },
    { "v1, around it", "4:cpu:/a/b\n",
      { { "cpu/a/b/cpu.cfs_quota_us", "-1\n" }, { "cpu/a/b/cpu.cfs_period_us", "100000\n" },
        { "cpu/cpu.cfs_quota_us", "200000\n" }, { "cpu/cpu.cfs_period_us", "100000\n" } }, 2 },
    { "v1, unlimited", "4:cpu:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "-1\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } }, NONE },
    { "v1, no period", "4:cpu:/a\n", { { "cpu/a/cpu.cfs_quota_us", "200000\n" } }, NONE },
    { "v1, other controllers", "4:cpuset,cpuacct:/a\n5:name=cpu:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "200000\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } },
      NONE },
    { "v2 beside v1", "4:cpu:/a\n0::/b\n",
      { { "unified/b/cpu.max", "300000 100000\n" }, { "cpu/a/cpu.cfs_quota_us", "400000\n" },
        { "cpu/a/cpu.cfs_period_us", "100000\n" } }, 3 },
    { "v1 beside v2", "0::/b\n4:cpu:/a\n",
      { { "unified/b/cpu.max", "300000 100000\n" }, { "cpu/a/cpu.cfs_quota_us", "200000\n" },
        { "cpu/a/cpu.cfs_period_us", "100000\n" } }, 2 },
    { "the last line", "1:name=systemd:/\n\n:\n7\n7:\n7:cpu\n0::/a\n",
      { { "a/cpu.max", "300000 100000\n" } }, 3 },
    { "half a line", "0::/a", { { "a/cpu.max", "300000 100000\n" } }, NONE },
    { "no groups", "", { { "cpu.max", "300000 100000\n" } }, NONE },
    { "a folder", "0::/a\n", { { "a/cpu.max/x", "300000 100000\n" } }, NONE },
};

static const char *const malformed[] = {
    "", "\n", "max", "300000", "300000\n", "300000 max\n", "max max\n", "a b\n", "300000 x\n",
    "300000x 100000\n", "300000 100000x\n", "300000 100000 1\n", "300000 0\n", "0 100000\n",
    "-300000 100000\n", "300000 -100000\n", "-300000 -100000\n", "99999999999999999999 100000\n",
    "300000 99999999999999999999\n", "0x7 1\n", "3e5 1\n",
    "1000000000000000000000000000000000000000000000000000000000000000000000000000000 1\n",
};

static void put(const char *folder, const char *path, const char *text)
{
    char name[256], *slash;

    snprintf(name, sizeof(name), "%s/%s", folder, path);
    slash = strrchr(name, '/');
    *slash = '\0';
    ck_assert(clvits_make_folder(files_path(name)));
    *slash = '/';
    files_text(name, text);
}

START_TEST(quotas_limit)
{
    if (cases[_i].groups)
        put("proc/self", "cgroup", cases[_i].groups);
    for (int k = 0; k < FILES && cases[_i].file[k].path; k++)
        put("sys/fs/cgroup", cases[_i].file[k].path, cases[_i].file[k].text);
    const int got = clvits_processor_quota(files_path("."));
    ck_assert_msg(got == cases[_i].want, "%s: %d", cases[_i].name, got);
}
END_TEST

/* What makes no sense is none, and the group around it counts. */
START_TEST(malformed_quotas_do_not)
{
    put("proc/self", "cgroup", "0::/a/b\n");
    put("sys/fs/cgroup/a/b", "cpu.max", malformed[_i]);
    ck_assert_int_eq(clvits_processor_quota(files_path(".")), NONE);
    put("sys/fs/cgroup/a", "cpu.max", "700000 100000\n");
    ck_assert_int_eq(clvits_processor_quota(files_path(".")), 7);
}
END_TEST

/* Longer than a path may be, and than there is room for. */
START_TEST(long_names_are_left_out)
{
    static const int lengths[] = { 3000, 5000, 40000 };
    static char text[40064];

    put("sys/fs/cgroup", "cpu.max", "300000 100000\n");
    for (int i = 0; i < LENGTH(lengths); i++) {
        snprintf(text, sizeof(text), "0::/%0*d\n", lengths[i], 0);
        put("proc/self", "cgroup", text);
        const int got = clvits_processor_quota(files_path("."));
        ck_assert_int_eq(got, lengths[i] < CLVITS_MAX_PATH ? 3 : NONE);
        ck_assert_int_eq(clvits_processor_quota(text), NONE);
    }
}
END_TEST

START_TEST(threads_follow_the_processors)
{
    cpu_set_t all, one;
    clvits_report r = { 0 };
    clvits_pool *pool;
    int first = 0;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
    const int n = clvits_processors(), quota = clvits_processor_quota("");
    ck_assert_int_eq(n, quota < CPU_COUNT(&all) ? quota : CPU_COUNT(&all));
    ck_assert_int_eq(clvits_pool_open(&pool, 0, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_pool_threads(pool), n < 256 ? n : 256);
    clvits_pool_close(&pool);

    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    ck_assert_int_eq(clvits_processors(), 1);
    for (int asked = 0; asked <= 3; asked += 3) {
        ck_assert_int_eq(clvits_pool_open(&pool, asked, &r), CLVITS_OK);
        ck_assert_int_eq(clvits_pool_threads(pool), asked ? asked : 1);
        clvits_pool_close(&pool);
    }
    sched_setaffinity(0, sizeof(all), &all);
}
END_TEST

/* Linux may be built for up to 8192. */
START_TEST(affinity_counts_among_many)
{
    static const size_t most[] = { 1024, 1025, 8192 };

    for (int i = 0; i < LENGTH(most); i++) {
        possible = most[i];
        ck_assert_int_eq(clvits_processors(), 1);
    }
    possible = 0;
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("processors");
    TCase *t = tcase_create("processors");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_loop_test(t, quotas_limit, 0, LENGTH(cases));
    tcase_add_loop_test(t, malformed_quotas_do_not, 0, LENGTH(malformed));
    tcase_add_test(t, long_names_are_left_out);
    tcase_add_test(t, threads_follow_the_processors);
    tcase_add_test(t, affinity_counts_among_many);
    suite_add_tcase(s, t);
    return s;
}
