// SPDX-License-Identifier: MIT
//
// The training side of voices: what opening for it brings, of every format, and what not.
#include "model/convert.h"
#include "voices.h"

#include <check.h>
#include <string.h>

/* Voices with a posterior encoder, and how it is made. */
static const struct {
    const char *path;
    int use_sdp, n_fft, layers, kernel, dilation_rate;
} voices[] = {
    { CLVITS_SOURCE "/lib/voices/mini", 1, 1024, 6, 5, 1 },
    { GOLDEN "hf-sdp", 1, 64, 1, 5, 1 },
    { GOLDEN "hf-dp-speakers", 0, 32, 1, 3, 2 },
    { GOLDEN "vits-single", 1, 16, 2, 5, 1 },
    { GOLDEN "vits-speakers", 0, 16, 2, 5, 1 },
    { GOLDEN "mms", 1, 16, 2, 5, 1 },
    { GOLDEN "piper-ckpt/lightning_logs/version_0/checkpoints", 1, 16, 2, 5, 1 },
};
enum { VOICES = sizeof(voices) / sizeof(*voices) };

static clvits_status open_sides(const char *path, int sides)
{
    clvits_voice_file_free(&v);
    return clvits_voice_file_open_sides(&v, path, NULL, sides, &r);
}

typedef struct count {
    size_t of_inference, of_training;
} count;

static clvits_status count_inference(void *user, const clvits_weight *w)
{
    ck_assert_msg(clvits_arrays_find(&v.weights, w->name) != NULL, "%s is not there", w->name);
    ((count *)user)->of_inference++;
    return CLVITS_OK;
}

static clvits_status count_training(void *user, const clvits_weight *w)
{
    ck_assert_msg(clvits_arrays_find(&v.weights, w->name) != NULL, "%s is not there", w->name);
    ck_assert_msg(clvits_weight_of_training(w->name), "%s", w->name);
    ((count *)user)->of_training++;
    return CLVITS_OK;
}

/* The weights are those of inference and of the sides that there are, and no others. */
static void check_weights(int sides)
{
    count n = { 0 };

    ck_assert_int_eq(v.sides, sides);
    ck_assert_int_eq(clvits_weights_walk(&v.config, count_inference, &n), CLVITS_OK);
    ck_assert_int_eq(clvits_weights_walk_training(&v.config, v.sides, count_training, &n),
                     CLVITS_OK);
    ck_assert_uint_eq(v.weights.count, n.of_inference + n.of_training);
    ck_assert_uint_eq(v.raw.count, 0);
}

START_TEST(comes_when_it_is_wanted)
{
    const clvits_config *c = &v.config;

    ck_assert_msg(!open_sides(voices[_i].path, CLVITS_SIDE_POSTERIOR), "%s", r.text);
    check_weights(CLVITS_SIDE_POSTERIOR);
    ck_assert_int_eq(c->n_fft, voices[_i].n_fft);
    ck_assert_int_eq(c->win_length, voices[_i].n_fft);
    ck_assert_int_eq(c->posterior_n_layers, voices[_i].layers);
    ck_assert_int_eq(c->posterior_kernel_size, voices[_i].kernel);
    ck_assert_int_eq(c->posterior_dilation_rate, voices[_i].dilation_rate);
    ck_assert_msg(!open_sides(voices[_i].path, CLVITS_SIDE_ALL), "%s", r.text);
    ck_assert_int_eq(c->use_sdp, voices[_i].use_sdp);
    check_weights(CLVITS_SIDE_ALL);
}
END_TEST

START_TEST(stays_away_otherwise)
{
    ck_assert_msg(!open_sides(voices[_i].path, 0), "%s", r.text);
    check_weights(0);
    ck_assert_int_eq(v.config.n_fft, 0);
    ck_assert_int_eq(v.config.posterior_n_layers, 0);
}
END_TEST

/* What is known of its modules does not depend on what is read. */
START_TEST(counts_the_same)
{
    clvits_voice_module modules[CLVITS_MAX_MODULES];

    ck_assert_msg(!open_sides(voices[_i].path, 0), "%s", r.text);
    const int n = v.n_modules;
    memcpy(modules, v.modules, sizeof(modules));
    for (int sides = CLVITS_SIDE_POSTERIOR; sides <= CLVITS_SIDE_ALL; sides++) {
        ck_assert_msg(!open_sides(voices[_i].path, sides), "%s", r.text);
        ck_assert_int_eq(v.n_modules, n);
        ck_assert_mem_eq(v.modules, modules, sizeof(modules));
    }
}
END_TEST

