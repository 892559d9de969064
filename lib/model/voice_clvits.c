// SPDX-License-Identifier: MIT
//
// A voice in one file: a .safetensors file whose metadata says under CLVITS_ABOUT, as JSON, what
// the files of other formats say around their weights. An object, in the words of clvits_config
// and clvits_text_settings:
//
//     version   1; others are refused
//     name      of the voice
//     origin    what it was converted from, in words
//     config    every number and list of clvits_config by its name; what is not there is as in the
//               original code; names that are not known are refused. Where the posterior encoder
//               is among the tensors, n_fft, win_length and posterior_* are there as well; the hop
//               of its spectrogram is hop_length
//     text      kind ("ids", "espeak", "characters", "lexicon", "phonemes"), padding ("none",
//               "piper", "blank"), ends (begin, end, padded), espeak_voice, pause, unread,
//               blank_id, longest_match, case ("kept", "lower-else", "lower"), bare, romanised,
//               max_ids
//     symbols   to each piece of text its id, or a list of ids; in the table's order
//     lexicon   lines of a word and its symbols, with spaces between them
//     speakers  to each name its id
//     languages to each name an object of its id and espeak_voice
//
// The tensors have canonical names, weight normalisation folded; clvits_weights_walk() says which,
// and of those of training clvits_weights_walk_training().
#include "model/voice_about.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IDS = 64 };

static int is_known(const char *name)
{
    for (size_t i = 0; clvits_config_fields(i); i++)
        if (!strcmp(name, clvits_config_fields(i)->name))
            return !is_length(clvits_config_fields(i)->offset);
    for (int i = 0; i < COUNT(lists); i++)
        if (!strcmp(name, lists[i].name))
            return 1;
    return !strcmp(name, dilations);
}

static void read_config(clvits_json *j, clvits_config *c)
{
    const cJSON *config = clvits_json_object(j, "config", CLVITS_JSON_REQUIRED), *item;
    char *const fields = (char *)c;
    char key[96];

    cJSON_ArrayForEach(item, config)
        if (!is_known(item->string)) {
            clvits_json_fail(j, CLVITS_E_UNSUPPORTED,
                             "config.%.48s is not known to this version of clvits; the voice needs "
                             "a newer one",
                             item->string);
            return;
        }

    *c = clvits_config_default();
    for (size_t i = 0; clvits_config_fields(i); i++) {
        const clvits_config_field *f = clvits_config_fields(i);

        snprintf(key, sizeof(key), "config.%s", f->name);
        if (f->is_float)
            clvits_json_float(j, (float *)(fields + f->offset), key, CLVITS_JSON_OPTIONAL);
        else if (!is_length(f->offset))
            clvits_json_int(j, (int *)(fields + f->offset), key, CLVITS_JSON_OPTIONAL);
    }
    for (int i = 0; i < COUNT(lists); i++) {
        int *length = (int *)(fields + lists[i].length), n = 0;

        snprintf(key, sizeof(key), "config.%s", lists[i].name);
        clvits_json_ints(j, (int *)(fields + lists[i].offset), &n, CLVITS_MAX_STAGES, key);
        if (*length && n != *length)
            clvits_json_fail(j, CLVITS_E_FORMAT, "%s has %d items instead of %d", key, n, *length);
        *length = n;
    }
    clvits_dilations_read(j, c, "config.resblock_dilation_sizes");
}

/* Which of some words stands at a key; the first where nothing does. */
static int read_word(clvits_json *j, const char *key, const char *const *words, int n)
{
    const char *text = clvits_json_text(j, key, CLVITS_JSON_OPTIONAL);

    for (int i = 0; i < n && text; i++)
        if (!strcmp(text, words[i]))
            return i;
    if (text)
        clvits_json_fail(j, CLVITS_E_UNSUPPORTED, "%s is \"%.32s\", which is not known", key, text);
    return 0;
}

static const char *keep(clvits_voice_file *v, clvits_json *j, const char *text)
{
    const char *copy = text ? clvits_arena_text(&v->arena, text, strlen(text)) : NULL;

    if (text && !copy && !j->status)
        j->status = clvits_fail_memory(j->report, "the texts of the voice");
    return copy;
}

