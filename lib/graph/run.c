// SPDX-License-Identifier: MIT
#include "graph/run.h"
#include "graph/snapshot.h"
#include "graph/trust.h"

#include "base/half.h"
#include "base/pages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static clvits_status make_memory(clvits_run *run, clvits_report *r)
{
    const clvits_plan *p = run->plan;
    const size_t table = clvits_run_table_bytes(run);

    run->lengths = calloc(1, table);
    run->kernels = calloc((size_t)p->n_steps + 1, sizeof(*run->kernels));
    run->replays = calloc((size_t)p->n_steps + 1, sizeof(*run->replays));
    run->staging = malloc(((size_t)p->staging + 1) * sizeof(float));
    run->wanted = malloc(((size_t)p->graph->n_tensors + 1) * sizeof(*run->wanted));
    run->asked = malloc(((size_t)p->graph->n_tensors + 1) * sizeof(*run->asked));
    if (!run->lengths || !run->kernels || !run->replays || !run->staging || !run->wanted ||
        !run->asked)
        return clvits_fail_memory(r, "a run");
    for (int b = 0; b < p->graph->batch; b++)
        run->lengths[b] = 1;
    if (p->floats[CLVITS_CPU_PLACE]) {
        const size_t size = (clvits_plan_bytes(p, CLVITS_CPU_PLACE) + 63) & ~(size_t)63;
        run->memory[CLVITS_CPU_PLACE].host = clvits_pages_alloc(size);
        if (!run->memory[CLVITS_CPU_PLACE].host)
            return clvits_fail_memory(r, "a run's tensors");
        memset(run->memory[CLVITS_CPU_PLACE].host, 0, size);
    }
    for (int i = 1; i < p->machine->n_places; i++) {
        if (!p->floats[i])
            continue;
        clvits_status s = clvits_buffer_make(&run->memory[i].buffer, p->machine->device[i],
                                             clvits_plan_bytes(p, i), r);
        if (!s)
            s = clvits_buffer_make(&run->table[i], p->machine->device[i], table, r);
        if (s)
            return s;
    }
    return CLVITS_OK;
}

static clvits_status make_kernel(clvits_run *run, int i, clvits_report *r)
{
    const clvits_step *step = &run->plan->steps[i];
    const clvits_op *op = step->node->op;
    clvits_buffer *buffers[1 + CLVITS_MAX_IN + CLVITS_MAX_OUT] = { run->table[step->place] };
    clvits_buffer *arena = run->memory[step->place].buffer;

    for (int k = 0; k < op->inputs; k++) {
        const clvits_tensor *t = step->node->in[k];
        buffers[1 + k] = !t ? NULL : t->role == CLVITS_WEIGHT ? step->weight[k].buffer : arena;
    }
    for (int k = 0; k < op->outputs; k++)
        buffers[1 + op->inputs + k] = arena;
    return clvits_kernel_make(&run->kernels[i], run->plan->machine->device[step->place],
                              &step->launch, step->dims, op->dims_size, buffers,
                              1 + op->inputs + op->outputs, r);
}

clvits_status clvits_run_make(clvits_run **out, clvits_plan *p, clvits_report *r)
{
    clvits_run *run = calloc(1, sizeof(*run));
    clvits_status s;

    *out = NULL;
    if (!run)
        return clvits_fail_memory(r, "a run");
    run->plan = p;
    s = make_memory(run, r);
    for (int i = 0; !s && i < p->n_steps; i++)
        if (p->steps[i].node && p->steps[i].place != CLVITS_CPU_PLACE)
            s = make_kernel(run, i, r);
    if (s)
        clvits_run_free(&run);
    *out = run;
    return s;
}

