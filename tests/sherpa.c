// SPDX-License-Identifier: MIT
// Voices of sherpa-onnx: what their metadata says, and the texts beside them, good and bad.
#include "onnx_files.h"
#include "voices.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void close_case(void)
{
    clvits_voice_file_free(&v);
    onnx_close();
}

START_TEST(opens_a_voice_with_a_lexicon)
{
    voices_take(onnx_golden("sherpa-lexicon", "model.onnx"), NULL);
    ck_assert_str_eq(v.kind, "sherpa-onnx VITS");
    ck_assert_int_eq(v.config.sampling_rate, 22050);
    ck_assert_int_eq(v.config.n_speakers, 3);
    ck_assert_int_eq(v.config.use_sdp, 0);
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_LEXICON);
    ck_assert_int_eq(v.text.padding, CLVITS_PADDING_BLANK);
    ck_assert_uint_eq(v.lexicon.count, 11);
    ck_assert_str_eq(logged, "");
    ck_assert_str_eq(voices_ids("The fox."), "0 31 0 32 0 9 0 14 0 40 0 38 0 18 0 24 0 4 0");
}
END_TEST

START_TEST(opens_a_voice_of_characters)
{
    voices_take(onnx_golden("sherpa-characters", "model.onnx"), NULL);
    ck_assert_int_eq(v.text.kind, CLVITS_TEXT_CHARACTERS);
    ck_assert_int_eq(v.config.sampling_rate, 16000);
    ck_assert_int_eq(v.text.ends.n_begin, 0);
    ck_assert_str_eq(voices_ids("A É"), "0 2 0 1 0 30 0");
}
END_TEST

/* ---- other metadata over the same graph ---- */

/* A copy whose metadata is KEY=VALUE pairs, up to NULL, with the golden tokens beside it. */
static const char *voice_with(const char *const *pairs)
{
    model_message *m = onnx_parse("sherpa-characters");

    m->n_metadata_props = 0;
    m->metadata_props = onnx_alloc(16 * sizeof(*m->metadata_props));
    for (; *pairs; pairs++) {
        Clvits__Onnx__Entry *e = onnx_alloc(sizeof(*e));
        char *equals;
        clvits__onnx__entry__init(e);
        e->key = onnx_text(*pairs);
        equals = strchr(e->key, '=');
        *equals = '\0';
        e->value = equals + 1;
        m->metadata_props[m->n_metadata_props++] = e;
    }
    files_copy("tokens.txt", onnx_golden("sherpa-characters", "tokens.txt"));
    return onnx_write(m);
}

static const struct {
    const char *pairs[8];
    clvits_text_kind kind;
    clvits_text_padding padding;
    const char *warning;
} kinds[] = {
    { { "sample_rate=16000", "comment=piper", "voice=en-us", "has_espeak=1" },
      CLVITS_TEXT_ESPEAK, CLVITS_PADDING_PIPER, "" },
    { { "sample_rate=16000", "comment=coqui", "voice=cmn", "add_blank=1", "blank_id=30" },
      CLVITS_TEXT_ESPEAK, CLVITS_PADDING_BLANK, "" },
    { { "sample_rate=24000", "comment=Inflect", "voice=en-US", "add_blank=1" },
      CLVITS_TEXT_ESPEAK, CLVITS_PADDING_BLANK, "" },
    { { "sample_rate=16000", "frontend=characters", "add_blank=False" },
      CLVITS_TEXT_CHARACTERS, CLVITS_PADDING_NONE, "" },
    { { "sample_rate=16000", "comment=piper", "voice=zh", "has_g2pw=1" },
      CLVITS_TEXT_IDS, CLVITS_PADDING_PIPER, "g2pW" },
    { { "sample_rate=16000", "jieba=1", "comment=x", "add_blank=1" },
      CLVITS_TEXT_LEXICON, CLVITS_PADDING_BLANK, "jieba" },
};

START_TEST(metadata_chooses_the_front_end)
{
    files_text("lexicon.txt", "a a b\n");
    voices_take(voice_with(kinds[_i].pairs), NULL);
    ck_assert_int_eq(v.text.kind, kinds[_i].kind);
    ck_assert_int_eq(v.text.padding, kinds[_i].padding);
    ck_assert_msg(strstr(logged, kinds[_i].warning) != NULL, "%s", logged);
}
END_TEST

START_TEST(sentences_have_bos_and_eos)
{
    static const char *const pairs[] = { "sample_rate=16000", "comment=coqui",
                                         "frontend=characters", "add_blank=1", "blank_id=3",
                                         "use_eos_bos=1", "bos_id=28", "eos_id=29", NULL };

    voices_take(voice_with(pairs), NULL);
    ck_assert_str_eq(voices_ids("AC"), "28 3 2 3 4 3 29");
}
END_TEST

START_TEST(pinyin_voices_have_silences)
{
    static const char *const pairs[] = { "sample_rate=16000", "language=Chinese", NULL };

    const char *path = voice_with(pairs);
    files_text("tokens.txt", "sil 0\neos 1\n#0 2\nni3 3\nhao3 4\n");
    files_text("lexicon.txt", "你 ni3\n好 hao3\n");
    files_text("number.fst", "");
    voices_take(path, NULL);
    ck_assert_msg(strstr(logged, "number.fst") != NULL, "%s", logged);
    ck_assert_str_eq(voices_ids("你，好"), "0 3 2 4 0 1");
}
END_TEST

