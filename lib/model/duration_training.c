// SPDX-License-Identifier: MIT
//
// Duration predictors (dp) in the direction of training: how likely known durations are.
//
// Durations are whole numbers d; the stochastic predictor makes them continuous (d - u, with u
// between 0 and 1) and wider (v beside them), both drawn from q by flows of their own, post_flows.
// The bound on the likelihood is log p(d - u, v | text) - log q(u, v | d, text).
#include "model/blocks.h"

static clvits_tensor *unary(clvits_tensor *x, clvits_unary_kind kind, float a)
{
    return clvits_unary(x, &(clvits_unary_params){ .kind = kind, .a = a });
}

static clvits_tensor *add(clvits_tensor *a, clvits_tensor *b)
{
    return clvits_binary(a, b, CLVITS_ADD);
}

/* log N(z; 0, 1), of rows and channels together. */
static clvits_tensor *log_normal(clvits_tensor *z)
{
    return clvits_sum(unary(z, CLVITS_LOG_NORMAL, 0.0f));
}

/* z (B,T,2), first the affine flow, then the ConvFlows; a flip after each of these exchanges the
 * channels, which are z0 and z1 in the end. */
static void flows(clvits_scope *s, const char *name, clvits_tensor *z, clvits_tensor *text,
                  clvits_tensor **z0, clvits_tensor **z1, clvits_tensor **logdet)
{
    clvits_graph_label(s->graph, "%s.0", name);
    z = clvits_affine(z, clvits_scope_weight(s, "%s.0.m", name),
                      clvits_scope_weight(s, "%s.0.logs", name), false, logdet);
    *z0 = clvits_graph_slice(z, 0, 1);
    *z1 = clvits_graph_slice(z, 1, 1);
    for (int i = 0; i < s->c->dp_n_flows; i++) {
        clvits_tensor *kept = *z0, *more;
        *z0 = clvits_conv_flow(s, clvits_named("%s.%d", name, 2 * i + 1).text, kept, *z1, text,
                               false, &more);
        *z1 = kept;
        *logdet = add(*logdet, more);
    }
}

/* What q sees of the durations, with the text. */
static clvits_tensor *posterior_text(clvits_scope *s, clvits_tensor *durations,
                                     clvits_tensor *text)
{
    clvits_graph_label(s->graph, "dp.post");
    clvits_tensor *h = clvits_layer_linear(s, unary(durations, CLVITS_SCALE, 1.0f), "dp.post_pre");
    h = clvits_dds_conv(s, h, "dp.post_convs");
    return clvits_layer_conv1d(s, h, "dp.post_proj", &(clvits_conv1d_params){ 0 },
                               &(clvits_conv1d_extra){ .residual = text });
}

static void stochastic(clvits_duration_loss *out, clvits_scope *s, clvits_tensor *enc,
                       clvits_tensor *durations, clvits_tensor *noise)
{
    clvits_tensor *text = clvits_duration_text(s, enc), *z0, *z1, *v, *logdet, *more;

    flows(s, "dp.post_flows", noise, posterior_text(s, durations, text), &out->z_u, &v, &logdet);
    clvits_graph_label(s->graph, "dp.post");
    /* u = sigmoid(z_u), and log du/dz_u = log sigmoid(z_u) + log sigmoid(-z_u), of which the latter
     * is the former less z_u. */
    more = clvits_binary(unary(unary(out->z_u, CLVITS_LOG_SIGMOID, 0.0f), CLVITS_SCALE, 2.0f),
                         out->z_u, CLVITS_SUB);
    logdet = add(logdet, more);
    out->logq = clvits_binary(log_normal(noise), clvits_sum(logdet), CLVITS_SUB);

    /* d - u = (d - 1) + sigmoid(-z_u): nothing is lost where u is nearly 1. */
    z0 = add(unary(durations, CLVITS_PLUS, -1.0f),
             unary(unary(out->z_u, CLVITS_SCALE, -1.0f), CLVITS_SIGMOID, 0.0f));
    clvits_graph_label(s->graph, "dp.flows");
    z0 = clvits_log_flow(z0, false, &more);
    flows(s, "dp.flows", clvits_concat(z0, v), text, &z0, &z1, &logdet);
    clvits_graph_label(s->graph, "dp.flows");
    out->z = clvits_concat(z0, z1);
    logdet = add(logdet, more);
    out->nll = unary(add(log_normal(out->z), clvits_sum(logdet)), CLVITS_SCALE, -1.0f);
    out->loss = add(out->nll, out->logq);
}

static void plain(clvits_duration_loss *out, clvits_scope *s, clvits_tensor *enc,
                  clvits_tensor *durations)
{
    out->logw = clvits_duration_plain(s, enc);
    clvits_tensor *off = clvits_binary(out->logw, unary(durations, CLVITS_LOG, 1e-6f), CLVITS_SUB);
    out->loss = clvits_sum(clvits_binary(off, off, CLVITS_MUL));
}

void clvits_duration_training(clvits_duration_loss *out, clvits_scope *s, clvits_tensor *enc,
                              clvits_tensor *durations, clvits_tensor *noise)
{
    *out = (clvits_duration_loss){ 0 };
    if (s->c->use_sdp)
        stochastic(out, s, enc, durations, noise);
    else
        plain(out, s, enc, durations);
}
