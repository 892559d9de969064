// SPDX-License-Identifier: MIT
#ifndef CLVITS_TEXT_SPLIT_H
#define CLVITS_TEXT_SPLIT_H

#include <stddef.h>

/** A stretch of the text: bytes from start to end. */
typedef struct clvits_span {
    size_t start, end;
} clvits_span;

/** A sentence, or the part of one that fits the limit on bytes. */
typedef struct clvits_split {
    clvits_span span; /* without the spaces around it */
    size_t next;      /* where to go on */
    int ends;         /* the sentence ends here, not only the part */
} clvits_split;

/** A clause, with its mark, or a block of phonemes. */
typedef struct clvits_clause {
    clvits_span span; /* what to speak, with the mark; in a block without its brackets */
    size_t next;      /* where to go on */
    char mark;        /* . ! ? , ; : or 0 */
    int block;        /* the text stood in [[ ]] and is phonemes already */
} clvits_clause;

/**
 * The next sentence of valid UTF-8 from pos on; 0 when only white space is left.
 *
 * A block in [[ ]] stays whole, so that a part may be longer than the limit by at most
 * CLVITS_BLOCK_LIMIT.
 */
int clvits_split_sentence(clvits_split *out, const char *text, size_t pos, size_t n, size_t limit);

/** The next clause of a sentence that ends at end; 0 when nothing is left. */
int clvits_split_clause(clvits_clause *out, const char *text, size_t pos, size_t end);

/**
 * The next word: what stands between spaces, clause marks of scripts without spaces, or both,
 * less the punctuation around it; 0 when nothing but punctuation is left.
 */
int clvits_split_word(clvits_span *out, const char *text, size_t pos, size_t end);

/** Bytes between [[ and ]]; what is longer, or never closed, is ordinary text. */
enum { CLVITS_BLOCK_LIMIT = 4096 };

#endif
