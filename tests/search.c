// SPDX-License-Identifier: MIT
//
// Alignments against the recurrence, computed cell after cell, and that against all paths.
#include "harness.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int frames_of(const float *p)
{
    int n;
    memcpy(&n, p, sizeof(n));
    return n;
}

/*
 * The path with the largest sum: value[f * columns + c] for frames f and columns c < text. sum has
 * room for one row; from[f * text + c]: whether the best path through (f,c) comes from the left.
 */
static void align(const float *value, int columns, int text, int frames, float *sum, char *from,
                  int *durations)
{
    int c = text - 1;

    memset(durations, 0, (size_t)text * sizeof(*durations));
    memset(from, 0, (size_t)text * (size_t)frames);
    if (text == 0 || text > frames)
        return;
    for (int f = 0; f < frames; f++)
        for (int x = f < text ? f : text - 1; x >= 0 && x >= text + f - frames; x--) {
            const bool left = x > 0 && (x == f || sum[x] < sum[x - 1]);
            from[f * text + x] = left;
            sum[x] = value[f * columns + x] + (f == 0 ? 0.0f : left ? sum[x - 1] : sum[x]);
        }
    for (int f = frames - 1; f >= 0; f--) {
        durations[c]++;
        c -= from[f * text + c];
    }
}

/* The largest sum over all paths through frames f and later, from column c on. Called as written:
 * gcc 12 else warns of frames that no call comes to. */
__attribute__((noinline)) static double best(const float *value, int columns, int text, int frames,
                                             int f, int c)
{
    const double here = (double)value[f * columns + c];

    if (f == frames - 1)
        return c == text - 1 ? here : -INFINITY;
    const double stay = best(value, columns, text, frames, f + 1, c);
    return here + (c + 1 < text ? fmax(stay, best(value, columns, text, frames, f + 1, c + 1))
                                : stay);
}

START_TEST(recurrence_finds_the_best_of_all_paths)
{
    enum { TEXT = 5, FRAMES = 9 };
    float value[TEXT * FRAMES], sum[TEXT];
    char from[TEXT * FRAMES];
    int durations[TEXT];

    srand(1);
    for (int i = 0; i < 300; i++) {
        const int frames = 1 + rand() % FRAMES, text = 1 + rand() % (frames < TEXT ? frames : TEXT);
        double total = 0.0;
        int f = 0;
        for (int k = 0; k < TEXT * FRAMES; k++)
            value[k] = (float)(rand() % 7 - 3);
        align(value, TEXT, text, frames, sum, from, durations);
        for (int c = 0; c < text; c++) {
            ck_assert_int_ge(durations[c], 1);
            for (int end = f + durations[c]; f < end; f++)
                total += (double)value[f * TEXT + c];
        }
        ck_assert_int_eq(f, frames);
        ck_assert_double_eq(total, best(value, TEXT, text, frames, 0, 0));
    }
}
END_TEST

/* How values are drawn: of these, all but the first and the last have ties. */
enum { PLAIN, FEW_NUMBERS, THREE_NUMBERS, EQUAL, SHUT, HUGE_SUMS, KINDS };

static void draw(float *value, int64_t n, int kind)
{
    for (int64_t i = 0; i < n; i++) {
        const int r = rand();
        value[i] = kind == PLAIN           ? (float)(r % 20011) / 977.0f - 15.0f
                   : kind == FEW_NUMBERS   ? (float)(r % 16) * 0.25f - 3.0f
                   : kind == THREE_NUMBERS ? (float)(r % 3 - 1)
                   : kind == EQUAL         ? -1.5f
                   : kind == SHUT          ? (r % 5 ? (float)(r % 4) : -INFINITY)
                                           : -1e8f * (float)(1 + r % 9);
    }
}

/* Text and frames of an item: ragged, and sometimes as many of one as of the other, one, or none;
 * now and then a text is too long. */
static void draw_lengths(int T, int F, int *text, int *frames)
{
    const int what = rand() % 12;

    *frames = what < 2 ? F : 1 + rand() % F;
    *text = 1 + rand() % (T < *frames ? T : *frames);
    if (what == 2)
        *text = 1;
    if (what == 3 || what == 4)
        *text = *frames = T < F ? 1 + rand() % T : F;
    if (what == 5)
        *text = 1 + rand() % T;
    if (what == 6)
        *text = T;
    if (what == 7 && rand() % 4 == 0)
        *frames = 0;
    if (what == 8 && rand() % 4 == 0)
        *text = 0;
}

