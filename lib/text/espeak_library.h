// SPDX-License-Identifier: MIT
#ifndef CLVITS_TEXT_ESPEAK_LIBRARY_H
#define CLVITS_TEXT_ESPEAK_LIBRARY_H

#include "base/arena.h"
#include "base/status.h"

#include <stddef.h>

/**
 * The IPA that espeak-ng speaks for a clause: words parted by single spaces, without the marks
 * of language switches. Safe from any thread; the library is loaded at the first call.
 *
 * @return CLVITS_OK, _E_UNSUPPORTED (no library, no data, no such voice) or _E_MEMORY
 */
clvits_status clvits_espeak_ipa(char **out, clvits_arena *arena, const char *voice,
                                const char *text, size_t n, clvits_report *r);

#endif
