// SPDX-License-Identifier: MIT
#include "op/toom.h"

#include "graph/build.h"
#include "op/rows.h"

#include <stdio.h>
#include <string.h>
#include <toom.h>

/* Outputs, taps and points; of nested ones, also the taps and points of what is within. */
typedef struct form {
    int m, r, P, inner_r, inner_P;
} form;

#define FORM(m, r, P) { m, r, P, r, P },
#define NESTED(m, r, P) { 4 * m, 4 * r, 7 * P, 4, 7 },
static const form forms[] = { TOOM_FORMS(FORM) TOOM_NESTED(NESTED) };

enum { LEVEL_P = 8 }; /* most points of one level */
static const double points[][LEVEL_P] = {
    [5] = TOOM_POINTS_5, [6] = TOOM_POINTS_6, [7] = TOOM_POINTS_7, [8] = TOOM_POINTS_8
};
static const double norms[][LEVEL_P] = {
    [1] = { 1.0 },      [5] = TOOM_NORMS_5, [6] = TOOM_NORMS_6,
    [7] = TOOM_NORMS_7, [8] = TOOM_NORMS_8
};

enum {
    MOST_SPREAD = 8,          /* dilation of nested forms */
    MOST_NESTED = 256,        /* channels; of twelve taps, half as many */
    MAX_G = 4,                /* groups of taps, at most: the CPU path's scratch is for so many */
    MAX_SCRATCH = 160 * 1024, /* floats: for twelve nested tiles of 256 channels, and more */
    SPARED = 4096,            /* bytes of local memory that a device may want for itself */
    MAX_TILES = 48,
    JOBS_EACH = 4,            /* jobs for each compute unit, so that none waits long for the last */
    TILE_GROUP = 64,          /* work-items of conv1d_toom_tile */
    TILE_LOCAL = 4096,        /* floats of its local memory */
    LEAST_LANES = 16,
    MOST_LANES = 32,
};

static const form *form_of(int m, int r)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (forms[i].m == m && forms[i].r == r)
            return &forms[i];
    return NULL;
}

int clvits_toom_points(int m, int r)
{
    return form_of(m, r)->P;
}

/* Whether the form F(m, r) exists and can compute the convolution. A nested form is for one group
 * of taps, and for as many as fill it: five have a form of their own, and its many rows would
 * reach too far. So would tiles that dilation spreads, of which windows compute the parts beyond
 * their ends as well. */
static bool fits(const conv1d_dims *d, int m, int r)
{
    const form *f = form_of(m, r);

    if (!f || d->stride != 1 || d->groups != 1 || d->K < 2)
        return false;
    if (f->P != f->inner_P)
        return d->K > 5 && d->K > r - f->inner_r && d->K <= r &&
               d->dilation <= MOST_SPREAD;
    return d->K <= MAX_G * r && (d->K <= r || m == r);
}

/* Floats of local memory that the kernel is compiled for: of a CPU, where local memory is nothing
 * but memory, what a second-level cache holds, or nearly. */
static int scratch(const clvits_device_info *info)
{
    const size_t most = (size_t)MAX_SCRATCH * sizeof(float);
    const size_t left = info->local_memory > SPARED ? info->local_memory - SPARED : 0;
    return (int)((left < most ? left : most) / sizeof(float));
}

/* The work-items of conv1d_toom_tile, and how many tiles they make. */
static int group(const clvits_device *device)
{
    return (int)clvits_device_work_group(device, TILE_GROUP);
}

static int group_tiles(const clvits_device *device, int lanes)
{
    return 2 * group(device) / (lanes / 4);
}

/* Channels that conv1d_toom_tile stages at a time; 0 where not even four fit. */
static int chunk(const clvits_device *device, const conv1d_dims *d, int m, int r, int lanes)
{
    const int all = group_tiles(device, lanes) + (d->K - 1) / r * d->dilation;

    for (int n = 16; n >= 4; n /= 2)
        if ((int64_t)all * (m + r - 1) * (n + 4) <= TILE_LOCAL)
            return n;
    return 0;
}

