// SPDX-License-Identifier: MIT
//
// Residual coupling flow (flow), in the direction of inference: from the prior to the decoder.
#include "model/blocks.h"

static clvits_tensor *coupling_reverse(clvits_scope *s, clvits_tensor *z, int place)
{
    const int half = s->c->inter_channels / 2;
    const clvits_name name = clvits_named("flow.flows.%d", place);
    clvits_tensor *x0 = clvits_graph_slice(z, 0, half);
    clvits_tensor *x1 = clvits_graph_slice(z, half, half);
    clvits_tensor *h = clvits_layer_linear(s, x0, clvits_named("%s.pre", name.text).text);
    clvits_tensor *m, *logs = NULL;

    h = clvits_wavenet(s, h, clvits_named("%s.enc", name.text).text, s->c->flow_kernel_size,
                       s->c->flow_dilation_rate, s->c->flow_n_layers);
    m = clvits_layer_linear(s, h, clvits_named("%s.post", name.text).text);
    if (!s->c->flow_mean_only) {
        logs = clvits_graph_slice(m, half, half);
        m = clvits_graph_slice(m, 0, half);
    }
    return clvits_concat(x0, clvits_coupling(x1, m, logs, true, NULL));
}

clvits_tensor *clvits_flow_reverse(clvits_scope *s, clvits_tensor *z_p)
{
    clvits_tensor *z = z_p;

    for (int i = s->c->flow_n_couplings - 1; i >= 0; i--) {
        clvits_graph_label(s->graph, "flow.flows.%d", 2 * i);
        z = coupling_reverse(s, clvits_flip(z), 2 * i);
    }
    return z;
}
