// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_PAGES_H
#define CLVITS_BASE_PAGES_H

#include <stddef.h>

/**
 * Memory for tensors, aligned to 64 bytes; freed by free(). Of much of it the system is asked for
 * large pages, which it may or may not give.
 *
 * @param size  a multiple of 64
 * @return NULL when there is none
 */
void *clvits_pages_alloc(size_t size);

#endif
