// SPDX-License-Identifier: MIT
#include "model/blocks.h"

enum { POSTERIOR_STREAM = 2 };

static clvits_tensor *speaker(clvits_scope *s, int parts)
{
    clvits_tensor *sid =
        s->c->gin_channels ? clvits_graph_input(s->graph, CLVITS_I32, 0, 1) : NULL;

    s->cond = sid ? clvits_conditions(s, sid, parts) : NULL;
    s->cond_parts = parts;
    return sid;
}

/* The most samples of so many frames. */
static int samples_of(const clvits_scope *s, int frames)
{
    const int hop = s->c->hop_length;
    const int64_t n = (int64_t)frames * hop + hop - 1;

    if (n <= INT32_MAX)
        return (int)n;
    clvits_graph_fail(s->graph, CLVITS_E_UNSUPPORTED,
                      "%d frames of %d samples, with what they depend on, are too many to be "
                      "listened to at once", frames, hop);
    return 1;
}

/* The posterior of what is heard: its mean, which is the likeliest, or one drawn from it. */
static clvits_tensor *posterior(clvits_scope *s, clvits_listen_stage *out, bool draw)
{
    const clvits_spectrogram_params p = { .n_fft = s->c->n_fft, .hop = s->c->hop_length,
                                          .win_length = s->c->win_length };
    clvits_tensor *m, *logs, *noise = NULL;

    clvits_graph_label(s->graph, "spectrogram");
    clvits_tensor *spec = clvits_spectrogram(out->wave, &p);
    out->clock = spec ? spec->clock : 0;
    if (draw) {
        clvits_graph_label(s->graph, "enc_q.noise");
        noise = clvits_unary(
            clvits_normal(s->graph, out->clock, s->c->inter_channels, out->seed, POSTERIOR_STREAM),
            &(clvits_unary_params){ .kind = CLVITS_SCALE, .a = 1.0f,
                                    .slot = out->noise_scale + 1 });
    }
    return clvits_posterior_encoder(s, spec, noise, &m, &logs);
}

clvits_status clvits_listen_stage_build(clvits_listen_stage *out, const clvits_model *m,
                                        const clvits_stage_options *o, int frames, bool revoice,
                                        clvits_report *r)
{
    clvits_scope s;
    const clvits_status status = clvits_scope_begin(&s, m, o, r);

    *out = (clvits_listen_stage){ 0 };
    if (status)
        return status;
    out->samples = clvits_graph_clock(s.graph, samples_of(&s, frames));
    out->wave = clvits_graph_input(s.graph, CLVITS_F32, out->samples, 1);
    if (revoice) {
        out->seed = clvits_graph_scalar(s.graph, 2);
        out->noise_scale = clvits_graph_scalar(s.graph, 1);
    }
    out->sid = speaker(&s, CLVITS_OF_POSTERIOR | CLVITS_OF_FLOW);
    out->z = clvits_flow_forward(&s, posterior(&s, out, revoice), NULL);
    if (revoice) {
        clvits_scope target = s;
        out->target = speaker(&target, CLVITS_OF_SPEECH);
        out->cond = clvits_graph_keep(target.cond);
        out->z = clvits_flow_reverse(&target, out->z);
    }
    clvits_graph_keep(out->z);
    return clvits_scope_end(&s, &out->graph, r);
}

/* Frames beside a frame that a WaveNet reads. */
static int reach(int layers, int kernel, int dilation_rate)
{
    int dilation = 1, frames = 0;

    for (int i = 0; i < layers; i++, dilation *= dilation_rate)
        frames += (kernel - 1) * dilation / 2;
    return frames;
}

void clvits_listen_context(const clvits_config *c, bool revoice, int *before, int *after)
{
    const int overlap = c->n_fft > c->hop_length ? c->n_fft - c->hop_length : 0;
    const int flow = c->flow_n_couplings *
                     reach(c->flow_n_layers, c->flow_kernel_size, c->flow_dilation_rate);

    *before = *after = reach(c->posterior_n_layers, c->posterior_kernel_size,
                             c->posterior_dilation_rate) +
                       (revoice ? 2 * flow : flow) +
                       (overlap + c->hop_length - 1) / c->hop_length;
}

clvits_status clvits_align_stage_build(clvits_align_stage *out, const clvits_model *m,
                                       const clvits_stage_options *o, int text_capacity,
                                       int frames, clvits_report *r)
{
    const int C = m->config->inter_channels;
    clvits_tensor *ends;
    clvits_scope s;
    const clvits_status status = clvits_scope_begin(&s, m, o, r);

    *out = (clvits_align_stage){ 0 };
    if (status)
        return status;
    out->text_clock = clvits_graph_clock(s.graph, text_capacity);
    out->clock = clvits_graph_clock(s.graph, frames);
    out->z_p = clvits_graph_input(s.graph, CLVITS_F32, out->clock, C);
    out->stats = clvits_graph_input(s.graph, CLVITS_F32, out->text_clock, 2 * C);
    clvits_graph_label(s.graph, "align");
    clvits_tensor *value = clvits_likelihood(out->z_p, clvits_graph_slice(out->stats, 0, C),
                                             clvits_graph_slice(out->stats, C, C));
    out->durations = clvits_graph_keep(clvits_search(value, out->text_clock, &ends));
    return clvits_scope_end(&s, &out->graph, r);
}
