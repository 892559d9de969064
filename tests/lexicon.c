// SPDX-License-Identifier: MIT
// Words through a lexicon: what is found, what is spelled, where it stands in the text.
#include "logged.h"
#include "text/lexicon.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *suite(void);

static const char *const table[] = { "_", " ", ",", ".", "a", "b", "h", "ə", "l", "oʊ",
                                     "w", "sil", "eos", "#0", "ni3", "hao3", "'", "-" };
static const char entries[] = "Hello h ə l oʊ\n"
                              "hello a\n"
                              "it's a b\r\n"
                              "\n"
                              "old-word  w\tl \n"
                              "new w\n"
                              "b b b\n"
                              "你 ni3\n"
                              "好 hao3\n"
                              "你好 ni3 ni3 hao3\n"
                              "broken q\n";

static clvits_symbols symbols;
static clvits_lexicon lexicon;

static void open_lexicon(void)
{
    clvits_report r = { .log = keep_log };

    for (int32_t i = 0; i < LENGTH(table); i++)
        ck_assert_int_eq(clvits_symbols_add(&symbols, table[i], &i, 1, &r), CLVITS_OK);
    ck_assert_msg(!clvits_lexicon_read(&lexicon, &symbols, entries, strlen(entries), &r), "%s",
                  r.text);
    ck_assert_int_eq(n_logged, 1);
    ck_assert_ptr_nonnull(strstr(logged, "left out: 1 ("));
    ck_assert_ptr_nonnull(strstr(logged, "line 11, with \"q\""));
    n_logged = 0;
}

static void close_lexicon(void)
{
    clvits_lexicon_free(&lexicon);
    clvits_symbols_free(&symbols);
}

static clvits_text_settings settings(void)
{
    return (clvits_text_settings){ .kind = CLVITS_TEXT_LEXICON, .symbols = &symbols,
                                   .lexicon = &lexicon };
}

/* A text as its symbols, each but the first after a bar, with the number of its word. */
static void read_symbols(char *out, size_t size, const clvits_text_settings *s, const char *text,
                         clvits_report *r)
{
    clvits_text_reader *reader;
    const clvits_sentence *x = NULL;
    size_t at = 0;
    clvits_status status = clvits_text_open(&reader, s, text, strlen(text), r);

    *out = '\0';
    while (!status && !(status = clvits_text_next(&x, reader, r)) && x)
        for (int i = 0; i < x->n_tokens; i++)
            at += (size_t)snprintf(out + at, size - at, "%s%s:%d", at ? "|" : "",
                                   x->tokens[i].text, (int)x->tokens[i].word);
    clvits_text_close(&reader);
}

static const struct {
    const char *text, *symbols, *warning;
} texts[] = {
    { "Hello, hello.", "h:0|ə:0|l:0|oʊ:0|,:-1| :-1|h:1|ə:1|l:1|oʊ:1|.:-1", NULL },
    { "It's (an) old-word; new", "a:0|b:0| :-1|a:1| :-1|w:2|l:2|#0:-1| :-1|w:3",
      "spelled by what it has of their characters: an" },
    { "new-new", "w:0|-:-1|w:1", NULL },
    { "new/new", "w:0| :-1|w:1", NULL },
    { "zzz new", "w:1", "left out: zzz" },
    { "abz", "a:0|b:0|b:0", "characters: abz" },
    { "你好你,好吗", "ni3:0|ni3:0|hao3:0|ni3:1|,:-1|hao3:2", "left out: 吗" },
    { "你好。好，你", "ni3:0|ni3:0|hao3:0|.:-1|hao3:0|,:-1|ni3:1", NULL },
    { "new [[ ni3 wə oʊ ]]new", "w:0| :-1|ni3:1|w:2|ə:2|oʊ:3|w:4", NULL },
};

START_TEST(words_are_looked_up)
{
    clvits_text_settings s = settings();
    clvits_report r = { .log = keep_log };
    char got[512];

    s.pause = "#0";
    n_logged = 0;
    read_symbols(got, sizeof(got), &s, texts[_i].text, &r);
    ck_assert_str_eq(r.text, "");
    ck_assert_str_eq(got, texts[_i].symbols);
    ck_assert_int_eq(n_logged, texts[_i].warning != NULL);
    if (texts[_i].warning)
        ck_assert_msg(strstr(logged, texts[_i].warning) != NULL, "%s", logged);
}
END_TEST

START_TEST(words_lead_back_to_the_text)
{
    static const char text[] = "Oh, HELLO 你好你 don't";
    static const char *const words[] = { "Oh", "HELLO", "你好", "你", "don", "t" };
    const clvits_text_settings s = settings();
    clvits_text_reader *reader;
    const clvits_sentence *x;
    clvits_report r = { 0 };

    ck_assert_int_eq(clvits_text_open(&reader, &s, text, strlen(text), &r), CLVITS_OK);
    ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
    ck_assert_int_eq(x->n_words, LENGTH(words));
    for (int i = 0; i < x->n_words; i++) {
        ck_assert_uint_eq(x->words[i].n, strlen(words[i]));
        ck_assert_int_eq(memcmp(text + x->words[i].start, words[i], x->words[i].n), 0);
    }
    clvits_text_close(&reader);
}
END_TEST

