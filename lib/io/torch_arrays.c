// SPDX-License-Identifier: MIT
//
// The data of tensors: what is needed of each storage is read once, into one piece of memory; the
// arrays lie in it where they can.
#include "io/torch_file.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALIGN = 64,
    PAGE = 4096, /* large storages begin at one, so that memory can be given back later */
    LARGE = 16 * PAGE,
    SPARE = 1 << 20, /* bytes that copies may take besides some times what was read */
    TIMES = 4,
};

/* What is needed of a storage, in bytes. */
typedef struct part {
    const clvits_storage *storage;
    int64_t begin, end;
    size_t place; /* in the memory of the arrays */
} part;

typedef struct reader {
    const clvits_torch *t;
    clvits_arrays *out;
    clvits_report *r;
    const char *prefix;
    int (*useless)(const char *name); /* or NULL */
    part *parts;    /* by a storage's index */
    size_t n_parts; /* storages */
    size_t copies;  /* bytes that may still be copied */
} reader;

/* Bytes that a tensor needs of its storage. */
static void extent(const clvits_stored *t, int64_t *begin, int64_t *end)
{
    int64_t last = t->offset;

    for (int i = 0; i < t->rank; i++)
        last += (t->shape[i] - 1) * t->stride[i];
    *begin = t->offset * t->element->size;
    *end = (last + 1) * t->element->size;
}

static bool is_dense(const clvits_stored *t)
{
    int64_t step = 1;

    for (int i = t->rank; i--; step *= t->shape[i])
        if (t->shape[i] != 1 && t->stride[i] != step)
            return false;
    return true;
}

/* The tensor of an entry that is wanted, or NULL; its name. */
static const clvits_stored *wanted(const reader *f, const clvits_value *dict, size_t i,
                                   const char **name)
{
    const clvits_value *key = clvits_value_key(dict, i), *v = clvits_value_item(dict, i);
    const size_t n = strlen(f->prefix);

    if (v->kind != CLVITS_VALUE_TENSOR ||
        (key->kind != CLVITS_VALUE_TEXT && key->kind != CLVITS_VALUE_BYTES))
        return NULL;
    *name = key->text + n;
    if (key->length < n || memcmp(key->text, f->prefix, n) || (f->useless && f->useless(*name)))
        return NULL;
    return v->tensor;
}

/* Whether an array can hold the tensor; widens what is needed of its storage. */
static clvits_status take(reader *f, const clvits_stored *t, const clvits_value *key)
{
    int64_t begin, end;

    if (!clvits_value_text(key))
        return clvits_fail(f->r, CLVITS_E_FORMAT, "%s: the name of a tensor is no text in UTF-8",
                           f->t->file.path);
    if (t->rank > 4)
        return clvits_fail(f->r, CLVITS_E_UNSUPPORTED,
                           "%s: tensor %.100s has more than four dimensions; no VITS voice has",
                           f->t->file.path, key->text);
    if (t->element->how == '?')
        return clvits_fail(f->r, CLVITS_E_UNSUPPORTED,
                           "%s: tensor %.100s has elements of type %s, which are not read; save "
                           "the voice as float32 or float16",
                           f->t->file.path, key->text, t->element->name);
    if (!t->count)
        return CLVITS_OK;
    part *p = &f->parts[t->storage->index];
    extent(t, &begin, &end);
    p->begin = !p->storage || begin < p->begin ? begin : p->begin;
    p->end = !p->storage || end > p->end ? end : p->end;
    p->storage = t->storage;
    return CLVITS_OK;
}

static int by_place(const void *a, const void *b)
{
    const part *x = *(const part *const *)a, *y = *(const part *const *)b;
    return (x->storage->at > y->storage->at) - (x->storage->at < y->storage->at);
}

/* Where each part goes, in the order of the file; how much memory that is. */
static clvits_status place(reader *f, const part **list, size_t *n)
{
    size_t size = 0;

    *n = 0;
    for (size_t i = 0; i < f->n_parts; i++)
        if (f->parts[i].storage)
            list[(*n)++] = &f->parts[i];
    qsort(list, *n, sizeof(*list), by_place);
    for (size_t i = 0; i < *n; i++) {
        part *p = &f->parts[list[i]->storage->index];
        const size_t bytes = (size_t)(p->end - p->begin);
        const size_t align = bytes >= LARGE ? PAGE : ALIGN;

        p->place = (size + align - 1) / align * align;
        if (bytes > CLVITS_ARRAYS_MOST || p->place > CLVITS_ARRAYS_MOST - bytes)
            return clvits_fail(f->r, CLVITS_E_FORMAT,
                               "%s has tensors of more than %zu bytes, more than a voice has",
                               f->t->file.path, CLVITS_ARRAYS_MOST);
        size = p->place + bytes;
    }
    f->out->file_size = size;
    f->copies = TIMES * size + SPARE;
    return CLVITS_OK;
}

