// SPDX-License-Identifier: MIT
#include "golden.h"

#include <math.h>
#include <stdlib.h>

enum { MANY = 4096, TINY = 256 };

static double gelu(double x)
{
    return x < -100 ? 0 : 0.5 * x * erfc(-x * sqrt(0.5));
}

static double unary(clvits_unary_kind kind, double x, double a)
{
    switch (kind) {
    case CLVITS_RELU:
        return x > 0 ? x : 0;
    case CLVITS_LEAKY_RELU:
        return x > 0 ? x : a * x;
    case CLVITS_GELU:
        return gelu(x);
    case CLVITS_TANH:
        return tanh(x);
    case CLVITS_SIGMOID:
        return 1 / (1 + exp(-x));
    case CLVITS_EXP:
        return exp(x);
    case CLVITS_PLUS:
        return x + a;
    case CLVITS_LOG:
        return log(x + a);
    case CLVITS_LOG_SIGMOID:
        return fmin(x, 0) - log1p(exp(-fabs(x)));
    case CLVITS_LOG_NORMAL:
        return -0.5 * (log(2 * M_PI) + x * x);
    default:
        return a * x;
    }
}

/* Every magnitude from 1e-30 to 1e30, most where the functions bend, and both infinities. */
static void sweep(float *x)
{
    for (int i = 0; i < MANY; i++) {
        const int k = i / 2;
        const double v = k < 1800  ? 110.0 * k / 1800
                         : k < 2000 ? pow(10.0, (k - 1800) * 0.3 - 30)
                                    : 10.0 * (k - 2000) / 40 + 1e-3;
        x[i] = (float)(i % 2 ? -v : v);
    }
    x[0] = INFINITY;
    x[1] = -INFINITY;
}

static const struct {
    clvits_unary_kind kind;
    double relative, absolute;
    float a;
} functions[] = {
    { CLVITS_RELU, 0, 0, 0 },
    { CLVITS_LEAKY_RELU, 1e-6, 0, 0.1f },
    { CLVITS_GELU, 1e-6, 1e-9, 0 }, /* where it falls to zero, it multiplies the error of x^2 */
    { CLVITS_TANH, 1e-6, 0, 0 },
    { CLVITS_SIGMOID, 1e-6, 1.2e-38, 0 }, /* below: denormals, which a device may not have */
    { CLVITS_EXP, 1e-6, 1.2e-38, 0 },
    { CLVITS_PLUS, 1e-6, 0, 0.1f },
    { CLVITS_LOG, 1e-6, 0, 0 },
    { CLVITS_LOG_SIGMOID, 1e-6, 1.2e-38, 0 },
    { CLVITS_LOG_NORMAL, 1e-6, 0, 0 },
};

START_TEST(accurate_everywhere)
{
    const clvits_unary_params params = { .kind = functions[_i].kind, .a = functions[_i].a };
    const int n = getenv("CLVITS_TEST_TINY") ? TINY : MANY;
    float x[MANY];
    harness h;

    sweep(x);
    harness_begin(&h, 1);
    const int rows = clvits_graph_clock(h.graph, n), few = clvits_graph_clock(h.graph, n / 64);
    clvits_tensor *y = clvits_graph_keep(
        clvits_unary(harness_input_of(&h, CLVITS_F32, rows, 1, x), &params));
    clvits_tensor *wide = clvits_graph_keep(
        clvits_unary(harness_input_of(&h, CLVITS_F32, few, 64, x), &params));
    harness_plan(&h);
    harness_go(&h);
    const float *got[] = { harness_output(&h, y), harness_output(&h, wide) };
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < n; i++) {
            const double want = unary(params.kind, (double)x[i], (double)params.a);
            if (isnan(want))
                ck_assert_msg(isnan(got[k][i]), "of %g: got %g", (double)x[i], (double)got[k][i]);
            else if (isinf((float)want))
                ck_assert_msg((double)got[k][i] == (double)(float)want, "of %g: got %g",
                              (double)x[i], (double)got[k][i]);
            else
                ck_assert_msg(fabs((double)got[k][i] - want) <=
                                  functions[_i].relative * fabs(want) + functions[_i].absolute,
                              "of %.9g: got %.9g, want %.9g", (double)x[i], (double)got[k][i],
                              want);
        }
    harness_end(&h);
}
END_TEST

