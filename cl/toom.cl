// toom.cl — the convolution of conv1d.cl in Toom-Cook form: toom.h has the mathematics, dims.h says
//           how tiles lie in the rows and how w is packed
//
// Tile number `k` of residue class `class` is number k * dilation + class, so that group g of taps
// reads the tile g * dilation further. Tiles are of steps, which are rows where there is one phase.
//
//   conv1d_toom       CPU devices: a work-item keeps ROWS tiles of LANES channels in registers
//   conv1d_toom_tile  GPUs: a work-group stages transformed inputs in local memory

#include "conv1d.h"
#include "toom.h"

// Knobs, set by lib/op/toom.c. These defaults are legal on every device.
#ifndef KERNEL
#define KERNEL 0     // 1 or 2: build that one only, in the order above
#endif
#ifndef POINTS
#define POINTS 7     // 7, and for conv1d_toom also 8, or 35 and 42 for tiles of F(4, 4)
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

// Inputs of a tile, and its outputs at most; those of conv1d_toom_tile are one less.
#if POINTS > 8
#define OUTER (POINTS / 7) // points of the form of tiles
#define INPUTS (4 * OUTER + 3)
#define OUTPUTS 16
#else
#define INPUTS POINTS
#define OUTPUTS 6
#endif
#if POINTS == 42
#define OUTER_INPUT TOOM_INPUT_6
#define OUTER_OUTPUT TOOM_OUTPUT_6_4
#elif POINTS == 35
#define OUTER_INPUT TOOM_INPUT_5
#define OUTER_OUTPUT TOOM_OUTPUT_5_4
#elif POINTS == 8
#define EACH_POINT(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define TOOM_INPUT TOOM_INPUT_8
#define TOOM_OUTPUT TOOM_OUTPUT_8_6
#else
#define EACH_POINT(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6)
#define TOOM_INPUT TOOM_INPUT_7
#define TOOM_OUTPUT TOOM_OUTPUT_7_6
#endif

// The first step of a tile; `shift` steps of the first tiles come before step 0.
int tile_step(const conv1d_dims *d, const int tile, const int shift)
{
    return tile / d->dilation * d->m * d->dilation + tile % d->dilation - shift;
}

// The tiles [x, y) of all residue classes that make these rows.
int2 tiles_of(const conv1d_dims *d, const int2 rows, const int shift)
{
    const int all = d->m * d->dilation, first = (rows.x + d->shift) / d->phases;
    const int end = (rows.y + d->shift + d->phases - 1) / d->phases;

    if (rows.x >= rows.y)
        return (int2)(0, 0);
    return (int2)((first + shift) / all * d->dilation,
                  (end + shift + all - 1) / all * d->dilation);
}

// Whether an input row is valid; the others count as zeros, whatever lies there.
#define IS_ROW(row, len) ((row) >= 0 && (row) < (len))

#if KERNEL == 0 || KERNEL == 1
#define STREAMS 5 // of rows that are wanted soon
#define FETCHED 8 // channels of a product between two fetches
#define LINE 64   // bytes that memory gives at a time

// Rows of memory, fetched line by line while products leave it idle: more at a time would fill the
// queue of those that are under way, and wait.
typedef struct {
    global const char *at[STREAMS];
    int stride[STREAMS], rows[STREAMS], lines[STREAMS], write[STREAMS];
    global const char *line; // the next one
    int left;                // lines of its row
    int n, each;             // streams left; lines to fetch at a time
} ahead;

void want(ahead *f, global const void *at, const int stride, const int bytes, const int rows,
          const int write)
{
    const int lines = (bytes + LINE - 1) / LINE, whole = stride == lines * LINE;

    if (rows <= 0)
        return;
    f->at[f->n] = (global const char *)at;
    f->stride[f->n] = stride;
    f->rows[f->n] = whole ? 1 : rows; // rows that lie side by side are one
    f->lines[f->n] = whole ? rows * lines : lines;
    f->write[f->n++] = write;
}

