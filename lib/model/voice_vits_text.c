// SPDX-License-Identifier: MIT
//
// How a voice of the original training code reads text: its symbols, its cleaners, its speakers.
#include "io/file.h"
#include "model/voice_parts.h"
#include "text/utf8.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <string.h>

/* The symbols of the original, in the order of their ids. An apostrophe is there twice, and the
 * later one is what text gets. */
static const char original[] =
    "_;:,.!?¡¿—…\"«»“” ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    "ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁ"
    "ɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢǀǁǂǃˈˌːˑʼʴʰʱʲʷˠˤ˞"
    "↓↑→↗↘'\xcc\xa9'ᵻ";

enum { ORIGINAL_SYMBOLS = 178, MAX_VOCAB = 1 << 20 };

static clvits_status add_characters(clvits_voice_file *v, clvits_json *j, const char *key,
                                    const char *text, int *count)
{
    const size_t n = strlen(text);
    int32_t id = 0;

    for (size_t i = 0; i < n; id++) {
        uint32_t c;
        char one[5] = { 0 };
        const int length = clvits_utf8_read(&c, text + i, n - i);

        if (!length)
            return clvits_json_fail(j, CLVITS_E_FORMAT, "%s is not UTF-8 at byte %zu", key, i);
        memcpy(one, text + i, (size_t)length);
        i += (size_t)length;
        if (clvits_voice_symbol_add(v, j, key, one, &id, 1))
            return j->status;
    }
    *count = id;
    return CLVITS_OK;
}

static clvits_status add_list(clvits_voice_file *v, clvits_json *j, const char *key,
                              const cJSON *list, int *count)
{
    const cJSON *item;
    int32_t id = 0;

    cJSON_ArrayForEach(item, list) {
        if (!cJSON_IsString(item))
            return clvits_json_fail(j, CLVITS_E_FORMAT, "%s should be a list of texts", key);
        if (clvits_voice_symbol_add(v, j, key, item->valuestring, &id, 1))
            return j->status;
        id++;
    }
    *count = id;
    return CLVITS_OK;
}

/* A symbol per line; the number of the line is its id. */
static clvits_status add_lines(clvits_voice_file *v, clvits_json *j, const char *path, int *count)
{
    void *bytes;
    size_t size;
    int32_t id = 0;

    j->status = clvits_file_read(&bytes, &size, MAX_VOCAB, path, j->report);
    for (const char *at = bytes, *end = at + size; at < end && !j->status; id++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t n = (size_t)((stop ? stop : end) - at);
        char symbol[64];
        const size_t kept = n && at[n - 1] == '\r' ? n - 1 : n;

        if (kept >= sizeof(symbol) || memchr(at, '\0', n)) {
            clvits_json_fail(j, CLVITS_E_FORMAT, "%s: line %d is no symbol", path, (int)id + 1);
        } else {
            memcpy(symbol, at, kept);
            symbol[kept] = '\0';
            clvits_voice_symbol_add(v, j, path, symbol, &id, 1);
        }
        at += n + 1;
    }
    clvits_file_free(bytes, size);
    *count = id;
    return j->status;
}

/* Where a table has capital letters only, small ones find them. */
static clvits_status add_small_letters(clvits_voice_file *v, clvits_json *j)
{
    const size_t n = v->symbols.count;

    for (size_t i = 0; i < n; i++) {
        const clvits_symbol s = v->symbols.items[i];
        char small[5] = { 0 };
        uint32_t c;

        if (clvits_utf8_read(&c, s.text, s.n) != (int)s.n || clvits_char_lower(c) == c)
            continue;
        const int length = clvits_utf8_write(small, clvits_char_lower(c));
        if (!clvits_symbols_find(&v->symbols, small, (size_t)length) &&
            clvits_voice_symbol_add(v, j, "vocab.txt", small, s.ids, s.n_ids))
            return j->status;
    }
    return CLVITS_OK;
}

