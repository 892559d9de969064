// SPDX-License-Identifier: MIT
#include "listening.h"
#include "names.h"
#include "speak.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: clvits revoice [OPTION]... -m VOICE --from SPEAKER --to SPEAKER IN OUT\n"
    "\n"
    "Say what one speaker of a voice says in a recording in the voice of another of its speakers.\n"
    "The voice has several, and its training side: a checkpoint, or what \"clvits convert\n"
    "--with-training\" makes of one.\n"
    "\n"
    "  -m, --model VOICE     the voice\n"
    "  -c, --config FILE     of the voice, where it does not stand beside it\n"
    "  --from ID|NAME        the speaker of the recording\n"
    "  --to ID|NAME          the speaker who is to be heard\n"
    "  --noise-scale X       variety of the sound, 0 and up; 1, as in training\n"
    "  --seed N              another seed, another rendering; 0\n"
    LISTENING_HELP
    "\n"
    "IN is anything that libsndfile reads, at any rate, mono or not, up to some 25 minutes. OUT\n"
    "ends in .wav .flac .ogg or .opus; - sends 16-bit little-endian mono samples to standard\n"
    "output.\n"
    "\n" PROGRAM_CODES;

typedef struct revoicer {
    listening l;
    const char *from, *to, *output;
    clvits_revoice_params params;
    speech_output out;
    int code; /* of what went wrong in a callback */
} revoicer;

static int heard(void *user, const clvits_chunk *chunk)
{
    revoicer *v = user;

    v->code = speech_output_write(&v->out, v->l.context, chunk->samples, chunk->n_samples);
    return v->code || program_signal();
}

static int check(revoicer *v, int argc, char **argv)
{
    const char *const read[] = { v->l.voice_path, v->l.config, argc ? argv[0] : NULL };

    if (argc != 2)
        return program_fail(CODE_USAGE, "give the recording, and the path to write");
    if (!v->from || !v->to)
        return program_fail(CODE_USAGE, "say who speaks and who is to be heard: --from SPEAKER "
                                        "--to SPEAKER");
    v->output = strcmp(argv[1], "-") ? argv[1] : NULL;
    if (!v->output && isatty(STDOUT_FILENO))
        return program_fail(CODE_USAGE, "raw samples on a terminal are of no use; send them to a "
                                        "file or a player, or give a file to write");
    return program_check_output(v->output, read, 3, NULL);
}

static int run(revoicer *v, const char *audio)
{
    int code = listening_open(&v->l, audio);

    if (!code)
        code = names_find_speaker(v->l.voice, "", v->from, &v->params.from);
    if (!code)
        code = names_find_speaker(v->l.voice, "", v->to, &v->params.to);
    if (!code)
        code = program_check_output(v->output, NULL, 0, v->l.voice);
    if (!code)
        code = speech_output_open(&v->out, v->l.context, v->output, NULL, TIMINGS_NONE,
                                  v->l.info.sample_rate);
    if (code)
        return code;
    v->params.audio = heard;
    v->params.user = v;
    const double start = program_now();
    const clvits_status s = clvits_revoice(v->l.voice, v->l.samples, v->l.n, &v->params);
    if (v->code)
        return v->code;
    if (s)
        return listening_fail(&v->l, s);
    if (!v->l.quiet)
        program_note("%.2f s of speech in %.2f s", (double)v->l.n / v->l.info.sample_rate,
                     program_now() - start);
    return speech_output_finish(&v->out, v->l.context);
}

int command_revoice(int argc, char **argv)
{
    revoicer v = { .l.recheck = -1, .params.noise_scale = 1.0f };
    const option table[] = {
        LISTENING_OPTIONS(&v.l),
        { "from", 0, OPTION_TEXT, &v.from, 0, 0 },
        { "to", 0, OPTION_TEXT, &v.to, 0, 0 },
        { "noise-scale", 0, OPTION_FLOAT, &v.params.noise_scale, 0, 100 },
        { "seed", 0, OPTION_SEED, &v.params.seed, 0, 0 },
        { "precision", 0, OPTION_TEXT, &v.l.params.precision, 0, 0 },
    };
    int code = options_parse(table, (int)(sizeof(table) / sizeof(*table)), "revoice", help, &argc,
                             argv);

    if (code)
        return code < 0 ? CODE_OK : code;
    code = check(&v, argc, argv);
    if (!code)
        code = run(&v, argv[0]);
    speech_output_discard(&v.out);
    listening_close(&v.l);
    return code;
}
