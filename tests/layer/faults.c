// SPDX-License-Identifier: MIT
#include "faults.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct fault_kind fault_kinds[KINDS] = {
    [BUFFER] = { "buffer", CL_MEM_OBJECT_ALLOCATION_FAILURE },
    [BUILD] = { "build", CL_BUILD_PROGRAM_FAILURE },
    [PROGRAM] = { "program", CL_OUT_OF_HOST_MEMORY },
    [KERNEL] = { "kernel", CL_INVALID_PROGRAM_EXECUTABLE },
    [ARGUMENT] = { "argument", CL_INVALID_ARG_VALUE },
    [LAUNCH] = { "launch", CL_DEVICE_NOT_AVAILABLE },
    [READ] = { "read", CL_DEVICE_NOT_AVAILABLE },
    [WRITE] = { "write", CL_DEVICE_NOT_AVAILABLE },
    [COPY] = { "copy", CL_DEVICE_NOT_AVAILABLE },
    [FILL] = { "fill", CL_DEVICE_NOT_AVAILABLE },
    [MAP] = { "map", CL_MAP_FAILURE },
    [FLUSH] = { "flush", CL_DEVICE_NOT_AVAILABLE },
    [FINISH] = { "finish", CL_DEVICE_NOT_AVAILABLE },
    [CONTEXT] = { "context", CL_DEVICE_NOT_AVAILABLE },
    [QUEUE] = { "queue", CL_OUT_OF_RESOURCES },
    [RECORD] = { "record", CL_OUT_OF_RESOURCES },
    [ANY] = { "any", CL_DEVICE_NOT_AVAILABLE },
};

static bool parse_size(size_t *size, const char *text)
{
    char *end;

    errno = 0;
    *size = strtoul(text, &end, 0);
    return isdigit((unsigned char)*text) && *size && !*end && !errno;
}

static bool parse_limit(faults *f, const char *key, const char *value)
{
    const struct {
        const char *key;
        size_t *size;
    } sizes[] = { { "local", &f->local }, { "group", &f->group },
                  { "alloc", &f->alloc }, { "global", &f->global } };
    const struct {
        const char *key;
        const char **text;
    } texts[] = { { "name", &f->name },
                  { "vendor", &f->vendor },
                  { "driver", &f->driver },
                  { "version", &f->version },
                  { "platform", &f->platform },
                  { "platform-version", &f->platform_version },
                  { "extensions", &f->extensions },
                  { "crash", &f->crash } };

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (!strcmp(texts[i].key, key)) {
            *texts[i].text = value;
            return true;
        }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        if (!strcmp(sizes[i].key, key))
            return parse_size(sizes[i].size, value);
    if (!strcmp(key, "type")) {
        f->gpu = true;
        return !strcmp(value, "gpu");
    }
    if (strcmp(key, "like") || (strcmp(value, "mali") && strcmp(value, "adreno")))
        return false;
    const bool mali = *value == 'm';
    f->gpu = true;
    f->name = mali ? "Mali-G78 r0p1" : "QUALCOMM Adreno(TM)";
    f->vendor = mali ? "ARM" : "QUALCOMM";
    f->platform = mali ? "ARM Platform" : "QUALCOMM Snapdragon(TM)";
    f->version = mali ? "OpenCL 3.0 v1.r38p1-01eac0" : "OpenCL 3.0 Adreno(TM) 740";
    f->driver = mali ? "3.0 v1.r38p1-01eac0" : "OpenCL 3.0 QUALCOMM build: Compiler E031.45.02.10";
    f->extensions = "cl_khr_global_int32_base_atomics cl_khr_byte_addressable_store";
    f->local = 32768;
    f->group = mali ? 256 : 1024;
    f->alloc = 256 << 20;
    f->global = (size_t)2 << 30;
    return true;
}

static bool parse_rule(faults *f, const char *kind, char *value)
{
    rule r = { .kind = KINDS };
    char *end;

    for (int k = 0; k < KINDS; k++)
        if (!strcmp(fault_kinds[k].name, kind))
            r.kind = (enum kind)k;
    const long number = strtol(value, &end, 10);
    if (end == value || number < 0)
        return false;
    if (!strcmp(kind, "lost")) {
        f->lost = number;
        return !*end;
    }
    if (r.kind == KINDS || number < 1 || f->n == MAX_RULES)
        return false;
    r.first = number;
    r.error = fault_kinds[r.kind].error;
    r.on = *end == '+';
    end += r.on;
    if (!strcmp(end, "=crash") || !strcmp(end, "=exit")) {
        r.error = end[1] == 'c' ? CRASH : EXIT;
        end += strlen(end);
    } else if (*end == '=') {
        r.error = (cl_int)strtol(end + 1, &end, 10);
        if (r.error >= CL_SUCCESS)
            return false;
    }
    f->rules[f->n++] = r;
    return !*end;
}

bool faults_parse(faults *f, const char *text)
{
    char *rest = f->text, *at;

    *f = (faults){ .lost = -1 };
    if (!text)
        return true;
    if (strlen(text) >= sizeof(f->text))
        return false;
    memcpy(f->text, text, strlen(text) + 1);
    while ((at = strsep(&rest, ";")) != NULL) {
        char *sign = at + strcspn(at, ":=>"), what = *sign;
        *sign = '\0';
        if (!*at && !what)
            continue;
        if (!strcmp(at, "leaks") && !what)
            f->leaks = true;
        else if (!(what == '>' && !strcmp(at, "buffer") && parse_size(&f->more_than, sign + 1)) &&
                 !(what == '=' && parse_limit(f, at, sign + 1)) &&
                 !(what == ':' && parse_rule(f, at, sign + 1)))
            return false;
    }
    return true;
}
