// SPDX-License-Identifier: MIT
//
// Voices spoken with halves on the device under test, against the CPU path in single precision;
// and what asking for a precision comes to.
#include "model/engine.h"
#include "model/voice_file.h"
#include "stages.h"

#include <clvits/clvits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 2, MAX_IDS = 400, LEAST_DB = 45 };

static const struct {
    const char *folder, *voice; /* of the golden ids; NULL: below them */
    int speakers[ITEMS];
} voices[] = {
    { "mini", SOURCE_VOICES "/mini", { 0, 0 } },
    { "piper-multi", NULL, { 1, 3 } },
};

static const char *const precisions[] = { "fp16-storage", "fp16" };

typedef struct speech {
    int32_t durations[MAX_IDS];
    float *samples;
    int n;
} speech;

typedef struct fixture {
    harness h;
    clvits_voice_file file;
    clvits_engine *engine;
    clvits_item items[ITEMS];
} fixture;

static void begin(fixture *f, int voice, const char *precision)
{
    char path[1024];

    memset(f, 0, sizeof(*f));
    harness_begin(&f->h, 1);
    snprintf(path, sizeof(path), "%s/%s/model.onnx", GOLDEN_DIR, voices[voice].folder);
    ck_assert_msg(clvits_voice_file_open(&f->file, voices[voice].voice ? voices[voice].voice : path,
                                         NULL, &f->h.report) == CLVITS_OK, "%s", f->h.report.text);
    ck_assert_int_eq(clvits_machine_set_precision(&f->h.machine, precision, &f->h.report), 0);
    const clvits_model m = { &f->file.config, &f->file.weights };
    ck_assert_int_eq(clvits_engine_open(&f->engine, &m, &f->h.machine, NULL, &f->h.report), 0);
    for (int i = 0; i < ITEMS; i++) {
        clvits_item *it = &f->items[i];
        *it = (clvits_item){ .sid = voices[voice].speakers[i], .seed = 7, .noise_scale = 0.667f,
                             .noise_w = 0.5f, .length_scale = 1.1f };
        snprintf(path, sizeof(path), "%s/%s/ref/%d_ids.npy", GOLDEN_DIR, voices[voice].folder, i);
        it->ids = stages_ints(&f->h, path, &it->n_ids);
        ck_assert_int_lt(it->n_ids, MAX_IDS);
    }
}

static void end(fixture *f)
{
    clvits_engine_close(&f->engine);
    clvits_voice_file_free(&f->file);
    harness_end(&f->h);
}

static clvits_status keep(void *user, int i, const float *samples, int n, clvits_report *r)
{
    speech *s = (speech *)user + i;

    (void)r;
    s->samples = realloc(s->samples, (size_t)(s->n + n) * sizeof(float));
    ck_assert_ptr_nonnull(s->samples);
    memcpy(s->samples + s->n, samples, (size_t)n * sizeof(float));
    s->n += n;
    return CLVITS_OK;
}

static void speak(fixture *f, int first, int n, speech *out)
{
    const clvits_sink sink = { .user = out, .wave = keep };
    clvits_report r = { 0 };

    for (int i = 0; i < n; i++)
        f->items[first + i].durations = out[i].durations;
    ck_assert_msg(clvits_engine_speak(f->engine, f->items + first, n, &sink, &r) == CLVITS_OK, "%s",
                  r.text);
}

static bool has(const char *precision)
{
    harness h;

    harness_begin(&h, 1);
    const clvits_status s = clvits_machine_set_precision(&h.machine, precision, &h.report);
    ck_assert_msg(!s || s == CLVITS_E_UNSUPPORTED, "%s", h.report.text);
    harness_end(&h);
    return !s;
}

/* In a batch as alone, to the bit; the same durations as in single precision, and near enough. */
START_TEST(halves_keep_the_speech)
{
    const char *const precision = precisions[_i % LENGTH(precisions)];
    const int voice = _i / LENGTH(precisions);
    speech batch[ITEMS] = { 0 }, want[ITEMS] = { 0 };
    const char *place = getenv("CLVITS_TEST_DEVICE");
    const bool cpu = place && !strncmp(place, "cpu", 3);
    fixture f;

    if (!has(precision))
        return;
    begin(&f, voice, precision);
    speak(&f, 0, ITEMS, batch);
    for (int i = 0; i < ITEMS; i++) {
        speech alone = { 0 };
        speak(&f, i, 1, &alone);
        ck_assert_int_eq(alone.n, batch[i].n);
        ck_assert_mem_eq(alone.samples, batch[i].samples, (size_t)alone.n * sizeof(float));
        free(alone.samples);
    }
    end(&f);
    if (!cpu)
        setenv("CLVITS_TEST_DEVICE", "cpu", 1);
    begin(&f, voice, "fp32");
    speak(&f, 0, ITEMS, want);
    for (int i = 0; i < ITEMS; i++) {
        ck_assert_mem_eq(batch[i].durations, want[i].durations, sizeof(want[i].durations));
        ck_assert_int_eq(batch[i].n, want[i].n);
        const double db = harness_decibels(batch[i].samples, want[i].samples, want[i].n);
        ck_assert_msg(db >= LEAST_DB, "%s in %s, item %d: %.1f dB", voices[voice].folder, precision,
                      i, db);
        if (cpu) /* which computes the same either way */
            ck_assert_mem_eq(batch[i].samples, want[i].samples, (size_t)want[i].n * sizeof(float));
        else
            ck_assert_msg(db < 90, "%s: no halves were there", voices[voice].folder);
        free(batch[i].samples);
        free(want[i].samples);
    }
    end(&f);
}
END_TEST

