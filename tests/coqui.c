// SPDX-License-Identifier: MIT
// Voices of Coqui: what config.json and the files beside it say, good and bad.
#include "io/coqui_names.h"
#include "voices.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static void open_voice(const char *path)
{
    voices_take(path, NULL);
    ck_assert_str_eq(v.kind, "Coqui VITS");
}

START_TEST(names_become_the_originals)
{
    static const char *const names[][2] = {
        { "text_encoder.emb.weight", "enc_p.emb.weight" },
        { "/text_encoder/encoder/attn_layers.0/conv_q/Conv",
          "/enc_p/encoder/attn_layers.0/conv_q/Conv" },
        { "duration_predictor.flows.0.translation", "dp.flows.0.m" },
        { "duration_predictor.flows.0.log_scale", "dp.flows.0.logs" },
        { "duration_predictor.flows.4.convs.norms_1.2.gamma", "dp.flows.7.convs.norms_1.2.gamma" },
        { "/duration_predictor/flows.2/pre/Conv", "/dp/flows.3/pre/Conv" },
        { "duration_predictor.post_flows.3.pre.bias", "dp.post_flows.5.pre.bias" },
        { "duration_predictor.cond_lang.weight", "dp.cond_lang.weight" },
        { "flow.flows.3.enc.cond_layer.bias", "flow.flows.6.enc.cond_layer.bias" },
        { "waveform_decoder.cond_layer.weight", "dec.cond.weight" },
        { "waveform_decoder.resblocks.3.convs1.0.bias", "dec.resblocks.3.convs1.0.bias" },
        { "posterior_encoder.enc.cond_layer.bias", "enc_q.enc.cond_layer.bias" },
        { "emb_g.weight", "emb_g.weight" },
        { "onnx::Conv_123", "onnx::Conv_123" },
        { "flow", "flow" },
        { "", "" },
    };
    char out[64];

    for (int i = 0; i < LENGTH(names); i++) {
        ck_assert_int_eq(clvits_coqui_name(out, sizeof(out), names[i][0]), 1);
        ck_assert_str_eq(out, names[i][1]);
    }
    for (size_t size = 0; size <= strlen("dec.cond.weight"); size++)
        ck_assert_int_eq(clvits_coqui_name(out, size, "waveform_decoder.cond_layer.weight"), 0);
    ck_assert_int_eq(clvits_coqui_sign("model.waveform_decoder.conv_pre.weight"), 1);
    ck_assert_int_eq(clvits_coqui_sign("waveform_decoders.conv_pre.weight"), 0);
}
END_TEST

START_TEST(opens_a_voice_of_several_languages)
{
    open_voice(GOLDEN "coqui-languages");
    ck_assert_int_eq(v.config.n_languages, 3);
    ck_assert_int_eq(v.config.language_channels, 4);
    ck_assert_int_eq(v.config.dp_speakers, 0);
    ck_assert_int_eq(v.config.dp_filter_channels, 14);
    ck_assert_int_eq(v.config.hop_length, 20);
    ck_assert_int_eq(v.config.sampling_rate, 16000);
    ck_assert_float_eq_tol(v.config.noise_w, 1, 1e-6f);
    ck_assert_int_eq(clvits_voice_file_language(&v, "fr-fr"), 2);
    ck_assert_int_eq(clvits_voice_file_language(&v, "pl"), -1);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "bob"), 1);
    ck_assert_str_eq(voices_ids("Café, bin da."),
                     "26 10 26 8 26 13 26 23 26 3 26 7 26 9 26 16 26 21 26 7 26 11 26 8 26 4 26");
    ck_assert_str_eq(logged, "");
}
END_TEST