/* How many tiles a work-item's scratch can hold, a multiple of those that it multiplies at a time:
 * transformed inputs of all channels and groups of taps, and sums of one block of channels. */
static int most_tiles(const clvits_target *at, const conv1d_dims *d, int m, int r)
{
    const int P = clvits_toom_points(m, r), v = clvits_conv_vector(at), rows = v == 16 ? 12 : 6;
    const int64_t inputs = (int64_t)P * (d->I + v), more = (d->K - 1) / r * d->dilation;
    const int64_t left = scratch(clvits_device_get_info(at->device)) - inputs * more;
    const int64_t fit = left > 0 ? left / (inputs + P * 2 * v) / rows * rows : 0;
    return fit < MAX_TILES ? (int)fit : MAX_TILES;
}

static bool has_form(const clvits_target *at, const form *f)
{
    if (at->cpu)
        return true;
    if (clvits_device_get_info(at->device)->family == CLVITS_FAMILY_CPU)
        return f->P >= 7;
    return f->P == 7 && f->r > 2;
}

bool clvits_toom_has(const clvits_target *at, int m, int r)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if ((m == -1 || forms[i].m == m) && (r == -1 || forms[i].r == r) &&
            has_form(at, &forms[i]))
            return true;
    return false;
}

bool clvits_toom_runs(const clvits_target *at, const conv1d_dims *d, int m, int r)
{
    if (!fits(d, m, r) || !has_form(at, form_of(m, r)))
        return false;
    if (at->cpu)
        return true;
    const clvits_device_info *info = clvits_device_get_info(at->device);
    if (info->family == CLVITS_FAMILY_CPU)
        return d->I >= clvits_conv_vector(at) && most_tiles(at, d, m, r) > 0;
    return d->phases == 1 && d->I % 4 == 0 &&
           d->act != CLVITS_ACT_GATE && group(at->device) >= 16 &&
           info->local_memory >= TILE_LOCAL * sizeof(float) &&
           chunk(at->device, d, m, r, LEAST_LANES) > 0;
}

void clvits_toom_form(const clvits_target *at, const conv1d_dims *d, int *m, int *r)
{
    const bool gpu = at->device &&
                     clvits_device_get_info(at->device)->family == CLVITS_FAMILY_GPU;
    const bool few = (int64_t)d->I * d->O <= 128 * 128; /* weights of eight points fit the caches */

    /* Where more is added up, less than 110 dB would be left of sums and their rounding errors. */
    *m = 16;
    *r = d->K > 8 ? 12 : 8;
    if (d->phases == 1 && d->I <= (d->K < 12 ? MOST_NESTED : MOST_NESTED / 2) &&
        clvits_toom_runs(at, d, *m, *r))
        return;
    *r = d->K <= 3 ? d->K : d->K == 5 ? 5 : 4;
    if (gpu)
        *m = 8 - *r; /* its kernel is for seven points */
    else
        *m = *r == 3 && few ? 6 : *r > 3 || !at->device ? 4 : 8 - *r;
    if (!clvits_toom_runs(at, d, *m, *r))
        *m = *r = 0;
}

/* As measured: transformed weights of many phases are too many for the caches, and wider vectors
 * want more channels to make up for the transforms; a kernel also more of all phases together. */
static bool phases_win(const clvits_target *at, const conv1d_dims *d)
{
    const int least = clvits_conv_vector(at) > 8 ? 32 : 24;

    return d->K == 2 && d->I >= least && d->O >= least &&
           (at->cpu || d->O * d->phases >= 128) &&
           (int64_t)d->I * d->O * d->phases <= 128 * 64 * 8;
}

/* As measured: from 32 channels on the products outweigh the transforms. */
bool clvits_toom_wins(const clvits_target *at, const conv1d_dims *d)
{
    int m, r;

    clvits_toom_form(at, d, &m, &r);
    if (at->device && clvits_device_get_info(at->device)->family == CLVITS_FAMILY_GPU)
        return false; /* not measured: a matter for tuned rows */
    if (d->phases > 1)
        return m && phases_win(at, d);
    if (at->device)
        return m && d->K >= 3 && d->I >= 32 && d->O >= 32;
    /* Long vectors want more channels to make up for the transforms, and three taps over many
     * channels, as text encoders have them, are more weights than a short text makes up for. */
    const bool wide = clvits_conv_vector(at) > 8;
    const int least = wide || d->K < 5 ? 32 : 24;
    return m && d->K >= 3 && d->I >= least && d->O >= least &&
           (!wide || d->K > 3 || (int64_t)d->I * d->O < 192 * 768);
}

