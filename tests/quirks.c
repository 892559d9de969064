// SPDX-License-Identifier: MIT
//
// The table of devices' quirks: rows are found by vendor, name and driver, nonsense is left out.
#include "device/quirks.h"
#include "device/source.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define REPORT " | https://example.org/1"

Suite *suite(void);

static const clvits_device_info adreno = { .name = "QUALCOMM Adreno(TM) 740",
                                           .vendor = "QUALCOMM",
                                           .platform = "QUALCOMM Snapdragon(TM)",
                                           .version = "OpenCL 3.0 Adreno(TM) 740",
                                           .driver = "OpenCL 3.0 Compiler E031.41.03.36" };

static const struct {
    const char *row;
    int wrong, flush, group, without, family;
} rows[] = {
    { "qualcomm | adreno | * | flush 7" REPORT, 0, 7, 0, 0 },
    { "# qualcomm | adreno | * | flush 7" REPORT "\n\n  \n", 0, 0, 0, 0 },
    { "ARM | adreno | * | flush 7" REPORT, 0, 0, 0, 0 },
    { "* | Mali | * | flush 7" REPORT, 0, 0, 0, 0 },
    { "* | * | E031.<45 | group 64" REPORT, 0, 0, 64, 0 },
    { "* | * | E031.<41 | group 64" REPORT, 0, 0, 0, 0 },
    { "* | * | E031.<41.4 | group 64" REPORT, 0, 0, 64, 0 },
    { "* | * | E031. < 41.03.37 | group 64" REPORT, 0, 0, 64, 0 },
    { "* | * | E031.<41.3.36 | group 64" REPORT, 0, 0, 0, 0 },
    { "* | * | E032.<99 | group 64" REPORT, 0, 0, 0, 0 },
    { "* | * | 41<=E031.<42 | group 64" REPORT, 0, 0, 64, 0 },
    { "* | * | 41.3.37 <= E031. | group 64" REPORT, 0, 0, 0, 0 },
    { "* | * | 41.3.36<=E031.|group 64" REPORT, 0, 0, 64, 0 },
    { "* | * | <99 | group 64" REPORT, 0, 0, 0, 0 }, /* the driver has no number first */
    { "* | Adreno(TM) 740 | * | group 64" REPORT, 0, 0, 64, 0 },
    { "*|*|*|without conv1d_toom" REPORT, 0, 0, 0, 1 },
    { "*|*|*|family gpu" REPORT, 0, 0, 0, 0, 1 + CLVITS_FAMILY_GPU },
    { "*|*|*|family cpu" REPORT, 0, 0, 0, 0, 1 + CLVITS_FAMILY_CPU },
    { "ARM|*|*|family cpu" REPORT, 0, 0, 0, 0 },
    { "*|*|*|family" REPORT, 1, 0, 0, 0 },
    { "*|*|*|family dsp" REPORT, 1, 0, 0, 0 },
    { "*|*|*|flush 9" REPORT "\n*|*|*|flush 3" REPORT "\n*|*|*|flush 5" REPORT, 0, 3, 0, 0 },
    { "flush 7", 1, 0, 0, 0 },
    { "*|*|flush 7" REPORT, 1, 0, 0, 0 },
    { "*|*|*|*|flush 7" REPORT, 1, 0, 0, 0 },
    { "||*|flush 7" REPORT, 1, 0, 0, 0 },
    { "*|*|*|flush 7|hearsay", 1, 0, 0, 0 },
    { "*|*|*|flush 0" REPORT, 1, 0, 0, 0 },
    { "*|*|*|flush -1" REPORT, 1, 0, 0, 0 },
    { "*|*|*|flush 99999999999999999999" REPORT, 1, 0, 0, 0 },
    { "*|*|*|flush 7 8" REPORT, 1, 0, 0, 0 },
    { "*|*|*|without" REPORT, 1, 0, 0, 0 },
    { "*|*|*|without a kernel" REPORT, 1, 0, 0, 0 },
    { "*|*|*|without conv1d_toom_conv1d_toom_conv1d_toom" REPORT, 1, 0, 0, 0 },
    { "*|*|E031.45|flush 7" REPORT, 1, 0, 0, 0 },
    { "*|*|E031.|flush 7" REPORT, 1, 0, 0, 0 },
    { "*|*|<|flush 7" REPORT, 1, 0, 0, 0 },
    { "*|*|<=|flush 7" REPORT, 1, 0, 0, 0 },
    { "*|*|old<=E031.|flush 7" REPORT, 1, 0, 0, 0 },
    { "*|*|45>E031.|flush 7" REPORT, 1, 0, 0, 0 },
    { "*|*|E031.<new|flush 7" REPORT, 1, 0, 0, 0 },
    { "|\n||||\n|||||\n<\n\t\n\r\n\x01\xff", 5, 0, 0, 0 },
};

START_TEST(rows_are_read)
{
    clvits_quirks q;

    ck_assert_int_eq(clvits_quirks_read(&q, rows[_i].row, &adreno), rows[_i].wrong);
    ck_assert_int_eq(q.flush, rows[_i].flush);
    ck_assert_int_eq(q.group, rows[_i].group);
    ck_assert_int_eq(q.n_without, rows[_i].without);
    ck_assert_int_eq(q.family, rows[_i].family);
    ck_assert_int_eq(clvits_quirks_without(&q, "conv1d_toom"), rows[_i].without);
    ck_assert(!clvits_quirks_without(&q, "conv1d"));
    ck_assert_int_eq(*q.text != '\0', q.flush || q.group || q.n_without || q.family);
}
END_TEST