START_TEST(opens_a_voice_of_phonemes)
{
    static const int ids[] = { 8, 13, 10, 17, 13, 15 };
    static const char *const symbols[] = { "h", "ə", "f", "ˈ", "ə", "ʊ" };

    open_voice(GOLDEN "coqui-phonemes/model.pth");
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_ESPEAK);
    ck_assert_str_eq(v.text.espeak_voice, "en-us");
    ck_assert_int_eq(v.text.padding, CLVITS_PADDING_BLANK);
    ck_assert_int_eq(v.text.blank_id, 3);
    ck_assert_int_eq(v.text.ends.begin[0], 2);
    ck_assert_int_eq(v.text.ends.end[0], 1);
    ck_assert_int_eq(v.config.use_sdp, 0);
    ck_assert_float_eq_tol(v.config.dp_norm_eps, 1e-4f, 1e-9f);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "z"), 2);
    ck_assert_int_eq(v.config.n_vocab, 22);
    for (int i = 0; i < LENGTH(ids) - 1; i++)
        ck_assert_msg(voices_id(symbols[i]) >= 0, "%s", symbols[i]);
    ck_assert_int_eq(voices_id("ə"), 13);
    ck_assert_int_eq(voices_id("."), 20);
}
END_TEST

START_TEST(opens_a_voice_of_one_speaker)
{
    open_voice(GOLDEN "coqui-single/model.pth");
    ck_assert_int_eq(v.config.n_speakers, 1);
    ck_assert_int_eq(v.config.gin_channels, 0);
    ck_assert_int_eq(v.config.n_languages, 0);
    ck_assert_str_eq(v.text.espeak_voice, "en-us");
    ck_assert_int_eq(voices_id("<BLNK>"), 29);
    ck_assert_int_eq(v.text.blank_id, 29);
    ck_assert_int_eq(v.text.ends.n_begin, 0);
}
END_TEST

START_TEST(opens_a_voice_of_recordings)
{
    open_voice(GOLDEN "coqui-vectors");
    ck_assert_int_eq(v.config.n_speakers, 2);
    ck_assert_int_eq(v.config.gin_channels, 6);
    ck_assert_int_eq(v.n_speakers, 2);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "ann"), 0);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, "bob"), 1);
    const clvits_array *table = clvits_arrays_find(&v.weights, "emb_g.weight");
    for (int i = 0; i < 2; i++) {
        const float *row = (const float *)table->data + 6 * i;
        double square = 0;
        for (int k = 0; k < 6; k++)
            square += (double)row[k] * row[k];
        ck_assert_double_eq_tol(square, 1, 1e-6);
    }
    ck_assert_str_eq(voices_ids("oha"), "11 10 3");
}
END_TEST

/* ---- changed files ---- */

static void copy(const char *voice, const char *name)
{
    char path[1024];

    snprintf(path, sizeof(path), GOLDEN "%s/%s", voice, name);
    files_copy(name, path);
}

/* The voice with this part of its configuration replaced, once. */
static const char *changed(const char *voice, const char *part, const char *by)
{
    char path[1024];

    snprintf(path, sizeof(path), GOLDEN "%s/config.json", voice);
    files_edited("config.json", path, part, by);
    copy(voice, "model.pth");
    return files_path("model.pth");
}

static const struct {
    const char *voice, *part, *by, *says;
    clvits_text_kind kind;
    const char *espeak;
} front_ends[] = {
    { "coqui-single", "\"phonemizer\": \"espeak\"", "\"phonemizer\": null", "",
      CLVITS_TEXT_ESPEAK, "en-us" },
    { "coqui-single", "\"phonemizer\": \"espeak\"", "\"phonemizer\": \"gruut\"", "gruut",
      CLVITS_TEXT_ESPEAK, "en-us" },
    { "coqui-single", "\"phoneme_language\": \"en\"", "\"phoneme_language\": \"zh-cn\"", "",
      CLVITS_TEXT_ESPEAK, "cmn" },
    { "coqui-single", "\"phonemizer\": \"espeak\"", "\"phonemizer\": \"ja_jp_phonemizer\"",
      "ja_jp_phonemizer", CLVITS_TEXT_CHARACTERS, NULL },
    { "coqui-phonemes", "\"phonemizer\": \"espeak\"", "\"phonemizer\": \"multi_phonemizer\"", "",
      CLVITS_TEXT_ESPEAK, "en-us" },
};

