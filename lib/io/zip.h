// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_ZIP_H
#define CLVITS_IO_ZIP_H

#include "base/arena.h"
#include "io/file.h"

#include <stdbool.h>

/** One file in an archive. */
typedef struct clvits_zip_entry {
    const char *name; /* no terminator, any bytes */
    uint32_t name_size;
    bool plain;      /* neither compressed nor encrypted */
    uint64_t header; /* where its own header begins */
    uint64_t limit;  /* where it has ended at the latest */
    uint64_t size;
} clvits_zip_entry;

/** The files of an archive; they do not overlap, and no name is there twice. */
typedef struct clvits_zip {
    clvits_zip_entry *entries; /* by name */
    size_t count;
} clvits_zip;

/**
 * Read the list of files of a zip archive, also with 64-bit sizes. Checksums are not looked at.
 *
 * @param arena  keeps the list
 * @return CLVITS_OK, _E_FILE, _E_FORMAT (damaged), _E_UNSUPPORTED (in several parts) or _E_MEMORY
 */
clvits_status clvits_zip_open(clvits_zip *out, clvits_arena *arena, const clvits_file *f,
                              clvits_report *r);

/** The file of that name, or NULL. */
const clvits_zip_entry *clvits_zip_find(const clvits_zip *z, const char *name);

/**
 * Where the bytes of a file in the archive begin.
 *
 * @return CLVITS_OK, _E_FILE, _E_FORMAT (damaged) or _E_UNSUPPORTED (compressed or encrypted)
 */
clvits_status clvits_zip_data(uint64_t *at, const clvits_zip_entry *e, const clvits_file *f,
                              clvits_report *r);

#endif
