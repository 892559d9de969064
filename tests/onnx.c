// SPDX-License-Identifier: MIT
#include "onnx_files.h"
#include "files.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLOAT = 1, HALF = 10 }; /* types of a tensor in the format */

static void rename_to(char **s, const char *name)
{
    *s = onnx_text(name);
}

START_TEST(voice)
{
    onnx_check(onnx_golden(onnx_voices[_i], "model.onnx"), onnx_voices[_i], 1e-6);
}
END_TEST

static void ck_ints(const int *found, const int *wanted, int n)
{
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(found[i], wanted[i]);
}

START_TEST(geometry_single)
{
    clvits_config c;
    clvits_report r = {0};
    clvits_arrays set;

    /* nothing may come from a default */
    memset(&c, 0, sizeof(c));
    ck_assert_int_eq(
        clvits_onnx_voice_open(&set, &c, NULL, onnx_golden("piper-single", "model.onnx"), &r),
        CLVITS_OK);
    clvits_arrays_free(&set);
    const int wanted[] = {46, 12, 12, 40, 2, 2,  3, 4, 2, 3, 2, 32, 7, 7, 0,
                          1,  12, 3,  4,  3, 10, 4, 4, 5, 1, 1, 1,  0, 32};
    const int found[] = {c.n_vocab,
                         c.inter_channels,
                         c.hidden_channels,
                         c.filter_channels,
                         c.n_heads,
                         c.n_layers,
                         c.kernel_size,
                         c.window_size,
                         c.resblock,
                         c.n_resblocks,
                         c.n_upsamples,
                         c.upsample_initial_channel,
                         c.conv_pre_kernel,
                         c.conv_post_kernel,
                         c.conv_post_bias,
                         c.use_sdp,
                         c.dp_filter_channels,
                         c.dp_kernel_size,
                         c.dp_n_flows,
                         c.dds_n_layers,
                         c.spline_bins,
                         c.flow_n_couplings,
                         c.flow_n_layers,
                         c.flow_kernel_size,
                         c.flow_dilation_rate,
                         c.flow_mean_only,
                         c.n_speakers,
                         c.gin_channels,
                         c.hop_length};
    ck_ints(found, wanted, (int)(sizeof(wanted) / sizeof(*wanted)));
    ck_ints(c.upsample_rates, (int[]){8, 4}, 2);
    ck_ints(c.upsample_kernel_sizes, (int[]){16, 8}, 2);
    ck_ints(c.resblock_kernel_sizes, (int[]){3, 5, 7}, 3);
    ck_ints(c.n_resblock_dilations, (int[]){2, 2, 2}, 3);
    ck_ints(c.resblock_dilation_sizes[0], (int[]){1, 2}, 2);
    ck_ints(c.resblock_dilation_sizes[1], (int[]){2, 6}, 2);
    ck_ints(c.resblock_dilation_sizes[2], (int[]){3, 12}, 2);
    ck_assert_float_eq_tol(c.layer_norm_eps, 1e-5f, 1e-9f);
    ck_assert_float_eq_tol(c.dp_norm_eps, 1e-5f, 1e-9f);
    ck_assert_float_eq_tol(c.leaky_relu_slope, 0.1f, 1e-7f);
    ck_assert_float_eq_tol(c.spline_tail, 5.0f, 1e-6f);
    ck_assert_int_eq(c.sampling_rate, 0);
}
END_TEST

