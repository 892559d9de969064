// SPDX-License-Identifier: MIT
//
// What a picture of speech is made of: lib/model/plot.c computes it, lib/model/plot_svg.c draws it.
#ifndef CLVITS_MODEL_PLOT_H
#define CLVITS_MODEL_PLOT_H

#include "base/status.h"
#include "cpu/cpu.h"

#include <clvits/plot.h>

enum { CLVITS_PLOT_MELS = 80, CLVITS_PLOT_MOST_COLUMNS = 4000 };

/** Columns of the picture, from left to right. */
typedef struct clvits_plot_columns {
    int n_peaks;
    float *low, *high; /* of the samples in each */
    float loudest;     /* of all samples, at least a little */
    int n_mels;
    float *mels; /* [CLVITS_PLOT_MELS][n_mels], from the lowest; logarithms, at most 0 */
} clvits_plot_columns;

/** most: columns. Free it after a failure as well. */
clvits_status clvits_plot_compute(clvits_plot_columns *out, const clvits_plot *plot, int most,
                                  const clvits_cpu *cpu, clvits_report *r);
void clvits_plot_free(clvits_plot_columns *columns);

#endif
