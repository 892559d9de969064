// SPDX-License-Identifier: MIT
//
// The file of tuned rows is whole at any time, whoever ends whoever writes it.
#include "files.h"

#include "../bench/tune.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static clvits_row make_row(int shape, int value)
{
    clvits_row row = { .device = "Device", .driver = "driver 1", .room = "conv1d" };

    clvits_terms_add(&row.shape, "i", shape);
    clvits_terms_add(&row.values, "job", value);
    return row;
}

static void put(const char *path, int shape, int value, const char *note)
{
    const clvits_row row = make_row(shape, value);
    char error[512] = "";

    ck_assert_msg(tune_file_put(path, &row, note, error, sizeof(error)), "%s", error);
}

/* Every line is a row or a comment, and no key comes twice. Returns how many rows there are. */
static int check_whole(const char *path)
{
    size_t size;
    char *text = files_read(path, &size);
    clvits_report r = { 0 };
    clvits_rows rows = { 0 };

    ck_assert(size > 0 && text[size - 1] == '\n' && text[0] == '#');
    ck_assert_int_eq(clvits_rows_add(&rows, text, size, path, true, &r), CLVITS_OK);
    for (int i = 0; i < rows.n; i++)
        for (int k = 0; k < i; k++)
            ck_assert(!clvits_row_same(&rows.row[i], &rows.row[k]));
    const int n = rows.n;
    int lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    ck_assert_int_eq(lines, n + 2);
    clvits_rows_free(&rows);
    free(text);
    return n;
}

START_TEST(rows_are_merged)
{
    char path[512];
    size_t size;

    snprintf(path, sizeof(path), "%s", files_path("tuned.txt"));
    put(path, 1, 48, "first");
    put(path, 2, 96, "second");
    put(path, 1, 144, "again");
    ck_assert_int_eq(check_whole(path), 2);
    char *text = files_read(path, &size);
    ck_assert(strstr(text, "| i=2 | job=96  # second\n"));
    ck_assert(strstr(text, "| i=1 | job=144  # again\n"));
    ck_assert(!strstr(text, "first"));
    free(text);
    put(path, 2, 0, NULL);
    put(path, 3, 0, NULL);
    ck_assert_int_eq(check_whole(path), 1);
}
END_TEST

START_TEST(a_file_that_cannot_be_is_said)
{
    const clvits_row row = make_row(1, 1);
    char error[512] = "", *huge = calloc(1, 2 << 20);

    ck_assert(!tune_file_check("/dev/null/tuned.txt", error, sizeof(error)));
    ck_assert(!tune_file_check(files_path("none/tuned.txt"), error, sizeof(error)));
    ck_assert(strstr(error, "none/tuned.txt") && files_count() == 0);
    ck_assert(!tune_file_put("/dev/null/tuned.txt", &row, "x", error, sizeof(error)));
    ck_assert(strstr(error, "/dev/null/tuned.txt"));
    ck_assert(!tune_file_check("/dev/full", error, sizeof(error)));
    ck_assert(strstr(error, "not a regular file"));
    memset(huge, 'x', 2 << 20);
    const char *path = files_write("huge.txt", huge, 2 << 20);
    ck_assert(!tune_file_put(path, &row, "x", error, sizeof(error)));
    free(huge);
    ck_assert_int_eq(files_count(), 2); /* it and its lock: nothing else is left behind */
}
END_TEST

START_TEST(a_row_is_whole_or_not_there)
{
    char name[128], driver[288], note[CLVITS_MAX_ROW], path[512], error[512];
    clvits_row row = make_row(1, 1);

    memset(name, 'n', sizeof(name) - 1);
    memset(driver, 'd', sizeof(driver) - 1);
    memset(note, 'x', sizeof(note) - 1);
    name[sizeof(name) - 1] = driver[sizeof(driver) - 1] = note[sizeof(note) - 1] = '\0';
    row.device = name;
    row.driver = driver;
    for (const char *c = "abcdefgh"; *c; c++)
        clvits_terms_add(&row.values, (char[]){ *c, '\0' }, 1 << 24);
    snprintf(path, sizeof(path), "%s", files_path("tuned.txt"));
    ck_assert_msg(tune_file_put(path, &row, "long names", error, sizeof(error)), "%s", error);
    ck_assert_int_eq(check_whole(path), 1);
    const int rest = CLVITS_MAX_ROW - 1 - clvits_row_print(&row, error, sizeof(error)) - 4;
    row.room = "other1";
    ck_assert(!tune_file_put(path, &row, note, error, sizeof(error)));
    ck_assert_msg(strstr(error, "longer"), "%s", error);
    note[rest + 1] = '\0';
    ck_assert(!tune_file_put(path, &row, note, error, sizeof(error)));
    ck_assert_int_eq(check_whole(path), 1);
    note[rest] = '\0';
    ck_assert_msg(tune_file_put(path, &row, note, error, sizeof(error)), "%s", error);
    ck_assert_int_eq(check_whole(path), 2);
}
END_TEST

START_TEST(the_umask_counts)
{
    struct stat st;
    char path[512];
    const mode_t before = umask(077);

    snprintf(path, sizeof(path), "%s", files_path("tuned.txt"));
    put(path, 1, 1, "mine");
    umask(before);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(a_kill_leaves_it_whole)
{
    char path[512];

    snprintf(path, sizeof(path), "%s", files_path("tuned.txt"));
    put(path, 0, 1, "before");
    for (int i = 0; i < 40; i++) {
        fflush(NULL);
        const pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (!pid)
            for (int k = 0;; k++) {
                const clvits_row row = make_row(k % 50, i * 1000 + k % 1000);
                char error[512];
                tune_file_put(path, &row, k % 7 == 6 ? NULL : "while killed", error, sizeof(error));
            }
        usleep((useconds_t)(500 + i * 397 % 9000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        check_whole(path);
        ck_assert_int_le(files_count(), 3); /* with its lock and the next one's part */
    }
    put(path, 99, 1, "after");
    ck_assert_int_ge(check_whole(path), 2);
    ck_assert_int_eq(files_count(), 2);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("tune_file");
    TCase *t = tcase_create("file");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_test(t, rows_are_merged);
    tcase_add_test(t, a_file_that_cannot_be_is_said);
    tcase_add_test(t, a_row_is_whole_or_not_there);
    tcase_add_test(t, the_umask_counts);
    tcase_add_test(t, a_kill_leaves_it_whole);
    suite_add_tcase(s, t);
    return s;
}
