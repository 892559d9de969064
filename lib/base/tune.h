// SPDX-License-Identifier: MIT
//
// Rows of tuned values, as text:
//
//   DEVICE | DRIVER | ROOM | SHAPE | VALUES  # note
//
// DEVICE is a device's name, with * for any text, or @FAMILY; DRIVER its driver, with * as well.
// SHAPE and VALUES are whole numbers with names, as in "i=64 o=64 k=7"; a shape's may be a range,
// "o=33..64" or "o=33..", what it does not name may be anything, and * is every shape.
#ifndef CLVITS_BASE_TUNE_H
#define CLVITS_BASE_TUNE_H

#include "base/arena.h"
#include "base/status.h"

#include <stdbool.h>

enum { CLVITS_MAX_TERMS = 12, CLVITS_MAX_ROW = 1024, CLVITS_MAX_FAMILIES = 3 };

/** Named whole numbers, or ranges of them where a row says for what it is. */
typedef struct clvits_terms {
    int n;
    struct {
        char name[8];
        int least, most;
    } term[CLVITS_MAX_TERMS];
} clvits_terms;

/** Add a number; a ninth letter of the name, and a thirteenth term, are programming mistakes. */
void clvits_terms_add(clvits_terms *t, const char *name, int value);

/** The number of that name, else `otherwise`; a range counts as not there. */
int clvits_terms_get(const clvits_terms *t, const char *name, int otherwise);

/** Whether every name is one of these, which NULL ends. */
bool clvits_terms_known(const clvits_terms *t, const char *const *names);

bool clvits_terms_equal(const clvits_terms *a, const clvits_terms *b);

/** As text, in out; returns what snprintf() would. */
int clvits_terms_print(const clvits_terms *t, char *out, size_t size);

typedef struct clvits_row {
    const char *device, *driver, *room;
    clvits_terms shape, values;
    const char *file; /* where it stands */
    int line;
    bool own; /* the user's, not the library's */
    bool told; /* that a place has no use for it */
    const char *text; /* of values and place, for people */
} clvits_row;

typedef enum clvits_row_kind {
    CLVITS_ROW,      /* texts point into the line */
    CLVITS_ROW_NONE, /* nothing, or a comment */
    CLVITS_ROW_BAD,  /* *why says what is wrong */
} clvits_row_kind;

/** Take a line apart, in place. */
clvits_row_kind clvits_row_parse(clvits_row *out, char *line, const char **why);

/** The row without a note, in out; returns what snprintf() would. */
int clvits_row_print(const clvits_row *row, char *out, size_t size);

/** Whether two rows are for the same device, driver, room and shape, whatever they say. */
bool clvits_row_same(const clvits_row *a, const clvits_row *b);

/** Whether the row is for a node of that shape. */
bool clvits_row_fits(const clvits_row *row, const char *room, const clvits_terms *shape);

/** Who rows are for. */
typedef struct clvits_tuned_device {
    char name[128], driver[288];
    const char *family[CLVITS_MAX_FAMILIES]; /* the narrowest first, NULL at the end */
} clvits_tuned_device;

/** A name as rows have it: without what parts a row's fields. */
void clvits_row_name(char *out, size_t size, const char *name);

/** How well a row suits the device: -1 not at all; the more, the closer. */
int clvits_row_rank(const clvits_row *row, const clvits_tuned_device *d);

/** Rows in the order in which they stand. Zero-initialise; freed with the arena. */
typedef struct clvits_rows {
    clvits_arena arena;
    clvits_row *row;
    int n, capacity;
} clvits_rows;

/**
 * Add the rows of a file's text. What is no row costs itself and a warning that names its line;
 * a text too large to be of rows is not read at all, with a warning.
 *
 * @return CLVITS_OK or _E_MEMORY
 */
clvits_status clvits_rows_add(clvits_rows *rows, const char *text, size_t size, const char *file,
                              bool own, clvits_report *r);
void clvits_rows_free(clvits_rows *rows);

#endif
