// SPDX-License-Identifier: MIT
#include "fuzz.h"
#include "model/rates.h"

#include <math.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_rates rates[2];

    if (clvits_rates_read(rates, 2, fuzz_file(0, data, size), "clvits rates 2 0123"))
        for (int i = 0; i < 2; i++)
            FUZZ_CHECK(isfinite(rates[i].transfer.each) && rates[i].transfer.each >= 0.0);
    return 0;
}
