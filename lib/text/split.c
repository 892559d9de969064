// SPDX-License-Identifier: MIT
#include "text/split.h"
#include "text/utf8.h"

#include <string.h>
#include <strings.h>

enum { LONGEST_STOP = 64 }; /* bytes */

/* One code point of text that was checked before. */
typedef struct glyph {
    uint32_t c;
    size_t end; /* offset after it */
    clvits_char_class class;
} glyph;

static glyph look(const char *text, size_t pos, size_t end)
{
    glyph g = { .c = ' ', .end = end, .class = CLVITS_CHAR_SPACE };
    const int length = pos < end ? clvits_utf8_read(&g.c, text + pos, end - pos) : 0;
    if (length) {
        g.end = pos + (size_t)length;
        g.class = clvits_char_classify(g.c);
    }
    return g;
}

static int is_white(clvits_char_class c)
{
    return c == CLVITS_CHAR_SPACE || c == CLVITS_CHAR_NEWLINE;
}

static int is_stop(clvits_char_class c)
{
    return c == CLVITS_CHAR_STOP || c == CLVITS_CHAR_WIDE_STOP;
}

static size_t skip_white(const char *text, size_t pos, size_t end)
{
    while (pos < end && is_white(look(text, pos, end).class))
        pos = look(text, pos, end).end;
    return pos;
}

/* Offset after the block that opens at pos, or pos when none does. */
static size_t block_end(const char *text, size_t pos, size_t end)
{
    if (end - pos < 4 || text[pos] != '[' || text[pos + 1] != '[')
        return pos;
    const size_t last = end - pos < CLVITS_BLOCK_LIMIT ? end : pos + CLVITS_BLOCK_LIMIT;
    for (size_t i = pos + 2; i + 1 < last && text[i] != '\n'; i++)
        if (text[i] == ']' && text[i + 1] == ']')
            return i + 2;
    return pos;
}

/* After the marks of one stop ("?!", "...") and the quotes and brackets that it closes; longer
 * runs count as several stops. */
static size_t after_stop(const char *text, size_t pos, size_t end)
{
    const size_t last = end - pos < LONGEST_STOP ? end : pos + LONGEST_STOP;
    glyph g = look(text, pos, end);
    while (pos < last && is_stop(g.class)) {
        pos = g.end;
        g = look(text, pos, end);
    }
    while (pos < last && g.class == CLVITS_CHAR_CLOSE) {
        pos = g.end;
        g = look(text, pos, end);
    }
    return pos;
}

static int is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c & 0x80;
}

/* Whether the full stop at pos, with a space behind it, belongs to an abbreviation. */
static int is_abbreviation(const char *text, size_t start, size_t pos, size_t end)
{
    static const char *const titles[] = { "mr",  "mrs",  "ms",     "dr",  "prof", "st",
                                          "rev", "hon",  "gen",    "col", "sgt",  "capt",
                                          "lt",  "mt",   "vs",     "e.g", "i.e",  "messrs",
                                          "mme", "mlle", "approx", "fig" };
    static const char *const often_last[] = { "etc", "inc", "ltd", "co", "jr", "sr", "no", "al" };
    size_t from = pos;
    int dots = 0;

    while (from > start && pos - from < 8 && (is_alnum(text[from - 1]) || text[from - 1] == '.'))
        dots += text[--from] == '.';
    const size_t n = pos - from;
    if (!n || n >= 8 || (from > start && text[from - 1] == '\''))
        return 0;
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        if (strlen(titles[i]) == n && !strncasecmp(titles[i], text + from, n))
            return 1;
    if (n == 1 && text[from] >= 'A' && text[from] <= 'Z' && text[from] != 'I')
        return 1; /* an initial */

    const size_t next = skip_white(text, pos + 1, end);
    const char c = next < end ? text[next] : ' ';
    const int digit = c >= '0' && c <= '9', lower = c >= 'a' && c <= 'z';
    for (size_t i = 0; i < sizeof(often_last) / sizeof(often_last[0]); i++)
        if (strlen(often_last[i]) == n && !strncasecmp(often_last[i], text + from, n))
            return digit || (lower && strcasecmp(often_last[i], "no"));
    return dots && (digit || lower); /* U.S. p.m. */
}

/* Whether the stop at pos ends a sentence; its marks end at after. */
static int ends_sentence(const char *text, size_t start, size_t pos, size_t after, size_t end)
{
    const glyph g = look(text, pos, end);
    size_t last = pos;

    if (g.class == CLVITS_CHAR_WIDE_STOP || after == end)
        return 1;
    for (size_t i = pos; i < after; i = look(text, i, end).end)
        if (look(text, i, end).class == CLVITS_CHAR_WIDE_STOP)
            return 1;
        else if (is_stop(look(text, i, end).class))
            last = i;
    if (!is_white(look(text, after, end).class))
        return 0;
    if (g.c == '.' && last == pos && is_abbreviation(text, start, pos, end))
        return 0;
    if ((g.c == '.' && last > pos && text[last] == '.') || g.c == 0x2026) {
        const size_t next = skip_white(text, after, end);
        return !(next < end && text[next] >= 'a' && text[next] <= 'z'); /* "well... yes" */
    }
    return 1;
}

