// SPDX-License-Identifier: MIT
#ifndef CLVITS_TEXT_PIECE_H
#define CLVITS_TEXT_PIECE_H

#include "text/split.h"
#include "text/text.h"

/** What a token is to the cutting of long sentences. */
typedef enum clvits_token_class {
    CLVITS_TOKEN_SOUND,
    CLVITS_TOKEN_SPACE,
    CLVITS_TOKEN_MARK,
} clvits_token_class;

typedef struct clvits_piece_token {
    const clvits_symbol *symbol;
    int32_t word;
    clvits_token_class class;
} clvits_piece_token;

/** Words, each once, cut to fit in a message. */
typedef struct clvits_unknown_words {
    char word[12][28];
    int n;
    int more;
} clvits_unknown_words;

/** Symbols that the voice lacks, each once; more than fit in a message are not kept. */
typedef struct clvits_unknown {
    uint32_t seen[24];
    int n;
    int more;
    clvits_unknown_words spelled, left_out; /* what a lexicon lacks, and what became of it */
} clvits_unknown;

/** A sentence on its way through a front-end. The arena holds the arrays. */
typedef struct clvits_piece {
    clvits_arena arena;
    clvits_piece_token *tokens;
    size_t n_tokens, token_capacity;
    clvits_word *words;
    size_t n_words, word_capacity;
    clvits_unknown *unknown;
    const clvits_text_settings *settings;
    clvits_report *report;
} clvits_piece;

/** Add a word and give its index, or -1 with the report filled in. */
int32_t clvits_piece_word(clvits_piece *p, clvits_span span);

/** Add a token for a symbol. */
clvits_status clvits_piece_token_add(clvits_piece *p, const clvits_symbol *symbol, int32_t word,
                                     clvits_token_class class);

/** Add the symbol of an ASCII mark or space where the voice has it. */
clvits_status clvits_piece_mark(clvits_piece *p, char mark, int32_t word);

/** Remember a symbol that the voice lacks. */
void clvits_piece_unknown(clvits_piece *p, uint32_t c);

/** Remember a word, n bytes, that the voice's lexicon lacks. */
void clvits_unknown_word(clvits_unknown_words *u, const char *word, size_t n);

/**
 * Add phonemes: IPA, in Unicode's decomposed form or not, by the voice's way of matching.
 *
 * @param words  per byte of the text the index of its word, or NULL: then it is word for all
 */
clvits_status clvits_piece_phonemes(clvits_piece *p, const char *text, size_t n,
                                    const int32_t *words, int32_t word);

/** The front-ends: sentence text to tokens and words. */
clvits_status clvits_text_espeak(clvits_piece *p, const char *text, clvits_span sentence);
clvits_status clvits_text_characters(clvits_piece *p, const char *text, clvits_span sentence);
clvits_status clvits_text_phonemes(clvits_piece *p, const char *text, clvits_span sentence);
clvits_status clvits_text_words(clvits_piece *p, const char *text, clvits_span sentence);

/** Load espeak-ng and try the voice, so that what is missing is told before the first sentence. */
clvits_status clvits_espeak_check(const char *voice, clvits_report *r);

#endif
