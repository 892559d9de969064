// SPDX-License-Identifier: MIT
//
// Speech in pieces of any size is, bit for bit, what all frames at once give: the embedded voice,
// and the geometries of the base and of Piper's medium voices with few channels and random weights.
#include "allocations.h"
#include "graph/graph.h"
#include "model/engine_task.h"
#include "model/voice_file.h"
#include "model/weights.h"
#include "stages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IDS = 160, ITEMS = 2, MAX_PIECES = 2048, MAX_NODES = 256 };

typedef struct speech {
    int32_t durations[MAX_IDS];
    float *samples;
    int n, pieces;
    int sizes[MAX_PIECES];
    atomic_int *cancel; /* raised with the piece `cancel_at` */
    int cancel_at;
} speech;

typedef struct fixture {
    harness h;
    clvits_voice_file file;
    clvits_config config;
    clvits_arrays weights;
    clvits_model model;
    clvits_engine *engine;
} fixture;

enum { MINI, BASE, MEDIUM, VOICES, RARE = VOICES };

static clvits_config geometry(int which)
{
    const int voice = which == RARE ? MEDIUM : which;
    static const int kernels[][3] = { [BASE] = { 3, 7, 11 }, [MEDIUM] = { 3, 5, 7 } };
    static const int dilations[][3][3] = { [BASE] = { { 1, 3, 5 }, { 1, 3, 5 }, { 1, 3, 5 } },
                                           [MEDIUM] = { { 1, 2 }, { 2, 6 }, { 3, 12 } } };
    static const int rates[][4] = { [BASE] = { 8, 8, 2, 2 }, [MEDIUM] = { 8, 8, 4 } };
    clvits_config c = clvits_config_default();

    c.n_vocab = 20;
    /* So many in one voice that all forms of convolutions occur. */
    c.inter_channels = c.hidden_channels = voice == BASE ? 64 : 32;
    c.dp_filter_channels = 32;
    c.filter_channels = 32;
    c.n_heads = 2;
    c.n_layers = 1;
    c.kernel_size = 3;
    c.resblock = voice == BASE ? 1 : 2;
    c.n_resblocks = 3;
    c.n_upsamples = voice == BASE ? 4 : 3;
    c.upsample_initial_channel = voice == BASE ? 128 : 64;
    c.hop_length = 256;
    for (int i = 0; i < 3; i++) {
        c.resblock_kernel_sizes[i] = kernels[voice][i];
        c.n_resblock_dilations[i] = voice == BASE ? 3 : 2;
        for (int k = 0; k < c.n_resblock_dilations[i]; k++)
            c.resblock_dilation_sizes[i][k] = dilations[voice][i][k];
    }
    for (int i = 0; i < c.n_upsamples; i++) {
        c.upsample_rates[i] = rates[voice][i];
        c.upsample_kernel_sizes[i] = 2 * rates[voice][i];
    }
    c.use_sdp = voice == MEDIUM;
    c.n_speakers = voice == BASE ? 3 : 1;
    c.gin_channels = voice == BASE ? 8 : 0;
    c.sampling_rate = 22050;
    if (which == RARE) {
        c.n_upsamples = 4;
        c.n_resblocks = 1;
        c.resblock_kernel_sizes[0] = 3;
        c.n_resblock_dilations[0] = 1;
        c.resblock_dilation_sizes[0][0] = 1;
        for (int i = 0; i < 4; i++) {
            c.upsample_rates[i] = i < 2 ? 8 : 2;
            c.upsample_kernel_sizes[i] = i < 2 ? 16 : 2; /* no more than the rate */
        }
        c.use_sdp = 1;
        c.dp_kernel_size = 33; /* more than the operator for a whole layer takes */
        c.dds_n_layers = 1;
    }
    return c;
}

/* Weights that keep the size of what passes through them. */
static clvits_status fill(void *user, const clvits_weight *w)
{
    fixture *f = user;
    clvits_array a = { .name = w->name, .dtype = CLVITS_DTYPE_F32, .rank = w->rank };
    int64_t n = 1;

    for (int i = 0; i < w->rank; i++)
        n *= a.shape[i] = w->shape[i];
    const float range = w->rank == 3 ? sqrtf(1.5f * (float)w->shape[0] / (float)n) : 0.3f;
    a.data = harness_random(&f->h, n, -range, range);
    return clvits_arrays_add(&f->weights, &a, &f->h.report);
}