void clvits_run_free(clvits_run **out)
{
    clvits_run *run = *out;
    if (!run)
        return;
    for (int i = 0; run->replays && i < run->plan->n_steps; i++)
        clvits_replay_free(&run->replays[i]);
    for (int i = 0; run->kernels && i < run->plan->n_steps; i++)
        clvits_kernel_free(&run->kernels[i]);
    for (int i = 0; i < CLVITS_MAX_PLACES; i++) {
        clvits_buffer_free(&run->memory[i].buffer);
        clvits_buffer_free(&run->table[i]);
    }
    free(run->memory[CLVITS_CPU_PLACE].host);
    free(run->lengths);
    free(run->staging);
    free(run->kernels);
    free(run->replays);
    free(run->wanted);
    free(run->asked);
    free(run);
    *out = NULL;
}

clvits_memory clvits_run_memory(const clvits_run *run, int place)
{
    return run->memory[place];
}

/* Bytes from the start of the place's memory to channel 0 of a row of a tensor (never a view). */
static size_t row_at(const clvits_run *run, const clvits_tensor *t, int place, int item, int row)
{
    const int64_t elements = run->plan->offset[t->id][place] + item * clvits_item_elements(t) +
                             (int64_t)row * t->C;
    return (size_t)elements * clvits_element_bytes(t, place);
}

static size_t elements_of(const clvits_tensor *t, int rows)
{
    return (size_t)rows * (size_t)t->C;
}

/* Names what is moved next. */
static void moving(const clvits_tensor *t, const clvits_report *r)
{
    clvits_trace_moving(r, t->producer ? t->producer->label : "input");
}

static clvits_status zero_rows(clvits_run *run, const clvits_tensor *t, int item, int row, int rows,
                               clvits_report *r)
{
    const int place = run->plan->home[t->id];
    const size_t offset = row_at(run, t, place, item, row);
    const size_t size = elements_of(t, rows) * clvits_element_bytes(t, place);

    if (place != CLVITS_CPU_PLACE)
        return clvits_buffer_zero(run->memory[place].buffer, offset, size, r);
    memset((char *)run->memory[place].host + offset, 0, size);
    return CLVITS_OK;
}

/* n floats (or ints) to an offset in the place's memory, as that place keeps the tensor. */
static clvits_status put(clvits_run *run, const clvits_tensor *t, int place, size_t offset,
                         const void *src, size_t n, bool wait, clvits_report *r)
{
    const clvits_memory *m = &run->memory[place];
    const size_t size = n * clvits_element_bytes(t, place);

    if (place == CLVITS_CPU_PLACE) {
        memcpy((char *)m->host + offset, src, size);
        return CLVITS_OK;
    }
    if (size == n * sizeof(float))
        return clvits_buffer_write(m->buffer, offset, size, src, wait, r);
    clvits_halves_pack(run->staging, src, n); /* which may be there already */
    return clvits_buffer_write(m->buffer, offset, size, run->staging, true, r);
}

static clvits_status get(const clvits_run *run, const clvits_tensor *t, int place, size_t offset,
                         void *dst, size_t n, clvits_report *r)
{
    const clvits_memory *m = &run->memory[place];
    const size_t size = n * clvits_element_bytes(t, place);
    char *last = (char *)dst + n * sizeof(float) - size; /* halves are widened where they lie */

    if (place == CLVITS_CPU_PLACE) {
        memcpy(dst, (char *)m->host + offset, size);
        return CLVITS_OK;
    }
    const clvits_status s = clvits_buffer_read(m->buffer, offset, size, last, r);
    if (!s && last != dst)
        clvits_halves_unpack(dst, last, n);
    return s;
}

static clvits_status zero_guards(clvits_run *run, const clvits_tensor *t, int item,
                                 clvits_report *r)
{
    if (!t->guard)
        return CLVITS_OK;
    const clvits_status s = zero_rows(run, t, item, -t->guard, t->guard, r);
    return s ? s : zero_rows(run, t, item, clvits_run_length(run, t->clock, item), t->guard, r);
}

clvits_status clvits_run_write(clvits_run *run, const clvits_tensor *t, int item, const void *src,
                               clvits_report *r)
{
    const int place = run->plan->home[t->id];
    const size_t n = elements_of(t, clvits_run_length(run, t->clock, item));

    moving(t, r);
    const clvits_status s = zero_guards(run, t, item, r);
    return s ? s : put(run, t, place, row_at(run, t, place, item, 0), src, n, false, r);
}

