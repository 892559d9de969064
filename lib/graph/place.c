// SPDX-License-Identifier: MIT
//
// Which node runs where: by hand, on the first device that takes it, or where it costs least.
#include "graph/plan.h"
#include "graph/trust.h"

#include <stdlib.h>
#include <string.h>

/* What an entry, NAME=VALUE of the given size, says of places; *equals is where its '=' stands. */
static clvits_status read_entry(int *place, const char **equals, const clvits_machine *m,
                                const char *text, size_t size, clvits_report *r)
{
    char *rest;

    *equals = memchr(text, '=', size);
    if (!*equals || *equals == text)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "placement \"%.*s\": write auto, device, NAME=cpu "
                                                 "or NAME=NUMBER", (int)size, text);
    const char *value = *equals + 1, *end = text + size;
    long number = CLVITS_CPU_PLACE;
    if (end - value != 3 || strncmp(value, "cpu", 3)) {
        number = strtol(value, &rest, 10);
        if (rest != end || rest == value || number < 0 || number >= m->n_places)
            return clvits_fail(r, CLVITS_E_ARGUMENT,
                               m->n_places > 1
                                   ? "placement \"%.*s\": write cpu, or 1 for the first device "
                                     "that was opened, 2 for the second (%d in all)"
                                   : "placement \"%.*s\": write cpu; %d OpenCL devices were opened",
                               (int)size, text, m->n_places - 1);
    }
    *place = (int)number;
    return CLVITS_OK;
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && !strncmp(text, word, size);
}

/* Whether an entry chooses for all nodes: "auto" by cost, "device" the first that takes a node. */
static bool is_rule(const char *text, size_t size)
{
    return is_word(text, size, "auto") || is_word(text, size, "device");
}

bool clvits_place_by_cost(const char *text)
{
    bool found = false;

    while (text && *text) {
        const size_t size = strcspn(text, ",");
        if (is_rule(text, size))
            found = *text == 'a';
        text += size + (text[size] == ',');
    }
    return found;
}

/* The last entry that means the node decides; without a node, entries are only checked. */
static clvits_status forced_place(int *out, const clvits_machine *m, const clvits_node *n,
                                  const char *text, clvits_report *r)
{
    while (text && *text) {
        const size_t size = strcspn(text, ",");
        const char *equals;
        int place = CLVITS_CPU_PLACE;

        if (is_rule(text, size)) {
            text += size + (text[size] == ',');
            continue;
        }
        const clvits_status s = read_entry(&place, &equals, m, text, size, r);
        if (s)
            return s;
        if (n && clvits_place_means(text, (size_t)(equals - text), n))
            *out = place;
        text += size + (text[size] == ',');
    }
    return CLVITS_OK;
}

clvits_status clvits_place_check(const clvits_machine *m, const char *place, clvits_report *r)
{
    const clvits_status s = forced_place(NULL, m, NULL, place, r);

    for (const char *text = place; !s && text && *text;) {
        const size_t size = strcspn(text, ","), n = strcspn(text, "=");
        if (!is_rule(text, size) && !clvits_place_is_name(text, n))
            return clvits_fail(r, CLVITS_E_ARGUMENT,
                               "placement \"%.*s\": give an operator (conv1d, attention, ...: what "
                               "stands before the comma in \"clvits check --list\") or a module: "
                               "enc_p, dp, flow, dec or a part of one such as dec.ups", (int)size,
                               text);
        text += size + (text[size] == ',');
    }
    return s;
}

/* Whether a device can run the node, as far as its operator says. */
static bool may_take(const clvits_plan *p, const clvits_node *n, int place)
{
    return !(p->barred >> place & 1) && n->op->launch &&
           (!n->op->takes || n->op->takes(n, p->machine->device[place]));
}

/* Warn that an operator goes wrong on a place: once for all plans of the machine where it keeps
 * account of that, else once for this one. failed has, for every node, a bit for each such place.
 */
static void tell(const clvits_plan *p, const clvits_node *n, int place, unsigned char *failed,
                 const char *why, const clvits_report *r)
{
    const clvits_device *d = p->machine->device[place];
    bool told = false;

    for (int i = 0; i < p->graph->n_nodes; i++)
        told = told || (p->graph->nodes[i]->op == n->op && failed[i] >> place & 1);
    failed[n->id] |= (unsigned char)(1u << place);
    if (p->machine->trust)
        told = !clvits_trust_tell(p->machine->trust, n->op, place);
    if (!told)
        clvits_warn(r, "%s goes wrong on device %d, %s: %s; another kernel or the CPU path does "
                       "its work", n->op->name, place,
                    clvits_device_get_info(d)->name, clvits_device_unnamed(d, why));
}

/* Whether one of the node's kernels builds there and, where the machine wants that, was found to
 * be right: then that is its variant. The report fails where that is not wanted any more, where the
 * device has no room to find out, and where it is gone. */
