// SPDX-License-Identifier: MIT
#include "model/convert.h"

#include "base/file.h"
#include "base/half.h"
#include "model/voice_parts.h"

#include <cjson/cJSON.h>

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 4096 };

static clvits_status fail_write(const char *path, clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_FILE, "%s cannot be written: %s", path, strerror(errno));
}

/* What durations are made of: a last bit of it can make them another frame long. */
static int makes_durations(const char *name)
{
    static const char *const others[] = { "flow.", "dec.", "enc_q.", "discriminators.",
                                          "dp.post_", "dp.flows.1." };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (!strncmp(name, others[i], strlen(others[i])))
            return 0;
    return 1;
}

/* Whether rounding to halves does no harm. */
static int may_be_halves(const clvits_array *a)
{
    const float *x = a->data;
    const int exactly = makes_durations(a->name);
    float rounded[PIECE], most = 0;

    for (int64_t n = clvits_array_count(a); n > 0; x += PIECE, n -= PIECE) {
        const size_t piece = n < PIECE ? (size_t)n : PIECE;

        for (size_t i = 0; i < piece; i++)
            most = fmaxf(most, fabsf(x[i]));
        if (most > 65504.0f)
            return 0;
        if (!exactly)
            continue;
        char halves[2 * PIECE];
        clvits_halves_pack(halves, x, piece);
        clvits_halves_unpack(rounded, halves, piece);
        if (memcmp(rounded, x, piece * sizeof(*x)))
            return 0;
    }
    return 1;
}

static int is_of_discriminators(const char *name)
{
    return !strncmp(name, "discriminators.", 15) || !strncmp(name, "disc.", 5);
}

static void add_tensors(clvits_convert_tensors *t, const clvits_arrays *from,
                        const clvits_convert_plan *plan)
{
    for (size_t i = 0; i < from->count; i++) {
        const clvits_array *a = &from->items[i];
        if (plan->format == CLVITS_CONVERT_HF && is_of_discriminators(a->name))
            continue; /* it has no place for them */
        clvits_safetensors_item *item = &t->items[t->count++];

        *item = (clvits_safetensors_item){
            .name = a->name,
            .dtype = plan->halves && may_be_halves(a) ? CLVITS_DTYPE_F16 : CLVITS_DTYPE_F32,
            .rank = a->rank,
            .data = a->data,
        };
        memcpy(item->shape, a->shape, sizeof(item->shape));
        t->parameters += clvits_array_count(a);
    }
}

/* Others take their place. */
static void drop_discriminators(clvits_arrays *training)
{
    size_t kept = 0;

    for (size_t i = 0; i < training->count; i++)
        if (!is_of_discriminators(training->items[i].name))
            training->items[kept++] = training->items[i];
    training->count = kept;
}

static void free_tensors(clvits_convert_tensors *t)
{
    clvits_arrays_free(&t->training);
    clvits_arrays_free(&t->discriminators);
    clvits_arrays_free(&t->discriminators_raw);
    clvits_arena_free(&t->arena);
}

static clvits_status gather(clvits_convert_tensors *t, const clvits_voice_file *v,
                            const clvits_convert_plan *plan, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    if (plan->with_training)
        s = clvits_weights_training(&t->training, &v->raw, r);
    if (!s && plan->with_training && !t->training.count)
        s = clvits_fail(r, CLVITS_E_UNSUPPORTED,
                        "the voice has no training side, only what speaking needs; leave out "
                        "--with-training");
    if (!s && plan->discriminators && plan->format == CLVITS_CONVERT_HF)
        s = clvits_fail(r, CLVITS_E_UNSUPPORTED,
                        "a Hugging Face VitsModel has no place for discriminators");
    else if (!s && plan->discriminators)
        s = clvits_discriminators_read(&t->discriminators, &t->discriminators_raw,
                                       plan->discriminators, r);
    if (s)
        return s;
    t->items = clvits_arena_array(
        &t->arena, v->weights.count + t->training.count + t->discriminators.count + 1,
        sizeof(*t->items));
    if (!t->items)
        return clvits_fail_memory(r, "the list of tensors");
    add_tensors(t, &v->weights, plan);
    if (plan->discriminators)
        drop_discriminators(&t->training);
    add_tensors(t, &t->training, plan);
    add_tensors(t, &t->discriminators, plan);
    return plan->format == CLVITS_CONVERT_HF ? clvits_hf_tensors(t, v->config.use_sdp, r)
                                             : CLVITS_OK;
}

