// SPDX-License-Identifier: MIT
//
// What is worth tuning: the shapes of the nodes of voices' stages.
#include "tune.h"
#include "words.h"

#include "voice.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT = 96, FRAMES = 86, QUICK_FRAMES = 40 }; /* a sentence; a second; half of one */

static tune_shape *find(const tune_shapes *s, const clvits_knobs *knobs, const clvits_terms *terms)
{
    for (int i = 0; i < s->n; i++)
        if (s->shape[i].knobs == knobs && clvits_terms_equal(&s->shape[i].terms, terms))
            return &s->shape[i];
    return NULL;
}

static clvits_status add_node(tune_shapes *s, const clvits_node *n, const clvits_target *at,
                              double share, clvits_report *r)
{
    const clvits_knobs *knobs = n->op->knobs;
    clvits_terms terms = { 0 };

    knobs->shape(n, at, &terms);
    if (!terms.n)
        return CLVITS_OK;
    tune_shape *shape = find(s, knobs, &terms);
    if (!shape) {
        if (s->n == s->capacity) {
            const int capacity = 2 * s->capacity + 64;
            tune_shape *more = realloc(s->shape, (size_t)capacity * sizeof(*more));
            if (!more)
                return clvits_fail_memory(r, "shapes");
            s->shape = more;
            s->capacity = capacity;
        }
        shape = &s->shape[s->n++];
        *shape = (tune_shape){ .knobs = knobs, .terms = terms, .node = n };
        clvits_terms_print(&terms, shape->text, sizeof(shape->text));
    }
    shape->share += share;
    return CLVITS_OK;
}

/* The graphs of a voice's stages; each is kept, for the nodes' sake. */
static clvits_status build(tune_shapes *s, const clvits_model *m, int frames, clvits_report *r)
{
    const clvits_stage_options o = { .batch = 1 };
    clvits_text_stage text = { 0 };
    clvits_latent_stage latent = { 0 };
    clvits_wave_stage wave = { 0 };

    if (s->n_graphs + 3 > TUNE_MAX_GRAPHS)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "too many voices at once");
    clvits_status status = clvits_text_stage_build(&text, m, &o, TEXT, r);
    if (!status)
        status = clvits_latent_stage_build(&latent, m, &o, TEXT, frames, r);
    if (!status)
        status = clvits_wave_stage_build(&wave, m, &o, frames, r);
    clvits_graph *const graphs[] = { text.graph, latent.graph, wave.graph };
    for (int i = 0; i < LENGTH(graphs); i++)
        if (graphs[i])
            s->graph[s->n_graphs++] = graphs[i];
    return status;
}

static clvits_status add_model(tune_shapes *s, const tune_options *o, const clvits_model *m,
                               const clvits_target *at, clvits_report *r)
{
    const int first = s->n_graphs;
    clvits_status status = build(s, m, o->quick ? QUICK_FRAMES : FRAMES, r);
    double all = 0.0;

    for (int i = first; i < s->n_graphs; i++)
        for (int k = 0; k < s->graph[i]->n_nodes; k++)
            all += clvits_node_flops(s->graph[i]->nodes[k], NULL);
    for (int i = first; i < s->n_graphs; i++)
        for (int k = 0; k < s->graph[i]->n_nodes && !status; k++) {
            const clvits_node *n = s->graph[i]->nodes[k];
            if (n->op->knobs)
                status = add_node(s, n, at, clvits_node_flops(n, NULL) / all, r);
        }
    return status;
}

/* Bytes of a voice's name as it is asked for: what is behind a blank explains it. */
static size_t name_length(int v)
{
    return strcspn(voice_name(v), " ");
}

/* Whether a list with commas has the voice. */
static bool listed(const char *list, int v)
{
    for (size_t n; list; list = list[n] ? list + n + 1 : NULL) {
        n = strcspn(list, ",");
        if (n == name_length(v) && !memcmp(list, voice_name(v), n))
            return true;
    }
    return false;
}

int tune_voices_check(const char *list)
{
    char names[TUNE_MAX_VOICES][32];
    const char *known[TUNE_MAX_VOICES + 1] = { NULL };

    for (int i = 0; i < voice_count() && i < TUNE_MAX_VOICES; i++) {
        snprintf(names[i], sizeof(names[i]), "%.*s", (int)name_length(i), voice_name(i));
        known[i] = names[i];
    }
    return words_check_list("voices", list, known);
}

