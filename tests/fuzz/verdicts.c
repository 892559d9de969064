// SPDX-License-Identifier: MIT
#include "fuzz.h"

#include "device/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const clvits_device_info info = { .name = "a device" };
    char why[CLVITS_VERDICT_TEXT];
    clvits_report r = { 0 };
    clvits_device *d;

    FUZZ_CHECK(clvits_device_describe(&d, &info, &r) == CLVITS_OK);
    fuzz_status(clvits_verdicts_read(d, fuzz_file(0, data, size), &r), &r);
    clvits_verdict_get(d, 1, why);
    clvits_device_close(&d);
    return 0;
}
