// SPDX-License-Identifier: MIT
//
// Whole voices against PyTorch, stage by stage, with the same noise: durations equal, the rest at
// 80 dB.
#include "graph/plan.h"
#include "model/voice_file.h"
#include "op/conv.h"
#include "stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct voice_case {
    const char *voice;  /* below the golden files, or below CLVITS_SHARED_VOICES with '@' */
    const char *config; /* NULL: the usual name */
    const char *ids;    /* below the voice */
    const char *stem;   /* of the other arrays: STEM_durations.npy, ... */
    int speaker;
    float noise_scale, noise_w, length_scale; /* noise_scale 0: no noise files */
    const char *encoder; /* stem of enc, m and logs where it differs */
    int language;
} voice_case;

#define CKPT "lightning_logs/version_0/checkpoints/epoch=5-step=1000.ckpt"

static const voice_case cases[] = {
    { "hf-sdp", NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.8f, 1 / 1.1f, NULL, 0 },
    { "hf-sdp", NULL, "ref/1_ids", "ref/1", 0, 0.5f, 0.9f, 1 / 1.1f, NULL, 0 },
    { "hf-sdp", NULL, "ref/2_ids", "ref/2", 0, 0.667f, 0.8f, 1 / 1.1f, NULL, 0 },
    { "hf-sdp/model_weight_g.safetensors", NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.8f, 1 / 1.1f,
      NULL, 0 },
    { "hf-dp-speakers", NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.0f, 1.0f, NULL, 0 },
    { "hf-dp-speakers", NULL, "ref/1_ids", "ref/1", 2, 0.4f, 0.0f, 1 / 0.8f, NULL, 0 },
    { "hf-dp-speakers", NULL, "ref/2_ids", "ref/2", 3, 0.667f, 0.0f, 1.0f, NULL, 0 },
    { "piper-single/model.onnx", NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.8f, 1.0f, NULL, 0 },
    { "piper-single/model.onnx", NULL, "ref/1_ids", "ref/1", 0, 0.4f, 0.6f, 1.3f, NULL, 0 },
    { "piper-multi/model.onnx", NULL, "ref/0_ids", "ref/0", 1, 0.333f, 0.5f, 1.0f, NULL, 0 },
    { "piper-multi/model.onnx", NULL, "ref/1_ids", "ref/1", 3, 0.6f, 0.8f, 0.9f, NULL, 0 },
    { "piper-single/model.onnx", NULL, "ref/0_ids", "ref/0_ort", 0, 0.0f, 0.0f, 1.0f, "", 0 },
    { "piper-multi/model.onnx", NULL, "ref/1_ids", "ref/1_ort", 3, 0.0f, 0.0f, 0.9f, "", 0 },
    { "sherpa-lexicon/model.onnx", NULL, "ref/0_ids", "ref/0", 2, 0.667f, 0.0f, 1.2f, NULL, 0 },
    { "sherpa-characters/model.onnx", NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.0f, 1.0f, NULL, 0 },
    { "sherpa-characters/model.onnx", NULL, "ref/0_ids", "ref/0_ort", 0, 0.0f, 0.0f, 1.0f, "", 0 },
    { "vits-single", NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.8f, 1.0f, NULL, 0 },
    { "vits-single/G_3000.pth", NULL, "ref/1_ids", "ref/1", 0, 0.4f, 0.6f, 1.2f, NULL, 0 },
    { "vits-speakers", NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.0f, 1.0f, NULL, 0 },
    { "vits-speakers", NULL, "ref/1_ids", "ref/1", 2, 0.5f, 0.0f, 0.9f, NULL, 0 },
    { "mms", NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.8f, 1.0f, NULL, 0 },
    { "mms", NULL, "ref/1_ids", "ref/1", 0, 0.5f, 0.9f, 1.0f, NULL, 0 },
    { "piper-ckpt/" CKPT, NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.8f, 1.0f, NULL, 0 },
    { "piper-ckpt-speakers/" CKPT, NULL, "ref/0_ids", "ref/0", 1, 0.333f, 0.5f, 1.0f, NULL, 0 },
    { "coqui-languages", NULL, "ref/0_ids", "ref/0", 1, 0.667f, 0.8f, 1.0f, NULL, 2 },
    { "coqui-languages", NULL, "ref/1_ids", "ref/1", 0, 0.667f, 0.8f, 1.0f, NULL, 0 },
    { "coqui-phonemes", NULL, "ref/0_ids", "ref/0", 2, 0.667f, 0.0f, 1.0f, NULL, 1 },
    { "coqui-vectors", NULL, "ref/0_ids", "ref/0", 1, 0.667f, 0.0f, 1.0f, NULL, 0 },
    { "coqui-single/model.pth", NULL, "ref/0_ids", "ref/0", 0, 0.667f, 0.8f, 1.0f, NULL, 0 },
    { "coqui-single/model.onnx", NULL, "ref/0_ids", "ref/0_ort", 0, 0.0f, 0.0f, 1.0f, "", 0 },
    { "mini", NULL, "ref/0_ids", "ref16/0_sdp", 0, 0, 0, 1, "ref16/0", 0 },
    { "mini", NULL, "ref/1_ids", "ref16/1_sdp", 0, 0, 0, 1, "ref16/1", 0 },
    { "mini", NULL, "ref/2_ids", "ref16/2_sdp", 0, 0, 0, 1, "ref16/2", 0 },
    { "mini", NULL, "ref/1_ids", "ref16/1_noisy", 0, 0.333f, 0.5f, 1 / 0.9f, "ref16/1", 0 },
    { "@mini-fp32/model.safetensors", NULL, "ref/0_ids", "ref/0_sdp", 0, 0, 0, 1, "ref/0", 0 },
    { "@mini-fp32/model.safetensors", NULL, "ref/1_ids", "ref/1_sdp", 0, 0, 0, 1, "ref/1", 0 },
    { "@mini-fp32/model.safetensors", NULL, "ref/2_ids", "ref/2_sdp", 0, 0, 0, 1, "ref/2", 0 },
    { "@mini-fp32/model_dp.safetensors", "config_dp.json", "ref/0_ids", "ref/0_dp", 0, 0, 0, 1,
      "ref/0", 0 },
    { "@mini-fp32/model_dp.safetensors", "config_dp.json", "ref/2_ids", "ref/2_dp", 0, 0, 0, 1,
      "ref/2", 0 },
};

