// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_ARRAYS_H
#define CLVITS_IO_ARRAYS_H

#include "base/arena.h"
#include "base/status.h"

#include <stdint.h>

typedef enum clvits_dtype {
    CLVITS_DTYPE_F32,
    CLVITS_DTYPE_F16,
    CLVITS_DTYPE_BF16,
    CLVITS_DTYPE_F64,
    CLVITS_DTYPE_I64,
    CLVITS_DTYPE_I32,
} clvits_dtype;

/** Bytes of one element. */
size_t clvits_dtype_size(clvits_dtype dtype);

/** One named array of a voice file, row-major; the data belongs to the set it is in. */
typedef struct clvits_array {
    const char *name;
    clvits_dtype dtype;
    int rank;
    int64_t shape[4];
    const void *data; /* may be unaligned: files give no promise */
} clvits_array;

/** Bytes of the largest file that is read; voices have some hundred million. */
#define CLVITS_ARRAYS_MOST ((size_t)1 << 31)

/** A set of named arrays, with the memory behind it. Read-only once made. */
typedef struct clvits_arrays {
    clvits_arena arena; /* names, items, and data that had to be converted */
    clvits_array *items;
    size_t count, capacity;
    void *file; /* what was read of it, or NULL */
    size_t file_size;
    char *about; /* what a .safetensors file's metadata has under CLVITS_ABOUT, or NULL */
} clvits_arrays;

/** The key of the JSON text that makes a .safetensors file a voice by itself. */
#define CLVITS_ABOUT "clvits.voice"

/** The array of that name, or NULL. */
const clvits_array *clvits_arrays_find(const clvits_arrays *set, const char *name);

/**
 * Add an item (name is copied, data is not).
 *
 * @return CLVITS_OK, _E_FORMAT (rank or sizes that no array can have) or _E_MEMORY
 */
clvits_status clvits_arrays_add(clvits_arrays *set, const clvits_array *item, clvits_report *r);

/** Number of elements; sizes were checked against overflow when the array was added. */
int64_t clvits_array_count(const clvits_array *a);

/** Convert the whole array to float; out has room for clvits_array_count() values. */
void clvits_array_floats(const clvits_array *a, float *out);

/** Release everything, the file included. */
void clvits_arrays_free(clvits_arrays *set);

/**
 * Empty a set, and give back the memory of its file but for what arrays of another set are in it.
 */
void clvits_arrays_keep_used(clvits_arrays *set, const clvits_arrays *used);

/** Give back the memory of a file's array, which lies in the file alone; its data is lost. */
void clvits_arrays_give_back(clvits_arrays *set, const clvits_array *a);

/**
 * Read a .safetensors file. The arrays lie in it as it is.
 *
 * @param[out] out  empty on failure; free with clvits_arrays_free()
 * @return CLVITS_OK, _E_FILE (unreadable, or changed meanwhile), _E_FORMAT (damaged, cut
 *         short, too large or another format),
 *         _E_UNSUPPORTED (element types or ranks that no voice has) or _E_MEMORY
 */
clvits_status clvits_safetensors_open(clvits_arrays *out, const char *path, clvits_report *r);

#endif
