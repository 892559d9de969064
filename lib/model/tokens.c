// SPDX-License-Identifier: MIT
#include "io/file.h"
#include "model/voice_parts.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 8 << 20, LONGEST = 255 }; /* bytes of the file; of a symbol */

/* A tokens.txt on its way into the symbols. */
typedef struct reading {
    clvits_voice_file *v;
    const char *path;
    size_t line;
    clvits_report *r;
} reading;

static clvits_status add(const reading *d, const char *symbol, size_t n, long id)
{
    char copy[LONGEST + 1];
    clvits_report why = { 0 };

    if (id < 0 || id >= d->v->config.n_vocab)
        return clvits_fail(d->r, CLVITS_E_FORMAT,
                           "%s, line %zu: the id %ld, but the model has %d symbols", d->path,
                           d->line, id, d->v->config.n_vocab);
    if (n > LONGEST)
        return clvits_fail(d->r, CLVITS_E_FORMAT, "%s, line %zu: a symbol of %zu bytes", d->path,
                           d->line, n);
    memcpy(copy, symbol, n);
    copy[n] = '\0';
    const clvits_status status =
        clvits_symbols_add(&d->v->symbols, copy, &(int32_t){ (int32_t)id }, 1, &why);
    return status ? clvits_fail(d->r, status, "%s, line %zu: %s", d->path, d->line, why.text)
                  : CLVITS_OK;
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static clvits_status read_line(const reading *d, const char *bytes, size_t n)
{
    char digits[12] = { 0 };

    while (n && is_space(bytes[n - 1]))
        n--;
    if (!n)
        return CLVITS_OK;
    size_t from = n;
    while (from && !is_space(bytes[from - 1]))
        from--;
    if (n - from < sizeof(digits))
        memcpy(digits, bytes + from, n - from);
    char *end = digits;
    const long id = strtol(digits, &end, 10);
    if (end == digits || *end || *digits == '+')
        return clvits_fail(d->r, CLVITS_E_FORMAT,
                           "%s, line %zu: \"%.*s\" is no id; a line is a symbol, a space and its "
                           "number",
                           d->path, d->line, (int)(n - from < 32 ? n - from : 32), bytes + from);
    size_t start = 0;
    while (from && is_space(bytes[from - 1]))
        from--;
    while (start < from && is_space(bytes[start]))
        start++;
    return start < from ? add(d, bytes + start, from - start, id) : add(d, " ", 1, id);
}

static clvits_status parse(reading *d, const char *bytes, size_t size)
{
    const size_t bad = clvits_utf8_check(bytes, size);
    clvits_status status = CLVITS_OK;

    for (size_t at = 0; at < size && !status;) {
        const char *newline = memchr(bytes + at, '\n', size - at);
        const size_t end = newline ? (size_t)(newline - bytes) : size;
        d->line++;
        if (bad < end)
            return clvits_fail(d->r, CLVITS_E_FORMAT, "%s, line %zu: this is not UTF-8", d->path,
                               d->line);
        status = read_line(d, bytes + at, end - at);
        at = end + 1;
    }
    if (!status && !d->v->symbols.count)
        return clvits_fail(d->r, CLVITS_E_FORMAT, "%s: there is no symbol in it", d->path);
    return status;
}

clvits_status clvits_tokens_read(clvits_voice_file *v, const char *path, clvits_report *r)
{
    reading d = { .v = v, .path = path, .r = r };
    void *bytes;
    size_t size;

    clvits_voice_file_note(v, path);
    clvits_status status = clvits_file_read(&bytes, &size, MOST, path, r);

    if (status)
        return status;
    status = parse(&d, bytes ? bytes : "", size);
    clvits_file_free(bytes, size);
    return status;
}
