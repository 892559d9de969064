// SPDX-License-Identifier: MIT
#include "graph/sched.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int halves;
} modes[] = {
    { "fp32", 0 },
    { "fp16-storage", CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS },
    { "fp16", CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS | CLVITS_HALF_SUMS },
};

/* Every device that was opened must have half arithmetic, get it right, and run the kernels that
 * have a use for it: on another it would silently be the work of the storage mode. */
static clvits_status check_sums(const clvits_machine *m, clvits_report *r)
{
    if (m->n_places < 2)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "precision fp16 needs an OpenCL device that computes in halves; the CPU "
                           "path has fp32, and takes fp16-storage for the same");
    for (int i = 1; i < m->n_places; i++) {
        clvits_report own = { .log = r->log, .log_user = r->log_user };
        if (clvits_device_check_halves(m->device[i], &own))
            return clvits_fail(r, own.status, "precision fp16: %s%s", own.text,
                               clvits_device_lost(m->device[i]) ? ""
                                                                : "; it has fp32 and fp16-storage");
        if (clvits_device_get_info(m->device[i])->family != CLVITS_FAMILY_GPU)
            return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                               "precision fp16: %s has the kernels for CPUs, which multiply "
                               "floats; it has fp32 and fp16-storage",
                               clvits_device_get_info(m->device[i])->name);
    }
    return CLVITS_OK;
}

clvits_status clvits_machine_set_precision(clvits_machine *m, const char *name, clvits_report *r)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        if (strcmp(name, modes[i].name))
            continue;
        const clvits_status s = modes[i].halves & CLVITS_HALF_SUMS ? check_sums(m, r) : CLVITS_OK;
        m->halves = s ? 0 : modes[i].halves;
        return s;
    }
    return clvits_fail(r, CLVITS_E_ARGUMENT,
                       "precision \"%.40s\"; there are fp32, fp16-storage and fp16", name);
}
