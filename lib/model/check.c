// SPDX-License-Identifier: MIT
#include "model/check.h"
#include "graph/trial.h"
#include "graph/trust.h"
#include "model/context.h"

#include <clvits/check.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one way of running a graph gave. */
typedef struct outcome {
    float *values[CLVITS_CHECK_OUTPUTS]; /* [B][T][C] of floats or ints, zeros past the lengths */
    double seconds;
    int place;
} outcome;

/* Items of one graph differ in length. */
static int length(int capacity, int item)
{
    return capacity - item * (capacity / CLVITS_CHECK_BATCH);
}

static clvits_status prepare(clvits_run *run, const clvits_check_graph *g, clvits_report *r)
{
    const clvits_graph *graph = g->graph;
    clvits_status s = CLVITS_OK;

    for (int b = 0; b < CLVITS_CHECK_BATCH && !s; b++) {
        for (int c = 1; c < graph->n_clocks && !s; c++)
            if (graph->clocks[c].parent < 0)
                s = clvits_run_set_length(run, c, b, length(graph->clocks[c].capacity, b), r);
        if (g->scalar)
            clvits_run_set_float(run, g->scalar, b, g->scalar_value + 0.1f * (float)b);
        if (g->seed_slot) {
            clvits_run_set_int(run, g->seed_slot, b, 1234567 * (b + 1));
            clvits_run_set_int(run, g->seed_slot + 1, b, b);
        }
        for (int i = 0; i < g->n_inputs && !s; i++) {
            const clvits_tensor *t = g->inputs[i].tensor;
            const size_t item = (size_t)t->T * (size_t)t->C * sizeof(float);
            s = clvits_run_write(run, t, b, (char *)g->inputs[i].values + (size_t)b * item, r);
        }
    }
    return s;
}

static clvits_status read_outputs(clvits_run *run, const clvits_check_graph *g, outcome *out,
                                  clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < g->n_outputs && !s; i++) {
        const clvits_tensor *t = g->outputs[i];
        out->values[i] = calloc((size_t)clvits_tensor_count(t), sizeof(float));
        if (!out->values[i])
            return clvits_fail_memory(r, "results to compare");
        for (int b = 0; b < t->B && !s; b++)
            s = clvits_run_read(run, t, b, 0, clvits_run_length(run, t->clock, b),
                                out->values[i] + (int64_t)b * t->T * t->C, r);
    }
    return s;
}

static clvits_status run_plan(const clvits_machine *m, clvits_plan *plan,
                              const clvits_check_graph *g, const clvits_op *op, outcome *out,
                              clvits_report *r)
{
    const int n = clvits_plan_launches(plan);
    clvits_node_time *times = calloc((size_t)n + 1, sizeof(*times));
    clvits_run *run = NULL;
    clvits_status s = times ? clvits_run_make(&run, plan, r) : clvits_fail_memory(r, "times");

    if (!s)
        s = prepare(run, g, r);
    for (int k = 0; k < 2 && !s; k++) /* the first time is the driver's */
        s = clvits_run_go(run, times, r);
    for (int i = 0; i < n && !s; i++)
        if (times[i].node->op == op) {
            out->seconds += times[i].seconds;
            out->place = times[i].place;
        }
    if (!s)
        s = read_outputs(run, g, out, r);
    if (s)
        clvits_machine_finish(m); /* what was enqueued may still read the operands */
    clvits_run_free(&run);
    free(times);
    return s;
}

static clvits_status run_on(const clvits_machine *m, const clvits_check_graph *g,
                            const clvits_op *op, outcome *out, clvits_report *r)
{
    clvits_packed_weights *weights = NULL;
    clvits_plan *plan = NULL;
    clvits_status s = clvits_packed_weights_open(&weights, r);

    if (!s)
        s = clvits_plan_make(&plan, g->graph, m, weights, NULL, r);
    if (!s)
        s = run_plan(m, plan, g, op, out, r);
    if (s)
        clvits_machine_finish(m); /* the inputs are about to go */
    clvits_plan_free(&plan);
    clvits_packed_weights_close(&weights);
    return s;
}

