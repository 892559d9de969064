// SPDX-License-Identifier: MIT
//
// Checkpoints of the original training code, of its many relatives that kept its format, and of
// MMS-TTS, which added a list of symbols.
#include "io/file.h"
#include "model/voice_parts.h"
#include "model/weights.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <string.h>

/* "1" or 1: which residual block. */
static void read_resblock(clvits_json *j, clvits_config *c, const char *key)
{
    const char *text = cJSON_GetStringValue(clvits_json_at(j, key));

    if (text && (!strcmp(text, "1") || !strcmp(text, "2")))
        c->resblock = text[0] - '0';
    else
        clvits_json_int(j, &c->resblock, key, CLVITS_JSON_REQUIRED);
}

static const char *join(char out[64], const char *section, const char *name)
{
    snprintf(out, 64, "%s%s", section, name);
    return out;
}

void clvits_geometry_read(clvits_json *j, clvits_config *c, const char *section)
{
    char key[64];

    clvits_json_int(j, &c->inter_channels, join(key, section, "inter_channels"),
                    CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->hidden_channels, join(key, section, "hidden_channels"),
                    CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->filter_channels, join(key, section, "filter_channels"),
                    CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->n_heads, join(key, section, "n_heads"), CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->n_layers, join(key, section, "n_layers"), CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &c->kernel_size, join(key, section, "kernel_size"), CLVITS_JSON_REQUIRED);
    clvits_json_bool(j, &c->use_sdp, join(key, section, "use_sdp"), CLVITS_JSON_OPTIONAL);
    read_resblock(j, c, join(key, section, "resblock"));
    clvits_decoder_read(j, c, section, "");
    /* The code's two blocks have this many layers, whatever else the lists hold. */
    for (int i = 0; i < c->n_resblocks; i++)
        if (c->n_resblock_dilations[i] > (c->resblock == 2 ? 2 : 3))
            c->n_resblock_dilations[i] = c->resblock == 2 ? 2 : 3;
}

void clvits_speakers_read(clvits_json *j, clvits_config *c, const char *n_key, const char *gin_key)
{
    const int has_table = c->gin_channels > 0; /* emb_g, as clvits_config_measure() found it */
    int n = 0, gin = 0;

    clvits_json_int(j, &n, n_key, CLVITS_JSON_OPTIONAL);
    clvits_json_int(j, &gin, gin_key, CLVITS_JSON_OPTIONAL);
    if (n > 1 || !has_table)
        c->n_speakers = n > 1 ? n : 1;
    /* Where there is no table of speakers, nothing feeds what was made for one. */
    if (gin > 0 && (has_table || n > 1))
        c->gin_channels = gin;
}

static void read_data(clvits_opening *o, clvits_json *j)
{
    clvits_config *c = &o->v->config;
    int hop = c->hop_length;

    clvits_json_int(j, &c->sampling_rate, "data.sampling_rate", CLVITS_JSON_REQUIRED);
    clvits_json_int(j, &hop, "data.hop_length", CLVITS_JSON_OPTIONAL);
    if (hop != c->hop_length)
        clvits_json_fail(j, CLVITS_E_FORMAT,
                         "data.hop_length is %d, but model.upsample_rates multiply to %d", hop,
                         c->hop_length);
    clvits_spectrogram_read(o, j, "data.filter_length", "data.win_length");
    clvits_speakers_read(j, c, clvits_json_at(j, "data.n_speakers") ? "data.n_speakers"
                                                                    : "model.n_speakers",
                         "model.gin_channels");
}

/* Whether this is what the training code reads, and not a configuration of something else. */
static void check_sections(clvits_json *j)
{
    if (!j->status && (!clvits_json_at(j, "model") || !clvits_json_at(j, "data")))
        clvits_json_fail(j, CLVITS_E_FORMAT,
                         "this is no configuration of a VITS training run: there should be "
                         "\"model\" and \"data\" in it; name the right file with -c");
    clvits_json_object(j, "model", CLVITS_JSON_REQUIRED);
    clvits_json_object(j, "data", CLVITS_JSON_REQUIRED);
}

/* Beside the checkpoint, else beside its configuration; NULL, with or without a failure. */
static const char *find_vocab(clvits_opening *o, const char *path, const char *config)
{
    const char *const near[] = { path, config };

    for (int i = 0; i < 2; i++) {
        const char *vocab =
            clvits_opening_keep(o, "%.*svocab.txt", clvits_path_folder(near[i]), near[i]);
        if (!vocab || clvits_file_exists(vocab))
            return vocab;
    }
    return NULL;
}

clvits_status clvits_voice_vits_open(clvits_opening *o, const char *path)
{
    clvits_voice_file *v = o->v;
    const char *config = clvits_config_of(o, path);
    const char *vocab = config ? find_vocab(o, path, config) : NULL;
    clvits_json j;

    if (!config || o->r->status)
        return o->r->status;
    clvits_voice_file_note(v, config);
    if (vocab)
        clvits_voice_file_note(v, vocab);
    v->kind = vocab ? "MMS-TTS checkpoint" : "VITS checkpoint (jaywalnut310)";
    v->config = clvits_config_default();
    clvits_status status = clvits_json_open(&j, config, o->r);
    if (!status)
        status = clvits_refuse_config(&j);
    if (!status) {
        check_sections(&j);
        status = j.status;
    }
    if (!status)
        status = clvits_opening_arrays(o);
    if (!status) {
        clvits_config_measure(&v->config, &v->raw);
        clvits_geometry_read(&j, &v->config, "model.");
        read_data(o, &j);
        status = j.status ? j.status : clvits_vits_text_read(v, &j, vocab);
    }
    clvits_json_close(&j);
    return status ? status : clvits_opening_finish(o, path);
}
