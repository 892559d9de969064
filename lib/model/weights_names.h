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

enum { CLVITS_WEIGHT_NUMBERS = 4 }; /* that a name has, at most */

/**
 * Whether a name is as a pattern says, in which `#` is a number, `*` at the end the rest.
 *
 * @param[out] numbers  that were found, in their order
 * @return the rest at `*`, or the empty end; NULL when it is not
 */
const char *clvits_weight_match(const char *pattern, const char *name,
                                int numbers[CLVITS_WEIGHT_NUMBERS]);

/**
 * The canonical name of an array of a voice file: Hugging Face names are translated, the suffixes
 * of weight normalisation become `weight` and the part, any other name is copied.
 *
 * @return 0 when the name is longer than any that a voice has
 */
int clvits_weight_name(char *out, size_t size, clvits_weight_part *part, const char *name);

/**
 * What Hugging Face calls the tensor of a canonical name; one that the format does not have is
 * copied.
 *
 * @return 0 when it does not fit
 */
int clvits_weight_hf_name(char *out, size_t size, const char *name, int use_sdp);

#endif
