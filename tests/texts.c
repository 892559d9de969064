// SPDX-License-Identifier: MIT
#include "texts.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

clvits_status texts_ids(char *out, size_t size, const clvits_text_settings *s, const char *text,
                        clvits_report *r)
{
    clvits_text_reader *reader;
    clvits_status status = clvits_text_open(&reader, s, text, strlen(text), r);
    const clvits_sentence *sentence = NULL;
    size_t at = 0;

    *out = '\0';
    while (!status) {
        status = clvits_text_next(&sentence, reader, r);
        if (status || !sentence)
            break;
        if (at)
            at += (size_t)snprintf(out + at, size - at, " |");
        for (int i = 0; i < sentence->n_ids && at + 16 < size; i++)
            at +=
                (size_t)snprintf(out + at, size - at, "%s%d", at ? " " : "", (int)sentence->ids[i]);
    }
    clvits_text_close(&reader);
    ck_assert_ptr_null(reader);
    return status;
}
