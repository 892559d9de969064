// SPDX-License-Identifier: MIT
//
// Audio as it comes: rates, channels, and what cannot be taken.
#include "files.h"
#include "io/audio.h"
#include "io/resample.h"

#include <check.h>
#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))

enum { RATE = 16000, COUNT = 8000, LIMIT = 100 * RATE };

static const double two_pi = 6.283185307179586;

/* A file of n frames, of which value(i) says channel c's. */
static const char *write_sound(const char *name, int format, int rate, int channels, int n,
                               float (*value)(int i, int c))
{
    const char *path = files_path(name);
    SF_INFO info = { .samplerate = rate, .channels = channels, .format = format };
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    float frame[8];

    ck_assert_msg(f, "%s", sf_strerror(NULL));
    for (int i = 0; i < n; i++) {
        for (int c = 0; c < channels; c++)
            frame[c] = value(i, c);
        ck_assert_int_eq(sf_writef_float(f, frame, 1), 1);
    }
    sf_close(f);
    return path;
}

static float tone(int i, int c)
{
    return 0.5f * (float)sin(two_pi * 440.0 * (i + 100 * c) / RATE);
}

static float silence(int i, int c)
{
    (void)i;
    (void)c;
    return 0.0f;
}

static const char *write_wav(const char *name)
{
    return write_sound(name, SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, COUNT, tone);
}

/* Read what is to be read, and refuse what is not. */
static float *take(const char *path, int64_t n)
{
    clvits_report r = { 0 };
    float *samples;
    int64_t count;

    ck_assert_msg(!clvits_audio_read(&samples, &count, path, RATE, LIMIT, &r), "%s", r.text);
    ck_assert_int_eq(count, n);
    return samples;
}

static void refuse(const char *path, int rate, int64_t limit, clvits_status status,
                   const char *text)
{
    clvits_report r = { 0 };
    float *samples = (float *)&r;
    int64_t count = 1;

    ck_assert_int_eq(clvits_audio_read(&samples, &count, path, rate, limit, &r), status);
    ck_assert_ptr_null(samples);
    ck_assert_int_eq(count, 0);
    ck_assert_msg(strstr(r.text, text), "\"%s\" does not say \"%s\"", r.text, text);
}

/* From one rate to another, and tones in the pass band: shares of half the lower rate. */
static const struct {
    int from, to;
} rates[] = {
    { 22050, 16000 }, { 16000, 22050 }, { 44100, 22050 }, { 48000, 22050 }, { 8000, 22050 },
    { 22050, 8000 },  { 44101, 16000 }, { 192000, 16000 },
};

/* In decibels, away from the ends, where there is silence before and after. */
static double tone_snr(int from, int to, double hz)
{
    const int n = from / 10;
    float *in = malloc((size_t)n * sizeof(*in)), *out;
    clvits_report r = { 0 };
    double signal = 0.0, error = 0.0;
    int64_t count;

    ck_assert_ptr_nonnull(in);
    for (int i = 0; i < n; i++)
        in[i] = (float)sin(two_pi * hz * i / from);
    ck_assert_msg(!clvits_resample(&out, &count, in, n, from, to, &r), "%s", r.text);
    ck_assert_int_eq(count, ((int64_t)n * to + from - 1) / from);
    for (int64_t i = count / 4; i < count - count / 4; i++) {
        const double want = sin(two_pi * hz * (double)i / to);
        signal += want * want;
        error += ((double)out[i] - want) * ((double)out[i] - want);
    }
    free(in);
    free(out);
    return 10.0 * log10(signal / error);
}

START_TEST(tones_keep_their_shape)
{
    static const double shares[] = { 0.01, 0.3, 0.7, 0.89 };
    const int from = rates[_i].from, to = rates[_i].to;

    for (int k = 0; k < LENGTH(shares); k++) {
        const double hz = 0.5 * shares[k] * (from < to ? from : to);
        ck_assert_msg(tone_snr(from, to, hz) > 80.0, "%g Hz from %d to %d: %g dB", hz, from, to,
                      tone_snr(from, to, hz));
    }
}
END_TEST

