// SPDX-License-Identifier: MIT
#include "cpu/rows.h"

static void rows(const clvits_cpu_call *call, int b, int t, int n)
{
    const embedding_dims *d = call->dims;

    for (; n > 0; n--, t++) {
        const int id = ((const int *)call->in[0])[clvits_at(d->ids, b, t)];
        const int row = id < 0 ? 0 : id >= d->V ? d->V - 1 : id;
        const float *restrict p = (const float *)call->in[1] + (long)row * d->C;
        float *restrict y = (float *)call->out[0] + clvits_at(d->y, b, t);
        for (int c = 0; c < d->C; c++)
            y[c] = p[c] * d->scale;
    }
}

void CLVITS_CPU_PATH(embedding)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(embedding)(const clvits_cpu_call *call)
{
    const embedding_dims *d = call->dims;
    clvits_rows r = { .call = call, .fn = rows, .B = d->B, .T = d->T, .clock = d->clock,
                      .outputs = 1, .y = { d->y }, .channels = { d->C } };
    clvits_rows_run(&r);
}
