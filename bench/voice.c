// SPDX-License-Identifier: MIT
#include "voice.h"

#include "model/weights.h"

#include <math.h>
#include <string.h>

static const struct geometry {
    const char *name;
    double cost[2]; /* as voice_cost() says */
    int rate, hidden, filter; /* the latent is as wide as hidden */
    int vocabulary, resblock, stages, channels;
    int kernels[3], dilations[3][3], n_dilations;
    int rates[4], up_kernels[4];
} geometries[] = {
    { .name = "mini (embedded)", .cost = { 20, 0 } },
    { "base", { 120, 120 }, 22050, 192, 768, 256, 1, 4, 512, { 3, 7, 11 },
      { { 1, 3, 5 }, { 1, 3, 5 }, { 1, 3, 5 } }, 3, { 8, 8, 2, 2 }, { 16, 16, 4, 4 } },
    { "mms", { 100, 40 }, 16000, 192, 768, 40, 1, 4, 512, { 3, 7, 11 },
      { { 1, 3, 5 }, { 1, 3, 5 }, { 1, 3, 5 } }, 3, { 8, 8, 2, 2 }, { 16, 16, 4, 4 } },
    { "medium", { 110, 14 }, 22050, 192, 768, 256, 2, 3, 256, { 3, 5, 7 },
      { { 1, 2 }, { 2, 6 }, { 3, 12 } }, 2, { 8, 8, 4 }, { 16, 16, 8 } },
    { "low", { 80, 10 }, 16000, 192, 768, 256, 2, 3, 256, { 3, 5, 7 },
      { { 1, 2 }, { 2, 6 }, { 3, 12 } }, 2, { 8, 8, 4 }, { 16, 16, 8 } },
    { "x-low", { 40, 5 }, 16000, 96, 384, 256, 2, 3, 256, { 3, 5, 7 },
      { { 1, 2 }, { 2, 6 }, { 3, 12 } }, 2, { 8, 8, 4 }, { 16, 16, 8 } },
};

static const char *const texts[VOICE_TEXTS] = {
    "Hello.",
    "The ferry leaves at seven in the morning, and whoever comes late waits until noon.",
    "The ferry leaves at seven in the morning, and whoever comes late waits until noon. "
    "Nobody minds, for there is a bakery beside the pier. "
    "Its owner was a sailor once, and tells of storms to those who buy a second roll. "
    "Some of his stories may even be true, though no two listeners agree which ones. "
    "When the bell rings, the last cups are emptied in a hurry. "
    "Then the harbour is quiet again, and only the gulls argue about what was left behind.",
    "The ferry leaves at seven in the morning, and whoever comes late waits until noon, which "
    "nobody minds, for there is a bakery beside the pier, whose owner was a sailor once, until the "
    "bell rings, and the last cups are emptied in a hurry.",
};

int voice_count(void)
{
    return LENGTH(geometries);
}

const char *voice_name(int i)
{
    return geometries[i].name;
}

double voice_cost(int i, bool stages)
{
    return geometries[i].cost[stages];
}

static clvits_config config_of(const struct geometry *m)
{
    clvits_config c = clvits_config_default();

    c.n_vocab = m->vocabulary;
    c.inter_channels = c.hidden_channels = c.dp_filter_channels = m->hidden;
    c.filter_channels = m->filter;
    c.n_heads = 2;
    c.n_layers = 6;
    c.kernel_size = 3;
    c.resblock = m->resblock;
    c.n_resblocks = 3;
    c.n_upsamples = m->stages;
    c.upsample_initial_channel = m->channels;
    c.hop_length = 1;
    for (int i = 0; i < 3; i++) {
        c.resblock_kernel_sizes[i] = m->kernels[i];
        c.n_resblock_dilations[i] = m->n_dilations;
        for (int k = 0; k < m->n_dilations; k++)
            c.resblock_dilation_sizes[i][k] = m->dilations[i][k];
    }
    for (int i = 0; i < m->stages; i++) {
        c.upsample_rates[i] = m->rates[i];
        c.upsample_kernel_sizes[i] = m->up_kernels[i];
        c.hop_length *= m->rates[i];
    }
    c.use_sdp = 1;
    c.sampling_rate = m->rate;
    /* With random weights logw is the predictor's own noise; this makes about 2.7 frames of it. */
    c.length_scale = 1.7f;
    return c;
}

typedef struct filling {
    voice *v;
    uint64_t seed;
    clvits_report *r;
} filling;

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* Weights that keep the size of what passes through them, so that every value stays finite. */
static clvits_status fill(void *user, const clvits_weight *w)
{
    filling *f = user;
    clvits_array a = { .name = w->name, .dtype = CLVITS_DTYPE_F32, .rank = w->rank };
    int64_t n = 1;

    for (int i = 0; i < w->rank; i++) {
        a.shape[i] = w->shape[i];
        n *= w->shape[i];
    }
    const bool turned = !strncmp(w->name, "dec.ups.", 8);
    const double inputs = w->rank == 3 ? (double)(n / w->shape[turned ? 1 : 0]) : 1.0;
    float range = w->rank == 3 ? (float)sqrt(1.5 / inputs) : 0.05f;
    const float middle = ends_with(w->name, ".gamma") ? 1.0f : 0.0f;
    if (turned)
        range *= 2.0f; /* half of the taps, or fewer, meet a row */
    if ((!strncmp(w->name, "dp.flows.", 9) || !strncmp(w->name, "dp.post_flows.", 14)) &&
        ends_with(w->name, ".proj.weight"))
        range *= 0.1f; /* a spline near the identity */

    float *data = clvits_arena_array(&f->v->arena, (size_t)n, sizeof(*data));
    if (!data)
        return clvits_fail_memory(f->r, "a voice's weights");
    for (int64_t i = 0; i < n; i++) {
        f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
        data[i] = middle + range * (2.0f * (float)(f->seed >> 40) / 16777216.0f - 1.0f);
    }
    a.data = data;
    return clvits_arrays_add(&f->v->weights, &a, f->r);
}