/* What the lower rate cannot hold does not come back as something else. */
START_TEST(no_aliases)
{
    enum { FROM = 44100, TO = 16000, N = FROM / 4 };
    static float in[N];
    clvits_report r = { 0 };
    double power = 0.0;
    int64_t count;
    float *out;

    for (int i = 0; i < N; i++)
        in[i] = (float)sin(two_pi * (_i ? 8050.0 : 15000.0) * i / FROM);
    ck_assert(!clvits_resample(&out, &count, in, N, FROM, TO, &r));
    for (int64_t i = count / 4; i < count - count / 4; i++)
        power += (double)out[i] * (double)out[i] / (double)(count / 2);
    ck_assert_msg(10.0 * log10(2.0 * power + 1e-30) < -80.0, "%g dB", 10.0 * log10(2.0 * power));
    free(out);
}
END_TEST

START_TEST(lengths_and_constants)
{
    const float one[5] = { 1, 1, 1, 1, 1 };
    clvits_report r = { 0 };
    int64_t count;
    float *out, *long_one = malloc(20000 * sizeof(*long_one));

    ck_assert(!clvits_resample(&out, &count, one, 5, 16000, 16000, &r));
    ck_assert_int_eq(count, 5);
    ck_assert_int_eq(memcmp(out, one, sizeof(one)), 0);
    free(out);
    ck_assert(!clvits_resample(&out, &count, one, 0, 16000, 22050, &r));
    ck_assert_int_eq(count, 0);
    free(out);
    ck_assert(!clvits_resample(&out, &count, one, 1, 44100, 8000, &r));
    ck_assert_int_eq(count, 1);
    free(out);
    ck_assert_ptr_nonnull(long_one);
    for (int i = 0; i < 20000; i++)
        long_one[i] = 0.25f;
    ck_assert(!clvits_resample(&out, &count, long_one, 20000, 22050, 16000, &r));
    for (int64_t i = 200; i < count - 200; i++)
        ck_assert_float_eq_tol(out[i], 0.25f, 1e-6f);
    free(out);
    free(long_one);
    ck_assert_int_eq(clvits_resample(&out, &count, one, 5, 16000, 0, &r), CLVITS_E_ARGUMENT);
    ck_assert_ptr_null(out);
}
END_TEST

START_TEST(another_rate_and_stereo)
{
    float *samples = take(write_sound("stereo.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, RATE, 2,
                                      COUNT, tone), COUNT);

    for (int i = 0; i < COUNT; i++)
        ck_assert_float_eq_tol(samples[i], 0.5f * (tone(i, 0) + tone(i, 1)), 1e-6f);
    free(samples);
    samples = take(write_sound("fast.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2 * RATE, 1, 2 * COUNT,
                               tone), COUNT);
    for (int i = 100; i < COUNT - 100; i++)
        ck_assert_float_eq_tol(samples[i], 0.5f * (float)sin(two_pi * 880.0 * i / RATE), 1e-4f);
    free(samples);
}
END_TEST

START_TEST(silence_is_sound)
{
    float *samples = take(write_sound("quiet.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 1,
                                      silence), 1);

    ck_assert_float_eq(samples[0], 0.0f);
    free(samples);
}
END_TEST

/* As programs write that do not know yet how long it gets. */
START_TEST(open_lengths)
{
    const char *path = write_wav("open.wav");
    size_t size;
    char *bytes = files_read(path, &size);

    memset(bytes + 4, 0xff, 4);
    memset(bytes + 40, 0xff, 4);
    free(take(files_write("open.wav", bytes, size), COUNT));
    free(bytes);
}
END_TEST

static float not_a_number(int i, int c)
{
    return i == 1600 ? NAN : tone(i, c);
}

static float infinite(int i, int c)
{
    return i == 1600 && c == 1 ? -INFINITY : tone(i, c);
}

static float too_loud(int i, int c)
{
    return i == 1600 ? 1e30f : tone(i, c);
}

