// SPDX-License-Identifier: MIT
//
// The discriminators as graphs: one of scale and five of period (Kong et al. 2020, Kim et al.
// 2021), and the losses of their scores and feature maps.
#ifndef CLVITS_MODEL_DISCRIMINATOR_GRAPH_H
#define CLVITS_MODEL_DISCRIMINATOR_GRAPH_H

#include "graph/build.h"
#include "io/arrays.h"

enum { CLVITS_DISCRIMINATORS = 6, CLVITS_DISCRIMINATOR_MAPS = 8 };

/** One convolution, as its weight tells it and its place. */
typedef struct clvits_discriminator_conv {
    const float *weight, *bias; /* [O][I/groups][K], [O] */
    int I, O, K, stride, groups;
} clvits_discriminator_conv;

typedef struct clvits_discriminator {
    int period; /* 1: of scale, the waveform as it is */
    int n;      /* convolutions, the last one's result being the scores */
    clvits_discriminator_conv conv[CLVITS_DISCRIMINATOR_MAPS];
} clvits_discriminator;

/** All of them; the arrays that it was measured from must outlive it. */
typedef struct clvits_discriminators {
    clvits_discriminator one[CLVITS_DISCRIMINATORS];
} clvits_discriminators;

/**
 * Read off the tensors "discriminators.N...", norms folded (clvits_discriminators_read()), how many
 * channels, taps and groups every convolution has, and check that they fit each other.
 *
 * @return CLVITS_OK or _E_FORMAT: one message says which tensor is missing, left over or does not
 *         fit
 */
clvits_status clvits_discriminators_measure(clvits_discriminators *out,
                                            const clvits_arrays *weights, clvits_report *r);

/** What they make of a waveform: every map after its leaky ReLU, and the scores as the last one.
 *  Maps are (B,rows,channels); of a period, row u * period + j is row u of column j. */
typedef struct clvits_judgement {
    clvits_tensor *map[CLVITS_DISCRIMINATORS][CLVITS_DISCRIMINATOR_MAPS];
} clvits_judgement;

/** Add one of them to a graph; map has room for d->n results. */
void clvits_discriminator_add(clvits_tensor **map, const clvits_discriminator *d,
                              clvits_tensor *wave);

/** Add all of them; wave (B,T,1), of at least a row. */
void clvits_discriminators_add(clvits_judgement *out, const clvits_discriminators *d,
                               clvits_tensor *wave);

/* Losses of the batch (B,1,1), the same number in every item. add may be NULL: what there is
 * already. */

/** Of the generator: sum over discriminators of mean (1 - D(fake))^2. */
clvits_tensor *clvits_loss_generator(const clvits_discriminators *d, const clvits_judgement *fake,
                                     clvits_tensor *add);

/** Of the discriminators: sum of mean (1 - D(real))^2 + mean D(fake)^2. */
clvits_tensor *clvits_loss_discriminator(const clvits_discriminators *d,
                                         const clvits_judgement *real,
                                         const clvits_judgement *fake, clvits_tensor *add);

/** Of the features: 2 * sum over all maps, scores included, of mean |real - fake|. */
clvits_tensor *clvits_loss_features(const clvits_discriminators *d, const clvits_judgement *real,
                                    const clvits_judgement *fake, clvits_tensor *add);

#endif
