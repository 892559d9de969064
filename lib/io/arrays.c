// SPDX-License-Identifier: MIT
#include "io/arrays.h"

#include "base/half.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "voice files hold little-endian numbers, which are used in place"
#endif

size_t clvits_dtype_size(clvits_dtype dtype)
{
    switch (dtype) {
    case CLVITS_DTYPE_F16:
    case CLVITS_DTYPE_BF16:
        return 2;
    case CLVITS_DTYPE_F32:
    case CLVITS_DTYPE_I32:
        return 4;
    case CLVITS_DTYPE_F64:
    case CLVITS_DTYPE_I64:
        return 8;
    }
    return 0;
}

const clvits_array *clvits_arrays_find(const clvits_arrays *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->items[i].name, name))
            return &set->items[i];
    return NULL;
}

static int grow(clvits_arrays *set)
{
    const size_t capacity = set->capacity ? 2 * set->capacity : 64;
    clvits_array *items = clvits_arena_array(&set->arena, capacity, sizeof(*items));

    if (!items)
        return 0;
    if (set->count)
        memcpy(items, set->items, set->count * sizeof(*items));
    set->items = items;
    set->capacity = capacity;
    return 1;
}

/* Whether the number of bytes stays far from the limits of size_t and int64_t. */
static int shape_is_sane(const clvits_array *a)
{
    int64_t count = 1;

    if (a->rank < 0 || a->rank > 4)
        return 0;
    for (int i = 0; i < a->rank; i++) {
        if (a->shape[i] < 0 || __builtin_mul_overflow(count, a->shape[i], &count))
            return 0;
    }
    return (uint64_t)count <= (uint64_t)(PTRDIFF_MAX / 8);
}

clvits_status clvits_arrays_add(clvits_arrays *set, const clvits_array *item, clvits_report *r)
{
    if (!shape_is_sane(item))
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "array %s has a rank or size that no array can have", item->name);
    if (set->count == set->capacity && !grow(set))
        return clvits_fail_memory(r, "the list of arrays");

    char *name = clvits_arena_text(&set->arena, item->name, strlen(item->name));
    if (!name)
        return clvits_fail_memory(r, "an array's name");

    clvits_array *copy = &set->items[set->count++];
    *copy = *item;
    copy->name = name;
    return CLVITS_OK;
}

int64_t clvits_array_count(const clvits_array *a)
{
    int64_t count = 1;
    for (int i = 0; i < a->rank; i++)
        count *= a->shape[i];
    return count;
}

static float bits_to_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Each element of a type that may lie at any address. */
#define CONVERT(type, expression)                                                                  \
    for (int64_t i = 0; i < n; i++) {                                                              \
        type v;                                                                                    \
        memcpy(&v, bytes + (size_t)i * sizeof(v), sizeof(v));                                      \
        out[i] = (expression);                                                                     \
    }

void clvits_array_floats(const clvits_array *a, float *out)
{
    const int64_t n = clvits_array_count(a);
    const char *bytes = a->data;

    switch (a->dtype) {
    case CLVITS_DTYPE_F32:
        if (n)
            memcpy(out, bytes, (size_t)n * sizeof(float));
        break;
    case CLVITS_DTYPE_F16:
        clvits_halves_unpack(out, bytes, (size_t)n);
        break;
    case CLVITS_DTYPE_BF16:
        CONVERT(uint16_t, bits_to_float((uint32_t)v << 16))
        break;
    case CLVITS_DTYPE_F64:
        CONVERT(double, (float)v)
        break;
    case CLVITS_DTYPE_I64:
        CONVERT(int64_t, (float)v)
        break;
    case CLVITS_DTYPE_I32:
        CONVERT(int32_t, (float)v)
        break;
    }
}

void clvits_arrays_free(clvits_arrays *set)
{
    clvits_file_free(set->file, set->file_size);
    clvits_arena_free(&set->arena);
    *set = (clvits_arrays){ 0 };
}

static int by_address(const void *a, const void *b)
{
    const clvits_array *const *x = a, *const *y = b;
    const uintptr_t p = (uintptr_t)(*x)->data, q = (uintptr_t)(*y)->data;
    return (p > q) - (p < q);
}

/* The whole pages between two offsets of the file. */
static void give_back(clvits_arrays *set, size_t begin, size_t end)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t from = (begin + page - 1) / page * page, to = end / page * page;

    if (from < to)
        madvise((char *)set->file + from, to - from, MADV_DONTNEED);
}

void clvits_arrays_give_back(clvits_arrays *set, const clvits_array *a)
{
    const size_t begin = (uintptr_t)a->data - (uintptr_t)set->file;

    if (set->file && begin < set->file_size)
        give_back(set, begin, begin + (size_t)clvits_array_count(a) * clvits_dtype_size(a->dtype));
}

void clvits_arrays_keep_used(clvits_arrays *set, const clvits_arrays *used)
{
    const uintptr_t file = (uintptr_t)set->file;
    const clvits_array **list = set->file ? calloc(used->count + 1, sizeof(*list)) : NULL;
    size_t n = 0, done = 0;

    set->count = 0;
    for (size_t i = 0; list && i < used->count; i++)
        if ((uintptr_t)used->items[i].data - file < set->file_size)
            list[n++] = &used->items[i];
    if (n)
        qsort(list, n, sizeof(*list), by_address);
    for (size_t i = 0; list && i <= n; i++) {
        const size_t next = i < n ? (uintptr_t)list[i]->data - file : set->file_size;
        give_back(set, done, next);
        if (i < n)
            done = next + (size_t)clvits_array_count(list[i]) * clvits_dtype_size(list[i]->dtype);
    }
    free(list);
}
