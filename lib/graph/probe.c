// SPDX-License-Identifier: MIT
//
// The rates of a machine's places, measured: short chains of one operator, once with few rows and
// once with many, give what a node costs by itself and what every FLOP or byte adds. The fastest of
// several passes over all of them counts, so that a moment in which the machine was busy does not.
#include "graph/build.h"
#include "graph/probe.h"

#include <stdlib.h>

enum {
    CHAIN = 4,    /* nodes of a probe: launches follow each other as in a voice */
    PASSES = 4,
    RUNS = 2,     /* of a probe in a pass */
    GPU_MORE = 8, /* times the rows: fewer would not fill one */
    WEIGHTS = 2 * CHAIN, /* of a probe, at most */
    SMALL = 4096, /* bytes */
    LARGE = 8 << 20,
};

/* A probe whose nodes take longer than so many seconds has said enough in one run of a pass, once
 * more than one pass has found it so: other work may have been what took the time. */
static const double long_probe = 0.02;
enum { SURE = 2 }; /* passes */

/* Where no kernel is right: any other place takes less. */
static const clvits_rate never = { .fixed = 1e6 };

static const struct {
    int channels, taps; /* taps 0: not a convolution */
    int few, many;      /* rows */
} probes[CLVITS_COST_CLASSES] = {
    [CLVITS_COST_POINT] = { 192, 1, 16, 256 },
    [CLVITS_COST_DOT] = { 32, 7, 32, 2048 },
    [CLVITS_COST_DIRECT_32] = { 32, 7, 32, 1024 },
    [CLVITS_COST_DIRECT_64] = { 64, 7, 32, 512 },
    [CLVITS_COST_DIRECT_128] = { 128, 7, 32, 256 },
    [CLVITS_COST_DIRECT_256] = { 256, 5, 16, 160 },
    [CLVITS_COST_TOOM_32] = { 32, 7, 32, 1024 },
    [CLVITS_COST_TOOM_64] = { 64, 7, 32, 512 },
    [CLVITS_COST_TOOM_128] = { 128, 5, 32, 256 },
    [CLVITS_COST_TOOM_256] = { 256, 5, 16, 160 },
    [CLVITS_COST_ATTENTION] = { 192, 0, 16, 256 },
    [CLVITS_COST_MATHS] = { 192, 0, 16, 512 },
    [CLVITS_COST_MOVE] = { 192, 0, 16, 1024 },
};

/* For a direct convolution where a place has more taps in Toom-Cook form. */
enum { DIRECT_TAPS = 2 };

typedef struct probe {
    const struct probe *twin; /* the same with fewer rows, whose packed weights it has; or NULL */
    const clvits_machine *machine;
    int place;
    clvits_cost_class kind;
    int rows; /* capacity as well: a device's grid is made for that */
    int taps;
    clvits_report *report;
    clvits_arena arena;
    const float *weight[WEIGHTS];
    int n_weights;
    clvits_packed_weights *packed;
    clvits_graph *graph;
    clvits_plan *plan;
    clvits_run *run;
    clvits_tensor *input;
    clvits_form form;
    bool none;      /* the place has nothing like this in the class's form */
    bool elsewhere; /* the place has no kernel for a node, or none that is right */
    int passes;
    double amount, seconds; /* of one node */
} probe;

static double now(void)
{
    return 1e-9 * (double)clvits_trace_clock();
}

static float *numbers(probe *p, int64_t n, float scale)
{
    float *x = clvits_arena_array(&p->arena, (size_t)n, sizeof(*x));

    for (int64_t i = 0; x && i < n; i++)
        x[i] = scale * (float)(int)(i * 7 % 11 - 5);
    return x;
}

static clvits_tensor *weight(probe *p, int rank, int64_t a, int64_t b, int64_t c, float scale)
{
    const int64_t shape[] = { a, b, c };
    const int i = p->n_weights++;
    const float *data = p->twin ? p->twin->weight[i]
                                : numbers(p, a * (rank > 1 ? b : 1) * (rank > 2 ? c : 1), scale);

    p->weight[i] = data;
    return data ? clvits_graph_weight(p->graph, data, rank, shape) : NULL;
}

