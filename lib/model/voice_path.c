// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // dladdr
#include "io/file.h"
#include "model/voice_file.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VOICE "mini"

/* How far above the library's folder share/ may be: lib/x86_64-linux-gnu is two. */
enum { MAX_RISE = 3 };

static int holds_voice(char *out, size_t size, const char *folder)
{
    char config[4096];
    const int n = snprintf(out, size, "%s/" VOICE, folder);
    const int m = snprintf(config, sizeof(config), "%s/" VOICE "/config.json", folder);

    return n > 0 && (size_t)n < size && m > 0 && (size_t)m < sizeof(config) &&
           clvits_file_exists(config);
}

/* Whether the voice is in PREFIX/share, where PREFIX is near the file this code was loaded from. */
static int holds_near_library(char *out, size_t size)
{
    static const char anchor; /* an address in the library, or in the program it is linked into */
    char folder[4096], voices[4200];
    Dl_info info;

    if (!dladdr(&anchor, &info) || !info.dli_fname)
        return 0;
    /* A program is named as it was called, and without a slash the shell looked for it. */
    char *real = realpath(strchr(info.dli_fname, '/') ? info.dli_fname : "/proc/self/exe", NULL);
    if (!real)
        return 0;
    snprintf(folder, sizeof(folder), "%s", real);
    free(real);

    for (int i = 0; i <= MAX_RISE; i++) {
        char *slash = strrchr(folder, '/');
        if (!slash)
            return 0;
        *slash = '\0';
        snprintf(voices, sizeof(voices), "%s/share/clvits/voices", folder);
        if (holds_voice(out, size, voices))
            return 1;
    }
    return 0;
}

clvits_status clvits_voice_file_embedded_path(char *out, size_t size, clvits_report *r)
{
    const char *chosen = getenv("CLVITS_VOICES");

    if (chosen && *chosen) {
        if (holds_voice(out, size, chosen))
            return CLVITS_OK;
        return clvits_fail(r, CLVITS_E_FILE,
                           "the environment's CLVITS_VOICES is %s, and there is no " VOICE
                           "/config.json in it; correct it or unset it",
                           chosen);
    }
    /* What is installed speaks with its own voice, also while its source tree is still there. */
    if (holds_near_library(out, size) || holds_voice(out, size, CLVITS_SOURCE_VOICES) ||
        holds_voice(out, size, CLVITS_INSTALLED_VOICES))
        return CLVITS_OK;
    return clvits_fail(r, CLVITS_E_FILE,
                       "the embedded voice is neither in %s nor in %s; set CLVITS_VOICES to the "
                       "folder that holds the folder " VOICE ", or name a voice",
                       CLVITS_SOURCE_VOICES, CLVITS_INSTALLED_VOICES);
}
