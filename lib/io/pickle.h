// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_PICKLE_H
#define CLVITS_IO_PICKLE_H

#include "io/arrays.h"
#include "io/file.h"

#include <stdbool.h>

typedef enum clvits_value_kind {
    CLVITS_VALUE_NONE,
    CLVITS_VALUE_BOOL,
    CLVITS_VALUE_INT,
    CLVITS_VALUE_FLOAT, /* also whole numbers beyond 64 bits */
    CLVITS_VALUE_TEXT,  /* also names of classes, types and devices, and paths */
    CLVITS_VALUE_BYTES,
    CLVITS_VALUE_LIST, /* also tuples and sets */
    CLVITS_VALUE_DICT, /* also attributes of the classes that are known to hold nothing else */
    CLVITS_VALUE_TENSOR,
    /* Only while a pickle is read: */
    CLVITS_VALUE_CLASS,
    CLVITS_VALUE_STORAGE,
    CLVITS_VALUE_UNSET,
} clvits_value_kind;

/** What a pickle said; read-only, and there as long as what it was read with. */
typedef struct clvits_value {
    clvits_value_kind kind;
    uint32_t length; /* of a TEXT or BYTES */
    union {
        int64_t integer;  /* BOOL, INT */
        double number;    /* FLOAT */
        const char *text; /* TEXT in UTF-8, BYTES; both with a NUL behind, and perhaps inside */
        struct clvits_items *items;          /* LIST; DICT: key, value, key, value, ... */
        const struct clvits_stored *tensor;  /* TENSOR */
        const struct clvits_storage *stored; /* STORAGE */
    };
} clvits_value;

/** A type of elements in PyTorch. */
typedef struct clvits_element {
    const char *storage, *name; /* as in "torch.FloatStorage" and "torch.float32" */
    int size;                   /* bytes */
    char how;                   /* '=': is dtype; 'b', 'B', 'h': becomes I32; '?': not read */
    clvits_dtype dtype;
} clvits_element;

/** Elements of a file that tensors are views of. */
typedef struct clvits_storage {
    const char *key;
    const clvits_element *element;
    int64_t count;
    size_t index; /* among the storages as they come */
    uint64_t at;  /* where it begins in the file */
    bool found;   /* at is set */
} clvits_storage;

/** A tensor whose data is still in the file; lies within its storage. */
typedef struct clvits_stored {
    const clvits_storage *storage;
    const clvits_element *element;
    int64_t offset; /* elements */
    int64_t count;
    int rank;
    int64_t shape[4], stride[4]; /* of the first four */
} clvits_stored;

/** Number of entries of a LIST or DICT; 0 for anything else, NULL included. */
size_t clvits_value_count(const clvits_value *v);

/** An entry of a LIST, or the value of one of a DICT; NULL where there is none. */
const clvits_value *clvits_value_item(const clvits_value *v, size_t i);

/** The key of an entry of a DICT; NULL where there is none. */
const clvits_value *clvits_value_key(const clvits_value *v, size_t i);

/** What a DICT has at a key; NULL when there is no such key, or no DICT. */
const clvits_value *clvits_value_at(const clvits_value *dict, const char *key);

/** Text without a NUL inside; NULL for anything else. */
const char *clvits_value_text(const clvits_value *v);

/** 1 with a BOOL, or an INT that an int holds; else 0, and out stays as it was. */
int clvits_value_int(int *out, const clvits_value *v);

/** 1 with an INT or FLOAT; else 0, and out stays as it was. */
int clvits_value_number(double *out, const clvits_value *v);

/** What the pickles of one file make, and what they may still take. Zero-initialise. */
typedef struct clvits_pickle {
    clvits_arena arena;
    char *room; /* rest of the arena's latest piece */
    size_t room_size;
    size_t used; /* bytes of memory */
    size_t n_tensors;
    clvits_storage **storages; /* by key */
    size_t n_storages, storages_capacity;
} clvits_pickle;

/**
 * Read a pickle (protocols 0 to 5, as PyTorch uses them). Nothing in it is run: it makes tensors,
 * containers, numbers and texts, and is refused when it wants anything else.
 *
 * What it makes has no cycles, is nested no deeper than a hundred, and can be walked through in no
 * time even where things are shared; no DICT has a text twice.
 *
 * @param at   where it begins; where it ended, on success
 * @param end  where it has to end at the latest
 * @return CLVITS_OK, _E_FILE, _E_FORMAT (damaged, or much larger than any voice's),
 *         _E_UNSUPPORTED (calls something, or uses what PyTorch does not) or _E_MEMORY
 */
clvits_status clvits_pickle_read(clvits_value *out, clvits_pickle *p, const clvits_file *f,
                                 uint64_t *at, uint64_t end, clvits_report *r);

/** The storage of that key, or NULL. */
clvits_storage *clvits_pickle_storage(const clvits_pickle *p, const char *key);

/** Free everything; all values of its pickles are gone. */
void clvits_pickle_free(clvits_pickle *p);

/** The type of elements with that name ("torch.float32"), or of that storage; NULL when unknown. */
const clvits_element *clvits_element_find(const char *name);

#endif
