// SPDX-License-Identifier: MIT
#include "cpu/rows.h"

static void rows(const clvits_cpu_call *call, int b, int t, int n)
{
    const segment_dims *d = call->dims;
    const int len = call->run[d->from * d->B + b];
    const size_t size = (size_t)d->C * sizeof(float);

    for (int end = t + n; t < end; t++) {
        float *y = (float *)call->out[0] + clvits_at(d->y, b, t);
        int from = t;
        if (d->slot >= 0)
            from += call->run[d->slot * d->B + b] * d->step;
        else if (t >= len)
            from = 2 * (len - 1) - t > 0 ? 2 * (len - 1) - t : 0;
        if (from >= 0 && from < len)
            memcpy(y, (const float *)call->in[0] + clvits_at(d->x, b, from), size);
        else
            memset(y, 0, size);
    }
}

#define CPU_PATH(NAME)                                                                            \
    void CLVITS_CPU_PATH(NAME)(const clvits_cpu_call *call);                                      \
    void CLVITS_CPU_PATH(NAME)(const clvits_cpu_call *call)                                       \
    {                                                                                             \
        const segment_dims *d = call->dims;                                                       \
        clvits_rows r = { .call = call, .fn = rows, .B = d->B, .T = d->T, .clock = d->clock,      \
                          .outputs = 1, .y = { d->y }, .channels = { d->C } };                    \
        clvits_rows_run(&r);                                                                      \
    }

CPU_PATH(fold)
CPU_PATH(slice_rows)
