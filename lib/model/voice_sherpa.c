// SPDX-License-Identifier: MIT
#include "io/file.h"
#include "model/voice_parts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LEXICON = 64 << 20 }; /* bytes of the file */

/* A voice whose graph was read. */
typedef struct sherpa {
    clvits_opening *o;
    clvits_voice_file *v;
    const clvits_onnx_metadata *m;
    const char *path;
} sherpa;

static const char *text(const sherpa *s, const char *key)
{
    const char *value = clvits_onnx_metadata_find(s->m, key);
    return value ? value : "";
}

/* A whole number of the metadata; *out stays where there is none. */
static clvits_status number(const sherpa *s, int *out, const char *key)
{
    const char *value = text(s, key);
    char *end = NULL;
    const long n = strtol(value, &end, 10);

    if (!*value)
        return CLVITS_OK;
    if (!strcmp(value, "True") || !strcmp(value, "False")) { /* as Python writes it */
        *out = *value == 'T';
        return CLVITS_OK;
    }
    if (*end || end == value || n < INT_MIN || n > INT_MAX)
        return clvits_fail(s->o->r, CLVITS_E_FORMAT,
                           "%s: its metadata has the %s \"%.32s\", which is no whole number",
                           s->path, key, value);
    *out = (int)n;
    return CLVITS_OK;
}

/* The id of a key: 0 where the metadata does not say. */
static clvits_status read_id(const sherpa *s, int32_t *out, const char *key)
{
    int n = 0;
    const clvits_status status = number(s, &n, key);

    if (!status && (n < 0 || n >= s->v->config.n_vocab))
        return clvits_fail(s->o->r, CLVITS_E_FORMAT,
                           "%s: its metadata has the %s %d, but the model has %d symbols", s->path,
                           key, n, s->v->config.n_vocab);
    *out = n;
    return status;
}

static const char *beside(const sherpa *s, const char *name)
{
    return clvits_opening_keep(s->o, "%.*s%s", clvits_path_folder(s->path), s->path, name);
}

static clvits_status read_tokens(const sherpa *s)
{
    const char *file = beside(s, "tokens.txt");

    if (!file)
        return s->o->r->status;
    if (!clvits_file_exists(file))
        return clvits_fail(s->o->r, CLVITS_E_FILE,
                           "%s is missing; a voice of sherpa-onnx has its symbols there (a Piper "
                           "voice, in a JSON file called like the model, with .json added)",
                           file);
    return clvits_tokens_read(s->v, file, s->o->r);
}

/* Marks of East Asian scripts and their Latin counterparts stand for each other. */
static clvits_status pair_marks(const sherpa *s)
{
    static const char *const pairs[][2] = {
        { ",", "，" }, { ".", "。" }, { "!", "！" }, { "?", "？" },
        { ":", "：" }, { ";", "；" }, { ",", "、" }, { ";", "," },
    };
    clvits_symbols *table = &s->v->symbols;
    clvits_status status = CLVITS_OK;

    for (size_t i = 0; i < 2 * sizeof(pairs) / sizeof(pairs[0]) && !status; i++) {
        const char *want = pairs[i / 2][i % 2], *have = pairs[i / 2][1 - i % 2];
        const clvits_symbol *found = clvits_symbols_find(table, have, strlen(have));
        if (found && !clvits_symbols_find(table, want, strlen(want)))
            status = clvits_symbols_add(table, want, &(int32_t){ found->ids[0] }, 1, s->o->r);
    }
    return status;
}

static clvits_status read_lexicon(const sherpa *s)
{
    const char *file = beside(s, "lexicon.txt");
    clvits_report why = { .log = s->o->r->log, .log_user = s->o->r->log_user };
    void *bytes;
    size_t size;

    if (!file)
        return s->o->r->status;
    if (!clvits_file_exists(file))
        return clvits_fail(s->o->r, CLVITS_E_FILE,
                           "%s is missing; this voice looks words up in it", file);
    clvits_voice_file_note(s->v, file);
    clvits_status status = pair_marks(s);
    if (!status)
        status = clvits_file_read(&bytes, &size, MOST_LEXICON, file, s->o->r);
    if (status)
        return status;
    status = clvits_lexicon_read(&s->v->lexicon, &s->v->symbols, bytes ? bytes : "", size, &why);
    clvits_file_free(bytes, size);
    s->v->text.lexicon = &s->v->lexicon;
    return status ? clvits_fail(s->o->r, status, "%s: %s", file, why.text) : CLVITS_OK;
}

