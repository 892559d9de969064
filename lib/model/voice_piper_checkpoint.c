// SPDX-License-Identifier: MIT
//
// What Piper's trainer saves: a Lightning checkpoint with the model's geometry in it, beside which
// stands the JSON file that an exported voice has, too.
#include "io/torch.h"
#include "model/voice_parts.h"
#include "model/weights.h"

#include <cjson/cJSON.h>

#include <string.h>

/* The longest text that says anything of a geometry, and the longest key. */
enum { MAX_DEPTH = 4, MAX_ENTRIES = 4096, MAX_TEXT = 256, MAX_KEY = 64 };

/* A list that was given on a command line and stayed text, as "(3, 5, 7)"; NULL for other text. */
static cJSON *list_in_text(const char *text)
{
    char copy[MAX_TEXT];
    const size_t n = strlen(text);
    size_t used = 0;

    if (n >= sizeof(copy) || !n || !strchr("([", text[0]))
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (strchr(")]", text[i]) && used && copy[used - 1] == ',')
            used--; /* Python writes a list of one as (1,) */
        if (text[i] != ' ')
            copy[used++] = text[i] == '(' ? '[' : text[i] == ')' ? ']' : text[i];
    }
    copy[used] = '\0';
    return cJSON_Parse(copy);
}

static cJSON *to_json(const clvits_value *v, int depth, int *left);

static cJSON *text_to_json(const clvits_value *v)
{
    const char *text = v->length < MAX_TEXT ? clvits_value_text(v) : NULL;
    cJSON *list = text ? list_in_text(text) : NULL;

    return list ? list : cJSON_CreateString(text ? text : "");
}

static cJSON *items_to_json(const clvits_value *v, int depth, int *left)
{
    const bool dict = v->kind == CLVITS_VALUE_DICT;
    cJSON *out = dict ? cJSON_CreateObject() : cJSON_CreateArray();

    for (size_t i = 0; out && i < clvits_value_count(v) && *left >= 0; i++) {
        const clvits_value *name = clvits_value_key(v, i);
        const char *key = name && name->length < MAX_KEY ? clvits_value_text(name) : NULL;
        if (dict && !key)
            continue;
        cJSON *item = to_json(clvits_value_item(v, i), depth + 1, left);
        if (!item || !(dict ? cJSON_AddItemToObject(out, key, item)
                            : cJSON_AddItemToArray(out, item))) {
            cJSON_Delete(item);
            cJSON_Delete(out);
            return NULL;
        }
    }
    return out;
}

/* Numbers, short texts and lists of them as JSON, null for the rest; NULL when memory ran out. */
static cJSON *to_json(const clvits_value *v, int depth, int *left)
{
    if (!v || depth > MAX_DEPTH || --*left < 0)
        return cJSON_CreateNull();
    switch (v->kind) {
    case CLVITS_VALUE_BOOL:
        return cJSON_CreateBool(v->integer != 0);
    case CLVITS_VALUE_INT:
        return cJSON_CreateNumber((double)v->integer);
    case CLVITS_VALUE_FLOAT:
        return cJSON_CreateNumber(v->number);
    case CLVITS_VALUE_TEXT:
        return text_to_json(v);
    case CLVITS_VALUE_LIST:
    case CLVITS_VALUE_DICT:
        return items_to_json(v, depth, left);
    default:
        return cJSON_CreateNull();
    }
}

static clvits_status read_geometry(clvits_opening *o, const char *path)
{
    const clvits_value *said = clvits_value_at(clvits_torch_root(o->torch), "hyper_parameters");
    clvits_config *c = &o->v->config;
    int left = MAX_ENTRIES, hop = 0;
    clvits_json j = { .root = to_json(said, 0, &left), .path = path, .report = o->r };

    if (!j.root)
        return clvits_fail_memory(o->r, "the checkpoint's parameters");
    clvits_config_measure(c, &o->v->raw);
    clvits_geometry_read(&j, c, "");
    clvits_speakers_read(&j, c, "num_speakers", "gin_channels");
    clvits_spectrogram_read(o, &j, "filter_length", "win_length");
    clvits_json_int(&j, &hop, "hop_length", CLVITS_JSON_OPTIONAL);
    if (hop && hop != c->hop_length)
        clvits_json_fail(&j, CLVITS_E_FORMAT,
                         "hop_length is %d, but upsample_rates multiply to %d", hop, c->hop_length);
    clvits_json_close(&j);
    return j.status;
}

clvits_status clvits_voice_piper_checkpoint_open(clvits_opening *o, const char *path)
{
    const char *config = clvits_config_of(o, path);

    if (!config)
        return o->r->status;
    o->v->kind = "Piper checkpoint";
    o->v->config = clvits_config_default();
    clvits_status status = clvits_opening_arrays(o);
    if (!status)
        status = read_geometry(o, path);
    if (!status)
        status = clvits_piper_json_read(o->v, config, o->r);
    return status ? status : clvits_opening_finish(o, path);
}
