// SPDX-License-Identifier: MIT
//
// What Piper's trainer saves: a Lightning checkpoint with the model's geometry in it, beside which
// stands the JSON file that an exported voice has, too.
#include "io/torch.h"
#include "model/voice_parts.h"
#include "model/weights.h"

#include <cjson/cJSON.h>

#include <string.h>

enum { MAX_DEPTH = 4, MAX_ENTRIES = 4096 };

/* A list that was given on a command line and stayed text, as "(3, 5, 7)"; NULL for other text. */
static cJSON *list_in_text(const char *text)
{
    char copy[256];
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

/* Numbers, texts and lists of them as JSON, null for the rest; NULL when memory ran out. */
static cJSON *to_json(const clvits_value *v, int depth, int *left)
{
    cJSON *out = NULL;

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
        if (clvits_value_text(v))
            out = list_in_text(v->text);
        return out ? out : cJSON_CreateString(clvits_value_text(v) ? v->text : "");
    case CLVITS_VALUE_LIST:
        out = cJSON_CreateArray();
        for (size_t i = 0; out && i < clvits_value_count(v); i++)
            cJSON_AddItemToArray(out, to_json(clvits_value_item(v, i), depth + 1, left));
        return out;
    case CLVITS_VALUE_DICT:
        out = cJSON_CreateObject();
        for (size_t i = 0; out && i < clvits_value_count(v); i++) {
            const char *key = clvits_value_text(clvits_value_key(v, i));
            if (key)
                cJSON_AddItemToObject(out, key, to_json(clvits_value_item(v, i), depth + 1, left));
        }
        return out;
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
