// SPDX-License-Identifier: MIT
#include "text/lexicon.h"
#include "text/utf8.h"

#include <string.h>

static int is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What stands between white space, from *at on, in a line that ends at end; 0: nothing. */
static size_t field(const char **out, const char *bytes, size_t *at, size_t end)
{
    while (*at < end && is_space(bytes[*at]))
        ++*at;
    const size_t start = *at;
    while (*at < end && !is_space(bytes[*at]))
        ++*at;
    *out = bytes + start;
    return *at - start;
}

static size_t line_end(const char *bytes, size_t at, size_t n)
{
    const char *end = memchr(bytes + at, '\n', n - at);
    return end ? (size_t)(end - bytes) : n;
}

/* How much there is of everything, at most. */
typedef struct extent {
    size_t words, text, symbols;
} extent;

static extent measure(const char *bytes, size_t n)
{
    extent e = { 0 };

    for (size_t at = 0, end; at < n; at = end + 1) {
        const char *f;
        end = line_end(bytes, at, n);
        const size_t word = field(&f, bytes, &at, end);
        e.words += word > 0;
        e.text += 2 * word; /* two bytes may have three in lower case */
        while (word && field(&f, bytes, &at, end))
            e.symbols++;
    }
    return e;
}

/* The slot that holds the word, or the empty one where it belongs. */
static uint32_t *slot(const clvits_lexicon *l, const char *text, size_t n)
{
    for (size_t i = clvits_text_hash(text, n) & (l->n_slots - 1);; i = (i + 1) & (l->n_slots - 1)) {
        const clvits_lexeme *w = l->slots[i] ? &l->words[l->slots[i] - 1] : NULL;
        if (!w || (w->n == n && !memcmp(l->text + w->text, text, n)))
            return &l->slots[i];
    }
}

/* A file on its way into a lexicon. */
typedef struct reading {
    clvits_lexicon *l;
    const clvits_symbols *table;
    size_t n_text, n_symbols; /* taken of the lexicon's arrays */
    size_t line;
    size_t left_out, first_left_out; /* lines with symbols that the table lacks */
    char lacked[48];
    clvits_report *r;
} reading;

static size_t lower(char *out, const char *text, size_t n)
{
    size_t used = 0;

    for (size_t i = 0; i < n;) {
        uint32_t c = ' ';
        const int length = clvits_utf8_read(&c, text + i, n - i);
        used += (size_t)clvits_utf8_write(out + used, clvits_char_lower(c));
        i += length ? (size_t)length : 1;
    }
    return used;
}

static void leave_out(reading *d, const char *symbol, size_t n)
{
    if (!d->left_out++) {
        d->first_left_out = d->line;
        n = n < sizeof(d->lacked) ? n : sizeof(d->lacked) - 1;
        while (n && ((unsigned char)symbol[n] & 0xC0) == 0x80)
            n--;
        memcpy(d->lacked, symbol, n);
    }
}

/* The symbols of the line's word; how many, 0 where it is left out, -1 where there are too many. */
static int read_symbols(reading *d, const char *bytes, size_t at, size_t end)
{
    const char *f;
    int count = 0;

    for (size_t n; (n = field(&f, bytes, &at, end)) > 0; count++) {
        const clvits_symbol *s = clvits_symbols_find(d->table, f, n);
        if (!s) {
            leave_out(d, f, n);
            return 0;
        }
        if (count == CLVITS_LEXICON_SYMBOLS)
            return -1;
        d->l->symbols[d->n_symbols + (size_t)count] = (uint32_t)(s - d->table->items);
    }
    return count;
}

