// SPDX-License-Identifier: MIT
//
// One shape: every candidate is a plan of its own of the same node. It is compared with the
// reference first, and timed in turns with the best one so far.
#include "tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TRIED = 128, LEAST_ROUNDS = 5, PASSES = 2, MOST_REPEATS = 64, LEAST_ROWS = 8 };

#define LEAST_SAMPLE 2e-3 /* seconds: shorter ones are repeated */
#define LONGEST_RUN 0.1    /* seconds: a slow device gets shorter tensors */
#define HOPELESS 1.25     /* times as slow after a few rounds */
#define STEP 1.02         /* gain that makes a candidate the one to beat */
#define GAIN 1.05         /* gain that a row is for */

/* A planned candidate. */
typedef struct side {
    bench_graph g;
    clvits_terms values;
    clvits_tensor *output;
    float *row;
    int repeats;
    bool open;
} side;

/* What tells a candidate from another. */
typedef struct choice {
    union {
        conv1d_dims conv1d;
        norm_dims norm;
    } dims; /* of the rooms with knobs; zeros after the smaller ones */
    clvits_launch launch;
} choice;

typedef struct sweep {
    tuner *t;
    const tune_shape *shape;
    int index;
    double shrink; /* of the rows */
    tune_result *result;
    side *base, *best; /* the library's choice, NULL where it is wrong; best may be the same */
    double closest; /* gain in the median, at most, of what did not beat the best */
    choice tried[MAX_TRIED];
    int n_tried;
    bool late; /* something was left out */
    clvits_row row; /* that the target has at the moment */
    const clvits_row *rows[1];
    clvits_tuned tuned;
} sweep;

/* The clock of a new graph that counts as clock c of another one does, with fewer rows. */
static int clock_like(clvits_graph *to, const clvits_graph *from, int c, double shrink)
{
    const struct clvits_clock *k = &from->clocks[c];
    const int rows = (int)(k->capacity / shrink);

    if (c == 0)
        return 0;
    if (k->parent < 0)
        return clvits_graph_clock(to, rows > LEAST_ROWS ? rows : LEAST_ROWS);
    return clvits_graph_clock_of(to, clock_like(to, from, k->parent, shrink), k->mul, k->add,
                                 k->div);
}

/* The node alone, with random operands. */
static const clvits_node *clone(bench_graph *g, const clvits_node *n, double shrink)
{
    clvits_tensor *in[CLVITS_MAX_IN] = { NULL };
    int clocks[CLVITS_MAX_CLOCKS] = { 0 };

    for (int i = 0; i < n->op->inputs; i++) {
        const clvits_tensor *t = n->in[i];
        if (!t)
            continue;
        if (t->role == CLVITS_WEIGHT) {
            in[i] = bench_weight(g, t->rank, t->shape, 1.0f, NULL);
            continue;
        }
        if (t->clock && !clocks[t->clock])
            clocks[t->clock] = clock_like(g->graph, n->graph, t->clock, shrink);
        in[i] = bench_input(g, clocks[t->clock], t->C, NULL);
    }
    const clvits_node *copy = clvits_graph_call(n->op, in, n->op->inputs, 1, n->params);
    for (int i = 0; copy && i < CLVITS_MAX_OUT; i++)
        clvits_graph_keep(copy->out[i]);
    return copy;
}

static void set_tuned(tuner *t, const clvits_tuned *tuned)
{
    if (t->at.cpu)
        t->b.machine.cpu.tuned = tuned;
    else
        clvits_device_set_tuned(t->b.machine.device[1], tuned);
}

/* Let the target have one row, of these values; the library's where there are none. */
static void set_values(sweep *w, const clvits_terms *values)
{
    w->row = (clvits_row){ .room = w->shape->knobs->room, .values = *values, .text = "" };
    w->rows[0] = &w->row;
    w->tuned = (clvits_tuned){ .row = w->rows, .n = 1 };
    set_tuned(w->t, values->n ? &w->tuned : w->t->tuned);
}

static void close_side(side **s)
{
    if (*s && (*s)->open) {
        free((*s)->row);
        bench_graph_close(&(*s)->g);
    }
    free(*s);
    *s = NULL;
}

/* What the node would be with the target's present rows. */
static choice choose(const sweep *w, const clvits_node *n)
{
    choice c;

    memset(&c, 0, sizeof(c));
    c.launch.dimensions = 1;
    if (n->op->dims_size > sizeof(c.dims))
        abort();
    n->op->dims(n, &w->t->at, &c.dims);
    if (w->t->at.device)
        n->op->launch(n, &w->t->at, &c.dims, &c.launch);
    return c;
}

static bool equal(const choice *a, const choice *b)
{
    const clvits_launch *x = &a->launch, *y = &b->launch;

    return !memcmp(&a->dims, &b->dims, sizeof(a->dims)) && !strcmp(x->options, y->options) &&
           x->kernel == y->kernel && !memcmp(x->global, y->global, sizeof(x->global)) &&
           !memcmp(x->local, y->local, sizeof(x->local));
}

