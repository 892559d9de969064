// SPDX-License-Identifier: MIT
#ifndef CLVITS_OP_OP_H
#define CLVITS_OP_OP_H

#include "base/node.h"
#include "cpu/cpu.h"
#include "device/device.h"

#include <dims.h>

/** Where a node is to run: cpu or device is set, the other is NULL. */
typedef struct clvits_target {
    const clvits_cpu *cpu;
    const clvits_device *device;
    const struct clvits_plan *plan; /* gives the views; NULL before there is a layout */
    int place;
    /* Which of an operator's kernels on the device: 0 is the one that runs best, those from 1 on
     * are for where the ones before it went wrong. Beyond its last one an operator repeats that. */
    int variant;
} clvits_target;

/** Rows [first, end). */
typedef struct clvits_range {
    int64_t first, end;
} clvits_range;

/** How a weight is packed: what tells it apart from the same weight packed otherwise. */
typedef struct clvits_packing {
    uint64_t variant; /* differs wherever what pack() writes does */
    bool half;        /* then rounded to halves */
} clvits_packing;

/** What the time of a node grows with that makes few operations of a byte (graph/cost.h); of one
 *  that makes many, whether it does so besides its products. */
typedef enum clvits_bound {
    CLVITS_BOUND_MATHS = 0, /* bytes, and the functions of what is in them: besides, too */
    CLVITS_BOUND_MOVE,      /* bytes, which it hardly more than moves */
    CLVITS_BOUND_PAIRS,     /* operations, of every row with every row, always */
} clvits_bound;

/** What a convolution's products are made of; what is no convolution counts as POINT. */
typedef enum clvits_form_kind {
    CLVITS_FORM_POINT = 0, /* one tap: a product of matrices */
    CLVITS_FORM_DIRECT,    /* several, one by one */
    CLVITS_FORM_TOOM,      /* together, of values that are transformed before and after */
} clvits_form_kind;

/** How an operator works with certain dims, as far as it matters to what it costs. */
typedef struct clvits_form {
    clvits_form_kind kind;
    double multiplied; /* the share of the direct formula's FLOP that it multiplies */
    double width;      /* products that a value takes part in, of each tap or each group of taps
                          that has one transform: the harmonic mean of values read and made */
} clvits_form;

/**
 * One operator: its shape rule, its CPU path, its kernel and what they cost.
 *
 * The arguments of the kernel, and of the CPU path, are always: the room's dims, the run's table
 * of lengths and scalars, the inputs in order (an absent one is a buffer that is not read), the
 * outputs in order (likewise).
 */
struct clvits_op {
    const char *name;
    int inputs, outputs; /* buffers that its kernel takes, absent ones included */
    bool halves; /* takes and makes tensors that devices keep as halves */
    size_t params_size;
    size_t dims_size;

    /** Check the inputs and parameters, add the outputs with clvits_graph_output(). */
    clvits_status (*shape)(clvits_node *n, clvits_report *r);

    /** Rows of zeros that input i must have on either side; NULL: none for any input. */
    int (*guard)(const clvits_node *n, int i);

    /** The rows of input 0 that take part in the bits of rows `out` of the result, by their places
     *  in the whole. NULL: as many more as its guards have. Of other inputs the latter. */
    clvits_range (*reach)(const void *dims, clvits_range out);

    /** Fill the room's struct; clvits_node_view() gives the views. */
    void (*dims)(const clvits_node *n, const clvits_target *at, void *dims);

    /**
     * Bring weight input i to the layout that the target wants: write to out (or nowhere when
     * out is NULL) and return the number of floats. NULL, or 0 returned: as the file has it.
     * It follows from weight, parameters and target alone, never from a capacity: all plans of a
     * voice share what was packed for one of them.
     */
    int64_t (*pack)(const clvits_node *n, const clvits_target *at, int i, float *out);

    /** What follows from the node beyond the weight itself. NULL: nothing does. */
    clvits_packing (*packing)(const clvits_node *n, const clvits_target *at, int i);

    /**
     * For an operator whose second output is a leaky ReLU of the first: its slope, else 0. And
     * whether a node there does as well with a leaky ReLU of its own on input 0, which then needs
     * no guard rows. Where a plan finds both, nobody writes the second output. NULL: neither.
     */
    float (*slope)(const clvits_node *n);
    bool (*activates)(const clvits_node *n, const clvits_target *at);
    /** Where there is that: the parameters of a node that does so anyway. */
    void (*activate)(void *params, float slope);

    clvits_cpu_id cpu;

    /** Whether the device can run it; NULL: every device can. The CPU path always can. */
    bool (*takes)(const clvits_node *n, const clvits_device *d);

    /** Choose kernel, options and grid. */
    void (*launch)(const clvits_node *n, const clvits_target *at, const void *dims,
                   clvits_launch *l);

