// SPDX-License-Identifier: MIT
//
// Traces through the public calls: what every span says, several threads at once, and calls that
// fail or are cancelled.
#include "harness.h"

#include <clvits/clvits.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 3, MAX_SPANS = 40000, PIECES = 3 };

typedef struct record {
    clvits_span span; /* texts are not kept, but for those below */
    char name[32], stage[16];
} record;

typedef struct spans {
    pthread_mutex_t lock;
    record *list;
    int n;
} spans;

static const int32_t ids[] = { 1, 5, 9, 3, 7, 2, 8, 4, 6, 1, 5, 2, 9, 3, 1 };

static void receive(void *user, const clvits_span *s)
{
    spans *all = user;

    pthread_mutex_lock(&all->lock);
    if (all->n < MAX_SPANS && s->device && s->name && s->stage && s->label && s->shape &&
        s->kernel && s->options) {
        record *r = &all->list[all->n++];
        r->span = *s;
        snprintf(r->name, sizeof(r->name), "%s", s->name);
        snprintf(r->stage, sizeof(r->stage), "%s", s->stage);
        r->span.kernel = *s->kernel ? "some" : "";
    }
    pthread_mutex_unlock(&all->lock);
}

static clvits_context *open_context(clvits_trace_fn fn, spans *all)
{
    const char *device = getenv("CLVITS_TEST_DEVICE"), *family = getenv("CLVITS_TEST_FAMILY");
    const clvits_context_params params = { .device = device ? device : "auto",
                                           .place = "device",
                                           .kernel_family = family && !strcmp(family, "gpu"),
                                           .trace = fn,
                                           .trace_user = all };
    clvits_context *context;

    ck_assert_int_eq(clvits_context_open(&context, &params), CLVITS_OK);
    return context;
}

static void begin(spans *all)
{
    pthread_mutex_init(&all->lock, NULL);
    all->n = 0;
    all->list = calloc(MAX_SPANS, sizeof(*all->list));
    ck_assert_ptr_nonnull(all->list);
}

static void end(spans *all)
{
    pthread_mutex_destroy(&all->lock);
    free(all->list);
}

/* Spans of a name (NULL: of any) by one thread (0: by any). */
static int count(const spans *all, clvits_span_kind kind, const char *name, uint64_t thread)
{
    int n = 0;
    for (int i = 0; i < all->n; i++)
        n += all->list[i].span.kind == kind && (!name || !strcmp(all->list[i].name, name)) &&
             (!thread || all->list[i].span.thread == thread);
    return n;
}

static void *speak(void *voice)
{
    clvits_speak_params params;

    clvits_speak_params_default(voice, &params);
    for (int i = 0; i < PIECES; i++)
        if (clvits_speak_ids(voice, ids, sizeof(ids) / sizeof(*ids), &params))
            return NULL;
    return voice;
}

START_TEST(says_what_ran)
{
    spans all;
    clvits_voice *voice;

    begin(&all);
    const int64_t before = clvits_trace_clock();
    clvits_context *context = open_context(receive, &all);
    const int place = clvits_context_device_count(context) ? 1 : 0;
    ck_assert_int_eq(clvits_voice_open(&voice, context, NULL), CLVITS_OK);
    ck_assert_ptr_nonnull(speak(voice));
    clvits_voice_close(&voice);
    clvits_context_close(&context);
    const int64_t after = clvits_trace_clock();

    ck_assert_int_eq(count(&all, CLVITS_SPAN_HOST, "open voice", 0), 1);
    ck_assert_int_eq(count(&all, CLVITS_SPAN_HOST, "speak", 0), PIECES);
    ck_assert_int_eq(count(&all, CLVITS_SPAN_HOST, "plan", 0), 3); /* once per stage */
    ck_assert_int_eq(count(&all, CLVITS_SPAN_HOST, "run", 0), 3 * PIECES);
    ck_assert_int_gt(count(&all, CLVITS_SPAN_NODE, "conv1d", 0), 100);
    for (int i = 0; i < all.n; i++) {
        const clvits_span *s = &all.list[i].span;
        ck_assert_int_ge(s->length, 0);
        ck_assert_int_ge(s->start, before);
        ck_assert_int_le(s->start + s->length, after);
        ck_assert_int_eq(s->place, s->kind == CLVITS_SPAN_HOST ? -1 : place);
        ck_assert_int_eq(s->node >= 0, s->kind == CLVITS_SPAN_NODE);
        ck_assert_int_eq(*s->kernel != '\0', place > 0 && s->kind == CLVITS_SPAN_NODE);
        if (s->kind != CLVITS_SPAN_HOST)
            ck_assert(s->bytes > 0.0);
        if (s->kind == CLVITS_SPAN_NODE)
            ck_assert(all.list[i].stage[0] != '\0');
    }
    end(&all);
}
END_TEST

START_TEST(threads_have_their_own)
{
    spans all;
    clvits_voice *voice;
    pthread_t threads[THREADS];

    begin(&all);
    clvits_context *context = open_context(receive, &all);
    ck_assert_int_eq(clvits_voice_open(&voice, context, NULL), CLVITS_OK);
    ck_assert_ptr_nonnull(speak(voice)); /* a span of this thread has its number */
    const uint64_t here = all.list[0].span.thread;
    const int nodes = count(&all, CLVITS_SPAN_NODE, NULL, here);
    ck_assert_int_gt(nodes, 0);

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, speak, voice), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_nonnull(result);
    }
    ck_assert_int_eq(count(&all, CLVITS_SPAN_NODE, NULL, 0), (1 + THREADS) * nodes);
    for (int i = 0; i < all.n; i++)
        ck_assert_int_eq(count(&all, CLVITS_SPAN_NODE, NULL, all.list[i].span.thread) % nodes, 0);
    clvits_voice_close(&voice);
    clvits_context_close(&context);
    end(&all);
}
END_TEST

static int stop(void *user, const clvits_chunk *chunk)
{
    (void)user;
    (void)chunk;
    return 1;
}

START_TEST(ends_with_failed_calls)
{
    const int32_t bad = -1;
    spans all;
    clvits_voice *voice;
    clvits_speak_params params;

    begin(&all);
    clvits_context *context = open_context(receive, &all);
    ck_assert_int_eq(clvits_voice_open(&voice, context, "/nowhere"), CLVITS_E_FILE);
    ck_assert_int_eq(clvits_voice_open(&voice, context, NULL), CLVITS_OK);
    clvits_speak_params_default(voice, &params);
    ck_assert_int_eq(clvits_speak_ids(voice, &bad, 1, &params), CLVITS_E_ARGUMENT);
    ck_assert_int_eq(count(&all, CLVITS_SPAN_HOST, "speak", 0), 1);
    params.audio = stop;
    ck_assert_int_eq(clvits_speak_ids(voice, ids, 5, &params), CLVITS_E_CANCELLED);
    ck_assert_int_eq(count(&all, CLVITS_SPAN_HOST, "speak", 0), 2);
    ck_assert_int_eq(count(&all, CLVITS_SPAN_HOST, "audio callback", 0), 1);
    ck_assert_int_gt(count(&all, CLVITS_SPAN_NODE, NULL, 0), 0);
    clvits_voice_close(&voice);
    clvits_context_close(&context);
    end(&all);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trace");
    TCase *t = tcase_create("cases");
    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, says_what_ran);
    tcase_add_test(t, threads_have_their_own);
    tcase_add_test(t, ends_with_failed_calls);
    suite_add_tcase(s, t);
    return harness_main(s);
}
