// SPDX-License-Identifier: MIT
//
// Two files of results, with a byte 0xff between them, that clvits-bench compares.
#include "bench.h"
#include "fuzz.h"

#include "../tools/clvits/program.h"

#include <stdarg.h>
#include <string.h>

const char program_name[] = "fuzz";

int __wrap_program_fail(int code, const char *format, ...);

/* The message is made, and not shown. */
int __wrap_program_fail(int code, const char *format, ...)
{
    char text[4096];
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    FUZZ_CHECK(n > 5);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere; /* where what is compared is printed */
    char paths[2][32], *argv[] = { paths[0], paths[1], NULL };

    for (int i = 0; i < 2; i++) {
        size_t n;
        char *text = fuzz_part(&data, &size, &n);
        snprintf(paths[i], sizeof(paths[i]), "%s", fuzz_file(i, text, n));
        free(text);
    }
    if (!nowhere)
        nowhere = freopen("/dev/null", "w", stdout);
    FUZZ_CHECK(nowhere);
    const int code = bench_compare(2, argv);
    FUZZ_CHECK(code == CODE_OK || code == CODE_FAILED || code == CODE_INPUT);
    return 0;
}
