// SPDX-License-Identifier: MIT
//
// What running a node somewhere costs, from rates that were measured there.
#ifndef CLVITS_GRAPH_COST_H
#define CLVITS_GRAPH_COST_H

#include "graph/graph.h"

/** Nodes whose time grows alike. Convolutions by their width, the others by what bounds them. */
typedef enum clvits_cost_class {
    CLVITS_COST_CONV_32 = 0, /* by FLOP: convolutions to at most 48 channels, */
    CLVITS_COST_CONV_64,     /* to at most 96, */
    CLVITS_COST_CONV_128,    /* to at most 160, */
    CLVITS_COST_CONV_256,    /* to more */
    CLVITS_COST_UP,          /* by FLOP: transposed convolutions */
    CLVITS_COST_ATTENTION,   /* by FLOP */
    CLVITS_COST_MATHS,       /* by byte: normalisations, gates, splines, noise */
    CLVITS_COST_MOVE,        /* by byte: sums, copies, lookups, convolutions of one channel */
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

clvits_cost_class clvits_cost_class_of(const clvits_node *n);

/** FLOP and bytes of a node on a place for a run's lengths ([clock][item]; NULL: at full
 *  capacity); clvits_op says what counts. */
double clvits_node_flops(const clvits_node *n, const int *lengths);
double clvits_node_bytes(const clvits_node *n, int place, const int *lengths);

/** Seconds of the node on a place, which has these rates; lengths as above. */
double clvits_node_seconds(const clvits_node *n, int place, const int *lengths,
                           const clvits_rates *rates);

static inline double clvits_rate_seconds(const clvits_rate *r, double amount)
{
    return r->fixed + r->each * amount;
}

#endif
