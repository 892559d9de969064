// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_FILE_H
#define CLVITS_IO_FILE_H

#include "base/status.h"

#include <stddef.h>

/**
 * Read a whole regular file. It is not mapped: whoever shortened it, then or later, would end the
 * program with a signal.
 *
 * @param[out] bytes  from a page's start, NULL for an empty file and on failure; release with
 *                    clvits_file_free()
 * @param[out] size   how many
 * @param      most   what is larger is not read
 * @return CLVITS_OK, _E_FILE (also when the file is changed meanwhile), _E_FORMAT (larger than
 *         most) or _E_MEMORY
 */
clvits_status clvits_file_read(void **bytes, size_t *size, size_t most, const char *path,
                               clvits_report *r);
void clvits_file_free(void *bytes, size_t size);

/** The first bytes of a regular file, as many as there are, up to size. */
clvits_status clvits_file_head(void *bytes, size_t size, size_t *got, const char *path,
                               clvits_report *r);

/** Whether there is a regular file (links followed) of that name. */
int clvits_file_exists(const char *path);

/** Whether there is a folder (links followed) of that name. */
int clvits_file_is_folder(const char *path);

#endif
