// SPDX-License-Identifier: MIT
//
// One allocation fails, or all from one on, while a voice is opened and speaks, to its listener,
// into a file or through a queue, or listens, or makes a step of training, and then nothing fails:
// an error that says so, or what is right, and nothing is left. On the CPU path every allocation of
// the process counts; with a device the library's alone: a driver may do as it likes when it has no
// memory. By default a sample fails; CLVITS_TEST_SWEEP=N: every Nth, N+K:
// those K behind these.
#include "failing.h"
#include "harness.h"
#include "model/convert.h"
#include "model/training.h"
#include "model/voice_file.h"

#include <clvits/clvits.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SAMPLES = 100000, SAMPLE = 40, DEVICE_SAMPLE = 16, LITTLE = 6 };

static struct {
    float samples[MOST_SAMPLES];
    size_t n;
} want, got;

static int hear(void *user, const clvits_chunk *c)
{
    (void)user;
    if (got.n + c->n_samples > MOST_SAMPLES)
        return 1;
    memcpy(got.samples + got.n, c->samples, c->n_samples * sizeof(float));
    got.n += c->n_samples;
    return 0;
}

static const char *device;
static bool on_device;
/* Of a step of training, where every allocation fails: its kernels take long to build. */
static int device_index = -1;
static char message[600];
static float recorded[4000], magnitudes[20 * 1025];

static void make_noise(void)
{
    uint32_t random = 1;

    for (int i = 0; i < LENGTH(recorded) + LENGTH(magnitudes); i++) {
        random = random * 1664525u + 1013904223u;
        const float x = (float)(random >> 8) / 16777216.0f; /* 0 to 1 */
        *(i < LENGTH(recorded) ? &recorded[i] : &magnitudes[i - LENGTH(recorded)]) = x;
    }
}

static void keep_log(void *user, clvits_log_level level, const char *text)
{
    (void)user;
    if (level <= CLVITS_LOG_ERROR)
        snprintf(message, sizeof(message), "%s", text);
}

typedef enum doing { SPEAKS, RECORDS, QUEUES, ALIGNS, REVOICES, TRAINS } doing;

/* What is done while allocations fail. The first is looked at most closely. */
static const struct work {
    const char *name, *voice, *text; /* NULL: the embedded voice */
    doing does;
} works[] = {
    { "speech", .text = "[[ h\u0259lo\u028a ]]" },
    { "a file", .text = "[[ h\u0259lo\u028a ]]", .does = RECORDS },
    { "a queue", .text = "[[ h\u0259lo\u028a ]]", .does = QUEUES },
    { "an alignment", .voice = "hf-dp-speakers", .text = "hello", .does = ALIGNS },
    { "another voice", .voice = "hf-dp-speakers", .does = REVOICES },
    { "a step of training", .voice = "vits-single", .does = TRAINS },
    { "Piper", .voice = "piper-single/model.onnx", .text = "[[ h\u0259lo\u028a ]]" },
    { "Hugging Face", .voice = "hf-sdp", .text = "hello" },
    { "the original code", .voice = "vits-single/G_3000.pth", .text = "[[ h\u0259lo\u028a ]]" },
    { "Coqui", .voice = "coqui-single/model.pth", .text = "hello" },
    { "sherpa-onnx", .voice = "sherpa-lexicon/model.onnx", .text = "hello world" },
};

static int ignore(void *user, const char *text, size_t n)
{
    (void)user;
    (void)text;
    (void)n;
    return 0;
}

/* What was heard, as a file that is read again at another rate, drawn, and then goes. */
static clvits_status record(clvits_context *c, int rate)
{
    char path[64]; /* of this process: another one may do the same beside it */
    const clvits_timing whole = { "a", 1, 0, (int64_t)got.n, -1 };
    clvits_plot plot = { .sample_rate = 2 * rate, .phonemes = &whole, .n_phonemes = 1 };
    clvits_recording *file;
    float *samples = NULL;

    snprintf(path, sizeof(path), "malloc-test-%ld.wav", (long)getpid());
    clvits_status s = clvits_recording_open(&file, c, path, rate);

    if (!s)
        s = clvits_recording_write(file, got.samples, got.n);
    if (!s)
        s = clvits_recording_finish(&file);
    clvits_recording_discard(&file);
    if (access(path, F_OK) != (s ? -1 : 0)) /* an assertion allocates */
        return CLVITS_E_FILE;
    if (s)
        return s;
    s = clvits_samples_read(&samples, &plot.n_samples, c, path, plot.sample_rate, MOST_SAMPLES * 2);
    plot.samples = samples;
    if (!s)
        s = clvits_plot_write(c, &plot, ignore, NULL);
    clvits_samples_free(&samples);
    unlink(path);
    return s;
}

