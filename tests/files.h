// SPDX-License-Identifier: MIT
#ifndef CLVITS_TESTS_FILES_H
#define CLVITS_TESTS_FILES_H

#include "io/arrays.h"

#include <stddef.h>

/** Fixture: a folder of its own for a test; what the test left in it goes with it. */
void files_open(void);
void files_close(void);

/** The path of a name in that folder; valid until the eighth call after this one. */
const char *files_path(const char *name);

/** Write a file in that folder (an intermediate folder is made) and return its path. */
const char *files_write(const char *name, const void *bytes, size_t size);

/** As above for text with a terminator. */
const char *files_text(const char *name, const char *text);

/** Write arrays as a .safetensors file in that folder and return its path. */
const char *files_safetensors(const char *name, const clvits_array *items, size_t count);

/** The bytes of any file, with a terminator after them. Free with free(). */
char *files_read(const char *path, size_t *size);

/** Copy any file to that name in the folder, and return its path. */
const char *files_copy(const char *name, const char *from);

/** The same with the first place of one text taken by another; fails where there is none. */
const char *files_edited(const char *name, const char *from, const char *old, const char *new);

/** The path of the file in a folder of that folder whose name begins so; how many there are. */
int files_find(char *path, size_t size, const char *sub, const char *start);

/** How many files and folders the test's folder has at its top. */
int files_count(void);

/** Fail unless both have the same arrays, in any order, to the bit. */
void files_same_arrays(const clvits_arrays *a, const clvits_arrays *b);

#endif
