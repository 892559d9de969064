// SPDX-License-Identifier: MIT
//
// The operators as functions, for model code. Shapes are (B,T,C); weights are in PyTorch's layout.
// Every function returns NULL when an operand is NULL or does not fit (the graph keeps why).
#ifndef CLVITS_GRAPH_BUILD_H
#define CLVITS_GRAPH_BUILD_H

#include "graph/graph.h"

/** y[b,t,:] = table[ids[b,t],:] * scale; ids (B,T,1) of CLVITS_I32, table [V][C]. */
clvits_tensor *clvits_embedding(clvits_tensor *ids, clvits_tensor *table, float scale);

/** What a convolution adds, and where its second output goes; each may be NULL. Where outputs are
 *  halves (CLVITS_ACT_SPLIT), so are residual and sum, each added to one of them. */
typedef struct clvits_conv1d_extra {
    clvits_tensor *residual; /* (B,U,O), added */
    clvits_tensor *sum;      /* (B,U,O), added: the blocks that ran before */
    clvits_tensor **act;     /* receives the activated copy */
} clvits_conv1d_extra;

/**
 * y = (conv(pre(x), w) + bias + residual + sum) * scale, and act(y). With a period, each column of
 * a folded x (clvits_fold()) is convolved by itself, and y is folded as x is.
 *
 * x (B,T,I); w [O][I/groups][K]; bias [O], or a (B,1,O) tensor for one bias per item, or NULL.
 * Returns y, or act(y) where params->only_act. extra may be NULL.
 */
clvits_tensor *clvits_conv1d(clvits_tensor *x, clvits_tensor *w, clvits_tensor *bias,
                             const clvits_conv1d_params *params,
                             const clvits_conv1d_extra *extra);

/**
 * The rows before and after its own that may reach an output's bits, for stride 1 and pad_left rows
 * of padding, whatever the form it is computed in.
 *
 * That is more than the formula reads: in Toom-Cook form all inputs of an output's tile take part
 * in its rounding. A stretch of a whole (clvits_run_set_first()) that has so many rows of context
 * gives the same bits as the whole.
 */
void clvits_conv1d_reach(int taps, int dilation, int pad_left, int *before, int *after);

/** As clvits_conv1d_reach(): the rows of x around row (t + padding) / stride, rounded down, that
 *  may reach the bits of row t of the result. */
void clvits_conv_transpose1d_reach(int taps, int stride, int *before, int *after);

/** w [I][O][K], as PyTorch keeps it. Returns y, or act(y) where params->only_act; act (may be
 *  NULL) receives the activated copy. */
clvits_tensor *clvits_conv_transpose1d(clvits_tensor *x, clvits_tensor *w, clvits_tensor *bias,
                                       const clvits_conv_transpose1d_params *params,
                                       clvits_tensor **act);

/** Batched product y[b,m,n] = scale * sum over k of a[b,m,k] * b[b,k,n], either operand read
 *  transposed on request; valid rows bound what they index. */
clvits_tensor *clvits_matmul(clvits_tensor *a, clvits_tensor *b,
                             const clvits_matmul_params *params);

/** Normalise x (+ residual, may be NULL) over its channels, scale by gamma [C], add beta [C]. */
clvits_tensor *clvits_layer_norm(clvits_tensor *x, clvits_tensor *residual, clvits_tensor *gamma,
                                 clvits_tensor *beta, const clvits_layer_norm_params *params);

/**
 * One layer of a stack of dilated depth-separable convolutions (DDSConv):
 * y = x + gelu(norm(w gelu(norm(depthwise(x))))), a layer norm being over channels.
 *
 * depthwise [C][1][K] with an odd K, w [C][C][1]; rows [6 * C]: bias, gamma and beta of the
 * depthwise convolution, then of w. C is at most SEPARABLE_MAX_CHANNELS.
 */
clvits_tensor *clvits_separable(clvits_tensor *x, clvits_tensor *depthwise, clvits_tensor *w,
                                clvits_tensor *rows, const clvits_separable_params *params);

/**
 * Multi-head attention with relative positions inside a window (Shaw et al. 2018, as in VITS).
 *
 * q, k, v (B,T,C); rel_k, rel_v [1][2*window+1][C/heads], both NULL without relative terms.
 */
clvits_tensor *clvits_attention(clvits_tensor *q, clvits_tensor *k, clvits_tensor *v,
                                clvits_tensor *rel_k, clvits_tensor *rel_v,
                                const clvits_attention_params *params);

/** Softmax over the first n channels of each row, n being the item's length by x's own clock
 *  (square masked scores, C = capacity); the channels after them become 0. */
clvits_tensor *clvits_softmax(clvits_tensor *x);

/** x may hold integers, which are floats here. */
clvits_tensor *clvits_unary(clvits_tensor *x, const clvits_unary_params *params);