START_TEST(samples_that_are_no_numbers)
{
    static float (*const values[])(int, int) = { not_a_number, infinite, too_loud };

    refuse(write_sound("nan.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 2, COUNT, values[_i]),
           RATE, LIMIT, CLVITS_E_FORMAT, "the first one at 0.100 seconds");
}
END_TEST

START_TEST(cut_off)
{
    static const char *const names[] = { "cut.wav", "cut.aiff", "cut.flac" };
    static const int formats[] = { SF_FORMAT_WAV, SF_FORMAT_AIFF, SF_FORMAT_FLAC };
    const char *path = write_sound(names[_i], formats[_i] | SF_FORMAT_PCM_16, RATE, 1, COUNT, tone);
    size_t size;
    char *bytes = files_read(path, &size);

    refuse(files_write(names[_i], bytes, size / 2), RATE, LIMIT, CLVITS_E_FORMAT,
           _i == 2 ? "" : "is cut off");
    for (size_t n = 0; n < 60; n++)
        refuse(files_write(names[_i], bytes, n), RATE, LIMIT, CLVITS_E_FORMAT,
               n ? names[_i] : "is empty");
    free(bytes);
}
END_TEST

START_TEST(limits)
{
    const char *path = write_wav("long.wav");
    clvits_report r = { 0 };
    float *samples;
    int64_t n;

    refuse(path, RATE, COUNT - 1, CLVITS_E_UNSUPPORTED, "cut it into pieces");
    refuse(path, 2 * RATE, 2 * COUNT - 3, CLVITS_E_UNSUPPORTED, "0.5 seconds long");
    ck_assert(!clvits_audio_read(&samples, &n, path, 2 * RATE, 2 * COUNT, &r));
    ck_assert_int_eq(n, 2 * COUNT);
    free(samples);
    refuse(path, 1, COUNT, CLVITS_E_ARGUMENT, "rate");
    refuse(path, RATE, 0, CLVITS_E_ARGUMENT, "samples");
}
END_TEST

/* A header that promises ten hours: nothing is read, and no memory taken. */
START_TEST(ten_hours)
{
    const char *path = write_wav("hours.wav");
    const uint32_t bytes = 10u * 3600 * RATE * 2;
    size_t size;
    char *file = files_read(path, &size);

    for (int i = 0; i < 4; i++) {
        file[4 + i] = (char)(i == 0 ? 0 : 0x7f + 0x80 * (i < 3)); /* an open length */
        file[40 + i] = (char)(bytes >> 8 * i);
    }
    /* What the header says is not there; libsndfile then takes what is. */
    free(take(files_write("hours.wav", file, size), COUNT));
    file[4] = (char)(bytes + 36);
    for (int i = 0; i < 4; i++)
        file[4 + i] = (char)((bytes + 36) >> 8 * i);
    refuse(files_write("hours.wav", file, size), RATE, LIMIT, CLVITS_E_FORMAT, "is cut off");
    free(file);
}
END_TEST

START_TEST(no_audio)
{
    refuse(files_path("none.wav"), RATE, LIMIT, CLVITS_E_FILE, "cannot be opened");
    refuse(files_path("."), RATE, LIMIT, CLVITS_E_FILE, "is a folder");
    refuse(files_text("text.wav", "no sound, but long enough for a header of any format that "
                                  "there is"), RATE, LIMIT, CLVITS_E_FORMAT, "give a file such as");
    refuse(write_sound("empty.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, RATE, 1, 0, silence), RATE,
           LIMIT, CLVITS_E_FORMAT, "holds no sound");
}
END_TEST

/* 20 Hz, and more than any device has. */
START_TEST(impossible_rates)
{
    const char *path = write_wav("rate.wav");
    size_t size;
    char *bytes = files_read(path, &size);

    for (int i = 0; i < 4; i++)
        bytes[24 + i] = (char)(_i ? 0x7f : i ? 0 : 20);
    refuse(files_write("rate.wav", bytes, size), RATE, LIMIT, CLVITS_E_FORMAT, "rates from 1000");
    free(bytes);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("audio_read");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, tones_keep_their_shape, 0, LENGTH(rates));
    tcase_add_loop_test(t, no_aliases, 0, 2);
    tcase_add_test(t, lengths_and_constants);
    tcase_add_test(t, another_rate_and_stereo);
    tcase_add_test(t, silence_is_sound);
    tcase_add_test(t, open_lengths);
    tcase_add_loop_test(t, samples_that_are_no_numbers, 0, 3);
    tcase_add_loop_test(t, cut_off, 0, 3);
    tcase_add_test(t, limits);
    tcase_add_test(t, ten_hours);
    tcase_add_test(t, no_audio);
    tcase_add_loop_test(t, impossible_rates, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
