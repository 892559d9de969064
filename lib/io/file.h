// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_FILE_H
#define CLVITS_IO_FILE_H

#include "base/status.h"

#include <stddef.h>

/**
 * Map a whole regular file for reading.
 *
 * @param[out] map   NULL for an empty file and on failure; release with munmap()
 * @param[out] size  bytes
 * @return CLVITS_OK or _E_FILE
 */
clvits_status clvits_file_map(void **map, size_t *size, const char *path, clvits_report *r);

/** Whether there is a regular file (links followed) of that name. */
int clvits_file_exists(const char *path);

/** Whether there is a folder (links followed) of that name. */
int clvits_file_is_folder(const char *path);

#endif
