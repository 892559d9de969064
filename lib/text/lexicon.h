// SPDX-License-Identifier: MIT
#ifndef CLVITS_TEXT_LEXICON_H
#define CLVITS_TEXT_LEXICON_H

#include "text/text.h"

/** A word, in lower case, and what it is spoken with. */
typedef struct clvits_lexeme {
    uint32_t text, first; /* where its bytes and its symbols begin in those of the lexicon */
    uint16_t n, n_symbols;
} clvits_lexeme;

/**
 * Words and their symbols. Zero-initialise before the first use.
 *
 * Read-only once built, and then for any number of threads.
 */
typedef struct clvits_lexicon {
    clvits_arena arena;
    clvits_lexeme *words;
    size_t count;
    char *text;        /* the words, one behind the other */
    uint32_t *symbols; /* theirs, as indices into the table's items */
    uint32_t *slots;   /* open addressing: word index plus one, 0 is empty */
    size_t n_slots;
    size_t longest; /* bytes of the longest word */
} clvits_lexicon;

/**
 * Read lines of a word and its symbols, parted by white space, as sherpa-onnx has them.
 *
 * Of a word that comes twice the first line counts. Lines with a symbol that the table lacks are
 * left out, with one warning.
 *
 * @param symbols  outlives the lexicon, and is not changed any more
 * @return CLVITS_OK, _E_FORMAT (not UTF-8, a line that is no entry, or no entry at all; with the
 *         number of the line) or _E_MEMORY
 */
clvits_status clvits_lexicon_read(clvits_lexicon *out, const clvits_symbols *symbols,
                                  const char *bytes, size_t n, clvits_report *r);

/** The word of exactly these n bytes, which are in lower case, or NULL. */
const clvits_lexeme *clvits_lexicon_find(const clvits_lexicon *l, const char *text, size_t n);

/** The longest word that the n bytes begin with, or NULL. */
const clvits_lexeme *clvits_lexicon_match(const clvits_lexicon *l, const char *text, size_t n);

/** Release everything; the lexicon may be used again. */
void clvits_lexicon_free(clvits_lexicon *l);

/** Bytes of the longest word, and most symbols of one. */
enum { CLVITS_LEXICON_LONGEST = 255, CLVITS_LEXICON_SYMBOLS = 255 };

#endif
