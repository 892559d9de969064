// SPDX-License-Identifier: MIT
#include "io/zip.h"

#include <stdlib.h>
#include <string.h>

/*
 * The archive: files, each behind a header of its own, whose name and extra part are of any length;
 * then the list of files; then where that list is. Sizes are taken from the list: the headers may
 * leave them open.
 */
enum {
    END = 22,     /* bytes of the last record, which a comment follows */
    END64 = 56,   /* and of the one that large archives have before it */
    LOCATOR = 20, /* says where that one is */
    LISTED = 46,  /* an entry of the list without what follows it */
    HEADER = 30,  /* a file's own header, likewise */
    COMMENT = 65535,
    MOST_LIST = 4 << 20, /* bytes; voices with their optimizer's state have some 300 KB */
};

typedef struct reader {
    const clvits_file *f;
    clvits_report *r;
    uint64_t list, size, count; /* where the list is, its bytes and entries */
} reader;

static uint64_t number(const unsigned char *bytes, int size)
{
    uint64_t n = 0;
    while (size--)
        n = n << 8 | bytes[size];
    return n;
}

static clvits_status damaged(const reader *z, const char *what)
{
    return clvits_fail(z->r, CLVITS_E_FORMAT,
                       "%s is damaged or cut short: %s; copy or download the file again",
                       z->f->path, what);
}

/* The record of large archives; at is where its locator would be. */
static clvits_status read_end64(reader *z, uint64_t at)
{
    unsigned char locator[LOCATOR], end[END64];

    clvits_status s = clvits_file_part(locator, LOCATOR, at, z->f, z->r);
    if (s || memcmp(locator, "PK\6\7", 4))
        return s;
    const uint64_t place = number(locator + 8, 8);
    if (at < END64 || place > at - END64)
        return damaged(z, "the end of its zip archive is not where it should be");
    s = clvits_file_part(end, END64, place, z->f, z->r);
    if (s)
        return s;
    if (memcmp(end, "PK\6\6", 4))
        return damaged(z, "the end of its zip archive is not where it should be");
    if (number(end + 16, 4) || number(end + 20, 4))
        return clvits_fail(z->r, CLVITS_E_UNSUPPORTED,
                           "%s is one of several parts of a zip archive", z->f->path);
    z->count = number(end + 32, 8);
    z->size = number(end + 40, 8);
    z->list = number(end + 48, 8);
    return CLVITS_OK;
}

/* Where the list is, from the record at the end of the file. */
static clvits_status read_end(reader *z)
{
    const uint64_t size = z->f->size;
    const size_t tail = size < END + COMMENT ? (size_t)size : END + COMMENT;
    unsigned char *bytes = tail >= END ? malloc(tail) : NULL;

    if (!bytes)
        return tail < END ? damaged(z, "it has no room for a zip archive")
                          : clvits_fail_memory(z->r, "the end of a zip archive");
    const clvits_status s = clvits_file_part(bytes, tail, size - tail, z->f, z->r);
    size_t at = tail - END + 1;
    while (!s && at-- > 0)
        if (!memcmp(bytes + at, "PK\5\6", 4) && number(bytes + at + 20, 2) == tail - END - at)
            break;
    if (s || at > tail) {
        free(bytes);
        return s ? s : damaged(z, "its zip archive has no end");
    }
    const unsigned char *end = bytes + at;
    const bool parts = number(end + 4, 2) % 0xffff || number(end + 6, 2) % 0xffff;
    z->count = number(end + 10, 2);
    z->size = number(end + 12, 4);
    z->list = number(end + 16, 4);
    free(bytes);
    if (parts)
        return clvits_fail(z->r, CLVITS_E_UNSUPPORTED,
                           "%s is one of several parts of a zip archive", z->f->path);
    const uint64_t place = size - tail + at;
    return place < LOCATOR ? CLVITS_OK : read_end64(z, place - LOCATOR);
}

/* Numbers that 32 bits do not hold are in the extra part, in this order, where the others say so.
 */
static bool read_large(const unsigned char *extra, size_t size, uint64_t *const numbers[3])
{
    while (size >= 4) {
        const size_t n = (size_t)number(extra + 2, 2);
        if (n > size - 4)
            return false;
        if (number(extra, 2) == 1) {
            size_t at = 4;
            for (int i = 0; i < 3; i++) {
                if (*numbers[i] != 0xffffffff)
                    continue;
                if (at + 8 > n + 4)
                    return false;
                *numbers[i] = number(extra + at, 8);
                at += 8;
            }
            return true;
        }
        extra += 4 + n;
        size -= 4 + n;
    }
    return true;
}

