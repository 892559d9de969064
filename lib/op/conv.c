// SPDX-License-Identifier: MIT
#include "op/conv.h"
#include "op/toom.h"

#include "graph/sched.h"
#include "op/rows.h"

#include <stdio.h>
#include <string.h>

enum {
    JOBS_EACH = 4,     /* jobs for each compute unit, so that none waits long for the last */
    TILE_GROUP = 64,   /* work-items of conv1d_tile */
    FEW_ITEMS = 32,    /* fewer would leave multiprocessors half empty */
    TILE_FLOATS = 32,  /* outputs of each of them: 8 rows of 4 channels */
    TILE_LOCAL = TILE_FLOATS * TILE_GROUP, /* floats of local memory; with fewer items, less */
    TILE_CHUNK = 16,   /* channels staged at a time, where they fit */
    LONGEST_JOB = 4096,
    MOST_CHANNELS = 1 << 20, /* of a tuned shape */
};

int clvits_conv_clock(const clvits_node *n, int stride, int add)
{
    const clvits_tensor *x = n->in[0];
    return clvits_graph_clock_of(n->graph, x->clock, 1, add, stride);
}

static bool fits(const clvits_tensor *t, const clvits_node *n, clvits_type type, int clock,
                 int channels)
{
    return !t || (t->type == type && t->role != CLVITS_WEIGHT && t->B == n->in[0]->B &&
                  t->clock == clock && t->C == channels);
}

clvits_status clvits_conv_outputs(clvits_node *n, int clock, int channels, int act, bool only_act,
                                  clvits_report *r)
{
    const clvits_tensor *bias = n->in[2];
    const bool gate = act == CLVITS_ACT_GATE, halves = gate || act == CLVITS_ACT_SPLIT;
    const clvits_type type = clvits_graph_float(n);
    clvits_status s = CLVITS_OK;

    if (n->in[0]->type == CLVITS_I32 || n->in[0]->role == CLVITS_WEIGHT)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: a convolution of what is no tensor of floats",
                           n->label);
    if (clock < 0)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: the convolution leaves no rows", n->label);
    if (bias && !(bias->role == CLVITS_WEIGHT ? bias->rank == 1 && bias->shape[0] == channels
                                              : fits(bias, n, CLVITS_F32, 0, channels)))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: the bias does not have %d channels", n->label,
                           channels);
    if (halves && (channels % 2 || n->op != &clvits_op_conv1d || only_act != gate ||
                   (gate && (n->in[3] || n->in[4]))))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: a convolution of %d channels cannot be %s here",
                           n->label, channels, gate ? "gated" : "split");
    if (halves)
        channels /= 2;
    if (!fits(n->in[3], n, type, clock, channels) || !fits(n->in[4], n, type, clock, channels))
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: what is added does not have the convolution's "
                                              "type, rows and %d channels", n->label, channels);
    if (!only_act)
        s = clvits_graph_output(n, 0, type, clock, channels, r);
    if (!s && (act || only_act))
        s = clvits_graph_output(n, 1, type, clock, channels, r);
    return s;
}

int clvits_conv_vector(const clvits_target *at)
{
    if (at->cpu)
        return at->cpu->table->vector;
    const clvits_device_info *info = clvits_device_get_info(at->device);
    if (info->family == CLVITS_FAMILY_GPU)
        return 4;
    return info->vector >= 16 ? 16 : info->vector >= 8 ? 8 : 4;
}

/* Whether conv1d_tile has the work-items and the local memory it is written for. */
static bool has_tiles(const clvits_device *d)
{
    const clvits_device_info *info = clvits_device_get_info(d);
    return info->family == CLVITS_FAMILY_GPU && clvits_device_work_group(d, TILE_GROUP) >= 16 &&
           info->local_memory >= TILE_LOCAL * sizeof(float);
}

/* What a row goes by: nothing that differs between the plans of a voice. */
static clvits_terms shape_of(const conv1d_dims *d)
{
    clvits_terms t = { 0 };

    clvits_terms_add(&t, "i", d->I / d->groups);
    clvits_terms_add(&t, "o", d->O / d->groups);
    clvits_terms_add(&t, "k", d->K);
    clvits_terms_add(&t, "d", d->dilation);
    clvits_terms_add(&t, "s", d->stride);
    clvits_terms_add(&t, "p", d->phases);
    clvits_terms_add(&t, "g", d->groups);
    return t;
}

