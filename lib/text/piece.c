// SPDX-License-Identifier: MIT
#include "text/piece.h"
#include "text/utf8.h"

#include <string.h>

/* Room for one more item; the arena keeps the outgrown arrays until the sentence is done. */
static void *make_room(clvits_arena *a, void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    const size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = clvits_arena_array(a, wanted, size);
    if (grown && count)
        memcpy(grown, items, count * size);
    if (grown)
        *capacity = wanted;
    return grown;
}

int32_t clvits_piece_word(clvits_piece *p, clvits_span span)
{
    clvits_word *words =
        make_room(&p->arena, p->words, p->n_words, &p->word_capacity, sizeof(*words));

    if (!words) {
        clvits_fail_memory(p->report, "the words of a sentence");
        return -1;
    }
    p->words = words;
    words[p->n_words] = (clvits_word){ span.start, span.end - span.start };
    return (int32_t)p->n_words++;
}

clvits_status clvits_piece_token_add(clvits_piece *p, const clvits_symbol *symbol, int32_t word,
                                     clvits_token_class class)
{
    clvits_piece_token *tokens =
        make_room(&p->arena, p->tokens, p->n_tokens, &p->token_capacity, sizeof(*tokens));

    if (!tokens)
        return clvits_fail_memory(p->report, "the phonemes of a sentence");
    p->tokens = tokens;
    tokens[p->n_tokens++] = (clvits_piece_token){ symbol, word, class };
    return CLVITS_OK;
}

clvits_status clvits_piece_mark(clvits_piece *p, char mark, int32_t word)
{
    const clvits_symbol *symbol = clvits_symbols_find(p->settings->symbols, &mark, 1);

    if (!symbol || (p->settings->bare && mark != ' '))
        return CLVITS_OK;
    return clvits_piece_token_add(p, symbol, word,
                                  mark == ' ' ? CLVITS_TOKEN_SPACE : CLVITS_TOKEN_MARK);
}

void clvits_piece_unknown(clvits_piece *p, uint32_t c)
{
    clvits_unknown *u = p->unknown;

    for (int i = 0; i < u->n; i++)
        if (u->seen[i] == c)
            return;
    if (u->n < (int)(sizeof(u->seen) / sizeof(u->seen[0])))
        u->seen[u->n++] = c;
    else
        u->more = 1;
}

void clvits_unknown_word(clvits_unknown_words *u, const char *word, size_t n)
{
    const size_t most = sizeof(u->word[0]) - 1;

    if (n > most)
        for (n = most; n && ((unsigned char)word[n] & 0xC0) == 0x80;)
            n--;
    for (int i = 0; i < u->n; i++)
        if (strlen(u->word[i]) == n && !memcmp(u->word[i], word, n))
            return;
    if (u->n == (int)(sizeof(u->word) / sizeof(u->word[0]))) {
        u->more = 1;
        return;
    }
    memcpy(u->word[u->n], word, n);
    u->word[u->n++][n] = '\0';
}

static const clvits_symbol *find_char(const clvits_piece *p, uint32_t c)
{
    char utf8[4];
    const int n = clvits_utf8_write(utf8, c);
    return clvits_symbols_find(p->settings->symbols, utf8, (size_t)n);
}

/* Piper's tables hold decomposed letters; a table with only the composed one is served too. */
static clvits_status add_char(clvits_piece *p, uint32_t c, int32_t word)
{
    const clvits_token_class class = c == ' '              ? CLVITS_TOKEN_SPACE
                                     : clvits_char_mark(c) ? CLVITS_TOKEN_MARK
                                                           : CLVITS_TOKEN_SOUND;
    uint32_t base, mark;

    if (p->settings->bare && (class == CLVITS_TOKEN_MARK || c == 0x2C8 || c == 0x2CC))
        return CLVITS_OK;
    if (clvits_char_decompose(&base, &mark, c)) {
        const clvits_symbol *first = find_char(p, base), *second = find_char(p, mark);
        if (first && second) {
            clvits_status status = clvits_piece_token_add(p, first, word, class);
            return status ? status : clvits_piece_token_add(p, second, word, class);
        }
    }
    const clvits_symbol *symbol = find_char(p, c);
    if (symbol)
        return clvits_piece_token_add(p, symbol, word, class);
    if (c != ' ')
        clvits_piece_unknown(p, c);
    return CLVITS_OK;
}

clvits_status clvits_piece_phonemes(clvits_piece *p, const char *text, size_t n,
                                    const int32_t *words, int32_t word)
{
    for (size_t i = 0; i < n;) {
        const clvits_symbol *s = p->settings->longest_match
                                     ? clvits_symbols_match(p->settings->symbols, text + i, n - i)
                                     : NULL;
        const int32_t w = words ? words[i] : word;
        uint32_t c = ' ';
        int length = clvits_utf8_read(&c, text + i, n - i);
        clvits_status status;

        if (s && s->n > (size_t)length) {
            length = (int)s->n;
            status = clvits_piece_token_add(p, s, w, CLVITS_TOKEN_SOUND);
        } else {
            status = add_char(p, c, w);
        }
        if (status)
            return status;
        i += length ? (size_t)length : 1;
    }
    return CLVITS_OK;
}
