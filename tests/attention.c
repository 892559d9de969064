// SPDX-License-Identifier: MIT
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* q, k, v [B][T][C] in double, after the formula; rel_k, rel_v [2 * window + 1][D] or NULL. */
static void truth(int B, int T, int H, int D, int window, const int *len, const float *q,
                  const float *k, const float *v, const float *rel_k, const float *rel_v,
                  double *y)
{
    const int C = H * D;
    double *p = malloc((size_t)T * sizeof(*p));

    for (int row = 0; row < B * T * H; row++) {
        const int h = row % H, i = row / H % T, b = row / H / T;
        const float *qi = q + ((int64_t)b * T + i) * C + h * D;
        double top = -INFINITY, total = 0;

        for (int c = 0; c < D; c++)
            y[((int64_t)b * T + i) * C + h * D + c] = 0;
        for (int j = 0; j < len[b] && i < len[b]; j++) {
            const int m = abs(j - i) <= window ? j - i + window : -1;
            p[j] = 0;
            for (int c = 0; c < D; c++) {
                const double kj = (double)k[((int64_t)b * T + j) * C + h * D + c];
                const double r = rel_k && m >= 0 ? (double)rel_k[m * D + c] : 0;
                p[j] += (double)qi[c] / sqrt(D) * (kj + r);
            }
            top = fmax(top, p[j]);
        }
        for (int j = 0; j < len[b] && i < len[b]; j++)
            total += p[j] = exp(p[j] - top);
        for (int j = 0; j < len[b] && i < len[b]; j++) {
            const int m = abs(j - i) <= window ? j - i + window : -1;
            for (int c = 0; c < D; c++) {
                const double vj = (double)v[((int64_t)b * T + j) * C + h * D + c];
                const double r = rel_v && m >= 0 ? (double)rel_v[m * D + c] : 0;
                y[((int64_t)b * T + i) * C + h * D + c] += p[j] / total * (vj + r);
            }
        }
    }
    free(p);
}

typedef struct attention_case {
    const char *name;
    int B, T, H, D, window;
    float size; /* of queries and keys */
    bool large;
} attention_case;

static const attention_case cases[] = {
    { "one row", 1, 1, 2, 3, 4, 1 },
    { "shorter than the window", 1, 3, 2, 3, 4, 1 },
    { "odd sizes", 2, 19, 3, 5, 4, 1 },
    { "no relative terms", 2, 37, 2, 5, 0, 1 },
    { "ragged", 3, 75, 2, 33, 4, 1, true },
    { "as in the model", 2, 203, 2, 96, 4, 1, true },
    { "largest head", 1, 67, 1, 256, 4, 1, true },
    { "one channel", 1, 130, 3, 1, 1, 4, true },
    { "window over several blocks", 1, 201, 1, 5, 97, 1, true },
    { "window beyond the text", 2, 21, 2, 3, 40, 1 },
    { "steep", 1, 150, 2, 33, 4, 12, true },
};

static bool skipped(bool large)
{
    return large && getenv("CLVITS_TEST_TINY");
}

static void run_case(const attention_case *c)
{
    const clvits_attention_params p = { .heads = c->H, .window = c->window };
    const int C = c->H * c->D;
    const int64_t rel[] = { 1, 2 * c->window + 1, c->D };
    const float *q, *k, *v, *rel_k = NULL, *rel_v = NULL;
    clvits_tensor *tk = NULL, *tv = NULL;
    harness h;
    int len[4];

    harness_begin(&h, c->B);
    const int clock = clvits_graph_clock(h.graph, c->T);
    clvits_tensor *in[] = { harness_input(&h, clock, C, -c->size, c->size, &q),
                            harness_input(&h, clock, C, -c->size, c->size, &k),
                            harness_input(&h, clock, C, -1, 1, &v) };
    if (c->window) {
        tk = harness_weight(&h, 3, rel, -1, 1, &rel_k);
        tv = harness_weight(&h, 3, rel, -1, 1, &rel_v);
    }
    clvits_tensor *y = clvits_graph_keep(clvits_attention(in[0], in[1], in[2], tk, tv, &p));
    harness_plan(&h);
    for (int b = 0; b < c->B; b++) {
        len[b] = c->T - (c->T > 20 ? 9 : 2) * b;
        harness_length(&h, clock, b, len[b]);
    }
    harness_go(&h);

    double *want = malloc((size_t)clvits_tensor_count(y) * sizeof(*want));
    truth(c->B, c->T, c->H, c->D, c->window, len, q, k, v, rel_k, rel_v, want);
    harness_close(&h, y, want, 1e-5);
    free(want);
    harness_end(&h);
}

START_TEST(forward)
{
    if (!skipped(cases[_i].large) && !harness_left_out(_i))
        run_case(&cases[_i]);
}
END_TEST

