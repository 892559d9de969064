// SPDX-License-Identifier: MIT
#include "bench.h"

#include "graph/plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_RUNS = 5, LONGEST = 10, QUICK_LONGEST = 1 }; /* seconds, then fewer runs will do */
enum { GROUP = 256 }; /* runs that make a sample, at most */

struct bench_input {
    struct bench_input *next;
    clvits_tensor *tensor;
    const void *values;
};

void bench_case_fail(bench_graph *g, const char *verdict, const char *format, ...)
{
    va_list args;

    if (strcmp(g->record.verdict, "ok"))
        return;
    g->record.verdict = verdict;
    va_start(args, format);
    vsnprintf(g->record.reason, sizeof(g->record.reason), format, args);
    va_end(args);
}

static bool ok(bench_graph *g, clvits_status s)
{
    if (s) {
        bench_case_fail(g, "failed", "%s: %.450s", clvits_status_text(s), g->b->report.text);
        clvits_report_clear(&g->b->report);
    }
    return !s;
}

bool bench_wants_level(const bench_options *o, const char *level)
{
    return !o->levels || strstr(o->levels, level);
}

bool bench_wants(const bench_options *o, const char *level, const char *name)
{
    return bench_wants_level(o, level) && (!o->filter || strstr(name, o->filter));
}

bool bench_record_begin(bench *b, bench_record *r)
{
    const bool for_another = b->for_another;

    b->for_another = false;
    r->unasked = !bench_wants(b->o, r->level, r->name);
    if (r->unasked && !for_another)
        return false;
    b->number++;
    if (!b->out || b->number <= b->from)
        return false;
    bench_say_begin(b, r->level, r->name);
    b->built = bench_builds(b);
    if (bench_now() < b->deadline) {
        bench_quiet_begin(b);
        return true;
    }
    r->verdict = "skipped";
    snprintf(r->reason, sizeof(r->reason), BENCH_HURRIED " for it");
    bench_send(b, r);
    return false;
}

static void init(bench_graph *g, bench *b, const char *level)
{
    *g = (bench_graph){ .b = b, .seed = 1, .tolerance = 1e-5, .own_graph = true,
                        .record = { .level = level, .verdict = "ok" } };
}

static bool open_graph(bench_graph *g, int batch)
{
    clvits_status s = clvits_packed_weights_open(&g->weights, &g->b->report);

    if (!s)
        s = clvits_graph_open(&g->graph, batch, &g->b->report);
    return ok(g, s);
}

bool bench_graph_open(bench_graph *g, bench *b, int batch)
{
    init(g, b, "operator");
    return open_graph(g, batch);
}

bool bench_case_begin(bench_graph *g, bench *b, const char *level, int batch, const char *format,
                      ...)
{
    va_list args;

    init(g, b, level);
    va_start(args, format);
    vsnprintf(g->record.name, sizeof(g->record.name), format, args);
    va_end(args);
    if (!bench_record_begin(b, &g->record))
        return false;
    if (open_graph(g, batch))
        return true;
    bench_case_end(g);
    return false;
}

void bench_case_take(bench_graph *g, clvits_graph *graph)
{
    clvits_graph_close(&g->graph);
    g->graph = graph;
    g->own_graph = false;
}

/* NULL when there is none, which the case says. */
static void *memory(bench_graph *g, size_t n, size_t size)
{
    void *p = clvits_arena_array(&g->arena, n + 1, size);
    if (!p)
        ok(g, clvits_fail_memory(&g->b->report, "a case's numbers"));
    return p;
}

float *bench_random(bench_graph *g, int64_t n, float range)
{
    float *p = memory(g, (size_t)n, sizeof(*p));
    for (int64_t i = 0; p && i < n; i++) {
        g->seed = g->seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = range * (2.0f * (float)(g->seed >> 40) / 16777216.0f - 1.0f);
    }
    return p;
}

void bench_feed_of(bench_graph *g, clvits_tensor *input, const void *values)
{
    struct bench_input *in = memory(g, 1, sizeof(*in));
    if (!in)
        return;
    *in = (struct bench_input){ g->inputs, input, values };
    g->inputs = in;
}

