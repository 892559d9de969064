// attention.cl — y[b,i] = sum over j of p[i,j] * (v[b,j] + rel_v[j-i+window]), head by head, where
//                p[i,:] = softmax over valid j of q[b,i] * scale . (k[b,j] + rel_k[j-i+window])
//
// q, k, v, y (B,T,H*HEAD). The relative terms count where |j - i| <= window. Keys are taken block
// by block with a running softmax: when a block raises a row's largest score (top), what was summed
// so far is scaled down. Scores never leave the work-group.
//
// attention: 64 work-items share ROWS queries; for GPUs. attention_lanes: one work-item has 16
// queries in the lanes of its vectors; for CPU devices. Likewise softmax and softmax_lanes.

// Knobs, set by lib/op/attention.c. The defaults are legal on every device.
#ifndef KERNEL
#define KERNEL 0 // 1 to 4: build that one only, in the order above
#endif
#ifndef HEAD
#define HEAD 16 // channels of a head, at most 256
#endif

#define GROUP 64
#define ROWS 16  // queries of a work-group
#define KEYS 32  // keys of a block
#define CHUNK 32 // channels staged at a time
#define CHUNKS ((HEAD + CHUNK - 1) / CHUNK)
#define LOWEST (-3e38f)

// "unroll 4" below: left to themselves, compilers unroll a loop whole and keep so many operands
// waiting that registers spill.

// The first and last relative position between n queries from i on and m keys from j on.
int band_first(const attention_dims d, const int i, const int n, const int j)
{
    return max(j - (i + n - 1) + d.window, 0);
}

int band_last(const attention_dims d, const int i, const int j, const int m)
{
    return d.has_rel ? min(j + m - 1 - i + d.window, 2 * d.window) : -1;
}

// Zeros before and after the valid rows: HEAD channels from c on, by `of` work-items.
void attention_guard(const attention_dims d, global float *y, const int b, const int c,
                     const int len, const int item, const int of)
{
    for (int e = item; e < d.y.guard * HEAD; e += of) {
        const int g = e / HEAD, x = c + e % HEAD;
        y[at(d.y, b, -1 - g, x)] = 0.0f;
        y[at(d.y, b, len + g, x)] = 0.0f;
    }
}

#if KERNEL == 0 || KERNEL == 1
// A work-group's queries, and the block of keys that it looks at.
typedef struct {
    int b, c;     // item, and the first channel of the head
    int len;      // valid rows
    int i0;       // the first of ROWS queries
    int j0, keys; // the first key, and how many there are
    int m0, m1;   // the first and the last relative position between them
    int shift;    // query i has relative position m to key i + m + shift, counted from i0 and j0
} attention_block;

// Of the block's keys channels c0 .. c0 + CHUNK - 1 of the head, as [channel][key].
void stage_keys(const attention_dims *d, const attention_block block, global const float *k,
                const int c0, local float *staged)
{
#pragma unroll 4
    for (int e = get_local_id(0); e < CHUNK * KEYS; e += GROUP) {
        const int c = e % CHUNK, j = e / CHUNK;
        staged[c * (KEYS + 1) + j] =
            c0 + c < HEAD && j < block.keys
                ? k[at(d->k, block.b, block.j0 + j, block.c + c0 + c)] : 0.0f;
    }
}

// Of the queries, scaled, as [channel][query].
void stage_queries(const attention_dims *d, const attention_block block, global const float *q,
                   const int c0, local float *queries)
{
#pragma unroll 4
    for (int e = get_local_id(0); e < CHUNK * ROWS; e += GROUP) {
        const int c = e % CHUNK, i = e / CHUNK;
        queries[c * (ROWS + 1) + i] =
            c0 + c < HEAD && block.i0 + i < block.len
                ? q[at(d->q, block.b, block.i0 + i, block.c + c0 + c)] * d->scale : 0.0f;
    }
}

// Of the block's values, as [key][channel].
void stage_values(const attention_dims *d, const attention_block block, global const float *v,
                  const int c0, local float *staged)
{
#pragma unroll 4
    for (int e = get_local_id(0); e < CHUNK * KEYS; e += GROUP) {
        const int c = c0 + e % CHUNK, j = e / CHUNK;
        staged[e] =
            c < HEAD && j < block.keys ? v[at(d->v, block.b, block.j0 + j, block.c + c)] : 0.0f;
    }
}