typedef struct alignments {
    harness h;
    int B, T, F, text, frames;
    float *value, *sum;
    char *from;
    int *want;
    clvits_tensor *durations, *ends, *words;
} alignments;

static void begin(alignments *a, int B, int T, int F)
{
    *a = (alignments){ .B = B, .T = T, .F = F };
    harness_begin(&a->h, B);
    a->text = clvits_graph_clock(a->h.graph, T);
    a->frames = clvits_graph_clock(a->h.graph, F);
    a->value = malloc((size_t)B * (size_t)T * (size_t)F * sizeof(float));
    a->sum = malloc((size_t)T * sizeof(float));
    a->from = malloc((size_t)T * (size_t)F);
    a->want = malloc((size_t)T * sizeof(int));
    ck_assert(a->value && a->sum && a->from && a->want);
    clvits_tensor *x = harness_input_of(&a->h, CLVITS_F32, a->frames, T, a->value);
    a->durations = clvits_graph_keep(clvits_search(x, a->text, &a->ends));
    clvits_graph_keep(a->ends);
    ck_assert_ptr_nonnull(a->durations);
    a->words = clvits_graph_keep(a->durations->producer->in[0]);
    harness_plan(&a->h);
}

static void end(alignments *a)
{
    harness_end(&a->h);
    free(a->value);
    free(a->sum);
    free(a->from);
    free(a->want);
}

/* Every choice of a path that could be, and zeros in all other bits. */
static void check_words(const alignments *a, const float *words, int text, int frames)
{
    for (int f = 0; f < (frames + 31) / 32 * 32; f++)
        for (int c = 0; c < a->words->C; c++) {
            const unsigned word = (unsigned)frames_of(words + (int64_t)(f / 32) * a->words->C + c);
            const int bit = (int)(word >> (f % 32) & 1u);
            const int want = f < frames && c < text ? a->from[f * text + c] : 0;
            if (bit == want)
                continue; /* an assertion for each takes longer than all else */
            ck_abort_msg("frame %d, column %d of %d by %d: %d, not %d", f, c, frames, text, bit,
                         want);
        }
}

static void check(alignments *a)
{
    const float *durations = harness_output(&a->h, a->durations);
    const float *ends = harness_output(&a->h, a->ends), *words = harness_output(&a->h, a->words);

    for (int b = 0; b < a->B; b++) {
        const int text = clvits_run_length(a->h.run, a->text, b);
        const int frames = clvits_run_length(a->h.run, a->frames, b);
        int total = 0;
        align(a->value + (int64_t)b * a->F * a->T, a->T, text, frames, a->sum, a->from, a->want);
        for (int c = 0; c < text; c++) {
            const int got = frames_of(durations + b * a->T + c);
            total += a->want[c];
            ck_assert_msg(got == a->want[c], "item %d of %d by %d, column %d: %d frames, not %d", b,
                          frames, text, c, got, a->want[c]);
            ck_assert_int_eq(frames_of(ends + b * a->T + c), total);
        }
        check_words(a, words + (int64_t)b * a->words->T * a->words->C, text, frames);
    }
}

static void go(alignments *a, int kind)
{
    draw(a->value, (int64_t)a->B * a->F * a->T, kind);
    for (int b = 0; b < a->B; b++) {
        int text, frames;
        draw_lengths(a->T, a->F, &text, &frames);
        harness_length(&a->h, a->text, b, text);
        harness_length(&a->h, a->frames, b, frames);
    }
    harness_go(&a->h);
    check(a);
}

/* Items, the most text and frames, and how many runs. */
static const struct {
    int B, T, F, runs;
} sizes[] = {
    { 1, 1, 1, 2 },       { 3, 5, 9, 6 },       { 2, 33, 65, 6 },    { 2, 70, 75, 6 },
    { 40, 3, 31, 20 },    { 32, 17, 32, 20 },   { 24, 31, 97, 20 },  { 16, 64, 64, 12 },
    { 16, 129, 200, 12 }, { 2, 300, 420, 6 },   { 1, 1100, 1200, 2 },
};

