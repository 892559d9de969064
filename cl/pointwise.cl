// pointwise.cl — what takes an element at a time: unary and binary functions, the WaveNet gate,
// the elementwise flows and the draw from a normal distribution

DEFINE_GELU(gelu, vec)

vec sigmoid(const vec x)
{
    return 1.0f / (1.0f + exp(-x));
}

// With X_INT, of integers.
kernel void unary(const pointwise_dims d, global const int *run, global const X_TYPE *restrict x,
                  global Y_TYPE *restrict y)
{
    const int len = valid_rows(run, d.clock, d.B, get_global_id(1));
    const row_place r = row_of(d.C, len, d.y.guard);

    if (r.valid < 0)
        return;
    vec v = (vec)(0.0f);
    if (r.valid) {
        v = get_x(x + at(d.x, r.b, r.t, r.c), r.n);
        switch (d.kind) {
        case UNARY_RELU:
            v = select((vec)(0.0f), v, v > 0.0f);
            break;
        case UNARY_LEAKY_RELU:
            v = select(v * d.a, v, v >= 0.0f);
            break;
        case UNARY_GELU:
            v = gelu(v);
            break;
        case UNARY_TANH:
            v = tanh(v);
            break;
        case UNARY_SIGMOID:
            v = sigmoid(v);
            break;
        case UNARY_EXP:
            v = exp(v);
            break;
        case UNARY_PLUS:
            v += d.a;
            break;
        case UNARY_LOG:
            v = log(v + d.a);
            break;
        case UNARY_LOG_SIGMOID:
            v = fmin(v, (vec)(0.0f)) - log1p(exp(-fabs(v)));
            break;
        case UNARY_LOG_NORMAL:
            v = -0.5f * v * v - 0.918938533f;
            break;
        default:
            v *= d.slot < 0 ? d.a : d.a * run_scalar(run, d.slot, d.B, r.b);
        }
    }
    put_y(y + at(d.y, r.b, r.t, r.c), v, r.n);
}

kernel void binary(const pointwise_dims d, global const int *run, global const X_TYPE *restrict x,
                   global const W_TYPE *restrict p, global Y_TYPE *restrict y)
{
    const int len = valid_rows(run, d.clock, d.B, get_global_id(1));
    const row_place r = row_of(d.C, len, d.y.guard);

    if (r.valid < 0)
        return;
    vec v = (vec)(0.0f);
    if (r.valid) {
        const vec w = get_w(p + at(d.p, r.b, d.one_row ? 0 : r.t, r.c), r.n);
        v = get_x(x + at(d.x, r.b, r.t, r.c), r.n);
        v = d.kind == BINARY_ADD ? v + w : d.kind == BINARY_SUB ? v - w : v * w;
    }
    put_y(y + at(d.y, r.b, r.t, r.c), v, r.n);
}

kernel void gate(const pointwise_dims d, global const int *run, global const float *restrict x,
                 global const float *restrict p, global float *restrict y)
{
    const int len = valid_rows(run, d.clock, d.B, get_global_id(1));
    const row_place r = row_of(d.C, len, d.y.guard);

    if (r.valid < 0)
        return;
    vec v = (vec)(0.0f);
    if (r.valid) {
        global const float *row = x + at(d.x, r.b, r.t, r.c);
        vec w = load_vec(row + d.C, r.n);
        v = load_vec(row, r.n);
        if (d.has_p) {
            global const float *g = p + at(d.p, r.b, d.one_row ? 0 : r.t, r.c);
            v += load_vec(g, r.n);
            w += load_vec(g + d.C, r.n);
        }
        v = tanh(v) * sigmoid(w);
    }
    store_vec(y + at(d.y, r.b, r.t, r.c), v, r.n);
}

// Where a flow's log-determinant goes: one number per row, written by the row's first work-item.
int writes_logdet(const pointwise_dims d, const row_place r, const int len)
{
    return d.has_logdet && r.c == 0 && r.t >= -d.logdet.guard && r.t < len + d.logdet.guard;
}

kernel void flow(const pointwise_dims d, global const int *run, global const float *restrict x,
                 global const float *restrict p, global const float *restrict q,
                 global float *restrict y, global float *restrict logdet)
{
    const int len = valid_rows(run, d.clock, d.B, get_global_id(1));
    const row_place r = row_of(d.C, len, max(d.y.guard, d.has_logdet ? d.logdet.guard : 0));
    global const float *m = p + (d.per_channel ? 0 : at(d.p, r.b, r.t, 0));
    global const float *s = q + (d.per_channel ? 0 : at(d.q, r.b, r.t, 0));

    if (r.valid < 0)
        return;
    vec v = (vec)(0.0f);
    if (r.valid) {
        const vec shift = load_vec(m + r.c, r.n);
        const vec scale = d.has_q ? load_vec(s + r.c, r.n) : (vec)(0.0f);
        v = load_vec(x + at(d.x, r.b, r.t, r.c), r.n);
        if (d.reverse)
            v = d.has_q ? (v - shift) * exp(-scale) : v - shift;
        else
            v = d.has_q ? shift + v * exp(scale) : shift + v;
    }
    if (r.t >= -d.y.guard && r.t < len + d.y.guard)
        store_vec(y + at(d.y, r.b, r.t, r.c), v, r.n);
    if (writes_logdet(d, r, len)) {
        float sum = 0.0f;
        for (int c = 0; c < d.C && r.valid && d.has_q; c++)
            sum += s[c];
        logdet[at(d.logdet, r.b, r.t, 0)] = d.reverse ? -sum : sum;
    }
}

kernel void log_flow(const pointwise_dims d, global const int *run, global const float *restrict x,
                     global float *restrict y, global float *restrict logdet)
{
    const int len = valid_rows(run, d.clock, d.B, get_global_id(1));
    const row_place r = row_of(d.C, len, max(d.y.guard, d.has_logdet ? d.logdet.guard : 0));

    if (r.valid < 0)
        return;
    global const float *row = x + at(d.x, r.b, r.t, 0);
    vec v = (vec)(0.0f);
    if (r.valid) {
        v = load_vec(row + r.c, r.n);
        v = d.reverse ? exp(v) : log(select(v, (vec)(1e-5f), v < 1e-5f));
    }
    if (r.t >= -d.y.guard && r.t < len + d.y.guard)
        store_vec(y + at(d.y, r.b, r.t, r.c), v, r.n);
    if (writes_logdet(d, r, len)) {
        float sum = 0.0f;
        for (int c = 0; c < d.C && r.valid; c++)
            sum += d.reverse ? row[c] : -log(row[c] < 1e-5f ? 1e-5f : row[c]);
        logdet[at(d.logdet, r.b, r.t, 0)] = sum;
    }
}

kernel void sample(const pointwise_dims d, global const int *run, global const float *restrict m,
                   global const float *restrict logs, global const float *restrict noise,
                   global float *restrict y)
{
    const int len = valid_rows(run, d.clock, d.B, get_global_id(1));
    const row_place r = row_of(d.C, len, d.y.guard);

    if (r.valid < 0)
        return;
    vec v = (vec)(0.0f);
    if (r.valid) {
        const vec s = exp(load_vec(logs + at(d.p, r.b, r.t, r.c), r.n));
        const vec e = load_vec(noise + at(d.q, r.b, r.t, r.c), r.n);
        v = load_vec(m + at(d.x, r.b, r.t, r.c), r.n);
        v += e * s * run_scalar(run, d.slot, d.B, r.b);
    }
    store_vec(y + at(d.y, r.b, r.t, r.c), v, r.n);
}
