// SPDX-License-Identifier: MIT
// Phonemes through espeak-ng: the golden ids of the embedded voice, words, blocks, threads.
// Where no espeak-ng library is found the tests say so and pass; "missing" runs everywhere.
#include "npy.h"
#include "text/espeak_library.h"
#include "text/text.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *suite(void);

static clvits_symbols symbols;
static int have_espeak;

/* The embedded voice's table up to its digits, marks and diphthongs, in the order of its ids. */
static const char *const table[] = {
    "_", "^", "$", " ", "!", "'", "(", ")", ",", "-", ".", ":", ";", "?", "a", "b", "c", "d", "e",
    "f", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y",
    "z", "æ", "ç", "ð", "ø", "ħ", "ŋ", "œ", "ǀ", "ǁ", "ǂ", "ǃ", "ɐ", "ɑ", "ɒ", "ɓ", "ɔ", "ɕ", "ɖ",
    "ɗ", "ɘ", "ə", "ɚ", "ɛ", "ɜ", "ɞ", "ɟ", "ɠ", "ɡ", "ɢ", "ɣ", "ɤ", "ɥ", "ɦ", "ɧ", "ɨ", "ɪ", "ɫ",
    "ɬ", "ɭ", "ɮ", "ɯ", "ɰ", "ɱ", "ɲ", "ɳ", "ɴ", "ɵ", "ɶ", "ɸ", "ɹ", "ɺ", "ɻ", "ɽ", "ɾ", "ʀ", "ʁ",
    "ʂ", "ʃ", "ʄ", "ʈ", "ʉ", "ʊ", "ʋ", "ʌ", "ʍ", "ʎ", "ʏ", "ʐ", "ʑ", "ʒ", "ʔ", "ʕ", "ʘ", "ʙ", "ʛ",
    "ʜ", "ʝ", "ʟ", "ʡ", "ʢ", "ʲ", "ˈ", "ˌ", "ː", "ˑ", "˞", "β", "θ", "χ", "ᵻ", "ⱱ",
};
enum { CEDILLA = 140, TILDE = 141, DIPHTHONG = 161 };

