// SPDX-License-Identifier: MIT
//
// What a GPU would be given: every launch of the voices' stages, and of the checks for what no
// voice runs, as the operators choose it for a device that is only described. Compilers can then
// be asked about it where there is no GPU.
#include "nodes.h"
#include "voice.h"

#include "model/check.h"

#include "../tools/clvits/program.h"

#include <stdlib.h>
#include <string.h>

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

static void add_node(void *user, const clvits_node *n)
{
    const listing *to = user;
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
        add_work(add_launch(to->launches, &l, l.options), to->user, clvits_node_flops(n, NULL));
    }
    free(dims);
}

static clvits_status add_voice(listing *to, int index, const nodes_way *way)
{
    snprintf(to->user, sizeof(to->user), "%s%s", voice_name(index), way->name);
    nodes_choose(to->device, way);
    return nodes_of_voice(index, way, add_node, to, to->report);
}

int bench_launches(void)
{
    clvits_report report = { 0 };
    clvits_device *device = NULL;
    listing to = { .launches = cJSON_CreateArray(), .report = &report };
    clvits_status s = clvits_device_describe(&device, &nodes_gpu, &report);

    to.device = device;
    for (int i = 0; i < NODES_WAYS * voice_count() && !s; i++)
        s = add_voice(&to, i % voice_count(), &nodes_ways[i / voice_count()]);
    snprintf(to.user, sizeof(to.user), "checks");
    nodes_choose(device, &nodes_ways[0]);
    for (int i = 0; i < clvits_check_case_count && !s; i++)
        s = nodes_of_check(i, &nodes_ways[0], add_node, &to, &report);
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
