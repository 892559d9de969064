// SPDX-License-Identifier: MIT
#include "model/weights.h"
#include "voices.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MINI CLVITS_SOURCE "/lib/voices/mini"
#define SHARED CLVITS_SOURCE "/../shared/voices/" /* more voices, where they are at hand */

static clvits_status count_weight(void *user, const clvits_weight *w)
{
    size_t *count = user;

    ck_assert_msg(clvits_arrays_find(&v.weights, w->name) != NULL, "%s is not there", w->name);
    (*count)++;
    return CLVITS_OK;
}

static void open_voice(const char *path, const char *config)
{
    size_t count = 0;

    voices_take(path, config);
    ck_assert_int_eq(clvits_weights_walk(&v.config, count_weight, &count), CLVITS_OK);
    ck_assert_uint_eq(v.weights.count, count);
    ck_assert_ptr_eq(v.text.symbols, &v.symbols);
}

START_TEST(opens_the_embedded_voice)
{
    char path[4096];

    ck_assert_msg(!clvits_voice_file_embedded_path(path, sizeof(path), &r), "%s", r.text);
    ck_assert_str_eq(path, MINI);
    open_voice(path, NULL);
    ck_assert_str_eq(v.name, "mini");
    ck_assert_int_eq(v.config.hidden_channels, 96);
    ck_assert_int_eq(v.config.dp_filter_channels, 96);
    ck_assert_int_eq(v.config.hop_length, 256);
    ck_assert_int_eq(v.config.sampling_rate, 16000);
    ck_assert_float_eq_tol(v.config.length_scale, 1.1111f, 1e-6f);
    ck_assert_float_eq_tol(v.config.noise_scale, 0.333f, 1e-6f);
    ck_assert_float_eq_tol(v.config.noise_w, 0.5f, 1e-6f);
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_ESPEAK);
    ck_assert_int_eq(v.text.padding, CLVITS_PADDING_PIPER);
    ck_assert_str_eq(v.text.espeak_voice, "en-us");
    ck_assert_int_eq(voices_id("^"), 1);
    ck_assert_int_eq(voices_id("ə"), 59);
    ck_assert_int_eq(v.n_speakers, 0);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "ann"), -1);
}
END_TEST

START_TEST(finds_the_embedded_voice_by_environment)
{
    char path[4096];

    files_text("mini/config.json", "{}");
    setenv("CLVITS_VOICES", files_path("."), 1);
    ck_assert(!clvits_voice_file_embedded_path(path, sizeof(path), &r));
    ck_assert_str_eq(path, files_path("./mini"));

    setenv("CLVITS_VOICES", files_path("nowhere"), 1);
    ck_assert_int_eq(clvits_voice_file_embedded_path(path, sizeof(path), &r), CLVITS_E_FILE);
    ck_assert_msg(strstr(r.text, "CLVITS_VOICES") && strstr(r.text, "nowhere"), "%s", r.text);
}
END_TEST

/* The same weights stored in two ways must come out the same. */
START_TEST(opens_hugging_face_with_weight_norm)
{
    clvits_voice_file other;

    open_voice(GOLDEN "hf-sdp", NULL);
    ck_assert_str_eq(v.name, "hf-sdp");
    ck_assert_str_eq(v.kind, "Hugging Face VitsModel");
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_CHARACTERS);
    ck_assert_int_eq(v.text.padding, CLVITS_PADDING_BLANK);
    ck_assert_int_eq(v.text.lower_case, 1);
    ck_assert_int_eq(voices_id("k"), 0);
    ck_assert_float_eq_tol(v.config.length_scale, 1 / 1.1f, 1e-6f);
    ck_assert_int_eq(v.config.dp_filter_channels, 16);

    ck_assert_msg(!clvits_voice_file_open(&other, GOLDEN "hf-sdp/model_weight_g.safetensors", NULL,
                                          &r),
                  "%s", r.text);
    ck_assert_str_eq(other.name, "hf-sdp");
    files_same_arrays(&v.weights, &other.weights);
    clvits_voice_file_free(&other);
}
END_TEST