/* What Coqui's exporter makes, without what the scripts of sherpa-onnx add. */
START_TEST(coquis_own_graphs_have_their_configuration_beside_them)
{
    model_message *m = onnx_parse("coqui-single");

    m->n_metadata_props = 0;
    const char *path = onnx_write(m);
    const char *beside =
        files_copy("config.json", onnx_golden("coqui-single", "config.json"));
    for (int given = 0; given < 2; given++) {
        voices_take(path, given ? beside : NULL);
        ck_assert_str_eq(v.kind, "Coqui VITS, as ONNX");
        ck_assert_int_eq(v.config.sampling_rate, 16000);
        ck_assert_int_eq(v.text.kind, CLVITS_TEXT_ESPEAK);
        ck_assert_int_eq(v.text.blank_id, 29);
    }
    files_text("config.json", "{}");
    voices_refuse(path, NULL, CLVITS_E_FILE, "changed.onnx.json is missing");
}
END_TEST

/* ---- refusals ---- */

static const struct {
    const char *pairs[8];
    const char *tokens, *lexicon; /* NULL: no such file */
    clvits_status status;
    const char *says;
} refusals[] = {
    { { "sample_rate=loud" }, "a 2\n", NULL, CLVITS_E_FORMAT, "sample_rate \"loud\"" },
    { { "sample_rate=3" }, "a 2\n", "a a\n", CLVITS_E_FORMAT, "sampling_rate is 3" },
    { { "sample_rate=16000", "frontend=characters" }, NULL, NULL, CLVITS_E_FILE,
      "tokens.txt is missing" },
    { { "sample_rate=16000" }, "a 2\n", NULL, CLVITS_E_FILE, "lexicon.txt is missing" },
    { { "sample_rate=16000" }, "a 2\n", "a \xC3\n", CLVITS_E_FORMAT, "lexicon.txt: line 1" },
    { { "sample_rate=16000" }, "a 2\n\xFF 3\n", NULL, CLVITS_E_FORMAT,
      "tokens.txt, line 2: this is not UTF-8" },
    { { "sample_rate=16000" }, "a 2\nb 31\n", NULL, CLVITS_E_FORMAT,
      "line 2: the id 31, but the model has 31 symbols" },
    { { "sample_rate=16000" }, "a -1\n", NULL, CLVITS_E_FORMAT, "the id -1" },
    { { "sample_rate=16000" }, "a 99999999999\n", NULL, CLVITS_E_FORMAT, "the id 99999999999" },
    { { "sample_rate=16000" }, "a 2\nb\n", NULL, CLVITS_E_FORMAT, "line 2: \"b\" is no id" },
    { { "sample_rate=16000" }, "a 2 x3\n", NULL, CLVITS_E_FORMAT, "\"x3\" is no id" },
    { { "sample_rate=16000" }, "", NULL, CLVITS_E_FORMAT, "no symbol" },
    { { "sample_rate=16000" }, "\n \n", NULL, CLVITS_E_FORMAT, "no symbol" },
    { { "sample_rate=16000", "frontend=characters", "add_blank=1", "blank_id=32" }, "a 2\n", NULL,
      CLVITS_E_FORMAT, "blank_id 32" },
    { { "sample_rate=16000", "frontend=characters", "use_eos_bos=1", "bos_id=-1" }, "a 2\n", NULL,
      CLVITS_E_FORMAT, "bos_id -1" },
    { { "sample_rate=16000", "comment=melo" }, "a 2\n", NULL, CLVITS_E_UNSUPPORTED, "MeloTTS" },
    { { "sample_rate=16000", "model_type=kokoro" }, "a 2\n", NULL, CLVITS_E_UNSUPPORTED,
      "Kokoro" },
    { { "sample_rate=16000", "comment=icefall" }, "a 2\n", NULL, CLVITS_E_UNSUPPORTED,
      "icefall" },
    { { "comment=mms" }, "a 2\n", NULL, CLVITS_E_FILE, "changed.onnx.json is missing" },
};

START_TEST(bad_voices_are_refused)
{
    const char *path = voice_with(refusals[_i].pairs);

    remove(files_path("tokens.txt"));
    if (refusals[_i].tokens)
        files_text("tokens.txt", refusals[_i].tokens);
    if (refusals[_i].lexicon)
        files_text("lexicon.txt", refusals[_i].lexicon);
    voices_refuse(path, NULL, refusals[_i].status, refusals[_i].says);
    ck_assert_ptr_null(v.symbols.items);
}
END_TEST

START_TEST(a_million_tokens_are_refused)
{
    static const char *const pairs[] = { "sample_rate=16000", NULL };
    const char *path = voice_with(pairs);
    const size_t lines = 1000000;
    char *bytes = malloc(12 * lines);
    size_t n = 0;

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < lines; i++)
        n += (size_t)sprintf(bytes + n, "w%zu 1\n", i);
    files_write("tokens.txt", bytes, n);
    free(bytes);
    voices_refuse(path, NULL, CLVITS_E_FORMAT, "tokens.txt");
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("sherpa");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, voices_open, close_case);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, opens_a_voice_with_a_lexicon);
    tcase_add_test(t, opens_a_voice_of_characters);
    tcase_add_loop_test(t, metadata_chooses_the_front_end, 0, LENGTH(kinds));
    tcase_add_test(t, sentences_have_bos_and_eos);
    tcase_add_test(t, pinyin_voices_have_silences);
    tcase_add_test(t, coquis_own_graphs_have_their_configuration_beside_them);
    tcase_add_loop_test(t, bad_voices_are_refused, 0, LENGTH(refusals));
    tcase_add_test(t, a_million_tokens_are_refused);
    suite_add_tcase(s, t);
    return s;
}
