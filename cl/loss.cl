// loss.cl — y[b,0,s] = sum of a term over stretch s of the valid elements of item b, and y[b] =
//           add + scale * (all of that, of all items) / count
//
// A stretch is as many whole runs of LOSS_LANES elements as make the item LOSS_STRETCHES of them;
// its element i is added to sum i mod LOSS_LANES. These are compensated (Kahan 1965) and then added
// pairwise: the order is the same whatever the size of the work-group, the batch or the capacity.

// Knob, set from lib/op/loss.c.
#ifndef WG
#define WG 1 // work-items of a group, a power of two up to LOSS_LANES
#endif

// The sum of what the lanes have, for every work-item.
float lanes_total(local float *parts, const int lane)
{
    for (int n = LOSS_LANES / 2; n > 0; n /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int p = lane; p < n; p += WG)
            parts[p] += parts[p + n];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return parts[0];
}

float term(const loss_dims d, const float x, const float p, const float q, const float r)
{
    const float away = x - (d.has_p ? p : d.target);

    switch (d.kind) {
    case LOSS_ABSOLUTE:
        return fabs(away);
    case LOSS_SQUARE:
        return away * away;
    case LOSS_KL: {
        const float distance = (x - q) * exp(-r);
        return MAD(0.5f * distance, distance, r - p - 0.5f);
    }
    default:
        return x;
    }
}

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void loss(const loss_dims d, global const int *run, global const float *restrict x,
          global const float *restrict p, global const float *restrict q,
          global const float *restrict r, global float *restrict y)
{
    local float parts[LOSS_LANES];
    const int lane = get_local_id(0), stretch = get_group_id(1), b = get_group_id(2);
    const int count = valid_rows(run, d.clock, d.B, b) * d.C;
    const int each = (count + LOSS_LANES * LOSS_STRETCHES - 1) / (LOSS_LANES * LOSS_STRETCHES);
    const int first = stretch * each * LOSS_LANES, end = min(first + each * LOSS_LANES, count);
    const int rows = LOSS_LANES / d.C, channels = LOSS_LANES % d.C;

    for (int l = lane; l < LOSS_LANES; l += WG) {
        float total = 0.0f, lost = 0.0f;
        int t = (first + l) / d.C, c = (first + l) % d.C;
        for (int i = first + l; i < end; i += LOSS_LANES) {
            const float v = term(d, x[at(d.x, b, t, c)], d.has_p ? p[at(d.p, b, t, c)] : 0.0f,
                                 d.kind == LOSS_KL ? q[at(d.q, b, t, c)] : 0.0f,
                                 d.kind == LOSS_KL ? r[at(d.r, b, t, c)] : 0.0f) -
                            lost;
            const float next = total + v;
            lost = (next - total) - v;
            total = next;
            t += rows;
            c += channels;
            if (c >= d.C) {
                c -= d.C;
                t++;
            }
        }
        parts[l] = total;
    }
    const float sum = lanes_total(parts, lane);
    for (int g = lane; g <= 2 * d.y.guard; g += WG)
        y[at(d.y, b, g - d.y.guard, stretch)] = g == d.y.guard ? sum : 0.0f;
}

// Every item gets the same number.
kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void total(const total_dims d, global const int *run, global const float *restrict x,
           global const float *restrict add, global float *restrict y)
{
    local float parts[LOSS_LANES];
    const int lane = get_local_id(0), b = get_group_id(1);
    int rows = 0;

    for (int l = lane; l < LOSS_LANES; l += WG) {
        float sum = 0.0f, lost = 0.0f;
        for (int i = l; i < d.B * d.C; i += LOSS_LANES) {
            const float v = x[at(d.x, i / d.C, 0, i % d.C)] - lost;
            const float next = sum + v;
            lost = (next - sum) - v;
            sum = next;
        }
        parts[l] = sum;
    }
    for (int i = 0; i < d.B; i++)
        rows += valid_rows(run, d.rows, d.B, i);
    const float count = d.rows ? max(rows * d.channels, 1) : 1;
    float v = lanes_total(parts, lane) * d.scale / count;
    if (d.has_add)
        v += add[at(d.add, b, 0, 0)];
    for (int g = lane; g <= 2 * d.y.guard; g += WG)
        y[at(d.y, b, g - d.y.guard, 0)] = g == d.y.guard ? v : 0.0f;
}