void bench_feed_floats(bench_graph *g, clvits_tensor *input)
{
    if (input)
        bench_feed_of(g, input, bench_random(g, clvits_tensor_count(input), 1.0f));
}

void bench_feed(bench_graph *g, clvits_tensor *input, int (*value)(int row))
{
    if (!input)
        return;
    int *values = memory(g, (size_t)clvits_tensor_count(input), sizeof(*values));
    for (int i = 0; values && i < input->B * input->T; i++)
        values[i] = value(i % input->T);
    bench_feed_of(g, input, values);
}

clvits_tensor *bench_input(bench_graph *g, int clock, int channels, const float **values)
{
    clvits_tensor *t = clvits_graph_input(g->graph, CLVITS_F32, clock, channels);

    bench_feed_floats(g, t);
    if (values)
        *values = g->inputs ? g->inputs->values : NULL;
    return t;
}

clvits_tensor *bench_ints(bench_graph *g, int clock, int (*value)(int row))
{
    clvits_tensor *t = clvits_graph_input(g->graph, CLVITS_I32, clock, 1);
    bench_feed(g, t, value);
    return t;
}

clvits_tensor *bench_weight(bench_graph *g, int rank, const int64_t *shape, float range,
                            const float **values)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= shape[i];
    const float *w = bench_random(g, n, range);
    if (values)
        *values = w;
    return clvits_graph_weight(g->graph, w, rank, shape);
}

void bench_scalar_int(bench_graph *g, int slot, int value)
{
    if (g->n_scalars == BENCH_MAX_SCALARS) {
        bench_case_fail(g, "failed", "a case has %d scalars at most", BENCH_MAX_SCALARS);
        return;
    }
    g->scalars[g->n_scalars].slot = slot;
    g->scalars[g->n_scalars++].bits = value;
}

void bench_scalar(bench_graph *g, int slot, float value)
{
    int bits;
    memcpy(&bits, &value, sizeof(bits));
    bench_scalar_int(g, slot, bits);
}

/* Lengths, scalars and inputs of a run. */
static clvits_status prepare(bench_graph *g, clvits_run *run)
{
    clvits_report *r = &g->b->report;
    const clvits_graph *graph = g->graph;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < graph->batch && !s; i++) {
        for (int c = 1; c < graph->n_clocks && !s; c++)
            if (graph->clocks[c].parent < 0)
                s = clvits_run_set_length(
                    run, c, i, g->lengths[c] ? g->lengths[c] : graph->clocks[c].capacity, r);
        if (g->wanted && !s)
            s = clvits_run_set_first(run, g->wanted_clock, i, g->wanted_first, r);
        for (int k = 0; k < g->n_scalars; k++)
            clvits_run_set_int(run, g->scalars[k].slot, i, g->scalars[k].bits);
        for (const struct bench_input *in = g->inputs; in && !s; in = in->next)
            s = clvits_run_write(run, in->tensor, i,
                                 (const int *)in->values +
                                     (int64_t)i * in->tensor->T * in->tensor->C, r);
    }
    return s;
}

static clvits_status read_all(bench_graph *g, clvits_run *run, const clvits_tensor *t, float *out)
{
    clvits_status s = CLVITS_OK;
    for (int i = 0; i < t->B && !s; i++)
        s = clvits_run_read(run, t, i, 0, clvits_run_length(run, t->clock, i),
                            out + (int64_t)i * t->T * t->C, &g->b->report);
    return s;
}

const float *bench_output(bench_graph *g, const clvits_tensor *t)
{
    float *out = memory(g, (size_t)clvits_tensor_count(t), sizeof(*out));
    return out && ok(g, read_all(g, g->run, t, out)) ? out : NULL;
}

/* Zeros where nobody wants the rows of a result. */
static void keep_wanted(const bench_graph *g, const clvits_tensor *t, float *x)
{
    const int first = clvits_run_table(g->run)[CLVITS_FIRST_ROWS + t->clock]; /* of one item */
    for (int row = first; t == g->wanted && row < first + t->T; row++, x += t->C)
        if (row < g->wanted_rows.first || row >= g->wanted_rows.end)
            memset(x, 0, (size_t)t->C * sizeof(*x));
}

