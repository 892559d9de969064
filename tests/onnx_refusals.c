// SPDX-License-Identifier: MIT
#include "onnx_files.h"
#include "files.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void rename_to(char **s, const char *name)
{
    *s = onnx_text(name);
}

/* ---- refusals ---- */

static void expect_refusal(const char *path, clvits_status wanted, const char *part)
{
    clvits_config c = onnx_defaults();
    const clvits_config before = c;
    clvits_report r = {0};
    clvits_arrays set;
    const clvits_status status = clvits_onnx_voice_open(&set, &c, NULL, path, &r);

    ck_assert_msg(status == wanted, "status %d, wanted %d (%s): %s", status, wanted, part, r.text);
    ck_assert_msg(strstr(r.text, part) != NULL, "'%s' does not say '%s'", r.text, part);
    ck_assert_ptr_null(set.items);
    ck_assert_ptr_null(set.arena.blocks);
    ck_assert_int_eq(memcmp(&before, &c, sizeof(c)), 0);
}

static void give_input(model_message *m, const char *name)
{
    graph_message *g = m->graph;
    Clvits__Onnx__Value *v = onnx_alloc(sizeof(*v));

    clvits__onnx__value__init(v);
    v->name = onnx_text(name);
    g->input = onnx_grow(g->input, g->n_input, sizeof(*g->input));
    g->input[g->n_input++] = v;
}

static void give_metadata(model_message *m, const char *key, const char *value)
{
    Clvits__Onnx__Entry *e = onnx_alloc(sizeof(*e));

    clvits__onnx__entry__init(e);
    e->key = onnx_text(key);
    e->value = onnx_text(value);
    m->metadata_props = onnx_grow(NULL, 0, sizeof(*m->metadata_props));
    m->metadata_props[0] = e;
    m->n_metadata_props = 1;
}

START_TEST(extra_inputs)
{
    static const char *const signs[][2] = {
        {"bert", "Bert-VITS2"}, {"tones", "MeloTTS"},          {"lid", "piper-plus"},
        {"tokens", "icefall"},  {"input_ids", "transformers"}, {"anything", "'anything'"},
    };

    for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
        model_message *m = onnx_parse("piper-single");
        give_input(m, signs[i][0]);
        expect_refusal(onnx_write(m), CLVITS_E_UNSUPPORTED, signs[i][1]);
    }
}
END_TEST

START_TEST(relatives)
{
    static const char *const paths[][2] = {
        {"/dec/istft/Conv", "iSTFT"},
        {"/dec/subband_conv_post/Conv", "iSTFT"},
        {"/flow/flows.0/pre_transformer/conv_q/Conv", "VITS2"},
        {"/enc_p/bert_proj/Conv", "Bert-VITS2"},
        {"/text_encoder/embed/Gather", "relative of VITS"},
    };

    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        model_message *m = onnx_parse("piper-single");
        rename_to(&onnx_node(m->graph, "/dec/conv_post/Conv")->name, paths[i][0]);
        expect_refusal(onnx_write(m), CLVITS_E_UNSUPPORTED, paths[i][1]);
    }
    model_message *m = onnx_parse("piper-multi");
    give_metadata(m, "model_type", "melo-vits");
    expect_refusal(onnx_write(m), CLVITS_E_UNSUPPORTED, "MeloTTS");
    give_metadata(m, "comment", "piper");
    onnx_check(onnx_write(m), "piper-multi", 1e-6);
}
END_TEST

START_TEST(quantised)
{
    static const char *const operators[] = {"ConvInteger", "QLinearConv", "DynamicQuantizeLinear",
                                            "DequantizeLinear"};

    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
        model_message *m = onnx_parse("piper-single");
        rename_to(&onnx_node(m->graph, "/dec/conv_pre/Conv")->op_type, operators[i]);
        expect_refusal(onnx_write(m), CLVITS_E_UNSUPPORTED, operators[i]);
    }
}
END_TEST

