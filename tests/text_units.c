// SPDX-License-Identifier: MIT
// What texts are made of: UTF-8, letters, symbols, sentences, clauses.
#include "text/split.h"
#include "text/text.h"
#include "text/utf8.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *suite(void);

START_TEST(utf8_round_trips)
{
    uint32_t wrong = 0;

    for (uint32_t c = 1; c < 0x110000; c++) {
        char utf8[4];
        uint32_t back = 0;
        if (c == 0xD800)
            c = 0xE000;
        const int n = clvits_utf8_write(utf8, c);
        if (clvits_utf8_read(&back, utf8, (size_t)n) != n || back != c ||
            (n > 1 && clvits_utf8_read(&back, utf8, (size_t)n - 1)))
            wrong = c;
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(case_and_composition)
{
    static const uint32_t lower[][2] = { { 'A', 'a' },       { 'z', 'z' },     { 0xC9, 0xE9 },
                                         { 0xD7, 0xD7 },     { 0x178, 0xFF },  { 0x17D, 0x17E },
                                         { 0x17E, 0x17E },   { 0x186, 0x254 }, { 0x3A9, 0x3C9 },
                                         { 0x42F, 0x44F },   { 0x401, 0x451 }, { 0x1EA4, 0x1EA5 },
                                         { 0x1EA5, 0x1EA5 }, { 0x531, 0x561 }, { 0x4E00, 0x4E00 } };
    uint32_t base, mark;

    for (int i = 0; i < LENGTH(lower); i++)
        ck_assert_uint_eq(clvits_char_lower(lower[i][0]), lower[i][1]);
    ck_assert_int_eq(clvits_char_decompose(&base, &mark, 0xE7), 1);
    ck_assert(base == 'c' && mark == 0x327);
    ck_assert_int_eq(clvits_char_decompose(&base, &mark, 0x129), 1);
    ck_assert(base == 'i' && mark == 0x303);
    ck_assert_int_eq(clvits_char_decompose(&base, &mark, 0xE6), 0);
    ck_assert_int_eq(clvits_char_decompose(&base, &mark, 'c'), 0);
}
END_TEST

START_TEST(symbols_are_found)
{
    clvits_report r = { 0 };
    const int32_t two[] = { 70, 71 };
    clvits_symbols many = { 0 };

    ck_assert_ptr_null(clvits_symbols_find(&many, "a", 1));
    ck_assert_ptr_null(clvits_symbols_match(&many, "a", 1));
    for (int32_t i = 0; i < 3000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%d", (int)i);
        ck_assert_int_eq(clvits_symbols_add(&many, name, &i, 1, &r), CLVITS_OK);
    }
    ck_assert_int_eq(clvits_symbols_add(&many, "s7", two, 2, &r), CLVITS_OK);
    ck_assert_uint_eq(many.count, 3000);
    ck_assert_int_eq(clvits_symbols_find(&many, "s2999", 5)->ids[0], 2999);
    ck_assert_int_eq(clvits_symbols_find(&many, "s7", 2)->ids[1], 71);
    ck_assert_str_eq(clvits_symbols_match(&many, "s12345", 6)->text, "s1234");
    ck_assert_ptr_null(clvits_symbols_match(&many, "x", 1));
    ck_assert_str_eq(clvits_symbols_text(&many, 70), "s7");
    ck_assert_ptr_null(clvits_symbols_text(&many, 12345));

    const int32_t negative = -1;
    ck_assert_int_eq(clvits_symbols_add(&many, "", two, 2, &r), CLVITS_E_FORMAT);
    ck_assert_int_eq(clvits_symbols_add(&many, "x", two, 0, &r), CLVITS_E_FORMAT);
    ck_assert_int_eq(clvits_symbols_add(&many, "x", &negative, 1, &r), CLVITS_E_FORMAT);
    ck_assert_int_eq(clvits_symbols_add(&many, "\xC3", two, 2, &r), CLVITS_E_FORMAT);
    clvits_symbols_free(&many);
}
END_TEST

/* Sentences as they should be cut, parted by bars. */
static const char *const sentence_cases[] = {
    "One.| Two! |Three?| Four",
    "Mr. Smith met Dr. Who, e.g. today.| He left.",
    "Pi is 3.14 and 1.5e3.| Yes.",
    "The U.S. army came at 5 p.m. sharp.| J. R. Smith.",
    "Apples, pears etc. and more.| Etc. |Done.",
    "No. |No. 5 is alive.",
    "\"Stop!\"| he cried. |(Really?)| Yes…| No",
    "Well... maybe.| Wait...| What?!| Fine",
    "Something wonderful... maybe. |Wonderful...! |Yes",
    "Line one\n|line two\r\n|line three",
    "example.com and a.b are names",
    "你好。|世界！|好吗？|好",
    "यह वाक्य है।|दूसरा।",
    "كيف حالك؟ |بخير۔ |نعم",
    "It is I. |You know.",
    "Say [[ a. b! c ]] now. |End",
    "An open [[ block. |Is text",
};

START_TEST(sentences_are_divided)
{
    const char *want = sentence_cases[_i];
    char text[256] = { 0 };
    size_t n = 0, pos = 0;
    clvits_split split;

    for (const char *c = want; *c; c++)
        if (*c != '|')
            text[n++] = *c;
    for (const char *c = want; *c;) {
        const char *bar = strchr(c, '|') ? strchr(c, '|') : c + strlen(c);
        const char *last = bar;
        while (*c == ' ' || *c == '\n' || *c == '\r')
            c++;
        while (last > c && (last[-1] == ' ' || last[-1] == '\n' || last[-1] == '\r'))
            last--;
        ck_assert_int_eq(clvits_split_sentence(&split, text, pos, n, 1000), 1);
        char got[256];
        snprintf(got, sizeof(got), "%.*s", (int)(split.span.end - split.span.start),
                 text + split.span.start);
        ck_assert_msg(strlen(got) == (size_t)(last - c) && !strncmp(got, c, strlen(got)),
                      "got \"%s\", want \"%.*s\"", got, (int)(last - c), c);
        ck_assert_int_eq(split.ends, 1);
        pos = split.next;
        c = *bar ? bar + 1 : bar;
    }
    ck_assert_int_eq(clvits_split_sentence(&split, text, pos, n, 1000), 0);
}
END_TEST

static const struct {
    const char *text;
    const char *clauses; /* text<mark>, parted by bars */
} clause_cases[] = {
    { "Hello, world!", "Hello,<,>|world!<!>" },
    { "At 12:30, 3,000 came; good: yes", "At 12:30,<,>|3,000 came;<;>|good:<:>|yes<>" },
    { "well... maybe.", "well...<;>|maybe.<.>" },
    { "Mr. Smith (or \"Bob,\" sir).", "Mr. Smith (or \"Bob,\"<,>|sir).<.>" },
    { "一，二、三。", "一，<,>|二、<,>|三。<.>" },
    { "yes – no — maybe-not", "yes –<;>|no —<;>|maybe-not<>" },
    { "say [[ a, b ]], then", "say<>|[ a, b ]<>|,<,>|then<>" },
};

START_TEST(clauses_are_divided)
{
    const char *text = clause_cases[_i].text;
    char got[256] = { 0 };
    size_t n = 0;
    clvits_clause c;

    for (size_t pos = 0; clvits_split_clause(&c, text, pos, strlen(text)); pos = c.next)
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s%.*s%s<%.*s>", n ? "|" : "",
                              c.block ? "[" : "", (int)(c.span.end - c.span.start),
                              text + c.span.start, c.block ? "]" : "", c.mark != 0, &c.mark);
    ck_assert_str_eq(got, clause_cases[_i].clauses);
}
END_TEST

Suite *suite(void)
{
    Suite *s = suite_create("text_units");
    TCase *t = tcase_create("cases");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, utf8_round_trips);
    tcase_add_test(t, case_and_composition);
    tcase_add_test(t, symbols_are_found);
    tcase_add_loop_test(t, sentences_are_divided, 0, LENGTH(sentence_cases));
    tcase_add_loop_test(t, clauses_are_divided, 0, LENGTH(clause_cases));
    suite_add_tcase(s, t);
    return s;
}
