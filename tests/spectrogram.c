// SPDX-License-Identifier: MIT
//
// Spectrograms against the transform's formula, and mel spectrograms against those of librosa and
// torchaudio.
#include "harness.h"
#include "model/mel.h"
#include "npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_tiny(void)
{
    return getenv("CLVITS_TEST_TINY") != NULL;
}

/* Sample t of n, walking from sample to sample and turning round at either end. */
static double sample(const float *x, int n, int t)
{
    int at = 0, step = t < 0 ? -1 : 1;

    if (t >= 0 && t < n)
        return (double)x[t];
    for (int i = 0; i < abs(t) && n > 1; i++) {
        if (at + step < 0 || at + step >= n)
            step = -step;
        at += step;
    }
    return (double)x[at];
}

/* want[frame][bin] of an item of n samples. */
static void spectrogram(double *want, const float *x, int n, const clvits_spectrogram_params *p)
{
    const int N = p->n_fft, win = p->win_length ? p->win_length : N, bins = N / 2 + 1;
    const double turn = 2.0 * acos(-1.0) / N;
    double *windowed = malloc(3 * (size_t)N * sizeof(*windowed));
    double *cosine = windowed + N, *sine = cosine + N;

    ck_assert_ptr_nonnull(windowed);
    for (int i = 0; i < N; i++) {
        cosine[i] = cos(turn * i);
        sine[i] = sin(turn * i);
    }
    for (int f = 0; f < n / p->hop; f++) {
        for (int i = 0; i < N; i++) {
            const int at = i - (N - win) / 2;
            const double w = at < 0 || at >= win ? 0.0 : pow(sin(acos(-1.0) * at / win), 2.0);
            windowed[i] = w * sample(x, n, f * p->hop - (N - p->hop) / 2 + i);
        }
        for (int k = 0; k < bins; k++) {
            double re = 0.0, im = 0.0;
            for (int i = 0, at = 0; i < N; i++, at = (at + k) % N) {
                re += windowed[i] * cosine[at];
                im -= windowed[i] * sine[at];
            }
            want[f * bins + k] = sqrt(re * re + im * im + (p->eps != 0.0f ? (double)p->eps : 1e-6));
        }
    }
    free(windowed);
}

static const struct {
    int T;
    clvits_spectrogram_params p;
    bool tiny; /* also where kernels are interpreted */
} cases[] = {
    { 79, { .n_fft = 16, .hop = 4 }, true },
    { 79, { .n_fft = 15, .hop = 5, .win_length = 12 }, true },
    { 50, { .n_fft = 8, .hop = 8, .eps = 1e-3f }, true },
    { 41, { .n_fft = 2, .hop = 1 }, false },
    { 4711, { .n_fft = 1024, .hop = 256 }, false },
    { 3001, { .n_fft = 512, .hop = 160, .win_length = 401 }, false },
    { 1300, { .n_fft = 500, .hop = 125 }, false },
    { 4100, { .n_fft = 4096, .hop = 2048 }, false },
};

/* Items: whole; the least that is reflected once, or a sample more; less than that; a single frame;
 * none. */
enum { ITEMS = 5 };

static int length_of(int item, int T, const clvits_spectrogram_params *p)
{
    const int pad = (p->n_fft - p->hop) / 2, frame = p->hop;
    const int lengths[ITEMS] = { T, pad + 1 + (T & 1), pad / 2 + 1, frame, frame - 1 };

    return lengths[item] < T ? lengths[item] : T;
}

START_TEST(formula)
{
    const clvits_spectrogram_params *p = &cases[_i].p;
    const int T = cases[_i].T, bins = p->n_fft / 2 + 1, frames = T / p->hop;
    const float *x;
    harness h;

    if (is_tiny() && !cases[_i].tiny)
        return;
    harness_begin(&h, ITEMS);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *y = clvits_graph_keep(clvits_spectrogram(harness_input(&h, clock, 1, -1, 1, &x),
                                                            p));
    harness_plan(&h);
    for (int b = 0; b < ITEMS; b++)
        harness_length(&h, clock, b, length_of(b, T, p));
    harness_go(&h);

    double *want = calloc((size_t)ITEMS * (size_t)frames * (size_t)bins, sizeof(*want));
    ck_assert_ptr_nonnull(want);
    for (int b = 0; b < ITEMS; b++) {
        const int n = length_of(b, T, p);
        ck_assert_int_eq(clvits_run_length(h.run, y->clock, b), n / p->hop);
        spectrogram(want + (size_t)b * (size_t)frames * (size_t)bins, x + b * T, n, p);
    }
    harness_close(&h, y, want, 1e-5);
    free(want);
    harness_end(&h);
}
END_TEST

