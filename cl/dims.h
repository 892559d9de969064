// SPDX-License-Identifier: MIT
//
// What a kernel, and the CPU path of the same name, must know of its tensors: one struct of
// 32-bit fields per room, filled by lib/op/R.c, read by C and by OpenCL C.
#ifndef CLVITS_DIMS_H
#define CLVITS_DIMS_H

// Where a (B,T,C) tensor lies in its buffer: counted in elements, channels contiguous.
// Row t of item b starts at off + b * bs + t * ld; t from -guard to T + guard - 1 is addressable.
typedef struct {
    int off;   // row 0 of item 0
    int ld;    // from a row to the next
    int bs;    // from an item to the next
    int guard; // rows of zeros that a writer leaves on either side of the valid rows
} clvits_view;

// A run's table is [slot][B]: the valid rows of each clock, the scalars, and from this slot on,
// clock by clock, which row of the whole is row 0 of a run that computes a stretch of it. Behind
// the slots it is [node][2]: the first of the rows, counted in the whole, that are asked for of a
// node's results, and the one after the last; where that is none, all are.
enum { CLVITS_FIRST_ROWS = 96 };

// What follows the sum in a convolution's epilogue, for its second output. Two work on halves of
// the channels: GATE makes tanh(first half) * sigmoid(second half); SPLIT gives the first half,
// with the residual, to the first output and the other, with the sum, to the second.
enum {
    CLVITS_ACT_NONE = 0,
    CLVITS_ACT_LEAKY_RELU = 1,
    CLVITS_ACT_TANH = 2,
    CLVITS_ACT_GATE = 3,
    CLVITS_ACT_SPLIT = 4
};

// How weights are packed, and so which kernel runs: blocks of neighbouring output channels of a
// group, the same for work-groups, one output channel for a dot product over inputs, blocks of
// neighbouring groups of one channel each, and blocks transformed as cl/toom.h says.
enum {
    CLVITS_CONV_BLOCKS = 1,
    CLVITS_CONV_TILE = 2,
    CLVITS_CONV_DOT = 3,
    CLVITS_CONV_DEPTHWISE = 4,
    CLVITS_CONV_TOOM = 5
};

// The blocked convolution, plain, transposed and folded. Output row t takes phase p of step u,
// where t = u * phases + p - shift; a plain convolution has one phase and no shift. A folded one
// has a phase for each column of rows u * phases + p, and rows are counted in it.
//
// In Toom-Cook form F(m, r), for stride 1 and one group: with step u of a run being step
// u' = first row / phases + u of the whole, the steps of one residue i = u' mod dilation form an
// ordinary convolution, whose tile k has the steps u' = (k * m + q) * dilation + i, q < m. An
// output's bits depend on its place q and on all inputs of its tile, so tiles are counted in the
// whole. Inputs outside the valid rows are zeros. All phases read the same transformed inputs.
// Weights are packed as [phase][block of lanes][P][G][I][lanes], where P are the form's points, and
// G = ceil(K / r) groups of taps; G > 1 only with m = r, so that group g reads the transformed tile
// k + g.
typedef struct {
    int B, I, O;         // O: output channels of one phase
    int K;               // taps (of one phase)
    int stride;          // input rows per step
    int dilation;        // input rows from a tap to the next
    int pad;             // input row of step u, tap k: u * stride + k * dilation - pad
    int phases, shift;   // of a transposed or a folded convolution; otherwise 1 and 0
    int folded;          // elements of x from a phase to the next, which is convolved alike: all
                         // phases have the weights of one; 0: not folded
    int groups;          // consecutive blocks of I / groups channels
    int layout;          // CLVITS_CONV_*
    int lanes;           // output channels in a packed block of weights; GATE: half from each half
    int job;             // steps that a work-item makes, where it makes more than a tile, if all
                         // rows at capacity are valid; of CLVITS_CONV_TOOM the most tiles that it
                         // makes at a time; on the CPU path the most steps of a job
    int m, r;            // outputs of a tile and taps of a group, of CLVITS_CONV_TOOM
    int shares;          // work-items among which an item's valid tiles are shared, at least, of
                         // CLVITS_CONV_TOOM
    int clock;           // slot of the output's valid length
    int from;            // slot of the input's valid length
    int asked;           // where the run's table has the rows that are asked for
    int has_bias;        // 1: one vector; 2: one vector per item (its view is bias)
    int has_residual, has_sum, has_y, has_act;
    int act;             // CLVITS_ACT_*
    float act_slope;     // of the leaky ReLU on the second output
    float pre_slope;     // of the leaky ReLU on the input; 1: none
    float scale;         // y = (sum + residual + convolution + bias) * scale
    clvits_view x, bias, residual, sum, y, a;
} conv1d_dims;