static int is_within(const char *inner, const char *outer)
{
    const size_t n = strlen(outer);
    return !strncmp(inner, outer, n) && (inner[n] == '/' || inner[n] == '\0');
}

static clvits_status check_apart(const clvits_voice_file *v, const char *source, const char *path,
                                 const clvits_convert_plan *plan, clvits_report *r)
{
    clvits_file_id there, added;
    char *from = realpath(source, NULL), *to = realpath(path, NULL);
    const char *relation = NULL;

    if (from && to && is_within(from, to))
        relation = strcmp(from, to) ? "holds" : "is";
    else if (from && to && is_within(to, from))
        relation = "is a part of";
    free(from);
    free(to);
    if (!relation && (clvits_voice_file_has(v, path) ||
                      (plan->discriminators && clvits_file_identify(&there, path) &&
                       clvits_file_identify(&added, plan->discriminators) &&
                       clvits_file_same(there, added))))
        relation = "is a part of";
    return relation ? clvits_fail(r, CLVITS_E_FILE,
                                  "%s %s the voice that is converted; give another name", path,
                                  relation)
                    : CLVITS_OK;
}

/* The name of a file that is in such a folder, and whose loss is meant. */
static int is_of_voice(const char *name)
{
    static const char *const names[] = { ".",
                                         "..",
                                         "config.json",
                                         "vocab.json",
                                         "tokenizer_config.json",
                                         "model.safetensors",
                                         "model.safetensors.json",
                                         "added_tokens.json",
                                         "special_tokens_map.json" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(name, names[i]))
            return 1;
    return 0;
}

static clvits_status check_folder(const clvits_voice_file *v, const char *path, clvits_report *r)
{
    char file[CLVITS_MAX_PATH + 300];
    clvits_status s = CLVITS_OK;
    DIR *folder = opendir(path);

    if (!folder)
        return fail_write(path, r);
    for (struct dirent *e; !s && (e = readdir(folder)) != NULL;) {
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        if (!is_of_voice(e->d_name))
            s = clvits_fail(r, CLVITS_E_FILE,
                            "%s is not replaced: it holds %.100s, which is no part of a voice",
                            path, e->d_name);
        else if (clvits_voice_file_has(v, file))
            s = clvits_fail(r, CLVITS_E_FILE,
                            "%s holds %.100s, a part of the voice that is converted; give another "
                            "name",
                            path, e->d_name);
    }
    closedir(folder);
    return s;
}

/* Whether something may take this name. */
static clvits_status check_place(const clvits_voice_file *v, const char *path,
                                 const clvits_convert_plan *plan, clvits_report *r)
{
    const int folder = plan->format == CLVITS_CONVERT_HF;
    struct stat st;

    if (!*path)
        return clvits_fail(r, CLVITS_E_FILE, "there is no name to write the voice to");
    if (lstat(path, &st))
        return CLVITS_OK;
    const int fits = folder ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode);
    if (!plan->replace)
        return clvits_fail(r, CLVITS_E_FILE, "%s is there already%s", path,
                           fits ? " (--force replaces it)" : "; give another name");
    if (!fits)
        return clvits_fail(r, CLVITS_E_FILE, "%s is not replaced: it is no %s", path,
                           folder ? "folder" : "regular file");
    return folder ? check_folder(v, path, r) : CLVITS_OK;
}

/* Take the JSON's text and delete it. */
static char *printed(cJSON *json, int for_people)
{
    char *text = !json ? NULL : for_people ? cJSON_Print(json) : cJSON_PrintUnformatted(json);

    cJSON_Delete(json);
    return text;
}

static clvits_safetensors_output output_of(const clvits_convert_plan *plan, FILE *f,
                                           const char *path)
{
    return (clvits_safetensors_output){ f, path, plan->progress, plan->user };
}

