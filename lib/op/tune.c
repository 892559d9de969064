// SPDX-License-Identifier: MIT
#include "op/tune.h"

#include "device/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct clvits_tuning {
    clvits_rows rows;
    const char *file; /* the user's, when it was read */
    clvits_arena arena;
};

static const clvits_knobs *knobs_of(const char *room)
{
    for (const clvits_op *const *op = clvits_ops; *op; op++)
        if ((*op)->knobs && !strcmp((*op)->knobs->room, room))
            return (*op)->knobs;
    return NULL;
}

static bool has_knob(const clvits_knobs *k, const char *name)
{
    for (int i = 0; k->knob[i].name; i++)
        if (!strcmp(k->knob[i].name, name))
            return true;
    return false;
}

/* Drop the rows that no room has a use for. */
static void drop_unknown(clvits_tuning *t, const clvits_report *r)
{
    int kept = 0;

    for (int i = 0; i < t->rows.n; i++) {
        const clvits_row *row = &t->rows.row[i];
        const clvits_knobs *k = knobs_of(row->room);
        const char *unknown = k ? NULL : row->room;
        for (int v = 0; k && v < row->values.n && !unknown; v++)
            if (!has_knob(k, row->values.term[v].name))
                unknown = row->values.term[v].name;
        if (unknown)
            clvits_warn(r, "%s:%d: the row is ignored: nothing is tuned by \"%.40s\"", row->file,
                        row->line, unknown);
        else
            t->rows.row[kept++] = *row;
    }
    t->rows.n = kept;
}

static void warn_unread(const char *path, const clvits_report *r)
{
    clvits_warn(r, "%s cannot be read: %s; nothing is tuned by it", path, strerror(errno));
}

static clvits_status read_user(clvits_tuning *t, const char *folder, clvits_report *r)
{
    enum { MOST = (1 << 20) + 1 }; /* one byte more than rows take, so that they are refused */
    char path[4096];

    if ((size_t)snprintf(path, sizeof(path), "%s/tuned.txt", folder) >= sizeof(path))
        return CLVITS_OK;
    FILE *f = fopen(path, "rb");
    if (!f && errno != ENOENT && errno != ENOTDIR)
        warn_unread(path, r);
    if (!f)
        return CLVITS_OK;
    char *text = malloc(MOST);
    clvits_status s = CLVITS_OK;
    if (!text) {
        s = clvits_fail_memory(r, "tuned rows");
    } else {
        const size_t n = fread(text, 1, MOST, f);
        if (ferror(f))
            warn_unread(path, r); /* a folder, for one */
        t->file = clvits_arena_text(&t->arena, path, strlen(path));
        s = t->file ? clvits_rows_add(&t->rows, text, n, path, true, r)
                    : clvits_fail_memory(r, "tuned rows");
    }
    free(text);
    fclose(f);
    return s;
}

clvits_status clvits_tuning_open(clvits_tuning **out, const char *folder, clvits_report *r)
{
    clvits_tuning *t = calloc(1, sizeof(*t));
    clvits_status s = t ? CLVITS_OK : clvits_fail_memory(r, "tuned rows");

    for (const clvits_source *f = clvits_sources; f->name && !s; f++) {
        const char *end = strrchr(f->name, '.');
        if (end && !strcmp(end, ".tune"))
            s = clvits_rows_add(&t->rows, f->text, f->size, f->name, false, r);
    }
    if (!s && folder)
        s = read_user(t, folder, r);
    if (!s)
        drop_unknown(t, r);
    else
        clvits_tuning_close(&t);
    *out = t;
    return s;
}

void clvits_tuning_close(clvits_tuning **tuning)
{
    if (!*tuning)
        return;
    clvits_rows_free(&(*tuning)->rows);
    clvits_arena_free(&(*tuning)->arena);
    free(*tuning);
    *tuning = NULL;
}

static bool is_mobile(const char *text)
{
    static const char *const names[] = { "Adreno", "Mali", "Immortalis", "PowerVR", "Xclipse",
                                         "VideoCore", "QUALCOMM", "Imagination" };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strstr(text, names[i]))
            return true;
    return false;
}