/* Whoever made it says 1024 samples, and its encoder was made for 16. */
START_TEST(is_held_against_the_configuration)
{
    ck_assert_int_eq(open_sides(GOLDEN "coqui-languages", CLVITS_SIDE_POSTERIOR), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "enc_q.pre.weight is [12,9,1], not [12,513,1]") != NULL, "%s",
                  r.text);
    clvits_report_clear(&r);
    ck_assert_msg(!open_sides(GOLDEN "coqui-languages", CLVITS_SIDE_DURATIONS), "%s", r.text);
    check_weights(CLVITS_SIDE_DURATIONS);
}
END_TEST

START_TEST(is_not_in_every_voice)
{
    ck_assert_msg(!open_sides(GOLDEN "piper-multi/model.onnx", CLVITS_SIDE_ALL), "%s", r.text);
    check_weights(0);
    ck_assert_msg(!open_sides(GOLDEN "sherpa-lexicon/model.onnx", CLVITS_SIDE_ALL), "%s", r.text);
    check_weights(CLVITS_SIDE_DURATIONS); /* its plain predictor needs nothing */
    ck_assert_int_eq(v.config.n_fft, 0);
}
END_TEST

static const char with[] = "with.safetensors";

/* A voice in one file, with its training side. */
static const char *convert(const char *voice)
{
    const char *path = files_path(with);
    const clvits_convert_plan plan = { .with_training = 1, .replace = 1 };
    clvits_convert_outcome done;
    clvits_voice_file whole;

    ck_assert_msg(!clvits_voice_file_open_whole(&whole, voice, NULL, &r), "%s", r.text);
    ck_assert_msg(!clvits_voice_file_convert(&done, &whole, voice, path, &plan, &r), "%s", r.text);
    clvits_voice_file_free(&whole);
    return path;
}

START_TEST(goes_along_when_it_is_converted)
{
    clvits_voice_file source;
    const char *path = convert(voices[_i].path);

    ck_assert_msg(!clvits_voice_file_open_sides(&source, voices[_i].path, NULL, CLVITS_SIDE_ALL,
                                                &r),
                  "%s", r.text);
    ck_assert_msg(!open_sides(path, CLVITS_SIDE_ALL), "%s", r.text);
    check_weights(CLVITS_SIDE_ALL);
    ck_assert_int_eq(v.config.n_fft, source.config.n_fft);
    ck_assert_int_eq(v.config.win_length, source.config.win_length);
    ck_assert_int_eq(v.config.posterior_dilation_rate, source.config.posterior_dilation_rate);
    files_same_arrays(&source.weights, &v.weights);
    clvits_voice_file_free(&source);
    ck_assert_msg(!open_sides(path, 0), "%s", r.text);
    check_weights(0);
}
END_TEST

/* That file as it was, but for one text that is another of the same length. */
static const char *change(const char *text, const char *by)
{
    ck_assert_uint_eq(strlen(text), strlen(by));
    return files_edited(with, files_path(with), text, by);
}

static const struct {
    const char *text, *by, *message;
} edits[] = {
    { "\"enc_q.proj.bias\"", "\"enc_q.prox.bias\"", "1 missing (enc_q.proj.bias)" },
    { "\"dp.post_pre.bias\"", "\"dp.post_prx.bias\"", "1 missing (dp.post_pre.bias)" },
    { "n_fft\\\":64", "n_fft\\\":68", "enc_q.pre.weight is [16,33,1], not [16,35,1]" },
    { "win_length\\\":64", "win_length\\\":65", "win_length is 65, but must be 1 to 64" },
    { "posterior_kernel_size\\\":5", "posterior_kernel_size\\\":4", "must be odd" },
    { "posterior_n_layers\\\":1", "posterior_n_layers\\\":2", "missing" },
};

/* Where the training side is damaged, the voice still speaks. */
START_TEST(is_refused_where_it_does_not_fit)
{
    convert(GOLDEN "hf-sdp");
    const char *path = change(edits[_i].text, edits[_i].by);

    ck_assert_int_eq(open_sides(path, CLVITS_SIDE_ALL), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, edits[_i].message) != NULL, "%s", r.text);
    ck_assert_msg(strstr(r.text, path) != NULL, "%s", r.text);
    clvits_report_clear(&r);
    ck_assert_msg(!open_sides(path, 0), "%s", r.text);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("sides");
    TCase *t = tcase_create("voices");

    tcase_add_checked_fixture(t, voices_open, voices_close);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, comes_when_it_is_wanted, 0, VOICES);
    tcase_add_loop_test(t, stays_away_otherwise, 0, VOICES);
    tcase_add_loop_test(t, counts_the_same, 0, VOICES);
    tcase_add_test(t, is_held_against_the_configuration);
    tcase_add_test(t, is_not_in_every_voice);
    tcase_add_loop_test(t, goes_along_when_it_is_converted, 0, VOICES);
    tcase_add_loop_test(t, is_refused_where_it_does_not_fit, 0, sizeof(edits) / sizeof(*edits));
    suite_add_tcase(s, t);
    return s;
}
