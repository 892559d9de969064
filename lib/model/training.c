// SPDX-License-Identifier: MIT
#include "model/training.h"

#include "model/mel.h"

typedef struct build {
    clvits_training_step *out;
    const clvits_training_options *o;
    clvits_scope s;
    int segment; /* clock of the frames that become speech */
    clvits_tensor *logs_q;
} build;

/* A clock that always has n rows. */
static int fixed_clock(clvits_graph *g, int n)
{
    return clvits_graph_clock_of(g, 0, 1, n - 1, 1);
}

static clvits_tensor *noise(build *b, int clock, int channels, int stream, clvits_tensor **given)
{
    if (!b->o->inject_noise)
        return clvits_normal(b->s.graph, clock, channels, b->out->seed, stream);
    *given = clvits_graph_input(b->s.graph, CLVITS_F32, clock, channels);
    return *given;
}

static void inputs(build *b)
{
    clvits_training_step *out = b->out;
    const clvits_config *c = b->s.c;
    const int parts = CLVITS_OF_SPEECH | CLVITS_OF_POSTERIOR;
    clvits_graph *g = b->s.graph;

    out->text_clock = clvits_graph_clock(g, b->o->text);
    out->clock = clvits_graph_clock(g, b->o->frames);
    b->segment = fixed_clock(g, b->o->segment ? b->o->segment : CLVITS_SEGMENT_FRAMES);
    out->seed = clvits_graph_scalar(g, 2);
    out->start = clvits_graph_scalar(g, 1);
    out->ids = clvits_graph_input(g, CLVITS_I32, out->text_clock, 1);
    out->spec = clvits_graph_input(g, CLVITS_F32, out->clock, c->n_fft / 2 + 1);
    if (c->gin_channels) {
        out->sid = clvits_graph_input(g, CLVITS_I32, 0, 1);
        b->s.cond = clvits_conditions(&b->s, out->sid, parts);
        b->s.cond_parts = parts;
    }
    if (c->language_channels) {
        clvits_graph_label(g, "emb_l");
        out->lids = clvits_graph_input(g, CLVITS_I32, out->text_clock, 1);
        b->s.language = clvits_embedding(out->lids, clvits_scope_weight(&b->s, "emb_l.weight"),
                                         1.0f);
    }
}

/* Text and spectrogram to the same space, and which frames are whose. */
static void align(build *b)
{
    clvits_training_step *out = b->out;
    clvits_scope *s = &b->s;
    const int C = s->c->inter_channels;
    clvits_tensor *m_q;

    out->enc = clvits_text_encoder(s, out->ids, &out->stats);
    clvits_tensor *drawn = noise(b, out->clock, C, CLVITS_TRAINING_LATENT_STREAM, &out->noise_z);
    out->z = clvits_posterior_encoder(s, out->spec, drawn, &m_q, &b->logs_q);
    out->posterior = m_q ? m_q->root : NULL;
    out->z_p = clvits_flow_forward(s, out->z, NULL);
    clvits_graph_label(s->graph, "align");
    out->likelihood = clvits_likelihood(out->z_p, clvits_graph_slice(out->stats, 0, C),
                                        clvits_graph_slice(out->stats, C, C));
    out->durations = clvits_search(out->likelihood, out->text_clock, &out->ends);
    out->prior = clvits_expand(out->stats, out->ends, out->clock);
}

static void durations(build *b)
{
    clvits_training_step *out = b->out;
    clvits_tensor *drawn = NULL;

    if (b->s.c->use_sdp)
        drawn = noise(b, out->text_clock, 2, CLVITS_TRAINING_DURATION_STREAM, &out->noise_dp);
    clvits_duration_training(&out->duration, &b->s, out->enc, out->durations, drawn);
}

/* Slaney's scale and areas, as the original has them from librosa. */
static clvits_tensor *filterbank(build *b)
{
    const clvits_config *c = b->s.c;
    const int n = b->o->n_mels, bins = c->n_fft / 2 + 1;
    clvits_graph *g = b->s.graph;
    clvits_report r = { 0 };
    float *bank = clvits_arena_array(&g->arena, (size_t)n * (size_t)bins, sizeof(*bank));

    const clvits_status s =
        bank ? clvits_mel_filterbank(bank, c->n_fft, c->sampling_rate, n, (double)b->o->mel_fmin,
                                     (double)b->o->mel_fmax, CLVITS_MEL_SLANEY, true, &r)
             : clvits_fail_memory(&r, "a mel filterbank");
    if (s)
        clvits_graph_fail(g, s, "%s", r.text);
    return s ? NULL : clvits_graph_constant(g, bank, 3, (int64_t[]){ n, bins, 1 });
}

/* A segment of each item's z as speech, and that of its spectrogram, both on the mel scale. */
static void speak(build *b)
{
    clvits_training_step *out = b->out;
    const clvits_config *c = b->s.c;

    clvits_graph_label(b->s.graph, "segment");
    out->wave = clvits_decoder(&b->s, clvits_slice_rows(out->z, b->segment, out->start, 1));
    if (!b->o->n_mels)
        return;
    clvits_tensor *bank = filterbank(b);
    clvits_graph_label(b->s.graph, "mel");
    clvits_tensor *spec = clvits_spectrogram(
        out->wave, &(clvits_spectrogram_params){ .n_fft = c->n_fft, .hop = c->hop_length,
                                                 .win_length = c->win_length });
    out->mel_hat = clvits_mel(spec, bank);
    if (spec)
        out->mel = clvits_mel(clvits_slice_rows(out->spec, spec->clock, out->start, 1), bank);
}

