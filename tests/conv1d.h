// SPDX-License-Identifier: MIT
#ifndef CLVITS_TESTS_CONV1D_H
#define CLVITS_TESTS_CONV1D_H

#include <check.h>

/** Add the tests of conv1d_properties.c, which need no formula. */
void conv1d_add_properties(TCase *t);

#endif
