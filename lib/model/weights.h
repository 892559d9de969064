// SPDX-License-Identifier: MIT
#ifndef CLVITS_MODEL_WEIGHTS_H
#define CLVITS_MODEL_WEIGHTS_H

#include "io/arrays.h"
#include "model/config.h"

#include <clvits/voice.h>

/** One tensor that a configuration needs, under its canonical name. */
typedef struct clvits_weight {
    char name[96];
    int rank;
    int64_t shape[4];
} clvits_weight;

typedef clvits_status (*clvits_weight_fn)(void *user, const clvits_weight *w);

/**
 * Visit every tensor that inference with this (checked) configuration needs.
 *
 * Names and shapes are those of the original training code with weight normalisation folded:
 * convolutions [O, I, K], transposed ones [I, O, K], layer norms gamma and beta [C]. A visit that
 * returns something else than CLVITS_OK ends the walk, which returns the same.
 */
clvits_status clvits_weights_walk(const clvits_config *c, clvits_weight_fn visit, void *user);

/** The parts of the training side that VITS itself has; discriminators are models of their own. */
enum {
    CLVITS_SIDE_POSTERIOR = 1, /* enc_q */
    CLVITS_SIDE_DURATIONS = 2, /* of the stochastic duration predictor; the plain one has none */
    CLVITS_SIDE_ALL = 3,
};

/** Visit every tensor of these parts (CLVITS_SIDE_*), in the same way. */
clvits_status clvits_weights_walk_training(const clvits_config *c, int sides,
                                           clvits_weight_fn visit, void *user);

/**
 * Read off a model's tensors, under any of their names, what training configurations do not say:
 * n_vocab, speakers and their channels, the attention's window, the duration predictor, the flow's
 * couplings and layers, the kernels at both ends of the decoder. Whatever is not there stays as it
 * was.
 */
void clvits_config_measure(clvits_config *c, const clvits_arrays *raw);

/**
 * Bring the arrays of any voice file to the one set that the model is built from: canonical
 * names, float32, weight normalisation folded, nothing but what clvits_weights_walk() visits.
 *
 * What is float32 and aligned already is referenced, not copied: raw must outlive out.
 *
 * @param[out] out  empty on failure; free with clvits_arrays_free()
 * @return CLVITS_OK, _E_FORMAT (one message names what is missing, of another shape or left
 *         over) or _E_MEMORY
 */
clvits_status clvits_weights_canonical(clvits_arrays *out, const clvits_arrays *raw,
                                       const clvits_config *c, clvits_report *r);

/**
 * The same without copies where it can be: the data of raw, which has to be its own memory, is
 * overwritten or given back, and is not what its names say afterwards.
 */
clvits_status clvits_weights_take(clvits_arrays *out, clvits_arrays *raw, const clvits_config *c,
                                  clvits_report *r);

/** Whether a tensor of that name, of any format, is there for training alone. */
int clvits_weight_of_training(const char *name);

/** Whether opening a voice for these parts (CLVITS_SIDE_*) of the training side leaves it aside. */
int clvits_weight_beyond(const char *name, int sides);

/** Read off the tensors what is not known of the posterior encoder; all 0 where there is none. */
void clvits_config_measure_posterior(clvits_config *c, const clvits_arrays *raw);

/**
 * As clvits_weights_take(), but adds tensors of the training side to those that are in out.
 *
 * @param[in,out] sides  CLVITS_SIDE_*: those that are wanted; then those of them that there are
 * @return CLVITS_OK, _E_FORMAT (one is there in part, or does not fit) or _E_MEMORY
 */
clvits_status clvits_weights_take_training(clvits_arrays *out, int *sides, clvits_arrays *raw,
                                           const clvits_config *c, clvits_report *r);

/**
 * The arrays of a voice file that only training has a use for, under canonical names, float32,
 * weight normalisation folded. As above, raw must outlive out.
 *
 * @return CLVITS_OK (also when there are none), _E_FORMAT or _E_MEMORY
 */
clvits_status clvits_weights_training(clvits_arrays *out, const clvits_arrays *raw,
                                      clvits_report *r);

enum { CLVITS_MAX_MODULES = 12 };

/**
 * Count parameters by module, which is what canonical names begin with.
 *
 * @param out  room for CLVITS_MAX_MODULES; in the model's order
 * @return how many there are
 */
int clvits_weights_modules(clvits_voice_module *out, const clvits_arrays *weights,
                           const clvits_arrays *raw);

/** Count so many more that only training uses, where the name, of any format, says so. What weight
 *  normalisation adds does not count. */
void clvits_weights_add_training(clvits_voice_module *list, int *n, const char *name,
                                 int64_t count);

#endif
