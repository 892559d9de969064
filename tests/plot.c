// SPDX-License-Identifier: MIT
//
// Pictures of speech: columns by known sounds, and texts that nobody meant for XML.
#include "commas.h"
#include "files.h"
#include "model/context.h"
#include "model/plot.h"

#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 16000, MELS = CLVITS_PLOT_MELS };

static clvits_context *context;

static void open_context(void)
{
    const clvits_context_params p = { .device = "cpu", .threads = 1 };
    ck_assert(!clvits_context_open(&context, &p));
}

static void close_context(void)
{
    clvits_context_close(&context);
}

static float *tone(int n, double hz)
{
    float *x = malloc((size_t)n * sizeof(*x));

    ck_assert_ptr_nonnull(x);
    for (int i = 0; i < n; i++)
        x[i] = 0.3f * (float)sin(6.283185307179586 * hz * i / RATE);
    return x;
}

static int brightest(const clvits_plot_columns *c, int column)
{
    int best = 0;

    for (int m = 1; m < MELS; m++)
        if (c->mels[m * c->n_mels + column] > c->mels[best * c->n_mels + column])
            best = m;
    return best;
}

/* A low tone, then a high one, across the borders of what is computed at a time. */
START_TEST(columns)
{
    enum { FRAMES = 1200, N = FRAMES * 256 + 100, WIDE = 400 };
    float *low = tone(N, 300.0), *high = tone(N, 4000.0);
    clvits_report r = { 0 };
    clvits_plot_columns c;

    for (int i = N / 2; i < N; i++)
        low[i] = 0.5f * high[i];
    const clvits_plot plot = { low, N, RATE, NULL, 0, NULL, 0 };
    ck_assert_msg(!clvits_plot_compute(&c, &plot, WIDE, &context->machine.cpu, &r), "%s", r.text);
    ck_assert_int_eq(c.n_mels, WIDE);
    ck_assert_int_eq(c.n_peaks, WIDE);
    ck_assert_float_eq_tol(c.loudest, 0.3f, 1e-3f);
    for (int i = 1; i < WIDE - 1; i++) {
        if (abs(i - WIDE / 2) < 2)
            continue;
        const bool second = i > WIDE / 2;
        ck_assert_int_eq(brightest(&c, i), brightest(&c, second ? WIDE - 9 : 9));
        ck_assert_float_eq_tol(c.high[i], second ? 0.15f : 0.3f, 2e-3f);
        ck_assert_float_eq_tol(c.low[i], second ? -0.15f : -0.3f, 2e-3f);
        for (int m = 0; m < MELS; m++)
            ck_assert(c.mels[m * c.n_mels + i] <= 0.0f);
    }
    ck_assert_int_lt(brightest(&c, 9), MELS / 4);
    ck_assert_int_gt(brightest(&c, WIDE - 9), MELS / 2);
    clvits_plot_free(&c);
    free(low);
    free(high);
}
END_TEST

/* Silence is dark, what is nearly silent dim, and what is loud enough has 0 as its largest. */
START_TEST(silence_is_dark)
{
    static const struct {
        float factor, least, most;
    } rows[] = { { 0.0f, -9.3f, -9.2f }, { 0.01f, -3.5f, -2.5f }, { 1.0f, 0.0f, 0.0f } };
    enum { N = 4096 };

    for (size_t k = 0; k < sizeof(rows) / sizeof(*rows); k++) {
        float *x = tone(N, 300.0), largest = -INFINITY;
        clvits_report r = { 0 };
        clvits_plot_columns c;

        for (int i = 0; i < N; i++)
            x[i] *= rows[k].factor;
        const clvits_plot plot = { x, N, RATE, NULL, 0, NULL, 0 };
        ck_assert(!clvits_plot_compute(&c, &plot, 100, &context->machine.cpu, &r));
        for (int i = 0; i < c.n_mels * MELS; i++)
            largest = fmaxf(largest, c.mels[i]);
        ck_assert_float_ge(largest, rows[k].least);
        ck_assert_float_le(largest, rows[k].most);
        clvits_plot_free(&c);
        free(x);
    }
}
END_TEST

typedef struct text {
    char *p;
    size_t n, most;
} text;

static int add(void *user, const char *piece, size_t n)
{
    text *t = user;

    if (t->n + n > t->most)
        return 1;
    t->p = realloc(t->p, t->n + n + 1);
    ck_assert_ptr_nonnull(t->p);
    memcpy(t->p + t->n, piece, n);
    t->n += n;
    t->p[t->n] = '\0';
    return 0;
}

