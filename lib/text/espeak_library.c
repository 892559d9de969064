// SPDX-License-Identifier: MIT
#include "text/espeak_library.h"
#include "text/utf8.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From espeak-ng's interface, which is stable and needs no header at build time. */
enum {
    OUTPUT_SYNCHRONOUS = 2, /* opens no sound device */
    DONT_EXIT = 0x8000,     /* report missing data instead of ending the process */
    CHARS_UTF8 = 1,
    PHONEMES_IPA = 2,
};

/*
 * espeak-ng keeps one voice and one result per process, so what guards and describes it is
 * per process too. It stays loaded: ending it would take it from others who use it.
 */
static struct espeak {
    pthread_mutex_t lock;
    void *library;
    int ready;
    char voice[64]; /* set last, or empty */
    int (*initialize)(int output, int buffer_length, const char *path, int options);
    int (*set_voice)(const char *name);
    const char *(*to_phonemes)(const void **text, int text_mode, int phoneme_mode);
} espeak = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int find_calls(void)
{
    *(void **)&espeak.initialize = dlsym(espeak.library, "espeak_Initialize");
    *(void **)&espeak.set_voice = dlsym(espeak.library, "espeak_SetVoiceByName");
    *(void **)&espeak.to_phonemes = dlsym(espeak.library, "espeak_TextToPhonemes");
    return espeak.initialize && espeak.set_voice && espeak.to_phonemes;
}

/* Whether what failed last did so because no more files may be open: then the data may be there. */
static bool lacks_descriptors(void)
{
    return errno == EMFILE || errno == ENFILE;
}

static clvits_status fail_descriptors(clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                       "espeak-ng cannot open its files: too many are open; raise the limit "
                       "(ulimit -n)");
}

static clvits_status load(clvits_report *r)
{
    static const char *const names[] = { "libespeak-ng.so.1", "libespeak-ng.so",
                                         "libespeak-ng.1.dylib" };
    const char *chosen = getenv("CLVITS_ESPEAK");

    if (espeak.ready)
        return CLVITS_OK;
    errno = 0;
    if (chosen && *chosen)
        espeak.library = dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
    else
        for (size_t i = 0; !espeak.library && i < sizeof(names) / sizeof(names[0]); i++)
            espeak.library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!espeak.library && lacks_descriptors())
        return fail_descriptors(r);
    if (!espeak.library && chosen && *chosen)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "cannot load espeak-ng from \"%.200s\", which CLVITS_ESPEAK names; this "
                           "voice needs it for phonemes",
                           chosen);
    if (!espeak.library)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "this voice needs espeak-ng for phonemes, and libespeak-ng.so.1 was not "
                           "found; install it (Debian, Ubuntu: apt install libespeak-ng1; Fedora, "
                           "Arch: espeak-ng) or set CLVITS_ESPEAK to its path");

    /* A null path makes espeak-ng look into ESPEAK_DATA_PATH and then where it was installed. */
    const int found = find_calls();
    errno = 0;
    if (!found || espeak.initialize(OUTPUT_SYNCHRONOUS, 0, NULL, DONT_EXIT) < 0) {
        const bool lacks = found && lacks_descriptors();
        dlclose(espeak.library);
        espeak.library = NULL;
        if (lacks)
            return fail_descriptors(r);
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           found ? "espeak-ng found no data; install it (Debian, Ubuntu: apt "
                                   "install espeak-ng-data) or set ESPEAK_DATA_PATH to its folder"
                                 : "the espeak-ng library lacks espeak_TextToPhonemes; install "
                                   "version 1.49 or later");
    }
    espeak.ready = 1;
    return CLVITS_OK;
}

static clvits_status choose_voice(const char *voice, clvits_report *r)
{
    if (!strcmp(voice, espeak.voice))
        return CLVITS_OK;
    espeak.voice[0] = '\0';
    errno = 0;
    const bool known = strlen(voice) < sizeof(espeak.voice) && !espeak.set_voice(voice);
    if (!known && lacks_descriptors())
        return fail_descriptors(r);
    if (!known)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "espeak-ng has no voice \"%.60s\", which this voice asks for; "
                           "espeak-ng --voices lists those that are installed",
                           voice);
    snprintf(espeak.voice, sizeof(espeak.voice), "%s", voice);
    return CLVITS_OK;
}

/* "(en)" and its like say that a word is read by another language's rules; 0 where none is. */
static size_t switch_mark(const char *s)
{
    size_t i = 1;
    if (s[0] != '(')
        return 0;
    while ((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '-')
        i++;
    return s[i] == ')' && i > 1 ? i + 1 : 0;
}

/* Append a result less its switch marks, with single spaces; out is large enough. */
static size_t append(char *out, size_t n, const char *ipa)
{
    int space = n > 0;
    while (*ipa) {
        const size_t mark = switch_mark(ipa);
        if (mark) {
            ipa += mark;
        } else if (*ipa == ' ' || *ipa == '\n') {
            space = n > 0;
            ipa++;
        } else {
            if (space)
                out[n++] = ' ';
            space = 0;
            out[n++] = *ipa++;
        }
    }
    return n;
}

/*
 * espeak-ng 1.51 gathers letters with full stops behind them ("U.S.A.") in 80 bytes, however many
 * come: after some in a row, spaces take the place of the full stops.
 */
static void part_dotted_letters(char *text, size_t n)
{
    enum { MOST = 16, ALPHABETS = 0x3000 }; /* beyond, a voice may pass over what it reads */
    int letters = 0, row = 0;

    for (size_t i = 0; i < n;) {
        uint32_t c = ' ';
        const int length = clvits_utf8_read(&c, text + i, n - i);
        if (c == '.') {
            row = letters <= 1 ? row + 1 : 0;
            letters = 0;
            text[i] = row > MOST ? ' ' : '.';
        } else if (c != '_' && c < ALPHABETS && clvits_char_classify(c) == CLVITS_CHAR_LETTER) {
            letters++;
        }
        i += length ? (size_t)length : 1;
    }
}

clvits_status clvits_espeak_ipa(char **out, clvits_arena *arena, const char *voice,
                                const char *text, size_t n, clvits_report *r)
{
    size_t used = 0, room = 0;
    char *ipa = NULL, *copy = NULL;
    clvits_status status;

    *out = NULL;
    pthread_mutex_lock(&espeak.lock);
    status = load(r);
    if (!status)
        status = choose_voice(voice, r);
    if (!status) {
        copy = malloc(n + 1);
        status = copy ? CLVITS_OK : clvits_fail_memory(r, "a clause");
    }
    if (!status) {
        memcpy(copy, text, n);
        copy[n] = '\0';
        part_dotted_letters(copy, n);
    }
    /* Where espeak-ng divides more finely than we do, its pieces are joined again. */
    for (const void *rest = copy; !status && rest;) {
        const char *part = espeak.to_phonemes(&rest, CHARS_UTF8, PHONEMES_IPA);
        const size_t more = part ? strlen(part) : 0;
        if (used + more + 2 > room) {
            room = 2 * (used + more + 2);
            char *grown = realloc(ipa, room);
            if (!grown) {
                status = clvits_fail_memory(r, "phonemes");
                break;
            }
            ipa = grown;
        }
        if (more)
            used = append(ipa, used, part);
    }
    pthread_mutex_unlock(&espeak.lock);

    if (!status) {
        *out = clvits_arena_text(arena, ipa ? ipa : "", used);
        if (!*out)
            status = clvits_fail_memory(r, "phonemes");
    }
    free(ipa);
    free(copy);
    return status;
}