static clvits_status fail_rows(int row, int rows, const clvits_tensor *t, clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_SHAPE, "%d rows from row %d on, of a tensor of %d", rows, row,
                       t->T);
}

clvits_status clvits_run_read(clvits_run *run, const clvits_tensor *t, int item, int row, int rows,
                              void *dst, clvits_report *r)
{
    const int place = run->plan->home[t->id];

    moving(t, r);
    if (row < -t->guard || rows < 0 || (int64_t)row + rows > t->T + t->guard)
        return fail_rows(row, rows, t, r);
    return get(run, t, place, row_at(run, t, place, item, row), dst, elements_of(t, rows), r);
}

clvits_status clvits_run_copy(clvits_run *dst, const clvits_tensor *t, int item, clvits_run *src,
                              const clvits_tensor *from, int from_item, int row, clvits_report *r)
{
    const int to_place = dst->plan->home[t->id], place = src->plan->home[from->id];
    const int rows = clvits_run_length(dst, t->clock, item);
    const size_t n = elements_of(t, rows);

    moving(from, r);
    if (row < 0 || (int64_t)row + rows > from->T)
        return fail_rows(row, rows, from, r);
    const size_t to = row_at(dst, t, to_place, item, 0);
    const size_t at = row_at(src, from, place, from_item, row);
    const clvits_status s = zero_guards(dst, t, item, r);
    if (s)
        return s;
    if (place == to_place && place != CLVITS_CPU_PLACE && t->type == from->type)
        return clvits_buffer_copy(dst->memory[to_place].buffer, to, src->memory[place].buffer, at,
                                  n * clvits_element_bytes(t, place), r);
    if (to_place == CLVITS_CPU_PLACE)
        return get(src, from, place, at, (char *)dst->memory[to_place].host + to, n, r);
    if (place == CLVITS_CPU_PLACE)
        return put(dst, t, to_place, to, (char *)src->memory[place].host + at, n, true, r);
    assert(n <= (size_t)dst->plan->staging);
    const clvits_status e = get(src, from, place, at, dst->staging, n, r);
    return e ? e : put(dst, t, to_place, to, dst->staging, n, true, r);
}

clvits_status clvits_run_peek(const clvits_run *run, const clvits_tensor *t, int place, int item,
                              int row, int rows, float *dst, clvits_report *r)
{
    return get(run, t, place, row_at(run, t, place, item, row), dst, elements_of(t, rows), r);
}

/* An item's valid rows, and the guard rows around them, from one place to another. */
static clvits_status copy_item(clvits_run *run, const clvits_step *step, int item, int rows,
                               clvits_report *r)
{
    const clvits_tensor *t = step->tensor;
    const size_t n = elements_of(t, rows + 2 * t->guard);
    const size_t at = row_at(run, t, step->from, item, -t->guard);
    const size_t to = row_at(run, t, step->place, item, -t->guard);
    char *host = (char *)run->memory[CLVITS_CPU_PLACE].host;

    if (step->place == CLVITS_CPU_PLACE)
        return get(run, t, step->from, at, host + to, n, r);
    if (step->from == CLVITS_CPU_PLACE)
        return put(run, t, step->place, to, host + at, n, true, r);
    const size_t size = n * clvits_element_bytes(t, step->place);
    const clvits_status s =
        clvits_buffer_read(run->memory[step->from].buffer, at, size, run->staging, r);
    return s ? s
             : clvits_buffer_write(run->memory[step->place].buffer, to, size, run->staging, true,
                                   r);
}

static clvits_status copy(clvits_run *run, const clvits_step *step, clvits_report *r)
{
    const clvits_tensor *t = step->tensor;
    clvits_status s = CLVITS_OK;

    moving(t, r);
    for (int b = 0; b < t->B && !s; b++)
        if (clvits_run_length(run, t->clock, b))
            s = copy_item(run, step, b, clvits_run_length(run, t->clock, b), r);
    return s;
}