static void compare(clvits_check_result *result, const clvits_tensor *t, const float *got,
                    const float *want)
{
    const int64_t n = clvits_tensor_count(t);
    double largest = 1e-30, worst = 0.0;

    if (result->tolerance == 0.0 && memcmp(got, want, (size_t)n * sizeof(float)))
        result->ok = 0;
    for (int64_t i = 0; i < n; i++) {
        int a, b;
        memcpy(&a, &got[i], sizeof(a));
        memcpy(&b, &want[i], sizeof(b));
        const double x = t->type == CLVITS_I32 ? a : (double)got[i];
        const double y = t->type == CLVITS_I32 ? b : (double)want[i];
        largest = fmax(largest, fabs(y));
        if (!(fabs(x - y) <= worst))
            worst = isfinite(x - y) ? fabs(x - y) : INFINITY;
    }
    result->error = fmax(result->error, worst / largest);
    if (!(result->error <= result->tolerance))
        result->ok = 0;
}

static const clvits_node *node_of(const clvits_graph *g, const clvits_op *op)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->op == op)
            return g->nodes[i];
    return NULL;
}

/* The operands of the operator, or its result where it has none. */
static void describe(char *out, size_t size, const clvits_graph *g, const clvits_op *op)
{
    const clvits_node *n = node_of(g, op);
    size_t used = 0;

    out[0] = '\0';
    for (int i = 0; n && i < CLVITS_MAX_IN + CLVITS_MAX_OUT; i++) {
        const clvits_tensor *t = i < CLVITS_MAX_IN ? n->in[i] : n->out[i - CLVITS_MAX_IN];
        char text[96] = "";

        if (!t || (i >= CLVITS_MAX_IN && used))
            continue;
        if (t->role != CLVITS_WEIGHT)
            snprintf(text, sizeof(text), "(%d,%d,%d)", t->B, t->T, t->C);
        for (int k = 0; t->role == CLVITS_WEIGHT && k < t->rank; k++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%lld]",
                     (long long)t->shape[k]);
        if (used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", text);
    }
}

static void free_outcome(outcome *o)
{
    for (int i = 0; i < CLVITS_CHECK_OUTPUTS; i++)
        free(o->values[i]);
}

static void run_both(const clvits_machine *device, const clvits_machine *cpu,
                     const clvits_check_case *c, const clvits_check_graph *g,
                     clvits_check_result *result, clvits_report *r)
{
    outcome on_cpu = { .place = CLVITS_CPU_PLACE }, on_device = { .place = CLVITS_CPU_PLACE };

    if (!run_on(cpu, g, c->op, &on_cpu, r) && !run_on(device, g, c->op, &on_device, r)) {
        result->ok = 1;
        result->taken = device->n_places < 2 || on_device.place != CLVITS_CPU_PLACE;
        result->cpu_milliseconds = 1e3 * on_cpu.seconds;
        result->device_milliseconds = result->taken ? 1e3 * on_device.seconds : 0.0;
        for (int i = 0; i < g->n_outputs && result->taken; i++)
            compare(result, g->outputs[i], on_device.values[i], on_cpu.values[i]);
    }
    free_outcome(&on_cpu);
    free_outcome(&on_device);
}

/* One of the operator's kernels with so many rows, unless it is the last one again. Where there is
 * no such problem, or the device is to be spared the kernel, nothing is said: nothing uses it. */
static void try_kernel(const clvits_machine *m, const clvits_node *n, int variant, int rows,
                       clvits_launch *last, clvits_report *r)
{
    const clvits_target at = { .device = m->device[1], .place = 1, .variant = variant };
    clvits_report own = { .log = r->log, .log_user = r->log_user, .stop = r->stop };
    clvits_trial t = { 0 };
    clvits_status s = clvits_trial_open(&t, m, n, &at, 0.0f, rows, &own);
    const bool possible = !s, tried = possible && !clvits_launch_same(&t.launch, last);

    if (tried)
        s = clvits_program_check(m->device[1], &t.launch, &own);
    const bool built = tried && !s;
    if (built)
        s = clvits_trial_run(&t, &own);
    const bool wrong = possible ? built || s != CLVITS_E_UNSUPPORTED
                                : s == CLVITS_E_MEMORY || s == CLVITS_E_CANCELLED;
    if (s && wrong) {
        r->device = own.device;
        if (built)
            clvits_fail(r, s, "with %d rows: %s", rows, own.text);
        else
            clvits_fail(r, s, "%s", own.text);
    }
    *last = t.launch;
    clvits_trial_close(&t);
}

/* Every kernel that the operator has for the device, from one row to many, with NaNs in all memory
 * that nobody wrote, an empty item, and guard rows. */