/* Where kernels are interpreted: the first sizes, once. */
enum { TINY_SIZES = 3 };

static bool is_tiny(void)
{
    return getenv("CLVITS_TEST_TINY") != NULL;
}

/* In one process: with kernels for a GPU, opening a device takes longer than most sizes. */
START_TEST(random_cases)
{
    srand(2);
    for (int k = 0; k < (is_tiny() ? TINY_SIZES : LENGTH(sizes)); k++) {
        alignments a;
        begin(&a, sizes[k].B, sizes[k].T, sizes[k].F);
        for (int i = 0; i < (is_tiny() ? 1 : sizes[k].runs); i++)
            go(&a, is_tiny() ? FEW_NUMBERS : i % KINDS);
        end(&a);
    }
}
END_TEST

/* What meson test --suite slow runs: CLVITS_TEST_SWEEP is how many times as much. */
START_TEST(sweep)
{
    const int often = atoi(getenv("CLVITS_TEST_SWEEP"));

    for (int i = 0; i < often; i++) {
        alignments a;
        srand((unsigned)(1000 + i));
        const int T = 1 + rand() % 300, F = 1 + rand() % 400;
        begin(&a, 1 + rand() % 24, T, F);
        for (int k = 0; k < 2 * KINDS; k++)
            go(&a, k % KINDS);
        end(&a);
    }
}
END_TEST

/* The log-likelihood of every frame under every symbol, in double precision. */
static void likelihood(double *want, const float *z, const float *m, const float *logs, int F,
                       int T, int D)
{
    for (int f = 0; f < F; f++)
        for (int t = 0; t < T; t++) {
            double v = 0.0;
            for (int c = 0; c < D; c++) {
                const double l = (double)logs[t * D + c];
                const double d = ((double)z[f * D + c] - (double)m[t * D + c]) * exp(-l);
                v -= 0.5 * log(2.0 * acos(-1.0)) + l + 0.5 * d * d;
            }
            want[f * T + t] = v;
        }
}

static const struct {
    int T, F, D;
} likelihoods[] = { { 7, 19, 5 }, { 1, 1, 1 }, { 130, 101, 192 } };

static void check_likelihood(int T, int F, int D)
{
    enum { B = 2 };
    const float *z, *m, *logs;
    harness h;

    harness_begin(&h, B);
    const int text = clvits_graph_clock(h.graph, T), frames = clvits_graph_clock(h.graph, F);
    clvits_tensor *tz = harness_input(&h, frames, D, -2, 2, &z);
    clvits_tensor *tm = harness_input(&h, text, D, -2, 2, &m);
    clvits_tensor *tl = harness_input(&h, text, D, -1, 1, &logs);
    clvits_tensor *y = clvits_graph_keep(clvits_likelihood(tz, tm, tl));
    harness_plan(&h);
    harness_length(&h, text, 1, (T + 1) / 2);
    harness_length(&h, frames, 1, (2 * F + 2) / 3);
    harness_go(&h);

    double *want = calloc((size_t)B * (size_t)F * (size_t)T, sizeof(*want));
    double *all = malloc((size_t)F * (size_t)T * sizeof(*all));
    ck_assert(want && all);
    for (int b = 0; b < B; b++) { /* columns past an item's text are zeros */
        likelihood(all, z + b * F * D, m + b * T * D, logs + b * T * D, F, T, D);
        for (int f = 0; f < clvits_run_length(h.run, frames, b); f++)
            memcpy(want + (b * F + f) * T, all + f * T,
                   (size_t)clvits_run_length(h.run, text, b) * sizeof(*want));
    }
    harness_close(&h, y, want, 1e-5);
    free(want);
    free(all);
    harness_end(&h);
}

START_TEST(likelihood_of_all_pairs)
{
    for (int i = 0; i < (is_tiny() ? 1 : LENGTH(likelihoods)); i++)
        check_likelihood(likelihoods[i].T, likelihoods[i].F, likelihoods[i].D);
}
END_TEST

