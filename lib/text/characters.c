// SPDX-License-Identifier: MIT
#include "text/piece.h"
#include "text/utf8.h"

/*
 * The tokenizer of MMS and of Hugging Face's VITS: a character as it stands where the table has
 * it, else its lower case, else nothing; or the other way round. White space of any kind reads as a
 * space.
 */
static const clvits_symbol *find(const clvits_piece *p, uint32_t c)
{
    const clvits_symbols *symbols = p->settings->symbols;
    const clvits_text_case rule = p->settings->lower_case;
    const uint32_t lower = rule == CLVITS_CASE_KEPT ? c : clvits_char_lower(c);
    const uint32_t first = rule == CLVITS_CASE_LOWER ? lower : c;
    char utf8[4];
    const clvits_symbol *s =
        clvits_symbols_find(symbols, utf8, (size_t)clvits_utf8_write(utf8, first));

    if (!s && lower != c)
        s = clvits_symbols_find(
            symbols, utf8, (size_t)clvits_utf8_write(utf8, first == c ? lower : c));
    if (!s && (c == 0x21A || c == 0x21B)) /* Romanian tables have t with a cedilla instead */
        s = clvits_symbols_find(symbols, utf8, (size_t)clvits_utf8_write(utf8, 0x163));
    return s;
}

clvits_status clvits_text_characters(clvits_piece *p, const char *text, clvits_span sentence)
{
    clvits_span span = { sentence.start, sentence.start };
    int32_t word = -1;
    int more = clvits_split_word(&span, text, sentence.start, sentence.end);

    for (size_t i = sentence.start; i < sentence.end;) {
        uint32_t c = ' ';
        const int length = clvits_utf8_read(&c, text + i, sentence.end - i);
        const clvits_char_class class = clvits_char_classify(c);
        const int white = class == CLVITS_CHAR_SPACE || class == CLVITS_CHAR_NEWLINE;

        if (more && i == span.start) {
            word = clvits_piece_word(p, span);
            if (word < 0)
                return CLVITS_E_MEMORY;
        }
        const int inside = more && i >= span.start && i < span.end;
        const clvits_symbol *symbol = find(p, white ? ' ' : c);
        if (symbol) {
            const clvits_status status = clvits_piece_token_add(p, symbol, inside ? word : -1,
                                                                white    ? CLVITS_TOKEN_SPACE
                                                                : inside ? CLVITS_TOKEN_SOUND
                                                                         : CLVITS_TOKEN_MARK);
            if (status)
                return status;
        } else if (!white && class == CLVITS_CHAR_LETTER) {
            clvits_piece_unknown(p, c); /* punctuation is left out of such tables on purpose */
        }
        i += length ? (size_t)length : 1;
        if (more && i >= span.end)
            more = clvits_split_word(&span, text, i, sentence.end);
    }
    return CLVITS_OK;
}
