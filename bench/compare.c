// SPDX-License-Identifier: MIT
//
// clvits-bench compare: several files of results side by side.
#include "bench.h"

#include "../tools/clvits/options.h"

#include <stdlib.h>
#include <string.h>

/* A device in a file. */
typedef struct column {
    const cJSON *results, *about; /* about: what the file says of it, or NULL */
    const char *device, *file;
    int base; /* the column whose times are 1 */
    bool same; /* the base is the same device in the first file: slower is worse */
    bool gone; /* this file does not have it */
    int slower, worse, missing, skipped, disturbed;
} column;

typedef struct comparison {
    cJSON **files;
    const char *const *names;
    int n_files;
    column *columns;
    int n_columns, n_first; /* the first file's come first */
    double threshold;
} comparison;

static int no_memory(void)
{
    return program_fail(3, "out of memory for the files to compare");
}

/* Returns a code. */
static int add_column(comparison *c, const column *n)
{
    column *more = realloc(c->columns, ((size_t)c->n_columns + 1) * sizeof(*more));

    if (!more)
        return no_memory();
    c->columns = more;
    more[c->n_columns++] = *n;
    return CODE_OK;
}

/* What a file has in place of a column of the first file, which may be nothing. */
static int add_like(comparison *c, int base, const cJSON *root, const char *path)
{
    const cJSON *device;
    column n = { .results = cJSON_GetObjectItem(root, "results"), .file = path, .base = base,
                 .device = c->columns[base].device, .same = true };

    cJSON_ArrayForEach(device, cJSON_GetObjectItem(root, "devices"))
        if (!strcmp(bench_text(device, "name"), n.device))
            n.about = device;
    n.gone = !n.about;
    return add_column(c, &n);
}

static bool is_of_first(const comparison *c, const char *device)
{
    for (int i = 0; i < c->n_first; i++)
        if (!strcmp(c->columns[i].device, device))
            return true;
    return false;
}

/* Whether it has a device of the first file; else it is another machine's, and misses none. */
static bool is_alike(const comparison *c, const cJSON *root)
{
    const cJSON *devices = cJSON_GetObjectItem(root, "devices"), *device;

    cJSON_ArrayForEach(device, devices)
        if (is_of_first(c, bench_text(device, "name")))
            return true;
    return !cJSON_GetArraySize(devices);
}

static int add_file(comparison *c, const char *path)
{
    cJSON *root, **more;
    const cJSON *device;

    int code = bench_read(&root, path);
    if (code)
        return code;
    more = realloc(c->files, ((size_t)c->n_files + 1) * sizeof(*more));
    if (!more) {
        cJSON_Delete(root);
        return no_memory();
    }
    c->files = more;
    more[c->n_files++] = root;
    for (int i = 0; i < c->n_first && is_alike(c, root) && !code; i++)
        code = add_like(c, i, root, path);
    cJSON_ArrayForEach(device, cJSON_GetObjectItem(root, "devices")) {
        const column n = { .results = cJSON_GetObjectItem(root, "results"), .about = device,
                           .file = path, .device = bench_text(device, "name") };
        if (!code && !is_of_first(c, n.device))
            code = add_column(c, &n);
    }
    if (c->n_files == 1)
        c->n_first = c->n_columns;
    return code;
}

static const cJSON *find(const column *c, const cJSON *like)
{
    const cJSON *r;
    cJSON_ArrayForEach(r, c->results)
        if (!strcmp(bench_text(r, "device"), c->device) &&
            !strcmp(bench_text(r, "name"), bench_text(like, "name")) &&
            !strcmp(bench_text(r, "level"), bench_text(like, "level")))
            return r;
    return NULL;
}

/* The first clock that a result has, and another one too unless that is NULL; or NULL. */
static const char *clock_of(const cJSON *r, const cJSON *other)
{
    static const char *const clocks[] = { "device_seconds", "host_seconds" };

    for (int i = 0; i < LENGTH(clocks); i++)
        if (cJSON_GetObjectItem(r, clocks[i]) && (!other || cJSON_GetObjectItem(other, clocks[i])))
            return clocks[i];
    return NULL;
}

