// SPDX-License-Identifier: MIT
//
// The configuration of the original training code, held against a checkpoint of it, and after a
// byte 0xff the list of symbols of MMS-TTS; or a checkpoint, where it begins as one.
#include "fuzz.h"
#include "model/voice_parts.h"

static void check(const clvits_voice_file *v)
{
    for (size_t i = 0; i < v->symbols.count; i++)
        FUZZ_CHECK(v->symbols.items[i].ids[0] < v->config.n_vocab);
    for (int i = 0; i < v->n_speakers; i++)
        FUZZ_CHECK(v->speakers[i].id >= 0 && v->speakers[i].id < v->config.n_speakers);
}

static clvits_status read_vocab(clvits_voice_file *v, const char *config, const char *vocab,
                                clvits_report *r)
{
    clvits_json j;

    v->config = clvits_config_default();
    v->config.n_vocab = 6;
    v->config.n_speakers = 2;
    clvits_status s = clvits_json_open(&j, config, r);
    if (!s)
        s = clvits_vits_text_read(v, &j, vocab);
    clvits_json_close(&j);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char config[] = FUZZ_GOLDEN "vits-single/config.json";
    clvits_voice_file v = { 0 };
    clvits_report r = { 0 };
    clvits_status s;

    if (size && (data[0] == 'P' || data[0] == 0x80)) {
        s = clvits_voice_file_open(&v, fuzz_file(0, data, size), config, &r);
    } else {
        size_t n, n_vocab;
        char *text = fuzz_part(&data, &size, &n), *vocab = fuzz_part(&data, &size, &n_vocab);
        const char *path = fuzz_file(0, text, n);

        s = n_vocab ? read_vocab(&v, path, fuzz_file(1, vocab, n_vocab), &r)
                    : clvits_voice_file_open(&v, FUZZ_GOLDEN "vits-single/G_3000.pth", path, &r);
        free(text);
        free(vocab);
    }
    fuzz_status(s, &r);
    check(&v);
    clvits_voice_file_free(&v);
    return 0;
}
