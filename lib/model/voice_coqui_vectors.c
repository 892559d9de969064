// SPDX-License-Identifier: MIT
//
// Speakers of Coqui that are known by vectors, which another model made of recordings: a file has
// each recording's, with its speaker's name. The mean of a speaker's, at length one, is what a
// table of speakers would hold.
#include "io/torch.h"
#include "model/voice_parts.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_VALUES = 1 << 26 };

/* A recording; one of the lists is NULL. */
typedef struct recording {
    const char *speaker;
    const cJSON *json;
    const clvits_value *torch;
} recording;

typedef struct vectors {
    clvits_opening *o;
    const char *path;
    recording *list; /* by speaker */
    size_t count;
    int width;
} vectors;

static clvits_status fail(const vectors *x, const char *name)
{
    return clvits_fail(x->o->r, CLVITS_E_FORMAT,
                       "%s: \"%.64s\" should have a name and an embedding of %d numbers", x->path,
                       name, x->width);
}

static clvits_status make_room(vectors *x, size_t count)
{
    if (!count || count > MOST_VALUES / (size_t)x->width)
        return clvits_fail(x->o->r, CLVITS_E_FORMAT, "%s: %zu recordings with %d numbers each",
                           x->path, count, x->width);
    x->list = calloc(count, sizeof(*x->list));
    return x->list ? CLVITS_OK : clvits_fail_memory(x->o->r, "the vectors of speakers");
}

static clvits_status take_json(vectors *x, const clvits_json *j)
{
    const cJSON *item;
    clvits_status status = make_room(x, (size_t)cJSON_GetArraySize(j->root));

    cJSON_ArrayForEach(item, j->root) {
        const recording c = { .speaker = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name")),
                              .json = cJSON_GetObjectItem(item, "embedding") };
        if (status)
            break;
        if (!c.speaker || !cJSON_IsArray(c.json) || cJSON_GetArraySize(c.json) != x->width)
            status = fail(x, item->string);
        else
            x->list[x->count++] = c;
    }
    return status;
}

static clvits_status take_torch(vectors *x, const clvits_value *root)
{
    const size_t n = root->kind == CLVITS_VALUE_DICT ? clvits_value_count(root) : 0;
    clvits_status status = make_room(x, n);

    for (size_t i = 0; i < n && !status; i++) {
        const clvits_value *item = clvits_value_item(root, i);
        const char *key = clvits_value_text(clvits_value_key(root, i));
        const recording c = { .speaker = clvits_value_text(clvits_value_at(item, "name")),
                              .torch = clvits_value_at(item, "embedding") };
        if (!c.speaker || !c.torch || c.torch->kind != CLVITS_VALUE_LIST ||
            clvits_value_count(c.torch) != (size_t)x->width)
            status = fail(x, key ? key : "a recording");
        else
            x->list[x->count++] = c;
    }
    return status;
}

static int by_speaker(const void *a, const void *b)
{
    const recording *x = a, *y = b;
    return strcmp(x->speaker, y->speaker);
}

/* Add a recording's vector to a sum; 0 where a value is no number. */
static int add(double *sum, const recording *c, int width)
{
    const cJSON *item = c->json ? c->json->child : NULL;

    for (int k = 0; k < width; k++) {
        double value;
        if (c->json ? !cJSON_IsNumber(item)
                    : !clvits_value_number(&value, clvits_value_item(c->torch, (size_t)k)))
            return 0;
        if (c->json) {
            value = item->valuedouble;
            item = item->next;
        }
        sum[k] += value;
    }
    return 1;
}

/* A row of the table, of the recordings from first on; returns the first of the next speaker. */
static size_t make_row(float *row, double *sum, const vectors *x, size_t first)
{
    size_t end = first;
    double square = 0;

    memset(sum, 0, (size_t)x->width * sizeof(*sum));
    for (; end < x->count && !by_speaker(&x->list[first], &x->list[end]); end++)
        if (!add(sum, &x->list[end], x->width))
            return 0;
    for (int k = 0; k < x->width; k++)
        square += sum[k] * sum[k];
    for (int k = 0; k < x->width; k++)
        row[k] = square > 0 ? (float)(sum[k] / sqrt(square)) : 0.0f;
    return end;
}

static clvits_status make_table(vectors *x)
{
    clvits_voice_file *v = x->o->v;
    int speakers = 0;

    qsort(x->list, x->count, sizeof(*x->list), by_speaker);
    for (size_t i = 0; i < x->count; i++)
        speakers += !i || by_speaker(&x->list[i - 1], &x->list[i]);

    clvits_array table = { .name = "emb_g.weight", .dtype = CLVITS_DTYPE_F32, .rank = 2,
                           .shape = { speakers, x->width } };
    float *rows = clvits_arena_array(&v->raw.arena, (size_t)speakers * (size_t)x->width,
                                     sizeof(*rows));
    double *sum = malloc((size_t)x->width * sizeof(*sum));
    v->speakers = clvits_arena_array(&v->arena, (size_t)speakers, sizeof(*v->speakers));
    clvits_status status =
        rows && sum && v->speakers ? CLVITS_OK : clvits_fail_memory(x->o->r, "speakers");
    for (size_t i = 0; i < x->count && !status;) {
        const char *name = x->list[i].speaker;
        const char *copy = clvits_opening_name_copy(x->o, name);
        i = make_row(rows + (size_t)v->n_speakers * (size_t)x->width, sum, x, i);
        if (!i)
            status = fail(x, name);
        else if (!copy)
            status = x->o->r->status;
        else
            v->speakers[v->n_speakers] = (clvits_speaker){ copy, v->n_speakers };
        v->n_speakers += !status;
    }
    free(sum);
    table.data = rows;
    return status ? status : clvits_arrays_add(&v->raw, &table, x->o->r);
}

clvits_status clvits_coqui_vectors_read(clvits_opening *o, const char *path, int width)
{
    vectors x = { .o = o, .path = path, .width = width };
    unsigned char head[16] = { 0 };
    clvits_torch *torch = NULL;
    clvits_json j = { 0 };
    size_t got;

    clvits_status status = clvits_file_head(head, sizeof(head), &got, path, o->r);
    if (!status && clvits_torch_detect(head)) {
        status = clvits_torch_open(&torch, path, o->r);
        if (!status)
            status = take_torch(&x, clvits_torch_root(torch));
    } else if (!status) {
        status = clvits_json_open(&j, path, o->r);
        if (!status)
            status = take_json(&x, &j);
    }
    if (!status)
        status = make_table(&x);
    free(x.list);
    clvits_torch_close(&torch);
    clvits_json_close(&j);
    return status;
}
