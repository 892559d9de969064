// SPDX-License-Identifier: MIT
//
// Sound files. libsndfile is what is installed, without a sanitizer's checks.
#include "fuzz.h"
#include "io/audio.h"

#include <math.h>

enum { RATE = 16000, MOST = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_report r = { 0 };
    float *samples;
    int64_t n;
    const clvits_status s =
        clvits_audio_read(&samples, &n, fuzz_file(0, data, size), RATE, MOST, &r);

    fuzz_status(s, &r);
    FUZZ_CHECK(s ? !samples : n > 0 && n <= MOST);
    for (int64_t i = 0; !s && i < n; i++)
        FUZZ_CHECK(isfinite(samples[i]));
    free(samples);
    return 0;
}
