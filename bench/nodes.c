// SPDX-License-Identifier: MIT
#include "nodes.h"
#include "voice.h"

#include "model/check.h"
#include "model/engine_task.h"
#include "op/tune.h"

enum { TEXT = 256 }; /* a capacity of the engine */

const nodes_way nodes_ways[NODES_WAYS] = {
    { "", 0, false },
    { ", fp16-storage", CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS, false },
    { ", fp16", CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS | CLVITS_HALF_SUMS, false },
    { ", tuned", 0, true },
};

const clvits_device_info nodes_gpu = {
    .name = "GPU",
    .family = CLVITS_FAMILY_GPU,
    .gpu = true,
    .fp16 = true,
    .compute_units = 16,
    .vector = 1,
    .max_work_group = 256,
    .max_work_item = { 256, 256, 256 },
    .local_memory = 32 << 10,
    .global_memory = 1 << 30,
    .max_alloc = 1 << 28,
};

void nodes_choose(clvits_device *device, const nodes_way *way)
{
    static const clvits_row row = { .room = "conv1d", .text = "",
                                    .values = { 1, { { "layout", CLVITS_CONV_TOOM,
                                                       CLVITS_CONV_TOOM } } } };
    static const clvits_row *const rows[] = { &row };
    static const clvits_tuned tuned = { .row = rows, .n = 1 };

    clvits_device_set_tuned(device, way->transformed ? &tuned : NULL);
}

static void go_through(const clvits_graph *g, nodes_fn fn, void *user)
{
    for (int i = 0; i < g->n_nodes; i++)
        fn(user, g->nodes[i]);
}

clvits_status nodes_of_voice(int voice_index, const nodes_way *way, nodes_fn fn, void *user,
                             clvits_report *r)
{
    const clvits_stage_options o = { .batch = 1, .halves = way->halves };
    clvits_text_stage text = { 0 };
    clvits_latent_stage latent = { 0 };
    clvits_wave_stage wave = { 0 };
    const int window = clvits_task_levels[CLVITS_TASK_USUAL].window;
    int before, after;
    voice v;
    clvits_status s = voice_open(&v, voice_index, r);

    if (!s)
        s = clvits_text_stage_build(&text, &v.model, &o, TEXT, r);
    if (!s)
        s = clvits_latent_stage_build(&latent, &v.model, &o, TEXT, window, r);
    if (!s) {
        clvits_decoder_context(v.model.config, &before, &after);
        s = clvits_wave_stage_build(&wave, &v.model, &o, window + before + after, r);
    }
    if (!s) {
        go_through(text.graph, fn, user);
        go_through(latent.graph, fn, user);
        go_through(wave.graph, fn, user);
        s = r->status;
    }
    clvits_graph_close(&text.graph);
    clvits_graph_close(&latent.graph);
    clvits_graph_close(&wave.graph);
    voice_close(&v);
    return s;
}

clvits_status nodes_of_check(int check, const nodes_way *way, nodes_fn fn, void *user,
                             clvits_report *r)
{
    clvits_check_graph g;
    clvits_status s = clvits_check_open(&g, &clvits_check_cases[check], way->halves, r);

    if (!s) {
        go_through(g.graph, fn, user);
        s = r->status;
    }
    clvits_check_close(&g);
    return s;
}