/* Tiles of one item at capacity; a run may begin within a tile. */
static int tiles(const conv1d_dims *d, int rows)
{
    const int steps = clvits_ceil_div(rows + d->shift, d->phases);
    return (clvits_ceil_div(steps, d->m * d->dilation) + 1) * d->dilation;
}

/* Of all phases. */
static size_t blocks(const conv1d_dims *d)
{
    return (size_t)clvits_ceil_div(d->O, d->lanes) * (size_t)d->phases;
}

void clvits_toom_job(const clvits_target *at, conv1d_dims *d)
{
    const clvits_device_info *info = clvits_device_get_info(at->device);
    const bool gpu = info->family == CLVITS_FAMILY_GPU;

    d->job = gpu ? group_tiles(at->device, d->lanes) : most_tiles(at, d, d->m, d->r);
    d->shares = gpu ? 1 : clvits_ceil_div(JOBS_EACH * info->compute_units, d->B);
}

void clvits_toom_launch(const clvits_node *n, const clvits_target *at, const conv1d_dims *d,
                        clvits_launch *l)
{
    const clvits_device_info *info = clvits_device_get_info(at->device);
    const clvits_tensor *y = n->out[0] ? n->out[0] : n->out[1];
    const bool gpu = info->family == CLVITS_FAMILY_GPU;
    const size_t pieces = (size_t)clvits_ceil_div(tiles(d, y->T), d->job);
    const size_t shares = 2 * (size_t)d->shares; /* the most pieces that are made for their sake */
    char more[64];

    l->program = "toom";
    l->kernel = gpu ? "conv1d_toom_tile" : "conv1d_toom";
    l->dimensions = 3;
    l->local[0] = gpu ? (size_t)group(at->device) : 1;
    l->local[1] = l->local[2] = 1;
    if (gpu) {
        l->global[0] = pieces * l->local[0];
        l->global[1] = blocks(d);
        l->global[2] = (size_t)d->B;
        snprintf(more, sizeof(more), "GROUP=%d -DCHUNK=%d", group(at->device),
                 chunk(at->device, d, d->m, d->r, d->lanes));
    } else {
        l->global[0] = (size_t)d->B;
        l->global[1] = pieces > shares ? pieces : shares;
        l->global[2] = 1;
        snprintf(more, sizeof(more), "POINTS=%d -DSCRATCH=%d", clvits_toom_points(d->m, d->r),
                 scratch(info));
    }
    snprintf(l->options, sizeof(l->options), "-DKERNEL=%d -DWIDTH=%d -DPRE=%d%s -DLANES=%d -D%s",
             1 + gpu, clvits_conv_vector(at), d->pre_slope != 1.0f,
             d->act == CLVITS_ACT_GATE ? " -DGATE=1" : "", d->lanes, more);
    clvits_halves_launch(l, n->in[0], n->halves & CLVITS_HALF_WEIGHTS, y);
}

/* In the form where it is most: steps of a tile before an output, and those after it together with
 * the taps of zero beyond the filter. */
static void most_reach(int taps, int dilation, int *before, int *after)
{
    const conv1d_dims d = { .stride = 1, .groups = 1, .phases = 1, .K = taps,
                            .dilation = dilation };

    *before = *after = 0;
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        const form *f = &forms[i];
        if (!fits(&d, f->m, f->r))
            continue;
        const int more = f->m - 1 + (taps + f->r - 1) / f->r * f->r - taps;
        *before = f->m - 1 > *before ? f->m - 1 : *before;
        *after = more > *after ? more : *after;
    }
}

void clvits_conv1d_reach(int taps, int dilation, int pad_left, int *before, int *after)
{
    most_reach(taps, dilation, before, after);
    *before = pad_left + *before * dilation;
    *after = (taps - 1 + *after) * dilation - pad_left;
}

