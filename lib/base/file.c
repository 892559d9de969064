// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PART ".part"
#define RANDOM ".XXXXXX"
enum { TRIES = 1000 };

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

void clvits_cache_tell(atomic_bool *told, const char *what, const char *anew,
                       const clvits_report *r)
{
    const char *why = strerror(errno);

    if (told && !atomic_exchange(told, true))
        clvits_warn(r, "%s cannot be written: %s; every program %s anew. Set CLVITS_CACHE to "
                       "another folder, or to nothing for none", what, why, anew);
}

/* Other letters at the end of a path, different ones each time. */
static void draw(char *path, int turn)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    char *end = path + strlen(path) - strlen("XXXXXX");
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t x = (uint64_t)t.tv_nsec ^ (uint64_t)getpid() << 32 ^ (uint64_t)turn << 56;
    for (int i = 0; i < 6; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        end[i] = letters[(x >> 33) % strlen(letters)];
    }
}

/* Lock what has just been made, for nobody to take it as left. False where somebody did before: it
 * is gone then, or about to be. Where there are no locks, nobody removes anything. */
static bool lock_part(int fd, const char *path)
{
    return !(flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) && !access(path, F_OK);
}

/* A locked file or folder of a name that nothing had; a negative number where there can be none.
 * Not mkstemp() and mkdtemp(), which leave them readable by their owner alone. */
static int make_part(char *path, bool folder)
{
    const int file_flags = O_WRONLY | O_CREAT | O_EXCL, folder_flags = O_RDONLY | O_DIRECTORY;

    for (int i = 0; i < TRIES; i++) {
        draw(path, i);
        if (folder && mkdir(path, 0777)) {
            if (errno != EEXIST)
                break;
            continue;
        }
        const int fd = open(path, (folder ? folder_flags : file_flags) | O_NOFOLLOW | O_CLOEXEC,
                            0666);
        if (fd >= 0 && lock_part(fd, path))
            return fd;
        const int error = errno;
        if (fd >= 0)
            close(fd);
        else if (folder)
            rmdir(path);
        errno = error;
        if (fd < 0 && error != (folder ? ENOENT : EEXIST))
            break;
    }
    return -1;
}

/* A folder with the files in it, but not with folders. */
static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);

    for (struct dirent *e; folder && (e = readdir(folder)) != NULL;)
        unlinkat(dirfd(folder), e->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(path);
}

/* Whoever writes such a file or folder holds its lock, which ends with the program. */
static void remove_when_left(const char *path)
{
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return;
    if (!flock(fd, LOCK_EX | LOCK_NB) && unlink(path) && (errno == EISDIR || errno == EPERM))
        remove_folder(path);
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
                          : make_part(n->part, false);
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
    /* What is closed, and so unlocked, before it has its name would be taken as left. */
    const int lock = fcntl(fileno(n->f), F_DUPFD_CLOEXEC, 0);

    if (fclose(n->f))
        good = false;
    const bool done = good && !rename(n->part, n->path);
    const int error = errno;
    if (!done)
        unlink(n->part);
    if (lock >= 0)
        close(lock);
    errno = error;
    return done;
}

bool clvits_new_folder_open(clvits_new_folder *n, const char *path)
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length >= sizeof(n->path) || length + sizeof(PART RANDOM) > sizeof(n->part)) {
        errno = ENAMETOOLONG;
        return false;
    }
    snprintf(n->path, sizeof(n->path), "%.*s", (int)length, path);
    snprintf(n->part, sizeof(n->part), "%.*s" PART RANDOM, (int)length, path);
    remove_left(n->path);
    n->lock = make_part(n->part, true);
    return n->lock >= 0;
}

/* Rename the new folder to a name that is taken. */
static bool take_place(const clvits_new_folder *n)
{
    char old[CLVITS_MAX_PATH];

    snprintf(old, sizeof(old), "%s", n->part);
    const int lock = make_part(old, true);
    if (lock < 0)
        return false;
    close(lock);
    /* A folder may take the name of an empty one; what it was locks it under its new name, too. */
    const int own = open(n->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (own >= 0)
        flock(own, LOCK_EX | LOCK_NB);
    const bool moved = !rename(n->path, old), taken = moved && !rename(n->part, n->path);
    const int error = errno;
    if (moved && !taken)
        rename(old, n->path);
    else
        remove_folder(old);
    if (own >= 0)
        close(own);
    errno = error;
    return taken;
}

bool clvits_new_folder_close(clvits_new_folder *n, bool good, bool replace)
{
    bool done = false;

    if (good) {
        done = !rename(n->part, n->path);
        if (!done && replace && (errno == ENOTEMPTY || errno == EEXIST))
            done = take_place(n);
    }
    const int error = errno;
    if (!done)
        remove_folder(n->part);
    close(n->lock);
    errno = error;
    return done;
}
