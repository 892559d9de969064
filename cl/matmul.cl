// matmul.cl — y[b,m,n] = scale * sum over k of a[b,m,k] * b[b,k,n]
//
// Either operand is read through strides, so a transposed one costs nothing but its order in
// memory. y (B,M,N): the channels past the valid n become zeros.
//
// matmul: 64 work-items share tiles in local memory; for GPUs. matmul_lanes: one work-item has 16
// columns in the lanes of its vectors; for CPU devices.

// Knobs, set by lib/op/matmul.c. The defaults are legal on every device.
#ifndef KERNEL
#define KERNEL 0    // 1 or 2: build that one only, in the order above
#endif
#ifndef JOB_TILES
#define JOB_TILES 8 // tiles of 12 rows that a work-item of matmul_lanes makes
#endif

#define GROUP 64
#define ROWS 32  // of y, per work-group
#define COLS 64
#define DEPTH 16 // of the tiles that are staged
#define PANEL 128

int valid_or(global const int *run, const int slot, const int B, const int b, const int all)
{
    return slot < 0 ? all : min(valid_rows(run, slot, B, b), all);
}

// Zeros before and after the valid rows, in columns n0 to n1 - 1.
void matmul_guard(const matmul_dims d, global float *y, const int b, const int rows, const int n0,
                  const int n1, const int item, const int of)
{
    for (int g = 0; g < d.y.guard; g++)
        for (int n = n0 + item; n < n1; n += of) {
            y[at(d.y, b, -1 - g, n)] = 0.0f;
            y[at(d.y, b, rows + g, n)] = 0.0f;
        }
}

#if KERNEL == 0 || KERNEL == 1
// Item (y,x) of 8 by 8 has rows 4y .. 4y + 3 and columns x, x + 8, .. x + 56.
kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void matmul(const matmul_dims d, global const int *run, global const float *restrict a,
            global const float *restrict w, global float *restrict y)
{
    local float as[DEPTH * (ROWS + 1)], bs[DEPTH * (COLS + 1)];
    const int item = get_local_id(0), b = get_global_id(2);
    const int m0 = (int)get_group_id(0) * ROWS, n0 = (int)get_global_id(1) * COLS;
    const int rows = valid_or(run, d.m_clock, d.B, b, d.M);
    const int cols = valid_or(run, d.n_clock, d.B, b, d.N);
    const int depth = m0 < rows ? valid_or(run, d.k_clock, d.B, b, d.K) : 0;
    const int iy = item / 8 * 4, ix = item % 8;
    float acc[4][8];

    if (m0 == 0)
        matmul_guard(d, y, b, rows, n0, min(n0 + COLS, d.N), item, GROUP);
    a += d.a.off + b * d.a.bs;
    w += d.b.off + b * d.b.bs;
#pragma unroll
    for (int r = 0; r < 4; r++)
#pragma unroll
        for (int c = 0; c < 8; c++)
            acc[r][c] = 0.0f;

    for (int k0 = 0; k0 < depth; k0 += DEPTH) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int e = item; e < DEPTH * ROWS; e += GROUP) { // neighbours in memory to neighbours
            const int k = d.ak == 1 ? e % DEPTH : e / ROWS;
            const int m = d.ak == 1 ? e / DEPTH : e % ROWS;
            as[k * (ROWS + 1) + m] =
                k0 + k < depth && m0 + m < rows ? a[(m0 + m) * d.am + (k0 + k) * d.ak] : 0.0f;
        }
        for (int e = item; e < DEPTH * COLS; e += GROUP) {
            const int k = d.bk == 1 ? e % DEPTH : e / COLS;
            const int n = d.bk == 1 ? e / DEPTH : e % COLS;
            bs[k * (COLS + 1) + n] =
                k0 + k < depth && n0 + n < cols ? w[(k0 + k) * d.bk + (n0 + n) * d.bn] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < DEPTH; k++) {
            float x[8];
#pragma unroll
            for (int c = 0; c < 8; c++)
                x[c] = bs[k * (COLS + 1) + ix + 8 * c];
#pragma unroll
            for (int r = 0; r < 4; r++) {
                const float e = as[k * (ROWS + 1) + iy + r];
#pragma unroll
                for (int c = 0; c < 8; c++)
                    acc[r][c] = MAD(e, x[c], acc[r][c]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < 4; r++)
#pragma unroll
        for (int c = 0; c < 8; c++) {
            const int m = m0 + iy + r, n = n0 + ix + 8 * c;
            if (m < rows && n < d.N)
                y[at(d.y, b, m, n)] = n < cols ? acc[r][c] * d.scale : 0.0f;
        }
}

#endif

#if KERNEL == 0 || KERNEL == 2
// A panel of b is brought into vectors once for all rows of the work-item; between panels, y holds
// the sums so far.
kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void matmul_lanes(const matmul_dims d, global const int *run, global const float *restrict a,
                  global const float *restrict w, global float *restrict y)
{
    float16 panel[PANEL], acc[TILE_ROWS];
    float *lane = (float *)acc;
    const int n0 = (int)get_global_id(1) * 16, b = get_global_id(2);
    const int first = (int)get_global_id(0) * JOB_TILES * TILE_ROWS, wide = min(d.N - n0, 16);
    const int rows = valid_or(run, d.m_clock, d.B, b, d.M);
    const int cols = clamp(valid_or(run, d.n_clock, d.B, b, d.N) - n0, 0, 16);
    const int depth = valid_or(run, d.k_clock, d.B, b, d.K);
    const int end = min(first + JOB_TILES * TILE_ROWS, rows);

    if (first == 0)
        matmul_guard(d, y, b, rows, n0, n0 + wide, 0, 1);
    a += d.a.off + b * d.a.bs;
    w += d.b.off + b * d.b.bs + n0 * d.bn;
    for (int k0 = 0; k0 == 0 || k0 < depth; k0 += PANEL) {
        const int n = min(depth - k0, PANEL);
        for (int k = 0; k < n; k++) {
            if (d.bn == 1 && cols == 16) {
                panel[k] = vload16(0, w + (k0 + k) * d.bk);
            } else {
                for (int e = 0; e < 16; e++)
                    ((float *)panel)[16 * k + e] =
                        e < cols ? w[(k0 + k) * d.bk + e * d.bn] : 0.0f;
            }
        }
        for (int m = first; m < end; m += TILE_ROWS) {
            const int some = min(end - m, TILE_ROWS);
            for (int r = 0; r < TILE_ROWS; r++)
                acc[r] = (float16)(0.0f);
            if (k0 > 0)
                for (int r = 0; r < some; r++)
                    for (int e = 0; e < wide; e++)
                        lane[16 * r + e] = y[at(d.y, b, m + r, n0 + e)];
            lanes_tile(acc, some, n, panel, a + m * d.am + k0 * d.ak, d.ak, d.am);
            const float scale = k0 + PANEL < depth ? 1.0f : d.scale;
            for (int r = 0; r < some; r++)
                if (cols == 16)
                    vstore16(acc[r] * scale, 0, y + at(d.y, b, m + r, n0));
                else
                    for (int e = 0; e < wide; e++)
                        y[at(d.y, b, m + r, n0 + e)] =
                            e < cols ? lane[16 * r + e] * scale : 0.0f;
        }
    }
}
#endif