// Attention over heads of D consecutive channels, with relative terms for |key - query| <= window.
enum { ATTENTION_MAX_HEAD = 256 };

typedef struct {
    int B, H, D;
    int T;            // capacity in rows
    int window;
    int has_rel;      // rel_k, rel_v: [2 * window + 1][D]
    int clock;
    float scale;      // of the queries
    clvits_view q, k, v, y;
} attention_dims;

typedef struct {
    int B, T, C;      // rows (capacity) and channels
    int clock;        // valid rows, and channels that count
    clvits_view x, y;
} softmax_dims;

// y[b,m,n] = scale * sum over k of a[b,m,k] * b[b,k,n]. The strides say how either operand is read.
typedef struct {
    int B, M, N, K;                // capacities
    int m_clock, n_clock, k_clock; // slots of what is valid of them; -1: all
    int am, ak, bk, bn;            // elements from an index to the next
    float scale;
    clvits_view a, b, y;
} matmul_dims;
// Rows of a table by number; a number outside the table counts as the nearest row.
typedef struct {
    int B, T, C;
    int clock;
    int V;       // rows of the table
    float scale;
    clvits_view ids, y;
} embedding_dims;

// Layer norm over channels.
typedef struct {
    int B, T, C;
    int clock;
    int has_residual;
    int gelu;
    float eps;
    clvits_view x, residual, y;
} norm_dims;

// One layer of a dilated depth-separable stack. Weights are packed with C rounded up to `padded`:
// depthwise [K][padded], product [padded / lanes][padded][lanes], and six rows of `padded`: bias,
// gamma and beta of the depthwise half, then of the product.
enum { SEPARABLE_MAX_CHANNELS = 448, SEPARABLE_MAX_TAPS = 31 };

typedef struct {
    int B, T, C;
    int K, dilation;
    int clock;
    int padded, lanes;
    float eps;
    clvits_view x, y;
} separable_dims;

// What the unary and the binary kernel compute; as clvits_unary_kind and clvits_binary_kind.
enum {
    UNARY_RELU,
    UNARY_LEAKY_RELU,
    UNARY_GELU,
    UNARY_TANH,
    UNARY_SIGMOID,
    UNARY_EXP,
    UNARY_SCALE,
    UNARY_PLUS,
    UNARY_LOG,
    UNARY_LOG_SIGMOID,
    UNARY_LOG_NORMAL
};
enum { BINARY_ADD, BINARY_SUB, BINARY_MUL };

// Everything that works on an element at a time. The second and third operands are p and q.
typedef struct {
    int B, T, C;       // of the result
    int clock;
    int kind;          // UNARY_* or BINARY_*
    int whole;         // x holds integers
    int slot;          // of the run's scalar; -1: none
    int has_p, has_q;
    int one_row;       // p has one row, which serves all
    int per_channel;   // p and q are weights of C elements
    int reverse;       // of a flow
    int has_logdet;
    float a;           // slope, factor, or what is added
    clvits_view x, p, q, y, logdet;
} pointwise_dims;