// Scores: item (y,x) of 8 by 8 has queries 2y, 2y + 1 and keys x, x + 8, x + 16, x + 24; s has
// those of the first query, then the other's.
void add_scores(local const float *queries, local const float *keys, float *s)
{
    const int item = get_local_id(0), y = item / 8, x = item % 8;

#pragma unroll 4
    for (int c = 0; c < CHUNK; c++) {
        const float q0 = queries[c * (ROWS + 1) + 2 * y];
        const float q1 = queries[c * (ROWS + 1) + 2 * y + 1];
        for (int e = 0; e < 4; e++) {
            const float k = keys[c * (KEYS + 1) + x + 8 * e];
            s[e] = MAD(q0, k, s[e]);
            s[4 + e] = MAD(q1, k, s[4 + e]);
        }
    }
}

void share_scores(const float *s, local float *p)
{
    const int item = get_local_id(0), y = item / 8, x = item % 8;

    for (int e = 0; e < 4; e++) {
        p[2 * y * (KEYS + 1) + x + 8 * e] = s[e];
        p[(2 * y + 1) * (KEYS + 1) + x + 8 * e] = s[4 + e];
    }
}

// The relative terms: an item has a query and a relative position at a time.
void add_relative_scores(const attention_dims *d, const attention_block block,
                         global const float *q, global const float *rel_k, local float *p)
{
    for (int e = get_local_id(0); e < (block.m1 - block.m0 + 1) * ROWS; e += GROUP) {
        const int i = e % ROWS, m = block.m0 + e / ROWS, j = i + m + block.shift;
        if (j >= 0 && j < block.keys && block.i0 + i < block.len) {
            float sum = 0.0f;
#pragma unroll 4
            for (int c = 0; c < HEAD; c++)
                sum = MAD(q[at(d->q, block.b, block.i0 + i, block.c + c)] * d->scale,
                          rel_k[m * HEAD + c], sum);
            p[i * (KEYS + 1) + j] += sum;
        }
    }
}

// Softmax: four items share a query, and have a quarter of the keys each. The largest score of this
// item's, or top.
float own_top(const int keys, local const float *p, float top)
{
    const int item = get_local_id(0), row = item / 4, from = item % 4 * (KEYS / 4);

#pragma unroll 4
    for (int j = from; j < min(from + KEYS / 4, keys); j++)
        top = fmax(top, p[row * (KEYS + 1) + j]);
    return top;
}

// Scores become weights, where tops has what own_top() found; this item's are added to total.
// factor: by what the weights of the blocks before are scaled down.
void weigh(const int keys, local const float *tops, local float *p, local float *factor,
           float *top, float *total)
{
    const int item = get_local_id(0), row = item / 4, from = item % 4 * (KEYS / 4);
    float most = tops[4 * row];

    for (int e = 1; e < 4; e++)
        most = fmax(most, tops[4 * row + e]);
    const float down = exp(*top - most);
    *top = most;
    *total *= down;
    if (from == 0)
        factor[row] = down;
#pragma unroll 4
    for (int j = from; j < from + KEYS / 4; j++) {
        const float e = j < keys ? exp(p[row * (KEYS + 1) + j] - most) : 0.0f;
        p[row * (KEYS + 1) + j] = e;
        *total += e;
    }
}

// Sums: item (y,x) of 4 by 16 has queries 4y .. 4y + 3 and, of each chunk, channels x and x + 16;
// a has both of the first query, then of the next.
void add_values(local const float *p, local const float *values, float *a)
{
    const int item = get_local_id(0), y = item / 16, x = item % 16;

#pragma unroll 4
    for (int j = 0; j < KEYS; j++) {
        const float v0 = values[j * CHUNK + x], v1 = values[j * CHUNK + x + 16];
#pragma unroll
        for (int r = 0; r < 4; r++) {
            const float e = p[(4 * y + r) * (KEYS + 1) + j];
            a[2 * r] = MAD(e, v0, a[2 * r]);
            a[2 * r + 1] = MAD(e, v1, a[2 * r + 1]);
        }
    }
}

