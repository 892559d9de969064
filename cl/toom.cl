// toom.cl — the convolution of conv1d.cl in Toom-Cook form: toom.h has the mathematics, dims.h says
//           how tiles lie in the rows and how w is packed
//
// Seven points serve all filters: m + r = 8. Tile number `k` of residue class `class` is number
// k * dilation + class, so that group g of taps reads the tile g * dilation further. Tiles are of
// steps, which are rows where there is one phase.
//
//   conv1d_toom       CPU devices: a work-item keeps ROWS tiles of LANES channels in registers
//   conv1d_toom_tile  GPUs: a work-group stages transformed inputs in local memory

#include "conv1d.h"
#include "toom.h"

// Knobs, set by lib/op/toom.c. These defaults are legal on every device.
#ifndef KERNEL
#define KERNEL 0     // 1 or 2: build that one only, in the order above
#endif
#ifndef SCRATCH
#define SCRATCH 4096 // floats of local memory, as many as a work-item's tiles want
#endif
#ifndef GROUP
#define GROUP 64     // work-items of a work-group in conv1d_toom_tile
#endif
#ifndef CHUNK
#define CHUNK 8      // channels that it stages at a time: 16, 8 or 4
#endif

#define POINTS 7
#define OUTPUTS 6    // of a tile, at most; conv1d_toom_tile: one less
#define EACH_POINT(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6)

// The first step of a tile; `shift` steps of the first tiles come before step 0.
int tile_step(const conv1d_dims *d, const int tile, const int shift)
{
    return tile / d->dilation * d->m * d->dilation + tile % d->dilation - shift;
}

// How many tiles begin before the step of row len.
int count_tiles(const conv1d_dims *d, const int len, const int shift)
{
    const int all = d->m * d->dilation, steps = (len + d->shift + d->phases - 1) / d->phases;
    return len > 0 ? (steps + shift + all - 1) / all * d->dilation : 0;
}

// Whether an input row is valid; the others count as zeros, whatever lies there.
#define IS_ROW(row, len) ((row) >= 0 && (row) < (len))

#if KERNEL == 0 || KERNEL == 1
// v = B x for all channels of the tiles, as [point][tile][pitch].
void transform(const conv1d_dims *dims, const int tile0, const int tiles, const int shift,
               const int len, const int pitch, global const X_TYPE *x, local float *v)
{
    const conv1d_dims d = *dims;

    for (int tile = 0; tile < tiles; tile++) {
        const int row = tile_step(&d, tile0 + tile, shift) - d.pad;
        const int inside = row >= 0 && row + (POINTS - 1) * d.dilation < len;
#define TOOM_PLACE(k) const int x##k = clamp(row + k * d.dilation, 0, len - 1) * d.x.ld;
        EACH_POINT(TOOM_PLACE)
        for (int i = 0; i < d.I; i += WIDTH) {
            const int c = min(i, d.I - WIDTH); // the last vector may overlap
            local float *to = v + tile * pitch + c;
            vec in[POINTS], out[POINTS];
#define TOOM_READ(k) in[k] = VALUES(GET_XS(WIDTH, x, x##k + c));
            EACH_POINT(TOOM_READ)
            if (!inside) {
#define TOOM_BOUND(k) in[k] = IS_ROW(row + k * d.dilation, len) ? in[k] : (vec)(0.0f);
                EACH_POINT(TOOM_BOUND)
            }
            TOOM_INPUT_7(vec, in, out)
#define TOOM_WRITE(k) STORE(out[k], 0, to + k * tiles * pitch);
            EACH_POINT(TOOM_WRITE)
        }
    }
}