// What the epilogue of n channels adds and writes in rows t, t + step, ..., as far as these are to
// be made. The residual is often in the cache, as the convolution's input.
void want_epilogue(ahead *f, const place *to, const int n, const int t, const int step,
                   const int rows, const int2 made, const int residual)
{
    const int skipped = t < made.x ? (made.x - t + step - 1) / step : 0;
    const int first = t + skipped * step;
    const int left = min(rows - skipped, (made.y - first + step - 1) / step);
    const int bytes = n * sizeof(Y_TYPE), size = step * sizeof(Y_TYPE);

    if (residual && to->has_residual)
        want(f, to->residual + first * to->of_residual, size * to->of_residual, bytes, left, 0);
    if (to->has_sum)
        want(f, to->sum + first * to->of_sum, size * to->of_sum, bytes, left, 0);
    if (to->has_act)
        want(f, to->a + first * to->of_a, size * to->of_a, bytes, left, 1);
    if (to->has_y)
        want(f, to->y + first * to->of_y, size * to->of_y, bytes, left, 1);
}

// Everything that is wanted, in so many times.
void spread(ahead *f, const int times)
{
    int lines = 0;
    for (int i = 0; i < f->n; i++)
        lines += f->rows[i] * f->lines[i];
    f->line = 0;
    f->left = 0;
    f->each = (lines + times - 1) / times;
}

// Floats from a tile's transformed inputs to the next: of many channels, often a power of two, they
// would all fall into the same few sets of the cache.
int pitch_of(const int channels)
{
    return channels > 64 ? channels + WIDTH : channels;
}

// v = B d for a vector of channels; those of the points are `next` floats apart.
#if POINTS > 8
void transform_tile(const vec *d, local float *v, const int next)
{
    vec e[7][OUTER];

    for (int k = 0; k < 7; k++) {
        vec u[OUTER];
        for (int o = 0; o < OUTER; o++)
            u[o] = d[4 * o + k];
        OUTER_INPUT(vec, u, e[k])
    }
    for (int o = 0; o < OUTER; o++) {
        vec u[7], out[7];
        for (int k = 0; k < 7; k++)
            u[k] = e[k][o];
        TOOM_INPUT_7(vec, u, out)
        for (int k = 0; k < 7; k++)
            STORE(local, out[k], 0, v + (7 * o + k) * next);
    }
}
#else
void transform_tile(const vec *d, local float *v, const int next)
{
    vec out[POINTS];

    TOOM_INPUT(vec, d, out)
#define TOOM_WRITE(k) STORE(local, out[k], 0, v + k * next);
    EACH_POINT(TOOM_WRITE)
}
#endif

// v = B x for all channels of the tiles, as [point][tile][pitch].
void transform(const conv1d_dims *dims, const int tile0, const int tiles, const int shift,
               const int len, const int pitch, global const X_TYPE *x, local float *v)
{
    const conv1d_dims d = *dims;
    const int step = d.dilation * d.x.ld, next = tiles * pitch;
    int residue = tile0 % d.dilation, row = tile_step(&d, tile0, shift) - d.pad;

    for (int tile = 0; tile < tiles; tile++, v += pitch) {
        const int inside = row >= 0 && row + (INPUTS - 1) * d.dilation < len;
        for (int i = 0; i < d.I; i += WIDTH) {
            const int c = min(i, d.I - WIDTH), from = row * d.x.ld + c; // the last may overlap
            vec in[INPUTS];
            if (inside) {
                for (int k = 0; k < INPUTS; k++)
                    in[k] = VALUES(GET_XS(WIDTH, x, from + k * step));
            } else {
                for (int k = 0; k < INPUTS; k++)
                    in[k] = IS_ROW(row + k * d.dilation, len)
                                ? VALUES(GET_XS(WIDTH, x, from + k * step))
                                : (vec)(0.0f);
            }
            transform_tile(in, v + c, next);
        }
        row++;
        if (++residue == d.dilation) {
            residue = 0;
            row += (d.m - 1) * d.dilation;
        }
    }
}