static double seconds(const cJSON *r, const char *clock, const char *which)
{
    const cJSON *t = cJSON_GetObjectItem(cJSON_GetObjectItem(r, clock), which);
    return cJSON_IsNumber(t) ? t->valuedouble : 0.0;
}

static bool is_ok(const cJSON *r)
{
    return !strcmp(bench_text(r, "verdict"), "ok");
}

static bool is_noisy(const cJSON *r)
{
    return cJSON_IsTrue(cJSON_GetObjectItem(r, "noisy"));
}

/* The best times must agree: a burst of other work moves medians alone. Where the machine is known
 * to have been disturbed, its best must be worse than what was usual before. */
static bool is_slower(const comparison *c, const cJSON *r, const cJSON *base, const char *clock,
                      bool disturbed)
{
    const double usual = seconds(base, clock, "median") * (1.0 + c->threshold);
    const double best = seconds(base, clock, "min") * (1.0 + 0.5 * c->threshold);

    return seconds(r, clock, "median") > usual &&
           seconds(r, clock, "min") > (disturbed ? usual : best);
}

/* A case without times that can be held against the base's. */
static void print_lack(column *col, const cJSON *r, const cJSON *base)
{
    const bool skipped = r && !strcmp(bench_text(r, "verdict"), "skipped");
    const bool lost = col->same && base && is_ok(base);
    const char *what = !r         ? lost ? "missing" : "-"
                       : is_ok(r) ? "other clock"
                                  : bench_text(r, "verdict");

    col->skipped += col->same && skipped;
    col->missing += lost && (!r || is_ok(r));
    col->worse += lost && r && !is_ok(r) && !skipped;
    printf("  %19s%s", what, lost && !skipped ? "!" : " ");
}

static void print_cell(comparison *c, int i, const cJSON *like)
{
    column *col = &c->columns[i];
    const cJSON *r = find(col, like), *base = find(&c->columns[col->base], like);
    const bool both = base && is_ok(base);
    const char *clock = r && is_ok(r) ? clock_of(r, both ? base : NULL) : NULL;

    if (!clock) {
        print_lack(col, r, base);
        return;
    }
    const double t = seconds(r, clock, "median"), b = both ? seconds(base, clock, "median") : 0.0;
    char time[BENCH_TIME];
    const bool disturbed = is_noisy(r) || (base && is_noisy(base));
    const bool slower = col->same && b > 0.0 && is_slower(c, r, base, clock, disturbed);
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
            bool seen = strcmp(bench_text(r, "device"), c->columns[i].device) != 0;
            for (int k = 0; k < i && !seen; k++)
                seen = find(&c->columns[k], r) != NULL;
            if (seen)
                continue;
            bench_print_name(r);
            for (int k = 0; k < c->n_columns; k++)
                print_cell(c, k, r);
            printf("\n");
        }
    }
}

/* Returns a code, or -1 when the help was printed. */
static int parse(comparison *c, int argc, char **argv)
{
    static const char help[] =
        "usage: clvits-bench compare FILE.json... [--threshold PERCENT]\n"
        "Shows times side by side, with ratios to the same device in the first file, or to its\n"
        "first device where it has no such one.\n"
        "  -t, --threshold PERCENT  slower is what takes so much more in the median, and half as\n"
        "                           much more at best; 10 by default\n"
        "  -h, --help               this text\n"
        "Marks: ! slower, wrong or missing; ~ disturbed, and slower if its best time is so slow.\n"
        "Exit codes: 0 nothing is worse; 1 something is; 2 usage; 3 a file cannot be read.\n";
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
    c->names = (const char *const *)argv;
    for (int i = 0; i < argc && !code; i++)
        code = add_file(c, argv[i]);
    return code;
}

static void print_column(const comparison *c, int i)
{
    const column *col = &c->columns[i];
    const cJSON *const isa = cJSON_GetObjectItem(col->about, "isa");
    const double threads = cJSON_GetNumberValue(cJSON_GetObjectItem(col->about, "threads"));

    printf("column %d: %s, %s", i + 1, col->file, col->device);
    if (cJSON_IsString(isa) && threads > 0.0)
        printf(" (%s, %.0f thread%s)", isa->valuestring, threads, threads > 1.0 ? "s" : "");
    if (i != col->base)
        printf("; ratios to %s", c->columns[col->base].device);
    printf("\n");
}