START_TEST(opens_hugging_face_with_speakers)
{
    open_voice(GOLDEN "hf-dp-speakers/", NULL);
    ck_assert_str_eq(v.name, "hf-dp-speakers");
    ck_assert_int_eq(v.config.use_sdp, 0);
    ck_assert_int_eq(v.config.n_speakers, 4);
    ck_assert_int_eq(v.config.gin_channels, 10);
    ck_assert_int_eq(v.config.dp_filter_channels, 40);
    ck_assert_int_eq(v.config.flow_dilation_rate, 2);
    ck_assert_int_eq(voices_id("é"), 33);
}
END_TEST

/* What training left in a file is there for whoever asks for it. */
START_TEST(keeps_everything_when_asked)
{
    ck_assert_msg(!clvits_voice_file_open_whole(&v, GOLDEN "hf-sdp", NULL, &r), "%s", r.text);
    ck_assert_ptr_nonnull(clvits_arrays_find(&v.raw, "posterior_encoder.conv_pre.weight"));
    clvits_voice_file_free(&v);
    open_voice(GOLDEN "hf-sdp", NULL);
    ck_assert_uint_eq(v.raw.count, 0);
}
END_TEST

START_TEST(opens_piper_voices)
{
    open_voice(GOLDEN "piper-single/model.onnx", NULL);
    ck_assert_str_eq(v.name, "golden");
    ck_assert_str_eq(v.kind, "Piper voice");
    ck_assert_int_eq(v.config.resblock, 2);
    ck_assert_int_eq(v.config.n_speakers, 1);
    ck_assert_int_eq(v.config.sampling_rate, 16000);
    ck_assert_int_eq(v.text.padding, CLVITS_PADDING_PIPER);
    clvits_voice_file_free(&v);

    open_voice(GOLDEN "piper-multi/model.onnx", NULL);
    ck_assert_int_eq(v.config.n_speakers, 4);
    ck_assert_int_eq(v.config.sampling_rate, 22050);
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_CHARACTERS);
    ck_assert_int_eq(v.n_speakers, 4);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "cy"), 2);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "eve"), -1);
}
END_TEST

START_TEST(opens_single_precision_with_both_predictors)
{
    struct stat st;

    if (stat(SHARED "mini-fp32", &st)) {
        puts("skipped: no ../shared/voices/mini-fp32");
        return;
    }
    open_voice(SHARED "mini-fp32/model.safetensors", NULL);
    ck_assert_int_eq(v.config.use_sdp, 1);
    clvits_voice_file_free(&v);
    open_voice(SHARED "mini-fp32/model_dp.safetensors", SHARED "mini-fp32/config_dp.json");
    ck_assert_int_eq(v.config.use_sdp, 0);
    ck_assert_int_eq(v.config.dp_filter_channels, 192);
    clvits_voice_file_free(&v);
    ck_assert_int_eq(clvits_voice_file_open(&v, SHARED "mini-fp32/model_dp.safetensors", NULL, &r),
                     CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "missing") && strstr(r.text, "dp.pre.weight"), "%s", r.text);
}
END_TEST

/* A copy of a golden voice in the test's folder, without the named file. */
static const char *copy_voice(const char *voice, const char *without)
{
    static const char *const names[] = { "config.json", "model.safetensors", "vocab.json",
                                         "tokenizer_config.json", "model.onnx",
                                         "model.onnx.json", "model.safetensors.json" };

    for (int i = 0; i < LENGTH(names); i++) {
        char from[4200];
        struct stat st;

        snprintf(from, sizeof(from), "%.4000s/%s", voice, names[i]);
        if (stat(from, &st) || (without && !strcmp(names[i], without)))
            continue;
        files_copy(names[i], from);
    }
    return files_path(".");
}

static const struct {
    const char *file;
    clvits_status status;
} absent[] = {
    { "config.json", CLVITS_E_FILE },
    { "model.safetensors", CLVITS_E_FILE },
    { "vocab.json", CLVITS_E_FILE },
    { "tokenizer_config.json", CLVITS_E_FILE },
};

START_TEST(names_a_missing_file)
{
    const char *folder = copy_voice(GOLDEN "hf-sdp", absent[_i].file);

    voices_refuse(folder, NULL, absent[_i].status, absent[_i].file);
}
END_TEST

/* Put other text in the place of some in a file of the test's folder. */
static void edit(const char *name, const char *old, const char *new)
{
    files_edited(name, files_path(name), old, new);
}

