// SPDX-License-Identifier: MIT
#include "graph/trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ITEMS = 3, /* as long as can be, shorter, and empty, as slots of a batch may be */
    GUARD = 2, /* rows of an output, at least, where so many rows are asked for */
    LEAST_ROWS = 19,
    MOST_ROWS = 101, /* odd, and more than a work-group has */
    FIRST_ROW = 8,   /* of item 1 in the whole */
};

/* What is made of a node: all rows, and where it leaves out others, those that are asked for. */
enum { ALL, SOME, MAKINGS };

typedef struct results {
    float *out[MAKINGS][CLVITS_MAX_OUT]; /* each [item][guard + T + guard][C] */
} results;

static const double most_flops = 4e7; /* per item: a few milliseconds anywhere */

/* Device and CPU path may each be off by what tests allow, 1e-5 of the largest value. */
static const double in_floats = 2e-5;

static bool reads_clock(const clvits_node *n, int clock)
{
    for (int i = 0; i < CLVITS_MAX_IN; i++)
        if (n->in[i] && n->in[i]->role != CLVITS_WEIGHT && n->in[i]->clock == clock)
            return true;
    return false;
}

/* Rows of an input, or of what is made without one: enough for tails, few enough to be quick, and
 * an odd number. */
static int rows_for(const clvits_node *n)
{
    const clvits_tensor *t = n->in[0] ? n->in[0] : n->out[0];
    const double flops = clvits_node_flops(n, NULL);
    const double rows = most_flops * t->B * t->T / (flops > 1.0 ? flops : 1.0);

    /* Samples: a few frames, the last one cut off. */
    if (n->op == &clvits_op_spectrogram)
        return (2 * LEAST_ROWS + 1) * ((const clvits_spectrogram_params *)n->params)->hop / 2 | 1;
    return rows < LEAST_ROWS ? LEAST_ROWS : rows > MOST_ROWS ? MOST_ROWS : (int)rows | 1;
}

/* Of an item: all, some less, of which an odd number is left where all are odd, or none. */
static int length_of(int item, int rows)
{
    return item == 0 ? rows : item == 1 ? rows - rows / 5 * 2 : 0;
}

/* Of an alignment the text: as long as the frames, there would be one path alone. */
static bool is_text(const clvits_node *n, int clock)
{
    return (n->op == &clvits_op_search || n->op == &clvits_op_backtrack) &&
           clock == ((const clvits_search_params *)n->params)->text;
}

/* The clocks of the node's graph, of so many rows (0: as many as there); those that inputs have are
 * set by themselves. */
static void copy_clocks(clvits_graph *g, const clvits_node *n, int rows)
{
    const clvits_graph *from = n->graph;
    bool above[CLVITS_MAX_CLOCKS] = { false }; /* an input has it, or one that it comes of */

    memcpy(g->clocks, from->clocks, sizeof(g->clocks));
    g->n_clocks = from->n_clocks;
    g->n_scalars = from->n_scalars;
    for (int i = 1; i < g->n_clocks && rows; i++) {
        struct clvits_clock *c = &g->clocks[i];
        const bool derived = c->parent >= 0 && above[c->parent];
        above[i] = derived || reads_clock(n, i);
        if (above[i] && !derived)
            c->parent = -1;
        if (c->parent < 0) {
            c->capacity = is_text(n, i) ? (rows + 2) / 3 | 1 : rows;
            continue;
        }
        const int64_t all = ((int64_t)g->clocks[c->parent].capacity * c->mul + c->add) / c->div;
        c->capacity = all < 1 ? 1 : all > INT32_MAX ? INT32_MAX : (int)all;
    }
}

/* A small trial's weights get their numbers when it runs. */
static clvits_tensor *copy_input(clvits_graph *g, const clvits_tensor *t, bool small)
{
    static const float none;

    if (!t)
        return NULL;
    if (t->role == CLVITS_WEIGHT && t->n_parts && !small)
        return clvits_graph_weight_parts(g, t->parts, t->n_parts, t->rank, t->shape);
    if (t->role == CLVITS_WEIGHT)
        return clvits_graph_weight(g, small ? &none : t->data, t->rank, t->shape);
    clvits_tensor *root = clvits_graph_input(g, t->type, t->clock, t->root->C);
    return t->root == t ? root : clvits_graph_slice(root, t->c0, t->C);
}

