// SPDX-License-Identifier: MIT
#include "golden.h"

#include <stdio.h>

/* A copy in the arena; rows: [B, C, T] becomes [B][T][C]. */
static golden keep(harness *h, const npy *a, bool rows)
{
    golden g = { .rank = a->rank, .count = (int64_t)a->count };
    double *data = clvits_arena_array(&h->arena, a->count + 1, sizeof(*data));
    float *floats = clvits_arena_array(&h->arena, a->count + 1, sizeof(*floats));

    ck_assert(data && floats);
    for (int i = 0; i < a->rank; i++)
        g.shape[i] = a->shape[i];
    if (rows) {
        g.B = (int)a->shape[0];
        g.C = (int)a->shape[1];
        g.T = (int)a->shape[2];
    }
    for (int64_t i = 0; i < g.count; i++) {
        const int64_t c = rows ? i % g.C : 0, t = rows ? i / g.C % g.T : 0;
        const int64_t from = rows ? (i / g.C / g.T * g.C + c) * g.T + t : i;
        data[i] = a->data[from];
        floats[i] = a->floats[from];
    }
    g.data = data;
    g.floats = floats;
    return g;
}

static golden read(harness *h, const char *name, bool rows)
{
    char path[1024];

    snprintf(path, sizeof(path), GOLDEN_DIR "/ops/%s.npy", name);
    npy a = npy_read(path);
    ck_assert_msg(!rows || a.rank == 3, "%s is not [B, C, T]", path);
    const golden g = keep(h, &a, rows);
    npy_free(&a);
    return g;
}

golden golden_read(harness *h, const char *name)
{
    return read(h, name, false);
}

golden golden_rows(harness *h, const char *name)
{
    return read(h, name, true);
}
