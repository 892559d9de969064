// SPDX-License-Identifier: MIT
#include "files.h"
#include "model/weights.h"
#include "model/weights_names.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A voice of odd sizes with every kind of layer. */
static clvits_config odd_voice(int use_sdp, int gin, int resblock)
{
    clvits_config c = clvits_config_default();

    c.n_vocab = 11;
    c.inter_channels = 6;
    c.hidden_channels = 10;
    c.filter_channels = 7;
    c.n_heads = 2;
    c.n_layers = 2;
    c.kernel_size = 3;
    c.resblock = resblock;
    c.n_resblocks = 2;
    c.resblock_kernel_sizes[0] = 3;
    c.resblock_kernel_sizes[1] = 5;
    c.n_resblock_dilations[0] = 1;
    c.n_resblock_dilations[1] = 2;
    c.resblock_dilation_sizes[0][0] = 1;
    c.resblock_dilation_sizes[1][0] = 1;
    c.resblock_dilation_sizes[1][1] = 3;
    c.n_upsamples = 2;
    c.upsample_rates[0] = 4;
    c.upsample_rates[1] = 3;
    c.upsample_kernel_sizes[0] = 8;
    c.upsample_kernel_sizes[1] = 5;
    c.upsample_initial_channel = 13;
    c.use_sdp = use_sdp;
    c.dp_filter_channels = use_sdp ? 10 : 9;
    c.n_speakers = gin ? 3 : 1;
    c.gin_channels = gin;
    c.sampling_rate = 16000;
    c.hop_length = 12;
    return c;
}

enum { MAX_ITEMS = 1024 };

/* What a file would hold: items with data of their own. */
typedef struct source {
    clvits_arrays set; /* arena only, for names and data */
    clvits_array items[MAX_ITEMS];
    size_t count;
    uint32_t seed;
} source;

static float *fill(source *s, size_t n)
{
    float *data = clvits_arena_array(&s->set.arena, n, sizeof(*data));

    ck_assert(data != NULL);
    for (size_t i = 0; i < n; i++) {
        s->seed = s->seed * 1664525u + 1013904223u;
        data[i] = (float)(int32_t)s->seed * 0x1p-31f;
    }
    return data;
}

static clvits_array *give(source *s, const char *name, int rank, const int64_t *shape)
{
    ck_assert_uint_lt(s->count, MAX_ITEMS);
    clvits_array *a = &s->items[s->count++];

    *a = (clvits_array){ .dtype = CLVITS_DTYPE_F32, .rank = rank };
    a->name = clvits_arena_text(&s->set.arena, name, strlen(name));
    memcpy(a->shape, shape, (size_t)rank * sizeof(*shape));
    a->data = fill(s, (size_t)clvits_array_count(a));
    return a;
}

static clvits_status give_weight(void *user, const clvits_weight *w)
{
    give(user, w->name, w->rank, w->shape);
    return CLVITS_OK;
}

static clvits_array *item(source *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->items[i].name, name))
            return &s->items[i];
    ck_abort_msg("no %s among the test's arrays", name);
    return NULL;
}

static void take_away(source *s, const char *name)
{
    *item(s, name) = s->items[--s->count];
}

static source *new_source(const clvits_config *c)
{
    source *s = calloc(1, sizeof(*s));

    ck_assert(s != NULL);
    s->seed = 7;
    ck_assert_int_eq(clvits_weights_walk(c, give_weight, s), CLVITS_OK);
    return s;
}

static void free_source(source *s)
{
    clvits_arrays_free(&s->set);
    free(s);
}

static clvits_status canonical(clvits_arrays *out, const source *s, const clvits_config *c,
                               clvits_report *r)
{
    clvits_arrays raw = { .items = (clvits_array *)s->items, .count = s->count };
    return clvits_weights_canonical(out, &raw, c, r);
}

static const struct {
    int use_sdp, gin, resblock;
} kinds[] = { { 1, 0, 1 }, { 0, 0, 2 }, { 1, 5, 2 }, { 0, 5, 1 } };

