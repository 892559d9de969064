// spline.cl — y[b,t,c] = rational-quadratic spline of x[b,t,c] with the widths, heights and slopes
// in h[b,t,c], or its inverse; logdet[b,t] = sum over c of log |dy/dx|

#include "spline.h"

// A work-item makes a row.
kernel void spline(const spline_dims d, global const int *run, global const float *x,
                   global const float *h, global float *y, global float *logdet)
{
    const int row = get_global_id(0), b = get_global_id(1);
    const int len = valid_rows(run, d.clock, d.B, b);
    const int t = row - max(d.y.guard, d.logdet.guard);
    const bool valid = t >= 0 && t < len;
    float sum = 0.0f;

    if (row >= d.rows)
        return;
    if (valid || (t >= -d.y.guard && t < len + d.y.guard))
        for (int c = 0; c < d.C; c++) {
            spline_point p = { 0.0f, 0.0f };
            if (valid)
                p = spline_at(d, x[at(d.x, b, t, c)],
                              h + at(d.h, b, t, c * (3 * d.bins - 1)));
            y[at(d.y, b, t, c)] = p.y;
            sum += p.logdet;
        }
    if (d.has_logdet && t >= -d.logdet.guard && t < len + d.logdet.guard)
        logdet[at(d.logdet, b, t, 0)] = sum;
}