/* Frames that were drawn near their symbols' means lead back to the durations. */
START_TEST(durations_are_recovered)
{
    enum { T = 23, D = 16, F = 90 };
    int want[T], ends[T], total = 0;
    const float *m;
    clvits_tensor *got_ends;
    harness h;

    srand(3);
    for (int t = 0; t < T; t++) {
        want[t] = 1 + rand() % 6;
        ends[t] = total += want[t];
    }
    ck_assert_int_le(total, F);
    harness_begin(&h, 1);
    const int text = clvits_graph_clock(h.graph, T), frames = clvits_graph_clock(h.graph, F);
    clvits_tensor *tm = harness_input(&h, text, D, -2, 2, &m);
    float *logs = harness_random(&h, T * D, -1.5f, -1.0f), *noise = harness_random(&h, F * D, 0, 0);
    for (int i = 0; i < F * D; i++)
        noise[i] = (float)(rand() % 401 - 200) * 1e-3f;
    clvits_tensor *given = harness_input_of(&h, CLVITS_I32, text, 1, ends);
    clvits_tensor *z = clvits_binary(clvits_expand(tm, given, frames),
                                     harness_input_of(&h, CLVITS_F32, frames, D, noise),
                                     CLVITS_ADD);
    clvits_tensor *tl = harness_input_of(&h, CLVITS_F32, text, D, logs);
    clvits_tensor *value = clvits_likelihood(z, tm, tl);
    clvits_tensor *durations = clvits_graph_keep(clvits_search(value, text, &got_ends));
    harness_plan(&h);
    harness_length(&h, frames, 0, total);
    harness_go(&h);
    const float *got = harness_output(&h, durations);
    for (int t = 0; t < T; t++)
        ck_assert_int_eq(frames_of(got + t), want[t]);
    harness_end(&h);
}
END_TEST

/* What is no number gives some path, never an invalid one. */
START_TEST(any_values_give_a_path)
{
    enum { B = 3, T = 40, F = 90 };
    float value[B * F * T];
    clvits_tensor *ends;
    harness h;

    srand(4);
    for (int i = 0; i < B * F * T; i++)
        value[i] = i / (F * T) == 0 ? NAN : rand() % 3 ? (float)(rand() % 5) : rand() % 2 ? NAN
                                                                              : INFINITY;
    harness_begin(&h, B);
    const int text = clvits_graph_clock(h.graph, T), frames = clvits_graph_clock(h.graph, F);
    clvits_tensor *x = harness_input_of(&h, CLVITS_F32, frames, T, value);
    clvits_tensor *y = clvits_graph_keep(clvits_search(x, text, &ends));
    harness_plan(&h);
    harness_length(&h, frames, 2, T);
    harness_go(&h);
    const float *got = harness_output(&h, y);
    for (int b = 0; b < B; b++) {
        int total = 0;
        for (int t = 0; t < T; t++) {
            ck_assert_int_ge(frames_of(got + b * T + t), 1);
            total += frames_of(got + b * T + t);
        }
        ck_assert_int_eq(total, clvits_run_length(h.run, frames, b));
    }
    harness_end(&h);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    harness h;
    const float *x;

    harness_begin(&h, 1);
    const int text = clvits_graph_clock(h.graph, 9), frames = clvits_graph_clock(h.graph, 99);
    clvits_tensor *value = harness_input(&h, frames, 9, -1, 1, &x);
    switch (_i) {
    case 0:
        ck_assert_ptr_null(clvits_search(value, 17, NULL));
        break;
    case 1:
        ck_assert_ptr_null(clvits_search(clvits_graph_input(h.graph, CLVITS_I32, frames, 9), text,
                                         NULL));
        break;
    default:
        ck_assert_ptr_null(clvits_likelihood(value, harness_input(&h, text, 9, -1, 1, &x),
                                             harness_input(&h, text, 8, -1, 1, &x)));
    }
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("search");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    if (getenv("CLVITS_TEST_SWEEP")) {
        tcase_set_timeout(t, 3600);
        tcase_add_test(t, sweep);
        suite_add_tcase(s, t);
        return harness_main(s);
    }
    tcase_add_test(t, recurrence_finds_the_best_of_all_paths);
    tcase_add_test(t, random_cases);
    tcase_add_test(t, likelihood_of_all_pairs);
    if (!is_tiny()) {
        tcase_add_test(t, durations_are_recovered);
        tcase_add_test(t, any_values_give_a_path);
    }
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 3);
    suite_add_tcase(s, t);
    return harness_main(s);
}
