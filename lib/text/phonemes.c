// SPDX-License-Identifier: MIT
#include "text/piece.h"
#include "text/utf8.h"

/*
 * The voice's symbols as they stand: what stands between white space is a word, and white space is
 * a space where the voice has one. A voice with a lexicon has symbols of several letters, which
 * stand apart as they do there.
 */
clvits_status clvits_text_phonemes(clvits_piece *p, const char *text, clvits_span sentence)
{
    const int apart = p->settings->lexicon != NULL;
    size_t at = sentence.start, end = at;
    clvits_status status = CLVITS_OK;

    while (at < sentence.end && !status) {
        uint32_t c = ' ';
        const int length = clvits_utf8_read(&c, text + end, sentence.end - end);
        const clvits_char_class class = clvits_char_classify(c);
        const int white = class == CLVITS_CHAR_SPACE || class == CLVITS_CHAR_NEWLINE;

        if (!white)
            end += length ? (size_t)length : 1;
        if (!white && end < sentence.end)
            continue;
        if (end > at) {
            const clvits_symbol *whole =
                apart ? clvits_symbols_find(p->settings->symbols, text + at, end - at) : NULL;
            const int32_t word = clvits_piece_word(p, (clvits_span){ at, end });
            if (word < 0)
                return CLVITS_E_MEMORY;
            status = whole ? clvits_piece_token_add(p, whole, word, CLVITS_TOKEN_SOUND)
                           : clvits_piece_phonemes(p, text + at, end - at, NULL, word);
        }
        if (white && !apart && !status)
            status = clvits_piece_mark(p, ' ', -1);
        if (white)
            end += length ? (size_t)length : 1;
        at = end;
    }
    return status;
}
