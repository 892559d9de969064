// SPDX-License-Identifier: MIT
#include "model/weights.h"
#include "model/weights_names.h"

#include <string.h>

/* The module that a canonical name begins with; NULL when there is no room for it. */
static clvits_voice_module *module_of(clvits_voice_module *list, int *n, const char *name)
{
    const size_t length = strcspn(name, ".");

    for (int i = 0; i < *n; i++)
        if (strlen(list[i].name) == length && !strncmp(list[i].name, name, length))
            return &list[i];
    if (*n == CLVITS_MAX_MODULES || length >= sizeof(list->name))
        return NULL;
    clvits_voice_module *m = &list[(*n)++];
    *m = (clvits_voice_module){ 0 };
    memcpy(m->name, name, length);
    return m;
}

void clvits_weights_add_training(clvits_voice_module *list, int *n, const char *name, int64_t count)
{
    char canonical[112];
    clvits_weight_part part;

    if (!clvits_weight_of_training(name) ||
        !clvits_weight_name(canonical, sizeof(canonical), &part, name) ||
        part == CLVITS_WEIGHT_GAIN)
        return;
    const int coquis = !strncmp(canonical, "posterior_encoder.", 18);
    clvits_voice_module *m = module_of(list, n, coquis ? "enc_q" : canonical);
    if (m)
        m->training += count;
}

int clvits_weights_modules(clvits_voice_module *out, const clvits_arrays *weights,
                           const clvits_arrays *raw)
{
    int n = 0;

    for (size_t i = 0; i < weights->count; i++) {
        clvits_voice_module *m = module_of(out, &n, weights->items[i].name);
        if (m)
            m->parameters += clvits_array_count(&weights->items[i]);
    }
    for (size_t i = 0; i < raw->count; i++)
        clvits_weights_add_training(out, &n, raw->items[i].name,
                                    clvits_array_count(&raw->items[i]));
    return n;
}
