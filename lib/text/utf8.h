// SPDX-License-Identifier: MIT
#ifndef CLVITS_TEXT_UTF8_H
#define CLVITS_TEXT_UTF8_H

#include "base/utf8.h"

/** What a code point does to the division of text. */
typedef enum clvits_char_class {
    CLVITS_CHAR_LETTER, /* anything that is none of the following */
    CLVITS_CHAR_SPACE,
    CLVITS_CHAR_NEWLINE,
    CLVITS_CHAR_STOP,        /* . ! ? and others that end a sentence where a space follows */
    CLVITS_CHAR_WIDE_STOP,   /* ends a sentence whatever follows */
    CLVITS_CHAR_CLAUSE,      /* , ; : ends a clause where a space follows */
    CLVITS_CHAR_WIDE_CLAUSE, /* ends a clause whatever follows */
    CLVITS_CHAR_OPEN,        /* brackets and quotes that lean right */
    CLVITS_CHAR_CLOSE,       /* brackets and quotes, those that lean neither way included */
    CLVITS_CHAR_DASH,        /* ends a clause where spaces stand on both sides */
} clvits_char_class;

/** For tables of texts: FNV-1a, its halves folded. */
size_t clvits_text_hash(const char *text, size_t n);

clvits_char_class clvits_char_classify(uint32_t c);

/** The mark of . ! ? , ; : that stands for a stop, clause mark or dash of any script; else 0. */
char clvits_char_mark(uint32_t c);

/**
 * Lower case, one code point for one, whatever the locale.
 *
 * Covers Latin (with the African and Vietnamese letters), Greek without the polytonic letters,
 * Cyrillic, Armenian, Georgian and the full-width Latin letters.
 */
uint32_t clvits_char_lower(uint32_t c);

/** Take a precomposed Latin letter apart: 1 and its base and combining mark, else 0. */
int clvits_char_decompose(uint32_t *base, uint32_t *mark, uint32_t c);

#endif
