// SPDX-License-Identifier: MIT
//
// The report of "clvits check" as JSON, for programs that read reports of faults. Every call does
// nothing where f is NULL.
#ifndef CLVITS_TOOLS_CHECK_JSON_H
#define CLVITS_TOOLS_CHECK_JSON_H

#include "program.h"

/* How a report in JSON begins, up to the format's number. */
#define CHECK_JSON_BEGIN "{\n\"format\": \"clvits-check"

typedef struct check_json {
    FILE *f; /* NULL: none is wanted */
    int runs, cases;
} check_json;

/** What was asked, of which device (the context's name for it) and where. Returns a code. */
int check_json_begin(check_json *j, const char *device);

/**
 * The cases of one precision, and how that ended.
 *
 * @param lacking  the device does not have the precision, "refused"; otherwise it was to have it,
 *                 "failed"
 * @param why      NULL, or why it could not run, or not to its end
 */
void check_json_begin_run(check_json *j, const char *precision);
void check_json_add(check_json *j, const clvits_check_result *r);
void check_json_end_run(check_json *j, bool lacking, const char *why);

void check_json_end(check_json *j);

#endif