/* Amplitude spectra of a periodic Hann window: 1/2, and 1/4 beside it. */
START_TEST(known_answers)
{
    enum { N = 16, HOP = 4, T = 64, BINS = N / 2 + 1, MIDDLE = 8 };
    float x[3 * T];
    harness h;

    for (int t = 0; t < T; t++) {
        x[t] = 0.0f;
        x[T + t] = 1.0f;
        x[2 * T + t] = cosf(2.0f * acosf(-1.0f) * 3.0f * (float)t / N);
    }
    harness_begin(&h, 3);
    const int clock = clvits_graph_clock(h.graph, T);
    clvits_tensor *y = clvits_graph_keep(
        clvits_spectrogram(harness_input_of(&h, CLVITS_F32, clock, 1, x),
                           &(clvits_spectrogram_params){ .n_fft = N, .hop = HOP }));
    harness_plan(&h);
    harness_go(&h);
    const float *got = harness_output(&h, y);
    for (int k = 0; k < BINS; k++) {
        const float *bin = got + MIDDLE * BINS + k;
        const int frame = y->T * BINS;
        ck_assert_float_eq_tol(bin[0], 1e-3f, 1e-9f);
        ck_assert_float_eq_tol(bin[frame], k == 0 ? N / 2.0f : k == 1 ? N / 4.0f : 1e-3f, 1e-5f);
        ck_assert_float_eq_tol(bin[2 * frame], k == 3              ? N / 4.0f
                                               : k == 2 || k == 4 ? N / 8.0f
                                                                  : 1e-3f, 1e-5f);
    }
    harness_end(&h);
}
END_TEST

/* An item has the same bits by itself, in any place and at any capacity. */
START_TEST(batches_equal_single_runs)
{
    enum { T = 900, ALONE = 700 };
    const clvits_spectrogram_params p = { .n_fft = _i ? 60 : 64, .hop = 16 };
    float kept[ALONE / 16 * 33];
    const int bins = p.n_fft / 2 + 1;
    const float *x;

    for (int alone = 0; alone < 2; alone++) {
        harness h;
        harness_begin(&h, alone ? 1 : 3);
        const int clock = clvits_graph_clock(h.graph, alone ? ALONE : T);
        clvits_tensor *in = harness_input(&h, clock, 1, -1, 1, &x);
        float *item = (float *)(uintptr_t)x + (alone ? 0 : 2 * T);
        for (int t = 0; t < ALONE; t++)
            item[t] = (float)(t * 37 % 101) / 50.0f - 1.0f;
        clvits_tensor *y = clvits_graph_keep(clvits_spectrogram(in, &p));
        harness_plan(&h);
        if (!alone) {
            harness_length(&h, clock, 1, 333);
            harness_length(&h, clock, 2, ALONE);
        }
        harness_go(&h);
        const float *got = harness_output(&h, y) + (alone ? 0 : 2 * y->T * bins);
        const size_t size = (size_t)(ALONE / p.hop * bins) * sizeof(*got);
        if (!alone)
            memcpy(kept, got, size);
        else
            ck_assert_int_eq(memcmp(kept, got, size), 0);
        harness_end(&h);
    }
}
END_TEST

static npy golden_file(const char *what, const char *of)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/spectrogram/%s_%s.npy", GOLDEN_DIR, what, of);
    return npy_read(path);
}

/* Recordings, as librosa has their spectrograms, and it and torchaudio their mel spectrograms. */
static const struct {
    const char *name;
    clvits_mel_scale scale;
    bool normalised;
    double fmin, fmax;
} mels[] = {
    { "slaney", CLVITS_MEL_SLANEY, true, 0.0, 0.0 },
    { "htk", CLVITS_MEL_HTK, false, 40.0, 7600.0 },
};

START_TEST(recording)
{
    enum { RATE = 22050, MELS = 80, N = 1024, BINS = N / 2 + 1 };
    const char *name = mels[_i].name;
    npy wave = golden_file("wave", name), magnitudes = golden_file("magnitudes", name);
    npy mel = golden_file("mel", name);
    harness h;

    harness_begin(&h, 1);
    const int clock = clvits_graph_clock(h.graph, (int)wave.count);
    clvits_tensor *x = clvits_spectrogram(
        harness_input_of(&h, CLVITS_F32, clock, 1, wave.floats),
        &(clvits_spectrogram_params){ .n_fft = N, .hop = 256 });
    float *bank = harness_random(&h, MELS * BINS, 0, 0);
    ck_assert_int_eq(clvits_mel_filterbank(bank, N, RATE, MELS, mels[_i].fmin, mels[_i].fmax,
                                           mels[_i].scale, mels[_i].normalised, &h.report),
                     CLVITS_OK);
    clvits_tensor *y = clvits_mel(x, clvits_graph_weight(h.graph, bank, 3,
                                                         (int64_t[]){ MELS, BINS, 1 }));
    clvits_graph_keep(x);
    clvits_graph_keep(y);
    harness_plan(&h);
    harness_go(&h);
    ck_assert_uint_eq(magnitudes.count, (size_t)clvits_tensor_count(x));
    ck_assert_uint_eq(mel.count, (size_t)clvits_tensor_count(y));
    harness_close(&h, x, magnitudes.data, 1e-4);
    harness_close(&h, y, mel.data, 1e-4);
    harness_end(&h);
    npy_free(&wave);
    npy_free(&magnitudes);
    npy_free(&mel);
}
END_TEST

