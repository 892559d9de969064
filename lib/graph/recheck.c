// SPDX-License-Identifier: MIT
//
// Proof in flight: now and then the CPU path computes a node again that a device has computed.
#include "graph/trial.h"
#include "graph/trust.h"

#include <stdlib.h>

/* What a voice's own numbers may differ by: sums may cancel as those of trials do not. */
static const double in_floats = 1e-3, in_halves = 5e-2;

int clvits_recheck_choose(const clvits_plan *p)
{
    struct clvits_trust *t = p->machine->trust;
    const unsigned every = t ? (unsigned)t->recheck : 0;

    if (!every)
        return -1;
    const unsigned n = atomic_fetch_add(&t->runs, 1);
    /* One of every so many, but not always the same one: stages come in turns. */
    const unsigned chosen = (n / every * 2654435761u >> 16) % every;
    for (int i = 0; i < p->n_steps && n % every == chosen; i++) {
        const int at = (int)((n / every * 7919u + (unsigned)i) % (unsigned)p->n_steps);
        if (p->steps[at].node && p->steps[at].place != CLVITS_CPU_PLACE)
            return at;
    }
    return -1;
}

/* What the node reads, as the device has it at this moment, to where its copy reads it. Of input 0
 * a copy in another form may read more rows than those that the device needs. */
static clvits_status copy_inputs(clvits_run *to, const clvits_plan *plan, const clvits_trial *t,
                                 const clvits_run *run, const clvits_plan *p,
                                 const clvits_step *step, clvits_report *r)
{
    const clvits_target at = clvits_plan_target(p, step->place);
    const clvits_tensor *raw = clvits_node_raw(&at, step->node);
    const clvits_range asked = clvits_run_asked(run, step->node);
    float *host = clvits_run_memory(to, CLVITS_CPU_PLACE).host;
    clvits_status s = CLVITS_OK;

    for (int k = 0; k < CLVITS_MAX_IN && !s; k++) {
        const clvits_tensor *x = k == 0 && raw ? raw : step->node->in[k];
        if (!x || x->role == CLVITS_WEIGHT)
            continue;
        const clvits_tensor *y = t->node->in[k]->root;
        const int64_t guard = (int64_t)y->guard * y->C;
        for (int b = 0; b < x->B && !s; b++) {
            float *item = host + plan->offset[y->id][CLVITS_CPU_PLACE] +
                          b * clvits_item_elements(y);
            s = clvits_run_peek(run, x->root, step->place, b, -y->guard, y->T + 2 * y->guard,
                                item - guard, r);
            if (k == 0 && step->node->op->reach && asked.first < asked.end)
                clvits_trial_keep_rows(item, x->root, b, run, clvits_step_reach(step, asked));
        }
    }
    return s;
}

/* The rows of an output that count, and its guard rows; zeros elsewhere. */
static clvits_status read_rows(float *to, const clvits_run *run, const clvits_tensor *t, int place,
                               int guard, clvits_range asked, clvits_report *r)
{
    const int *lengths = clvits_run_table(run) + t->clock * t->B;
    clvits_status s = CLVITS_OK;

    for (int b = 0; b < t->B && !s; b++) {
        float *item = to + (int64_t)b * (t->T + 2 * guard) * t->C;
        s = clvits_run_peek(run, t, place, b, -guard, lengths[b] + 2 * guard, item, r);
        clvits_trial_keep_rows(item + (int64_t)guard * t->C, t, b, run, asked);
    }
    return s;
}

static clvits_status compare(const clvits_trial *t, const clvits_run *again, const clvits_run *run,
                             const clvits_plan *p, const clvits_step *step, clvits_report *r)
{
    const clvits_target at = clvits_plan_target(p, step->place);
    const clvits_range asked = clvits_run_asked(run, step->node);
    clvits_status s = CLVITS_OK;

    for (int k = 0; k < CLVITS_MAX_OUT && !s; k++) {
        const clvits_tensor *made = step->node->out[k], *y = t->node->out[k];
        if (!made || !y || clvits_node_unread(&at, made))
            continue;
        const size_t n = (size_t)(y->B * clvits_item_elements(y));
        float *both = calloc(2 * n + 1, sizeof(*both));
        if (!both)
            return clvits_fail_memory(r, "a node's results");
        s = read_rows(both, run, made, step->place, y->guard, asked, r);
        if (!s)
            s = read_rows(both + n, again, y, CLVITS_CPU_PLACE, y->guard, asked, r);
        if (!s)
            s = clvits_trial_compare(t, y, both, both + n,
                                     step->node->halves ? in_halves : in_floats, r);
        free(both);
    }
    return s;
}

/* ran: whether the device was given its work; nothing fails once it was. */
static clvits_status check(const clvits_trial *t, clvits_run *again, const clvits_plan *plan,
                           const clvits_run *run, const clvits_plan *p, const clvits_step *step,
                           clvits_kernel *kernel, bool *ran, clvits_trace *trace, clvits_report *r)
{
    clvits_status s = copy_inputs(again, plan, t, run, p, step, r);

    r->trace = trace; /* of all this, the device's own work is of the run */
    if (!s)
        s = clvits_kernel_run(kernel, NULL, r);
    *ran = !s;
    r->trace = NULL;
    clvits_run_take_slots(again, run);
    if (!s)
        s = clvits_run_go(again, NULL, r);
    return s ? s : compare(t, again, run, p, step, r);
}

clvits_status clvits_recheck(const clvits_run *run, const clvits_plan *p, const clvits_step *step,
                             clvits_kernel *kernel, clvits_report *r)
{
    clvits_report own = { .log = r->log, .log_user = r->log_user };
    const clvits_device *d = p->machine->device[step->place];
    clvits_packed_weights *weights = NULL;
    clvits_plan *plan = NULL;
    clvits_run *again = NULL;
    clvits_trial t = { 0 };
    bool ran = false;
    const int64_t start = clvits_trace_now(r);
    clvits_status s = clvits_packed_weights_open(&weights, &own);

    if (!s)
        s = clvits_trial_whole(&t, p, step, &own);
    if (!s)
        s = clvits_plan_make_at(&plan, t.graph, &t.cpu, weights,
                                &(clvits_target){ .cpu = &t.cpu.cpu }, &own);
    if (!s)
        s = clvits_run_make(&again, plan, &own);
    if (!s)
        s = check(&t, again, plan, run, p, step, kernel, &ran, r->trace, &own);
    clvits_trace_host(r, start, "recheck", step->node->op->name, step->launch.options);
    clvits_run_free(&again);
    clvits_plan_free(&plan);
    clvits_trial_close(&t);
    clvits_packed_weights_close(&weights);
    if (s == CLVITS_E_MEMORY && !own.device) { /* no room to compare: it is computed without */
        clvits_info(r, "%s, %s, was not computed again: %s", step->node->op->name,
                    step->node->label, own.text);
        return ran ? CLVITS_OK : clvits_kernel_run(kernel, NULL, r);
    }
    if (s && r->status == CLVITS_OK)
        r->device = own.device ? own.device : s == CLVITS_E_DEVICE ? d : NULL;
    if (!s || own.device)
        return s ? clvits_fail(r, s, "%s", own.text) : CLVITS_OK;
    return clvits_fail(r, s, "%s on %s, found while it was used: %s", step->node->op->name,
                       clvits_device_get_info(d)->name, own.text);
}
