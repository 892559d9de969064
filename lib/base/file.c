// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool clvits_make_folder(const char *path)
{
    char part[CLVITS_MAX_PATH];
    const size_t n = strlen(path);

    if (n == 0 || n >= sizeof(part)) {
        errno = n ? ENAMETOOLONG : ENOENT;
        return false;
    }
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) && errno != EEXIST)
            return false;
        part[i] = path[i];
    }
    return true;
}

bool clvits_new_file_open(clvits_new_file *n, const char *path, bool locked)
{
    const char *end = locked ? ".part" : ".XXXXXX";

    if ((size_t)snprintf(n->path, sizeof(n->path), "%s", path) >= sizeof(n->path) ||
        (size_t)snprintf(n->part, sizeof(n->part), "%s%s", path, end) >= sizeof(n->part)) {
        errno = ENAMETOOLONG;
        return false;
    }
    const int fd = locked ? open(n->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                 0666)
                          : mkstemp(n->part);
    if (fd < 0)
        return false;
    n->f = fdopen(fd, "wb");
    if (n->f)
        return true;
    const int error = errno;
    close(fd);
    unlink(n->part);
    errno = error;
    return false;
}

bool clvits_new_file_close(clvits_new_file *n, bool good)
{
    if (fclose(n->f))
        good = false;
    if (good && !rename(n->part, n->path))
        return true;
    const int error = errno;
    unlink(n->part);
    errno = error;
    return false;
}
