// SPDX-License-Identifier: MIT
#include "layered.h"

#include <check.h>
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 16 };

static layer_set_fn layer_set;
static layer_calls_fn count_calls;
static layer_live_fn count_live;
static layered_speech wants[2]; /* what the CPU path says; the second one is long */

static void *find(void *module, const char *name)
{
    void *f = dlsym(module, name);
    ck_assert_msg(f != NULL, "%s", dlerror());
    return f;
}

void layered_begin(void)
{
    void *module = dlopen(getenv("OPENCL_LAYERS"), RTLD_NOW);

    ck_assert_msg(module != NULL, "%s", dlerror());
    *(void **)&layer_set = find(module, "clvits_layer_set");
    *(void **)&count_calls = find(module, "clvits_layer_calls");
    *(void **)&count_live = find(module, "clvits_layer_live");
}

const char *layered_device(void)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");
    return name ? name : "opencl";
}

int layered_set(const char *faults)
{
    const char *device_is = getenv("CLVITS_FAULTS");
    char text[1024];

    snprintf(text, sizeof(text), "%s;%s", device_is ? device_is : "", faults ? faults : "");
    return layer_set(text);
}

long layered_calls(const char *kind)
{
    return count_calls(kind);
}

long layered_live(char *text, unsigned long size)
{
    return count_live(text, size);
}

void layered_listen(void *user, clvits_log_level level, const char *text)
{
    layered_heard *h = user;

    if (level > CLVITS_LOG_WARNING)
        return;
    h->warnings++;
    h->wrong += strstr(text, "goes wrong") != NULL;
    h->gone += strstr(text, "is not used any more") != NULL;
    snprintf(h->last, sizeof(h->last), "%s", text);
}

int layered_hear(void *user, const clvits_chunk *c)
{
    layered_speech *s = user;

    ck_assert_int_eq(c->position, (int64_t)s->n);
    ck_assert_uint_le(s->n + c->n_samples, LAYERED_SAMPLES);
    memcpy(s->samples + s->n, c->samples, c->n_samples * sizeof(float));
    s->n += c->n_samples;
    if (++s->chunks == s->lose_after)
        ck_assert_int_eq(layered_set("any:1+"), 0);
    return 0;
}

static clvits_status speak(clvits_voice *v, bool long_one, clvits_audio_fn hear, void *user)
{
    const int32_t ids[] = { 1, 0, 20, 0, 5, 0, 27, 0, 31, 0, 2 };
    clvits_speak_params p;

    clvits_speak_params_default(v, &p);
    p.audio = hear;
    p.user = user;
    p.chunk = long_one ? 0 : CHUNK;
    p.length_scale = long_one ? 20.0f : 2.0f;
    return clvits_speak_ids(v, ids, sizeof(ids) / sizeof(*ids), &p);
}

clvits_status layered_speak(clvits_voice *v, layered_speech *s)
{
    return speak(v, s->long_one, layered_hear, s);
}

clvits_status layered_speak_to(clvits_voice *v, clvits_audio_fn hear, void *user)
{
    return speak(v, false, hear, user);
}

void layered_compare(const char *what, const layered_speech *got)
{
    const layered_speech *want = &wants[got->long_one];
    double signal = 0.0, noise = 0.0;

    ck_assert_msg(got->n == want->n, "%s: %zu samples instead of %zu", what, got->n, want->n);
    for (size_t i = 0; i < want->n; i++) {
        const double d = (double)got->samples[i] - (double)want->samples[i];
        signal += (double)want->samples[i] * (double)want->samples[i];
        noise += d * d;
    }
    ck_assert_msg(noise <= 1e-8 * signal, "%s: %.1f dB", what,
                  10.0 * log10(signal / fmax(noise, 1e-300)));
}

static void learn(int n)
{
    const clvits_context_params p = { .device = "cpu" };
    clvits_context *c;
    clvits_voice *v;

    ck_assert_int_eq(clvits_context_open(&c, &p), CLVITS_OK);
    ck_assert_int_eq(clvits_voice_open(&v, c, NULL), CLVITS_OK);
    for (int i = 0; i < n; i++) {
        wants[i] = (layered_speech){ .long_one = i };
        ck_assert_int_eq(layered_speak(v, &wants[i]), CLVITS_OK);
        ck_assert_int_gt(wants[i].chunks, i ? 1 : 3);
    }
    clvits_voice_close(&v);
    clvits_context_close(&c);
}

void layered_learn(void)
{
    learn(1);
}

void layered_learn_both(void)
{
    learn(2);
}
