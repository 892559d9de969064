// SPDX-License-Identifier: MIT
//
// What is computed before something is heard, through the public calls, by operations and not by
// the clock: of a text of sentences what its first one takes alone; of one sentence what its text
// takes, all of it, and as much flow and decoder as of a short one.
#include "harness.h"

#include <clvits/clvits.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD "həlˈoʊ. "
#define SENTENCE "ðə fˈɛɹi lˈiːvz æt sˈɛvən ɪnðə mˈɔːɹnɪŋ. "
#define WORDS "fˈɛɹi lˈiːvz sˈɛvən mˈɔːɹnɪŋ "

enum { FIRST = 16, MAX_TEXT = 64 * 1024, MAX_IDS = 1400 };
enum { TEXT, LATENT, WAVE, STAGES };
static const char *const stages[STAGES] = { "text", "latent", "wave" };

/* Operations of each stage, and sentences that were read. */
typedef struct work {
    double flops[STAGES];
    int sentences;
} work;

typedef struct effort {
    work now, first; /* by now; when the first samples came */
    int hop;         /* samples of a frame */
    bool whole;      /* what follows is heard as well */
    double seconds;  /* of speech: heard, or where not all is, of the first sentence */
} effort;

static void add(void *user, const clvits_span *span)
{
    work *now = &((effort *)user)->now;

    now->sentences += span->kind == CLVITS_SPAN_HOST && !strcmp(span->name, "text front-end");
    for (int i = 0; i < STAGES; i++)
        if (span->kind == CLVITS_SPAN_NODE && !strcmp(span->stage, stages[i]))
            now->flops[i] += span->flops;
}

static int hear(void *user, const clvits_chunk *c)
{
    effort *e = user;
    double frames = 0.0;

    if (c->is_first && !c->position)
        e->first = e->now;
    if (e->whole) {
        e->seconds = (double)(c->position + (int64_t)c->n_samples) / c->sample_rate;
        return 0;
    }
    for (size_t i = 0; i < c->n_durations; i++)
        frames += c->durations[i];
    e->seconds = frames * e->hop / c->sample_rate;
    return 1;
}

typedef struct fixture {
    clvits_context *context;
    clvits_voice *voice;
    effort now; /* of what is spoken */
} fixture;

static void begin(fixture *f)
{
    const char *device = getenv("CLVITS_TEST_DEVICE");
    const clvits_context_params params = { .device = device ? device : "auto", .place = "device",
                                           .trace = add, .trace_user = &f->now };
    clvits_voice_info info;

    *f = (fixture){ 0 };
    ck_assert_int_eq(clvits_context_open(&f->context, &params), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&f->voice, f->context, NULL), CLVITS_OK);
    clvits_voice_get_info(f->voice, &info);
    f->now.hop = info.hop_length;
}

static void end(fixture *f)
{
    clvits_voice_close(&f->voice);
    clvits_context_close(&f->context);
}

/* Phonemes, or else ids, twice: the first time, plans are made and kernels proven. */
static effort listen(fixture *f, const char *text, const int32_t *ids, size_t n, bool whole)
{
    effort *e = &f->now;
    clvits_speak_params p;

    clvits_speak_params_default(f->voice, &p);
    p.phonemes = 1;
    p.first_chunk = FIRST;
    p.audio = hear;
    p.user = e;
    for (int i = 0; i < 2; i++) {
        *e = (effort){ .hop = e->hop, .whole = whole };
        const clvits_status s = text ? clvits_speak(f->voice, text, strlen(text), &p)
                                     : clvits_speak_ids(f->voice, ids, n, &p);
        ck_assert_msg(s == (whole ? CLVITS_OK : CLVITS_E_CANCELLED), "%s",
                      clvits_context_error(f->context));
    }
    for (int i = 0; i < STAGES; i++)
        ck_assert_double_gt(e->first.flops[i], 0.0);
    return *e;
}