/** b may have one row (clock 0), which then serves every row of a. */
clvits_tensor *clvits_binary(clvits_tensor *a, clvits_tensor *b, clvits_binary_kind kind);

/** tanh(x[:, :C] + g[:, :C]) * sigmoid(x[:, C:] + g[:, C:]); x (B,T,2C), g (B,1,2C) or NULL. */
clvits_tensor *clvits_gate(clvits_tensor *x, clvits_tensor *g);

/** Elementwise affine flow y = m + exp(logs) * x, or its reverse (x - m) * exp(-logs); m, logs:
 *  weights of C elements. logdet may be NULL. */
clvits_tensor *clvits_affine(clvits_tensor *x, clvits_tensor *m, clvits_tensor *logs, bool reverse,
                             clvits_tensor **logdet);

/** Affine coupling of the half that changes: y = m + x * exp(logs), or its reverse; m, logs
 *  (B,T,C); logs NULL for mean-only. logdet may be NULL. */
clvits_tensor *clvits_coupling(clvits_tensor *x, clvits_tensor *m, clvits_tensor *logs,
                               bool reverse, clvits_tensor **logdet);

/** y = log(max(x, 1e-5)), logdet = -sum y; reverse: y = exp(x). logdet may be NULL. */
clvits_tensor *clvits_log_flow(clvits_tensor *x, bool reverse, clvits_tensor **logdet);

/**
 * Rational-quadratic spline with linear tails (Durkan et al. 2019).
 *
 * x (B,T,C); h (B,T,C*(3*bins-1)): per channel bins widths, bins heights, bins - 1 derivatives.
 */
clvits_tensor *clvits_spline(clvits_tensor *x, clvits_tensor *h,
                             const clvits_spline_params *params, clvits_tensor **logdet);

/** Copy, also from a view to a tensor of its own; rows outside the valid ones become 0. */
clvits_tensor *clvits_copy(clvits_tensor *x);

/** Channels of a, then channels of b. */
clvits_tensor *clvits_concat(clvits_tensor *a, clvits_tensor *b);

/** Channels in reverse order. */
clvits_tensor *clvits_flip(clvits_tensor *x);

/** Sum over rows and channels: (B,1,1), in an order that no work-group size changes. */
clvits_tensor *clvits_sum(clvits_tensor *x);

/**
 * What a loss adds up: the sums of its terms over the valid rows and all channels of each item,
 * (B,1,LOSS_STRETCHES), to be added up by clvits_total().
 *
 * Operands are (B,T,C), and NULL where a kind has none:
 *   SUM       x
 *   ABSOLUTE  |x - p|, or |x - target| without p
 *   SQUARE    (x - p)^2, or (x - target)^2 without p
 *   KL        logs_p - logs_q - 1/2 + 1/2 (z - m)^2 e^(-2 logs_p): x = z, p = logs_q, q = m and
 *             r = logs_p (Kim et al. 2021, eq. 4)
 *
 * Sums are compensated, in an order that follows from an item's own length: no work-group size,
 * batch or capacity changes their bits.
 */
clvits_tensor *clvits_loss(clvits_tensor *x, clvits_tensor *p, clvits_tensor *q, clvits_tensor *r,
                           const clvits_loss_params *params);

/**
 * The sum of x (B,1,C) over all items and channels, in a fixed order, times scale, over the valid
 * rows of all items, plus add (B,1,1), which may be NULL: (B,1,1), the same number in every item,
 * so that any one of them is the loss of the batch, and terms can be chained.
 */
clvits_tensor *clvits_total(clvits_tensor *x, clvits_tensor *add,
                            const clvits_total_params *params);

/** KL divergence per valid frame of the batch, z being drawn from the posterior; all (B,T,C). */
clvits_tensor *clvits_loss_kl(clvits_tensor *z, clvits_tensor *logs_q, clvits_tensor *m,
                              clvits_tensor *logs_p);

/** add + scale * the mean of |a - b| over the batch's valid elements: the loss of mel spectrograms
 *  (scale 45) and of feature maps (scale 2). add may be NULL. */
clvits_tensor *clvits_loss_absolute(clvits_tensor *a, clvits_tensor *b, float scale,
                                    clvits_tensor *add);

/** add + the mean of (a - b)^2 over the batch's valid elements: of logarithms of durations
 *  (B,T,1), the loss of the deterministic predictor. add may be NULL. */
clvits_tensor *clvits_loss_square(clvits_tensor *a, clvits_tensor *b, clvits_tensor *add);

/** add + the mean of (score - target)^2 (Mao et al. 2017): target 1 for a generator, and for a
 *  discriminator of what is real; 0 of what is made. add may be NULL. */
clvits_tensor *clvits_loss_score(clvits_tensor *score, float target, clvits_tensor *add);