START_TEST(missing_parts)
{
    static const char *const parts[][2] = {
        {"/enc_p/emb/Gather", "enc_p.emb.weight"},
        {"/enc_p/encoder/attn_layers.1/conv_k/Conv", "enc_p.encoder.attn_layers.1.conv_k"},
        {"/dp/pre/Conv", "duration predictor"},
        {"/dp/flows.5/convs/convs_sep.1/Conv", "dp.flows.5.convs.convs_sep.1"},
        {"/flow/flows.0/pre/Conv", "flow.flows"},
        {"/flow/flows.4/enc/in_layers.2/Conv", "flow.flows.4.enc.in_layers.2"},
        {"/dec/conv_post/Conv", "dec.conv_post"},
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        model_message *m = onnx_parse("piper-single");
        rename_to(&onnx_node(m->graph, parts[i][0])->op_type, "Unused");
        expect_refusal(onnx_write(m), CLVITS_E_FORMAT, parts[i][1]);
    }
    model_message *m = onnx_parse("piper-multi");
    rename_to(&onnx_node(m->graph, "/dec/cond/Conv")->op_type, "Unused");
    expect_refusal(onnx_write(m), CLVITS_E_FORMAT, "dec.cond");
}
END_TEST

static attribute_message *attribute(node_message *n, const char *name)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (!strcmp(n->attribute[i]->name, name))
            return n->attribute[i];
    ck_abort_msg("no attribute %s", name);
    return NULL;
}

START_TEST(other_geometry)
{
    static const struct {
        const char *node, *attribute;
        int64_t value;
        clvits_status status;
    } changes[] = {
        {"/dp/convs/convs_sep.1/Conv", "dilations", 2, CLVITS_E_UNSUPPORTED},
        {"/dec/ups.0/ConvTranspose", "strides", 7, CLVITS_E_UNSUPPORTED},
        {"/dec/ups.0/ConvTranspose", "strides", 0, CLVITS_E_FORMAT},
        {"/dec/ups.0/ConvTranspose", "strides", -1, CLVITS_E_FORMAT},
        {"/dec/resblocks.3/convs.1/Conv", "dilations", 3, CLVITS_E_UNSUPPORTED},
        {"/dec/conv_post/Conv", "kernel_shape", 5, CLVITS_E_FORMAT},
        {"/flow/flows.2/enc/in_layers.0/Conv", "pads", INT64_MAX, CLVITS_E_FORMAT},
        {"/dp/convs/convs_sep.0/Conv", "group", INT64_MIN, CLVITS_E_FORMAT},
    };

    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        model_message *m = onnx_parse("piper-single");
        attribute_message *a =
            attribute(onnx_node(m->graph, changes[i].node), changes[i].attribute);
        a->i = changes[i].value;
        for (size_t k = 0; k < a->n_ints; k++)
            a->ints[k] = changes[i].value;
        expect_refusal(onnx_write(m), changes[i].status, "");
    }
}
END_TEST

START_TEST(bad_tensors)
{
    static const char weight[] = "dec.conv_pre.weight";

    for (int i = 0; i < 7; i++) {
        model_message *m = onnx_parse("piper-single");
        tensor_message *t = onnx_initializer(m->graph, weight);
        ck_assert(t != NULL);
        const char *said = weight;
        clvits_status status = CLVITS_E_FORMAT;
        switch (i) {
        case 0:
            t->dims[0] += 1;
            break;
        case 1:
            t->dims[0] = INT64_MAX;
            break;
        case 2:
            t->dims[0] = t->dims[1] = t->dims[2] = 1 << 26;
            break;
        case 3:
            t->dims[2] = -7;
            break;
        case 4:
            t->raw_data.len -= 4;
            break;
        case 5:
            t->data_type = 3;
            status = CLVITS_E_UNSUPPORTED;
            break;
        default:
            t->data_location = 1;
            status = CLVITS_E_UNSUPPORTED;
            said = "second file";
        }
        expect_refusal(onnx_write(m), status, said);
    }
}
END_TEST

START_TEST(no_model)
{
    const char *path = files_text("empty.onnx", "");

    ck_assert(!clvits_onnx_detect(path));
    expect_refusal(path, CLVITS_E_FORMAT, "empty");
    path = files_text("text.onnx", "{ \"this\": \"is no voice\" }");
    ck_assert(!clvits_onnx_detect(path));
    expect_refusal(path, CLVITS_E_FORMAT, "ONNX");
    path = files_path("absent.onnx");
    ck_assert(!clvits_onnx_detect(path));
    expect_refusal(path, CLVITS_E_FILE, "absent.onnx");
    path = files_path(".");
    ck_assert(!clvits_onnx_detect(path));
    expect_refusal(path, CLVITS_E_FILE, "");
}
END_TEST

