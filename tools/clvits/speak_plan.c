// SPDX-License-Identifier: MIT
//
// The plan as a table: spans summed by node and stage, beside what they were placed by, or else
// what a roofline says they take.
#include "speak.h"

#include <stdlib.h>
#include <string.h>

/* Nodes shorter than this say nothing about a device's ceilings. */
static const double shortest = 5e-6;

struct plan_row {
    clvits_span first; /* with texts of its own; flops and bytes are sums over the calls */
    double seconds;
    int calls;
    bool measured;
};

static bool same(const clvits_span *a, const clvits_span *b)
{
    if (a->kind != b->kind || a->node != b->node || a->place != b->place ||
        strcmp(a->stage, b->stage) || strcmp(a->name, b->name))
        return false;
    return a->kind != CLVITS_SPAN_NODE ||
           (!strcmp(a->label, b->label) && !strcmp(a->kernel, b->kernel) &&
            !strcmp(a->options, b->options) && !strcmp(a->tuned, b->tuned));
}

/* Runs repeat, so the row that follows the last one found is the likely one. */
static struct plan_row *find(plan_table *t, const clvits_span *s)
{
    for (size_t i = 0; i < t->n; i++) {
        const size_t at = (t->next + i) % t->n;
        if (same(&t->rows[at].first, s)) {
            t->next = at + 1;
            return &t->rows[at];
        }
    }
    return NULL;
}

static struct plan_row *append(plan_table *t, const clvits_span *s)
{
    if (t->n == t->capacity) {
        const size_t capacity = 2 * t->capacity + 256;
        struct plan_row *more = realloc(t->rows, capacity * sizeof(*more));
        if (!more)
            return NULL;
        t->rows = more;
        t->capacity = capacity;
    }
    struct plan_row *row = &t->rows[t->n];
    *row = (struct plan_row){ .first = *s, .measured = true };
    const char **texts[] = { &row->first.device, &row->first.name,   &row->first.stage,
                             &row->first.label,  &row->first.shape,  &row->first.kernel,
                             &row->first.options, &row->first.tuned };
    bool complete = true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        *texts[i] = strdup(*texts[i]);
        complete = complete && *texts[i];
    }
    row->first.flops = row->first.bytes = row->first.predicted = 0.0;
    t->n++;
    t->next = t->n;
    return complete ? row : NULL;
}

void plan_table_add(plan_table *t, const clvits_span *s)
{
    if (t->failed)
        return;
    struct plan_row *row = find(t, s);

    if (!row)
        row = append(t, s);
    if (!row) {
        t->failed = true;
        return;
    }
    row->calls++;
    row->first.flops += s->flops;
    row->first.bytes += s->bytes;
    row->first.predicted += s->predicted;
    row->measured = row->measured && s->length >= 0;
    row->seconds += s->length > 0 ? (double)s->length * 1e-9 : 0.0;
}

typedef struct ceiling {
    double flops, bytes; /* per second; 0: not known */
} ceiling;

static ceiling ceiling_of(const plan_table *t, int place)
{
    ceiling c = { t->gflops * 1e9, t->gbytes * 1e9 };

    for (size_t i = 0; i < t->n && t->gflops <= 0.0f; i++) {
        const struct plan_row *r = &t->rows[i];
        if (r->first.kind != CLVITS_SPAN_NODE || r->first.place != place || !r->measured ||
            r->seconds < shortest)
            continue;
        if (r->first.flops / r->seconds > c.flops)
            c.flops = r->first.flops / r->seconds;
        if (r->first.bytes / r->seconds > c.bytes)
            c.bytes = r->first.bytes / r->seconds;
    }
    return c;
}

static double predict(const clvits_span *s, const ceiling *c)
{
    const double compute = c->flops > 0.0 ? s->flops / c->flops : 0.0;
    const double move = c->bytes > 0.0 ? s->bytes / c->bytes : 0.0;
    return compute > move ? compute : move;
}

static void print_ceilings(const plan_table *t)
{
    if (t->gflops > 0.0f) {
        fprintf(stderr, "ceilings, as given: %.1f GFLOP/s, %.1f GB/s\n", (double)t->gflops,
                (double)t->gbytes);
        return;
    }
    for (int place = 0; place < TRACE_PLACES; place++)
        for (size_t i = 0; i < t->n; i++) {
            if (t->rows[i].first.kind != CLVITS_SPAN_NODE || t->rows[i].first.place != place)
                continue;
            const ceiling c = ceiling_of(t, place);
            fprintf(stderr, "ceilings of place %d, %s: %.1f GFLOP/s, %.1f GB/s (the best of any "
                            "node in this run; --ceilings sets others)\n",
                    place, t->rows[i].first.device, c.flops * 1e-9, c.bytes * 1e-9);
            break;
        }
}

/* What a stage's nodes come to. */
typedef struct sum {
    int nodes, calls;
    double flops, bytes, predicted, measured;
} sum;

