// SPDX-License-Identifier: MIT
//
// How a voice of Coqui reads text, and what its speakers and languages are called.
#include "io/torch.h"
#include "model/voice_parts.h"
#include "text/utf8.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CHARACTERS = 1 << 16 };

/* ---- symbols: their ids count up in the order that the classes of characters make ---- */

typedef struct vocabulary {
    clvits_voice_file *v;
    clvits_json *j;
    int32_t next;
} vocabulary;

static void add(vocabulary *y, const char *symbol)
{
    if (symbol && *symbol && !y->j->status)
        clvits_voice_symbol_add(y->v, y->j, "characters", symbol, &(int32_t){ y->next++ }, 1);
}

static int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Each character of a text is a symbol. */
static void add_each(vocabulary *y, const char *text, int unique, int sorted)
{
    const size_t n = text ? strlen(text) : 0;
    uint32_t *list = n < MOST_CHARACTERS ? malloc((n + 1) * sizeof(*list)) : NULL;
    size_t count = 0;

    if (!list) {
        clvits_json_fail(y->j, n < MOST_CHARACTERS ? CLVITS_E_MEMORY : CLVITS_E_FORMAT,
                         "characters: %zu bytes are too many", n);
        return;
    }
    for (size_t i = 0; i < n;) {
        const int length = clvits_utf8_read(&list[count], text + i, n - i);
        if (!length)
            clvits_json_fail(y->j, CLVITS_E_FORMAT, "characters: not UTF-8 at byte %zu", i);
        count += length > 0;
        i += length ? (size_t)length : n;
    }
    if (sorted)
        qsort(list, count, sizeof(*list), by_value);
    for (size_t i = 0; i < count; i++) {
        char symbol[5] = { 0 };
        clvits_utf8_write(symbol, list[i]);
        if (!unique || !i || list[i] != list[i - 1])
            add(y, symbol);
    }
    free(list);
}

/* A list of symbols, or an object whose keys are. */
static void add_list(vocabulary *y, const cJSON *list)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, list) {
        const char *symbol = cJSON_IsObject(list) ? item->string : cJSON_GetStringValue(item);
        if (!symbol || !*symbol)
            clvits_json_fail(y->j, CLVITS_E_FORMAT,
                             "characters.vocab_dict: symbol %d should be text", (int)y->next);
        add(y, symbol);
    }
}

typedef struct characters {
    const char *class, *pad, *eos, *bos, *blank, *letters, *phonemes, *punctuations;
    int unique, sorted;
} characters;

static characters read_characters(clvits_json *j)
{
    const int optional = CLVITS_JSON_OPTIONAL;
    characters c = { .unique = 1, .sorted = 1 };

    clvits_json_object(j, "characters", CLVITS_JSON_REQUIRED);
    c.class = clvits_json_text(j, "characters.characters_class", optional);
    c.pad = clvits_json_text(j, "characters.pad", optional);
    c.eos = clvits_json_text(j, "characters.eos", optional);
    c.bos = clvits_json_text(j, "characters.bos", optional);
    c.blank = clvits_json_text(j, "characters.blank", optional);
    c.letters = clvits_json_text(j, "characters.characters", optional);
    c.phonemes = clvits_json_text(j, "characters.phonemes", optional);
    c.punctuations = clvits_json_text(j, "characters.punctuations", optional);
    clvits_json_bool(j, &c.unique, "characters.is_unique", optional);
    clvits_json_bool(j, &c.sorted, "characters.is_sorted", optional);
    return c;
}

static int is_class(const characters *c, const char *name)
{
    const char *dot = c->class ? strrchr(c->class, '.') : NULL;
    return c->class && !strcmp(dot ? dot + 1 : c->class, name);
}

/* VITS's own: as the original code orders its symbols, with a blank of its own at the end. */
static void add_vits_characters(vocabulary *y, characters *c)
{
    c->blank = "<BLNK>";
    c->eos = c->bos = NULL;
    add(y, c->pad);
    add_each(y, c->punctuations, 0, 0);
    add_each(y, c->letters, 0, 0);
    add_each(y, c->phonemes, 0, 0);
    add(y, c->blank);
}

static void add_base_characters(vocabulary *y, const characters *c, int phonemes)
{
    if (c->unique && !c->sorted)
        clvits_json_fail(y->j, CLVITS_E_UNSUPPORTED,
                         "characters: is_unique without is_sorted leaves their order to chance");
    add(y, c->pad);
    add(y, c->eos);
    add(y, c->bos);
    add(y, c->blank);
    add_each(y, phonemes && c->phonemes ? c->phonemes : c->letters, c->unique, c->sorted);
    add_each(y, c->punctuations, 0, 0);
}