// The relative terms, c0 being the chunk's first channel.
void add_relative_values(const attention_block block, global const float *rel_v, const int c0,
                         local const float *p, float *a)
{
    const int item = get_local_id(0), y = item / 16, x = c0 + item % 16;

    for (int m = block.m0; m <= block.m1; m++) {
        const float v0 = x < HEAD ? rel_v[m * HEAD + x] : 0.0f;
        const float v1 = x + 16 < HEAD ? rel_v[m * HEAD + x + 16] : 0.0f;
#pragma unroll
        for (int r = 0; r < 4; r++) {
            const int j = 4 * y + r + m + block.shift;
            const float e = j >= 0 && j < block.keys ? p[(4 * y + r) * (KEYS + 1) + j] : 0.0f;
            a[2 * r] = MAD(e, v0, a[2 * r]);
            a[2 * r + 1] = MAD(e, v1, a[2 * r + 1]);
        }
    }
}

// The sums of all chunks, divided by those of the weights, which four items share.
void put_sums(const attention_dims *d, const attention_block block, local const float *totals,
              const float *out, global float *y)
{
    const int item = get_local_id(0), first = item / 16 * 4, x = item % 16;

#pragma unroll
    for (int r = 0; r < 4; r++) {
        local const float *t = totals + 4 * (first + r);
        const float all = t[0] + t[1] + t[2] + t[3];
        const int i = block.i0 + first + r;
        if (i < block.len) {
#pragma unroll
            for (int chunk = 0; chunk < CHUNKS; chunk++) {
                const int c = chunk * CHUNK + x;
                if (c < HEAD)
                    y[at(d->y, block.b, i, block.c + c)] = out[chunk * 8 + 2 * r] / all;
                if (c + 16 < HEAD)
                    y[at(d->y, block.b, i, block.c + c + 16)] = out[chunk * 8 + 2 * r + 1] / all;
            }
        }
    }
}

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void attention(const attention_dims d, global const int *run, global const float *restrict q,
               global const float *restrict k, global const float *restrict v,
               global const float *restrict rel_k, global const float *restrict rel_v,
               global float *restrict y)
{
    local float staged[CHUNK * (KEYS + 1)]; // keys, then values
    local float queries[CHUNK * (ROWS + 1)];
    local float p[ROWS * (KEYS + 1)]; // scores, then weights
    local float part[GROUP], factor[ROWS];
    const int item = get_local_id(0), h = get_global_id(1) * HEAD, b = get_global_id(2);
    const int len = valid_rows(run, d.clock, d.B, b), i0 = (int)get_group_id(0) * ROWS;
    const int end = i0 < len ? len : 0; // no way out before a barrier: not every compiler bears it
    attention_block block = { b, h, len, i0, 0, 0, 0, 0, 0 };
    float top = LOWEST, total = 0.0f;
    float out[CHUNKS * 8];

    if (i0 == 0)
        attention_guard(d, y, b, h, len, item, GROUP);
    for (int e = 0; e < CHUNKS * 8; e++)
        out[e] = 0.0f;

    for (int j0 = 0; j0 < end; j0 += KEYS) {
        float s[8] = { 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f };

        block.j0 = j0;
        block.keys = min(len - j0, KEYS);
        block.m0 = band_first(d, i0, ROWS, j0);
        block.m1 = band_last(d, i0, j0, block.keys);
        block.shift = i0 - d.window - j0;
        for (int c0 = 0; c0 < HEAD; c0 += CHUNK) {
            barrier(CLK_LOCAL_MEM_FENCE);
            stage_keys(&d, block, k, c0, staged);
            stage_queries(&d, block, q, c0, queries);
            barrier(CLK_LOCAL_MEM_FENCE);
            add_scores(queries, staged, s);
        }
        share_scores(s, p);
        barrier(CLK_LOCAL_MEM_FENCE);
        add_relative_scores(&d, block, q, rel_k, p);
        barrier(CLK_LOCAL_MEM_FENCE);
        part[item] = own_top(block.keys, p, top);
        barrier(CLK_LOCAL_MEM_FENCE);
        weigh(block.keys, part, p, factor, &top, &total);
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int chunk = 0; chunk < CHUNKS; chunk++) {
            float a[8];

            stage_values(&d, block, v, chunk * CHUNK, staged);
            barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
            for (int e = 0; e < 8; e++)
                a[e] = out[chunk * 8 + e] * factor[item / 16 * 4 + e / 2];
            add_values(p, staged, a);
            add_relative_values(block, rel_v, chunk * CHUNK, p, a);
#pragma unroll
            for (int e = 0; e < 8; e++)
                out[chunk * 8 + e] = a[e];
            barrier(CLK_LOCAL_MEM_FENCE);
        }
    }
    part[item] = total;
    barrier(CLK_LOCAL_MEM_FENCE);
    put_sums(&d, block, part, out, y);
}

