// SPDX-License-Identifier: MIT
//
// A cache file says in its first lines what was measured, and with which kernels; then follows a
// line for each rate: place, class, seconds per node, seconds per FLOP or byte; then an end. What
// cannot be read, or is another machine's, is measured anew and overwritten.
#include "model/rates.h"

#include "device/source.h"
#include "graph/probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY = 4096, PATH = 4096 };

static const char *const class_names[CLVITS_COST_CLASSES] = {
    [CLVITS_COST_CONV_32] = "conv-32",   [CLVITS_COST_CONV_64] = "conv-64",
    [CLVITS_COST_CONV_128] = "conv-128", [CLVITS_COST_CONV_256] = "conv-256",
    [CLVITS_COST_ATTENTION] = "attention", [CLVITS_COST_MATHS] = "maths",
    [CLVITS_COST_MOVE] = "move",
};

/* Shows that nothing is missing. */
static const char last_line[] = "end\n";

/* Everything that the rates depend on. */
static void make_key(char key[KEY], const clvits_machine *m)
{
    int used = snprintf(key, KEY, "clvits rates 1, version %s, kernels %s\n0 %s, %d threads, "
                        "%d tuned rows\n", CLVITS_VERSION_TEXT, clvits_sources_hash, m->cpu.name,
                        clvits_pool_threads(m->cpu.pool), m->cpu.tuned ? m->cpu.tuned->n : 0);

    for (int i = 1; i < m->n_places && used > 0 && used < KEY; i++) {
        const clvits_device_info *d = clvits_device_get_info(m->device[i]);
        const clvits_tuned *t = clvits_device_tuned(m->device[i]);
        used += snprintf(key + used, (size_t)(KEY - used),
                         "%d %s, %s, %s, driver %s, kernels %s, %d tuned rows\n", i, d->name,
                         d->platform, d->version, d->driver,
                         d->family == CLVITS_FAMILY_GPU ? "gpu" : "cpu", t ? t->n : 0);
    }
}

static bool make_path(char path[PATH], const char *dir, const char *key)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a; the file repeats the key */

    for (const char *p = key; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    return dir && snprintf(path, PATH, "%s/rates-%016llx.txt", dir, (unsigned long long)h) < PATH;
}

static clvits_rate *rate_of(clvits_rates *r, int class)
{
    return class < CLVITS_COST_CLASSES ? &r->node[class] : &r->transfer;
}

static const char *name_of(int class)
{
    return class < CLVITS_COST_CLASSES ? class_names[class] : "transfer";
}

static bool parse(clvits_rates *rates, int n_places, FILE *f, const char *key)
{
    char line[256];

    while (*key) {
        const size_t n = strcspn(key, "\n") + 1;
        if (!fgets(line, sizeof(line), f) || strncmp(line, key, n) || line[n])
            return false;
        key += n;
    }
    for (int place = 0; place < n_places; place++)
        for (int class = 0; class <= CLVITS_COST_CLASSES; class ++) {
            clvits_rate *rate = rate_of(&rates[place], class);
            char name[32];
            int at;
            if (fscanf(f, "%d %31s %lf %lf", &at, name, &rate->fixed, &rate->each) != 4 ||
                at != place || strcmp(name, name_of(class)) || !isfinite(rate->fixed) ||
                !isfinite(rate->each) || rate->fixed < 0.0 || rate->each < 0.0)
                return false;
        }
    return fgetc(f) == '\n' && fgets(line, sizeof(line), f) && !strcmp(line, last_line);
}

static bool read_rates(clvits_rates *rates, int n_places, const char *path, const char *key)
{
    FILE *f = fopen(path, "r");
    const bool ok = f && parse(rates, n_places, f, key);

    if (f)
        fclose(f);
    return ok;
}

/* Whole under its name or not at all; the folder exists since kernels went there. */
static void write_rates(const clvits_rates *rates, int n_places, const char *path, const char *key)
{
    char temporary[PATH + 8];

    snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    const int fd = mkstemp(temporary);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (fd >= 0 && !f)
        close(fd);
    bool ok = f && fputs(key, f) >= 0;
    for (int place = 0; place < n_places && ok; place++)
        for (int class = 0; class <= CLVITS_COST_CLASSES && ok; class ++) {
            const clvits_rate *rate = rate_of((clvits_rates *)&rates[place], class);
            ok = fprintf(f, "%d %s %.6g %.6g\n", place, name_of(class), rate->fixed,
                         rate->each) > 0;
        }
    ok = ok && fputs(last_line, f) >= 0;
    if (f && fclose(f))
        ok = false;
    if (fd >= 0 && (!ok || rename(temporary, path)))
        unlink(temporary);
}

clvits_status clvits_rates_get(clvits_rates *rates, const clvits_machine *m, const char *cache_dir,
                               clvits_report *r)
{
    char key[KEY], path[PATH];

    make_key(key, m);
    const bool cached = make_path(path, cache_dir, key);
    if (cached && read_rates(rates, m->n_places, path, key))
        return CLVITS_OK;
    const int64_t start = clvits_trace_now(r);
    clvits_info(r, "measuring what operators cost on %d devices and the CPU path",
                m->n_places - 1);
    const clvits_status s = clvits_rates_measure(rates, m, r);
    clvits_trace_host(r, start, "measure rates", NULL, NULL);
    if (!s && cached)
        write_rates(rates, m->n_places, path, key);
    return s;
}
