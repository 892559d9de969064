// SPDX-License-Identifier: MIT
#include "model/context.h"
#include "model/convert.h"

#include <clvits/convert.h>

#include <string.h>

/* The caller's idea of progress. */
typedef struct telling {
    clvits_convert_fn progress;
    void *user;
} telling;

static int tell(void *user, size_t done, size_t total)
{
    const telling *t = user;
    return t->progress(t->user, (int64_t)done, (int64_t)total);
}

/* Which of two words it is; the first where there is none. */
static clvits_status choose(int *out, const char *text, const char *what, const char *first,
                            const char *second, clvits_report *r)
{
    *out = text && !strcmp(text, second);
    if (*out || !text || !strcmp(text, first))
        return CLVITS_OK;
    return clvits_fail(r, CLVITS_E_ARGUMENT, "%s \"%.32s\" is not known; there are %s and %s", what,
                       text, first, second);
}

clvits_status clvits_convert(clvits_converted *out, clvits_context *context, const char *voice,
                             const char *path, const clvits_convert_params *params)
{
    static const clvits_convert_params usual;
    const clvits_convert_params *p = params ? params : &usual;
    telling t = { p->progress, p->user };
    clvits_convert_plan plan = { .with_training = p->with_training,
                                 .discriminators = p->discriminators,
                                 .replace = p->replace,
                                 .progress = p->progress ? tell : NULL,
                                 .user = &t };
    clvits_convert_outcome outcome = { 0 };
    clvits_report r = clvits_context_report(context);
    clvits_voice_file v = { 0 };
    char embedded[4096];
    int hf = 0;

    clvits_status s = choose(&hf, p->format, "the format", "safetensors", "hf", &r);
    if (!s)
        s = choose(&plan.halves, p->precision, "the precision", "fp32", "fp16", &r);
    plan.format = hf ? CLVITS_CONVERT_HF : CLVITS_CONVERT_OWN;
    if (!s && !voice) {
        s = clvits_voice_file_embedded_path(embedded, sizeof(embedded), &r);
        voice = embedded;
    }
    if (!s)
        s = clvits_voice_file_open_whole(&v, voice, p->config, &r);
    if (!s) {
        s = clvits_voice_file_convert(&outcome, &v, voice, path, &plan, &r);
        clvits_voice_file_free(&v);
    }
    if (out)
        *out = (clvits_converted){ outcome.parameters, outcome.bytes, outcome.writing };
    return s ? clvits_context_keep(context, &r) : CLVITS_OK;
}
