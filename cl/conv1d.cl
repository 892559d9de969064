// conv1d.cl — y[b,t,o] = scale * (bias[o] + residual + sum + sum over k,i of
//             w[o,i,k] * x[b, u*S + k*D - P, i]), and act(y): the plain and, by phases, the
//             transposed and the folded convolution
//
// x (B,T,I), y (B,U,O): channels vary fastest, guard rows of zeros before and after each sequence.
// Step u makes row t = u * phases + p - shift. Four kernels share the epilogue:
//
//   conv1d            CPU devices: a work-item keeps ROWS rows of LANES channels in registers
//   conv1d_tile       GPUs: a work-group stages rows of x in local memory
//   conv1d_dot        one output channel: a dot product over the input's channels
//   conv1d_depthwise  one channel per group: lanes are neighbouring groups

#include "conv1d.h"

// Knobs, set by lib/op/conv.c. These defaults are legal on every device.
#ifndef KERNEL
#define KERNEL 0   // 1 to 4: build that one only, in the order above
#endif
#ifndef GROUP
#define GROUP 64   // work-items of a work-group in conv1d_tile
#endif
#ifndef HALF_SUMS
#define HALF_SUMS 0 // 1: conv1d_tile multiplies halves, and adds up a few of the products so
#endif
#ifndef CHUNK
#define CHUNK 16   // channels staged at a time: 16, 8 or 4; 0: x is read where it lies
#endif