static clvits_status write_own(const clvits_voice_file *v, const clvits_convert_tensors *t,
                               const char *path, const clvits_convert_plan *plan, int64_t *bytes,
                               clvits_report *r)
{
    char *about = printed(
        clvits_voice_about(v, plan->with_training ? CLVITS_TELL_TRAINING : CLVITS_TELL_SPEECH), 0);
    clvits_new_file *file = malloc(sizeof(*file));
    clvits_status s = CLVITS_OK;

    if (!about || !file) {
        s = clvits_fail_memory(r, "what the file says of the voice");
    } else if (!clvits_new_file_open(file, path, false)) {
        s = fail_write(path, r);
    } else {
        const clvits_safetensors_output o = output_of(plan, file->f, path);
        s = clvits_safetensors_write(&o, t->items, t->count, CLVITS_ABOUT, about, r);
        *bytes = ftell(file->f);
        if (!clvits_new_file_close(file, s == CLVITS_OK) && !s)
            s = fail_write(path, r);
    }
    free(file);
    cJSON_free(about);
    return s;
}

/* A file of the new folder, closed with what it came to. */
static clvits_status close_file(FILE *f, clvits_status s, const char *path, int64_t *bytes,
                                clvits_report *r)
{
    if (!s)
        *bytes += ftell(f);
    if (fclose(f) && !s)
        return fail_write(path, r);
    return s;
}

static FILE *create(const clvits_new_folder *folder, const char *name)
{
    char path[CLVITS_MAX_PATH + 64];

    snprintf(path, sizeof(path), "%s/%s", folder->part, name);
    return fopen(path, "wxe");
}

static clvits_status write_json(const clvits_new_folder *folder, const char *name, cJSON *json,
                                int64_t *bytes, clvits_report *r)
{
    char *text = printed(json, 1);
    FILE *f = text ? create(folder, name) : NULL;
    clvits_status s = CLVITS_OK;

    if (!text)
        s = clvits_fail_memory(r, name);
    else if (!f)
        s = fail_write(folder->path, r);
    else if (fprintf(f, "%s\n", text) < 0)
        s = fail_write(folder->path, r);
    if (f)
        s = close_file(f, s, folder->path, bytes, r);
    cJSON_free(text);
    return s;
}

static clvits_status write_weights(const clvits_new_folder *folder, const clvits_convert_tensors *t,
                                   const clvits_convert_plan *plan, int64_t *bytes,
                                   clvits_report *r)
{
    FILE *f = create(folder, "model.safetensors");

    if (!f)
        return fail_write(folder->path, r);
    const clvits_safetensors_output o = output_of(plan, f, folder->path);
    return close_file(f, clvits_safetensors_write(&o, t->items, t->count, "format", "pt", r),
                      folder->path, bytes, r);
}

static clvits_status write_hf(const clvits_voice_file *v, const clvits_convert_tensors *t,
                              const char *path, const clvits_convert_plan *plan, int64_t *bytes,
                              clvits_report *r)
{
    clvits_new_folder *folder = malloc(sizeof(*folder));
    clvits_status s = CLVITS_OK;

    if (!folder) {
        s = clvits_fail_memory(r, "the name of a folder");
    } else if (!clvits_new_folder_open(folder, path)) {
        s = fail_write(path, r);
    } else {
        s = write_json(folder, "config.json", clvits_hf_config(v, &t->training), bytes, r);
        if (!s)
            s = write_json(folder, "vocab.json", clvits_hf_vocabulary(v), bytes, r);
        if (!s)
            s = write_json(folder, "tokenizer_config.json", clvits_hf_tokenizer(v), bytes, r);
        if (!s)
            s = write_weights(folder, t, plan, bytes, r);
        if (!clvits_new_folder_close(folder, s == CLVITS_OK, plan->replace) && !s)
            s = fail_write(path, r);
    }
    free(folder);
    return s;
}

clvits_status clvits_voice_file_convert(clvits_convert_outcome *outcome, const clvits_voice_file *v,
                                        const char *source, const char *path,
                                        const clvits_convert_plan *plan, clvits_report *r)
{
    const int hf = plan->format == CLVITS_CONVERT_HF;
    clvits_convert_tensors t = { 0 };

    *outcome = (clvits_convert_outcome){ 0 };
    clvits_status s = hf ? clvits_hf_check(v, r) : CLVITS_OK;
    if (!s && hf && plan->with_training)
        s = clvits_hf_check_training(v, r);
    if (!s)
        s = gather(&t, v, plan, r);
    if (!s) {
        outcome->writing = 1;
        outcome->parameters = t.parameters;
        s = check_apart(v, source, path, plan, r);
    }
    if (!s)
        s = check_place(v, path, plan, r);
    if (!s)
        s = (hf ? write_hf : write_own)(v, &t, path, plan, &outcome->bytes, r);
    free_tensors(&t);
    return s;
}
