// SPDX-License-Identifier: MIT
#ifndef CLVITS_BASE_UTF8_H
#define CLVITS_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/**
 * Read one code point.
 *
 * @param n  bytes left, at least 1
 * @return its length in bytes; 0 where this is not well-formed UTF-8
 */
int clvits_utf8_read(uint32_t *out, const char *text, size_t n);

/** Write one code point without a terminator; returns its length, at most 4. */
int clvits_utf8_write(char *out, uint32_t c);

/** Offset of the first byte that is not well-formed UTF-8 or is NUL; n when there is none. */
size_t clvits_utf8_check(const char *text, size_t n);

#endif
