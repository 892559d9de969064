// SPDX-License-Identifier: MIT
//
// clvits-bench compare: several files of results side by side.
#include "bench.h"

#include "../tools/clvits/options.h"

#include <errno.h>
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

/* Returns a code. */
static int read_json(cJSON **out, const char *path)
{
    FILE *f = fopen(path, "r");
    char *data = NULL;
    size_t size = 0;

    *out = NULL;
    if (!f)
        return program_fail(CODE_INPUT, "%s cannot be opened: %s", path, strerror(errno));
    errno = 0;
    if (getdelim(&data, &size, '\0', f) > 0)
        *out = cJSON_Parse(data);
    const int error = ferror(f) ? errno : 0;
    fclose(f);
    free(data);
    if (error)
        return program_fail(CODE_INPUT, "%s cannot be read: %s", path, strerror(error));
    if (!strcmp(text(*out, "format"), "clvits-bench 1"))
        return CODE_OK;
    cJSON_Delete(*out);
    return program_fail(CODE_INPUT, "%s is not a file of results", path);
}

static int add_file(comparison *c, const char *path)
{
    cJSON *root;
    const cJSON *device;

    if (c->n_files == MAX_COLUMNS)
        return program_fail(CODE_USAGE, "more than %d files", MAX_COLUMNS);
    const int code = read_json(&root, path);
    if (code)
        return code;
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
    return CODE_OK;
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
    char time[BENCH_TIME];
    const bool disturbed = is_noisy(r) || (base && is_noisy(base));
    const bool slower = col->same && b > 0.0 && is_slower(c, r, base, disturbed);
    const char mark = slower ? '!' : disturbed ? '~' : ' ';
    col->slower += slower;
    col->disturbed += col->same && disturbed;
    if (b > 0.0 && i != col->base)
        printf("  %12s %5.2fx%c ", bench_time_text(time, t), t / b, mark);
    else
        printf("  %12s       %c ", bench_time_text(time, t), mark);
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

/* Returns a code, or -1 when the help was printed. */
static int parse(comparison *c, int argc, char **argv)
{
    static const char help[] = "usage: clvits-bench compare FILE.json... [--threshold PERCENT]\n";
    const char *threshold = "10";
    const option table[] = { { "threshold", 't', OPTION_TEXT, &threshold, 0, 0 } };
    int code = options_parse(table, 1, "compare", help, &argc, argv);
    char *end;

    if (code)
        return code;
    if (!argc)
        return program_fail(CODE_USAGE, "name the files to compare");
    c->threshold = strtod(threshold, &end) / 100.0;
    if (end == threshold || (*end && strcmp(end, "%")) ||
        !(c->threshold >= 0.0 && c->threshold <= 1e6))
        return program_fail(CODE_USAGE, "--threshold %s: give a number of percent from 0 on",
                            threshold);
    for (int i = 0; i < argc && !code; i++)
        code = add_file(c, argv[i]);
    return code;
}

int bench_compare(int argc, char **argv)
{
    comparison c = { 0 };
    int result = parse(&c, argc, argv);

    if (result < 0) {
        result = 0;
    } else if (!result) {
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
