// SPDX-License-Identifier: MIT
#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool same_name(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (b[i] == '\0' || (a[i] == '_' ? '-' : a[i]) != b[i])
            return false;
    return b[n] == '\0';
}

static int set_number(const option *o, const char *shown, const char *text)
{
    char *end;
    errno = 0;
    if (o->kind == OPTION_SEED) {
        const uint64_t seed = strtoull(text, &end, 0);
        if (end == text || *end || errno || strchr(text, '-'))
            return program_fail(CODE_USAGE, "%s %s: give a whole number from 0 to %llu", shown,
                                text, (unsigned long long)UINT64_MAX);
        *(uint64_t *)o->value = seed;
        return CODE_OK;
    }
    const double number = strtod(text, &end);
    if (end == text || *end || !(number >= o->least && number <= o->most) ||
        (o->kind == OPTION_INT && number != floor(number)))
        return program_fail(CODE_USAGE, "%s %s: give a %snumber from %.10g to %.10g", shown, text,
                            o->kind == OPTION_INT ? "whole " : "", o->least, o->most);
    if (o->kind == OPTION_INT)
        *(int *)o->value = (int)number;
    else if (o->kind == OPTION_DOUBLE)
        *(double *)o->value = number;
    else
        *(float *)o->value = (float)number;
    return CODE_OK;
}

static int set(const option *o, const char *shown, const char *text)
{
    if (!*text)
        return program_fail(CODE_USAGE, "%.*s: the value is empty; give one, or leave it out",
                            (int)strcspn(shown, "="), shown);
    if (o->kind != OPTION_TEXT)
        return set_number(o, shown, text);
    *(const char **)o->value = text;
    return CODE_OK;
}

/* What is being read. */
typedef struct reading {
    const option *table;
    int n;
    const char *command, *help;
    int argc, at;
    char **argv;
} reading;

static int unknown(const reading *r, const char *shown)
{
    return program_fail(CODE_USAGE, "unknown option %s; \"%s%s%s --help\" lists them", shown,
                        program_name, *r->command ? " " : "", r->command);
}

/* The value of an option that wants one: what is attached, else the next argument. */
static int set_from(reading *r, const option *o, const char *shown, const char *attached)
{
    if (!attached && r->at + 1 >= r->argc)
        return program_fail(CODE_USAGE, "%s wants a value after it", shown);
    return set(o, shown, attached ? attached : r->argv[++r->at]);
}

static int print_help(const reading *r)
{
    fputs(r->help, stdout);
    return -1;
}

static int read_long(reading *r)
{
    const char *shown = r->argv[r->at], *name = shown + 2;
    const size_t n = strcspn(name, "=");
    const char *attached = name[n] ? name + n + 1 : NULL;

    if (same_name(name, "help", n))
        return print_help(r);
    if (!*r->command && same_name(name, "version", n)) {
        program_print_version();
        return -1;
    }
    for (int i = 0; i < r->n; i++) {
        const option *o = &r->table[i];
        if (!o->name || !same_name(name, o->name, n))
            continue;
        if (o->kind != OPTION_FLAG)
            return set_from(r, o, shown, attached);
        if (attached)
            return program_fail(CODE_USAGE, "--%s takes no value", o->name);
        *(bool *)o->value = true;
        return CODE_OK;
    }
    return unknown(r, shown);
}

static int read_letters(reading *r)
{
    for (const char *c = r->argv[r->at] + 1; *c; c++) {
        const char shown[] = { '-', *c, '\0' };
        const option *o = NULL;

        if (*c == 'h')
            return print_help(r);
        for (int i = 0; i < r->n && !o; i++)
            o = r->table[i].letter == *c ? &r->table[i] : NULL;
        if (!o)
            return unknown(r, shown);
        if (o->kind != OPTION_FLAG)
            return set_from(r, o, shown, c[1] ? c + 1 : NULL);
        *(bool *)o->value = true;
    }
    return CODE_OK;
}

int options_parse(const option *table, int n, const char *command, const char *help, int *argc,
                  char **argv)
{
    reading r = { table, n, command, help, *argc, 0, argv };
    int kept = 0, code = CODE_OK;

    for (; r.at < r.argc && code == CODE_OK; r.at++) {
        const char *a = argv[r.at];
        if (!strcmp(a, "--")) {
            while (++r.at < r.argc)
                argv[kept++] = argv[r.at];
        } else if (a[0] == '-' && a[1] == '-') {
            code = read_long(&r);
        } else if (a[0] == '-' && a[1]) {
            code = read_letters(&r);
        } else {
            argv[kept++] = argv[r.at];
        }
    }
    *argc = kept;
    return code;
}