// s = sum over groups of taps and channels of v * w for ROWS tiles and one point; rows of v are
// `pitch` apart, groups of taps `tap`.
void multiply(local const float *v, const int pitch, const int groups, const int tap,
              const int channels, global const W_TYPE *w, local float *s, ahead *f)
{
#if LANES > WIDTH
#define DECLARE(r, p, i) vec a##r = (vec)(0.0f), b##r = (vec)(0.0f);
#define MULTIPLY(r, p, i)                                                                         \
    {                                                                                             \
        const vec e = (vec)(p[i * pitch]);                                                        \
        a##r = MAD(e, w0, a##r);                                                                  \
        b##r = MAD(e, w1, b##r);                                                                  \
    }
#define KEEP(r, p, i) STORE(local, a##r, 2 * r, s); STORE(local, b##r, 2 * r + 1, s);
#else
#define DECLARE(r, p, i) vec a##r = (vec)(0.0f);
#define MULTIPLY(r, p, i) a##r = MAD((vec)(p[i * pitch]), w0, a##r);
#define KEEP(r, p, i) STORE(local, a##r, r, s);
#endif
    EACH_ROW(DECLARE)
    for (int g = 0; g < groups; g++) {
        local const float *p0 = v + g * tap, *p1 = p0 + 3 * pitch;
#if ROWS == 12
        local const float *p2 = p1 + 3 * pitch, *p3 = p2 + 3 * pitch;
#endif
        for (int left = channels; left > 0; left -= FETCHED) {
            global const char *line = f->line;
            int lines = f->left;
            for (int i = 0; i < f->each; i++, lines--, line += LINE) {
                if (lines == 0) { // the next row, or the next stream
                    if (f->rows[f->n - 1] == 0 && --f->n == 0) {
                        f->each = 0;
                        break;
                    }
                    line = f->at[f->n - 1];
                    lines = f->lines[f->n - 1];
                    f->at[f->n - 1] += f->stride[f->n - 1];
                    f->rows[f->n - 1]--;
                }
                if (f->write[f->n - 1])
                    FETCH(line, 1);
                else
                    FETCH(line, 0);
            }
            f->line = line;
            f->left = lines;
            for (int c = min(left, FETCHED); c > 0; c--, w += LANES) {
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
    }
    EACH_ROW(KEEP)
}

// y = A s for a vector of lanes; sums of the points lie `next` floats apart.
#if POINTS > 8
void result(local const float *s, const int next, const int m, vec *y)
{
    vec z[7][4];

    for (int k = 0; k < 7; k++) {
        vec u[OUTER];
        for (int o = 0; o < OUTER; o++)
            u[o] = LOAD(0, s + (7 * o + k) * next);
        OUTER_OUTPUT(vec, u, z[k])
    }
    for (int o = 0; o < 4; o++) {
        vec u[7], out[4];
        for (int k = 0; k < 7; k++)
            u[k] = z[k][o];
        TOOM_OUTPUT_7_4(vec, u, out)
        for (int k = 0; k < 4; k++)
            y[4 * o + k] = out[k];
    }
}
#else
void result(local const float *s, const int next, const int m, vec *y)
{
    vec in[POINTS], out[OUTPUTS];

#define TOOM_SUM(k) in[k] = LOAD(0, s + k * next);
    EACH_POINT(TOOM_SUM)
    const vec last = in[POINTS - 1]; // infinity belongs to the last output
    in[POINTS - 1] = (vec)(0.0f);
    TOOM_OUTPUT(vec, in, out)
    for (int i = 0; i < OUTPUTS; i++)
        y[i] = i == m - 1 ? out[i] + last : out[i];
}
#endif

// Makes blocks of channels [block0, block1) of so many tiles from tile0 on.
void make_tiles(ARGUMENTS, const int b, const int2 made, const int shift, const int tile0,
                const int tiles, const int block0, const int block1, local float *scratch)
{
    const int from = valid_rows(run, d.from, d.B, b);
    const int whole = d.m * d.dilation, groups = (d.K + d.r - 1) / d.r, pitch = pitch_of(d.I);
    const int rows = (tiles + ROWS - 1) / ROWS * ROWS, all = rows + (groups - 1) * d.dilation;
    const int outputs = d.O / (1 + GATE), each = (outputs + MADE - 1) / MADE; // of a phase
    local float *sums = scratch + POINTS * all * pitch;

    x += at(d.x, b, 0, 0);
    transform(&d, tile0, all, shift, from, pitch, x, scratch);
    w += block0 * POINTS * groups * d.I * LANES;
    // Where the tiles are of all residue classes, they make neighbouring steps.
    const int first = tile0 / d.dilation * whole - shift;
    const int steps = ((tile0 + tiles - 1) / d.dilation + 1) * whole - shift - first;
    const int read = max(first + steps - d.pad + (groups - 1) * whole + (d.r - 1) * d.dilation,
                         0);
    for (int block = block0; block < block1; block++) {
        const int o = block % each * MADE, n = min(outputs - o, MADE);
        const int row0 = block / each - d.shift; // of step 0
        const place to = place_of(&d, b, o, n, bias, residual, sum, y, a);
        int residue = tile0 % d.dilation, step = tile_step(&d, tile0, shift);
        ahead f;

        f.n = 0;
        if (tiles >= d.dilation) {
            if (block == block1 - 1) // of the next work-item
                want(&f, x + read * d.x.ld, d.x.ld * sizeof(X_TYPE), d.I * sizeof(X_TYPE),
                     min(steps, from - read), 0);
            want_epilogue(&f, &to, n, first * d.phases + row0, d.phases, steps, made,
                          d.residual.off != d.x.off);
        }
        spread(&f, POINTS * (rows / ROWS) * groups * ((d.I + FETCHED - 1) / FETCHED));
        for (int k = 0; k < POINTS; k++, w += groups * d.I * LANES)
            for (int i = 0; i < rows; i += ROWS)
                multiply(scratch + (k * all + i) * pitch, pitch, groups, d.dilation * pitch, d.I,
                         w, sums + (k * rows + i) * LANES, &f);
        const int next = rows * LANES;
        for (int tile = 0; tile < tiles; tile++) {
            vec v[OUTPUTS];
#if GATE
            vec u[OUTPUTS];
            result(sums + tile * LANES, next, d.m, v);
            result(sums + tile * LANES + WIDTH, next, d.m, u);
            for (int i = 0, t = step * d.phases + row0; i < d.m; i++, t += d.dilation)
                if (t >= made.x && t < made.y)
                    finish_gate(&d, b, t, o, n, v[i], u[i], bias, a);
#else
            for (int l = 0; l < n; l += WIDTH) {
                const int c = n < WIDTH ? 0 : min(l, n - WIDTH); // the last vector may overlap
                int t = step * d.phases + row0;
                result(sums + tile * LANES + c, next, d.m, v);
                for (int i = 0; i < d.m; i++, t += d.dilation * d.phases) {
                    if (t < made.x || t >= made.y)
                        continue;
                    if (to.fits)
                        finish_vector(&to, t, c, v[i]);
                    else
                        finish_some(&d, b, t, o + c, n - c, v[i], bias, residual, sum, y, a);
                }
            }
#endif
            step++;
            if (++residue == d.dilation) {
                residue = 0;
                step += (d.m - 1) * d.dilation;
            }
        }
    }
}

// The tiles to be made are cut into pieces, alike long and of d.job tiles at most; where these
// would be few, into more, so that no compute unit waits long for the last. Their blocks of
// channels are shared among as many work-items as there are pieces, and at least d.shares.
kernel __attribute__((reqd_work_group_size(1, 1, 1))) void conv1d_toom(ARGUMENTS)
{
    local float scratch[SCRATCH];
    const int b = get_global_id(0), item = get_global_id(1), len = valid_rows(run, d.clock, d.B, b);
    const int shift = first_row(run, d.clock, d.B, b) / d.phases % (d.m * d.dilation);
    const int outputs = d.O / (1 + GATE), blocks = (outputs + MADE - 1) / MADE * d.phases;
    const int2 made = made_rows(&d, run, b, len), range = tiles_of(&d, made, shift);
    const int tiles = range.y - range.x, runs = (tiles + ROWS - 1) / ROWS;
    const int most = d.job / ROWS, some = max(min(runs, d.shares), min(runs / 2, 2 * d.shares));
    const int pieces = max((runs + most - 1) / most, some);
    const int items = min(max(pieces, d.shares), (int)get_global_size(1));
    const int2 own = share(item, get_global_size(1), items);
    const int last = share(own.y - 1, items, pieces * blocks).y;

    if (item == 0)
        zero_guards(&d, b, len, 0, outputs, 0, 1, y, a);
    if (own.x == own.y)
        return;
    for (int i = share(own.x, items, pieces * blocks).x, n; i < last; i += n) {
        const int block = i % blocks;
        const int2 piece = share(i / blocks, pieces, runs) * ROWS;
        n = min(last - i, blocks - block);
        make_tiles(d, run, x, w, bias, residual, sum, y, a, b, made, shift, range.x + piece.x,
                   min(piece.y, tiles) - piece.x, block, block + n, scratch);
    }
}
#endif

#if KERNEL == 0 || KERNEL == 2
// A work-item makes 4 channels of two tiles, all points of which it keeps in registers: one thing
// in local memory, or of the weights, is good for 16 products. I is a multiple of four.
#define ITEMS_C (LANES / 4)
#define ITEMS_T (GROUP / ITEMS_C)
#define TILES (2 * ITEMS_T)
#define PITCH (CHUNK + 4) // spreads the rows over the banks of local memory, keeps fours aligned
#define LOCAL 4096

// The outputs of channels o to o + 3 in one tile, of which row is the first.
void finish_tile(const conv1d_dims *d, const int b, const int row, const int2 made, const int o,
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
        if (i < d->m && t >= made.x && t < made.y)                                                \
            finish_some(d, b, t, o, n, i == d->m - 1 ? out[i] + last : out[i], bias, residual,    \
                        sum, y, a);                                                               \
    }
    TILE_FINISH(0) TILE_FINISH(1) TILE_FINISH(2) TILE_FINISH(3) TILE_FINISH(4)
}

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void conv1d_toom_tile(ARGUMENTS)
{
    local float staged[LOCAL] __attribute__((aligned(sizeof(float4))));
    const int b = get_group_id(2), len = valid_rows(run, d.clock, d.B, b);
    const int len_in = valid_rows(run, d.from, d.B, b);
    const int shift = first_row(run, d.clock, d.B, b) % (d.m * d.dilation);
    const int groups = (d.K + d.r - 1) / d.r, all = TILES + (groups - 1) * d.dilation;
    const int2 made = made_rows(&d, run, b, len), range = tiles_of(&d, made, shift);
    const int tile0 = range.x + get_group_id(0) * TILES;
    const int o = get_group_id(1) * LANES, n = min(d.O - o, LANES);
    const int item = get_local_id(0), item_c = item % ITEMS_C, item_t = item / ITEMS_C;
    const int next = groups * d.I * LANES; // from a point to the next

    if (get_group_id(0) == 0)
        zero_guards(&d, b, len, o, n, item, GROUP, y, a);
    if (tile0 >= range.y)
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
        const float4 u = *(local const float4 *)(p + k * PITCH);                                  \
        const float4 v = *(local const float4 *)(p + (ITEMS_T * POINTS + k) * PITCH);             \
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
    finish_tile(&d, b, tile_step(&d, tile0 + item_t, shift), made, o + item_c * 4, n - item_c * 4,
                s0, bias, residual, sum, y, a);
    finish_tile(&d, b, tile_step(&d, tile0 + item_t + ITEMS_T, shift), made, o + item_c * 4,
                n - item_c * 4, s1, bias, residual, sum, y, a);
}
#endif
