// SPDX-License-Identifier: MIT
#include "model/voice_file.h"
#include "io/file.h"
#include "io/onnx.h"
#include "model/voice_parts.h"
#include "model/weights.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SAFETENSORS "model.safetensors"

typedef struct opening {
    clvits_voice_file *v;
    const char *config_path; /* given by the caller, or NULL */
    clvits_report *r;
} opening;

clvits_status clvits_voice_symbol_add(clvits_voice_file *v, clvits_json *j, const char *key,
                                      const char *text, const int32_t *ids, int n_ids)
{
    if (!*text)
        return CLVITS_OK; /* no text contains it */
    for (int i = 0; i < n_ids; i++)
        if (ids[i] < 0 || ids[i] >= v->config.n_vocab)
            return clvits_json_fail(j, CLVITS_E_FORMAT,
                                    "%s: \"%.32s\" has the id %d, but the model has %d symbols",
                                    key, text, (int)ids[i], v->config.n_vocab);

    clvits_report why = { 0 };
    const clvits_status status = clvits_symbols_add(&v->symbols, text, ids, n_ids, &why);
    return status ? clvits_json_fail(j, status, "%s: %s", key, why.text) : CLVITS_OK;
}

/* Text for as long as the voice is open; NULL when memory ran out. */
__attribute__((format(printf, 2, 3))) static char *keep(opening *o, const char *format, ...)
{
    char text[4096];
    va_list args;

    va_start(args, format);
    const int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0 || n >= (int)sizeof(text)) {
        clvits_fail(o->r, CLVITS_E_FILE, "the path is longer than any file's");
        return NULL;
    }
    char *copy = clvits_arena_text(&o->v->arena, text, (size_t)n);
    if (!copy)
        clvits_fail_memory(o->r, "a path");
    return copy;
}

/* Length of the path up to and with its last slash. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

/* The last part of a path, without the given extension and slashes at its end. */
static const char *short_name(opening *o, const char *path, const char *extension)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    const size_t end = n;
    while (n > 0 && path[n - 1] != '/')
        n--;

    size_t length = end - n;
    const size_t tail = strlen(extension);
    if (length > tail && !strncmp(path + end - tail, extension, tail))
        length -= tail;
    if (length == 0 || path[n] == '.')
        return "voice";
    return keep(o, "%.*s", (int)length, path + n);
}

/* Check the configuration, then bring the arrays of the file to what it needs. */
static clvits_status finish(opening *o, const char *path)
{
    clvits_voice_file *v = o->v;
    clvits_report why = { 0 };

    clvits_status status = clvits_config_check(&v->config, &why);
    if (!status)
        status = clvits_weights_canonical(&v->weights, &v->raw, &v->config, &why);
    if (!status)
        clvits_arrays_keep_used(&v->raw, &v->weights);
    v->text.symbols = &v->symbols;
    return status ? clvits_fail(o->r, status, "%s: %s", path, why.text) : CLVITS_OK;
}

static clvits_status read_hf_text(opening *o, const char *path)
{
    const int folder = folder_length(path);
    const char *beside = keep(o, "%s.json", path);
    const char *usual = keep(o, "%.*s" SAFETENSORS ".json", folder, path);
    const char *vocab = keep(o, "%.*svocab.json", folder, path);
    const char *tokenizer = keep(o, "%.*stokenizer_config.json", folder, path);

    if (!beside || !usual || !vocab || !tokenizer)
        return o->r->status;
    if (clvits_file_exists(beside))
        return clvits_piper_json_read(o->v, beside, o->r);
    if (clvits_file_exists(usual))
        return clvits_piper_json_read(o->v, usual, o->r);
    return clvits_hf_text_read(o->v, vocab, tokenizer, o->r);
}

/* Path is a .safetensors file. */
static clvits_status open_hf(opening *o, const char *path)
{
    const char *config = o->config_path;

    if (!config)
        config = keep(o, "%.*sconfig.json", folder_length(path), path);
    if (!config)
        return o->r->status;

    clvits_status status = clvits_hf_config_read(&o->v->config, config, o->r);
    if (!status) {
        clvits_report why = { 0 };
        status = clvits_config_check(&o->v->config, &why);
        if (status)
            clvits_fail(o->r, status, "%s: %s", config, why.text);
    }
    if (!status)
        status = read_hf_text(o, path);
    if (!status)
        status = clvits_safetensors_open(&o->v->raw, path, o->r);
    return status ? status : finish(o, path);
}

