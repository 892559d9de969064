// SPDX-License-Identifier: MIT
#include "io/onnx_module.h"

#include <stdio.h>
#include <string.h>

enum {
    HEAD = 4096, /* what comes before the graph is short, or this is no such file */
    GRAPH = 7,   /* field of the graph in a model, the one that every ONNX file has */
    LAST_FIELD = 25,
};

/* A number of seven bits a byte; 0 when it does not end. */
static size_t varint(uint64_t *out, const unsigned char *p, size_t n)
{
    *out = 0;
    for (size_t i = 0; i < n && i < 10; i++) {
        *out |= (uint64_t)(p[i] & 127) << (7 * i);
        if (p[i] < 128)
            return i + 1;
    }
    return 0;
}

int clvits_onnx_detect(const char *path)
{
    unsigned char head[HEAD];
    FILE *f = fopen(path, "rb");
    const size_t n = f ? fread(head, 1, sizeof(head), f) : 0;

    if (f)
        fclose(f);
    /* an IR version of one byte comes first, then lengths lead from field to field */
    if (n < 4 || head[0] != 8 || head[1] < 1 || head[1] > 127)
        return 0;
    for (size_t at = 0; at < n;) {
        uint64_t tag, value;
        size_t used = varint(&tag, head + at, n - at);
        if (!used || tag >> 3 < 1 || tag >> 3 > LAST_FIELD)
            return 0;
        if (tag == (GRAPH << 3 | 2))
            return 1;
        at += used;
        used = varint(&value, head + at, n - at);
        if (!used || ((tag & 7) != 0 && (tag & 7) != 2))
            return 0;
        at += used;
        if ((tag & 7) == 2 && value > n - at)
            return 0;
        at += (tag & 7) == 2 ? (size_t)value : 0;
    }
    return 0;
}

static void read_voice(onnx_reader *g, clvits_config *c)
{
    if (clvits_onnx_load(g) || clvits_onnx_refuse(g) || clvits_onnx_modules(g))
        return;
    if (clvits_onnx_take_text_encoder(g, c) || clvits_onnx_take_duration(g, c) ||
        clvits_onnx_take_flow(g, c))
        return;
    clvits_onnx_take_decoder(g, c);
}

static clvits_status keep_metadata(clvits_onnx_metadata *m, onnx_reader *g)
{
    const size_t n = g->model->n_metadata_props;

    m->keys = clvits_arena_array(&m->arena, n, sizeof(*m->keys));
    m->values = clvits_arena_array(&m->arena, n, sizeof(*m->values));
    if (!m->keys || !m->values)
        return clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory for the metadata");
    for (; m->count < n; m->count++) {
        const Clvits__Onnx__Entry *e = g->model->metadata_props[m->count];
        m->keys[m->count] = clvits_arena_text(&m->arena, e->key, strlen(e->key));
        m->values[m->count] = clvits_arena_text(&m->arena, e->value, strlen(e->value));
        if (!m->keys[m->count] || !m->values[m->count])
            return clvits_onnx_fail(g, CLVITS_E_MEMORY, "no memory for the metadata");
    }
    return CLVITS_OK;
}

const char *clvits_onnx_metadata_find(const clvits_onnx_metadata *m, const char *key)
{
    for (size_t i = 0; i < m->count; i++)
        if (!strcmp(m->keys[i], key))
            return m->values[i];
    return NULL;
}

void clvits_onnx_metadata_free(clvits_onnx_metadata *m)
{
    clvits_arena_free(&m->arena);
    *m = (clvits_onnx_metadata){0};
}

clvits_status clvits_onnx_voice_open(clvits_arrays *out, clvits_config *config,
                                     clvits_onnx_metadata *metadata, const char *path,
                                     clvits_report *r)
{
    onnx_reader g = {.out = out, .path = path, .report = r};
    clvits_config c = *config;

    *out = (clvits_arrays){0};
    if (metadata)
        *metadata = (clvits_onnx_metadata){0};
    read_voice(&g, &c);
    if (metadata && !g.status)
        keep_metadata(metadata, &g);
    clvits_arena_free(&g.scratch);
    if (g.status && metadata)
        clvits_onnx_metadata_free(metadata);
    if (g.status)
        clvits_arrays_free(out);
    else
        *config = c;
    return g.status;
}
