// SPDX-License-Identifier: MIT
//
// What the commands that listen share: a voice that can, and a recording.
#ifndef CLVITS_TOOLS_LISTENING_H
#define CLVITS_TOOLS_LISTENING_H

#include "options.h"

#include <limits.h>

typedef struct listening {
    const char *voice_path, *config;
    clvits_context_params params;
    int recheck; /* -1: not said */
    bool quiet, verbose;
    program_log log;
    clvits_cancel *cancel;
    clvits_context *context;
    clvits_voice *voice;
    clvits_voice_info info;
    float *samples;
    size_t n;
    double load; /* seconds until all was there */
} listening;

/** Entries of a table of options, for a listening whose recheck is -1. */
#define LISTENING_OPTIONS(l)                                                                      \
    { "model", 'm', OPTION_TEXT, &(l)->voice_path, 0, 0 },                                        \
    { "config", 'c', OPTION_TEXT, &(l)->config, 0, 0 },                                           \
    { "device", 0, OPTION_TEXT, &(l)->params.device, 0, 0 },                                      \
    { "place", 0, OPTION_TEXT, &(l)->params.place, 0, 0 },                                        \
    { "memory", 0, OPTION_TEXT, &(l)->params.memory, 0, 0 },                                      \
    { "trust", 0, OPTION_TEXT, &(l)->params.trust, 0, 0 },                                        \
    { "recheck", 0, OPTION_INT, &(l)->recheck, 0, INT_MAX },                                      \
    { "threads", 0, OPTION_INT, &(l)->params.threads, 1, 1024 },                                  \
    { "verbose", 'v', OPTION_FLAG, &(l)->verbose, 0, 0 },                                         \
    { "quiet", 'q', OPTION_FLAG, &(l)->quiet, 0, 0 }

/* Their lines in a help text. */
#define LISTENING_HELP                                                                            \
    "  --device D, --place RULE, --memory SIZE, --trust T, --recheck N, --threads N\n"            \
    "                        as in clvits speak\n"                                                \
    "  -v, --verbose         also memory, load time and what the library does\n"                  \
    "  -q, --quiet           errors only\n"

/** Open voice and recording. Returns a code; close it then, too. */
int listening_open(listening *l, const char *audio);
void listening_close(listening *l);

/** The code of a call that failed, after saying why. */
int listening_fail(const listening *l, clvits_status status);

#endif
