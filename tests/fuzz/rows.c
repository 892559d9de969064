// SPDX-License-Identifier: MIT
//
// tuned.txt; what is read is written and read again.
#include "base/tune.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const clvits_tuned_device d = { .name = "Mali-G715", .driver = "ARM Platform v1, gpu kernels",
                                    .family = { "gpu" } };
    clvits_rows rows = { 0 };
    clvits_report r = { 0 };
    char line[2 * CLVITS_MAX_ROW];

    fuzz_status(clvits_rows_add(&rows, (const char *)data, size, "tuned.txt", true, &r), &r);
    for (int i = 0; i < rows.n; i++) {
        const char *why;
        clvits_row again;
        clvits_row_rank(&rows.row[i], &d);
        clvits_row_fits(&rows.row[i], "conv1d", &rows.row[i].shape);
        const int n = clvits_row_print(&rows.row[i], line, sizeof(line));
        FUZZ_CHECK(n > 0 && (size_t)n < sizeof(line));
        FUZZ_CHECK(clvits_row_parse(&again, line, &why) == CLVITS_ROW);
        FUZZ_CHECK(clvits_row_same(&again, &rows.row[i]));
    }
    clvits_rows_free(&rows);
    return 0;
}