static void begin(fixture *f, int voice)
{
    char path[1024];

    memset(f, 0, sizeof(*f));
    harness_begin(&f->h, 1);
    if (voice == MINI) {
        snprintf(path, sizeof(path), "%s/mini", SOURCE_VOICES);
        ck_assert_msg(!clvits_voice_file_open(&f->file, path, NULL, &f->h.report), "%s",
                      f->h.report.text);
        f->model = (clvits_model){ &f->file.config, &f->file.weights };
    } else {
        f->config = geometry(voice);
        ck_assert_msg(!clvits_config_check(&f->config, &f->h.report), "%s", f->h.report.text);
        ck_assert_int_eq(clvits_weights_walk(&f->config, fill, f), 0);
        f->model = (clvits_model){ &f->config, &f->weights };
    }
    ck_assert_int_eq(clvits_engine_open(&f->engine, &f->model, &f->h.machine, NULL, &f->h.report),
                     0);
}

static void end(fixture *f)
{
    clvits_engine_close(&f->engine);
    clvits_voice_file_free(&f->file);
    clvits_arrays_free(&f->weights);
    harness_end(&f->h);
}

/* n ids that last about `frames` frames each. */
static clvits_item item(const fixture *f, int n, float frames, speech *s)
{
    static int32_t ids[MAX_IDS];

    for (int i = 0; i < MAX_IDS; i++)
        ids[i] = 1 + i * 7 % (f->model.config->n_vocab - 1);
    return (clvits_item){ .ids = ids,
                          .n_ids = n,
                          .sid = f->model.config->n_speakers > 1 ? n % 3 : 0,
                          .seed = (uint64_t)n << 31,
                          .noise_scale = 0.667f,
                          .noise_w = 0.6f,
                          .length_scale = frames,
                          .durations = s->durations };
}

static clvits_status keep(void *user, int i, const float *samples, int n, clvits_report *r)
{
    speech *s = (speech *)user + i;

    (void)r;
    s->samples = realloc(s->samples, (size_t)(s->n + n) * sizeof(float));
    memcpy(s->samples + s->n, samples, (size_t)n * sizeof(float));
    s->n += n;
    ck_assert_int_lt(s->pieces, MAX_PIECES);
    s->sizes[s->pieces++] = n;
    if (s->pieces == s->cancel_at)
        atomic_store(s->cancel, 1);
    return CLVITS_OK;
}

static void set_seed(clvits_run *run, int slot, uint64_t seed)
{
    clvits_run_set_int(run, slot, 0, (int)(uint32_t)seed);
    clvits_run_set_int(run, slot + 1, 0, (int)(uint32_t)(seed >> 32));
}

/* Which Toom-Cook forms are there: bit r for filters cut into r taps. */
static int forms(const clvits_graph *g, const clvits_target *at)
{
    int found = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        conv1d_dims d;
        if (g->nodes[i]->op != &clvits_op_conv1d)
            continue;
        g->nodes[i]->op->dims(g->nodes[i], at, &d);
        found |= d.layout == CLVITS_CONV_TOOM ? 1 << d.r : 0;
    }
    return found;
}