static clvits_status add_symbols(vocabulary *y, characters *c, int use_phonemes)
{
    const cJSON *list = clvits_json_at(y->j, "characters.vocab_dict");

    if (is_class(c, "VitsCharacters"))
        add_vits_characters(y, c);
    else if (is_class(c, "BaseVocabulary") || (list && cJSON_GetArraySize(list) > 0))
        add_list(y, list);
    else if (!c->class || is_class(c, "IPAPhonemes") || is_class(c, "Graphemes") ||
             is_class(c, "BaseCharacters"))
        add_base_characters(y, c, c->class ? is_class(c, "IPAPhonemes") : use_phonemes);
    else
        clvits_json_fail(y->j, CLVITS_E_UNSUPPORTED,
                         "characters.characters_class is \"%.80s\"; VitsCharacters, IPAPhonemes, "
                         "Graphemes and BaseVocabulary are supported",
                         c->class);
    return y->j->status;
}

/* The id of a symbol that something needs. */
static clvits_status find_id(const vocabulary *y, int32_t *out, const char *symbol,
                             const char *what)
{
    const clvits_symbol *s =
        symbol ? clvits_symbols_find(&y->v->symbols, symbol, strlen(symbol)) : NULL;

    if (!s)
        return clvits_json_fail(y->j, CLVITS_E_FORMAT, "characters: there is no %s", what);
    *out = s->ids[0];
    return CLVITS_OK;
}

static clvits_status read_padding(const vocabulary *y, const characters *c)
{
    clvits_text_settings *t = &y->v->text;
    int add_blank = 1, ends = 0;

    clvits_json_bool(y->j, &add_blank, "add_blank", CLVITS_JSON_OPTIONAL);
    clvits_json_bool(y->j, &ends, "enable_eos_bos_chars", CLVITS_JSON_OPTIONAL);
    t->padding = add_blank ? CLVITS_PADDING_BLANK : CLVITS_PADDING_NONE;
    if (!y->j->status && add_blank)
        find_id(y, &t->blank_id, c->blank, "blank, which add_blank needs");
    if (y->j->status || !ends)
        return y->j->status;
    t->ends.n_begin = t->ends.n_end = 1;
    find_id(y, &t->ends.begin[0], c->bos, "bos, which enable_eos_bos_chars needs");
    return y->j->status ? y->j->status
                        : find_id(y, &t->ends.end[0], c->eos,
                                  "eos, which enable_eos_bos_chars needs");
}

/* ---- front-end ---- */

/* espeak-ng's name of a language; NULL when memory ran out. */
static const char *espeak_voice(clvits_opening *o, const char *language)
{
    return clvits_opening_name_copy(o, !strcmp(language, "en")      ? "en-us"
                                       : !strcmp(language, "zh-cn") ? "cmn"
                                                                    : language);
}

static int lowers(const char *cleaner)
{
    static const char *const keep[] = { "phoneme_cleaners", "multilingual_phoneme_cleaners",
                                        "chinese_mandarin_cleaners", "no_cleaners" };

    for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
        if (!strcmp(cleaner, keep[i]))
            return 0;
    return 1;
}

static clvits_status read_front_end(clvits_opening *o, clvits_json *j, int use_phonemes)
{
    clvits_text_settings *t = &o->v->text;
    const char *cleaner = clvits_json_text(j, "text_cleaner", CLVITS_JSON_OPTIONAL);
    const char *phonemizer = clvits_json_text(j, "phonemizer", CLVITS_JSON_OPTIONAL);
    const char *language = clvits_json_text(j, "phoneme_language", CLVITS_JSON_OPTIONAL);
    const int gruut = phonemizer && !strcmp(phonemizer, "gruut");
    const int several = phonemizer && !strcmp(phonemizer, "multi_phonemizer");

    t->kind = CLVITS_TEXT_CHARACTERS;
    if (j->status)
        return j->status;
    if (!use_phonemes) {
        t->lower_case = cleaner && lowers(cleaner) ? CLVITS_CASE_LOWER : CLVITS_CASE_KEPT;
        return CLVITS_OK;
    }
    if (phonemizer && !gruut && !several && strcmp(phonemizer, "espeak")) {
        clvits_warn(o->r,
                    "this voice was trained on what %s makes of text, which is not done here: give "
                    "it such text",
                    phonemizer);
        return CLVITS_OK;
    }
    if (gruut)
        clvits_warn(o->r, "this voice was trained on phonemes of gruut; those of espeak-ng, which "
                          "it gets, differ a little");
    if (!language && !several)
        return clvits_json_fail(j, CLVITS_E_FORMAT, "phoneme_language is missing; it should be "
                                                    "text");
    t->kind = CLVITS_TEXT_ESPEAK;
    t->espeak_voice = espeak_voice(o, language ? language : "en-us");
    return t->espeak_voice ? CLVITS_OK : o->r->status;
}