static const struct {
    clvits_text_padding padding;
    clvits_text_ends ends;
    const char *ids;
} end_cases[] = {
    { CLVITS_PADDING_NONE, { { 11 }, { 12 }, 1, 1, 0 }, "11 10 12" },
    { CLVITS_PADDING_BLANK, { { 0 }, { 0 }, 0, 0, 0 }, "3 10 3" },
    { CLVITS_PADDING_BLANK, { { 11 }, { 12 }, 1, 1, 0 }, "11 3 10 3 12" },
    { CLVITS_PADDING_BLANK, { { 11 }, { 11, 12 }, 1, 2, 1 }, "3 11 3 10 3 11 3 12 3" },
};

START_TEST(sentences_have_ends)
{
    clvits_text_settings s = settings();
    clvits_text_reader *reader;
    const clvits_sentence *x;
    clvits_report r = { 0 };
    char got[128];
    size_t at = 0;

    s.padding = end_cases[_i].padding;
    s.ends = end_cases[_i].ends;
    s.blank_id = 3;
    ck_assert_int_eq(clvits_text_open(&reader, &s, "new", 3, &r), CLVITS_OK);
    ck_assert_int_eq(clvits_text_next(&x, reader, &r), CLVITS_OK);
    for (int i = 0; i < x->n_ids; i++)
        at += (size_t)snprintf(got + at, sizeof(got) - at, "%s%d", at ? " " : "", (int)x->ids[i]);
    ck_assert_str_eq(got, end_cases[_i].ids);
    ck_assert_int_eq(x->id_tokens[x->tokens[0].first_id], 0);
    clvits_text_close(&reader);
}
END_TEST

START_TEST(nothing_known_is_refused)
{
    const clvits_text_settings s = settings();
    clvits_report r = { 0 };
    char got[64];

    read_symbols(got, sizeof(got), &s, "zzz 吗", &r);
    ck_assert_int_eq(r.status, CLVITS_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(r.text, "zzz, 吗"));
}
END_TEST

static const struct {
    const char *bytes, *says;
} bad[] = {
    { "", "no word" },
    { "\n \r\n\n", "no word" },
    { "new w\n\xff w\n", "line 2 is not UTF-8" },
    { "new w\n\nold\n", "line 3: \"old\" is not followed" },
    { "new q\nold r\n", "line 1: there is no symbol \"q\"" },
};

START_TEST(bad_lexicons_are_refused)
{
    clvits_lexicon l;
    clvits_report r = { 0 };

    ck_assert_int_eq(
        clvits_lexicon_read(&l, &symbols, bad[_i].bytes, strlen(bad[_i].bytes), &r),
        CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, bad[_i].says) != NULL, "%s", r.text);
    ck_assert_ptr_null(l.arena.blocks);
}
END_TEST

START_TEST(extremes_are_refused)
{
    clvits_lexicon l;
    clvits_report r = { 0 };
    char line[4096];

    memset(line, 'a', 300);
    strcpy(line + 300, " w\n");
    ck_assert_int_eq(clvits_lexicon_read(&l, &symbols, line, strlen(line), &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "300 bytes") != NULL, "%s", r.text);
    clvits_report_clear(&r);
    strcpy(line, "new");
    for (int i = 0; i < 256; i++)
        strcat(line, " w");
    ck_assert_int_eq(clvits_lexicon_read(&l, &symbols, line, strlen(line), &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "more than 255") != NULL, "%s", r.text);
}
END_TEST

START_TEST(a_million_lines_are_read)
{
    enum { LINES = 1000000 };
    char *bytes = malloc(24 * (size_t)LINES), word[16];
    clvits_lexicon l;
    clvits_report r = { 0 };
    size_t n = 0, lost = 0;

    ck_assert_ptr_nonnull(bytes);
    for (int i = 0; i < LINES; i++)
        n += (size_t)sprintf(bytes + n, "w%d w h ə l\n", i);
    ck_assert_int_eq(clvits_lexicon_read(&l, &symbols, bytes, n, &r), CLVITS_OK);
    ck_assert_uint_eq(l.count, LINES);
    ck_assert_uint_lt(l.arena.total, 64u << 20);
    for (int i = 0; i < LINES; i += 997) {
        const clvits_lexeme *found =
            clvits_lexicon_find(&l, word, (size_t)sprintf(word, "w%d", i));
        lost += !found || found->n_symbols != 4 || l.symbols[found->first + 1] != 6;
    }
    ck_assert_uint_eq(lost, 0);
    clvits_lexicon_free(&l);
    free(bytes);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("lexicon");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, open_lexicon, close_lexicon);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, words_are_looked_up, 0, LENGTH(texts));
    tcase_add_test(t, words_lead_back_to_the_text);
    tcase_add_loop_test(t, sentences_have_ends, 0, LENGTH(end_cases));
    tcase_add_test(t, nothing_known_is_refused);
    tcase_add_loop_test(t, bad_lexicons_are_refused, 0, LENGTH(bad));
    tcase_add_test(t, extremes_are_refused);
    tcase_add_test(t, a_million_lines_are_read);
    suite_add_tcase(s, t);
    return s;
}
