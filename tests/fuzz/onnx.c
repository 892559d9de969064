// SPDX-License-Identifier: MIT
#include "fuzz.h"
#include "io/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(0, data, size);
    clvits_config c = clvits_config_default();
    clvits_arrays a;
    clvits_report r = { 0 };

    clvits_onnx_detect(path);
    const clvits_status s = clvits_onnx_voice_open(&a, &c, NULL, path, &r);
    fuzz_status(s, &r);
    clvits_arrays_free(&a);
    return 0;
}
