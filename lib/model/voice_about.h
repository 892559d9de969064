// SPDX-License-Identifier: MIT
//
// The words in which a self-contained voice describes itself, for those who read and write them.
// What they mean stands in voice_clvits.c.
#ifndef CLVITS_MODEL_VOICE_ABOUT_H
#define CLVITS_MODEL_VOICE_ABOUT_H

#include "model/voice_parts.h"

enum { VERSION = 1 };

static const char *const kinds[] = { [CLVITS_TEXT_IDS] = "ids",
                                     [CLVITS_TEXT_ESPEAK] = "espeak",
                                     [CLVITS_TEXT_CHARACTERS] = "characters",
                                     [CLVITS_TEXT_LEXICON] = "lexicon",
                                     [CLVITS_TEXT_PHONEMES] = "phonemes" };
static const char *const cases[] = { [CLVITS_CASE_KEPT] = "kept",
                                     [CLVITS_CASE_LOWER_ELSE] = "lower-else",
                                     [CLVITS_CASE_LOWER] = "lower" };
static const char *const paddings[] = { [CLVITS_PADDING_NONE] = "none",
                                        [CLVITS_PADDING_PIPER] = "piper",
                                        [CLVITS_PADDING_BLANK] = "blank" };
#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

/* The lists of a configuration, with the fields that have their lengths. */
static const struct {
    const char *name;
    size_t offset, length;
} lists[] = {
#define LIST(name, length) { #name, offsetof(clvits_config, name), offsetof(clvits_config, length) }
    LIST(upsample_rates, n_upsamples),
    LIST(upsample_kernel_sizes, n_upsamples),
    LIST(resblock_kernel_sizes, n_resblocks),
#undef LIST
};
static const char dilations[] = "resblock_dilation_sizes";

static inline int is_length(size_t offset)
{
    return offset == offsetof(clvits_config, n_upsamples) ||
           offset == offsetof(clvits_config, n_resblocks);
}

#endif
