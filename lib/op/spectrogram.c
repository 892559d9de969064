// SPDX-License-Identifier: MIT
#include "graph/build.h"

#include <exact.h>

#include <spectrogram.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What cl/spectrogram.cl is written for, per family; and the longest transform of a kernel that is
 * not built for all. */
enum { GPU_GROUP = 64, LANES_FRAMES = 8, USUAL_POINTS = 1024 };

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_spectrogram_params *p = n->params;
    const clvits_tensor *x = n->in[0], *window = n->in[1];

    if (x->type != CLVITS_F32 || x->role == CLVITS_WEIGHT || x->C != 1)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: a spectrogram wants samples (B,T,1), not %d "
                                              "channels", n->label, x->C);
    if (window->role != CLVITS_WEIGHT || window->rank != 1 || window->shape[0] != p->n_fft)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: a spectrogram of %d points wants a window of "
                                              "as many", n->label, p->n_fft);
    return clvits_graph_output(n, 0, CLVITS_F32,
                               clvits_graph_clock_of(n->graph, x->clock, 1, 0, p->hop),
                               p->n_fft / 2 + 1, r);
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_spectrogram_params *p = n->params;
    const clvits_tensor *y = n->out[0];

    *(spectrogram_dims *)dims = (spectrogram_dims){
        .B = y->B,
        .T = y->T,
        .N = p->n_fft,
        .hop = p->hop,
        .pad = (p->n_fft - p->hop) / 2,
        .from = n->in[0]->clock,
        .clock = y->clock,
        .eps = p->eps != 0.0f ? p->eps : 1e-6f,
        .x = clvits_node_view(at, n->in[0]),
        .y = clvits_node_view(at, y),
    };
}

/* The window becomes a table, as cl/spectrogram.h says. */
static int64_t pack(const clvits_node *n, const clvits_target *at, int i, float *out)
{
    const int N = ((const clvits_spectrogram_params *)n->params)->n_fft;
    const double turn = 2.0 * acos(-1.0) / N;

    (void)at;
    if (i != 1)
        return 0;
    for (int k = 0; out && k < N; k++) {
        out[k] = n->in[1]->data[k];
        out[N + k] = (float)cos(turn * k);
        out[2 * N + k] = (float)sin(turn * k);
    }
    return 3 * (int64_t)N;
}


static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const clvits_device_info *info = clvits_device_get_info(at->device);
    const spectrogram_dims *d = dims;
    const bool fft = SPECTROGRAM_IS_FFT(d->N);
    const int points = d->N > USUAL_POINTS ? SPECTROGRAM_MOST : USUAL_POINTS;
    const size_t local_bytes = sizeof(float) * (size_t)points;
    const bool groups = (info->family == CLVITS_FAMILY_GPU) == !at->variant &&
                        info->local_memory >= local_bytes &&
                        clvits_device_work_group(at->device, GPU_GROUP) == GPU_GROUP;

    (void)n;
    l->program = "spectrogram";
    l->kernel = groups ? "spectrogram" : "spectrogram_lanes";
    l->dimensions = 2;
    snprintf(l->options, sizeof(l->options), "-DKERNEL=%d -DPOINTS=%d -DFFT=%d", groups ? 1 : 2,
             points, fft);
    l->local[0] = groups ? GPU_GROUP : 1;
    l->local[1] = 1;
    l->global[0] = groups ? (size_t)d->T * GPU_GROUP
                          : (size_t)((d->T + LANES_FRAMES - 1) / LANES_FRAMES);
    l->global[1] = (size_t)d->B;
}

/* Of a frame: the window, five operations for a complex product and sum in each step of radix 2 of
 * the half as long transform, or the product; then the bins. */
static double flops(const clvits_node *n, const int *lengths)
{
    const int N = ((const clvits_spectrogram_params *)n->params)->n_fft;
    const clvits_tensor *y = n->out[0];
    const double whole = SPECTROGRAM_IS_FFT(N) ? 2.5 * N * log2(0.5 * N) : 2.0 * N * y->C;
    const double bins = SPECTROGRAM_IS_FFT(N) ? 10.0 : 4.0;

    return clvits_work_rows(y, lengths) * (N + whole + bins * y->C);
}

const clvits_op clvits_op_spectrogram = {
    .name = "spectrogram",
    .inputs = 2,
    .outputs = 1,
    .params_size = sizeof(clvits_spectrogram_params),
    .dims_size = sizeof(spectrogram_dims),
    .shape = shape,
    .dims = dims,
    .pack = pack,
    .cpu = CLVITS_CPU_SPECTROGRAM,
    .launch = launch,
    .flops = flops,
};

/* A periodic Hann window in the middle of n points. */
static clvits_tensor *hann(clvits_graph *g, int n, int length)
{
    float *w = clvits_arena_array(&g->arena, (size_t)n, sizeof(*w));

    if (!w) {
        clvits_graph_fail(g, CLVITS_E_MEMORY, "no memory for a window of %d points", n);
        return NULL;
    }
    memset(w, 0, (size_t)n * sizeof(*w));
    for (int i = 0; i < length; i++)
        w[(n - length) / 2 + i] = (float)(0.5 - 0.5 * cos(2.0 * acos(-1.0) * i / length));
    return clvits_graph_constant(g, w, 1, (int64_t[]){ n });
}

clvits_tensor *clvits_spectrogram(clvits_tensor *wave, const clvits_spectrogram_params *params)
{
    clvits_spectrogram_params p = *params;

    if (!wave)
        return NULL;
    p.win_length = p.win_length ? p.win_length : p.n_fft;
    if (p.n_fft < 2 || p.n_fft > SPECTROGRAM_MOST || p.hop < 1 || p.hop > p.n_fft ||
        p.win_length < 1 || p.win_length > p.n_fft || !(p.eps >= 0.0f)) {
        clvits_graph_fail(wave->graph, CLVITS_E_SHAPE,
                          "%s: a spectrogram of %d points (2 to %d), of which a window has %d, "
                          "every %d samples", wave->graph->label, p.n_fft, SPECTROGRAM_MOST,
                          p.win_length, p.hop);
        return NULL;
    }
    clvits_tensor *in[] = { wave, hann(wave->graph, p.n_fft, p.win_length) };
    return clvits_graph_first(clvits_graph_call(&clvits_op_spectrogram, in, 2, 2, &p));
}

clvits_tensor *clvits_mel(clvits_tensor *spectrogram, clvits_tensor *filterbank)
{
    if (!spectrogram || !filterbank)
        return NULL;
    clvits_graph *g = spectrogram->graph;
    const int halves = g->halves;

    clvits_graph_halves(g, 0);
    clvits_tensor *mel =
        clvits_log_flow(clvits_conv1d(spectrogram, filterbank, NULL,
                                      &(clvits_conv1d_params){ .dilation = 1 }, NULL),
                        false, NULL);
    clvits_graph_halves(g, halves);
    return mel;
}
