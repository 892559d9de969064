// SPDX-License-Identifier: MIT
//
// The metadata of a graph as sherpa-onnx reads it, in lines KEY=VALUE; after a byte 0xff the
// tokens.txt beside it, and after another one lexicon.txt, which is missing where that is empty.
#define _GNU_SOURCE /* strsep */
#include "fuzz.h"
#include "model/voice_parts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ENTRIES = 16, PATH = 64 };

static char folder[] = "/tmp/clvits-fuzz-XXXXXX";

/* NULL: none of that name. */
static void link_file(const char *name, const char *to)
{
    char path[PATH];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
    FUZZ_CHECK(!to || !symlink(to, path));
}

static void remove_folder(void)
{
    link_file("tokens.txt", NULL);
    link_file("lexicon.txt", NULL);
    rmdir(folder);
}

static void take_metadata(clvits_onnx_metadata *m, char *text)
{
    for (char *line; m->count < ENTRIES && (line = strsep(&text, "\n")) != NULL; m->count++) {
        char *value = line;
        m->keys[m->count] = strsep(&value, "=");
        m->values[m->count] = value ? value : "";
    }
}

static void check(const clvits_voice_file *v)
{
    const clvits_text_settings *t = &v->text;
    const int most = v->config.n_vocab;

    for (size_t i = 0; i < v->symbols.count; i++)
        FUZZ_CHECK(v->symbols.items[i].ids[0] < most);
    FUZZ_CHECK(t->blank_id >= 0 && t->blank_id < most);
    for (int i = 0; i < t->ends.n_begin; i++)
        FUZZ_CHECK(t->ends.begin[i] >= 0 && t->ends.begin[i] < most);
    for (int i = 0; i < t->ends.n_end; i++)
        FUZZ_CHECK(t->ends.end[i] >= 0 && t->ends.end[i] < most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool there;
    const char *keys[ENTRIES], *values[ENTRIES];
    clvits_onnx_metadata m = { .keys = keys, .values = values };
    clvits_voice_file v = { .config = clvits_config_default() };
    clvits_report r = { 0 };
    clvits_opening o = { .v = &v, .r = &r };
    size_t n, n_tokens, n_words;
    char *text = fuzz_part(&data, &size, &n), *tokens = fuzz_part(&data, &size, &n_tokens);
    char *words = fuzz_part(&data, &size, &n_words), path[PATH];

    if (!there)
        FUZZ_CHECK(mkdtemp(folder) && !atexit(remove_folder));
    there = true;
    link_file("tokens.txt", fuzz_file(0, tokens, n_tokens));
    link_file("lexicon.txt", n_words ? fuzz_file(1, words, n_words) : NULL);
    take_metadata(&m, text);
    v.config.n_vocab = 64;
    snprintf(path, sizeof(path), "%s/model.onnx", folder);
    const clvits_status s = clvits_sherpa_read(&o, &m, path);
    fuzz_status(s, &r);
    if (!s)
        check(&v);
    clvits_voice_file_free(&v);
    free(text);
    free(tokens);
    free(words);
    return 0;
}