static bool takes(clvits_plan *p, const clvits_node *n, int place, unsigned char *failed,
                  clvits_report *r)
{
    clvits_device *d = p->machine->device[place];
    clvits_target at = clvits_plan_target(p, place);
    clvits_launch last = { .dimensions = 1 };

    if (!may_take(p, n, place))
        return false;
    at.plan = NULL;
    for (at.variant = 0; at.variant < CLVITS_VARIANTS; at.variant++) {
        clvits_report quiet = { .log = r->log, .log_user = r->log_user, .stop = r->stop,
                                .trace = r->trace };
        clvits_launch l = { .dimensions = 1 };
        const void *dims = clvits_plan_dims(p, n, &at);

        if (!dims)
            return false;
        n->op->launch(n, &at, dims, &l);
        if (clvits_launch_same(&l, &last))
            continue;
        last = l;
        clvits_status s = clvits_program_check(d, &l, &quiet);
        if (s == CLVITS_E_MEMORY) { /* that may pass, and then says nothing of the kernel */
            clvits_report_clear(&quiet);
            s = clvits_program_check(d, &l, &quiet);
        }
        if (s == CLVITS_E_MEMORY) /* as is said of a device that is gone, too */
            clvits_device_probe(d);
        bool over = s == CLVITS_E_CANCELLED; /* another kernel would fare no better */
        if (!s && clvits_trust_proves(p->machine)) {
            s = clvits_trust_node(p->machine, n, &at, 0.0f, &quiet);
            over = s == CLVITS_E_CANCELLED || s == CLVITS_E_MEMORY;
        }
        p->variant[n->id] = (unsigned char)at.variant;
        if (s && (over || clvits_device_lost(d))) {
            r->device = over ? quiet.device : d;
            clvits_fail(r, over ? s : CLVITS_E_DEVICE, "%s", quiet.text);
        }
        if (!s || r->status)
            return !s;
        if (s == CLVITS_E_UNSUPPORTED) /* as is known: nobody need be told */
            clvits_info(r, "%s", quiet.text);
        else
            tell(p, n, place, failed, quiet.text, r);
    }
    p->variant[n->id] = 0;
    return false;
}

/* On the first device that takes it, unless it was placed by hand; the CPU path takes the rest. */
static clvits_status place_first(clvits_plan *p, const char *text, unsigned char *failed,
                                 clvits_report *r)
{
    for (int i = 0; i < p->graph->n_nodes; i++) {
        const clvits_node *n = p->graph->nodes[i];
        int place = p->machine->n_places > 1 ? 1 : CLVITS_CPU_PLACE;
        clvits_status s = forced_place(&place, p->machine, n, text, r);

        while (!s && place != CLVITS_CPU_PLACE && !takes(p, n, place, failed, r)) {
            place = place + 1 < p->machine->n_places ? place + 1 : CLVITS_CPU_PLACE;
            s = r->status;
        }
        if (s)
            return s;
        p->place[i] = place;
    }
    return CLVITS_OK;
}

/* Where the costs are least. Kernels are built for the chosen places alone: where one does not
 * build, that place is out for its node and the search begins again. */
static clvits_status place_by_cost(clvits_plan *p, const char *text, const clvits_use *uses,
                                   unsigned char *failed, clvits_report *r)
{
    const clvits_graph *g = p->graph;
    unsigned char *allowed =
        clvits_arena_array(&p->arena, (size_t)g->n_nodes + 1, sizeof(*allowed));
    clvits_status s = allowed ? CLVITS_OK : clvits_fail_memory(r, "a plan");
    bool settled = false;

    for (int i = 0; i < g->n_nodes && !s; i++) {
        int forced = -1;
        s = forced_place(&forced, p->machine, g->nodes[i], text, r);
        for (int place = 1; place < p->machine->n_places; place++)
            if ((forced < 0 || forced == place) && may_take(p, g->nodes[i], place))
                allowed[i] |= (unsigned char)(1u << place);
        if (forced < 0 || !allowed[i])
            allowed[i] |= 1u << CLVITS_CPU_PLACE;
    }
    while (!s && !settled) {
        s = clvits_plan_place_cheapest(p, allowed, uses, r);
        settled = true;
        for (int i = 0; i < g->n_nodes && !s; i++) {
            if (p->place[i] == CLVITS_CPU_PLACE || takes(p, g->nodes[i], p->place[i], failed, r))
                continue;
            s = r->status;
            allowed[i] &= (unsigned char)~(1u << p->place[i]);
            allowed[i] |= 1u << CLVITS_CPU_PLACE;
            p->place[i] = CLVITS_CPU_PLACE;
            settled = false;
        }
    }
    return s;
}

clvits_status clvits_plan_place_nodes(clvits_plan *p, const char *text, const clvits_use *uses,
                                      clvits_report *r)
{
    unsigned char *failed = clvits_arena_array(&p->arena, (size_t)p->graph->n_nodes + 1, 1);

    if (!failed)
        return clvits_fail_memory(r, "a plan");
    return clvits_place_by_cost(text) && p->machine->rates && p->machine->n_places > 1
               ? place_by_cost(p, text, uses, failed, r)
               : place_first(p, text, failed, r);
}