static int32_t token(const sherpa *s, const char *symbol)
{
    const clvits_symbol *found = clvits_symbols_find(&s->v->symbols, symbol, strlen(symbol));
    return found ? found->ids[0] : -1;
}

/* Chinese voices with pinyin: a silence at both ends, a mark for the end, breaks for marks. */
static void use_silences(const sherpa *s)
{
    const int32_t silence = token(s, "sil"), end = token(s, "eos");

    if (silence < 0 || end < 0)
        return;
    s->v->text.ends = (clvits_text_ends){ .begin = { silence }, .n_begin = 1,
                                          .end = { silence, end }, .n_end = 2, .padded = 1 };
    s->v->text.pause = token(s, "#0") >= 0 ? "#0" : "sil";
}

static void warn_of_rules(const sherpa *s)
{
    static const char *const rules[] = { "date.fst", "number.fst", "phone.fst",
                                         "new_heteronym.fst", "rule.far" };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        char file[4096];
        const int n = snprintf(file, sizeof(file), "%.*s%s", clvits_path_folder(s->path), s->path,
                               rules[i]);
        if (n < (int)sizeof(file) && clvits_file_exists(file)) {
            clvits_warn(s->o->r, "rules such as %s are not applied: write numbers, dates and the "
                                 "like as words", rules[i]);
            return;
        }
    }
}

/* The padding, and ids that begin and end a sentence. */
static clvits_status read_padding(const sherpa *s, int is_piper)
{
    clvits_text_settings *t = &s->v->text;
    int add_blank = 0, ends = 0;

    if (is_piper) {
        t->padding = CLVITS_PADDING_PIPER;
        return CLVITS_OK;
    }
    if (number(s, &add_blank, "add_blank") || read_id(s, &t->blank_id, "blank_id"))
        return s->o->r->status;
    t->padding = add_blank ? CLVITS_PADDING_BLANK : CLVITS_PADDING_NONE;
    /* sherpa-onnx takes 1 where it is not said; no voice that does not say was trained so. */
    if (number(s, &ends, "use_eos_bos") || !ends)
        return s->o->r->status;
    t->ends.n_begin = t->ends.n_end = 1;
    return read_id(s, &t->ends.begin[0], "bos_id") || read_id(s, &t->ends.end[0], "eos_id")
               ? s->o->r->status
               : CLVITS_OK;
}

static clvits_status read_text(const sherpa *s)
{
    clvits_text_settings *t = &s->v->text;
    const char *comment = text(s, "comment"), *voice = text(s, "voice");
    const int is_piper = strstr(comment, "piper") != NULL;
    const int phonemes = is_piper || strstr(comment, "coqui") || strstr(comment, "Inflect");
    int jieba = 0, pinyin = 0;

    if (number(s, &jieba, "jieba") || number(s, &pinyin, "has_g2pw") ||
        read_padding(s, is_piper))
        return s->o->r->status;
    if (!strcmp(text(s, "frontend"), "characters")) {
        t->kind = CLVITS_TEXT_CHARACTERS;
        t->lower_case = CLVITS_CASE_LOWER_ELSE;
        return CLVITS_OK;
    }
    if (pinyin) {
        clvits_warn(s->o->r, "this voice wants pinyin as g2pW finds it, which is not done here: "
                             "give it ids");
        t->kind = CLVITS_TEXT_IDS;
        return CLVITS_OK;
    }
    if (phonemes && *voice) {
        t->kind = CLVITS_TEXT_ESPEAK;
        t->espeak_voice = clvits_opening_name_copy(s->o, voice);
        return t->espeak_voice ? CLVITS_OK : s->o->r->status;
    }
    t->kind = CLVITS_TEXT_LEXICON;
    if (read_lexicon(s))
        return s->o->r->status;
    use_silences(s);
    if (jieba)
        clvits_warn(s->o->r, "words are found as the longest ones of the lexicon, not by jieba");
    warn_of_rules(s);
    return CLVITS_OK;
}

clvits_status clvits_sherpa_read(clvits_opening *o, const clvits_onnx_metadata *m, const char *path)
{
    const sherpa s = { .o = o, .v = o->v, .m = m, .path = path };

    o->v->kind = "sherpa-onnx VITS";
    if (!*text(&s, "sample_rate"))
        return clvits_fail(o->r, CLVITS_E_FORMAT, "%s: its metadata has no sample_rate", path);
    if (number(&s, &o->v->config.sampling_rate, "sample_rate") || read_tokens(&s))
        return o->r->status;
    return read_text(&s);
}