/* Integers are as good as floats. */
START_TEST(of_integers)
{
    static const struct {
        clvits_unary_kind kind;
        float a;
    } kinds[] = { { CLVITS_SCALE, 1 }, { CLVITS_PLUS, -1 }, { CLVITS_LOG, 1e-6f } };
    enum { N = 210 };
    int x[N];
    double want[N];
    harness h;

    for (int i = 0; i < N; i++)
        x[i] = i % 7 ? i - 20 * (_i < 2) : 1 << (i / 7 % 24);
    for (int i = 0; i < N; i++)
        want[i] = unary(kinds[_i].kind, x[i], (double)kinds[_i].a);
    harness_begin(&h, 1);
    const int rows = clvits_graph_clock(h.graph, N), few = clvits_graph_clock(h.graph, N / 70);
    const clvits_unary_params p = { .kind = kinds[_i].kind, .a = kinds[_i].a };
    clvits_tensor *y = clvits_graph_keep(
        clvits_unary(harness_input_of(&h, CLVITS_I32, rows, 1, x), &p));
    clvits_tensor *wide = clvits_graph_keep(
        clvits_unary(harness_input_of(&h, CLVITS_I32, few, 70, x), &p));
    harness_plan(&h);
    harness_go(&h);
    harness_close(&h, y, want, _i < 2 ? 0 : 1e-6);
    harness_close(&h, wide, want, _i < 2 ? 0 : 1e-6);
    harness_end(&h);
}
END_TEST

static const struct {
    int B, T, C;
} shapes[] = { { 2, 37, 7 }, { 1, 50, 192 }, { 3, 21, 2 }, { 1, 9, 1 } };

/* A graph of the shape under test, its inputs between -2 and 2. */
typedef struct fixture {
    harness h;
    int B, T, C, rows, scalar;
    double *want, *want2;
} fixture;

static void begin(fixture *f, int i)
{
    f->B = shapes[i].B;
    f->T = shapes[i].T;
    f->C = shapes[i].C;
    harness_begin(&f->h, f->B);
    f->rows = clvits_graph_clock(f->h.graph, f->T);
    f->scalar = clvits_graph_scalar(f->h.graph, 1);
    f->want = calloc((size_t)(f->B * f->T * f->C), sizeof(*f->want));
    f->want2 = calloc((size_t)(f->B * f->T), sizeof(*f->want2));
}

static clvits_tensor *input(fixture *f, int clock, int channels, const float **values)
{
    return harness_input(&f->h, clock, channels, -2, 2, values);
}

static float scalar_of(int item)
{
    return 0.667f + (float)item;
}

static void go(fixture *f)
{
    harness_plan(&f->h);
    for (int b = 0; b < f->B; b++) {
        harness_length(&f->h, f->rows, b, f->T - 5 * b);
        clvits_run_set_float(f->h.run, f->scalar, b, scalar_of(b));
    }
    harness_go(&f->h);
}

static void end(fixture *f)
{
    free(f->want);
    free(f->want2);
    harness_end(&f->h);
}

START_TEST(scale)
{
    const float *x;
    fixture f;

    begin(&f, _i);
    clvits_tensor *tx = input(&f, f.rows, f.C + 3, &x);
    clvits_tensor *y = clvits_graph_keep(
        clvits_unary(clvits_graph_slice(tx, 2, f.C),
                     &(clvits_unary_params){ .kind = CLVITS_SCALE, .slot = f.scalar + 1 }));
    clvits_tensor *z = clvits_graph_keep(
        clvits_unary(y, &(clvits_unary_params){ .kind = CLVITS_SCALE, .a = -3.0f }));
    go(&f);
    for (int i = 0; i < f.B * f.T * f.C; i++)
        f.want[i] = (double)x[i / f.C * (f.C + 3) + 2 + i % f.C] *
                    (double)scalar_of(i / f.C / f.T);
    harness_close(&f.h, y, f.want, 1e-6);
    for (int i = 0; i < f.B * f.T * f.C; i++)
        f.want[i] *= -3.0;
    harness_close(&f.h, z, f.want, 1e-6);
    end(&f);
}
END_TEST

