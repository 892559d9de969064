// SPDX-License-Identifier: MIT
#ifndef CLVITS_TEXT_TEXT_H
#define CLVITS_TEXT_TEXT_H

#include "base/arena.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/** One entry of a voice's table: a piece of UTF-8 (often one code point) and its ids. */
typedef struct clvits_symbol {
    const char *text; /* terminated */
    size_t n;         /* bytes, at least 1 */
    const int32_t *ids;
    int n_ids;
} clvits_symbol;

/**
 * A voice's symbols. Zero-initialise before the first use.
 *
 * Read-only once built, and then for any number of threads.
 */
typedef struct clvits_symbols {
    clvits_arena arena;
    clvits_symbol *items;
    size_t count, capacity;
    uint32_t *slots; /* open addressing: item index plus one, 0 is empty */
    size_t n_slots;  /* a power of two, or 0 */
    size_t longest;  /* bytes of the longest symbol */
} clvits_symbols;

/**
 * Add a symbol, or give one that is there other ids. Text and ids are copied.
 *
 * @return CLVITS_OK, _E_FORMAT (empty or invalid UTF-8, no ids, a negative id) or _E_MEMORY
 */
clvits_status clvits_symbols_add(clvits_symbols *s, const char *text, const int32_t *ids, int n_ids,
                                 clvits_report *r);

/** The symbol of exactly these n bytes, or NULL. */
const clvits_symbol *clvits_symbols_find(const clvits_symbols *s, const char *text, size_t n);

/** The longest symbol that the n bytes begin with, or NULL. */
const clvits_symbol *clvits_symbols_match(const clvits_symbols *s, const char *text, size_t n);

/** The first symbol added whose ids begin with this one, for display; NULL when there is none. */
const char *clvits_symbols_text(const clvits_symbols *s, int32_t id);

/** Release everything; the table may be used again. */
void clvits_symbols_free(clvits_symbols *s);

/** What turns text into symbols. */
typedef enum clvits_text_kind {
    CLVITS_TEXT_IDS = 0,   /* nothing does: the voice takes ids only */
    CLVITS_TEXT_ESPEAK,    /* IPA through espeak-ng */
    CLVITS_TEXT_CHARACTERS, /* the text's own code points */
    CLVITS_TEXT_LEXICON,    /* a list of words and their symbols */
    CLVITS_TEXT_PHONEMES    /* the text is symbols of the voice already */
} clvits_text_kind;

/** What stands between the ids of the symbols. */
typedef enum clvits_text_padding {
    CLVITS_PADDING_NONE = 0,
    CLVITS_PADDING_PIPER, /* ^ _ p _ p _ ... $, with the ids that the table gives to ^ _ $ */
    CLVITS_PADDING_BLANK  /* blank_id between all ids and at both ends (VITS, MMS) */
} clvits_text_padding;

/** What becomes of capital letters, in CLVITS_TEXT_CHARACTERS. */
typedef enum clvits_text_case {
    CLVITS_CASE_KEPT = 0,
    CLVITS_CASE_LOWER_ELSE, /* lower case where the table lacks the character as it is */
    CLVITS_CASE_LOWER       /* lower case first, as it is where the table lacks that */
} clvits_text_case;

/** The limit on ids where the settings give none: 400 symbols the way Piper pads them. */
enum { CLVITS_TEXT_MAX_IDS = 803 };

struct clvits_lexicon;

/** Ids that begin and end every sentence. */
typedef struct clvits_text_ends {
    int32_t begin[2], end[2];
    int n_begin, n_end;
    int padded; /* blanks stand around them as around all others; else outside the outermost */
} clvits_text_ends;

