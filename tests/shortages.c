// SPDX-License-Identifier: MIT
//
// Memory of a device is limited, or cannot be had for a while: the embedded voice speaks in smaller
// windows, or goes on on the CPU path, and uses the device again when there is enough.
#include "layered.h"

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT = 240 };

/* Speaks twice within a limit and tells of the first time: the most that was taken, launches. */
static void speak_within(const char *memory, layered_heard *h, size_t *peak,
                         uint64_t *launches)
{
    const clvits_context_params p = { .device = layered_device(), .memory = memory,
                                      .log = layered_listen, .log_user = h };
    clvits_context *c;
    clvits_voice *v;
    static layered_speech s;

    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    for (int i = 0; i < 2; i++) {
        s = (layered_speech){ .long_one = true };
        ck_assert_msg(layered_speak(v, &s) == CLVITS_OK, "%s: %s", memory, h->last);
        layered_compare(memory ? memory : "no limit", &s);
        if (i == 0)
            *launches = clvits_context_launches(c);
    }
    clvits_context_device_bytes(c, peak);
    clvits_voice_close(&v);
    ck_assert_uint_eq(clvits_context_device_bytes(c, NULL), 0);
    clvits_context_close(&c);
}

/* Whether the device under test is given what suits a GPU. */
static bool on_gpu(void)
{
    const char *family = getenv("CLVITS_FAMILY"), *name = getenv("CLVITS_TEST_DEVICE");
    clvits_device_desc *list;
    bool any = false;
    size_t n;

    ck_assert_int_eq(clvits_devices(&list, &n), CLVITS_OK);
    for (size_t i = 0; i < n; i++)
        any = any || (list[i].is_gpu && (!name || strstr(list[i].name, name) ||
                                         strstr(list[i].platform, name)));
    clvits_devices_free(&list);
    return family ? !strcmp(family, "gpu") : any;
}

/* With less memory, smaller windows; with too little, the CPU path. A GPU has large windows where
 * they are an eighth of the limit at most, and else small ones without a word. */
START_TEST(memory_is_limited)
{
    uint64_t most, launches;
    layered_heard h = { 0 };
    size_t all, peak;
    char text[32];

    layered_begin();
    const bool gpu = on_gpu();
    speak_within(NULL, &h, &all, &most); /* kernels are proven */
    speak_within(NULL, &h, &all, &most);
    ck_assert_str_eq(h.last, "");
    for (int i = 1; i <= 2; i++) {
        static const double share[] = { 0.0, 0.55, 0.02 };
        const size_t limit = (size_t)(share[i] * (double)all);
        h = (layered_heard){ 0 };
        snprintf(text, sizeof(text), "%zu", limit);
        speak_within(text, &h, &peak, &launches);
        ck_assert_uint_le(peak, limit);
        const char *said = i == 2 ? "without this device" : "frames at a time";
        ck_assert_msg(gpu && i < 2 ? !h.last[0] : strstr(h.last, said) != NULL, "%s", h.last);
        if (i < 2)
            ck_assert_uint_gt(launches, most);
    }
    snprintf(text, sizeof(text), "%zuK", (gpu ? 8 : 1) * all / 1024 + 1);
    speak_within(text, &h, &peak, &launches);
    ck_assert_uint_eq(launches, most);
}
END_TEST

/* A launch of the decoder finds no memory, and then none does, in the text stage either, which runs
 * again for what is left. */
START_TEST(none_is_left_from_some_launch_on)
{
    enum { PARTS = 8 };
    const clvits_context_params p = { .device = layered_device() };
    static layered_speech s;
    long launches = 0;

    layered_begin();
    for (int i = 0; i < PARTS; i++) {
        char faults[64];
        clvits_context *c;
        clvits_voice *v;
        snprintf(faults, sizeof(faults), "launch:%ld+=-5", 1 + launches * i / PARTS);
        ck_assert_int_eq(layered_set(i ? faults : NULL), 0);
        ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
        ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
        s = (layered_speech){ 0 };
        ck_assert_int_eq(layered_speak(v, &s), CLVITS_OK);
        layered_compare(faults, &s);
        if (!i)
            launches = layered_calls("launch");
        ck_assert_int_ge(layered_calls("launch"), i ? 1 + launches * i / PARTS : 50);
        clvits_voice_close(&v);
        clvits_context_close(&c);
    }
}
END_TEST

/* Two utterances at once. */
typedef struct pair {
    clvits_voice *voice;
    layered_speech own, other;
} pair;

/* The other one is spoken in the first one's callback. */
static int hear_and_speak(void *user, const clvits_chunk *c)
{
    pair *w = user;

    if (!w->own.n)
        ck_assert_int_eq(layered_speak(w->voice, &w->other), CLVITS_OK);
    return layered_hear(&w->own, c);
}

/* Two that speak at once have memory for one: the other goes without the device, and afterwards
 * nothing has changed. */
