// SPDX-License-Identifier: MIT
//
// Every allocation of the code under test counts, and may fail: for tests linked with
// -Wl,--wrap= of malloc, calloc, realloc, aligned_alloc, free, mmap64 and munmap.
#ifndef CLVITS_TESTS_ALLOCATIONS_H
#define CLVITS_TESTS_ALLOCATIONS_H

#include <stddef.h>

/** Count from here on; the allocation of that number fails, counted from 1; 0: none does. */
void allocations_begin(long failing);

/** Stop counting. How many there were. */
long allocations_end(void);

/** Bytes that were taken at a time at most, and that are still taken. */
size_t allocations_peak(void);
size_t allocations_left(void);

#endif