static bool is_new(sweep *w, const clvits_node *n)
{
    const choice c = choose(w, n);

    for (int i = 0; i < w->n_tried; i++)
        if (equal(&w->tried[i], &c))
            return false;
    if (w->n_tried < MAX_TRIED)
        w->tried[w->n_tried++] = c;
    return true;
}

/* Leave out the terms that say what the operator chooses without them. */
static clvits_terms prune(sweep *w, const side *s)
{
    const clvits_node *n = s->g.graph->nodes[0];
    clvits_terms values = s->values;

    for (int i = 0; i < values.n && values.n > 1;) {
        clvits_terms less = values;
        memmove(&less.term[i], &less.term[i + 1],
                (size_t)(less.n - i - 1) * sizeof(less.term[0]));
        less.n--;
        set_values(w, &values);
        const choice with = choose(w, n);
        set_values(w, &less);
        const choice without = choose(w, n);
        if (equal(&with, &without) &&
            w->shape->knobs->takes(&w->t->at, &w->shape->terms, &less))
            values = less;
        else
            i++;
    }
    set_tuned(w->t, w->t->tuned);
    return values;
}

/* What the other process would have to leave out if this one ended here. */
static bool announce(sweep *w, const clvits_terms *values)
{
    tune_shared *s = w->t->shared;
    char text[TUNE_VALUES];

    clvits_terms_print(values, text, sizeof(text));
    for (int i = 0; i < s->n_lost; i++)
        if (s->lost[i].shape == w->index && !strcmp(s->lost[i].values, text))
            return false;
    memcpy(s->values, text, sizeof(text));
    s->shape = w->index;
    s->since = bench_now();
    s->measuring = true;
    return true;
}

/* Plan, run and compare with these values; NULL when they are not to be timed. */
static side *make(sweep *w, const clvits_terms *values)
{
    tuner *t = w->t;
    side *s = calloc(1, sizeof(*s));

    if (!s || !announce(w, values)) {
        free(s);
        return NULL;
    }
    s->values = *values;
    s->open = true;
    s->repeats = 1;
    const clvits_node *n = NULL;
    if (bench_graph_open(&s->g, &t->b, 1)) {
        set_values(w, values);
        n = clone(&s->g, w->shape->node, w->shrink);
    }
    if (n && !is_new(w, n)) {
        set_tuned(t, t->tuned);
        close_side(&s);
        return NULL;
    }
    w->result->tried++;
    s->output = !n ? NULL : n->out[0] ? n->out[0] : n->out[1];
    s->row = n ? malloc((size_t)s->output->C * sizeof(*s->row)) : NULL;
    if (n && !s->row)
        bench_case_fail(&s->g, "failed", "out of memory");
    t->b.warning[0] = '\0';
    bool right = bench_case_check(&s->g) && n;
    if (right && values->n && clvits_plan_variant(s->g.plan, n)) {
        /* The device refuses what these values ask for, so that another kernel ran. */
        bench_case_fail(&s->g, "failed", "another kernel does its work%s%.450s",
                        t->b.warning[0] ? ": " : "", t->b.warning);
        right = false;
    }
    set_tuned(t, t->tuned);
    if (right)
        return s;
    const bool wrong = !strcmp(s->g.record.verdict, "wrong");
    w->result->wrong += wrong;
    w->result->failed += !wrong;
    fprintf(stderr, "%s%s: %s %s: %.300s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
            w->shape->text, values->n ? t->shared->values : "the library's choice",
            wrong ? "is wrong" : "did not run", s->g.record.reason);
    close_side(&s);
    return NULL;
}

/* Seconds of one of s->repeats runs; negative when they failed. */
static double sample(side *s)
{
    clvits_report *r = &s->g.b->report;
    clvits_status status = CLVITS_OK;
    const double start = bench_now();

    for (int i = 0; i < s->repeats && !status; i++)
        status = clvits_run_go(s->g.run, NULL, r);
    if (!status)
        status = clvits_run_read(s->g.run, s->output, 0, 0, 1, s->row, r);
    clvits_report_clear(r);
    return status ? -1.0 : (bench_now() - start) / s->repeats;
}

/* How much faster b is than a: its median over b's. 0 when it cannot be said; negative when the
 * middle halves of the times overlap, so that it may be chance. */
