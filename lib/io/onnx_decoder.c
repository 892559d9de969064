// SPDX-License-Identifier: MIT
#include "io/onnx_module.h"

#include <math.h>
#include <string.h>

static clvits_status unlike(onnx_reader *g, const char *what)
{
    return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED, "%s, unlike the decoder of VITS", what);
}

static int is_same(const onnx_conv *c)
{
    const int reach = (c->kernel - 1) * c->dilation;

    return !c->transposed && c->stride == 1 && c->group == 1 && reach % 2 == 0 &&
           c->pad_left == reach / 2 && c->pad_right == reach / 2;
}

/* The leaky ReLU in front of a convolution; its slope where the graph tells it. */
static const onnx_node *activation(const onnx_reader *g, const onnx_conv *c, float *slope)
{
    const onnx_node *n = clvits_onnx_producer(g, clvits_onnx_input(c->node, 0));

    if (!n || !clvits_onnx_is(n, "LeakyRelu"))
        return NULL;
    const onnx_attribute *a = clvits_onnx_attribute(n, "alpha");
    *slope = a ? a->f : 0.01f;
    return n;
}

/*
 * Between conv_pre and the first upsampling stands nothing but the speaker's convolution. A
 * stored vector there is a speaker that was fixed when the voice was exported.
 */
static clvits_status check_speaker(onnx_reader *g, const onnx_node *leaky, const onnx_conv *pre,
                                   const onnx_conv *cond)
{
    const onnx_node *before = leaky ? clvits_onnx_producer(g, clvits_onnx_input(leaky, 0)) : NULL;

    if (g->status || !before || before == pre->node)
        return g->status;
    for (size_t i = 0; i < before->n_input; i++) {
        const onnx_node *n = clvits_onnx_producer(g, before->input[i]);
        if (n != pre->node && (!cond || n != cond->node))
            return unlike(g, "a speaker was fixed in the graph at 'dec.conv_pre'");
    }
    return CLVITS_OK;
}

static clvits_status take_upsampling(onnx_reader *g, clvits_config *c)
{
    int channels = c->upsample_initial_channel;

    c->hop_length = 1;
    for (int i = 0; i < c->n_upsamples && !g->status; i++) {
        onnx_conv up;
        clvits_onnx_take_conv(g, &up, "dec.ups.%d", i);
        const int excess = up.kernel - up.stride;
        if (g->status)
            break;
        if (!up.transposed || up.in != channels || up.dilation != 1 || up.group != 1 ||
            up.out * 2 != up.in || excess < 0 || excess % 2 || up.pad_left != excess / 2 ||
            up.pad_right != excess / 2)
            return clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                                    "'dec.ups.%d' upsamples %d to %d channels by %d with kernel "
                                    "%d and padding %d, unlike the decoder of VITS",
                                    i, up.in, up.out, up.stride, up.kernel, up.pad_left);
        c->upsample_rates[i] = up.stride;
        c->upsample_kernel_sizes[i] = up.kernel;
        if (c->hop_length > (1 << 20) / up.stride)
            return unlike(g, "the upsampling is out of all measure");
        c->hop_length *= up.stride;
        channels = up.out;
    }
    return g->status;
}

/* One residual block of a stage; the first stage sets the geometry, the others repeat it. */
static void take_block(onnx_reader *g, clvits_config *c, int stage, int k, int channels)
{
    const int number = stage * c->n_resblocks + k;
    const char *convs = c->resblock == 1 ? "convs1" : "convs";
    int n = 0;

    while (n < CLVITS_MAX_STAGES &&
           clvits_onnx_find_module(g, "dec.resblocks.%d.%s.%d", number, convs, n))
        n++;
    if (stage == 0)
        c->n_resblock_dilations[k] = n;
    if (n != c->n_resblock_dilations[k] || n == 0)
        unlike(g, "the residual blocks differ between stages");
    for (int i = 0; i < n && !g->status; i++) {
        onnx_conv a, b;
        clvits_onnx_take_conv(g, &a, "dec.resblocks.%d.%s.%d", number, convs, i);
        if (stage == 0 && i == 0)
            c->resblock_kernel_sizes[k] = a.kernel;
        if (stage == 0)
            c->resblock_dilation_sizes[k][i] = a.dilation;
        b = a;
        b.dilation = 1;
        if (c->resblock == 1)
            clvits_onnx_take_conv(g, &b, "dec.resblocks.%d.convs2.%d", number, i);
        if (!g->status &&
            (!is_same(&a) || a.in != channels || a.out != channels ||
             a.kernel != c->resblock_kernel_sizes[k] ||
             a.dilation != c->resblock_dilation_sizes[k][i] ||
             (c->resblock == 1 && (!is_same(&b) || b.in != channels || b.out != channels ||
                                   b.kernel != a.kernel || b.dilation != 1))))
            clvits_onnx_fail(g, CLVITS_E_UNSUPPORTED,
                             "convolution %d of 'dec.resblocks.%d' is unlike those of VITS", i,
                             number);
    }
}

