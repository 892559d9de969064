// SPDX-License-Identifier: MIT
#ifndef CLVITS_MODEL_WEIGHTS_NAMES_H
#define CLVITS_MODEL_WEIGHTS_NAMES_H

#include <stddef.h>

/** Which part of a tensor an array of a file is. */
typedef enum clvits_weight_part {
    CLVITS_WEIGHT_WHOLE,
    CLVITS_WEIGHT_GAIN,     /* g of w = g v/|v| */
    CLVITS_WEIGHT_DIRECTION /* v */
} clvits_weight_part;

/**
 * The canonical name of an array of a voice file: Hugging Face names are translated, the suffixes
 * of weight normalisation become `weight` and the part, any other name is copied.
 *
 * @return 0 when the name is longer than any that a voice has
 */
int clvits_weight_name(char *out, size_t size, clvits_weight_part *part, const char *name);

#endif
