// SPDX-License-Identifier: MIT
//
// What the program is given: in turns a placement, ids, lines of JSON and lines of text.
#include "fuzz.h"
#include "graph/sched.h"
#include "speak.h"

#include <string.h>

int program_fail(int code, const char *format, ...)
{
    (void)format;
    return code;
}

int program_signal_sent(void)
{
    return 0;
}

static void read_source(speech_source source)
{
    utterance u;
    bool more = true;
    int code = speech_source_open(&source);

    while (!code && more)
        code = speech_source_next(&source, &u, &more);
    FUZZ_CHECK(code >= 0 && code != CODE_FAILED);
    speech_source_close(&source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const clvits_machine m = { .n_places = 3 };
    clvits_report r = { 0 };
    size_t n;

    if (size < 1)
        return 0;
    const int kind = *data % 4;
    data++;
    size--;
    char *text = fuzz_part(&data, &size, &n);
    if (kind == 0)
        fuzz_status(clvits_place_check(&m, text, &r), &r);
    else if (kind == 1)
        read_source((speech_source){ .ids = text });
    else
        read_source((speech_source){ .path = fuzz_file(0, text, n), .json = kind == 2 });
    free(text);
    return 0;
}
