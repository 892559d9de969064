// SPDX-License-Identifier: MIT
//
// Losses, in the stretches, the sums and the order of cl/loss.cl.
#include "cpu/isa.h"
#include "cpu/math.h"

#include <math.h>

/* Elements i to i + n - 1 of item b, all in one row. */
static void terms(const clvits_cpu_call *call, int b, int i, int n, float *restrict v)
{
    const loss_dims *d = call->dims;
    const int t = i / d->C, c = i % d->C;
    const float *restrict x = (const float *)call->in[0] + clvits_at(d->x, b, t) + c;
    const float *restrict p = (const float *)call->in[1] + clvits_at(d->p, b, t) + c;
    const float *restrict q = (const float *)call->in[2] + clvits_at(d->q, b, t) + c;
    const float *restrict r = (const float *)call->in[3] + clvits_at(d->r, b, t) + c;

    if (d->kind == LOSS_SUM) {
        memcpy(v, x, (size_t)n * sizeof(*v));
    } else if (d->kind == LOSS_KL) {
        for (int k = 0; k < n; k++) {
            const float distance = (x[k] - q[k]) * clvits_exp(-r[k]);
            v[k] = 0.5f * distance * distance + (r[k] - p[k] - 0.5f);
        }
    } else {
        if (d->has_p)
            for (int k = 0; k < n; k++)
                v[k] = x[k] - p[k];
        else
            for (int k = 0; k < n; k++)
                v[k] = x[k] - d->target;
        if (d->kind == LOSS_ABSOLUTE)
            for (int k = 0; k < n; k++)
                v[k] = fabsf(v[k]);
        else
            for (int k = 0; k < n; k++)
                v[k] *= v[k];
    }
}

/* Adds n numbers to as many sums. */
static void add(float *restrict total, float *restrict lost, const float *restrict v, int n)
{
    for (int l = 0; l < n; l++) {
        const float less = v[l] - lost[l], next = total[l] + less;
        lost[l] = (next - total[l]) - less;
        total[l] = next;
    }
}

static float lanes_total(float total[LOSS_LANES])
{
    for (int n = LOSS_LANES / 2; n > 0; n /= 2)
        for (int l = 0; l < n; l++)
            total[l] += total[l + n];
    return total[0];
}

static void run_stretch(void *context, int index)
{
    const clvits_cpu_call *call = context;
    const loss_dims *d = call->dims;
    const int b = index / LOSS_STRETCHES, stretch = index % LOSS_STRETCHES;
    const int count = call->run[d->clock * d->B + b] * d->C, run = LOSS_LANES * LOSS_STRETCHES;
    const int each = (count + run - 1) / run * LOSS_LANES, first = stretch * each;
    const int end = first + each < count ? first + each : count;
    float total[LOSS_LANES] = { 0 }, lost[LOSS_LANES] = { 0 }, v[LOSS_LANES];

    for (int i = first; i < end; i += LOSS_LANES) {
        const int n = end - i < LOSS_LANES ? end - i : LOSS_LANES;
        for (int k = 0, some; k < n; k += some) {
            some = d->C - (i + k) % d->C;
            some = some < n - k ? some : n - k;
            terms(call, b, i + k, some, v + k);
        }
        add(total, lost, v, n);
    }
    ((float *)call->out[0])[clvits_at(d->y, b, 0) + stretch] = lanes_total(total);
    if (stretch == 0)
        clvits_zero_guard(call->out[0], d->y, b, 1, LOSS_STRETCHES);
}

void CLVITS_CPU_PATH(loss)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(loss)(const clvits_cpu_call *call)
{
    const loss_dims *d = call->dims;
    clvits_cpu_call copy = *call;

    /* What is absent is not read, but counted from. */
    for (int i = 1; i < 4; i++)
        copy.in[i] = copy.in[i] ? copy.in[i] : copy.in[0];
    clvits_pool_run(call->pool, d->B * LOSS_STRETCHES, run_stretch, &copy);
}

void CLVITS_CPU_PATH(total)(const clvits_cpu_call *call);
void CLVITS_CPU_PATH(total)(const clvits_cpu_call *call)
{
    const total_dims *d = call->dims;
    float total[LOSS_LANES] = { 0 }, lost[LOSS_LANES] = { 0 };
    int rows = 0;

    for (int i = 0; i < d->B * d->C; i++) {
        const float *x = (const float *)call->in[0] + clvits_at(d->x, i / d->C, 0) + i % d->C;
        add(total + i % LOSS_LANES, lost + i % LOSS_LANES, x, 1);
    }
    for (int b = 0; b < d->B; b++)
        rows += call->run[d->rows * d->B + b];
    const int count = d->rows && rows > 0 ? rows * d->channels : 1;
    const float mean = lanes_total(total) * d->scale / (float)count;
    for (int b = 0; b < d->B; b++) {
        float *y = (float *)call->out[0] + clvits_at(d->y, b, 0);
        *y = mean;
        if (d->has_add)
            *y += ((const float *)call->in[1])[clvits_at(d->add, b, 0)];
        clvits_zero_guard(call->out[0], d->y, b, 1, 1);
    }
}
