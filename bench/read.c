// SPDX-License-Identifier: MIT
//
// Reads files of results, and refuses what is damaged (FORMAT.md), as bench/report does.
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include "../tools/clvits/program.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WHERE = 512 };

static bool is_there(const cJSON *item)
{
    return item && !cJSON_IsNull(item);
}

static bool is_number(const cJSON *item)
{
    return cJSON_IsNumber(item) && isfinite(item->valuedouble);
}

static int check_number(const cJSON *item, const char *where)
{
    if (!is_there(item) || (is_number(item) && item->valuedouble >= 0.0))
        return CODE_OK;
    char *text = cJSON_PrintUnformatted(item);
    program_fail(CODE_INPUT, "%s: \"%s\" is %.40s, not a number from 0 up", where, item->string,
                 text ? text : "something else");
    cJSON_free(text);
    return CODE_INPUT;
}

static int check_numbers(const cJSON *o, const char *const *names, const char *where)
{
    int code = CODE_OK;

    for (; *names && !code; names++)
        code = check_number(cJSON_GetObjectItem(o, *names), where);
    return code;
}

static int check_texts(const cJSON *o, const char *const *names, const char *where)
{
    for (; *names; names++)
        if (!cJSON_IsString(cJSON_GetObjectItem(o, *names)))
            return program_fail(CODE_INPUT, "%s: \"%s\" is missing, or is no text", where, *names);
    return CODE_OK;
}

static int check_object(const cJSON *o, const char *name, const char *where)
{
    const cJSON *item = cJSON_GetObjectItem(o, name);

    return !is_there(item) || cJSON_IsObject(item)
               ? CODE_OK
               : program_fail(CODE_INPUT, "%s: \"%s\" is no object", where, name);
}

static int check_time(const cJSON *o, const char *name, const char *where)
{
    static const char *const numbers[] = { "min", "median", "p95", NULL };
    const cJSON *item = cJSON_GetObjectItem(o, name);
    char inside[WHERE + 32];

    if (!is_there(item))
        return CODE_OK;
    if (check_object(o, name, where))
        return CODE_INPUT;
    if (!is_number(cJSON_GetObjectItem(item, "median")))
        return program_fail(CODE_INPUT, "%s: \"%s\" has no median", where, name);
    snprintf(inside, sizeof(inside), "%s, \"%s\"", where, name);
    return check_numbers(item, numbers, inside);
}

static int check_members(const cJSON *o, const char *name, const char *where)
{
    const cJSON *member;
    int code = check_object(o, name, where);

    if (!code)
        cJSON_ArrayForEach(member, cJSON_GetObjectItem(o, name))
            if (!code)
                code = check_number(member, where);
    return code;
}

static int check_verdict(const cJSON *o, const char *where)
{
    static const char *const verdicts[] = { "ok", "wrong", "failed", "skipped" };

    for (int i = 0; i < LENGTH(verdicts); i++)
        if (!strcmp(bench_text(o, "verdict"), verdicts[i]))
            return CODE_OK;
    return program_fail(CODE_INPUT, "%s: verdict \"%.40s\" is none of ok, wrong, failed, skipped",
                        where, bench_text(o, "verdict"));
}

static int check_result(const cJSON *o, const char *where)
{
    static const char *const texts[] = { "device", "level", "name", "verdict", NULL };
    static const char *const numbers[] = { "flop", "multiplied", "bytes", "error", "first_seconds",
                                           "compile_seconds", "load_seconds", "compiled", "loaded",
                                           "roofline", "peak_flops", "peak_bytes", NULL };
    char named[WHERE];
    int code = check_texts(o, texts, where);

    snprintf(named, sizeof(named), "%.300s (%.200s)", where, bench_text(o, "name"));
    code = code ? code : check_verdict(o, named);
    code = code ? code : check_time(o, "device_seconds", named);
    code = code ? code : check_time(o, "host_seconds", named);
    code = code ? code : check_numbers(o, numbers, named);
    code = code ? code : check_members(o, "values", named);
    return code ? code : check_members(o, "operators", named);
}

static int check_device(const cJSON *o, const char *where)
{
    static const char *const texts[] = { "name", "kind", NULL };
    static const char *const numbers[] = { "peak_flops", "peak_bytes", "threads", "compute_units",
                                           NULL };
    const int code = check_texts(o, texts, where);

    return code ? code : check_numbers(o, numbers, where);
}

static int check_list(const cJSON *root, const char *name, bool needed, const char *path,
                      int (*check)(const cJSON *, const char *))
{
    const cJSON *list = cJSON_GetObjectItem(root, name), *item;
    char where[WHERE];
    int code = CODE_OK, i = 0;

    if (!is_there(list) && !needed)
        return CODE_OK;
    if (!cJSON_IsArray(list))
        return program_fail(CODE_INPUT, "%s: \"%s\" is missing, or is no list", path, name);
    cJSON_ArrayForEach(item, list) {
        snprintf(where, sizeof(where), "%.300s, %s[%d]", path, name, i++);
        if (!code)
            code = cJSON_IsObject(item) ? check(item, where)
                                        : program_fail(CODE_INPUT, "%s: not an object", where);
    }
    return code;
}

/* NULL where it is no JSON; errno is that of what could not be read, or 0. */
static cJSON *parse(FILE *f)
{
    char *data = NULL;
    size_t size = 0;
    cJSON *root = NULL;

    errno = 0;
    const ssize_t n = getdelim(&data, &size, '\0', f);
    const int error = ferror(f) ? errno : 0;
    if (n > 0 && !error)
        root = cJSON_ParseWithOpts(data, NULL, true);
    free(data);
    errno = error;
    return root;
}

int bench_read(cJSON **out, const char *path)
{
    FILE *f = fopen(path, "re");

    *out = NULL;
    if (!f)
        return program_fail(CODE_INPUT, "%s cannot be opened: %s", path, strerror(errno));
    cJSON *root = parse(f);
    const int error = errno;
    fclose(f);
    if (error)
        return program_fail(CODE_INPUT, "%s cannot be read: %s", path, strerror(error));
    int code = strcmp(bench_text(root, "format"), "clvits-bench 1")
                   ? program_fail(CODE_INPUT, "%s is not a file of results", path)
                   : check_object(root, "settings", path);
    code = code ? code : check_list(root, "devices", true, path, check_device);
    code = code ? code : check_list(root, "results", false, path, check_result);
    if (code)
        cJSON_Delete(root);
    else
        *out = root;
    return code;
}

bool bench_is_result(const char *path)
{
    static const char format[] = "clvits-bench ";
    struct stat st;
    FILE *f = !stat(path, &st) && S_ISREG(st.st_mode) ? fopen(path, "re") : NULL;
    cJSON *root = f ? parse(f) : NULL;
    const bool is = !strncmp(bench_text(root, "format"), format, sizeof(format) - 1);

    cJSON_Delete(root);
    if (f)
        fclose(f);
    return is;
}
