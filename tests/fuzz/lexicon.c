// SPDX-License-Identifier: MIT
//
// tokens.txt of a voice of sherpa-onnx, after a byte 0xff lexicon.txt, and after another one a text
// that is looked up in it.
#include "fuzz.h"
#include "model/voice_parts.h"

#include <string.h>

static void look_up(const clvits_voice_file *v, const char *text, size_t n)
{
    const clvits_text_settings settings = { .kind = CLVITS_TEXT_LEXICON, .symbols = &v->symbols,
                                            .lexicon = &v->lexicon, .pause = "#0",
                                            .ends = { { 1 }, { 2, 3 }, 1, 2, (int)n % 2 },
                                            .padding = n % 3 ? CLVITS_PADDING_BLANK
                                                             : CLVITS_PADDING_NONE };
    clvits_text_reader *reader;
    clvits_report r = { 0 };
    const clvits_sentence *x = NULL;
    clvits_status s = clvits_text_open(&reader, &settings, text, n, &r);

    while (!s && !(s = clvits_text_next(&x, reader, &r)) && x) {
        for (int i = 0; i < x->n_ids; i++)
            FUZZ_CHECK(x->ids[i] >= 0 && x->ids[i] < v->config.n_vocab &&
                       x->id_tokens[i] < x->n_tokens);
        for (int i = 0; i < x->n_tokens; i++)
            FUZZ_CHECK(x->tokens[i].word < x->n_words);
        for (int i = 0; i < x->n_words; i++)
            FUZZ_CHECK(x->words[i].start + x->words[i].n <= n);
    }
    fuzz_status(s, &r);
    clvits_text_close(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_voice_file v = { .config = clvits_config_default() };
    clvits_report r = { 0 };
    size_t n_tokens, n_words, n_text;
    char *tokens = fuzz_part(&data, &size, &n_tokens), *words = fuzz_part(&data, &size, &n_words);
    char *text = fuzz_part(&data, &size, &n_text);

    v.config.n_vocab = 64;
    clvits_status s = clvits_tokens_read(&v, fuzz_file(0, tokens, n_tokens), &r);
    if (!s)
        s = clvits_lexicon_read(&v.lexicon, &v.symbols, words, n_words, &r);
    fuzz_status(s, &r);
    if (!s)
        look_up(&v, text, n_text);
    clvits_voice_file_free(&v);
    free(tokens);
    free(words);
    free(text);
    return 0;
}