/* Many drivers' versions are numbers alone. */
static const struct {
    const char *driver, *range;
    bool fits;
} numbers[] = {
    { "580.95", "<580.95", false },
    { "580.82.09", "<580.95", true },
    { "580.95", "580.95<=", true },
    { "23.43.27642.40", "23<=<24", true },
    { "24.1", "23 <= < 24", false },
    { "22.3.6", "22.3.6<=<22.3.7", true },
    { "3.1", "3.1<=", true },
    { "3.1", "3.10<=", false },
    { "v1.r38p1", "<99", false },
    { "3.0 v1.r38p1-01eac0", "v1.r<38", false },
    { "3.0 v1.r38p1-01eac0", "32<=v1.r<39", true },
    { "driver r38p1", "32<=r<39", true }, /* two have no number */
    { "driver r38p1", "r<38", false },
    { "driver r", "1<=r", false },
};

START_TEST(drivers_are_ranged_by_their_numbers)
{
    clvits_device_info d = { .name = "a GPU", .vendor = "a vendor", .version = "OpenCL 3.0" };
    clvits_quirks q;
    char row[128];

    snprintf(d.driver, sizeof(d.driver), "%s", numbers[_i].driver);
    snprintf(row, sizeof(row), "*|*|%s|flush 7" REPORT, numbers[_i].range);
    ck_assert_int_eq(clvits_quirks_read(&q, row, &d), 0);
    ck_assert_int_eq(q.flush, numbers[_i].fits ? 7 : 0);
}
END_TEST

/* Older Adrenos have their number in the version alone. */
START_TEST(families_are_found_in_the_version)
{
    const clvits_device_info d = { .name = "QUALCOMM Adreno(TM)",
                                   .version = "OpenCL 2.0 Adreno(TM) 540" };
    clvits_quirks q;

    ck_assert_int_eq(clvits_quirks_read(&q, "*|adreno(tm) 5|*|flush 7" REPORT, &d), 0);
    ck_assert_int_eq(q.flush, 7);
}
END_TEST

START_TEST(long_lines_and_many_rows_fit)
{
    clvits_quirks q;
    char table[8192] = "";

    memset(table, 'x', 600);
    for (int i = 0; i < 40; i++)
        snprintf(table + strlen(table), sizeof(table) - strlen(table),
                 "\n*|*|*|without kernel_%d" REPORT, i);
    /* What does not fit is told of as nonsense is, and not said to be heeded. */
    ck_assert_int_eq(clvits_quirks_read(&q, table, &adreno), 1 + 40 - CLVITS_MAX_WITHOUT);
    ck_assert_int_eq(q.n_without, CLVITS_MAX_WITHOUT);
    ck_assert_uint_lt(strlen(q.text), sizeof(q.text));
    snprintf(table, sizeof(table), "without kernel_%d ", CLVITS_MAX_WITHOUT);
    ck_assert_ptr_null(strstr(q.text, table));
    ck_assert(!clvits_quirks_without(&q, "kernel_39"));
}
END_TEST

/* Every row of the library's own makes sense, and is for whom it should be. */
START_TEST(the_library_has_a_table)
{
    const clvits_device_info mali = { .name = "Mali-G78", .vendor = "ARM" };
    const clvits_device_info powervr = { .name = "PowerVR B-Series BXM-8-256",
                                         .vendor = "Imagination Technologies" };
    const clvits_device_info llvmpipe = { .name = "llvmpipe (LLVM 15.0.6, 256 bits)",
                                          .vendor = "Mesa/X.org", .platform = "rusticl" };
    clvits_quirks q;
    int found = 0;

    for (const clvits_source *f = clvits_sources; f->name; f++)
        if (!strcmp(f->name, "devices.quirks")) {
            found++;
            ck_assert_int_eq(clvits_quirks_read(&q, f->text, &adreno), 0);
            ck_assert_int_eq(q.flush + q.family, 0);
            ck_assert_int_eq(clvits_quirks_read(&q, f->text, &llvmpipe), 0);
            ck_assert_int_eq(q.family, 1 + CLVITS_FAMILY_GPU);
            ck_assert_int_eq(clvits_quirks_read(&q, f->text, &mali), 0);
            ck_assert_int_eq(q.flush, 24);
            ck_assert_int_eq(clvits_quirks_read(&q, f->text, &powervr), 0);
            ck_assert_int_eq(q.flush, 16);
        }
    ck_assert_int_eq(found, 1);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("quirks");
    TCase *t = tcase_create("quirks");

    tcase_add_loop_test(t, rows_are_read, 0, (int)(sizeof(rows) / sizeof(*rows)));
    tcase_add_loop_test(t, drivers_are_ranged_by_their_numbers, 0,
                        (int)(sizeof(numbers) / sizeof(*numbers)));
    tcase_add_test(t, families_are_found_in_the_version);
    tcase_add_test(t, long_lines_and_many_rows_fit);
    tcase_add_test(t, the_library_has_a_table);
    suite_add_tcase(s, t);
    return s;
}
