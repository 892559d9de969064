// SPDX-License-Identifier: MIT
//
// Level (c): what training runs beside the stages of speech, alone, and a whole step of it up to
// its losses, for a batch as the original trains with. And what a voice that listens runs.
#include "voice.h"

#include "model/training.h"

enum { BATCH = 16, IDS = 160, FRAMES = 400, MELS = 80, TEN_SECONDS = 861 };

/* As many ids as frames, so that there is one alignment, and rounding cannot choose another. */
enum { STEP_ROWS = 128 };

const char *const bench_training_names[] = { "posterior encoder, training",
                                             "duration predictor, training", "training step",
                                             "listen, ten seconds", NULL };

static int some_frames(int row)
{
    return 1 + row % 4;
}

static int some_ids(int row)
{
    return row % 100;
}

static bool begin(bench_graph *g, bench *b, const voice *v, int i)
{
    const int batch = i == 3 ? 1 : BATCH;

    if (!bench_case_begin(g, b, "stage", batch, "%s/%s", v->name, bench_training_names[i]))
        return false;
    g->tolerance = 1e-4;
    return true;
}

static clvits_scope scope_of(const bench_graph *g, const voice *v)
{
    return (clvits_scope){ .graph = g->graph, .c = v->model.config, .weights = v->model.weights };
}

static void posterior(bench *b, const voice *v)
{
    clvits_tensor *m, *logs;
    bench_graph g;

    if (!begin(&g, b, v, 0))
        return;
    clvits_scope s = scope_of(&g, v);
    const int clock = clvits_graph_clock(g.graph, FRAMES);
    clvits_tensor *spec = bench_input(&g, clock, v->model.config->n_fft / 2 + 1, NULL);
    clvits_tensor *noise = bench_input(&g, clock, v->model.config->inter_channels, NULL);
    clvits_graph_keep(clvits_posterior_encoder(&s, spec, noise, &m, &logs));
    bench_case_end(&g);
}

static void durations(bench *b, const voice *v)
{
    clvits_duration_loss loss;
    bench_graph g;

    if (!begin(&g, b, v, 1))
        return;
    clvits_scope s = scope_of(&g, v);
    const int clock = clvits_graph_clock(g.graph, IDS);
    clvits_tensor *enc = bench_input(&g, clock, v->model.config->hidden_channels, NULL);
    clvits_tensor *noise = bench_input(&g, clock, 2, NULL);
    clvits_duration_training(&loss, &s, enc, bench_ints(&g, clock, some_frames), noise);
    clvits_graph_keep(loss.loss);
    bench_case_end(&g);
}

static void step(bench *b, const voice *v)
{
    const clvits_training_options o = { .batch = BATCH, .text = STEP_ROWS, .frames = STEP_ROWS,
                                        .n_mels = MELS };
    clvits_training_step s;
    bench_graph g;

    if (!begin(&g, b, v, 2))
        return;
    if (clvits_training_step_build(&s, &v->model, &o, &b->report)) {
        bench_case_lose(&g);
        return;
    }
    bench_case_take(&g, s.graph);
    bench_scalar_int(&g, s.seed, 1);
    bench_scalar_int(&g, s.start, STEP_ROWS / 3);
    bench_feed(&g, s.ids, some_ids);
    bench_feed_floats(&g, s.spec);
    bench_case_end(&g);
    clvits_graph_close(&s.graph);
}

/* Samples to the prior's space, for clvits_align(). */
static void listen(bench *b, const voice *v)
{
    clvits_listen_stage s;
    bench_graph g;

    if (!begin(&g, b, v, 3))
        return;
    if (clvits_listen_stage_build(&s, &v->model, &(clvits_stage_options){ .batch = 1 }, TEN_SECONDS,
                                  false, &b->report)) {
        bench_case_fail(&g, "failed", "%.450s", b->report.text);
        clvits_report_clear(&b->report);
        bench_case_end(&g);
        return;
    }
    bench_case_take(&g, s.graph);
    bench_feed_floats(&g, s.wave);
    bench_case_end(&g);
    clvits_graph_close(&s.graph);
}

void bench_training(bench *b, voice *v)
{
    bool wanted = false;
    char name[BENCH_NAME];

    for (int i = 0; bench_training_names[i]; i++) {
        snprintf(name, sizeof(name), "%s/%s", v->name, bench_training_names[i]);
        wanted |= bench_wants(b->o, "stage", name);
    }
    if (!wanted || !voice_is_trained(v->name) || b->o->quick)
        return;
    if (voice_add_training(v, &b->report)) {
        bench_record r = { .level = "stage" };
        snprintf(r.name, sizeof(r.name), "%s/%s", v->name, bench_training_names[2]);
        b->for_another = true; /* for all of them, of which some are asked for */
        if (bench_record_begin(b, &r)) {
            bench_note_failure(&r, &b->report);
            bench_send(b, &r);
        }
        return;
    }
    posterior(b, v);
    durations(b, v);
    step(b, v);
    listen(b, v);
}