START_TEST(takes_every_kind_of_voice)
{
    const clvits_config c = odd_voice(kinds[_i].use_sdp, kinds[_i].gin, kinds[_i].resblock);
    source *s = new_source(&c);
    clvits_arrays out;
    clvits_report r = { 0 };

    ck_assert_msg(!clvits_config_check(&c, &r), "%s", r.text);
    ck_assert_msg(!canonical(&out, s, &c, &r), "%s", r.text);
    ck_assert_uint_eq(out.count, s->count);
    for (size_t i = 0; i < out.count; i++) {
        const clvits_array *a = &out.items[i];
        ck_assert_int_eq(a->dtype, CLVITS_DTYPE_F32);
        ck_assert_ptr_eq(a->data, item(s, a->name)->data); /* nothing was copied */
    }
    clvits_arrays_free(&out);
    free_source(s);
}
END_TEST

/* Replace a tensor by the pair that weight normalisation stores. */
static void split(source *s, const char *layer, const char *gain, const char *direction)
{
    char name[160];

    snprintf(name, sizeof(name), "%s.weight", layer);
    const clvits_array whole = *item(s, name);
    take_away(s, name);
    snprintf(name, sizeof(name), "%s%s", layer, gain);
    give(s, name, 3, (const int64_t[]){ whole.shape[0], 1, 1 });
    snprintf(name, sizeof(name), "%s%s", layer, direction);
    give(s, name, whole.rank, whole.shape);
}

static void check_folded(const clvits_arrays *out, source *s, const char *layer, const char *gain,
                         const char *direction)
{
    char name[160];

    snprintf(name, sizeof(name), "%s.weight", layer);
    const clvits_array *w = clvits_arrays_find(out, name);
    snprintf(name, sizeof(name), "%s%s", layer, gain);
    const float *g = item(s, name)->data;
    snprintf(name, sizeof(name), "%s%s", layer, direction);
    const clvits_array *v = item(s, name);

    ck_assert_ptr_nonnull(w);
    const int64_t rows = w->shape[0], columns = clvits_array_count(w) / rows;
    for (int64_t i = 0; i < rows; i++) {
        const float *vi = (const float *)v->data + i * columns;
        long double square = 0;
        for (int64_t j = 0; j < columns; j++)
            square += (long double)vi[j] * vi[j];
        for (int64_t j = 0; j < columns; j++) {
            const double want = (double)(g[i] * (long double)vi[j] / sqrtl(square));
            const double got = ((const float *)w->data)[i * columns + j];
            ck_assert_msg(fabs(got - want) <= 1e-7 * fabs(want), "%s: %g, not %g", layer, got,
                          want);
        }
    }
}

START_TEST(folds_weight_norm)
{
    static const char *const layers[] = { "dec.ups.0", "dec.resblocks.1.convs1.1",
                                          "flow.flows.2.enc.in_layers.0",
                                          "flow.flows.6.enc.cond_layer" };
    static const char *const suffixes[][2] = {
        { ".weight_g", ".weight_v" },
        { ".parametrizations.weight.original0", ".parametrizations.weight.original1" },
    };
    const clvits_config c = odd_voice(1, 5, 1);
    source *s = new_source(&c);
    clvits_arrays out;
    clvits_report r = { 0 };

    for (int i = 0; i < 4; i++)
        split(s, layers[i], suffixes[_i][0], suffixes[_i][1]);
    ck_assert_msg(!canonical(&out, s, &c, &r), "%s", r.text);
    for (int i = 0; i < 4; i++)
        check_folded(&out, s, layers[i], suffixes[_i][0], suffixes[_i][1]);
    clvits_arrays_free(&out);
    free_source(s);
}
END_TEST

