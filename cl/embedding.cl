// embedding.cl — y[b,t,:] = table[ids[b,t],:] * scale

kernel void embedding(const embedding_dims d, global const int *run, global const int *restrict ids,
                      global const float *restrict table, global float *restrict y)
{
    const int len = valid_rows(run, d.clock, d.B, get_global_id(1));
    const row_place r = row_of(d.C, len, d.y.guard);

    if (r.valid < 0)
        return;
    vec v = (vec)(0.0f);
    if (r.valid) {
        const int id = clamp(ids[at(d.ids, r.b, r.t, 0)], 0, d.V - 1);
        v = load_vec(table + id * d.C + r.c, r.n) * d.scale;
    }
    store_vec(y + at(d.y, r.b, r.t, r.c), v, r.n);
}