typedef struct fixture {
    harness h;
    const voice_case *c;
    clvits_voice_file file;
    clvits_model model;
    char folder[1024]; /* of the golden files */
    const float *cond; /* what the speaker adds, of the text stage */
} fixture;

static const char *path_of(const fixture *f, const char *stem, const char *name)
{
    static char path[1400]; /* a test is a process of its own */
    snprintf(path, sizeof(path), "%s/%s%s%s.npy", f->folder, stem, *name ? "_" : "", name);
    return path;
}

static bool there(const fixture *f, const char *stem, const char *name)
{
    return access(path_of(f, stem, name), R_OK) == 0;
}

/* False when the voice is not on this machine. */
static bool open_voice(fixture *f, const voice_case *c)
{
    char path[1024], config[1100];
    const bool shared = c->voice[0] == '@';
    const bool mini = !strcmp(c->voice, "mini");

    f->c = c;
    snprintf(path, sizeof(path), "%s/%s",
             shared ? SHARED_VOICES : mini ? SOURCE_VOICES : GOLDEN_DIR, c->voice + shared);
    snprintf(f->folder, sizeof(f->folder), "%s/%s", shared ? SHARED_VOICES : GOLDEN_DIR,
             c->voice + shared);
    char *below = strstr(f->folder, "/" CKPT);
    if (!below && strrchr(f->folder, '.') > strrchr(f->folder, '/'))
        below = strrchr(f->folder, '/');
    if (below)
        *below = '\0';
    snprintf(config, sizeof(config), "%s/%s", f->folder, c->config ? c->config : "");
    if (shared && access(path, R_OK)) {
        fprintf(stderr, "skipped: %s is not there\n", path);
        return false;
    }
    harness_begin(&f->h, 1);
    const clvits_status s =
        clvits_voice_file_open(&f->file, path, c->config ? config : NULL, &f->h.report);
    ck_assert_msg(s == CLVITS_OK, "%s", f->h.report.text);
    f->model = (clvits_model){ &f->file.config, &f->file.weights };
    return true;
}

static void close_voice(fixture *f)
{
    harness_end(&f->h);
    clvits_voice_file_free(&f->file);
}

/* Compare a kept tensor with a golden array, where there is one. */
static void compare(fixture *f, const stages_run *run, const clvits_tensor *t, int rows,
                    const char *stem, const char *name)
{
    int n;
    if (!there(f, stem, name))
        return;
    const float *want = stages_rows(&f->h, path_of(f, stem, name), t->C, &n);
    ck_assert_int_eq(n, rows);
    stages_compare(name, stages_read(&f->h, run, t, rows), want, (int64_t)rows * t->C);
}

