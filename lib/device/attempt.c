// SPDX-License-Identifier: MIT
//
// A file in the cache folder for what is tried for the first time: a byte for each try that was
// begun, removed when one ends. Whoever tries holds its lock, which ends with the program.
#include "device/cache.h"

#include "base/file.h"
#include "base/mark.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A program may be killed for reasons that nobody tells, and hardly twice at the same place. */
enum { MOST_ENDED = 2 };

static bool path_of(char *out, size_t size, const clvits_device *d, uint64_t key, uint64_t part)
{
    const uint64_t mark = clvits_hash(key, &part, sizeof(part));

    return d->cache_dir && (size_t)snprintf(out, size, "%s/trying-%016" PRIx64 "-%016" PRIx64,
                                            d->cache_dir, clvits_cache_key(d), mark) < size;
}

/* The file, locked, with its size; -1 where somebody else tries the same, or there can be none. */
static int hold(const char *path, off_t *size)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
    struct stat st;

    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st) || !st.st_nlink) {
        close(fd);
        return -1;
    }
    *size = st.st_size;
    return fd;
}

void clvits_attempt_end(clvits_attempt *a)
{
    if (a->fd < 0)
        return;
    if (a->marks)
        clvits_marks_remove(a->marks, a->fd);
    unlink(a->path);
    close(a->fd);
    a->fd = -1;
}

/* Have the mark taken back when somebody wants what runs to end, or wanted so just now. */
static void let_take_back(clvits_attempt *a, int ended, const clvits_report *r)
{
    const clvits_stop *s = r->stop;

    while (s && !s->marks)
        s = s->next;
    if (!s)
        return;
    a->marks = s->marks;
    clvits_marks_add(a->marks, a->fd, ended);
    if (s->wanted(s->user))
        clvits_marks_take_back(a->marks);
}

clvits_status clvits_attempt_begin(clvits_attempt *a, clvits_device *d, uint64_t key,
                                   uint64_t part, const char *what, const char *options,
                                   clvits_report *r)
{
    char why[CLVITS_VERDICT_TEXT];
    off_t ended = 0;

    a->fd = -1;
    a->marks = NULL;
    if (clvits_verdict_get(d, key, why) == CLVITS_WRONG)
        return clvits_fail(r, CLVITS_E_DEVICE, "%s", why);
    if (!path_of(a->path, sizeof(a->path), d, key, part) || !clvits_make_folder(d->cache_dir))
        return CLVITS_OK;
    a->fd = hold(a->path, &ended);
    if (a->fd < 0)
        return CLVITS_OK;
    if (ended < MOST_ENDED) {
        if (write(a->fd, ".", 1) == 1)
            let_take_back(a, (int)ended, r);
        else
            clvits_attempt_end(a); /* a full disk is no reason not to speak */
        return CLVITS_OK;
    }
    snprintf(why, sizeof(why), "%s (%.80s) ended %d programs that tried it; --trust always tries "
                               "it again", what, options, MOST_ENDED);
    const clvits_status s = clvits_verdict_set(d, key, CLVITS_WRONG, why, true, r);
    if (!s)
        clvits_verdicts_save(d, r);
    clvits_attempt_end(a);
    return s ? s : clvits_fail(r, CLVITS_E_DEVICE, "%s", why);
}
