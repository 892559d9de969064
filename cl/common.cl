// common.cl — what every kernel may use. Prepended, after dims.h, to each room's source.

// Contracts to one instruction wherever the device has it; never a slow software fma.
#ifdef FP_FAST_FMAF
#define MAD(a, b, c) fma(a, b, c)
#else
#define MAD(a, b, c) ((a) * (b) + (c))
#endif

// The element of row t, channel c, item b.
int at(const clvits_view v, const int b, const int t, const int c)
{
    return v.off + b * v.bs + t * v.ld + c;
}

// Valid rows of item b, from the run's table [slot][B].
int valid_rows(global const int *run, const int slot, const int B, const int b)
{
    return run[slot * B + b];
}

// A scalar of item b, stored in the same table by its bits.
float run_scalar(global const int *run, const int slot, const int B, const int b)
{
    return as_float(run[slot * B + b]);
}

float leaky_relu(const float x, const float slope)
{
    return x >= 0.0f ? x : x * slope;
}
