// SPDX-License-Identifier: MIT
#include "graph/trust.h"

#include "graph/trial.h"

#include <string.h>

bool clvits_trust_tell(struct clvits_trust *t, const clvits_op *op, int place)
{
    unsigned long long bit = 1;

    for (const clvits_op *const *o = clvits_ops; *o && *o != op; o++)
        bit <<= 1;
    return !(atomic_fetch_or(&t->told[place], bit) & bit);
}

void clvits_trust_keep(const clvits_machine *m, const clvits_report *r)
{
    const int trials = atomic_exchange(&m->trust->trials, 0);
    const double ms = 1e-6 * (double)atomic_exchange(&m->trust->nanoseconds, 0);

    for (int i = 1; i < m->n_places && trials; i++)
        clvits_verdicts_save(m->device[i], r);
    if (trials)
        clvits_info(r, "%d kernel%s tried on known answers in %.0f ms", trials,
                    clvits_plural(trials), ms);
}

/* Carry out a trial and keep what it shows, unless that may be another matter the next time. A
 * kernel that finds no resources where its memory could be had is wrong for this device. One that
 * ends programs in one shape is left alone in all that are not known to be right: each might end as
 * many. */
static clvits_status judge(const clvits_machine *m, clvits_device *d, clvits_trial *t, uint64_t key,
                           clvits_report *r)
{
    const int64_t start = clvits_trace_now(r), begun = clvits_trace_clock();
    clvits_report own = { .log = r->log, .log_user = r->log_user, .stop = r->stop };
    clvits_attempt attempt = { .fd = -1 };
    uint64_t kernel;
    clvits_status s = clvits_kernel_hash(&kernel, d, &t->launch, r);

    if (!s)
        s = clvits_attempt_begin(&attempt, d, kernel, key, t->launch.kernel, t->launch.options, r);
    if (!s)
        s = clvits_trial_run(t, &own);
    clvits_attempt_end(&attempt);
    if (r->status)
        return s;
    atomic_fetch_add(&m->trust->trials, 1);
    atomic_fetch_add(&m->trust->nanoseconds, clvits_trace_clock() - begun);
    clvits_trace_host(r, start, "prove kernel", t->node->op->name, t->launch.options);
    if ((s == CLVITS_E_DEVICE || (s == CLVITS_E_MEMORY && t->placed)) && !t->compared && own.device)
        clvits_device_probe(d);
    if (s && s != CLVITS_E_DEVICE && !(s == CLVITS_E_MEMORY && own.device && t->placed)) {
        r->device = own.device;
        return clvits_fail(r, s, "%s", own.text);
    }
    if (s && clvits_device_lost(d))
        return clvits_fail(r, CLVITS_E_DEVICE, "%s", own.text);
    const clvits_status kept = clvits_verdict_set(d, key, s ? CLVITS_WRONG : CLVITS_RIGHT, own.text,
                                                  !s || t->compared, r);
    return s ? clvits_fail(r, CLVITS_E_DEVICE, "%s", own.text) : kept;
}

clvits_status clvits_trust_node(const clvits_machine *m, const clvits_node *n,
                                const clvits_target *at, float slope, clvits_report *r)
{
    clvits_device *d = (clvits_device *)at->device;
    char why[CLVITS_VERDICT_TEXT] = "";
    clvits_trial t = { 0 };
    uint64_t key = 0;
    clvits_report own = { .log = r->log, .log_user = r->log_user };
    clvits_status s = clvits_trial_open(&t, m, n, at, slope, 0, &own);

    if (s) { /* made small, the node is none: nothing can be said of it */
        clvits_trial_close(&t);
        if (s == CLVITS_E_MEMORY)
            return clvits_fail(r, s, "%s", own.text);
        clvits_info(r, "%s, %s, is used on %s without a trial: %s", n->op->name, n->label,
                    clvits_device_get_info(d)->name, own.text);
        return CLVITS_OK;
    }
    s = clvits_trial_key(&key, &t, r);
    const clvits_verdict known = s ? CLVITS_UNTRIED : clvits_verdict_get(d, key, why);
    if (!s && known == CLVITS_WRONG)
        s = clvits_fail(r, CLVITS_E_DEVICE, "%s", why);
    else if (!s && known == CLVITS_UNTRIED)
        s = judge(m, d, &t, key, r);
    clvits_trial_close(&t);
    return s;
}