/* slope: 0, or what its input 0 is activated with, of which `raw` then is the original; rows: 0: as
 * it is, and of its graph. */
static clvits_status copy_node(clvits_trial *t, const clvits_node *n, float slope,
                               const clvits_tensor *raw, int rows, clvits_report *r)
{
    clvits_tensor *in[CLVITS_MAX_IN];
    unsigned char *params = clvits_arena_alloc(&t->arena, n->op->params_size + 1);
    clvits_graph *g = t->graph;

    if (!params)
        return clvits_fail_memory(r, "a trial");
    memcpy(params, n->params, n->op->params_size);
    if (slope != 0.0f)
        n->op->activate(params, slope);
    copy_clocks(g, n, rows);
    clvits_graph_label(g, "%s", n->label);
    clvits_graph_halves(g, n->halves);
    for (int i = 0; i < CLVITS_MAX_IN; i++)
        in[i] = copy_input(g, i == 0 && raw ? raw : n->in[i], rows > 0);
    t->node = clvits_graph_add(g, n->op, in, CLVITS_MAX_IN, params);
    for (int i = 0; t->node && i < CLVITS_MAX_OUT; i++)
        if (n->out[i] && t->node->out[i]) {
            t->node->out[i]->guard = n->out[i]->guard;
            clvits_graph_keep(t->node->out[i]);
        }
    return clvits_graph_finish(g, r);
}

clvits_status clvits_trial_open(clvits_trial *t, const clvits_machine *m, const clvits_node *n,
                                const clvits_target *at, float slope, int rows, clvits_report *r)
{
    *t = (clvits_trial){ .launch = { .dimensions = 1 } };
    t->cpu = (clvits_machine){ .cpu = m->cpu, .n_places = 1 };
    t->device = (clvits_machine){ .cpu = m->cpu, .device = { NULL, (clvits_device *)at->device },
                                  .n_places = 2, .halves = m->halves };
    t->at = (clvits_target){ .device = at->device, .place = 1, .variant = at->variant };
    clvits_status s = clvits_graph_open(&t->graph, ITEMS, r);
    if (!s)
        s = copy_node(t, n, slope, NULL, rows ? rows : rows_for(n), r);
    if (s)
        return s;
    for (int i = 0; i < CLVITS_MAX_OUT && rows; i++)
        if (t->node->out[i] && t->node->out[i]->guard < GUARD)
            t->node->out[i]->guard = GUARD;
    void *dims = clvits_arena_alloc(&t->arena, n->op->dims_size);
    if (!dims)
        return clvits_fail_memory(r, "a trial");
    n->op->dims(t->node, &t->at, dims);
    n->op->launch(t->node, &t->at, dims, &t->launch);
    t->dims = dims;
    return CLVITS_OK;
}

clvits_status clvits_trial_whole(clvits_trial *t, const clvits_plan *p, const clvits_step *step,
                                 clvits_report *r)
{
    const clvits_node *n = step->node;
    const clvits_target at = clvits_plan_target(p, step->place);
    const clvits_tensor *raw = clvits_node_raw(&at, n);
    const float slope = raw ? raw->producer->op->slope(raw->producer) : 0.0f;

    *t = (clvits_trial){ .launch = step->launch };
    t->cpu = (clvits_machine){ .cpu = p->machine->cpu, .n_places = 1 };
    const clvits_status s = clvits_graph_open(&t->graph, n->graph->batch, r);
    return s ? s : copy_node(t, n, slope, raw, 0, r);
}

void clvits_trial_close(clvits_trial *t)
{
    clvits_graph_close(&t->graph);
    clvits_arena_free(&t->arena);
}

clvits_status clvits_trial_key(uint64_t *out, clvits_trial *t, clvits_report *r)
{
    const clvits_status s = clvits_launch_hash(out, t->device.device[1], &t->launch, r);
    const unsigned char *dims = t->dims;
    for (size_t i = 0; i < t->node->op->dims_size && !s; i++)
        *out = (*out ^ dims[i]) * 0x100000001b3u;
    for (const char *p = t->node->op->name; *p && !s; p++)
        *out = (*out ^ (unsigned char)*p) * 0x100000001b3u;
    return s;
}

