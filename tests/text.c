// SPDX-License-Identifier: MIT
// Texts to ids without espeak-ng: what is read, padding, limits, warnings, refusals.
#include "logged.h"
#include "text/text.h"
#include "text/utf8.h"
#include "texts.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *suite(void);

static clvits_symbols symbols;

static void open_symbols(void)
{
    static const char *const plain[] = { "_", "^", "$", " ", "a", "b", "c",  "d", "e", "h",
                                         "l", "o", "r", "w", "'", "é", "aɪ", "ß", "я", "-" };
    clvits_report r = { 0 };

    for (int32_t i = 0; i < LENGTH(plain); i++)
        ck_assert_int_eq(clvits_symbols_add(&symbols, plain[i], &i, 1, &r), CLVITS_OK);
}

static void close_symbols(void)
{
    clvits_symbols_free(&symbols);
}

static clvits_text_settings settings_of(clvits_text_padding padding)
{
    return (clvits_text_settings){
        .kind = CLVITS_TEXT_CHARACTERS, .padding = padding, .symbols = &symbols, .lower_case = 1
    };
}

START_TEST(utf8_is_checked_at_every_position)
{
    static const char *const bad[] = { "\x80",
                                       "\xBF",
                                       "\xC0\x80",
                                       "\xC1\xBF",
                                       "\xC3",
                                       "\xE0\x9F\xBF",
                                       "\xE2\x82",
                                       "\xED\xA0\x80",
                                       "\xF0\x8F\xBF\xBF",
                                       "\xF0\x9F\x98",
                                       "\xF4\x90\x80\x80",
                                       "\xF5\x80\x80\x80",
                                       "\xFE",
                                       "\xFF" };
    const char good[] = "aé€😀 z";
    const clvits_text_settings s = settings_of(CLVITS_PADDING_NONE);

    ck_assert_uint_eq(clvits_utf8_check(good, strlen(good)), strlen(good));
    for (int k = 0; k < LENGTH(bad); k++)
        for (size_t at = 0; at <= strlen(good); at++) {
            char text[64], offset[64];
            if (((unsigned char)good[at] & 0xC0) == 0x80)
                continue;
            snprintf(text, sizeof(text), "%.*s%s%s", (int)at, good, bad[k], good + at);
            ck_assert_uint_eq(clvits_utf8_check(text, strlen(text)), at);
            clvits_report r = { 0 };
            clvits_text_reader *reader;
            ck_assert_int_eq(clvits_text_open(&reader, &s, text, strlen(text), &r),
                             CLVITS_E_ARGUMENT);
            ck_assert_ptr_null(reader);
            snprintf(offset, sizeof(offset), "byte offset %zu ", at);
            ck_assert_msg(strstr(r.text, offset) != NULL, "%s in: %s", offset, r.text);
        }
    clvits_report r = { 0 };
    clvits_text_reader *reader;
    ck_assert_int_eq(clvits_text_open(&reader, &s, "ab\0c", 4, &r), CLVITS_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(r.text, "NUL byte at offset 2"));
}
END_TEST

START_TEST(paddings)
{
    char ids[256];
    clvits_report r = { 0 };
    clvits_text_settings s = settings_of(CLVITS_PADDING_NONE);

    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "Abc  ÉS", &r), CLVITS_OK);
    ck_assert_str_eq(ids, "4 5 6 3 3 15");
    s.padding = CLVITS_PADDING_BLANK;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, " ab! c.", &r), CLVITS_OK);
    ck_assert_str_eq(ids, "0 4 0 5 0 | 0 6 0");
    s.blank_id = 9;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "a\tя", &r), CLVITS_OK);
    ck_assert_str_eq(ids, "9 4 9 3 9 18 9");
    s.padding = CLVITS_PADDING_PIPER;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "ab", &r), CLVITS_OK);
    ck_assert_str_eq(ids, "1 0 4 0 5 0 2");
    s.lower_case = 0;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "aB", &r), CLVITS_OK);
    ck_assert_str_eq(ids, "1 0 4 0 2");
}
END_TEST

