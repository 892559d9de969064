// SPDX-License-Identifier: MIT
#include "options.h"

#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: clvits convert [OPTION]... VOICE OUT\n"
    "\n"
    "Write a voice that clvits opens as one self-contained .safetensors file, or as a Hugging\n"
    "Face folder. OUT appears when it is complete, or not at all.\n"
    "\n"
    "  -c, --config FILE  the voice's configuration, where it does not stand beside the voice\n"
    "  --to FORMAT        safetensors (default), or hf: a folder that transformers loads as\n"
    "                     VitsModel; what cannot be expressed so is refused\n"
    "  --precision P      fp32 (default): the same samples; or fp16: the same durations, samples\n"
    "                     within 45 dB, and about two thirds of the size, as what\n"
    "                     makes durations stays fp32\n"
    "  --with-training    also the posterior encoder and what else only training uses, its\n"
    "                     weight normalisation folded\n"
    "  --discriminators FILE  add those of D_....pth or another checkpoint of a training run\n"
    "  --force            replace OUT if it is there\n"
    "  -q, --quiet        only errors\n"
    "\n" PROGRAM_CODES;

typedef struct conversion {
    bool shown;    /* progress, on a terminal */
    bool on_screen;
    double last;   /* when it was shown */
} conversion;

static int progress(void *user, int64_t done, int64_t total)
{
    conversion *c = user;
    const double now = program_now();

    if (program_signal())
        return 1;
    if (c->shown && now - c->last >= 0.1) {
        fprintf(stderr, "\r%3.0f %%", 100.0 * (double)done / (double)total);
        c->on_screen = true;
        c->last = now;
    }
    return 0;
}

static int report(clvits_status s, const clvits_converted *done, const clvits_context *context)
{
    if (s == CLVITS_E_CANCELLED && program_signal())
        return program_interrupted();
    return program_fail(program_code(s, done->at_output ? CODE_OUTPUT : CODE_INPUT), "%s",
                        clvits_context_error(context));
}

static int run(const char *voice, const char *path, clvits_convert_params *params, bool quiet)
{
    program_log log = { .quiet = quiet };
    clvits_context_params machine = { .device = "cpu", .place = "", .precision = "fp32",
                                      .cache_dir = "" };
    conversion c = { .shown = !quiet && isatty(STDERR_FILENO), .last = program_now() };
    clvits_context *context = NULL;
    clvits_cancel *cancel = NULL;
    clvits_converted done;

    if (clvits_cancel_make(&cancel))
        return program_fail(CODE_FAILED, "out of memory");
    machine.cancel = cancel;
    int code = program_catch_signals(cancel);
    if (!code)
        code = program_open(&context, &machine, &log);
    if (!code) {
        params->progress = progress;
        params->user = &c;
        const clvits_status s = clvits_convert(&done, context, voice, path, params);
        if (c.on_screen)
            fputs("\r      \r", stderr);
        const char *name;
        const double unit = program_unit(done.parameters, &name);
        if (s)
            code = report(s, &done, context);
        else if (!quiet)
            program_note("%s: %.2f %s parameters, %.2f MB", path, (double)done.parameters / unit,
                         name, (double)done.bytes * 1e-6);
    }
    program_catch_signals(NULL);
    clvits_cancel_free(&cancel);
    clvits_context_close(&context);
    return code;
}

int command_convert(int argc, char **argv)
{
    bool with_training = false, force = false, quiet = false;
    clvits_convert_params params = { 0 };
    const option table[] = { { "config", 'c', OPTION_TEXT, &params.config, 0, 0 },
                             { "to", 0, OPTION_TEXT, &params.format, 0, 0 },
                             { "precision", 0, OPTION_TEXT, &params.precision, 0, 0 },
                             { "with-training", 0, OPTION_FLAG, &with_training, 0, 0 },
                             { "discriminators", 0, OPTION_TEXT, &params.discriminators, 0, 0 },
                             { "force", 0, OPTION_FLAG, &force, 0, 0 },
                             { "quiet", 'q', OPTION_FLAG, &quiet, 0, 0 } };
    const int code = options_parse(table, 7, "convert", help, &argc, argv);

    if (code)
        return code < 0 ? CODE_OK : code;
    if (argc != 2)
        return program_fail(CODE_USAGE, "give the voice to convert, and the path to write");
    if (!strcmp(argv[1], "-"))
        return program_fail(CODE_USAGE, "a voice cannot be sent to standard output; give the path "
                                        "to write");
    params.with_training = with_training;
    params.replace = force;
    return run(argv[0], argv[1], &params, quiet);
}
