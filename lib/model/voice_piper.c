// SPDX-License-Identifier: MIT
#include "io/file.h"
#include "io/onnx.h"
#include "model/voice_parts.h"

#include <cjson/cJSON.h>

#include <string.h>

enum { MAX_IDS = 64 };

static clvits_status read_symbols(clvits_voice_file *v, clvits_json *j)
{
    static const char key[] = "phoneme_id_map";
    const cJSON *map = clvits_json_object(j, key, CLVITS_JSON_REQUIRED), *entry, *item;

    cJSON_ArrayForEach(entry, map) {
        int32_t ids[MAX_IDS];
        int n = 0;

        if (!cJSON_IsArray(entry) || cJSON_GetArraySize(entry) > MAX_IDS)
            return clvits_json_fail(j, CLVITS_E_FORMAT,
                                    "%s: \"%.32s\" should have a list of at most %d ids", key,
                                    entry->string, MAX_IDS);
        cJSON_ArrayForEach(item, entry) {
            int id;
            if (!clvits_json_node_int(&id, item))
                return clvits_json_fail(j, CLVITS_E_FORMAT,
                                        "%s: the ids of \"%.32s\" should be whole numbers", key,
                                        entry->string);
            ids[n++] = id;
        }
        if (clvits_voice_symbol_add(v, j, key, entry->string, ids, n))
            return j->status;
    }
    return j->status;
}

static clvits_status read_speakers(clvits_voice_file *v, clvits_json *j)
{
    static const char key[] = "speaker_id_map";
    const cJSON *map = clvits_json_object(j, key, CLVITS_JSON_OPTIONAL), *entry;

    if (!map || !map->child)
        return j->status;
    v->speakers = clvits_arena_array(&v->arena, (size_t)cJSON_GetArraySize(map),
                                     sizeof(*v->speakers));
    if (!v->speakers)
        return j->status = clvits_fail_memory(j->report, "the names of the speakers");

    cJSON_ArrayForEach(entry, map) {
        clvits_speaker s = { .id = -1 };

        if (!clvits_json_node_int(&s.id, entry) || s.id < 0 || s.id >= v->config.n_speakers)
            return clvits_json_fail(j, CLVITS_E_FORMAT,
                                    "%s: \"%.64s\" should have a number below %d, how many "
                                    "speakers the model has",
                                    key, entry->string, v->config.n_speakers);
        s.name = clvits_arena_text(&v->arena, entry->string, strlen(entry->string));
        if (!s.name)
            return j->status = clvits_fail_memory(j->report, "the name of a speaker");
        v->speakers[v->n_speakers++] = s;
    }
    return CLVITS_OK;
}

static clvits_status read_kind(clvits_voice_file *v, clvits_json *j)
{
    const char *type = clvits_json_text(j, "phoneme_type", CLVITS_JSON_OPTIONAL);
    const int by_text = type && !strcmp(type, "text");
    const char *voice = clvits_json_text(j, "espeak.voice", by_text ? CLVITS_JSON_OPTIONAL
                                                                     : CLVITS_JSON_REQUIRED);

    if (!j->status && type && !by_text && strcmp(type, "espeak"))
        return clvits_json_fail(j, CLVITS_E_UNSUPPORTED,
                                "phoneme_type is \"%.32s\"; \"espeak\" and \"text\" are supported",
                                type);
    if (j->status)
        return j->status;
    v->text.kind = by_text ? CLVITS_TEXT_CHARACTERS : CLVITS_TEXT_ESPEAK;
    v->text.padding = CLVITS_PADDING_PIPER;
    v->text.lower_case = by_text ? CLVITS_CASE_LOWER_ELSE : CLVITS_CASE_KEPT;
    if (!by_text) {
        v->text.espeak_voice = clvits_arena_text(&v->arena, voice, strlen(voice));
        if (!v->text.espeak_voice)
            return j->status = clvits_fail_memory(j->report, "the name of a language");
    }
    return CLVITS_OK;
}

static clvits_status read_all(clvits_voice_file *v, clvits_json *j)
{
    const char *name = clvits_json_text(j, "dataset", CLVITS_JSON_OPTIONAL);

    clvits_json_int(j, &v->config.sampling_rate, "audio.sample_rate", CLVITS_JSON_REQUIRED);
    clvits_json_float(j, &v->config.noise_scale, "inference.noise_scale", CLVITS_JSON_OPTIONAL);
    clvits_json_float(j, &v->config.noise_w, "inference.noise_w", CLVITS_JSON_OPTIONAL);
    clvits_json_float(j, &v->config.length_scale, "inference.length_scale", CLVITS_JSON_OPTIONAL);
    if (j->status || read_kind(v, j) || read_symbols(v, j) || read_speakers(v, j))
        return j->status;
    if (name && *name) {
        v->name = clvits_arena_text(&v->arena, name, strlen(name));
        if (!v->name)
            return j->status = clvits_fail_memory(j->report, "the name of the voice");
    }
    return CLVITS_OK;
}

clvits_status clvits_piper_json_read(clvits_voice_file *v, const char *path, clvits_report *r)
{
    clvits_json j;

    clvits_voice_file_note(v, path);
    if (!clvits_json_open(&j, path, r))
        read_all(v, &j);
    clvits_json_close(&j);
    return j.status;
}

/* What the JSON beside the graph, or else its metadata, say of the voice. */
static clvits_status read_rest(clvits_opening *o, const clvits_onnx_metadata *metadata,
                               const char *path)
{
    const char *json = o->config_path ? o->config_path : clvits_opening_keep(o, "%s.json", path);
    const char *coqui = o->config_path ? o->config_path
                                       : clvits_opening_keep(o, "%.*sconfig.json",
                                                             clvits_path_folder(path), path);

    if (!json || !coqui)
        return o->r->status;
    if (o->config_path && clvits_coqui_config_detect(coqui))
        return clvits_coqui_graph_read(o, coqui, path);
    if (clvits_file_exists(json))
        return clvits_piper_json_read(o->v, json, o->r);
    if (!o->config_path && clvits_onnx_metadata_find(metadata, "sample_rate"))
        return clvits_sherpa_read(o, metadata, path);
    if (!o->config_path && clvits_coqui_config_detect(coqui))
        return clvits_coqui_graph_read(o, coqui, path);
    return clvits_fail(o->r, CLVITS_E_FILE,
                       "%s is missing; a Piper voice is a pair of files, this one and %s", json,
                       path);
}

clvits_status clvits_voice_piper_open(clvits_opening *o, const char *path)
{
    clvits_onnx_metadata metadata;

    o->v->kind = "Piper voice";
    o->v->config = clvits_config_default();
    clvits_status status = clvits_onnx_voice_open(&o->v->raw, &o->v->config, &metadata, path, o->r);
    if (!status)
        status = read_rest(o, &metadata, path);
    clvits_onnx_metadata_free(&metadata);
    return status ? status : clvits_opening_finish(o, path);
}