static float *numbers(clvits_trial *t, uint64_t *seed, int64_t n, float most)
{
    float *p = clvits_arena_array(&t->arena, (size_t)n, sizeof(*p));

    for (int64_t i = 0; p && i < n; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = most * ((float)(*seed >> 40) / 8388608.0f - 1.0f);
    }
    return p;
}

/* As large as in a voice: sums stay near 1, where a gate shows what is wrong and nothing more. */
static float weight_range(const clvits_tensor *w)
{
    double inputs = 1.0;

    for (int k = 1; k < w->rank; k++)
        inputs *= (double)w->shape[k];
    return (float)fmin(0.5, 2.0 / sqrt(inputs));
}

static clvits_status fill_weights(clvits_trial *t, clvits_report *r)
{
    uint64_t seed = 1;

    for (int i = 0; i < CLVITS_MAX_IN; i++) {
        clvits_tensor *w = t->node->in[i];
        int64_t n = 1;
        if (!w || w->role != CLVITS_WEIGHT)
            continue;
        for (int k = 0; k < w->rank; k++)
            n *= w->shape[k];
        w->data = numbers(t, &seed, n, weight_range(w));
        if (!w->data)
            return clvits_fail_memory(r, "a trial's weights");
    }
    return CLVITS_OK;
}

/* Whole numbers are ids, or where the frames of each id end. */
static void fill_ints(const clvits_trial *t, int *to, int rows, int item)
{
    const clvits_tensor *table = t->node->in[1], *y = t->node->out[0];

    for (int i = 0; i < rows; i++)
        to[i] = t->node->op == &clvits_op_embedding
                    ? (int)(i * 29 % table->shape[0])
                    : item * FIRST_ROW + (int)((int64_t)(i + 1) * y->T / rows);
}

static clvits_status write_inputs(clvits_trial *t, clvits_run *run, clvits_report *r)
{
    clvits_status s = CLVITS_OK;
    uint64_t seed = 2;

    for (int i = 0; i < CLVITS_MAX_IN && !s; i++) {
        const clvits_tensor *x = t->node->in[i] ? t->node->in[i]->root : NULL;
        if (!x || x->role == CLVITS_WEIGHT)
            continue;
        /* Beyond the spline's tail as well, and where logarithms are. */
        const float most = t->node->op == &clvits_op_spline && i == 0 ? 6.0f : 1.0f;
        const bool positive = t->node->op == &clvits_op_unary &&
                              ((const clvits_unary_params *)t->node->params)->kind == CLVITS_LOG;
        for (int b = 0; b < ITEMS && !s; b++) {
            float *values = numbers(t, &seed, (int64_t)x->T * x->C, most);
            if (!values)
                return clvits_fail_memory(r, "a trial's inputs");
            if (x->type == CLVITS_I32)
                fill_ints(t, (int *)values, clvits_run_length(run, x->clock, b), b);
            for (int64_t k = 0; k < (int64_t)x->T * x->C && positive; k++)
                values[k] = fabsf(values[k]);
            s = clvits_run_write(run, x, b, values, r);
        }
    }
    return s;
}

/* Every word of the device's memory becomes a NaN, so that it shows in a result that rests on a row
 * nobody wrote, and in a guard row that nobody zeroed. */
static clvits_status poison(const clvits_run *run, const clvits_plan *plan, clvits_report *r)
{
    const size_t size = clvits_plan_bytes(plan, 1);
    void *nans = malloc(size + 1);

    if (!nans)
        return clvits_fail_memory(r, "a trial");
    memset(nans, 0xff, size);
    const clvits_status s =
        clvits_buffer_write(clvits_run_memory(run, 1).buffer, 0, size, nans, true, r);
    free(nans);
    return s;
}

