// SPDX-License-Identifier: MIT
//
// Files that are whole or not there. What fails leaves its reason in errno.
#ifndef CLVITS_BASE_FILE_H
#define CLVITS_BASE_FILE_H

#include "base/status.h"

#include <stdatomic.h>
#include <stdio.h>

enum { CLVITS_MAX_PATH = 4096 };

/** Make a folder, and every missing one above it. */
bool clvits_make_folder(const char *path);

/**
 * Warn that something cannot be kept in the cache folder, errno says why; the first time only.
 *
 * @param told  whether it was, shared by all who write there; NULL: nobody is to be told
 * @param what  cannot be written, such as "the cache folder /tmp/a"
 * @param anew  what every program then does, such as "builds its kernels"
 */
void clvits_cache_tell(atomic_bool *told, const char *what, const char *anew,
                       const clvits_report *r);

/** A file that takes its name once it is complete. */
typedef struct clvits_new_file {
    FILE *f; /* to write to */
    char path[CLVITS_MAX_PATH], part[CLVITS_MAX_PATH];
} clvits_new_file;

/**
 * Begin a file beside its place. What killed programs left there of it is removed.
 *
 * @param locked  nobody else writes this file now
 */
bool clvits_new_file_open(clvits_new_file *n, const char *path, bool locked);

/** Give it its name if that is good, and remove it otherwise, or when this fails. */
bool clvits_new_file_close(clvits_new_file *n, bool good);

/** A folder of files that takes its name once it is complete. */
typedef struct clvits_new_folder {
    int lock;
    char path[CLVITS_MAX_PATH], part[CLVITS_MAX_PATH]; /* part: where its files go */
} clvits_new_folder;

/** Begin a folder beside its place. What killed programs left there of it is removed. */
bool clvits_new_folder_open(clvits_new_folder *n, const char *path);

/**
 * Give it its name if that is good, and remove it otherwise, or when this fails.
 *
 * @param replace  a folder of that name goes with its files, of which the caller knows
 */
bool clvits_new_folder_close(clvits_new_folder *n, bool good, bool replace);

#endif
