// SPDX-License-Identifier: MIT
#include "io/json.h"
#include "io/file.h"

#include <cjson/cJSON.h>

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 16 << 20, MAX_KEY = 64 };

clvits_status clvits_json_fail(clvits_json *j, clvits_status status, const char *format, ...)
{
    char text[sizeof(j->report->text)];
    va_list args;

    if (j->status)
        return j->status;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    j->status = status;
    return clvits_fail(j->report, status, "%s: %s", j->path, text);
}

static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

/*
 * Python writes Infinity and NaN, which JSON does not know, as Coqui's configurations show: null
 * takes the place of the former, 0 that of the latter, and spaces that of what is left of them.
 */
static int replace_infinities(char *text, size_t size)
{
    static const struct {
        const char *word, *by;
    } words[] = { { "-Infinity", "null     " }, { "Infinity", "null    " }, { "NaN", "0  " } };
    int quoted = 0, replaced = 0;

    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        for (size_t k = 0; k < sizeof(words) / sizeof(words[0]) && !quoted && i < size; k++) {
            const size_t n = strlen(words[k].word);
            if (n <= size - i && !memcmp(text + i, words[k].word, n)) {
                memcpy(text + i, words[k].by, n);
                replaced = 1;
            }
        }
    }
    return replaced;
}

/* Values and keys have a sign each in front of them or behind; those within texts are none. */
static bool is_large(const char *text, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < size && n <= CLVITS_JSON_MOST; i++) {
        if (text[i] == '"') {
            for (i++; i < size && text[i] != '"'; i++)
                i += text[i] == '\\';
        } else {
            n += text[i] == ',' || text[i] == ':' || text[i] == '[' || text[i] == '{';
        }
    }
    return n > CLVITS_JSON_MOST;
}

cJSON *clvits_json_parse(const char *text, size_t size, const char **end, clvits_json_trouble *why)
{
    enum { PROBE = 4096 };
    const char *stopped = text;
    bool memory = false;
    cJSON *root = NULL;

    *end = text;
    *why = CLVITS_JSON_LARGE;
    if (is_large(text, size))
        return NULL;
    /* Where memory was short, there may be enough now, or not even a little. */
    for (int i = 0; i < 2 && size && !root; i++) {
        root = cJSON_ParseWithLengthOpts(text, size, end, 0);
        memory = memory || (!root && i && *end != stopped);
        stopped = *end;
    }
    void *probe = root ? NULL : malloc(PROBE);
    *why = memory || !probe ? CLVITS_JSON_MEMORY : CLVITS_JSON_DAMAGED;
    free(probe);
    return root;
}

static clvits_status parse(clvits_json *j, char *text, size_t size)
{
    const char *end = text;
    clvits_json_trouble why = CLVITS_JSON_DAMAGED;

    j->root = clvits_json_parse(text, size, &end, &why);
    if (size && !j->root && why == CLVITS_JSON_DAMAGED && replace_infinities(text, size))
        j->root = clvits_json_parse(text, size, &end, &why);
    if (!j->root && why == CLVITS_JSON_MEMORY) {
        j->status = CLVITS_E_MEMORY;
        return clvits_fail_memory(j->report, "a JSON file");
    }
    if (!j->root && why == CLVITS_JSON_LARGE)
        return clvits_json_fail(j, CLVITS_E_FORMAT,
                                "it has more than %d values, which nothing that is read here has",
                                CLVITS_JSON_MOST);
    if (!j->root)
        return clvits_json_fail(j, CLVITS_E_FORMAT,
                                "not JSON, or cut short: it cannot be read beyond line %d",
                                line_of(text, end));
    if (!cJSON_IsObject(j->root))
        return clvits_json_fail(j, CLVITS_E_FORMAT, "it should hold one JSON object");
    return CLVITS_OK;
}

clvits_status clvits_json_open(clvits_json *j, const char *path, clvits_report *r)
{
    void *bytes;
    size_t size;

    *j = (clvits_json){ .path = path, .report = r };
    j->status = clvits_file_read(&bytes, &size, MAX_SIZE, path, r);
    if (j->status)
        return j->status;

    parse(j, bytes, size);
    clvits_file_free(bytes, size);
    return j->status;
}

