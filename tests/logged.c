// SPDX-License-Identifier: MIT
#include "logged.h"

#include <check.h>
#include <stdio.h>

char logged[2048];
int n_logged;

void keep_log(void *user, clvits_log_level level, const char *text)
{
    (void)user;
    ck_assert_int_eq(level, CLVITS_LOG_WARNING);
    n_logged++;
    snprintf(logged, sizeof(logged), "%s", text);
}