/** How a voice reads text. Everything pointed to outlives the readers. */
typedef struct clvits_text_settings {
    clvits_text_kind kind;
    clvits_text_padding padding;
    const char *espeak_voice; /* as "en-us"; for CLVITS_TEXT_ESPEAK */
    const clvits_symbols *symbols;
    const struct clvits_lexicon *lexicon; /* for CLVITS_TEXT_LEXICON */
    const char *pause; /* the symbol for marks that the table lacks, or NULL; likewise */
    clvits_text_ends ends;
    int32_t blank_id;  /* for CLVITS_PADDING_BLANK */
    int longest_match; /* symbols of several code points win over their parts; else never used:
                          Piper and the Hugging Face tokenizer look up one code point at a time */
    clvits_text_case lower_case;
    int bare;          /* phonemes without stress and punctuation, as some voices know them */
    int romanised;     /* the voice knows what the uroman program makes of a text */
    const char *unread; /* CLVITS_TEXT_IDS: why nothing reads text, and what to do; or NULL */
    int max_ids;       /* per sentence, padding included; 0 is CLVITS_TEXT_MAX_IDS */
} clvits_text_settings;

/** A word: a span of bytes of the text that was opened. */
typedef struct clvits_word {
    size_t start, n;
} clvits_word;

/** A symbol as it was spoken: a phoneme, stress or length mark, character, space, punctuation. */
typedef struct clvits_token {
    const char *text; /* UTF-8, terminated */
    int32_t word;     /* index into the sentence's words; -1 for space and punctuation */
    int32_t first_id; /* where its ids begin in the sentence */
    int32_t n_ids;    /* without the padding that follows */
} clvits_token;

/**
 * A sentence, or what of a sentence fits the limit on ids. Owned by its reader.
 *
 * Where even a word is longer than the limit, it is in every sentence that has a part of it.
 */
typedef struct clvits_sentence {
    const int32_t *ids;
    const int32_t *id_tokens; /* per id: index into tokens, or -1 for padding, begin and end */
    int n_ids;
    const clvits_token *tokens; /* unknown symbols are not among them */
    int n_tokens;
    const clvits_word *words; /* in text order; a word that is not spoken has no token */
    int n_words;
    size_t start, n; /* bytes of the text that was opened */
    int ends;        /* 1: a sentence ends here; 0: it goes on in the next one, without a pause */
} clvits_sentence;

/** Reads a text sentence by sentence. One thread at a time. */
typedef struct clvits_text_reader clvits_text_reader;

/**
 * Begin to read n bytes of UTF-8.
 *
 * Sentences end after . ! ? and their like in other scripts, and at line ends. What is longer
 * than max_ids is cut after a clause, else between words, else anywhere. Beyond the text itself
 * the memory is that of one sentence.
 *
 * @param[out] out   the reader; NULL on failure
 * @param      text  outlives the reader; need not be terminated
 * @return CLVITS_OK, _E_ARGUMENT (empty, invalid UTF-8 or a NUL byte: the message has the
 *         offset), _E_FORMAT (settings that do not fit each other), _E_UNSUPPORTED (the voice
 *         takes ids only, no espeak-ng library or no such voice in it) or _E_MEMORY
 */
clvits_status clvits_text_open(clvits_text_reader **out, const clvits_text_settings *settings,
                               const char *text, size_t n, clvits_report *r);

/**
 * The next sentence; NULL at the end. It stays valid until the next call with this reader.
 *
 * Symbols that the voice does not have are left out; at the end of the text one warning through
 * the report's log names each of them once.
 *
 * @return CLVITS_OK, _E_ARGUMENT (the whole text had nothing to speak), _E_UNSUPPORTED (as
 *         above) or _E_MEMORY
 */
clvits_status clvits_text_next(const clvits_sentence **out, clvits_text_reader *reader,
                               clvits_report *r);

/** Bytes that the reader holds now, the text itself not counted. */
size_t clvits_text_memory(const clvits_text_reader *reader);

/** Release a reader and set it to NULL; releasing NULL is allowed. */
void clvits_text_close(clvits_text_reader **reader);

#endif