clvits_status clvits_json_open_text(clvits_json *j, char *text, const char *where,
                                    clvits_report *r)
{
    *j = (clvits_json){ .path = where, .report = r };
    return parse(j, text, strlen(text));
}

void clvits_json_close(clvits_json *j)
{
    cJSON_Delete(j->root);
    j->root = NULL;
}

const cJSON *clvits_json_at(const clvits_json *j, const char *key)
{
    const cJSON *node = j->root;

    while (node && *key) {
        char part[MAX_KEY];
        const size_t n = strcspn(key, ".");

        if (n >= sizeof(part))
            return NULL;
        memcpy(part, key, n);
        part[n] = '\0';
        node = cJSON_GetObjectItemCaseSensitive(node, part);
        key += n + (key[n] == '.');
    }
    return cJSON_IsNull(node) ? NULL : node;
}

static const char *kind_of(const cJSON *node)
{
    if (cJSON_IsString(node))
        return "text";
    if (cJSON_IsBool(node))
        return "true or false";
    if (cJSON_IsArray(node))
        return "a list";
    if (cJSON_IsObject(node))
        return "an object";
    return "another number";
}

/* The node at a key when it passes; else NULL, with a failure where one is due. */
static const cJSON *get(clvits_json *j, const char *key, int required,
                        cJSON_bool (*is)(const cJSON *), const char *kind)
{
    const cJSON *node = j->status ? NULL : clvits_json_at(j, key);

    if (j->status)
        return NULL;
    if (!node) {
        if (required)
            clvits_json_fail(j, CLVITS_E_FORMAT, "%s is missing; it should be %s", key, kind);
        return NULL;
    }
    if (!is(node)) {
        clvits_json_fail(j, CLVITS_E_FORMAT, "%s should be %s, but is %s", key, kind,
                         kind_of(node));
        return NULL;
    }
    return node;
}

int clvits_json_node_int(int *out, const cJSON *node)
{
    if (!cJSON_IsNumber(node))
        return 0;
    const double v = node->valuedouble;
    if (!(v >= INT_MIN && v <= INT_MAX) || v != floor(v))
        return 0;
    *out = (int)v;
    return 1;
}

static cJSON_bool is_int(const cJSON *node)
{
    int value;
    return clvits_json_node_int(&value, node);
}

const cJSON *clvits_json_object(clvits_json *j, const char *key, int required)
{
    return get(j, key, required, cJSON_IsObject, "an object");
}

void clvits_json_int(clvits_json *j, int *out, const char *key, int required)
{
    const cJSON *node = get(j, key, required, is_int, "a whole number");
    if (node)
        clvits_json_node_int(out, node);
}

void clvits_json_double(clvits_json *j, double *out, const char *key, int required)
{
    const cJSON *node = get(j, key, required, cJSON_IsNumber, "a number");
    if (node)
        *out = node->valuedouble;
}

void clvits_json_float(clvits_json *j, float *out, const char *key, int required)
{
    double value = *out;

    clvits_json_double(j, &value, key, required);
    *out = (float)value;
}

void clvits_json_bool(clvits_json *j, int *out, const char *key, int required)
{
    const cJSON *node = get(j, key, required, cJSON_IsBool, "true or false");
    if (node)
        *out = cJSON_IsTrue(node);
}

const char *clvits_json_text(clvits_json *j, const char *key, int required)
{
    const cJSON *node = get(j, key, required, cJSON_IsString, "text");
    return node ? node->valuestring : NULL;
}

void clvits_json_ints(clvits_json *j, int *out, int *count, int max, const char *key)
{
    const cJSON *list = get(j, key, CLVITS_JSON_REQUIRED, cJSON_IsArray, "a list"), *item;
    int n = 0;

    if (!list)
        return;
    cJSON_ArrayForEach(item, list) {
        if (n == max) {
            clvits_json_fail(j, CLVITS_E_FORMAT, "%s has more than %d items", key, max);
            return;
        }
        if (!clvits_json_node_int(&out[n++], item)) {
            clvits_json_fail(j, CLVITS_E_FORMAT, "%s should hold whole numbers only", key);
            return;
        }
    }
    *count = n;
}
