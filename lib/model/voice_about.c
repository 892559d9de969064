// SPDX-License-Identifier: MIT
//
// Writes what voice_clvits.c reads. The calls answer whether there was memory for it.
#include "model/voice_about.h"
#include "text/utf8.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number that has the fewest digits of those that read as this float. */
double clvits_float_shortest(float x)
{
    double shortest = x;

    for (int digits = 9; digits >= 6; digits--) {
        char text[48];
        snprintf(text, sizeof(text), "%.*g", digits, (double)x);
        const double d = strtod(text, NULL);
        if ((float)d == x)
            shortest = d;
    }
    return shortest;
}

/* What is no UTF-8 becomes question marks: such a header would be no JSON. */
static char *clean(const char *text)
{
    const size_t n = strlen(text);
    char *copy = malloc(n + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, n + 1);
    for (size_t bad; (bad = clvits_utf8_check(copy, n)) < n;)
        copy[bad] = '?';
    return copy;
}

static int put_text(cJSON *to, const char *key, const char *text)
{
    char *copy = clean(text);
    const int good = copy && cJSON_AddStringToObject(to, key, copy);

    free(copy);
    return good;
}

static cJSON *ints(const int *numbers, int n)
{
    return cJSON_CreateIntArray(numbers, n);
}

static int add_item(cJSON *to, const char *key, cJSON *item)
{
    if (item && (key ? cJSON_AddItemToObject(to, key, item) : cJSON_AddItemToArray(to, item)))
        return 1;
    cJSON_Delete(item);
    return 0;
}

static int put_config(cJSON *about, const clvits_config *c, int with_posterior)
{
    cJSON *config = cJSON_AddObjectToObject(about, "config");
    const char *const fields = (const char *)c;
    int good = config != NULL;

    for (size_t i = 0; good && clvits_config_fields(i); i++) {
        const clvits_config_field *f = clvits_config_fields(i);
        const void *at = fields + f->offset;

        if (clvits_config_of_posterior(f->offset) && (!with_posterior || !c->n_fft))
            continue; /* readers before these were there take the voice, too */
        if (!is_length(f->offset))
            good = cJSON_AddNumberToObject(config, f->name,
                                           f->is_float ? clvits_float_shortest(*(const float *)at)
                                                       : *(const int *)at) != NULL;
    }
    for (int i = 0; good && i < COUNT(lists); i++)
        good = add_item(config, lists[i].name,
                        ints((const int *)(fields + lists[i].offset),
                             *(const int *)(fields + lists[i].length)));
    cJSON *rows = good ? cJSON_AddArrayToObject(config, dilations) : NULL;
    good = rows != NULL;
    for (int i = 0; good && i < c->n_resblocks; i++)
        good = add_item(rows, NULL,
                        ints(c->resblock_dilation_sizes[i], c->n_resblock_dilations[i]));
    return good;
}

static int put_ends(cJSON *text, const clvits_text_ends *e)
{
    cJSON *ends = cJSON_AddObjectToObject(text, "ends");

    return ends && add_item(ends, "begin", ints(e->begin, e->n_begin)) &&
           add_item(ends, "end", ints(e->end, e->n_end)) &&
           cJSON_AddBoolToObject(ends, "padded", e->padded);
}

static int put_text_settings(cJSON *about, const clvits_text_settings *t)
{
    cJSON *text = cJSON_AddObjectToObject(about, "text");

    return text && cJSON_AddStringToObject(text, "kind", kinds[t->kind]) &&
           cJSON_AddStringToObject(text, "padding", paddings[t->padding]) &&
           put_ends(text, &t->ends) &&
           (!t->espeak_voice || put_text(text, "espeak_voice", t->espeak_voice)) &&
           (!t->pause || put_text(text, "pause", t->pause)) &&
           (!t->unread || put_text(text, "unread", t->unread)) &&
           cJSON_AddNumberToObject(text, "blank_id", t->blank_id) &&
           cJSON_AddBoolToObject(text, "longest_match", t->longest_match) &&
           cJSON_AddStringToObject(text, "case", cases[t->lower_case]) &&
           cJSON_AddBoolToObject(text, "bare", t->bare) &&
           cJSON_AddBoolToObject(text, "romanised", t->romanised) &&
           cJSON_AddNumberToObject(text, "max_ids", t->max_ids);
}

static int put_symbols(cJSON *about, const clvits_symbols *s)
{
    cJSON *map = cJSON_AddObjectToObject(about, "symbols");
    int good = map != NULL;

    for (size_t i = 0; good && i < s->count; i++) {
        const clvits_symbol *symbol = &s->items[i];

        good = symbol->n_ids == 1
                   ? cJSON_AddNumberToObject(map, symbol->text, symbol->ids[0]) != NULL
                   : add_item(map, symbol->text, ints(symbol->ids, symbol->n_ids));
    }
    return good;
}

static int put_speakers(cJSON *about, const clvits_voice_file *v)
{
    cJSON *map = cJSON_AddObjectToObject(about, "speakers");
    int good = map != NULL;

    for (int i = 0; good && i < v->n_speakers; i++) {
        char *name = clean(v->speakers[i].name);

        good = name && cJSON_AddNumberToObject(map, name, v->speakers[i].id);
        free(name);
    }
    return good;
}

static int put_languages(cJSON *about, const clvits_voice_file *v)
{
    cJSON *map = cJSON_AddObjectToObject(about, "languages");
    int good = map != NULL;

    for (int i = 0; good && i < v->n_languages; i++) {
        char *name = clean(v->languages[i].name);
        cJSON *entry = name ? cJSON_AddObjectToObject(map, name) : NULL;
        const char *voice = v->languages[i].espeak_voice;

        good = entry && cJSON_AddNumberToObject(entry, "id", v->languages[i].id) &&
               (!voice || put_text(entry, "espeak_voice", voice));
        free(name);
    }
    return good;
}

/* The lines that clvits_lexicon_read() reads. */
static int put_lexicon(cJSON *about, const clvits_voice_file *v)
{
    const clvits_lexicon *l = &v->lexicon;
    char *lines = NULL;
    size_t size = 0;

    if (!l->count)
        return 1;
    FILE *f = open_memstream(&lines, &size);
    if (!f)
        return 0;
    for (size_t i = 0; i < l->count; i++) {
        const clvits_lexeme *w = &l->words[i];

        fprintf(f, "%.*s", (int)w->n, l->text + w->text);
        for (int k = 0; k < w->n_symbols; k++)
            fprintf(f, " %s", v->symbols.items[l->symbols[w->first + (uint32_t)k]].text);
        fputc('\n', f);
    }
    int good = !ferror(f);
    good = !fclose(f) && good && put_text(about, "lexicon", lines);
    free(lines);
    return good;
}

cJSON *clvits_voice_about(const clvits_voice_file *v, clvits_voice_telling most)
{
    const char *origin = v->origin ? v->origin : v->kind;
    cJSON *about = cJSON_CreateObject();

    if (about && cJSON_AddNumberToObject(about, "version", VERSION) &&
        put_text(about, "name", v->name ? v->name : "") &&
        put_text(about, "origin", origin ? origin : "") &&
        (most == CLVITS_TELL_TEXT ||
         put_config(about, &v->config, most == CLVITS_TELL_TRAINING)) &&
        put_text_settings(about, &v->text) &&
        put_symbols(about, &v->symbols) && put_lexicon(about, v) && put_speakers(about, v) &&
        put_languages(about, v))
        return about;
    cJSON_Delete(about);
    return NULL;
}