START_TEST(capital_letters)
{
    static const struct {
        clvits_text_case rule;
        const char *ids; /* of "aABЯß" */
    } rules[] = { { CLVITS_CASE_KEPT, "4 20 17" },
                  { CLVITS_CASE_LOWER_ELSE, "4 20 5 18 17" },
                  { CLVITS_CASE_LOWER, "4 4 5 18 17" } };
    clvits_text_settings s = settings_of(CLVITS_PADDING_NONE);
    clvits_report r = { 0 };
    char ids[64];

    ck_assert_int_eq(clvits_symbols_add(&symbols, "A", &(int32_t){ 20 }, 1, &r), CLVITS_OK);
    for (int i = 0; i < LENGTH(rules); i++) {
        s.lower_case = rules[i].rule;
        ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "aABЯß", &r), CLVITS_OK);
        ck_assert_str_eq(ids, rules[i].ids);
    }
}
END_TEST

START_TEST(phonemes_as_they_stand)
{
    clvits_text_settings s = settings_of(CLVITS_PADDING_NONE);
    clvits_text_reader *reader;
    const clvits_sentence *x;
    clvits_report r = { .log = keep_log };
    char ids[64];

    s.kind = CLVITS_TEXT_PHONEMES;
    ck_assert_int_eq(clvits_symbols_add(&symbols, ",", &(int32_t){ 20 }, 1, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_symbols_add(&symbols, "ˈ", &(int32_t){ 21 }, 1, &r), CLVITS_OK);
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, " ab,  ˈaɪ.\nc\t'", &r), CLVITS_OK);
    ck_assert_str_eq(ids, "4 5 20 3 3 21 4 | 6 3 14"); /* ɪ alone is no symbol */
    ck_assert_msg(strstr(logged, "ɪ") != NULL, "%s", logged);
    ck_assert_msg(strstr(logged, "B") == NULL, "%s", logged);
    s.longest_match = 1;
    s.bare = 1;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "ab, ˈaɪ", &r), CLVITS_OK);
    ck_assert_str_eq(ids, "4 5 3 16");

    ck_assert_int_eq(clvits_text_open(&reader, &s, " ab  é", 7, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
    ck_assert_int_eq(x->n_words, 2);
    ck_assert_uint_eq(x->words[1].start, 5);
    ck_assert_uint_eq(x->words[1].n, 2);
    ck_assert_int_eq(x->tokens[x->n_tokens - 1].word, 1);
    clvits_text_close(&reader);

    s.kind = CLVITS_TEXT_IDS;
    s.unread = "no text: use ids";
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "a", &r), CLVITS_E_UNSUPPORTED);
    ck_assert_str_eq(r.text, s.unread);
}
END_TEST

START_TEST(romanised_voices_say_so)
{
    clvits_text_settings s = settings_of(CLVITS_PADDING_NONE);
    clvits_report r = { .log = keep_log };
    char ids[64];

    s.romanised = 1;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "a ж", &r), CLVITS_OK);
    ck_assert_msg(strstr(logged, "uroman") != NULL, "%s", logged);
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "жж", &r), CLVITS_E_ARGUMENT);
    ck_assert_msg(strstr(r.text, "uroman") != NULL, "%s", r.text);
}
END_TEST

START_TEST(spans_lead_back_to_the_text)
{
    const char text[] = "  \"Hello, world!\"  a-b 'c' ";
    clvits_text_settings s = settings_of(CLVITS_PADDING_PIPER);
    clvits_text_reader *reader;
    const clvits_sentence *x;
    clvits_report r = { 0 };

    ck_assert_int_eq(clvits_text_open(&reader, &s, text, strlen(text), &r), CLVITS_OK);
    ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
    ck_assert_uint_eq(x->start, 2);
    ck_assert_uint_eq(x->n, strlen("\"Hello, world!\""));
    ck_assert_int_eq(x->ends, 1);
    ck_assert_int_eq(x->n_words, 2);
    ck_assert(x->words[0].start == 3 && x->words[0].n == 5);
    ck_assert(x->words[1].start == 10 && x->words[1].n == 5);
    ck_assert_int_eq(x->n_tokens, 11); /* hello, space, world */
    ck_assert_int_eq(x->n_ids, 2 + 2 * 11 + 1);
    for (int i = 0; i < x->n_ids; i++)
        ck_assert_int_eq(x->id_tokens[i], i < 2 || i % 2 || i == x->n_ids - 1 ? -1 : i / 2 - 1);
    for (int i = 0; i < x->n_tokens; i++) {
        const clvits_token *t = &x->tokens[i];
        ck_assert_int_eq(t->word, i < 5 ? 0 : i == 5 ? -1 : 1);
        ck_assert_int_eq(t->n_ids, 1);
        ck_assert_str_eq(t->text, clvits_symbols_text(&symbols, x->ids[t->first_id]));
    }
    ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
    ck_assert_int_eq(x->n_words, 2);
    ck_assert(x->words[0].start == 19 && x->words[0].n == 3);
    ck_assert(x->words[1].start == 24 && x->words[1].n == 1);
    ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
    ck_assert_ptr_null(x);
    clvits_text_close(&reader);
    clvits_text_close(&reader);
}
END_TEST

