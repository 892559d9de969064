// SPDX-License-Identifier: MIT
#include "model/speak.h"

#include <string.h>

/* As many seconds that what ids and frames are rounded to matters little. A symbol and the blank
 * after it come sixteen times a second. */
enum { SECONDS = 10, IDS = 32 * SECONDS };

static void add_graph(clvits_voice_cost *cost, clvits_graph **g)
{
    for (int i = 0; i < (*g)->n_nodes; i++) {
        const clvits_node *n = (*g)->nodes[i];
        const double gflop = clvits_node_flops(n, NULL) / SECONDS * 1e-9;
        const struct {
            const char *name;
            double *sum;
        } parts[] = { { "enc_p", &cost->text },
                      { "dp", &cost->durations },
                      { "flow", &cost->flow },
                      { "dec", &cost->decoder } };

        cost->total += gflop;
        for (int p = 0; p < 4; p++) {
            const size_t length = strlen(parts[p].name);
            if (!strncmp(n->label, parts[p].name, length) &&
                strchr(".", n->label[length]))
                *parts[p].sum += gflop;
        }
    }
    clvits_graph_close(g);
}

clvits_status clvits_model_cost(clvits_voice_cost *out, const clvits_model *m, clvits_report *r)
{
    const clvits_stage_options o = { .batch = 1 };
    const int frames = SECONDS * m->config->sampling_rate / m->config->hop_length;
    clvits_text_stage text;
    clvits_latent_stage latent;
    clvits_wave_stage wave;

    *out = (clvits_voice_cost){ 0 };
    if (clvits_text_stage_build(&text, m, &o, IDS, r))
        return r->status;
    add_graph(out, &text.graph);
    if (clvits_latent_stage_build(&latent, m, &o, IDS, frames, r))
        return r->status;
    add_graph(out, &latent.graph);
    if (clvits_wave_stage_build(&wave, m, &o, frames, r))
        return r->status;
    add_graph(out, &wave.graph);
    return CLVITS_OK;
}

clvits_status clvits_voice_get_cost(const clvits_voice *v, clvits_voice_cost *out)
{
    const clvits_model m = { &v->file.config, &v->file.weights };
    clvits_report r = clvits_context_report(v->context);
    const clvits_status s = clvits_model_cost(out, &m, &r);

    return s ? clvits_context_keep(v->context, &r) : CLVITS_OK;
}
