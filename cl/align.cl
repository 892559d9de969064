// align.cl — durations: y[t] = frames of id t, ends[t] = y[0] + ... + y[t]
//            expand: y[f] = x[id whose frames hold f], counted in the whole; zeros after the last
//            id's frames

#include "align.h"

// One work-group per item: every work-item sums a stretch of ids, then starts its running sum
// from those before it. Any size of work-group, from 1 to 64, gives the same.
kernel void durations(const durations_dims d, global const int *run, global const float *logw,
                      global int *y, global int *ends)
{
    local int sums[64];
    const int item = get_local_id(0), items = d.local_size, b = get_group_id(0);
    const int len = valid_rows(run, d.clock, d.B, b);
    const float length_scale = run_scalar(run, d.slot, d.B, b);
    const int stretch = (len + items - 1) / items;
    const int first = min(item * stretch, len), last = min(first + stretch, len);
    int end = 0;

    for (int t = first; t < last; t++)
        end = add_frames(end, frames_of(logw[at(d.x, b, t, 0)], length_scale));
    sums[item] = end;
    barrier(CLK_LOCAL_MEM_FENCE);

    end = 0;
    for (int i = 0; i < item; i++)
        end = add_frames(end, sums[i]);
    for (int t = first; t < last; t++) {
        const int frames = frames_of(logw[at(d.x, b, t, 0)], length_scale);
        end = add_frames(end, frames);
        y[at(d.y, b, t, 0)] = frames;
        ends[at(d.ends, b, t, 0)] = end;
    }
    for (int g = item; g < d.y.guard; g += items) {
        y[at(d.y, b, -1 - g, 0)] = 0;
        y[at(d.y, b, len + g, 0)] = 0;
    }
    for (int g = item; g < d.ends.guard; g += items) {
        ends[at(d.ends, b, -1 - g, 0)] = 0;
        ends[at(d.ends, b, len + g, 0)] = 0;
    }
}

// A work-item makes every parts-th group of four channels of one row.
kernel void expand(const expand_dims d, global const int *run, global const float *x,
                   global const int *ends, global float *y)
{
    const int part = get_global_id(0), row = get_global_id(1), b = get_global_id(2);
    const int frame = row - d.y.guard, frames = valid_rows(run, d.frames, d.B, b);
    const int ids = valid_rows(run, d.ids, d.B, b);

    if (part >= d.parts || row >= d.rows || frame >= frames + d.y.guard)
        return;
    const int id = frame >= 0 && frame < frames
                       ? id_of_frame(ends + at(d.ends, b, 0, 0), d.ends.ld, ids,
                                     first_row(run, d.frames, d.B, b) + frame)
                       : ids;
    global float *to = y + at(d.y, b, frame, 0);

    if (id == ids) {
        for (int c = 4 * part; c < d.C; c += 4 * d.parts)
            for (int i = c; i < min(c + 4, d.C); i++)
                to[i] = 0.0f;
        return;
    }
    global const float *from = x + at(d.x, b, id, 0);
    for (int c = 4 * part; c < d.C; c += 4 * d.parts) {
        if (c + 4 <= d.C)
            vstore4(vload4(0, from + c), 0, to + c);
        else
            for (int i = c; i < d.C; i++)
                to[i] = from[i];
    }
}
