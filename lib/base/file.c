// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART ".part"
#define RANDOM ".XXXXXX"

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

void clvits_cache_tell(atomic_bool *told, const char *folder, const clvits_report *r)
{
    const char *why = strerror(errno);

    if (told && !atomic_exchange(told, true))
        clvits_warn(r, "the cache folder %s cannot be written: %s; every program builds its "
                       "kernels anew. Set CLVITS_CACHE to another folder, or to nothing for none",
                    folder, why);
}

/* Whoever writes such a file holds its lock, which ends with the program. */
static void remove_when_left(const char *path)
{
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return;
    if (!flock(fd, LOCK_EX | LOCK_NB))
        unlink(path);
    close(fd);
}

/* What killed programs began for the same place. */
static void remove_left(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const int length = (int)(name - path);
    const size_t n = strlen(name);
    char part[CLVITS_MAX_PATH];

    snprintf(part, sizeof(part), "%.*s", length, path);
    DIR *folder = opendir(length ? part : ".");
    for (struct dirent *e; folder && (e = readdir(folder)) != NULL;)
        if (!strncmp(e->d_name, name, n) && !strncmp(e->d_name + n, PART ".", strlen(PART ".")) &&
            strlen(e->d_name) == n + strlen(PART RANDOM) &&
            (size_t)snprintf(part, sizeof(part), "%.*s%s", length, path, e->d_name) < sizeof(part))
            remove_when_left(part);
    if (folder)
        closedir(folder);
}

bool clvits_new_file_open(clvits_new_file *n, const char *path, bool locked)
{
    const char *end = locked ? PART : PART RANDOM;

    if ((size_t)snprintf(n->path, sizeof(n->path), "%s", path) >= sizeof(n->path) ||
        (size_t)snprintf(n->part, sizeof(n->part), "%s%s", path, end) >= sizeof(n->part)) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!locked)
        remove_left(path);
    const int fd = locked ? open(n->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                                 0666)
                          : mkstemp(n->part);
    if (fd < 0)
        return false;
    if (!locked)
        flock(fd, LOCK_EX | LOCK_NB); /* in vain at worst: then somebody else writes the same */
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
