// SPDX-License-Identifier: MIT
//
// The flow as the paper writes it, in double: flips between the couplings, means alone or means
// and scales, with and without speakers.
#include "harness.h"
#include "model/blocks.h"

#include <math.h>
#include <string.h>

enum { T = 23, VALID = 19, INTER = 10, HALF = INTER / 2, HIDDEN = 13, LAYERS = 3, GIN = 4 };

typedef struct fixture {
    harness h;
    clvits_config config;
    clvits_arrays weights;
    float g[GIN];
} fixture;

static const struct {
    int couplings, mean_only, speakers;
} cases[] = { { 4, 1, 0 }, { 3, 1, 1 }, { 2, 0, 1 }, { 3, 0, 0 } };

static void add(fixture *f, int rank, int O, int I, int K, const char *name)
{
    const clvits_array a = { .name = name, .dtype = CLVITS_DTYPE_F32, .rank = rank,
                             .data = harness_random(&f->h, (int64_t)O * I * K, -0.4f, 0.4f),
                             .shape = { O, I, K } };
    ck_assert_int_eq(clvits_arrays_add(&f->weights, &a, &f->h.report), CLVITS_OK);
}

static void add_layer(fixture *f, int O, int I, int K, const char *name)
{
    add(f, 3, O, I, K, clvits_named("%s.weight", name).text);
    add(f, 1, O, 1, 1, clvits_named("%s.bias", name).text);
}

static void make_weights(fixture *f)
{
    const clvits_config *c = &f->config;

    if (c->gin_channels)
        add(f, 2, 2, GIN, 1, "emb_g.weight");
    for (int i = 0; i < c->flow_n_couplings; i++) {
        const clvits_name name = clvits_named("flow.flows.%d", 2 * i);
        add_layer(f, HIDDEN, HALF, 1, clvits_named("%s.pre", name.text).text);
        add_layer(f, c->flow_mean_only ? HALF : INTER, HIDDEN, 1,
                  clvits_named("%s.post", name.text).text);
        if (c->gin_channels)
            add_layer(f, 2 * HIDDEN * LAYERS, GIN, 1,
                      clvits_named("%s.enc.cond_layer", name.text).text);
        for (int l = 0; l < LAYERS; l++) {
            add_layer(f, 2 * HIDDEN, HIDDEN, c->flow_kernel_size,
                      clvits_named("%s.enc.in_layers.%d", name.text, l).text);
            add_layer(f, l < LAYERS - 1 ? 2 * HIDDEN : HIDDEN, HIDDEN, 1,
                      clvits_named("%s.enc.res_skip_layers.%d", name.text, l).text);
        }
    }
}

static const float *data(const fixture *f, const clvits_name *layer, const char *what)
{
    const clvits_array *a =
        clvits_arrays_find(&f->weights, clvits_named("%s.%s", layer->text, what).text);
    ck_assert_ptr_nonnull(a);
    return a->data;
}

/* y (rows of O) = the layer's convolution of x (rows of I), over the valid rows. */
static void layer(const fixture *f, clvits_name name, const double *x, int I, int O, int K, int D,
                  double *y)
{
    const float *w = data(f, &name, "weight"), *bias = data(f, &name, "bias");

    for (int t = 0; t < VALID; t++)
        for (int o = 0; o < O; o++) {
            double v = (double)bias[o];
            for (int k = 0; k < K; k++) {
                const int from = t + (k - K / 2) * D;
                for (int i = 0; i < I && from >= 0 && from < VALID; i++)
                    v += (double)w[(o * I + i) * K + k] * x[from * I + i];
            }
            y[t * O + o] = v;
        }
}

