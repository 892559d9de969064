// SPDX-License-Identifier: MIT
//
// Posterior encoder (enc_q): what a spectrogram says of the latent. Where it sampled from in
// training is a normal distribution per frame, of which the mean is the most likely latent.
#include "model/blocks.h"

clvits_tensor *clvits_posterior_encoder(clvits_scope *s, clvits_tensor *spec, clvits_tensor *noise,
                                        clvits_tensor **m, clvits_tensor **logs)
{
    const clvits_config *c = s->c;

    clvits_graph_label(s->graph, "enc_q.pre");
    clvits_tensor *h = clvits_layer_linear(s, spec, "enc_q.pre");
    clvits_graph_label(s->graph, "enc_q.enc");
    h = clvits_wavenet(s, h, clvits_scope_condition(s, CLVITS_OF_POSTERIOR), "enc_q.enc",
                       c->posterior_kernel_size, c->posterior_dilation_rate,
                       c->posterior_n_layers);
    clvits_graph_label(s->graph, "enc_q.proj");
    clvits_tensor *stats = clvits_layer_linear(s, h, "enc_q.proj");
    *m = clvits_graph_slice(stats, 0, c->inter_channels);
    *logs = clvits_graph_slice(stats, c->inter_channels, c->inter_channels);
    return noise ? clvits_coupling(noise, *m, *logs, false, NULL) : *m;
}
