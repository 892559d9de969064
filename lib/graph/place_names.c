// SPDX-License-Identifier: MIT
//
// What the names in a forced placement mean: operators, modules, and parts of modules, which a
// voice has or has not.
#include "graph/plan.h"

#include <stdio.h>
#include <string.h>

/* How much of a label, a whole part of it, a name is: "dec.ups" is one of "dec.ups.0". */
static bool begins(const char *label, const char *name, size_t n)
{
    return !strncmp(name, label, n) && (!label[n] || label[n] == '.');
}

bool clvits_place_means(const char *name, size_t n, const clvits_node *node)
{
    return (strlen(node->op->name) == n && !strncmp(name, node->op->name, n)) ||
           begins(node->label, name, n);
}

bool clvits_place_is_name(const char *name, size_t n)
{
    static const char *const modules[] = { "enc_p", "emb_g", "emb_l", "dp",
                                           "durations", "expand", "flow", "dec" };

    for (const clvits_op *const *op = clvits_ops; *op; op++)
        if (strlen((*op)->name) == n && !strncmp(name, (*op)->name, n))
            return true;
    for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
        const size_t m = strlen(modules[i]);
        if (n >= m && !strncmp(name, modules[i], m) && (n == m || name[m] == '.'))
            return true;
    }
    return false;
}

/* The graphs of a voice. */
typedef struct graphs {
    const clvits_graph *const *of;
    int n;
} graphs;

/* The first label from *graph and *node on that a name is of; NULL: none. */
static const char *next_label(const graphs *g, int *graph, int *node, const char *name, size_t n)
{
    for (; *graph < g->n; ++*graph, *node = 0)
        while (*node < g->of[*graph]->n_nodes) {
            const char *label = g->of[*graph]->nodes[(*node)++]->label;
            if (begins(label, name, n))
                return label;
        }
    return NULL;
}

static bool is_there(const graphs *g, const char *name, size_t n)
{
    int graph = 0, node = 0;
    return next_label(g, &graph, &node, name, n);
}

/* Add a word to a list, unless it is there. */
static void add(char *list, size_t size, const char *word, size_t n)
{
    const size_t used = strlen(list);

    for (const char *at = list; *at; at += strspn(at, ", ")) {
        const size_t length = strcspn(at, ",");
        if (length == n && !strncmp(at, word, n))
            return;
        at += length;
    }
    snprintf(list + used, size - used, "%s%.*s", used ? ", " : "", (int)n, word);
}

/* Say what parts the longest part of a name that there is has. */
static clvits_status no_part(const graphs *g, const char *entry, size_t size, size_t n,
                             clvits_report *r)
{
    char parts[256] = "";
    int graph = 0, node = 0;

    do
        while (n > 0 && entry[--n] != '.')
            ;
    while (n > 0 && !is_there(g, entry, n));
    for (const char *label; n > 0 && (label = next_label(g, &graph, &node, entry, n)) != NULL;)
        if (label[n] == '.')
            add(parts, sizeof(parts), label + n + 1, strcspn(label + n + 1, "."));
    return clvits_fail(r, CLVITS_E_ARGUMENT, "placement \"%.*s\": in this voice %.*s%s%s",
                       (int)size, entry, (int)n, entry,
                       !n       ? "there is no such part"
                       : *parts ? " has the parts "
                                : " has no parts", parts);
}

clvits_status clvits_place_check_parts(const clvits_graph *const *of, int count, const char *place,
                                       clvits_report *r)
{
    const graphs g = { of, count };

    while (place && *place) {
        const size_t size = strcspn(place, ","), n = strcspn(place, "=");
        if (n < size && memchr(place, '.', n) && !is_there(&g, place, n))
            return no_part(&g, place, size, n, r);
        place += size + (place[size] == ',');
    }
    return CLVITS_OK;
}
