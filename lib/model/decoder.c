// SPDX-License-Identifier: MIT
//
// HiFi-GAN generator (dec). Everything between two convolutions is in the epilogue of the first:
// residual, sum over the parallel blocks, their mean, and the leaky ReLU before the next.
#include "model/blocks.h"

/* After the last stage PyTorch's default slope, not the configured one. */
#define LAST_SLOPE 0.01f

/* A tensor and its activated copy. */
typedef struct pair {
    clvits_tensor *raw, *act;
} pair;

static clvits_conv1d_params same(int kernel, int dilation, float slope)
{
    const int pad = (kernel - 1) * dilation / 2;
    return (clvits_conv1d_params){ .dilation = dilation, .pad_left = pad, .pad_right = pad,
                                   .act = CLVITS_ACT_LEAKY_RELU, .act_slope = slope };
}

/* One step x + conv(lrelu(x)) (ResBlock2), x + conv2(lrelu(conv1(lrelu(x)))) (ResBlock1). The last
 * step of a block adds the sum of the blocks before; that of the last block divides by their
 * number, and only its activated copy goes on. */
static pair step(clvits_scope *s, pair x, const clvits_name *block, int j, int i, float next_slope,
                 clvits_tensor *sum)
{
    const clvits_config *c = s->c;
    const int K = c->resblock_kernel_sizes[j], D = c->resblock_dilation_sizes[j][i];
    const bool last = i == c->n_resblock_dilations[j] - 1, final = last && j == c->n_resblocks - 1;
    clvits_conv1d_params p = same(K, c->resblock == 1 ? 1 : D, c->leaky_relu_slope);
    clvits_name name = clvits_named("%s.convs.%d", block->text, i);
    clvits_tensor *in = x.act;
    pair y = { 0 };

    if (c->resblock == 1) {
        clvits_conv1d_params first = same(K, D, c->leaky_relu_slope);
        first.only_act = true;
        in = clvits_layer_conv1d(s, in, clvits_named("%s.convs1.%d", block->text, i).text, &first,
                                 NULL);
        name = clvits_named("%s.convs2.%d", block->text, i);
    }
    if (final) {
        p.scale = 1.0f / (float)c->n_resblocks;
        p.act_slope = next_slope;
        p.only_act = true;
    } else if (last) {
        p.act = CLVITS_ACT_NONE;
    }
    clvits_tensor *out =
        clvits_layer_conv1d(s, in, name.text, &p,
                            &(clvits_conv1d_extra){ .residual = x.raw, .sum = last ? sum : NULL,
                                                    .act = &y.act });
    y.raw = final ? NULL : out;
    return y;
}

/* The mean of a stage's residual blocks, activated for what comes next. */
static clvits_tensor *residual_blocks(clvits_scope *s, pair x, int stage, float next_slope)
{
    clvits_tensor *sum = NULL;

    for (int j = 0; j < s->c->n_resblocks; j++) {
        const clvits_name block =
            clvits_named("dec.resblocks.%d", stage * s->c->n_resblocks + j);
        pair y = x;
        clvits_graph_label(s->graph, "%s", block.text);
        for (int i = 0; i < s->c->n_resblock_dilations[j]; i++)
            y = step(s, y, &block, j, i, next_slope, sum);
        if (j == s->c->n_resblocks - 1)
            return y.act;
        sum = y.raw;
    }
    return NULL;
}

static pair upsample(clvits_scope *s, clvits_tensor *x, int stage)
{
    const int rate = s->c->upsample_rates[stage], K = s->c->upsample_kernel_sizes[stage];
    const clvits_conv_transpose1d_params p = { .stride = rate, .pad = (K - rate) / 2,
                                               .act = CLVITS_ACT_LEAKY_RELU,
                                               .act_slope = s->c->leaky_relu_slope };
    pair y;

    clvits_graph_label(s->graph, "dec.ups.%d", stage);
    y.raw = clvits_conv_transpose1d(x, clvits_scope_weight(s, "dec.ups.%d.weight", stage),
                                    clvits_scope_weight(s, "dec.ups.%d.bias", stage), &p, &y.act);
    return y;
}