START_TEST(a_shortage_passes)
{
    layered_heard h = { 0 };
    clvits_context_params p = { .device = layered_device(), .log = layered_listen, .log_user = &h };
    clvits_context *c;
    static pair w;
    uint64_t first = 0;
    char text[32];
    size_t all;

    layered_begin();
    w = (pair){ 0 };
    ck_assert_int_eq(layered_set(NULL), 0);
    for (int limited = 0; limited < 2; limited++) {
        h.warnings = 0;
        ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
        ck_assert_int_eq(clvits_voice_open(&w.voice, c, NULL), CLVITS_OK);
        for (int i = 0; i < 3; i++) { /* recordings are compared with launches, once each */
            first = clvits_context_launches(c);
            w.own = (layered_speech){ 0 };
            ck_assert_int_eq(layered_speak(w.voice, &w.own), CLVITS_OK);
        }
        const uint64_t launches = clvits_context_launches(c) - first;
        clvits_context_device_bytes(c, &all);
        if (limited) {
            ck_assert_int_eq(h.warnings, 0);
            w.own = w.other = (layered_speech){ 0 };
            ck_assert_int_eq(layered_speak_to(w.voice, hear_and_speak, &w), CLVITS_OK);
            layered_compare("the first", &w.own);
            layered_compare("the second", &w.other);
            ck_assert_int_gt(h.warnings, 0);
            const uint64_t before = clvits_context_launches(c);
            w.own = (layered_speech){ 0 };
            ck_assert_int_eq(layered_speak(w.voice, &w.own), CLVITS_OK);
            ck_assert_uint_eq(clvits_context_launches(c) - before, launches);
        }
        clvits_voice_close(&w.voice);
        clvits_context_close(&c);
        snprintf(text, sizeof(text), "%zu", all + all / 10);
        p.memory = text;
    }
}
END_TEST

/* What does not fit for a while is tried again, and then fits: after a word over and over. */
START_TEST(more_is_tried_again)
{
    enum { TIMES = 40 };
    const int32_t word[] = { 1, 0, 2 };
    clvits_speak_params brief;
    layered_heard h = { 0 };
    const clvits_context_params p = { .device = layered_device(), .log = layered_listen,
                                      .log_user = &h };
    clvits_context *c;
    clvits_voice *v;
    static layered_speech s;
    uint64_t launches = 0;

    layered_begin();
    ck_assert_int_eq(layered_set(NULL), 0);
    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    ck_assert_int_eq(layered_set("buffer>1000"), 0);
    s = (layered_speech){ 0 };
    ck_assert_int_eq(layered_speak(v, &s), CLVITS_OK);
    ck_assert_ptr_nonnull(strstr(h.last, "going on without this device"));
    ck_assert_int_eq(layered_set(NULL), 0);
    clvits_speak_params_default(v, &brief);
    for (int i = 0; i < TIMES; i++)
        ck_assert_int_eq(clvits_speak_ids(v, word, sizeof(word) / sizeof(*word), &brief),
                         CLVITS_OK);
    launches = clvits_context_launches(c);
    s = (layered_speech){ 0 };
    ck_assert_int_eq(layered_speak(v, &s), CLVITS_OK);
    layered_compare("in the end", &s);
    ck_assert_uint_gt(clvits_context_launches(c), launches);
    clvits_voice_close(&v);
    clvits_context_close(&c);
}
END_TEST

/* What goes on without the device is counted, whether it speaks or listens. */
START_TEST(listening_goes_on)
{
    static const char text[] = "hello";
    const clvits_align_params symbols = { .phonemes = 1 };
    layered_heard h = { 0 };
    const clvits_context_params p = { .device = layered_device(), .log = layered_listen,
                                      .log_user = &h };
    clvits_context *c;
    clvits_voice *v;
    clvits_alignment *a;
    static layered_speech s;

    layered_begin();
    ck_assert_int_eq(layered_set(NULL), 0);
    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open_listening(&v, c, NULL, NULL), CLVITS_OK);
    s = (layered_speech){ 0 };
    ck_assert_int_eq(layered_speak(v, &s), CLVITS_OK);
    ck_assert_int_eq(clvits_context_lost_count(c), 0);
    ck_assert_int_eq(layered_set("buffer>1000"), 0);
    ck_assert_msg(clvits_align(&a, v, s.samples, s.n, text, strlen(text), &symbols) == CLVITS_OK,
                  "%s", h.last);
    ck_assert_msg(strstr(h.last, "going on without this device"), "%s", h.last);
    ck_assert_int_eq(clvits_context_lost_count(c), 1);
    clvits_alignment_free(&a);
    clvits_voice_close(&v);
    clvits_context_close(&c);
}
END_TEST

START_TEST(limits_are_checked)
{
    static const char *const texts[] = { "0", "-1", "1X", "M", "1MB", "99999999999999999999",
                                         "99999999999G" };
    const clvits_context_params p = { .device = "cpu", .memory = texts[_i] };
    clvits_context *c;

    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_E_ARGUMENT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shortages");
    TCase *t = tcase_create("memory");

    if (!getenv("OPENCL_LAYERS"))
        return 77;
    tcase_add_unchecked_fixture(t, layered_learn_both, NULL);
    tcase_set_timeout(t, TIMEOUT);
    tcase_add_test(t, memory_is_limited);
    tcase_add_test(t, none_is_left_from_some_launch_on);
    tcase_add_test(t, a_shortage_passes);
    tcase_add_test(t, more_is_tried_again);
    tcase_add_test(t, listening_goes_on);
    tcase_add_loop_test(t, limits_are_checked, 0, 7);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
