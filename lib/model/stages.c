// SPDX-License-Identifier: MIT
#include "model/blocks.h"

enum { DURATION_STREAM = 0, LATENT_STREAM = 1 };

/* The input that the conditions of all parts are read from, where the model has speakers. */
static clvits_tensor *conditions(clvits_scope *s)
{
    s->cond_parts = CLVITS_OF_SPEECH;
    if (s->c->gin_channels)
        s->cond = clvits_graph_input(s->graph, CLVITS_F32, 0,
                                     clvits_condition_channels(s->c, CLVITS_OF_SPEECH));
    return s->cond;
}

clvits_status clvits_text_stage_build(clvits_text_stage *out, const clvits_model *m,
                                      const clvits_stage_options *o, int capacity,
                                      clvits_report *r)
{
    clvits_scope s;
    const clvits_status status = clvits_scope_begin(&s, m, o, r);

    *out = (clvits_text_stage){ 0 };
    if (status)
        return status;
    out->clock = clvits_graph_clock(s.graph, capacity);
    out->seed = clvits_graph_scalar(s.graph, 2);
    out->noise_w = clvits_graph_scalar(s.graph, 1);
    out->length_scale = clvits_graph_scalar(s.graph, 1);
    out->ids = clvits_graph_input(s.graph, CLVITS_I32, out->clock, 1);
    if (m->config->gin_channels) {
        out->sid = clvits_graph_input(s.graph, CLVITS_I32, 0, 1);
        s.cond = clvits_graph_keep(clvits_conditions(&s, out->sid, CLVITS_OF_SPEECH));
        s.cond_parts = CLVITS_OF_SPEECH;
        out->cond = s.cond;
    }
    if (m->config->language_channels) {
        clvits_graph_label(s.graph, "emb_l");
        out->lids = clvits_graph_input(s.graph, CLVITS_I32, out->clock, 1);
        s.language = clvits_embedding(out->lids, clvits_scope_weight(&s, "emb_l.weight"), 1.0f);
    }
    out->enc = clvits_text_encoder(&s, out->ids, &out->stats);
    if (m->config->use_sdp) {
        clvits_graph_label(s.graph, "dp");
        out->noise = o->inject_noise
                         ? clvits_graph_input(s.graph, CLVITS_F32, out->clock, 2)
                         : clvits_normal(s.graph, out->clock, 2, out->seed, DURATION_STREAM);
        out->logw = clvits_duration_stochastic(&s, out->enc, out->noise, out->noise_w);
    } else {
        out->logw = clvits_duration_plain(&s, out->enc);
    }
    clvits_graph_label(s.graph, "durations");
    out->durations = clvits_graph_keep(clvits_durations(out->logw, out->length_scale, &out->ends));
    clvits_graph_keep(out->ends);
    clvits_graph_keep(out->stats);
    if (o->keep_all) {
        clvits_graph_keep(out->enc);
        clvits_graph_keep(out->logw);
    }
    return clvits_scope_end(&s, &out->graph, r);
}

clvits_status clvits_latent_stage_build(clvits_latent_stage *out, const clvits_model *m,
                                        const clvits_stage_options *o, int text_capacity,
                                        int frames, clvits_report *r)
{
    const int C = m->config->inter_channels;
    clvits_scope s;
    const clvits_status status = clvits_scope_begin(&s, m, o, r);

    *out = (clvits_latent_stage){ 0 };
    if (status)
        return status;
    out->text_clock = clvits_graph_clock(s.graph, text_capacity);
    out->clock = clvits_graph_clock(s.graph, frames);
    out->seed = clvits_graph_scalar(s.graph, 2);
    out->noise_scale = clvits_graph_scalar(s.graph, 1);
    out->stats = clvits_graph_input(s.graph, CLVITS_F32, out->text_clock, 2 * C);
    out->ends = clvits_graph_input(s.graph, CLVITS_I32, out->text_clock, 1);
    out->cond = conditions(&s);
    clvits_graph_label(s.graph, "expand");
    if (o->inject_noise)
        out->noise = clvits_graph_input(s.graph, CLVITS_F32, out->clock, C);
    out->z_p = clvits_prior(out->stats, out->ends, out->noise,
                            &(clvits_prior_params){ out->clock, out->noise_scale, out->seed,
                                                    LATENT_STREAM });
    if (o->keep_all)
        clvits_graph_keep(out->z_p);
    out->z = clvits_graph_keep(clvits_flow_reverse(&s, out->z_p));
    return clvits_scope_end(&s, &out->graph, r);
}

void clvits_latent_context(const clvits_config *c, int *before, int *after)
{
    int dilation = 1;

    *before = *after = 0;
    for (int i = 0; i < c->flow_n_layers; i++, dilation *= c->flow_dilation_rate) {
        int b, a;
        clvits_conv1d_reach(c->flow_kernel_size, dilation,
                            (c->flow_kernel_size - 1) * dilation / 2, &b, &a);
        *before += c->flow_n_couplings * b;
        *after += c->flow_n_couplings * a;
    }
}

clvits_status clvits_wave_stage_build(clvits_wave_stage *out, const clvits_model *m,
                                      const clvits_stage_options *o, int frames, clvits_report *r)
{
    clvits_scope s;
    const clvits_status status = clvits_scope_begin(&s, m, o, r);

    *out = (clvits_wave_stage){ 0 };
    if (status)
        return status;
    out->clock = clvits_graph_clock(s.graph, frames);
    out->z = clvits_graph_input(s.graph, CLVITS_F32, out->clock, m->config->inter_channels);
    out->cond = conditions(&s);
    out->wave = clvits_graph_keep(clvits_decoder(&s, out->z));
    return clvits_scope_end(&s, &out->graph, r);
}
