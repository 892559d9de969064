// SPDX-License-Identifier: MIT
#include "io/arrays.h"
#include "io/file.h"
#include "io/json.h"

#include <cjson/cJSON.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * The file: eight bytes with the header's length, the header (a JSON object that gives each
 * tensor's type, shape and byte range), the tensors' bytes.
 */
enum { LENGTH_BYTES = 8, MAX_HEADER = 16 << 20 };

typedef struct tensor_range {
    size_t begin, end;
    const char *name;
} tensor_range;

typedef struct reader {
    const char *path;
    clvits_report *r;
    clvits_arrays *out;
    const char *data; /* after the header */
    size_t data_size;
    tensor_range *ranges; /* room for every tensor */
} reader;

static int read_dtype(clvits_dtype *out, const char *text)
{
    static const struct {
        const char *text;
        clvits_dtype dtype;
    } known[] = {
        { "F32", CLVITS_DTYPE_F32 }, { "F16", CLVITS_DTYPE_F16 }, { "BF16", CLVITS_DTYPE_BF16 },
        { "F64", CLVITS_DTYPE_F64 }, { "I64", CLVITS_DTYPE_I64 }, { "I32", CLVITS_DTYPE_I32 },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!strcmp(known[i].text, text)) {
            *out = known[i].dtype;
            return 1;
        }
    }
    return 0;
}

/* A whole number that a double carries exactly. */
static int read_size(int64_t *out, const cJSON *number)
{
    if (!cJSON_IsNumber(number))
        return 0;
    const double v = number->valuedouble;
    if (!(v >= 0 && v <= 0x1p53) || v != floor(v))
        return 0;
    *out = (int64_t)v;
    return 1;
}

static clvits_status read_shape(const reader *f, clvits_array *a, const cJSON *shape)
{
    const cJSON *number;

    if (!cJSON_IsArray(shape))
        return clvits_fail(f->r, CLVITS_E_FORMAT, "%s: tensor %s: shape is missing or no list",
                           f->path, a->name);
    cJSON_ArrayForEach(number, shape) {
        if (a->rank == 4)
            return clvits_fail(f->r, CLVITS_E_UNSUPPORTED,
                               "%s: tensor %s has more than four dimensions; no VITS voice has",
                               f->path, a->name);
        if (!read_size(&a->shape[a->rank++], number))
            return clvits_fail(f->r, CLVITS_E_FORMAT,
                               "%s: tensor %s: shape is not a list of whole numbers", f->path,
                               a->name);
    }
    return CLVITS_OK;
}

/* Bytes that the type and shape ask for; 0 when they overflow. */
static int size_in_bytes(int64_t *out, const clvits_array *a)
{
    *out = (int64_t)clvits_dtype_size(a->dtype);
    for (int i = 0; i < a->rank; i++)
        if (__builtin_mul_overflow(*out, a->shape[i], out))
            return 0;
    return 1;
}

static clvits_status read_range(const reader *f, clvits_array *a, const cJSON *offsets,
                                tensor_range *range)
{
    int64_t begin, end, want;

    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !read_size(&begin, cJSON_GetArrayItem(offsets, 0)) ||
        !read_size(&end, cJSON_GetArrayItem(offsets, 1)) || begin > end)
        return clvits_fail(f->r, CLVITS_E_FORMAT,
                           "%s: tensor %s: data_offsets is missing or no pair of offsets", f->path,
                           a->name);
    if (!size_in_bytes(&want, a) || want != end - begin)
        return clvits_fail(f->r, CLVITS_E_FORMAT,
                           "%s: tensor %s: its type and shape do not fit its %lld bytes", f->path,
                           a->name, (long long)(end - begin));
    if ((uint64_t)end > f->data_size)
        return clvits_fail(f->r, CLVITS_E_FORMAT,
                           "%s is cut short: tensor %s ends at byte %lld of the data, of which "
                           "%zu are there; copy or download the file again",
                           f->path, a->name, (long long)end, f->data_size);
    a->data = f->data + begin;
    *range = (tensor_range){ (size_t)begin, (size_t)end, a->name };
    return CLVITS_OK;
}

static clvits_status read_tensor(const reader *f, const cJSON *entry, tensor_range *range)
{
    clvits_array a = { .name = entry->string };
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype");

    if (!cJSON_IsString(dtype))
        return clvits_fail(f->r, CLVITS_E_FORMAT, "%s: tensor %s: dtype is missing or no text",
                           f->path, a.name);
    if (!read_dtype(&a.dtype, dtype->valuestring))
        return clvits_fail(f->r, CLVITS_E_UNSUPPORTED,
                           "%s: tensor %s has elements of type %.16s; F32, F16, BF16, F64, I64 and "
                           "I32 are read. A quantised voice has to be saved as F16 or F32",
                           f->path, a.name, dtype->valuestring);

    clvits_status status =
        read_shape(f, &a, cJSON_GetObjectItemCaseSensitive(entry, "shape"));
    if (!status)
        status = read_range(f, &a, cJSON_GetObjectItemCaseSensitive(entry, "data_offsets"), range);
    return status ? status : clvits_arrays_add(f->out, &a, f->r);
}

