// SPDX-License-Identifier: MIT
#ifndef CLVITS_BENCH_PAGE_H
#define CLVITS_BENCH_PAGE_H

#include <stddef.h>

/** bench/report as a zip archive, which Python runs as it is. */
extern const unsigned char bench_page_archive[];
extern const size_t bench_page_archive_size;

#endif