static clvits_tensor *one(probe *p, clvits_tensor *x)
{
    const int C = probes[p->kind].channels, K = p->taps;

    if (K) {
        const clvits_conv1d_params same = { .pad_left = K / 2, .pad_right = (K - 1) / 2 };
        if (p->kind != CLVITS_COST_DOT)
            return clvits_conv1d(x, weight(p, 3, C, C, K, 0.01f), NULL, &same, NULL);
        x = p->input; /* side by side: none reads another's rows */
        return clvits_graph_keep(clvits_conv1d(x, weight(p, 3, 1, C, K, 0.01f), NULL, &same, NULL));
    }
    if (p->kind == CLVITS_COST_ATTENTION) {
        const clvits_attention_params params = { .heads = 2, .window = 4 };
        return clvits_attention(x, x, x, weight(p, 3, 1, 9, C / 2, 0.01f),
                                weight(p, 3, 1, 9, C / 2, 0.01f), &params);
    }
    if (p->kind == CLVITS_COST_MATHS) {
        const clvits_layer_norm_params params = { .eps = 1e-5f, .gelu = true };
        return clvits_layer_norm(x, NULL, weight(p, 1, C, 0, 0, 0.2f), weight(p, 1, C, 0, 0, 0.2f),
                                 &params);
    }
    return clvits_binary(x, p->input, CLVITS_ADD);
}

static bool is_direct(clvits_cost_class kind)
{
    return kind >= CLVITS_COST_DIRECT_32 && kind <= CLVITS_COST_DIRECT_256;
}

static bool is_toom(clvits_cost_class kind)
{
    return kind >= CLVITS_COST_TOOM_32 && kind <= CLVITS_COST_TOOM_256;
}

/* The chain, and the form that the place runs it in. */
static clvits_status build_graph(probe *p, int *clock)
{
    clvits_status s = clvits_graph_open(&p->graph, 1, p->report);

    if (s)
        return s;
    if (p->taps) /* of a voice's nodes, those whose kernels have such a form */
        clvits_graph_halves(p->graph, p->machine->halves);
    *clock = clvits_graph_clock(p->graph, p->rows);
    clvits_tensor *x = p->input =
        clvits_graph_input(p->graph, CLVITS_F32, *clock, probes[p->kind].channels);
    p->n_weights = 0;
    for (int i = 0; i < CHAIN; i++)
        x = one(p, x);
    clvits_graph_keep(x);
    s = clvits_graph_finish(p->graph, p->report);
    if (s)
        return s;
    const clvits_target at = { .cpu = p->place ? NULL : &p->machine->cpu,
                               .device = p->machine->device[p->place],
                               .place = p->place };
    p->form = clvits_node_form_at(p->graph->nodes[0], &at);
    return CLVITS_OK;
}

static bool has_form(const probe *p)
{
    return is_toom(p->kind) ? p->form.kind == CLVITS_FORM_TOOM
                            : !is_direct(p->kind) || p->form.kind != CLVITS_FORM_TOOM;
}

static clvits_status build(probe *p)
{
    const unsigned others = clvits_machine_devices(p->machine) & ~(1u << p->place);
    const int C = probes[p->kind].channels;
    const float *values = numbers(p, (int64_t)p->rows * C, 0.1f);
    clvits_report *r = p->report;
    int clock;

    if (!values)
        return clvits_fail_memory(r, "a probe");
    clvits_status s = build_graph(p, &clock);
    if (!s && is_direct(p->kind) && !has_form(p)) {
        clvits_graph_close(&p->graph);
        p->taps = DIRECT_TAPS;
        s = build_graph(p, &clock);
    }
    p->none = !s && !has_form(p);
    if (s || p->none)
        return s;
    s = clvits_plan_make_without(&p->plan, p->graph, p->machine, p->packed, NULL, others, NULL,
                                 r);
    for (int i = 0; i < p->graph->n_nodes && !s; i++)
        p->elsewhere =
            p->elsewhere || clvits_plan_place(p->plan, p->graph->nodes[i]) != p->place;
    if (!s)
        s = clvits_run_make(&p->run, p->plan, r);
    if (!s)
        s = clvits_run_set_length(p->run, clock, 0, p->rows, r);
    return s ? s : clvits_run_write(p->run, p->input, 0, values, r);
}