static void try_kernels(const clvits_machine *m, const clvits_graph *g, const clvits_op *op,
                        clvits_report *r)
{
    static const int rows[] = { 1, 37, 101, 300 };
    const clvits_node *n = node_of(g, op);

    if (!n || !op->launch || (op->takes && !op->takes(n, m->device[1])))
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        clvits_launch last = { .dimensions = 1 };
        for (int variant = 0; variant < CLVITS_VARIANTS && !r->status; variant++)
            try_kernel(m, n, variant, rows[i], &last, r);
    }
}

static void check_case(const clvits_machine *device, const clvits_machine *cpu,
                       const clvits_check_case *c, clvits_check_result *result, char *shape,
                       size_t size, clvits_report *r)
{
    clvits_check_graph g;

    *result = (clvits_check_result){ .name = c->name, .shape = shape, .tolerance = c->tolerance };
    shape[0] = '\0';
    if (!clvits_check_open(&g, c, device->halves, r)) {
        if (g.halves)
            result->tolerance = CLVITS_TRIAL_HALVES;
        describe(shape, size, g.graph, c->op);
        run_both(device, cpu, c, &g, result, r);
        if (result->ok && device->n_places > 1) /* or why the device could not take it */
            try_kernels(device, g.graph, c->op, r);
    }
    if (r->status) {
        result->failure = r->text;
        result->ok = 0;
    }
    clvits_check_close(&g);
}

const char *clvits_check_name(int i)
{
    return i >= 0 && i < clvits_check_case_count ? clvits_check_cases[i].name : NULL;
}

static bool is_named(const char *check, const char *name)
{
    const size_t n = strlen(name);
    return !strncmp(check, name, n) && (check[n] == '\0' || check[n] == ',');
}

int clvits_check_next(const clvits_check_params *p)
{
    for (int i = p->first < 0 ? 0 : p->first; i < clvits_check_case_count; i++) {
        bool wanted = !p->names;
        for (size_t k = 0; k < p->n_names && !wanted; k++)
            wanted = is_named(clvits_check_cases[i].name, p->names[k]);
        if (wanted)
            return i;
    }
    return -1;
}

static int count(clvits_check_params p)
{
    int n = 0;

    for (p.first = 0; (p.first = clvits_check_next(&p)) >= 0; p.first++)
        n++;
    return n;
}

clvits_status clvits_check(clvits_context *context, clvits_check_fn result, void *user)
{
    return clvits_check_some(context, NULL, result, user);
}

clvits_status clvits_check_some(clvits_context *context, const clvits_check_params *params,
                                clvits_check_fn result, void *user)
{
    clvits_check_params p = params ? *params : (clvits_check_params){ 0 };
    clvits_report r = clvits_context_report(context);
    clvits_machine device = context->machine, cpu = context->machine;
    const bool on_cpu = device.n_places < 2;
    int wrong = 0, ended = 0;

    if (on_cpu && clvits_cpu_open(&cpu.cpu, "baseline", 1, &r))
        return clvits_context_keep(context, &r);
    device.n_places = on_cpu ? 1 : 2;
    cpu.n_places = 1;
    device.trust = cpu.trust = NULL; /* it is to be seen how they fail */
    for (int i; !ended && (i = clvits_check_next(&p)) >= 0; p.first = i + 1) {
        clvits_report own = clvits_context_report(context);
        clvits_check_result line;
        char shape[256];

        check_case(&device, &cpu, &clvits_check_cases[i], &line, shape, sizeof(shape), &own);
        /* What one operator finds no room for on the device says nothing of the others. */
        if ((own.status == CLVITS_E_MEMORY && !own.device) || own.status == CLVITS_E_CANCELLED) {
            clvits_fail(&r, own.status, "%s", own.text);
            break;
        }
        wrong += !line.ok;
        ended = result && result(user, &line);
    }
    if (on_cpu)
        clvits_cpu_close(&cpu.cpu);
    if (ended)
        clvits_fail(&r, CLVITS_E_CANCELLED, "stopped by the caller");
    else if (wrong)
        clvits_fail(&r, CLVITS_E_DEVICE, "%d of %d checks went wrong on %s; %s", wrong,
                    count(p), clvits_context_device(context),
                    on_cpu ? "report this, and set CLVITS_CPU=baseline meanwhile"
                           : "update its driver, or place these operators on the CPU "
                             "(\"NAME=cpu\")");
    return clvits_context_keep(context, &r);
}
