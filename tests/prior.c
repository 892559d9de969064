// SPDX-License-Identifier: MIT
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct prior_case {
    const char *name;
    int B, ids, frames, C;
    bool noise;
} prior_case;

static const prior_case cases[] = {
    { "drawn, odd sizes", 2, 7, 23, 5, false },
    { "drawn, the model's", 2, 11, 31, 192, false },
    { "given", 2, 9, 29, 21, true },
    { "one id", 1, 1, 4, 1, true },
    { "one channel, drawn", 1, 3, 9, 1, false },
};

/* Ends of ids of which some have no frames, and the last ends before the frames do. */
static void make_ends(int *ends, int n, int frames)
{
    for (int i = 0; i < n; i++)
        ends[i] = (i / 2 * 2 + 1) * (frames - 2) / n;
}

START_TEST(forward)
{
    const prior_case *c = &cases[_i];
    const int C = c->C;
    int ends[64];
    const float *stats, *noise = NULL;
    clvits_tensor *tn = NULL;
    harness h;

    harness_begin(&h, c->B);
    const int ids = clvits_graph_clock(h.graph, c->ids);
    const int frames = clvits_graph_clock(h.graph, c->frames);
    const int seed = clvits_graph_scalar(h.graph, 2), scale = clvits_graph_scalar(h.graph, 1);
    const clvits_prior_params p = { frames, scale, seed, 3 };
    for (int b = 0; b < c->B; b++)
        make_ends(ends + b * c->ids, c->ids, c->frames);
    clvits_tensor *ts = harness_input(&h, ids, 2 * C, -1, 1, &stats);
    clvits_tensor *te = harness_input_of(&h, CLVITS_I32, ids, 1, ends);
    if (c->noise)
        tn = harness_input(&h, frames, C, -3, 3, &noise);
    clvits_tensor *z = clvits_graph_keep(clvits_prior(ts, te, tn, &p));
    clvits_tensor *drawn = clvits_graph_keep(clvits_normal(h.graph, frames, C, seed, 3));
    harness_plan(&h);
    for (int b = 0; b < c->B; b++) {
        harness_length(&h, frames, b, c->frames - 3 * b);
        harness_length(&h, ids, b, c->ids - b);
        clvits_run_set_float(h.run, scale, b, 0.667f);
        clvits_run_set_int(h.run, seed, b, 77 + b);
        clvits_run_set_int(h.run, seed + 1, b, 5);
    }
    harness_go(&h);
    if (!noise)
        noise = harness_output(&h, drawn);
    double *want = calloc((size_t)clvits_tensor_count(z), sizeof(*want));
    for (int b = 0; b < c->B; b++)
        for (int f = 0; f < c->frames - 3 * b; f++) {
            int id = 0;
            while (id < c->ids - b && ends[b * c->ids + id] <= f)
                id++;
            for (int i = 0; i < C; i++) {
                const float *row = stats + (b * c->ids + id) * 2 * C;
                const int at = (b * c->frames + f) * C + i;
                const double m = id < c->ids - b ? (double)row[i] : 0;
                const double logs = id < c->ids - b ? (double)row[C + i] : 0;
                want[at] = m + (double)noise[at] * exp(logs) * (double)0.667f;
            }
        }
    harness_close(&h, z, want, 1e-5);
    free(want);
    harness_end(&h);
}
END_TEST

/* A stretch of frames has the bits that it has in the whole. */
START_TEST(stretches_equal_the_whole)
{
    enum { IDS = 6, FRAMES = 20, PART = 7, C = 11 };
    int ends[IDS];
    const float *stats;
    harness h;

    make_ends(ends, IDS, FRAMES);
    harness_begin(&h, 1);
    const int ids = clvits_graph_clock(h.graph, IDS), whole = clvits_graph_clock(h.graph, FRAMES);
    const int part = clvits_graph_clock(h.graph, PART);
    const int seed = clvits_graph_scalar(h.graph, 2), scale = clvits_graph_scalar(h.graph, 1);
    clvits_tensor *ts = harness_input(&h, ids, 2 * C, -1, 1, &stats);
    clvits_tensor *te = harness_input_of(&h, CLVITS_I32, ids, 1, ends);
    clvits_prior_params p = { whole, scale, seed, 1 };
    clvits_tensor *y = clvits_graph_keep(clvits_prior(ts, te, NULL, &p));
    p.clock = part;
    clvits_tensor *z = clvits_graph_keep(clvits_prior(ts, te, NULL, &p));
    harness_plan(&h);
    clvits_run_set_float(h.run, scale, 0, 0.5f);
    for (int first = 0; first + PART <= FRAMES; first += 3) {
        ck_assert_int_eq(clvits_run_set_first(h.run, part, 0, first, &h.report), 0);
        harness_go(&h);
        ck_assert_mem_eq(harness_output(&h, z), harness_output(&h, y) + first * C,
                         PART * C * sizeof(float));
    }
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    const float *x;
    harness h;

    harness_begin(&h, 1);
    const int ids = clvits_graph_clock(h.graph, 9), frames = clvits_graph_clock(h.graph, 20);
    const int seed = clvits_graph_scalar(h.graph, 2), scale = clvits_graph_scalar(h.graph, 1);
    const clvits_prior_params p = { _i == 0 ? 99 : frames, _i == 1 ? scale + 1 : scale,
                                    _i == 2 ? scale : seed, 0 };
    clvits_tensor *stats = harness_input(&h, _i == 3 ? frames : ids, _i == 4 ? 5 : 6, -1, 1, &x);
    clvits_tensor *ends = clvits_graph_input(h.graph, CLVITS_I32, ids, 1);
    clvits_tensor *noise = _i == 5 ? harness_input(&h, frames, 4, -1, 1, &x) : NULL;
    ck_assert_ptr_null(clvits_prior(stats, ends, noise, &p));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prior");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, forward, 0, LENGTH(cases));
    tcase_add_test(t, stretches_equal_the_whole);
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 6);
    suite_add_tcase(s, t);
    return harness_main(s);
}