static clvits_status go(probe *p)
{
    clvits_status s = p->none ? CLVITS_OK : clvits_run_go(p->run, NULL, p->report);

    if (!s && !p->none && p->place != CLVITS_CPU_PLACE)
        s = clvits_device_finish(p->machine->device[p->place], p->report);
    return s;
}

static clvits_status prepare(probe *p)
{
    clvits_status s = CLVITS_OK;

    if (p->twin)
        p->packed = p->twin->packed;
    else
        s = clvits_packed_weights_open(&p->packed, p->report);
    if (!s)
        s = build(p);
    if (s)
        return s;
    const clvits_node *n = p->graph->nodes[0];
    p->amount = p->kind < CLVITS_COST_MATHS ? p->form.multiplied * clvits_node_flops(n, NULL)
                                            : clvits_node_bytes(n, CLVITS_CPU_PLACE, NULL);
    return CLVITS_OK;
}

/* A twin goes first. */
static void finish(probe *p)
{
    clvits_run_free(&p->run);
    clvits_plan_free(&p->plan);
    clvits_graph_close(&p->graph);
    if (!p->twin)
        clvits_packed_weights_close(&p->packed);
    clvits_arena_free(&p->arena);
}

/* Lower p->seconds to what is seen in a few runs. */
static clvits_status measure(probe *p)
{
    const int least = p->passes++ < SURE ? 1 : 0;
    const int most = p->none || p->elsewhere ? 0 : RUNS;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < most && !s && (i < least || p->seconds < long_probe); i++) {
        const double start = now();
        s = go(p);
        const double took = (now() - start) / CHAIN;
        p->seconds = p->seconds == 0.0 || took < p->seconds ? took : p->seconds;
    }
    return s;
}

/* The line through two points, neither falling nor beginning below zero. */
static clvits_rate line(double small, double small_seconds, double large, double large_seconds)
{
    clvits_rate r = { .each = (large_seconds - small_seconds) / (large - small) };

    r.each = r.each > 0.0 ? r.each : 0.0;
    r.fixed = small_seconds - r.each * small;
    r.fixed = r.fixed > 0.0 ? r.fixed : 0.0;
    return r;
}

/* Half of a write and a read back, both waited for. */
static clvits_status round_trip(clvits_buffer *b, size_t bytes, void *host, double *seconds,
                                clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    *seconds = 0.0;
    for (int i = 0; i < PASSES * RUNS && !s; i++) {
        const double start = now();
        s = clvits_buffer_write(b, 0, bytes, host, true, r);
        if (!s)
            s = clvits_buffer_read(b, 0, bytes, host, r);
        const double took = 0.5 * (now() - start);
        *seconds = i == 0 || took < *seconds ? took : *seconds;
    }
    return s;
}

static clvits_status measure_transfer(clvits_rate *out, clvits_device *d, clvits_report *r)
{
    void *host = calloc(1, LARGE);
    clvits_buffer *b = NULL;
    double small, large;
    clvits_status s =
        host ? clvits_buffer_make(&b, d, LARGE, r) : clvits_fail_memory(r, "a probe");

    if (!s)
        s = round_trip(b, LARGE, host, &large, r);
    if (!s)
        s = round_trip(b, SMALL, host, &small, r);
    if (!s)
        *out = line(SMALL, small, LARGE, large);
    clvits_buffer_free(&b);
    free(host);
    return s;
}

enum { FEW, MANY, SIZES };

typedef struct place_probes {
    clvits_machine machine;
    bool gone; /* its device is lost: nothing goes there */
    probe probe[CLVITS_COST_CLASSES][SIZES];
} place_probes;