static clvits_status add_file(tune_shapes *s, const tune_options *o, const clvits_target *at,
                              clvits_report *r)
{
    clvits_voice_file file = { 0 };
    clvits_status status = clvits_voice_file_open(&file, o->voice, NULL, r);

    if (!status)
        status = add_model(s, o, &(clvits_model){ &file.config, &file.weights }, at, r);
    clvits_voice_file_free(&file);
    return status;
}

static int by_share(const void *a, const void *b)
{
    const tune_shape *x = a, *y = b;
    return (x->share < y->share) - (x->share > y->share);
}

/* Of a quick run, the few that make up most of the work; of a filtered one, what was asked for. */
static void choose(tune_shapes *s, const tune_options *o, double all)
{
    double sum = 0.0;
    int kept = 0;

    for (int i = 0; i < s->n; i++) {
        if (o->filter && !strstr(s->shape[i].text, o->filter))
            continue;
        if (o->quick && sum > 0.8 * all)
            break;
        sum += s->shape[i].share;
        s->shape[kept++] = s->shape[i];
    }
    s->n = kept;
}

clvits_status tune_shapes_collect(tune_shapes *s, const tune_options *o, const clvits_target *at,
                                  clvits_report *r)
{
    clvits_status status = CLVITS_OK;
    double voices = 0.0;

    *s = (tune_shapes){ 0 };
    if (o->voice) {
        status = add_file(s, o, at, r);
        voices = 1.0;
    }
    for (int i = 0; i < voice_count() && !o->voice && !status; i++) {
        voice v;
        if (o->voices && !listed(o->voices, i))
            continue;
        status = voice_open(&v, i, r);
        if (!status)
            status = add_model(s, o, &v.model, at, r);
        voice_close(&v);
        voices += 1.0;
    }
    for (int i = 0; i < s->n; i++)
        s->shape[i].share /= voices;
    qsort(s->shape, (size_t)s->n, sizeof(*s->shape), by_share);
    double all = 0.0;
    for (int i = 0; i < s->n; i++)
        all += s->shape[i].share;
    choose(s, o, all);
    return status;
}

void tune_shapes_free(tune_shapes *s)
{
    for (int i = 0; i < s->n_graphs; i++)
        clvits_graph_close(&s->graph[i]);
    free(s->shape);
    *s = (tune_shapes){ 0 };
}

/* Those of the base knobs from this one on, behind the n that there are. */
static int add_bases(clvits_terms *out, int n, const tune_shape *s, const clvits_target *at,
                     const clvits_knob *k, const clvits_terms *chosen)
{
    while (k->name && !k->base)
        k++;
    if (!k->name) {
        if (chosen->n && n < TUNE_MAX_BASES && s->knobs->takes(at, &s->terms, chosen))
            out[n++] = *chosen;
        return n;
    }
    n = add_bases(out, n, s, at, k + 1, chosen);
    for (int i = 0; i < k->n; i++) {
        clvits_terms more = *chosen;
        clvits_terms_add(&more, k->name, k->value[i]);
        n = add_bases(out, n, s, at, k + 1, &more);
    }
    return n;
}

int tune_bases(clvits_terms *out, const tune_shape *s, const clvits_target *at)
{
    return add_bases(out, 0, s, at, s->knobs->knob, &(clvits_terms){ 0 });
}

/* A knob that is no base one is tried on top of what was best, which may be any base. */
int tune_candidates(const tune_shape *s, const clvits_target *at)
{
    clvits_terms base[TUNE_MAX_BASES + 1] = { { 0 } };
    const int bases = 1 + tune_bases(base + 1, s, at);
    int n = bases;

    for (const clvits_knob *k = s->knobs->knob; k->name; k++)
        for (int i = 0; i < k->n && !k->base; i++) {
            bool taken = false;
            for (int b = 0; b < bases && !taken; b++) {
                clvits_terms values = base[b];
                clvits_terms_add(&values, k->name, k->value[i]);
                taken = s->knobs->takes(at, &s->terms, &values);
            }
            n += taken;
        }
    return n;
}
