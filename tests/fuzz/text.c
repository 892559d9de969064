// SPDX-License-Identifier: MIT
//
// A byte of settings, then text, by sentences, clauses and words; as characters and as phonemes.
#include "fuzz.h"
#include "text/piece.h"
#include "text/utf8.h"

#include <string.h>

enum { MAX_IDS = 60 };

static void read_sentences(const clvits_text_settings *settings, const char *text, size_t n)
{
    clvits_text_reader *reader;
    clvits_report r = { 0 };
    clvits_status s = clvits_text_open(&reader, settings, text, n, &r);
    const clvits_sentence *sentence = NULL;
    size_t at = 0;

    while (!s && !(s = clvits_text_next(&sentence, reader, &r)) && sentence) {
        FUZZ_CHECK(sentence->n_ids > 0 && sentence->n_ids <= MAX_IDS);
        FUZZ_CHECK(sentence->start >= at && sentence->start + sentence->n <= n);
        for (int i = 0; i < sentence->n_ids; i++)
            FUZZ_CHECK(sentence->id_tokens[i] < sentence->n_tokens);
        for (int i = 0; i < sentence->n_tokens; i++)
            FUZZ_CHECK(sentence->tokens[i].word < sentence->n_words);
        at = sentence->ends ? sentence->start + sentence->n : sentence->start;
    }
    fuzz_status(s, &r);
    clvits_text_close(&reader);
}

/* Every step goes on. */
static void split(const char *text, size_t n)
{
    clvits_split part;
    clvits_clause clause;
    clvits_span word;

    for (size_t at = 0; clvits_split_sentence(&part, text, at, n, 40); at = part.next) {
        FUZZ_CHECK(part.next > at && part.next <= n && part.span.end <= part.next);
        for (size_t c = part.span.start; clvits_split_clause(&clause, text, c, part.span.end);
             c = clause.next)
            FUZZ_CHECK(clause.next > c && clause.span.end <= part.span.end);
        for (size_t w = part.span.start; clvits_split_word(&word, text, w, part.span.end);
             w = word.end)
            FUZZ_CHECK(word.start >= w && word.end > word.start && word.end <= part.span.end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static clvits_symbols symbols;
    clvits_report r = { 0 };
    clvits_unknown unknown = { .n = 0 };

    if (size < 1)
        return 0;
    for (int32_t c = ' '; c < 127 && symbols.count < 95; c++) {
        const char text[] = { (char)c, '\0' };
        FUZZ_CHECK(!clvits_symbols_add(&symbols, text, &c, 1, &r));
    }
    const clvits_text_settings settings = {
        .kind = CLVITS_TEXT_CHARACTERS,
        .padding = (clvits_text_padding)(data[0] % 3),
        .symbols = &symbols,
        .longest_match = data[0] >> 2 & 1,
        .lower_case = (clvits_text_case)(data[0] >> 3 & 1),
        .max_ids = MAX_IDS,
    };
    const char *text = (const char *)data + 1;
    const size_t n = size - 1;
    read_sentences(&settings, text, n);
    if (n && clvits_utf8_check(text, n) == n) {
        clvits_piece p = { .settings = &settings, .unknown = &unknown, .report = &r };
        split(text, n);
        fuzz_status(clvits_piece_phonemes(&p, text, n, NULL, -1), &r);
        clvits_arena_free(&p.arena);
    }
    return 0;
}
