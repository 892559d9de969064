// SPDX-License-Identifier: MIT
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static clvits_status open_regular(int *fd, struct stat *st, const char *path, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    /* O_NONBLOCK: opening a pipe must not wait for its writer before it can be refused. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return clvits_fail(r, CLVITS_E_FILE, "%s cannot be opened: %s", path, strerror(errno));
    if (fstat(*fd, st))
        s = clvits_fail(r, CLVITS_E_FILE, "%s cannot be read: %s", path, strerror(errno));
    else if (!S_ISREG(st->st_mode))
        s = clvits_fail(r, CLVITS_E_FILE, "%s is not a regular file", path);
    if (s)
        close(*fd);
    return s;
}

/* Fewer bytes where the file ends before. */
static clvits_status read_bytes(void *to, size_t size, uint64_t offset, size_t *got, int fd,
                                const char *path, clvits_report *r)
{
    *got = 0;
    while (*got < size) {
        const ssize_t n = pread(fd, (char *)to + *got, size - *got, (off_t)(offset + *got));
        if (n < 0 && errno != EINTR)
            return clvits_fail(r, CLVITS_E_FILE, "%s cannot be read: %s", path, strerror(errno));
        if (n == 0)
            break;
        *got += n > 0 ? (size_t)n : 0;
    }
    return CLVITS_OK;
}

static clvits_status fail_changed(const char *path, clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_FILE,
                       "%s was changed while it was read; try again when it is complete", path);
}

static bool same_state(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void *clvits_file_memory(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE
    madvise(p, size, MADV_HUGEPAGE); /* with small ones a third of the time goes to faults */
#endif
    return p;
}

static clvits_status read_whole(void **bytes, size_t *size, const struct stat *st, int fd,
                                const char *path, clvits_report *r)
{
    const size_t want = (size_t)st->st_size;
    struct stat after;

    void *p = clvits_file_memory(want);
    if (!p)
        return clvits_fail(r, CLVITS_E_MEMORY, "out of memory for the %zu bytes of %s", want, path);
    clvits_status s = read_bytes(p, want, 0, size, fd, path, r);
    if (!s && (*size < want || fstat(fd, &after) || !same_state(st, &after)))
        s = fail_changed(path, r);
    if (s) {
        munmap(p, want);
        *size = 0;
        return s;
    }
    *bytes = p;
    return CLVITS_OK;
}

clvits_status clvits_file_read(void **bytes, size_t *size, size_t most, const char *path,
                               clvits_report *r)
{
    struct stat st;
    int fd;

    *bytes = NULL;
    *size = 0;
    clvits_status s = open_regular(&fd, &st, path, r);
    if (s)
        return s;
    if ((uintmax_t)st.st_size > most)
        s = clvits_fail(r, CLVITS_E_FORMAT, "%s has %jd bytes, more than a voice has there", path,
                        (intmax_t)st.st_size);
    else if (st.st_size > 0)
        s = read_whole(bytes, size, &st, fd, path, r);
    close(fd);
    return s;
}

void clvits_file_free(void *bytes, size_t size)
{
    if (bytes)
        munmap(bytes, size);
}

clvits_status clvits_file_head(void *bytes, size_t size, size_t *got, const char *path,
                               clvits_report *r)
{
    struct stat st;
    int fd;

    *got = 0;
    clvits_status s = open_regular(&fd, &st, path, r);
    if (s)
        return s;
    s = read_bytes(bytes, size, 0, got, fd, path, r);
    close(fd);
    return s;
}

clvits_status clvits_file_open(clvits_file *out, const char *path, clvits_report *r)
{
    struct stat st;

    *out = (clvits_file){ .path = path, .fd = -1 };
    const clvits_status s = open_regular(&out->fd, &st, path, r);
    if (s)
        return s;
    out->size = (uint64_t)st.st_size;
    out->changed[0] = st.st_mtim.tv_sec;
    out->changed[1] = st.st_mtim.tv_nsec;
    return CLVITS_OK;
}

clvits_status clvits_file_part(void *to, size_t size, uint64_t offset, const clvits_file *f,
                               clvits_report *r)
{
    size_t got = 0;
    clvits_status s = CLVITS_OK;

    if (offset <= f->size && size <= f->size - offset)
        s = read_bytes(to, size, offset, &got, f->fd, f->path, r);
    return s || got == size ? s : fail_changed(f->path, r);
}

clvits_status clvits_file_unchanged(const clvits_file *f, clvits_report *r)
{
    struct stat st;

    if (fstat(f->fd, &st) || (uint64_t)st.st_size != f->size ||
        st.st_mtim.tv_sec != f->changed[0] || st.st_mtim.tv_nsec != f->changed[1])
        return fail_changed(f->path, r);
    return CLVITS_OK;
}

void clvits_file_close(clvits_file *f)
{
    close(f->fd);
    f->fd = -1;
}

int clvits_file_identify(clvits_file_id *out, const char *path)
{
    struct stat st;

    if (stat(path, &st))
        return 0;
    *out = (clvits_file_id){ (uint64_t)st.st_dev, (uint64_t)st.st_ino };
    return 1;
}

int clvits_file_same(clvits_file_id a, clvits_file_id b)
{
    return a.device == b.device && a.inode == b.inode;
}

int clvits_file_exists(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode);
}

int clvits_file_is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}
