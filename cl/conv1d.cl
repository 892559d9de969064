// conv1d.cl — y[b,t,o] = scale * (bias[o] + residual + sum
//                                 + sum over k,i of w[o,i,k] * x[b, u*S + k*D - P, i])
// and act(y), for the plain and, by phases, the transposed convolution
//
// x (B,T,I), y (B,U,O): channels vary fastest, guard rows of zeros before and after each sequence.
// w packed as [group][phase][O/LANES][K][I][LANES].

// Knobs, set by lib/op/conv.c. These defaults are legal on every device.
#ifndef LANES
#define LANES 16    // output channels of a work-item: 16 or 32
#endif
#ifndef PRE
#define PRE 0       // 1: leaky ReLU on the input
#endif
#ifndef JOB_TILES
#define JOB_TILES 8 // tiles of 12 rows that a work-item makes, one after the other
#endif

#define ROWS 12
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

#if PRE
#define VALUE(v) leaky_relu(v, d.pre_slope)
#else
#define VALUE(v) (v)
#endif

float16 activate(const conv1d_dims d, const float16 v)
{
    if (d.act == CLVITS_ACT_LEAKY_RELU)
        return select(v * d.act_slope, v, isgreaterequal(v, (float16)(0.0f)));
    if (d.act == CLVITS_ACT_TANH)
        return tanh(v);
    return v;
}

void store16(global float *p, const float16 v, const int n)
{
    if (n >= 16) {
        vstore16(v, 0, p);
        return;
    }
    float e[16];
    vstore16(v, 0, e);
    for (int i = 0; i < n; i++)
        p[i] = e[i];
}

float16 load16(global const float *p, const int n)
{
    if (n >= 16)
        return vload16(0, p);
    float e[16];
    for (int i = 0; i < 16; i++)
        e[i] = i < n ? p[i] : 0.0f;
    return vload16(0, e);
}

// The epilogue of up to 16 channels from o on in row t: values where it is valid, zeros in a guard.
void finish(const conv1d_dims d, const int b, const int t, const int len, const int o,
                   const int n, float16 v, global const float *bias,
                   global const float *residual, global const float *sum, global float *y,
                   global float *a)
{
    if (n <= 0)
        return;
    if (t < 0 || t >= len) {
        if (d.has_y && t >= -d.y.guard && t < len + d.y.guard)
            store16(y + at(d.y, b, t, o), (float16)(0.0f), n);
        if (d.has_act && t >= -d.a.guard && t < len + d.a.guard)
            store16(a + at(d.a, b, t, o), (float16)(0.0f), n);
        return;
    }
    if (d.has_bias)
        v += load16(bias + (d.has_bias == 2 ? at(d.bias, b, 0, o) : o), n);
    if (d.has_residual)
        v += load16(residual + at(d.residual, b, t, o), n);
    if (d.has_sum)
        v += load16(sum + at(d.sum, b, t, o), n);
    v *= d.scale;
    if (d.has_y)
        store16(y + at(d.y, b, t, o), v, n);
    if (d.has_act)
        store16(a + at(d.a, b, t, o), activate(d, v), n);
}

kernel void conv1d(const conv1d_dims d, global const int *run, global const float *restrict x,
                   global const float *restrict w, global const float *restrict bias,
                   global const float *restrict residual, global const float *restrict sum,
                   global float *restrict y, global float *restrict a)
{
    const int outputs = d.O / d.groups, channels = d.I / d.groups;
    const int blocks = (outputs + LANES - 1) / LANES;
    const int column = get_global_id(1), block = column % blocks;
    const int phase = column / blocks % d.phases, group = column / blocks / d.phases;
    const int b = get_global_id(2), len = valid_rows(run, d.clock, d.B, b);
    const int o = group * outputs + block * LANES, n = outputs - block * LANES;
    const int step = d.stride * d.x.ld, tap = d.dilation * d.x.ld;

    w += ((group * d.phases + phase) * blocks + block) * d.K * channels * LANES;

    for (int tile = 0; tile < JOB_TILES; tile++) {
        const int s = (get_global_id(0) * JOB_TILES + tile) * ROWS;
        const int u = d.u0 + s, first = u * d.phases + phase - d.shift;
        global const float *p0 = x + at(d.x, b, u * d.stride - d.pad, group * channels);
        global const float *q = w;

        if (s >= d.steps)
            return;
#define DECLARE(r) float16 a##r = (float16)(0.0f), b##r = (float16)(0.0f);
        EACH_ROW(DECLARE)
        if (first + (ROWS - 1) * d.phases >= 0 && first < len) {
            for (int k = 0; k < d.K; k++) {
                global const float *p = p0 + k * tap;
                for (int c = 0; c < channels; c++, p++, q += LANES) {
                    const float16 w0 = vload16(0, q);
#if LANES == 32
                    const float16 w1 = vload16(1, q);
#define MULTIPLY(r) { const float16 e = (float16)(VALUE(p[r * step])); \
                      a##r = MAD(e, w0, a##r); b##r = MAD(e, w1, b##r); }
#else
#define MULTIPLY(r) a##r = MAD((float16)(VALUE(p[r * step])), w0, a##r);
#endif
                    EACH_ROW(MULTIPLY)
                }
            }
        }
#define FINISH(r) \
        if (s + r < d.steps) { \
            const int t = first + r * d.phases; \
            finish(d, b, t, len, o, n, a##r, bias, residual, sum, y, a); \
            if (LANES == 32) \
                finish(d, b, t, len, o + 16, n - 16, b##r, bias, residual, sum, y, a); \
        }
        EACH_ROW(FINISH)
    }
}