/* What went wrong is told to the listener of a queue, not to the log. */
static void done(void *user, const clvits_spoken *spoken)
{
    *(clvits_status *)user = spoken->status;
    if (spoken->status)
        snprintf(message, sizeof(message), "%s", spoken->message);
}

static clvits_status queue(clvits_utterance *u, clvits_voice *v)
{
    clvits_status spoken = CLVITS_E_CANCELLED;
    clvits_queue *q;
    clvits_status s = clvits_queue_open(&q, &v, 1, 1);

    u->done = done;
    u->params.user = &spoken;
    if (!s)
        s = clvits_queue_add(q, u);
    if (!s)
        clvits_queue_wait(q);
    clvits_queue_close(&q);
    return s ? s : spoken;
}

static void tell(float x)
{
    if (got.n < MOST_SAMPLES)
        got.samples[got.n++] = x;
}

/* A recording, of noise; when each symbol is heard in it, and how well it fits. */
static clvits_status align(const struct work *w, clvits_voice *v)
{
    clvits_alignment *a;
    const clvits_status s =
        clvits_align(&a, v, recorded, LENGTH(recorded), w->text, strlen(w->text), NULL);

    for (size_t i = 0; !s && i < a->n_sentences; i++) {
        for (size_t k = 0; k < a->sentences[i].n_durations; k++)
            tell((float)a->sentences[i].durations[k]);
        tell(a->sentences[i].score);
    }
    clvits_alignment_free(&a);
    return s;
}

static clvits_status revoice(clvits_voice *v)
{
    const clvits_revoice_params p = { .from = 1, .to = 3, .audio = hear };
    return clvits_revoice(v, recorded, LENGTH(recorded), &p);
}

static clvits_status speak(const struct work *w, clvits_context *c, clvits_voice *v)
{
    clvits_utterance u = { .text = w->text, .n = strlen(w->text) };
    clvits_voice_info info;

    clvits_voice_get_info(v, &info);
    clvits_speak_params_default(v, &u.params);
    u.params.audio = hear;
    const clvits_status s =
        w->does == QUEUES ? queue(&u, v) : clvits_speak(v, u.text, u.n, &u.params);
    return s || w->does != RECORDS ? s : record(c, info.sample_rate);
}

static clvits_status work(const struct work *w, clvits_context *c, clvits_voice *v)
{
    got.n = 0;
    return w->does == ALIGNS     ? align(w, v)
           : w->does == REVOICES ? revoice(v)
                                 : speak(w, c, v);
}

/* The work with a voice, and where that fails, again while nothing does. */
static clvits_status try_voice(const struct work *w)
{
    const clvits_context_params p = { .device = device, .threads = 2, .log = keep_log };
    const bool listens = w->does == ALIGNS || w->does == REVOICES;
    char path[1024];
    clvits_context *c;
    clvits_voice *v = NULL;

    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, w->voice ? w->voice : "");
    clvits_status s = clvits_context_open(&c, &p);
    if (!s)
        s = listens ? clvits_voice_open_listening(&v, c, path, NULL)
                    : clvits_voice_open(&v, c, w->voice ? path : NULL);
    if (!s)
        s = work(w, c, v);
    if (s && v) {
        failing_spare();
        if (work(w, c, v) != CLVITS_OK)
            s = CLVITS_E_CANCELLED;
    }
    clvits_voice_close(&v);
    clvits_context_close(&c);
    return s;
}

enum { TEXT = 9, FRAMES = 20, SEGMENT = 8 };