/** add + the sum of x (B,T,C) over the batch, over the valid rows of clock `rows`: of an item's
 *  nll + logq (B,1,1) and the text's clock, the loss of the stochastic duration predictor. */
clvits_tensor *clvits_loss_sum(clvits_tensor *x, int rows, clvits_tensor *add);

/**
 * Rows start * step, start * step + 1, ... of each item: as many as clock has, zeros where x has
 * none. The start is an int in the run's scalar slot (clvits_segment_start()); step 0 means 1. One
 * start thus cuts frames (step 1) and their samples (step = samples of a frame).
 */
clvits_tensor *clvits_slice_rows(clvits_tensor *x, int clock, int slot, int step);

/**
 * Where a random segment of so many rows begins: each place where it lies within `length` rows is
 * as likely as another; 0 where it is no shorter than they are. Follows from seed and item alone.
 */
int clvits_segment_start(uint64_t seed, int item, int length, int segment);

/**
 * x with its rows up to the next multiple of period, mirrored at the last one (the last itself is
 * not repeated): row u * period + j then is row u of column j of x folded by period, as a period
 * discriminator sees it (Kong et al. 2020), in place.
 */
clvits_tensor *clvits_fold(clvits_tensor *x, int period);

/**
 * Frames per id: ceil(exp(logw) * length_scale), as CLVITS_I32 (B,T,1).
 *
 * ends receives their inclusive running sums. A duration that is not a number counts as 0; one
 * above 65536 is held there.
 */
clvits_tensor *clvits_durations(clvits_tensor *logw, int length_scale_slot, clvits_tensor **ends);

/** Row f of the result is the row of x (B,T,C) whose id covers frame f; rows past the last end
 *  are zero. clock is that of the frames. */
clvits_tensor *clvits_expand(clvits_tensor *x, clvits_tensor *ends, int clock);

/**
 * Monotonic alignment search (Kim et al. 2020): the path through value (B,F,T) with the largest
 * sum that begins in column 0, ends in the text's last one and goes on by no column or one with
 * every frame, as the frames of each column: CLVITS_I32 (B,text,1), text being the clock of T.
 *
 * ends receives their running sums, as clvits_expand() wants them. Sums are added up in fp32, frame
 * by frame, and ties stay in their column: the same path everywhere. It is a constant: nothing is
 * differentiated through it. A text longer than its frames has no path: then all is 0.
 */
clvits_tensor *clvits_search(clvits_tensor *value, int text, clvits_tensor **ends);

/**
 * How likely frames z (B,F,D) are in the normal distributions of a text's symbols, m and logs
 * (B,T,D), as logarithms: (B,F,T), what clvits_search() looks for a path through.
 *
 * Σ_d -½ log 2π - logs - ½ ((z - m) exp(-logs))², as the sum of two matrix products and one row.
 */
clvits_tensor *clvits_likelihood(clvits_tensor *z, clvits_tensor *m, clvits_tensor *logs);

/**
 * Magnitudes of the short-time Fourier transform: wave (B,S,1) to (B,S / hop,n_fft / 2 + 1).
 *
 * Frame f is sqrt(re² + im² + eps) of the n_fft samples from f * hop - (n_fft - hop) / 2 on, all
 * quotients rounded down, under a periodic Hann window. What lies outside an item's own samples is
 * reflected in its first or last one; where an item is so short that this comes out at its other
 * end, again in that one.
 */
clvits_tensor *clvits_spectrogram(clvits_tensor *wave, const clvits_spectrogram_params *params);

/** log(max(filterbank x, 1e-5)): x (B,F,C), filterbank [M][C][1] as clvits_mel_filterbank() makes
 *  it; always in single precision. */
clvits_tensor *clvits_mel(clvits_tensor *spectrogram, clvits_tensor *filterbank);

/**
 * The prior of frames, m + noise * exp(logs) * scale: m and logs are the halves of the row of stats
 * (B,T,2C) whose id covers the frame, zeros after the last end.
 *
 * noise (B,F,C); NULL: drawn as clvits_normal() does.
 */
clvits_tensor *clvits_prior(clvits_tensor *stats, clvits_tensor *ends, clvits_tensor *noise,
                            const clvits_prior_params *params);

/** m + noise * exp(logs) * noise_scale. */
clvits_tensor *clvits_sample(clvits_tensor *m, clvits_tensor *logs, clvits_tensor *noise,
                             int noise_scale_slot);

/**
 * Standard normal noise from Philox4x32-10 (Salmon et al. 2011), the same bits on every device.
 *
 * seed_slot holds the low, seed_slot + 1 the high half of an item's seed; element (t,c) depends on
 * seed, stream, t and c alone, not on batch or capacity.
 */
clvits_tensor *clvits_normal(clvits_graph *g, int clock, int channels, int seed_slot, int stream);

#endif