int ceil_div(const int a, const int b)
{
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

// The steps [x, y) that make these rows of phase p.
int2 steps_of(const conv1d_dims d, const int p, const int2 rows)
{
    return (int2)(ceil_div(rows.x + d.shift - p, d.phases),
                  ceil_div(rows.y + d.shift - p, d.phases));
}

// Of steps [x, y) those of this work-item, in whole tiles of so many.
int2 own_steps(const int2 steps, const int tile)
{
    const int tiles = (steps.y - steps.x + tile - 1) / tile;
    const int2 own = steps.x + share(get_global_id(0), get_global_size(0), tiles) * tile;
    return (int2)(min(own.x, steps.y), min(own.y, steps.y)); // Oclgrind takes no scalar for both
}

#if KERNEL == 0 || KERNEL == 1
// w packed as [group][phase][O/LANES][K][I][LANES]; a work-item makes d.job steps of one block.
// Where x is in halves, rows are widened (and activated) by stretches of channels; otherwise the
// loops read them where they lie.
#if X_HALF
#define STRETCH 64
#define NEXT STRETCH
#define READ(v) (v)
typedef const float *POINTER;

void widen(float *to, global const ushort *from, const int n, const float slope)
{
    int c = 0;
    for (; c + WIDTH <= n; c += WIDTH) {
        const vec v = GET_XS(WIDTH, from, c);
        STORE(private, PRE ? leaky_relus(v, slope) : v, 0, to + c);
    }
    for (; c < n; c++) {
        const float v = GET_X(from, c);
        to[c] = PRE ? leaky_relu(v, slope) : v;
    }
}
#else
#define STRETCH channels
#define NEXT step
#define READ(v) VALUE(v)
typedef global const float *POINTER;
#endif

// Row r of a tile has its sums in a vector, or in two.
#define DECLARE(r, p, i) vec a##r = (vec)(0.0f), b##r = (vec)(0.0f);
#if LANES > WIDTH
#define MULTIPLY(r, p, i)                                                                         \
    {                                                                                             \
        const vec e = (vec)(READ(p[i * next]));                                                   \
        a##r = MAD(e, w0, a##r);                                                                  \
        b##r = MAD(e, w1, b##r);                                                                  \
    }
#define KEEP(r, p, i) STORE(private, a##r, 2 * r, acc); STORE(private, b##r, 2 * r + 1, acc);
#else
#define MULTIPLY(r, p, i) a##r = MAD((vec)(READ(p[i * next])), w0, a##r);
#define KEEP(r, p, i) STORE(private, a##r, r, acc);
#endif

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void conv1d(ARGUMENTS)
{
    const int outputs = d.O / d.groups, blocks = (outputs + LANES - 1) / LANES;
    const int column = get_global_id(1), block = column % blocks;
    const int phase = column / blocks % d.phases, group = column / blocks / d.phases;
    const int b = get_global_id(2), len = valid_rows(run, d.clock, d.B, b);
    const int o = group * outputs + block * MADE;
    const int n = min(outputs / (1 + GATE) - block * MADE, MADE);
    const int2 made = steps_of(d, phase, made_rows(&d, run, b, len));
    const int2 own = own_steps(made, min(d.job, ROWS));
    const int first = own.x, end = own.y, step = d.stride * d.x.ld;
    const place to = place_of(&d, b, o, n, bias, residual, sum, y, a);
    int taps = d.K, tap = d.dilation * d.x.ld, channels = d.I / d.groups;

    x += at(d.x, b, -d.pad, group * channels) + phase * d.folded;
    w += (packed_phase(&d, group, phase) * blocks + block) * taps * channels * LANES;
    if (get_global_id(0) == 0 && phase == 0)
        zero_guards(&d, b, len, o, n, 0, 1, y, a);
    if (tap == channels) { // the rows of all taps lie side by side
        channels *= taps;
        taps = 1;
    }
    // Fewer rows than a tile: its last triples move back to the last rows, so that no row past
    // them is read; fewer than three: one by one.
    for (int u = first, rows; u < end; u += rows) {
        rows = end - u < 3 ? 1 : min(end - u, ROWS);
        const int back = max(rows - 3, 0), next = rows == 1 ? 0 : NEXT;
        global const W_TYPE *q = w;
        float acc[ROWS * LANES];
        EACH_ROW(DECLARE)
        for (int r = 0; r < rows && blocks > 1; r++) // otherwise rows lie side by side
            fetch_row(&d, b, (u + r) * d.phases + phase - d.shift, o, n, residual, sum, y, a);
        for (int k = 0; k < taps; k++)
            for (int c0 = 0; c0 < channels; c0 += STRETCH) {
                const int some = min(STRETCH, channels - c0);
                global const X_TYPE *from = x + u * step + k * tap + c0;
#if X_HALF
                float wide[ROWS * STRETCH];
                POINTER p0 = wide;
                for (int r = 0; r < rows; r++)
                    widen(wide + r * STRETCH, from + r * step, some, d.pre_slope);
#else
                POINTER p0 = from;
#endif
                POINTER p1 = p0 + min(3, back) * next;
#if ROWS == 12
                POINTER p2 = p0 + min(6, back) * next, p3 = p0 + min(9, back) * next;
#endif
                for (int c = 0; c < some; c++, q += LANES) {
                    const vec w0 = GET_WS(WIDTH, q, 0);
#if LANES > WIDTH
                    const vec w1 = GET_WS(WIDTH, q, WIDTH);
#endif
                    EACH_ROW(MULTIPLY)
                    p0++, p1++;
#if ROWS == 12
                    p2++, p3++;
#endif
                }
            }
        EACH_ROW(KEEP)
        for (int s = 0; s < (rows == 1 ? 1 : ROWS); s++) {
            const int r = min(s / 3 * 3, back) + s % 3;
#if GATE
            if (r >= s / 3 * 3)
                finish_gate(&d, b, (u + r) * d.phases + phase - d.shift, o, n,
                            LOAD(0, acc + s * LANES), LOAD(1, acc + s * LANES), bias, a);
#else
            const int t = (u + r) * d.phases + phase - d.shift;
            for (int l = 0; l < n && r >= s / 3 * 3; l += WIDTH) {
                const int c = n < WIDTH ? 0 : min(l, n - WIDTH); // the last vector may overlap
                const vec v = LOAD(0, acc + s * LANES + c);
                if (to.fits)
                    finish_vector(&to, t, c, v);
                else
                    finish_some(&d, b, t, o + c, n - c, v, bias, residual, sum, y, a);
            }
#endif
        }
    }
}
#endif

#if KERNEL == 0 || KERNEL == 2
// w packed as above, its I rounded up to a multiple of four with zeros. A work-item makes 8 rows
// of 4 channels; the epilogue goes through local memory, so that its loads and stores coalesce.
#define OUT_ROWS 8
#define ITEMS_C (LANES / 4)
#define ITEMS_T (GROUP / ITEMS_C)
#define TILE_T (OUT_ROWS * ITEMS_T)
#define PITCH (CHUNK + 4) // spreads the rows over the banks of local memory
#define LOCAL (OUT_ROWS * 4 * GROUP) // outputs, of which each work-item has 4 channels
#define EACH_OUT(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

// Where the device multiplies halves, those of one tap and one stage of channels are also added up
// as such: few enough that the sum keeps what the factors have.
#if HALF_SUMS && CHUNK
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#ifdef FP_FAST_FMA_HALF
#define MAD_TERMS(a, b, c) fma(a, b, c)
#else
#define MAD_TERMS(a, b, c) ((a) * (b) + (c))
#endif
#define TERM half
#define TERMS half4
#define GET_TERMS(p, i) vload4(0, (global const half *)(p) + (i))
#define TILE_SUM(r) h##r
#define TILE_BEGIN(r) half4 h##r = (half4)(0.0f);
#define TILE_ADD(r) a##r += convert_float4(h##r);
#else
#define MAD_TERMS(a, b, c) MAD(a, b, c)
#define TERM float
#define TERMS float4
#define GET_TERMS(p, i) GET_WS(4, p, i)
#define TILE_SUM(r) a##r
#define TILE_BEGIN(r)
#define TILE_ADD(r)
#endif

// Channels c to c + 3 of a row, zeros where there are none.
float4 load4(const conv1d_dims d, global const X_TYPE *x, const int row, const int rows,
             const int c, const int channels)
{
    global const X_TYPE *p = x + row * d.x.ld + c;
    if (row >= rows)
        return (float4)(0.0f);
    return (float4)(VALUE(GET_X(p, 0)), c + 1 < channels ? VALUE(GET_X(p, 1)) : 0.0f,
                    c + 2 < channels ? VALUE(GET_X(p, 2)) : 0.0f,
                    c + 3 < channels ? VALUE(GET_X(p, 3)) : 0.0f);
}

#define TILE_DECLARE(r) float4 a##r = (float4)(0.0f);
#if CHUNK
#define TILE_LOAD(r) vload4(0, p + r * step)
#else
#define TILE_LOAD(r)                                                                              \
    load4(d, x, (item_t + r * ITEMS_T) * d.stride + k * d.dilation, rows, c, channels)
#endif
#define TILE_MULTIPLY(r)                                                                          \
    {                                                                                             \
        const TERMS e = TILE_LOAD(r);                                                             \
        TILE_SUM(r) = MAD_TERMS((TERMS)(e.s0), w0, TILE_SUM(r));                                  \
        TILE_SUM(r) = MAD_TERMS((TERMS)(e.s1), w1, TILE_SUM(r));                                  \
        TILE_SUM(r) = MAD_TERMS((TERMS)(e.s2), w2, TILE_SUM(r));                                  \
        TILE_SUM(r) = MAD_TERMS((TERMS)(e.s3), w3, TILE_SUM(r));                                  \
    }
#define TILE_KEEP(r) vstore4(a##r, 0, staged + (item_t + r * ITEMS_T) * LANES + item_c * 4);

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void conv1d_tile(ARGUMENTS)
{
    local float staged[LOCAL];
    const int outputs = d.O / d.groups, blocks = (outputs + LANES - 1) / LANES;
    const int column = get_group_id(1), block = column % blocks;
    const int phase = column / blocks % d.phases, group = column / blocks / d.phases;
    const int b = get_group_id(2), len = valid_rows(run, d.clock, d.B, b);
    const int o = group * outputs + block * MADE;
    const int n = min(outputs / (1 + GATE) - block * MADE, MADE);
    const int2 made = steps_of(d, phase, made_rows(&d, run, b, len));
    const int first = made.x + get_group_id(0) * TILE_T, steps = min(made.y - first, TILE_T);
    const int channels = d.I / d.groups, packed = (channels + 3) / 4 * 4;
    const int item = get_local_id(0), item_c = item % ITEMS_C, item_t = item / ITEMS_C;

    if (get_group_id(0) == 0 && phase == 0)
        zero_guards(&d, b, len, o, n, item, GROUP, y, a);
    if (steps <= 0)
        return;
    x += at(d.x, b, first * d.stride - d.pad, group * channels) + phase * d.folded;
    w += (packed_phase(&d, group, phase) * blocks + block) * d.K * packed * LANES + item_c * 4;
    // Rows past the last that a step to be made reads may lie outside the buffer.
    const int rows = (steps - 1) * d.stride + (d.K - 1) * d.dilation + 1;

    EACH_OUT(TILE_DECLARE)
#if CHUNK
    local TERM *const terms = (local TERM *)staged;
    const int step = ITEMS_T * d.stride * PITCH;
    const int tile_rows = (TILE_T - 1) * d.stride + (d.K - 1) * d.dilation + 1;
    for (int c0 = 0; c0 < packed; c0 += CHUNK) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = item; i < tile_rows * CHUNK; i += GROUP) {
            const int row = i / CHUNK, c = i % CHUNK;
            terms[row * PITCH + c] =
                row < rows && c0 + c < channels ? VALUE(GET_X(x, row * d.x.ld + c0 + c)) : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        const int n4 = min(CHUNK, packed - c0);
        for (int k = 0; k < d.K; k++) {
            local const TERM *p = terms + (item_t * d.stride + k * d.dilation) * PITCH;
            global const W_TYPE *q = w + (k * packed + c0) * LANES;
            EACH_OUT(TILE_BEGIN)
            for (int c = 0; c < n4; c += 4, p += 4, q += 4 * LANES) {
                const TERMS w0 = GET_TERMS(q, 0), w1 = GET_TERMS(q, LANES);
                const TERMS w2 = GET_TERMS(q, 2 * LANES), w3 = GET_TERMS(q, 3 * LANES);
                EACH_OUT(TILE_MULTIPLY)
            }
            EACH_OUT(TILE_ADD)
        }
    }
#else
    for (int k = 0; k < d.K; k++) {
        global const W_TYPE *q = w + k * packed * LANES;
        for (int c = 0; c < packed; c += 4, q += 4 * LANES) {
            const float4 w0 = GET_WS(4, q, 0), w1 = GET_WS(4, q, LANES);
            const float4 w2 = GET_WS(4, q, 2 * LANES), w3 = GET_WS(4, q, 3 * LANES);
            EACH_OUT(TILE_MULTIPLY)
        }
    }
#endif
    barrier(CLK_LOCAL_MEM_FENCE);
    EACH_OUT(TILE_KEEP)
    barrier(CLK_LOCAL_MEM_FENCE);
#if GATE
    for (int i = item * WIDTH; i < steps * MADE; i += GROUP * WIDTH)
        if (i % MADE < n) {
            local const float *p = staged + i / MADE * LANES + i % MADE;
            finish_gate(&d, b, (first + i / MADE) * d.phases + phase - d.shift, o + i % MADE,
                        n - i % MADE, LOAD(0, p), LOAD(0, p + MADE), bias, a);
        }
#else
    for (int i = item; i < steps * LANES; i += GROUP)
        if (i % LANES < n)
            finish(&d, b, (first + i / LANES) * d.phases + phase - d.shift, o + i % LANES,
                   staged[i], bias, residual, sum, y, a);
#endif
}
#endif