/* ---- names of speakers and languages ---- */

/* Of speakers or languages, one by one. */
typedef struct names {
    clvits_opening *o;
    const char *path; /* of the file */
    int most;         /* how many the model has */
    clvits_status (*add)(struct names *n, const char *name, int id);
} names;

static clvits_status wrong_id(const names *n, const char *name)
{
    return clvits_fail(n->o->r, CLVITS_E_FORMAT,
                       "%s: \"%.64s\" should have a number below %d, how many the model has",
                       n->path, name, n->most);
}

static clvits_status names_of_json(names *n)
{
    clvits_json j;
    const cJSON *item;

    if (!clvits_json_open(&j, n->path, n->o->r))
        cJSON_ArrayForEach(item, j.root) {
            int id = -1;
            clvits_json_node_int(&id, item);
            j.status = id < 0 || id >= n->most ? wrong_id(n, item->string)
                                               : n->add(n, item->string, id);
            if (j.status)
                break;
        }
    clvits_json_close(&j);
    return j.status;
}

static clvits_status names_of_torch(names *n)
{
    clvits_torch *t;
    clvits_status status = clvits_torch_open(&t, n->path, n->o->r);
    const clvits_value *root = status ? NULL : clvits_torch_root(t);

    if (!status && root->kind != CLVITS_VALUE_DICT)
        status = clvits_fail(n->o->r, CLVITS_E_FORMAT, "%s should hold names and their numbers",
                             n->path);
    for (size_t i = 0; i < clvits_value_count(root) && !status; i++) {
        const char *name = clvits_value_text(clvits_value_key(root, i));
        int id = -1;
        clvits_value_int(&id, clvits_value_item(root, i));
        status = !name || id < 0 || id >= n->most ? wrong_id(n, name ? name : "a name")
                                                  : n->add(n, name, id);
    }
    clvits_torch_close(&t);
    return status;
}

static clvits_status read_names(names *n)
{
    unsigned char head[16] = { 0 };
    size_t got;
    const clvits_status status = clvits_file_head(head, sizeof(head), &got, n->path, n->o->r);

    if (status)
        return status;
    return clvits_torch_detect(head) ? names_of_torch(n) : names_of_json(n);
}

/* Text at a key, or the first of a list there; NULL: neither. */
static const char *path_at(const clvits_json *j, const char *key)
{
    const cJSON *node = clvits_json_at(j, key);
    return cJSON_GetStringValue(cJSON_IsArray(node) ? node->child : node);
}

/* As the configuration has it, or NULL. */
static const char *named_file(const clvits_json *j, const char *key)
{
    char nested[64];

    snprintf(nested, sizeof(nested), "model_args.%s", key);
    const char *file = path_at(j, nested);
    return file ? file : path_at(j, key);
}

/* What the configuration calls a file, without its folder. */
static const char *file_name(const clvits_json *j, const char *key, const char *usual)
{
    const char *path = named_file(j, key);
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;

    return name && *name ? name : usual;
}

const char *clvits_coqui_file(clvits_opening *o, clvits_json *j, const char *path, const char *key,
                              const char *const usual[4])
{
    const int folder = clvits_path_folder(path);
    const char *file = named_file(j, key);

    for (int i = -1; i < 4 && !j->status; i++) {
        const char *name = i < 0 ? file : usual[i];
        const char *slash = name ? strrchr(name, '/') : NULL;
        if (!name || !*name)
            continue;
        char *beside = clvits_opening_keep(o, "%.*s%s", folder, path, slash ? slash + 1 : name);
        if (beside && !clvits_file_exists(beside))
            continue;
        if (beside)
            clvits_voice_file_note(o->v, beside);
        return beside;
    }
    return NULL;
}

static clvits_status add_speaker(names *n, const char *name, int id)
{
    clvits_voice_file *v = n->o->v;
    const char *copy = clvits_opening_name_copy(n->o, name);

    if (!copy || v->n_speakers == n->most)
        return copy ? wrong_id(n, name) : n->o->r->status;
    v->speakers[v->n_speakers++] = (clvits_speaker){ copy, id };
    return CLVITS_OK;
}

