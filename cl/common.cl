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

// The row of the whole that is row 0 of item b.
int first_row(global const int *run, const int slot, const int B, const int b)
{
    return run[(CLVITS_FIRST_ROWS + slot) * B + b];
}

// A scalar of item b, stored in the same table by its bits.
float run_scalar(global const int *run, const int slot, const int B, const int b)
{
    return as_float(run[slot * B + b]);
}

// i * n / items, whose product may need 64 bits, which the embedded profile may lack: the quotient
// of floats is a few off at most, and what remains is small enough for 32.
int share_begin(const int i, const int items, const int n)
{
    int k = (int)((float)i * (float)n / (float)items);
    int rest = (int)((uint)i * (uint)n - (uint)k * (uint)items);

    for (; rest < 0; rest += items)
        k--;
    for (; rest >= items; rest -= items)
        k++;
    return k;
}

// Which of n things one of so many work-items or groups takes, [x, y). A launch is as large as the
// capacity, and a device may give each of its compute units a stretch of it: so things are spread.
int2 share(const int i, const int items, const int n)
{
    return (int2)(share_begin(i, items, n), share_begin(i + 1, items, n));
}

float leaky_relu(const float x, const float slope)
{
    return x >= 0.0f ? x : x * slope;
}

// The sum and the largest of a vector's lanes, by halves. The lanes go through an array, since
// Oclgrind takes the upper half of a vector for a value that was never set.
float lanes_sum(const float16 v)
{
    float e[16];
    vstore16(v, 0, e);
    for (int half_lanes = 8; half_lanes > 0; half_lanes /= 2)
        for (int i = 0; i < half_lanes; i++)
            e[i] += e[i + half_lanes];
    return e[0];
}

float lanes_max(const float16 v)
{
    float e[16];
    vstore16(v, 0, e);
    for (int half_lanes = 8; half_lanes > 0; half_lanes /= 2)
        for (int i = 0; i < half_lanes; i++)
            e[i] = fmax(e[i], e[i + half_lanes]);
    return e[0];
}

// row_sum(): the sum over a row's lanes, of which this work-item has one; part has a number for
// each. Every work-item of the group must call it.
#define DEFINE_ROW_SUM(LANES) \
    float row_sum(local float *part, const int lane, const float v) \
    { \
        barrier(CLK_LOCAL_MEM_FENCE); \
        part[lane] = v; \
        for (int some = (LANES) / 2; some > 0; some /= 2) { \
            barrier(CLK_LOCAL_MEM_FENCE); \
            if (lane < some) \
                part[lane] += part[lane + some]; \
        } \
        barrier(CLK_LOCAL_MEM_FENCE); \
        return part[0]; \
    }

// GELU, exactly: x Phi(x) with Phi(-z sqrt 2) = erfc(z) / 2 and, after Shepherd and Laframboise
// (Math. Comp. 36, 1981), erfc(z) = e^(-z^2) P(u) / (1 + 2z), u = (z - 2) / (z + 2). P is a
// Chebyshev fit of degree 9 on 0 <= z <= 11; relative error below 3e-8. As in lib/cpu/math.h.
#define DEFINE_GELU(NAME, TYPE) \
    TYPE NAME(const TYPE x) \
    { \
        const TYPE a = fmin(fabs(x), (TYPE)(15.5f)), z = a * 0.707106781f; \
        const TYPE u = (z - 2.0f) / (z + 2.0f); \
        TYPE p = (TYPE)(-0.000401087134f); \
        p = MAD(p, u, (TYPE)(-0.00122575474f)); \
        p = MAD(p, u, (TYPE)(0.00132104126f)); \
        p = MAD(p, u, (TYPE)(0.00863063335f)); \
        p = MAD(p, u, (TYPE)(-0.00806526281f)); \
        p = MAD(p, u, (TYPE)(-0.0542048328f)); \
        p = MAD(p, u, (TYPE)(0.164056495f)); \
        p = MAD(p, u, (TYPE)(-0.166031301f)); \
        p = MAD(p, u, (TYPE)(-0.0927640423f)); \
        p = MAD(p, u, (TYPE)(1.27697837f)); \
        return fmax(x, (TYPE)(0.0f)) - a * (0.5f * exp(-0.5f * a * a) * p / (1.0f + 2.0f * z)); \
    }

