// peak.cl — what a device can do at most: multiply-adds in registers, copies through memory.
// The bench compares every kernel with these.

#define LOAD PASTE(vload, WIDTH)
#define STORE PASTE(vstore, WIDTH)

#define CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

kernel void peak_mad(const int loops, global const float *restrict from, global float *restrict to)
{
    const int g = get_global_id(0);
    const vec m = (vec)(0.5f + from[0]), c = m;
#define START(i) vec a##i = m * (float)(i + g);
    CHAIN(START)
    for (int i = 0; i < loops; i++) {
#define STEP(i) a##i = MAD(a##i, m, c);
        CHAIN(STEP)
    }
    vec s = (vec)(0.0f);
#define TOTAL(i) s += a##i;
    CHAIN(TOTAL)
    STORE(s, g, to);
}

// n vectors, in as many contiguous runs as there are groups of work-items.
kernel void peak_copy(const int n, global const float *restrict from, global float *restrict to)
{
    const int local_size = get_local_size(0), each = n / (int)get_num_groups(0);
    const int first = get_group_id(0) * each;
    for (int i = get_local_id(0); i < each; i += local_size)
        STORE(LOAD(first + i, from), first + i, to);
}

#ifdef FP16 // where the device has it; nothing else uses it here
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#define vec_half PASTE(half, WIDTH)

kernel void peak_mad_half(const int loops, global const float *restrict from,
                          global float *restrict to)
{
    const int g = get_global_id(0);
    const vec_half m = (vec_half)((half)(0.5f + from[0])), c = m;
#define START_HALF(i) vec_half h##i = m * (half)(i + g % 64);
    CHAIN(START_HALF)
    for (int i = 0; i < loops; i++) {
#define STEP_HALF(i) h##i = mad(h##i, m, c);
        CHAIN(STEP_HALF)
    }
    vec_half s = (vec_half)((half)0.0f);
#define TOTAL_HALF(i) s += h##i;
    CHAIN(TOTAL_HALF)
    STORE(PASTE(convert_float, WIDTH)(s), g, to);
}
#endif
