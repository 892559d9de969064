// SPDX-License-Identifier: MIT
#include "text/piece.h"
#include "text/utf8.h"

#include <stdio.h>
#include <stdlib.h>

/* A limit below this leaves no room for a syllable and its padding. */
enum { LEAST_IDS = 16 };

struct clvits_text_reader {
    clvits_text_settings settings;
    const clvits_symbol *begin, *pad, *end; /* ^ _ $ */
    const char *text;
    size_t n, pos;
    int spoken, finished;
    clvits_unknown unknown;

    clvits_piece piece; /* the sentence at hand, and how much of it was given out */
    clvits_split split;
    size_t next_token, next_word;

    clvits_arena arena; /* of the sentence that was given out */
    clvits_sentence sentence;
};

static clvits_status check_settings(clvits_text_reader *t, clvits_report *r)
{
    const clvits_text_settings *s = &t->settings;

    if (s->kind == CLVITS_TEXT_IDS)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED, "%s",
                           s->unread ? s->unread
                                     : "this voice does not say how it reads text; give it ids");
    if (!s->symbols || !s->symbols->count)
        return clvits_fail(r, CLVITS_E_FORMAT, "the voice has no symbols to write text with");
    if (t->settings.max_ids == 0)
        t->settings.max_ids = CLVITS_TEXT_MAX_IDS;
    if (s->max_ids < LEAST_IDS)
        return clvits_fail(r, CLVITS_E_FORMAT, "the limit of %d ids per sentence is below %d",
                           s->max_ids, LEAST_IDS);
    if (s->padding == CLVITS_PADDING_PIPER) {
        t->begin = clvits_symbols_find(s->symbols, "^", 1);
        t->pad = clvits_symbols_find(s->symbols, "_", 1);
        t->end = clvits_symbols_find(s->symbols, "$", 1);
        if (!t->begin || !t->pad || !t->end)
            return clvits_fail(r, CLVITS_E_FORMAT,
                               "the voice's symbols lack %s, which Piper's "
                               "way of padding needs",
                               !t->begin ? "^ (begin)"
                               : !t->pad ? "_ (pad)"
                                         : "$ (end)");
    }
    if (s->kind == CLVITS_TEXT_LEXICON && !s->lexicon)
        return clvits_fail(r, CLVITS_E_FORMAT, "the voice has no lexicon to look words up in");
    if (s->kind == CLVITS_TEXT_ESPEAK) {
        if (!s->espeak_voice || !*s->espeak_voice)
            return clvits_fail(r, CLVITS_E_FORMAT,
                               "the voice wants phonemes and does not name an espeak-ng voice");
        return clvits_espeak_check(s->espeak_voice, r);
    }
    return CLVITS_OK;
}

static clvits_status check_text(const char *text, size_t n, clvits_report *r)
{
    const size_t bad = clvits_utf8_check(text, n);

    if (!n)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "the text is empty; give at least one word");
    if (bad < n && !text[bad])
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "the text has a NUL byte at offset %zu; give plain UTF-8", bad);
    if (bad < n)
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "the text is not UTF-8 at byte offset %zu (0x%02X); convert it first",
                           bad, (unsigned)(unsigned char)text[bad]);
    return CLVITS_OK;
}

clvits_status clvits_text_open(clvits_text_reader **out, const clvits_text_settings *settings,
                               const char *text, size_t n, clvits_report *r)
{
    *out = NULL;
    clvits_status status = check_text(text, n, r);
    if (status)
        return status;
    clvits_text_reader *t = calloc(1, sizeof(*t));
    if (!t)
        return clvits_fail_memory(r, "a text reader");
    t->settings = *settings;
    t->text = text;
    t->n = n;
    status = check_settings(t, r);
    if (status)
        clvits_text_close(&t);
    *out = t;
    return status;
}

