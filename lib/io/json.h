// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_JSON_H
#define CLVITS_IO_JSON_H

#include "base/status.h"

#include <stddef.h>

struct cJSON;

/**
 * A JSON file that is being read into fields.
 *
 * A getter that finds the wrong type, or nothing where something is required, fails with one
 * message that names file, key and what should be there; after a failure the others do nothing.
 * So a whole list of fields is read and the status looked at once. Optional fields that are
 * missing or null leave the output as it was. Keys may lead into objects, as "audio.sample_rate".
 */
typedef struct clvits_json {
    struct cJSON *root;
    const char *path; /* the caller's */
    clvits_report *report;
    clvits_status status;
} clvits_json;

enum { CLVITS_JSON_OPTIONAL = 0, CLVITS_JSON_REQUIRED = 1 };

/** Why text was not parsed. */
typedef enum clvits_json_trouble {
    CLVITS_JSON_DAMAGED,
    CLVITS_JSON_LARGE,  /* more than CLVITS_JSON_MOST values and keys */
    CLVITS_JSON_MEMORY, /* which ran out */
} clvits_json_trouble;

/** Each takes a hundred bytes and more. */
enum { CLVITS_JSON_MOST = 400000 };

/**
 * Parse text as cJSON does, which does not say why it fails.
 *
 * @param[out] end  where it stopped, if it failed
 * @param[out] why  if it failed
 * @return NULL: it failed
 */
struct cJSON *clvits_json_parse(const char *text, size_t size, const char **end,
                                clvits_json_trouble *why);

/**
 * Parse a file whose content is one object. Close it on failure as well.
 *
 * @param path  outlives the reader
 * @return CLVITS_OK, _E_FILE (missing, unreadable) or _E_FORMAT (damaged)
 */
clvits_status clvits_json_open(clvits_json *j, const char *path, clvits_report *r);

/**
 * The same with text that is at hand.
 *
 * @param text   is made JSON where it nearly is
 * @param where  what it is the text of, for messages; outlives the reader
 */
clvits_status clvits_json_open_text(clvits_json *j, char *text, const char *where,
                                    clvits_report *r);

void clvits_json_close(clvits_json *j);

/** Fail with the file's name before the message, unless that has happened already. */
__attribute__((format(printf, 3, 4))) clvits_status
clvits_json_fail(clvits_json *j, clvits_status status, const char *format, ...);

/** What stands at a key, or NULL; null counts as nothing. */
const struct cJSON *clvits_json_at(const clvits_json *j, const char *key);

/** An object at a key, or NULL. */
const struct cJSON *clvits_json_object(clvits_json *j, const char *key, int required);

void clvits_json_int(clvits_json *j, int *out, const char *key, int required);
void clvits_json_float(clvits_json *j, float *out, const char *key, int required);
void clvits_json_double(clvits_json *j, double *out, const char *key, int required);
void clvits_json_bool(clvits_json *j, int *out, const char *key, int required);

/** Text at a key, valid until the file is closed; NULL when missing or not text. */
const char *clvits_json_text(clvits_json *j, const char *key, int required);

/** A list of at most max whole numbers. */
void clvits_json_ints(clvits_json *j, int *out, int *count, int max, const char *key);

/** The whole number in a node; 0 when it is something else. */
int clvits_json_node_int(int *out, const struct cJSON *node);

#endif
