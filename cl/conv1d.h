// SPDX-License-Identifier: MIT
//
// The arguments and the epilogue that the convolution's kernels share.
#ifndef CLVITS_CONV1D_H
#define CLVITS_CONV1D_H

// Knobs, set by lib/op/conv.c. These defaults are legal on every device.
#ifndef LANES
#define LANES 16   // output channels in a packed block: conv1d WIDTH or 2 * WIDTH; tile 16, 32, 64
#endif
#ifndef PRE
#define PRE 0      // 1: leaky ReLU on the input
#endif
#ifndef GATE
#define GATE 0     // 1: CLVITS_ACT_GATE; a block has lanes for the same channels of both halves
#endif

#define LOAD PASTE(vload, WIDTH)
#define STORE(space, v, i, p) PUT_FLOATS(space, WIDTH, v, (p) + (i) * WIDTH)

#if PRE
#define VALUE(v) leaky_relu(v, d.pre_slope)
#define VALUES(v) leaky_relus(v, d.pre_slope)
#else
#define VALUE(v) (v)
#define VALUES(v) (v)
#endif

vec leaky_relus(const vec v, const float slope)
{
    return v >= 0.0f ? v : v * slope;
}

// Rows of a tile in registers. Three share a pointer, since base, base + step and base + 2 * step
// are addresses on x86.
#if WIDTH == 16
#define ROWS 12
#define EACH_ROW(DO)                                                                              \
    DO(0, p0, 0) DO(1, p0, 1) DO(2, p0, 2) DO(3, p1, 0) DO(4, p1, 1) DO(5, p1, 2)                 \
    DO(6, p2, 0) DO(7, p2, 1) DO(8, p2, 2) DO(9, p3, 0) DO(10, p3, 1) DO(11, p3, 2)
#else
#define ROWS 6
#define EACH_ROW(DO)                                                                              \
    DO(0, p0, 0) DO(1, p0, 1) DO(2, p0, 2) DO(3, p1, 0) DO(4, p1, 1) DO(5, p1, 2)
#endif

#define ARGUMENTS                                                                                 \
    const conv1d_dims d, global const int *run, global const X_TYPE *restrict x,                  \
        global const W_TYPE *restrict w, global const float *restrict bias,                       \
        global const Y_TYPE *restrict residual, global const Y_TYPE *restrict sum,                \
        global Y_TYPE *restrict y, global Y_TYPE *restrict a

// The rows [x, y) of item b that are to be made: of the len valid ones those that are asked for.
int2 made_rows(const conv1d_dims *d, global const int *run, const int b, const int len)
{
    const int before = first_row(run, d->clock, d->B, b);
    const int low = run[d->asked], high = run[d->asked + 1];

    if (low >= high)
        return (int2)(0, len);
    const int first = clamp(low - before, 0, len);
    return (int2)(first, clamp(high - before, first, len));
}

// Where the weights of a phase lie, counted in phases.
int packed_phase(const conv1d_dims *d, const int group, const int phase)
{
    return d->folded ? group : group * d->phases + phase;
}

// A block's first channel in its group, and how many of the group's outputs it makes; see GATE.
#define MADE (LANES / (1 + GATE))

// Which halves of the channels channel o goes to: 1 the first output, 2 the second, 3 both.
int targets(const conv1d_dims *d, const int o)
{
    return d->act != CLVITS_ACT_SPLIT ? 3 : o < d->O / 2 ? 1 : 2;
}