static clvits_status read_speakers(clvits_opening *o, clvits_json *j, const char *path)
{
    static const char *const usual[4] = { "speakers.pth", "speaker_ids.json", "speakers.json",
                                          "speaker_ids.pth" };
    clvits_voice_file *v = o->v;
    names n = { .o = o, .most = v->config.n_speakers, .add = add_speaker };

    if (!v->config.gin_channels || v->n_speakers)
        return CLVITS_OK; /* there are none, or they have their names already */
    n.path = clvits_coqui_file(o, j, path, "speakers_file", usual);
    if (!n.path && !j->status && !o->r->status && n.most > 1)
        clvits_warn(o->r, "the names of the speakers are missing: %s should stand beside the "
                          "voice; without it, speakers have numbers only",
                    file_name(j, "speakers_file", usual[0]));
    if (!n.path)
        return j->status ? j->status : o->r->status;
    v->speakers = clvits_arena_array(&v->arena, (size_t)n.most, sizeof(*v->speakers));
    return v->speakers ? read_names(&n) : clvits_fail_memory(o->r, "the names of the speakers");
}

static clvits_status add_language(names *n, const char *name, int id)
{
    clvits_voice_file *v = n->o->v;
    const char *copy = clvits_opening_name_copy(n->o, name);

    if (!copy || v->n_languages == n->most)
        return copy ? wrong_id(n, name) : n->o->r->status;
    v->languages[v->n_languages++] = (clvits_language){ .name = copy, .id = id };
    return CLVITS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Without a file: the languages of what it was trained on, in alphabetical order. */
static clvits_status languages_of_datasets(names *n, const clvits_json *j)
{
    const cJSON *list = clvits_json_at(j, "datasets"), *item;
    const int count = list ? cJSON_GetArraySize(list) : 0;
    const char **all = calloc((size_t)count + 1, sizeof(*all));
    clvits_status status = all ? CLVITS_OK : clvits_fail_memory(n->o->r, "languages");
    int found = 0, id = 0;

    n->path = j->path;
    cJSON_ArrayForEach(item, list) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "language"));
        if (name && *name && found < count && all)
            all[found++] = name;
    }
    if (found)
        qsort(all, (size_t)found, sizeof(*all), by_text);
    for (int i = 0; i < found && !status; i++)
        if (!i || strcmp(all[i], all[i - 1]))
            status = id < n->most ? n->add(n, all[i], id++) : wrong_id(n, all[i]);
    free(all);
    return status;
}

/* Where each language has a phonemizer of its own, the languages' voices. */
static clvits_status read_voices(clvits_opening *o, clvits_json *j)
{
    const char *phonemizer = clvits_json_text(j, "phonemizer", CLVITS_JSON_OPTIONAL);

    if (o->v->text.kind != CLVITS_TEXT_ESPEAK || !phonemizer ||
        strcmp(phonemizer, "multi_phonemizer"))
        return j->status;
    for (int i = 0; i < o->v->n_languages; i++) {
        clvits_language *l = &o->v->languages[i];
        l->espeak_voice = espeak_voice(o, l->name);
        if (!l->espeak_voice)
            return o->r->status;
        if (l->id == 0)
            o->v->text.espeak_voice = l->espeak_voice;
    }
    return CLVITS_OK;
}

static clvits_status read_languages(clvits_opening *o, clvits_json *j, const char *path)
{
    static const char *const usual[4] = { "language_ids.json", "languages.json",
                                          "language_ids.pth", NULL };
    clvits_voice_file *v = o->v;
    names n = { .o = o, .most = v->config.n_languages, .add = add_language };

    if (!n.most)
        return CLVITS_OK;
    v->languages = clvits_arena_array(&v->arena, (size_t)n.most, sizeof(*v->languages));
    if (!v->languages)
        return clvits_fail_memory(o->r, "the names of the languages");
    n.path = clvits_coqui_file(o, j, path, "language_ids_file", usual);
    if (j->status || o->r->status)
        return j->status ? j->status : o->r->status;
    const clvits_status status = n.path ? read_names(&n) : languages_of_datasets(&n, j);
    if (!status && !v->n_languages && n.most > 1)
        clvits_warn(o->r, "the names of the languages are missing: %s should stand beside the "
                          "voice; without it, languages have numbers only",
                    file_name(j, "language_ids_file", usual[0]));
    return status ? status : read_voices(o, j);
}

clvits_status clvits_coqui_text_read(clvits_opening *o, clvits_json *j, const char *path)
{
    vocabulary y = { .v = o->v, .j = j };
    int use_phonemes = 0;

    clvits_json_bool(j, &use_phonemes, "use_phonemes", CLVITS_JSON_OPTIONAL);
    characters c = read_characters(j);
    if (j->status || add_symbols(&y, &c, use_phonemes) || read_padding(&y, &c) ||
        read_front_end(o, j, use_phonemes))
        return j->status ? j->status : o->r->status;
    if (y.next != o->v->config.n_vocab)
        clvits_warn(o->r, "the configuration has %d characters, but the model %d symbols: text may "
                          "be spoken wrongly", (int)y.next, o->v->config.n_vocab);
    const clvits_status status = read_speakers(o, j, path);
    return status ? status : read_languages(o, j, path);
}