#if KERNEL == 0 || KERNEL == 3
// w packed as [group][phase][K][I], I at least WIDTH; a work-item makes d.job steps.
float total(const vec v)
{
#if WIDTH == 16
    const float8 h = v.lo + v.hi;
    const float4 f = h.lo + h.hi;
#elif WIDTH == 8
    const float4 f = v.lo + v.hi;
#else
    const float4 f = v;
#endif
    return (f.s0 + f.s1) + (f.s2 + f.s3);
}

// The epilogue of channel o in rows t, t + step, ..., of which there are n, one to a lane of v: for
// the sake of the tanh, which then is of all lanes at once.
void finish_column(const conv1d_dims *d, const int b, const int t, const int step, const int n,
                   const int o, float *v, global const float *bias,
                   global const Y_TYPE *residual, global const Y_TYPE *sum, global Y_TYPE *y,
                   global Y_TYPE *a)
{
    for (int i = 0; i < n; i++) {
        const int row = t + i * step;
        if (d->has_bias)
            v[i] += bias[d->has_bias == 2 ? at(d->bias, b, 0, o) : o];
        if (d->has_residual)
            v[i] += GET_Y(residual, at(d->residual, b, row, o));
        if (d->has_sum)
            v[i] += GET_Y(sum, at(d->sum, b, row, o));
        v[i] *= d->scale;
        if (d->has_y)
            PUT_Y(v[i], y, at(d->y, b, row, o));
    }
    STORE(private, tanh(LOAD(0, v)), 0, v);
    for (int i = 0; i < n && d->has_act; i++)
        PUT_Y(v[i], a, at(d->a, b, t + i * step, o));
}