// The epilogue of channel o in row t. By pointer, since a struct would be copied for each row.
void finish(const conv1d_dims *d, const int b, const int t, const int o, float v,
            global const float *bias, global const Y_TYPE *residual, global const Y_TYPE *sum,
            global Y_TYPE *y, global Y_TYPE *a)
{
    const int to = targets(d, o), c = to == 2 ? o - d->O / 2 : o;

    if (d->has_bias)
        v += bias[d->has_bias == 2 ? at(d->bias, b, 0, o) : o];
    if (d->has_residual && to & 1)
        v += GET_Y(residual, at(d->residual, b, t, c));
    if (d->has_sum && to & 2)
        v += GET_Y(sum, at(d->sum, b, t, c));
    v *= d->scale;
    if (d->has_y && to & 1)
        PUT_Y(v, y, at(d->y, b, t, c));
    if (d->has_act && to & 2) {
        v = d->act == CLVITS_ACT_LEAKY_RELU ? leaky_relu(v, d->act_slope)
            : d->act == CLVITS_ACT_TANH     ? tanh(v)
                                            : v;
        PUT_Y(v, a, at(d->a, b, t, c));
    }
}

// Lane i of v, not by way of an array: GPUs' compilers keep those in memory.
float lane(const vec v, const int i)
{
#if WIDTH == 16
    const float8 h = i & 8 ? v.hi : v.lo;
    const float4 f = i & 4 ? h.hi : h.lo;
#elif WIDTH == 8
    const float4 f = i & 4 ? v.hi : v.lo;
#else
    const float4 f = v;
#endif
    const float2 e = i & 2 ? f.hi : f.lo;
    return i & 1 ? e.hi : e.lo;
}

// The same for n channels from o on, by vectors where they fit.
void finish_some(const conv1d_dims *d, const int b, const int t, const int o, const int n, vec v,
                 global const float *bias, global const Y_TYPE *residual,
                 global const Y_TYPE *sum, global Y_TYPE *y, global Y_TYPE *a)
{
    const int to = targets(d, o), c = to == 2 ? o - d->O / 2 : o;

    if (n < WIDTH || d->act == CLVITS_ACT_TANH || to != targets(d, o + WIDTH - 1)) {
        for (int i = 0; i < n && i < WIDTH; i++)
            finish(d, b, t, o + i, lane(v, i), bias, residual, sum, y, a);
        return;
    }
    if (d->has_bias)
        v += LOAD(0, bias + (d->has_bias == 2 ? at(d->bias, b, 0, o) : o));
    if (d->has_residual && to & 1)
        v += GET_YS(WIDTH, residual, at(d->residual, b, t, c));
    if (d->has_sum && to & 2)
        v += GET_YS(WIDTH, sum, at(d->sum, b, t, c));
    v *= d->scale;
    if (d->has_y && to & 1)
        PUT_YS(WIDTH, v, y, at(d->y, b, t, c));
    if (d->has_act && to & 2)
        PUT_YS(WIDTH, d->act == CLVITS_ACT_LEAKY_RELU ? leaky_relus(v, d->act_slope) : v, a,
               at(d->a, b, t, c));
}

// Where an epilogue's tensors have channel o of row 0: what finish_some() would look up again for
// every vector, since a store may have changed it as far as the compiler knows.
typedef struct {
    global const float *bias;
    global const Y_TYPE *residual, *sum;
    global Y_TYPE *y, *a;
    int has_bias, has_residual, has_sum, has_y, has_act;
    int of_residual, of_sum, of_y, of_a; // elements from a row to the next
    float scale, slope;
    int fits; // the n channels are vectors, and their epilogue has no more than a leaky ReLU
} place;

place place_of(const conv1d_dims *d, const int b, const int o, const int n,
               global const float *bias, global const Y_TYPE *residual, global const Y_TYPE *sum,
               global Y_TYPE *y, global Y_TYPE *a)
{
    const int to = targets(d, o), c = to == 2 ? o - d->O / 2 : o;
    place p;

    p.fits = n >= WIDTH && d->act != CLVITS_ACT_TANH && to == targets(d, o + n - 1);
    p.has_bias = d->has_bias;
    p.has_residual = d->has_residual && to & 1;
    p.has_sum = d->has_sum && to & 2;
    p.has_y = d->has_y && to & 1;
    p.has_act = d->has_act && to & 2;
    p.bias = bias + (d->has_bias == 2 ? at(d->bias, b, 0, o) : o);
    p.residual = residual + at(d->residual, b, 0, c);
    p.sum = sum + at(d->sum, b, 0, c);
    p.y = y + at(d->y, b, 0, c);
    p.a = a + at(d->a, b, 0, c);
    p.of_residual = d->residual.ld;
    p.of_sum = d->sum.ld;
    p.of_y = d->y.ld;
    p.of_a = d->a.ld;
    p.scale = d->scale;
    p.slope = d->act == CLVITS_ACT_LEAKY_RELU ? d->act_slope : 1.0f;
    return p;
}

