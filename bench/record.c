// SPDX-License-Identifier: MIT
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double bench_median(double *of, int n)
{
    if (n < 1)
        return 0.0;
    qsort(of, (size_t)n, sizeof(*of), ascending);
    return n % 2 ? of[n / 2] : 0.5 * (of[n / 2 - 1] + of[n / 2]);
}

bench_stats bench_statistics(const bench_times *t)
{
    double s[BENCH_MAX_RUNS];
    bench_stats out = { 0 };

    if (!t->n)
        return out;
    memcpy(s, t->sample, (size_t)t->n * sizeof(*s));
    out.median = bench_median(s, t->n);
    out.min = s[0];
    out.p95 = s[(t->n * 95 + 99) / 100 - 1];
    out.spread = out.median > 0.0 ? (s[t->n * 3 / 4] - s[t->n / 4]) / out.median : 0.0;
    return out;
}

const char *bench_time_text(char out[BENCH_TIME], double seconds)
{
    const bool small = seconds < 1e-5;
    snprintf(out, BENCH_TIME, "%.3f %s", seconds * (small ? 1e6 : 1e3), small ? "us" : "ms");
    return out;
}

/* Five digits are more than a clock is good for, and keep the files small. */
static cJSON *number(double value)
{
    char text[32];
    snprintf(text, sizeof(text), "%.5g", value);
    return cJSON_CreateRaw(text);
}

static void add_times(cJSON *record, const char *name, const bench_times *t)
{
    const bench_stats s = bench_statistics(t);

    if (!t->n)
        return;
    cJSON *o = cJSON_AddObjectToObject(record, name);
    cJSON_AddItemToObject(o, "min", number(s.min));
    cJSON_AddItemToObject(o, "median", number(s.median));
    cJSON_AddItemToObject(o, "p95", number(s.p95));
    cJSON_AddItemToObject(o, "spread", number(s.spread));
    cJSON *samples = cJSON_AddArrayToObject(o, "samples");
    for (int i = 0; i < t->n; i++)
        cJSON_AddItemToArray(samples, number(t->sample[i]));
}

static void add_noise(cJSON *record, const bench_disturbance *n)
{
    if (!n->taken)
        return;
    cJSON_AddBoolToObject(record, "noisy", bench_is_noisy(n));
    cJSON *o = cJSON_AddObjectToObject(record, "noise");
    cJSON_AddItemToObject(o, "spread", number(n->spread));
    cJSON_AddItemToObject(o, "drift", number(n->drift));
    cJSON_AddItemToObject(o, "others", number(n->others));
    cJSON_AddItemToObject(o, "stolen", number(n->stolen));
    cJSON_AddItemToObject(o, "switches", number(n->switches));
    cJSON_AddNumberToObject(o, "tries", n->tries);
    if (n->waited > 0.0)
        cJSON_AddItemToObject(o, "waited", number(n->waited));
}

clvits_builds bench_builds(const bench *b)
{
    return b->machine.n_places > 1 ? clvits_device_builds(b->machine.device[1])
                                   : (clvits_builds){ 0 };
}

/* What the driver built for a case; a CPU path builds nothing. */
static void add_builds(const bench *b, cJSON *record)
{
    const clvits_builds now = bench_builds(b), *before = &b->built;

    if (b->machine.n_places < 2)
        return;
    cJSON_AddNumberToObject(record, "compiled", now.compiled - before->compiled);
    cJSON_AddItemToObject(record, "compile_seconds",
                          number(now.compile_seconds - before->compile_seconds));
    cJSON_AddNumberToObject(record, "loaded", now.loaded - before->loaded);
    cJSON_AddItemToObject(record, "load_seconds", number(now.load_seconds - before->load_seconds));
}

void bench_note_failure(bench_record *r, clvits_report *report)
{
    r->verdict = "failed";
    snprintf(r->reason, sizeof(r->reason), "%.500s", report->text);
    clvits_report_clear(report);
}

void bench_case_lose(bench_graph *g)
{
    bench_note_failure(&g->record, &g->b->report);
    bench_case_end(g);
}

void bench_value(bench_record *r, const char *name, double value)
{
    if (!r->values)
        r->values = cJSON_CreateObject();
    cJSON_AddItemToObject(r->values, name, number(value));
}

void bench_operator(bench_record *r, const char *name, double seconds)
{
    if (!r->operators)
        r->operators = cJSON_CreateObject();
    cJSON_AddItemToObject(r->operators, name, number(seconds));
}

void bench_drop(bench_record *r)
{
    cJSON_Delete(r->values);
    cJSON_Delete(r->operators);
    r->values = r->operators = NULL;
}

void bench_send_object(bench *b, const char *kind, cJSON *object)
{
    cJSON *line = cJSON_CreateObject();

    cJSON_AddItemToObject(line, kind, object);
    char *text = cJSON_PrintUnformatted(line);
    if (text) {
        fprintf(b->out, "%s\n", text);
        fflush(b->out);
    }
    cJSON_free(text);
    cJSON_Delete(line);
}

void bench_say_begin(bench *b, const char *level, const char *name)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "number", b->number);
    cJSON_AddStringToObject(o, "level", level);
    cJSON_AddStringToObject(o, "name", name);
    bench_send_object(b, "begin", o);
}

void bench_send(bench *b, bench_record *r)
{
    if (r->unasked && !strcmp(r->verdict, "ok")) {
        bench_drop(r);
        return;
    }
    cJSON *o = cJSON_CreateObject();

    if (!r->noise.taken)
        bench_quiet_end(b, r);
    cJSON_AddStringToObject(o, "level", r->level);
    cJSON_AddStringToObject(o, "name", r->name);
    cJSON_AddStringToObject(o, "verdict", r->verdict);
    cJSON_AddStringToObject(o, "reason", r->reason);
    cJSON_AddItemToObject(o, "error", number(r->error < 1e30 ? r->error : 1e30));
    cJSON_AddItemToObject(o, "flop", number(r->flops));
    if (r->multiplied > 0.0)
        cJSON_AddItemToObject(o, "multiplied", number(r->multiplied));
    cJSON_AddItemToObject(o, "bytes", number(r->bytes));
    add_times(o, "device_seconds", &r->device);
    add_times(o, "host_seconds", &r->host);
    add_noise(o, &r->noise);
    if (r->runs)
        cJSON_AddNumberToObject(o, "runs", r->runs);
    cJSON_AddItemToObject(o, "first_seconds", number(r->first));
    add_builds(b, o);
    cJSON_AddItemToObject(o, "roofline", number(r->roofline));
    if (r->roofline > 0.0) {
        cJSON_AddItemToObject(o, "peak_flops", number(r->peak_flops));
        cJSON_AddItemToObject(o, "peak_bytes", number(r->peak_bytes));
    }
    if (r->values)
        cJSON_AddItemToObject(o, "values", r->values);
    if (r->operators)
        cJSON_AddItemToObject(o, "operators", r->operators);
    r->values = r->operators = NULL;
    bench_send_object(b, "record", o);
}