static void open_symbols(void)
{
    static const char *const diphthongs[] = { "aɪ", "aʊ", "ɔɪ", "eɪ", "oʊ" };
    const int32_t cedilla = CEDILLA, tilde = TILDE;
    clvits_report r = { 0 };
    clvits_arena a = { 0 };
    char *ipa;

    ck_assert_int_eq(LENGTH(table), 130);
    for (int32_t i = 0; i < LENGTH(table); i++)
        ck_assert_int_eq(clvits_symbols_add(&symbols, table[i], &i, 1, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_symbols_add(&symbols, "\u0327", &cedilla, 1, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_symbols_add(&symbols, "\u0303", &tilde, 1, &r), CLVITS_OK);
    for (int32_t i = 0; i < LENGTH(diphthongs); i++) {
        const int32_t id = DIPHTHONG + i;
        ck_assert_int_eq(clvits_symbols_add(&symbols, diphthongs[i], &id, 1, &r), CLVITS_OK);
    }
    have_espeak = clvits_espeak_ipa(&ipa, &a, "en-us", "a", 1, &r) == CLVITS_OK;
    if (!have_espeak)
        printf("skipped: %s\n", r.text);
    clvits_arena_free(&a);
}

static void close_symbols(void)
{
    clvits_symbols_free(&symbols);
}

static clvits_text_settings settings_of(const char *voice)
{
    return (clvits_text_settings){ .kind = CLVITS_TEXT_ESPEAK,
                                   .padding = CLVITS_PADDING_PIPER,
                                   .espeak_voice = voice,
                                   .symbols = &symbols };
}

/* All sentences as "phonemes|phonemes"; with words every token is followed by the word's number. */
static clvits_status speak(char *out, size_t size, const char *voice, const char *text, int words,
                           clvits_report *r)
{
    const clvits_text_settings s = settings_of(voice);
    clvits_text_reader *reader;
    const clvits_sentence *x = NULL;
    size_t at = 0;
    int32_t before = -1;

    *out = '\0';
    clvits_status status = clvits_text_open(&reader, &s, text, strlen(text), r);
    while (!status) {
        status = clvits_text_next(&x, reader, r);
        if (status || !x)
            break;
        at += (size_t)snprintf(out + at, size - at, "%s", at ? "|" : "");
        before = -1;
        for (int i = 0; i < x->n_tokens && at + 64 < size; i++) {
            const clvits_token *t = &x->tokens[i];
            if (words && t->word != before && t->word >= 0) {
                const clvits_word *w = &x->words[t->word];
                at += (size_t)snprintf(out + at, size - at, "{%.*s}", (int)w->n, text + w->start);
            }
            before = t->word;
            at += (size_t)snprintf(out + at, size - at, "%s", t->text);
        }
    }
    clvits_text_close(&reader);
    return status;
}

START_TEST(ids_are_those_of_training)
{
    static const char *const texts[] = {
        "Hello, world!",
        "The quick brown fox jumps over the lazy dog.",
        ("Speech synthesis is the artificial production of human speech, and it works without a "
         "network."),
    };
    const clvits_text_settings s = settings_of("en-us");
    clvits_text_reader *reader;
    const clvits_sentence *x;
    clvits_report r = { 0 };
    char path[512];

    if (!have_espeak)
        return;
    snprintf(path, sizeof(path), CLVITS_GOLDEN "/mini/ref/%d_ids.npy", _i);
    npy want = npy_read(path);
    ck_assert_int_eq(clvits_text_open(&reader, &s, texts[_i], strlen(texts[_i]), &r), CLVITS_OK);
    ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
    ck_assert_uint_eq((size_t)x->n_ids, want.count);
    for (int i = 0; i < x->n_ids; i++)
        ck_assert_int_eq(x->ids[i], (int)want.data[i]);
    ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
    ck_assert_ptr_null(x);
    clvits_text_close(&reader);
    npy_free(&want);
}
END_TEST

static const struct {
    const char *voice, *text, *phonemes;
} phoneme_cases[] = {
    { "en-us", "Hello, world! Hello.", "həlˈoʊ, wˈɜːld!|həlˈoʊ." },
    { "en-us", "hello world", "həlˈoʊ wˈɜːld" },
    { "en-us", "Mr. Smith (hello).", "mˈɪstɚ smˈɪθ həlˈoʊ." },
    { "en-us", "hello... world; hello: world?!", "həlˈoʊ; wˈɜːld; həlˈoʊ: wˈɜːld?" },
    { "en-us", "Hello, — world.", "həlˈoʊ, wˈɜːld." },
    { "en-us", "Say [[ h e. lˈoʊ ]], world", "sˈeɪ h e. lˈoʊ, wˈɜːld" },
    { "en-us", "[[ ĩ ç ]].", "i\u0303 c\u0327." },
    { "fr", "Bonjour le weekend, ça va?", "bɔ̃ʒˈuʁ lə- wiːkˈɛnd, sa vˈa?" },
    { "de", "Ich.", "ɪc\u0327." },
};

START_TEST(phonemes)
{
    char got[1024];
    clvits_report r = { 0 };

    if (!have_espeak)
        return;
    const clvits_status status =
        speak(got, sizeof(got), phoneme_cases[_i].voice, phoneme_cases[_i].text, 0, &r);
    ck_assert_msg(status == CLVITS_OK, "%s", r.text);
    ck_assert_str_eq(got, phoneme_cases[_i].phonemes);
}
END_TEST

/* What the original code's older cleaner leaves: no stress, no punctuation. */
START_TEST(bare_phonemes)
{
    static const char text[] = "Hello there, it's a well-known world!";
    clvits_text_settings s = settings_of("en-us");
    clvits_text_reader *reader;
    const clvits_sentence *x;
    clvits_report r = { 0 };
    char got[256] = "";

    if (!have_espeak)
        return;
    s.bare = 1;
    ck_assert_int_eq(clvits_text_open(&reader, &s, text, strlen(text), &r), CLVITS_OK);
    ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
    for (int i = 0; i < x->n_tokens; i++)
        strncat(got, x->tokens[i].text, sizeof(got) - strlen(got) - 1);
    clvits_text_close(&reader);
    ck_assert_str_eq(got, "həloʊ ðɛɹ ɪts ɐ wɛlnoʊn wɜːld");
}
END_TEST

static const struct {
    const char *text, *words;
} word_cases[] = {
    { "Hello, world!", "{Hello}həlˈoʊ, {world}wˈɜːld!" },
    { "in the house", "{in}ɪn{the}ðə {house}hˈaʊs" },
    { "in the $5.", "{in}ɪn{the}ðə {$5}dˈɑːlɚ fˈaɪv." },
    { "21 houses", "{21}twˈɛnti wˈʌn {houses}hˈaʊzᵻz" },
    { "house -- \"house\"", "{house}hˈaʊs {house}hˈaʊs" },
    { "say [[ aɪ tˈuː ]].", "{say}sˈeɪ {aɪ}aɪ {tˈuː}tˈuː." },
};

START_TEST(phonemes_belong_to_words)
{
    char got[1024];
    clvits_report r = { 0 };

    if (!have_espeak)
        return;
    ck_assert_int_eq(speak(got, sizeof(got), "en-us", word_cases[_i].text, 1, &r), CLVITS_OK);
    ck_assert_str_eq(got, word_cases[_i].words);
}
END_TEST

START_TEST(odd_text_is_survived)
{
    static const char *const texts[] = { "1234567890123456789012345678901234567890 , 5",
                                         "😀 a",
                                         "%%% & @ # a",
                                         "www.a.com/~b?c=d&e",
                                         "[[ ]] a",
                                         "[[]]a",
                                         "((((((((((((((((((((a",
                                         "a\u200db\u0301" };
    char got[4096];

    if (!have_espeak)
        return;
    for (int i = 0; i < LENGTH(texts); i++) {
        clvits_report r = { 0 };
        ck_assert_msg(speak(got, sizeof(got), "en-us", texts[i], 1, &r) == CLVITS_OK, "%s: %s",
                      texts[i], r.text);
        ck_assert_uint_gt(strlen(got), 0);
    }
}
END_TEST

static const char *const dotted[] = { "a.", "A. ", "é.", "я.", "_.", "a..", "t_.", "ab.c.", "…é." };

START_TEST(dotted_letters_without_end_are_survived)
{
    clvits_arena a = { 0 };
    clvits_report r = { 0 };
    char text[1200] = "", *ipa;

    if (!have_espeak)
        return;
    while (strlen(text) < 800)
        strcat(text, dotted[_i]);
    ck_assert_int_eq(clvits_espeak_ipa(&ipa, &a, "en-us", text, strlen(text), &r), CLVITS_OK);
    clvits_arena_free(&a);
}
END_TEST

START_TEST(long_text_stays_within_limits)
{
    const size_t n = 1 << 16;
    char *text = malloc(n);
    clvits_text_settings s = settings_of("en-us");
    clvits_text_reader *reader;
    const clvits_sentence *x;
    clvits_report r = { 0 };
    size_t most = 0, at = 0;

    if (!have_espeak) {
        free(text);
        return;
    }
    for (size_t i = 0; i < n; i++)
        text[i] = "in the 21 houses "[i % 17];
    s.max_ids = 100;
    ck_assert_int_eq(clvits_text_open(&reader, &s, text, n, &r), CLVITS_OK);
    for (;;) {
        ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
        if (!x)
            break;
        ck_assert_int_le(x->n_ids, 100);
        ck_assert_uint_ge(x->start + x->n, at);
        at = x->start + x->n;
        most = clvits_text_memory(reader) > most ? clvits_text_memory(reader) : most;
    }
    ck_assert_uint_ge(at, n - 2);
    ck_assert_uint_lt(most, 1 << 19);
    clvits_text_close(&reader);
    free(text);
}
END_TEST

static void *speak_often(void *voice)
{
    const int french = !strcmp(voice, "fr");
    char got[256];

    for (int i = 0; i < 40; i++) {
        clvits_report r = { 0 };
        if (speak(got, sizeof(got), voice, french ? "ça va?" : "Hello, world!", 0, &r) ||
            strcmp(got, french ? "sa vˈa?" : "həlˈoʊ, wˈɜːld!"))
            return voice;
    }
    return NULL;
}

START_TEST(two_threads_do_not_mix)
{
    static char voices[4][8] = { "en-us", "fr", "en-us", "fr" };
    pthread_t threads[LENGTH(voices)];

    if (!have_espeak)
        return;
    for (int i = 0; i < LENGTH(voices); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, speak_often, voices[i]), 0);
    for (int i = 0; i < LENGTH(voices); i++) {
        void *failed;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
}
END_TEST

START_TEST(unknown_voice_is_named)
{
    char got[256];
    clvits_report r = { 0 };

    if (!have_espeak)
        return;
    ck_assert_int_eq(speak(got, sizeof(got), "xx-none", "a", 0, &r), CLVITS_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(r.text, "\"xx-none\""));
    clvits_report_clear(&r);
    ck_assert_int_eq(speak(got, sizeof(got), "en-us", "hello", 0, &r), CLVITS_OK);
    ck_assert_str_eq(got, "həlˈoʊ");
}
END_TEST

START_TEST(missing_library_is_told)
{
    char got[64];
    clvits_report r = { 0 };

    ck_assert_int_eq(setenv("CLVITS_ESPEAK", "/nowhere/libespeak-ng.so.1", 1), 0);
    ck_assert_int_eq(speak(got, sizeof(got), "en-us", "a", 0, &r), CLVITS_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(r.text, "/nowhere/libespeak-ng.so.1"));
    ck_assert_ptr_nonnull(strstr(r.text, "CLVITS_ESPEAK"));
}
END_TEST

/* Loads nothing, so that the test that follows it sees a process without espeak-ng. */
static void open_table(void)
{
    clvits_report r = { 0 };
    for (int32_t i = 0; i < LENGTH(table); i++)
        ck_assert_int_eq(clvits_symbols_add(&symbols, table[i], &i, 1, &r), CLVITS_OK);
}

Suite *suite(void)
{
    Suite *s = suite_create("espeak");
    TCase *t = tcase_create("cases"), *missing = tcase_create("missing");

    tcase_add_checked_fixture(t, open_symbols, close_symbols); /* after the fork */
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, ids_are_those_of_training, 0, 3);
    tcase_add_loop_test(t, phonemes, 0, LENGTH(phoneme_cases));
    tcase_add_test(t, bare_phonemes);
    tcase_add_loop_test(t, phonemes_belong_to_words, 0, LENGTH(word_cases));
    tcase_add_test(t, odd_text_is_survived);
    tcase_add_loop_test(t, dotted_letters_without_end_are_survived, 0, LENGTH(dotted));
    tcase_add_test(t, long_text_stays_within_limits);
    tcase_add_test(t, two_threads_do_not_mix);
    tcase_add_test(t, unknown_voice_is_named);
    suite_add_tcase(s, t);
    tcase_add_checked_fixture(missing, open_table, close_symbols);
    tcase_add_test(missing, missing_library_is_told);
    suite_add_tcase(s, missing);
    return s;
}