START_TEST(the_configuration_chooses_the_front_end)
{
    const char *path =
        changed(front_ends[_i].voice, front_ends[_i].part, front_ends[_i].by);

    if (!strcmp(front_ends[_i].voice, "coqui-phonemes"))
        copy("coqui-phonemes", "language_ids.json");
    open_voice(path);
    ck_assert_int_eq(v.text.kind, front_ends[_i].kind);
    if (front_ends[_i].espeak)
        ck_assert_str_eq(v.text.espeak_voice, front_ends[_i].espeak);
    ck_assert_msg(strstr(logged, front_ends[_i].says) != NULL, "%s", logged);
    for (int i = 0; i < v.n_languages; i++)
        ck_assert_str_eq(v.languages[i].espeak_voice, i ? "pt-br" : "en-us");
}
END_TEST

START_TEST(languages_may_be_those_of_the_data)
{
    open_voice(changed("coqui-languages", "\"datasets\": []",
                       "\"datasets\": [{\"language\": \"pl\"}, {\"language\": \"de\"}, "
                       "{\"language\": \"pl\"}, {\"language\": \"\"}, {}]"));
    ck_assert_int_eq(v.n_speakers, 0);
    ck_assert_int_eq(v.n_languages, 2);
    ck_assert_int_eq(clvits_voice_file_language(&v, "de"), 0);
    ck_assert_int_eq(clvits_voice_file_language(&v, "pl"), 1);
}
END_TEST

START_TEST(python_writes_more_than_json)
{
    open_voice(changed("coqui-single", "\"datasets\": []",
                       "\"datasets\": [NaN, -Infinity, Infinity, \"NaN\\\" Infinity\"]"));
    ck_assert_str_eq(logged, "");
}
END_TEST

START_TEST(too_few_characters_are_told_of)
{
    open_voice(changed("coqui-single", "\"phonemes\": \"a", "\"phonemes\": \""));
    ck_assert_ptr_nonnull(strstr(logged, "has 29 characters, but the model 30 symbols"));
}
END_TEST

static const struct {
    const char *voice, *part, *by;
    clvits_status status;
    const char *says;
} refusals[] = {
    { "coqui-single", "\"model\": \"vits\"", "\"model\": \"xtts\"", CLVITS_E_UNSUPPORTED,
      "\"xtts\"" },
    { "coqui-single", "\"use_d_vector_file\": false", "\"use_d_vector_file\": true",
      CLVITS_E_FORMAT, "d_vector_dim is 0" },
    { "coqui-vectors", "\"add_blank\": false", "\"add_blank\": true", CLVITS_E_FILE,
      "d_vector_file" },
    { "coqui-single", "\"encoder_sample_rate\": null", "\"encoder_sample_rate\": 8000",
      CLVITS_E_UNSUPPORTED, "interpolate_z" },
    { "coqui-single", "\"resblock_type_decoder\": \"1\"", "\"resblock_type_decoder\": \"3\"",
      CLVITS_E_FORMAT, "resblock_type_decoder" },
    { "coqui-single", "\"hidden_channels\": 8", "\"hidden_channels\": 10", CLVITS_E_FORMAT,
      "enc_p" },
    { "coqui-single", "\"characters\": {", "\"letters\": {", CLVITS_E_FORMAT, "characters" },
    { "coqui-single", "TTS.tts.models.vits.VitsCharacters", "a.Runes", CLVITS_E_UNSUPPORTED,
      "a.Runes" },
    { "coqui-single", "\"phonemes\": \"aɪb", "\"phonemes\": \"xyzaɪb", CLVITS_E_FORMAT,
      "but the model has 30 symbols" },
    { "coqui-phonemes", "\"is_unique\": false,\n    \"is_sorted\": true",
      "\"is_unique\": true, \"is_sorted\": false", CLVITS_E_UNSUPPORTED, "chance" },
    { "coqui-phonemes", "\"blank\": \"<BLNK>\"", "\"blank\": null", CLVITS_E_FORMAT, "blank" },
    { "coqui-single", "\"enable_eos_bos_chars\": false", "\"enable_eos_bos_chars\": true",
      CLVITS_E_FORMAT, "no bos" },
    { "coqui-single", "\"phoneme_language\": \"en\"", "\"phoneme_language\": null",
      CLVITS_E_FORMAT, "phoneme_language" },
};