static void compare_stats(fixture *f, const float *stats, int rows, const char *stem)
{
    const int C = f->file.config.inter_channels;
    const char *names[] = { "m", "logs" };
    float *got = harness_random(&f->h, (int64_t)rows * C, 0, 0);
    int n;

    for (int half = 0; half < 2; half++) {
        if (!there(f, stem, names[half]))
            continue;
        const float *want = stages_rows(&f->h, path_of(f, stem, names[half]), C, &n);
        ck_assert_int_eq(n, rows);
        for (int t = 0; t < rows; t++)
            memcpy(got + t * C, stats + (t * 2 + half) * C, (size_t)C * sizeof(*got));
        stages_compare(names[half], got, want, (int64_t)rows * C);
    }
}

/* The noise of a case, or zeros. */
static const float *noise(fixture *f, const char *name, int channels, int rows)
{
    int n;
    if (f->c->noise_scale == 0.0f)
        return harness_random(&f->h, (int64_t)rows * channels, 0, 0);
    const float *values = stages_rows(&f->h, path_of(f, f->c->stem, name), channels, &n);
    ck_assert_int_eq(n, rows);
    return values;
}

/* The language of the case, for each id. */
static const int32_t *languages(fixture *f, int n)
{
    int32_t *ids = clvits_arena_array(&f->h.arena, (size_t)n, sizeof(*ids));

    ck_assert_ptr_nonnull(ids);
    for (int i = 0; i < n; i++)
        ids[i] = f->c->language;
    return ids;
}

/* Returns the number of frames; stats and ends receive what the next stage reads. */
static int run_text(fixture *f, float **stats, int32_t **ends, int *n_ids)
{
    const voice_case *c = f->c;
    const clvits_stage_options o = { .batch = 1, .inject_noise = true, .keep_all = true };
    const char *encoder = c->encoder ? c->encoder : c->stem;
    clvits_text_stage s;
    int n;

    const int32_t *ids = stages_ints(&f->h, path_of(f, c->ids, ""), n_ids);
    const int N = *n_ids;
    ck_assert_msg(clvits_text_stage_build(&s, &f->model, &o, N + 3, &f->h.report) == CLVITS_OK,
                  "%s", f->h.report.text);
    stages_run run = stages_open(&f->h, s.graph);
    clvits_run_set_float(run.run, s.noise_w, 0, c->noise_w);
    clvits_run_set_float(run.run, s.length_scale, 0, c->length_scale);
    stages_length(&f->h, &run, s.clock, N);
    stages_write(&f->h, &run, s.ids, ids);
    stages_write(&f->h, &run, s.sid, &c->speaker);
    if (s.lids)
        stages_write(&f->h, &run, s.lids, languages(f, N));
    if (s.noise)
        stages_write(&f->h, &run, s.noise, noise(f, "noise_dp", 2, N));
    stages_go(&f->h, &run);

    if (s.cond)
        f->cond = stages_read(&f->h, &run, s.cond, 1);
    *stats = stages_read(&f->h, &run, s.stats, N);
    *ends = stages_read(&f->h, &run, s.ends, N);
    const int32_t *durations = stages_read(&f->h, &run, s.durations, N);
    compare(f, &run, s.enc, N, encoder, "enc");
    compare_stats(f, *stats, N, encoder);
    compare(f, &run, s.logw, N, c->stem, "logw");
    const int32_t *want = stages_ints(&f->h, path_of(f, c->stem, "durations"), &n);
    ck_assert_int_eq(n, N);
    for (int i = 0; i < N; i++)
        ck_assert_msg(durations[i] == want[i], "id %d: %d frames, want %d", i, durations[i],
                      want[i]);
    stages_close(&run, &s.graph);
    return (*ends)[N - 1];
}

static float *run_latent(fixture *f, const float *stats, const int32_t *ends, int n_ids, int frames)
{
    const clvits_stage_options o = { .batch = 1, .inject_noise = true, .keep_all = true };
    const int C = f->file.config.inter_channels;
    clvits_latent_stage s;

    ck_assert_int_eq(
        clvits_latent_stage_build(&s, &f->model, &o, n_ids + 1, frames + 5, &f->h.report), 0);
    stages_run run = stages_open(&f->h, s.graph);
    clvits_run_set_float(run.run, s.noise_scale, 0, f->c->noise_scale);
    stages_length(&f->h, &run, s.text_clock, n_ids);
    stages_length(&f->h, &run, s.clock, frames);
    stages_write(&f->h, &run, s.stats, stats);
    stages_write(&f->h, &run, s.ends, ends);
    stages_write(&f->h, &run, s.cond, f->cond);
    stages_write(&f->h, &run, s.noise, noise(f, "noise_z", C, frames));
    stages_go(&f->h, &run);
    float *z = stages_read(&f->h, &run, s.z, frames);
    compare(f, &run, s.z_p, frames, f->c->stem, "z_p");
    compare(f, &run, s.z, frames, f->c->stem, "z");
    stages_close(&run, &s.graph);
    return z;
}

