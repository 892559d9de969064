// SPDX-License-Identifier: MIT
//
// Layer norm over channels.
#include "cpu/norm.h"
#include "cpu/rows.h"

static void rows(const clvits_cpu_call *call, int b, int t, int n)
{
    const norm_dims *d = call->dims;
    const float *restrict gamma = call->in[1], *restrict beta = call->in[2];

    for (; n > 0; n--, t++) {
        const float *restrict x = (const float *)call->in[0] + clvits_at(d->x, b, t);
        float *restrict y = (float *)call->out[0] + clvits_at(d->y, b, t);
        if (d->has_residual) {
            const float *restrict e = (const float *)call->in[3] + clvits_at(d->residual, b, t);
            for (int c = 0; c < d->C; c++)
                y[c] = x[c] + e[c];
        } else {
            memcpy(y, x, (size_t)d->C * sizeof(float));
        }
        clvits_norm_row(y, d->C, gamma, beta, d->eps, d->gelu);
    }
}

void CLVITS_CPU_PATH(layer_norm)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(layer_norm)(const clvits_cpu_call *call)
{
    const norm_dims *d = call->dims;
    clvits_rows r = { .call = call, .fn = rows, .B = d->B, .T = d->T, .clock = d->clock,
                      .outputs = 1, .y = { d->y }, .channels = { d->C } };
    clvits_rows_run(&r);
}