/* A step as it is built, planned and gone through. */
typedef struct training {
    clvits_voice_file file;
    clvits_arrays judging, judging_raw;
    clvits_discriminators judges;
    clvits_training_step step;
    clvits_machine machine;
    clvits_packed_weights *weights;
    clvits_plan *plan;
    clvits_run *run;
} training;

static clvits_status open_training(training *t, const struct work *w, clvits_report *r)
{
    const clvits_model m = { &t->file.config, &t->file.weights };
    const clvits_training_options o = { .batch = 1, .text = TEXT, .frames = FRAMES,
                                        .segment = SEGMENT, .discriminators = &t->judges };
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", GOLDEN_DIR, w->voice);
    t->machine.n_places = 1;
    clvits_status s = clvits_cpu_open(&t->machine.cpu, NULL, 2, r);
    if (!s && device_index >= 0)
        s = clvits_device_open(&t->machine.device[1], device_index, &(clvits_device_params){ 0 },
                               r);
    if (t->machine.device[1])
        t->machine.n_places = 2;
    if (!s)
        s = clvits_voice_file_open_sides(&t->file, path, NULL, CLVITS_SIDE_ALL, r);
    if (!s)
        s = clvits_discriminators_read(&t->judging, &t->judging_raw,
                                       GOLDEN_DIR "/discriminators/D_weight.pth", r);
    if (!s)
        s = clvits_discriminators_measure(&t->judges, &t->judging, r);
    if (!s)
        s = clvits_training_step_build(&t->step, &m, &o, r);
    if (!s)
        s = clvits_packed_weights_open(&t->weights, r);
    if (!s)
        s = clvits_plan_make(&t->plan, t->step.graph, &t->machine, t->weights, NULL, r);
    return s ? s : clvits_run_make(&t->run, t->plan, r);
}

static clvits_status go_training(training *t, clvits_report *r)
{
    static const int32_t ids[TEXT] = { 0, 1, 2, 1, 0, 1, 2, 0, 1 };
    const clvits_training_step *step = &t->step;
    const clvits_tensor *const losses[] = { step->loss, step->discriminator_loss, step->kl_loss,
                                            step->duration_loss };

    clvits_status s = clvits_run_set_length(t->run, step->text_clock, 0, TEXT, r);
    if (!s)
        s = clvits_run_set_length(t->run, step->clock, 0, FRAMES, r);
    if (!s)
        s = clvits_run_write(t->run, step->ids, 0, ids, r);
    if (!s)
        s = clvits_run_write(t->run, step->spec, 0, magnitudes, r);
    if (!s)
        s = clvits_run_write(t->run, step->speech, 0, recorded, r);
    if (!s)
        s = clvits_run_go(t->run, NULL, r);
    got.n = 0;
    for (int i = 0; i < LENGTH(losses) && !s; i++)
        s = clvits_run_read(t->run, losses[i], 0, 0, 1, &got.samples[got.n++], r);
    return s;
}

static void close_training(training *t)
{
    clvits_machine_finish(&t->machine);
    clvits_run_free(&t->run);
    clvits_plan_free(&t->plan);
    clvits_packed_weights_close(&t->weights);
    clvits_device_close(&t->machine.device[1]);
    clvits_graph_close(&t->step.graph);
    clvits_arrays_free(&t->judging);
    clvits_arrays_free(&t->judging_raw);
    clvits_voice_file_free(&t->file);
    clvits_cpu_close(&t->machine.cpu);
}

static clvits_status try_training(const struct work *w)
{
    static training t;
    clvits_report r = { 0 };

    t = (training){ 0 };
    clvits_status s = open_training(&t, w, &r);
    if (!s)
        s = go_training(&t, &r);
    snprintf(message, sizeof(message), "%s", r.text);
    close_training(&t);
    return s;
}

/* The work while allocations from..to fail. */
static clvits_status try(const struct work *w, long from, long to)
{
    got.n = 0;
    message[0] = '\0';
    failing_begin(from, to, on_device);
    const clvits_status s = w->does == TRAINS ? try_training(w) : try_voice(w);
    failing_end();
    if (s && w->does == TRAINS)
        got.n = 0;
    return s;
}