// As finish_some() for WIDTH channels from the place's channel c on.
void finish_vector(const place *p, const int t, const int c, vec v)
{
    if (p->has_bias)
        v += LOAD(0, p->bias + c);
    if (p->has_residual)
        v += GET_YS(WIDTH, p->residual, t * p->of_residual + c);
    if (p->has_sum)
        v += GET_YS(WIDTH, p->sum, t * p->of_sum + c);
    v *= p->scale;
    if (p->has_y)
        PUT_YS(WIDTH, v, p->y, t * p->of_y + c);
    if (p->has_act)
        PUT_YS(WIDTH, leaky_relus(v, p->slope), p->a, t * p->of_a + c);
}

#if GATE
// The gate of n channels from o on, v and w being theirs of either half.
void finish_gate(const conv1d_dims *d, const int b, const int t, const int o, const int n, vec v,
                 vec w, global const float *bias, global Y_TYPE *a)
{
    if (d->has_bias) {
        global const float *p = bias + (d->has_bias == 2 ? at(d->bias, b, 0, o) : o);
        v += load_vec(p, n);
        w += load_vec(p + d->O / 2, n);
    }
    v = tanh(v * d->scale) / (1.0f + exp(-d->scale * w));
    put_y(a + at(d->a, b, t, o), v, n);
}
#endif

// A CPU's own guess at what is needed next fails where tiles end: rows of the results, and what is
// added to them, are asked for while the products are computed. PoCL's prefetch() does nothing, but
// it has clang's builtin, and one address space.
#ifdef POCL_DEVICE_ADDRESS_BITS
#define FETCH(p, write) __builtin_prefetch((const void *)(size_t)(p), write, 2)
#else
#define FETCH(p, write) prefetch(p, 1)
#endif

// Channels o to o + n - 1 of row t, as finish_some() will want them.
void fetch_row(const conv1d_dims *d, const int b, const int t, const int o, const int n,
               global const Y_TYPE *residual, global const Y_TYPE *sum, global const Y_TYPE *y,
               global const Y_TYPE *a)
{
    for (int c = o; c < o + n; c += 64 / sizeof(Y_TYPE)) {
        if (d->has_residual)
            FETCH(residual + at(d->residual, b, t, c), 0);
        if (d->has_sum)
            FETCH(sum + at(d->sum, b, t, c), 0);
        if (d->has_y)
            FETCH(y + at(d->y, b, t, c), 1);
        if (d->has_act)
            FETCH(a + at(d->a, b, t, c), 1);
    }
}

// Zeros in n channels from o on of the guard rows, by `items` work-items of which this is one.
void zero_guard(global Y_TYPE *y, const clvits_view v, const int b, const int len, const int o,
                const int n, const int item, const int items)
{
    for (int i = item; i < v.guard * n; i += items) {
        y[at(v, b, -1 - i / n, o + i % n)] = 0;
        y[at(v, b, len + i / n, o + i % n)] = 0;
    }
}

void zero_guards(const conv1d_dims *d, const int b, const int len, const int o, const int n,
                 const int item, const int items, global Y_TYPE *y, global Y_TYPE *a)
{
    const int middle = d->O / 2, split = d->act == CLVITS_ACT_SPLIT;
    const int first = split ? clamp(middle - o, 0, n) : n;

    if (d->has_y)
        zero_guard(y, d->y, b, len, o, first, item, items);
    if (d->has_act && split)
        zero_guard(a, d->a, b, len, o + first - middle, n - first, item, items);
    else if (d->has_act)
        zero_guard(a, d->a, b, len, o, n, item, items);
}

#endif
