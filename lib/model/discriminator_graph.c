// SPDX-License-Identifier: MIT
#include "model/discriminator_graph.h"

#include <stdio.h>
#include <string.h>

#define SLOPE 0.1f

enum { SCALE_CONVS = 7, PERIOD_CONVS = 6, MOST_CHANNELS = 1 << 16, MOST_TAPS = 1 << 10 };

/* Of the first discriminator, which is that of scale, and the others. */
static const int periods[CLVITS_DISCRIMINATORS] = { 1, 2, 3, 5, 7, 11 };

/* What no tensor tells. */
static int stride_of(int n, int i)
{
    static const int scale[SCALE_CONVS] = { 1, 4, 4, 4, 4, 1, 1 };
    static const int period[PERIOD_CONVS] = { 3, 3, 3, 3, 1, 1 };
    return n ? period[i] : scale[i];
}

static int count_of(int n)
{
    return n ? PERIOD_CONVS : SCALE_CONVS;
}

static void name_of(char out[64], int n, int i, const char *what)
{
    if (i == count_of(n) - 1)
        snprintf(out, 64, "discriminators.%d.conv_post.%s", n, what);
    else
        snprintf(out, 64, "discriminators.%d.convs.%d.%s", n, i, what);
}

static clvits_status refuse(const clvits_array *a, clvits_report *r)
{
    char is[80] = "";
    size_t used = 0;

    for (int i = 0; i < a->rank; i++)
        used += (size_t)snprintf(is + used, sizeof(is) - used, "%s%lld", i ? "," : "",
                                 (long long)a->shape[i]);
    return clvits_fail(r, CLVITS_E_FORMAT,
                       "the tensor %s of shape [%s] does not fit the discriminators of VITS, which "
                       "are one of scale and five of period", a->name, is);
}

static const clvits_array *find(const clvits_arrays *weights, int n, int i, const char *what,
                                clvits_report *r)
{
    char name[64];

    name_of(name, n, i, what);
    const clvits_array *a = clvits_arrays_find(weights, name);
    if (!a)
        clvits_fail(r, CLVITS_E_FORMAT, "the discriminators have no tensor %s", name);
    return a;
}

/* A convolution of I channels. */
static clvits_status measure(clvits_discriminator_conv *out, const clvits_arrays *weights, int n,
                             int i, int64_t I, clvits_report *r)
{
    const clvits_array *w = find(weights, n, i, "weight", r);
    const clvits_array *bias = w ? find(weights, n, i, "bias", r) : NULL;
    const int rank = n ? 4 : 3;

    if (!bias)
        return CLVITS_E_FORMAT;
    const int64_t O = w->shape[0], each = w->shape[1], K = w->shape[2];
    if (w->dtype != CLVITS_DTYPE_F32 || w->rank != rank || (n && w->shape[3] != 1) || O < 1 ||
        O > MOST_CHANNELS || each < 1 || I % each || O % (I / each) || (n && each != I) ||
        K < 1 || K > MOST_TAPS || K % 2 == 0 || (i == count_of(n) - 1 && O != 1))
        return refuse(w, r);
    if (bias->dtype != CLVITS_DTYPE_F32 || bias->rank != 1 || bias->shape[0] != O)
        return refuse(bias, r);
    *out = (clvits_discriminator_conv){ .weight = w->data,
                                        .bias = bias->data,
                                        .I = (int)I,
                                        .O = (int)O,
                                        .K = (int)K,
                                        .stride = stride_of(n, i),
                                        .groups = (int)(I / each) };
    return CLVITS_OK;
}

/* Whether a tensor is one of those that are used. */
static bool is_known(const char *name)
{
    char known[64];

    for (int n = 0; n < CLVITS_DISCRIMINATORS; n++)
        for (int i = 0; i < count_of(n); i++) {
            name_of(known, n, i, "weight");
            if (!strcmp(name, known))
                return true;
            name_of(known, n, i, "bias");
            if (!strcmp(name, known))
                return true;
        }
    return false;
}

