// SPDX-License-Identifier: MIT
//
// Files of the cache, while their writers are killed at any moment: whole or not there, and nothing
// is left beside them.
#include "base/file.h"
#include "files.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WRITERS = 3, KILLS = 120, MOST_LINES = 4000 };

/* As many lines as the first says. */
static bool write_lines(const char *path, int n)
{
    clvits_new_file file;

    if (!clvits_new_file_open(&file, path, false))
        return false;
    bool good = true;
    for (int i = n; i >= 0 && good; i--)
        good = fprintf(file.f, "%d\n", i) > 0;
    return clvits_new_file_close(&file, good);
}

static void check_whole(const char *path)
{
    FILE *f = fopen(path, "r");
    int want = 0, got;

    ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
    for (int n = 0; fscanf(f, "%d", &got) == 1; want = got - 1, n++)
        ck_assert_msg(n == 0 || got == want, "%d instead of %d", got, want);
    ck_assert_int_eq(want, -1);
    fclose(f);
}

static pid_t begin_writer(const char *path)
{
    const pid_t parent = getpid(), child = fork();

    if (child == 0) {
        while (getppid() == parent && write_lines(path, 1 + rand() % MOST_LINES))
            ;
        _exit(1);
    }
    ck_assert_int_gt(child, 0);
    return child;
}

static void kill_writer(pid_t child)
{
    int status;

    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status), "a writer lost its file to another one");
}

START_TEST(writers_are_killed)
{
    char path[512];
    pid_t child[WRITERS];
    uint32_t random = 3;
    int left = 0;

    snprintf(path, sizeof(path), "%s", files_path("rates.txt"));
    ck_assert(write_lines(path, 10));
    for (int i = 0; i < WRITERS; i++)
        child[i] = begin_writer(path);
    /* On, where no writer has had the processor for long enough to leave anything. */
    for (int i = 0; i < KILLS || (!left && i < 100 * KILLS); i++) {
        random = random * 1664525u + 1013904223u;
        nanosleep(&(struct timespec){ .tv_nsec = (long)(random >> 8) % 3000000 }, NULL);
        kill_writer(child[i % WRITERS]);
        left += files_count() > 1;
        check_whole(path);
        child[i % WRITERS] = begin_writer(path);
    }
    ck_assert_int_gt(left, 0);
    for (int i = 0; i < WRITERS; i++)
        kill_writer(child[i]);
    ck_assert(write_lines(path, 10));
    check_whole(path);
    ck_assert_int_eq(files_count(), 1);
}
END_TEST

/* What another program is about to complete is let be, and so is what is called otherwise. */
START_TEST(others_are_left_alone)
{
    char path[512];
    clvits_new_file other;

    snprintf(path, sizeof(path), "%s", files_path("trust.txt"));
    files_text("trust.txt.backup", "");
    files_text("rates.txt.part.abcdef", "");
    files_text("trust.txt.part.abcdef", "");
    ck_assert(clvits_new_file_open(&other, path, false));
    ck_assert_int_eq(files_count(), 3);
    ck_assert(write_lines(path, 5));
    ck_assert_int_eq(files_count(), 4);
    ck_assert_int_gt(fprintf(other.f, "1\n0\n"), 0);
    ck_assert(clvits_new_file_close(&other, true));
    check_whole(path);
    ck_assert_int_eq(files_count(), 3);
}
END_TEST

START_TEST(a_full_disk_keeps_the_old_file)
{
    const struct rlimit limit = { 16384, 16384 }; /* also of what the test itself says */
    char path[512];

    snprintf(path, sizeof(path), "%s", files_path("rates.txt"));
    ck_assert(write_lines(path, 10));
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert(!write_lines(path, MOST_LINES));
    check_whole(path);
    ck_assert_int_eq(files_count(), 1);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("new_file");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, writers_are_killed);
    tcase_add_test(t, others_are_left_alone);
    tcase_add_test(t, a_full_disk_keeps_the_old_file);
    suite_add_tcase(s, t);
    return s;
}
