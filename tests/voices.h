// SPDX-License-Identifier: MIT
//
// Voices opened from their files: what the tests of every format share.
#ifndef CLVITS_TESTS_VOICES_H
#define CLVITS_TESTS_VOICES_H

#include "files.h"
#include "logged.h"
#include "model/voice_file.h"

#define GOLDEN CLVITS_SOURCE "/tests/golden/"
#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

/** The voice of a test, and how opening it went. */
extern clvits_voice_file v;
extern clvits_report r;

/** Fixture: a folder of files.h, and a report that keeps what is logged. */
void voices_open(void);
void voices_close(void);

/** Open it, which must succeed; one that is open is closed. */
void voices_take(const char *path, const char *config);

/** Fail to open it, with a message that has these words. */
void voices_refuse(const char *path, const char *config, clvits_status status, const char *words);

/** The one id of a symbol, which must be there. */
int32_t voices_id(const char *symbol);

/** The ids of a text as texts_ids() writes them, or the message; valid until the next call. */
const char *voices_ids(const char *text);

#endif
