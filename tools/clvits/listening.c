// SPDX-License-Identifier: MIT
#include "listening.h"

#include <string.h>

int listening_fail(const listening *l, clvits_status status)
{
    if (program_signal())
        return program_interrupted();
    return program_fail(program_code(status, CODE_INPUT), "%s", clvits_context_error(l->context));
}

static int open_all(listening *l, const char *audio)
{
    int code = program_open(&l->context, &l->params, &l->log);

    if (code)
        return code;
    clvits_status s =
        clvits_voice_open_listening(&l->voice, l->context, l->voice_path, l->config);
    if (s)
        return listening_fail(l, s);
    clvits_voice_get_info(l->voice, &l->info);
    s = clvits_samples_read(&l->samples, &l->n, l->context, audio, l->info.sample_rate,
                            clvits_listen_limit(l->voice));
    return s ? listening_fail(l, s) : CODE_OK;
}

int listening_open(listening *l, const char *audio)
{
    const double start = program_now();

    if (!strcmp(audio, "-"))
        return program_fail(CODE_USAGE, "recordings are read from files; give the path of one");
    if (l->config && !l->voice_path)
        return program_fail(CODE_USAGE, "-c goes with -m: it says where that voice's configuration "
                                        "is");
    l->params.recheck = l->recheck ? l->recheck > 0 ? l->recheck : 0 : -1;
    l->log.quiet = l->quiet;
    l->log.verbose = l->verbose;
    if (clvits_cancel_make(&l->cancel))
        return program_fail(CODE_FAILED, "out of memory");
    l->params.cancel = l->cancel;
    int code = program_catch_signals(l->cancel);
    if (!code)
        code = open_all(l, audio);
    l->load = program_now() - start;
    return code;
}

void listening_close(listening *l)
{
    clvits_samples_free(&l->samples);
    clvits_voice_close(&l->voice);
    clvits_context_close(&l->context);
    program_catch_signals(NULL);
    clvits_cancel_free(&l->cancel);
}
