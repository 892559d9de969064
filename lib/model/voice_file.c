// SPDX-License-Identifier: MIT
#include "model/voice_file.h"
#include "io/file.h"
#include "io/onnx.h"
#include "io/torch.h"
#include "model/voice_parts.h"

#include <string.h>

/* A file that says itself what voice it is, or one that others beside it describe. */
static clvits_status open_safetensors(clvits_opening *o, const char *path)
{
    if (clvits_safetensors_open(&o->v->raw, path, o->r))
        return o->r->status;
    if (o->v->raw.about && !o->config_path)
        return clvits_voice_clvits_open(o, path);
    if (clvits_arrays_find(&o->v->raw, "enc_p.emb.weight"))
        return clvits_voice_vits_open(o, path);
    return clvits_voice_hf_open(o, path);
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

/* The name of the voice in a file whose own name says what it is, unless the folder's was taken. */
static clvits_status name_by_file(clvits_opening *o, const char *path, const char *extension)
{
    if (!o->v->name)
        o->v->name = clvits_opening_name(o, path, extension);
    return o->v->name ? CLVITS_OK : o->r->status;
}

/* The same for a file that is called as in every other folder. */
static clvits_status name_by_folder(clvits_opening *o, const char *path)
{
    const int folder = clvits_path_folder(path);
    const char *parent = folder ? clvits_opening_keep(o, "%.*s", folder, path) : ".";

    return parent ? name_by_file(o, parent, "") : o->r->status;
}

/* The voice, and what describes it by its name, whether or not this way to read it does without:
 * a graph may have tokens.txt and Coqui's config.json. */
static clvits_status note_beside(clvits_opening *o, const char *path)
{
    const char *own = clvits_opening_keep(o, "%s.json", path);
    const char *usual = clvits_opening_keep(o, "%.*sconfig.json", clvits_path_folder(path), path);

    if (!own || !usual)
        return o->r->status;
    clvits_voice_file_note(o->v, path);
    clvits_voice_file_note(o->v, own);
    clvits_voice_file_note(o->v, usual);
    return CLVITS_OK;
}

static clvits_status open_file(clvits_opening *o, const char *path)
{
    const char *last = path + clvits_path_folder(path);
    const char *dot = strrchr(last, '.');
    unsigned char bytes[16];

    if (first_bytes(bytes, path, o->r))
        return o->r->status;
    if (note_beside(o, path))
        return o->r->status;
    const size_t length = strlen(path);
    const bool says_onnx = length > 5 && !strcmp(path + length - 5, ".onnx");
    if (bytes[8] == '{' && !bytes[7] && !bytes[6] && !bytes[5])
        return name_by_folder(o, path) ? o->r->status : open_safetensors(o, path);
    if (clvits_torch_detect(bytes)) {
        if (clvits_checkpoint_step(last) >= 0 ? name_by_folder(o, path)
                                              : name_by_file(o, path, dot ? dot : ""))
            return o->r->status;
        return clvits_voice_torch_open(o, path);
    }
    if (clvits_onnx_detect(path))
        return name_by_file(o, path, ".onnx") ? o->r->status : clvits_voice_piper_open(o, path);
    if (bytes[0] == '{')
        return clvits_fail(o->r, CLVITS_E_FORMAT,
                           "%s is JSON; give the path of the voice that it describes", path);
    if (says_onnx)
        return clvits_fail(o->r, CLVITS_E_FORMAT,
                           "%s is no ONNX model, as its name says; it may be damaged", path);
    return clvits_fail(o->r, CLVITS_E_FORMAT,
                       "%s is no voice: neither a safetensors file, nor an ONNX model, nor a "
                       "checkpoint of PyTorch",
                       path);
}

static clvits_status open_folder(clvits_opening *o, const char *path)
{
    const char *file = clvits_voice_in_folder(o, path);

    if (!file || name_by_file(o, path, ""))
        return o->r->status;
    return open_file(o, file);
}

static clvits_status open_any(clvits_voice_file *out, clvits_opening *o, const char *path)
{
    clvits_report own = { 0 };

    if (!o->r)
        o->r = &own;
    *out = (clvits_voice_file){ 0 };
    if (!*path)
        return clvits_fail(o->r, CLVITS_E_FILE, "the path of the voice is empty");
    if (o->config_path)
        clvits_voice_file_note(out, o->config_path);
    const clvits_status status =
        clvits_file_is_folder(path) ? open_folder(o, path) : open_file(o, path);
    if (status)
        clvits_voice_file_free(out);
    return status;
}

clvits_status clvits_voice_file_open(clvits_voice_file *out, const char *path,
                                     const char *config_path, clvits_report *r)
{
    return open_any(out, &(clvits_opening){ .v = out, .config_path = config_path, .r = r }, path);
}

clvits_status clvits_voice_file_open_sides(clvits_voice_file *out, const char *path,
                                           const char *config_path, int sides, clvits_report *r)
{
    clvits_opening o = { .v = out, .config_path = config_path, .sides = sides, .r = r };
    return open_any(out, &o, path);
}

clvits_status clvits_voice_file_open_whole(clvits_voice_file *out, const char *path,
                                           const char *config_path, clvits_report *r)
{
    clvits_opening o = { .v = out, .config_path = config_path, .keep_all = 1, .r = r };
    return open_any(out, &o, path);
}

void clvits_voice_file_free(clvits_voice_file *v)
{
    clvits_arrays_free(&v->weights);
    clvits_arrays_free(&v->raw);
    clvits_symbols_free(&v->symbols);
    clvits_lexicon_free(&v->lexicon);
    clvits_arena_free(&v->arena);
    *v = (clvits_voice_file){ 0 };
}

void clvits_voice_file_note(clvits_voice_file *v, const char *path)
{
    clvits_file_id id;

    if (v->n_files < CLVITS_MAX_FILES && clvits_file_identify(&id, path))
        v->files[v->n_files++] = id;
}

int clvits_voice_file_has(const clvits_voice_file *v, const char *path)
{
    clvits_file_id id;

    if (!clvits_file_identify(&id, path))
        return 0;
    for (int i = 0; i < v->n_files; i++)
        if (clvits_file_same(v->files[i], id))
            return 1;
    return 0;
}

int clvits_voice_file_language(const clvits_voice_file *v, const char *name)
{
    for (int i = 0; i < v->n_languages; i++)
        if (!strcmp(v->languages[i].name, name))
            return v->languages[i].id;
    return -1;
}

int clvits_voice_file_speaker(const clvits_voice_file *v, const char *name)
{
    for (int i = 0; i < v->n_speakers; i++)
        if (!strcmp(v->speakers[i].name, name))
            return v->speakers[i].id;
    return -1;
}