/* All ids and all frames in one run of each stage, made for that many. */
static speech one_shot(fixture *f, clvits_item it)
{
    const clvits_stage_options o = { .batch = 1 };
    harness *h = &f->h;
    clvits_text_stage text;
    clvits_latent_stage latent;
    clvits_wave_stage wave;
    speech whole = { 0 };

    ck_assert_int_eq(clvits_text_stage_build(&text, &f->model, &o, it.n_ids, &h->report), 0);
    stages_run t = stages_open(h, text.graph);
    set_seed(t.run, text.seed, it.seed);
    clvits_run_set_float(t.run, text.noise_w, 0, it.noise_w);
    clvits_run_set_float(t.run, text.length_scale, 0, it.length_scale);
    stages_length(h, &t, text.clock, it.n_ids);
    stages_write(h, &t, text.ids, it.ids);
    stages_write(h, &t, text.sid, &it.sid);
    stages_go(h, &t);
    const int32_t *ends = stages_read(h, &t, text.ends, it.n_ids);
    const int frames = ends[it.n_ids - 1];

    ck_assert_int_gt(frames, 0);
    ck_assert_int_eq(
        clvits_latent_stage_build(&latent, &f->model, &o, it.n_ids, frames, &h->report), 0);
    stages_run l = stages_open(h, latent.graph);
    set_seed(l.run, latent.seed, it.seed);
    clvits_run_set_float(l.run, latent.noise_scale, 0, it.noise_scale);
    stages_length(h, &l, latent.text_clock, it.n_ids);
    stages_length(h, &l, latent.clock, frames);
    stages_write(h, &l, latent.ends, ends);
    stages_write(h, &l, latent.stats, stages_read(h, &t, text.stats, it.n_ids));
    if (latent.cond)
        stages_write(h, &l, latent.cond, stages_read(h, &t, text.cond, 1));
    stages_go(h, &l);

    ck_assert_int_eq(clvits_wave_stage_build(&wave, &f->model, &o, frames, &h->report), 0);
    stages_run w = stages_open(h, wave.graph);
    stages_length(h, &w, wave.clock, frames);
    stages_write(h, &w, wave.z, stages_read(h, &l, latent.z, frames));
    if (wave.cond)
        stages_write(h, &w, wave.cond, stages_read(h, &t, text.cond, 1));
    stages_go(h, &w);
    whole.n = frames * f->model.config->hop_length;
    whole.samples = stages_read(h, &w, wave.wave, whole.n);
    const clvits_target at = { .device = h->machine.device[1] };
    if (f->model.config->n_speakers == 3 && at.device &&
        clvits_device_get_info(at.device)->family == CLVITS_FAMILY_CPU) /* that have them all */
        ck_assert_int_eq(forms(latent.graph, &at) | forms(wave.graph, &at),
                         1 << 3 | 1 << 5 | 1 << 8 | 1 << 12);
    stages_close(&t, &text.graph);
    stages_close(&l, &latent.graph);
    stages_close(&w, &wave.graph);
    return whole;
}

typedef struct sizes {
    int first, most;
} sizes;

static void assert_same(const speech *want, const speech *got, const char *what, sizes z)
{
    ck_assert_msg(want->n == got->n, "%s by %d, %d: %d samples, not %d", what, z.first, z.most,
                  got->n, want->n);
    for (int i = 0; i < want->n; i++)
        if (!isfinite(want->samples[i]) || want->samples[i] != got->samples[i])
            ck_abort_msg("%s by %d, %d: sample %d of %d is %.9g, not %.9g", what, z.first, z.most,
                         i, got->n, (double)got->samples[i], (double)want->samples[i]);
}

/* Whether the decoder runs on a GPU, of which much is asked at once. */
static bool wide(const fixture *f)
{
    return f->h.machine.n_places > 1 &&
           clvits_device_get_info(f->h.machine.device[1])->family == CLVITS_FAMILY_GPU;
}

/* No piece is longer than was asked for, and the first one comes soon. */
static void assert_pieces(const fixture *f, const speech *s, sizes z)
{
    const int hop = f->model.config->hop_length;
    int before, after;

    clvits_decoder_context(f->model.config, &before, &after);
    const int most = z.most ? z.most : wide(f) ? 1024 + before + after : 512;

    for (int i = 0; i < s->pieces; i++)
        ck_assert_int_le(s->sizes[i], most * hop);
    if (z.first && s->n > z.first * hop)
        ck_assert_int_eq(s->sizes[0], z.first * hop);
    ck_assert_int_ge(s->pieces, s->n / (most * hop));
}

static void speak(fixture *f, const clvits_item *items, int n, sizes z, speech *out)
{
    const clvits_sink sink = { .user = out, .wave = keep, .first = z.first, .most = z.most };
    clvits_item copy[ITEMS];
    clvits_report r = { 0 };

    for (int i = 0; i < n; i++) {
        out[i] = (speech){ 0 };
        copy[i] = items[i];
        copy[i].durations = out[i].durations;
    }
    ck_assert_msg(clvits_engine_speak(f->engine, copy, n, &sink, &r) == CLVITS_OK, "%s", r.text);
    for (int i = 0; i < n; i++)
        assert_pieces(f, &out[i], z);
}

