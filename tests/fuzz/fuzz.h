// SPDX-License-Identifier: MIT
//
// What the fuzzers share. Each is one file with clvits_fuzz(), linked with libFuzzer (option fuzz,
// which wants clang) or with replay.c, which runs the corpus and simple changes of it.
#ifndef CLVITS_TESTS_FUZZ_H
#define CLVITS_TESTS_FUZZ_H

#include "base/status.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** The input as a file; its path is valid until the next call with the same number, 0 to 3. */
const char *fuzz_file(int number, const void *data, size_t size);

/** The next part of an input, up to a byte that is 0xff or its end; a copy with a NUL behind. */
char *fuzz_part(const uint8_t **data, size_t *size, size_t *n);

/** Aborts on a status that no input may give: no small file asks for much memory. */
void fuzz_status(clvits_status s, const clvits_report *r);

/** Aborts where this does not hold. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

#endif
