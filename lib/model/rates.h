// SPDX-License-Identifier: MIT
#ifndef CLVITS_MODEL_RATES_H
#define CLVITS_MODEL_RATES_H

#include "graph/sched.h"

/**
 * The rates of a machine's places: from the cache where this very machine is in it, else measured
 * and kept there, unless a device is distrusted by then.
 *
 * @param rates       as many as the machine has places
 * @param cache_dir   NULL: no cache
 * @param cache_told  see clvits_cache_tell()
 */
clvits_status clvits_rates_get(clvits_rates *rates, const clvits_machine *m, const char *cache_dir,
                               atomic_bool *cache_told, clvits_report *r);

/** The first line of a cache file, of everything that the rates depend on; build is clvits_build,
 *  or another build of the library. */
enum { CLVITS_RATES_HEAD = 64 };
void clvits_rates_head(char head[CLVITS_RATES_HEAD], const clvits_machine *m, const char *build);

/** What a cache file says; false: nothing that can be used, such as where its first line is not
 *  `head`. */
bool clvits_rates_read(clvits_rates *rates, int n_places, const char *path, const char *head);

#endif
