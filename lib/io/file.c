// SPDX-License-Identifier: MIT
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static clvits_status map_open_file(void **map, size_t *size, int fd, const char *path,
                                   clvits_report *r)
{
    struct stat st;

    if (fstat(fd, &st))
        return clvits_fail(r, CLVITS_E_FILE, "%s cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return clvits_fail(r, CLVITS_E_FILE, "%s is not a regular file", path);
    if ((uintmax_t)st.st_size > (uintmax_t)PTRDIFF_MAX)
        return clvits_fail(r, CLVITS_E_FILE, "%s is too large to be mapped", path);
    if (st.st_size == 0)
        return CLVITS_OK;

    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return clvits_fail(r, CLVITS_E_FILE, "%s cannot be mapped: %s", path, strerror(errno));
    *map = p;
    *size = (size_t)st.st_size;
    return CLVITS_OK;
}

clvits_status clvits_file_map(void **map, size_t *size, const char *path, clvits_report *r)
{
    *map = NULL;
    *size = 0;

    /* O_NONBLOCK: opening a pipe must not wait for its writer before it can be refused. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return clvits_fail(r, CLVITS_E_FILE, "%s cannot be opened: %s", path, strerror(errno));

    const clvits_status status = map_open_file(map, size, fd, path, r);
    close(fd);
    return status;
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