static void print_row(const struct plan_row *r, sum *total, const ceiling *c)
{
    const clvits_span *s = &r->first;
    const double roof = predict(s, c), predicted = s->predicted > 0.0 ? s->predicted : roof;
    char measured[32] = "-", share[32] = "-";

    if (r->measured) {
        snprintf(measured, sizeof(measured), "%.3f", r->seconds * 1e3);
        if (r->seconds > 0.0)
            snprintf(share, sizeof(share), "%.0f%%", 100.0 * roof / r->seconds);
    }
    fprintf(stderr, "%5d %5d %5d %9.3f %10.3f %10.3f %10s %6s  %s %s %s%s%s%s%s%s%s\n", s->node,
            s->place, r->calls, s->bytes * 1e-6, s->flops * 1e-6, predicted * 1e3, measured, share,
            s->name, s->label, s->shape, *s->kernel ? ", kernel " : "", s->kernel,
            *s->options ? " " : "", s->options, *s->tuned ? ", tuned " : "", s->tuned);
    total->nodes++;
    total->calls += r->calls;
    total->flops += s->flops;
    total->bytes += s->bytes;
    total->predicted += predicted;
    total->measured += r->seconds;
}

static int by_node(const void *a, const void *b)
{
    const struct plan_row *x = a, *y = b;
    return (x->first.node > y->first.node) - (x->first.node < y->first.node);
}

static void print_total(const char *what, const sum *s)
{
    fprintf(stderr, "%s: %d nodes, %d calls, %.1f MB, %.1f MFLOP, predicted %.3f ms, measured "
                    "%.3f ms\n", what, s->nodes, s->calls, s->bytes * 1e-6, s->flops * 1e-6,
            s->predicted * 1e3, s->measured * 1e3);
}

/* Copies by kind and place, then what the host did. */
static void print_others(const plan_table *t, const char *stage)
{
    static const clvits_span_kind kinds[] = { CLVITS_SPAN_COPY, CLVITS_SPAN_HOST };

    for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
        for (size_t i = 0; i < t->n; i++) {
            const clvits_span *s = &t->rows[i].first;
            if (s->kind != kinds[k] || strcmp(s->stage, stage))
                continue;
            fprintf(stderr, "  %s", s->name);
            if (s->kind == CLVITS_SPAN_COPY)
                fprintf(stderr, " on place %d, %.3f MB", s->place, s->bytes * 1e-6);
            else
                fprintf(stderr, ", host");
            fprintf(stderr, ": %d time%s, ", t->rows[i].calls, program_plural(t->rows[i].calls));
            if (t->rows[i].measured)
                fprintf(stderr, "%.3f ms\n", t->rows[i].seconds * 1e3);
            else
                fprintf(stderr, "not measured\n");
        }
}

static void add(sum *to, const sum *s)
{
    to->nodes += s->nodes;
    to->calls += s->calls;
    to->flops += s->flops;
    to->bytes += s->bytes;
    to->predicted += s->predicted;
    to->measured += s->measured;
}

int plan_table_print(plan_table *t)
{
    static const char *const stages[] = { "text", "latent", "wave" };
    ceiling ceilings[TRACE_PLACES];
    sum all = { 0 };

    if (t->failed)
        return program_fail(CODE_FAILED, "out of memory for the plan");
    qsort(t->rows, t->n, sizeof(*t->rows), by_node);
    for (int i = 0; i < TRACE_PLACES; i++)
        ceilings[i] = ceiling_of(t, i);
    clearerr(stderr); /* a note that was lost before is no matter */
    print_ceilings(t);
    for (int k = 0; k < 3; k++) {
        sum total = { 0 };
        fprintf(stderr, "\nstage %s\n NODE PLACE CALLS        MB      MFLOP PREDICT ms MEASURE ms "
                        "  ROOF  OPERATOR LABEL SHAPE, KERNEL OPTIONS\n", stages[k]);
        for (size_t i = 0; i < t->n; i++)
            if (t->rows[i].first.kind == CLVITS_SPAN_NODE &&
                !strcmp(t->rows[i].first.stage, stages[k]) && t->rows[i].first.place < TRACE_PLACES)
                print_row(&t->rows[i], &total, &ceilings[t->rows[i].first.place]);
        print_total(stages[k], &total);
        print_others(t, stages[k]);
        add(&all, &total);
    }
    fputc('\n', stderr);
    print_total("all stages", &all);
    print_others(t, "");
    return ferror(stderr) ? program_fail(CODE_OUTPUT, "the plan cannot be written to standard "
                                                      "error") : CODE_OK;
}

void plan_table_free(plan_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const clvits_span *s = &t->rows[i].first;
        const char *const texts[] = { s->device, s->name,   s->stage,  s->label,
                                      s->shape,  s->kernel, s->options, s->tuned };
        for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++)
            free((char *)texts[k]);
    }
    free(t->rows);
    *t = (plan_table){ 0 };
}
