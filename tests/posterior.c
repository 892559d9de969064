// SPDX-License-Identifier: MIT
//
// Posterior encoder and flow against PyTorch, from a spectrogram to the latent, through the flow
// and back, with and without speakers.
#include "model/blocks.h"
#include "model/voice_file.h"
#include "stages.h"

#include <stdio.h>

static const struct {
    const char *name;
    int source, target; /* speakers; -1: there are none */
} voices[] = { { "hf-sdp", -1, -1 }, { "hf-dp-speakers", 1, 3 } };

typedef struct fixture {
    harness h;
    clvits_voice_file voice;
    const char *name;
    clvits_scope source, target;
    int clock, frames;
} fixture;

static const float *read_golden(fixture *f, const char *what, int channels, int *rows)
{
    char path[1024];

    snprintf(path, sizeof(path), GOLDEN_DIR "/%s/ref/vc_%s.npy", f->name, what);
    return stages_rows(&f->h, path, channels, rows);
}

/* A value per frame. */
static const float *golden_of(fixture *f, const char *what, int channels)
{
    int rows;

    const float *values = read_golden(f, what, channels, &rows);
    ck_assert(f->frames == 0 || rows == f->frames);
    f->frames = rows;
    return values;
}

static clvits_scope scope_of(fixture *f, int speaker, int parts)
{
    clvits_scope s = { .graph = f->h.graph, .c = &f->voice.config, .weights = &f->voice.weights,
                       .cond_parts = parts };
    int *sid = clvits_arena_array(&f->h.arena, 1, sizeof(*sid));

    ck_assert_ptr_nonnull(sid);
    *sid = speaker;
    if (speaker >= 0)
        s.cond = clvits_conditions(&s, harness_input_of(&f->h, CLVITS_I32, 0, 1, sid), parts);
    return s;
}

static void begin(fixture *f, int i)
{
    char path[1024];

    *f = (fixture){ .name = voices[i].name };
    harness_begin(&f->h, 1);
    snprintf(path, sizeof(path), GOLDEN_DIR "/%s", f->name);
    ck_assert_msg(!clvits_voice_file_open_sides(&f->voice, path, NULL, CLVITS_SIDE_POSTERIOR,
                                                &f->h.report),
                  "%s", f->h.report.text);
    f->source = scope_of(f, voices[i].source, CLVITS_OF_FLOW | CLVITS_OF_POSTERIOR);
    f->target = scope_of(f, voices[i].target, CLVITS_OF_FLOW | CLVITS_OF_DECODER);
}

static clvits_tensor *input(fixture *f, const char *what, int channels)
{
    const float *values = golden_of(f, what, channels);

    if (!f->clock)
        f->clock = clvits_graph_clock(f->h.graph, f->frames);
    return harness_input_of(&f->h, CLVITS_F32, f->clock, channels, values);
}

static void compare(fixture *f, const clvits_tensor *t, const char *what)
{
    const int channels = f->voice.config.inter_channels;
    const float *want = golden_of(f, what, channels);
    double *exact = clvits_arena_array(&f->h.arena, (size_t)(f->frames * channels), sizeof(*exact));

    ck_assert_ptr_nonnull(exact);
    for (int i = 0; i < f->frames * channels; i++)
        exact[i] = (double)want[i];
    stages_compare(what, harness_output(&f->h, t), want, (int64_t)f->frames * channels);
    harness_close(&f->h, t, exact, 1e-4);
}

START_TEST(as_in_pytorch)
{
    fixture f;
    clvits_tensor *m, *logs;

    begin(&f, _i);
    const clvits_config *c = &f.voice.config;
    clvits_tensor *spec = input(&f, "spec", c->n_fft / 2 + 1);
    clvits_tensor *noise = input(&f, "noise", c->inter_channels);
    clvits_tensor *z = clvits_posterior_encoder(&f.source, spec, noise, &m, &logs);
    clvits_graph_keep(z);
    clvits_tensor *mean = clvits_graph_keep(clvits_copy(m));
    clvits_tensor *scale = clvits_graph_keep(clvits_copy(logs));
    clvits_tensor *z_p = clvits_graph_keep(clvits_flow_forward(&f.source, z, NULL));
    clvits_tensor *back = clvits_graph_keep(clvits_flow_reverse(&f.target, z_p));
    clvits_tensor *wave = clvits_graph_keep(clvits_decoder(&f.target, back));
    harness_plan(&f.h);
    harness_go(&f.h);
    compare(&f, mean, "m_q");
    compare(&f, scale, "logs_q");
    compare(&f, z, "z");
    compare(&f, z_p, "z_p");
    compare(&f, back, "z_hat");
    int samples;
    const float *want = read_golden(&f, "wave", 1, &samples);
    ck_assert_int_eq(samples, f.frames * c->hop_length);
    stages_compare("wave", harness_output(&f.h, wave), want, samples);
    harness_end(&f.h);
    clvits_voice_file_free(&f.voice);
}
END_TEST

/* Without noise the latent is the posterior's mean. */
START_TEST(the_mean_is_the_default)
{
    fixture f;
    clvits_tensor *m, *logs;

    begin(&f, _i);
    clvits_tensor *spec = input(&f, "spec", f.voice.config.n_fft / 2 + 1);
    clvits_tensor *z = clvits_graph_keep(
        clvits_copy(clvits_posterior_encoder(&f.source, spec, NULL, &m, &logs)));
    harness_plan(&f.h);
    harness_go(&f.h);
    compare(&f, z, "m_q");
    harness_end(&f.h);
    clvits_voice_file_free(&f.voice);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("posterior");
    TCase *t = tcase_create("golden");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, as_in_pytorch, 0, LENGTH(voices));
    tcase_add_loop_test(t, the_mean_is_the_default, 0, LENGTH(voices));
    suite_add_tcase(s, t);
    return harness_main(s);
}