static clvits_status wave_bytes(void *user, const clvits_plan *p, const char *stage,
                                clvits_report *r)
{
    size_t *bytes = user;

    (void)r;
    if (!strcmp(stage, "wave"))
        for (int i = 0; i < CLVITS_MAX_PLACES; i++)
            *bytes += clvits_plan_bytes(p, i);
    return CLVITS_OK;
}

START_TEST(storage_takes_half_the_memory)
{
    size_t bytes[2] = { 0 };
    fixture f;

    for (int i = 0; i < 2; i++) {
        begin(&f, 0, i ? "fp16-storage" : "fp32");
        ck_assert_int_eq(clvits_engine_plans(f.engine, wave_bytes, &bytes[i], &f.h.report), 0);
        const bool device = f.h.machine.n_places > 1;
        end(&f);
        ck_assert_uint_gt(bytes[0], 1 << 20);
        if (i)
            ck_assert_uint_le(100 * bytes[1], (device ? 52u : 100u) * bytes[0]);
    }
}
END_TEST

static void remember(void *user, clvits_log_level level, const char *text)
{
    if (level == CLVITS_LOG_ERROR)
        snprintf(user, 512, "%s", text);
}

static clvits_status open_with(const char *precision, const char *device, char text[512])
{
    const clvits_context_params p = { .device = device, .precision = precision, .log = remember,
                                      .log_user = text };
    clvits_context *c;

    text[0] = '\0';
    const clvits_status s = clvits_context_open(&c, &p);
    ck_assert_int_eq(c != NULL, s == CLVITS_OK);
    clvits_context_close(&c);
    return s;
}

/* One message that says which precisions there are instead. */
START_TEST(says_what_there_is)
{
    const char *device = getenv("CLVITS_TEST_DEVICE") ? "cpu" : "opencl";
    char text[512];

    ck_assert_int_eq(open_with(NULL, device, text), CLVITS_OK);
    ck_assert_int_eq(open_with("fp16-storage", device, text), CLVITS_OK);
    ck_assert_int_eq(open_with("fp16-storage", "cpu", text), CLVITS_OK);
    ck_assert_int_eq(open_with("half", device, text), CLVITS_E_ARGUMENT);
    ck_assert_msg(strstr(text, "fp16-storage") && strstr(text, "fp32"), "%s", text);
    ck_assert_int_eq(open_with("fp16", "cpu", text), CLVITS_E_UNSUPPORTED);
    ck_assert_msg(strstr(text, "fp16-storage") && strstr(text, "fp32"), "%s", text);
    setenv("CLVITS_PRECISION", "float", 1);
    ck_assert_int_eq(open_with(NULL, "cpu", text), CLVITS_E_ARGUMENT);
    ck_assert_int_eq(open_with("fp32", "cpu", text), CLVITS_OK);
}
END_TEST

/* Probed, and refused with the reason where the device lacks it or has no kernel for it. */
START_TEST(half_arithmetic_is_probed)
{
    harness h;

    harness_begin(&h, 1);
    for (int i = 1; i < h.machine.n_places; i++) {
        const clvits_device_info *info = clvits_device_get_info(h.machine.device[i]);
        const bool there = info->fp16 && info->family == CLVITS_FAMILY_GPU;
        const clvits_status s = clvits_machine_set_precision(&h.machine, "fp16", &h.report);
        ck_assert_msg(s == CLVITS_OK || !there, "%s", h.report.text);
        ck_assert_int_eq(s, there ? CLVITS_OK : CLVITS_E_UNSUPPORTED);
        if (s)
            ck_assert_msg(strstr(h.report.text, info->fp16 ? "kernels for CPUs" : "cl_khr_fp16") &&
                              strstr(h.report.text, "fp16-storage"), "%s", h.report.text);
        ck_assert_int_eq(h.machine.halves != 0, s == CLVITS_OK);
    }
    harness_end(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("precision");
    TCase *t = tcase_create("precision");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, halves_keep_the_speech, 0, LENGTH(voices) * LENGTH(precisions));
    tcase_add_test(t, storage_takes_half_the_memory);
    tcase_add_test(t, says_what_there_is);
    tcase_add_test(t, half_arithmetic_is_probed);
    suite_add_tcase(s, t);
    return harness_main(s);
}
