// SPDX-License-Identifier: MIT
//
// The discriminators of a training run, D_STEP.pth, which go into a voice's file for training.
#include "io/torch.h"
#include "model/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where checkpoints keep them, and what stands before their names there. */
static const char *const places[] = { "model", "state_dict", "net_d", "" };
static const char *const prefixes[] = { "", "module.", "model_d.", "net_d." };

/* The DICT and the prefix of its tensors "discriminators.N..."; NULL where there is none. */
static const clvits_value *find(const clvits_torch *torch, const char **prefix)
{
    const clvits_value *root = clvits_torch_root(torch);

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const clvits_value *dict = *places[i] ? clvits_value_at(root, places[i]) : root;

        for (size_t k = 0; k < clvits_value_count(dict); k++) {
            const char *name = clvits_value_text(clvits_value_key(dict, k));

            for (size_t p = 0; name && p < sizeof(prefixes) / sizeof(prefixes[0]); p++) {
                char start[64];
                snprintf(start, sizeof(start), "%sdiscriminators.", prefixes[p]);
                if (strncmp(name, start, strlen(start)))
                    continue;
                *prefix = prefixes[p];
                return dict;
            }
        }
    }
    return NULL;
}

/* How PyTorch calls a spectrally normalised weight and its vectors, by either of its interfaces. */
static const struct spelling {
    const char *weight, *u, *v;
} spellings[] = {
    { ".weight_orig", ".weight_u", ".weight_v" },
    { ".parametrizations.weight.original", ".parametrizations.weight.0._u",
      ".parametrizations.weight.0._v" },
};

/* The array of the name that begins like this; NULL where there is none. */
static clvits_array *sibling(const clvits_arrays *set, const char *layer, const char *suffix)
{
    char name[160];

    snprintf(name, sizeof(name), "%s%s", layer, suffix);
    return (clvits_array *)clvits_arrays_find(set, name);
}

static float *floats(clvits_arrays *set, const clvits_array *a)
{
    float *p = clvits_arena_array(&set->arena, (size_t)clvits_array_count(a), sizeof(*p));
    if (p)
        clvits_array_floats(a, p);
    return p;
}

static clvits_status fail_spectral(const char *layer, clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_FORMAT, "the spectral norm of %s is incomplete or damaged",
                       layer);
}

/* w / (u' w v), the vectors being those that training left (Miyato et al. 2018); w has a row for
 * each of u. What is done with loses its name. */
static clvits_status fold_spectral(clvits_arrays *set, clvits_array *w, const struct spelling *s,
                                   clvits_report *r)
{
    const size_t length = strlen(w->name) - strlen(s->weight);
    char *layer = clvits_arena_text(&set->arena, w->name, length + strlen(".weight"));
    if (!layer)
        return clvits_fail_memory(r, "spectral norms");
    layer[length] = '\0';
    clvits_array *u = sibling(set, layer, s->u), *v = sibling(set, layer, s->v);
    if (!u || !v || u->rank != 1 || v->rank != 1 || w->rank < 2 || u->shape[0] != w->shape[0] ||
        u->shape[0] * v->shape[0] != clvits_array_count(w))
        return fail_spectral(layer, r);

    float *p = floats(set, w);
    const float *a = floats(set, u), *b = floats(set, v);
    double norm = 0.0;
    if (!p || !a || !b)
        return clvits_fail_memory(r, "spectral norms");
    for (int64_t i = 0; i < clvits_array_count(w); i++)
        norm += (double)a[i / v->shape[0]] * (double)p[i] * (double)b[i % v->shape[0]];
    if (!(fabs(norm) >= 1e-30) || !isfinite(norm))
        return fail_spectral(layer, r);
    for (int64_t i = 0; i < clvits_array_count(w); i++)
        p[i] = (float)((double)p[i] / norm);
    memcpy(layer + length, ".weight", sizeof(".weight"));
    w->name = layer;
    w->dtype = CLVITS_DTYPE_F32;
    w->data = p;
    u->name = v->name = "";
    return CLVITS_OK;
}

/* As weight normalisation is folded, and before that looks for its own "weight_v". */
static clvits_status fold_spectral_norms(clvits_arrays *set, clvits_report *r)
{
    clvits_status s = CLVITS_OK;
    size_t kept = 0;

    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < sizeof(spellings) / sizeof(spellings[0]) && !s; k++) {
            const char *name = set->items[i].name, *end = spellings[k].weight;
            if (strlen(name) > strlen(end) && !strcmp(name + strlen(name) - strlen(end), end))
                s = fold_spectral(set, &set->items[i], &spellings[k], r);
        }
    for (size_t i = 0; i < set->count; i++)
        if (*set->items[i].name)
            set->items[kept++] = set->items[i];
    set->count = kept;
    return s;
}

clvits_status clvits_discriminators_read(clvits_arrays *out, clvits_arrays *raw, const char *path,
                                         clvits_report *r)
{
    const char *prefix = "";
    clvits_report why = { 0 };
    clvits_torch *torch;

    *out = *raw = (clvits_arrays){ 0 };
    clvits_status s = clvits_torch_open(&torch, path, r);
    if (s)
        return s;
    const clvits_value *dict = find(torch, &prefix);
    if (!dict)
        s = clvits_fail(r, CLVITS_E_FORMAT,
                        "%s has no discriminators; give the D_... of a training run", path);
    if (!s)
        s = clvits_torch_arrays(raw, torch, dict, prefix, r);
    clvits_torch_close(&torch);
    if (s)
        return s;
    s = fold_spectral_norms(raw, &why);
    if (!s)
        s = clvits_weights_training(out, raw, &why);
    return s ? clvits_fail(r, s, "%s: %s", path, why.text) : CLVITS_OK;
}
