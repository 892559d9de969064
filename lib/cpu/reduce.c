// SPDX-License-Identifier: MIT
//
// Sum over rows and channels, in the parts and the order of cl/reduce.cl.
#include "cpu/isa.h"

enum { PARTS = 64 };

static void run_job(void *context, int b)
{
    const clvits_cpu_call *call = context;
    const reduce_dims *d = call->dims;
    const int len = call->run[d->clock * d->B + b];
    float total[PARTS] = { 0 }, lost[PARTS] = { 0 };
    int part = 0;

    for (int t = 0; t < len; t++) {
        const float *x = (const float *)call->in[0] + clvits_at(d->x, b, t);
        for (int c = 0; c < d->C; c++, part = (part + 1) % PARTS) {
            const float v = x[c] - lost[part], next = total[part] + v;
            lost[part] = (next - total[part]) - v;
            total[part] = next;
        }
    }
    for (int n = PARTS / 2; n > 0; n /= 2)
        for (int p = 0; p < n; p++)
            total[p] += total[p + n];
    ((float *)call->out[0])[clvits_at(d->y, b, 0)] = total[0];
    clvits_zero_guard(call->out[0], d->y, b, 1, 1);
}

void CLVITS_CPU_PATH(sum)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(sum)(const clvits_cpu_call *call)
{
    const reduce_dims *d = call->dims;
    clvits_cpu_call copy = *call;
    clvits_pool_run(call->pool, d->B, run_job, &copy);
}
