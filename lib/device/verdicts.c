// SPDX-License-Identifier: MIT
//
// What trials of kernels have shown. The file in the cache folder, one for a device with its driver
// and this build of the library: a line that says so, a line for each kernel, and an end.
#include "base/file.h"
#include "device/cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "clvits trust 1"
#define LAST "end\n"

enum { MOST = 1 << 13 /* each is looked for among all */, LINE = CLVITS_VERDICT_TEXT + 64 };

struct clvits_judged {
    struct clvits_judged *next;
    uint64_t key;
    clvits_verdict verdict;
    bool lasting;
    char why[CLVITS_VERDICT_TEXT];
};

/* Texts go into lines. */
static void keep_text(char *to, const char *text)
{
    size_t n = 0;

    for (; text[n] && n + 1 < CLVITS_VERDICT_TEXT; n++)
        to[n] = (unsigned char)text[n] < ' ' ? ' ' : text[n];
    to[n] = '\0';
}

static struct clvits_judged *find(struct clvits_judged *list, uint64_t key)
{
    while (list && list->key != key)
        list = list->next;
    return list;
}

static bool add(struct clvits_judged **list, uint64_t key, clvits_verdict verdict, const char *why)
{
    struct clvits_judged *j = find(*list, key);

    if (!j) {
        j = calloc(1, sizeof(*j));
        if (!j)
            return false;
        j->key = key;
        j->next = *list;
        *list = j;
    }
    j->verdict = verdict;
    keep_text(j->why, why);
    return true;
}

static void free_list(struct clvits_judged *list)
{
    for (struct clvits_judged *next; list; list = next) {
        next = list->next;
        free(list);
    }
}

void clvits_verdicts_free(clvits_device *d)
{
    free_list(d->verdicts);
    d->verdicts = NULL;
}

static bool path_of(char *out, size_t size, const clvits_device *d)
{
    return d->cache_dir && (size_t)snprintf(out, size, "%s/trust-%016" PRIx64 ".txt", d->cache_dir,
                                            clvits_cache_key(d)) < size;
}

static bool parse_line(struct clvits_judged **list, char *line, bool *memory)
{
    static const char *const words[] = { [CLVITS_RIGHT] = " right", [CLVITS_WRONG] = " wrong " };
    char *rest;
    const size_t n = strlen(line);

    if (n < 18 || line[n - 1] != '\n')
        return false;
    line[n - 1] = '\0';
    const uint64_t key = strtoull(line, &rest, 16);
    if (rest != line + 16)
        return false;
    if (!strcmp(rest, words[CLVITS_RIGHT]))
        *memory = add(list, key, CLVITS_RIGHT, "");
    else if (!strncmp(rest, words[CLVITS_WRONG], strlen(words[CLVITS_WRONG])))
        *memory = add(list, key, CLVITS_WRONG, rest + strlen(words[CLVITS_WRONG]));
    else
        return false;
    return *memory;
}

/* Nothing is taken from a file that is not whole. */
static bool parse(struct clvits_judged **list, FILE *f, bool *memory)
{
    char line[LINE];
    int n = 0;

    if (!fgets(line, sizeof(line), f) || strcmp(line, HEAD "\n"))
        return false;
    while (fgets(line, sizeof(line), f) && n++ < MOST) {
        if (!strcmp(line, LAST))
            return fgetc(f) == EOF;
        if (!parse_line(list, line, memory))
            return false;
    }
    return false;
}

/* What the file has, into an empty list; false when memory runs out. */
static bool read_list(struct clvits_judged **list, const char *path)
{
    FILE *f = fopen(path, "rb");
    bool memory = true;

    if (!f)
        return true;
    if (!parse(list, f, &memory)) {
        free_list(*list);
        *list = NULL;
    }
    fclose(f);
    return memory;
}

/* Add what this program does not know. */
static void merge(clvits_device *d, struct clvits_judged *list)
{
    for (struct clvits_judged *j = list, *next; j; j = next) {
        next = j->next;
        if (find(d->verdicts, j->key)) {
            free(j);
            continue;
        }
        j->lasting = true;
        j->next = d->verdicts;
        d->verdicts = j;
    }
}

clvits_status clvits_verdicts_load(clvits_device *d, clvits_report *r)
{
    char path[4096];

    return path_of(path, sizeof(path), d) ? clvits_verdicts_read(d, path, r) : CLVITS_OK;
}

clvits_status clvits_verdicts_read(clvits_device *d, const char *path, clvits_report *r)
{
    struct clvits_judged *list = NULL;

    if (!read_list(&list, path))
        return clvits_fail_memory(r, "what is known of a device's kernels");
    pthread_mutex_lock(&d->verdict_lock);
    merge(d, list);
    pthread_mutex_unlock(&d->verdict_lock);
    return CLVITS_OK;
}

/* What this program found, and what others did. */
struct contents {
    struct clvits_judged *own, *others;
};

static bool print(FILE *f, const struct clvits_judged *j)
{
    return fprintf(f, "%016" PRIx64 " %s%s\n", j->key,
                   j->verdict == CLVITS_RIGHT ? "right" : "wrong ", j->why) > 0;
}

static bool write_all(FILE *f, const struct contents *c)
{
    bool ok = fprintf(f, "%s\n", HEAD) > 0;
    int n = 0; /* no more than are read again */

    for (const struct clvits_judged *j = c->own; j && ok && n < MOST - 1; j = j->next)
        if (j->lasting && ++n)
            ok = print(f, j);
    for (const struct clvits_judged *j = c->others; j && ok && n < MOST - 1; j = j->next)
        if (!find(c->own, j->key) && ++n)
            ok = print(f, j);
    return ok && fputs(LAST, f) >= 0;
}

void clvits_verdicts_save(clvits_device *d, const clvits_report *r)
{
    struct contents c = { 0 };
    clvits_new_file file;
    char path[4096];

    if (!path_of(path, sizeof(path), d))
        return;
    pthread_mutex_lock(&d->verdict_lock);
    if (d->verdicts_new && read_list(&c.others, path)) {
        c.own = d->verdicts;
        if (!clvits_make_folder(d->cache_dir) || !clvits_new_file_open(&file, path, false) ||
            !clvits_new_file_close(&file, write_all(file.f, &c)))
            clvits_cache_tell(d->cache_told, path, "tries its kernels", r);
        d->verdicts_new = false;
    }
    pthread_mutex_unlock(&d->verdict_lock);
    free_list(c.others);
}

clvits_verdict clvits_verdict_get(clvits_device *d, uint64_t key, char *why)
{
    pthread_mutex_lock(&d->verdict_lock);
    const struct clvits_judged *j = find(d->verdicts, key);
    const clvits_verdict verdict = j ? j->verdict : CLVITS_UNTRIED;
    memcpy(why, j ? j->why : "", j ? sizeof(j->why) : 1);
    pthread_mutex_unlock(&d->verdict_lock);
    return verdict;
}

clvits_status clvits_verdict_set(clvits_device *d, uint64_t key, clvits_verdict verdict,
                                 const char *why, bool lasting, clvits_report *r)
{
    pthread_mutex_lock(&d->verdict_lock);
    const bool memory = add(&d->verdicts, key, verdict, verdict == CLVITS_WRONG ? why : "");
    if (memory) {
        find(d->verdicts, key)->lasting = lasting;
        d->verdicts_new = d->verdicts_new || lasting;
    }
    pthread_mutex_unlock(&d->verdict_lock);
    return memory ? CLVITS_OK : clvits_fail_memory(r, "what is known of a device's kernels");
}