static clvits_status take_blocks(onnx_reader *g, clvits_config *c)
{
    int total = 0, channels = c->upsample_initial_channel;

    c->resblock = clvits_onnx_find_module(g, "dec.resblocks.0.convs1.0") ? 1 : 2;
    while (total <= CLVITS_MAX_STAGES * CLVITS_MAX_STAGES &&
           clvits_onnx_find_module(g, "dec.resblocks.%d.%s.0", total,
                                   c->resblock == 1 ? "convs1" : "convs"))
        total++;
    c->n_resblocks = total / c->n_upsamples;
    if (!total || total % c->n_upsamples || c->n_resblocks > CLVITS_MAX_STAGES)
        return unlike(g, "the residual blocks (dec.resblocks) do not fit the upsampling stages");
    for (int stage = 0; stage < c->n_upsamples && !g->status; stage++) {
        channels /= 2;
        for (int k = 0; k < c->n_resblocks && !g->status; k++)
            take_block(g, c, stage, k, channels);
    }
    return g->status;
}

static clvits_status take_ends(onnx_reader *g, clvits_config *c)
{
    const int last = c->upsample_initial_channel >> c->n_upsamples;
    onnx_conv post;
    float slope = 0.01f;

    clvits_onnx_take_conv(g, &post, "dec.conv_post");
    if (g->status)
        return g->status;
    if (post.out != 1)
        return unlike(g, "'dec.conv_post' gives several channels, as iSTFT and multi-band ones do");
    if (!is_same(&post) || post.in != last)
        return unlike(g, "'dec.conv_post' has another shape");
    c->conv_post_kernel = post.kernel;
    c->conv_post_bias = post.bias;
    if (activation(g, &post, &slope) && fabsf(slope - 0.01f) > 1e-4f)
        return unlike(g, "the last leaky ReLU has another slope");
    return CLVITS_OK;
}

clvits_status clvits_onnx_take_decoder(onnx_reader *g, clvits_config *c)
{
    onnx_conv pre, cond;

    if (g->status)
        return g->status;
    clvits_onnx_take_conv(g, &pre, "dec.conv_pre");
    if (!g->status && (!is_same(&pre) || pre.in != c->inter_channels))
        unlike(g, "'dec.conv_pre' has another shape");
    c->conv_pre_kernel = pre.kernel;
    c->upsample_initial_channel = pre.out;
    if (c->gin_channels) {
        clvits_onnx_take_conv(g, &cond, "dec.cond");
        if (!g->status && (cond.kernel != 1 || !is_same(&cond) || cond.in != c->gin_channels ||
                           cond.out != pre.out))
            unlike(g, "'dec.cond' has another shape");
    }

    c->n_upsamples = 0;
    while (c->n_upsamples <= CLVITS_MAX_STAGES &&
           clvits_onnx_find_module(g, "dec.ups.%d", c->n_upsamples))
        c->n_upsamples++;
    if (!g->status && (c->n_upsamples < 1 || c->n_upsamples > CLVITS_MAX_STAGES))
        unlike(g, c->n_upsamples ? "there are too many upsampling stages"
                                 : "there are no upsampling stages (dec.ups)");
    if (g->status)
        return g->status;

    const onnx_conv first = {.node = clvits_onnx_find_module(g, "dec.ups.0")};
    const onnx_node *leaky = activation(g, &first, &c->leaky_relu_slope);
    check_speaker(g, leaky, &pre, c->gin_channels ? &cond : NULL);
    if (take_upsampling(g, c) || take_blocks(g, c))
        return g->status;
    return take_ends(g, c);
}
