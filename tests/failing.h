// SPDX-License-Identifier: MIT
//
// Allocations that fail: in a program with failing.c, malloc() and what belongs to it stand before
// the C library's, for all that it loads.
#ifndef CLVITS_TESTS_FAILING_H
#define CLVITS_TESTS_FAILING_H

#include <stdbool.h>

/**
 * Count allocations from here on, and what is left of them.
 *
 * @param from, to      those that fail, counted from 1; 0: none does
 * @param this_program  only those of its own code, with which the library is linked
 */
void failing_begin(long from, long to, bool this_program);

/** Go on counting, and let none fail any more. */
void failing_spare(void);
void failing_end(void);

/** How many were counted last; how many blocks of all that were are left. */
long failing_count(void);
long failing_left(void);

#endif
