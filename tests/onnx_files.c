// SPDX-License-Identifier: MIT
#include "onnx_files.h"
#include "files.h"
#include "model/weights.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const onnx_voices[N_VOICES] = {"piper-single", "piper-multi"};

const char *onnx_golden(const char *voice, const char *name)
{
    static char path[2][512];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s/%s", GOLDEN_DIR, voice, name);
    return path[turn];
}

/* What messages are made of, until the end of the test. */
static clvits_arena memory;

void onnx_close(void)
{
    clvits_arena_free(&memory);
    files_close();
}

void *onnx_alloc(size_t size)
{
    void *p = clvits_arena_alloc(&memory, size);

    ck_assert(p != NULL);
    return p;
}

static void *message_alloc(void *user, size_t size)
{
    (void)user;
    return onnx_alloc(size);
}

static void message_free(void *user, void *p)
{
    (void)user, (void)p;
}

model_message *onnx_parse(const char *voice)
{
    ProtobufCAllocator allocator = {message_alloc, message_free, NULL};
    size_t size;
    char *bytes = files_read(onnx_golden(voice, "model.onnx"), &size);
    model_message *m = clvits__onnx__model__unpack(&allocator, size, (uint8_t *)bytes);

    free(bytes);
    ck_assert(m != NULL);
    return m;
}

const char *onnx_write(const model_message *m)
{
    const size_t size = clvits__onnx__model__get_packed_size(m);
    uint8_t *bytes = malloc(size);

    ck_assert(bytes != NULL);
    clvits__onnx__model__pack(m, bytes);
    const char *path = files_write("changed.onnx", bytes, size);
    free(bytes);
    return path;
}

char *onnx_text(const char *s)
{
    return strcpy(onnx_alloc(strlen(s) + 1), s);
}

void *onnx_grow(const void *list, size_t count, size_t size)
{
    void *copy = onnx_alloc((count + 1) * size);

    return count ? memcpy(copy, list, count * size) : copy;
}

tensor_message *onnx_initializer(graph_message *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (!strcmp(g->initializer[i]->name, name))
            return g->initializer[i];
    return NULL;
}

node_message *onnx_node(graph_message *g, const char *name)
{
    for (size_t i = 0; i < g->n_node; i++)
        if (!strcmp(g->node[i]->name, name))
            return g->node[i];
    ck_abort_msg("no node %s in the golden file", name);
    return NULL;
}

clvits_config onnx_defaults(void)
{
    clvits_config c = clvits_config_default();

    c.sampling_rate = 22050;
    return c;
}

/* Every tensor is there with the name, the shape and the sums of PyTorch's, and nothing else. */
static void check_state(const clvits_arrays *set, const char *voice, double tolerance)
{
    FILE *f = fopen(onnx_golden(voice, "ref/state.txt"), "r");
    char line[512], name[128], shape[64];
    double sum, absolute, ramp;
    size_t count = 0;

    ck_assert(f != NULL);
    for (; fgets(line, sizeof(line), f); count++) {
        ck_assert_int_eq(
            sscanf(line, "%127s %63s %lf %lf %lf", name, shape, &sum, &absolute, &ramp), 5);
        const clvits_array *a = clvits_arrays_find(set, name);
        ck_assert_msg(a != NULL, "%s: %s is missing", voice, name);

        char found[64] = "";
        for (int i = 0, at = 0; i < a->rank; i++)
            at += snprintf(found + at, sizeof(found) - (size_t)at, "%s%d", i ? "," : "",
                           (int)a->shape[i]);
        ck_assert_msg(!strcmp(found, shape), "%s is %s, not %s", name, found, shape);

        const size_t n = (size_t)clvits_array_count(a);
        float *x = malloc(n * sizeof(*x));
        double s = 0, b = 0, r = 0;
        ck_assert(x != NULL);
        clvits_array_floats(a, x);
        for (size_t i = 0; i < n; i++) {
            s += x[i];
            b += fabs((double)x[i]);
            r += (double)x[i] * (double)(1 + i % 97);
        }
        free(x);
        const double near = tolerance * (absolute + 1e-6);
        ck_assert_msg(
            fabs(s - sum) <= near && fabs(b - absolute) <= near && fabs(r - ramp) <= 97 * near,
            "%s: sums %.9g %.9g %.9g, not %.9g %.9g %.9g", name, s, b, r, sum, absolute, ramp);
    }
    fclose(f);
    ck_assert_uint_eq(set->count, count);
}

void onnx_check(const char *path, const char *voice, double tolerance)
{
    clvits_config c = onnx_defaults();
    clvits_report r = {0};
    clvits_arrays set, canonical;

    ck_assert(clvits_onnx_detect(path));
    const clvits_status status = clvits_onnx_voice_open(&set, &c, NULL, path, &r);
    ck_assert_msg(status == CLVITS_OK, "%s", r.text);
    check_state(&set, voice, tolerance);
    ck_assert_msg(clvits_config_check(&c, &r) == CLVITS_OK, "%s", r.text);
    ck_assert_msg(clvits_weights_canonical(&canonical, &set, &c, &r) == CLVITS_OK, "%s", r.text);
    clvits_arrays_free(&canonical);
    clvits_arrays_free(&set);
}
