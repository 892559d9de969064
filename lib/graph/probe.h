// SPDX-License-Identifier: MIT
#ifndef CLVITS_GRAPH_PROBE_H
#define CLVITS_GRAPH_PROBE_H

#include "graph/sched.h"

/**
 * Measure what operators and transfers cost on each place of the machine.
 *
 * Takes half a second or so, and the time to build the kernels where the cache lacks them. These
 * are proven first, where the machine wants that; a place that has none for a class gets a rate at
 * which nothing of it goes there, and one that has nothing in some form another form's. A device
 * that is lost meanwhile is distrusted and gets such rates for all classes.
 *
 * @param[out] rates  as many as the machine has places
 */
clvits_status clvits_rates_measure(clvits_rates *rates, const clvits_machine *m, clvits_report *r);

#endif