START_TEST(binary)
{
    const clvits_binary_kind kind = (clvits_binary_kind)(_i / 2 % 3);
    const bool one_row = _i % 2;
    const float *x, *p;
    fixture f;

    if (harness_left_out(_i))
        return;
    begin(&f, _i / 6);
    clvits_tensor *tx = input(&f, f.rows, f.C, &x);
    clvits_tensor *tp = input(&f, one_row ? 0 : f.rows, f.C, &p);
    clvits_tensor *y = clvits_graph_keep(clvits_binary(tx, tp, kind));
    go(&f);
    for (int i = 0; i < f.B * f.T * f.C; i++) {
        const double a = (double)x[i];
        const double b = (double)p[one_row ? i / f.C / f.T * f.C + i % f.C : i];
        f.want[i] = kind == CLVITS_ADD ? a + b : kind == CLVITS_SUB ? a - b : a * b;
    }
    harness_close(&f.h, y, f.want, 1e-6);
    end(&f);
}
END_TEST

/* Without conditioning, with one vector per item, with one per row. */
START_TEST(gate)
{
    const int with = _i % 3;
    const float *x, *g = NULL;
    fixture f;

    if (harness_left_out(_i))
        return;
    begin(&f, _i / 3);
    clvits_tensor *tx = input(&f, f.rows, 2 * f.C, &x), *tg = NULL;
    if (with)
        tg = input(&f, with == 1 ? 0 : f.rows, 2 * f.C, &g);
    clvits_tensor *y = clvits_graph_keep(clvits_gate(tx, tg));
    go(&f);
    for (int i = 0; i < f.B * f.T; i++)
        for (int c = 0; c < f.C; c++) {
            const int k = (with == 1 ? i / f.T : i) * 2 * f.C + c;
            const double a = (double)x[i * 2 * f.C + c] + (g ? (double)g[k] : 0);
            const double b = (double)x[i * 2 * f.C + f.C + c] + (g ? (double)g[k + f.C] : 0);
            f.want[i * f.C + c] = tanh(a) / (1 + exp(-b));
        }
    harness_close(&f.h, y, f.want, 1e-6);
    end(&f);
}
END_TEST

/* Bits of _i: reverse, logdet. */
START_TEST(affine)
{
    const bool reverse = _i & 1, with_logdet = _i & 2;
    const float *x, *m, *s;
    clvits_tensor *logdet = NULL;
    fixture f;

    if (harness_left_out(_i))
        return;
    begin(&f, _i / 4);
    clvits_tensor *tx = input(&f, f.rows, f.C, &x);
    clvits_tensor *tm = harness_weight(&f.h, 2, (int64_t[]){ f.C, 1 }, -1, 1, &m);
    clvits_tensor *ts = harness_weight(&f.h, 2, (int64_t[]){ f.C, 1 }, -1, 1, &s);
    clvits_tensor *y = clvits_graph_keep(
        clvits_affine(tx, tm, ts, reverse, with_logdet ? &logdet : NULL));
    clvits_graph_keep(logdet);
    go(&f);
    for (int i = 0; i < f.B * f.T * f.C; i++) {
        const double v = (double)x[i], a = (double)m[i % f.C], e = (double)s[i % f.C];
        f.want[i] = reverse ? (v - a) * exp(-e) : a + exp(e) * v;
        f.want2[i / f.C] += reverse ? -e : e;
    }
    harness_close(&f.h, y, f.want, 1e-5);
    if (with_logdet)
        harness_close(&f.h, logdet, f.want2, 1e-5);
    end(&f);
}
END_TEST

