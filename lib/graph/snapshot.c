// SPDX-License-Identifier: MIT
#include "graph/snapshot.h"

#include <stdlib.h>
#include <string.h>

clvits_status clvits_snapshot_take(clvits_snapshot *out, const clvits_run *run,
                                   const clvits_plan *p, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    *out = (clvits_snapshot){ 0 };
    for (int i = 0; i < p->machine->n_places && !s; i++) {
        const clvits_memory m = clvits_run_memory(run, i);

        out->size[i] = m.host || m.buffer ? clvits_plan_bytes(p, i) : 0;
        if (!out->size[i])
            continue;
        out->bytes[i] = malloc(out->size[i]);
        if (!out->bytes[i])
            s = clvits_fail_memory(r, "a comparison of recorded launches");
        else if (i == CLVITS_CPU_PLACE)
            memcpy(out->bytes[i], m.host, out->size[i]);
        else
            s = clvits_buffer_read(m.buffer, 0, out->size[i], out->bytes[i], r);
    }
    if (s)
        clvits_snapshot_free(out);
    return s;
}

clvits_status clvits_snapshot_put_back(const clvits_snapshot *from, const clvits_run *run,
                                       const clvits_plan *p, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < p->machine->n_places && !s; i++) {
        const clvits_memory m = clvits_run_memory(run, i);

        if (from->size[i] && i == CLVITS_CPU_PLACE)
            memcpy((void *)m.host, from->bytes[i], from->size[i]);
        else if (from->size[i])
            s = clvits_buffer_write(m.buffer, 0, from->size[i], from->bytes[i], true, r);
    }
    return s;
}

bool clvits_snapshot_same(const clvits_snapshot *a, const clvits_snapshot *b)
{
    for (int i = 0; i < CLVITS_MAX_PLACES; i++)
        if (a->size[i] && memcmp(a->bytes[i], b->bytes[i], a->size[i]))
            return false;
    return true;
}

void clvits_snapshot_free(clvits_snapshot *s)
{
    for (int i = 0; i < CLVITS_MAX_PLACES; i++)
        free(s->bytes[i]);
    *s = (clvits_snapshot){ 0 };
}
