// SPDX-License-Identifier: MIT
#include "stages.h"


static void *memory(harness *h, size_t n)
{
    void *p = clvits_arena_array(&h->arena, n + 1, sizeof(float));
    ck_assert_ptr_nonnull(p);
    return p;
}

static void ok(const harness *h, clvits_status s)
{
    ck_assert_msg(s == CLVITS_OK, "%s: %s", clvits_status_text(s), h->report.text);
}

float *stages_rows(harness *h, const char *path, int channels, int *rows)
{
    npy a = npy_read(path);
    const int n = (int)a.count / channels;
    float *out = memory(h, a.count);

    ck_assert_int_eq(n * channels, (int)a.count);
    for (int c = 0; c < channels; c++)
        for (int t = 0; t < n; t++)
            out[t * channels + c] = a.floats[c * n + t];
    npy_free(&a);
    *rows = n;
    return out;
}

int32_t *stages_ints(harness *h, const char *path, int *count)
{
    npy a = npy_read(path);
    int32_t *out = memory(h, a.count);

    for (size_t i = 0; i < a.count; i++)
        out[i] = (int32_t)a.data[i];
    *count = (int)a.count;
    npy_free(&a);
    return out;
}

void stages_compare(const char *what, const float *got, const float *want, int64_t n)
{
    const double snr = harness_decibels(got, want, n);

    ck_assert_msg(snr >= 80.0, "%s: %.1f dB", what, snr);
}

stages_run stages_open(harness *h, const clvits_graph *g)
{
    stages_run s;
    ok(h, clvits_plan_make(&s.plan, g, &h->machine, h->weights, h->place, &h->report));
    ok(h, clvits_run_make(&s.run, s.plan, &h->report));
    harness_poison(h, s.run, s.plan);
    return s;
}

void stages_close(stages_run *s, clvits_graph **g)
{
    clvits_run_free(&s->run);
    clvits_plan_free(&s->plan);
    clvits_graph_close(g);
}

void stages_length(harness *h, const stages_run *s, int clock, int length)
{
    ok(h, clvits_run_set_length(s->run, clock, 0, length, &h->report));
}

void stages_write(harness *h, const stages_run *s, const clvits_tensor *t, const void *rows)
{
    if (t)
        ok(h, clvits_run_write(s->run, t, 0, rows, &h->report));
}

void stages_go(harness *h, const stages_run *s)
{
    ok(h, clvits_run_go(s->run, NULL, &h->report));
}

void *stages_read(harness *h, const stages_run *s, const clvits_tensor *t, int rows)
{
    float *out = memory(h, (size_t)rows * (size_t)t->C);
    ok(h, clvits_run_read(s->run, t, 0, 0, rows, out, &h->report));
    return out;
}
