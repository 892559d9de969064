// SPDX-License-Identifier: MIT
#include "model/voice_parts.h"
#include "model/weights.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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

char *clvits_opening_keep(clvits_opening *o, const char *format, ...)
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

char *clvits_opening_name_copy(clvits_opening *o, const char *name)
{
    char *copy = clvits_arena_text(&o->v->arena, name, strlen(name));

    if (!copy)
        clvits_fail_memory(o->r, "a name");
    return copy;
}

int clvits_path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

const char *clvits_opening_name(clvits_opening *o, const char *path, const char *extension)
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
    return clvits_opening_keep(o, "%.*s", (int)length, path + n);
}

void clvits_spectrogram_read(clvits_opening *o, clvits_json *j, const char *n_fft_key,
                             const char *win_length_key)
{
    clvits_config *c = &o->v->config;

    clvits_config_measure_posterior(c, &o->v->raw);
    if (!c->n_fft)
        return;
    c->win_length = 0; /* as measured: that of n_fft, whatever this will be */
    clvits_json_int(j, &c->n_fft, n_fft_key, CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &c->win_length, win_length_key, CLVITS_JSON_OPTIONAL);
}

/* What the voice is opened for beyond speech. */
static clvits_status take_training(clvits_opening *o, clvits_report *why)
{
    clvits_voice_file *v = o->v;
    clvits_status s = CLVITS_OK;

    if (v->config.n_fft && o->sides & CLVITS_SIDE_POSTERIOR)
        s = clvits_config_check_posterior(&v->config, why);
    v->sides = o->sides;
    return s ? s : clvits_weights_take_training(&v->weights, &v->sides, &v->raw, &v->config, why);
}

clvits_status clvits_opening_finish(clvits_opening *o, const char *path)
{
    clvits_voice_file *v = o->v;
    clvits_report why = { 0 };

    if (clvits_refuse_arrays(&v->raw, path, o->r))
        return o->r->status;
    clvits_status status = clvits_config_check(&v->config, &why);
    if (!status)
        clvits_config_measure_posterior(&v->config, &v->raw);
    if (!status && o->keep_all)
        status = clvits_weights_canonical(&v->weights, &v->raw, &v->config, &why);
    else if (!status)
        status = clvits_weights_take(&v->weights, &v->raw, &v->config, &why);
    if (!status) {
        v->n_modules = clvits_weights_modules(v->modules, &v->weights, &v->raw);
        clvits_opening_count_training(o);
    }
    if (!status && o->sides)
        status = take_training(o, &why);
    if (!status && !o->keep_all)
        clvits_arrays_keep_used(&v->raw, &v->weights);
    if (!o->keep_all && !(v->sides & CLVITS_SIDE_POSTERIOR))
        clvits_config_drop_posterior(&v->config);
    v->text.symbols = &v->symbols;
    return status ? clvits_fail(o->r, status, "%s: %s", path, why.text) : CLVITS_OK;
}