/* The same weights whether data is copied or taken; what two tensors share is never overwritten. */
START_TEST(takes_data_in_place)
{
    static const char *const layers[] = { "dec.ups.0", "flow.flows.2.enc.in_layers.0" };
    const clvits_config c = odd_voice(1, 5, 1);
    source *s = new_source(&c);
    clvits_arrays out, taken;
    clvits_report r = { 0 };

    for (int i = 0; i < 2; i++)
        split(s, layers[i], ".weight_g", ".weight_v");
    const clvits_array alone = *item(s, "dec.ups.0.weight_v");
    const clvits_array shared = *item(s, "flow.flows.2.enc.in_layers.0.weight_v");
    const size_t size = (size_t)clvits_array_count(&shared) * sizeof(float);
    float *before = malloc(size);
    ck_assert_ptr_nonnull(before);
    memcpy(before, shared.data, size);
    /* Another tensor begins with its last element. */
    give(s, "enc_q.pre.bias", 1, (const int64_t[]){ 1 })->data =
        (const float *)shared.data + clvits_array_count(&shared) - 1;

    ck_assert_msg(!canonical(&out, s, &c, &r), "%s", r.text);
    ck_assert_mem_eq(shared.data, before, size);
    clvits_arrays raw = { .items = s->items, .count = s->count };
    ck_assert_msg(!clvits_weights_take(&taken, &raw, &c, &r), "%s", r.text);
    ck_assert_uint_eq(taken.count, out.count);
    for (size_t i = 0; i < out.count; i++)
        ck_assert_mem_eq(out.items[i].data, taken.items[i].data,
                         (size_t)clvits_array_count(&out.items[i]) * sizeof(float));
    ck_assert_ptr_eq(clvits_arrays_find(&taken, "dec.ups.0.weight")->data, alone.data);
    ck_assert_mem_eq(shared.data, before, size);
    clvits_arrays_free(&taken);
    clvits_arrays_free(&out);
    free(before);
    free_source(s);
}
END_TEST

/* A gain that is the norm, as near as a float can be, leaves every bit of the direction. */
START_TEST(keeps_what_was_folded)
{
    const clvits_config c = odd_voice(1, 5, 1);
    source *s = new_source(&c);
    clvits_arrays out;
    clvits_report r = { 0 };

    split(s, "flow.flows.2.enc.in_layers.0", ".weight_g", ".weight_v");
    const clvits_array *v = item(s, "flow.flows.2.enc.in_layers.0.weight_v");
    const int64_t rows = v->shape[0], columns = clvits_array_count(v) / rows;
    float *g = (float *)item(s, "flow.flows.2.enc.in_layers.0.weight_g")->data;
    for (int64_t i = 0; i < rows; i++) {
        double square = 0;
        for (int64_t j = 0; j < columns; j++)
            square += pow(((const float *)v->data)[i * columns + j], 2);
        g[i] = (float)sqrt(square);
    }
    ck_assert_msg(!canonical(&out, s, &c, &r), "%s", r.text);
    ck_assert_mem_eq(clvits_arrays_find(&out, "flow.flows.2.enc.in_layers.0.weight")->data, v->data,
                     (size_t)(rows * columns) * sizeof(float));
    clvits_arrays_free(&out);
    free_source(s);
}
END_TEST

START_TEST(knows_what_is_of_training)
{
    ck_assert(clvits_weight_of_training("enc_q.enc.in_layers.15.weight_v"));
    ck_assert(clvits_weight_of_training("posterior_encoder.conv_pre.weight"));
    ck_assert(clvits_weight_of_training("dp.post_flows.7.proj.bias"));
    ck_assert(clvits_weight_of_training("dp.flows.1.pre.weight"));
    ck_assert(clvits_weight_of_training("duration_predictor.flows.1.conv_pre.weight"));
    ck_assert(!clvits_weight_of_training("duration_predictor.flows.2.conv_pre.weight"));
    ck_assert(!clvits_weight_of_training("flow.flows.1.pre.weight"));
    ck_assert(!clvits_weight_of_training("enc_p.emb.weight"));
}
END_TEST