clvits_tuned_device clvits_target_names(const clvits_target *at)
{
    clvits_tuned_device d = { 0 };
    char driver[sizeof(d.driver)];
    int n = 0;

    if (at->cpu) {
        clvits_row_name(d.name, sizeof(d.name), at->cpu->name);
        snprintf(d.driver, sizeof(d.driver), "CPU path, %s", at->cpu->table->isa);
        d.family[0] = "cpu-path";
        return d;
    }
    const clvits_device_info *info = clvits_device_get_info(at->device);
    const bool gpu = info->family == CLVITS_FAMILY_GPU;
    clvits_row_name(d.name, sizeof(d.name), info->name);
    snprintf(driver, sizeof(driver), "%.120s %.140s, %s kernels", info->platform, info->driver,
             gpu ? "gpu" : "cpu");
    clvits_row_name(d.driver, sizeof(d.driver), driver);
    if (gpu && strstr(info->platform, "rusticl") && !info->gpu)
        d.family[n++] = "rusticl";
    else if (gpu && (is_mobile(info->name) || is_mobile(info->vendor)))
        d.family[n++] = "mobile-gpu";
    else if (!gpu)
        d.family[n++] = strstr(info->platform, "Portable Computing") ? "pocl" : "cpu";
    if (gpu)
        d.family[n] = "gpu";
    return d;
}

/* The row's shape as far as it is one shape. */
static clvits_terms known_shape(const clvits_row *row)
{
    clvits_terms shape = { 0 };

    for (int i = 0; i < row->shape.n; i++)
        if (row->shape.term[i].least == row->shape.term[i].most)
            clvits_terms_add(&shape, row->shape.term[i].name, row->shape.term[i].least);
    return shape;
}

typedef struct choice {
    const clvits_row *row;
    int rank, index;
} choice;

static int best_first(const void *a, const void *b)
{
    const choice *x = a, *y = b;
    return x->rank != y->rank ? y->rank - x->rank : y->index - x->index;
}

clvits_status clvits_tuning_choose(const clvits_tuned **out, clvits_tuning *t,
                                   const clvits_target *at, clvits_report *r)
{
    const clvits_tuned_device names = clvits_target_names(at);
    choice *found = calloc((size_t)t->rows.n + 1, sizeof(*found));
    clvits_tuned *tuned = clvits_arena_alloc(&t->arena, sizeof(*tuned));
    const clvits_row **rows = clvits_arena_array(&t->arena, (size_t)t->rows.n + 1, sizeof(*rows));

    *out = NULL;
    if (!found || !tuned || !rows) {
        free(found);
        return clvits_fail_memory(r, "tuned rows");
    }
    tuned->row = rows;
    tuned->file = t->file;
    for (int i = 0; i < t->rows.n; i++) {
        clvits_row *row = &t->rows.row[i];
        const clvits_terms shape = known_shape(row);
        const int rank = clvits_row_rank(row, &names);
        if (rank < 0)
            continue;
        if (knobs_of(row->room)->takes(at, &shape, &row->values)) {
            found[tuned->n++] = (choice){ row, rank, i };
            tuned->own += row->own;
        } else if (row->own && !row->told) {
            row->told = true; /* of one place; others may take it, or be as unable to */
            clvits_warn(r, "%s:%d: the row is ignored on %s, which has no such %s", row->file,
                        row->line, names.name, row->room);
        }
    }
    qsort(found, (size_t)tuned->n, sizeof(*found), best_first);
    for (int i = 0; i < tuned->n; i++)
        rows[i] = found[i].row;
    free(found);
    if (t->file)
        clvits_info(r, "%s, %s: %d tuned row%s, %d of them from %s", names.name, names.driver,
                    tuned->n, clvits_plural(tuned->n), tuned->own, t->file);
    else
        clvits_info(r, "%s, %s: %d tuned row%s%s", names.name, names.driver, tuned->n,
                    clvits_plural(tuned->n), tuned->n ? ", all of the library" : "");
    *out = tuned;
    return CLVITS_OK;
}

const clvits_row *clvits_tuned_row(const clvits_target *at, const clvits_knobs *knobs,
                                   const clvits_terms *shape)
{
    const clvits_tuned *t = at->cpu ? at->cpu->tuned : clvits_device_tuned(at->device);

    for (int i = 0; t && i < t->n && !at->variant; i++)
        if (clvits_row_fits(t->row[i], knobs->room, shape) &&
            knobs->takes(at, shape, &t->row[i]->values))
            return t->row[i];
    return NULL;
}
