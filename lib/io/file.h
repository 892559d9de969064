// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_FILE_H
#define CLVITS_IO_FILE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

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

/** Zeroed memory for so many bytes of a file, from a page's start, or NULL; release it likewise. */
void *clvits_file_memory(size_t size);

/** The first bytes of a regular file, as many as there are, up to size. */
clvits_status clvits_file_head(void *bytes, size_t size, size_t *got, const char *path,
                               clvits_report *r);

/** A regular file that is held open, of which parts are read. */
typedef struct clvits_file {
    const char *path; /* the caller's */
    uint64_t size;
    int64_t changed[2]; /* when it was changed last before it was opened: seconds, nanoseconds */
    int fd;
} clvits_file;

/** @return CLVITS_OK or _E_FILE; nothing is open then */
clvits_status clvits_file_open(clvits_file *out, const char *path, clvits_report *r);

/**
 * Read bytes from an offset on.
 *
 * @return CLVITS_OK or _E_FILE (unreadable, or it ends before: it was cut meanwhile)
 */
clvits_status clvits_file_part(void *to, size_t size, uint64_t offset, const clvits_file *f,
                               clvits_report *r);

/** @return CLVITS_OK, or _E_FILE when the file was changed since it was opened */
clvits_status clvits_file_unchanged(const clvits_file *f, clvits_report *r);

/** Close what clvits_file_open() opened. */
void clvits_file_close(clvits_file *f);

/** What tells a file from all others, whatever it is called. */
typedef struct clvits_file_id {
    uint64_t device, inode;
} clvits_file_id;

/** Whether there is something of that name (links followed), and then which. */
int clvits_file_identify(clvits_file_id *out, const char *path);

int clvits_file_same(clvits_file_id a, clvits_file_id b);

/** Whether there is a regular file (links followed) of that name. */
int clvits_file_exists(const char *path);

/** Whether there is a folder (links followed) of that name. */
int clvits_file_is_folder(const char *path);

#endif