// s = sum over groups of taps and channels of v * w for ROWS tiles and one point; rows of v are
// `pitch` apart, groups of taps `tap`.
void multiply(local const float *v, const int pitch, const int groups, const int tap,
              const int channels, global const W_TYPE *w, local float *s)
{
#if LANES > WIDTH
#define DECLARE(r, p, i) vec a##r = (vec)(0.0f), b##r = (vec)(0.0f);
#define MULTIPLY(r, p, i)                                                                         \
    {                                                                                             \
        const vec e = (vec)(p[i * pitch]);                                                        \
        a##r = MAD(e, w0, a##r);                                                                  \
        b##r = MAD(e, w1, b##r);                                                                  \
    }
#define KEEP(r, p, i) STORE(a##r, 2 * r, s); STORE(b##r, 2 * r + 1, s);
#else
#define DECLARE(r, p, i) vec a##r = (vec)(0.0f);
#define MULTIPLY(r, p, i) a##r = MAD((vec)(p[i * pitch]), w0, a##r);
#define KEEP(r, p, i) STORE(a##r, r, s);
#endif
    EACH_ROW(DECLARE)
    for (int g = 0; g < groups; g++) {
        local const float *p0 = v + g * tap, *p1 = p0 + 3 * pitch;
#if ROWS == 12
        local const float *p2 = p1 + 3 * pitch, *p3 = p2 + 3 * pitch;
#endif
        for (int c = 0; c < channels; c++, w += LANES) {
            const vec w0 = GET_WS(WIDTH, w, 0);
#if LANES > WIDTH
            const vec w1 = GET_WS(WIDTH, w, WIDTH);
#endif
            EACH_ROW(MULTIPLY)
            p0++, p1++;
#if ROWS == 12
            p2++, p3++;
#endif
        }
    }
    EACH_ROW(KEEP)
}

// A tile's outputs in one vector of lanes; sums of the points lie `next` floats apart.
void output(const int m, local const float *s, const int next, vec *y)
{
    vec in[POINTS], out[OUTPUTS];
#define TOOM_SUM(k) in[k] = LOAD(0, s + k * next);
    EACH_POINT(TOOM_SUM)
    const vec last = in[POINTS - 1]; // infinity belongs to the last output
    in[POINTS - 1] = (vec)(0.0f);
    TOOM_OUTPUT_7_6(vec, in, out)
    for (int i = 0; i < OUTPUTS; i++)
        y[i] = i == m - 1 ? out[i] + last : out[i];
}

