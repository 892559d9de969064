// SPDX-License-Identifier: MIT
//
// What the code under test logs, which is warnings.
#ifndef CLVITS_TESTS_LOGGED_H
#define CLVITS_TESTS_LOGGED_H

#include <clvits/status.h>

/** The last text, and how many there were. */
extern char logged[2048];
extern int n_logged;

/** A clvits_log_fn for both; fails the test on anything but a warning. */
void keep_log(void *user, clvits_log_level level, const char *text);

#endif
