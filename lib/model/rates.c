// SPDX-License-Identifier: MIT
//
// A cache file's first line has the number of this format and a hash of everything that the rates
// depend on; then follows a line for each rate: place, class, seconds per node, seconds per FLOP
// that is multiplied or per byte; then an end, and for people what was measured. What cannot be
// read, or is another machine's, is measured anew and overwritten.
#include "model/rates.h"

#include "base/file.h"
#include "base/points.h"
#include "device/source.h"
#include "graph/probe.h"
#include "graph/trust.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH = 4096 };

static const char *const class_names[CLVITS_COST_CLASSES] = {
    [CLVITS_COST_POINT] = "point",           [CLVITS_COST_DOT] = "dot",
    [CLVITS_COST_DIRECT_32] = "direct-32",   [CLVITS_COST_DIRECT_64] = "direct-64",
    [CLVITS_COST_DIRECT_128] = "direct-128", [CLVITS_COST_DIRECT_256] = "direct-256",
    [CLVITS_COST_TOOM_32] = "toom-32",       [CLVITS_COST_TOOM_64] = "toom-64",
    [CLVITS_COST_TOOM_128] = "toom-128",     [CLVITS_COST_TOOM_256] = "toom-256",
    [CLVITS_COST_ATTENTION] = "attention",   [CLVITS_COST_MATHS] = "maths",
    [CLVITS_COST_MOVE] = "move",
};

/* Shows that nothing is missing. */
static const char last_line[] = "end\n";

/* FNV-1a, and a second sum that starts elsewhere, against collisions. */
typedef struct sums {
    uint64_t a, b;
} sums;

static void add_bytes(sums *h, const void *data, size_t n)
{
    for (const unsigned char *p = data; n--; p++) {
        h->a = (h->a ^ *p) * 0x100000001b3u;
        h->b = (h->b ^ *p) * 0x100000001b3u;
    }
}

static void add_text(sums *h, const char *text)
{
    add_bytes(h, text, strlen(text) + 1);
}

static void add_rows(sums *h, const clvits_tuned *t)
{
    for (int i = 0; t && i < t->n; i++)
        add_text(h, t->row[i]->text);
}

void clvits_rates_head(char head[CLVITS_RATES_HEAD], const clvits_machine *m, const char *build)
{
    sums h = { 0xcbf29ce484222325u, 0x9ae16a3b2f90404fu };
    const int cpu[] = { clvits_pool_threads(m->cpu.pool), m->halves };
    const bool proves = clvits_trust_proves(m); /* else wrong kernels have rates, too */

    add_text(&h, CLVITS_VERSION_TEXT);
    add_text(&h, clvits_sources_hash);
    add_text(&h, build);
    add_text(&h, m->cpu.name);
    add_text(&h, m->cpu.table->isa);
    add_bytes(&h, cpu, sizeof(cpu));
    add_bytes(&h, &proves, sizeof(proves));
    add_rows(&h, m->cpu.tuned);
    for (int i = 1; i < m->n_places; i++) {
        const clvits_device_info *d = clvits_device_get_info(m->device[i]);
        const int numbers[] = { (int)d->family, d->compute_units };
        add_text(&h, d->name);
        add_text(&h, d->platform);
        add_text(&h, d->version);
        add_text(&h, d->driver);
        add_bytes(&h, numbers, sizeof(numbers));
        add_rows(&h, clvits_device_tuned(m->device[i]));
    }
    snprintf(head, CLVITS_RATES_HEAD, "clvits rates 2 %016llx%016llx", (unsigned long long)h.a,
             (unsigned long long)h.b);
}

/* The file's name has what the first line ends with. */
static bool make_path(char path[PATH], const char *dir, const char *head)
{
    return dir && snprintf(path, PATH, "%s/rates-%s.txt", dir, strrchr(head, ' ') + 1) < PATH;
}

static clvits_rate *rate_of(clvits_rates *r, int kind)
{
    return kind < CLVITS_COST_CLASSES ? &r->node[kind] : &r->transfer;
}

static const char *name_of(int kind)
{
    return kind < CLVITS_COST_CLASSES ? class_names[kind] : "transfer";
}

