// SPDX-License-Identifier: MIT
//
// A config.json of Coqui, and after a byte 0xff the vectors of its speakers, in JSON; without these
// the configuration is held against a checkpoint, too.
#include "fuzz.h"
#include "model/voice_parts.h"

static void open_with(const char *config)
{
    clvits_voice_file v = { 0 };
    clvits_report r = { 0 };

    fuzz_status(clvits_voice_file_open(&v, FUZZ_GOLDEN "coqui-single/model.pth", config, &r), &r);
    for (size_t i = 0; i < v.symbols.count; i++)
        FUZZ_CHECK(v.symbols.items[i].ids[0] < v.config.n_vocab);
    clvits_voice_file_free(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_voice_file v = { .config = clvits_config_default() };
    clvits_report r = { 0 };
    clvits_opening o = { .v = &v, .r = &r };
    clvits_json j;
    size_t n, n_vectors;
    char *config = fuzz_part(&data, &size, &n), *vectors = fuzz_part(&data, &size, &n_vectors);

    v.config.n_vocab = 64;
    v.config.n_languages = 3;
    v.config.language_channels = 4;
    const char *path = fuzz_file(0, config, n);
    clvits_status s = clvits_json_open(&j, path, &r);
    if (!s)
        s = clvits_coqui_text_read(&o, &j, "nowhere/");
    clvits_json_close(&j);
    fuzz_status(s, &r);
    for (size_t i = 0; i < v.symbols.count; i++)
        FUZZ_CHECK(v.symbols.items[i].ids[0] < v.config.n_vocab);
    if (!s)
        FUZZ_CHECK(v.text.blank_id < 64 && v.text.ends.begin[0] < 64 && v.text.ends.end[0] < 64);
    clvits_report_clear(&r);
    fuzz_status(clvits_coqui_vectors_read(&o, fuzz_file(1, vectors, n_vectors), 6), &r);
    clvits_arrays_free(&v.raw);
    clvits_voice_file_free(&v);
    if (!n_vectors)
        open_with(path);
    free(config);
    free(vectors);
    return 0;
}
