// reduce.cl — y[b] = sum over rows and channels of x[b,:,:]
//
// An item is summed in PARTS parts, each compensated (Kahan 1965); part p takes elements p,
// p + PARTS, ... of the valid rows, and the parts are added pairwise. The order is the same
// whatever the size of the work-group.

#define PARTS 64

// Knob, set from lib/op/reduce.c.
#ifndef WG
#define WG 1 // work-items of a group, a power of two up to PARTS
#endif

kernel __attribute__((reqd_work_group_size(WG, 1, 1)))
void sum(const reduce_dims d, global const int *run, global const float *restrict x,
         global float *restrict y)
{
    local float parts[PARTS];
    const int b = get_group_id(1), lane = get_local_id(0);
    const int count = valid_rows(run, d.clock, d.B, b) * d.C;

    for (int p = lane; p < PARTS; p += WG) {
        float total = 0.0f, lost = 0.0f;
        for (int i = p; i < count; i += PARTS) {
            const float v = x[at(d.x, b, i / d.C, i % d.C)] - lost;
            const float next = total + v;
            lost = (next - total) - v;
            total = next;
        }
        parts[p] = total;
    }
    for (int n = PARTS / 2; n > 0; n /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int p = lane; p < n; p += WG)
            parts[p] += parts[p + n];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int g = lane; g <= 2 * d.y.guard; g += WG)
        y[at(d.y, b, g - d.y.guard, 0)] = g == d.y.guard ? parts[0] : 0.0f;
}