START_TEST(a_zero_direction_gives_zero)
{
    const clvits_config c = odd_voice(1, 0, 1);
    source *s = new_source(&c);
    clvits_arrays out;
    clvits_report r = { 0 };

    split(s, "dec.ups.0", ".weight_g", ".weight_v");
    clvits_array *v = item(s, "dec.ups.0.weight_v");
    memset((void *)v->data, 0, (size_t)clvits_array_count(v) * sizeof(float));
    ck_assert_msg(!canonical(&out, s, &c, &r), "%s", r.text);
    const float *w = clvits_arrays_find(&out, "dec.ups.0.weight")->data;
    for (int64_t i = 0; i < clvits_array_count(v); i++)
        ck_assert(w[i] == 0);
    clvits_arrays_free(&out);
    free_source(s);
}
END_TEST

/* Halves are converted, unaligned floats copied: through a file whose data lies oddly. */
START_TEST(converts_halves_and_unaligned_floats)
{
    const clvits_config c = odd_voice(0, 0, 2);
    source *s = new_source(&c);
    static const uint16_t halves[9] = { 0x3c00, 0x3c01, 0xbc00, 0x0001, 0, 0x4000, 1, 2, 3 };
    clvits_array *a = item(s, "dp.norm_1.gamma");
    clvits_arrays raw, out;
    clvits_report r = { 0 };

    a->dtype = CLVITS_DTYPE_F16; /* nine halves: an odd number of two bytes */
    a->data = halves;
    ck_assert_msg(!clvits_safetensors_open(&raw, files_safetensors("v", s->items, s->count), &r),
                  "%s", r.text);
    ck_assert_msg(!clvits_weights_canonical(&out, &raw, &c, &r), "%s", r.text);
    for (size_t i = 0; i < out.count; i++) {
        const clvits_array *want = item(s, out.items[i].name);
        float *values = calloc((size_t)clvits_array_count(want), sizeof(*values));

        ck_assert(values != NULL);
        clvits_array_floats(want, values);
        ck_assert_uint_eq((uintptr_t)out.items[i].data % sizeof(float), 0);
        ck_assert_mem_eq(out.items[i].data, values,
                         (size_t)clvits_array_count(want) * sizeof(*values));
        free(values);
    }
    clvits_arrays_free(&out);
    clvits_arrays_free(&raw);
    free_source(s);
}
END_TEST

START_TEST(names_everything_that_does_not_fit)
{
    const clvits_config c = odd_voice(1, 0, 1);
    source *s = new_source(&c);
    clvits_arrays out;
    clvits_report r = { 0 };

    take_away(s, "dp.proj.bias");
    take_away(s, "enc_p.emb.weight");
    item(s, "dec.conv_pre.weight")->shape[2] = 5;
    item(s, "dec.conv_pre.bias")->dtype = CLVITS_DTYPE_I32;
    give(s, "flow.flows.0.pre_transformer.weight", 1, (const int64_t[]){ 3 });
    give(s, "flow.flows.7.enc.in_layers.0.weight_g", 1, (const int64_t[]){ 3 }); /* a pair */
    give(s, "flow.flows.7.enc.in_layers.0.weight_v", 1, (const int64_t[]){ 3 });
    give(s, "enc_q.pre.weight", 1, (const int64_t[]){ 3 });       /* training only */
    give(s, "dp.post_pre.weight", 1, (const int64_t[]){ 3 });     /* training only */
    give(s, "dp.flows.1.pre.weight", 1, (const int64_t[]){ 3 });  /* skipped in reverse */

    ck_assert_int_eq(canonical(&out, s, &c, &r), CLVITS_E_FORMAT);
    ck_assert_uint_eq(out.count, 0);
    static const char *const parts[] = {
        "2 missing", "enc_p.emb.weight", "dp.proj.bias", "2 of the wrong shape",
        "dec.conv_pre.weight is [13,6,5], not [13,6,7]", "of integers",
        "2 left over (flow.flows.0.pre_transformer.weight, flow.flows.7.enc.in_layers.0.weight)",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        ck_assert_msg(strstr(r.text, parts[i]), "no \"%s\" in: %s", parts[i], r.text);
    free_source(s);
}
END_TEST

START_TEST(misses_each_tensor)
{
    const clvits_config c = odd_voice(1, 5, 1);
    source *s = new_source(&c);
    const size_t n = s->count;

    for (size_t i = 0; i < n; i++) {
        const clvits_array kept = s->items[i];
        clvits_arrays out;
        clvits_report r = { 0 };

        s->items[i] = s->items[--s->count];
        ck_assert_int_eq(canonical(&out, s, &c, &r), CLVITS_E_FORMAT);
        ck_assert_msg(strstr(r.text, kept.name), "no %s in: %s", kept.name, r.text);
        s->items[s->count++] = s->items[i];
        s->items[i] = kept;
    }
    free_source(s);
}
END_TEST

START_TEST(refuses_what_is_not_a_number)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    const clvits_config c = odd_voice(1, 5, 1);

    for (int i = 0; i < 3; i++) {
        source *s = new_source(&c);
        clvits_arrays out;
        clvits_report r = { 0 };
        clvits_array *a = item(s, "dec.conv_post.weight");

        ((float *)a->data)[_i ? clvits_array_count(a) - 1 : 3] = bad[i];
        ck_assert_int_eq(canonical(&out, s, &c, &r), CLVITS_E_FORMAT);
        ck_assert_msg(strstr(r.text, "dec.conv_post.weight"), "%s", r.text);
        free_source(s);
    }
}
END_TEST