static void check(const struct work *w, long from, long to)
{
    const long before = failing_left();
    const clvits_status s = try(w, from, to);
    char at[96];

    snprintf(at, sizeof(at), "%s, allocations %ld to %ld", w->name, from, to);
    ck_assert_msg(s != CLVITS_E_CANCELLED, "%s: nothing is spoken afterwards", at);
    ck_assert_msg(failing_left() == before, "%s: %ld blocks are left after \"%s\"", at,
                  failing_left() - before, message);
    ck_assert_msg(!s || strlen(message) > 10, "%s: nothing was said", at);
    ck_assert_msg(!s || s == CLVITS_E_MEMORY, "%s: memory ran out, and what is said is: %s: %s", at,
                  clvits_status_text(s), message);
    if (s && !got.n)
        return;
    double signal = 0.0, noise = 0.0;
    ck_assert_msg(got.n == want.n, "%s: %zu samples instead of %zu", at, got.n, want.n);
    for (size_t i = 0; i < want.n; i++) {
        const double d = (double)got.samples[i] - (double)want.samples[i];
        signal += (double)want.samples[i] * (double)want.samples[i];
        noise += d * d;
    }
    ck_assert_double_le(noise, 1e-8 * signal);
}

/* The device of that name, or the first one where it is any. */
static int find_device(const char *name)
{
    clvits_device_info *list;
    clvits_report r = { 0 };
    int n, found = -1;

    ck_assert_int_eq(clvits_device_list(&list, &n, &r), CLVITS_OK);
    for (int i = 0; i < n && found < 0; i++)
        if (!strcmp(name, "opencl") || strstr(list[i].name, name) || strstr(list[i].platform, name))
            found = i;
    free(list);
    return found;
}

/* What the C library and others keep for good is there after the first time. How many allocations
 * the work takes. */
static long begin(const struct work *w)
{
    const char *name = getenv("CLVITS_TEST_DEVICE");

    device = name ? name : "opencl";
    on_device = strncmp(device, "cpu", 3) != 0;
    if (on_device && getenv("CLVITS_TEST_SWEEP"))
        device_index = find_device(device);
    make_noise();
    ck_assert_msg(!try(w, 0, 0), "%s", message);
    memcpy(&want, &got, sizeof(want));
    ck_assert_uint_gt(want.n, 0);
    check(w, 0, 0);
    return failing_count();
}

START_TEST(a_sample_of_allocations_fails)
{
    const struct work *w = &works[_i];
    const int most = _i ? LITTLE : on_device ? DEVICE_SAMPLE : SAMPLE;
    const int tries = getenv("CLVITS_TEST_TINY") ? most / 2 : most;
    uint64_t seed = 88172645463325252u;
    const long n = begin(w);

    for (int i = 0; i < tries; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        /* Half of them among the first and the last, where most of the code is. */
        const long among = n < 400 || i % 2 ? n : 400;
        const long at = 1 + (long)(seed % (uint64_t)among), from = i % 4 < 2 ? at : n + 1 - at;
        check(w, from, i % 3 ? from : n);
    }
}
END_TEST

START_TEST(every_allocation_fails)
{
    const struct work *w = &works[_i];
    long runs = 0, step = 0, first = 0;

    if (harness_left_out(_i))
        return;
    const long n = begin(w);
    ck_assert(sscanf(getenv("CLVITS_TEST_SWEEP"), "%ld+%ld", &step, &first) >= 1);
    ck_assert(step > 0 && first >= 0 && first < step);
    for (long i = 1 + first; i <= n; i += step) {
        check(w, i, i);
        if (++runs % 16 == 0)
            check(w, i, INT32_MAX);
    }
    printf("%s: %ld allocations, %ld runs\n", w->name, n, runs + runs / 16);
    fflush(stdout);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("malloc");
    TCase *t = tcase_create("allocations");
    const bool all = getenv("CLVITS_TEST_SWEEP") != NULL;

    tcase_set_timeout(t, all ? 7200 : HARNESS_TIMEOUT);
    tcase_add_loop_test(t, all ? every_allocation_fails : a_sample_of_allocations_fails, 0,
                        LENGTH(works));
    suite_add_tcase(s, t);
    return harness_main(s);
}