// A work-item makes d.job tiles of d.blocks blocks of channels.
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void conv1d_toom(ARGUMENTS)
{
    local float scratch[SCRATCH];
    const int b = get_global_id(2), len = valid_rows(run, d.clock, d.B, b);
    const int from = valid_rows(run, d.from, d.B, b);
    const int shift = first_row(run, d.clock, d.B, b) / d.phases % (d.m * d.dilation);
    const int groups = (d.K + d.r - 1) / d.r, pitch = d.I + WIDTH;
    const int tile0 = get_global_id(0) * d.job;
    const int tiles = min(count_tiles(&d, len, shift) - tile0, d.job);
    const int rows = (tiles + ROWS - 1) / ROWS * ROWS, all = rows + (groups - 1) * d.dilation;
    const int outputs = d.O / (1 + GATE), each = (outputs + MADE - 1) / MADE; // of a phase
    const int block0 = get_global_id(1) * d.blocks;
    const int block1 = min(block0 + d.blocks, each * d.phases);
    const int next = d.dilation * d.phases; // rows from a step of a tile to the next
    local float *sums = scratch + POINTS * all * pitch;

    if (get_global_id(0) == 0)
        for (int block = block0; block < min(block1, each); block++)
            zero_guards(&d, b, len, block * MADE, min(outputs - block * MADE, MADE), 0, 1, y, a);
    if (tiles <= 0)
        return;
    x += at(d.x, b, 0, 0);
    transform(&d, tile0, all, shift, from, pitch, x, scratch);
    w += block0 * POINTS * groups * d.I * LANES;
    for (int block = block0; block < block1; block++) {
        const int o = block % each * MADE, n = min(outputs - o, MADE);
        const int row0 = block / each - d.shift; // of step 0
        const place to = place_of(&d, b, o, n, bias, residual, sum, y, a);
        for (int k = 0; k < POINTS; k++, w += groups * d.I * LANES)
            for (int i = 0; i < rows; i += ROWS) {
                // These tiles' outputs, and inputs that the next work-item has in their place.
                for (int r = i; r < min(i + ROWS, tiles) && k < d.m; r++) {
                    const int step = tile_step(&d, tile0 + r, shift) + k * d.dilation;
                    const int t = step * d.phases + row0, ahead = step + d.job * d.m;
                    if (t >= 0 && t < len)
                        fetch_row(&d, b, t, o, n, residual, sum, y, a);
                    for (int c = o; c < min(o + n, d.I) && ahead >= 0 && ahead < from;
                         c += 64 / sizeof(X_TYPE))
                        FETCH(x + ahead * d.x.ld + c, 0);
                }
                multiply(scratch + (k * all + i) * pitch, pitch, groups, d.dilation * pitch, d.I,
                         w, sums + (k * rows + i) * LANES);
            }
        for (int tile = 0; tile < tiles; tile++) {
            const int row = tile_step(&d, tile0 + tile, shift) * d.phases + row0;
            vec v[OUTPUTS];
#if GATE
            vec u[OUTPUTS];
            output(d.m, sums + tile * LANES, rows * LANES, v);
            output(d.m, sums + tile * LANES + WIDTH, rows * LANES, u);
            for (int i = 0, t = row; i < d.m; i++, t += next)
                if (t >= 0 && t < len)
                    finish_gate(&d, b, t, o, n, v[i], u[i], bias, a);
#else
            for (int l = 0; l < n; l += WIDTH) {
                const int c = n < WIDTH ? 0 : min(l, n - WIDTH); // the last vector may overlap
                output(d.m, sums + tile * LANES + c, rows * LANES, v);
                for (int i = 0, t = row; i < d.m; i++, t += next) {
                    if (t < 0 || t >= len)
                        continue;
                    if (to.fits)
                        finish_vector(&to, t, c, v[i]);
                    else
                        finish_some(&d, b, t, o + c, n - c, v[i], bias, residual, sum, y, a);
                }
            }
#endif
        }
    }
}
#endif

#if KERNEL == 0 || KERNEL == 2
// A work-item makes 4 channels of two tiles, all points of which it keeps in registers: one thing
// in local memory, or of the weights, is good for 16 products. I is a multiple of four.
#define ITEMS_C (LANES / 4)
#define ITEMS_T (GROUP / ITEMS_C)
#define TILES (2 * ITEMS_T)
#define PITCH (CHUNK + 4) // spreads the rows over the banks of local memory
#define LOCAL 4096

