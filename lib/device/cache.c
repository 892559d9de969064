// SPDX-License-Identifier: MIT
#include "device/cache.h"

#include "base/file.h"
#include "device/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "clvits program 1"

enum { MAX_BINARY = 64 << 20 };

/* In front of the binary; the key repeats what the file's name was made of, against collisions. */
struct header {
    char magic[16];
    uint64_t key, key2, size, hash;
};

uint64_t clvits_hash(uint64_t h, const void *data, size_t n)
{
    const unsigned char *p = data;
    while (n--)
        h = (h ^ *p++) * 0x100000001b3u;
    return h;
}

static uint64_t key_of(uint64_t h, const clvits_device *d, const char *source, const char *options)
{
    const char *parts[] = { CLVITS_VERSION_TEXT,      d->info.platform, d->info.platform_version,
                            d->info.name,             d->info.vendor,   d->info.version,
                            d->info.driver,           options,          source };
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        h = clvits_hash(h, parts[i], strlen(parts[i]) + 1);
    return h;
}

uint64_t clvits_cache_key(const clvits_device *d)
{
    return key_of(CLVITS_HASH, d, clvits_build, "");
}

static struct header make_header(const clvits_device *d, const char *source, const char *options)
{
    struct header h = { .key = key_of(CLVITS_HASH, d, source, options),
                        .key2 = key_of(0x9ae16a3b2f90404fu, d, source, options) };
    memcpy(h.magic, MAGIC, sizeof(h.magic));
    return h;
}

static bool path_of(char *out, size_t size, const clvits_device *d, const struct header *h)
{
    return d->cache_dir && (size_t)snprintf(out, size, "%s/%016llx.bin", d->cache_dir,
                                            (unsigned long long)h->key) < size;
}

/* Whether the file has as many bytes behind its header as that says. */
static bool is_whole(FILE *f, const struct header *h)
{
    const long at = ftell(f);

    return h->size > 0 && h->size <= MAX_BINARY && !fseek(f, 0, SEEK_END) &&
           ftell(f) - at == (long)h->size && !fseek(f, at, SEEK_SET);
}

unsigned char *clvits_cache_read(const char *path, uint64_t key, uint64_t key2, size_t *size)
{
    struct header h;
    unsigned char *data = NULL;
    FILE *f = fopen(path, "rb");

    if (!f)
        return NULL;
    if (fread(&h, sizeof(h), 1, f) == 1 && !memcmp(h.magic, MAGIC, sizeof(h.magic)) &&
        h.key == key && h.key2 == key2 && is_whole(f, &h))
        data = malloc(h.size);
    if (data && (fread(data, 1, h.size, f) != h.size ||
                 clvits_hash(h.key, data, h.size) != h.hash)) {
        free(data);
        data = NULL;
    }
    *size = data ? h.size : 0;
    fclose(f);
    return data;
}

static cl_program load(clvits_device *d, const unsigned char *data, size_t size,
                       const char *options)
{
    cl_int e, status = CL_SUCCESS;
    cl_program p = clCreateProgramWithBinary(d->context, 1, &d->id, &size, &data, &status, &e);

    if (e != CL_SUCCESS)
        return NULL;
    if (status == CL_SUCCESS && clBuildProgram(p, 1, &d->id, options, NULL, NULL) == CL_SUCCESS)
        return p;
    clReleaseProgram(p);
    return NULL;
}

cl_program clvits_cache_load(clvits_device *d, const char *source, const char *options,
                             const clvits_report *r)
{
    const struct header h = make_header(d, source, options);
    clvits_report own = { .log = r->log, .log_user = r->log_user, .stop = r->stop };
    clvits_attempt attempt;
    cl_program p = NULL;
    char path[4096];
    size_t size;

    if (!path_of(path, sizeof(path), d, &h))
        return NULL;
    unsigned char *data = clvits_cache_read(path, h.key, h.key2, &size);
    if (!data)
        return NULL;
    if (!clvits_attempt_begin(&attempt, d, h.key, 0, "loading a kernel", options, &own)) {
        p = load(d, data, size, options);
    } else {
        clvits_info(r, "%s: %s; it is built from source", d->info.name, own.text);
        unlink(path);
    }
    clvits_attempt_end(&attempt);
    free(data);
    return p;
}

static bool write_file(const clvits_device *d, const char *path, const struct header *h,
                       const unsigned char *data)
{
    clvits_new_file file;

    return clvits_make_folder(d->cache_dir) && clvits_new_file_open(&file, path, false) &&
           clvits_new_file_close(&file, fwrite(h, sizeof(*h), 1, file.f) == 1 &&
                                            fwrite(data, 1, h->size, file.f) == h->size);
}

void clvits_cache_store(clvits_device *d, const char *source, const char *options,
                        cl_program program, const clvits_report *r)
{
    struct header h = make_header(d, source, options);
    char path[4096], why[CLVITS_VERDICT_TEXT], folder[4096];
    size_t size = 0;

    if (!path_of(path, sizeof(path), d, &h) || clvits_verdict_get(d, h.key, why) == CLVITS_WRONG)
        return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, NULL) !=
            CL_SUCCESS || size == 0 || size > MAX_BINARY)
        return;
    unsigned char *data = malloc(size);
    if (!data)
        return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(data), &data, NULL) == CL_SUCCESS) {
        h.size = size;
        h.hash = clvits_hash(h.key, data, size);
        snprintf(folder, sizeof(folder), "the cache folder %.4000s", d->cache_dir);
        if (!write_file(d, path, &h, data))
            clvits_cache_tell(d->cache_told, folder, "builds its kernels", r);
    }
    free(data);
}