static int count(const char *in, const char *what)
{
    int n = 0;

    for (const char *at = in; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

START_TEST(texts_are_escaped)
{
    static const char *const texts[] = { "<&>", "\x01\x1f", "\xff\xc3", "\xef\xbf\xbf", "\xca\x83",
                                         "]]>", "" };
    enum { N = sizeof(texts) / sizeof(*texts) };
    clvits_timing list[N];
    text t = { .most = 1 << 20 };
    float *x = tone(RATE, 500.0);

    for (int i = 0; i < N; i++)
        list[i] = (clvits_timing){ texts[i], strlen(texts[i]), i * RATE / N, RATE / N, -1 };
    list[N - 1].length = 9 * RATE; /* beyond the end */
    const clvits_plot plot = { x, RATE, RATE, list, N, NULL, 0 };
    ck_assert(!clvits_plot_write(context, &plot, add, &t));
    ck_assert_int_eq(count(t.p, "class=\"phoneme\""), N);
    ck_assert_ptr_nonnull(strstr(t.p, ">&lt;&amp;&gt;<"));
    ck_assert_ptr_nonnull(strstr(t.p, ">]]&gt;<"));
    ck_assert_ptr_nonnull(strstr(t.p, ">\xca\x83<"));
    ck_assert_int_eq(count(t.p, "\xef\xbf\xbd"), 5);
    for (size_t i = 0; i < t.n; i++)
        ck_assert((unsigned char)t.p[i] >= 0x20 || t.p[i] == '\n');
    free(t.p);
    free(x);
}
END_TEST

/* A minute and a half with 20000 labels. */
START_TEST(long_pictures_are_bounded)
{
    enum { N = 90 * RATE, LABELS = 20000 };
    clvits_timing *list = malloc(LABELS * sizeof(*list));
    text t = { .most = 2 << 20 };
    float *x = tone(N, 500.0);

    ck_assert_ptr_nonnull(list);
    for (int i = 0; i < LABELS; i++)
        list[i] = (clvits_timing){ "a", 1, (int64_t)i * N / LABELS, N / LABELS, -1 };
    const clvits_plot plot = { x, N, RATE, list, LABELS, list, 300 };
    ck_assert_msg(!clvits_plot_write(context, &plot, add, &t), "%s", clvits_context_error(context));
    ck_assert_ptr_nonnull(strstr(t.p, "20000 phonemes, too many to be shown"));
    ck_assert_int_eq(count(t.p, "class=\"word\""), 300);
    free(t.p);
    free(x);
    free(list);
}
END_TEST

/* Where a program's locale writes 1,5, a picture still has 1.5. */
START_TEST(numbers_have_points)
{
    text t = { .most = 1 << 20 };
    float *x = tone(RATE, 500.0);
    const clvits_plot plot = { x, RATE, RATE, NULL, 0, NULL, 0 };

    commas_begin();
    const locale_t own = uselocale((locale_t)0);
    ck_assert(!clvits_plot_write(context, &plot, add, &t));
    ck_assert(uselocale((locale_t)0) == own);
    commas_end();
    for (size_t i = 1; i + 1 < t.n; i++)
        ck_assert(t.p[i] != ',' || !strchr("0123456789", t.p[i - 1]) ||
                  !strchr("0123456789", t.p[i + 1]));
    free(t.p);
    free(x);
}
END_TEST

START_TEST(odd_input)
{
    const float one = 0.5f, bad[3] = { 0.0f, NAN, 0.0f }, loud[2] = { 1e30f, 0.0f };
    text t = { .most = 1 << 20 };
    clvits_plot plot = { &one, 1, RATE, NULL, 0, NULL, 0 };

    ck_assert(!clvits_plot_write(context, &plot, add, &t)); /* a single sample */
    ck_assert_ptr_nonnull(strstr(t.p, "</svg>"));
    free(t.p);
    t = (text){ .most = 1000 };
    ck_assert_int_eq(clvits_plot_write(context, &plot, add, &t), CLVITS_E_CANCELLED);
    free(t.p);
    plot.sample_rate = 0;
    ck_assert_int_eq(clvits_plot_write(context, &plot, add, &t), CLVITS_E_ARGUMENT);
    plot = (clvits_plot){ bad, 3, RATE, NULL, 0, NULL, 0 };
    ck_assert_int_eq(clvits_plot_write(context, &plot, add, &t), CLVITS_E_ARGUMENT);
    plot = (clvits_plot){ loud, 2, RATE, NULL, 0, NULL, 0 };
    ck_assert_int_eq(clvits_plot_write(context, &plot, add, &t), CLVITS_E_ARGUMENT);
    plot.n_samples = 0;
    ck_assert_int_eq(clvits_plot_write(context, &plot, add, &t), CLVITS_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(clvits_context_error(context), "one sample"));
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("plot");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_add_checked_fixture(t, open_context, close_context);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, columns);
    tcase_add_test(t, silence_is_dark);
    tcase_add_test(t, texts_are_escaped);
    tcase_add_test(t, long_pictures_are_bounded);
    tcase_add_test(t, numbers_have_points);
    tcase_add_test(t, odd_input);
    suite_add_tcase(s, t);
    return s;
}
