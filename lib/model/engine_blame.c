// SPDX-License-Identifier: MIT
//
// Devices that fail, for what speaks and what listens: which one, in what, and what of it is told.
#include "graph/trust.h"
#include "model/engine_task.h"

#include <stdio.h>

unsigned clvits_task_blame(const clvits_engine *e, unsigned barred, bool *memory, clvits_report *r)
{
    clvits_device *d = (clvits_device *)r->device;
    const unsigned place = d ? clvits_machine_bit(e->machine, d) : 0;

    if (!place || barred & place)
        return 0;
    *memory = r->status == CLVITS_E_MEMORY && !clvits_device_probe(d);
    clvits_stage_pool_trim(e->pool); /* the probe may look at what the device has */
    if (!*memory)
        clvits_device_distrust(d, r->text, r);
    return place;
}

bool clvits_task_is_hopeless(const clvits_engine *e, unsigned place, const clvits_report *r)
{
    for (int i = 1; i < e->machine->n_places; i++)
        if (place >> i & 1)
            return r->weights > clvits_device_memory(e->machine->device[i]);
    return false;
}

void clvits_task_bar(const clvits_engine *e, unsigned *barred, unsigned place, size_t enough,
                     const clvits_report *r)
{
    char more[64] = "";

    if (enough)
        snprintf(more, sizeof(more), ", and about %zu MiB would be enough", (enough >> 20) + 1);
    clvits_warn(r, "%s; going on without this device%s%s", r->text,
                clvits_task_is_hopeless(e, place, r) ? ": weights alone take more" : "", more);
    *barred |= place;
    if (e->machine->trust)
        atomic_fetch_or(&e->machine->trust->short_of_memory, place);
}

void clvits_task_take_back(const clvits_machine *m, unsigned *accused, const clvits_report *r)
{
    for (int i = 1; i < m->n_places && *accused; i++) {
        if (*accused >> i & 1 && clvits_device_take_back(m->device[i]))
            clvits_warn(r, "%s is used again: the CPU path makes the same of this voice",
                        clvits_device_get_info(m->device[i])->name);
    }
    *accused = 0;
}

bool clvits_task_takes_of(const clvits_engine *e, const clvits_loan *l, const clvits_report *r)
{
    bool takes = false;

    for (int i = 1; i < e->machine->n_places && l->stage && !takes; i++)
        takes = e->machine->device[i] == r->device && clvits_plan_bytes(l->stage->plan, i);
    return takes;
}
