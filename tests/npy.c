// SPDX-License-Identifier: MIT
#include "npy.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value that follows a key in the header, which is the text of a Python dictionary. */
static const char *field(const char *header, const char *key, const char *path)
{
    const char *at = strstr(header, key);
    ck_assert_msg(at != NULL, "%s: no %s in its header", path, key);
    at += strlen(key);
    return at + strspn(at, ": ");
}

static void read_shape(npy *a, const char *text, const char *path)
{
    ck_assert_msg(*text == '(', "%s: its shape is no tuple", path);
    a->count = 1;
    for (text++;;) {
        text += strspn(text, ", ");
        if (*text == ')')
            return;

        char *end;
        const long long n = strtoll(text, &end, 10);
        ck_assert_msg(end != text && n >= 0 && n < 1 << 28 && a->rank < 8,
                      "%s: its shape cannot be read", path);
        text = end;
        a->shape[a->rank++] = n;
        a->count *= (size_t)n;
        ck_assert_msg(a->count < (size_t)1 << 28, "%s is too large for a test", path);
    }
}

/* Returns whether the columns, not the rows, are contiguous. */
static int read_header(npy *a, char type[4], FILE *file, const char *path)
{
    unsigned char fixed[10];
    char header[4096];

    ck_assert_msg(fread(fixed, 1, sizeof(fixed), file) == sizeof(fixed) &&
                      !memcmp(fixed, "\x93NUMPY\x01", 7),
                  "%s is not a version 1 .npy file", path);
    const size_t size = fixed[8] | (size_t)fixed[9] << 8;
    ck_assert_msg(size < sizeof(header) && fread(header, 1, size, file) == size,
                  "%s: its header cannot be read", path);
    header[size] = '\0';

    const int columns = !strncmp(field(header, "'fortran_order'", path), "True", 4);
    memcpy(type, field(header, "'descr'", path) + 1, 3); /* '<f4' after its quote */
    type[3] = '\0';
    read_shape(a, field(header, "'shape'", path), path);
    ck_assert_msg(!columns || a->rank <= 2, "%s is in Fortran order and no matrix", path);
    return columns && a->rank == 2;
}

static double value(const char *type, const char *at)
{
    double d;
    float f;
    int64_t i64;
    int32_t i32;

    if (!strcmp(type, "<f8"))
        return memcpy(&d, at, sizeof(d)), d;
    if (!strcmp(type, "<f4"))
        return memcpy(&f, at, sizeof(f)), (double)f;
    if (!strcmp(type, "<i8"))
        return memcpy(&i64, at, sizeof(i64)), (double)i64;
    return memcpy(&i32, at, sizeof(i32)), (double)i32;
}

npy npy_read(const char *path)
{
    npy a = { 0 };
    char type[4];
    FILE *file = fopen(path, "rb");

    ck_assert_msg(file != NULL, "%s cannot be opened", path);
    const int columns = read_header(&a, type, file, path);
    ck_assert_msg(strstr("<f4<f8<i4<i8", type) != NULL, "%s holds elements of type %s", path, type);

    const size_t size = (size_t)(type[2] - '0');
    char *bytes = malloc(a.count * size + 1);
    a.data = malloc((a.count + 1) * sizeof(*a.data));
    a.floats = malloc((a.count + 1) * sizeof(*a.floats));
    ck_assert(bytes && a.data && a.floats);
    ck_assert_msg(fread(bytes, size, a.count, file) == a.count, "%s is cut short", path);
    for (size_t i = 0; i < a.count; i++) {
        const size_t rows = (size_t)a.shape[0], wide = (size_t)a.shape[1];
        const size_t at = columns ? i % wide * rows + i / wide : i;
        a.data[i] = value(type, bytes + at * size);
        a.floats[i] = (float)a.data[i];
    }

    free(bytes);
    fclose(file);
    return a;
}

void npy_free(npy *a)
{
    free(a->data);
    free(a->floats);
    *a = (npy){ 0 };
}