/* Ids as Piper pads them: a blank after each symbol. */
static clvits_status invent_ids(voice *v, int vocabulary, clvits_report *r)
{
    static const int lengths[VOICE_TEXTS] = { 13, 151, 151, 501 };
    static const int sentences[VOICE_TEXTS] = { 1, 1, 6, 1 };

    for (int t = 0; t < VOICE_TEXTS; t++) {
        v->texts[t].sentences = sentences[t];
        for (int s = 0; s < sentences[t]; s++) {
            int32_t *ids = clvits_arena_array(&v->arena, (size_t)lengths[t], sizeof(*ids));
            if (!ids)
                return clvits_fail_memory(r, "a text");
            for (int i = 0; i < lengths[t]; i++)
                ids[i] = i % 2 ? 0 : 1 + (i * 7 + s * 3) % (vocabulary - 1);
            v->texts[t].ids[s] = ids;
            v->texts[t].n_ids[s] = lengths[t];
        }
    }
    return CLVITS_OK;
}

static clvits_status read_text(voice *v, int t, clvits_report *r)
{
    clvits_text_reader *reader = NULL;
    const clvits_sentence *s;
    voice_text *out = &v->texts[t];
    clvits_status status =
        clvits_text_open(&reader, &v->file.text, texts[t], strlen(texts[t]), r);

    out->sentences = 0;
    while (!status && out->sentences < VOICE_MAX_SENTENCES) {
        status = clvits_text_next(&s, reader, r);
        if (status || !s)
            break;
        int32_t *ids = clvits_arena_array(&v->arena, (size_t)s->n_ids, sizeof(*ids));
        if (!ids)
            status = clvits_fail_memory(r, "a text");
        else
            memcpy(ids, s->ids, (size_t)s->n_ids * sizeof(*ids));
        out->ids[out->sentences] = ids;
        out->n_ids[out->sentences++] = s->n_ids;
    }
    clvits_text_close(&reader);
    return status;
}

static clvits_status open_embedded(voice *v, const char *path, clvits_report *r)
{
    clvits_report ignored = { 0 };
    clvits_status s = clvits_voice_file_open(&v->file, path, NULL, r);

    if (s)
        return s;
    v->embedded = true;
    v->model = (clvits_model){ &v->file.config, &v->file.weights };
    for (int t = 0; t < VOICE_TEXTS && !s; t++)
        s = read_text(v, t, &ignored);
    if (s == CLVITS_E_UNSUPPORTED) { /* without espeak-ng there are no phonemes */
        v->note = "ids instead of text";
        s = invent_ids(v, v->file.config.n_vocab, r);
    } else if (s) {
        s = clvits_fail(r, s, "%s", ignored.text);
    }
    return s;
}

static void begin(voice *v, int i)
{
    static const char *const names[VOICE_TEXTS] = { "short", "medium", "long", "unbroken" };

    *v = (voice){ .name = geometries[i].name, .note = "" };
    for (int t = 0; t < VOICE_TEXTS; t++)
        v->texts[t].name = names[t];
    if (!voice_is_embedded(i))
        v->note = "random weights";
}

bool voice_is_embedded(int i)
{
    return !geometries[i].rate;
}

clvits_status voice_open_file(voice *v, int i, const char *path, clvits_report *r)
{
    begin(v, i);
    if (voice_is_embedded(i))
        return open_embedded(v, path, r);
    v->model = (clvits_model){ &v->file.config, &v->file.weights };
    const clvits_status s = clvits_voice_file_open(&v->file, path, NULL, r);
    return s ? s : invent_ids(v, v->file.config.n_vocab, r);
}

clvits_status voice_open(voice *v, int i, clvits_report *r)
{
    filling f = { .v = v, .seed = 1, .r = r };
    char path[4096];
    clvits_status s = CLVITS_OK;

    if (voice_is_embedded(i)) {
        s = clvits_voice_file_embedded_path(path, sizeof(path), r);
        if (s)
            *v = (voice){ 0 };
        return s ? s : voice_open_file(v, i, path, r);
    }
    begin(v, i);
    v->config = config_of(&geometries[i]);
    v->model = (clvits_model){ &v->config, &v->weights };
    s = clvits_config_check(&v->config, r);
    if (!s)
        s = clvits_weights_walk(&v->config, fill, &f);
    if (!s)
        s = invent_ids(v, v->config.n_vocab, r);
    return s;
}

bool voice_is_trained(const char *name)
{
    return !strcmp(name, "base");
}

clvits_status voice_add_training(voice *v, clvits_report *r)
{
    filling f = { .v = v, .seed = 2, .r = r };

    v->config.n_fft = v->config.win_length = 1024;
    v->config.posterior_n_layers = 16;
    v->config.posterior_kernel_size = 5;
    v->config.posterior_dilation_rate = 1;
    const clvits_status s = clvits_config_check_posterior(&v->config, r);
    return s ? s : clvits_weights_walk_training(&v->config, CLVITS_SIDE_ALL, fill, &f);
}

void voice_close(voice *v)
{
    clvits_voice_file_free(&v->file);
    clvits_arrays_free(&v->weights);
    clvits_arena_free(&v->arena);
}