/* A value of the tuned row, where there is one. */
static int tuned(const clvits_target *at, const conv1d_dims *d, const char *name, int otherwise)
{
    const clvits_terms shape = shape_of(d);
    const clvits_row *row = clvits_tuned_row(at, &clvits_conv_knobs, &shape);
    return row ? clvits_terms_get(&row->values, name, otherwise) : otherwise;
}

/* I and O: channels of a group. */
static int default_layout(const clvits_target *at, const conv1d_dims *d)
{
    const int I = d->I / d->groups, O = d->O / d->groups;

    if (I == 1 && O == 1 && d->groups > 1)
        return CLVITS_CONV_DEPTHWISE;
    if (at->variant > 1) /* the one kernel that asks nothing of the device */
        return CLVITS_CONV_BLOCKS;
    if (O == 1 && I >= clvits_conv_vector(at))
        return CLVITS_CONV_DOT;
    if (at->device && has_tiles(at->device))
        return CLVITS_CONV_TILE;
    return !at->variant && clvits_toom_wins(at, d) ? CLVITS_CONV_TOOM : CLVITS_CONV_BLOCKS;
}

static int default_lanes(const clvits_target *at, int layout, int O)
{
    const int v = clvits_conv_vector(at);

    if (layout == CLVITS_CONV_DEPTHWISE)
        return v;
    if (layout == CLVITS_CONV_DOT)
        return 1;
    if (layout == CLVITS_CONV_TILE)
        return O > 32 ? 64 : O > 16 ? 32 : 16;
    if (layout == CLVITS_CONV_TOOM && at->device && has_tiles(at->device))
        return O > 16 ? 32 : 16;
    /* A kernel has no narrower last block: rather narrow ones throughout than an empty half. */
    return O <= v || (at->device && O < 4 * v && (O + v - 1) / v % 2) ? v : 2 * v;
}

static void choose_layout(const clvits_node *n, const clvits_target *at, conv1d_dims *d)
{
    const int O = d->O / d->groups;
    const bool gate = d->act == CLVITS_ACT_GATE; /* rows are of other nodes */
    const int plain = at->device && has_tiles(at->device) && at->variant <= 1
                          ? CLVITS_CONV_TILE
                          : CLVITS_CONV_BLOCKS;

    d->layout = default_layout(at, d);
    if (!gate)
        d->layout = tuned(at, d, "layout", d->layout);
    /* Halves are too coarse for transformed weights, and a gate has lanes of both halves. */
    if (d->layout == CLVITS_CONV_TOOM ? at->device && n->halves & CLVITS_HALF_WEIGHTS : gate)
        d->layout = plain;
    d->lanes = gate && d->layout != CLVITS_CONV_TILE ? 2 * clvits_conv_vector(at)
                                                     : default_lanes(at, d->layout, O);
    clvits_toom_form(at, d, &d->m, &d->r);
    if (gate)
        return;
    d->lanes = tuned(at, d, "lanes", d->lanes);
    d->m = tuned(at, d, "m", d->m);
    d->r = tuned(at, d, "r", d->r);
}

int clvits_conv_channel(const conv1d_dims *d, int O, int b, int lane)
{
    if (d->act != CLVITS_ACT_GATE)
        return b * d->lanes + lane;
    const int half = d->lanes / 2, c = b * half + lane % half;
    return c >= O / 2 ? O : lane < half ? c : O / 2 + c;
}

int clvits_conv_tap(const conv1d_dims *d, const clvits_conv_weight *w, int p, int k)
{
    const int tap = w->transposed ? p + (d->K - 1 - k) * d->phases : k;
    return k < d->K && tap < w->K ? tap : -1;
}