static const struct {
    const char *voice, *file, *old, *new;
    clvits_status status;
    const char *message;
} edits[] = {
    { "hf-sdp", "config.json", "\"vits\"", "\"bark\"", CLVITS_E_UNSUPPORTED, "\"bark\"" },
    { "hf-sdp", "config.json", "\"model_type\"", "\"kind\"", CLVITS_E_FORMAT,
      "model_type is missing" },
    { "hf-sdp", "config.json", "\"model_type\": \"vits\"",
      "\"num_mels\": 80, \"upsample_rates\": [8, 8, 2, 2]", CLVITS_E_UNSUPPORTED, "HiFi-GAN" },
    { "hf-sdp", "config.json", "\"vits\"", "1", CLVITS_E_FORMAT, "model_type should be text" },
    { "hf-sdp", "config.json", "\"hidden_size\": 16", "\"hidden_size\": \"16\"", CLVITS_E_FORMAT,
      "hidden_size should be a whole number, but is text" },
    { "hf-sdp", "config.json", "\"hidden_size\": 16", "\"hidden_size\": 16.5", CLVITS_E_FORMAT,
      "hidden_size should be a whole number, but is another number" },
    { "hf-sdp", "config.json", "\"hidden_size\": 16", "\"hidden_size\": 1e99", CLVITS_E_FORMAT,
      "hidden_size" },
    { "hf-sdp", "config.json", "\"hidden_size\": 16", "\"hidden_size\": null", CLVITS_E_FORMAT,
      "hidden_size is missing" },
    { "hf-sdp", "config.json", "\"hidden_size\": 16", "\"hidden_size\": 18", CLVITS_E_FORMAT,
      "of the wrong shape" },
    { "hf-sdp", "config.json", "\"hidden_size\": 16", "\"hidden_size\": 2000000000",
      CLVITS_E_FORMAT, "hidden_channels is 2000000000" },
    { "hf-sdp", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3",
      CLVITS_E_FORMAT, "missing" },
    { "hf-sdp", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1",
      CLVITS_E_FORMAT, "left over" },
    { "hf-sdp", "config.json", "\"flow_size\": 12", "\"flow_size\": 13", CLVITS_E_FORMAT,
      "must be even" },
    { "hf-sdp", "config.json", "\"upsample_rates\"", "\"rates\"", CLVITS_E_FORMAT,
      "upsample_rates is missing" },
    { "hf-sdp", "config.json", "\"use_bias\": true", "\"use_bias\": 1", CLVITS_E_FORMAT,
      "use_bias should be true or false" },
    { "hf-sdp", "config.json", "\"relu\"", "\"gelu\"", CLVITS_E_UNSUPPORTED, "hidden_act" },
    { "hf-sdp", "config.json", "\"speaking_rate\": 1.1", "\"speaking_rate\": 0", CLVITS_E_FORMAT,
      "speaking_rate" },
    { "hf-sdp", "config.json", "{", "{\"use_transformer_flows\": true,", CLVITS_E_UNSUPPORTED,
      "VITS2" },
    { "hf-sdp", "config.json", "{", "{\"data\": {\"num_tones\": 11},", CLVITS_E_UNSUPPORTED,
      "MeloTTS" },
    { "hf-sdp", "config.json", "{", "{\"model\": {\"gen_istft_n_fft\": 16},",
      CLVITS_E_UNSUPPORTED, "iSTFT" },
    { "hf-sdp", "config.json", "{", "[", CLVITS_E_FORMAT, "config.json: not JSON" },
    { "hf-sdp", "vocab.json", "\"k\": 0", "\"k\": \"0\"", CLVITS_E_FORMAT, "\"k\"" },
    { "hf-sdp", "vocab.json", "\"k\": 0", "\"k\": 29", CLVITS_E_FORMAT,
      "\"k\" has the id 29, but the model has 29 symbols" },
    { "hf-sdp", "tokenizer_config.json", "\"add_blank\": true", "\"add_blank\": \"yes\"",
      CLVITS_E_FORMAT, "add_blank should be true or false, but is text" },
    { "piper-multi", "model.onnx.json", "\"sample_rate\": 22050", "\"rate\": 22050",
      CLVITS_E_FORMAT, "audio.sample_rate is missing" },
    { "piper-multi", "model.onnx.json", "\"phoneme_type\": \"text\"",
      "\"phoneme_type\": \"openjtalk\"", CLVITS_E_UNSUPPORTED, "openjtalk" },
    { "piper-multi", "model.onnx.json", "\"dee\": 3", "\"dee\": 4", CLVITS_E_FORMAT,
      "\"dee\" should have a number below 4" },
    { "piper-multi", "model.onnx.json", "\"phoneme_id_map\"", "\"ids\"", CLVITS_E_FORMAT,
      "phoneme_id_map is missing" },
    { "piper-multi", "model.onnx.json", "\"noise_w\": 0.333", "\"noise_w\": []", CLVITS_E_FORMAT,
      "inference.noise_w should be a number, but is a list" },
    { "piper-single", "model.onnx.json", "\"voice\"", "\"voices\"", CLVITS_E_FORMAT,
      "espeak.voice is missing" },
};