START_TEST(geometry_multi)
{
    clvits_config c = {0};
    clvits_report r = {0};
    clvits_arrays set;

    ck_assert_int_eq(
        clvits_onnx_voice_open(&set, &c, NULL, onnx_golden("piper-multi", "model.onnx"), &r),
        CLVITS_OK);
    clvits_arrays_free(&set);
    const int found[] = {c.n_vocab,         c.hidden_channels,
                         c.filter_channels, c.n_heads,
                         c.resblock,        c.n_resblocks,
                         c.n_upsamples,     c.n_speakers,
                         c.gin_channels,    c.upsample_initial_channel,
                         c.hop_length};
    ck_ints(found, (int[]){46, 16, 36, 2, 1, 3, 3, 4, 10, 24, 32}, 11);
    ck_ints(c.upsample_rates, (int[]){4, 4, 2}, 3);
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(c.n_resblock_dilations[k], 3);
        ck_ints(c.resblock_dilation_sizes[k], (int[]){1, 3, 5}, 3);
    }
    ck_ints(c.resblock_kernel_sizes, (int[]){3, 7, 11}, 3);
}
END_TEST

/* ---- the same voice as other exporters write it ---- */

static void rewire(graph_message *g, const char *from, const char *to)
{
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_input; k++)
            if (!strcmp(g->node[i]->input[k], from))
                rename_to(&g->node[i]->input[k], to);
}

/* Nodes are numbered and carry no paths, as before PyTorch 1.13. */
static void number_nodes(graph_message *g)
{
    for (size_t i = 0; i < g->n_node; i++) {
        char name[64];
        snprintf(name, sizeof(name), "%.40s_%zu", g->node[i]->op_type, i);
        rename_to(&g->node[i]->name, name);
    }
}

/* Equal initializers are one, and no Identity tells the names of the others. */
static void drop_identities(graph_message *g)
{
    size_t kept = 0;

    for (size_t i = 0; i < g->n_node; i++) {
        if (!strcmp(g->node[i]->op_type, "Identity"))
            rewire(g, g->node[i]->output[0], g->node[i]->input[0]);
        else
            g->node[kept++] = g->node[i];
    }
    g->n_node = kept;
}

/* No initializer keeps a name; only the paths in the nodes' names tell. */
static void number_weights(graph_message *g)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%zu", 5000 + i);
        rewire(g, g->initializer[i]->name, name);
        rename_to(&g->initializer[i]->name, name);
    }
    drop_identities(g);
}

/* The factor of the affine flow is stored as exp(-logs). */
static void fold_exponent(graph_message *g)
{
    node_message *e = onnx_node(g, "/dp/flows.0/Exp");
    tensor_message *t = onnx_initializer(g, e->input[0]);

    ck_assert(t != NULL && t->raw_data.len == 8);
    float x[2];
    memcpy(x, t->raw_data.data, sizeof(x));
    for (int i = 0; i < 2; i++)
        x[i] = expf(x[i]);
    memcpy(t->raw_data.data, x, sizeof(x));
    rewire(g, e->output[0], t->name);
    rename_to(&e->op_type, "Unused");
}

/* Nothing is folded: the file has logs and a node that negates it. */
static void unfold_negation(graph_message *g)
{
    node_message *e = onnx_node(g, "/dp/flows.0/Exp"), *spare = onnx_node(g, "/dp/flows.0/Mul_1");
    tensor_message *t = onnx_initializer(g, e->input[0]);
    node_message *negative = onnx_alloc(sizeof(*negative));

    ck_assert(t != NULL);
    float x[2];
    memcpy(x, t->raw_data.data, sizeof(x));
    for (int i = 0; i < 2; i++)
        x[i] = -x[i];
    memcpy(t->raw_data.data, x, sizeof(x));
    *negative = *spare;
    rename_to(&negative->name, "/dp/flows.0/Neg");
    rename_to(&negative->op_type, "Neg");
    negative->n_input = negative->n_output = 1;
    negative->input = onnx_alloc(sizeof(char *));
    negative->output = onnx_alloc(sizeof(char *));
    negative->input[0] = onnx_text(t->name);
    negative->output[0] = onnx_text("negated");
    rename_to(&e->input[0], "negated");
    g->node = onnx_grow(g->node, g->n_node, sizeof(*g->node));
    g->node[g->n_node++] = negative;
}

