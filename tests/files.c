// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // memmem, nftw
#include "files.h"

#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

void files_open(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, sizeof(folder), "%s/clvits-test-XXXXXX", base ? base : "/tmp");
    ck_assert_msg(mkdtemp(folder) != NULL, "no folder for test files in %s", folder);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

void files_close(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *files_path(const char *name)
{
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

const char *files_write(const char *name, const void *bytes, size_t size)
{
    const char *path = files_path(name), *slash = strrchr(name, '/');

    if (slash) {
        char parent[256];
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - name), name);
        mkdir(files_path(parent), 0777);
    }
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "%s cannot be written", path);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

const char *files_text(const char *name, const char *text)
{
    return files_write(name, text, strlen(text));
}

static size_t item_size(const clvits_array *a)
{
    return (size_t)clvits_array_count(a) * clvits_dtype_size(a->dtype);
}

const char *files_safetensors(const char *name, const clvits_array *items, size_t count)
{
    static const char *const dtypes[] = { "F32", "F16", "BF16", "F64", "I64", "I32" };
    size_t room = 64 + count * 320, used = 8, offset = 0;

    for (size_t i = 0; i < count; i++)
        room += item_size(&items[i]);
    char *bytes = calloc(1, room);
    ck_assert(bytes != NULL);

    bytes[used++] = '{';
    for (size_t i = 0; i < count; i++) {
        const clvits_array *a = &items[i];
        used += (size_t)sprintf(bytes + used, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                                i ? "," : "", a->name, dtypes[a->dtype]);
        for (int j = 0; j < a->rank; j++)
            used += (size_t)sprintf(bytes + used, "%s%lld", j ? "," : "", (long long)a->shape[j]);
        used += (size_t)sprintf(bytes + used, "],\"data_offsets\":[%zu,%zu]}", offset,
                                offset + item_size(a));
        offset += item_size(a);
    }
    bytes[used++] = '}';
    const uint64_t length = used - 8;
    memcpy(bytes, &length, sizeof(length));
    for (size_t i = 0; i < count; used += item_size(&items[i++]))
        memcpy(bytes + used, items[i].data, item_size(&items[i]));

    const char *path = files_write(name, bytes, used);
    free(bytes);
    return path;
}

char *files_read(const char *path, size_t *size)
{
    struct stat st;
    FILE *file = fopen(path, "rb");

    ck_assert_msg(file != NULL && !fstat(fileno(file), &st), "%s cannot be read", path);
    char *bytes = malloc((size_t)st.st_size + 1);
    ck_assert(bytes != NULL);
    *size = fread(bytes, 1, (size_t)st.st_size, file);
    ck_assert_uint_eq(*size, (size_t)st.st_size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

int files_count(void)
{
    int count = 0;
    DIR *dir = opendir(folder);

    ck_assert(dir != NULL);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2; /* itself and its parent */
}

int files_find(char *path, size_t size, const char *sub, const char *start)
{
    DIR *dir = opendir(files_path(sub));
    int n = 0;

    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        if (!strncmp(e->d_name, start, strlen(start))) {
            snprintf(path, size, "%s/%s", files_path(sub), e->d_name);
            n++;
        }
    closedir(dir);
    return n;
}

const char *files_copy(const char *name, const char *from)
{
    size_t size;
    char *bytes = files_read(from, &size);
    const char *path = files_write(name, bytes, size);

    free(bytes);
    return path;
}

const char *files_edited(const char *name, const char *from, const char *old, const char *new)
{
    const size_t n = strlen(new);
    size_t size;
    char *bytes = files_read(from, &size), *edited = malloc(size + n);
    const char *at = memmem(bytes, size, old, strlen(old));

    ck_assert_msg(at != NULL, "no %s in %s", old, from);
    ck_assert(edited != NULL);
    const size_t before = (size_t)(at - bytes), after = size - before - strlen(old);
    memcpy(edited, bytes, before);
    memcpy(edited + before, new, n);
    memcpy(edited + before + n, at + strlen(old), after);
    const char *path = files_write(name, edited, before + n + after);
    free(edited);
    free(bytes);
    return path;
}

void files_same_arrays(const clvits_arrays *a, const clvits_arrays *b)
{
    ck_assert_uint_eq(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const clvits_array *x = &a->items[i], *y = clvits_arrays_find(b, x->name);

        ck_assert_msg(y != NULL, "%s is gone", x->name);
        ck_assert_int_eq(x->dtype, y->dtype);
        ck_assert_int_eq(clvits_array_count(x), clvits_array_count(y));
        ck_assert_msg(!memcmp(x->data, y->data, item_size(x)), "%s is another", x->name);
    }
}
