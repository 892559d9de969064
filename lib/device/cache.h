// SPDX-License-Identifier: MIT
#ifndef CLVITS_DEVICE_CACHE_H
#define CLVITS_DEVICE_CACHE_H

#include "device/device_impl.h"

/**
 * A built program from the disk cache, or NULL: no cache, no such entry, or an entry that is
 * truncated, corrupt or another device's; such a file is ignored and later overwritten. One that
 * ended the programs that loaded it is removed, and not stored again.
 */
cl_program clvits_cache_load(clvits_device *d, const char *source, const char *options,
                             const clvits_report *r);

/** The binary in a file with these keys; NULL where it is damaged or another's. Freed by the
 *  caller. */
unsigned char *clvits_cache_read(const char *path, uint64_t key, uint64_t key2, size_t *size);

/** Keep a program's binary, unless it is one that may not be loaded; written beside and renamed. */
void clvits_cache_store(clvits_device *d, const char *source, const char *options,
                        cl_program program, const clvits_report *r);

/** What tells devices apart, with their drivers, and builds of this library. */
uint64_t clvits_cache_key(const clvits_device *d);

#endif