static clvits_status go(clvits_trial *t, clvits_run *run, clvits_report *r)
{
    const clvits_graph *g = t->graph;
    clvits_status s = CLVITS_OK;

    for (int b = 0; b < ITEMS && !s; b++) {
        for (int c = 1; c < g->n_clocks && !s; c++) {
            if (g->clocks[c].parent >= 0)
                continue;
            s = clvits_run_set_length(run, c, b, length_of(b, g->clocks[c].capacity), r);
            if (!s)
                s = clvits_run_set_first(run, c, b, b * FIRST_ROW, r);
        }
        for (int i = 0; i < g->n_scalars; i++)
            clvits_run_set_float(run, CLVITS_MAX_CLOCKS + i, b, 0.7f + 0.1f * (float)b);
        if (t->node->op == &clvits_op_slice_rows)
            clvits_run_set_int(run, ((const clvits_slice_params *)t->node->params)->slot, b, 1 + b);
    }
    if (!s)
        s = write_inputs(t, run, r);
    return s ? s : clvits_run_go(run, NULL, r);
}

void clvits_trial_keep_rows(float *x, const clvits_tensor *t, int item, const clvits_run *run,
                            clvits_range rows)
{
    const int *table = clvits_run_table(run);
    const int before = table[(CLVITS_FIRST_ROWS + t->clock) * t->B + item];

    for (int i = 0; i < table[t->clock * t->B + item] && rows.first < rows.end; i++)
        if (before + (int64_t)i < rows.first || before + (int64_t)i >= rows.end)
            memset(x + (int64_t)i * t->C, 0, (size_t)t->C * sizeof(*x));
}

/* An output with its guard rows; zeros in rows that were not asked for. */
static clvits_status read_output(float **out, clvits_run *run, const clvits_tensor *y,
                                 clvits_range asked, clvits_report *r)
{
    const int64_t item = clvits_item_elements(y);
    clvits_status s = CLVITS_OK;

    *out = calloc((size_t)(ITEMS * item), sizeof(**out));
    if (!*out)
        return clvits_fail_memory(r, "a trial's results");
    for (int b = 0; b < ITEMS && !s; b++) {
        float *to = *out + b * item;
        s = clvits_run_read(run, y, b, -y->guard,
                            clvits_run_length(run, y->clock, b) + 2 * y->guard, to, r);
        clvits_trial_keep_rows(to + (int64_t)y->guard * y->C, y, b, run, asked);
    }
    return s;
}

static clvits_status make(clvits_trial *t, clvits_run *run, int making, results *to,
                          clvits_report *r)
{
    const clvits_tensor *y = t->node->out[t->node->out[0] == NULL];
    clvits_range asked = { 0, 0 };

    if (making == SOME) { /* the middle of the first item, and a part of the second */
        asked = (clvits_range){ y->T / 3, y->T - y->T / 3 };
        clvits_run_ask(run, y, asked);
    }
    clvits_status s = go(t, run, r);
    for (int i = 0; i < CLVITS_MAX_OUT && !s; i++)
        if (t->node->out[i])
            s = read_output(&to->out[making][i], run, t->node->out[i], asked, r);
    return s;
}

static int makings(const clvits_trial *t)
{
    return t->node->op->reach ? MAKINGS : 1;
}

static clvits_status compute(clvits_trial *t, const clvits_machine *m, results *to,
                             clvits_report *r)
{
    const clvits_target at = m->n_places > 1 ? t->at : (clvits_target){ .cpu = &m->cpu };
    clvits_packed_weights *weights = NULL;
    clvits_plan *plan = NULL;
    clvits_run *run = NULL;
    clvits_status s = clvits_packed_weights_open(&weights, r);

    if (!s)
        s = clvits_plan_make_at(&plan, t->graph, m, weights, &at, r);
    if (!s)
        s = clvits_run_make(&run, plan, r);
    t->placed = t->placed || !s;
    for (int i = 0; i < makings(t) && !s; i++) {
        if (m->n_places > 1)
            s = poison(run, plan, r);
        if (!s)
            s = make(t, run, i, to, r);
    }
    if (s)
        clvits_machine_finish(m); /* what is enqueued reads what goes now */
    clvits_run_free(&run);
    clvits_plan_free(&plan);
    clvits_packed_weights_close(&weights);
    return s;
}