    /** What can be tuned, op/tune.h; NULL: nothing. */
    const struct clvits_knobs *knobs;

    /*
     * What one call costs, for placing, traces and the bench; no launch asks. Lengths are a run's,
     * [clock][item]: every item of a batch counts with its own valid rows, nothing for guards and
     * what is beyond them. NULL: all rows that there is room for.
     */

    /** FLOP by the direct formula, whichever form the kernel has; a multiply and an add are two.
     *  NULL: none. */
    double (*flops)(const clvits_node *n, const int *lengths);

    /** Of a convolution with such dims. NULL: it is none, and multiplies all of these. */
    clvits_form (*form)(const void *dims);

    /** Bytes read and written on a place, every operand and result once. NULL: those of the valid
     *  rows (B,T,C) and of whole weights in floats, clvits_work_bytes(); an operator that touches
     *  less of them says so. */
    double (*bytes)(const clvits_node *n, int place, const int *lengths);

    clvits_bound bound;
};

/* Every operator; definitions in lib/op/R.c. */
extern const clvits_op clvits_op_affine;
extern const clvits_op clvits_op_attention;
extern const clvits_op clvits_op_backtrack;
extern const clvits_op clvits_op_binary;
extern const clvits_op clvits_op_concat;
extern const clvits_op clvits_op_conv1d;
extern const clvits_op clvits_op_conv_transpose1d;
extern const clvits_op clvits_op_copy;
extern const clvits_op clvits_op_coupling;
extern const clvits_op clvits_op_durations;
extern const clvits_op clvits_op_embedding;
extern const clvits_op clvits_op_expand;
extern const clvits_op clvits_op_flip;
extern const clvits_op clvits_op_fold;
extern const clvits_op clvits_op_gate;
extern const clvits_op clvits_op_layer_norm;
extern const clvits_op clvits_op_log_flow;
extern const clvits_op clvits_op_loss;
extern const clvits_op clvits_op_matmul;
extern const clvits_op clvits_op_normal;
extern const clvits_op clvits_op_prior;
extern const clvits_op clvits_op_sample;
extern const clvits_op clvits_op_search;
extern const clvits_op clvits_op_separable;
extern const clvits_op clvits_op_slice_rows;
extern const clvits_op clvits_op_softmax;
extern const clvits_op clvits_op_spectrogram;
extern const clvits_op clvits_op_spline;
extern const clvits_op clvits_op_sum;
extern const clvits_op clvits_op_total;
extern const clvits_op clvits_op_unary;

/** All of the above, sorted by name, NULL at the end. */
extern const clvits_op *const clvits_ops[];

/** Where a tensor lies in its buffer at that place; all zero before there is a layout. */
clvits_view clvits_node_view(const clvits_target *at, const clvits_tensor *t);

/** Where a run's table has the rows that are asked for of a node's results (dims.h); 0 before there
 *  is a layout. */
int clvits_node_asked(const clvits_target *at, const clvits_node *n);

/** What a node reads for input 0 if the plan has it activate that itself (clvits_op.activates);
 *  else NULL. */
const clvits_tensor *clvits_node_raw(const clvits_target *at, const clvits_node *n);

/** Whether the plan has nobody read the tensor. */
bool clvits_node_unread(const clvits_target *at, const clvits_tensor *t);

/* What flops() and bytes() count by; lengths as there. */

/** Valid rows of an item; of all items. */
double clvits_work_item(const clvits_tensor *t, int item, const int *lengths);
double clvits_work_rows(const clvits_tensor *t, const int *lengths);

/** Elements in the valid rows of all items; those of a weight. */
double clvits_work_cells(const clvits_tensor *t, const int *lengths);

/** The same of a tensor whose columns are valid as the rows of a clock are; -1: all are. */
double clvits_work_block(const clvits_tensor *t, int columns, const int *lengths);

/** Bytes of all inputs and outputs of a node on that place. */
double clvits_work_bytes(const clvits_node *n, int place, const int *lengths);

/* Parameters, where an operator has any. Zero is the usual default. */

typedef struct clvits_conv1d_params {
    int stride, dilation, groups; /* 0 means 1 */
    int period;                   /* convolve each column of rows u * period + j (clvits_fold());
                                     all but x's columns counts in rows of one; 0 means 1 */
    int pad_left, pad_right;      /* rows of zeros; dilation * (K - 1) / 2 keeps the length */
    float pre_slope;              /* leaky ReLU on the input before the sum; 0 means none */
    float scale;                  /* 0 means 1 */
    int act;                      /* CLVITS_ACT_*: what the second output holds; with GATE, which
                                     wants only_act, and SPLIT each output has O / 2 channels */
    float act_slope;
    bool only_act;                /* the first output is not wanted */
} clvits_conv1d_params;