/* Whether the mark at pos, or a dash between spaces, ends a clause; its end goes to after. */
static int ends_clause(size_t *after, const char *text, size_t pos, size_t end)
{
    const glyph g = look(text, pos, end);

    *after = g.end;
    if (!clvits_char_mark(g.c))
        return 0;
    if (g.class == CLVITS_CHAR_WIDE_CLAUSE || g.class == CLVITS_CHAR_WIDE_STOP)
        return 1;
    if (g.class == CLVITS_CHAR_DASH)
        return pos && text[pos - 1] == ' ' && is_white(look(text, g.end, end).class);
    if (is_stop(g.class))
        *after = after_stop(text, pos, end);
    while (*after < end && look(text, *after, end).class == CLVITS_CHAR_CLOSE)
        *after = look(text, *after, end).end;
    return *after == end || is_white(look(text, *after, end).class);
}

static size_t trim_end(const char *text, size_t start, size_t end)
{
    while (end > start) {
        size_t from = end - 1;
        while (from > start && ((unsigned char)text[from] & 0xC0) == 0x80)
            from--;
        if (!is_white(look(text, from, end).class))
            break;
        end = from;
    }
    return end;
}

int clvits_split_sentence(clvits_split *out, const char *text, size_t pos, size_t n, size_t limit)
{
    const size_t start = skip_white(text, pos, n);
    size_t clause = 0, space = 0, after, at = start;

    if (start == n)
        return 0;
    while (at < n) {
        if (at - start >= limit) { /* the best place so far, unless that is hardly a start */
            at = clause > start + limit / 4 ? clause : space > start ? space : at;
            *out = (clvits_split){ { start, trim_end(text, start, at) }, at, 0 };
            return 1;
        }
        const glyph g = look(text, at, n);
        const size_t block = block_end(text, at, n);
        if (block > at) {
            at = block;
            continue;
        }
        if (g.class == CLVITS_CHAR_NEWLINE)
            break;
        if (is_stop(g.class)) {
            after = after_stop(text, at, n);
            if (ends_sentence(text, start, at, after, n)) {
                at = after;
                break;
            }
        }
        if (ends_clause(&after, text, at, n))
            clause = after;
        if (is_white(g.class))
            space = at;
        at = is_stop(g.class) ? after : g.end; /* the rest of "..." is no stop of its own */
    }
    *out = (clvits_split){ { start, trim_end(text, start, at) }, at, 1 };
    return 1;
}

int clvits_split_clause(clvits_clause *out, const char *text, size_t pos, size_t end)
{
    const size_t start = skip_white(text, pos, end);
    size_t after, at = start;

    if (start == end)
        return 0;
    while (at < end) {
        const glyph g = look(text, at, end);
        const size_t block = block_end(text, at, end);
        if (block > at && at == start) {
            *out = (clvits_clause){ { at + 2, block - 2 }, block, 0, 1 };
            return 1;
        }
        if (block > at)
            break;
        if (ends_clause(&after, text, at, end) && !(g.c == '.' && after == g.end && after < end &&
                                                    is_abbreviation(text, start, at, end))) {
            int dots = 0;
            for (size_t i = at; i < after; i = look(text, i, end).end)
                dots += look(text, i, end).c == '.';
            const int pause = (g.c == 0x2026 || dots > 1) && after < end;
            *out =
                (clvits_clause){ { start, after }, after, pause ? ';' : clvits_char_mark(g.c), 0 };
            return 1;
        }
        at = g.end;
    }
    *out = (clvits_clause){ { start, trim_end(text, start, at) }, at, 0, 0 };
    return 1;
}

static int is_wide_mark(clvits_char_class c)
{
    return c == CLVITS_CHAR_WIDE_CLAUSE || c == CLVITS_CHAR_WIDE_STOP;
}

int clvits_split_word(clvits_span *out, const char *text, size_t pos, size_t end)
{
    glyph g = look(text, pos, end);

    while (pos < end && g.class != CLVITS_CHAR_LETTER) {
        pos = g.end;
        g = look(text, pos, end);
    }
    if (pos == end)
        return 0;
    *out = (clvits_span){ pos, pos };
    while (pos < end && !is_white(g.class) && !is_wide_mark(g.class)) {
        pos = g.end;
        if (g.class == CLVITS_CHAR_LETTER)
            out->end = pos;
        g = look(text, pos, end);
    }
    return 1;
}