int64_t clvits_conv_pack(const conv1d_dims *d, const clvits_target *at,
                         const clvits_conv_weight *w, float *out)
{
    const bool depthwise = d->layout == CLVITS_CONV_DEPTHWISE;
    const int groups = depthwise ? 1 : d->groups, N = d->lanes;
    const int I = d->I / d->groups, O = d->O / groups, blocks = (O + N - 1) / N;
    const int rows = d->layout == CLVITS_CONV_TILE ? (I + 3) / 4 * 4 : I;
    const int64_t block = (int64_t)d->K * rows * N, all = groups * d->phases * blocks * block;

    if (d->layout == CLVITS_CONV_TOOM)
        return clvits_toom_pack(d, at, w, out);
    if (!out)
        return all;
    memset(out, 0, (size_t)all * sizeof(*out));
    for (int64_t j = 0; j < groups * d->phases * blocks; j++) {
        const int64_t o0 = j / blocks / d->phases * O;
        const int p = (int)(j / blocks % d->phases), b = (int)(j % blocks);
        const bool narrow = at->cpu && N > at->cpu->table->vector && O - b * N <= N / 2 &&
                            d->act != CLVITS_ACT_GATE;
        float *to = out + j * block;
        for (int k = 0; k < d->K; k++) {
            const int tap = clvits_conv_tap(d, w, p, k);
            for (int c = 0; c < rows; c++, to += narrow ? N / 2 : N)
                for (int l = 0; l < N && c < I && tap >= 0; l++) {
                    const int o = clvits_conv_channel(d, O, b, l);
                    if (o < O)
                        to[l] = w->data[(o0 + o) * w->o + c * w->i + tap];
                }
        }
    }
    return 0;
}

clvits_packing clvits_conv_packing(const clvits_node *n, const clvits_target *at, int i)
{
    conv1d_dims d;

    if (i != 1)
        return (clvits_packing){ 0 };
    n->op->dims(n, at, &d);
    return (clvits_packing){
        .variant = (uint64_t)d.layout | (uint64_t)d.lanes << 8 | (uint64_t)d.m << 16 |
                   (uint64_t)d.r << 20 | (uint64_t)(d.act == CLVITS_ACT_GATE) << 24 |
                   (uint64_t)(d.folded ? 1 : d.phases) << 32 |
                   (uint64_t)(d.layout == CLVITS_CONV_DEPTHWISE ? 0 : d.groups) << 44,
        .half = at->device && n->halves & CLVITS_HALF_WEIGHTS,
    };
}

double clvits_conv_bytes(const clvits_node *n, int place, const int *lengths)
{
    const double floats = clvits_work_bytes(n, place, lengths);
    const bool half = place != CLVITS_CPU_PLACE && n->halves & CLVITS_HALF_WEIGHTS;

    return half ? floats - 2.0 * clvits_work_cells(n->in[1], lengths) : floats;
}

/* Columns of jobs: blocks of channels times phases, groups and items. */
static size_t columns(const conv1d_dims *d)
{
    if (d->layout == CLVITS_CONV_DEPTHWISE)
        return (size_t)clvits_ceil_div(d->O, d->lanes);
    return (size_t)clvits_ceil_div(d->O / d->groups, d->lanes) * (size_t)d->phases *
           (size_t)d->groups;
}

/* Steps of a work-item: as many as the cache likes, but so few that every compute unit has some. */
static void choose_job(const clvits_target *at, conv1d_dims *d, int steps)
{
    const clvits_device_info *info = at->device ? clvits_device_get_info(at->device) : NULL;
    const int tile = d->layout != CLVITS_CONV_BLOCKS ? 4 : clvits_conv_vector(at) == 16 ? 12 : 6;
    const size_t others = columns(d) * (size_t)d->B;

    d->job = 144;
    if (info && info->family == CLVITS_FAMILY_GPU)
        d->job = d->layout == CLVITS_CONV_DEPTHWISE ? 4 : 1;
    d->job = tuned(at, d, "job", d->job);
    if (!info)
        return;
    const size_t wanted = JOBS_EACH * (size_t)info->compute_units;
    while (d->job > tile && others * (size_t)clvits_ceil_div(steps, d->job) < wanted)
        d->job = clvits_ceil_div(d->job / 2, tile) * tile;
}