static double now(void)
{
    return 1e-9 * (double)clvits_trace_clock();
}

static void describe(const clvits_run *run, const clvits_step *step, clvits_trace *t)
{
    const clvits_machine *m = run->plan->machine;

    clvits_node_describe(&t->node, t->shape, step->node, step->place, run->lengths);
    t->node.place = step->place;
    t->node.device = step->place ? clvits_device_get_info(m->device[step->place])->name
                                 : m->cpu.name;
    t->node.tuned = step->tuned ? step->tuned->text : "";
    const double share = clvits_run_share(run, step->node);
    t->node.flops *= share;
    const clvits_form form = clvits_node_form(step->node, step->dims);
    t->node.multiplied = t->node.flops * form.multiplied;
    t->node.bytes *= share;
    if (m->rates)
        t->node.predicted = share * clvits_node_seconds(step->node, &form, step->place,
                                                        run->lengths, &m->rates[step->place]);
}

static void compute(const clvits_run *run, const clvits_step *step)
{
    const clvits_op *op = step->node->op;
    clvits_cpu_call call = { .dims = step->dims, .run = run->lengths,
                             .pool = run->plan->machine->cpu.pool };

    for (int k = 0; k < op->inputs; k++) {
        const clvits_tensor *t = step->node->in[k];
        call.in[k] = !t ? NULL
                     : t->role == CLVITS_WEIGHT ? step->weight[k].host
                                                : run->memory[CLVITS_CPU_PLACE].host;
    }
    for (int k = 0; k < op->outputs; k++)
        call.out[k] = run->memory[CLVITS_CPU_PLACE].host;
    run->plan->machine->cpu.table->fn[op->cpu](&call);
}

/* Launches that follow each other on a device, with no copy and no node of another place between
 * them, are recorded together; whether there were any. All that differs from one use of a run to
 * the next is in the run's memory: lengths, first rows, scalars and seeds in its table. */
static bool record(clvits_run *run, clvits_report *r)
{
    const clvits_plan *p = run->plan;
    bool any = false;

    run->recorded = true;
    for (int first = 0, end; first < p->n_steps; first = end) {
        for (end = first; end < p->n_steps && run->kernels[end] &&
                          p->steps[end].place == p->steps[first].place;)
            end++;
        if (end - first > 1)
            clvits_replay_make(&run->replays[first], run->kernels + first, end - first, r);
        any = any || run->replays[first];
        end += end == first;
    }
    return any;
}

/* Every step, recorded ones as they are recorded unless each is to be seen. */
static clvits_status go_through(clvits_run *run, int sampled, bool each, clvits_node_time *times,
                                clvits_report *r)
{
    const clvits_plan *p = run->plan;
    clvits_status s = CLVITS_OK;

    for (int i = 0; i < p->n_steps && !s; i++) {
        const clvits_step *step = &p->steps[i];
        const double start = times ? now() : 0.0;
        double ns = 0.0;

        if (!each && run->replays[i]) {
            s = clvits_replay_run(run->replays[i], r);
            i += clvits_replay_launches(run->replays[i]) - 1;
            continue;
        }
        if (clvits_stopped(r))
            return r->status;
        if (r->trace && step->node)
            describe(run, step, r->trace);
        if (!step->node) {
            s = copy(run, step, r);
        } else if (step->place == CLVITS_CPU_PLACE) {
            const int64_t begun = clvits_trace_now(r);
            compute(run, step);
            clvits_trace_cpu(r, begun);
        } else if (i == sampled) {
            s = clvits_recheck(run, p, step, run->kernels[i], r);
        } else {
            s = clvits_kernel_run(run->kernels[i], times ? &ns : NULL, r);
        }
        if (times && step->node)
            *times++ = (clvits_node_time){ .node = step->node, .place = step->place,
                                           .seconds = ns > 0.0 ? ns * 1e-9 : now() - start };
    }
    return s;
}