static clvits_status read_entry(reader *z, clvits_zip_entry *e, const unsigned char **at,
                                const unsigned char *end)
{
    const unsigned char *p = *at;

    if (end - p < LISTED || memcmp(p, "PK\1\2", 4))
        return damaged(z, "the list of files in its zip archive");
    const size_t name = (size_t)number(p + 28, 2), extra = (size_t)number(p + 30, 2),
                 comment = (size_t)number(p + 32, 2);
    if (name + extra + comment > (size_t)(end - p) - LISTED)
        return damaged(z, "the list of files in its zip archive");
    uint64_t packed = number(p + 20, 4);
    e->size = number(p + 24, 4);
    e->header = number(p + 42, 4);
    e->name = (const char *)p + LISTED;
    e->name_size = (uint32_t)name;
    if (!read_large(p + LISTED + name, extra, (uint64_t *const[]){ &e->size, &packed, &e->header }))
        return damaged(z, "a size in its zip archive");
    e->plain = !number(p + 10, 2) && !(p[8] & 1) && packed == e->size;
    if (e->header > z->list || packed > z->list - e->header)
        return damaged(z, "a file in its zip archive goes beyond its end");
    *at = p + LISTED + name + extra + comment;
    return CLVITS_OK;
}

static int by_header(const void *a, const void *b)
{
    const clvits_zip_entry *x = a, *y = b;
    return (x->header > y->header) - (x->header < y->header);
}

static int compare_names(const char *a, size_t n, const char *b, size_t m)
{
    const int order = memcmp(a, b, n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

static int by_name(const void *a, const void *b)
{
    const clvits_zip_entry *x = a, *y = b;
    return compare_names(x->name, x->name_size, y->name, y->name_size);
}

/* Each file ends where the next one begins at the latest. */
static clvits_status order(reader *z, clvits_zip *out)
{
    clvits_zip_entry *e = out->entries;

    qsort(e, out->count, sizeof(*e), by_header);
    for (size_t i = 0; i < out->count; i++) {
        e[i].limit = i + 1 < out->count ? e[i + 1].header : z->list;
        if (e[i].plain && e[i].size + HEADER + e[i].name_size > e[i].limit - e[i].header)
            return damaged(z, "files in its zip archive overlap");
    }
    qsort(e, out->count, sizeof(*e), by_name);
    for (size_t i = 1; i < out->count; i++)
        if (!by_name(&e[i - 1], &e[i]))
            return damaged(z, "a file in its zip archive is there twice");
    return CLVITS_OK;
}

clvits_status clvits_zip_open(clvits_zip *out, clvits_arena *arena, const clvits_file *f,
                              clvits_report *r)
{
    reader z = { .f = f, .r = r };

    *out = (clvits_zip){ 0 };
    clvits_status s = read_end(&z);
    if (s)
        return s;
    if (z.list > f->size || z.size > f->size - z.list)
        return damaged(&z, "the list of files in its zip archive goes beyond its end");
    if (z.size > MOST_LIST)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "%s is a zip archive with a list of files of %llu bytes, more than that "
                           "of any voice",
                           f->path, (unsigned long long)z.size);
    if (z.count > z.size / LISTED)
        return damaged(&z, "the list of files in its zip archive");
    unsigned char *list = clvits_arena_alloc(arena, (size_t)z.size);
    out->entries = clvits_arena_array(arena, (size_t)z.count, sizeof(*out->entries));
    if (!list || !out->entries)
        return clvits_fail_memory(r, "the list of files in a zip archive");
    s = clvits_file_part(list, (size_t)z.size, z.list, f, r);
    const unsigned char *at = list;
    for (; !s && out->count < z.count; out->count++)
        s = read_entry(&z, &out->entries[out->count], &at, list + z.size);
    return s ? s : order(&z, out);
}

const clvits_zip_entry *clvits_zip_find(const clvits_zip *z, const char *name)
{
    const size_t n = strlen(name);
    size_t from = 0, to = z->count;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const clvits_zip_entry *e = &z->entries[middle];
        const int o = compare_names(name, n, e->name, e->name_size);
        if (!o)
            return e;
        if (o < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return NULL;
}

static clvits_status fail_packed(const clvits_zip_entry *e, const clvits_file *f, clvits_report *r)
{
    char name[100];
    size_t n = 0;

    for (; n < e->name_size && n < sizeof(name) - 1; n++)
        name[n] = e->name[n] > 0x20 && e->name[n] < 0x7f ? e->name[n] : '?';
    name[n] = '\0';
    return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                       "%s: %s is compressed or encrypted in the zip archive, which torch.save "
                       "does not do; unpack it, and pack it again with zip -0 -r",
                       f->path, name);
}

clvits_status clvits_zip_data(uint64_t *at, const clvits_zip_entry *e, const clvits_file *f,
                              clvits_report *r)
{
    const reader z = { .f = f, .r = r };
    unsigned char header[HEADER];

    if (!e->plain)
        return fail_packed(e, f, r);
    const clvits_status s = clvits_file_part(header, HEADER, e->header, f, r);
    if (s)
        return s;
    const uint64_t before = HEADER + number(header + 26, 2) + number(header + 28, 2);
    if (memcmp(header, "PK\3\4", 4))
        return damaged(&z, "a file in its zip archive is not where it should be");
    if (before > e->limit - e->header || e->size > e->limit - e->header - before)
        return damaged(&z, "files in its zip archive overlap");
    *at = e->header + before;
    return CLVITS_OK;
}
