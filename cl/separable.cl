// separable.cl — y = x + gelu(norm(W gelu(norm(depthwise(x))))): one layer of a stack of dilated
// depth-separable convolutions; norm is a layer norm over channels
//
// depthwise(x)[t,c] = bias[c] + sum over k of w[k,c] * x[t + (k - K/2) * dilation, c], rows of x
// outside the valid ones being zeros. Norms are summed as in norm.cl: a row in parts, part l taking
// channels l, l + n, ..., and its moments about a first estimate of the mean.

// Knobs, set from lib/op/separable.c.
#ifndef GROUP
#define GROUP 0 // work-items of a work-group that shares its rows; 0: a work-item has its own
#endif

// The numbers of a row that work-items keep, of which d.padded are used.
#define MOST SEPARABLE_MAX_CHANNELS

// By `items` work-items of which this is one.
void zero_guards(const separable_dims d, const int b, const int len, const int item,
                 const int items, global float *y)
{
    for (int g = 0; g < d.y.guard; g++)
        for (int c = item; c < d.C; c += items) {
            y[at(d.y, b, -1 - g, c)] = 0.0f;
            y[at(d.y, b, len + g, c)] = 0.0f;
        }
}

#if GROUP

#define ROWS 4
#define LANES (GROUP / ROWS)

DEFINE_GELU(gelu, float)
DEFINE_ROW_SUM(LANES)

// The row's n channels normalised, and their GELU; those of this work-item have been written by
// itself or before a barrier. Without channels, nothing happens to the row.
void normalise(local float *row, local float *part, const int lane, const int n,
               global const float *gamma, global const float *beta, const float eps)
{
    float sum = 0.0f, s1 = 0.0f, s2 = 0.0f;

    for (int c = lane; c < n; c += LANES)
        sum += row[c];
    const float guess = row_sum(part, lane, sum) / n;
    for (int c = lane; c < n; c += LANES) {
        const float v = row[c] - guess;
        s1 += v;
        s2 = MAD(v, v, s2);
    }
    const float shift = row_sum(part, lane, s1) / n;
    const float var = row_sum(part, lane, s2) / n - shift * shift;
    const float scale = 1.0f / sqrt(fmax(var, 0.0f) + eps);
    for (int c = lane; c < n; c += LANES)
        row[c] = gelu((row[c] - guess - shift) * scale * gamma[c] + beta[c]);
}

#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3)

kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void separable(const separable_dims d, global const int *run, global const float *restrict x,
               global const float *restrict depthwise, global const float *restrict w,
               global const float *restrict rows, global float *restrict y)
{
    local float from[ROWS * MOST], to[ROWS * MOST];
    local float parts[GROUP];
    const int item = get_local_id(0), lane = item % LANES, row = (item - lane) / LANES;
    const int b = get_group_id(1), t = (int)get_group_id(0) * ROWS + row;
    const int len = valid_rows(run, d.clock, d.B, b), C = t < len ? d.C : 0;
    const int padded = d.padded;
    local float *part = parts + row * LANES;

    if (get_group_id(0) == 0)
        zero_guards(d, b, len, item, GROUP, y);
    x += at(d.x, b, t, 0);
    for (int c = lane; c < padded; c += LANES) {
        float v = 0.0f;
        if (c < C) {
            v = rows[c];
            for (int k = 0; k < d.K; k++)
                v = MAD(depthwise[k * padded + c], x[(k - d.K / 2) * d.dilation * d.x.ld + c], v);
        }
        from[row * MOST + c] = v;
    }
    normalise(from + row * MOST, part, lane, C, rows + padded, rows + 2 * padded, d.eps);
    barrier(CLK_LOCAL_MEM_FENCE);

    const int used = (int)get_group_id(0) * ROWS < len ? padded : 0;
    for (int o = item * 4; o < used; o += GROUP * 4) {
        float4 a0 = vload4(0, rows + 3 * padded + o), a1 = a0, a2 = a0, a3 = a0;
        for (int c = 0; c < padded; c += 4) {
            const float4 w0 = vload4(0, w + c * padded + o);
            const float4 w1 = vload4(0, w + (c + 1) * padded + o);
            const float4 w2 = vload4(0, w + (c + 2) * padded + o);
            const float4 w3 = vload4(0, w + (c + 3) * padded + o);
#define MULTIPLY(r)                                                                               \
            {                                                                                     \
                const float4 e = vload4(0, from + r * MOST + c);                                  \
                a##r = MAD((float4)(e.s0), w0, a##r);                                             \
                a##r = MAD((float4)(e.s1), w1, a##r);                                             \
                a##r = MAD((float4)(e.s2), w2, a##r);                                             \
                a##r = MAD((float4)(e.s3), w3, a##r);                                             \
            }
            EACH_ROW(MULTIPLY)
        }
#define KEEP(r) vstore4(a##r, 0, to + r * MOST + o);
        EACH_ROW(KEEP)
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    normalise(to + row * MOST, part, lane, C, rows + 4 * padded, rows + 5 * padded, d.eps);
    y += at(d.y, b, t, 0);
    for (int c = lane; c < C; c += LANES)
        y[c] = x[c] + to[row * MOST + c];
}

#else

#if WIDTH == 16
#define ROWS 12
#define EACH_ROW(DO)                                                                              \
    DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#else
#define ROWS 6
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#endif
#define LOAD PASTE(vload, WIDTH)
#define STORE PASTE(vstore, WIDTH)

DEFINE_GELU(gelu, vec)

float total(const vec v)
{
    float e[WIDTH];
    STORE(v, 0, e);
    for (int some = WIDTH / 2; some > 0; some /= 2)
        for (int i = 0; i < some; i++)
            e[i] += e[i + some];
    return e[0];
}

// The first n of the padded channels normalised, and their GELU; gamma and beta have zeros after.
void normalise(float *row, const int n, const int padded, global const float *gamma,
               global const float *beta, const float eps)
{
    vec sum = (vec)(0.0f), s1 = sum, s2 = sum;

    for (int c = n; c < padded; c++)
        row[c] = 0.0f;
    for (int c = 0; c < padded; c += WIDTH)
        sum += LOAD(0, row + c);
    const float guess = total(sum) / n;
    for (int c = n; c < padded; c++)
        row[c] = guess;
    for (int c = 0; c < padded; c += WIDTH) {
        const vec v = LOAD(0, row + c) - guess;
        s1 += v;
        s2 = MAD(v, v, s2);
    }
    const float shift = total(s1) / n;
    const float var = total(s2) / n - shift * shift;
    const float scale = 1.0f / sqrt(fmax(var, 0.0f) + eps);
    for (int c = 0; c < padded; c += WIDTH)
        STORE(gelu((LOAD(0, row + c) - guess - shift) * scale * LOAD(0, gamma + c) +
                   LOAD(0, beta + c)),
              0, row + c);
}

kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void separable(const separable_dims d, global const int *run, global const float *restrict x,
               global const float *restrict depthwise, global const float *restrict w,
               global const float *restrict rows, global float *restrict y)
{
    float from[ROWS * MOST], to[ROWS * MOST];
    const int b = get_global_id(1), len = valid_rows(run, d.clock, d.B, b), padded = d.padded;
    const int2 own = share(get_global_id(0), get_global_size(0), (len + ROWS - 1) / ROWS);
    const int first = own.x * ROWS, n = own.x < own.y ? min(len - first, ROWS) : 0;

    if (get_global_id(0) == 0)
        zero_guards(d, b, len, 0, 1, y);
    if (n <= 0)
        return;
    x += at(d.x, b, first, 0);
    y += at(d.y, b, first, 0);
    for (int r = 0; r < ROWS; r++) {
        float *row = from + r * MOST;
        global const float *p = x + (r * d.x.ld - d.K / 2 * d.dilation * d.x.ld);
        for (int c = 0; c < padded; c += WIDTH) {
            vec v = LOAD(0, rows + c);
            for (int k = 0; k < d.K && r < n && c < d.C; k++)
                v = MAD(LOAD(0, depthwise + k * padded + c),
                        load_vec(p + k * d.dilation * d.x.ld + c, d.C - c), v);
            STORE(v, 0, row + c);
        }
        if (r < n)
            normalise(row, d.C, padded, rows + padded, rows + 2 * padded, d.eps);
    }
    for (int o = 0; o < padded; o += 2 * WIDTH) {
        const vec bias0 = LOAD(0, rows + 3 * padded + o), bias1 = LOAD(1, rows + 3 * padded + o);
        global const float *q = w + o * padded;
#define DECLARE(r) vec a##r = bias0, b##r = bias1;
        EACH_ROW(DECLARE)
        for (int c = 0; c < d.C; c++, q += 2 * WIDTH) {
            const vec w0 = LOAD(0, q), w1 = LOAD(1, q);
#define MULTIPLY(r)                                                                               \
            {                                                                                     \
                const vec e = (vec)(from[r * MOST + c]);                                          \
                a##r = MAD(e, w0, a##r);                                                          \
                b##r = MAD(e, w1, b##r);                                                          \
            }
            EACH_ROW(MULTIPLY)
        }
#define KEEP(r) STORE(a##r, 0, to + r * MOST + o); STORE(b##r, 1, to + r * MOST + o);
        EACH_ROW(KEEP)
    }
    for (int r = 0; r < n; r++) {
        normalise(to + r * MOST, d.C, padded, rows + 4 * padded, rows + 5 * padded, d.eps);
        for (int c = 0; c < d.C; c += WIDTH)
            store_vec(y + r * d.y.ld + c,
                      load_vec(x + r * d.x.ld + c, d.C - c) + LOAD(0, to + r * MOST + c),
                      d.C - c);
    }
}

#endif
