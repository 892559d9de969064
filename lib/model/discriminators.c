// SPDX-License-Identifier: MIT
//
// The discriminators of a training run, D_STEP.pth, which go into a voice's file for training.
#include "io/torch.h"
#include "model/convert.h"

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
    s = clvits_weights_training(out, raw, &why);
    return s ? clvits_fail(r, s, "%s: %s", path, why.text) : CLVITS_OK;
}