// Rooms that work on rows take WIDTH channels per work-item; lib/op/rows.c sets it.
#ifndef WIDTH
#define WIDTH 4
#endif
#define PASTE_TOKENS(a, b) a##b
#define PASTE(a, b) PASTE_TOKENS(a, b)
#define vec PASTE(float, WIDTH)
#define ivec PASTE(int, WIDTH)

// vstoreN() at p. PoCL makes three stores of sixteen lanes, and a load of them all waits for each.
#ifdef POCL_DEVICE_ADDRESS_BITS
typedef float4 __attribute__((aligned(4))) loose_float4;
typedef float8 __attribute__((aligned(4))) loose_float8;
typedef float16 __attribute__((aligned(4))) loose_float16;
#define PUT_FLOATS(space, n, v, p) (*(space PASTE(loose_float, n) *)(p) = (v))
#else
#define PUT_FLOATS(space, n, v, p) PASTE(vstore, n)(v, 0, p)
#endif

vec load_vec(global const float *p, const int n)
{
    if (n >= WIDTH)
        return PASTE(vload, WIDTH)(0, p);
    float e[WIDTH];
    for (int i = 0; i < WIDTH; i++)
        e[i] = i < n ? p[i] : 0.0f;
    return PASTE(vload, WIDTH)(0, e);
}

void store_vec(global float *p, const vec v, const int n)
{
    if (n >= WIDTH) {
        PUT_FLOATS(global, WIDTH, v, p);
        return;
    }
    float e[WIDTH];
    PASTE(vstore, WIDTH)(v, 0, e);
    for (int i = 0; i < n; i++)
        p[i] = e[i];
}

// Element types. A room that also takes halves reads its input x and its weights w, and reads and
// writes what has the type of its result y, through these; the options X_HALF, W_HALF and Y_HALF
// say which of them are halves in memory. Halves lie there as ushort, which OpenCL C 1.2 lets a
// device without cl_khr_fp16 point at; what lies beyond their range becomes the largest of them.
// X_INT says that x holds integers.
#ifndef X_HALF
#define X_HALF 0
#endif
#ifndef X_INT
#define X_INT 0
#endif
#ifndef W_HALF
#define W_HALF 0
#endif
#ifndef Y_HALF
#define Y_HALF 0
#endif
#define GET_HALF(p, i) vload_half(0, (global const half *)((p) + (i)))
#define GET_HALVES(n, p, i) PASTE(vload_half, n)(0, (global const half *)((p) + (i)))
#define PUT_HALF(v, p, i)                                                                         \
    vstore_half_rte(clamp(v, -65504.0f, 65504.0f), 0, (global half *)((p) + (i)))
#define PUT_HALVES(n, v, p, i)                                                                    \
    PASTE(PASTE(vstore_half, n), _rte)(clamp(v, -65504.0f, 65504.0f), 0, (global half *)((p) + (i)))

#if X_HALF
#define X_TYPE ushort
#define GET_X(p, i) GET_HALF(p, i)
#define GET_XS(n, p, i) GET_HALVES(n, p, i)
#elif X_INT
#define X_TYPE int
#define GET_X(p, i) ((float)(p)[i])
#define GET_XS(n, p, i) PASTE(convert_float, n)(PASTE(vload, n)(0, (p) + (i)))
#else
#define X_TYPE float
#define GET_X(p, i) ((p)[i])
#define GET_XS(n, p, i) PASTE(vload, n)(0, (p) + (i))
#endif
#if W_HALF
#define W_TYPE ushort
#define GET_W(p, i) GET_HALF(p, i)
#define GET_WS(n, p, i) GET_HALVES(n, p, i)
#else
#define W_TYPE float
#define GET_W(p, i) ((p)[i])
#define GET_WS(n, p, i) PASTE(vload, n)(0, (p) + (i))
#endif
#if Y_HALF
#define Y_TYPE ushort
#define GET_Y(p, i) GET_HALF(p, i)
#define GET_YS(n, p, i) GET_HALVES(n, p, i)
#define PUT_Y(v, p, i) PUT_HALF(v, p, i)
#define PUT_YS(n, v, p, i) PUT_HALVES(n, v, p, i)
#else
#define Y_TYPE float
#define GET_Y(p, i) ((p)[i])
#define GET_YS(n, p, i) PASTE(vload, n)(0, (p) + (i))
#define PUT_Y(v, p, i) ((p)[i] = (v))
#define PUT_YS(n, v, p, i) PUT_FLOATS(global, n, v, (p) + (i))
#endif

