// SPDX-License-Identifier: MIT
//
// replay [-s SECONDS] FILE|FOLDER...: every file, then for so long (0.5) simple changes of them,
// the same in every run. It stands in for libFuzzer where there is none. CLVITS_FUZZ_KEEP names a
// file that gets every input before it is read, so that what crashes is there.
#define _GNU_SOURCE
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* AddressSanitizer takes terabytes of addresses. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

enum { MAX_SEEDS = 256, MAX_SIZE = 1 << 21, MEMORY = 512 << 20 };

static struct seed {
    uint8_t *data;
    size_t size;
} seeds[MAX_SEEDS];
static int n_seeds;

static void add_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(MAX_SIZE);

    FUZZ_CHECK(f && data && n_seeds < MAX_SEEDS);
    const size_t size = fread(data, 1, MAX_SIZE, f);
    fclose(f);
    seeds[n_seeds++] = (struct seed){ realloc(data, size + 1), size };
}

static void add(const char *path)
{
    struct dirent **names;
    char file[4096];
    const int n = scandir(path, &names, NULL, alphasort);

    if (n < 0)
        add_file(path);
    for (int i = 0; i < n; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            add_file(file);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* One to four changes: a bit, a byte, a number, a part left out or there twice, an early end. */
static size_t change(uint8_t *data, size_t size, uint64_t *state)
{
    static const char *const texts[] = { "-1", "0", "1e308", "99999999999", "null", "[]", "{}",
                                         "\"\"", "\xf4\x90\x80\x80", "2147483648", "[[", "]]" };

    for (uint64_t n = 1 + next(state) % 4; n-- && size;) {
        const size_t at = next(state) % size, left = size - at;
        const char *text = texts[next(state) % (sizeof(texts) / sizeof(*texts))];
        const size_t some = 1 + next(state) % (left < 32 ? left : 32);
        switch (next(state) % 6) {
        case 0: data[at] ^= (uint8_t)(1 << next(state) % 8); break;
        case 1: data[at] = (uint8_t)next(state); break;
        case 2: memcpy(data + at, text, strlen(text) < left ? strlen(text) : left); break;
        case 3: memmove(data + at, data + at + some, left - some); size -= some; break;
        case 4:
            if (size + some <= MAX_SIZE) {
                memmove(data + at + some, data + at, left);
                size += some;
            }
            break;
        default: size = next(state) % 8 ? size : at;
        }
    }
    return size;
}

static void run(const uint8_t *data, size_t size)
{
    const char *kept = getenv("CLVITS_FUZZ_KEEP");
    FILE *f = kept ? fopen(kept, "wb") : NULL;

    if (f) {
        fwrite(data, 1, size, f);
        fclose(f);
    }
    uint8_t *exact = malloc(size ? size : 1); /* so that reading past its end shows */
    FUZZ_CHECK(exact);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    const struct rlimit memory = { MEMORY, MEMORY };
    double most = 0.5;
    uint64_t state = 88172645463325252u;
    long runs = 0;
    uint8_t *data = malloc(MAX_SIZE);

    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "-s") && i + 1 < argc)
            most = strtod(argv[++i], NULL);
        else
            add(argv[i]);
    FUZZ_CHECK(data && n_seeds);
    if (!SANITIZED)
        setrlimit(RLIMIT_AS, &memory);
    for (int i = 0; i < n_seeds; i++, runs++)
        run(seeds[i].data, seeds[i].size);
    for (const double end = seconds() + most; seconds() < end; runs++) {
        const struct seed *s = &seeds[next(&state) % (uint64_t)n_seeds];
        memcpy(data, s->data, s->size);
        run(data, change(data, s->size, &state));
    }
    fprintf(stderr, "%d files, %ld runs\n", n_seeds, runs);
    for (int i = 0; i < n_seeds; i++)
        free(seeds[i].data);
    free(data);
    return 0;
}