// Copies: the first Ca channels of the result from a, the others from b, or all from a backwards.
typedef struct {
    int B, T, C;
    int clock;
    int Ca;
    int flip;
    clvits_view a, b, y;
} move_dims;

// Sum over rows and channels.
typedef struct {
    int B, C;
    int clock;  // of what is summed
    clvits_view x, y;
} reduce_dims;

// What a loss adds up: the term of each valid element of x. Operands: SUM x alone; ABSOLUTE and
// SQUARE also p, or the target; KL x = z, p = logs_q, q = m and r = logs_p.
enum { LOSS_SUM, LOSS_ABSOLUTE, LOSS_SQUARE, LOSS_KL };

// The order: stretches of an item, and sums in each of them.
enum { LOSS_STRETCHES = 32, LOSS_LANES = 64 };

typedef struct {
    int B, C;
    int clock;
    int kind;      // LOSS_*
    int has_p;
    float target;
    clvits_view x, p, q, r, y;
} loss_dims;

// The sums of all items and channels, over how many rows times channels they are of.
typedef struct {
    int B, C;
    int rows, channels; // slot of the length that counts, 0: none does
    int has_add;
    float scale;
    clvits_view x, add, y;
} total_dims;

// Rows from another place of the input: from the run's start on, or mirrored at the last one.
typedef struct {
    int B, T, C;
    int clock, from; // slots of the result's and of the input's length
    int slot, step;  // of the start, which counts so many rows; -1: mirrored
    clvits_view x, y;
} segment_dims;

typedef struct {
    int B;
    int clock;         // slot of the ids' length
    int slot;          // of length_scale
    int local_size;    // work-items of an item's work-group
    clvits_view x, y, ends;
} durations_dims;

typedef struct {
    int B, C;
    int ids, frames;   // slots of both lengths
    int rows;          // rows of the result with its guards, at capacity
    int parts;         // work-items of a row
    clvits_view x, ends, y;
} expand_dims;

typedef struct {
    int B, C;
    int clock;
    int slot;          // of the seed's low half; the high half is next
    int stream;
    int rows;          // rows of the result with its guards, at capacity
    clvits_view y;
} normal_dims;

// The prior of frames from that of ids. Slots: of both lengths, of the noise's scale, of the low
// half of the seed (the high half is next).
typedef struct {
    int B, C;
    int ids, frames;
    int slot, seed;
    int stream;
    int has_noise;     // otherwise it is drawn
    int rows;          // rows of the result with its guards, at capacity
    clvits_view stats, ends, noise, z;
} prior_dims;

// Alignment search. Its choices, one bit for every frame and column of the text, lie in words of
// SEARCH_FRAMES frames, the first frame lowest: word (g,c) says at which of frames 32g .. 32g + 31
// a path through column c comes from column c - 1. Bits where no path can be are zeros.
enum { SEARCH_FRAMES = 32 };

typedef struct {
    int B;
    int T;             // columns of the values; the text has no more
    int C;             // columns of the words: T, rounded up
    int text, frames;  // slots of both lengths
    clvits_view value, bits;
} search_dims;

typedef struct {
    int B;
    int T;             // columns of the words
    int text, frames;  // slots of both lengths
    clvits_view bits, y, ends;
} backtrack_dims;

// Magnitudes of the short-time Fourier transform of N points; frame f begins at sample
// f * hop - pad.
typedef struct {
    int B;
    int T;             // frames (capacity)
    int N, hop, pad;
    int from, clock;   // slots of the lengths in samples and in frames
    float eps;
    clvits_view x, y;
} spectrogram_dims;

// A spline's constants beyond what its parameters say: knot k lies at
// -tail + k * step + gain * (share of the bins before it); low parts take up the rounding.
typedef struct {
    int B, C, bins;
    int clock;
    int rows;          // rows of the results with their guards, at capacity
    int reverse, has_logdet;
    float tail, scale;
    float step, step_low, gain, gain_low;
    clvits_view x, h, y, logdet;
} spline_dims;

#endif