/* Write the names of what was left out: "x" (U+0078), ...; the message has room for them all. */
static void name_unknown(char *out, size_t size, const clvits_unknown *u)
{
    size_t at = 0;

    out[0] = '\0';
    for (int i = 0; i < u->n && at + 24 < size; i++) {
        char utf8[5] = { 0 };
        const uint32_t c = u->seen[i];
        const char *comma = i ? ", " : "";
        clvits_utf8_write(utf8, c);
        if (c <= ' ' || (c >= 0x7F && c < 0xA0) || (c >= 0x300 && c < 0x370))
            at += (size_t)snprintf(out + at, size - at, "%sU+%04X", comma, (unsigned)c);
        else
            at += (size_t)snprintf(out + at, size - at, "%s%s (U+%04X)", comma, utf8, (unsigned)c);
    }
    if (u->more)
        snprintf(out + at, size - at, " and others");
}

static void name_words(char *out, size_t size, const clvits_unknown_words *u)
{
    size_t at = 0;

    out[0] = '\0';
    for (int i = 0; i < u->n && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", u->word[i]);
    if (u->more && at < size)
        snprintf(out + at, size - at, " and others");
}

static clvits_status finish(clvits_text_reader *t, clvits_report *r)
{
    const char *way_out = t->settings.romanised && t->settings.kind == CLVITS_TEXT_CHARACTERS
                              ? "; it was trained on romanised text: give it what the uroman "
                                "program (pip install uroman) makes of the text"
                              : "";
    char names[400], words[400];

    if (t->finished)
        return CLVITS_OK;
    t->finished = 1;
    name_unknown(names, sizeof(names), &t->unknown);
    if (t->unknown.left_out.n) {
        name_words(words, sizeof(words), &t->unknown.left_out);
        if (!t->spoken)
            return clvits_fail(r, CLVITS_E_ARGUMENT,
                               "the voice's lexicon has none of the words of the text: %s", words);
        clvits_warn(r, "the voice's lexicon lacks some words and all their characters; they are "
                       "left out: %s", words);
    }
    if (t->unknown.spelled.n) {
        name_words(words, sizeof(words), &t->unknown.spelled);
        clvits_warn(r, "the voice's lexicon lacks some words, which are spelled by what it has of "
                       "their characters: %s", words);
    }
    if (!t->spoken && t->unknown.n)
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "the voice has none of the symbols of the text: %s%s", names, way_out);
    if (!t->spoken)
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "the text has nothing to speak, only spaces and punctuation");
    if (t->unknown.n)
        clvits_warn(r, "skipped symbols that the voice does not have: %s%s", names, way_out);
    return CLVITS_OK;
}

static void close_piece(clvits_text_reader *t)
{
    clvits_arena_free(&t->piece.arena);
    t->piece = (clvits_piece){ 0 };
    t->next_token = t->next_word = 0;
}

/* The next sentence of the text through the front-end; *more is 0 at the end of the text. */
static clvits_status read_piece(int *more, clvits_text_reader *t, clvits_report *r)
{
    /* About a byte per phoneme in Latin script: twice what fits rarely cuts one that would. */
    const size_t limit = (size_t)t->settings.max_ids;

    close_piece(t);
    *more = clvits_split_sentence(&t->split, t->text, t->pos, t->n, limit);
    if (!*more)
        return CLVITS_OK;
    t->pos = t->split.next;
    t->piece.settings = &t->settings;
    t->piece.unknown = &t->unknown;
    t->piece.report = r;
    switch (t->settings.kind) {
    case CLVITS_TEXT_ESPEAK:
        return clvits_text_espeak(&t->piece, t->text, t->split.span);
    case CLVITS_TEXT_LEXICON:
        return clvits_text_words(&t->piece, t->text, t->split.span);
    case CLVITS_TEXT_PHONEMES:
        return clvits_text_phonemes(&t->piece, t->text, t->split.span);
    case CLVITS_TEXT_CHARACTERS:
    case CLVITS_TEXT_IDS: /* refused when the reader was opened */
        break;
    }
    return clvits_text_characters(&t->piece, t->text, t->split.span);
}

static int ids_of(const clvits_text_reader *t, const clvits_symbol *s)
{
    switch (t->settings.padding) {
    case CLVITS_PADDING_PIPER:
        return s->n_ids + t->pad->n_ids;
    case CLVITS_PADDING_BLANK:
        return 2 * s->n_ids;
    case CLVITS_PADDING_NONE:
        break;
    }
    return s->n_ids;
}