/* Bits of _i: reverse, logdet, mean only. */
START_TEST(coupling)
{
    const bool reverse = _i & 1, with_logdet = _i & 2, mean_only = _i & 4;
    const float *x, *stats;
    clvits_tensor *logdet = NULL;
    fixture f;

    if (harness_left_out(_i))
        return;
    begin(&f, _i / 8);
    clvits_tensor *tx = input(&f, f.rows, f.C, &x), *ts = input(&f, f.rows, 2 * f.C, &stats);
    clvits_tensor *y = clvits_graph_keep(
        clvits_coupling(tx, clvits_graph_slice(ts, 0, f.C),
                        mean_only ? NULL : clvits_graph_slice(ts, f.C, f.C), reverse,
                        with_logdet ? &logdet : NULL));
    clvits_graph_keep(logdet);
    go(&f);
    for (int i = 0; i < f.B * f.T; i++)
        for (int c = 0; c < f.C; c++) {
            const double v = (double)x[i * f.C + c], a = (double)stats[i * 2 * f.C + c];
            const double e = mean_only ? 0 : (double)stats[i * 2 * f.C + f.C + c];
            f.want[i * f.C + c] = reverse ? (v - a) * exp(-e) : a + exp(e) * v;
            f.want2[i] += reverse ? -e : e;
        }
    harness_close(&f.h, y, f.want, 1e-5);
    if (with_logdet)
        harness_close(&f.h, logdet, f.want2, 1e-5);
    end(&f);
}
END_TEST

START_TEST(log_flow)
{
    const bool reverse = _i & 1, with_logdet = _i & 2;
    const float *x;
    clvits_tensor *logdet = NULL;
    fixture f;

    if (harness_left_out(_i))
        return;
    begin(&f, _i / 4);
    clvits_tensor *tx = input(&f, f.rows, f.C, &x);
    clvits_tensor *y =
        clvits_graph_keep(clvits_log_flow(tx, reverse, with_logdet ? &logdet : NULL));
    clvits_graph_keep(logdet);
    go(&f);
    for (int i = 0; i < f.B * f.T * f.C; i++) {
        const double v = (double)x[i];
        f.want[i] = reverse ? exp(v) : log(v > (double)1e-5f ? v : (double)1e-5f);
        f.want2[i / f.C] += reverse ? v : -f.want[i];
    }
    harness_close(&f.h, y, f.want, 1e-5);
    if (with_logdet)
        harness_close(&f.h, logdet, f.want2, 1e-5);
    end(&f);
}
END_TEST

/* At and beside the smallest number that it takes as it is, and far from it. */
START_TEST(log_flow_edges)
{
    const float x[] = { 1e-5f, nextafterf(1e-5f, 0), nextafterf(1e-5f, 1), 0.0f, -0.0f, -1.0f,
                        -INFINITY, 1e-38f, 1.0f, nextafterf(1, 2), 65536.0f, 1e30f, INFINITY, NAN };
    clvits_tensor *logdet;
    harness h;

    harness_begin(&h, 1);
    const int rows = clvits_graph_clock(h.graph, LENGTH(x));
    clvits_tensor *y = clvits_graph_keep(
        clvits_log_flow(harness_input_of(&h, CLVITS_F32, rows, 1, x), false, &logdet));
    clvits_graph_keep(logdet);
    harness_plan(&h);
    harness_go(&h);
    const float *got = harness_output(&h, y), *got_logdet = harness_output(&h, logdet);
    for (int i = 0; i < LENGTH(x) - 2; i++) {
        const double want = log(x[i] > 1e-5f ? (double)x[i] : (double)1e-5f);
        ck_assert_double_le(fabs((double)got[i] - want), 1e-6 * fabs(want));
        ck_assert_double_le(fabs((double)got_logdet[i] + want), 1e-6 * fabs(want));
    }
    ck_assert(got[LENGTH(x) - 2] == INFINITY && got_logdet[LENGTH(x) - 2] == -INFINITY);
    ck_assert(isnan(got[LENGTH(x) - 1]) && isnan(got_logdet[LENGTH(x) - 1]));
    harness_end(&h);
}
END_TEST