// The outputs of channels o to o + 3 in one tile, of which row is the first.
void finish_tile(const conv1d_dims *d, const int b, const int row, const int len, const int o,
                 const int n, float4 *s, global const float *bias, global const Y_TYPE *residual,
                 global const Y_TYPE *sum, global Y_TYPE *y, global Y_TYPE *a)
{
    const float4 last = s[POINTS - 1]; // infinity belongs to the last output
    float4 out[OUTPUTS];

    s[POINTS - 1] = (float4)(0.0f);
    TOOM_OUTPUT_7_5(float4, s, out)
#define TILE_FINISH(i)                                                                            \
    {                                                                                             \
        const int t = row + i * d->dilation;                                                      \
        if (i < d->m && t >= 0 && t < len)                                                        \
            finish_some(d, b, t, o, n, i == d->m - 1 ? out[i] + last : out[i], bias, residual,    \
                        sum, y, a);                                                               \
    }
    TILE_FINISH(0) TILE_FINISH(1) TILE_FINISH(2) TILE_FINISH(3) TILE_FINISH(4)
}

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void conv1d_toom_tile(ARGUMENTS)
{
    local float staged[LOCAL];
    const int b = get_group_id(2), len = valid_rows(run, d.clock, d.B, b);
    const int len_in = valid_rows(run, d.from, d.B, b);
    const int shift = first_row(run, d.clock, d.B, b) % (d.m * d.dilation);
    const int groups = (d.K + d.r - 1) / d.r, all = TILES + (groups - 1) * d.dilation;
    const int tile0 = get_group_id(0) * TILES, o = get_group_id(1) * LANES, n = min(d.O - o, LANES);
    const int item = get_local_id(0), item_c = item % ITEMS_C, item_t = item / ITEMS_C;
    const int next = groups * d.I * LANES; // from a point to the next

    if (get_group_id(0) == 0)
        zero_guards(&d, b, len, o, n, item, GROUP, y, a);
    if (tile0 >= count_tiles(&d, len, shift))
        return;
    x += at(d.x, b, 0, 0);
    w += get_group_id(1) * POINTS * next + item_c * 4;

#define TILE_DECLARE(k) s0[k] = (float4)(0.0f), s1[k] = (float4)(0.0f);
    float4 s0[POINTS], s1[POINTS];
    EACH_POINT(TILE_DECLARE)
    for (int c0 = 0; c0 < d.I; c0 += CHUNK) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = item; i < all * CHUNK; i += GROUP) {
            const int tile = i / CHUNK, c = i % CHUNK;
            const int row = tile_step(&d, tile0 + tile, shift) - d.pad;
            float in[POINTS], out[POINTS];
            if (c0 + c >= d.I)
                continue;
#define TILE_READ(k)                                                                              \
    {                                                                                             \
        const int t = row + k * d.dilation;                                                       \
        in[k] = IS_ROW(t, len_in) ? VALUE(GET_X(x, t * d.x.ld + c0 + c)) : 0.0f;                  \
    }
            EACH_POINT(TILE_READ)
            TOOM_INPUT_7(float, in, out)
#define TILE_WRITE(k) staged[(tile * POINTS + k) * PITCH + c] = out[k];
            EACH_POINT(TILE_WRITE)
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int g = 0; g < groups; g++) {
            local const float *p = staged + (item_t + g * d.dilation) * POINTS * PITCH;
            global const W_TYPE *q = w + (g * d.I + c0) * LANES;
            for (int c = min(CHUNK, d.I - c0); c > 0; c -= 4, p += 4, q += 4 * LANES) {
#define TILE_MULTIPLY(k)                                                                          \
    {                                                                                             \
        const float4 u = vload4(0, p + k * PITCH);                                                \
        const float4 v = vload4(0, p + (ITEMS_T * POINTS + k) * PITCH);                           \
        const float4 w0 = GET_WS(4, q, k * next), w1 = GET_WS(4, q, k * next + LANES);            \
        const float4 w2 = GET_WS(4, q, k * next + 2 * LANES);                                     \
        const float4 w3 = GET_WS(4, q, k * next + 3 * LANES);                                     \
        s0[k] = MAD((float4)(u.s0), w0, s0[k]);                                                   \
        s1[k] = MAD((float4)(v.s0), w0, s1[k]);                                                   \
        s0[k] = MAD((float4)(u.s1), w1, s0[k]);                                                   \
        s1[k] = MAD((float4)(v.s1), w1, s1[k]);                                                   \
        s0[k] = MAD((float4)(u.s2), w2, s0[k]);                                                   \
        s1[k] = MAD((float4)(v.s2), w2, s1[k]);                                                   \
        s0[k] = MAD((float4)(u.s3), w3, s0[k]);                                                   \
        s1[k] = MAD((float4)(v.s3), w3, s1[k]);                                                   \
    }
                EACH_POINT(TILE_MULTIPLY)
            }
        }
    }
    if (item_c * 4 >= n)
        return;
    finish_tile(&d, b, tile_step(&d, tile0 + item_t, shift), len, o + item_c * 4, n - item_c * 4,
                s0, bias, residual, sum, y, a);
    finish_tile(&d, b, tile_step(&d, tile0 + item_t + ITEMS_T, shift), len, o + item_c * 4,
                n - item_c * 4, s1, bias, residual, sum, y, a);
}
#endif
