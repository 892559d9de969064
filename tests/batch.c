// SPDX-License-Identifier: MIT
//
// Several utterances in one call: each as spoken alone, bit for bit, whatever becomes of others.
#include "harness.h"

#include <clvits/clvits.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = CLVITS_BATCH + 4, MAX_IDS = 150 };

/* What was heard of one utterance. */
typedef struct speech {
    float *samples;
    size_t n, utterance;
    uint64_t timings; /* a sum over all that chunks say of them */
    int sentences, pieces, stop_after, ended;
    clvits_status status;
    char message[512];
} speech;

typedef struct fixture {
    clvits_context *context;
    clvits_voice *voice;
    clvits_utterance what[MAX];
    speech together[MAX], alone[MAX];
    int32_t ids[MAX_IDS];
    int n;
} fixture;

static void count_timings(speech *s, const clvits_timing *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s->timings = s->timings * 31 + (uint64_t)(t[i].start * 7 + t[i].length + t[i].word);
}

static int heard(void *user, const clvits_chunk *c)
{
    speech *s = user;

    ck_assert_int_eq(c->position, (int64_t)s->n);
    s->samples = realloc(s->samples, (s->n + c->n_samples) * sizeof(float));
    ck_assert_ptr_nonnull(s->samples);
    memcpy(s->samples + s->n, c->samples, c->n_samples * sizeof(float));
    s->n += c->n_samples;
    s->utterance = c->utterance;
    s->sentences += c->is_last && !c->is_silence;
    count_timings(s, c->phonemes, c->n_phonemes);
    count_timings(s, c->words, c->n_words);
    for (size_t i = 0; i < c->n_durations; i++)
        s->timings = s->timings * 31 + (uint64_t)c->durations[i];
    return ++s->pieces == s->stop_after;
}

static void done(void *user, const clvits_spoken *spoken)
{
    speech *s = user;

    s->ended++;
    s->status = spoken->status;
    ck_assert_uint_eq(spoken->voice, 0);
    snprintf(s->message, sizeof(s->message), "%s", spoken->message);
}

static void begin_with(fixture *f, const char *voice, const char *place)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");
    clvits_device_desc *list;
    size_t n;

    ck_assert_int_eq(clvits_devices(&list, &n), CLVITS_OK);
    clvits_devices_free(&list);
    const clvits_context_params p = { .device = name ? name : n ? "0" : "cpu", .place = place };
    *f = (fixture){ 0 };
    ck_assert_int_eq(clvits_context_open(&f->context, &p), CLVITS_OK);
    ck_assert_msg(clvits_voice_open(&f->voice, f->context, voice) == CLVITS_OK, "%s",
                  clvits_context_error(f->context));
    for (int i = 0; i < MAX_IDS; i++)
        f->ids[i] = 1 + i * 7 % 23;
}

static void begin(fixture *f, const char *place)
{
    begin_with(f, NULL, place);
}

static void forget(speech *s)
{
    free(s->samples);
    *s = (speech){ 0 };
}

static void end(fixture *f)
{
    for (int i = 0; i < MAX; i++) {
        forget(&f->together[i]);
        forget(&f->alone[i]);
    }
    clvits_voice_close(&f->voice);
    clvits_context_close(&f->context);
}

static clvits_utterance *add(fixture *f, const char *text, size_t n)
{
    clvits_utterance *u = &f->what[f->n];

    *u = (clvits_utterance){ .text = text, .ids = text ? NULL : f->ids, .n = n, .done = done };
    clvits_speak_params_default(f->voice, &u->params);
    u->params.seed = 5u + (uint64_t)f->n;
    u->params.audio = heard;
    u->params.user = &f->together[f->n++];
    return u;
}

static clvits_utterance *add_text(fixture *f, const char *text)
{
    return add(f, text, strlen(text));
}

static clvits_status speak_alone(fixture *f, int i)
{
    const clvits_utterance *u = &f->what[i];
    clvits_speak_params p = u->params;

    p.user = &f->alone[i];
    f->alone[i].stop_after = f->together[i].stop_after;
    return u->text ? clvits_speak(f->voice, u->text, u->n, &p)
                   : clvits_speak_ids(f->voice, u->ids, u->n, &p);
}

/* Speak all, then each: samples, timings, status and message are the same. */
static void compare(fixture *f)
{
    clvits_status first = CLVITS_OK;
    char message[512] = "";

    const clvits_status got = clvits_speak_batch(f->voice, f->what, (size_t)f->n);
    snprintf(message, sizeof(message), "%s", clvits_context_error(f->context));
    for (int i = 0; i < f->n; i++) {
        const speech *t = &f->together[i], *a = &f->alone[i];
        const clvits_status alone = speak_alone(f, i);
        ck_assert_int_eq(t->ended, 1);
        ck_assert_msg(t->status == alone, "%d: status %d, %d alone: %s", i, t->status, alone,
                      t->message);
        ck_assert_str_eq(t->message, alone ? clvits_context_error(f->context) : "");
        if (!first && alone)
            ck_assert_str_eq(message, t->message);
        first = first ? first : alone;
        ck_assert_msg(t->n == a->n, "%d: %zu samples, %zu alone", i, t->n, a->n);
        ck_assert_msg(!t->n || !memcmp(t->samples, a->samples, t->n * sizeof(float)),
                      "%d: other samples than alone", i);
        ck_assert(t->timings == a->timings);
        ck_assert_int_eq(t->sentences, a->sentences);
        ck_assert_msg(!t->n || t->utterance == (size_t)i, "told as %zu", t->utterance);
        ck_assert_uint_eq(a->utterance, 0);
    }
    ck_assert_int_eq(got, first);
}