static clvits_status read_parts(reader *f)
{
    const part **list = calloc(f->n_parts + 1, sizeof(*list));
    clvits_arrays *out = f->out;
    size_t n;

    if (!list)
        return clvits_fail_memory(f->r, "the list of storages");
    clvits_status s = place(f, list, &n);
    if (!s && out->file_size) {
        out->file = clvits_file_memory(out->file_size);
        if (!out->file)
            s = clvits_fail(f->r, CLVITS_E_MEMORY, "out of memory for %zu bytes of %s",
                            out->file_size, f->t->file.path);
    }
    for (size_t i = 0; i < n && !s; i++)
        s = clvits_file_part((char *)out->file + list[i]->place,
                             (size_t)(list[i]->end - list[i]->begin),
                             list[i]->storage->at + (uint64_t)list[i]->begin, &f->t->file, f->r);
    free(list);
    return s ? s : clvits_file_unchanged(&f->t->file, f->r);
}

static int32_t widened(const char *from, char how)
{
    int16_t wide;

    if (how == 'b')
        return *(const signed char *)from;
    if (how == 'B')
        return *(const unsigned char *)from;
    memcpy(&wide, from, sizeof(wide));
    return wide;
}

/* All elements one after the other; `from` is the first one. */
static void copy_elements(char *to, const char *from, const clvits_stored *t)
{
    const size_t from_size = (size_t)t->element->size,
                 to_size = clvits_dtype_size(t->element->dtype);
    int64_t n[4] = { 1, 1, 1, 1 }, step[4] = { 0 };

    for (int i = 0; i < t->rank; i++) {
        n[4 - t->rank + i] = t->shape[i];
        step[4 - t->rank + i] = t->stride[i];
    }
    for (int64_t a = 0; a < n[0]; a++)
        for (int64_t b = 0; b < n[1]; b++)
            for (int64_t c = 0; c < n[2]; c++) {
                const int64_t row = a * step[0] + b * step[1] + c * step[2];
                for (int64_t d = 0; d < n[3]; d++, to += to_size) {
                    const char *x = from + (size_t)(row + d * step[3]) * from_size;
                    if (t->element->how == '=') {
                        memcpy(to, x, to_size);
                    } else {
                        const int32_t v = widened(x, t->element->how);
                        memcpy(to, &v, sizeof(v));
                    }
                }
            }
}

static clvits_status add_array(reader *f, const clvits_stored *t, const char *name)
{
    clvits_array a = { .name = name, .dtype = t->element->dtype, .rank = t->rank, .data = "" };
    const size_t size = (size_t)t->count * clvits_dtype_size(a.dtype);

    memcpy(a.shape, t->shape, sizeof(a.shape));
    if (t->count) {
        const part *p = &f->parts[t->storage->index];
        const char *from =
            (const char *)f->out->file + p->place + (t->offset * t->element->size - p->begin);
        if (t->element->how == '=' && is_dense(t)) {
            a.data = from;
        } else {
            if ((uint64_t)t->count > f->copies / clvits_dtype_size(a.dtype))
                return clvits_fail(f->r, CLVITS_E_FORMAT,
                                   "%s: tensor %.100s repeats a few elements very often, as no "
                                   "voice does",
                                   f->t->file.path, name);
            char *copy = clvits_arena_alloc(&f->out->arena, size);
            if (!copy)
                return clvits_fail_memory(f->r, "a tensor");
            f->copies -= size;
            copy_elements(copy, from, t);
            a.data = copy;
        }
    }
    return clvits_arrays_add(f->out, &a, f->r);
}

static clvits_status read_dict(reader *f, const clvits_value *dict)
{
    const size_t n = clvits_value_count(dict);
    const clvits_stored *t;
    clvits_status s = CLVITS_OK;
    const char *name;

    for (size_t i = 0; i < n && !s; i++)
        if ((t = wanted(f, dict, i, &name)) != NULL)
            s = take(f, t, clvits_value_key(dict, i));
    if (!s)
        s = read_parts(f);
    for (size_t i = 0; i < n && !s; i++)
        if ((t = wanted(f, dict, i, &name)) != NULL)
            s = add_array(f, t, name);
    return s;
}

clvits_status clvits_torch_arrays(clvits_arrays *out, const clvits_torch *t,
                                  const clvits_value *dict, const char *prefix, clvits_report *r)
{
    return clvits_torch_arrays_but(out, t, dict, prefix, NULL, r);
}

clvits_status clvits_torch_arrays_but(clvits_arrays *out, const clvits_torch *t,
                                      const clvits_value *dict, const char *prefix,
                                      int (*useless)(const char *name), clvits_report *r)
{
    clvits_report own = { 0 };
    reader f = { .t = t, .out = out, .r = r ? r : &own, .prefix = prefix, .useless = useless };
    clvits_status s;

    *out = (clvits_arrays){ 0 };
    f.n_parts = t->pickle.n_storages;
    f.parts = calloc(f.n_parts + 1, sizeof(*f.parts));
    if (!f.parts)
        s = clvits_fail_memory(f.r, "the list of storages");
    else if (!dict || dict->kind != CLVITS_VALUE_DICT)
        s = clvits_fail(f.r, CLVITS_E_FORMAT, "%s holds no dict of tensors where one should be",
                        t->file.path);
    else
        s = read_dict(&f, dict);
    free(f.parts);
    if (s)
        clvits_arrays_free(out);
    return s;
}
