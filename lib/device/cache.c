// SPDX-License-Identifier: MIT
#include "device/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "clvits program 1"

enum { MAX_BINARY = 64 << 20 };

/* In front of the binary; the key repeats what the file's name was made of, against collisions. */
struct header {
    char magic[16];
    uint64_t key, key2, size, hash;
};

/* FNV-1a, 64 bits: told apart are a handful of files, and header.key2 starts elsewhere. */
static uint64_t hash(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    while (n--)
        h = (h ^ *p++) * 0x100000001b3u;
    return h;
}

static uint64_t key_of(uint64_t h, const clvits_device *d, const char *source, const char *options)
{
    const char *parts[] = { CLVITS_VERSION_TEXT, d->info.platform, d->info.name,   d->info.vendor,
                            d->info.version,     d->info.driver,   options,        source };
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        h = hash(h, parts[i], strlen(parts[i]) + 1);
    return h;
}

static struct header make_header(const clvits_device *d, const char *source, const char *options)
{
    struct header h = { .key = key_of(0xcbf29ce484222325u, d, source, options),
                        .key2 = key_of(0x9ae16a3b2f90404fu, d, source, options) };
    memcpy(h.magic, MAGIC, sizeof(h.magic));
    return h;
}

static bool path_of(char *out, size_t size, const clvits_device *d, const struct header *h)
{
    return d->cache_dir && (size_t)snprintf(out, size, "%s/%016llx.bin", d->cache_dir,
                                            (unsigned long long)h->key) < size;
}

static unsigned char *read_binary(const char *path, struct header *want)
{
    struct header h;
    unsigned char *data = NULL;
    FILE *f = fopen(path, "rb");

    if (!f)
        return NULL;
    if (fread(&h, sizeof(h), 1, f) == 1 && !memcmp(h.magic, want->magic, sizeof(h.magic)) &&
        h.key == want->key && h.key2 == want->key2 && h.size > 0 && h.size <= MAX_BINARY)
        data = malloc(h.size);
    if (data && (fread(data, 1, h.size, f) != h.size || fgetc(f) != EOF ||
                 hash(h.key, data, h.size) != h.hash)) {
        free(data);
        data = NULL;
    }
    want->size = data ? h.size : 0;
    fclose(f);
    return data;
}

cl_program clvits_cache_load(clvits_device *d, const char *source, const char *options)
{
    struct header h = make_header(d, source, options);
    char path[4096];
    cl_int e, status = CL_SUCCESS;

    if (!path_of(path, sizeof(path), d, &h))
        return NULL;
    unsigned char *data = read_binary(path, &h);
    if (!data)
        return NULL;
    const size_t size = h.size;
    const unsigned char *binary = data;
    cl_program p = clCreateProgramWithBinary(d->context, 1, &d->id, &size, &binary, &status, &e);
    free(data);
    if (e != CL_SUCCESS)
        return NULL;
    if (status == CL_SUCCESS && clBuildProgram(p, 1, &d->id, options, NULL, NULL) == CL_SUCCESS)
        return p;
    clReleaseProgram(p);
    return NULL;
}

/* Every missing folder of the path, as mkdir -p does. */
static bool make_dirs(const char *dir)
{
    char path[4096];
    const size_t n = strlen(dir);

    if (n == 0 || n >= sizeof(path))
        return false;
    memcpy(path, dir, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        path[i] = '\0';
        if (mkdir(path, 0777) && errno != EEXIST)
            return false;
        path[i] = dir[i];
    }
    return true;
}

static void write_file(const clvits_device *d, const char *path, const struct header *h,
                       const unsigned char *data)
{
    char temporary[4096];

    if (!make_dirs(d->cache_dir) ||
        (size_t)snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= sizeof(temporary))
        return;
    const int fd = mkstemp(temporary);
    if (fd < 0)
        return;
    FILE *f = fdopen(fd, "wb");
    bool ok = f != NULL;
    if (!f)
        close(fd);
    ok = ok && fwrite(h, sizeof(*h), 1, f) == 1 && fwrite(data, 1, h->size, f) == h->size;
    if (f && fclose(f))
        ok = false;
    if (!ok || rename(temporary, path))
        unlink(temporary);
}

void clvits_cache_store(clvits_device *d, const char *source, const char *options,
                        cl_program program)
{
    struct header h = make_header(d, source, options);
    char path[4096];
    size_t size = 0;

    if (!path_of(path, sizeof(path), d, &h))
        return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, NULL) !=
            CL_SUCCESS || size == 0 || size > MAX_BINARY)
        return;
    unsigned char *data = malloc(size);
    if (!data)
        return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(data), &data, NULL) == CL_SUCCESS) {
        h.size = size;
        h.hash = hash(h.key, data, size);
        write_file(d, path, &h, data);
    }
    free(data);
}