static void compare(bench_graph *g, const clvits_tensor *t, float *got, float *want)
{
    const int64_t n = clvits_tensor_count(t);
    double worst = 0.0, largest = 1e-30, signal = 0.0, noise = 0.0;

    keep_wanted(g, t, got);
    keep_wanted(g, t, want);
    if (t->type == CLVITS_I32) {
        if (memcmp(got, want, (size_t)n * sizeof(*got)))
            bench_case_fail(g, "wrong", "whole numbers differ from those of the CPU path");
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const double d = fabs((double)got[i] - (double)want[i]);
        largest = fmax(largest, fabs((double)want[i]));
        if (!(d <= worst))
            worst = isfinite(d) ? d : INFINITY;
        signal += (double)want[i] * (double)want[i];
        noise += d * d;
    }
    g->record.error = fmax(g->record.error, worst / largest);
    if (g->noise > 0.0 && !(noise <= g->noise * signal))
        bench_case_fail(g, "wrong", "%.1f dB of signal to noise against the CPU path",
                        10.0 * log10(signal / fmax(noise, 1e-300)));
    else if (!(g->noise > 0.0) && !(worst / largest <= g->tolerance))
        bench_case_fail(g, "wrong", "differs by %.2g of the largest value from the CPU path",
                        worst / largest);
}

/* The same graph on the reference, and every kept output compared. */
static void check(bench_graph *g)
{
    clvits_report *r = &g->b->report;
    clvits_packed_weights *weights = NULL;
    clvits_plan *plan = NULL;
    clvits_run *run = NULL;
    clvits_status s = clvits_packed_weights_open(&weights, r);

    if (!s)
        s = clvits_plan_make(&plan, g->graph, &g->b->reference, weights, NULL, r);
    if (!s)
        s = clvits_run_make(&run, plan, r);
    if (!s)
        s = prepare(g, run);
    if (!s)
        s = clvits_run_go(run, NULL, r);
    for (int i = 0; i < g->graph->n_tensors && !s; i++) {
        const clvits_tensor *t = g->graph->tensors[i];
        if (!t->output || t->root != t)
            continue;
        const size_t n = (size_t)clvits_tensor_count(t);
        float *got = calloc(2 * n, sizeof(*got));
        s = got ? read_all(g, run, t, got + n) : clvits_fail_memory(r, "results to compare");
        if (!s)
            s = read_all(g, g->run, t, got);
        if (!s)
            compare(g, t, got, got + n);
        free(got);
    }
    ok(g, s);
    clvits_run_free(&run);
    clvits_plan_free(&plan);
    clvits_packed_weights_close(&weights);
}

/* The rows that what is wanted of the result needs, as an utterance's windows have them. */
static void shorten(bench_graph *g)
{
    if (!g->wanted)
        return;
    const clvits_range rows = clvits_run_reach(g->run, g->wanted, g->wanted_rows, g->wanted_clock);
    g->lengths[g->wanted_clock] =
        (int)((rows.end < g->frames ? rows.end : g->frames) - rows.first);
    g->wanted_first = (int)rows.first;
}

/* A run that makes no more than what is wanted of the result. */
static clvits_status go(bench_graph *g, clvits_node_time *times)
{
    if (g->wanted)
        clvits_run_ask(g->run, g->wanted, g->wanted_rows);
    return clvits_run_go(g->run, times, &g->b->report);
}

/* What a device refuses goes to the CPU path, whose time is not the device's. */
static bool taken(bench_graph *g)
{
    int elsewhere = 0;

    for (int i = 0; i < g->graph->n_nodes && g->b->machine.n_places > 1; i++)
        elsewhere += clvits_plan_place(g->plan, g->graph->nodes[i]) == CLVITS_CPU_PLACE;
    if (!elsewhere)
        return true;
    if (g->own_graph)
        bench_case_fail(g, "failed", "the device does not take it%s%.450s",
                        g->b->warning[0] ? ": " : "", g->b->warning);
    else
        snprintf(g->record.reason, sizeof(g->record.reason),
                 "%d of %d nodes run on the CPU path", elsewhere, g->graph->n_nodes);
    return !g->own_graph;
}