kernel void conv1d_dot(ARGUMENTS)
{
    const int column = get_global_id(1), phase = column % d.phases, group = column / d.phases;
    const int b = get_global_id(2), len = valid_rows(run, d.clock, d.B, b);
    const int2 made = steps_of(d, phase, made_rows(&d, run, b, len));
#if WIDTH > 4 // as CPUs have it
    const int2 own = own_steps(made, min(d.job, WIDTH));
    const int first = own.x, end = own.y;
#else
    const int first = made.x + get_global_id(0) * d.job, end = min(first + d.job, made.y);
#endif
    int taps = d.K, tap = d.dilation * d.x.ld, channels = d.I / d.groups;

    x += at(d.x, b, -d.pad, group * channels) + phase * d.folded;
    w += packed_phase(&d, group, phase) * taps * channels;
    if (get_global_id(0) == 0 && phase == 0)
        zero_guards(&d, b, len, group, 1, 0, 1, y, a);
    if (tap == channels) { // the rows of all taps lie side by side
        channels *= taps;
        taps = 1;
    }
    // The last vector of a tap overlaps the one before it: those elements of x do not count again.
    const int last = channels - WIDTH, rest = channels % WIDTH;
    ivec fresh;
    for (int i = 0; i < WIDTH; i++)
        ((int *)&fresh)[i] = i < WIDTH - rest ? 0 : -1;
#if WIDTH > 4 // GPUs would keep the sums in memory
    float sums[WIDTH];
    STORE(private, (vec)(0.0f), 0, sums);
#endif
    for (int u = first; u < end; u++) {
        vec acc = (vec)(0.0f);
        for (int k = 0; k < taps; k++) {
            global const X_TYPE *p = x + u * d.stride * d.x.ld + k * tap;
            global const W_TYPE *q = w + k * channels;
            for (int c = 0; c <= last; c += WIDTH)
                acc = MAD(VALUES(GET_XS(WIDTH, p, c)), GET_WS(WIDTH, q, c), acc);
            if (rest)
                acc = MAD(select((vec)(0.0f), VALUES(GET_XS(WIDTH, p, last)), fresh),
                          GET_WS(WIDTH, q, last), acc);
        }
        const int t = u * d.phases + phase - d.shift;
#if WIDTH > 4
        if (d.act == CLVITS_ACT_TANH) {
            const int i = (u - first) % WIDTH;
            sums[i] = total(acc);
            if (i == WIDTH - 1 || u == end - 1)
                finish_column(&d, b, t - i * d.phases, d.phases, i + 1, group, sums, bias,
                              residual, sum, y, a);
            continue;
        }
#endif
        finish(&d, b, t, group, total(acc), bias, residual, sum, y, a);
    }
}
#endif

#if KERNEL == 0 || KERNEL == 4
// w packed as [C/WIDTH][K][WIDTH]; a work-item makes d.job steps of WIDTH channels.
kernel void conv1d_depthwise(ARGUMENTS)
{
    const int blocks = (d.O + WIDTH - 1) / WIDTH, o = get_global_id(0) % blocks * WIDTH;
    const int chunk = get_global_id(0) / blocks, b = get_global_id(1);
    const int len = valid_rows(run, d.clock, d.B, b), n = d.O - o;
    const int2 made = made_rows(&d, run, b, len);
    const int first = made.x + chunk * d.job, end = min(first + d.job, made.y);

    x += at(d.x, b, -d.pad, o);
    w += o * d.K;
    if (chunk == 0)
        zero_guards(&d, b, len, o, min(n, WIDTH), 0, 1, y, a);
    for (int u = first; u < end; u++) {
        vec acc = (vec)(0.0f);
        for (int k = 0; k < d.K; k++)
            acc = MAD(VALUES(get_x(x + (u * d.stride + k * d.dilation) * d.x.ld, n)),
                      GET_WS(WIDTH, w, k * WIDTH), acc);
        finish_some(&d, b, u, o, n, acc, bias, residual, sum, y, a);
    }
}
#endif