START_TEST(unknown_warning)
{
    char ids[256];
    clvits_text_settings s = settings_of(CLVITS_PADDING_NONE);
    clvits_report r = { .log = keep_log };

    n_logged = 0;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "a@a@b, q. 漢é漢", &r), CLVITS_OK);
    ck_assert_int_eq(n_logged, 1);
    ck_assert_str_eq(logged, "skipped symbols that the voice does not have: @ (U+0040), "
                             "q (U+0071), 漢 (U+6F22)");

    char many[1024];
    size_t n = 0;
    for (uint32_t c = 0x4E00; c < 0x4E00 + 200; c++)
        n += (size_t)clvits_utf8_write(many + n, c);
    many[n++] = 'a';
    many[n] = '\0';
    n_logged = 0;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, many, &r), CLVITS_OK);
    ck_assert_int_eq(n_logged, 1);
    ck_assert_uint_lt(strlen(logged), 500);
    ck_assert_str_eq(logged + strlen(logged) - 11, " and others");

    n_logged = 0;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "abc, abc.", &r), CLVITS_OK);
    ck_assert_int_eq(n_logged, 0);
}
END_TEST

START_TEST(nothing_to_speak_is_refused)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "empty" },
        { "  \n\t ", "nothing to speak" },
        { "... !?", "nothing to speak" },
        { "漢字", "漢 (U+6F22), 字 (U+5B57)" },
    };
    clvits_text_settings s = settings_of(CLVITS_PADDING_PIPER);
    char ids[64];

    for (int i = 0; i < LENGTH(cases); i++) {
        clvits_report r = { 0 };
        ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, cases[i].text, &r), CLVITS_E_ARGUMENT);
        ck_assert_msg(strstr(r.text, cases[i].says) != NULL, "%s", r.text);
    }
}
END_TEST

START_TEST(settings_are_checked)
{
    char ids[64];
    clvits_text_settings s = settings_of(CLVITS_PADDING_PIPER);
    clvits_report r = { 0 };

    s.kind = CLVITS_TEXT_IDS;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "a", &r), CLVITS_E_UNSUPPORTED);
    s.kind = CLVITS_TEXT_CHARACTERS;
    s.max_ids = 3;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "a", &r), CLVITS_E_FORMAT);
    s.max_ids = 0;
    clvits_symbols few = { 0 };
    const int32_t id = 4;
    s.symbols = &few;
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "a", &r), CLVITS_E_FORMAT);
    ck_assert_int_eq(clvits_symbols_add(&few, "a", &id, 1, &r), CLVITS_OK);
    clvits_report_clear(&r);
    ck_assert_int_eq(texts_ids(ids, sizeof(ids), &s, "a", &r), CLVITS_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(r.text, "^ (begin)"));
    clvits_symbols_free(&few);
}
END_TEST

/* Every byte of a long line comes back in order, no sentence is over the limit, and what the
 * reader holds does not grow with the text. */