START_TEST(refuses_the_same_tensor_twice)
{
    const clvits_config c = odd_voice(0, 0, 1);
    source *s = new_source(&c);
    clvits_arrays out;
    clvits_report r = { 0 };

    give(s, "decoder.conv_pre.bias", 1, (const int64_t[]){ 13 });
    ck_assert_int_eq(canonical(&out, s, &c, &r), CLVITS_E_FORMAT);
    ck_assert_msg(strstr(r.text, "dec.conv_pre.bias twice"), "%s", r.text);
    free_source(s);
}
END_TEST

static const struct {
    const char *from, *to;
    clvits_weight_part part;
} names[] = {
    { "text_encoder.embed_tokens.weight", "enc_p.emb.weight", CLVITS_WEIGHT_WHOLE },
    { "text_encoder.encoder.layers.11.attention.out_proj.bias",
      "enc_p.encoder.attn_layers.11.conv_o.bias", CLVITS_WEIGHT_WHOLE },
    { "text_encoder.encoder.layers.3.attention.emb_rel_v",
      "enc_p.encoder.attn_layers.3.emb_rel_v", CLVITS_WEIGHT_WHOLE },
    { "text_encoder.encoder.layers.2.final_layer_norm.weight",
      "enc_p.encoder.norm_layers_2.2.gamma", CLVITS_WEIGHT_WHOLE },
    { "text_encoder.encoder.layers.2.feed_forward.conv_2.weight",
      "enc_p.encoder.ffn_layers.2.conv_2.weight", CLVITS_WEIGHT_WHOLE },
    { "flow.flows.3.wavenet.in_layers.1.weight_g", "flow.flows.6.enc.in_layers.1.weight",
      CLVITS_WEIGHT_GAIN },
    { "flow.flows.6.enc.in_layers.1.weight_v", "flow.flows.6.enc.in_layers.1.weight",
      CLVITS_WEIGHT_DIRECTION },
    { "flow.flows.1.wavenet.cond_layer.parametrizations.weight.original0",
      "flow.flows.2.enc.cond_layer.weight", CLVITS_WEIGHT_GAIN },
    { "duration_predictor.flows.0.log_scale", "dp.flows.0.logs", CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.flows.1.conv_pre.bias", "dp.flows.1.pre.bias", CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.flows.4.conv_dds.convs_pointwise.2.weight",
      "dp.flows.7.convs.convs_1x1.2.weight", CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.flows.2.conv_dds.norms_1.0.bias", "dp.flows.3.convs.norms_1.0.beta",
      CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.norm_2.weight", "dp.norm_2.gamma", CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.conv_1.weight", "dp.conv_1.weight", CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.cond.weight", "dp.cond.weight", CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.post_conv_pre.weight", "dp.post_pre.weight", CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.post_conv_dds.norms_2.1.bias", "dp.post_convs.norms_2.1.beta",
      CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.post_flows.0.translate", "dp.post_flows.0.m", CLVITS_WEIGHT_WHOLE },
    { "duration_predictor.post_flows.2.conv_pre.bias", "dp.post_flows.3.pre.bias",
      CLVITS_WEIGHT_WHOLE },
    { "decoder.upsampler.2.weight", "dec.ups.2.weight", CLVITS_WEIGHT_WHOLE },
    { "decoder.resblocks.0.convs1.0.bias", "dec.resblocks.0.convs1.0.bias", CLVITS_WEIGHT_WHOLE },
    { "embed_speaker.weight", "emb_g.weight", CLVITS_WEIGHT_WHOLE },
    { "posterior_encoder.wavenet.res_skip_layers.0.weight_v", "enc_q.enc.res_skip_layers.0.weight",
      CLVITS_WEIGHT_DIRECTION },
    { "enc_p.encoder.norm_layers_1.0.gamma", "enc_p.encoder.norm_layers_1.0.gamma",
      CLVITS_WEIGHT_WHOLE },
};

START_TEST(translates)
{
    char out[112];
    clvits_weight_part part;

    ck_assert_int_eq(clvits_weight_name(out, sizeof(out), &part, names[_i].from), 1);
    ck_assert_str_eq(out, names[_i].to);
    ck_assert_int_eq(part, names[_i].part);
}
END_TEST

START_TEST(translates_back)
{
    char out[160];

    if (names[_i].part != CLVITS_WEIGHT_WHOLE)
        return;
    ck_assert_int_eq(clvits_weight_hf_name(out, sizeof(out), names[_i].to, 1), 1);
    if (strcmp(names[_i].from, names[_i].to))
        ck_assert_str_eq(out, names[_i].from);
    ck_assert_int_eq(clvits_weight_hf_name(out, 12, names[_i].to, 1), 0);
}
END_TEST

START_TEST(translates_back_the_plain_predictor)
{
    char out[160];

    ck_assert_int_eq(clvits_weight_hf_name(out, sizeof(out), "dp.proj.bias", 1), 1);
    ck_assert_str_eq(out, "duration_predictor.conv_proj.bias");
    ck_assert_int_eq(clvits_weight_hf_name(out, sizeof(out), "dp.proj.bias", 0), 1);
    ck_assert_str_eq(out, "duration_predictor.proj.bias");
}
END_TEST

START_TEST(refuses_overlong_names)
{
    char out[112], name[400];
    clvits_weight_part part;

    for (size_t n = 100; n < sizeof(name); n++) {
        memset(name, 'x', n);
        name[n] = '\0';
        ck_assert_int_eq(clvits_weight_name(out, sizeof(out), &part, name), n < sizeof(out));
    }
}
END_TEST

Suite *suite(void);

Suite *suite(void)
{
    Suite *s = suite_create("weights");
    TCase *t = tcase_create("cases");

    tcase_add_checked_fixture(t, files_open, files_close);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, takes_every_kind_of_voice, 0, sizeof(kinds) / sizeof(kinds[0]));
    tcase_add_loop_test(t, folds_weight_norm, 0, 2);
    tcase_add_test(t, takes_data_in_place);
    tcase_add_test(t, knows_what_is_of_training);
    tcase_add_test(t, a_zero_direction_gives_zero);
    tcase_add_test(t, converts_halves_and_unaligned_floats);
    tcase_add_test(t, names_everything_that_does_not_fit);
    tcase_add_test(t, misses_each_tensor);
    tcase_add_loop_test(t, refuses_what_is_not_a_number, 0, 2);
    tcase_add_test(t, refuses_the_same_tensor_twice);
    tcase_add_loop_test(t, translates, 0, sizeof(names) / sizeof(names[0]));
    tcase_add_loop_test(t, translates_back, 0, sizeof(names) / sizeof(names[0]));
    tcase_add_test(t, translates_back_the_plain_predictor);
    tcase_add_test(t, keeps_what_was_folded);
    tcase_add_test(t, refuses_overlong_names);
    suite_add_tcase(s, t);
    return s;
}