static clvits_status read_symbols(clvits_voice_file *v, clvits_json *j)
{
    static const char key[] = "symbols";
    const cJSON *map = clvits_json_object(j, key, CLVITS_JSON_OPTIONAL), *entry, *item;

    cJSON_ArrayForEach(entry, map) {
        int32_t ids[MAX_IDS];
        int id, n = 0;

        if (cJSON_IsArray(entry) && cJSON_GetArraySize(entry) <= MAX_IDS) {
            cJSON_ArrayForEach(item, entry)
                if (clvits_json_node_int(&id, item))
                    ids[n++] = id;
        } else if (clvits_json_node_int(&id, entry)) {
            ids[n++] = id;
        }
        if (n == 0 || (cJSON_IsArray(entry) && n != cJSON_GetArraySize(entry)))
            return clvits_json_fail(j, CLVITS_E_FORMAT,
                                    "%s: \"%.32s\" should have an id or a list of at most %d", key,
                                    entry->string, MAX_IDS);
        if (clvits_voice_symbol_add(v, j, key, entry->string, ids, n))
            return j->status;
    }
    return j->status;
}

/* The number of a speaker or language, of which there are n. */
static void check_below(clvits_json *j, const char *key, const char *name, int id, int n)
{
    if (id < 0 || id >= n)
        clvits_json_fail(j, CLVITS_E_FORMAT, "%s: \"%.64s\" should have a number below %d", key,
                         name, n);
}

static clvits_status read_speakers(clvits_voice_file *v, clvits_json *j)
{
    static const char key[] = "speakers";
    const cJSON *map = clvits_json_object(j, key, CLVITS_JSON_OPTIONAL), *entry;

    if (!map || !map->child)
        return j->status;
    v->speakers =
        clvits_arena_array(&v->arena, (size_t)cJSON_GetArraySize(map), sizeof(*v->speakers));
    if (!v->speakers)
        return j->status = clvits_fail_memory(j->report, "the names of the speakers");
    cJSON_ArrayForEach(entry, map) {
        clvits_speaker s = { .name = keep(v, j, entry->string), .id = -1 };

        clvits_json_node_int(&s.id, entry);
        check_below(j, key, entry->string, s.id, v->config.n_speakers);
        if (j->status)
            return j->status;
        v->speakers[v->n_speakers++] = s;
    }
    return CLVITS_OK;
}

static clvits_status read_languages(clvits_voice_file *v, clvits_json *j)
{
    static const char key[] = "languages";
    const cJSON *map = clvits_json_object(j, key, CLVITS_JSON_OPTIONAL), *entry;

    if (!map || !map->child)
        return j->status;
    v->languages =
        clvits_arena_array(&v->arena, (size_t)cJSON_GetArraySize(map), sizeof(*v->languages));
    if (!v->languages)
        return j->status = clvits_fail_memory(j->report, "the names of the languages");
    cJSON_ArrayForEach(entry, map) {
        const cJSON *voice = cJSON_GetObjectItemCaseSensitive(entry, "espeak_voice");
        clvits_language l = { .name = keep(v, j, entry->string), .id = -1 };

        clvits_json_node_int(&l.id, cJSON_GetObjectItemCaseSensitive(entry, "id"));
        check_below(j, key, entry->string, l.id, v->config.n_languages);
        if (cJSON_IsString(voice))
            l.espeak_voice = keep(v, j, voice->valuestring);
        if (j->status)
            return j->status;
        v->languages[v->n_languages++] = l;
    }
    return CLVITS_OK;
}

static clvits_status read_lexicon(clvits_voice_file *v, clvits_json *j)
{
    const char *lines = clvits_json_text(j, "lexicon", CLVITS_JSON_OPTIONAL);
    clvits_report why = { 0 };

    v->text.lexicon = lines ? &v->lexicon : NULL;
    if (v->text.kind == CLVITS_TEXT_LEXICON && !lines)
        clvits_json_fail(j, CLVITS_E_FORMAT, "lexicon is missing");
    if (j->status || !lines)
        return j->status;
    const clvits_status s =
        clvits_lexicon_read(&v->lexicon, &v->symbols, lines, strlen(lines), &why);
    return s ? clvits_json_fail(j, s, "lexicon: %s", why.text) : CLVITS_OK;
}