static clvits_status prepare_place(place_probes *t, const clvits_machine *m, int place,
                                   clvits_report *r)
{
    const bool gpu = place && clvits_device_get_info(m->device[place])->gpu;
    const int more = gpu ? GPU_MORE : 1;
    clvits_status s = CLVITS_OK;

    t->machine = *m;
    for (int i = 0; i < CLVITS_COST_CLASSES * SIZES && !s; i++) {
        const int kind = i / SIZES, size = i % SIZES;
        probe *p = &t->probe[kind][size], *twin = size == FEW ? NULL : &t->probe[kind][FEW];
        *p = (probe){ .twin = twin, .machine = &t->machine, .place = place,
                      .kind = (clvits_cost_class)kind,
                      .report = r,
                      .taps = twin ? twin->taps : probes[kind].taps,
                      .rows = size == FEW ? probes[kind].few : more * probes[kind].many };
        s = prepare(p);
    }
    t->machine.trust = NULL; /* kernels are proven: what is timed is not computed again */
    for (int i = 0; i < CLVITS_COST_CLASSES * SIZES && !s; i++)
        s = go(&t->probe[i / SIZES][i % SIZES]); /* once, as first runs take longer */
    return s;
}

static clvits_status measure_place(place_probes *t)
{
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < CLVITS_COST_CLASSES * SIZES && !s; i++)
        s = measure(&t->probe[i / SIZES][i % SIZES]);
    return s;
}

/* What came of a place's part. A device that is lost is not used any more, and that is then all to
 * say: the others are measured without it. */
static clvits_status settle(place_probes *t, const clvits_machine *m, int place, clvits_status s,
                            clvits_report *r)
{
    if (!s || s == CLVITS_E_CANCELLED || place == CLVITS_CPU_PLACE ||
        !clvits_device_lost(m->device[place]))
        return s;
    clvits_device_distrust(m->device[place], r->text, r);
    clvits_report_clear(r);
    t->gone = true;
    return CLVITS_OK;
}

/* The class before it that has a form's rates on a place that has nothing in that form. */
static clvits_cost_class instead_of(clvits_cost_class kind)
{
    return is_toom(kind) ? kind - CLVITS_COST_TOOM_32 + CLVITS_COST_DIRECT_32 : CLVITS_COST_POINT;
}

static clvits_status rates_of(clvits_rates *out, place_probes *t, const clvits_machine *m,
                              int place, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    *out = (clvits_rates){ 0 };
    if (place != CLVITS_CPU_PLACE && !t->gone)
        s = settle(t, m, place, measure_transfer(&out->transfer, m->device[place], r), r);
    for (int kind = 0; kind < CLVITS_COST_CLASSES; kind++) {
        const probe *few = &t->probe[kind][FEW], *many = &t->probe[kind][MANY];
        out->node[kind] = t->gone || few->elsewhere || many->elsewhere ? never
                          : few->none || many->none
                              ? out->node[instead_of((clvits_cost_class)kind)]
                              : line(few->amount, few->seconds, many->amount, many->seconds);
    }
    return s;
}

clvits_status clvits_rates_measure(clvits_rates *rates, const clvits_machine *m, clvits_report *r)
{
    place_probes *places = calloc((size_t)m->n_places, sizeof(*places));
    clvits_status s = places ? CLVITS_OK : clvits_fail_memory(r, "a probe");

    for (int i = 0; i < m->n_places && !s; i++)
        s = settle(&places[i], m, i, prepare_place(&places[i], m, i, r), r);
    for (int k = 0; k < PASSES * m->n_places && !s; k++) {
        const int i = k % m->n_places;
        if (!places[i].gone)
            s = settle(&places[i], m, i, measure_place(&places[i]), r);
    }
    for (int i = 0; i < m->n_places && !s; i++)
        s = rates_of(&rates[i], &places[i], m, i, r);
    clvits_machine_finish(m); /* what is enqueued where something failed reads what goes now */
    for (int i = m->n_places * CLVITS_COST_CLASSES * SIZES - 1; places && i >= 0; i--)
        finish(&places[i / SIZES / CLVITS_COST_CLASSES]
                    .probe[i / SIZES % CLVITS_COST_CLASSES][i % SIZES]);
    free(places);
    return s;
}
