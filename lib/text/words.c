// SPDX-License-Identifier: MIT
#include "text/lexicon.h"
#include "text/piece.h"
#include "text/utf8.h"

#include <string.h>

/*
 * A word is looked up as it stands between spaces, less its case; else by its parts between other
 * marks; else, in scripts that put no spaces between words, as the longest words that it is made
 * of; else by its characters, those that the lexicon or the table has.
 */

/* A stretch of text in lower case, and where each of its bytes stands in the text. */
typedef struct lowered {
    char *text;
    size_t *from;
    size_t n;
} lowered;

static int is_unspaced(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        { 0xE00, 0xEFF },    { 0x1000, 0x109F }, { 0x1780, 0x17FF },  { 0x2E80, 0x2FDF },
        { 0x3005, 0x3007 },  { 0x3040, 0x9FFF }, { 0xF900, 0xFAFF },  { 0x20000, 0x3FFFF },
    }; /* Thai, Lao; Burmese; Khmer; Chinese and Japanese */

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return 1;
    return 0;
}

/* Whether words are made of it: in ASCII letters and digits alone. */
static int is_letter(uint32_t c)
{
    return c < 0x80 ? (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z')
                    : clvits_char_classify(c) == CLVITS_CHAR_LETTER;
}

static clvits_status lower(lowered *out, clvits_piece *p, const char *text, clvits_span span)
{
    const size_t most = 2 * (span.end - span.start) + 4;

    out->n = 0;
    out->text = clvits_arena_alloc(&p->arena, most);
    out->from = clvits_arena_array(&p->arena, most, sizeof(*out->from));
    if (!out->text || !out->from)
        return clvits_fail_memory(p->report, "a word");
    for (size_t i = span.start; i < span.end;) {
        uint32_t c = ' ';
        const int length = clvits_utf8_read(&c, text + i, span.end - i);
        const int n = clvits_utf8_write(out->text + out->n, clvits_char_lower(c));
        for (int k = 0; k < n; k++)
            out->from[out->n++] = i;
        i += length ? (size_t)length : 1;
    }
    out->from[out->n] = span.end;
    return CLVITS_OK;
}

/* Bytes [from, to) of what was lowered are this word. */
static clvits_status add_word(clvits_piece *p, const lowered *l, size_t from, size_t to,
                              const clvits_lexeme *lexeme, int32_t word)
{
    const clvits_lexicon *lexicon = p->settings->lexicon;
    clvits_status status = CLVITS_OK;

    if (word < 0)
        word = clvits_piece_word(p, (clvits_span){ l->from[from], l->from[to] });
    if (word < 0)
        return CLVITS_E_MEMORY;
    for (int i = 0; i < lexeme->n_symbols && !status; i++)
        status = clvits_piece_token_add(
            p, &p->settings->symbols->items[lexicon->symbols[lexeme->first + (uint32_t)i]], word,
            CLVITS_TOKEN_SOUND);
    return status;
}

static size_t step(uint32_t *c, const lowered *l, size_t at)
{
    const int length = clvits_utf8_read(c, l->text + at, l->n - at);
    return length ? (size_t)length : 1;
}

/* A word that the lexicon lacks, by its characters. */
static clvits_status spell(clvits_piece *p, const lowered *l, size_t from, size_t to)
{
    int32_t word = -1;
    clvits_status status = CLVITS_OK;
    const size_t before = p->n_tokens;

    word = clvits_piece_word(p, (clvits_span){ l->from[from], l->from[to] });
    if (word < 0)
        return CLVITS_E_MEMORY;
    for (size_t at = from, n; at < to && !status; at += n) {
        uint32_t c = ' ';
        n = step(&c, l, at);
        const clvits_lexeme *letter = clvits_lexicon_find(p->settings->lexicon, l->text + at, n);
        const clvits_symbol *symbol =
            clvits_symbols_find(p->settings->symbols, l->text + at, n);
        if (letter)
            status = add_word(p, l, at, at + n, letter, word);
        else if (symbol)
            status = clvits_piece_token_add(p, symbol, word, CLVITS_TOKEN_SOUND);
    }
    clvits_unknown_word(p->n_tokens > before ? &p->unknown->spelled : &p->unknown->left_out,
                        l->text + from, to - from);
    return status;
}

static clvits_status space(clvits_piece *p)
{
    if (!p->n_tokens || p->tokens[p->n_tokens - 1].class == CLVITS_TOKEN_SPACE)
        return CLVITS_OK;
    return clvits_piece_mark(p, ' ', -1);
}

/* A mark as the table has it, or as its ASCII counterpart, or as a pause. */
static clvits_status mark(clvits_piece *p, uint32_t c)
{
    const clvits_symbols *table = p->settings->symbols;
    const char *pause = p->settings->pause;
    const char ascii = clvits_char_mark(c);
    char utf8[4];
    const clvits_symbol *s = clvits_symbols_find(table, utf8, (size_t)clvits_utf8_write(utf8, c));

    if (!s && ascii)
        s = clvits_symbols_find(table, &ascii, 1);
    if (!s && ascii && pause)
        s = clvits_symbols_find(table, pause, strlen(pause));
    return s ? clvits_piece_token_add(p, s, -1, CLVITS_TOKEN_MARK) : CLVITS_OK;
}

static clvits_status speak_part(size_t *end, clvits_piece *p, const lowered *l, size_t at)
{
    const clvits_lexicon *lexicon = p->settings->lexicon;
    const clvits_lexeme *found;
    uint32_t c = ' ';
    size_t n = step(&c, l, at);

    *end = at + n;
    if (is_unspaced(c)) {
        found = clvits_lexicon_match(lexicon, l->text + at, l->n - at);
        *end = found ? at + found->n : *end;
        return found ? add_word(p, l, at, *end, found, -1) : spell(p, l, at, *end);
    }
    if (!is_letter(c)) {
        const size_t tokens = p->n_tokens;
        const clvits_status status = mark(p, c);
        return status || p->n_tokens > tokens ? status : space(p);
    }
    while (*end < l->n) {
        n = step(&c, l, *end);
        if (is_unspaced(c) || !is_letter(c))
            break;
        *end += n;
    }
    found = clvits_lexicon_find(lexicon, l->text + at, *end - at);
    return found ? add_word(p, l, at, *end, found, -1) : spell(p, l, at, *end);
}

static clvits_status speak_word(clvits_piece *p, const char *text, clvits_span span)
{
    lowered l;
    clvits_status status = lower(&l, p, text, span);

    if (status)
        return status;
    const clvits_lexeme *whole = clvits_lexicon_find(p->settings->lexicon, l.text, l.n);
    if (whole)
        return add_word(p, &l, 0, l.n, whole, -1);
    for (size_t at = 0, end; at < l.n && !status; at = end)
        status = speak_part(&end, p, &l, at);
    return status;
}

/* The inside of [[ ]]: symbols between spaces; what is none is taken apart. */
static clvits_status speak_block(clvits_piece *p, const char *text, clvits_span block)
{
    clvits_status status = space(p);

    for (size_t at = block.start, end; at < block.end && !status; at = end + 1) {
        end = at;
        while (end < block.end && text[end] != ' ')
            end++;
        if (end == at)
            continue;
        const clvits_symbol *s = clvits_symbols_find(p->settings->symbols, text + at, end - at);
        const int32_t word = clvits_piece_word(p, (clvits_span){ at, end });
        if (word < 0)
            return CLVITS_E_MEMORY;
        status = s ? clvits_piece_token_add(p, s, word, CLVITS_TOKEN_SOUND)
                   : clvits_piece_phonemes(p, text + at, end - at, NULL, word);
    }
    return status;
}

static clvits_status speak_clause(clvits_piece *p, const char *text, clvits_span clause)
{
    clvits_span word = { clause.start, clause.start };
    int more = clvits_split_word(&word, text, clause.start, clause.end);
    clvits_status status = CLVITS_OK;

    for (size_t i = clause.start; i < clause.end && !status;) {
        uint32_t c = ' ';
        const int length = clvits_utf8_read(&c, text + i, clause.end - i);
        const clvits_char_class class = clvits_char_classify(c);

        if (more && i == word.start) {
            status = speak_word(p, text, word);
            i = word.end;
            more = clvits_split_word(&word, text, i, clause.end);
            continue;
        }
        status = class == CLVITS_CHAR_SPACE || class == CLVITS_CHAR_NEWLINE ? space(p)
                                                                           : mark(p, c);
        i += length ? (size_t)length : 1;
    }
    return status;
}

clvits_status clvits_text_words(clvits_piece *p, const char *text, clvits_span sentence)
{
    clvits_clause clause;
    clvits_status status = CLVITS_OK;

    for (size_t at = sentence.start;
         !status && clvits_split_clause(&clause, text, at, sentence.end); at = clause.next) {
        if (clause.block) {
            status = speak_block(p, text, clause.span);
            continue;
        }
        if (clause.span.start > at)
            status = space(p);
        if (!status)
            status = speak_clause(p, text, clause.span);
    }
    return status;
}