#endif

#if KERNEL == 0 || KERNEL == 2
#define LANES_KEYS 60 // keys of a block: whole tiles

// The last tile makes more than is used.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void attention_lanes(const attention_dims d, global const int *run, global const float *restrict q,
                     global const float *restrict k, global const float *restrict v,
                     global const float *restrict rel_k, global const float *restrict rel_v,
                     global float *restrict y)
{
    float16 queries[HEAD], out[HEAD + TILE_ROWS], p[LANES_KEYS], band[LANES_KEYS + 16 + TILE_ROWS];
    const int h = get_global_id(1) * HEAD, b = get_global_id(2);
    const int len = valid_rows(run, d.clock, d.B, b);
    const int2 own = share(get_global_id(0), get_global_size(0), (len + 15) / 16);
    const int i0 = own.x * 16;
    float *lane = (float *)queries;
    float16 top = (float16)(LOWEST), total = (float16)(0.0f);

    if (get_global_id(0) == 0)
        attention_guard(d, y, b, h, len, 0, 1);
    if (own.x == own.y)
        return;
    for (int i = 0; i < 16; i++)
        for (int c = 0; c < HEAD; c++)
            lane[16 * c + i] = i0 + i < len ? q[at(d.q, b, i0 + i, h + c)] * d.scale : 0.0f;
    for (int c = 0; c < HEAD + TILE_ROWS; c++)
        out[c] = (float16)(0.0f);

    for (int j0 = 0; j0 < len; j0 += LANES_KEYS) {
        const int keys = min(len - j0, LANES_KEYS);
        const int m0 = band_first(d, i0, 16, j0), m1 = band_last(d, i0, j0, keys);
        const float16 before = top;

        for (int j = 0; j < LANES_KEYS; j++)
            p[j] = (float16)(0.0f);
        for (int j = 0; j < keys; j += TILE_ROWS)
            lanes_tile(p + j, keys - j, HEAD, queries, k + at(d.k, b, j0 + j, h), 1, d.k.ld);
        for (int m = 0; m <= m1 - m0; m++)
            band[m] = (float16)(0.0f);
        for (int m = m0; m <= m1; m += TILE_ROWS) {
            for (int e = 0; e < TILE_ROWS; e++)
                band[m - m0 + e] = (float16)(0.0f);
            lanes_tile(band + (m - m0), m1 - m + 1, HEAD, queries, rel_k + m * HEAD, 1, HEAD);
        }
        for (int m = m0; m <= m1; m++) {
            const int shift = i0 + m - d.window - j0;
            for (int i = max(-shift, 0); i < min(keys - shift, 16); i++)
                ((float *)p)[16 * (shift + i) + i] += ((float *)band)[16 * (m - m0) + i];
        }

        for (int j = 0; j < keys; j++)
            top = fmax(top, p[j]);
        const float16 factor = exp(before - top);
        total *= factor;
        for (int j = 0; j < keys; j++) {
            p[j] = exp(p[j] - top);
            total += p[j];
        }
        for (int c = 0; c < HEAD && j0 > 0; c++)
            out[c] *= factor;

        for (int m = m0; m <= m1; m++) {
            const int shift = i0 + m - d.window - j0;
            band[m - m0] = (float16)(0.0f);
            for (int i = max(-shift, 0); i < min(keys - shift, 16); i++)
                ((float *)band)[16 * (m - m0) + i] = ((float *)p)[16 * (shift + i) + i];
        }
        for (int c = 0; c < HEAD; c += TILE_ROWS)
            lanes_tile(out + c, HEAD - c, keys, p, v + at(d.v, b, j0, h + c), d.v.ld, 1);
        for (int c = 0; c < HEAD && m0 <= m1; c += TILE_ROWS)
            lanes_tile(out + c, HEAD - c, m1 - m0 + 1, band, rel_v + m0 * HEAD + c, HEAD, 1);
    }

    for (int c = 0; c < HEAD; c++)
        out[c] /= total;
    lane = (float *)out;
    for (int i = 0; i < min(len - i0, 16); i++)
        for (int c = 0; c < HEAD; c++)
            y[at(d.y, b, i0 + i, h + c)] = lane[16 * c + i];
}

