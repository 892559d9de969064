// SPDX-License-Identifier: MIT
//
// What a GPU would be given: every launch of the voices' stages, and of the checks for what no
// voice runs, as the operators choose it for a device that is only described. Compilers can then
// be asked about it where there is no GPU.
#include "voice.h"

#include "model/check.h"
#include "model/engine_task.h"

#include "../tools/clvits/program.h"

#include <stdlib.h>
#include <string.h>

/* One sentence of about six seconds: a capacity of the engine, and two windows of the decoder. */
enum { TEXT = 256, FRAMES = 512 };

/* Every way in which voices can run. */
static const struct way {
    const char *name; /* behind a voice's; "" for the usual one */
    int halves;
    bool transformed; /* as a row of the tuning would have it */
} ways[] = {
    { "", 0, false },
    { ", fp16-storage", CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS, false },
    { ", fp16", CLVITS_HALF_WEIGHTS | CLVITS_HALF_TENSORS | CLVITS_HALF_SUMS, false },
    { ", tuned", 0, true },
};

typedef struct listing {
    clvits_device *device;
    char user[BENCH_NAME];
    cJSON *launches;
    clvits_report *report;
} listing;

static bool same(const cJSON *object, const clvits_launch *l, const char *options)
{
    const cJSON *local = cJSON_GetObjectItem(object, "local");
    bool is = !strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(object, "program")), l->program) &&
              !strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(object, "kernel")), l->kernel) &&
              !strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(object, "options")), options);

    for (int i = 0; i < 3; i++)
        is = is && cJSON_GetArrayItem(local, i)->valuedouble == (double)l->local[i];
    return is;
}

static cJSON *add_launch(cJSON *launches, const clvits_launch *l, const char *options)
{
    cJSON *object, *local;

    cJSON_ArrayForEach(object, launches)
        if (same(object, l, options))
            return object;
    object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "program", l->program);
    cJSON_AddStringToObject(object, "kernel", l->kernel);
    cJSON_AddStringToObject(object, "options", options);
    local = cJSON_AddArrayToObject(object, "local");
    for (int i = 0; i < 3; i++)
        cJSON_AddItemToArray(local, cJSON_CreateNumber((double)l->local[i]));
    cJSON_AddObjectToObject(object, "users");
    cJSON_AddItemToArray(launches, object);
    return object;
}

static void add_work(cJSON *object, const char *user, double flops)
{
    cJSON *users = cJSON_GetObjectItem(object, "users"), *of = cJSON_GetObjectItem(users, user);

    if (of)
        cJSON_SetNumberValue(of, of->valuedouble + flops);
    else
        cJSON_AddNumberToObject(users, user, flops);
}

static void add_node(const listing *to, const clvits_node *n, double times)
{
    const clvits_target at = { .device = to->device, .place = 1 };
    clvits_launch l = { .dimensions = 1 };
    void *dims = calloc(1, n->op->dims_size);

    if (!dims) {
        clvits_fail_memory(to->report, "a launch");
        return;
    }
    if (n->op->launch && (!n->op->takes || n->op->takes(n, to->device))) {
        n->op->dims(n, &at, dims);
        n->op->launch(n, &at, dims, &l);
        add_work(add_launch(to->launches, &l, l.options), to->user,
                 times * clvits_node_flops(n, NULL));
    }
    free(dims);
}

static void add_graph(const listing *to, const clvits_graph *g, double times)
{
    for (int i = 0; i < g->n_nodes; i++)
        add_node(to, g->nodes[i], times);
}

/* Let the device have a row for every convolution that can be transformed, or none. */
static void set_rows(clvits_device *device, bool transformed)
{
    static const clvits_row row = { .room = "conv1d", .text = "",
                                    .values = { 1, { { "layout", CLVITS_CONV_TOOM,
                                                       CLVITS_CONV_TOOM } } } };
    static const clvits_row *const rows[] = { &row };
    static const clvits_tuned tuned = { .row = rows, .n = 1 };

    clvits_device_set_tuned(device, transformed ? &tuned : NULL);
}

static clvits_status add_voice(listing *to, int index, const struct way *way)
{
    const clvits_stage_options o = { .batch = 1, .halves = way->halves };
    clvits_text_stage text = { 0 };
    clvits_latent_stage latent = { 0 };
    clvits_wave_stage wave = { 0 };
    const int window = clvits_task_levels[0].window;
    int before, after;
    voice v;
    clvits_status s = voice_open(&v, index, to->report);

    snprintf(to->user, sizeof(to->user), "%s%s", voice_name(index), way->name);
    set_rows(to->device, way->transformed);
    if (!s)
        s = clvits_text_stage_build(&text, &v.model, &o, TEXT, to->report);
    if (!s)
        s = clvits_latent_stage_build(&latent, &v.model, &o, TEXT, FRAMES, to->report);
    if (!s) {
        clvits_decoder_context(v.model.config, &before, &after);
        s = clvits_wave_stage_build(&wave, &v.model, &o, window + before + after, to->report);
    }
    if (!s) {
        add_graph(to, text.graph, 1.0);
        add_graph(to, latent.graph, 1.0);
        add_graph(to, wave.graph, (double)FRAMES / window);
        s = to->report->status;
    }
    clvits_graph_close(&text.graph);
    clvits_graph_close(&latent.graph);
    clvits_graph_close(&wave.graph);
    voice_close(&v);
    return s;
}

static clvits_status add_check(listing *to, const clvits_check_case *c)
{
    clvits_check_graph g = { .seed = 1 };
    clvits_status s = clvits_graph_open(&g.graph, CLVITS_CHECK_BATCH, to->report);

    if (!s) {
        c->build(&g, c->i);
        s = g.no_memory ? clvits_fail_memory(to->report, "a check")
                        : clvits_graph_finish(g.graph, to->report);
    }
    if (!s) {
        add_graph(to, g.graph, 0.0);
        s = to->report->status;
    }
    clvits_graph_close(&g.graph);
    clvits_arena_free(&g.arena);
    return s;
}

int bench_launches(void)
{
    /* What every GPU has; operators ask for no more. */
    const clvits_device_info info = { .name = "GPU", .family = CLVITS_FAMILY_GPU, .gpu = true,
                                      .fp16 = true, .compute_units = 16, .vector = 1,
                                      .max_work_group = 256, .max_work_item = { 256, 256, 256 },
                                      .local_memory = 32 << 10, .global_memory = 1 << 30,
                                      .max_alloc = 1 << 28 };
    clvits_report report = { 0 };
    clvits_device *device = NULL;
    listing to = { .launches = cJSON_CreateArray(), .report = &report };
    clvits_status s = clvits_device_describe(&device, &info, &report);

    to.device = device;
    for (int i = 0; i < LENGTH(ways) * voice_count() && !s; i++)
        s = add_voice(&to, i % voice_count(), &ways[i / voice_count()]);
    snprintf(to.user, sizeof(to.user), "checks");
    set_rows(device, false);
    for (int i = 0; i < clvits_check_case_count && !s; i++)
        s = add_check(&to, &clvits_check_cases[i]);
    char *text = s ? NULL : cJSON_Print(to.launches);
    if (text)
        puts(text);
    else
        program_fail(CODE_INPUT, "%s", s ? report.text : "out of memory");
    cJSON_free(text);
    cJSON_Delete(to.launches);
    clvits_device_close(&device);
    return text ? 0 : 3;
}
