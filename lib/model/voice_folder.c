// SPDX-License-Identifier: MIT
//
// Which file of a folder is the voice, and where a checkpoint's configuration is.
#include "io/file.h"
#include "model/voice_parts.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* In the order in which they are preferred; what else is in the folder then does not matter. */
static const char *const preferred[] = { "model.safetensors", "pytorch_model.bin", "best_model.pth",
                                         "model_file.pth", "model.pth" };

static int ends(const char *name, const char *tail)
{
    const size_t n = strlen(name), m = strlen(tail);
    return n > m && !strcmp(name + n - m, tail);
}

/* What may be a voice by its name; the discriminator of a training run is none. */
static int may_be_voice(const char *name)
{
    static const char *const tails[] = { ".safetensors", ".onnx", ".pth", ".pth.tar", ".pt",
                                         ".ckpt", ".bin" };

    if (name[0] == '.' || !strncmp(name, "D_", 2) || !strncmp(name, "speaker", 7) ||
        !strncmp(name, "language", 8))
        return 0; /* Coqui keeps their names in such files */
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
        if (ends(name, tails[i]))
            return 1;
    return 0;
}

long clvits_checkpoint_step(const char *name)
{
    char *end;

    if (strncmp(name, "G_", 2) || name[2] < '0' || name[2] > '9')
        return -1;
    errno = 0;
    const long step = strtol(name + 2, &end, 10);
    return errno || strcmp(end, ".pth") ? -1 : step;
}

/* What a look through a folder found. */
typedef struct found {
    char name[NAME_MAX + 1], other[NAME_MAX + 1]; /* two of them */
    int count;
    char checkpoint[NAME_MAX + 1];
    long step; /* of the checkpoint; -1: there is none */
} found;

static clvits_status look(found *f, const char *folder, int (*wanted)(const char *name),
                          clvits_report *r)
{
    DIR *dir = opendir(*folder ? folder : ".");
    const struct dirent *e;

    *f = (found){ .step = -1 };
    if (!dir)
        return clvits_fail(r, CLVITS_E_FILE, "%s cannot be read: %s", folder, strerror(errno));
    while ((e = readdir(dir)) != NULL) {
        const long step = clvits_checkpoint_step(e->d_name);
        if (step > f->step) {
            f->step = step;
            strcpy(f->checkpoint, e->d_name);
        }
        if (!wanted(e->d_name))
            continue;
        /* The first two by their names, so that a message does not depend on the file system. */
        if (!f->count++ || strcmp(e->d_name, f->name) < 0) {
            strcpy(f->other, f->name);
            strcpy(f->name, e->d_name);
        } else if (f->count == 2 || strcmp(e->d_name, f->other) < 0) {
            strcpy(f->other, e->d_name);
        }
    }
    closedir(dir);
    return CLVITS_OK;
}

const char *clvits_voice_in_folder(clvits_opening *o, const char *path)
{
    const size_t n = strlen(path);
    const char *slash = n && path[n - 1] == '/' ? "" : "/";
    found f;

    for (size_t i = 0; i < sizeof(preferred) / sizeof(preferred[0]); i++) {
        const char *file = clvits_opening_keep(o, "%s%s%s", path, slash, preferred[i]);
        if (!file || clvits_file_exists(file))
            return file;
    }
    if (look(&f, path, may_be_voice, o->r))
        return NULL;
    if (f.step >= 0)
        return clvits_opening_keep(o, "%s%s%s", path, slash, f.checkpoint);
    if (f.count == 1)
        return clvits_opening_keep(o, "%s%s%s", path, slash, f.name);
    if (f.count)
        clvits_fail(o->r, CLVITS_E_FILE,
                    "%s holds %d files that may be voices, such as %.60s and %.60s; give the path "
                    "of one",
                    path, f.count, f.name, f.other);
    else
        clvits_fail(o->r, CLVITS_E_FILE,
                    "%s holds no voice: no model.safetensors, no checkpoint such as G_100000.pth "
                    "or NAME.ckpt, no NAME.onnx",
                    path);
    return NULL;
}

static int is_json(const char *name)
{
    return name[0] != '.' && ends(name, ".json");
}

/* Lightning keeps a checkpoint some folders below the configuration of its run. */
static int is_lightnings(const char *folder, int length)
{
    int start = length - 1;

    while (start > 0 && folder[start - 1] != '/')
        start--;
    const char *name = folder + start;
    return !strncmp(name, "checkpoints/", 12) || !strncmp(name, "version_", 8) ||
           !strncmp(name, "lightning_logs/", 15);
}

/* The config.json of the folder above the one that is the first n bytes of the path. */
static const char *above(clvits_opening *o, const char *path, int n)
{
    while (n > 0 && is_lightnings(path, n)) {
        do
            n--;
        while (n > 0 && path[n - 1] != '/');
        const char *config = clvits_opening_keep(o, "%.*sconfig.json", n, path);
        if (!config || clvits_file_exists(config))
            return config;
    }
    return clvits_opening_keep(o, "%.*s../config.json", n, path);
}

const char *clvits_config_of(clvits_opening *o, const char *path)
{
    const int folder = clvits_path_folder(path);
    found f;

    if (o->config_path)
        return o->config_path;
    const char *own = clvits_opening_keep(o, "%s.json", path);
    const char *usual = clvits_opening_keep(o, "%.*sconfig.json", folder, path);
    const char *parent = clvits_opening_keep(o, "%.*s", folder, path);
    if (!own || !usual || !parent)
        return NULL;
    if (clvits_file_exists(own))
        return own;
    if (clvits_file_exists(usual))
        return usual;
    if (look(&f, parent, is_json, o->r))
        return NULL;
    if (f.count == 1)
        return clvits_opening_keep(o, "%s%s", parent, f.name);
    const char *config = above(o, path, folder);
    if (!config || clvits_file_exists(config))
        return config;
    clvits_fail(o->r, CLVITS_E_FILE,
                "%s says nothing about its model without its configuration: %s is missing%s, and "
                "so is config.json in the folder above; name it with -c",
                path, usual, f.count ? ", and there are several other .json files" : "");
    return NULL;
}
