// SPDX-License-Identifier: MIT
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_BINS = 32 };

static void knots(double *at, const float *logits, int bins, double scale, double tail)
{
    double top = -INFINITY, all = 0, sum = 0;

    for (int i = 0; i < bins; i++)
        top = fmax(top, (double)logits[i] * scale);
    for (int i = 0; i < bins; i++)
        all += exp((double)logits[i] * scale - top);
    for (int i = 0; i < bins; i++) {
        at[i] = -tail + 2 * tail * sum;
        sum += 1e-3 + (1 - 1e-3 * bins) * exp((double)logits[i] * scale - top) / all;
    }
    at[bins] = tail;
}

static double slope(const float *logits, int bins, int i)
{
    return i == 0 || i == bins ? 1.0 : 1e-3 + log1p(exp((double)logits[i - 1]));
}

/* The formulas of Durkan et al. in double: y, and log |dy/dx| added to logdet. */
static double truth(const clvits_spline_params *p, double x, const float *h, double *logdet)
{
    const int n = p->bins;
    const float *slopes = h + 2 * n;
    double w[MOST_BINS + 1], v[MOST_BINS + 1], e, y;
    int k = 0;

    if (!(fabs(x) <= (double)p->tail))
        return x;
    knots(w, h, n, (double)p->scale, (double)p->tail);
    knots(v, h + n, n, (double)p->scale, (double)p->tail);
    while (k < n - 1 && x >= (p->reverse ? v : w)[k + 1])
        k++;
    const double width = w[k + 1] - w[k], height = v[k + 1] - v[k], s = height / width;
    const double d0 = slope(slopes, n, k), d1 = slope(slopes, n, k + 1), D = d0 + d1 - 2 * s;
    if (p->reverse) {
        const double f = x - v[k], a = height * (s - d0) + f * D, b = height * d0 - f * D;
        e = 2 * s * f / (b + sqrt(fmax(0, b * b + 4 * a * s * f)));
        y = w[k] + e * width;
    } else {
        e = (x - w[k]) / width;
        y = v[k] + height * (s * e * e + d0 * e * (1 - e)) / (s + D * e * (1 - e));
    }
    const double down = s + D * e * (1 - e);
    const double g = 2 * log(s) +
                     log(d1 * e * e + 2 * s * e * (1 - e) + d0 * (1 - e) * (1 - e)) - 2 * log(down);
    *logdet += p->reverse ? -g : g;
    return y;
}

static void check(harness *h, clvits_tensor *y, clvits_tensor *logdet,
                  const clvits_spline_params *p, const float *x, const float *params)
{
    const int64_t rows = (int64_t)y->B * y->T;
    double *want = malloc((size_t)(rows * y->C) * sizeof(*want));
    double *want_logdet = calloc((size_t)rows, sizeof(*want_logdet));

    ck_assert(want && want_logdet);
    for (int64_t i = 0; i < rows * y->C; i++)
        want[i] = truth(p, (double)x[i], params + i * (3 * p->bins - 1), &want_logdet[i / y->C]);
    harness_close(h, y, want, 1e-5);
    if (logdet)
        harness_close(h, logdet, want_logdet, 1e-5);
    free(want);
    free(want_logdet);
}

static const struct {
    int B, T, C, bins;
    float tail, scale, reach, logits; /* x and the raw numbers lie within +-reach, +-logits */
    bool no_logdet;
} cases[] = {
    { 1, 1, 1, 10, 5, 0.0722f, 5, 20 },
    { 2, 37, 1, 10, 5, 0.25f, 7, 8 },
    { 3, 65, 1, 10, 5, 1, 6, 3 },
    { 2, 50, 3, 7, 3, 0.5f, 3.5f, 4 },
    { 1, 200, 2, 1, 1, 1, 1.5f, 2, .no_logdet = true }, /* the identity: log 1 has no scale */
    { 1, 64, 2, 32, 5, 1, 5, 2 },
    { 1, 5, 5, 2, 0.5f, 2, 1, 1 },
};

static void run_case(int i, bool reverse)
{
    const clvits_spline_params p = { .reverse = reverse, .bins = cases[i].bins,
                                     .tail = cases[i].tail, .scale = cases[i].scale };
    const int C = cases[i].C, T = cases[i].T;
    const float *x, *params;
    clvits_tensor *logdet = NULL;
    harness h;

    harness_begin(&h, cases[i].B);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *tx = harness_input(&h, clock, C, -cases[i].reach, cases[i].reach, &x);
    clvits_tensor *th = harness_input(&h, clock, C * (3 * p.bins - 1), -cases[i].logits,
                                      cases[i].logits, &params);
    clvits_tensor *y = clvits_graph_keep(
        clvits_spline(tx, th, &p, cases[i].no_logdet ? NULL : &logdet));
    clvits_graph_keep(logdet);
    harness_plan(&h);
    harness_go(&h); /* leaves longer sequences where the next run must leave zeros */
    for (int b = 0; b < cases[i].B; b++)
        harness_length(&h, clock, b, T - (b + 1) * (T / 4));
    harness_go(&h);
    check(&h, y, logdet, &p, x, params);
    harness_end(&h);
}

