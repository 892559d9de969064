// SPDX-License-Identifier: MIT
//
// Where a run writes: a file that is there already stays as it is until the run is complete.
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include "../tools/clvits/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The length of a path's folder, with the slash. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

/* Whether two names are of one file, which need not be there. */
static bool is_same(const char *a, const char *b)
{
    if (!a || !b)
        return false;
    const int m = folder_length(a), n = folder_length(b);
    char *x = malloc((size_t)m + 2), *y = malloc((size_t)n + 2);
    bool same = true;

    if (x && y) {
        sprintf(x, "%.*s.", m, a);
        sprintf(y, "%.*s.", n, b);
        same = program_same_file(a, b) || (!strcmp(a + m, b + n) && program_same_file(x, y));
    }
    free(x);
    free(y);
    return same;
}

static bool is_there(const char *path)
{
    struct stat st;
    return !lstat(path, &st);
}

/* What holds nothing can be replaced. */
static bool is_empty(const char *path)
{
    struct stat st;
    return !stat(path, &st) && !st.st_size;
}

static bool is_table(const char *path)
{
    static const char begin[] = "device,level,name,verdict,reason,";
    char text[sizeof(begin)] = "";
    FILE *f = fopen(path, "re");

    if (f && !fgets(text, sizeof(text), f))
        text[0] = '\0';
    if (f)
        fclose(f);
    return !strcmp(text, begin);
}

/* As open() of a new file; where there is one of that name already, or is to be one, EEXIST. */
static int make(const char *name, const char *other)
{
    if (!is_same(name, other))
        return open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    errno = EEXIST;
    return -1;
}

/* An empty file beside another one, whose name no other run takes from then on; NULL, which it
 * says, when there is none. */
static char *make_beside(const char *path, const char *other)
{
    const size_t size = strlen(path) + 32;
    char *name = malloc(size);

    if (!name) {
        program_fail(3, "out of memory for a file name");
        return NULL;
    }
    snprintf(name, size, "%s.incomplete", path);
    int fd = make(name, other);
    for (int i = 2; i < 1000 && fd < 0 && errno == EEXIST; i++) {
        snprintf(name, size, "%s.incomplete-%d", path, i);
        fd = make(name, other);
    }
    if (fd >= 0) {
        close(fd);
        return name;
    }
    if (errno == EEXIST)
        program_fail(3, "there are too many results of interrupted runs beside %s; remove some",
                     path);
    else
        program_fail(3, "%s cannot be written: %s", name, strerror(errno));
    free(name);
    return NULL;
}

static int begin(bench_file *out, bool (*is_ours)(const char *), const char *other)
{
    text_file file;

    if (!out->path)
        return CODE_OK;
    if (text_file_open(&file, out->path))
        return 3;
    text_file_discard(&file);
    if (!is_there(out->path))
        return CODE_OK;
    if (!is_empty(out->path) && !is_ours(out->path))
        return program_fail(3, "%s is there and is no result of clvits-bench; give another name",
                            out->path);
    out->beside = make_beside(out->path, other);
    return out->beside ? CODE_OK : 3;
}

int bench_file_begin(bench_file *json, bench_file *csv)
{
    if (is_same(json->path, csv->path))
        return program_fail(CODE_USAGE, "--json and --csv both name %s; give two names",
                            csv->path);
    int code = begin(json, bench_is_result, csv->path);
    if (!code)
        code = begin(csv, is_table, json->path);
    if (code)
        bench_file_drop(json);
    return code;
}

void bench_file_drop(bench_file *out)
{
    if (out->beside && is_empty(out->beside))
        unlink(out->beside);
    free(out->beside);
    out->beside = NULL;
}

const char *bench_file_path(const bench_file *out, bool complete)
{
    return complete || !out->beside ? out->path : out->beside;
}

void bench_file_end(bench_file *out, bool written, bool complete)
{
    if (written && !complete)
        printf("What had been measured is in %s%s%s%s.\n", bench_file_path(out, false),
               out->beside ? "; " : "", out->beside ? out->path : "",
               out->beside ? " is as it was" : "");
    else if (written && out->beside)
        unlink(out->beside);
    else if (out->beside && is_there(out->beside) && !is_empty(out->beside))
        program_note("%s has what was measured until shortly before the end", out->beside);
    bench_file_drop(out);
}
