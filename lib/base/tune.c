// SPDX-License-Identifier: MIT
#include "base/tune.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_TEXT = 1 << 20,
    MAX_ROWS = 8192,
    MAX_NUMBER = 1 << 24,
    WARNED = 5, /* lines of a file that are named; of the rest, how many there are */
};

void clvits_terms_add(clvits_terms *t, const char *name, int value)
{
    assert(t->n < CLVITS_MAX_TERMS && strlen(name) < sizeof(t->term[0].name));
    snprintf(t->term[t->n].name, sizeof(t->term[0].name), "%s", name);
    t->term[t->n].least = t->term[t->n].most = value;
    t->n++;
}

static int find(const clvits_terms *t, const char *name)
{
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->term[i].name, name))
            return i;
    return -1;
}

int clvits_terms_get(const clvits_terms *t, const char *name, int otherwise)
{
    const int i = find(t, name);
    return i >= 0 && t->term[i].least == t->term[i].most ? t->term[i].least : otherwise;
}

bool clvits_terms_known(const clvits_terms *t, const char *const *names)
{
    for (int i = 0; i < t->n; i++) {
        int k = 0;
        while (names[k] && strcmp(names[k], t->term[i].name))
            k++;
        if (!names[k])
            return false;
    }
    return true;
}

bool clvits_terms_equal(const clvits_terms *a, const clvits_terms *b)
{
    if (a->n != b->n)
        return false;
    for (int i = 0; i < a->n; i++) {
        const int k = find(b, a->term[i].name);
        if (k < 0 || a->term[i].least != b->term[k].least || a->term[i].most != b->term[k].most)
            return false;
    }
    return true;
}

int clvits_terms_print(const clvits_terms *t, char *out, size_t size)
{
    size_t used = 0;

    if (size)
        out[0] = '\0';
    for (int i = 0; i < t->n; i++) {
        char number[32] = "";
        if (t->term[i].most == INT32_MAX)
            snprintf(number, sizeof(number), "%d..", t->term[i].least);
        else if (t->term[i].most != t->term[i].least)
            snprintf(number, sizeof(number), "%d..%d", t->term[i].least, t->term[i].most);
        else
            snprintf(number, sizeof(number), "%d", t->term[i].least);
        used += (size_t)snprintf(used < size ? out + used : NULL, used < size ? size - used : 0,
                                 "%s%s=%s", i ? " " : "", t->term[i].name, number);
    }
    return (int)used;
}