void clvits_conv_dims(const clvits_node *n, const clvits_target *at, conv1d_dims *d)
{
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];

    d->B = y->B;
    choose_layout(n, at, d);
    d->clock = y->clock;
    d->from = n->in[0]->clock;
    d->asked = clvits_node_asked(at, n);
    d->x = clvits_node_view(at, n->in[0]);
    if (clvits_node_raw(at, n)) {
        d->x = clvits_node_view(at, clvits_node_raw(at, n));
        d->pre_slope = n->in[0]->producer->op->slope(n->in[0]->producer);
    }
    d->has_bias = !n->in[2] ? 0 : n->in[2]->role == CLVITS_WEIGHT ? 1 : 2;
    if (d->has_bias == 2)
        d->bias = clvits_node_view(at, n->in[2]);
    d->has_residual = n->in[3] != NULL;
    if (n->in[3])
        d->residual = clvits_node_view(at, n->in[3]);
    d->has_sum = n->in[4] != NULL;
    if (n->in[4])
        d->sum = clvits_node_view(at, n->in[4]);
    d->has_y = n->out[0] != NULL;
    if (n->out[0])
        d->y = clvits_node_view(at, n->out[0]);
    d->has_act = n->out[1] != NULL && !clvits_node_unread(at, n->out[1]);
    if (d->has_act)
        d->a = clvits_node_view(at, n->out[1]);

    if (at->device && d->layout == CLVITS_CONV_TOOM)
        clvits_toom_job(at, d);
    else
        choose_job(at, d, clvits_ceil_div(y->T, d->phases));
}

clvits_form clvits_conv_form(const void *dims)
{
    const conv1d_dims *d = dims;
    const double reads = (double)d->O / d->groups * (d->folded ? 1 : d->phases);
    const double makes = (double)d->I / d->groups, width = 2.0 / (1.0 / reads + 1.0 / makes);
    const bool point = d->K == 1 && d->phases == 1;

    if (d->layout != CLVITS_CONV_TOOM)
        return (clvits_form){ point ? CLVITS_FORM_POINT : CLVITS_FORM_DIRECT, 1.0, width };
    const double groups = (d->K + d->r - 1) / d->r;
    return (clvits_form){ CLVITS_FORM_TOOM,
                          groups * clvits_toom_points(d->m, d->r) / ((double)d->m * d->K),
                          groups * width };
}

/* Rows of x that take part in all steps of the tile that makes step u: all of the tile but its
 * last, which only the point at infinity sees, and so only the output whose formula reads it; with
 * taps beyond the last, times zero, which is no number where the row is none. */
static clvits_range tile_reach(const conv1d_dims *d, int64_t u)
{
    const int64_t step = u / d->dilation, taps = (d->K + d->r - 1) / d->r * d->r;
    const int64_t first = step / d->m * d->m * d->dilation + u % d->dilation - d->pad;
    const int64_t rows = d->m + taps - (taps > d->K ? 1 : 2);

    return (clvits_range){ first, first + (rows - 1) * d->dilation + 1 };
}

clvits_range clvits_conv_reach(const void *dims, clvits_range out)
{
    const conv1d_dims *d = dims;
    const int64_t first = ((out.first > 0 ? out.first : 0) + d->shift) / d->phases;
    const int64_t last = (out.end - 1 + d->shift) / d->phases;
    clvits_range in = { first * d->stride - d->pad,
                        last * d->stride - d->pad + (int64_t)(d->K - 1) * d->dilation + 1 };

    if (d->folded)
        return (clvits_range){ in.first * d->phases, in.end * d->phases };
    if (d->layout != CLVITS_CONV_TOOM)
        return in;
    for (int64_t i = 0; i < d->dilation && first + i <= last; i++) { /* tiles of every residue */
        const clvits_range low = tile_reach(d, first + i), high = tile_reach(d, last - i);
        in.first = low.first < in.first ? low.first : in.first;
        in.end = high.end > in.end ? high.end : in.end;
    }
    return in;
}

/* Channels that conv1d_tile stages at a time; 0 where not even four fit. */
static int chunk(const conv1d_dims *d, int group, int most)
{
    const int tile = TILE_FLOATS * group / d->lanes;
    const int rows = (tile - 1) * d->stride + (d->K - 1) * d->dilation + 1;

    for (int n = most; n >= 4; n /= 2)
        if (rows * (n + 4) <= TILE_FLOATS * group)
            return n;
    return 0;
}

