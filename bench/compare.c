// SPDX-License-Identifier: MIT
//
// clvits-bench compare: several files of results side by side.
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 16 };

/* A device in a file. */
typedef struct column {
    const cJSON *results;
    const char *device, *file;
    int base; /* the column whose times are 1 */
    bool same; /* the base is the same device in the first file: slower is worse */
    int slower, worse, disturbed;
} column;

typedef struct comparison {
    cJSON *files[MAX_COLUMNS];
    int n_files;
    column columns[MAX_COLUMNS];
    int n_columns;
    double threshold;
} comparison;

static const char *text(const cJSON *o, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItem(o, name));
    return s ? s : "";
}

static cJSON *read_json(const char *path)
{
    FILE *f = fopen(path, "r");
    char *data = NULL;
    size_t size = 0;
    cJSON *root = NULL;

    if (f && getdelim(&data, &size, '\0', f) > 0)
        root = cJSON_Parse(data);
    if (f)
        fclose(f);
    free(data);
    if (root && strcmp(text(root, "format"), "clvits-bench 1")) {
        cJSON_Delete(root);
        root = NULL;
    }
    if (!root)
        fprintf(stderr, "clvits-bench: %s is not a file of results\n", path);
    return root;
}

static bool add_file(comparison *c, const char *path)
{
    cJSON *root = c->n_files < MAX_COLUMNS ? read_json(path) : NULL;
    const cJSON *device;

    if (!root)
        return false;
    c->files[c->n_files++] = root;
    if (cJSON_IsFalse(cJSON_GetObjectItem(root, "complete")))
        printf("%s is incomplete: its run was interrupted after %d cases\n", path,
               cJSON_GetArraySize(cJSON_GetObjectItem(root, "results")));
    cJSON_ArrayForEach(device, cJSON_GetObjectItem(root, "devices")) {
        column *n = &c->columns[c->n_columns];
        if (c->n_columns == MAX_COLUMNS)
            break;
        *n = (column){ .results = cJSON_GetObjectItem(root, "results"),
                       .device = text(device, "name"), .file = path };
        for (int i = 0; i < c->n_columns; i++)
            if (c->columns[i].results == cJSON_GetObjectItem(c->files[0], "results") &&
                c->n_files > 1 && !strcmp(c->columns[i].device, n->device)) {
                n->base = i;
                n->same = true;
            }
        c->n_columns++;
    }
    return true;
}

static const cJSON *find(const column *c, const cJSON *like)
{
    const cJSON *r;
    cJSON_ArrayForEach(r, c->results)
        if (!strcmp(text(r, "device"), c->device) && !strcmp(text(r, "name"), text(like, "name")) &&
            !strcmp(text(r, "level"), text(like, "level")))
            return r;
    return NULL;
}

static double seconds(const cJSON *r, const char *which)
{
    const cJSON *times = cJSON_GetObjectItem(r, "device_seconds");
    if (!times)
        times = cJSON_GetObjectItem(r, "host_seconds");
    const cJSON *t = cJSON_GetObjectItem(times, which);
    return cJSON_IsNumber(t) ? t->valuedouble : 0.0;
}

static bool is_ok(const cJSON *r)
{
    return !strcmp(text(r, "verdict"), "ok");
}

static bool is_noisy(const cJSON *r)
{
    return cJSON_IsTrue(cJSON_GetObjectItem(r, "noisy"));
}

/* The best times must agree: a burst of other work moves medians alone. Where the machine is known
 * to have been disturbed, its best must be worse than what was usual before. */
static bool is_slower(const comparison *c, const cJSON *r, const cJSON *base, bool disturbed)
{
    const double usual = seconds(base, "median") * (1.0 + c->threshold);
    const double best = seconds(base, "min") * (1.0 + 0.5 * c->threshold);

    return seconds(r, "median") > usual && seconds(r, "min") > (disturbed ? usual : best);
}

static void print_cell(comparison *c, int i, const cJSON *like)
{
    column *col = &c->columns[i];
    const cJSON *r = find(col, like), *base = find(&c->columns[col->base], like);

    if (!r) {
        printf("  %20s", "-");
        return;
    }
    if (!is_ok(r)) {
        const bool worse =
            col->same && base && is_ok(base) && strcmp(text(r, "verdict"), "skipped");
        col->worse += worse;
        printf("  %19s%s", text(r, "verdict"), worse ? "!" : " ");
        return;
    }
    const double t = seconds(r, "median"), b = base && is_ok(base) ? seconds(base, "median") : 0.0;
    const bool disturbed = is_noisy(r) || (base && is_noisy(base));
    const bool slower = col->same && b > 0.0 && is_slower(c, r, base, disturbed);
    const char mark = slower ? '!' : disturbed ? '~' : ' ';
    col->slower += slower;
    col->disturbed += col->same && disturbed;
    if (b > 0.0 && i != col->base)
        printf("  %9.3f ms %5.2fx%c ", t * 1e3, t / b, mark);
    else
        printf("  %9.3f ms       %c ", t * 1e3, mark);
}

/* Every case that any column has, in the order of the first that has it. */
static void print_rows(comparison *c)
{
    for (int i = 0; i < c->n_columns; i++) {
        const cJSON *r;
        cJSON_ArrayForEach(r, c->columns[i].results) {
            bool seen = strcmp(text(r, "device"), c->columns[i].device) != 0;
            for (int k = 0; k < i && !seen; k++)
                seen = find(&c->columns[k], r) != NULL;
            if (seen)
                continue;
            printf("%-8s %-36s", text(r, "level"), text(r, "name"));
            for (int k = 0; k < c->n_columns; k++)
                print_cell(c, k, r);
            printf("\n");
        }
    }
}

static bool parse(comparison *c, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--threshold") || !strcmp(argv[i], "-t")) {
            char *end = NULL;
            c->threshold = i + 1 < argc ? strtod(argv[++i], &end) / 100.0 : -1.0;
            if (!(c->threshold >= 0.0) || end == argv[i] || (*end && strcmp(end, "%")))
                return false;
        } else if (argv[i][0] == '-' || !add_file(c, argv[i])) {
            return false;
        }
    }
    return c->n_files > 0;
}

int bench_compare(int argc, char **argv)
{
    comparison c = { .threshold = 0.1 };
    int result = 0;

    if (!parse(&c, argc, argv)) {
        fputs("usage: clvits-bench compare FILE.json... [--threshold PERCENT]\n", stderr);
        result = 2;
    } else {
        for (int i = 0; i < c.n_columns; i++)
            printf("column %d: %s, %s%s%s\n", i + 1, c.columns[i].file, c.columns[i].device,
                   i == c.columns[i].base ? "" : "; ratios to ",
                   i == c.columns[i].base ? "" : c.columns[c.columns[i].base].device);
        print_rows(&c);
        for (int i = 0; i < c.n_columns; i++) {
            const column *col = &c.columns[i];
            if (col->same)
                printf("%s, %s: %d slower by more than %.0f %%, %d no longer right; %d were "
                       "disturbed (~) and judged by their best\n", col->file, col->device,
                       col->slower, 100.0 * c.threshold, col->worse, col->disturbed);
            result |= col->slower || col->worse;
        }
    }
    for (int i = 0; i < c.n_files; i++)
        cJSON_Delete(c.files[i]);
    return result;
}
