// SPDX-License-Identifier: MIT
//
// Which files a run writes: a hash table of their resolved names, so that of thousands of lines
// none costs more than the first.
#include "speak.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* As whoever writes the file finds it: through links where it is there, in its folder where it is
 * not yet. NULL: memory ran out. */
static char *resolve(const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char *file = realpath(path, NULL);

    if (file)
        return file;
    char *folder = slash ? strndup(path, (size_t)(base - path)) : strdup(".");
    char *real = folder ? realpath(folder, NULL) : NULL;
    const size_t size = real ? strlen(real) + strlen(base) + 2 : 0;
    if (real && (file = malloc(size)))
        snprintf(file, size, "%s/%s", real, base);
    else if (folder && !real)
        file = strdup(path); /* which cannot be written, as will be said */
    free(real);
    free(folder);
    return file;
}

/* Where the name is, or where it belongs. */
static char **find(char **names, size_t capacity, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    size_t at = (size_t)(hash ^ hash >> 32) & (capacity - 1);
    while (names[at] && strcmp(names[at], name))
        at = (at + 1) & (capacity - 1);
    return &names[at];
}

static bool grow(written_files *w)
{
    const size_t capacity = w->capacity ? 2 * w->capacity : 64;
    char **names = calloc(capacity, sizeof(*names));

    if (!names)
        return false;
    for (size_t i = 0; i < w->capacity; i++)
        if (w->names[i])
            *find(names, capacity, w->names[i]) = w->names[i];
    free(w->names);
    w->names = names;
    w->capacity = capacity;
    return true;
}

/* *again: it was there. False when memory runs out. */
static bool add(written_files *w, const char *path, bool *again)
{
    char *name = resolve(path);

    if (!name || (2 * w->n >= w->capacity && !grow(w))) {
        free(name);
        return false;
    }
    char **at = find(w->names, w->capacity, name);
    *again = *at != NULL;
    if (*again) {
        free(name);
    } else {
        *at = name;
        w->n++;
    }
    return true;
}

int session_claim(session *s, const utterance *u, const char *path)
{
    char where[PATH_MAX + 32] = "";
    bool again = false;

    if (!path)
        return CODE_OK;
    if (u)
        speech_source_where(&s->set.source, u, where, sizeof(where));
    if (!add(&s->written, path, &again))
        return program_fail(CODE_FAILED, "%sout of memory for a file name", where);
    return again ? program_fail(CODE_USAGE, "%s%s would be written twice; give each file its own "
                                            "name", where, path)
                 : CODE_OK;
}

int session_claim_line(session *s, const utterance *u, const char *path)
{
    char beside[PATH_MAX];
    const int code = session_claim(s, u, path);

    return code ? code : session_claim(s, u, session_timings_path(s, beside, sizeof(beside), path));
}

void written_files_free(written_files *w)
{
    for (size_t i = 0; i < w->capacity; i++)
        free(w->names[i]);
    free(w->names);
    *w = (written_files){ 0 };
}
