// SPDX-License-Identifier: MIT
#ifndef CLVITS_DEVICE_SOURCE_H
#define CLVITS_DEVICE_SOURCE_H

#include <stddef.h>

/** A file of cl/ as embedded by tools/embed.py; text ends with a NUL that size does not count. */
typedef struct clvits_source {
    const char *name, *text;
    size_t size;
} clvits_source;

extern const clvits_source clvits_sources[]; /* ends with a NULL name */
extern const char clvits_sources_hash[];     /* hexadecimal SHA-256 over names and texts */
extern const char clvits_build[];            /* likewise over the library's own code */

#endif
