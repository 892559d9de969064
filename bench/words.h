// SPDX-License-Identifier: MIT
//
// Options whose values are words: what clvits-bench and clvits-tune say about others.
#ifndef CLVITS_BENCH_WORDS_H
#define CLVITS_BENCH_WORDS_H

#include "../tools/clvits/options.h"

/** Whether the text is one of the words that an option takes, which NULL ends; CODE_OK, or
 *  CODE_USAGE with what they are said. NULL is no text, and right. */
int words_check(const char *name, const char *text, const char *const *known);

/** The same for every word of a list with commas. */
int words_check_list(const char *name, const char *list, const char *const *known);

/** Of "gpu" and "cpu", a clvits_family + 1; 0 for NULL. Returns a code. */
int words_family(int *family, const char *text);

#endif