START_TEST(refuses_wrong_files)
{
    char golden[4096];
    const int onnx = edits[_i].voice[0] == 'p';

    snprintf(golden, sizeof(golden), GOLDEN "%s", edits[_i].voice);
    copy_voice(golden, NULL);
    edit(edits[_i].file, edits[_i].old, edits[_i].new);
    voices_refuse(files_path(onnx ? "model.onnx" : "."), NULL, edits[_i].status,
                  edits[_i].message);
    ck_assert_msg(strstr(r.text, files_path("")), "no path in: %s", r.text);
}
END_TEST

START_TEST(refuses_truncated_files)
{
    static const char *const names[] = { "config.json", "vocab.json", "tokenizer_config.json",
                                         "model.safetensors" };
    size_t size;

    copy_voice(GOLDEN "hf-sdp", NULL);
    char *bytes = files_read(files_path(names[_i]), &size);
    const size_t end = bytes[size - 1] == '\n' ? size - 1 : size;
    const size_t step = end / 97 + 1; /* the header of safetensors.c is tested byte by byte */

    for (size_t n = 0; n < end; n += step) {
        files_write(names[_i], bytes, n);
        voices_refuse(files_path("."), NULL, CLVITS_E_FORMAT, names[_i]);
    }
    free(bytes);
}
END_TEST

START_TEST(refuses_what_is_no_voice)
{
    static const struct {
        const char *content;
        size_t n;
        clvits_status status;
        const char *message;
    } files[] = {
        { "", 0, CLVITS_E_FORMAT, "is empty" },
        { "PK\3\4 and so on", 14, CLVITS_E_FORMAT, "zip" },
        { "{\"audio\": {}}", 13, CLVITS_E_FORMAT, "is JSON" },
        { "RIFF....WAVEfmt ", 16, CLVITS_E_FORMAT, "is no voice" },
    };
    static const char damaged[] = "RIFF....WAVEfmt ";

    for (int i = 0; i < LENGTH(files); i++) {
        const char *path = files_write("f", files[i].content, files[i].n);
        voices_refuse(path, NULL, files[i].status, files[i].message);
    }
    /* Where the content says nothing, the name does. */
    voices_refuse(files_write("a.onnx", damaged, sizeof(damaged)), NULL, CLVITS_E_FORMAT,
                  "a.onnx is no ONNX model");
    ck_assert_int_eq(remove(files_path("a.onnx")), 0);
    voices_refuse(files_path("none"), NULL, CLVITS_E_FILE, "No such file");
    voices_refuse(files_path("."), NULL, CLVITS_E_FILE, "holds no voice");
    voices_refuse("", NULL, CLVITS_E_FILE, "");
    ck_assert_int_eq(mkfifo(files_path("pipe"), 0600), 0); /* nobody writes to it */
    voices_refuse(files_path("pipe"), NULL, CLVITS_E_FILE, "");
}
END_TEST

START_TEST(misses_the_json_of_a_piper_voice)
{
    copy_voice(GOLDEN "piper-single", "model.onnx.json");
    voices_refuse(files_path("model.onnx"), NULL, CLVITS_E_FILE, "model.onnx.json is missing");
}
END_TEST