// Up to WIDTH channels of x or w, of which there are n, zeros after them; and into y.
#define DEFINE_GET(NAME, TYPE, ONE, ALL) \
    vec NAME(global const TYPE *p, const int n) \
    { \
        if (n >= WIDTH) \
            return ALL(WIDTH, p, 0); \
        float e[WIDTH]; \
        for (int i = 0; i < WIDTH; i++) \
            e[i] = i < n ? ONE(p, i) : 0.0f; \
        return PASTE(vload, WIDTH)(0, e); \
    }
DEFINE_GET(get_x, X_TYPE, GET_X, GET_XS)
DEFINE_GET(get_w, W_TYPE, GET_W, GET_WS)

void put_y(global Y_TYPE *p, const vec v, const int n)
{
    if (n >= WIDTH) {
        PUT_YS(WIDTH, v, p, 0);
        return;
    }
    float e[WIDTH];
    PASTE(vstore, WIDTH)(v, 0, e);
    for (int i = 0; i < WIDTH; i++) // a count that is known, so that e needs no memory
        if (i < n)
            PUT_Y(e[i], p, i);
}

// Which channels of which row a work-item has, in a grid made by clvits_rows_launch().
typedef struct {
    int b, t, c;
    int n;     // channels left from c on, at least 1
    int valid; // 0: a guard row; negative: nothing to do
} row_place;

row_place row_of(const int C, const int len, const int guard)
{
    const int chunks = (C + WIDTH - 1) / WIDTH;
    row_place r;
    r.b = get_global_id(1);
    r.t = (int)get_global_id(0) / chunks - guard;
    r.c = (int)get_global_id(0) % chunks * WIDTH;
    r.n = C - r.c;
    r.valid = r.t >= len + guard ? -1 : r.t >= 0 && r.t < len;
    return r;
}

// A tile of up to 12 accumulators of 16 lanes, for one work-item on a CPU device.
#define TILE_ROWS 12
#define EACH_TILE_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

// acc[r] += sum over i < n of w[i] * s[i * step + r * next], for the first rows of a tile; where
// there are fewer than TILE_ROWS, the last one is read again.
void lanes_tile(float16 *acc, const int rows, const int n, const float16 *w,
                global const float *s, const int step, const int next)
{
#define LOAD(r) float16 a##r = acc[r];
    EACH_TILE_ROW(LOAD)
    if (rows >= TILE_ROWS) {
        for (int i = 0; i < n; i++, s += step) {
            const float16 x = w[i];
#define MULTIPLY(r) a##r = MAD((float16)(s[r * next]), x, a##r);
            EACH_TILE_ROW(MULTIPLY)
        }
    } else {
#define PLACE(r) const int s##r = min(r, rows - 1) * next;
        EACH_TILE_ROW(PLACE)
        for (int i = 0; i < n; i++, s += step) {
            const float16 x = w[i];
#define MULTIPLY_PLACED(r) a##r = MAD((float16)(s[s##r]), x, a##r);
            EACH_TILE_ROW(MULTIPLY_PLACED)
        }
    }
#define STORE(r) acc[r] = a##r;
    EACH_TILE_ROW(STORE)
#undef LOAD
#undef MULTIPLY
#undef PLACE
#undef MULTIPLY_PLACED
#undef STORE
}