/* Two objects' values of a name where they differ, and both have one. */
static void print_difference(const char *about, const char *name, const cJSON *a, const cJSON *b,
                             const char *base)
{
    const cJSON *x = cJSON_GetObjectItem(a, name), *y = cJSON_GetObjectItem(b, name);

    if (!x || !y || cJSON_Compare(x, y, true))
        return;
    char *now = cJSON_PrintUnformatted(x), *before = cJSON_PrintUnformatted(y);
    if (now && before)
        printf("%s: \"%s\" is %.80s, and %.80s in %s\n", about, name, now, before, base);
    cJSON_free(now);
    cJSON_free(before);
}

/* Whether runs were of one kind: others cannot be held against each other. */
static void print_kind(const comparison *c, int i)
{
    static const char *const names[] = { "kernel_family", "foreign_kernels", "memory_limit",
                                         "record" };
    const cJSON *root = c->files[i];
    const cJSON *s = cJSON_GetObjectItem(root, "settings");
    const cJSON *first = cJSON_GetObjectItem(c->files[0], "settings");
    const bool quick = cJSON_IsTrue(cJSON_GetObjectItem(s, "quick"));

    if (cJSON_IsFalse(cJSON_GetObjectItem(root, "complete")))
        printf("%s is incomplete: its run was interrupted after %d cases\n", c->names[i],
               cJSON_GetArraySize(cJSON_GetObjectItem(root, "results")));
    if (quick != cJSON_IsTrue(cJSON_GetObjectItem(first, "quick")))
        printf("%s is a %s run, and %s is a %s one, which %s cases\n", c->names[i],
               quick ? "quick" : "full", c->names[0], quick ? "full" : "quick",
               quick ? "has more" : "leaves out");
    else
        print_difference(c->names[i], "seconds", s, first, c->names[0]);
    for (int k = 0; k < LENGTH(names); k++)
        print_difference(c->names[i], names[k], s, first, c->names[0]);
}

/* The same of a device that goes by one name. */
static void print_settings(const comparison *c, const column *col)
{
    static const char *const names[] = { "device", "isa", "threads", "precision", "kernels",
                                         "platform", "driver" };
    const column *base = &c->columns[col->base];
    char about[512];

    snprintf(about, sizeof(about), "%.300s, %.200s", col->file, col->device);
    for (int k = 0; k < LENGTH(names) && col->same; k++)
        print_difference(about, names[k], col->about, base->about, base->file);
}

/* Returns whether the column is worse than its base. */
static bool print_sum(const comparison *c, const column *col)
{
    if (!col->same)
        return false;
    if (col->gone)
        printf("%s does not have %s: each of its cases counts as missing\n", col->file,
               col->device);
    printf("%s, %s: %d slower by more than %.0f %%, %d no longer right, %d missing; %d were "
           "skipped; %d were disturbed (~) and judged by their best\n", col->file, col->device,
           col->slower, 100.0 * c->threshold, col->worse, col->missing, col->skipped,
           col->disturbed);
    return col->gone || col->slower || col->worse || col->missing;
}

int bench_compare(int argc, char **argv)
{
    comparison c = { 0 };
    int result = parse(&c, argc, argv);

    if (result < 0) {
        result = 0;
    } else if (!result) {
        for (int i = 0; i < c.n_columns; i++)
            print_column(&c, i);
        print_rows(&c);
        for (int i = 0; i < c.n_files; i++)
            print_kind(&c, i);
        for (int i = 0; i < c.n_columns; i++)
            print_settings(&c, &c.columns[i]);
        for (int i = 0; i < c.n_columns; i++)
            result |= print_sum(&c, &c.columns[i]);
    }
    for (int i = 0; i < c.n_files; i++)
        cJSON_Delete(c.files[i]);
    free(c.files);
    free(c.columns);
    return result;
}
