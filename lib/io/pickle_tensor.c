// SPDX-License-Identifier: MIT
//
// Storages and tensors of a pickle: where their elements are, checked, but not read.
#include "io/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_RANK = 64 };

static const clvits_element elements[] = {
    { "torch.FloatStorage", "torch.float32", 4, '=', CLVITS_DTYPE_F32 },
    { "torch.HalfStorage", "torch.float16", 2, '=', CLVITS_DTYPE_F16 },
    { "torch.BFloat16Storage", "torch.bfloat16", 2, '=', CLVITS_DTYPE_BF16 },
    { "torch.DoubleStorage", "torch.float64", 8, '=', CLVITS_DTYPE_F64 },
    { "torch.LongStorage", "torch.int64", 8, '=', CLVITS_DTYPE_I64 },
    { "torch.IntStorage", "torch.int32", 4, '=', CLVITS_DTYPE_I32 },
    { "torch.ShortStorage", "torch.int16", 2, 'h', CLVITS_DTYPE_I32 },
    { "torch.CharStorage", "torch.int8", 1, 'b', CLVITS_DTYPE_I32 },
    { "torch.ByteStorage", "torch.uint8", 1, 'B', CLVITS_DTYPE_I32 },
    { "torch.BoolStorage", "torch.bool", 1, 'B', CLVITS_DTYPE_I32 },
    { "torch.ComplexFloatStorage", "torch.complex64", 8, '?', CLVITS_DTYPE_F32 },
    { "torch.ComplexDoubleStorage", "torch.complex128", 16, '?', CLVITS_DTYPE_F64 },
    { "torch.QInt8Storage", "torch.qint8", 1, '?', CLVITS_DTYPE_I32 },
    { "torch.QUInt8Storage", "torch.quint8", 1, '?', CLVITS_DTYPE_I32 },
    { "torch.QInt32Storage", "torch.qint32", 4, '?', CLVITS_DTYPE_I32 },
    { "torch.storage.UntypedStorage", "bytes", 1, '?', CLVITS_DTYPE_I32 },
    { "torch.storage._UntypedStorage", "bytes", 1, '?', CLVITS_DTYPE_I32 },
    /* These have no storage of their own. */
    { "", "torch.uint16", 2, '?', CLVITS_DTYPE_I32 },
    { "", "torch.uint32", 4, '?', CLVITS_DTYPE_I32 },
    { "", "torch.uint64", 8, '?', CLVITS_DTYPE_I64 },
    { "", "torch.float8_e4m3fn", 1, '?', CLVITS_DTYPE_F32 },
    { "", "torch.float8_e5m2", 1, '?', CLVITS_DTYPE_F32 },
};

const clvits_element *clvits_element_find(const char *name)
{
    static const char cuda[] = "torch.cuda.";
    const bool on_gpu = !strncmp(name, cuda, sizeof(cuda) - 1);

    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        const clvits_element *e = &elements[i];
        if (!strcmp(e->name, name) || (*name && !strcmp(e->storage, name)) ||
            (on_gpu && !strncmp(e->storage, cuda, 6) &&
             !strcmp(e->storage + 6, name + sizeof(cuda) - 1)))
            return e;
    }
    return NULL;
}

/* ---- storages ---- */

/* Where the key is among the sorted ones, or would be. */
static size_t place_of(const clvits_pickle *p, const char *key)
{
    size_t from = 0, to = p->n_storages;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        if (strcmp(p->storages[middle]->key, key) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

clvits_storage *clvits_pickle_storage(const clvits_pickle *p, const char *key)
{
    const size_t i = place_of(p, key);
    return i < p->n_storages && !strcmp(p->storages[i]->key, key) ? p->storages[i] : NULL;
}

static clvits_status add_storage(clvits_machine *m, clvits_storage **out, const char *key)
{
    clvits_pickle *p = m->p;

    if (p->n_storages == CLVITS_PICKLE_TENSORS)
        return clvits_machine_fail(m, CLVITS_E_FORMAT,
                                   "it has more than %d storages; no voice has so many",
                                   CLVITS_PICKLE_TENSORS);
    *out = clvits_machine_take(m, sizeof(**out));
    if (!*out)
        return m->r->status;
    if (p->n_storages == p->storages_capacity) {
        const size_t capacity = p->storages_capacity ? 2 * p->storages_capacity : 512;
        clvits_storage **storages = realloc(p->storages, capacity * sizeof(*storages));
        if (!storages)
            return clvits_fail_memory(m->r, "the list of storages");
        p->storages = storages;
        p->storages_capacity = capacity;
    }
    const size_t at = place_of(p, key);
    memmove(p->storages + at + 1, p->storages + at, (p->n_storages - at) * sizeof(*p->storages));
    p->storages[at] = *out;
    **out = (clvits_storage){ .key = key, .index = p->n_storages++ };
    return CLVITS_OK;
}

/* ("storage", type, key, device, count), and in the older form None or a view. */
clvits_status clvits_machine_persistent(clvits_machine *m, clvits_value *out,
                                        const clvits_value *id)
{
    const clvits_value *a = id->kind == CLVITS_VALUE_LIST ? id->items->at : NULL;
    const size_t n = clvits_value_count(id);
    const char *kind = a && n ? clvits_value_text(&a[0]) : NULL;

    if (kind && !strcmp(kind, "module"))
        return clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                                   "the file wants to make objects of its own classes with their "
                                   "source code; this is refused. Save the state_dict alone with "
                                   "torch.save");
    const char *key =
        n >= 5 && a[2].length < CLVITS_PICKLE_LINE ? clvits_value_text(&a[2]) : NULL;
    if (!kind || strcmp(kind, "storage") || n > 6 || !key || a[1].kind != CLVITS_VALUE_CLASS ||
        a[4].kind != CLVITS_VALUE_INT || a[4].integer < 0 || a[4].integer > INT64_MAX / 16)
        return clvits_machine_damaged(m, "a storage in it is described oddly");
    if (n == 6 && a[5].kind != CLVITS_VALUE_NONE)
        return clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                                   "it has views of storages, as PyTorch wrote them before 0.4; "
                                   "load it and save it again with torch.save");
    const clvits_element *element = clvits_element_find(a[1].text);
    if (!element || !*element->storage || !strcmp(element->name, a[1].text))
        return clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                                   "storages of type %.60s are not read; save the voice as float32 "
                                   "or float16",
                                   a[1].text);
    clvits_storage *s = clvits_pickle_storage(m->p, key);
    if (!s) {
        const clvits_status status = add_storage(m, &s, key);
        if (status)
            return status;
        s->element = element;
        s->count = a[4].integer;
    } else if (s->element != element || s->count != a[4].integer) {
        if (s->count || a[4].integer)
            return clvits_machine_damaged(m, "a storage has two types or sizes");
    }
    *out = (clvits_value){ .kind = CLVITS_VALUE_STORAGE, .stored = s };
    return CLVITS_OK;
}