static void wavenet(const fixture *f, const clvits_name *coupling, double *x, double *out)
{
    const clvits_config *c = &f->config;
    static double a[T * 2 * HIDDEN], gated[T * HIDDEN], r[T * 2 * HIDDEN];
    int dilation = 1;

    memset(out, 0, sizeof(double) * T * HIDDEN);
    for (int l = 0; l < LAYERS; l++, dilation *= c->flow_dilation_rate) {
        const bool last = l == LAYERS - 1;
        layer(f, clvits_named("%s.enc.in_layers.%d", coupling->text, l), x, HIDDEN, 2 * HIDDEN,
              c->flow_kernel_size, dilation, a);
        for (int i = 0; i < VALID * 2 * HIDDEN && c->gin_channels; i++) {
            const clvits_name cond = clvits_named("%s.enc.cond_layer", coupling->text);
            const int o = l * 2 * HIDDEN + i % (2 * HIDDEN);
            a[i] += (double)data(f, &cond, "bias")[o];
            for (int k = 0; k < GIN; k++)
                a[i] += (double)data(f, &cond, "weight")[o * GIN + k] * (double)f->g[k];
        }
        for (int i = 0; i < VALID * HIDDEN; i++) {
            const double *row = a + i / HIDDEN * 2 * HIDDEN + i % HIDDEN;
            gated[i] = tanh(row[0]) / (1 + exp(-row[HIDDEN]));
        }
        layer(f, clvits_named("%s.enc.res_skip_layers.%d", coupling->text, l), gated, HIDDEN,
              last ? HIDDEN : 2 * HIDDEN, 1, 1, r);
        for (int i = 0; i < VALID * HIDDEN; i++) {
            const double *row = last ? r + i : r + i / HIDDEN * 2 * HIDDEN + i % HIDDEN;
            x[i] += last ? 0 : row[0];
            out[i] += row[last ? 0 : HIDDEN];
        }
    }
}

/* z, rows of INTER, through the couplings from the last to the first; logdet of each row. */
static void truth(const fixture *f, double *z, double *logdet)
{
    static double x0[T * HALF], h[T * HIDDEN], out[T * HIDDEN], m[T * INTER];
    const int M = f->config.flow_mean_only ? HALF : INTER;

    for (int i = f->config.flow_n_couplings - 1; i >= 0; i--) {
        const clvits_name name = clvits_named("flow.flows.%d", 2 * i);
        for (int t = 0; t < VALID; t++)
            for (int c = 0; c < HALF; c++) {
                double *row = z + t * INTER, kept = row[c];
                row[c] = row[INTER - 1 - c];
                row[INTER - 1 - c] = kept;
            }
        for (int k = 0; k < VALID * HALF; k++)
            x0[k] = z[k / HALF * INTER + k % HALF];
        layer(f, clvits_named("%s.pre", name.text), x0, HALF, HIDDEN, 1, 1, h);
        wavenet(f, &name, h, out);
        layer(f, clvits_named("%s.post", name.text), out, HIDDEN, M, 1, 1, m);
        for (int k = 0; k < VALID * HALF; k++) {
            double *x1 = z + k / HALF * INTER + HALF + k % HALF;
            const double *row = m + k / HALF * M + k % HALF;
            *x1 = (*x1 - row[0]) * (M == INTER ? exp(-row[HALF]) : 1);
            logdet[k / HALF] -= M == INTER ? row[HALF] : 0;
        }
    }
}

static void begin(fixture *f, clvits_scope *s, int i)
{
    static const int speaker = 1;

    f->config = clvits_config_default();
    *s = (clvits_scope){ .c = &f->config, .weights = &f->weights, .cond_parts = CLVITS_OF_FLOW };
    harness_begin(&f->h, 1);
    f->config.inter_channels = INTER;
    f->config.hidden_channels = HIDDEN;
    f->config.flow_n_couplings = cases[i].couplings;
    f->config.flow_n_layers = LAYERS;
    f->config.flow_dilation_rate = 2;
    f->config.flow_mean_only = cases[i].mean_only;
    f->config.gin_channels = cases[i].speakers ? GIN : 0;
    make_weights(f);
    s->graph = f->h.graph;
    if (!cases[i].speakers)
        return;
    const clvits_array *table = clvits_arrays_find(&f->weights, "emb_g.weight");
    memcpy(f->g, (const float *)table->data + speaker * GIN, sizeof(f->g));
    s->cond = clvits_conditions(s, harness_input_of(&f->h, CLVITS_I32, 0, 1, &speaker),
                                CLVITS_OF_FLOW);
}