/* Where columns are short, most rows of a larger tile would lie beyond them. */
static int default_group(const conv1d_dims *d, int steps)
{
    const bool is_short = d->folded && TILE_FLOATS * FEW_ITEMS / d->lanes >= steps;
    return is_short ? FEW_ITEMS : TILE_GROUP;
}

void clvits_conv_launch(const clvits_node *n, const clvits_target *at, const void *dims,
                        clvits_launch *l)
{
    static const char *const kernels[] = { "", "conv1d", "conv1d_tile", "conv1d_dot",
                                           "conv1d_depthwise" };
    const conv1d_dims *d = dims;
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];
    const bool gpu = clvits_device_get_info(at->device)->family == CLVITS_FAMILY_GPU;
    const int steps = clvits_ceil_div(y->T, d->phases);
    const size_t jobs = (size_t)clvits_ceil_div(steps, d->job);
    const size_t group = clvits_device_work_group(
        at->device, (size_t)tuned(at, d, "group", default_group(d, steps)));
    char more[64] = "";

    if (d->layout == CLVITS_CONV_TOOM) {
        clvits_toom_launch(n, at, d, l);
        return;
    }
    l->program = "conv1d";
    l->kernel = kernels[d->layout];
    l->dimensions = 3;
    l->local[0] = gpu ? group : 1;
    l->local[1] = l->local[2] = 1;
    l->global[0] = jobs;
    l->global[1] = columns(d);
    l->global[2] = (size_t)d->B;
    if (d->layout == CLVITS_CONV_BLOCKS) {
        snprintf(more, sizeof(more), " -DLANES=%d", d->lanes);
        l->local[0] = 1;
    } else if (d->layout == CLVITS_CONV_TILE) {
        snprintf(more, sizeof(more), " -DLANES=%d -DGROUP=%d -DCHUNK=%d", d->lanes, (int)group,
                 chunk(d, (int)group, tuned(at, d, "chunk", TILE_CHUNK)));
        l->local[0] = group;
        const int rows = TILE_FLOATS * (int)group / d->lanes;
        l->global[0] = (size_t)clvits_ceil_div(steps, rows) * group;
    } else if (d->layout == CLVITS_CONV_DEPTHWISE) {
        l->global[0] = jobs * columns(d);
        l->global[1] = (size_t)d->B;
        l->global[2] = 1;
    }
    snprintf(l->options, sizeof(l->options), "-DKERNEL=%d -DWIDTH=%d -DPRE=%d%s%s", d->layout,
             clvits_conv_vector(at), d->pre_slope != 1.0f,
             d->act == CLVITS_ACT_GATE ? " -DGATE=1" : "", more);
    clvits_halves_launch(l, n->in[0], n->halves & CLVITS_HALF_WEIGHTS, y);
    if (d->layout == CLVITS_CONV_TILE && n->halves & CLVITS_HALF_SUMS &&
        n->in[0]->type == CLVITS_F16)
        clvits_launch_option(l, "-DHALF_SUMS=1");
}

static void knobs_shape(const clvits_node *n, const clvits_target *at, clvits_terms *out)
{
    conv1d_dims d;

    n->op->dims(n, at, &d);
    if (d.act != CLVITS_ACT_GATE) /* which has one way to be packed */
        *out = shape_of(&d);
}

/* What a shape tells; zero where it does not. */
static conv1d_dims dims_of(const clvits_terms *shape)
{
    const int groups = clvits_terms_get(shape, "g", 0);

    return (conv1d_dims){
        .I = clvits_terms_get(shape, "i", 0) * groups,
        .O = clvits_terms_get(shape, "o", 0) * groups,
        .K = clvits_terms_get(shape, "k", 0),
        .dilation = clvits_terms_get(shape, "d", 0),
        .stride = clvits_terms_get(shape, "s", 0),
        .phases = clvits_terms_get(shape, "p", 0),
        .groups = groups,
    };
}