static double race(sweep *w, side *a, side *b, double seconds, double *before, double *after)
{
    bench_times ta = { .n = 0 }, tb = { .n = 0 };
    const double start = bench_now();

    for (double once = 0.0; b->repeats <= MOST_REPEATS; b->repeats *= 2) {
        once = sample(b);
        if (once < 0.0 || sample(a) < 0.0)
            return 0.0;
        if (once * b->repeats >= LEAST_SAMPLE)
            break;
    }
    a->repeats = b->repeats;
    while (ta.n < BENCH_MAX_RUNS && (ta.n < LEAST_ROUNDS || bench_now() - start < seconds)) {
        ta.sample[ta.n] = sample(a);
        tb.sample[tb.n] = sample(b);
        if (ta.sample[ta.n] < 0.0 || tb.sample[tb.n] < 0.0)
            return 0.0;
        ta.n++, tb.n++;
        if (ta.n == 3 && bench_statistics(&tb).min > HOPELESS * bench_statistics(&ta).min)
            break;
        if (bench_now() - start > 20.0 * w->t->seconds && ta.n >= 3)
            break;
    }
    const bench_stats sa = bench_statistics(&ta), sb = bench_statistics(&tb);
    const bool apart = sb.median * (1.0 + 0.5 * sb.spread) < sa.median * (1.0 - 0.5 * sa.spread);
    *before = sa.median;
    *after = sb.median;
    return sb.median > 0.0 ? (apart ? 1.0 : -1.0) * sa.median / sb.median : 0.0;
}

static void drop(sweep *w, side **s)
{
    if (*s != w->base && *s != w->best)
        close_side(s);
}

bool tune_is_late(const tuner *t)
{
    return t->deadline > 0.0 && bench_now() > t->deadline;
}

/* Try values; they are the best from here on when they beat what was. */
static void attempt(sweep *w, const clvits_terms *values)
{
    double before, after;
    side *s;

    if (tune_is_late(w->t)) {
        w->late = true;
        return;
    }
    if (!w->shape->knobs->takes(&w->t->at, &w->shape->terms, values))
        return;
    s = make(w, values);
    if (!s)
        return;
    const double gain = w->best ? race(w, w->best, s, w->t->seconds, &before, &after) : 0.0;
    if (!w->best || gain > STEP) {
        side *old = w->best;
        w->best = s;
        if (old)
            drop(w, &old);
    } else {
        w->closest = fmax(w->closest, fabs(gain));
        close_side(&s);
    }
}

static void set_term(clvits_terms *t, const char *name, int value)
{
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->term[i].name, name)) {
            t->term[i].least = t->term[i].most = value;
            return;
        }
    clvits_terms_add(t, name, value);
}

static void try_bases(sweep *w)
{
    clvits_terms base[TUNE_MAX_BASES];
    const int n = tune_bases(base, w->shape, &w->t->at);

    for (int i = 0; i < n; i++)
        attempt(w, &base[i]);
}

static void try_others(sweep *w)
{
    for (const clvits_knob *k = w->shape->knobs->knob; k->name; k++)
        for (int i = 0; i < k->n && !k->base; i++) {
            clvits_terms values = { 0 };
            if (w->best)
                values = w->best->values;
            set_term(&values, k->name, k->value[i]);
            attempt(w, &values);
        }
}

/* The best against the library's choice, which ran. A row that was earned earlier goes only where
 * that choice is measurably no slower than anything else: noise alone takes none away. */
static tune_outcome judge(sweep *w)
{
    tune_result *r = w->result;
    double gain = w->closest;

    if (w->best != w->base) {
        gain = race(w, w->base, w->best, 3.0 * w->t->seconds, &r->before, &r->after);
        if (gain == 0.0)
            return TUNE_UNKNOWN;
        if (gain >= GAIN)
            return TUNE_FASTER;
    } else {
        r->before = sample(w->base);
        if (r->before < 0.0)
            return TUNE_UNKNOWN;
    }
    return w->late || fabs(gain) > STEP ? TUNE_UNSURE : TUNE_NO_GAIN;
}

tune_result tune_sweep(tuner *t, const tune_shape *shape, int index)
{
    const clvits_terms none = { 0 };
    tune_result result = { 0 };
    sweep *w = calloc(1, sizeof(*w));
    bool base_wrong;

    if (!w)
        return result;
    *w = (sweep){ .t = t, .shape = shape, .index = index, .shrink = 1.0,
                  .result = &result };
    w->base = make(w, &none);
    const double once = w->base ? sample(w->base) : 0.0;
    if (once > LONGEST_RUN) {
        w->shrink = 2.0 * once / LONGEST_RUN;
        w->n_tried = 0;
        close_side(&w->base);
        w->base = make(w, &none);
    }
    w->best = w->base;
    base_wrong = result.wrong > 0;
    try_bases(w);
    for (int pass = 0; pass < PASSES; pass++)
        try_others(w);
    if (w->best) {
        announce(w, &w->best->values); /* whoever ends the process from here on */
        result.outcome = w->base ? judge(w) : base_wrong ? TUNE_RIGHT : TUNE_RUNS;
    }
    if (result.outcome >= TUNE_FASTER)
        result.values = prune(w, w->best);
    t->shared->measuring = false;
    side *best = w->best == w->base ? NULL : w->best;
    close_side(&best);
    close_side(&w->base);
    free(w);
    return result;
}