START_TEST(sample)
{
    const float *stats, *noise;
    fixture f;

    begin(&f, _i);
    clvits_tensor *ts = input(&f, f.rows, 2 * f.C, &stats);
    clvits_tensor *y = clvits_graph_keep(
        clvits_sample(clvits_graph_slice(ts, 0, f.C), clvits_graph_slice(ts, f.C, f.C),
                      input(&f, f.rows, f.C, &noise), f.scalar));
    go(&f);
    for (int i = 0; i < f.B * f.T * f.C; i++) {
        const float *p = stats + i / f.C * 2 * f.C + i % f.C;
        f.want[i] = (double)p[0] + (double)noise[i] * exp((double)p[f.C]) *
                                       (double)scalar_of(i / f.C / f.T);
    }
    harness_close(&f.h, y, f.want, 1e-5);
    end(&f);
}
END_TEST

/* N(3, 4) where the noise is 0.5 gives 4; a coupling of scales e^1, e^2, e^3 has log|det| = 6. */
START_TEST(known_answers)
{
    static const float m[] = { 3, 3, 3 }, noise[] = { 0.5f, 0.5f, 0.5f }, s[] = { 1, 2, 3 };
    const float two = logf(2.0f), logs[] = { two, two, two };
    clvits_tensor *det;
    harness h;

    harness_begin(&h, 1);
    const int slot = clvits_graph_scalar(h.graph, 1);
    clvits_tensor *tm = harness_input_of(&h, CLVITS_F32, 0, 3, m);
    clvits_tensor *te = harness_input_of(&h, CLVITS_F32, 0, 3, noise);
    clvits_tensor *tl = harness_input_of(&h, CLVITS_F32, 0, 3, logs);
    clvits_tensor *drawn = clvits_graph_keep(clvits_sample(tm, tl, te, slot));
    clvits_coupling(te, tm, harness_input_of(&h, CLVITS_F32, 0, 3, s), false, &det);
    clvits_graph_keep(det);
    harness_plan(&h);
    clvits_run_set_float(h.run, slot, 0, 1.0f);
    harness_go(&h);
    harness_close(&h, drawn, (double[]){ 4, 4, 4 }, 1e-6);
    harness_close(&h, det, (double[]){ 6 }, 0.0);
    harness_end(&h);
}
END_TEST

START_TEST(gelu_like_pytorch)
{
    harness h;

    harness_begin(&h, 1);
    const golden x = golden_rows(&h, "gelu_edges_x"), y = golden_rows(&h, "gelu_edges_y");
    const int rows = clvits_graph_clock(h.graph, x.T);
    clvits_tensor *t = clvits_graph_keep(
        clvits_unary(harness_input_of(&h, CLVITS_F32, rows, x.C, x.floats),
                     &(clvits_unary_params){ .kind = CLVITS_GELU }));
    harness_plan(&h);
    harness_go(&h);
    harness_close(&h, t, y.data, 1e-6);
    harness_end(&h);
}
END_TEST

START_TEST(gate_like_pytorch)
{
    static const char *const names[][3] = {
        { "gate_speaker_x", "gate_speaker_g", "gate_speaker_y" },
        { "gate_frames_x", "gate_frames_g", "gate_frames_y" },
    };
    harness h;

    harness_begin(&h, _i == 0 ? 2 : 1);
    const golden x = golden_rows(&h, names[_i][0]), g = golden_rows(&h, names[_i][1]);
    const golden y = golden_rows(&h, names[_i][2]);
    const int rows = clvits_graph_clock(h.graph, x.T);
    clvits_tensor *t = clvits_graph_keep(
        clvits_gate(harness_input_of(&h, CLVITS_F32, rows, x.C, x.floats),
                    harness_input_of(&h, CLVITS_F32, g.T == 1 ? 0 : rows, g.C, g.floats)));
    harness_plan(&h);
    harness_go(&h);
    harness_close(&h, t, y.data, 1e-6);
    harness_end(&h);
}
END_TEST

