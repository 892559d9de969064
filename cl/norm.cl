// norm.cl — y[b,t,:] = (v - mean(v)) / sqrt(var(v) + eps) * gamma + beta with v = x + residual, and
// its GELU where asked for
//
// A row is summed in LANES parts, part l taking channels l, l + LANES, ...; the parts are then
// added pairwise. The moments are taken about a first estimate of the mean and corrected for it,
// so that an offset much larger than the spread costs no digits.

// Knobs, set from lib/op/norm.c.
#ifndef ROWS
#define ROWS 0 // rows of a work-group of ROWS x LANES work-items; 0: a work-item takes a whole row
#endif

#define LANES 16

#if ROWS

DEFINE_GELU(gelu, float)
DEFINE_ROW_SUM(LANES)

kernel __attribute__((reqd_work_group_size(LANES, ROWS, 1)))
void layer_norm(const norm_dims d, global const int *run, global const float *restrict x,
                global const float *restrict gamma, global const float *restrict beta,
                global const float *restrict residual, global float *restrict y)
{
    local float parts[ROWS][LANES];
    local float *part = parts[get_local_id(1)];
    const int lane = get_local_id(0), b = get_global_id(2);
    const int t = (int)get_global_id(1) - d.y.guard;
    const int len = valid_rows(run, d.clock, d.B, b);
    const int valid = t >= 0 && t < len, C = valid ? d.C : 0;

    x += at(d.x, b, t, 0);
    residual += at(d.residual, b, t, 0);
    y += at(d.y, b, t, 0);

    float sum = 0.0f, s1 = 0.0f, s2 = 0.0f;
    for (int c = lane; c < C; c += LANES)
        sum += d.has_residual ? x[c] + residual[c] : x[c];
    const float guess = row_sum(part, lane, sum) / d.C;
    for (int c = lane; c < C; c += LANES) {
        const float v = (d.has_residual ? x[c] + residual[c] : x[c]) - guess;
        s1 += v;
        s2 = MAD(v, v, s2);
    }
    const float shift = row_sum(part, lane, s1) / d.C;
    const float var = row_sum(part, lane, s2) / d.C - shift * shift;
    const float scale = 1.0f / sqrt(fmax(var, 0.0f) + d.eps);
    for (int c = lane; c < C; c += LANES) {
        const float v = (d.has_residual ? x[c] + residual[c] : x[c]) - guess;
        const float w = (v - shift) * scale * gamma[c] + beta[c];
        y[c] = d.gelu ? gelu(w) : w;
    }
    if (!valid && t < len + d.y.guard)
        for (int c = lane; c < d.C; c += LANES)
            y[c] = 0.0f;
}

#else

DEFINE_GELU(gelu, float16)

// The n channels from p on (and q, where there is a residual), v elsewhere.
float16 load_lanes(global const float *p, global const float *q, const int has_q, const int n,
                   const float rest)
{
    if (n >= LANES)
        return has_q ? vload16(0, p) + vload16(0, q) : vload16(0, p);
    float e[LANES];
    for (int i = 0; i < LANES; i++)
        e[i] = i >= n ? rest : has_q ? p[i] + q[i] : p[i];
    return vload16(0, e);
}

kernel void layer_norm(const norm_dims d, global const int *run, global const float *restrict x,
                       global const float *restrict gamma, global const float *restrict beta,
                       global const float *restrict residual, global float *restrict y)
{
    const int b = get_global_id(2), t = (int)get_global_id(1) - d.y.guard;
    const int len = valid_rows(run, d.clock, d.B, b);

    if (t >= len + d.y.guard)
        return;
    x += at(d.x, b, t, 0);
    residual += at(d.residual, b, t, 0);
    y += at(d.y, b, t, 0);
    if (t < 0 || t >= len) {
        for (int c = 0; c < d.C; c++)
            y[c] = 0.0f;
        return;
    }

    float16 sum = (float16)(0.0f), s1 = sum, s2 = sum;
    for (int c = 0; c < d.C; c += LANES)
        sum += load_lanes(x + c, residual + c, d.has_residual, d.C - c, 0.0f);
    const float guess = lanes_sum(sum) / d.C;
    for (int c = 0; c < d.C; c += LANES) {
        const float16 v = load_lanes(x + c, residual + c, d.has_residual, d.C - c, guess) - guess;
        s1 += v;
        s2 = MAD(v, v, s2);
    }
    const float shift = lanes_sum(s1) / d.C;
    const float var = lanes_sum(s2) / d.C - shift * shift;
    const float scale = 1.0f / sqrt(fmax(var, 0.0f) + d.eps);
    for (int c = 0; c < d.C; c += LANES) {
        const int n = d.C - c;
        const float16 v = load_lanes(x + c, residual + c, d.has_residual, n, guess) - guess;
        float16 w = (v - shift) * scale * load_lanes(gamma + c, gamma, 0, n, 0.0f) +
                    load_lanes(beta + c, beta, 0, n, 0.0f);
        if (d.gelu)
            w = gelu(w);
        if (n >= LANES) {
            vstore16(w, 0, y + c);
        } else {
            float e[LANES];
            vstore16(w, 0, e);
            for (int i = 0; i < n; i++)
                y[c + i] = e[i];
        }
    }
}

#endif
