// SPDX-License-Identifier: MIT
#include "io/coqui_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Flows are numbered with the flips between them in the original code, without them here. */
typedef enum numbering { AS_IT_IS, DOUBLE, DOUBLE_LESS_ONE } numbering;

static const struct module {
    const char *name, *original;
    numbering flows;
} modules[] = {
    { "text_encoder", "enc_p", AS_IT_IS },
    { "duration_predictor", "dp", DOUBLE_LESS_ONE },
    { "waveform_decoder", "dec", AS_IT_IS },
    { "posterior_encoder", "enc_q", AS_IT_IS },
    { "flow", "flow", DOUBLE },
};

static const struct part {
    const char *name, *original;
    int of_decoder; /* only there: a WaveNet's is called so in both */
} parts[] = {
    { "translation", "m", 0 },
    { "log_scale", "logs", 0 },
    { "cond_layer", "cond", 1 },
};

enum { N_MODULES = sizeof(modules) / sizeof(*modules), N_PARTS = sizeof(parts) / sizeof(*parts) };

static size_t component(const char *p)
{
    return strcspn(p, "./");
}

static int is(const char *p, size_t n, const char *name)
{
    return n == strlen(name) && !strncmp(p, name, n);
}

/* The first component that is one of the modules. */
static const struct module *find(const char **at, const char *name)
{
    for (const char *p = name; *p;) {
        const size_t n = component(p);
        for (size_t i = 0; i < N_MODULES; i++)
            if (is(p, n, modules[i].name)) {
                *at = p;
                return &modules[i];
            }
        p += n + (p[n] != 0);
    }
    return NULL;
}

typedef struct writer {
    char *out;
    size_t size, used;
    int fits;
} writer;

static void put(writer *w, const char *text, size_t n)
{
    if (!w->fits || n >= w->size - w->used) {
        w->fits = 0;
        return;
    }
    memcpy(w->out + w->used, text, n);
    w->used += n;
    w->out[w->used] = '\0';
}

static long renumber(numbering how, long n)
{
    switch (how) {
    case DOUBLE:
        return 2 * n;
    case DOUBLE_LESS_ONE:
        return n ? 2 * n - 1 : 0;
    case AS_IT_IS:
        break;
    }
    return n;
}

static int is_number(const char *p, size_t n)
{
    return n > 0 && n < 6 && strspn(p, "0123456789") >= n;
}

/* What follows the module's name, from a separator on. */
static void put_rest(writer *w, const struct module *m, const char *rest)
{
    int depth = 0, of_flows = 0;

    while (*rest && w->fits) {
        put(w, rest, 1);
        rest++;
        const size_t n = component(rest);
        const char *name = rest;
        size_t n_name = n;
        char number[16];

        if (of_flows && is_number(rest, n)) {
            n_name = (size_t)snprintf(number, sizeof(number), "%ld",
                                      renumber(m->flows, strtol(rest, NULL, 10)));
            name = number;
        }
        const int of_decoder = depth == 0 && !strcmp(m->original, "dec");
        for (size_t i = 0; i < N_PARTS; i++)
            if (is(rest, n, parts[i].name) && (of_decoder || !parts[i].of_decoder)) {
                name = parts[i].original;
                n_name = strlen(name);
            }
        put(w, name, n_name);
        of_flows = depth == 0 && (is(rest, n, "flows") || is(rest, n, "post_flows"));
        depth++;
        rest += n;
    }
}

int clvits_coqui_name(char *out, size_t size, const char *name)
{
    writer w = { .out = out, .size = size, .fits = size > 0 };
    const char *at = name + strlen(name);
    const struct module *m = find(&at, name);

    if (size)
        *out = '\0';
    put(&w, name, (size_t)(at - name));
    if (m) {
        put(&w, m->original, strlen(m->original));
        put_rest(&w, m, at + component(at));
    }
    return w.fits;
}

int clvits_coqui_sign(const char *name)
{
    for (const char *p = name; *p;) {
        const size_t n = component(p);
        if (is(p, n, "waveform_decoder"))
            return 1;
        p += n + (p[n] != 0);
    }
    return 0;
}
