// half.cl — whether a device that reports cl_khr_fp16 computes in halves: y[i] = a[i] * b[i] + c[i]
// for n of each, which lie one after the other in x. lib/device/half.c knows what comes out.

#ifdef cl_khr_fp16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

kernel void half_probe(const int n, global const half *restrict x, global half *restrict y)
{
    const int i = get_global_id(0);
    if (i < n)
        y[i] = x[i] * x[n + i] + x[2 * n + i];
}
#endif