static int by_begin(const void *a, const void *b)
{
    const tensor_range *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tensor_range *)a)->name, ((const tensor_range *)b)->name);
}

static clvits_status check_apart(const reader *f, size_t n)
{
    tensor_range *const t = f->ranges;

    qsort(t, n, sizeof(*t), by_begin);
    for (size_t i = 1; i < n; i++)
        if (t[i].begin < t[i - 1].end)
            return clvits_fail(f->r, CLVITS_E_FORMAT, "%s: tensors %s and %s overlap", f->path,
                               t[i - 1].name, t[i].name);
    qsort(t, n, sizeof(*t), by_name);
    for (size_t i = 1; i < n; i++)
        if (!strcmp(t[i].name, t[i - 1].name))
            return clvits_fail(f->r, CLVITS_E_FORMAT, "%s: tensor %s is there twice", f->path,
                               t[i].name);
    return CLVITS_OK;
}

static clvits_status read_about(const reader *f, const cJSON *metadata)
{
    const cJSON *about = cJSON_GetObjectItemCaseSensitive(metadata, CLVITS_ABOUT);

    if (!cJSON_IsString(about))
        return CLVITS_OK;
    f->out->about =
        clvits_arena_text(&f->out->arena, about->valuestring, strlen(about->valuestring));
    return f->out->about ? CLVITS_OK : clvits_fail_memory(f->r, "the file's metadata");
}

static clvits_status read_header(reader *f, const cJSON *header)
{
    const cJSON *entry;
    size_t n = 0;

    if (!cJSON_IsObject(header))
        return clvits_fail(f->r, CLVITS_E_FORMAT,
                           "%s: the header is not JSON; the file is damaged or of another format",
                           f->path);
    f->ranges = calloc((size_t)cJSON_GetArraySize(header) + 1, sizeof(*f->ranges));
    if (!f->ranges)
        return clvits_fail_memory(f->r, "the list of tensors");

    cJSON_ArrayForEach(entry, header) {
        const clvits_status status = strcmp(entry->string, "__metadata__")
                                         ? read_tensor(f, entry, &f->ranges[n++])
                                         : read_about(f, entry);
        if (status)
            return status;
    }
    return check_apart(f, n);
}

static clvits_status read_file(reader *f)
{
    const unsigned char *bytes = f->out->file;
    const size_t size = f->out->file_size;
    uint64_t length = 0;

    if (size < LENGTH_BYTES + 2)
        return clvits_fail(f->r, CLVITS_E_FORMAT, "%s is cut short: %zu bytes hold no tensor",
                           f->path, size);
    for (int i = LENGTH_BYTES; i--;)
        length = length << 8 | bytes[i];
    if (length > MAX_HEADER)
        return clvits_fail(f->r, CLVITS_E_FORMAT,
                           "%s is not a safetensors file: it declares a header of %llu bytes",
                           f->path, (unsigned long long)length);
    if (length > size - LENGTH_BYTES)
        return clvits_fail(f->r, CLVITS_E_FORMAT,
                           "%s is cut short: it declares a header of %llu bytes and has %zu; copy "
                           "or download the file again",
                           f->path, (unsigned long long)length, size - LENGTH_BYTES);
    f->data = (const char *)bytes + LENGTH_BYTES + length;
    f->data_size = size - LENGTH_BYTES - (size_t)length;

    const char *end;
    clvits_json_trouble why;
    cJSON *header =
        clvits_json_parse((const char *)bytes + LENGTH_BYTES, (size_t)length, &end, &why);
    if (!header && why == CLVITS_JSON_MEMORY)
        return clvits_fail_memory(f->r, "a header of weights");
    if (!header && why == CLVITS_JSON_LARGE)
        return clvits_fail(f->r, CLVITS_E_FORMAT,
                           "%s: the header has more than %d values, which that of no voice has",
                           f->path, CLVITS_JSON_MOST);
    const clvits_status status = read_header(f, header);
    cJSON_Delete(header);
    return status;
}

clvits_status clvits_safetensors_open(clvits_arrays *out, const char *path, clvits_report *r)
{
    *out = (clvits_arrays){ 0 };

    clvits_status status =
        clvits_file_read(&out->file, &out->file_size, CLVITS_ARRAYS_MOST, path, r);
    if (status)
        return status;

    reader f = { .path = path, .r = r, .out = out };
    status = read_file(&f);
    free(f.ranges);
    if (status)
        clvits_arrays_free(out);
    return status;
}