/* The same item alone and beside a longer one, q, k and v being slices of one tensor. */
START_TEST(ragged_equals_single)
{
    enum { H = 2, D = 5, C = H * D, SHORT = 23, LONG = 41 };
    const clvits_attention_params p = { .heads = H, .window = 4 };
    const float *x, *w;
    float *first = NULL;

    for (int B = 2; B >= 1; B--) {
        harness h;
        harness_begin(&h, B);
        const int T = B == 2 ? LONG : SHORT, clock = clvits_graph_clock(h.graph, T);
        clvits_tensor *tx = harness_input(&h, clock, 3 * C, -1, 1, &x);
        clvits_tensor *tw[2];
        h.seed = 77;
        for (int i = 0; i < 2; i++)
            tw[i] = harness_weight(&h, 3, (int64_t[]){ 1, 9, D }, -1, 1, &w);
        clvits_tensor *y = clvits_graph_keep(
            clvits_attention(clvits_graph_slice(tx, C, C), clvits_graph_slice(tx, 0, C),
                             clvits_graph_slice(tx, 2 * C, C), tw[0], tw[1], &p));
        harness_plan(&h);
        harness_length(&h, clock, 0, SHORT);
        harness_go(&h);
        const float *got = harness_output(&h, y);
        if (first)
            ck_assert_mem_eq(got, first, SHORT * C * sizeof(*got));
        first = first ? first : malloc(SHORT * C * sizeof(*got));
        for (int i = 0; i < SHORT * C; i++)
            first[i] = got[i];
        harness_end(&h);
    }
    free(first);
}
END_TEST

static const struct {
    const char *name;
    int heads;
} goldens[] = { { "single", 2 }, { "short", 2 }, { "window", 2 },
               { "long", 2 },   { "heads3", 3 }, { "masked", 2 } };

static golden tensor(harness *h, const char *name, const char *part)
{
    char file[128];
    const bool rows = part[1] == '\0'; /* q, k, v, y */

    snprintf(file, sizeof(file), "attention_%s_%s", name, part);
    return rows ? golden_rows(h, file) : golden_read(h, file);
}

START_TEST(matches_pytorch)
{
    const char *name = goldens[_i].name, *const parts[] = { "q", "k", "v", "rel_k", "rel_v" };
    const clvits_attention_params p = { .heads = goldens[_i].heads, .window = 4 };
    clvits_tensor *in[5];
    harness h;

    if (harness_left_out(_i))
        return;
    harness_begin(&h, !strcmp(name, "masked") ? 2 : 1);
    const golden y = tensor(&h, name, "y"), lengths = tensor(&h, name, "lengths");
    const int clock = clvits_graph_clock(h.graph, y.T);
    for (int i = 0; i < 5; i++) {
        const golden a = tensor(&h, name, parts[i]);
        in[i] = i < 3 ? harness_input_of(&h, CLVITS_F32, clock, y.C, a.floats)
                      : clvits_graph_weight(h.graph, a.floats, 3, a.shape);
    }
    clvits_tensor *ty = clvits_graph_keep(clvits_attention(in[0], in[1], in[2], in[3], in[4], &p));
    harness_plan(&h);
    for (int b = 0; b < y.B; b++)
        harness_length(&h, clock, b, (int)lengths.data[b]);
    harness_go(&h);
    harness_close(&h, ty, y.data, 1e-5);
    harness_end(&h);
}
END_TEST

static const struct {
    int B, T, C;
    float size;
} softmax_cases[] = {
    { 1, 1, 1, 1 }, { 2, 17, 17, 1 }, { 3, 70, 70, 30 }, { 1, 9, 5, 1 }, { 2, 20, 45, 100 },
    { 1, 33, 301, 1 },
};

START_TEST(softmax)
{
    const int B = softmax_cases[_i].B, T = softmax_cases[_i].T, C = softmax_cases[_i].C;
    const float *x, size = softmax_cases[_i].size;
    harness h;

    if (harness_left_out(_i))
        return;
    harness_begin(&h, B);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *y = clvits_graph_keep(clvits_softmax(harness_input(&h, clock, C, -size, size,
                                                                      &x)));
    harness_plan(&h);
    double *want = calloc((size_t)clvits_tensor_count(y), sizeof(*want));
    for (int b = 0; b < B; b++) {
        const int len = T - 6 * b, n = len < C ? len : C;
        harness_length(&h, clock, b, len);
        for (int t = 0; t < len; t++) {
            const int64_t at = ((int64_t)b * T + t) * C;
            double top = -INFINITY, total = 0;
            for (int c = 0; c < n; c++)
                top = fmax(top, (double)x[at + c]);
            for (int c = 0; c < n; c++)
                total += exp((double)x[at + c] - top);
            for (int c = 0; c < n; c++)
                want[at + c] = exp((double)x[at + c] - top) / total;
        }
    }
    harness_go(&h);
    harness_close(&h, y, want, 1e-5);
    free(want);
    harness_end(&h);
}
END_TEST

static const struct {
    int heads, window, rows; /* rows of the relative weights; 0: none */
} refused[] = { { 5, 0, 0 }, { 0, 0, 0 }, { 2, -1, 0 }, { 2, 4, 0 }, { 2, 0, 1 }, { 2, 4, 7 } };

START_TEST(refuses_what_does_not_fit)
{
    const clvits_attention_params p = { .heads = refused[_i].heads, .window = refused[_i].window };
    clvits_tensor *w = NULL;
    const float *x;
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *q = harness_input(&h, clvits_graph_clock(h.graph, 9), 6, -1, 1, &x);
    if (refused[_i].rows)
        w = harness_weight(&h, 3, (int64_t[]){ 1, refused[_i].rows, 3 }, -1, 1, &x);
    ck_assert_ptr_null(clvits_attention(q, q, q, w, w, &p));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("attention");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_test(t, ragged_equals_single);
    tcase_add_loop_test(t, matches_pytorch, 0, LENGTH(goldens));
    tcase_add_loop_test(t, softmax, 0, LENGTH(softmax_cases));
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, LENGTH(refused));
    suite_add_tcase(s, t);
    return harness_main(s);
}
