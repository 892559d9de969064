// SPDX-License-Identifier: MIT
//
// Results are made to be shown: folders and the machine's name are nobody's business.
#include "bench.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char breaks[] = " \t\n\"'`()<>[]{}=:,;|";

/* Whether a word is a path that leads through folders, and where it begins. */
static size_t path_in(const char *word, size_t n)
{
    const size_t option = n > 2 && word[0] == '-' && word[1] != '-' && word[2] == '/' ? 2 : 0;
    int slashes = 0;

    for (size_t i = option; i < n; i++)
        slashes += word[i] == '/';
    if (word[option] == '/' && slashes > 1)
        return option;
    const size_t up = strspn(word, ".~");
    return up && up < n && word[up] == '/' ? 0 : n;
}

/* Of every path, its last part. */
static void hide_paths(char *text)
{
    char *out = text;

    for (const char *at = text; *at;) {
        const size_t gap = strspn(at, breaks), n = strcspn(at + gap, breaks);
        const char *word = at + gap;
        size_t start = path_in(word, n), end = n;
        memmove(out, at, gap);
        out += gap;
        at = word + n;
        if (start == n) {
            start = 0;
        } else {
            memmove(out, word, start); /* the option before it */
            out += start;
            while (end > start && word[end - 1] == '/')
                end--;
            for (size_t i = start; i < end; i++)
                start = word[i] == '/' ? i + 1 : start;
        }
        memmove(out, word + start, end - start);
        out += end - start;
    }
    *out = '\0';
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c);
}

/* Of the host's name, "host", where it stands as a word of its own; NULL without memory. */
static char *hide_name(const char *text, const char *name)
{
    const size_t n = strlen(name);
    char *const out = cJSON_malloc(4 * strlen(text) + 1), *to = out;

    if (!out)
        return NULL;
    for (const char *at = text; *at;) {
        const bool begins = at == text || !in_word(at[-1]) || !in_word(at[0]);
        if (n > 0 && begins && !strncasecmp(at, name, n) &&
            (!in_word(at[n]) || !in_word(at[n - 1]))) {
            memcpy(to, "host", 4);
            to += 4;
            at += n;
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
    return out;
}

/* What readers look things up by is the same on every machine, whatever that is called. */
static bool is_fixed(const char *key)
{
    static const char *const keys[] = { "level", "name", "verdict" };

    for (int i = 0; i < LENGTH(keys); i++)
        if (key && !strcmp(key, keys[i]))
            return true;
    return false;
}

void bench_hide(cJSON *o)
{
    char name[256] = "";

    if (gethostname(name, sizeof(name) - 1))
        name[0] = '\0';
    for (cJSON *item = o; item; item = item->next) {
        if (item->child)
            bench_hide(item->child);
        if (!cJSON_IsString(item) || !item->valuestring || is_fixed(item->string))
            continue;
        hide_paths(item->valuestring);
        char *hidden = hide_name(item->valuestring, name);
        if (!hidden) { /* rather none than one that tells */
            *item->valuestring = '\0';
            continue;
        }
        cJSON_free(item->valuestring);
        item->valuestring = hidden;
    }
}
