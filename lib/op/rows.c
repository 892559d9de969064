// SPDX-License-Identifier: MIT
#include "op/rows.h"

#include <stdio.h>

enum { WORK_GROUP = 64 };

void clvits_rows_launch(clvits_launch *l, const clvits_device *device, const char *program,
                        const char *kernel, int B, int rows, int C)
{
    const int width = clvits_device_get_info(device)->family == CLVITS_FAMILY_CPU ? 8 : 4;
    const size_t items = (size_t)rows * (size_t)((C + width - 1) / width);
    const size_t group = clvits_device_work_group(device, WORK_GROUP);

    l->program = program;
    l->kernel = kernel;
    l->dimensions = 2;
    snprintf(l->options, sizeof(l->options), "-DWIDTH=%d", width);
    l->global[0] = (items + group - 1) / group * group;
    l->global[1] = (size_t)B;
    l->local[0] = group;
    l->local[1] = 1;
}

bool clvits_rows_fit(const clvits_tensor *t, int clock, int channels)
{
    return t->role != CLVITS_WEIGHT && t->type == CLVITS_F32 && t->clock == clock &&
           t->C == channels;
}

bool clvits_rows_fit_either(const clvits_tensor *t, int clock, int channels)
{
    return t->role != CLVITS_WEIGHT && t->type != CLVITS_I32 && t->clock == clock &&
           t->C == channels;
}

void clvits_halves_launch(clvits_launch *l, const clvits_tensor *x, bool w, const clvits_tensor *y)
{
    if (x->type == CLVITS_F16)
        clvits_launch_option(l, "-DX_HALF=1");
    if (x->type == CLVITS_I32)
        clvits_launch_option(l, "-DX_INT=1");
    if (w)
        clvits_launch_option(l, "-DW_HALF=1");
    if (y->type == CLVITS_F16)
        clvits_launch_option(l, "-DY_HALF=1");
}

bool clvits_weight_fits(const clvits_tensor *t, int n)
{
    int64_t count = t->role == CLVITS_WEIGHT;

    for (int i = 0; i < t->rank && count <= n; i++)
        count *= t->shape[i];
    return count == n;
}
