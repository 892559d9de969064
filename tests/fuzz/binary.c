// SPDX-License-Identifier: MIT
//
// Kernels' binaries in the cache, with whatever keys the file says.
#include "fuzz.h"

#include "device/cache.h"

#include <string.h>

enum { KEYS_AT = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t keys[2] = { 0 };
    size_t n;

    if (size >= KEYS_AT + sizeof(keys))
        memcpy(keys, data + KEYS_AT, sizeof(keys));
    unsigned char *binary = clvits_cache_read(fuzz_file(0, data, size), keys[0], keys[1], &n);
    FUZZ_CHECK(binary ? n && n < size : !n);
    free(binary);
    return 0;
}