/* Ids of one end; int32_t is int. */
static void read_end(clvits_json *j, int32_t *ids, int *n, const char *key, int n_vocab)
{
    _Static_assert(sizeof(int) == sizeof(int32_t), "they are read as int");
    if (!clvits_json_at(j, key))
        return;
    clvits_json_ints(j, (int *)ids, n, 2, key);
    for (int i = 0; i < *n && !j->status; i++)
        if (ids[i] < 0 || ids[i] >= n_vocab)
            clvits_json_fail(j, CLVITS_E_FORMAT, "%s has the id %d, but the model has %d symbols",
                             key, (int)ids[i], n_vocab);
}

static void read_text_settings(clvits_voice_file *v, clvits_json *j)
{
    clvits_text_settings *t = &v->text;
    const int n_vocab = v->config.n_vocab;
    int blank_id = 0;

    t->kind = (clvits_text_kind)read_word(j, "text.kind", kinds, COUNT(kinds));
    t->padding = (clvits_text_padding)read_word(j, "text.padding", paddings, COUNT(paddings));
    t->espeak_voice = keep(v, j, clvits_json_text(j, "text.espeak_voice", CLVITS_JSON_OPTIONAL));
    t->pause = keep(v, j, clvits_json_text(j, "text.pause", CLVITS_JSON_OPTIONAL));
    t->unread = keep(v, j, clvits_json_text(j, "text.unread", CLVITS_JSON_OPTIONAL));
    clvits_json_int(j, &blank_id, "text.blank_id", CLVITS_JSON_OPTIONAL);
    clvits_json_bool(j, &t->longest_match, "text.longest_match", CLVITS_JSON_OPTIONAL);
    t->lower_case = (clvits_text_case)read_word(j, "text.case", cases, COUNT(cases));
    clvits_json_bool(j, &t->bare, "text.bare", CLVITS_JSON_OPTIONAL);
    clvits_json_bool(j, &t->romanised, "text.romanised", CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &t->max_ids, "text.max_ids", CLVITS_JSON_OPTIONAL);
    read_end(j, t->ends.begin, &t->ends.n_begin, "text.ends.begin", n_vocab);
    read_end(j, t->ends.end, &t->ends.n_end, "text.ends.end", n_vocab);
    clvits_json_bool(j, &t->ends.padded, "text.ends.padded", CLVITS_JSON_OPTIONAL);
    t->blank_id = blank_id;
    if (blank_id < 0 || blank_id >= n_vocab)
        clvits_json_fail(j, CLVITS_E_FORMAT, "text.blank_id is %d, but the model has %d symbols",
                         blank_id, n_vocab);
    if (t->max_ids < 0)
        clvits_json_fail(j, CLVITS_E_FORMAT, "text.max_ids is %d", t->max_ids);
    if (t->kind == CLVITS_TEXT_ESPEAK && !t->espeak_voice)
        clvits_json_fail(j, CLVITS_E_FORMAT, "text.espeak_voice is missing");
}

clvits_status clvits_voice_about_read(clvits_voice_file *v, clvits_json *j, int with_config)
{
    int version = 0;

    clvits_json_int(j, &version, "version", CLVITS_JSON_REQUIRED);
    if (!j->status && version != VERSION)
        clvits_json_fail(j, CLVITS_E_UNSUPPORTED,
                         "it is of version %d, and this clvits reads version %d; take a newer "
                         "clvits, or convert the voice with this one",
                         version, VERSION);
    if (with_config)
        read_config(j, &v->config);

    read_text_settings(v, j);
    const char *name = keep(v, j, clvits_json_text(j, "name", CLVITS_JSON_OPTIONAL));
    v->origin = keep(v, j, clvits_json_text(j, "origin", CLVITS_JSON_OPTIONAL));
    if (name && *name)
        v->name = name;
    if (j->status || read_symbols(v, j) || read_lexicon(v, j) || read_speakers(v, j))
        return j->status;
    return read_languages(v, j);
}

clvits_status clvits_voice_clvits_open(clvits_opening *o, const char *path)
{
    clvits_voice_file *v = o->v;
    const char *where = clvits_opening_keep(o, "%s: its metadata", path);
    clvits_json j;

    if (!where)
        return o->r->status;
    v->kind = "clvits voice";
    if (!clvits_json_open_text(&j, v->raw.about, where, o->r))
        clvits_voice_about_read(v, &j, 1);
    clvits_json_close(&j);
    return j.status ? j.status : clvits_opening_finish(o, path);
}
