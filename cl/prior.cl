// prior.cl — z[f,c] = m[id,c] + noise[f,c] * exp(logs[id,c]) * scale, where id is the one whose
//            frames hold f; zeros for m and logs after the last id's frames
//
// stats holds m, then logs, of each id. Noise is an input, or drawn as in random.cl.
//
//   prior        GPUs: a work-item makes pairs of channels one by one
//   prior_lanes  CPU devices: a work-item makes a vector of channels

#include "align.h"
#include "random.h"

#define MADE 8 // channels of a work-item

kernel void prior(const prior_dims d, global const int *run, global const float *stats,
                  global const int *ends, global const float *noise, global float *z)
{
    const int first = (int)get_global_id(0) * MADE, row = get_global_id(1), b = get_global_id(2);
    const int f = row - d.z.guard, frames = valid_rows(run, d.frames, d.B, b);
    const int ids = valid_rows(run, d.ids, d.B, b), last = min(first + MADE, d.C);

    if (first >= d.C || row >= d.rows || f >= frames + d.z.guard)
        return;
    z += at(d.z, b, f, 0);
    if (f < 0 || f >= frames) {
        for (int c = first; c < last; c++)
            z[c] = 0.0f;
        return;
    }
    const float scale = run_scalar(run, d.slot, d.B, b);
    const int frame = first_row(run, d.frames, d.B, b) + f;
    const int id = id_of_frame(ends + at(d.ends, b, 0, 0), d.ends.ld, ids, frame);
    global const float *m = stats + at(d.stats, b, min(id, ids - 1), 0);
    for (int c = first; c < last; c += 2) {
        normal_pair e = { 0.0f, 0.0f };
        if (d.has_noise) {
            e.even = noise[at(d.noise, b, f, c)];
            e.odd = c + 1 < last ? noise[at(d.noise, b, f, c + 1)] : 0.0f;
        } else {
            e = normal_at(run[d.seed * d.B + b], run[(d.seed + 1) * d.B + b], d.stream, frame,
                          c / 2);
        }
        z[c] = id < ids ? m[c] + e.even * exp(m[d.C + c]) * scale : e.even * scale;
        if (c + 1 < last)
            z[c + 1] = id < ids ? m[c + 1] + e.odd * exp(m[d.C + c + 1]) * scale : e.odd * scale;
    }
}

// WIDTH channels. The loop over pairs has no branches, so that a compiler makes vectors of it.
kernel void prior_lanes(const prior_dims d, global const int *run, global const float *stats,
                        global const int *ends, global const float *noise, global float *z)
{
    const int first = (int)get_global_id(0) * WIDTH, n = d.C - first, b = get_global_id(2);
    const int frames = valid_rows(run, d.frames, d.B, b), ids = valid_rows(run, d.ids, d.B, b);
    const int size = get_local_size(1), groups = (frames + 2 * d.z.guard + size - 1) / size;
    const int2 own = share(get_group_id(1), get_num_groups(1), groups);
    const int f = own.x * size + (int)get_local_id(1) - d.z.guard;

    if (n <= 0 || own.x == own.y || f >= frames + d.z.guard)
        return;
    z += at(d.z, b, f, first);
    if (f < 0 || f >= frames) {
        store_vec(z, (vec)(0.0f), n);
        return;
    }
    const float scale = run_scalar(run, d.slot, d.B, b);
    const int frame = first_row(run, d.frames, d.B, b) + f;
    const int id = id_of_frame(ends + at(d.ends, b, 0, 0), d.ends.ld, ids, frame);
    vec v;
    if (d.has_noise) {
        v = load_vec(noise + at(d.noise, b, f, first), n);
    } else {
        const unsigned low = run[d.seed * d.B + b], high = run[(d.seed + 1) * d.B + b];
        float e[WIDTH];
        for (int i = 0; i < WIDTH / 2; i++) {
            const normal_pair pair = normal_at(low, high, d.stream, frame, first / 2 + i);
            e[2 * i] = pair.even;
            e[2 * i + 1] = pair.odd;
        }
        v = PASTE(vload, WIDTH)(0, e);
    }
    if (id < ids) {
        global const float *m = stats + at(d.stats, b, id, first);
        store_vec(z, load_vec(m, n) + v * exp(load_vec(m + d.C, n)) * scale, n);
    } else {
        store_vec(z, v * scale, n);
    }
}
