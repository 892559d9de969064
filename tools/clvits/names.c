// SPDX-License-Identifier: MIT
#include "names.h"

#include <stdlib.h>

/* A name in a message, where an empty one would not be seen. */
static const char *shown(const char *name)
{
    return *name ? name : "\"\"";
}

static int no_such(const char *where, const char *kind, const char *what, int n,
                   const char *first)
{
    if (n == 1)
        return program_fail(CODE_USAGE, "%sthere is no %s %s; this voice has one, number 0", where,
                            kind, shown(what));
    return program_fail(CODE_USAGE, "%sthere is no %s %s; this voice has 0 to %d%s%s%s", where,
                        kind, shown(what), n - 1, first ? ", the first being \"" : "",
                        first ? first : "", first ? "\" (clvits info lists them)" : "");
}

int names_no_speaker(const clvits_voice *voice, const char *where, const char *what)
{
    clvits_voice_info info;

    clvits_voice_get_info(voice, &info);
    return no_such(where, "speaker", what, info.n_speakers, clvits_voice_speaker_name(voice, 0));
}

/* A number below n is an id; where there is no such id it may still be a name. */
static int number(const char *what, int n)
{
    char *end;
    const long id = strtol(what, &end, 10);

    return end != what && !*end && id >= 0 && id < n ? (int)id : -1;
}

int names_find_speaker(const clvits_voice *voice, const char *where, const char *what, int *out)
{
    clvits_voice_info info;

    clvits_voice_get_info(voice, &info);
    *out = number(what, info.n_speakers);
    if (*out < 0)
        *out = clvits_voice_find_speaker(voice, what);
    return *out < 0 ? names_no_speaker(voice, where, what) : CODE_OK;
}

int names_find_language(const clvits_voice *voice, const char *what, int *out)
{
    clvits_voice_info info;

    clvits_voice_get_info(voice, &info);
    *out = number(what, info.n_languages);
    if (*out < 0)
        *out = clvits_voice_find_language(voice, what);
    return *out < 0 ? no_such("", "language", what, info.n_languages,
                              clvits_voice_language_name(voice, 0))
                    : CODE_OK;
}