static clvits_status differ(const clvits_trial *t, const clvits_tensor *y, int64_t at, double error,
                            double tolerance, clvits_report *r)
{
    const int64_t item = clvits_item_elements(y);
    char how[64] = "not a number";

    if (y->type == CLVITS_I32)
        snprintf(how, sizeof(how), "%s", "another number");
    else if (isfinite(error))
        snprintf(how, sizeof(how), "off by %.1e of the largest value, %.0e allowed", error,
                 tolerance);
    return clvits_fail(r, CLVITS_E_DEVICE, "kernel %s (%.80s) computes what is wrong: %s, item "
                       "%d, row %d, channel %d", t->launch.kernel, t->launch.options, how,
                       (int)(at / item), (int)(at % item / y->C) - y->guard, (int)(at % y->C));
}

clvits_status clvits_trial_compare(const clvits_trial *t, const clvits_tensor *y, const float *got,
                                   const float *want, double tolerance, clvits_report *r)
{
    const int64_t n = y->B * clvits_item_elements(y);
    double largest = 1e-30, worst = -1.0;
    int64_t at = 0;

    for (int64_t i = 0; i < n; i++) {
        int a, b;
        memcpy(&a, &got[i], sizeof(a));
        memcpy(&b, &want[i], sizeof(b));
        if (y->type == CLVITS_I32 && a != b)
            return differ(t, y, i, 0.0, 0.0, r);
        /* Where the CPU path makes no number, numbers overflow, and nothing is shown. */
        if (y->type == CLVITS_I32 || !isfinite(want[i]))
            continue;
        const double error = fabs((double)got[i] - (double)want[i]);
        largest = fmax(largest, fabs((double)want[i]));
        if (!(error <= worst) && !isnan(worst)) {
            worst = error;
            at = i;
        }
    }
    return y->type == CLVITS_I32 || worst / largest <= tolerance
               ? CLVITS_OK
               : differ(t, y, at, worst / largest, tolerance, r);
}

/* Most of what the CPU path makes has to be numbers, or the other's are compared with nothing.
 * Zeros say nothing: so are rows that are not there. */
static clvits_status check_numbers(const clvits_trial *t, const clvits_tensor *y, const float *want,
                                   clvits_report *r)
{
    const int64_t n = y->B * clvits_item_elements(y);
    int64_t numbers = 0, others = 0;

    for (int64_t i = 0; i < n && y->type != CLVITS_I32; i++) {
        numbers += isfinite(want[i]) && want[i] != 0.0f;
        others += !isfinite(want[i]);
    }
    return others <= numbers
               ? CLVITS_OK
               : clvits_fail(r, CLVITS_E_DEVICE, "kernel %s (%.80s) cannot be proven: of %lld "
                             "values on the CPU path %lld are no numbers", t->launch.kernel,
                             t->launch.options, (long long)(numbers + others), (long long)others);
}

static clvits_status compare(const clvits_trial *t, const results *got, const results *want,
                             clvits_report *r)
{
    const double tolerance = t->node->halves ? CLVITS_TRIAL_HALVES : in_floats;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < CLVITS_MAX_OUT && !s; i++)
        if (t->node->out[i])
            s = check_numbers(t, t->node->out[i], want->out[ALL][i], r);
    for (int k = 0; k < makings(t) * CLVITS_MAX_OUT && !s; k++) {
        const int making = k / CLVITS_MAX_OUT, i = k % CLVITS_MAX_OUT;
        if (t->node->out[i])
            s = clvits_trial_compare(t, t->node->out[i], got->out[making][i],
                                     want->out[making][i], tolerance, r);
    }
    return s;
}

static void free_results(const results *of)
{
    for (int i = 0; i < MAKINGS * CLVITS_MAX_OUT; i++)
        free(of->out[i / CLVITS_MAX_OUT][i % CLVITS_MAX_OUT]);
}

static clvits_status run_once(clvits_trial *t, clvits_report *r)
{
    results got = { 0 }, want = { 0 };
    clvits_status s = fill_weights(t, r);

    if (!s)
        s = compute(t, &t->device, &got, r);
    if (!s)
        s = compute(t, &t->cpu, &want, r);
    t->compared = !s;
    if (!s)
        s = compare(t, &got, &want, r);
    free_results(&got);
    free_results(&want);
    return s;
}

clvits_status clvits_trial_run(clvits_trial *t, clvits_report *r)
{
    const clvits_status s = run_once(t, r);

    if (s != CLVITS_E_MEMORY || !t->placed || !r->device)
        return s;
    clvits_report_clear(r);
    return run_once(t, r);
}
