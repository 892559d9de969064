// SPDX-License-Identifier: MIT
#include "base/arena.h"
#include "base/mark.h"
#include "base/status.h"
#include "logged.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *suite(void);

START_TEST(arena_gives_zeroed_aligned_memory)
{
    static const size_t sizes[] = { 1, 63, 64, 65, 4096, 1 << 20 };
    clvits_arena a = { 0 };

    for (int i = 0; i < LENGTH(sizes); i++) {
        unsigned char *p = clvits_arena_alloc(&a, sizes[i]);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        size_t dirty = 0;
        for (size_t k = 0; k < sizes[i]; k++)
            dirty += p[k] != 0;
        ck_assert_uint_eq(dirty, 0);
        memset(p, 0xff, sizes[i]); /* a block given out twice would not be zero next time */
    }
    ck_assert_uint_ge(a.total, (1 << 20) + 4096);
    clvits_arena_free(&a);

    ck_assert_ptr_nonnull(clvits_arena_alloc(&a, 1));
    clvits_arena_free(&a);
}
END_TEST

START_TEST(arena_refuses_sizes_that_overflow)
{
    clvits_arena a = { 0 };

    ck_assert_ptr_null(clvits_arena_alloc(&a, SIZE_MAX));
    ck_assert_ptr_null(clvits_arena_alloc(&a, SIZE_MAX - 64));
    ck_assert_ptr_null(clvits_arena_array(&a, SIZE_MAX / 2, 3));
    ck_assert_ptr_nonnull(clvits_arena_array(&a, 5, 3));
    clvits_arena_free(&a);
}
END_TEST

START_TEST(arena_copies_part_of_a_text)
{
    clvits_arena a = { 0 };

    ck_assert_str_eq(clvits_arena_text(&a, "phoneme", 5), "phone");
    ck_assert_str_eq(clvits_arena_text(&a, "", 0), "");
    clvits_arena_free(&a);
}
END_TEST

START_TEST(first_failure_wins)
{
    clvits_report r = { 0 };

    ck_assert_int_eq(clvits_fail(&r, CLVITS_E_FILE, "cannot read '%s'", "a"), CLVITS_E_FILE);
    clvits_fail(&r, CLVITS_E_FORMAT, "a consequence");
    ck_assert_int_eq(r.status, CLVITS_E_FILE);
    ck_assert_str_eq(r.text, "cannot read 'a'");

    clvits_report_clear(&r);
    ck_assert_int_eq(r.status, CLVITS_OK);
    ck_assert_int_eq(clvits_fail_memory(&r, "the symbol table"), CLVITS_E_MEMORY);
    ck_assert_ptr_nonnull(strstr(r.text, "the symbol table"));
}
END_TEST

START_TEST(long_message_is_cut_not_overrun)
{
    clvits_report r = { 0 };
    char name[2 * sizeof(r.text)];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    clvits_fail(&r, CLVITS_E_FILE, "cannot read '%s'", name);
    ck_assert_uint_eq(strlen(r.text), sizeof(r.text) - 1);
}
END_TEST

/* A name that clears the screen, in 7 and 8 bits, and half a character. */
START_TEST(messages_do_not_control_terminals)
{
    static const char name[] = "\x1b[2J\x7f \xc2\x9b\xff \xc9\x99\n\xe2\x82",
                      clean[] = "?[2J? ??? \xc9\x99\n??";
    clvits_report r = { .log = keep_log };

    clvits_fail(&r, CLVITS_E_FORMAT, "%s", name);
    ck_assert_str_eq(r.text, clean);
    clvits_warn(&r, "%s", name);
    ck_assert_str_eq(logged, clean);
}
END_TEST

START_TEST(every_status_has_its_own_text)
{
    for (int i = CLVITS_OK; i <= CLVITS_E_CANCELLED; i++)
        for (int k = CLVITS_OK; k < i; k++)
            ck_assert_str_ne(clvits_status_text((clvits_status)i),
                             clvits_status_text((clvits_status)k));
    ck_assert_ptr_nonnull(clvits_status_text((clvits_status)999));
}
END_TEST

/* What is noted is cut, once, and what is not, or not any more, stays as it is. */
START_TEST(marks_are_taken_back)
{
    enum { FILES = CLVITS_MARKS + 1 };
    clvits_marks m = { 0 };
    FILE *f[FILES];

    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < FILES; i++) {
            struct stat st;
            f[i] = tmpfile();
            ck_assert_ptr_nonnull(f[i]);
            ck_assert_int_eq(write(fileno(f[i]), "..", 2), 2);
            clvits_marks_add(&m, fileno(f[i]), i % 2);
            ck_assert(!fstat(fileno(f[i]), &st) && st.st_size == 2);
        }
        clvits_marks_remove(&m, fileno(f[3]));
        clvits_marks_take_back(&m);
        for (int i = 0; i < FILES; i++) {
            const int left = i == 3 || i == CLVITS_MARKS ? 2 : i % 2;
            struct stat st;
            ck_assert(!fstat(fileno(f[i]), &st) && st.st_size == left);
            clvits_marks_remove(&m, fileno(f[i]));
            fclose(f[i]);
        }
    }
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("arena");
    tcase_add_test(t, arena_gives_zeroed_aligned_memory);
    tcase_add_test(t, arena_refuses_sizes_that_overflow);
    tcase_add_test(t, arena_copies_part_of_a_text);
    suite_add_tcase(s, t);

    t = tcase_create("status");
    tcase_add_test(t, first_failure_wins);
    tcase_add_test(t, long_message_is_cut_not_overrun);
    tcase_add_test(t, messages_do_not_control_terminals);
    tcase_add_test(t, every_status_has_its_own_text);
    tcase_add_test(t, marks_are_taken_back);
    suite_add_tcase(s, t);
    return s;
}