/* ---- tensors ---- */

static clvits_status odd_tensor(clvits_machine *m, const char *what)
{
    return clvits_machine_fail(m, CLVITS_E_FORMAT, "a tensor in its pickle, before byte %llu, %s",
                               (unsigned long long)clvits_machine_position(m), what);
}

/* Sizes and strides as they must be: numbers, none negative, the last element within the storage.
 */
static clvits_status check_shape(clvits_machine *m, clvits_stored *t, const clvits_value *shape,
                                 const clvits_value *stride)
{
    const size_t rank = clvits_value_count(shape);
    int64_t last = t->offset, end, bytes;
    bool overflow = false;

    if (shape->kind != CLVITS_VALUE_LIST || stride->kind != CLVITS_VALUE_LIST ||
        clvits_value_count(stride) != rank || rank > MOST_RANK)
        return odd_tensor(m, "has no shape and strides that fit together");
    t->rank = (int)rank;
    t->count = 1;
    for (size_t i = 0; i < rank; i++) {
        const clvits_value *n = &shape->items->at[i], *step = &stride->items->at[i];
        int64_t far;

        if (n->kind != CLVITS_VALUE_INT || step->kind != CLVITS_VALUE_INT || n->integer < 0 ||
            step->integer < 0)
            return odd_tensor(m, "has a negative size or stride, or one that is no whole number");
        overflow |= __builtin_mul_overflow(t->count, n->integer, &t->count);
        if (n->integer > 0) {
            overflow |= __builtin_mul_overflow(n->integer - 1, step->integer, &far);
            overflow |= __builtin_add_overflow(last, far, &last);
        }
        if (i < 4) {
            t->shape[i] = n->integer;
            t->stride[i] = step->integer;
        }
    }
    overflow |= __builtin_add_overflow(last, 1, &end);
    overflow |= __builtin_mul_overflow(end, t->element->size, &bytes);
    if (overflow)
        return odd_tensor(m, "has more elements than any memory");
    if (t->count && bytes > t->storage->count * t->storage->element->size)
        return odd_tensor(m, "goes beyond the end of its storage");
    return CLVITS_OK;
}

static clvits_status make_tensor(clvits_machine *m, clvits_value *out, const clvits_value *a,
                                 const clvits_element *element)
{
    if (a[0].kind != CLVITS_VALUE_STORAGE || a[1].kind != CLVITS_VALUE_INT || a[1].integer < 0)
        return odd_tensor(m, "has no storage or no place in it");
    if (++m->p->n_tensors > CLVITS_PICKLE_TENSORS)
        return clvits_machine_fail(m, CLVITS_E_FORMAT,
                                   "it has more than %d tensors; no voice has so many",
                                   CLVITS_PICKLE_TENSORS);
    clvits_stored *t = clvits_machine_take(m, sizeof(*t));
    if (!t)
        return m->r->status;
    t->storage = a[0].stored;
    t->element = element ? element : t->storage->element;
    t->offset = a[1].integer;
    *out = (clvits_value){ .kind = CLVITS_VALUE_TENSOR, .tensor = t };
    return check_shape(m, t, &a[2], &a[3]);
}

/* Storage, offset, shape, strides, requires_grad, hooks, and what else there is to know. */
clvits_status clvits_machine_tensor(clvits_machine *m, clvits_value *out, const clvits_value *a,
                                    size_t n)
{
    if (n < 4 || n > 7)
        return odd_tensor(m, "is described oddly");
    if (n == 7 && clvits_value_count(&a[6]))
        return clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                                   "it has tensors that are conjugated or negated when they are "
                                   "read, which those of no voice are");
    return make_tensor(m, out, a, NULL);
}

/* The same, with the type of its elements after the hooks. */
clvits_status clvits_machine_tensor_typed(clvits_machine *m, clvits_value *out,
                                          const clvits_value *a, size_t n)
{
    const clvits_element *element =
        n >= 7 && a[6].kind == CLVITS_VALUE_CLASS ? clvits_element_find(a[6].text) : NULL;

    if (!element)
        return clvits_machine_fail(m, CLVITS_E_UNSUPPORTED,
                                   "it has tensors of the type %.60s, which are not read; save "
                                   "the voice as float32 or float16",
                                   n >= 7 && a[6].kind == CLVITS_VALUE_CLASS ? a[6].text : "?");
    return make_tensor(m, out, a, element);
}