START_TEST(pieces_equal_one_shot)
{
    static const sizes all[] = { { 1, 1 }, { 7, 7 },    { 0, 32 }, { 256, 0 },
                                 { 16, 0 }, { 0, 1024 }, { 0, 0 } };
    static const struct {
        const char *name;
        int ids;
        float frames;
    } texts[] = { { "a word", 9, 1.0f }, { "a sentence", 29, 1.0f }, { "a long one", 151, 7.8f } };
    fixture f;
    speech unused, whole[LENGTH(texts)], got[ITEMS];
    clvits_item items[LENGTH(texts)];

    begin(&f, _i);
    for (int i = 0; i < LENGTH(texts); i++) {
        items[i] = item(&f, texts[i].ids, _i == MEDIUM ? texts[i].frames : 1.0f, &unused);
        whole[i] = one_shot(&f, items[i]);
    }
    if (_i == MEDIUM) /* more than one block of the flow */
        ck_assert_int_gt(whole[2].n, 1030 * f.model.config->hop_length);
    for (int k = 0; k < LENGTH(all); k++) {
        if (all[k].most == 1024 && _i != MEDIUM) /* there are as many in its long text */
            continue;
        speak(&f, items, ITEMS, all[k], got); /* a batch */
        for (int i = 0; i < ITEMS; i++) {
            assert_same(&whole[i], &got[i], texts[i].name, all[k]);
            free(got[i].samples);
        }
        if (all[k].first || (all[k].most && all[k].most < 32))
            continue; /* some are enough for what takes longer */
        speak(&f, &items[2], 1, all[k], got);
        assert_same(&whole[2], got, texts[2].name, all[k]);
        free(got->samples);
    }
    end(&f);
}
END_TEST

/* What a configuration may say, and voices hardly do. */
START_TEST(rare_sizes_come_in_pieces_too)
{
    static const sizes all[] = { { 0, 0 }, { 16, 0 } };
    fixture f;
    speech unused, got[1];

    begin(&f, RARE);
    const clvits_item it = item(&f, 40, 14.0f, &unused);
    const speech whole = one_shot(&f, it);
    ck_assert_int_gt(whole.n, 300 * f.model.config->hop_length);
    for (int k = 0; k < LENGTH(all); k++) {
        speak(&f, &it, 1, all[k], got);
        assert_same(&whole, got, "rare sizes", all[k]);
        free(got->samples);
    }
    end(&f);
}
END_TEST

/* The decoder for so many frames placed by cost: nodes of each place, and all of them in order. */
static void place_window(fixture *f, int frames, int count[2], int place[MAX_NODES])
{
    const clvits_stage_options o = { .batch = 1 };
    clvits_report *r = &f->h.report;
    clvits_wave_stage wave;
    clvits_plan *plan;
    int before, after;

    clvits_decoder_context(f->model.config, &before, &after);
    ck_assert_int_eq(clvits_wave_stage_build(&wave, &f->model, &o, frames + before + after, r), 0);
    ck_assert_int_eq(
        clvits_plan_make(&plan, wave.graph, &f->h.machine, f->h.weights, "auto", r), 0);
    ck_assert_int_lt(wave.graph->n_nodes, MAX_NODES);
    for (int i = 0; i < wave.graph->n_nodes; i++)
        count[place[i] = clvits_plan_place(plan, wave.graph->nodes[i])]++;
    clvits_plan_free(&plan);
    clvits_graph_close(&wave.graph);
}

/* A device whose launches only long stretches are worth must not take these alone. */
START_TEST(places_do_not_follow_the_pieces)
{
    clvits_rates rates[2] = { 0 };
    int count[2][2] = { 0 }, place[2][MAX_NODES] = { 0 };
    fixture f;
    speech s[2];

    for (int i = 0; i < CLVITS_COST_CLASSES; i++) {
        rates[0].node[i] = (clvits_rate){ 1e-7, 1e-9 };
        rates[1].node[i] = (clvits_rate){ 1.4e-2, 1e-11 };
    }
    rates[1].transfer = (clvits_rate){ 1e-5, 1e-10 };
    begin(&f, MEDIUM);
    if (f.h.machine.n_places < 2) {
        printf("not run: there is one place\n");
        end(&f);
        return;
    }
    clvits_engine_close(&f.engine);
    f.h.machine.rates = rates;
    place_window(&f, 256, count[0], place[0]);
    place_window(&f, 64, count[1], place[1]);
    ck_assert_msg(count[0][0] > 0 && count[0][1] > 0, "%d, %d", count[0][0], count[0][1]);
    ck_assert_mem_ne(place[0], place[1], sizeof(place[0])); /* if each were placed for itself */
    ck_assert_int_eq(
        clvits_engine_open(&f.engine, &f.model, &f.h.machine, "auto", &f.h.report), 0);
    const clvits_item it = item(&f, 100, 1.5f, s);
    speak(&f, &it, 1, (sizes){ 0, 0 }, &s[0]);
    speak(&f, &it, 1, (sizes){ 16, 0 }, &s[1]);
    ck_assert_int_eq(clvits_task_kind(CLVITS_TASK_USUAL, s->n / f.config.hop_length), 256);
    assert_same(&s[0], &s[1], "placed by cost", (sizes){ 16, 0 });
    free(s[0].samples);
    free(s[1].samples);
    end(&f);
}
END_TEST

