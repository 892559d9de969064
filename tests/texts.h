// SPDX-License-Identifier: MIT
#ifndef CLVITS_TESTS_TEXTS_H
#define CLVITS_TESTS_TEXTS_H

#include "text/text.h"

/** Read a whole text and write the ids as "1 2 3 | 4 5", sentences parted by bars. */
clvits_status texts_ids(char *out, size_t size, const clvits_text_settings *s, const char *text,
                        clvits_report *r);

#endif