static const struct {
    const char *name;
    int n_fft, rate, mels;
    double fmin, fmax;
    clvits_mel_scale scale;
    bool normalised;
} banks[] = {
    { "slaney", 512, 16000, 24, 50.0, 7600.0, CLVITS_MEL_SLANEY, true },
    { "slaney_peaks", 300, 22050, 20, 0.0, 0.0, CLVITS_MEL_SLANEY, false },
    { "htk", 512, 16000, 24, 20.0, 0.0, CLVITS_MEL_HTK, true },
};

START_TEST(filterbanks)
{
    npy want = golden_file("bank", banks[_i].name);
    float *bank = malloc(want.count * sizeof(*bank));
    clvits_report r = { 0 };
    double largest = 0.0;

    ck_assert_ptr_nonnull(bank);
    ck_assert_uint_eq(want.count, (size_t)(banks[_i].mels * (banks[_i].n_fft / 2 + 1)));
    ck_assert_int_eq(clvits_mel_filterbank(bank, banks[_i].n_fft, banks[_i].rate, banks[_i].mels,
                                           banks[_i].fmin, banks[_i].fmax, banks[_i].scale,
                                           banks[_i].normalised, &r), CLVITS_OK);
    for (size_t i = 0; i < want.count; i++)
        largest = fmax(largest, fabs(want.data[i]));
    for (size_t i = 0; i < want.count; i++)
        ck_assert_double_eq_tol((double)bank[i], want.data[i], 2e-5 * largest);
    free(bank);
    npy_free(&want);
}
END_TEST

START_TEST(filterbanks_are_refused)
{
    const struct {
        int n_fft, rate, mels;
        double fmin, fmax;
    } bad[] = {
        { 1, 16000, 8, 0, 0 },   { 64, 0, 8, 0, 0 },         { 64, 16000, 0, 0, 0 },
        { 64, 16000, 8, -1, 0 }, { 64, 16000, 8, 500, 400 }, { 64, 16000, 8, 0, 8001 },
        { 64, 16000, 8, 0, NAN }, { 64, 16000, 8, NAN, 0 },  { 64, 16000, 4096, 0, 0 },
    };
    float bank[8 * 33];

    for (int i = 0; i < LENGTH(bad); i++) {
        clvits_report r = { 0 };
        ck_assert_int_eq(clvits_mel_filterbank(bank, bad[i].n_fft, bad[i].rate, bad[i].mels,
                                               bad[i].fmin, bad[i].fmax, CLVITS_MEL_SLANEY, true,
                                               &r), CLVITS_E_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(r.text, "mel filters"));
    }
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    const clvits_spectrogram_params bad[] = {
        { .n_fft = 1, .hop = 1 },
        { .n_fft = 4097, .hop = 256 },
        { .n_fft = 64, .hop = 0 },
        { .n_fft = 64, .hop = 65 },
        { .n_fft = 64, .hop = 16, .win_length = 65 },
        { .n_fft = 64, .hop = 16, .eps = -1.0f },
        { .n_fft = 64, .hop = 16 }, /* of what has two channels */
        { .n_fft = 512, .hop = 512 }, /* of what is shorter than a frame */
    };
    const float *x;
    harness h;

    harness_begin(&h, 1);
    clvits_tensor *wave = harness_input(&h, clvits_graph_clock(h.graph, 500), _i == 6 ? 2 : 1, -1,
                                        1, &x);
    ck_assert_ptr_null(clvits_spectrogram(wave, &bad[_i]));
    ck_assert_int_eq(clvits_graph_finish(h.graph, &h.report), CLVITS_E_SHAPE);
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("spectrogram");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, formula, 0, LENGTH(cases));
    tcase_add_test(t, known_answers);
    if (!is_tiny()) {
        tcase_add_loop_test(t, batches_equal_single_runs, 0, 2);
        tcase_add_loop_test(t, recording, 0, LENGTH(mels));
        tcase_add_loop_test(t, filterbanks, 0, LENGTH(banks));
        tcase_add_test(t, filterbanks_are_refused);
    }
    tcase_add_loop_test(t, refuses_what_does_not_fit, 0, 8);
    suite_add_tcase(s, t);
    return harness_main(s);
}