START_TEST(coupling_like_pytorch)
{
    const bool reverse = _i;
    clvits_tensor *logdet;
    harness h;

    harness_begin(&h, 2);
    const golden x = golden_rows(&h, "affine_general_x"), m = golden_rows(&h, "affine_general_m");
    const golden s = golden_rows(&h, "affine_general_logs");
    const golden lengths = golden_read(&h, "affine_general_lengths");
    const golden y = golden_rows(&h, reverse ? "affine_general_reverse" : "affine_general_forward");
    const golden want = golden_read(&h, "affine_general_logdet");
    const int rows = clvits_graph_clock(h.graph, x.T);
    clvits_tensor *t = clvits_graph_keep(
        clvits_coupling(harness_input_of(&h, CLVITS_F32, rows, x.C, x.floats),
                        harness_input_of(&h, CLVITS_F32, rows, x.C, m.floats),
                        harness_input_of(&h, CLVITS_F32, rows, x.C, s.floats), reverse, &logdet));
    clvits_graph_keep(logdet);
    harness_plan(&h);
    for (int b = 0; b < 2; b++)
        harness_length(&h, rows, b, (int)lengths.data[b]);
    harness_go(&h);
    harness_close(&h, t, y.data, 1e-5);
    const float *got = harness_output(&h, logdet);
    for (int b = 0; b < 2; b++) {
        double sum = 0;
        for (int k = 0; k < (int)lengths.data[b]; k++)
            sum += (double)got[b * x.T + k];
        ck_assert_double_eq_tol(reverse ? -sum : sum, want.data[b], 1e-5 * fabs(want.data[b]));
    }
    harness_end(&h);
}
END_TEST

/* One refusal per operator. */
static clvits_tensor *misuse(int i, clvits_tensor *four, clvits_tensor *five, clvits_tensor *weight)
{
    switch (i) {
    case 0:
        return clvits_unary(weight, &(clvits_unary_params){ 0 });
    case 1:
        return clvits_binary(four, five, CLVITS_ADD);
    case 2:
        return clvits_gate(five, NULL);
    case 3:
        return clvits_gate(four, five);
    case 4:
        return clvits_affine(four, weight, weight, false, NULL);
    case 5:
        return clvits_coupling(four, five, NULL, false, NULL);
    case 6:
        return clvits_log_flow(weight, false, NULL);
    case 7:
        return clvits_sample(four, four, five, CLVITS_MAX_CLOCKS);
    case 8:
        return clvits_unary(four, &(clvits_unary_params){ .kind = (clvits_unary_kind)99 });
    case 9:
        return clvits_unary(four, &(clvits_unary_params){ .kind = CLVITS_SCALE, .slot = 1 });
    default:
        return clvits_sample(four, four, four, 0);
    }
}

START_TEST(refuses_what_does_not_fit)
{
    const float *x;
    harness h;

    harness_begin(&h, 1);
    const int rows = clvits_graph_clock(h.graph, 9);
    clvits_tensor *four = harness_input(&h, rows, 4, -1, 1, &x);
    clvits_tensor *five = harness_input(&h, rows, 5, -1, 1, &x);
    clvits_tensor *weight = harness_weight(&h, 1, (int64_t[]){ 5 }, -1, 1, &x);
    ck_assert_ptr_null(misuse(_i, four, five, weight));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report),
                     _i < 8 ? CLVITS_E_SHAPE : CLVITS_E_ARGUMENT);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pointwise");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, accurate_everywhere, 0, LENGTH(functions));
    tcase_add_loop_test(t, of_integers, 0, 3);
    tcase_add_loop_test(t, scale, 0, LENGTH(shapes));
    tcase_add_loop_test(t, binary, 0, 6 * LENGTH(shapes));
    tcase_add_loop_test(t, gate, 0, 3 * LENGTH(shapes));
    tcase_add_loop_test(t, affine, 0, 4 * LENGTH(shapes));
    tcase_add_loop_test(t, coupling, 0, 8 * LENGTH(shapes));
    tcase_add_loop_test(t, log_flow, 0, 4 * LENGTH(shapes));
    tcase_add_test(t, log_flow_edges);
    tcase_add_loop_test(t, sample, 0, LENGTH(shapes));
    tcase_add_test(t, known_answers);
    tcase_add_test(t, gelu_like_pytorch);
    tcase_add_loop_test(t, gate_like_pytorch, 0, 2);
    tcase_add_loop_test(t, coupling_like_pytorch, 0, 2);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 11);
    suite_add_tcase(s, t);
    return harness_main(s);
}
