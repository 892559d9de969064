// SPDX-License-Identifier: MIT
#include "files.h"
#include "io/audio.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COUNT = 30001 };

static float tone[COUNT];

static void make_tone(void)
{
    files_open();
    for (int i = 0; i < COUNT; i++)
        tone[i] = 0.5f * sinf(0.1f * (float)i);
}

static clvits_status write_tone(const char *path, int rate, clvits_report *r)
{
    clvits_audio_file *file;
    clvits_status status = clvits_audio_file_create(&file, path, rate, r);

    if (status) {
        ck_assert_ptr_null(file);
        return status;
    }
    for (int i = 0; i < COUNT && !status; i += 10000)
        status = clvits_audio_file_write(file, tone + i, i < 30000 ? 10000 : COUNT - 30000, r);
    if (status) {
        clvits_audio_file_discard(&file);
        return status;
    }
    return clvits_audio_file_finish(&file, r);
}

static const struct {
    const char *name;
    double snr; /* decibels, at least */
} lossless[] = { { "a.wav", 80 }, { "b.WAV", 80 }, { "c.flac", 80 } };

START_TEST(writes_and_reads_back)
{
    float *samples;
    int64_t count;
    double signal = 0, error = 0;
    clvits_report r = { 0 };
    const char *path = files_path(lossless[_i].name);

    ck_assert_msg(!write_tone(path, 22050, &r), "%s", r.text);
    ck_assert_int_eq(files_count(), 1);
    ck_assert_msg(!clvits_audio_read(&samples, &count, path, 22050, COUNT, &r), "%s", r.text);
    ck_assert_int_eq(count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        signal += (double)tone[i] * tone[i];
        error += ((double)tone[i] - samples[i]) * ((double)tone[i] - samples[i]);
    }
    ck_assert_double_ge(10 * log10(signal / error), lossless[_i].snr);
    free(samples);
}
END_TEST

/* Lossy formats: built in or refused, never anything between. */
START_TEST(writes_or_refuses_lossy_formats)
{
    static const char *const names[] = { "a.ogg", "a.opus" };
    const char *path = files_path(names[_i]);
    float *samples;
    int64_t count;
    clvits_report r = { 0 };
    const clvits_status status = write_tone(path, 16000, &r);

    if (status == CLVITS_E_UNSUPPORTED) {
        ck_assert_msg(strstr(r.text, "built without"), "%s", r.text);
        ck_assert_int_eq(files_count(), 0);
        return;
    }
    ck_assert_msg(!status, "%s", r.text);
    ck_assert_msg(!clvits_audio_read(&samples, &count, path, 16000, COUNT, &r), "%s", r.text);
    ck_assert_int_eq(count, COUNT);
    ck_assert_int_eq(files_count(), 1);
    free(samples);
}
END_TEST

START_TEST(clips)
{
    const float loud[4] = { 2, -2, 1, 0.5f };
    clvits_audio_file *file;
    float *samples;
    int64_t count;
    clvits_report r = { 0 };
    const char *path = files_path("loud.wav");

    ck_assert(!clvits_audio_file_create(&file, path, 16000, &r));
    ck_assert(!clvits_audio_file_write(file, loud, 4, &r));
    ck_assert(!clvits_audio_file_finish(&file, &r));
    ck_assert_ptr_null(file);
    ck_assert(!clvits_audio_read(&samples, &count, path, 16000, COUNT, &r));
    ck_assert_int_eq(count, 4);
    ck_assert_double_ge(samples[0], 0.999);
    ck_assert_double_le(samples[1], -0.999);
    ck_assert_double_ge(samples[2], 0.999);
    ck_assert_double_eq_tol(samples[3], 0.5, 1e-4);
    free(samples);
}
END_TEST

START_TEST(takes_another_name)
{
    clvits_audio_file *file;
    clvits_report r = { 0 };
    char first[1024];

    snprintf(first, sizeof(first), "%s", files_path("first.wav"));
    ck_assert(!clvits_audio_file_create(&file, first, 16000, &r));
    ck_assert(!clvits_audio_file_write(file, tone, COUNT, &r));
    ck_assert_int_eq(clvits_audio_file_rename(file, files_path("."), &r), CLVITS_E_FILE);
    clvits_report_clear(&r);
    ck_assert_msg(!clvits_audio_file_rename(file, files_path("second.wav"), &r), "%s", r.text);
    ck_assert_msg(!clvits_audio_file_finish(&file, &r), "%s", r.text);
    ck_assert_int_eq(files_count(), 1);
    ck_assert_int_eq(access(files_path("second.wav"), F_OK), 0);
}
END_TEST

