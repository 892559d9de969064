// SPDX-License-Identifier: MIT
//
// Files of PyTorch made by hand.
#ifndef CLVITS_TESTS_TORCH_FILES_H
#define CLVITS_TESTS_TORCH_FILES_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/** Bytes that grow; zero-initialise, free with free(b.at). */
typedef struct torch_bytes {
    char *at;
    size_t n, capacity;
} torch_bytes;

void torch_put(torch_bytes *b, const void *bytes, size_t n);
void torch_put_text(torch_bytes *b, const char *text);
void torch_put_number(torch_bytes *b, uint64_t number, int size);

/** A storage with elements 0, 1, 2, ... of float32. */
typedef struct torch_storage {
    const char *key;
    int64_t count;
} torch_storage;

/** The older form, for one pickle and its storages. */
void torch_stream(torch_bytes *out, const void *pickle, size_t size, const torch_storage *storages,
                  size_t n);

/** A file in an archive; what is 0 or NULL is as it should be. */
typedef struct torch_entry {
    const char *name;
    const void *bytes;
    size_t size;
    int method;        /* 8: deflated, it says */
    uint64_t declared; /* its size in the list, in 64 bits */
    uint64_t at;       /* 1 + where its header is, in the list */
} torch_entry;

void torch_zip(torch_bytes *out, const torch_entry *entries, size_t n);

/** The archive form, for one pickle and its storages. */
void torch_archive(torch_bytes *out, const void *pickle, size_t size, const torch_storage *storages,
                   size_t n);

/** Opening this file, or reading its tensors, ends in such an error within a second and 64 MiB. */
void torch_refused(const char *name, const char *path, clvits_status want, const char *message);

/** So it does with this pickle in either form. */
void torch_refused_pickle(const char *name, const torch_bytes *pickle,
                          const torch_storage *storages, size_t n, clvits_status want,
                          const char *message);

#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Parts of pickles. K, count and so on are single characters as text. */
#define TORCH_STORAGE(type, key, count)                                                            \
    "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0" key "X\3\0\0\0cpu" count "tQ"
#define TORCH_TENSOR(storage, offset, shape, stride)                                               \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset shape stride "\x89}tR"
#define TORCH_FLOATS TORCH_STORAGE("FloatStorage", "0", "K\4")
#define TORCH_ONE(tensor) "\x80\2}" TORCH_KEY("a") tensor "s."
#define TORCH_KEY(letter) "X\1\0\0\0" letter

#endif
