// segment.cl — slice_rows: y[b,t,:] = x[b, start + t, :], zeros where x has no such row
//              fold: y[b,t,:] = x[b,t,:], mirrored at the last row where t goes on after it

kernel void segment(const segment_dims d, global const int *run, global const float *restrict x,
                    global float *restrict y)
{
    const int b = get_global_id(1), len = valid_rows(run, d.clock, d.B, b);
    const int rows = valid_rows(run, d.from, d.B, b);
    const row_place r = row_of(d.C, len, d.y.guard);

    if (r.valid < 0)
        return;
    vec v = (vec)(0.0f);
    if (r.valid) {
        int t = r.t;
        if (d.slot >= 0)
            t += run[d.slot * d.B + b] * d.step;
        else if (t >= rows)
            t = max(2 * (rows - 1) - t, 0);
        if (t >= 0 && t < rows)
            v = load_vec(x + at(d.x, b, t, r.c), r.n);
    }
    store_vec(y + at(d.y, b, r.t, r.c), v, r.n);
}