START_TEST(cancelled_between_pieces)
{
    fixture f;
    atomic_int cancel = 0;
    speech s = { .cancel = &cancel, .cancel_at = 3 };
    const clvits_sink sink = { .user = &s, .wave = keep, .first = 4 };
    clvits_report r = { 0 };

    begin(&f, MINI);
    clvits_item it = item(&f, 100, 2.0f, &s);
    it.cancel = &cancel;
    ck_assert_int_eq(clvits_engine_speak(f.engine, &it, 1, &sink, &r), CLVITS_E_CANCELLED);
    ck_assert_int_eq(s.pieces, 3);
    const speech whole = one_shot(&f, it);
    ck_assert_int_lt(s.n, whole.n);
    ck_assert_mem_eq(s.samples, whole.samples, (size_t)s.n * sizeof(float));
    free(s.samples);
    end(&f);
}
END_TEST

static void count_plans(void *user, clvits_log_level level, const char *text)
{
    (void)level;
    *(int *)user += strstr(text, "plan for up to") != NULL;
}

static clvits_status count(void *user, int i, const float *samples, int n, clvits_report *r)
{
    (void)i, (void)samples, (void)r;
    *(int *)user += n;
    return CLVITS_OK;
}

/* What is held does not grow with the frames of a sentence, not even by a plan's step: neither on
 * the host, where the CPU path has all of it, nor on a device. */
START_TEST(memory_does_not_grow)
{
    enum { IDS = 60, ROUNDED = 1024 }; /* malloc's steps, less than a byte for each frame more */
    static const float frames[] = { 30.0f, 30.0f, 60.0f };
    int32_t durations[MAX_IDS];
    size_t host[LENGTH(frames)], device[LENGTH(frames)] = { 0 };
    fixture f;

    begin(&f, MEDIUM);
    for (int i = 0; i < LENGTH(frames); i++) {
        int samples = 0, plans = 0;
        const clvits_sink sink = { .user = &samples, .wave = count, .first = 16 };
        clvits_report r = { .log = count_plans, .log_user = &plans };
        speech unused;
        clvits_item it = item(&f, IDS, frames[i], &unused);
        it.durations = durations;
        allocations_begin(0);
        const clvits_status s = clvits_engine_speak(f.engine, &it, 1, &sink, &r);
        allocations_end();
        ck_assert_msg(!s, "%s", r.text);
        ck_assert_int_gt(samples, (i == 2 ? 2048 : 1024) * f.model.config->hop_length);
        host[i] = allocations_peak();
        if (f.h.machine.n_places > 1)
            device[i] = clvits_device_peak_bytes(f.h.machine.device[1]);
        if (i)
            ck_assert_int_eq(plans, 0);
        else
            ck_assert_int_ge(plans, 3); /* for stretches of all sizes */
    }
    ck_assert_uint_gt(host[1], 0);
    ck_assert_uint_lt(host[1], host[0]);
    ck_assert_uint_lt(host[2], host[1] + ROUNDED);
    ck_assert_uint_eq(device[1], device[2]);
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("streaming");
    TCase *t = tcase_create("pieces");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    /* Kernels for GPUs take their time on a CPU: one voice is enough for them. */
    const bool one = getenv("CLVITS_TEST_FAMILY") || getenv("CLVITS_TEST_TINY");
    tcase_add_loop_test(t, pieces_equal_one_shot, 0, one ? 1 : VOICES);
    if (!getenv("CLVITS_TEST_FAMILY"))
        tcase_add_test(t, places_do_not_follow_the_pieces);
    tcase_add_test(t, rare_sizes_come_in_pieces_too);
    tcase_add_test(t, cancelled_between_pieces);
    tcase_add_test(t, memory_does_not_grow);
    suite_add_tcase(s, t);
    return harness_main(s);
}
