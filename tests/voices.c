// SPDX-License-Identifier: MIT
#include "voices.h"
#include "texts.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

clvits_voice_file v;
clvits_report r;

void voices_open(void)
{
    files_open();
    unsetenv("CLVITS_VOICES");
    r = (clvits_report){ .log = keep_log };
    *logged = '\0';
}

void voices_close(void)
{
    clvits_voice_file_free(&v);
    files_close();
}

void voices_take(const char *path, const char *config)
{
    clvits_voice_file_free(&v);
    clvits_report_clear(&r);
    ck_assert_msg(!clvits_voice_file_open(&v, path, config, &r), "%s", r.text);
}

void voices_refuse(const char *path, const char *config, clvits_status status, const char *words)
{
    clvits_voice_file_free(&v);
    clvits_report_clear(&r);
    ck_assert_msg(clvits_voice_file_open(&v, path, config, &r) == status, "%d: %s", (int)r.status,
                  r.text);
    ck_assert_msg(strstr(r.text, words), "no \"%s\" in: %s", words, r.text);
}

int32_t voices_id(const char *symbol)
{
    const clvits_symbol *s = clvits_symbols_find(&v.symbols, symbol, strlen(symbol));

    ck_assert_msg(s != NULL, "no symbol %s", symbol);
    ck_assert_int_eq(s->n_ids, 1);
    return s->ids[0];
}

const char *voices_ids(const char *text)
{
    static char out[512];

    clvits_report_clear(&r);
    return texts_ids(out, sizeof(out), &v.text, text, &r) ? r.text : out;
}