static void check_long_line(const char *filler, int max_ids, int cuts_at_words)
{
    const size_t n = getenv("CLVITS_TEST_TINY") ? 1 << 17 : 1 << 20, step = strlen(filler);
    char *text = malloc(n + 1);
    clvits_text_settings s = settings_of(CLVITS_PADDING_PIPER);
    clvits_text_reader *reader;
    const clvits_sentence *x;
    clvits_report r = { 0 };
    size_t most = 0, at = 0, tokens = 0, letters = 0;

    for (size_t i = 0; i < n; i++)
        text[i] = filler[i % step];
    for (size_t i = 0; i < n; i++)
        letters += text[i] >= 'a' && text[i] <= 'z';
    s.max_ids = max_ids;
    ck_assert_int_eq(clvits_text_open(&reader, &s, text, n, &r), CLVITS_OK);
    for (;;) {
        ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
        if (!x)
            break;
        ck_assert_int_le(x->n_ids, max_ids ? max_ids : CLVITS_TEXT_MAX_IDS);
        if (cuts_at_words)
            ck_assert_uint_ge(x->start, at);
        ck_assert_uint_ge(x->start + x->n, at);
        at = x->start + x->n;
        ck_assert_uint_le(at, n);
        if (cuts_at_words && at < n)
            ck_assert_int_eq(text[at], ' ');
        for (int i = 0; i < x->n_tokens; i++) {
            const int32_t w = x->tokens[i].word;
            tokens += w >= 0 && w < x->n_words;
        }
        int outside = 0;
        for (int i = 0; i < x->n_words; i++)
            outside += x->words[i].start + x->words[i].n > n;
        ck_assert_int_eq(outside, 0);
        most = clvits_text_memory(reader) > most ? clvits_text_memory(reader) : most;
    }
    ck_assert_uint_eq(tokens, letters);
    ck_assert_uint_lt(most, 1 << 19);
    clvits_text_close(&reader);
    free(text);
}

START_TEST(long_lines_take_little_memory)
{
    check_long_line("hello world ", 0, 1);
    check_long_line("hello, world ", 64, 1);
    check_long_line("hello", 100, 0);
    check_long_line("[[ a ", 100, 0);
    check_long_line("a. b ", 0, 1);
}
END_TEST

/* A mark is judged by what stands behind its run: linear in all, however long the run. */
START_TEST(long_runs_of_marks_take_little_time)
{
    const int run = getenv("CLVITS_TEST_TINY") ? 1 << 17 : 1 << 20;
    static const char marks[] = ".!?)\"";
    clvits_text_settings s = settings_of(CLVITS_PADDING_NONE);
    clvits_report r = { 0 };
    char *text = malloc((size_t)run + 2), got[64];

    ck_assert_ptr_nonnull(text);
    for (int i = 0; i < LENGTH(marks) - 1; i++) {
        memset(text, marks[i], (size_t)run);
        memcpy(text + run, "a", 2);
        ck_assert_int_eq(texts_ids(got, sizeof(got), &s, text, &r), CLVITS_OK);
        ck_assert_str_eq(got, "4");
    }
    free(text);
}
END_TEST

START_TEST(long_sentences_are_cut_at_clauses)
{
    clvits_text_settings s = settings_of(CLVITS_PADDING_NONE);
    clvits_text_reader *reader;
    const clvits_sentence *x;
    clvits_report r = { 0 };
    const char text[] = "hello, abc abc abc. a";
    static const size_t spans[][2] = { { 0, 6 }, { 7, 19 }, { 20, 21 } };

    s.max_ids = 16;
    ck_assert_int_eq(clvits_text_open(&reader, &s, text, strlen(text), &r), CLVITS_OK);
    for (int i = 0; i < LENGTH(spans); i++) {
        ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
        ck_assert_ptr_nonnull(x);
        ck_assert_uint_eq(x->start, spans[i][0]);
        ck_assert_uint_eq(x->start + x->n, spans[i][1]);
        ck_assert_int_eq(x->ends, i > 0);
    }
    clvits_text_close(&reader);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("text");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, open_symbols, close_symbols);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, utf8_is_checked_at_every_position);
    tcase_add_test(t, paddings);
    tcase_add_test(t, capital_letters);
    tcase_add_test(t, phonemes_as_they_stand);
    tcase_add_test(t, romanised_voices_say_so);
    tcase_add_test(t, spans_lead_back_to_the_text);
    tcase_add_test(t, unknown_warning);
    tcase_add_test(t, nothing_to_speak_is_refused);
    tcase_add_test(t, settings_are_checked);
    tcase_add_test(t, long_lines_take_little_memory);
    tcase_add_test(t, long_runs_of_marks_take_little_time);
    tcase_add_test(t, long_sentences_are_cut_at_clauses);
    suite_add_tcase(s, t);
    return s;
}