static int ids_around(const clvits_text_reader *t)
{
    const clvits_text_ends *e = &t->settings.ends;

    switch (t->settings.padding) {
    case CLVITS_PADDING_PIPER:
        return t->begin->n_ids + t->pad->n_ids + t->end->n_ids;
    case CLVITS_PADDING_BLANK:
        return 1 + (e->padded ? 2 : 1) * (e->n_begin + e->n_end);
    case CLVITS_PADDING_NONE:
        break;
    }
    return e->n_begin + e->n_end;
}

/* The end of the tokens from start on that one sentence holds. */
static size_t find_cut(const clvits_text_reader *t, size_t start)
{
    const clvits_piece *p = &t->piece;
    size_t i = start, mark = start, space = start;
    int64_t used = ids_around(t);

    for (; i < p->n_tokens; i++) {
        const clvits_piece_token *token = &p->tokens[i];
        used += ids_of(t, token->symbol);
        if (used > t->settings.max_ids)
            break;
        if (token->class == CLVITS_TOKEN_SPACE)
            space = i;
        if (token->class == CLVITS_TOKEN_MARK)
            mark = i + 1;
    }
    if (i == p->n_tokens || p->tokens[i].class == CLVITS_TOKEN_SPACE)
        return i;
    if (mark - start > (i - start) / 4)
        return mark;
    return space > start ? space : i > start ? i : i + 1;
}

typedef struct writer {
    int32_t *ids, *tokens;
    int n;
} writer;

static void put(writer *w, const int32_t *ids, int n, int32_t token)
{
    for (int i = 0; i < n; i++) {
        w->ids[w->n] = ids[i];
        w->tokens[w->n++] = token;
    }
}

/* Ids that begin or end a sentence. */
static void put_ends(clvits_text_reader *t, writer *w, const int32_t *ids, int n)
{
    const int blank = t->settings.padding == CLVITS_PADDING_BLANK && t->settings.ends.padded;

    for (int i = 0; i < n; i++) {
        if (blank)
            put(w, &t->settings.blank_id, 1, -1);
        put(w, &ids[i], 1, -1);
    }
}

/* The ids of the tokens, padded; the counts are those of ids_of() and ids_around(). */
static void write_ids(clvits_text_reader *t, writer *w, clvits_token *tokens, size_t first,
                      size_t count)
{
    const int piper = t->settings.padding == CLVITS_PADDING_PIPER;
    const int blank = t->settings.padding == CLVITS_PADDING_BLANK;
    const clvits_text_ends *e = &t->settings.ends;

    if (piper) {
        put(w, t->begin->ids, t->begin->n_ids, -1);
        put(w, t->pad->ids, t->pad->n_ids, -1);
    } else {
        put_ends(t, w, e->begin, e->n_begin);
    }
    for (size_t i = 0; i < count; i++) {
        const clvits_symbol *s = t->piece.tokens[first + i].symbol;
        for (int k = 0; k < s->n_ids; k++) {
            if (blank)
                put(w, &t->settings.blank_id, 1, -1);
            if (!k)
                tokens[i].first_id = w->n;
            put(w, &s->ids[k], 1, (int32_t)i);
        }
        tokens[i].n_ids = w->n - tokens[i].first_id;
        if (piper)
            put(w, t->pad->ids, t->pad->n_ids, -1);
    }
    if (piper)
        put(w, t->end->ids, t->end->n_ids, -1);
    if (!piper && e->padded)
        put_ends(t, w, e->end, e->n_end);
    if (blank)
        put(w, &t->settings.blank_id, 1, -1);
    if (!piper && !e->padded)
        put_ends(t, w, e->end, e->n_end);
}

