// SPDX-License-Identifier: MIT
//
// What running a node somewhere costs, from rates that were measured there.
#ifndef CLVITS_GRAPH_COST_H
#define CLVITS_GRAPH_COST_H

#include "graph/graph.h"

/** Nodes whose time grows alike. Convolutions by their form and width, the others by what bounds
 *  them. What goes by FLOP goes by those that the place's form multiplies. */
typedef enum clvits_cost_class {
    CLVITS_COST_POINT = 0,  /* by FLOP: products of matrices, convolutions of one tap among them */
    CLVITS_COST_DOT,        /* by FLOP: convolutions to one channel */
    CLVITS_COST_DIRECT_32,  /* by FLOP: direct convolutions as wide (clvits_form) as 48 at most, */
    CLVITS_COST_DIRECT_64,  /* as 96, */
    CLVITS_COST_DIRECT_128, /* as 160, */
    CLVITS_COST_DIRECT_256, /* wider */
    CLVITS_COST_TOOM_32,    /* by FLOP: the same in Toom-Cook form */
    CLVITS_COST_TOOM_64,
    CLVITS_COST_TOOM_128,
    CLVITS_COST_TOOM_256,
    CLVITS_COST_ATTENTION,  /* by FLOP */
    CLVITS_COST_MATHS,      /* by byte: normalisations, gates, splines, noise */
    CLVITS_COST_MOVE,       /* by byte: sums, copies, lookups, convolutions of one channel */
    CLVITS_COST_CLASSES
} clvits_cost_class;

/** seconds = fixed + each * FLOP (or bytes) */
typedef struct clvits_rate {
    double fixed, each;
} clvits_rate;

/** The rates of a place; transfers are to and from the host, by byte. */
typedef struct clvits_rates {
    clvits_rate node[CLVITS_COST_CLASSES];
    clvits_rate transfer; /* zero for the CPU path */
    bool shared; /* a device that is the CPU path's own processors, as PoCL's is */
} clvits_rates;

/** How a node works with such dims; and with those that it has at a target. */
clvits_form clvits_node_form(const clvits_node *n, const void *dims);
clvits_form clvits_node_form_at(const clvits_node *n, const clvits_target *at);

clvits_cost_class clvits_cost_class_of(const clvits_node *n, const clvits_form *form);

/** FLOP, by the direct formula, and bytes of a node on a place for a run's lengths ([clock][item];
 *  NULL: at full capacity); clvits_op says what counts. */
double clvits_node_flops(const clvits_node *n, const int *lengths);
double clvits_node_bytes(const clvits_node *n, int place, const int *lengths);

/** Seconds of the node on a place, where it has this form, by the place's rates; lengths as
 *  above. */
double clvits_node_seconds(const clvits_node *n, const clvits_form *form, int place,
                           const int *lengths, const clvits_rates *rates);

static inline double clvits_rate_seconds(const clvits_rate *r, double amount)
{
    return r->fixed + r->each * amount;
}

#endif