START_TEST(forward)
{
    run_case(_i, false);
}
END_TEST

START_TEST(inverse)
{
    run_case(_i, true);
}
END_TEST

/* Points at and beside the tails and every knot, where all logits are equal or the largest and the
 * smallest share a spline. */
START_TEST(edges)
{
    const clvits_spline_params p = { .reverse = _i & 1, .bins = 10, .tail = 5, .scale = 1 };
    const float logits = _i < 2 ? 0.0f : 30.0f;
    enum { T = 80, N = 29 };
    float x[T], params[T * N];
    clvits_tensor *logdet;
    harness h;

    harness_begin(&h, 1);
    const float *random = harness_random(&h, T * N, -1, 1);
    for (int t = 0; t < T; t++) {
        double at[MOST_BINS + 1];
        for (int i = 0; i < N; i++)
            params[t * N + i] = random[t * N + i] < 0.0f ? -logits : logits;
        knots(at, params + t * N + (p.reverse ? p.bins : 0), p.bins, 1, 5);
        x[t] = (float)at[t % 11];
        if (t / 11 % 3)
            x[t] = nextafterf(x[t], t / 11 % 3 == 1 ? 9.0f : -9.0f);
    }
    const float special[] = { -5.0f, 5.0f, nextafterf(5, 9), nextafterf(-5, -9), 0.0f, -0.0f,
                              6.0f, -6.0f, 1e-30f };
    for (int t = 0; t < LENGTH(special); t++)
        x[T - 1 - t] = special[t];
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *y = clvits_graph_keep(
        clvits_spline(harness_input_of(&h, CLVITS_F32, clock, 1, x),
                      harness_input_of(&h, CLVITS_F32, clock, N, params), &p, &logdet));
    clvits_graph_keep(logdet);
    harness_plan(&h);
    harness_go(&h);
    check(&h, y, logdet, &p, x, params);
    harness_end(&h);
}
END_TEST

START_TEST(what_is_no_number)
{
    const clvits_spline_params p = { .reverse = _i, .bins = 10, .tail = 5, .scale = 1 };
    enum { T = 6, N = 29 };
    const float x[T] = { NAN, INFINITY, -INFINITY, 1.0f, 1.0f, 2.0f };
    float params[T * N] = { 0 };
    clvits_tensor *logdet;
    harness h;

    params[3 * N + 4] = params[3 * N + 14] = NAN;
    params[4 * N] = params[4 * N + 10] = INFINITY;
    harness_begin(&h, 1);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *y = clvits_graph_keep(
        clvits_spline(harness_input_of(&h, CLVITS_F32, clock, 1, x),
                      harness_input_of(&h, CLVITS_F32, clock, N, params), &p, &logdet));
    clvits_graph_keep(logdet);
    harness_plan(&h);
    harness_go(&h);
    const float *got = harness_output(&h, y), *got_logdet = harness_output(&h, logdet);
    ck_assert(isnan(got[0]) && got[1] == INFINITY && got[2] == -INFINITY);
    ck_assert(isnan(got[3]) && isnan(got[4]));
    for (int t = 0; t < 3; t++)
        ck_assert(got_logdet[t] == 0.0f);
    ck_assert(fabsf(got[5] - (float)truth(&p, 2.0, params + 5 * N, &(double){ 0 })) < 5e-5f);
    harness_end(&h);
}
END_TEST

/* A spline of one bin is the identity, whatever its numbers are. */
START_TEST(one_bin)
{
    enum { T = 21 };
    const clvits_spline_params p = { .reverse = _i, .bins = 1, .tail = 5, .scale = 1 };
    const float *x, *params;
    clvits_tensor *logdet;
    harness h;

    harness_begin(&h, 1);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *tx = harness_input(&h, clock, 1, -6, 6, &x);
    clvits_tensor *y = clvits_graph_keep(
        clvits_spline(tx, harness_input(&h, clock, 2, -9, 9, &params), &p, &logdet));
    clvits_graph_keep(logdet);
    harness_plan(&h);
    harness_go(&h);
    const float *got = harness_output(&h, y), *got_logdet = harness_output(&h, logdet);
    for (int t = 0; t < T; t++) {
        ck_assert_double_le(fabs((double)got[t] - (double)x[t]), 1e-6 * fabs((double)x[t]));
        ck_assert_double_le(fabs((double)got_logdet[t]), 1e-6);
    }
    harness_end(&h);
}
END_TEST