bool bench_case_check(bench_graph *g)
{
    bench *b = g->b;
    const double start = bench_now();

    if (strcmp(g->record.verdict, "ok"))
        return false;
    clvits_status s = g->own_graph ? clvits_graph_finish(g->graph, &b->report) : CLVITS_OK;

    if (!s)
        s = clvits_plan_make(&g->plan, g->graph, &b->machine, g->weights, NULL, &b->report);
    if (!s)
        s = clvits_run_make(&g->run, g->plan, &b->report);
    if (!s)
        shorten(g);
    if (!s)
        s = prepare(g, g->run);
    if (!s)
        s = go(g, NULL);
    if (!s && b->machine.n_places > 1)
        s = clvits_device_finish(b->machine.device[1], &b->report);
    g->first = bench_now() - start;
    if (ok(g, s) && taken(g))
        check(g);
    return !strcmp(g->record.verdict, "ok");
}

static const clvits_tensor *first_output(const bench_graph *g)
{
    for (int i = 0; i < g->graph->n_tensors; i++)
        if (g->graph->tensors[i]->output && g->graph->tensors[i]->root == g->graph->tensors[i])
            return g->graph->tensors[i];
    return NULL;
}

static bool is_second(const bench_graph *g, const clvits_node *n)
{
    return g->second && n->label && !strncmp(n->label, g->second, strlen(g->second));
}

/* A plan gives an input's memory away after its last read, so every run wants its inputs anew: what
 * the one before left there takes another time. */
static clvits_status prepare_again(bench_graph *g)
{
    const bench *b = g->b;
    const clvits_status s = prepare(g, g->run);

    return s || b->machine.n_places == 1 ? s
                                         : clvits_device_finish(b->machine.device[1],
                                                                &g->b->report);
}

/* One run as a caller sees it, from the call until a result can be read; and one with every node
 * waited for, for the device's own times. */
static clvits_status run_both(bench_graph *g, const clvits_tensor *output, float *row,
                              clvits_node_time *times, double *host, double *device, double *part)
{
    clvits_report *r = &g->b->report;
    const int launches = clvits_plan_launches(g->plan);
    clvits_status s = prepare_again(g);
    const double start = bench_now();

    if (!s)
        s = go(g, NULL);
    if (!s)
        s = clvits_run_read(g->run, output, 0, 0, 1, row, r);
    *host = bench_now() - start;
    if (!s)
        s = prepare_again(g);
    if (!s)
        s = go(g, times);
    *device = *part = 0.0;
    for (int i = 0; i < launches && !s; i++)
        *(is_second(g, times[i].node) ? part : device) += times[i].seconds;
    return s;
}

/* Seconds in each operator of a record, which add up to the median of its device's clock. */
static void add_operators(bench_graph *g, bench_record *r, const clvits_node_time *times,
                          const double *spent)
{
    const int launches = clvits_plan_launches(g->plan);
    const bool second = r == &g->part;
    double total = 0.0;

    for (int i = 0; i < launches; i++)
        total += is_second(g, times[i].node) == second ? spent[i] : 0.0;
    const double scale = total > 0.0 ? bench_statistics(&r->device).median / total : 0.0;
    for (const clvits_op *const *op = clvits_ops; *op; op++) {
        double sum = 0.0;
        for (int i = 0; i < launches; i++)
            if (times[i].node->op == *op && is_second(g, times[i].node) == second)
                sum += spent[i];
        if (sum > 0.0)
            bench_operator(r, (*op)->name, scale * sum);
    }
}

/* What runs leave behind. */
typedef struct timing {
    const clvits_tensor *output;
    float *row; /* of it */
    clvits_node_time *times;
    double *spent; /* in each node, by all runs */
} timing;

/* A sample is the median of runs that follow each other for so many seconds: forty short runs would
 * be over in the time of one disturbance. */
static clvits_status sample(bench_graph *g, const timing *t, double seconds)
{
    const int launches = clvits_plan_launches(g->plan);
    double host[GROUP], device[GROUP], part[GROUP];
    bench_record *rec = &g->record;
    const double start = bench_now();
    clvits_status s = CLVITS_OK;
    int n = 0;

    while (!s && n < GROUP && (!n || bench_now() - start < seconds)) {
        s = run_both(g, t->output, t->row, t->times, &host[n], &device[n], &part[n]);
        for (int i = 0; i < launches && !s; i++)
            t->spent[i] += t->times[i].seconds;
        n++;
    }
    rec->host.sample[rec->host.n++] = bench_median(host, n);
    rec->device.sample[rec->device.n++] = bench_median(device, n);
    g->part.device.sample[g->part.device.n++] = bench_median(part, n);
    rec->runs += n;
    return s;
}