/* As knobs_take(), for one layout. */
static bool layout_takes(const clvits_target *at, int layout, const clvits_terms *shape,
                         const clvits_terms *values)
{
    const int I = clvits_terms_get(shape, "i", 0), O = clvits_terms_get(shape, "o", 0);
    const int groups = clvits_terms_get(shape, "g", 0), v = clvits_conv_vector(at);
    const bool known = I && O && groups, depthwise = known && I == 1 && O == 1 && groups > 1;
    const int lanes = clvits_terms_get(values, "lanes", default_lanes(at, layout, O ? O : 4 * v));
    const int job = clvits_terms_get(values, "job", -1);
    const int group = clvits_terms_get(values, "group", -1);
    const int chunk = clvits_terms_get(values, "chunk", -1);
    const bool tiling = group != -1 || chunk != -1;
    const bool job_fits = job == -1 || (job >= 1 && job <= LONGEST_JOB);
    const int asked_m = clvits_terms_get(values, "m", -1);
    const int asked_r = clvits_terms_get(values, "r", -1);
    const conv1d_dims d = dims_of(shape);
    int m, r;

    if (layout != CLVITS_CONV_TOOM && (asked_m != -1 || asked_r != -1))
        return false;
    clvits_toom_form(at, &d, &m, &r);
    m = asked_m != -1 ? asked_m : m;
    r = asked_r != -1 ? asked_r : r;
    switch (layout) {
    case CLVITS_CONV_BLOCKS:
        return !depthwise && (lanes == v || lanes == 2 * v) && job_fits && !tiling;
    case CLVITS_CONV_TILE:
        return at->device && has_tiles(at->device) && !depthwise && job == -1 &&
               (lanes == 16 || lanes == 32 || lanes == 64) &&
               (group == -1 || group == 16 || group == 32 || group == 64) &&
               (chunk == -1 || chunk == 0 || chunk == 4 || chunk == 8 || chunk == 16);
    case CLVITS_CONV_DOT:
        return (!known || (O == 1 && I >= v)) && lanes == 1 && job_fits && !tiling;
    case CLVITS_CONV_DEPTHWISE:
        return (!known || depthwise) && lanes == v && job_fits && !tiling;
    case CLVITS_CONV_TOOM: /* of a block for one channel the rest would be padding */
        return (known ? O > 1 && clvits_toom_runs(at, &d, m, r)
                      : clvits_toom_has(at, asked_m, asked_r)) && job == -1 && !tiling &&
               (at->device && has_tiles(at->device) ? lanes == 16 || lanes == 32
                                                    : lanes == v || lanes == 2 * v);
    default:
        return false;
    }
}

static bool knobs_take(const clvits_target *at, const clvits_terms *shape,
                       const clvits_terms *values)
{
    const int64_t groups = clvits_terms_get(shape, "g", 0);

    if (groups * clvits_terms_get(shape, "i", 0) > MOST_CHANNELS ||
        groups * clvits_terms_get(shape, "o", 0) > MOST_CHANNELS)
        return false;
    const conv1d_dims d = dims_of(shape);
    const bool known = d.I && d.O && d.groups;
    const int layout = clvits_terms_get(values, "layout", known ? default_layout(at, &d) : -1);
    bool taken = layout_takes(at, layout, shape, values);

    /* Which layout it is for shows when there is a node. */
    for (int i = CLVITS_CONV_BLOCKS; layout == -1 && !taken && i <= CLVITS_CONV_TOOM; i++)
        taken = layout_takes(at, i, shape, values);
    return taken;
}

static const clvits_knob knobs[] = {
    { "layout", true, 5,
      { CLVITS_CONV_BLOCKS, CLVITS_CONV_TILE, CLVITS_CONV_DOT, CLVITS_CONV_DEPTHWISE,
        CLVITS_CONV_TOOM } },
    { "m", true, 5, { 3, 4, 5, 6, 16 } },
    { "r", true, 6, { 2, 3, 4, 5, 8, 12 } },
    { "lanes", false, 5, { 4, 8, 16, 32, 64 } },
    { "group", false, 3, { 16, 32, 64 } },
    { "chunk", false, 4, { 0, 4, 8, 16 } },
    { "job", false, 8, { 1, 4, 16, 48, 96, 144, 192, 288 } },
    { NULL },
};

const clvits_knobs clvits_conv_knobs = {
    .room = "conv1d",
    .knob = knobs,
    .shape = knobs_shape,
    .takes = knobs_take,
};