START_TEST(wrong_configurations_are_refused)
{
    const char *path = changed(refusals[_i].voice, refusals[_i].part, refusals[_i].by);

    voices_refuse(path, NULL, refusals[_i].status, refusals[_i].says);
}
END_TEST

static const struct {
    const char *name, *text, *says;
} name_files[] = {
    { "speakers.pth", "{\"ann\": 0, \"bob\": 2}", "\"bob\" should have a number below 2" },
    { "speakers.pth", "{\"ann\": \"0\"}", "\"ann\" should have a number" },
    { "speakers.pth", "{\"a\": 0, \"b\": 1, \"c\": 1}", "\"c\" should" },
    { "language_ids.json", "{\"de\": -1}", "\"de\" should have a number below 3" },
    { "language_ids.json", "[0, 1]", "object" },
    { "language_ids.json", "PK\3\4 no archive", "language_ids.json" },
};

static const struct {
    const char *text, *says;
} vectors[] = {
    { "{}", "0 recordings" },
    { "{\"a\": {\"name\": \"x\", \"embedding\": [1, 2, 3, 4, 5]}}", "\"a\" should have" },
    { "{\"a\": {\"name\": 7, \"embedding\": [1, 2, 3, 4, 5, 6]}}", "\"a\" should have" },
    { "{\"a\": {\"name\": \"x\", \"embedding\": [1, 2, 3, 4, 5, \"\"]}}", "\"x\" should have" },
    { "{\"a\": [1, 2, 3, 4, 5, 6]}", "\"a\" should have" },
    { "[]", "object" },
};

START_TEST(wrong_vectors_are_refused)
{
    const char *path = changed("coqui-vectors", "\"datasets\": []", "\"datasets\": [ ]");

    files_text("speakers.json", vectors[_i].text);
    voices_refuse(path, NULL, CLVITS_E_FORMAT, vectors[_i].says);
}
END_TEST

START_TEST(names_may_be_longer_than_paths)
{
    const char *path = changed("coqui-vectors", "\"datasets\": []", "\"datasets\": [ ]");
    char name[6001], text[6200];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(text, sizeof(text),
             "{\"a\": {\"name\": \"%s\", \"embedding\": [1, 2, 3, 4, 5, 6]}, "
             "\"b\": {\"name\": \"o\", \"embedding\": [6, 5, 4, 3, 2, 1]}}",
             name);
    files_text("speakers.json", text);
    open_voice(path);
    ck_assert_int_eq(clvits_voice_file_speaker(&v, name), 0);
}
END_TEST

START_TEST(wrong_names_are_refused)
{
    const char *path = changed("coqui-languages", "\"datasets\": []", "\"datasets\": [ ]");

    files_text(name_files[_i].name, name_files[_i].text);
    const clvits_status status = clvits_voice_file_open(&v, path, NULL, &r);
    ck_assert_msg(status != CLVITS_OK && status != CLVITS_E_MEMORY, "%d", status);
    ck_assert_msg(strstr(r.text, name_files[_i].says) != NULL, "'%s' does not say '%s'", r.text,
                  name_files[_i].says);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("coqui");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, voices_open, voices_close);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, names_become_the_originals);
    tcase_add_test(t, opens_a_voice_of_several_languages);
    tcase_add_test(t, opens_a_voice_of_phonemes);
    tcase_add_test(t, opens_a_voice_of_one_speaker);
    tcase_add_test(t, opens_a_voice_of_recordings);
    tcase_add_loop_test(t, the_configuration_chooses_the_front_end, 0, LENGTH(front_ends));
    tcase_add_test(t, languages_may_be_those_of_the_data);
    tcase_add_test(t, python_writes_more_than_json);
    tcase_add_test(t, too_few_characters_are_told_of);
    tcase_add_loop_test(t, wrong_configurations_are_refused, 0, LENGTH(refusals));
    tcase_add_loop_test(t, wrong_vectors_are_refused, 0, LENGTH(vectors));
    tcase_add_test(t, names_may_be_longer_than_paths);
    tcase_add_loop_test(t, wrong_names_are_refused, 0, LENGTH(name_files));
    suite_add_tcase(s, t);
    return s;
}
