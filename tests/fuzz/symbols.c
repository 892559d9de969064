// SPDX-License-Identifier: MIT
//
// The JSON beside a Piper voice, or vocab.json and, after a byte 0xff, tokenizer_config.json.
#include "fuzz.h"
#include "model/voice_parts.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_voice_file v = { .config = clvits_config_default() };
    clvits_report r = { 0 };
    clvits_status s;
    size_t n, n_rest;
    char *first = fuzz_part(&data, &size, &n), *rest = fuzz_part(&data, &size, &n_rest);

    v.config.n_vocab = 64;
    v.config.n_speakers = 8;
    if (n_rest)
        s = clvits_hf_text_read(&v, fuzz_file(0, first, n), fuzz_file(1, rest, n_rest), &r);
    else
        s = clvits_piper_json_read(&v, fuzz_file(0, first, n), &r);
    fuzz_status(s, &r);
    for (size_t i = 0; i < v.symbols.count; i++) {
        const clvits_symbol *symbol = &v.symbols.items[i];
        FUZZ_CHECK(clvits_symbols_find(&v.symbols, symbol->text, symbol->n) == symbol);
        for (int k = 0; k < symbol->n_ids; k++)
            FUZZ_CHECK(symbol->ids[k] >= 0 && symbol->ids[k] < v.config.n_vocab);
    }
    clvits_voice_file_free(&v);
    free(first);
    free(rest);
    return 0;
}