/* What discriminators say of that segment, and of the speech that it should be. */
static void judge(build *b)
{
    clvits_training_step *out = b->out;
    const clvits_discriminators *d = b->o->discriminators;
    const int hop = b->s.c->hop_length;

    if (!d || !out->wave)
        return;
    out->speech = clvits_graph_input(b->s.graph, CLVITS_F32,
                                     clvits_graph_clock_of(b->s.graph, out->clock, hop, 0, 1), 1);
    clvits_graph_label(b->s.graph, "segment");
    out->real = clvits_slice_rows(out->speech, out->wave->clock, out->start, hop);
    clvits_discriminators_add(&out->of_real, d, out->real);
    clvits_discriminators_add(&out->of_wave, d, out->wave);
    out->generator_loss = clvits_loss_generator(d, &out->of_wave, NULL);
    out->feature_loss = clvits_loss_features(d, &out->of_real, &out->of_wave, NULL);
    out->discriminator_loss =
        clvits_graph_keep(clvits_loss_discriminator(d, &out->of_real, &out->of_wave, NULL));
}

/* sum plus a loss, if there is one; the latter can be read. */
static clvits_tensor *add(clvits_tensor *sum, clvits_tensor *loss, float weight)
{
    if (!loss)
        return sum;
    clvits_graph_keep(loss);
    if (weight != 1.0f)
        loss = clvits_unary(loss, &(clvits_unary_params){ .kind = CLVITS_SCALE, .a = weight });
    return sum ? clvits_binary(sum, loss, CLVITS_ADD) : loss;
}

static void losses(build *b)
{
    clvits_training_step *out = b->out;
    const int C = b->s.c->inter_channels;

    clvits_graph_label(b->s.graph, "loss");
    out->duration_loss = clvits_loss_sum(out->duration.loss, out->text_clock, NULL);
    out->kl_loss = clvits_loss_kl(out->z_p, b->logs_q, clvits_graph_slice(out->prior, 0, C),
                                  clvits_graph_slice(out->prior, C, C));
    if (out->mel)
        out->mel_loss = clvits_loss_absolute(out->mel, out->mel_hat, 1.0f, NULL);
    clvits_tensor *sum = add(add(NULL, out->duration_loss, 1.0f), out->kl_loss, 1.0f);
    sum = add(sum, out->mel_loss, CLVITS_MEL_WEIGHT);
    out->loss = clvits_graph_keep(
        add(add(sum, out->generator_loss, 1.0f), out->feature_loss, 1.0f));
}

static void keep(build *b)
{
    const clvits_training_step *out = b->out;
    const clvits_duration_loss *d = &out->duration;
    clvits_tensor *const named[] = {
        out->enc, out->stats, out->posterior, out->z, out->z_p, out->likelihood, out->prior,
        d->z_u, d->z, d->logq, d->nll, d->logw, d->loss, out->wave, out->mel,
        out->mel_hat, out->real,
    };

    clvits_graph_keep(out->durations);
    clvits_graph_keep(out->ends);
    for (size_t i = 0; i < sizeof(named) / sizeof(*named) && b->o->keep_all; i++)
        clvits_graph_keep(named[i]);
    for (int n = 0; n < CLVITS_DISCRIMINATORS && b->o->keep_all; n++)
        for (int i = 0; i < CLVITS_DISCRIMINATOR_MAPS; i++) {
            clvits_graph_keep(out->of_real.map[n][i]);
            clvits_graph_keep(out->of_wave.map[n][i]);
        }
}

static clvits_status check(const clvits_model *m, const clvits_training_options *o,
                           clvits_report *r)
{
    if (o->text < 1 || o->frames < 1 || o->segment < 0 || o->n_mels < 0 ||
        o->n_mels > CLVITS_MOST_MELS)
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "a step of training of %d ids, %d frames, segments of %d and %d mels; "
                           "give at least 1 of the former two, and up to %d mels", o->text,
                           o->frames, o->segment, o->n_mels, CLVITS_MOST_MELS);
    if (!m->config->n_fft)
        return clvits_fail(r, CLVITS_E_FORMAT, "the voice has no posterior encoder, without which "
                                               "there is no training");
    return CLVITS_OK;
}

clvits_status clvits_training_step_build(clvits_training_step *out, const clvits_model *m,
                                         const clvits_training_options *o, clvits_report *r)
{
    build b = { .out = out, .o = o, .s = { .c = m->config, .weights = m->weights } };
    clvits_status s = check(m, o, r);

    *out = (clvits_training_step){ 0 };
    if (!s)
        s = clvits_graph_open(&b.s.graph, o->batch, r);
    if (s)
        return s;
    inputs(&b);
    align(&b);
    durations(&b);
    speak(&b);
    judge(&b);
    losses(&b);
    keep(&b);
    s = clvits_graph_finish(b.s.graph, r);
    if (s)
        clvits_graph_close(&b.s.graph);
    out->graph = b.s.graph;
    return s;
}
