// SPDX-License-Identifier: MIT
#include "fuzz.h"
#include "io/onnx.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(0, data, size);
    clvits_config c = clvits_config_default();
    clvits_onnx_metadata m;
    clvits_arrays a;
    clvits_report r = { 0 };

    clvits_onnx_detect(path);
    const clvits_status s = clvits_onnx_voice_open(&a, &c, &m, path, &r);
    fuzz_status(s, &r);
    for (size_t i = 0; i < m.count; i++)
        FUZZ_CHECK(strlen(m.keys[i]) + strlen(m.values[i]) < size &&
                   clvits_onnx_metadata_find(&m, m.keys[i]));
    clvits_onnx_metadata_free(&m);
    clvits_arrays_free(&a);
    return 0;
}