static void end(fixture *f)
{
    harness_end(&f->h);
    clvits_arrays_free(&f->weights);
}

START_TEST(as_written)
{
    double want[T * INTER] = { 0 }, logdet[T] = { 0 };
    fixture f = { 0 };
    clvits_scope s;
    const float *x;

    begin(&f, &s, _i);
    const int clock = clvits_graph_clock(s.graph, T);
    clvits_tensor *z_p = harness_input(&f.h, clock, INTER, -1, 1, &x);
    clvits_tensor *z = clvits_graph_keep(clvits_flow_reverse(&s, z_p));
    harness_plan(&f.h);
    harness_length(&f.h, clock, 0, VALID);
    harness_go(&f.h);
    for (int i = 0; i < VALID * INTER; i++)
        want[i] = (double)x[i];
    truth(&f, want, logdet);
    harness_close(&f.h, z, want, 1e-5);
    end(&f);
}
END_TEST

/* What the formula makes of z_p becomes z_p again; determinants are each other's reciprocals. */
START_TEST(forward_undoes_it)
{
    double made[T * INTER], want[T * INTER] = { 0 }, logdet[T] = { 0 };
    float given[T * INTER] = { 0 };
    clvits_tensor *sum = NULL;
    fixture f = { 0 };
    clvits_scope s;

    begin(&f, &s, _i);
    const float *x = harness_random(&f.h, VALID * INTER, -1.0f, 1.0f);
    for (int i = 0; i < VALID * INTER; i++)
        want[i] = made[i] = (double)x[i];
    truth(&f, made, logdet);
    for (int i = 0; i < VALID * INTER; i++)
        given[i] = (float)made[i];
    const int clock = clvits_graph_clock(s.graph, T);
    clvits_tensor *z = harness_input_of(&f.h, CLVITS_F32, clock, INTER, given);
    clvits_tensor *z_p = clvits_graph_keep(clvits_flow_forward(&s, z, &sum));
    clvits_graph_keep(sum);
    harness_plan(&f.h);
    harness_length(&f.h, clock, 0, VALID);
    harness_go(&f.h);
    harness_close(&f.h, z_p, want, 1e-5);
    ck_assert_int_eq(sum == NULL, cases[_i].mean_only);
    for (int t = 0; t < VALID; t++)
        logdet[t] = -logdet[t];
    if (sum)
        harness_close(&f.h, sum, logdet, 1e-5);
    end(&f);
}
END_TEST

/* There and back, in single precision. */
START_TEST(there_and_back)
{
    double want[T * INTER] = { 0 };
    fixture f = { 0 };
    clvits_scope s;
    const float *x;

    begin(&f, &s, _i);
    const int clock = clvits_graph_clock(s.graph, T);
    clvits_tensor *z = harness_input(&f.h, clock, INTER, -1, 1, &x);
    clvits_tensor *y = clvits_graph_keep(
        clvits_flow_reverse(&s, clvits_flow_forward(&s, z, NULL)));
    harness_plan(&f.h);
    harness_length(&f.h, clock, 0, VALID);
    harness_go(&f.h);
    for (int i = 0; i < VALID * INTER; i++)
        want[i] = (double)x[i];
    harness_close(&f.h, y, want, 1e-5);
    end(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flow");
    TCase *t = tcase_create("formula");

    tcase_set_timeout(t, HARNESS_TIMEOUT);
    tcase_add_loop_test(t, as_written, 0, LENGTH(cases));
    tcase_add_loop_test(t, forward_undoes_it, 0, LENGTH(cases));
    tcase_add_loop_test(t, there_and_back, 0, LENGTH(cases));
    suite_add_tcase(s, t);
    return harness_main(s);
}
