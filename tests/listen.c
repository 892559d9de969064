// SPDX-License-Identifier: MIT
//
// Voices that listen: recordings aligned with their text, and said again by another speaker.
#include "model/listen.h"
#include "model/speak.h"
#include "stages.h"

#include <clvits/clvits.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    clvits_context *context;
    clvits_voice *voice;
    clvits_report report;
    /* what was spoken, or said again */
    float *samples;
    size_t n;
    int pieces, stop_after;
    /* and when, of one sentence */
    int32_t durations[512];
    size_t n_durations;
    clvits_timing words[32];
    size_t n_words;
} fixture;

static clvits_status open_voice(fixture *f, const char *voice)
{
    return clvits_voice_open_listening(&f->voice, f->context, voice, NULL);
}

static void begin(fixture *f, const char *voice)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");
    clvits_device_desc *list;
    size_t n;

    ck_assert_int_eq(clvits_devices(&list, &n), CLVITS_OK);
    clvits_devices_free(&list);
    const clvits_context_params p = { .device = name ? name : n ? "0" : "cpu" };
    *f = (fixture){ 0 };
    ck_assert_int_eq(clvits_context_open(&f->context, &p), CLVITS_OK);
    if (voice)
        ck_assert_msg(open_voice(f, voice) == CLVITS_OK, "%s", clvits_context_error(f->context));
}

static void end(fixture *f)
{
    free(f->samples);
    clvits_voice_close(&f->voice);
    clvits_context_close(&f->context);
}

static int heard(void *user, const clvits_chunk *c)
{
    fixture *f = user;

    ck_assert_int_eq(c->position, (int64_t)f->n);
    f->samples = realloc(f->samples, (f->n + c->n_samples) * sizeof(*f->samples));
    ck_assert_ptr_nonnull(f->samples);
    memcpy(f->samples + f->n, c->samples, c->n_samples * sizeof(*f->samples));
    f->n += c->n_samples;
    if (c->n_durations) {
        ck_assert_uint_le(c->n_durations, LENGTH(f->durations));
        memcpy(f->durations, c->durations, c->n_durations * sizeof(*f->durations));
        f->n_durations = c->n_durations;
        ck_assert_uint_le(c->n_words, LENGTH(f->words));
        memcpy(f->words, c->words, c->n_words * sizeof(*f->words));
        f->n_words = c->n_words;
    }
    return ++f->pieces == f->stop_after;
}

/* Speech of one sentence, by the embedded voice. */
static void speak(fixture *f, const char *text, uint64_t seed)
{
    clvits_speak_params p;

    clvits_speak_params_default(f->voice, &p);
    p.audio = heard;
    p.user = f;
    p.seed = seed;
    f->n = 0;
    ck_assert_msg(clvits_speak(f->voice, text, strlen(text), &p) == CLVITS_OK, "%s",
                  clvits_context_error(f->context));
}

static clvits_alignment *align(fixture *f, const char *text)
{
    clvits_alignment *a;

    ck_assert_msg(clvits_align(&a, f->voice, f->samples, f->n, text, strlen(text), NULL) ==
                      CLVITS_OK,
                  "%s", clvits_context_error(f->context));
    return a;
}

