// SPDX-License-Identifier: MIT
#include "fuzz.h"
#include "io/arrays.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_arrays a;
    clvits_report r = { 0 };
    const clvits_status s = clvits_safetensors_open(&a, fuzz_file(0, data, size), &r);

    fuzz_status(s, &r);
    for (size_t i = 0; i < a.count; i++) {
        const int64_t n = clvits_array_count(&a.items[i]);
        FUZZ_CHECK(n >= 0 && (uint64_t)n <= size);
        float *floats = malloc((size_t)n * sizeof(*floats) + 1);
        FUZZ_CHECK(floats && clvits_arrays_find(&a, a.items[i].name));
        clvits_array_floats(&a.items[i], floats);
        free(floats);
    }
    clvits_arrays_free(&a);
    return 0;
}