/* Fill the table from wherever it is; a voice without one takes ids. */
static clvits_status read_symbols(clvits_voice_file *v, clvits_json *j, const char *vocab)
{
    static const char *const places[] = { "symbols", "data.symbols", "model.symbols" };
    const char *key = vocab ? vocab : "the original's symbols";
    const cJSON *list = NULL;
    int count = v->config.n_vocab;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !list && !vocab; i++) {
        list = clvits_json_at(j, places[i]);
        key = list ? places[i] : key;
    }
    if (vocab)
        add_lines(v, j, vocab, &count);
    else if (cJSON_IsString(list))
        add_characters(v, j, key, list->valuestring, &count);
    else if (cJSON_IsArray(list))
        add_list(v, j, key, list, &count);
    else if (v->config.n_vocab == ORIGINAL_SYMBOLS)
        add_characters(v, j, key, original, &count);
    if (!j->status && count != v->config.n_vocab && vocab)
        j->status = clvits_fail(j->report, CLVITS_E_FORMAT,
                                "%s has %d symbols, but the model has %d", vocab, count,
                                v->config.n_vocab);
    else if (!j->status && count != v->config.n_vocab)
        clvits_json_fail(j, CLVITS_E_FORMAT, "%s has %d symbols, but the model has %d", key, count,
                         v->config.n_vocab);
    return j->status;
}

static clvits_status unread(clvits_voice_file *v, clvits_json *j, const char *cleaner)
{
    char text[400];
    const int has_symbols = v->symbols.count > 0;

    if (!cleaner)
        snprintf(text, sizeof(text), "this voice does not say how it reads text; give it ids%s",
                 has_symbols ? " (--ids), or its symbols as they are (--phonemes)" : " (--ids)");
    else
        snprintf(text, sizeof(text),
                 "this voice reads what \"%.60s\" makes of a text, which its training code has and "
                 "clvits has not; give it %s",
                 cleaner, has_symbols ? "the symbols that come out of that (--phonemes), or ids "
                                        "(--ids)"
                                      : "ids (--ids)");
    v->text.kind = CLVITS_TEXT_IDS;
    v->text.unread = clvits_arena_text(&v->arena, text, strlen(text));
    return v->text.unread ? CLVITS_OK
                          : (j->status = clvits_fail_memory(j->report, "a message"));
}

/* Whether the configuration is one of MMS-TTS, which trained on lists of characters. */
static int is_mms(clvits_json *j)
{
    const char *list = cJSON_GetStringValue(clvits_json_at(j, "data.training_files"));
    const cJSON *cleaners = clvits_json_at(j, "data.text_cleaners");
    const char *cleaner = cJSON_IsArray(cleaners) ? cJSON_GetStringValue(cleaners->child) : NULL;

    return (list && strstr(list, ".ltr")) ||
           (cleaner && !strcmp(cleaner, "transliteration_cleaners"));
}

/* Its symbols are not in the configuration: without their file it takes ids. */
static clvits_status miss_vocab(clvits_voice_file *v, clvits_json *j)
{
    static const char text[] = "this voice of MMS-TTS has its symbols in vocab.txt, which is "
                               "missing beside it; put it there, or give ids (--ids)";

    clvits_warn(j->report, "%s", text);
    v->text.kind = CLVITS_TEXT_IDS;
    v->text.unread = clvits_arena_text(&v->arena, text, sizeof(text) - 1);
    return v->text.unread ? CLVITS_OK : (j->status = clvits_fail_memory(j->report, "a message"));
}

