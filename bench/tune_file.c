// SPDX-License-Identifier: MIT
#include "tune.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TEXT = 1 << 20 };

static const char header[] =
    "# Rows that clvits-tune measured; the library follows them. Lines of your own are kept.\n"
    "# DEVICE | DRIVER | ROOM | SHAPE | VALUES  # note\n";

static bool fail(char *error, size_t size, const char *path, const char *what)
{
    snprintf(error, size, "%s %s: %s", path, what, strerror(errno));
    return false;
}

/* What stands there, NULL with errno when that cannot be had; a file that is not there is empty. */
static char *read_text(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *text;

    *size = 0;
    if (!f)
        return errno == ENOENT ? calloc(1, 1) : NULL;
    text = malloc(MAX_TEXT + 1);
    if (text) {
        *size = fread(text, 1, MAX_TEXT + 1, f);
        if (ferror(f) || *size > MAX_TEXT) {
            errno = ferror(f) ? EIO : EFBIG;
            free(text);
            text = NULL;
        }
    }
    fclose(f);
    return text;
}

/* Bytes of the line that begins there, its end not counted; whether it is a row of that key. */
static size_t read_line(bool *same, const char *text, size_t size, const clvits_row *row)
{
    const char *end = memchr(text, '\n', size), *why;
    const size_t n = end ? (size_t)(end - text) : size;
    char line[CLVITS_MAX_ROW];
    clvits_row other;

    snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : 0), text);
    *same = clvits_row_parse(&other, line, &why) == CLVITS_ROW && clvits_row_same(&other, row);
    return n;
}

static bool has_row(const char *text, size_t size, const clvits_row *row)
{
    bool same = false;

    for (size_t at = 0; at < size && !same;)
        at += read_line(&same, text + at, size - at, row) + 1;
    return same;
}

/* Every line but those of the same key, then the row's, if there is one. */
static bool write_lines(FILE *f, const char *text, size_t size, const clvits_row *row,
                        const char *line)
{
    bool good = size > 0 || fputs(header, f) >= 0, same;

    for (size_t at = 0, n; at < size; at += n + 1) {
        n = read_line(&same, text + at, size - at, row);
        if (same)
            continue;
        good = good && fwrite(text + at, 1, n, f) == n && fputc('\n', f) != EOF;
    }
    return good && (!line || fprintf(f, "%s\n", line) > 0);
}

/* The folder's entry as well: a name that a crash loses is a file that it loses. */
static void sync_folder(const char *path)
{
    char folder[CLVITS_MAX_PATH];

    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    const int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return;
    (void)!fsync(fd);
    close(fd);
}

/* With the lock. */
static bool replace(const char *path, const char *text, size_t size, const clvits_row *row,
                    const char *line, char *error, size_t error_size)
{
    clvits_new_file file;

    if (!clvits_new_file_open(&file, path, true))
        return fail(error, error_size, path, "cannot be written");
    const bool good = write_lines(file.f, text, size, row, line) && !fflush(file.f) &&
                      !fsync(fileno(file.f));
    if (!clvits_new_file_close(&file, good))
        return fail(error, error_size, path, "cannot be written");
    sync_folder(path);
    return true;
}

/* A file that lets one program at a time write, until it is closed; negative when there is none.
 * Two programs may tune two devices at once. */
static int open_lock(const char *path, char *error, size_t size)
{
    char lock[CLVITS_MAX_PATH];

    if ((size_t)snprintf(lock, sizeof(lock), "%s.lock", path) >= sizeof(lock)) {
        errno = ENAMETOOLONG;
        fail(error, size, path, "cannot be written");
        return -1;
    }
    const int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0 && !flock(fd, LOCK_EX))
        return fd;
    fail(error, size, path, fd < 0 ? "cannot be written" : "cannot be locked");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The first line that is neither a row nor a comment, counted from 1, and why; 0 when all are. */
static int find_stranger(const char *text, size_t size, const char **why)
{
    int number = 1;

    for (size_t at = 0, n; at < size; at += n + 1, number++) {
        const char *end = memchr(text + at, '\n', size - at);
        char line[CLVITS_MAX_ROW];
        clvits_row row;
        n = end ? (size_t)(end - (text + at)) : size - at;
        *why = memchr(text + at, '\0', n) ? "this is no text" : "the line is too long";
        if (n >= sizeof(line) || memchr(text + at, '\0', n))
            return number;
        memcpy(line, text + at, n);
        line[n] = '\0';
        if (clvits_row_parse(&row, line, why) == CLVITS_ROW_BAD)
            return number;
    }
    return 0;
}

/* Without the lock, which would leave a file beside one that is not to be touched. */
static bool check_lines(const char *path, char *error, size_t size)
{
    const char *why;
    struct stat st;
    size_t n;

    if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
        snprintf(error, size, "%s is there and is not a regular file", path);
        return false;
    }
    char *text = read_text(path, &n);
    if (!text)
        return fail(error, size, path, "cannot be read");
    const int line = find_stranger(text, n, &why);
    free(text);
    if (line)
        snprintf(error, size, "%s is there and holds more than rows: line %d: %s; give another "
                              "name, or take such lines out", path, line, why);
    return !line;
}

bool tune_file_check(const char *path, char *error, size_t size)
{
    if (!check_lines(path, error, size))
        return false;
    const int fd = open_lock(path, error, size);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

bool tune_file_put(const char *path, const clvits_row *row, const char *note, char *error,
                   size_t size)
{
    char line[CLVITS_MAX_ROW];
    size_t n;

    if (note) { /* cut off, it would be read as another row, or not at all */
        const size_t used = (size_t)clvits_row_print(row, line, sizeof(line));
        if (used >= sizeof(line) || (size_t)snprintf(line + used, sizeof(line) - used, "  # %s",
                                                     note) >= sizeof(line) - used) {
            snprintf(error, size, "%s: the row for %.100s is longer than a row may be, %d bytes",
                     path, row->device, CLVITS_MAX_ROW - 1);
            return false;
        }
    }
    const int fd = open_lock(path, error, size);
    if (fd < 0)
        return false;
    char *text = read_text(path, &n);
    bool done = true;
    if (!text)
        done = fail(error, size, path, "cannot be read");
    else if (note || has_row(text, n, row))
        done = replace(path, text, n, row, note ? line : NULL, error, size);
    free(text);
    close(fd);
    return done;
}
