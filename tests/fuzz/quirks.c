// SPDX-License-Identifier: MIT
//
// A table of quirks, and after a byte 0xff each the name, the vendor and the driver of the device
// that is looked up in it.
#include "device/quirks.h"
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 1 << 16 };

static void take(char *out, size_t room, const uint8_t **data, size_t *size)
{
    size_t n;
    char *text = fuzz_part(data, size, &n);

    snprintf(out, room, "%s", text);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clvits_device_info d = { .platform = "Portable Computing Language", .version = "OpenCL 3.0" };
    clvits_quirks q;
    size_t n;
    char *table = fuzz_part(&data, &size, &n);

    take(d.name, sizeof(d.name), &data, &size);
    take(d.vendor, sizeof(d.vendor), &data, &size);
    take(d.driver, sizeof(d.driver), &data, &size);
    FUZZ_CHECK(clvits_quirks_read(&q, table, &d) >= 0);
    FUZZ_CHECK(q.flush >= 0 && q.flush <= MOST && q.group >= 0 && q.group <= MOST);
    FUZZ_CHECK(q.family >= 0 && q.family <= 1 + CLVITS_FAMILY_CPU);
    FUZZ_CHECK(q.n_without >= 0 && q.n_without <= CLVITS_MAX_WITHOUT);
    FUZZ_CHECK(strlen(q.text) < sizeof(q.text));
    for (int i = 0; i < q.n_without; i++)
        FUZZ_CHECK(*q.without[i] && clvits_quirks_without(&q, q.without[i]));
    free(table);
    return 0;
}
