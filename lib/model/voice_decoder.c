// SPDX-License-Identifier: MIT
#include "model/voice_parts.h"

#include <cjson/cJSON.h>

#include <stdio.h>

typedef struct key {
    char text[64];
} key;

static key in(const char *section, const char *name, const char *suffix)
{
    key k;

    snprintf(k.text, sizeof(k.text), "%s%s%s", section, name, suffix);
    return k;
}

void clvits_dilations_read(clvits_json *j, clvits_config *c, const char *name)
{
    const cJSON *list = clvits_json_at(j, name), *row, *item;
    int i = 0;

    if (j->status)
        return;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != c->n_resblocks) {
        clvits_json_fail(j, CLVITS_E_FORMAT,
                         "%s should be a list of %d lists, as many as resblock_kernel_sizes has "
                         "items",
                         name, c->n_resblocks);
        return;
    }
    cJSON_ArrayForEach(row, list) {
        int n = 0;

        if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) > CLVITS_MAX_STAGES) {
            clvits_json_fail(j, CLVITS_E_FORMAT, "%s should be a list of lists of at most %d", name,
                             CLVITS_MAX_STAGES);
            return;
        }
        cJSON_ArrayForEach(item, row)
            if (!clvits_json_node_int(&c->resblock_dilation_sizes[i][n++], item)) {
                clvits_json_fail(j, CLVITS_E_FORMAT, "%s should hold whole numbers only", name);
                return;
            }
        c->n_resblock_dilations[i++] = n;
    }
}

void clvits_decoder_read(clvits_json *j, clvits_config *c, const char *section, const char *suffix)
{
    int n_kernels = 0;

    clvits_json_int(j, &c->upsample_initial_channel,
                    in(section, "upsample_initial_channel", suffix).text, CLVITS_JSON_REQUIRED);
    clvits_json_ints(j, c->upsample_rates, &c->n_upsamples, CLVITS_MAX_STAGES,
                     in(section, "upsample_rates", suffix).text);
    clvits_json_ints(j, c->upsample_kernel_sizes, &n_kernels, CLVITS_MAX_STAGES,
                     in(section, "upsample_kernel_sizes", suffix).text);
    if (n_kernels != c->n_upsamples)
        clvits_json_fail(j, CLVITS_E_FORMAT,
                         "upsample_kernel_sizes has %d items and upsample_rates %d", n_kernels,
                         c->n_upsamples);
    clvits_json_ints(j, c->resblock_kernel_sizes, &c->n_resblocks, CLVITS_MAX_STAGES,
                     in(section, "resblock_kernel_sizes", suffix).text);
    clvits_dilations_read(j, c, in(section, "resblock_dilation_sizes", suffix).text);

    c->hop_length = c->n_upsamples > 0;
    for (int i = 0; i < c->n_upsamples; i++)
        if (__builtin_mul_overflow(c->hop_length, c->upsample_rates[i], &c->hop_length))
            clvits_json_fail(j, CLVITS_E_FORMAT, "the product of upsample_rates is absurdly large");
}