#endif

void softmax_guard(const softmax_dims d, global float *y, const int b, const int len,
                   const int item, const int of)
{
    for (int e = item; e < d.y.guard * d.C; e += of) {
        const int g = e / d.C, c = e % d.C;
        y[at(d.y, b, -1 - g, c)] = 0.0f;
        y[at(d.y, b, len + g, c)] = 0.0f;
    }
}

#if KERNEL == 0 || KERNEL == 3
// A work-group per row.
kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void softmax(const softmax_dims d, global const int *run, global const float *restrict x,
             global float *restrict y)
{
    local float part[GROUP];
    const int item = get_local_id(0), t = get_group_id(0), b = get_global_id(1);
    const int len = valid_rows(run, d.clock, d.B, b), n = t < len ? min(len, d.C) : 0;
    float top = LOWEST, total = 0.0f;

    if (t == 0)
        softmax_guard(d, y, b, len, item, GROUP);
    x += at(d.x, b, t, 0);
    y += at(d.y, b, t, 0);
    for (int c = item; c < n; c += GROUP)
        top = fmax(top, x[c]);
    part[item] = top;
    for (int step = GROUP / 2; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < step)
            part[item] = fmax(part[item], part[item + step]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    top = part[0];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int c = item; c < n; c += GROUP)
        total += exp(x[c] - top);
    part[item] = total;
    for (int step = GROUP / 2; step > 0; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < step)
            part[item] += part[item + step];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    total = part[0];
    for (int c = item; c < d.C && t < len; c += GROUP)
        y[c] = c < n ? exp(x[c] - top) / total : 0.0f;
}

#endif

#if KERNEL == 0 || KERNEL == 4
// A work-item per row.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void softmax_lanes(const softmax_dims d, global const int *run, global const float *restrict x,
                   global float *restrict y)
{
    const int t = get_global_id(0), b = get_global_id(1);
    const int len = valid_rows(run, d.clock, d.B, b), n = min(len, d.C), whole = n / 16 * 16;
    float16 tops = (float16)(LOWEST), sums = (float16)(0.0f);
    float top = LOWEST, total = 0.0f;

    if (t == 0)
        softmax_guard(d, y, b, len, 0, 1);
    if (t >= len)
        return;
    x += at(d.x, b, t, 0);
    y += at(d.y, b, t, 0);
    for (int c = 0; c < whole; c += 16)
        tops = fmax(tops, vload16(0, x + c));
    for (int c = whole; c < n; c++)
        top = fmax(top, x[c]);
    top = fmax(top, lanes_max(tops));
    for (int c = 0; c < whole; c += 16) {
        const float16 e = exp(vload16(0, x + c) - top);
        vstore16(e, 0, y + c);
        sums += e;
    }
    for (int c = whole; c < n; c++) {
        y[c] = exp(x[c] - top);
        total += y[c];
    }
    total += lanes_sum(sums);
    for (int c = 0; c < whole; c += 16)
        vstore16(vload16(0, y + c) / total, 0, y + c);
    for (int c = whole; c < n; c++)
        y[c] /= total;
    for (int c = n; c < d.C; c++)
        y[c] = 0.0f;
}
#endif