void clvits_conv_transpose1d_reach(int taps, int stride, int *before, int *after)
{
    const int each = (taps + stride - 1) / stride;

    most_reach(each, 1, before, after);
    *before += each - 1;
}

/* G of r taps and P points. */
static void matrix_of(int r, int P, double G[LEVEL_P][LEVEL_P])
{
    for (int j = 0; j < P; j++) {
        double power = 1.0;
        for (int k = 0; k < r; k++, power *= points[P][j])
            G[j][k] = (j < P - 1 ? power : k == r - 1) / norms[P][j];
    }
}

typedef struct transform {
    int r, P, inner_r, inner_P;
    double outer[LEVEL_P][LEVEL_P], inner[LEVEL_P][LEVEL_P];
} transform;

static transform transform_of(int m, int r)
{
    const form *f = form_of(m, r);
    transform t = { .r = f->r / f->inner_r, .P = f->P / f->inner_P, .inner_r = f->inner_r,
                    .inner_P = f->inner_P };

    matrix_of(t.r, t.P, t.outer);
    matrix_of(t.inner_r, t.inner_P, t.inner);
    return t;
}

/* v = G g for all taps, of some lanes at a time; points of v are `next` floats apart. */
static void transform_taps(const transform *t, double (*g)[MOST_LANES], int lanes, float *v,
                           int64_t next)
{
    for (int j = 0; j < t->inner_P; j++) {
        double tiles[LEVEL_P][MOST_LANES] = { 0 };
        for (int k = 0; k < t->r * t->inner_r; k++)
            for (int i = 0; i < lanes; i++)
                tiles[k / t->inner_r][i] += t->inner[j][k % t->inner_r] * g[k][i];
        for (int o = 0; o < t->P; o++) {
            double sum[MOST_LANES] = { 0 };
            for (int k = 0; k < t->r; k++)
                for (int i = 0; i < lanes; i++)
                    sum[i] += t->outer[o][k] * tiles[k][i];
            for (int i = 0; i < lanes; i++)
                v[(o * t->inner_P + j) * next + i] = (float)sum[i];
        }
    }
}

/* The taps of group g, channel c, of a block: zeros beyond the last one and the last channel. */
static void taps_of(const conv1d_dims *d, const clvits_conv_weight *w, int block, int lanes, int g,
                    int c, double (*taps)[MOST_LANES])
{
    const int each = (int)blocks(d) / d->phases;

    for (int i = 0; i < lanes; i++) {
        const int o = clvits_conv_channel(d, d->O, block % each, i);
        for (int k = 0; k < d->r; k++) {
            const int tap = clvits_conv_tap(d, w, block / each, g * d->r + k);
            taps[k][i] = o < d->O && tap >= 0 ? (double)w->data[o * w->o + c * w->i + tap] : 0.0;
        }
    }
}

int64_t clvits_toom_pack(const conv1d_dims *d, const clvits_target *at,
                         const clvits_conv_weight *w, float *out)
{
    const transform t = transform_of(d->m, d->r);
    const int G = clvits_ceil_div(d->K, d->r), N = d->lanes;
    const int n = (int)blocks(d), each = n / d->phases;
    const int64_t block = (int64_t)t.P * t.inner_P * G * d->I * N, all = n * block;
    double taps[TOOM_MAX_R][MOST_LANES];

    if (!out)
        return all;
    memset(out, 0, (size_t)all * sizeof(*out));
    for (int i = 0; i < n; i++) {
        const bool narrow = at->cpu && N > at->cpu->table->vector &&
                            d->O - i % each * N <= N / 2 && d->act != CLVITS_ACT_GATE;
        const int lanes = narrow ? N / 2 : N;
        for (int g = 0; g < G; g++)
            for (int c = 0; c < d->I; c++) {
                taps_of(d, w, i, lanes, g, c, taps);
                transform_taps(&t, taps, lanes, out + i * block + ((int64_t)g * d->I + c) * lanes,
                               (int64_t)G * d->I * lanes);
            }
    }
    return 0;
}