/* The inverse undoes the spline, and their log-determinants cancel. */
START_TEST(there_and_back)
{
    enum { T = 300, N = 29 };
    const clvits_spline_params p = { .bins = 10, .tail = 5, .scale = 0.0722f };
    const clvits_spline_params back = { .reverse = true, .bins = 10, .tail = 5, .scale = 0.0722f };
    const float *x, *params;
    double want[T];
    clvits_tensor *logdet, *logdet_back;
    harness h;

    harness_begin(&h, 1);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *tx = harness_input(&h, clock, 1, -5.5f, 5.5f, &x);
    clvits_tensor *th = harness_input(&h, clock, N, -3, 3, &params);
    clvits_tensor *y = clvits_spline(tx, th, &p, &logdet);
    clvits_tensor *z = clvits_graph_keep(clvits_spline(y, th, &back, &logdet_back));
    clvits_graph_keep(logdet);
    clvits_graph_keep(logdet_back);
    harness_plan(&h);
    harness_go(&h);
    for (int t = 0; t < T; t++)
        want[t] = (double)x[t];
    harness_close(&h, z, want, 1e-6);
    const float *a = harness_output(&h, logdet), *b = harness_output(&h, logdet_back);
    double largest = 0;
    for (int t = 0; t < T; t++)
        largest = fmax(largest, fabs((double)a[t]));
    for (int t = 0; t < T; t++)
        ck_assert_double_le(fabs((double)a[t] + (double)b[t]), 1e-5 * largest);
    harness_end(&h);
}
END_TEST

static const struct {
    const char *name;
    int B, filter_channels;
} goldens[] = { { "random", 2, 16 }, { "edges", 1, 1 }, { "knots", 1, 4 }, { "steep", 1, 1 } };

START_TEST(matches_pytorch)
{
    const bool reverse = _i & 1;
    const clvits_spline_params p = {
        .reverse = reverse, .bins = 10, .tail = 5,
        .scale = 1.0f / sqrtf((float)goldens[_i / 2].filter_channels),
    };
    const char *parts[] = { "x", "h", "y", "logdet" };
    clvits_tensor *logdet;
    golden file[4];
    harness h;

    harness_begin(&h, goldens[_i / 2].B);
    for (int i = 0; i < 4; i++) {
        char name[96];
        snprintf(name, sizeof(name), "spline_%s-%s_%s", goldens[_i / 2].name,
                 reverse ? "inverse" : "forward", parts[i]);
        file[i] = golden_rows(&h, name);
    }
    const int clock = clvits_graph_clock(h.graph, file[0].T);
    clvits_tensor *y = clvits_graph_keep(
        clvits_spline(harness_input_of(&h, CLVITS_F32, clock, 1, file[0].floats),
                      harness_input_of(&h, CLVITS_F32, clock, 29, file[1].floats), &p, &logdet));
    clvits_graph_keep(logdet);
    harness_plan(&h);
    harness_go(&h);
    harness_close(&h, y, file[2].data, 1e-5);
    harness_close(&h, logdet, file[3].data, 1e-5);
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    const clvits_spline_params params[] = {
        { .bins = 10, .tail = 5, .scale = 1 }, { .bins = 0, .tail = 5, .scale = 1 },
        { .bins = 1000, .tail = 5, .scale = 1 }, { .bins = 11, .tail = 0, .scale = 1 },
        { .bins = 11, .tail = 5, .scale = NAN }, { .bins = 11, .tail = 5, .scale = 1 },
    };
    const float *v;
    harness h;

    harness_begin(&h, 1);
    const int clock = clvits_graph_clock(h.graph, 9), other = clvits_graph_clock(h.graph, 9);
    clvits_tensor *x = harness_input(&h, _i == 5 ? other : clock, 1, -1, 1, &v);
    clvits_tensor *t = harness_input(&h, clock, 32, -1, 1, &v);
    ck_assert_ptr_null(clvits_spline(x, t, &params[_i], NULL));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    const bool tiny = getenv("CLVITS_TEST_TINY");
    Suite *s = suite_create("spline");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, tiny ? 2 : LENGTH(cases));
    tcase_add_loop_test(t, inverse, 0, tiny ? 2 : LENGTH(cases));
    tcase_add_loop_test(t, edges, 0, 4);
    tcase_add_loop_test(t, one_bin, 0, 2);
    tcase_add_loop_test(t, what_is_no_number, 0, 2);
    if (!tiny)
        tcase_add_test(t, there_and_back);
    tcase_add_loop_test(t, matches_pytorch, 0, 2 * LENGTH(goldens));
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 6);
    suite_add_tcase(s, t);
    return harness_main(s);
}
