// SPDX-License-Identifier: MIT
//
// A checkpoint of Piper's trainer, beside the configuration of one.
#include "fuzz.h"
#include "model/voice_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_voice_file v = { 0 };
    clvits_report r = { 0 };

    if (!size || (data[0] != 'P' && data[0] != 0x80)) /* other formats have fuzzers of their own */
        return 0;
    fuzz_status(clvits_voice_file_open(&v, fuzz_file(0, data, size),
                                       FUZZ_GOLDEN "piper-ckpt/config.json", &r), &r);
    for (size_t i = 0; i < v.symbols.count; i++)
        FUZZ_CHECK(v.symbols.items[i].ids[0] < v.config.n_vocab);
    clvits_voice_file_free(&v);
    return 0;
}
