// SPDX-License-Identifier: MIT
//
// What a context is to be like: its parameters and, where these leave something open, the
// environment.
#ifndef CLVITS_MODEL_SETTINGS_H
#define CLVITS_MODEL_SETTINGS_H

#include "device/device.h"

#include <clvits/device.h>

/** A text, and who says it. */
typedef struct clvits_setting {
    const char *text;     /* NULL: nobody says anything */
    const char *variable; /* of the environment; NULL: the caller */
} clvits_setting;

typedef struct clvits_settings {
    clvits_setting device, place, precision, isa;
    const char *cache_dir;  /* NULL: none; may be in own_cache */
    const char *kernel_dir; /* NULL: the built-in kernels */
    clvits_record_mode record;
    int family;          /* 0, or a clvits_family + 1 */
    int threads;         /* 0: one per processor */
    int recheck;         /* 0: never */
    size_t memory;       /* bytes; 0: no limit */
    bool proves, cached; /* kernels; once for all programs */
    char own_cache[4096];
} clvits_settings;

/**
 * Fill in the settings. What they point at belongs to the parameters and the environment.
 *
 * @return CLVITS_OK or _E_ARGUMENT: a value that is none, whether or not it would have mattered;
 *         the message names its variable, if it came from one
 */
clvits_status clvits_settings_read(clvits_settings *out, const clvits_context_params *p,
                                   clvits_report *r);

/** A failure that such a text led to names the variable. Returns the report's status. */
clvits_status clvits_setting_blame(const clvits_setting *s, clvits_report *r);

/**
 * The folder of built kernels and tuned rows: as given, else CLVITS_CACHE, else the user's cache
 * folder, which goes to out. NULL where there is none.
 */
const char *clvits_settings_cache(char *out, size_t size, const char *given);

#endif