/* conv_pre, conditioned and activated for the first upsampling. */
static clvits_tensor *before(clvits_scope *s, clvits_tensor *z)
{
    clvits_conv1d_params p = same(s->c->conv_pre_kernel, 1, s->c->leaky_relu_slope);
    clvits_tensor *cond = clvits_scope_condition(s, CLVITS_OF_DECODER);

    clvits_graph_label(s->graph, "dec.conv_pre");
    clvits_scope_halves(s, CLVITS_IN_HALVES);
    p.only_act = true;
    return clvits_conv1d(z, clvits_scope_weight(s, "dec.conv_pre.weight"),
                         cond ? cond : clvits_scope_weight(s, "dec.conv_pre.bias"), &p, NULL);
}

clvits_tensor *clvits_decoder(clvits_scope *s, clvits_tensor *z)
{
    clvits_conv1d_params post = same(s->c->conv_post_kernel, 1, 0.0f);
    clvits_tensor *x = before(s, z);

    for (int i = 0; i < s->c->n_upsamples; i++)
        x = residual_blocks(s, upsample(s, x, i), i,
                            i == s->c->n_upsamples - 1 ? LAST_SLOPE : s->c->leaky_relu_slope);
    clvits_graph_label(s->graph, "dec.conv_post");
    clvits_scope_halves(s, CLVITS_TO_FLOATS);
    post.act = CLVITS_ACT_TANH;
    post.only_act = true;
    x = clvits_conv1d(x, clvits_scope_weight(s, "dec.conv_post.weight"),
                      s->c->conv_post_bias ? clvits_scope_weight(s, "dec.conv_post.bias") : NULL,
                      &post, NULL);
    clvits_scope_halves(s, CLVITS_IN_FLOATS);
    return x;
}

static int floor_div(int a, int b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* Add the reach of a convolution that keeps the length. */
static void reach_on(int kernel, int dilation, int *before, int *after)
{
    int b, a;

    clvits_conv1d_reach(kernel, dilation, (kernel - 1) * dilation / 2, &b, &a);
    *before += b;
    *after += a;
}

/* The reach of a stage's residual blocks. */
static void blocks_reach(const clvits_config *c, int *before, int *after)
{
    *before = *after = 0;
    for (int j = 0; j < c->n_resblocks; j++) {
        int b = 0, a = 0;
        for (int d = 0; d < c->n_resblock_dilations[j]; d++) {
            reach_on(c->resblock_kernel_sizes[j], c->resblock_dilation_sizes[j][d], &b, &a);
            if (c->resblock == 1)
                reach_on(c->resblock_kernel_sizes[j], 1, &b, &a);
        }
        *before = b > *before ? b : *before;
        *after = a > *after ? a : *after;
    }
}

void clvits_decoder_context(const clvits_config *c, int *before_frames, int *after_frames)
{
    int before = 0, after = 0, lo, hi;

    reach_on(c->conv_post_kernel, 1, &before, &after);
    lo = -before;
    hi = c->hop_length - 1 + after;
    for (int i = c->n_upsamples - 1; i >= 0; i--) {
        const int K = c->upsample_kernel_sizes[i], rate = c->upsample_rates[i];
        const int pad = (K - rate) / 2;
        int b, a;
        blocks_reach(c, &before, &after);
        clvits_conv_transpose1d_reach(K, rate, &b, &a);
        lo = floor_div(lo - before + pad, rate) - b;
        hi = floor_div(hi + after + pad, rate) + a;
    }
    before = after = 0;
    reach_on(c->conv_pre_kernel, 1, &before, &after);
    *before_frames = before - lo;
    *after_frames = after + hi;
}