static clvits_status open_folder(opening *o, const char *path)
{
    const size_t n = strlen(path);
    const char *slash = n && path[n - 1] == '/' ? "" : "/";
    const char *config = keep(o, "%s%sconfig.json", path, slash);
    const char *weights = keep(o, "%s%s" SAFETENSORS, path, slash);
    const char *pickled = keep(o, "%s%spytorch_model.bin", path, slash);

    if (!config || !weights || !pickled)
        return o->r->status;
    if (!clvits_file_exists(weights) && clvits_file_exists(pickled))
        return clvits_fail(o->r, CLVITS_E_UNSUPPORTED,
                           "%s has pytorch_model.bin, but no " SAFETENSORS "; save the model "
                           "again with safe_serialization",
                           path);
    if (!clvits_file_exists(weights) && !clvits_file_exists(config))
        return clvits_fail(o->r, CLVITS_E_FILE,
                           "%s holds no voice: there is no config.json and no " SAFETENSORS "; for "
                           "a Piper voice give the path of its .onnx file",
                           path);
    o->v->name = short_name(o, path, "");
    return o->v->name ? open_hf(o, weights) : o->r->status;
}

static clvits_status open_piper(opening *o, const char *path)
{
    const char *json = o->config_path ? o->config_path : keep(o, "%s.json", path);

    if (!json)
        return o->r->status;
    if (!clvits_file_exists(json))
        return clvits_fail(o->r, CLVITS_E_FILE,
                           "%s is missing; a Piper voice is a pair of files, this one and %s", json,
                           path);
    o->v->config = clvits_config_default();

    clvits_status status = clvits_onnx_voice_open(&o->v->raw, &o->v->config, path, o->r);
    if (!status)
        status = clvits_piper_json_read(o->v, json, o->r);
    return status ? status : finish(o, path);
}

/* The first bytes of a file; what is beyond its end stays zero. */
static clvits_status first_bytes(unsigned char bytes[16], const char *path, clvits_report *r)
{
    size_t n;

    memset(bytes, 0, 16);
    const clvits_status status = clvits_file_head(bytes, 16, &n, path, r);
    if (!status && n == 0)
        return clvits_fail(r, CLVITS_E_FORMAT, "%s is empty", path);
    return status;
}

static clvits_status open_file(opening *o, const char *path)
{
    unsigned char bytes[16];

    if (first_bytes(bytes, path, o->r))
        return o->r->status;
    if (bytes[8] == '{' && !bytes[7] && !bytes[6] && !bytes[5]) {
        const int folder = folder_length(path);
        const char *parent = folder ? keep(o, "%.*s", folder, path) : ".";
        o->v->name = parent ? short_name(o, parent, "") : NULL;
        return o->v->name ? open_hf(o, path) : o->r->status;
    }
    if (clvits_onnx_detect(path)) {
        o->v->name = short_name(o, path, ".onnx");
        return o->v->name ? open_piper(o, path) : o->r->status;
    }
    if (!memcmp(bytes, "PK\3\4", 4))
        return clvits_fail(o->r, CLVITS_E_UNSUPPORTED,
                           "%s is a PyTorch checkpoint (or another zip archive); export the voice "
                           "as a Hugging Face VitsModel or with Piper first",
                           path);
    if (bytes[0] == '{')
        return clvits_fail(o->r, CLVITS_E_FORMAT,
                           "%s is JSON; give the path of the voice that it describes", path);
    return clvits_fail(o->r, CLVITS_E_FORMAT,
                       "%s is no voice: neither a safetensors file nor an ONNX model", path);
}

clvits_status clvits_voice_file_open(clvits_voice_file *out, const char *path,
                                     const char *config_path, clvits_report *r)
{
    clvits_report own = { 0 };
    opening o = { .v = out, .config_path = config_path, .r = r ? r : &own };

    *out = (clvits_voice_file){ 0 };
    const clvits_status status =
        clvits_file_is_folder(path) ? open_folder(&o, path) : open_file(&o, path);
    if (status)
        clvits_voice_file_free(out);
    return status;
}

void clvits_voice_file_free(clvits_voice_file *v)
{
    clvits_arrays_free(&v->weights);
    clvits_arrays_free(&v->raw);
    clvits_symbols_free(&v->symbols);
    clvits_arena_free(&v->arena);
    *v = (clvits_voice_file){ 0 };
}

int clvits_voice_file_speaker(const clvits_voice_file *v, const char *name)
{
    for (int i = 0; i < v->n_speakers; i++)
        if (!strcmp(v->speakers[i].name, name))
            return v->speakers[i].id;
    return -1;
}
