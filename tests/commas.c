// SPDX-License-Identifier: MIT
#include "commas.h"
#include "files.h"

#include <check.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* LC_NUMERIC as glibc compiles it: where the decimal point is, the mark between thousands, their
 * grouping, both marks as wide characters, and the name of the encoding. */
static void write_locale(void)
{
    const uint32_t head[] = { 0x20031114, 6, 32, 34, 35, 36, 40, 44 }, comma = ',';
    char bytes[50] = { 0 };

    memcpy(bytes, head, sizeof(head));
    bytes[32] = ',';
    memcpy(bytes + 36, &comma, sizeof(comma));
    memcpy(bytes + 44, "UTF-8", 6);
    files_write("commas/LC_NUMERIC", bytes, sizeof(bytes));
}

void commas_begin(void)
{
    static const char *const names[] = { "commas", "de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8" };
    char text[8];

    write_locale();
    setenv("LOCPATH", files_path("."), 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (i == 1)
            unsetenv("LOCPATH");
        if (setlocale(LC_NUMERIC, names[i]))
            break;
    }
    snprintf(text, sizeof(text), "%.1f", 1.5);
    if (strcmp(text, "1,5"))
        puts("skipped: no locale with commas");
}

void commas_end(void)
{
    setlocale(LC_NUMERIC, "C");
    unsetenv("LOCPATH");
    ck_assert_int_eq(unlink(files_path("commas/LC_NUMERIC")), 0);
    ck_assert_int_eq(rmdir(files_path("commas")), 0);
}