/* The opening, and then as often what follows. */
static const char *text_of(const char *opening, const char *more, int times)
{
    static char text[MAX_TEXT];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", opening);

    for (int i = 0; i < times; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", more);
    ck_assert_uint_lt(n, sizeof(text));
    return text;
}

static void assert_same(const work *a, const work *b)
{
    ck_assert_int_eq(a->sentences, b->sentences);
    for (int i = 0; i < STAGES; i++)
        ck_assert_msg(a->flops[i] == b->flops[i], "%s stage: %.0f operations, not %.0f", stages[i],
                      b->flops[i], a->flops[i]);
}

/* Half a minute is heard when its first sentence is: of what begins with half a second, as soon as
 * this half second. */
START_TEST(sentences_do_not_wait_for_the_next)
{
    fixture f;

    begin(&f);
    const effort word = listen(&f, WORD, NULL, 0, true);
    ck_assert_msg(word.seconds > 0.3 && word.seconds < 0.9, "%.2f s", word.seconds);
    const effort minute = listen(&f, text_of(WORD, SENTENCE, 14), NULL, 0, true);
    ck_assert_double_gt(minute.seconds, 30.0);
    ck_assert_int_eq(minute.now.sentences, 16); /* one more finds none */
    ck_assert_int_eq(minute.first.sentences, 1);
    assert_same(&word.first, &minute.first);

    const effort one = listen(&f, SENTENCE, NULL, 0, false);
    const effort more = listen(&f, text_of(SENTENCE, SENTENCE, 14), NULL, 0, false);
    assert_same(&one.first, &more.first);
    end(&f);
}
END_TEST

/* Attention and durations look at the whole of a sentence; what comes behind them does not. */
START_TEST(one_sentence_waits_for_its_text_alone)
{
    static const struct {
        int ids;
        double least, most; /* seconds */
    } sentences[] = { { 100, 2.0, 4.0 }, { 400, 8.0, 16.0 }, { MAX_IDS, 30.0, 60.0 } };
    effort e[LENGTH(sentences)];
    int32_t ids[MAX_IDS];
    fixture f;

    begin(&f);
    for (int i = 0; i < MAX_IDS; i++)
        ids[i] = i % 2 ? 0 : 1 + i * 7 % 100;
    const effort word = listen(&f, WORD, NULL, 0, true);
    for (int i = 0; i < LENGTH(sentences); i++) {
        e[i] = listen(&f, NULL, ids, (size_t)sentences[i].ids, false);
        ck_assert_msg(e[i].seconds > sentences[i].least && e[i].seconds < sentences[i].most,
                      "%d ids: %.2f s", sentences[i].ids, e[i].seconds);
        if (i) {
            ck_assert_double_gt(e[i].first.flops[TEXT], e[i - 1].first.flops[TEXT]);
            ck_assert_double_eq(e[i].first.flops[LATENT], e[0].first.flops[LATENT]);
            ck_assert_double_eq(e[i].first.flops[WAVE], e[0].first.flops[WAVE]);
        }
        ck_assert_double_lt(e[i].first.flops[LATENT] + e[i].first.flops[WAVE],
                            word.now.flops[LATENT] + word.now.flops[WAVE]);
    }
    end(&f);
}
END_TEST

/* Nor does a text without an end wait for all of it: a sentence is cut. */
START_TEST(text_without_stops_is_cut)
{
    fixture f;

    begin(&f);
    const effort one = listen(&f, text_of("", WORDS, 20), NULL, 0, false);
    const effort more = listen(&f, text_of("", WORDS, 200), NULL, 0, false);
    assert_same(&one.first, &more.first);
    ck_assert_double_lt(more.seconds, 30.0);
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("first_audio");
    TCase *t = tcase_create("work");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, sentences_do_not_wait_for_the_next);
    tcase_add_test(t, one_sentence_waits_for_its_text_alone);
    tcase_add_test(t, text_without_stops_is_cut);
    suite_add_tcase(s, t);
    return harness_main(s);
}
