// SPDX-License-Identifier: MIT
#include "cpu/rows.h"

static void rows(const clvits_cpu_call *call, int b, int t, int n)
{
    const move_dims *d = call->dims;
    const size_t first = (size_t)d->Ca * sizeof(float);
    const size_t rest = (size_t)(d->C - d->Ca) * sizeof(float);

    for (; n > 0; n--, t++) {
        const int *restrict p = (const int *)call->in[0] + clvits_at(d->a, b, t);
        int *restrict y = (int *)call->out[0] + clvits_at(d->y, b, t);
        if (d->flip) {
            for (int c = 0; c < d->C; c++)
                y[c] = p[d->C - 1 - c];
            continue;
        }
        memcpy(y, p, first);
        if (rest)
            memcpy(y + d->Ca, (const int *)call->in[1] + clvits_at(d->b, b, t), rest);
    }
}

#define CPU_PATH(NAME)                                                                            \
    void CLVITS_CPU_PATH(NAME)(const clvits_cpu_call *call);                                      \
    void CLVITS_CPU_PATH(NAME)(const clvits_cpu_call *call)                                       \
    {                                                                                             \
        const move_dims *d = call->dims;                                                          \
        clvits_rows r = { .call = call, .fn = rows, .B = d->B, .T = d->T, .clock = d->clock,      \
                          .outputs = 1, .y = { d->y }, .channels = { d->C } };                    \
        clvits_rows_run(&r);                                                                      \
    }

CPU_PATH(copy)
CPU_PATH(concat)
CPU_PATH(flip)