typedef struct clvits_conv_transpose1d_params {
    int stride, pad; /* output rows: (T - 1) * stride - 2 * pad + K */
    float pre_slope;
    int act;
    float act_slope;
    bool only_act;
} clvits_conv_transpose1d_params;

typedef struct clvits_matmul_params {
    bool transpose_a, transpose_b; /* swap rows and channels of that operand */
    float scale;                   /* 0 means 1 */
} clvits_matmul_params;

typedef struct clvits_embedding_params {
    float scale;
} clvits_embedding_params;

typedef struct clvits_layer_norm_params {
    float eps;
    bool gelu; /* GELU (erf) on the result */
} clvits_layer_norm_params;

typedef struct clvits_separable_params {
    int dilation; /* 0 means 1 */
    float eps;    /* of both norms; 0 means 1e-5 */
} clvits_separable_params;

typedef struct clvits_attention_params {
    int heads, window; /* window 0: no relative terms */
} clvits_attention_params;

typedef enum clvits_unary_kind {
    CLVITS_RELU = 0,
    CLVITS_LEAKY_RELU,
    CLVITS_GELU, /* exact, by erf */
    CLVITS_TANH,
    CLVITS_SIGMOID,
    CLVITS_EXP,
    CLVITS_SCALE, /* x * a * the run's scalar in slot */
    CLVITS_PLUS,  /* x + a */
    CLVITS_LOG,   /* log(x + a) */
    CLVITS_LOG_SIGMOID,
    CLVITS_LOG_NORMAL, /* of the standard normal density: -1/2 (log 2 pi + x^2) */
} clvits_unary_kind;

typedef struct clvits_unary_params {
    clvits_unary_kind kind;
    float a;  /* slope of CLVITS_LEAKY_RELU, factor of CLVITS_SCALE, what others add */
    int slot; /* CLVITS_SCALE: a run scalar's slot + 1; 0 for none */
} clvits_unary_params;

typedef enum clvits_binary_kind { CLVITS_ADD = 0, CLVITS_SUB, CLVITS_MUL } clvits_binary_kind;

typedef struct clvits_binary_params {
    clvits_binary_kind kind;
} clvits_binary_params;

/** affine, coupling, log_flow: a flow's direction, and whether its log-determinant, per row and
 *  summed over channels, is wanted as a second output (B,T,1). */
typedef struct clvits_flow_params {
    bool reverse;
    bool logdet;
} clvits_flow_params;

typedef struct clvits_spline_params {
    bool reverse;
    bool logdet;
    int bins;
    float tail;  /* identity outside [-tail, tail] */
    float scale; /* multiplies the raw widths and heights: 1 / sqrt(filter_channels) */
} clvits_spline_params;

/** durations, sample: the slot of the run's length_scale, of its noise_scale. */
typedef struct clvits_slot_params {
    int slot;
} clvits_slot_params;

typedef struct clvits_normal_params {
    int clock, channels; /* shape of the result */
    int slot;            /* run scalars slot and slot + 1: low and high half of the seed */
    int stream;          /* which of an utterance's independent noises */
} clvits_normal_params;

typedef struct clvits_prior_params {
    int clock;             /* of the frames */
    int scale_slot;        /* of the noise's scale */
    int seed_slot, stream; /* as in clvits_normal_params */
} clvits_prior_params;

typedef struct clvits_expand_params {
    int clock; /* of the frames */
} clvits_expand_params;

/** What a loss adds up; see clvits_loss(). */
typedef enum clvits_loss_kind {
    CLVITS_LOSS_SUM = 0,
    CLVITS_LOSS_ABSOLUTE,
    CLVITS_LOSS_SQUARE,
    CLVITS_LOSS_KL,
} clvits_loss_kind;

typedef struct clvits_loss_params {
    clvits_loss_kind kind;
    float target; /* what x is compared with where there is no p */
} clvits_loss_params;

typedef struct clvits_total_params {
    float scale;  /* 0 means 1 */
    int rows;     /* the clock whose valid rows, of all items, divide the sum; 0: nothing does */
    int channels; /* times so many; 0 means 1 */
} clvits_total_params;

typedef struct clvits_fold_params {
    int period;
} clvits_fold_params;

typedef struct clvits_slice_params {
    int clock; /* of the result */
    int slot;  /* of the run's start */
    int step;  /* rows that the start counts in; 0 means 1 */
} clvits_slice_params;

/** search, backtrack: the clocks of the text and of the frames. */
typedef struct clvits_search_params {
    int text, frames;
} clvits_search_params;

typedef struct clvits_spectrogram_params {
    int n_fft;      /* samples of a frame, 2 to 4096; fastest where it is a power of two */
    int hop;        /* samples from a frame to the next, at most n_fft */
    int win_length; /* samples under the window, in the middle of n_fft; 0 means n_fft */
    float eps;      /* under the root; 0 means 1e-6 */
} clvits_spectrogram_params;

#endif