/* Two bytes of file can ask the parser for a hundred of memory. */
START_TEST(bomb)
{
    enum { NODES = 8 << 20 };
    const size_t size = 2 * (size_t)NODES;
    uint8_t *bytes = malloc(size + 16);
    size_t n = 0;

    ck_assert(bytes != NULL);
    bytes[n++] = 8;
    bytes[n++] = 8;
    bytes[n++] = 0x3a;
    for (size_t rest = size; rest; rest >>= 7)
        bytes[n++] = (uint8_t)((rest & 127) | (rest > 127 ? 128 : 0));
    for (size_t i = 0; i < NODES; i++) {
        bytes[n++] = 0x0a;
        bytes[n++] = 0;
    }
    expect_refusal(files_write("bomb.onnx", bytes, n), CLVITS_E_MEMORY, "bomb.onnx");
    free(bytes);
}
END_TEST

/* ---- damage ---- */

static void open_damaged(const char *path)
{
    clvits_config c = onnx_defaults();
    clvits_report r = {0};
    clvits_arrays set;
    const clvits_status status = clvits_onnx_voice_open(&set, &c, NULL, path, &r);

    clvits_onnx_detect(path);
    ck_assert_int_eq(status == CLVITS_OK, r.text[0] == 0);
    for (size_t i = 0; i < set.count; i++) {
        float *x = malloc((size_t)clvits_array_count(&set.items[i]) * sizeof(*x));
        ck_assert(x != NULL);
        clvits_array_floats(&set.items[i], x);
        free(x);
    }
    clvits_arrays_free(&set);
}

/* How many of so many; CLVITS_TEST_SWEEP has all. */
static int some_of(int all)
{
    return getenv("CLVITS_TEST_SWEEP") ? all : all / (getenv("CLVITS_TEST_TINY") ? 8 : 2);
}

START_TEST(truncated)
{
    const size_t step = 64 / (size_t)some_of(64);
    size_t size;
    char *bytes = files_read(onnx_golden(onnx_voices[_i], "model.onnx"), &size);

    for (size_t k = (size_t)_i % step; k < 64; k += step) {
        const size_t cut = k < 32 ? k : size - 1 - (k - 32) * (k - 32) * (size / 1100);
        const char *path = files_write("cut.onnx", bytes, cut);
        expect_refusal(path, CLVITS_E_FORMAT, "cut.onnx");
    }
    free(bytes);
}
END_TEST

START_TEST(flipped)
{
    size_t size;
    char *bytes = files_read(onnx_golden(onnx_voices[_i % 2], "model.onnx"), &size);
    uint64_t seed = 88172645463325252u + (uint64_t)_i;

    for (int k = 0; k < some_of(100); k++) {
        size_t at[8];
        uint8_t was[8];
        for (int j = 0; j < 8; j++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            at[j] = (size_t)(seed >> 8) % size;
            was[j] = (uint8_t)bytes[at[j]];
            bytes[at[j]] = (char)(k % 2 ? seed : was[j] ^ (1u << (seed & 7)));
        }
        open_damaged(files_write("damaged.onnx", bytes, size));
        for (int j = 7; j >= 0; j--)
            bytes[at[j]] = (char)was[j];
    }
    free(bytes);
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("onnx_refusals");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, onnx_close);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, extra_inputs);
    tcase_add_test(t, relatives);
    tcase_add_test(t, quantised);
    tcase_add_test(t, missing_parts);
    tcase_add_test(t, other_geometry);
    tcase_add_test(t, bad_tensors);
    tcase_add_test(t, no_model);
    tcase_add_test(t, bomb);
    tcase_add_loop_test(t, truncated, 0, N_VOICES);
    tcase_add_loop_test(t, flipped, 0, 4);
    suite_add_tcase(s, t);
    return s;
}