/* The first time, what was recorded is also launched one by one, from the same memory, and that is
 * what counts: a driver that replays something else is found before it is heard. Where there is no
 * room to compare, nothing is replayed, now or later. */
static clvits_status rehearse(clvits_run *run, clvits_report *r)
{
    const clvits_plan *p = run->plan;
    clvits_snapshot before, replayed = { 0 }, launched = { 0 };
    clvits_report own = { 0 };
    bool compared = !clvits_snapshot_take(&before, run, p, &own);
    clvits_status s = CLVITS_OK;

    if (compared) {
        s = go_through(run, -1, false, NULL, r);
        compared = !s && !clvits_snapshot_take(&replayed, run, p, &own);
        if (!s)
            s = clvits_snapshot_put_back(&before, run, p, r);
    }
    if (!s)
        s = go_through(run, -1, true, NULL, r);
    compared = compared && !s && !clvits_snapshot_take(&launched, run, p, &own);
    const bool same = compared && clvits_snapshot_same(&replayed, &launched);
    for (int i = 0; i < p->n_steps && !same; i++) {
        if (compared && run->replays[i])
            clvits_replay_distrust(run->replays[i], r);
        clvits_replay_free(&run->replays[i]);
    }
    clvits_snapshot_free(&before);
    clvits_snapshot_free(&replayed);
    clvits_snapshot_free(&launched);
    return s;
}

clvits_status clvits_run_go(clvits_run *run, clvits_node_time *times, clvits_report *r)
{
    const clvits_plan *p = run->plan;
    const size_t table = clvits_run_table_bytes(run);
    const int sampled = clvits_recheck_choose(p);
    const bool each = times || r->trace || sampled >= 0; /* every launch is to be seen */
    const bool first = !each && run->used && !run->recorded; /* many runs are used once */
    clvits_status s = CLVITS_OK;

    const bool recorded = first && record(run, r);
    run->used = true;

    clvits_run_put_asked(run);
    clvits_trace_moving(r, "lengths and scalars");
    for (int i = 1; i < p->machine->n_places && !s; i++)
        if (run->table[i])
            s = clvits_buffer_write(run->table[i], 0, table, run->lengths, false, r);
    if (!s)
        s = recorded && clvits_trust_proves(p->machine) ? rehearse(run, r)
                                                        : go_through(run, sampled, each, times, r);
    if (recorded)
        clvits_replays_settle(run->replays, p->n_steps);
    run->some = false;
    return s;
}

clvits_status clvits_machine_tune(clvits_machine *m, clvits_tuning *t, clvits_report *r)
{
    const clvits_target cpu = { .cpu = &m->cpu };
    clvits_status s = clvits_tuning_choose(&m->cpu.tuned, t, &cpu, r);

    for (int i = 1; i < m->n_places && !s; i++) {
        const clvits_target at = { .device = m->device[i], .place = i };
        const clvits_tuned *tuned;
        s = clvits_tuning_choose(&tuned, t, &at, r);
        clvits_device_set_tuned(m->device[i], tuned);
    }
    return s;
}

unsigned clvits_machine_bit(const clvits_machine *m, const clvits_device *d)
{
    unsigned bits = 0;

    for (int i = 1; i < m->n_places; i++)
        bits |= (unsigned)(m->device[i] == d) << i;
    return bits;
}

unsigned clvits_machine_devices(const clvits_machine *m)
{
    return (1u << m->n_places) - 2;
}

unsigned clvits_machine_distrusted(const clvits_machine *m)
{
    unsigned bits = 0;

    for (int i = 1; i < m->n_places; i++)
        bits |= (unsigned)!clvits_device_trusted(m->device[i]) << i;
    return bits;
}

void clvits_machine_submit(const clvits_machine *m)
{
    for (int i = 1; i < m->n_places; i++)
        clvits_device_submit(m->device[i]);
}

void clvits_machine_finish(const clvits_machine *m)
{
    clvits_report ignored = { 0 };
    for (int i = 1; i < m->n_places; i++)
        clvits_device_finish(m->device[i], &ignored);
}