/* Random damage to the JSON files: an answer, whatever it is, and nothing lost. */
START_TEST(survives_damage)
{
    static const char *const names[] = { "config.json", "vocab.json", "tokenizer_config.json" };
    uint32_t seed = 11;

    copy_voice(GOLDEN "hf-sdp", NULL);
    for (int i = 0; i < 3; i++) {
        size_t size;
        char *bytes = files_read(files_path(names[i]), &size);

        for (int round = 0; round < 150; round++) {
            seed = seed * 1664525u + 1013904223u;
            const size_t at = (seed >> 8) % size;
            const char kept = bytes[at];

            bytes[at] ^= (char)(1 << (seed >> 4 & 7));
            clvits_report_clear(&r);
            files_write(names[i], bytes, size);
            if (clvits_voice_file_open(&v, files_path("."), NULL, &r))
                ck_assert(r.text[0] != '\0');
            clvits_voice_file_free(&v);
            bytes[at] = kept;
        }
        files_write(names[i], bytes, size);
        free(bytes);
    }
}
END_TEST

static const struct {
    const char *from, *file, *open;
} shrinking[] = {
    { GOLDEN "hf-sdp", "model.safetensors", "." },
    { GOLDEN "piper-single", "model.onnx", "model.onnx" },
};

static double sum_of_weights(void)
{
    double sum = 0.0;

    for (size_t i = 0; i < v.weights.count; i++) {
        const clvits_array *a = &v.weights.items[i];
        for (int64_t k = 0; k < clvits_array_count(a); k++)
            sum += fabs((double)((const float *)a->data)[k]) * (double)(1 + i + (size_t)k % 7);
    }
    return sum;
}

/* What was opened stays as it was, whatever becomes of the file. */
START_TEST(a_file_may_shrink_when_it_is_open)
{
    const char *path = files_path(shrinking[_i].file);

    copy_voice(shrinking[_i].from, NULL);
    open_voice(files_path(shrinking[_i].open), NULL);
    const double sum = sum_of_weights();
    ck_assert_double_gt(sum, 0.0);
    ck_assert_int_eq(truncate(path, 0), 0);
    ck_assert_double_eq(sum_of_weights(), sum);
}
END_TEST

/* Cut it short and put it back, again and again. */
static void unsettle(const char *path, const char *bytes, size_t size)
{
    const pid_t parent = getppid();

    for (uint32_t seed = 5; getppid() == parent; seed = seed * 1664525u + 1013904223u) {
        FILE *f = fopen(path, "r+b");
        if (!f || ftruncate(fileno(f), (off_t)((seed >> 8) % size)))
            _exit(1);
        fwrite(bytes, 1, size, f);
        fclose(f);
    }
    _exit(1);
}

/* An answer each time, and not a signal. */
START_TEST(a_file_may_shrink_while_it_is_opened)
{
    const char *path = files_path(shrinking[_i].file);
    size_t size;

    copy_voice(shrinking[_i].from, NULL);
    char *bytes = files_read(path, &size);
    const pid_t child = fork();
    if (child == 0)
        unsettle(path, bytes, size);
    ck_assert_int_gt(child, 0);
    for (int i = 0; i < 200; i++) {
        clvits_report_clear(&r);
        if (clvits_voice_file_open(&v, files_path(shrinking[_i].open), NULL, &r))
            ck_assert_msg(r.status == CLVITS_E_FILE || r.status == CLVITS_E_FORMAT ||
                          r.status == CLVITS_E_UNSUPPORTED, "%s", r.text);
        else
            sum_of_weights();
        clvits_voice_file_free(&v);
    }
    int status;
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status), "the file was left alone");
    free(bytes);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("voice_file");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, voices_open, voices_close);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, opens_the_embedded_voice);
    tcase_add_test(t, finds_the_embedded_voice_by_environment);
    tcase_add_test(t, opens_hugging_face_with_weight_norm);
    tcase_add_test(t, opens_hugging_face_with_speakers);
    tcase_add_test(t, keeps_everything_when_asked);
    tcase_add_test(t, opens_piper_voices);
    tcase_add_test(t, opens_single_precision_with_both_predictors);
    tcase_add_loop_test(t, names_a_missing_file, 0, LENGTH(absent));
    tcase_add_loop_test(t, refuses_wrong_files, 0, LENGTH(edits));
    tcase_add_loop_test(t, refuses_truncated_files, 0, 4);
    tcase_add_test(t, refuses_what_is_no_voice);
    tcase_add_test(t, misses_the_json_of_a_piper_voice);
    tcase_add_test(t, survives_damage);
    tcase_add_loop_test(t, a_file_may_shrink_when_it_is_open, 0, 2);
    tcase_add_loop_test(t, a_file_may_shrink_while_it_is_opened, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
