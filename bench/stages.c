// SPDX-License-Identifier: MIT
//
// Level (c): each stage alone, with the capacities, lengths and windows that the engine gives it.
#include "voice.h"

#include "model/engine_task.h"

/* Of its efficient level; texts to measure with are a block long at most. */
static int frames_for(int n)
{
    return clvits_task_kind(CLVITS_TASK_USUAL, n);
}

/* For speech of so many frames; on GPUs as they have memory for it, which those have that are
 * measured. */
static int window_frames(const bench *b, int frames)
{
    const clvits_device *d = b->machine.device[1];
    const int usual = clvits_task_levels[CLVITS_TASK_USUAL].window;

    return frames > usual && d && clvits_device_get_info(d)->family == CLVITS_FAMILY_GPU
               ? clvits_task_levels[CLVITS_TASK_WIDE].window
               : usual;
}

static int zero(int row)
{
    (void)row;
    return 0;
}

/* Time and send; what the stage takes is added to the sum. */
static void end(bench_graph *g, clvits_graph **graph, stage_sum *sum)
{
    const double before = sum->seconds;

    bench_case_check(g);
    bench_case_end(g);
    sum->seconds = before + bench_statistics(&g->record.host).min;
    sum->complete &= g->record.host.n > 0;
    clvits_graph_close(graph);
}

/* Whether the predictor's record, which comes of the text encoder's runs, is asked for. */
static bool wants_predictor(const bench *b, const voice *v)
{
    char name[BENCH_NAME];

    snprintf(name, sizeof(name), "%s/duration predictor", v->name);
    return bench_wants(b->o, "stage", name);
}

static void text_stage(bench *b, const voice *v, const voice_text *t, stage_sum *sum)
{
    const clvits_stage_options o = { .batch = 1, .keep_all = true };
    const int n = t->n_ids[0], capacity = clvits_task_ids_for(n);
    clvits_text_stage s;
    bench_graph g;

    b->for_another = wants_predictor(b, v);
    if (!bench_case_begin(&g, b, "stage", 1, "%s/text encoder", v->name)) {
        sum->complete = false;
        return;
    }
    if (clvits_text_stage_build(&s, &v->model, &o, capacity, &b->report)) {
        bench_case_lose(&g);
        sum->complete = false;
        return;
    }
    bench_case_take(&g, s.graph);
    g.lengths[s.clock] = n;
    g.second = "d"; /* dp, durations */
    g.tolerance = 1e-4;
    bench_scalar_int(&g, s.seed, 1);
    bench_scalar(&g, s.noise_w, v->model.config->noise_w);
    bench_scalar(&g, s.length_scale, v->model.config->length_scale);
    bench_feed_of(&g, s.ids, t->ids[0]);
    bench_feed(&g, s.sid, zero);
    end(&g, &s.graph, sum);

    g.part.level = "stage";
    g.part.verdict = g.part.device.n ? "ok" : "skipped";
    snprintf(g.part.name, sizeof(g.part.name), "%s/duration predictor", v->name);
    snprintf(g.part.reason, sizeof(g.part.reason), b->no_events
                 ? "the device has no times of its own" : "host time is in the text encoder's");
    if (bench_record_begin(b, &g.part))
        bench_send(b, &g.part);
    else
        bench_drop(&g.part);
}

static void latent_stage(bench *b, const voice *v, const voice_text *t, int frames,
                         const int32_t *ends, stage_sum *sum)
{
    const clvits_stage_options o = { .batch = 1, .halves = b->machine.halves };
    const int n = t->n_ids[0];
    clvits_latent_stage s;
    bench_graph g;
    int before, after, flow_before, flow_after;

    if (!bench_case_begin(&g, b, "stage", 1, "%s/flow", v->name)) {
        sum->complete = false;
        return;
    }
    clvits_decoder_context(v->model.config, &before, &after);
    clvits_latent_context(v->model.config, &flow_before, &flow_after);
    const int capacity = frames_for(frames) + before + after + flow_before + flow_after;
    if (clvits_latent_stage_build(&s, &v->model, &o, clvits_task_ids_for(n), capacity,
                                  &b->report)) {
        bench_case_lose(&g);
        sum->complete = false;
        return;
    }
    bench_case_take(&g, s.graph);
    g.lengths[s.text_clock] = n;
    g.lengths[s.clock] = frames;
    g.tolerance = 1e-4;
    g.record.half_sums = true;
    g.noise = bench_in_halves(b) ? BENCH_HALF_NOISE : 0.0;
    bench_scalar_int(&g, s.seed, 1);
    bench_scalar(&g, s.noise_scale, v->model.config->noise_scale);
    bench_feed_floats(&g, s.stats);
    bench_feed_of(&g, s.ends, ends);
    bench_feed_floats(&g, s.cond);
    end(&g, &s.graph, sum);
}

static void wave_stage(bench *b, const voice *v, int at, int frames, stage_sum *sum)
{
    const clvits_stage_options o = { .batch = 1, .halves = b->machine.halves };
    const int window = window_frames(b, frames);
    clvits_wave_stage s;
    bench_graph g;
    int before, after;

    if (!bench_case_begin(&g, b, "stage", 1, "%s/decoder, window %d", v->name,
                          at / window + 1)) {
        sum->complete = false;
        return;
    }
    clvits_decoder_context(v->model.config, &before, &after);
    const int64_t hop = v->model.config->hop_length;
    const int capacity = window + before + after;
    if (clvits_wave_stage_build(&s, &v->model, &o, capacity, &b->report)) {
        bench_case_lose(&g);
        sum->complete = false;
        return;
    }
    bench_case_take(&g, s.graph);
    g.wanted = s.wave;
    g.wanted_rows = (clvits_range){ at * hop, (at + window) * hop };
    g.wanted_clock = s.clock;
    g.frames = frames;
    /* 60 dB below the loudest; hundreds of sums in another order. */
    g.tolerance = 1e-3;
    g.record.half_sums = true;
    g.noise = bench_in_halves(b) ? BENCH_HALF_NOISE : 0.0;
    bench_feed_floats(&g, s.z);
    bench_feed_floats(&g, s.cond);
    end(&g, &s.graph, sum);
}

stage_sum bench_stages(bench *b, const voice *v, const voice_text *t, int frames)
{
    stage_sum sum = { .complete = true };
    int32_t ends[4096];
    const int n = t->n_ids[0] < LENGTH(ends) ? t->n_ids[0] : LENGTH(ends);

    for (int i = 0; i < n; i++)
        ends[i] = (int32_t)((int64_t)frames * (i + 1) / n);
    text_stage(b, v, t, &sum);
    latent_stage(b, v, t, frames, ends, &sum);
    for (int at = 0; at < frames; at += window_frames(b, frames))
        wave_stage(b, v, at, frames, &sum);
    return sum;
}