clvits_status clvits_discriminators_measure(clvits_discriminators *out,
                                            const clvits_arrays *weights, clvits_report *r)
{
    clvits_status s = CLVITS_OK;

    *out = (clvits_discriminators){ 0 };
    for (int n = 0; n < CLVITS_DISCRIMINATORS; n++) {
        clvits_discriminator *d = &out->one[n];
        int64_t I = 1;

        d->period = periods[n];
        d->n = count_of(n);
        for (int i = 0; i < d->n && !s; i++) {
            s = measure(&d->conv[i], weights, n, i, I, r);
            I = d->conv[i].O;
        }
    }
    for (size_t i = 0; i < weights->count && !s; i++)
        if (!strncmp(weights->items[i].name, "discriminators.", 15) &&
            !is_known(weights->items[i].name))
            s = refuse(&weights->items[i], r);
    return s;
}

static clvits_tensor *add_conv(const clvits_discriminator *d, int i, clvits_tensor *x)
{
    const clvits_discriminator_conv *c = &d->conv[i];
    const bool last = i == d->n - 1;
    const int pad = (c->K - 1) / 2;
    const clvits_conv1d_params p = {
        .stride = c->stride, .groups = c->groups, .period = d->period, .pad_left = pad,
        .pad_right = pad, .act = last ? CLVITS_ACT_NONE : CLVITS_ACT_LEAKY_RELU,
        .act_slope = SLOPE, .only_act = !last,
    };

    if (!x)
        return NULL;
    clvits_tensor *w = clvits_graph_weight(
        x->graph, c->weight, 3, (const int64_t[]){ c->O, c->I / c->groups, c->K });
    clvits_tensor *bias = clvits_graph_weight(x->graph, c->bias, 1, (const int64_t[]){ c->O });
    return clvits_conv1d(x, w, bias, &p, NULL);
}

void clvits_discriminator_add(clvits_tensor **map, const clvits_discriminator *d,
                              clvits_tensor *wave)
{
    clvits_tensor *x = d->period > 1 ? clvits_fold(wave, d->period) : wave;

    for (int i = 0; i < d->n; i++)
        map[i] = x = add_conv(d, i, x);
}

void clvits_discriminators_add(clvits_judgement *out, const clvits_discriminators *d,
                               clvits_tensor *wave)
{
    *out = (clvits_judgement){ 0 };
    for (int n = 0; n < CLVITS_DISCRIMINATORS && wave; n++) {
        clvits_graph_label(wave->graph, "discriminators.%d", n);
        clvits_discriminator_add(out->map[n], &d->one[n], wave);
    }
}

/* Every loss is a sum over discriminators. */
static void begin(const clvits_judgement *j, const char *what)
{
    if (j->map[0][0])
        clvits_graph_label(j->map[0][0]->graph, "loss.%s", what);
}

static clvits_tensor *scores(const clvits_discriminators *d, const clvits_judgement *j,
                             float target, clvits_tensor *add)
{
    for (int n = 0; n < CLVITS_DISCRIMINATORS; n++)
        add = clvits_loss_score(j->map[n][d->one[n].n - 1], target, add);
    return add;
}

clvits_tensor *clvits_loss_generator(const clvits_discriminators *d, const clvits_judgement *fake,
                                     clvits_tensor *add)
{
    begin(fake, "generator");
    return scores(d, fake, 1.0f, add);
}

clvits_tensor *clvits_loss_discriminator(const clvits_discriminators *d,
                                         const clvits_judgement *real,
                                         const clvits_judgement *fake, clvits_tensor *add)
{
    begin(fake, "discriminator");
    return scores(d, fake, 0.0f, scores(d, real, 1.0f, add));
}

clvits_tensor *clvits_loss_features(const clvits_discriminators *d, const clvits_judgement *real,
                                    const clvits_judgement *fake, clvits_tensor *add)
{
    begin(fake, "features");
    for (int n = 0; n < CLVITS_DISCRIMINATORS; n++)
        for (int i = 0; i < d->one[n].n; i++)
            add = clvits_loss_absolute(real->map[n][i], fake->map[n][i], 2.0f, add);
    return add;
}
