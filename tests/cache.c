// SPDX-License-Identifier: MIT
//
// Program binaries on disk: found again, and never trusted when damaged or another's.
#include "files.h"
#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static clvits_device *open_with(const char *cache)
{
    const clvits_device_params p = { .cache_dir = cache };
    clvits_report r = { 0 };
    clvits_device *d;
    ck_assert_msg(clvits_device_open(&d, 0, &p, &r) == CLVITS_OK, "%s", r.text);
    return d;
}

static void build(const char *cache)
{
    clvits_device *d = open_with(cache);
    const clvits_launch l = { .program = "reduce", .kernel = "sum" };
    clvits_report r = { 0 };
    ck_assert_msg(clvits_program_check(d, &l, &r) == CLVITS_OK, "%s", r.text);
    clvits_device_close(&d);
}

/* The path of the only file in the folder. */
static void only_file(char *path, size_t size, const char *folder)
{
    DIR *dir = opendir(folder);
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.') {
            snprintf(path, size, "%s/%s", folder, e->d_name);
            n++;
        }
    closedir(dir);
    ck_assert_msg(n == 1, "%d files in %s", n, folder);
}

static ino_t inode(const char *path)
{
    struct stat s;
    ck_assert_int_eq(stat(path, &s), 0);
    return s.st_ino;
}

/* Rewrite the file: cut to size bytes (-1: whole), one byte inverted at flip (-1: none). */
static void damage(const char *path, long size, long flip)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    unsigned char *bytes = malloc((size_t)n);
    rewind(f);
    ck_assert_uint_eq(fread(bytes, 1, (size_t)n, f), (size_t)n);
    fclose(f);
    if (flip >= 0)
        bytes[flip < n ? flip : n - 1] ^= 0xff;
    f = fopen(path, "wb");
    fwrite(bytes, 1, (size_t)(size < 0 || size > n ? n : size), f);
    fclose(f);
    free(bytes);
}

START_TEST(damaged_entries_are_replaced)
{
    static const long cases[][2] = { { 0, -1 },  { 7, -1 },   { 48, -1 },  { 100, -1 },
                                     { -1, 3 },  { -1, 17 },  { -1, 25 },  { -1, 33 },
                                     { -1, 41 }, { -1, 100 }, { -1, 1L << 40 } };
    clvits_device_info *list;
    clvits_report r = { 0 };
    char cache[600], path[1024];
    int n;

    ck_assert_int_eq(clvits_device_list(&list, &n, &r), CLVITS_OK);
    free(list);
    if (n == 0) {
        fprintf(stderr, "skipped: no OpenCL device\n");
        return;
    }
    snprintf(cache, sizeof(cache), "%s", files_path("made/on/the/way"));
    build(cache);
    only_file(path, sizeof(path), cache);
    const ino_t first = inode(path);
    build(cache);
    ck_assert_msg(inode(path) == first, "a good entry was written again");
    for (int i = 0; i < LENGTH(cases); i++) {
        damage(path, cases[i][0], cases[i][1]);
        build(cache);
        struct stat s;
        ck_assert_int_eq(stat(path, &s), 0);
        ck_assert_msg(s.st_size > 200, "case %d: the damaged entry stands", i);
        only_file(path, sizeof(path), cache);
        const ino_t repaired = inode(path);
        build(cache);
        ck_assert_msg(inode(path) == repaired, "case %d: the new entry is not used", i);
    }
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_is_no_failure)
{
    clvits_device_info *list;
    clvits_report r = { 0 };
    int n;

    ck_assert_int_eq(clvits_device_list(&list, &n, &r), CLVITS_OK);
    free(list);
    if (n > 0)
        build("/dev/null/cache");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cache");
    TCase *t = tcase_create("binaries");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_test(t, damaged_entries_are_replaced);
    tcase_add_test(t, a_folder_that_cannot_be_made_is_no_failure);
    suite_add_tcase(s, t);
    return harness_main(s);
}