static bool parse(clvits_rates *rates, int n_places, FILE *f, const char *head)
{
    char line[CLVITS_RATES_HEAD + 2];

    if (!fgets(line, sizeof(line), f) || strncmp(line, head, strlen(head)) ||
        strcmp(line + strlen(head), "\n"))
        return false;
    for (int place = 0; place < n_places; place++)
        for (int kind = 0; kind <= CLVITS_COST_CLASSES; kind++) {
            clvits_rate *rate = rate_of(&rates[place], kind);
            char name[32];
            int at;
            if (fscanf(f, "%d %31s %lf %lf", &at, name, &rate->fixed, &rate->each) != 4 ||
                at != place || strcmp(name, name_of(kind)) || !isfinite(rate->fixed) ||
                !isfinite(rate->each) || rate->fixed < 0.0 || rate->each < 0.0)
                return false;
        }
    return fgetc(f) == '\n' && fgets(line, sizeof(line), f) && !strcmp(line, last_line);
}

bool clvits_rates_read(clvits_rates *rates, int n_places, const char *path, const char *head)
{
    FILE *f = fopen(path, "r");
    bool ok = false;
    clvits_points p;

    if (f && clvits_points_open(&p)) {
        clvits_points_begin(&p);
        ok = parse(rates, n_places, f, head);
        clvits_points_end(&p);
        clvits_points_close(&p);
    }
    if (f)
        fclose(f);
    return ok;
}

static bool print_rates(FILE *f, clvits_rates *rates, const clvits_machine *m, const char *head)
{
    bool ok = fprintf(f, "%s\n", head) > 0;

    for (int place = 0; place < m->n_places; place++)
        for (int kind = 0; kind <= CLVITS_COST_CLASSES && ok; kind++) {
            const clvits_rate *rate = rate_of(&rates[place], kind);
            ok = fprintf(f, "%d %s %.6g %.6g\n", place, name_of(kind), rate->fixed, rate->each) > 0;
        }
    ok = ok && fprintf(f, "%s0: %s, %s, %d threads\n", last_line, m->cpu.name,
                       m->cpu.table->isa, clvits_pool_threads(m->cpu.pool)) > 0;
    for (int i = 1; i < m->n_places && ok; i++) {
        const clvits_device_info *d = clvits_device_get_info(m->device[i]);
        ok = fprintf(f, "%d: %s, %s, driver %s\n", i, d->name, d->platform, d->driver) > 0;
    }
    return ok;
}

static bool write_rates(clvits_rates *rates, const clvits_machine *m, const char *cache_dir,
                        const char *path, const char *head)
{
    clvits_new_file file;
    clvits_points p;

    if (!clvits_make_folder(cache_dir) || !clvits_new_file_open(&file, path, false))
        return false;
    bool ok = clvits_points_open(&p);
    if (ok) {
        clvits_points_begin(&p);
        ok = print_rates(file.f, rates, m, head);
        clvits_points_end(&p);
        clvits_points_close(&p);
    }
    return clvits_new_file_close(&file, ok);
}

static void note_shared(clvits_rates *rates, const clvits_machine *m)
{
    for (int i = 1; i < m->n_places; i++)
        rates[i].shared = !clvits_device_get_info(m->device[i])->gpu;
}

clvits_status clvits_rates_get(clvits_rates *rates, const clvits_machine *m, const char *cache_dir,
                               atomic_bool *cache_told, clvits_report *r)
{
    char head[CLVITS_RATES_HEAD], path[PATH];

    clvits_rates_head(head, m, clvits_build);
    const bool cached = make_path(path, cache_dir, head);
    if (cached && clvits_rates_read(rates, m->n_places, path, head)) {
        note_shared(rates, m);
        return CLVITS_OK;
    }
    const int64_t start = clvits_trace_now(r);
    clvits_info(r, "measuring what operators cost on %d device%s and the CPU path",
                m->n_places - 1, clvits_plural(m->n_places - 1));
    const clvits_status s = clvits_rates_measure(rates, m, r);
    clvits_trace_host(r, start, "measure rates", NULL, NULL);
    note_shared(rates, m);
    if (!s && cached && !clvits_machine_distrusted(m) &&
        !write_rates(rates, m, cache_dir, path, head))
        clvits_cache_tell(cache_told, path, "measures what operators cost", r);
    return s;
}