START_TEST(refuses_unknown_extensions)
{
    static const char *const names[] = { "a.xyz", "a", "b.wav/a", ".", "a.wav.txt" };
    clvits_report r = { 0 };

    ck_assert_int_eq(write_tone(files_path(names[_i]), 16000, &r), CLVITS_E_ARGUMENT);
    ck_assert_msg(strstr(r.text, ".wav, .flac"), "%s", r.text);
    ck_assert_int_eq(files_count(), 0);
}
END_TEST

START_TEST(tells_the_rates_of_opus)
{
    clvits_report r = { 0 };

    ck_assert_int_eq(write_tone(files_path("a.opus"), 22050, &r), CLVITS_E_UNSUPPORTED);
    ck_assert_msg(strstr(r.text, ".flac"), "%s", r.text);
    ck_assert_int_eq(files_count(), 0);
}
END_TEST

START_TEST(refuses_places_that_cannot_be_written)
{
    clvits_report r = { 0 };

    ck_assert_int_eq(write_tone(files_path("missing/a.wav"), 16000, &r), CLVITS_E_FILE);
    ck_assert_msg(strstr(r.text, "missing/a.wav"), "%s", r.text);

    clvits_report_clear(&r);
    ck_assert_int_eq(mkdir(files_path("folder.wav"), 0777), 0);
    ck_assert_int_eq(write_tone(files_path("folder.wav"), 16000, &r), CLVITS_E_FILE);
    ck_assert_msg(strstr(r.text, "not a regular file"), "%s", r.text);

    clvits_report_clear(&r);
    ck_assert_int_eq(mkdir(files_path("closed"), 0555), 0);
    if (access(files_path("closed"), W_OK)) /* root may write everywhere */
        ck_assert_int_eq(write_tone(files_path("closed/a.wav"), 16000, &r), CLVITS_E_FILE);
    ck_assert_int_eq(files_count(), 2);
}
END_TEST

/* A limit on file sizes stands in for a disk that runs full. */
START_TEST(leaves_nothing_on_a_full_disk)
{
    static const char *const names[] = { "a.wav", "a.flac", "a.ogg" };
    const struct rlimit limit = { 3000, 3000 };
    clvits_report r = { 0 };

    signal(SIGXFSZ, SIG_IGN);
    files_text("a.wav", "an older file");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(write_tone(files_path(names[_i]), 16000, &r), CLVITS_E_FILE);
    ck_assert_msg(strstr(r.text, "cannot be written"), "%s", r.text);
    ck_assert_int_eq(files_count(), 1);

    size_t size;
    char *older = files_read(files_path("a.wav"), &size);
    ck_assert_str_eq(older, "an older file");
    free(older);
}
END_TEST

START_TEST(follows_links)
{
    struct stat st;
    clvits_report r = { 0 };

    files_text("real.wav", "old");
    ck_assert_int_eq(chmod(files_path("real.wav"), 0640), 0);
    ck_assert_int_eq(symlink("real.wav", files_path("link.wav")), 0);
    ck_assert_msg(!write_tone(files_path("link.wav"), 16000, &r), "%s", r.text);
    ck_assert_int_eq(files_count(), 2);
    ck_assert(!lstat(files_path("link.wav"), &st) && S_ISLNK(st.st_mode));
    ck_assert(!stat(files_path("real.wav"), &st) && st.st_size == 44 + 2 * COUNT);
    ck_assert_int_eq(st.st_mode & 0777, 0640);
}
END_TEST

START_TEST(discards)
{
    clvits_audio_file *file;
    clvits_report r = { 0 };

    ck_assert(!clvits_audio_file_create(&file, files_path("a.flac"), 16000, &r));
    ck_assert(!clvits_audio_file_write(file, tone, COUNT, &r));
    clvits_audio_file_discard(&file);
    ck_assert_ptr_null(file);
    clvits_audio_file_discard(&file);
    ck_assert_int_eq(files_count(), 0);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("audio");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, make_tone, files_close);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, writes_and_reads_back, 0, 3);
    tcase_add_loop_test(t, writes_or_refuses_lossy_formats, 0, 2);
    tcase_add_test(t, clips);
    tcase_add_loop_test(t, refuses_unknown_extensions, 0, 5);
    tcase_add_test(t, tells_the_rates_of_opus);
    tcase_add_test(t, refuses_places_that_cannot_be_written);
    tcase_add_loop_test(t, leaves_nothing_on_a_full_disk, 0, 3);
    tcase_add_test(t, follows_links);
    tcase_add_test(t, discards);
    tcase_add_test(t, takes_another_name);
    suite_add_tcase(s, t);
    return s;
}
