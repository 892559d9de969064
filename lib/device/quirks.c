// SPDX-License-Identifier: MIT
#include "device/quirks.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 5, LINE = 512, VENDOR = 0, FAMILY, DRIVER, QUIRK, REPORT, MOST = 1 << 16 };

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    for (size_t n = strlen(text); n && isspace((unsigned char)text[n - 1]); n--)
        text[n - 1] = '\0';
    return text;
}

/* The fields of a row, in place; false where it has fewer or more, or an empty one. */
static bool split(char *line, char *field[FIELDS])
{
    for (int i = 0; i < FIELDS; i++) {
        char *end = strchr(line, '|');
        if ((end != NULL) != (i < FIELDS - 1))
            return false;
        if (end)
            *end = '\0';
        field[i] = trim(line);
        if (!*field[i])
            return false;
        line = end ? end + 1 : line;
    }
    return true;
}

static const char *find(const char *text, const char *part)
{
    const size_t n = strlen(part);

    for (; *text; text++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == n)
            return text;
    }
    return NULL;
}

static bool is_any(const char *field)
{
    return !strcmp(field, "*");
}

/* Below, equal, above: part by part; what is missing is zero. */
static int compare_versions(const char *a, const char *b)
{
    while (isdigit((unsigned char)*a) || isdigit((unsigned char)*b)) {
        char *end_a = (char *)a, *end_b = (char *)b;
        const long x = isdigit((unsigned char)*a) ? strtol(a, &end_a, 10) : 0;
        const long y = isdigit((unsigned char)*b) ? strtol(b, &end_b, 10) : 0;
        if (x != y)
            return x < y ? -1 : 1;
        a = end_a + (*end_a == '.');
        b = end_b + (*end_b == '.');
    }
    return 0;
}

static bool is_version(const char *text)
{
    return isdigit((unsigned char)*text) && strspn(text, "0123456789.") == strlen(text);
}

/* Drivers from a version on, below another: FROM<=TEXT<BELOW, of which something may be missing. */
typedef struct range {
    const char *from, *text, *below; /* NULL: no bound */
} range;

/* Take a range apart, in place. */
static bool parse_range(range *r, char *field)
{
    char *text = strstr(field, "<=");

    *r = (range){ .from = text ? field : NULL, .text = text ? text + 2 : field };
    if (text)
        *text = '\0';
    char *below = strchr(r->text, '<');
    if (below) {
        *below = '\0';
        r->below = trim(below + 1);
    }
    r->text = trim((char *)r->text);
    if (r->from)
        r->from = trim(field);
    return (r->from || r->below) && (!r->from || is_version(r->from)) &&
           (!r->below || is_version(r->below));
}

/* The first number that a text stands before; NULL: there is none. */
static const char *number_behind(const char *all, const char *text)
{
    const char *at = find(all, text);

    while (at && !isdigit((unsigned char)at[strlen(text)]))
        at = find(at + 1, text);
    return at ? at + strlen(text) : NULL;
}

/* Whether a version stands there that is within. */
static bool within(const range *r, const char *at)
{
    return at && isdigit((unsigned char)*at) &&
           (!r->from || compare_versions(at, r->from) >= 0) &&
           (!r->below || compare_versions(at, r->below) < 0);
}

/* Whether the driver is meant; *sense becomes false where nothing is. */
static bool driver_fits(char *field, const clvits_device_info *d, bool *sense)
{
    const char *texts[] = { d->driver, d->version };
    bool fits = false;
    range r;

    if (is_any(field))
        return true;
    *sense = parse_range(&r, field);
    if (*sense && !*r.text)
        return within(&r, d->driver);
    for (int i = 0; i < 2 && *sense; i++)
        fits = fits || within(&r, number_behind(texts[i], r.text));
    return fits;
}

/* The number after a word; 0 where that is not what the text is. */
static int number_after(const char *text, const char *word)
{
    const size_t n = strlen(word);
    char *end;

    if (strncmp(text, word, n) || !isdigit((unsigned char)text[n]))
        return 0;
    const long value = strtol(text + n, &end, 10);
    return *end || value < 1 || value > MOST ? 0 : (int)value;
}

static void least(int *value, int other)
{
    if (!*value || other < *value)
        *value = other;
}

/* Take up a quirk, or only see whether it is one. */
static bool take(clvits_quirks *q, const char *text, bool meant)
{
    const int flush = number_after(text, "flush "), group = number_after(text, "group ");
    const int family = !strcmp(text, "family gpu")   ? 1 + CLVITS_FAMILY_GPU
                       : !strcmp(text, "family cpu") ? 1 + CLVITS_FAMILY_CPU
                                                     : 0;
    const char *kernel = strncmp(text, "without ", 8) ? "" : text + 8;
    const size_t n = strlen(kernel);
    const bool named = n && n < sizeof(q->without[0]) &&
                       strspn(kernel, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;

    if ((!flush && !group && !family && !named) ||
        (meant && named && q->n_without == CLVITS_MAX_WITHOUT))
        return false;
    if (meant && flush)
        least(&q->flush, flush);
    if (meant && group)
        least(&q->group, group);
    if (meant && family)
        q->family = family;
    if (meant && named)
        memcpy(q->without[q->n_without++], kernel, n + 1);
    return true;
}

static bool read_row(clvits_quirks *q, char *line, const clvits_device_info *d)
{
    char *field[FIELDS];
    bool sense = true;

    if (!split(line, field) || strncmp(field[REPORT], "https://", 8))
        return false;
    const bool driver = driver_fits(field[DRIVER], d, &sense);
    const bool meant = driver &&
                       (is_any(field[VENDOR]) || find(d->vendor, field[VENDOR]) ||
                        find(d->platform, field[VENDOR])) &&
                       (is_any(field[FAMILY]) || find(d->name, field[FAMILY]) ||
                        find(d->version, field[FAMILY]));
    if (!sense || !take(q, field[QUIRK], meant))
        return false;
    const size_t used = strlen(q->text);
    if (meant)
        snprintf(q->text + used, sizeof(q->text) - used, "%s%s (%s)", used ? "; " : "",
                 field[QUIRK], field[REPORT]);
    return true;
}

int clvits_quirks_read(clvits_quirks *out, const char *table, const clvits_device_info *d)
{
    int wrong = 0;

    *out = (clvits_quirks){ 0 };
    while (*table) {
        const size_t n = strcspn(table, "\n");
        char line[LINE];
        snprintf(line, sizeof(line), "%.*s", n < MOST ? (int)n : MOST, table);
        const char *text = trim(line);
        if (n >= sizeof(line))
            wrong++;
        else if (*text && *text != '#')
            wrong += !read_row(out, line, d);
        table += n + (table[n] == '\n');
    }
    return wrong;
}

bool clvits_quirks_without(const clvits_quirks *q, const char *kernel)
{
    for (int i = 0; i < q->n_without; i++)
        if (!strcmp(q->without[i], kernel))
            return true;
    return false;
}
