// SPDX-License-Identifier: MIT
#include "io/safetensors_write.h"

#include "base/half.h"

#include <cjson/cJSON.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE = 64,      /* bytes that tensors are aligned to where their sizes are */
    PIECE = 1 << 16 /* values that are written at once */
};

static size_t size_of(const clvits_safetensors_item *item)
{
    size_t size = clvits_dtype_size(item->dtype);
    for (int i = 0; i < item->rank; i++)
        size *= (size_t)item->shape[i];
    return size;
}

/* The largest power of two, up to a line, that divides the size. */
static size_t grain_of(const clvits_safetensors_item *item)
{
    const size_t size = size_of(item) | LINE;
    return size & ~(size - 1);
}

/*
 * Readers want tensors without gaps. So those of whole lines come first, and every other one has
 * before it what is divisible by as much as its own size: each begins at a multiple of that.
 */
static int by_grain(const void *a, const void *b)
{
    const clvits_safetensors_item *const *x = a, *const *y = b;
    const size_t p = grain_of(*x), q = grain_of(*y);

    if (p != q)
        return p > q ? -1 : 1;
    return (*x > *y) - (*x < *y);
}

static int put_item(cJSON *header, const clvits_safetensors_item *item, size_t begin)
{
    cJSON *entry = cJSON_AddObjectToObject(header, item->name), *list;
    int good = entry && cJSON_AddStringToObject(entry, "dtype",
                                                item->dtype == CLVITS_DTYPE_F16 ? "F16" : "F32");

    list = good ? cJSON_AddArrayToObject(entry, "shape") : NULL;
    good = list != NULL;
    for (int i = 0; i < item->rank && good; i++) {
        cJSON *number = cJSON_CreateNumber((double)item->shape[i]);
        good = number && cJSON_AddItemToArray(list, number);
    }
    const double offsets[] = { (double)begin, (double)(begin + size_of(item)) };
    list = good ? cJSON_CreateDoubleArray(offsets, 2) : NULL;
    return list && cJSON_AddItemToObject(entry, "data_offsets", list);
}

static char *make_header(const clvits_safetensors_item *const *order, size_t n, const char *key,
                         const char *value)
{
    cJSON *header = cJSON_CreateObject();
    cJSON *metadata = cJSON_AddObjectToObject(header, "__metadata__");
    int good = metadata && cJSON_AddStringToObject(metadata, key, value);
    size_t offset = 0;

    for (size_t i = 0; i < n && good; i++) {
        good = put_item(header, order[i], offset);
        offset += size_of(order[i]);
    }
    char *text = good ? cJSON_PrintUnformatted(header) : NULL;
    cJSON_Delete(header);
    return text;
}

static clvits_status fail_write(const clvits_safetensors_output *o, clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_FILE, "%s cannot be written: %s", o->path, strerror(errno));
}

static clvits_status write_header(const clvits_safetensors_output *o, const char *text,
                                  clvits_report *r)
{
    const size_t used = strlen(text), whole = (8 + used + LINE - 1) / LINE * LINE;
    unsigned char length[8];

    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)(whole - 8) >> 8 * i);
    const int good = fwrite(length, 1, 8, o->f) == 8 && fwrite(text, 1, used, o->f) == used &&
                     fprintf(o->f, "%*s", (int)(whole - 8 - used), "") >= 0;
    return good ? CLVITS_OK : fail_write(o, r);
}

static clvits_status write_item(const clvits_safetensors_output *o,
                                const clvits_safetensors_item *item, size_t *done, size_t total,
                                clvits_report *r)
{
    static const char ended[] = "stopped by the caller";
    const size_t size = clvits_dtype_size(item->dtype), count = size_of(item) / size;
    uint16_t halves[PIECE / 16];
    const size_t most = item->dtype == CLVITS_DTYPE_F16 ? PIECE / 16 : PIECE;

    for (size_t i = 0; i < count; i += most) {
        const size_t n = count - i < most ? count - i : most;
        const void *bytes = item->data + i;

        if (item->dtype == CLVITS_DTYPE_F16) {
            clvits_halves_pack(halves, item->data + i, n);
            bytes = halves;
        }
        if (fwrite(bytes, size, n, o->f) != n)
            return fail_write(o, r);
        *done += n * size;
        if (o->progress && o->progress(o->user, *done, total))
            return clvits_fail(r, CLVITS_E_CANCELLED, ended);
    }
    return CLVITS_OK;
}

clvits_status clvits_safetensors_write(const clvits_safetensors_output *o,
                                       const clvits_safetensors_item *items, size_t n,
                                       const char *key, const char *value, clvits_report *r)
{
    const clvits_safetensors_item **order = calloc(n + 1, sizeof(*order));
    size_t total = 0, done = 0;

    if (!order)
        return clvits_fail_memory(r, "the list of tensors");
    for (size_t i = 0; i < n; i++) {
        order[i] = &items[i];
        total += size_of(&items[i]);
    }
    qsort(order, n, sizeof(*order), by_grain);

    char *text = make_header(order, n, key, value);
    clvits_status status =
        text ? write_header(o, text, r) : clvits_fail_memory(r, "the file's header");
    for (size_t i = 0; i < n && !status; i++)
        status = write_item(o, order[i], &done, total, r);
    cJSON_free(text);
    free(order);
    return status;
}
