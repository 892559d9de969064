// SPDX-License-Identifier: MIT
//
// Trained decoders and duration predictors of public voices, where the folder with them stands
// beside the project (they may not ship); each reproduces PyTorch's output to 80 dB.
#include "io/torch.h"
#include "model/blocks.h"
#include "stages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
    harness h;
    clvits_arrays raw, weights;
    clvits_config config;
    clvits_model model;
} fixture;

static const char *path_of(const char *name)
{
    static char path[1024]; /* a test is a process of its own */
    snprintf(path, sizeof(path), "%s/%s", SHARED_VOICES, name);
    return path;
}

/* v * g / |v|, the norm over all axes but the first, as PyTorch defines it. */
static const float *fold(fixture *f, const clvits_array *v, const clvits_array *g)
{
    const int64_t n = clvits_array_count(v), inner = n / v->shape[0];
    float *out = clvits_arena_array(&f->h.arena, (size_t)n, sizeof(*out));
    float *norm = clvits_arena_array(&f->h.arena, (size_t)v->shape[0], sizeof(*norm));

    ck_assert(out && norm);
    clvits_array_floats(v, out);
    clvits_array_floats(g, norm);
    for (int64_t o = 0; o < v->shape[0]; o++) {
        double sum = 0;
        for (int64_t i = 0; i < inner; i++)
            sum += (double)out[o * inner + i] * (double)out[o * inner + i];
        for (int64_t i = 0; i < inner; i++)
            out[o * inner + i] = (float)((double)out[o * inner + i] * (double)norm[o] / sqrt(sum));
    }
    return out;
}

/* All arrays under prefix + their own names, as floats, weight norm folded. */
static void take_weights(fixture *f, const char *prefix)
{
    for (size_t i = 0; i < f->raw.count; i++) {
        clvits_array a = f->raw.items[i];
        const size_t n = strlen(a.name);
        char name[160], other[160];

        if (n > 2 && !strcmp(a.name + n - 2, "_g"))
            continue;
        snprintf(name, sizeof(name), "%s%s", prefix, a.name);
        const size_t count = (size_t)clvits_array_count(&a);
        float *data = clvits_arena_array(&f->h.arena, count, sizeof(*data));
        ck_assert_ptr_nonnull(data);
        clvits_array_floats(&a, data);
        a.data = data;
        if (n > 2 && !strcmp(a.name + n - 2, "_v")) {
            snprintf(other, sizeof(other), "%.*s_g", (int)n - 2, a.name);
            a.data = fold(f, &f->raw.items[i], clvits_arrays_find(&f->raw, other));
            name[strlen(name) - 2] = '\0';
        }
        a.name = name;
        a.dtype = CLVITS_DTYPE_F32;
        ck_assert_int_eq(clvits_arrays_add(&f->weights, &a, &f->h.report), CLVITS_OK);
    }
    f->model = (clvits_model){ &f->config, &f->weights };
}

/* False, with a word on standard error, when the file is not on this machine. */
static bool is_there(const char *file)
{
    if (!access(path_of(file), R_OK))
        return true;
    fprintf(stderr, "skipped: %s is not there\n", path_of(file));
    return false;
}

static bool open_parts(fixture *f, const char *file, const char *prefix)
{
    if (!is_there(file))
        return false;
    harness_begin(&f->h, 1);
    ck_assert_msg(clvits_safetensors_open(&f->raw, path_of(file), &f->h.report) == CLVITS_OK, "%s",
                  f->h.report.text);
    take_weights(f, prefix);
    return true;
}

/* The tensors that a file of PyTorch has under a key. */
static bool open_checkpoint(fixture *f, const char *file, const char *key, const char *prefix)
{
    clvits_torch *t;

    if (!is_there(file))
        return false;
    harness_begin(&f->h, 1);
    ck_assert_msg(clvits_torch_open(&t, path_of(file), &f->h.report) == CLVITS_OK, "%s",
                  f->h.report.text);
    const clvits_value *dict = clvits_value_at(clvits_torch_root(t), key);
    ck_assert_msg(clvits_torch_arrays(&f->raw, t, dict, "", &f->h.report) == CLVITS_OK, "%s",
                  f->h.report.text);
    clvits_torch_close(&t);
    take_weights(f, prefix);
    return true;
}

static void close_parts(fixture *f)
{
    harness_end(&f->h);
    clvits_arrays_free(&f->weights);
    clvits_arrays_free(&f->raw);
}