/* More than are computed at once; of texts, some of several sentences; of ids, one to many. */
START_TEST(each_as_alone)
{
    static const char *const texts[] = {
        "Yes.", "One. Two, and a half. Three!", "It is late.",
        "This sentence is rather longer than all of the others are.", "No. No?",
    };
    fixture f;

    begin(&f, _i ? "auto" : NULL);
    for (int i = 0; i < 5; i++)
        add_text(&f, texts[i]);
    f.what[1].params.sentence_silence = 0.05f;
    f.what[3].params.volume = 0.5f;
    f.what[4].params.chunk = 40;
    while (f.n < MAX - 1)
        add(&f, NULL, f.n == 9 ? MAX_IDS : (size_t)(1 + f.n * 5 % 30));
    f.what[8].params.length_scale = 3.0f;
    f.what[10].params.noise_scale = f.what[10].params.noise_w = 0.0f;
    compare(&f);
    ck_assert_int_eq(f.together[1].sentences, 3);
    ck_assert_int_eq(f.together[MAX - 2].status, CLVITS_OK);
    end(&f);
}
END_TEST

START_TEST(one_does_not_end_the_others)
{
    clvits_cancel *cancel;
    const int32_t high[] = { 1, 2, 30000 };
    fixture f;

    begin(&f, NULL);
    ck_assert_int_eq(clvits_cancel_make(&cancel), CLVITS_OK);
    clvits_cancel_raise(cancel);
    add_text(&f, "Good.");
    add_text(&f, "");
    add_text(&f, "...");
    add_text(&f, "\xff");
    add(&f, NULL, 0);
    add(&f, NULL, 12);
    add(&f, NULL, 3)->ids = high;
    add(&f, NULL, 25)->params.cancel = cancel;
    add(&f, NULL, 14)->params.speaker = 4;
    add(&f, NULL, 15)->params.volume = -1.0f;
    add(&f, NULL, 60)->params.length_scale = 20.0f;
    f.together[10].stop_after = 2;
    add_text(&f, "Better. Best.");
    f.together[11].stop_after = 1;
    compare(&f);
    for (int i = 0; i < f.n; i++)
        ck_assert_msg((i == 0 || i == 5) == !f.together[i].status, "%d: %s", i,
                      f.together[i].message);
    ck_assert_int_eq(f.together[10].pieces, 2);
    ck_assert_int_eq(f.together[11].status, CLVITS_E_CANCELLED);
    clvits_cancel_free(&cancel);
    end(&f);
}
END_TEST

START_TEST(each_in_its_language)
{
    fixture f;
    clvits_voice_info info;

    begin_with(&f, GOLDEN_DIR "/coqui-languages", NULL);
    clvits_voice_get_info(f.voice, &info);
    ck_assert_int_eq(info.n_languages, 3);
    ck_assert_str_eq(clvits_voice_language_name(f.voice, 1), "en");
    ck_assert_ptr_null(clvits_voice_language_name(f.voice, 3));
    ck_assert_int_eq(clvits_voice_find_language(f.voice, "fr-fr"), 2);
    for (int i = 0; i < 7; i++) {
        clvits_utterance *u = add(&f, NULL, 30);
        u->params.seed = 1;
        u->params.language = i % 4;
        u->params.speaker = i / 4;
    }
    compare(&f);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(f.together[i].status, i == 3 ? CLVITS_E_ARGUMENT : CLVITS_OK);
    ck_assert_ptr_nonnull(strstr(f.together[3].message, "language 3"));
    ck_assert(f.together[0].timings != f.together[1].timings);
    end(&f);
}
END_TEST

START_TEST(few_or_none)
{
    fixture f;

    begin(&f, NULL);
    ck_assert_int_eq(clvits_speak_batch(f.voice, NULL, 0), CLVITS_OK);
    add(&f, NULL, 9);
    compare(&f);
    add_text(&f, "Both.")->ids = f.ids;
    f.what[1].done = NULL;
    forget(&f.together[0]);
    ck_assert_int_eq(clvits_speak_batch(f.voice, f.what, 2), CLVITS_E_ARGUMENT);
    ck_assert_int_eq(f.together[0].status, CLVITS_OK);
    ck_assert_ptr_nonnull(strstr(clvits_context_error(f.context), "both"));
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("batch");
    TCase *t = tcase_create("embedded voice");
    const char *name = getenv("CLVITS_TEST_DEVICE");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    /* On the CPU path there is nothing to place. */
    tcase_add_loop_test(t, each_as_alone, 0, name && !strncmp(name, "cpu", 3) ? 1 : 2);
    tcase_add_test(t, one_does_not_end_the_others);
    tcase_add_test(t, each_in_its_language);
    tcase_add_test(t, few_or_none);
    suite_add_tcase(s, t);
    return harness_main(s);
}
