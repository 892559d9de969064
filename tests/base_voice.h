// SPDX-License-Identifier: MIT
#ifndef CLVITS_TESTS_BASE_VOICE_H
#define CLVITS_TESTS_BASE_VOICE_H

#include "model/config.h"

/** The geometry of the paper's voice for one speaker. */
static inline clvits_config base_voice(void)
{
    clvits_config c = clvits_config_default();

    c.n_vocab = 178;
    c.inter_channels = c.hidden_channels = 192;
    c.filter_channels = 768;
    c.n_heads = 2;
    c.n_layers = 6;
    c.kernel_size = 3;
    c.resblock = 1;
    c.n_resblocks = 3;
    for (int i = 0; i < 3; i++) {
        c.resblock_kernel_sizes[i] = (const int[]){ 3, 7, 11 }[i];
        c.n_resblock_dilations[i] = 3;
        for (int j = 0; j < 3; j++)
            c.resblock_dilation_sizes[i][j] = 2 * j + 1;
    }
    c.n_upsamples = 4;
    for (int i = 0; i < 4; i++) {
        c.upsample_rates[i] = i < 2 ? 8 : 2;
        c.upsample_kernel_sizes[i] = i < 2 ? 16 : 4;
    }
    c.upsample_initial_channel = 512;
    c.use_sdp = 1;
    c.dp_filter_channels = 192;
    c.sampling_rate = 22050;
    c.hop_length = 256;
    return c;
}

#endif