static int compare_ints(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static const char *const sentences[] = {
    "The quick brown fox jumps over the lazy dog.",
    "She sells sea shells by the sea shore, and so does he!",
};

/* The durations that made the speech come back: half the boundaries within two frames. */
START_TEST(finds_what_made_it)
{
    const char *text = sentences[_i];
    int error[512], at = 0, should = 0;
    fixture f;

    begin(&f, SOURCE_VOICES "/mini");
    speak(&f, text, 5);
    clvits_alignment *a = align(&f, text);
    ck_assert_uint_eq(a->n_sentences, 1);
    const clvits_aligned *s = &a->sentences[0];
    ck_assert_uint_eq(s->n_durations, f.n_durations);
    for (size_t i = 0; i < f.n_durations; i++) {
        ck_assert_int_ge(s->durations[i], 1);
        at += s->durations[i];
        should += f.durations[i];
        error[i] = abs(at - should);
    }
    ck_assert_int_eq(at, should);
    ck_assert_int_eq(a->n_frames, at);
    qsort(error, f.n_durations, sizeof(*error), compare_ints);
    ck_assert_msg(error[f.n_durations / 2] <= 2, "median error %d frames",
                  error[f.n_durations / 2]);
    ck_assert_uint_eq(s->n_words, f.n_words);
    for (size_t i = 0; i < f.n_words; i++) {
        ck_assert_mem_eq(s->words[i].text, f.words[i].text, f.words[i].n);
        ck_assert_int_le(llabs(s->words[i].start - f.words[i].start), 8 * a->hop_length);
    }
    clvits_alignment_free(&a);
    end(&f);
}
END_TEST

/* Another text fits less well. */
START_TEST(scores_tell_texts_apart)
{
    fixture f;

    begin(&f, SOURCE_VOICES "/mini");
    speak(&f, sentences[0], 1);
    clvits_alignment *right = align(&f, sentences[0]), *wrong = align(&f, "Over there.");
    double sum = 0;
    for (size_t i = 0; i < right->sentences[0].n_phonemes; i++)
        sum += (double)right->sentences[0].phoneme_scores[i];
    ck_assert(isfinite(sum));
    ck_assert_float_eq(right->score, right->sentences[0].score);
    ck_assert_msg(right->score > wrong->score + 1.0f, "%f, %f", (double)right->score,
                  (double)wrong->score);
    clvits_alignment_free(&wrong);
    clvits_alignment_free(&right);
    end(&f);
}
END_TEST

/* Sentences stand one behind the other, with all frames among them. */
START_TEST(aligns_several_sentences)
{
    static const char text[] = "Good morning. How are you?\nFine, thanks.";
    int64_t at = 0;
    fixture f;

    begin(&f, SOURCE_VOICES "/mini");
    speak(&f, text, 2);
    clvits_alignment *a = align(&f, text);
    ck_assert_uint_eq(a->n_sentences, 3);
    for (size_t i = 0; i < a->n_sentences; i++) {
        const clvits_aligned *s = &a->sentences[i];
        ck_assert_int_eq(s->start, at);
        ck_assert_uint_gt(s->n_words, 0);
        ck_assert(s->words[0].text >= text + s->text_start);
        at += s->length;
    }
    ck_assert_int_eq(at, a->n_frames * a->hop_length);
    clvits_alignment_free(&a);
    end(&f);
}
END_TEST

/* A golden array of the voice with speakers. */
static float *golden_of(fixture *f, harness *h, const char *name, int channels, int *rows)
{
    char path[1024];

    (void)f;
    snprintf(path, sizeof(path), GOLDEN_DIR "/hf-dp-speakers/ref/rv_%s.npy", name);
    return stages_rows(h, path, channels, rows);
}

static clvits_revoice_params from_to(fixture *f, int from, int to)
{
    return (clvits_revoice_params){ .from = from, .to = to, .audio = heard, .user = f };
}

/* What PyTorch makes of a recording. */
START_TEST(revoices_as_pytorch)
{
    int samples, frames, made;
    harness h = { 0 };
    fixture f;

    begin(&f, GOLDEN_DIR "/hf-dp-speakers");
    const int C = f.voice->file.config.inter_channels;
    const float *in = golden_of(&f, &h, "heard", 1, &samples);
    const float *z_p = golden_of(&f, &h, "z_p", C, &frames);
    const float *wave = golden_of(&f, &h, "wave", 1, &made);
    const clvits_heard what = { .samples = in, .n = samples, .sid = 1 };
    float *got = harness_random(&h, (int64_t)frames * C, 0, 0);
    ck_assert_msg(clvits_engine_listen(f.voice->engine, got, &what, &f.report) == CLVITS_OK, "%s",
                  f.report.text);
    stages_compare("z_p", got, z_p, (int64_t)frames * C);

    const clvits_revoice_params p = from_to(&f, 1, 3);
    ck_assert_msg(clvits_revoice(f.voice, in, (size_t)samples, &p) == CLVITS_OK, "%s",
                  clvits_context_error(f.context));
    ck_assert_int_eq((int)f.n, made);
    stages_compare("wave", f.samples, wave, made);
    clvits_arena_free(&h.arena);
    end(&f);
}
END_TEST

/* Two windows, of which the second ends in less than a frame, give what one gives: the stage for
 * all of it at once. */
START_TEST(windows_make_the_whole)
{
    enum { HOP = 20, FRAMES = 1100, N = FRAMES * HOP + 13 };
    clvits_listen_stage stage;
    harness h;
    fixture f;

    begin(&f, GOLDEN_DIR "/hf-dp-speakers");
    harness_begin(&h, 1);
    const int C = f.voice->file.config.inter_channels, sid = 2;
    const float *in = harness_random(&h, N, -0.5f, 0.5f);
    const clvits_heard what = { .samples = in, .n = N, .sid = sid };
    float *got = harness_random(&h, FRAMES * C, 0, 0);
    ck_assert_msg(clvits_engine_listen(f.voice->engine, got, &what, &f.report) == CLVITS_OK, "%s",
                  f.report.text);

    const clvits_model m = { &f.voice->file.config, &f.voice->file.weights };
    ck_assert_msg(clvits_listen_stage_build(&stage, &m, &(clvits_stage_options){ .batch = 1 },
                                            FRAMES, false, &h.report) == CLVITS_OK,
                  "%s", h.report.text);
    stages_run run = stages_open(&h, stage.graph);
    stages_length(&h, &run, stage.samples, N);
    stages_write(&h, &run, stage.wave, in);
    stages_write(&h, &run, stage.sid, &sid);
    stages_go(&h, &run);
    stages_compare("z_p", got, stages_read(&h, &run, stage.z, FRAMES), FRAMES * C);
    stages_close(&run, &stage.graph);
    harness_end(&h);
    end(&f);
}
END_TEST

/* And so do the blocks and the windows of what is said again: both stages for all of it. */
START_TEST(blocks_make_the_whole)
{
    enum { HOP = 20, FRAMES = 1100, N = FRAMES * HOP };
    const clvits_stage_options o = { .batch = 1 };
    clvits_listen_stage stage;
    clvits_wave_stage wave;
    harness h;
    fixture f;

    begin(&f, GOLDEN_DIR "/hf-dp-speakers");
    harness_begin(&h, 1);
    const int from = 2, to = 1;
    const float *in = harness_random(&h, N, -0.5f, 0.5f);
    clvits_revoice_params p = from_to(&f, from, to);
    p.noise_scale = 0.7f;
    p.seed = 5;
    ck_assert_int_eq(clvits_revoice(f.voice, in, N, &p), CLVITS_OK);
    ck_assert_uint_eq(f.n, N);
    ck_assert_int_ge(f.pieces, 3);

    const clvits_model m = { &f.voice->file.config, &f.voice->file.weights };
    ck_assert_int_eq(clvits_listen_stage_build(&stage, &m, &o, FRAMES, true, &h.report), 0);
    stages_run run = stages_open(&h, stage.graph);
    stages_length(&h, &run, stage.samples, N);
    stages_write(&h, &run, stage.wave, in);
    stages_write(&h, &run, stage.sid, &from);
    stages_write(&h, &run, stage.target, &to);
    clvits_run_set_int(run.run, stage.seed, 0, (int)p.seed);
    clvits_run_set_int(run.run, stage.seed + 1, 0, 0);
    clvits_run_set_float(run.run, stage.noise_scale, 0, p.noise_scale);
    stages_go(&h, &run);
    ck_assert_int_eq(clvits_wave_stage_build(&wave, &m, &o, FRAMES, &h.report), 0);
    stages_run w = stages_open(&h, wave.graph);
    stages_length(&h, &w, wave.clock, FRAMES);
    stages_write(&h, &w, wave.z, stages_read(&h, &run, stage.z, FRAMES));
    stages_write(&h, &w, wave.cond, stages_read(&h, &run, stage.cond, 1));
    stages_go(&h, &w);
    stages_compare("wave", f.samples, stages_read(&h, &w, wave.wave, N), N);
    stages_close(&w, &wave.graph);
    stages_close(&run, &stage.graph);
    harness_end(&h);
    end(&f);
}
END_TEST

/* Noise makes a difference, the seed says which; whoever listens may end it. */
START_TEST(draws_from_the_posterior)
{
    enum { N = 4000 };
    float first[N];
    harness h = { 0 };
    fixture f;

    begin(&f, GOLDEN_DIR "/hf-dp-speakers");
    const float *in = harness_random(&h, N, -0.5f, 0.5f);
    clvits_revoice_params p = from_to(&f, 0, 2);
    for (int i = 0; i < 3; i++) {
        p.noise_scale = 1;
        p.seed = i == 2 ? 8 : 7;
        f.n = 0;
        ck_assert_int_eq(clvits_revoice(f.voice, in, N, &p), CLVITS_OK);
        ck_assert_uint_eq(f.n, N);
        if (i == 0)
            memcpy(first, f.samples, sizeof(first));
        ck_assert_int_eq(!memcmp(first, f.samples, sizeof(first)), i < 2);
    }
    f.n = 0;
    f.pieces = 0;
    f.stop_after = 1;
    ck_assert_int_eq(clvits_revoice(f.voice, in, N, &p), CLVITS_E_CANCELLED);
    clvits_arena_free(&h.arena);
    end(&f);
}
END_TEST

/* A device without memory is left out of the whole alignment, once it has shown that. */
START_TEST(a_shortage_is_told_once)
{
    enum { N = 4000 };
    char name[CLVITS_DEVICE_TEXT];
    int warnings = 0;
    clvits_alignment *a;
    harness h = { 0 };
    fixture f;

    begin(&f, NULL);
    snprintf(name, sizeof(name), "%s", clvits_context_device(f.context));
    const clvits_context_params p = { .device = name, .memory = "1K", .log = harness_count_warnings,
                                      .log_user = &warnings };
    if (clvits_context_device_count(f.context)) {
        clvits_context_close(&f.context);
        ck_assert_int_eq(clvits_context_open(&f.context, &p), CLVITS_OK);
        ck_assert_int_eq(open_voice(&f, GOLDEN_DIR "/hf-dp-speakers"), CLVITS_OK);
        const float *in = harness_random(&h, N, -0.5f, 0.5f);
        ck_assert_int_eq(clvits_align(&a, f.voice, in, N, "hello. hello", 12, NULL), CLVITS_OK);
        ck_assert_uint_eq(a->n_sentences, 2);
        clvits_alignment_free(&a);
        ck_assert_int_eq(warnings, 1);
        ck_assert_uint_eq(clvits_context_launches(f.context), 0);
    }
    clvits_arena_free(&h.arena);
    end(&f);
}
END_TEST

/* A device that had no memory gets what the pool kept of it, then less at a time, but nothing that
 * takes as much: of what failed, which where that is weights is nothing. */
static const struct {
    bool revoice, decoding;
    int frames;
    size_t weights;
    const char *said;
} less[] = {
    { false, false, 1500, 0, "taking up to 256 frames at a time instead of 1024" },
    { false, false, 300, 0, "taking up to 256 frames at a time instead of 512" },
    { false, false, 48, 0, "going on without this device" },
    { false, false, 1500, 1, "going on without this device" },
    { true, false, 1500, 0, "taking up to 256 frames at a time instead of 1024" },
    { true, false, 48, 0, "going on without this device" },
    { true, true, 1500, 0, "taking up to 256 frames at a time instead of 512" },
    { true, true, 48, 0, "taking up to 16 frames at a time instead of 64" },
    { true, true, 1500, 1, "going on without this device, and about 1 MiB would be enough" },
};

enum { SAID = 600 }; /* bytes */

static void keep(void *user, clvits_log_level level, const char *text)
{
    (void)level;
    snprintf(user, SAID, "%s", text);
}

START_TEST(only_less_is_tried)
{
    char said[SAID] = "";
    clvits_listening l;
    fixture f;

    begin(&f, GOLDEN_DIR "/hf-dp-speakers");
    clvits_engine *e = f.voice->engine;
    const clvits_heard in = { .n = (int64_t)less[_i].frames * e->config.hop_length };
    clvits_listening_begin(&l, e, &in, less[_i].revoice);
    l.decoding = less[_i].decoding;
    for (int i = 0; i < 2 && e->machine->n_places > 1; i++) {
        clvits_report r = { .log = keep, .log_user = said, .weights = less[_i].weights,
                            .wanted = less[_i].weights };
        r.device = e->machine->device[1];
        clvits_fail(&r, CLVITS_E_MEMORY, "none");
        ck_assert(clvits_listening_recover(&l, &r));
        ck_assert_msg(i ? strstr(said, less[_i].said) != NULL : !said[0], "%s", said);
    }
    clvits_listening_end(&l);
    end(&f);
}
END_TEST

/* What makes no numbers of anything, of whatever listens. */
static void damage(fixture *f, const char *weight)
{
    const clvits_array *a = clvits_arrays_find(&f->voice->file.weights, weight);

    ck_assert_ptr_nonnull(a);
    for (int64_t i = 0; i < clvits_array_count(a); i++)
        ((float *)a->data)[i] = 3e38f;
}

/* Where the CPU path makes no numbers of it either, it is the voice, and the device, which was
 * suspected at first, goes on with others. */
START_TEST(a_damaged_voice_is_no_fault_of_a_device)
{
    enum { N = 4000 };
    clvits_alignment *a;
    harness h = { 0 };
    fixture f;

    begin(&f, GOLDEN_DIR "/hf-dp-speakers");
    const float *in = harness_random(&h, N, -0.5f, 0.5f);
    const clvits_revoice_params p = from_to(&f, 1, 3);
    damage(&f, _i ? "dec.ups.0.bias" : "enc_q.proj.bias");
    const clvits_status s = _i ? clvits_revoice(f.voice, in, N, &p)
                               : clvits_align(&a, f.voice, in, N, "hello", 5, NULL);
    ck_assert_int_eq(s, CLVITS_E_FORMAT);
    ck_assert_ptr_nonnull(strstr(clvits_context_error(f.context), "damaged"));
    clvits_voice_close(&f.voice);
    const uint64_t launches = clvits_context_launches(f.context);
    ck_assert_int_eq(open_voice(&f, GOLDEN_DIR "/hf-dp-speakers"), CLVITS_OK);
    ck_assert_int_eq(clvits_align(&a, f.voice, in, N, "hello", 5, NULL), CLVITS_OK);
    clvits_alignment_free(&a);
    ck_assert_int_eq(clvits_context_launches(f.context) > launches,
                     clvits_context_device_count(f.context) > 0);
    clvits_arena_free(&h.arena);
    end(&f);
}
END_TEST

static void refuse_alignment(fixture *f, const float *samples, size_t n, const char *text,
                             const clvits_align_params *p, clvits_status status,
                             const char *message)
{
    clvits_alignment *a = (clvits_alignment *)f; /* to be NULL */

    ck_assert_int_eq(clvits_align(&a, f->voice, samples, n, text, strlen(text), p), status);
    ck_assert_ptr_null(a);
    ck_assert_msg(strstr(clvits_context_error(f->context), message) != NULL, "%s",
                  clvits_context_error(f->context));
}

START_TEST(refuses_what_cannot_be_aligned)
{
    static float samples[64 * 256 + 100];
    clvits_cancel *cancel;
    fixture f;

    begin(&f, SOURCE_VOICES "/mini");
    const size_t n = LENGTH(samples);
    refuse_alignment(&f, samples, 255, "hi", NULL, CLVITS_E_ARGUMENT, "255 samples");
    refuse_alignment(&f, samples, clvits_listen_limit(f.voice) + 1, "hi", NULL, CLVITS_E_ARGUMENT,
                     "cut it into parts");
    refuse_alignment(&f, samples, n, "", NULL, CLVITS_E_ARGUMENT, "empty");
    refuse_alignment(&f, samples, n, "\xff", NULL, CLVITS_E_ARGUMENT, "UTF-8");
    refuse_alignment(&f, samples, n, "This is much longer than a second.", NULL, CLVITS_E_ARGUMENT,
                     "shorter than its text: 64 frames of 16.0 ms");
    refuse_alignment(&f, samples, n, "hi", &(clvits_align_params){ .speaker = 1 },
                     CLVITS_E_ARGUMENT, "speaker 1");
    refuse_alignment(&f, samples, n, "hi", &(clvits_align_params){ .language = -1 },
                     CLVITS_E_ARGUMENT, "language -1");
    samples[777] = NAN;
    refuse_alignment(&f, samples, n, "hi", NULL, CLVITS_E_ARGUMENT, "sample 777");
    samples[777] = 0;
    ck_assert_int_eq(clvits_cancel_make(&cancel), CLVITS_OK);
    clvits_cancel_raise(cancel);
    refuse_alignment(&f, samples, n, "hi", &(clvits_align_params){ .cancel = cancel },
                     CLVITS_E_CANCELLED, "cancelled");
    clvits_cancel_free(&cancel);
    clvits_alignment *a; /* silence has a path like everything else */
    ck_assert_int_eq(clvits_align(&a, f.voice, samples, n, "hi", 2, NULL), CLVITS_OK);
    ck_assert(isfinite(a->score));
    clvits_alignment_free(&a);
    end(&f);
}
END_TEST

START_TEST(refuses_voices_that_do_not_listen)
{
    static const float samples[2560];
    fixture f;

    begin(&f, NULL);
    ck_assert_int_eq(open_voice(&f, GOLDEN_DIR "/piper-multi/model.onnx"), CLVITS_E_UNSUPPORTED);
    ck_assert_ptr_null(f.voice);
    ck_assert_ptr_nonnull(strstr(clvits_context_error(f.context), "--with-training"));
    ck_assert_int_eq(open_voice(&f, GOLDEN_DIR "/vits-speakers"), CLVITS_E_FORMAT);
    ck_assert_int_eq(clvits_voice_open(&f.voice, f.context, SOURCE_VOICES "/mini"), CLVITS_OK);
    refuse_alignment(&f, samples, LENGTH(samples), "hi", NULL, CLVITS_E_UNSUPPORTED,
                     "clvits_voice_open_listening");
    clvits_voice_close(&f.voice);

    ck_assert_int_eq(open_voice(&f, SOURCE_VOICES "/mini"), CLVITS_OK);
    clvits_revoice_params p = from_to(&f, 0, 0);
    ck_assert_int_eq(clvits_revoice(f.voice, samples, LENGTH(samples), &p), CLVITS_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(clvits_context_error(f.context), "one speaker"));
    clvits_voice_close(&f.voice);
    ck_assert_int_eq(open_voice(&f, GOLDEN_DIR "/hf-dp-speakers"), CLVITS_OK);
    p = from_to(&f, 0, 4);
    ck_assert_int_eq(clvits_revoice(f.voice, samples, LENGTH(samples), &p), CLVITS_E_ARGUMENT);
    p = from_to(&f, 0, 1);
    p.noise_scale = NAN;
    ck_assert_int_eq(clvits_revoice(f.voice, samples, LENGTH(samples), &p), CLVITS_E_ARGUMENT);
    p.noise_scale = 0;
    ck_assert_int_eq(clvits_revoice(f.voice, samples, 19, &p), CLVITS_E_ARGUMENT);
    ck_assert_uint_eq(f.n, 0);
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("listen");
    TCase *t = tcase_create("voices");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, finds_what_made_it, 0, LENGTH(sentences));
    tcase_add_test(t, scores_tell_texts_apart);
    tcase_add_test(t, aligns_several_sentences);
    tcase_add_test(t, revoices_as_pytorch);
    tcase_add_test(t, windows_make_the_whole);
    tcase_add_test(t, blocks_make_the_whole);
    tcase_add_test(t, draws_from_the_posterior);
    tcase_add_test(t, a_shortage_is_told_once);
    tcase_add_loop_test(t, only_less_is_tried, 0, LENGTH(less));
    tcase_add_loop_test(t, a_damaged_voice_is_no_fault_of_a_device, 0, 2);
    tcase_add_test(t, refuses_what_cannot_be_aligned);
    tcase_add_test(t, refuses_voices_that_do_not_listen);
    suite_add_tcase(s, t);
    return harness_main(s);
}