static clvits_status read_cleaners(clvits_voice_file *v, clvits_json *j)
{
    if (!v->symbols.count && is_mms(j))
        return miss_vocab(v, j);
    const cJSON *list = clvits_json_at(j, "data.text_cleaners");
    const cJSON *item = cJSON_IsArray(list) ? list->child : list;
    const char *cleaner = cJSON_IsString(item) ? item->valuestring : NULL;

    if (!cleaner || !v->symbols.count || (item != list && item->next))
        return unread(v, j, cleaner);
    if (!strcmp(cleaner, "english_cleaners2") || !strcmp(cleaner, "english_cleaners")) {
        v->text.kind = CLVITS_TEXT_ESPEAK;
        v->text.espeak_voice = "en-us";
        v->text.bare = !strcmp(cleaner, "english_cleaners");
        return CLVITS_OK;
    }
    if (!strcmp(cleaner, "basic_cleaners")) {
        v->text.kind = CLVITS_TEXT_CHARACTERS;
        v->text.lower_case = CLVITS_CASE_LOWER;
        return CLVITS_OK;
    }
    return unread(v, j, cleaner);
}

/* MMS-TTS: lower case, and what the table lacks is left out. */
static clvits_status read_mms(clvits_voice_file *v, clvits_json *j)
{
    static const char mark[] = ".uroman";
    const char *list = clvits_json_text(j, "data.training_files", CLVITS_JSON_OPTIONAL);
    const size_t n = list ? strlen(list) : 0, m = strlen(mark);

    v->text.kind = CLVITS_TEXT_CHARACTERS;
    v->text.lower_case = CLVITS_CASE_LOWER;
    v->text.romanised = n >= m && !strcmp(list + n - m, mark);
    return add_small_letters(v, j);
}

static clvits_status add_speaker(clvits_voice_file *v, clvits_json *j, const char *key,
                                 const char *name, int id)
{
    if (id < 0 || id >= v->config.n_speakers)
        return clvits_json_fail(j, CLVITS_E_FORMAT,
                                "%s: \"%.64s\" is number %d, but the model has %d speakers", key,
                                name, id, v->config.n_speakers);
    clvits_speaker s = { clvits_arena_text(&v->arena, name, strlen(name)), id };
    if (!s.name)
        return j->status = clvits_fail_memory(j->report, "the name of a speaker");
    v->speakers[v->n_speakers++] = s;
    return CLVITS_OK;
}

/* A list of names, or an object with numbers, wherever the training code's relatives put it. */
static clvits_status read_names(clvits_voice_file *v, clvits_json *j)
{
    static const char *const places[] = { "speakers", "data.speakers", "data.spk2id",
                                          "speaker_id_map" };
    const cJSON *names = NULL, *item;
    const char *key = "";
    int i = 0;

    for (size_t k = 0; k < sizeof(places) / sizeof(places[0]) && !names; k++)
        names = clvits_json_at(j, key = places[k]);
    if ((!cJSON_IsArray(names) && !cJSON_IsObject(names)) || !names->child)
        return CLVITS_OK;
    v->speakers = clvits_arena_array(&v->arena, (size_t)cJSON_GetArraySize(names),
                                     sizeof(*v->speakers));
    if (!v->speakers)
        return j->status = clvits_fail_memory(j->report, "the names of the speakers");
    cJSON_ArrayForEach(item, names) {
        int id = i++;
        const char *name = cJSON_IsArray(names) ? cJSON_GetStringValue(item) : item->string;

        if (!name || (cJSON_IsObject(names) && !clvits_json_node_int(&id, item)))
            return clvits_json_fail(j, CLVITS_E_FORMAT,
                                    "%s should be a list of names, or names with whole numbers",
                                    key);
        /* A list may be longer than the table: some training code writes names nobody speaks. */
        if (cJSON_IsArray(names) && id >= v->config.n_speakers)
            break;
        if (add_speaker(v, j, key, name, id))
            return j->status;
    }
    return CLVITS_OK;
}

clvits_status clvits_vits_text_read(clvits_voice_file *v, clvits_json *j, const char *vocab)
{
    int add_blank = 0;

    clvits_json_bool(j, &add_blank, "data.add_blank", CLVITS_JSON_REQUIRED);
    v->text.padding = add_blank ? CLVITS_PADDING_BLANK : CLVITS_PADDING_NONE;
    if (j->status || read_symbols(v, j, vocab))
        return j->status;
    if (vocab ? read_mms(v, j) : read_cleaners(v, j))
        return j->status;
    return read_names(v, j);
}