/* The words of the tokens, and the bytes that they and what is silent between them take. */
static void place(clvits_text_reader *t, clvits_token *tokens, size_t first, size_t count)
{
    const clvits_piece *p = &t->piece;
    const int last = first + count == p->n_tokens;
    size_t from = t->next_word, to = from;

    for (size_t i = 0; i < count; i++) {
        const int32_t word = p->tokens[first + i].word;
        if (word >= 0 && (size_t)word < from)
            from = (size_t)word; /* a word that was cut is in both sentences */
        if (word >= 0 && (size_t)word >= to)
            to = (size_t)word + 1;
    }
    if (last)
        to = p->n_words;
    for (size_t i = 0; i < count; i++) {
        const clvits_piece_token *token = &p->tokens[first + i];
        tokens[i].text = token->symbol->text;
        tokens[i].word = token->word < 0 ? -1 : token->word - (int32_t)from;
    }

    clvits_sentence *s = &t->sentence;
    const size_t begin = first == 0 || from == to ? t->split.span.start : p->words[from].start;
    size_t end = t->split.span.end;
    if (!last && from < to) { /* with the punctuation behind the word */
        const size_t stop = to < p->n_words ? p->words[to].start : end;
        end = p->words[to - 1].start + p->words[to - 1].n;
        while (end < stop && (unsigned char)t->text[end] > ' ')
            end++;
    }
    s->words = from < to ? p->words + from : NULL;
    s->n_words = (int)(to - from);
    s->start = begin;
    s->n = end - begin;
    s->ends = last && t->split.ends;
    t->next_word = to;
}

static clvits_status build(clvits_text_reader *t, size_t first, size_t count, clvits_report *r)
{
    int64_t n_ids = ids_around(t);
    for (size_t i = 0; i < count; i++)
        n_ids += ids_of(t, t->piece.tokens[first + i].symbol);

    clvits_arena_free(&t->arena);
    t->sentence = (clvits_sentence){ 0 };
    clvits_token *tokens = clvits_arena_array(&t->arena, count, sizeof(*tokens));
    writer w = { .ids = clvits_arena_array(&t->arena, (size_t)n_ids, sizeof(*w.ids)),
                 .tokens = clvits_arena_array(&t->arena, (size_t)n_ids, sizeof(*w.tokens)) };
    if (!tokens || !w.ids || !w.tokens)
        return clvits_fail_memory(r, "the ids of a sentence");

    write_ids(t, &w, tokens, first, count);
    place(t, tokens, first, count);
    t->sentence.ids = w.ids;
    t->sentence.id_tokens = w.tokens;
    t->sentence.n_ids = w.n;
    t->sentence.tokens = tokens;
    t->sentence.n_tokens = (int)count;
    return CLVITS_OK;
}

clvits_status clvits_text_next(const clvits_sentence **out, clvits_text_reader *t, clvits_report *r)
{
    const clvits_piece *p = &t->piece;

    *out = NULL;
    for (;;) {
        while (t->next_token < p->n_tokens && p->tokens[t->next_token].class == CLVITS_TOKEN_SPACE)
            t->next_token++;
        if (t->next_token == p->n_tokens) {
            int more;
            const clvits_status status = read_piece(&more, t, r);
            if (status)
                return status;
            if (!more)
                return finish(t, r);
            while (t->piece.n_tokens && p->tokens[p->n_tokens - 1].class == CLVITS_TOKEN_SPACE)
                t->piece.n_tokens--;
            continue;
        }
        const size_t first = t->next_token, cut = find_cut(t, first);
        int sounds = 0;
        size_t count = cut - first;
        for (size_t i = first; i < cut; i++)
            sounds |= p->tokens[i].class == CLVITS_TOKEN_SOUND;
        while (count && p->tokens[first + count - 1].class == CLVITS_TOKEN_SPACE)
            count--;
        t->next_token = cut;
        if (!sounds)
            continue;
        const clvits_status status = build(t, first, count, r);
        if (status)
            return status;
        t->spoken = 1;
        *out = &t->sentence;
        return CLVITS_OK;
    }
}

size_t clvits_text_memory(const clvits_text_reader *t)
{
    return sizeof(*t) + t->arena.total + t->piece.arena.total;
}

void clvits_text_close(clvits_text_reader **reader)
{
    if (!*reader)
        return;
    clvits_arena_free(&(*reader)->piece.arena);
    clvits_arena_free(&(*reader)->arena);
    free(*reader);
    *reader = NULL;
}