static clvits_status read_line(reading *d, const char *bytes, size_t at, size_t end)
{
    clvits_lexicon *l = d->l;
    const char *f;
    const size_t n = field(&f, bytes, &at, end);

    if (!n)
        return CLVITS_OK;
    char *word = l->text + d->n_text;
    const size_t length = n <= CLVITS_LEXICON_LONGEST ? lower(word, f, n) : n;
    if (length > CLVITS_LEXICON_LONGEST)
        return clvits_fail(d->r, CLVITS_E_FORMAT, "line %zu: a word of %zu bytes; they have %d at "
                                                  "most", d->line, length, CLVITS_LEXICON_LONGEST);
    uint32_t *place = slot(l, word, length);
    if (*place)
        return CLVITS_OK;
    size_t rest = at;
    if (!field(&f, bytes, &rest, end))
        return clvits_fail(d->r, CLVITS_E_FORMAT, "line %zu: \"%.*s\" is not followed by symbols",
                           d->line, (int)length, word);
    const int symbols = read_symbols(d, bytes, at, end);
    if (symbols < 0)
        return clvits_fail(d->r, CLVITS_E_FORMAT, "line %zu: \"%.*s\" has more than %d symbols",
                           d->line, (int)length, word, CLVITS_LEXICON_SYMBOLS);
    if (!symbols)
        return CLVITS_OK;
    l->words[l->count] = (clvits_lexeme){ (uint32_t)d->n_text, (uint32_t)d->n_symbols,
                                          (uint16_t)length, (uint16_t)symbols };
    *place = (uint32_t)++l->count;
    d->n_text += length;
    d->n_symbols += (size_t)symbols;
    l->longest = length > l->longest ? length : l->longest;
    return CLVITS_OK;
}

static clvits_status make_room(clvits_lexicon *l, const char *bytes, size_t n, clvits_report *r)
{
    const extent e = measure(bytes, n);

    l->n_slots = 16;
    while (l->n_slots < 2 * e.words)
        l->n_slots *= 2;
    l->words = clvits_arena_array(&l->arena, e.words, sizeof(*l->words));
    l->text = clvits_arena_alloc(&l->arena, e.text + 4);
    l->symbols = clvits_arena_array(&l->arena, e.symbols, sizeof(*l->symbols));
    l->slots = clvits_arena_array(&l->arena, l->n_slots, sizeof(*l->slots));
    return l->words && l->text && l->symbols && l->slots ? CLVITS_OK
                                                         : clvits_fail_memory(r, "the lexicon");
}

static size_t line_of(const char *bytes, size_t at)
{
    size_t line = 1;

    for (size_t i = 0; i < at; i++)
        line += bytes[i] == '\n';
    return line;
}

clvits_status clvits_lexicon_read(clvits_lexicon *out, const clvits_symbols *symbols,
                                  const char *bytes, size_t n, clvits_report *r)
{
    reading d = { .l = out, .table = symbols, .r = r };
    const size_t bad = n ? clvits_utf8_check(bytes, n) : 0;
    clvits_status status = CLVITS_OK;

    *out = (clvits_lexicon){ 0 };
    if (bad < n)
        status = clvits_fail(r, CLVITS_E_FORMAT, "line %zu is not UTF-8", line_of(bytes, bad));
    if (!status && n > UINT32_MAX / 4)
        status = clvits_fail(r, CLVITS_E_FORMAT, "%zu bytes are too many", n);
    if (!status)
        status = make_room(out, bytes, n, r);
    for (size_t at = 0, end; at < n && !status; at = end + 1) {
        end = line_end(bytes, at, n);
        d.line++;
        status = read_line(&d, bytes, at, end);
    }
    if (!status && !out->count && d.left_out)
        status = clvits_fail(r, CLVITS_E_FORMAT, "line %zu: there is no symbol \"%s\", and no line "
                                                 "has known ones alone", d.first_left_out,
                             d.lacked);
    if (!status && !out->count)
        status = clvits_fail(r, CLVITS_E_FORMAT, "there is no word in it");
    if (!status && d.left_out)
        clvits_warn(r, "words of the lexicon that have symbols which the voice lacks are left out: "
                       "%zu (the first is line %zu, with \"%s\")", d.left_out, d.first_left_out,
                    d.lacked);
    if (status)
        clvits_lexicon_free(out);
    return status;
}

const clvits_lexeme *clvits_lexicon_find(const clvits_lexicon *l, const char *text, size_t n)
{
    if (!l->n_slots || !n || n > l->longest)
        return NULL;
    const uint32_t at = *slot(l, text, n);
    return at ? &l->words[at - 1] : NULL;
}

const clvits_lexeme *clvits_lexicon_match(const clvits_lexicon *l, const char *text, size_t n)
{
    for (size_t k = n < l->longest ? n : l->longest; k; k--) {
        const int inside = k < n && ((unsigned char)text[k] & 0xC0) == 0x80; /* a character */
        const clvits_lexeme *found = inside ? NULL : clvits_lexicon_find(l, text, k);
        if (found)
            return found;
    }
    return NULL;
}

void clvits_lexicon_free(clvits_lexicon *l)
{
    clvits_arena_free(&l->arena);
    *l = (clvits_lexicon){ 0 };
}