/* All samples of a case. */
static clvits_status take(bench_graph *g, const timing *t)
{
    const bench *b = g->b;
    const double longest = b->o->quick ? QUICK_LONGEST : LONGEST;
    bench_record *rec = &g->record;
    const double start = bench_now();
    clvits_status s = CLVITS_OK;

    rec->host.n = rec->device.n = g->part.device.n = rec->runs = 0;
    while (!s && rec->host.n < BENCH_MAX_RUNS &&
           (!rec->host.n ||
            bench_now() - start < (rec->host.n < MIN_RUNS ? longest : b->o->seconds)))
        s = sample(g, t, b->o->seconds / BENCH_MAX_RUNS);
    if (!ok(g, s))
        rec->host.n = 0;
    if (s || b->no_events)
        rec->device.n = g->part.device.n = 0;
    return s;
}

static void measure(bench_graph *g)
{
    const size_t launches = (size_t)clvits_plan_launches(g->plan);
    const clvits_tensor *output = first_output(g);
    const timing t = { .output = output,
                       .row = memory(g, (size_t)output->C, sizeof(float)),
                       .times = memory(g, launches, sizeof(clvits_node_time)),
                       .spent = memory(g, launches, sizeof(double)) };
    bench_record *rec = &g->record;
    bench_tries tries = { 0 };
    double host, device, part;

    if (!ok(g, run_both(g, t.output, t.row, t.times, &host, &device, &part)))
        return;
    bench_quiet_begin(g->b);
    do
        take(g, &t);
    while (bench_try_again(g->b, &tries, rec, &g->part.device));
    if (rec->device.n && !strcmp(rec->level, "stage")) {
        add_operators(g, rec, t.times, t.spent);
        add_operators(g, &g->part, t.times, t.spent);
    }
}

/* What this run took, by the lengths that it had and the places that its nodes ran on. */
static void count_work(bench_graph *g)
{
    const int *lengths = clvits_run_table(g->run);

    if (g->wanted)
        clvits_run_ask(g->run, g->wanted, g->wanted_rows);
    for (int i = 0; i < g->plan->n_steps; i++) {
        const clvits_step *step = &g->plan->steps[i];
        if (!step->node)
            continue;
        bench_record *to = is_second(g, step->node) ? &g->part : &g->record;
        const double share = clvits_run_share(g->run, step->node);
        const double flops = share * clvits_node_flops(step->node, lengths);
        to->flops += flops;
        to->multiplied += flops * clvits_node_form(step->node, step->dims).multiplied;
        to->bytes += share * clvits_node_bytes(step->node, step->place, lengths);
    }
}

void bench_case_end(bench_graph *g)
{
    bench_record *rec = &g->record;
    bench *b = g->b;

    if (!g->plan && !strcmp(rec->verdict, "ok"))
        bench_case_check(g);
    if (g->run)
        count_work(g);
    if (!strcmp(rec->verdict, "ok"))
        measure(g);
    if (rec->host.n) {
        g->part.noise = rec->noise;
        g->part.noise.waited = 0.0; /* once is enough */
        g->part.runs = rec->runs;
        bench_peak_again(b);
        rec->first = fmax(g->first - bench_statistics(&rec->host).median, 0.0);
        bench_roofline(b, rec);
        bench_roofline(b, &g->part);
        bench_value(rec, "launches", clvits_plan_launches(g->plan));
    }
    bench_send(b, rec);
    bench_graph_close(g);
}

void bench_graph_close(bench_graph *g)
{
    clvits_machine_finish(&g->b->machine);
    clvits_run_free(&g->run);
    clvits_plan_free(&g->plan);
    if (g->own_graph)
        clvits_graph_close(&g->graph);
    clvits_packed_weights_close(&g->weights);
    clvits_arena_free(&g->arena);
}
