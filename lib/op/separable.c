// SPDX-License-Identifier: MIT
#include "graph/build.h"
#include "op/rows.h"

#include <stdio.h>
#include <string.h>

enum { GPU_GROUP = 64, GPU_ROWS = 4, ALL_ROWS = 6 }; /* as in cl/separable.cl */

static int dilation(const clvits_node *n)
{
    const clvits_separable_params *p = n->params;
    return p->dilation ? p->dilation : 1;
}

static clvits_status shape(clvits_node *n, clvits_report *r)
{
    const clvits_tensor *x = n->in[0], *depthwise = n->in[1], *w = n->in[2];
    const int C = x->C;

    if (!clvits_rows_fit(x, x->clock, C) || C > SEPARABLE_MAX_CHANNELS)
        return clvits_fail(r, CLVITS_E_SHAPE, "%s: separable wants x (B,T,C) of at most %d "
                                              "channels", n->label, SEPARABLE_MAX_CHANNELS);
    if (depthwise->role != CLVITS_WEIGHT || depthwise->rank != 3 || depthwise->shape[2] % 2 != 1 ||
        depthwise->shape[2] > SEPARABLE_MAX_TAPS || dilation(n) < 1 || dilation(n) > 4096 ||
        !clvits_weight_fits(depthwise, C * (int)depthwise->shape[2]) || w->rank != 3 ||
        w->shape[0] != C || !clvits_weight_fits(w, C * C) || !clvits_weight_fits(n->in[3], 6 * C))
        return clvits_fail(r, CLVITS_E_SHAPE,
                           "%s: separable of %d channels wants weights [C][1][K] with an odd K, "
                           "[C][C][1] and [6 * C]", n->label, C);
    return clvits_graph_output(n, 0, CLVITS_F32, x->clock, C, r);
}

static int guard(const clvits_node *n, int i)
{
    return i == 0 ? dilation(n) * (int)(n->in[1]->shape[2] / 2) : 0;
}

static bool is_gpu(const clvits_target *at)
{
    return at->device && clvits_device_get_info(at->device)->family == CLVITS_FAMILY_GPU;
}

static int vector(const clvits_target *at)
{
    if (at->cpu)
        return at->cpu->table->vector;
    const int v = (int)clvits_device_get_info(at->device)->vector;
    return v >= 16 ? 16 : v >= 8 ? 8 : 4;
}

static void dims(const clvits_node *n, const clvits_target *at, void *dims)
{
    const clvits_separable_params *p = n->params;
    const clvits_tensor *y = n->out[0];
    const int block = is_gpu(at) ? 4 : 2 * vector(at), padded = (y->C + block - 1) / block * block;

    *(separable_dims *)dims = (separable_dims){
        .B = y->B,
        .T = y->T,
        .C = y->C,
        .K = (int)n->in[1]->shape[2],
        .dilation = dilation(n),
        .clock = y->clock,
        .padded = padded,
        .lanes = is_gpu(at) ? padded : block,
        .eps = p->eps != 0.0f ? p->eps : 1e-5f,
        .x = clvits_node_view(at, n->in[0]),
        .y = clvits_node_view(at, y),
    };
}

static int64_t pack(const clvits_node *n, const clvits_target *at, int i, float *out)
{
    const float *data = n->in[i]->data;
    separable_dims d;

    dims(n, at, &d);
    const int rows = i == 1 ? d.K : i == 2 ? d.padded : ALL_ROWS;
    if (!out)
        return (int64_t)rows * d.padded;
    memset(out, 0, (size_t)rows * (size_t)d.padded * sizeof(*out));
    for (int c = 0; c < d.C; c++) {
        if (i == 1)
            for (int k = 0; k < d.K; k++)
                out[k * d.padded + c] = data[c * d.K + k];
        else if (i == 2)
            for (int from = 0; from < d.C; from++)
                out[(c / d.lanes * d.padded + from) * d.lanes + c % d.lanes] =
                    data[c * d.C + from];
        else
            for (int k = 0; k < ALL_ROWS; k++)
                out[k * d.padded + c] = data[k * d.C + c];
    }
    return 0;
}

/* The kernel keeps two copies of its rows, and a number of each work-item. */
static bool takes(const clvits_node *n, const clvits_device *device)
{
    const clvits_device_info *info = clvits_device_get_info(device);
    const size_t floats = 2 * GPU_ROWS * SEPARABLE_MAX_CHANNELS + GPU_GROUP;

    (void)n;
    return info->family == CLVITS_FAMILY_CPU ||
           (clvits_device_work_group(device, GPU_GROUP) == GPU_GROUP &&
            info->local_memory >= floats * sizeof(float));
}

static void launch(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l)
{
    const separable_dims *d = dims;
    const int group = is_gpu(at) ? GPU_GROUP : 0, width = group ? 4 : vector(at);
    const int rows = group ? GPU_ROWS : width == 16 ? 12 : 6;

    (void)n;
    l->program = "separable";
    l->kernel = "separable";
    l->dimensions = 2;
    snprintf(l->options, sizeof(l->options), "-DGROUP=%d -DWIDTH=%d", group, width);
    l->local[0] = group ? (size_t)group : 1;
    l->local[1] = 1;
    l->global[0] = (size_t)((d->T + rows - 1) / rows) * l->local[0];
    l->global[1] = (size_t)d->B;
}

/* T C (2 K + 2 C + 40): K taps of the depthwise convolution, C products of the 1x1, two norms and
 * GELUs. */
static double flops(const clvits_node *n, const int *lengths)
{
    const clvits_tensor *y = n->out[0];
    return clvits_work_cells(y, lengths) *
           (2.0 * y->C + 2.0 * (double)n->in[1]->shape[2] + 40.0);
}

const clvits_op clvits_op_separable = {
    .name = "separable",
    .inputs = 4,
    .outputs = 1,
    .params_size = sizeof(clvits_separable_params),
    .dims_size = sizeof(separable_dims),
    .shape = shape,
    .guard = guard,
    .dims = dims,
    .pack = pack,
    .cpu = CLVITS_CPU_SEPARABLE,
    .takes = takes,
    .launch = launch,
    .flops = flops,
};

clvits_tensor *clvits_separable(clvits_tensor *x, clvits_tensor *depthwise, clvits_tensor *w,
                                clvits_tensor *rows, const clvits_separable_params *params)
{
    clvits_tensor *in[] = { x, depthwise, w, rows };
    return clvits_graph_first(clvits_graph_call(&clvits_op_separable, in, 4, 4, params));
}