/* Nodes of a plan that take a Toom-Cook form. */
static int count_toom(const clvits_plan *plan)
{
    int n = 0;

    for (int i = 0; i < plan->n_steps; i++) {
        const clvits_node *node = plan->steps[i].node;
        n += node && (node->op == &clvits_op_conv1d || node->op == &clvits_op_conv_transpose1d) &&
             ((const conv1d_dims *)plan->steps[i].dims)->layout == CLVITS_CONV_TOOM;
    }
    return n;
}

/* Returns how many convolutions took a Toom-Cook form. */
static int run_wave(fixture *f, const float *z, int frames)
{
    const clvits_stage_options o = { .batch = 1 };
    clvits_wave_stage s;

    ck_assert_int_eq(clvits_wave_stage_build(&s, &f->model, &o, frames + 2, &f->h.report), 0);
    stages_run run = stages_open(&f->h, s.graph);
    stages_length(&f->h, &run, s.clock, frames);
    stages_write(&f->h, &run, s.z, z);
    stages_write(&f->h, &run, s.cond, f->cond);
    stages_go(&f->h, &run);
    ck_assert(there(f, f->c->stem, "wave"));
    compare(f, &run, s.wave, frames * f->file.config.hop_length, f->c->stem, "wave");
    const int n = count_toom(run.plan);
    stages_close(&run, &s.graph);
    return n;
}

START_TEST(voice)
{
    fixture f = { 0 };
    float *stats;
    int32_t *ends;
    int n_ids;

    /* On kernels for GPUs, which PoCL takes long to build, one voice of every kind. */
    if (getenv("CLVITS_TEST_FAMILY") && !getenv("CLVITS_TEST_SWEEP") && _i % 10)
        return;
    if (!open_voice(&f, &cases[_i]))
        return;
    const int frames = run_text(&f, &stats, &ends, &n_ids);
    run_wave(&f, run_latent(&f, stats, ends, n_ids, frames), frames);
    close_voice(&f);
}
END_TEST

/* GPUs take Toom-Cook forms only where a row of the tuning asks for them. */
START_TEST(transformed_on_gpus)
{
    static const clvits_row row = { .room = "conv1d", .text = "",
                                    .values = { 1, { { "layout", CLVITS_CONV_TOOM,
                                                       CLVITS_CONV_TOOM } } } };
    static const clvits_row *const rows[] = { &row };
    fixture f = { 0 };
    float *stats;
    int32_t *ends;
    int n_ids;

    if (!open_voice(&f, &cases[0]))
        return;
    clvits_device *device = f.h.machine.device[1];
    if (device && clvits_device_get_info(device)->family == CLVITS_FAMILY_GPU) {
        const int frames = run_text(&f, &stats, &ends, &n_ids);
        const float *z = run_latent(&f, stats, ends, n_ids, frames);
        clvits_device_set_tuned(device, &(clvits_tuned){ .row = rows, .n = 1 });
        ck_assert_int_ge(run_wave(&f, z, frames), 9);
    }
    close_voice(&f);
}
END_TEST

static const int predictors[] = { 0, 4 }; /* stochastic, plain */

START_TEST(predictors_have_their_own_eps)
{
    fixture f = { 0 };
    const clvits_stage_options o = { .batch = 1 };
    clvits_text_stage s;
    int norms = 0;

    ck_assert(open_voice(&f, &cases[predictors[_i]]));
    f.file.config.dp_norm_eps = 0.25f;
    ck_assert_int_eq(clvits_text_stage_build(&s, &f.model, &o, 9, &f.h.report), CLVITS_OK);
    for (int i = 0; i < s.graph->n_nodes; i++) {
        const clvits_node *n = s.graph->nodes[i];
        const bool predictor = !strncmp(n->label, "dp", 2);
        const clvits_layer_norm_params *norm = n->params;
        const clvits_separable_params *layer = n->params;
        if (n->op != &clvits_op_layer_norm && n->op != &clvits_op_separable)
            continue;
        const float eps = n->op == &clvits_op_layer_norm ? norm->eps : layer->eps;
        ck_assert_msg((eps == 0.25f) == predictor, "%s: eps %g", n->label, (double)eps);
        norms += predictor;
    }
    ck_assert_int_gt(norms, 0);
    clvits_graph_close(&s.graph);
    close_voice(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *t = tcase_create("voices");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, voice, 0, LENGTH(cases));
    tcase_add_test(t, transformed_on_gpus);
    tcase_add_loop_test(t, predictors_have_their_own_eps, 0, LENGTH(predictors));
    suite_add_tcase(s, t);
    return harness_main(s);
}