static char *trim(char *text)
{
    char *end = text + strlen(text);

    while (isspace((unsigned char)*text))
        text++;
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

/* A number from the text, which moves behind it. */
static bool read_number(int *out, char **text)
{
    if (!isdigit((unsigned char)**text))
        return false;
    const long n = strtol(*text, text, 10);
    *out = (int)n;
    return n <= MAX_NUMBER;
}

static bool read_term(clvits_terms *t, char *word, bool ranges)
{
    char *number = strchr(word, '=');
    int least, most;

    if (!number || number == word || number - word >= (long)sizeof(t->term[0].name) ||
        t->n == CLVITS_MAX_TERMS)
        return false;
    *number++ = '\0';
    for (const char *c = word; *c; c++)
        if (!islower((unsigned char)*c))
            return false;
    if (find(t, word) >= 0 || !read_number(&least, &number))
        return false;
    most = least;
    if (ranges && !strncmp(number, "..", 2)) {
        number += 2;
        most = INT32_MAX;
        if (*number && (!read_number(&most, &number) || most < least))
            return false;
    }
    if (*number)
        return false;
    clvits_terms_add(t, word, least);
    t->term[t->n - 1].most = most;
    return true;
}

static bool read_terms(clvits_terms *t, char *text, bool ranges)
{
    *t = (clvits_terms){ 0 };
    if (ranges && !strcmp(text, "*"))
        return true;
    for (char *word = text; *word;) {
        const size_t n = strcspn(word, " \t");
        char *next = word + n + (word[n] != '\0');
        word[n] = '\0';
        if (n && !read_term(t, word, ranges))
            return false;
        word = next;
    }
    return t->n > 0;
}

clvits_row_kind clvits_row_parse(clvits_row *out, char *line, const char **why)
{
    char *field[5] = { NULL }, *rest = trim(line);
    int n = 0;

    *out = (clvits_row){ 0 };
    if (!*rest || *rest == '#')
        return CLVITS_ROW_NONE;
    rest[strcspn(rest, "#")] = '\0';
    for (; rest && n < 5; n++) {
        char *bar = strchr(rest, '|');
        if (bar)
            *bar = '\0';
        field[n] = trim(rest);
        rest = bar ? bar + 1 : NULL;
    }
    if (n < 5 || rest) {
        *why = "a row is DEVICE | DRIVER | ROOM | SHAPE | VALUES";
        return CLVITS_ROW_BAD;
    }
    out->device = field[0];
    out->driver = field[1];
    out->room = field[2];
    if (!*out->device || !*out->driver || !*out->room)
        *why = "device, driver and room are not empty; * is any";
    else if (!read_terms(&out->shape, field[3], true))
        *why = "a shape is *, or numbers with names, as in \"i=64 o=33..64\"";
    else if (!read_terms(&out->values, field[4], false))
        *why = "values are numbers with names, as in \"lanes=32 job=96\"";
    else
        return CLVITS_ROW;
    return CLVITS_ROW_BAD;
}

int clvits_row_print(const clvits_row *row, char *out, size_t size)
{
    char shape[CLVITS_MAX_ROW], values[CLVITS_MAX_ROW];

    clvits_terms_print(&row->shape, shape, sizeof(shape));
    clvits_terms_print(&row->values, values, sizeof(values));
    return snprintf(out, size, "%s | %s | %s | %s | %s", row->device, row->driver, row->room,
                    row->shape.n ? shape : "*", values);
}

bool clvits_row_same(const clvits_row *a, const clvits_row *b)
{
    return !strcmp(a->device, b->device) && !strcmp(a->driver, b->driver) &&
           !strcmp(a->room, b->room) && clvits_terms_equal(&a->shape, &b->shape);
}

bool clvits_row_fits(const clvits_row *row, const char *room, const clvits_terms *shape)
{
    if (strcmp(row->room, room))
        return false;
    for (int i = 0; i < row->shape.n; i++) {
        const int k = find(shape, row->shape.term[i].name);
        if (k < 0 || shape->term[k].least < row->shape.term[i].least ||
            shape->term[k].least > row->shape.term[i].most)
            return false;
    }
    return true;
}

void clvits_row_name(char *out, size_t size, const char *name)
{
    const size_t blanks = strspn(name, " \t");
    size_t n = 0;

    for (name += blanks; *name && n + 1 < size; name++)
        out[n++] = strchr("|#*@", *name) || iscntrl((unsigned char)*name) ? '_' : *name;
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

/* Whether a pattern, in which * is any text, is this text. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *again = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            again = text;
        } else if (*pattern == *text) {
            pattern++, text++;
        } else if (star) {
            pattern = star + 1;
            text = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

int clvits_row_rank(const clvits_row *row, const clvits_tuned_device *d)
{
    int rank = 0;

    if (!matches(row->driver, d->driver))
        return -1;
    if (row->device[0] == '@') {
        int i = 0;
        while (i < CLVITS_MAX_FAMILIES && d->family[i] && strcmp(row->device + 1, d->family[i]))
            i++;
        if (i == CLVITS_MAX_FAMILIES || !d->family[i])
            return -1;
        rank = CLVITS_MAX_FAMILIES - i;
    } else if (!matches(row->device, d->name)) {
        return -1;
    } else if (strcmp(row->device, "*")) {
        rank = CLVITS_MAX_FAMILIES + (strchr(row->device, '*') ? 1 : 2);
    }
    rank = 2 * rank + (strchr(row->driver, '*') == NULL);
    rank = (CLVITS_MAX_TERMS + 1) * rank + row->shape.n;
    return row->own ? rank + 1000 : rank;
}

static clvits_row *reserve(clvits_rows *rows)
{
    if (rows->n == rows->capacity) {
        const int capacity = 2 * rows->capacity + 64;
        clvits_row *more = realloc(rows->row, (size_t)capacity * sizeof(*more));
        if (!more)
            return NULL;
        rows->row = more;
        rows->capacity = capacity;
    }
    return &rows->row[rows->n];
}

static const char *describe(clvits_rows *rows, const clvits_row *row)
{
    char values[CLVITS_MAX_ROW], text[2 * CLVITS_MAX_ROW];

    clvits_terms_print(&row->values, values, sizeof(values));
    const int n = snprintf(text, sizeof(text), "%s (%.500s:%d)", values, row->file, row->line);
    return clvits_arena_text(&rows->arena, text, strlen(text) < (size_t)n ? strlen(text)
                                                                          : (size_t)n);
}

clvits_status clvits_rows_add(clvits_rows *rows, const char *text, size_t size, const char *file,
                              bool own, clvits_report *r)
{
    const char *name = clvits_arena_text(&rows->arena, file, strlen(file)), *why = "";
    int bad = 0, line = 1;

    if (!name)
        return clvits_fail_memory(r, "tuned rows");
    if (size > MAX_TEXT) {
        clvits_warn(r, "%s: more than 1 MiB is no file of tuned rows; it is not read", file);
        return CLVITS_OK;
    }
    for (size_t at = 0, n; at < size; at += n + 1, line++) {
        const char *end = memchr(text + at, '\n', size - at);
        n = end ? (size_t)(end - (text + at)) : size - at;
        char *copy = clvits_arena_text(&rows->arena, text + at, n < CLVITS_MAX_ROW ? n : 0);
        clvits_row *row = reserve(rows);
        if (!copy || !row)
            return clvits_fail_memory(r, "tuned rows");
        clvits_row_kind kind = clvits_row_parse(row, copy, &why);
        if (n >= CLVITS_MAX_ROW) {
            kind = CLVITS_ROW_BAD;
            why = "the line is too long";
        } else if (memchr(text + at, '\0', n)) {
            kind = CLVITS_ROW_BAD;
            why = "this is no text";
        } else if (kind == CLVITS_ROW && rows->n == MAX_ROWS) {
            kind = CLVITS_ROW_BAD;
            why = "there are too many rows";
        }
        row->file = name;
        row->line = line;
        row->own = own;
        if (kind == CLVITS_ROW && !(row->text = describe(rows, row)))
            return clvits_fail_memory(r, "tuned rows");
        rows->n += kind == CLVITS_ROW;
        if (kind == CLVITS_ROW_BAD && bad++ < WARNED)
            clvits_warn(r, "%s:%d: the row is ignored: %s", file, line, why);
    }
    if (bad > WARNED)
        clvits_warn(r, "%s: %d more rows are ignored", file, bad - WARNED);
    return CLVITS_OK;
}

void clvits_rows_free(clvits_rows *rows)
{
    free(rows->row);
    clvits_arena_free(&rows->arena);
    *rows = (clvits_rows){ 0 };
}
