// SPDX-License-Identifier: MIT
#include "torch_files.h"
#include "allocations.h"
#include "files.h"
#include "io/torch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_BYTES = 64 << 20 };

void torch_put(torch_bytes *b, const void *bytes, size_t n)
{
    if (b->capacity - b->n < n) {
        b->capacity = 2 * b->capacity + n;
        b->at = realloc(b->at, b->capacity);
        ck_assert_ptr_nonnull(b->at);
    }
    if (n)
        memcpy(b->at + b->n, bytes, n);
    b->n += n;
}

void torch_put_text(torch_bytes *b, const char *text)
{
    torch_put(b, text, strlen(text));
}

void torch_put_number(torch_bytes *b, uint64_t number, int size)
{
    torch_put(b, &number, (size_t)size); /* as little-endian machines have it */
}

static void put_floats(torch_bytes *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        torch_put(b, &(float){ (float)i }, sizeof(float));
}

void torch_stream(torch_bytes *out, const void *pickle, size_t size, const torch_storage *storages,
                  size_t n)
{
    static const char before[] = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                                 "\x80\2M\xe9\x03.\x80\2}X\x0d\0\0\0little_endian\x88s.";

    torch_put(out, before, sizeof(before) - 1);
    torch_put(out, pickle, size);
    torch_put_text(out, "\x80\2](");
    for (size_t i = 0; i < n; i++) {
        torch_put_text(out, "X");
        torch_put_number(out, strlen(storages[i].key), 4);
        torch_put_text(out, storages[i].key);
    }
    torch_put_text(out, "e.");
    for (size_t i = 0; i < n; i++) {
        torch_put_number(out, (uint64_t)storages[i].count, 8);
        put_floats(out, storages[i].count);
    }
}

static void put_header(torch_bytes *out, const torch_entry *e)
{
    torch_put(out, "PK\3\4\0\0\0\0", 8);
    torch_put_number(out, (uint64_t)e->method, 2);
    torch_put_number(out, 0, 8); /* time and checksum */
    torch_put_number(out, e->size, 4);
    torch_put_number(out, e->size, 4);
    torch_put_number(out, strlen(e->name), 2);
    torch_put_number(out, 6, 2); /* an extra part, which PyTorch aligns data with */
    torch_put_text(out, e->name);
    torch_put(out, "FB\2\0ZZ", 6);
    torch_put(out, e->bytes, e->size);
}

static void put_listed(torch_bytes *out, const torch_entry *e, uint64_t at)
{
    torch_put(out, "PK\1\2\0\0\0\0\0\0", 10);
    torch_put_number(out, (uint64_t)e->method, 2);
    torch_put_number(out, 0, 8);
    torch_put_number(out, e->declared ? UINT32_MAX : e->size, 4);
    torch_put_number(out, e->declared ? UINT32_MAX : e->size, 4);
    torch_put_number(out, strlen(e->name), 2);
    torch_put_number(out, e->declared ? 20 : 0, 2);
    torch_put_number(out, 0, 8);
    torch_put_number(out, 0, 2);
    torch_put_number(out, at, 4);
    torch_put_text(out, e->name);
    if (e->declared) {
        torch_put(out, "\1\0\x10\0", 4);
        torch_put_number(out, e->declared, 8);
        torch_put_number(out, e->declared, 8);
    }
}

void torch_zip(torch_bytes *out, const torch_entry *entries, size_t n)
{
    size_t *at = calloc(n + 1, sizeof(*at));
    ck_assert_ptr_nonnull(at);

    for (size_t i = 0; i < n; i++) {
        at[i] = out->n;
        put_header(out, &entries[i]);
    }
    const size_t list = out->n;
    for (size_t i = 0; i < n; i++)
        put_listed(out, &entries[i], entries[i].at ? entries[i].at - 1 : at[i]);
    const size_t size = out->n - list;
    torch_put(out, "PK\5\6\0\0\0\0", 8);
    torch_put_number(out, n, 2);
    torch_put_number(out, n, 2);
    torch_put_number(out, size, 4);
    torch_put_number(out, list, 4);
    torch_put_number(out, 0, 2);
    free(at);
}

void torch_archive(torch_bytes *out, const void *pickle, size_t size, const torch_storage *storages,
                   size_t n)
{
    torch_entry *entries = calloc(n + 1, sizeof(*entries));
    torch_bytes *data = calloc(n + 1, sizeof(*data));

    ck_assert(entries && data);
    entries[0] = (torch_entry){ .name = "archive/data.pkl", .bytes = pickle, .size = size };
    for (size_t i = 0; i < n; i++) {
        char *name = malloc(strlen(storages[i].key) + 16);
        ck_assert_ptr_nonnull(name);
        sprintf(name, "archive/data/%s", storages[i].key);
        put_floats(&data[i], storages[i].count);
        entries[i + 1] = (torch_entry){ .name = name, .bytes = data[i].at, .size = data[i].n };
    }
    torch_zip(out, entries, n + 1);
    for (size_t i = 0; i < n; i++) {
        free((char *)entries[i + 1].name);
        free(data[i].at);
    }
    free(entries);
    free(data);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Sanitizers make everything slow. */
static double most_seconds(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return 10.0;
#elif defined(__has_feature)
    return __has_feature(address_sanitizer) ? 10.0 : 1.0;
#else
    return 1.0;
#endif
}

void torch_refused(const char *name, const char *path, clvits_status want, const char *message)
{
    clvits_torch *t;
    clvits_arrays set;
    clvits_report r = { 0 };
    const double start = seconds();

    allocations_begin(0);
    clvits_status s = clvits_torch_open(&t, path, &r);
    if (!s) {
        s = clvits_torch_arrays(&set, t, clvits_torch_root(t), "", &r);
        clvits_arrays_free(&set);
    }
    clvits_torch_close(&t);
    allocations_end();
    const double took = seconds() - start;
    ck_assert_msg(s == want && strstr(r.text, message) && strstr(r.text, path), "%s: %d, %s", name,
                  s, r.text);
    ck_assert_msg(took < most_seconds(), "%s: %.2f seconds", name, took);
    ck_assert_msg(allocations_peak() < MOST_BYTES, "%s: %zu bytes", name, allocations_peak());
    ck_assert_uint_eq(allocations_left(), 0);
}

void torch_refused_pickle(const char *name, const torch_bytes *pickle,
                          const torch_storage *storages, size_t n, clvits_status want,
                          const char *message)
{
    torch_bytes stream = { 0 }, archive = { 0 };

    torch_stream(&stream, pickle->at, pickle->n, storages, n);
    torch_refused(name, files_write("hostile.pth", stream.at, stream.n), want, message);
    torch_archive(&archive, pickle->at, pickle->n, storages, n);
    torch_refused(name, files_write("hostile.pt", archive.at, archive.n), want, message);
    free(stream.at);
    free(archive.at);
}
