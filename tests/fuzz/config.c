// SPDX-License-Identifier: MIT
//
// config.json, whose geometry is then held against a voice's weights.
#include "fuzz.h"
#include "model/voice_parts.h"
#include "model/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static clvits_arrays raw;
    clvits_arrays weights = { 0 };
    clvits_config c = clvits_config_default();
    clvits_report r = { 0 };

    if (!raw.count)
        FUZZ_CHECK(!clvits_safetensors_open(&raw, FUZZ_WEIGHTS, &r));
    clvits_status s = clvits_hf_config_read(&c, fuzz_file(0, data, size), &r);
    if (!s)
        s = clvits_config_check(&c, &r);
    if (!s)
        s = clvits_weights_canonical(&weights, &raw, &c, &r);
    fuzz_status(s, &r);
    clvits_arrays_free(&weights);
    return 0;
}