static void set_stages(clvits_config *c, int n, const int *rates, const int *kernels)
{
    c->n_upsamples = n;
    c->hop_length = 1;
    for (int i = 0; i < n; i++) {
        c->upsample_rates[i] = rates[i];
        c->upsample_kernel_sizes[i] = kernels[i];
        c->hop_length *= rates[i];
    }
}

static void set_blocks(clvits_config *c, int kind, const int *kernels, int n_dilations,
                       const int dilations[3][3])
{
    c->resblock = kind;
    c->n_resblocks = 3;
    for (int j = 0; j < 3; j++) {
        c->resblock_kernel_sizes[j] = kernels[j];
        c->n_resblock_dilations[j] = n_dilations;
        memcpy(c->resblock_dilation_sizes[j], dilations[j], sizeof(dilations[j]));
    }
}

static clvits_config piper_medium(int gin)
{
    clvits_config c = clvits_config_default();

    c.inter_channels = c.hidden_channels = c.dp_filter_channels = 192;
    c.upsample_initial_channel = 256;
    c.gin_channels = gin;
    c.use_sdp = 1;
    set_stages(&c, 3, (int[]){ 8, 8, 4 }, (int[]){ 16, 16, 8 });
    set_blocks(&c, 2, (int[]){ 3, 5, 7 }, 2,
               (const int[3][3]){ { 1, 2, 0 }, { 2, 6, 0 }, { 3, 12, 0 } });
    return c;
}

static clvits_config hifigan_v2(void)
{
    clvits_config c = clvits_config_default();

    c.inter_channels = 80;
    c.upsample_initial_channel = 128;
    c.conv_post_bias = 1;
    set_stages(&c, 4, (int[]){ 8, 8, 2, 2 }, (int[]){ 16, 16, 4, 4 });
    set_blocks(&c, 1, (int[]){ 3, 7, 11 }, 3,
               (const int[3][3]){ { 1, 3, 5 }, { 1, 3, 5 }, { 1, 3, 5 } });
    return c;
}

/* What a speaker adds to the decoder, among the conditions of all parts. */
static const float *conditions(fixture *f, int speaker)
{
    clvits_scope s = { .c = &f->config, .weights = &f->weights };
    const int all = clvits_condition_channels(&f->config, CLVITS_OF_SPEECH);
    const int n = clvits_condition_channels(&f->config, CLVITS_OF_DECODER);
    float *out = harness_random(&f->h, all, 0, 0);

    ck_assert_int_eq(clvits_graph_open(&s.graph, 1, &f->h.report), CLVITS_OK);
    clvits_tensor *sid = clvits_graph_input(s.graph, CLVITS_I32, 0, 1);
    clvits_tensor *cond = clvits_graph_keep(clvits_conditions(&s, sid, CLVITS_OF_DECODER));
    ck_assert_msg(clvits_graph_finish(s.graph, &f->h.report) == CLVITS_OK, "%s", f->h.report.text);
    stages_run run = stages_open(&f->h, s.graph);
    stages_write(&f->h, &run, sid, &speaker);
    stages_go(&f->h, &run);
    memcpy(out + all - n, stages_read(&f->h, &run, cond, 1), (size_t)n * sizeof(*out));
    stages_close(&run, &s.graph);
    return out;
}

static void decode(fixture *f, const char *in, const char *out, int speaker)
{
    const clvits_stage_options o = { .batch = 1 };
    clvits_wave_stage s;
    int frames, samples;

    const float *z = stages_rows(&f->h, path_of(in), f->config.inter_channels, &frames);
    ck_assert_msg(clvits_wave_stage_build(&s, &f->model, &o, frames, &f->h.report) == CLVITS_OK,
                  "%s", f->h.report.text);
    stages_run run = stages_open(&f->h, s.graph);
    stages_length(&f->h, &run, s.clock, frames);
    stages_write(&f->h, &run, s.z, z);
    if (s.cond)
        stages_write(&f->h, &run, s.cond, conditions(f, speaker));
    stages_go(&f->h, &run);
    const float *want = stages_rows(&f->h, path_of(out), 1, &samples);
    ck_assert_int_eq(samples, frames * f->config.hop_length);
    stages_compare(out, stages_read(&f->h, &run, s.wave, samples), want, samples);
    stages_close(&run, &s.graph);
}

