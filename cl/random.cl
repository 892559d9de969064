// random.cl — y[b,t,c]: standard normal noise, a function of seed, stream, c and the row's place in
//             the whole alone

#include "random.h"

// A work-item makes two neighbouring channels of a row: one Philox block.
kernel void normal(const normal_dims d, global const int *run, global float *y)
{
    const int pair = get_global_id(0), row = get_global_id(1), b = get_global_id(2);
    const int t = row - d.y.guard, len = valid_rows(run, d.clock, d.B, b);
    const int c = 2 * pair;

    if (c >= d.C || row >= d.rows || t >= len + d.y.guard)
        return;
    normal_pair z = { 0.0f, 0.0f };
    if (t >= 0 && t < len)
        z = normal_at(run[d.slot * d.B + b], run[(d.slot + 1) * d.B + b], d.stream,
                      first_row(run, d.clock, d.B, b) + t, pair);
    y += at(d.y, b, t, c);
    y[0] = z.even;
    if (c + 1 < d.C)
        y[1] = z.odd;
}