static void type_floats(graph_message *g)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        tensor_message *t = g->initializer[i];
        if (t->data_type != FLOAT)
            continue;
        t->n_float_data = t->raw_data.len / sizeof(float);
        t->float_data = (float *)(void *)t->raw_data.data;
        t->raw_data = (ProtobufCBinaryData){0, NULL};
    }
}

static uint16_t half(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    const uint32_t sign = bits >> 16 & 0x8000;
    const int exponent = (int)(bits >> 23 & 255) - 127 + 15;
    if (exponent <= 0)
        return (uint16_t)sign; /* small ones to zero: within the test's tolerance */
    const uint32_t rest = (uint32_t)exponent << 10 | (bits >> 13 & 0x3ff);
    return (uint16_t)(sign | (rest + (bits >> 12 & 1)));
}

/* Half precision, in bytes for even tensors and widened to int32 for odd ones. */
static void halve(graph_message *g)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        tensor_message *t = g->initializer[i];
        const size_t n = t->raw_data.len / sizeof(float);
        if (t->data_type != FLOAT)
            continue;
        t->data_type = HALF;
        t->int32_data = onnx_alloc(n * sizeof(int32_t));
        for (size_t k = 0; k < n; k++) {
            float x;
            memcpy(&x, t->raw_data.data + k * sizeof(x), sizeof(x));
            t->int32_data[k] = half(x);
        }
        if (i % 2) {
            t->n_int32_data = n;
            t->raw_data = (ProtobufCBinaryData){0, NULL};
            continue;
        }
        for (size_t k = 0; k < n; k++) {
            const uint16_t h = (uint16_t)t->int32_data[k];
            memcpy(t->raw_data.data + k * sizeof(h), &h, sizeof(h));
        }
        t->raw_data.len = n * sizeof(uint16_t);
    }
}

/* Weights as Constant nodes. */
static void make_constants(graph_message *g)
{
    for (size_t i = 0; i < g->n_initializer; i++) {
        attribute_message *a = onnx_alloc(sizeof(*a)), **list = onnx_alloc(sizeof(*list));
        node_message *n = onnx_alloc(sizeof(*n));
        clvits__onnx__attribute__init(a);
        clvits__onnx__node__init(n);
        a->name = onnx_text("value");
        a->t = g->initializer[i];
        n->op_type = onnx_text("Constant");
        n->name = onnx_text("constant");
        n->n_attribute = n->n_output = 1;
        n->attribute = list;
        list[0] = a;
        n->output = onnx_alloc(sizeof(char *));
        n->output[0] = onnx_text(g->initializer[i]->name);
        g->node = onnx_grow(g->node, g->n_node, sizeof(*g->node));
        g->node[g->n_node++] = n;
    }
    g->n_initializer = 0;
}

static const struct {
    const char *name;
    void (*change)(graph_message *g);
    double tolerance;
} exporters[] = {
    {"numbered nodes", number_nodes, 1e-6},
    {"merged weights", drop_identities, 1e-6},
    {"numbered weights", number_weights, 1e-6},
    {"exp(-logs)", fold_exponent, 1e-6},
    {"logs", unfold_negation, 1e-6},
    {"typed floats", type_floats, 1e-6},
    {"half precision", halve, 1e-3},
    {"constants", make_constants, 1e-6},
};

START_TEST(exporter)
{
    for (int v = 0; v < N_VOICES; v++) {
        model_message *m = onnx_parse(onnx_voices[v]);
        exporters[_i].change(m->graph);
        onnx_check(onnx_write(m), onnx_voices[v], exporters[_i].tolerance);
    }
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("onnx");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, onnx_close);
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, voice, 0, N_VOICES);
    tcase_add_test(t, geometry_single);
    tcase_add_test(t, geometry_multi);
    tcase_add_loop_test(t, exporter, 0, (int)(sizeof(exporters) / sizeof(*exporters)));
    suite_add_tcase(s, t);
    return s;
}