static void predict(fixture *f, const char *folder, int speaker)
{
    clvits_scope s = { .c = &f->config, .weights = &f->weights };
    char name[128];
    int ids, n;

    ck_assert_int_eq(clvits_graph_open(&s.graph, 1, &f->h.report), CLVITS_OK);
    snprintf(name, sizeof(name), "%s/dp_x.npy", folder);
    const float *x = stages_rows(&f->h, path_of(name), 192, &ids);
    snprintf(name, sizeof(name), "%s/dp_noise_unit.npy", folder);
    const float *unit = stages_rows(&f->h, path_of(name), 2, &n);
    snprintf(name, sizeof(name), "%s/dp_logw_noisew0.8.npy", folder);
    const float *want = stages_rows(&f->h, path_of(name), 1, &n);

    const int clock = clvits_graph_clock(s.graph, ids), slot = clvits_graph_scalar(s.graph, 1);
    clvits_tensor *tx = clvits_graph_input(s.graph, CLVITS_F32, clock, 192);
    clvits_tensor *noise = clvits_graph_input(s.graph, CLVITS_F32, clock, 2), *sid = NULL;
    if (f->config.gin_channels) {
        sid = clvits_graph_input(s.graph, CLVITS_I32, 0, 1);
        s.cond = clvits_conditions(&s, sid, CLVITS_OF_DURATIONS);
        s.cond_parts = CLVITS_OF_DURATIONS;
    }
    clvits_tensor *logw = clvits_graph_keep(clvits_duration_stochastic(&s, tx, noise, slot));
    ck_assert_msg(clvits_graph_finish(s.graph, &f->h.report) == CLVITS_OK, "%s", f->h.report.text);
    stages_run run = stages_open(&f->h, s.graph);
    stages_length(&f->h, &run, clock, ids);
    clvits_run_set_float(run.run, slot, 0, 0.8f);
    stages_write(&f->h, &run, tx, x);
    stages_write(&f->h, &run, noise, unit);
    stages_write(&f->h, &run, sid, &speaker);
    stages_go(&f->h, &run);
    stages_compare(name, stages_read(&f->h, &run, logw, ids), want, ids);
    stages_close(&run, &s.graph);
}

START_TEST(single_speaker)
{
    fixture f = { .config = piper_medium(0) };
    if (!open_parts(&f, "piper-zh-parts/zh_partial_dec_dp.safetensors", ""))
        return;
    decode(&f, "piper-zh-parts/dec_z.npy", "piper-zh-parts/dec_wav.npy", 0);
    decode(&f, "piper-zh-parts/speech_z_inverted_LJ001-0002.npy",
           "piper-zh-parts/speech_wav_from_z.npy", 0);
    predict(&f, "piper-zh-parts", 0);
    close_parts(&f);
}
END_TEST

START_TEST(many_speakers)
{
    fixture f = { .config = piper_medium(512) };
    if (!open_parts(&f, "piper-en-parts/en_partial_dec_dp.safetensors", ""))
        return;
    decode(&f, "piper-en-parts/dec_z.npy", "piper-en-parts/dec_wav.npy", 92);
    decode(&f, "piper-en-parts/speech_z_inverted_LJ001-0002.npy",
           "piper-en-parts/speech_wav_from_z.npy", 92);
    predict(&f, "piper-en-parts", 92);
    close_parts(&f);
}
END_TEST

START_TEST(generator)
{
    fixture f = { .config = hifigan_v2() };
    if (!open_parts(&f, "hifigan-v2/generator_v2_weightnorm.safetensors", "dec."))
        return;
    decode(&f, "hifigan-v2/golden_LJ001-0002_mel.npy", "hifigan-v2/golden_LJ001-0002_wav.npy", 0);
    close_parts(&f);
}
END_TEST

START_TEST(generator_of_pytorch)
{
    fixture f = { .config = hifigan_v2() };
    if (!open_checkpoint(&f, "hifigan-v2/generator_v2", "generator", "dec."))
        return;
    decode(&f, "hifigan-v2/golden_LJ001-0002_mel.npy", "hifigan-v2/golden_LJ001-0002_wav.npy", 0);
    close_parts(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parts");
    TCase *t = tcase_create("trained");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_test(t, single_speaker);
    tcase_add_test(t, many_speakers);
    tcase_add_test(t, generator);
    tcase_add_test(t, generator_of_pytorch);
    suite_add_tcase(s, t);
    return harness_main(s);
}
