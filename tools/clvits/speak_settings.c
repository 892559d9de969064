// SPDX-License-Identifier: MIT
//
// What the command line of "clvits speak" says.
#include "options.h"
#include "speak.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char help[] =
    "usage: clvits speak [OPTION]... [TEXT]\n"
    "\n"
    "Turn text into speech. Without TEXT, -f or --ids, each line of standard input is one\n"
    "utterance. Without -o, -d or --output-raw, the speech goes to clvits.wav in the current\n"
    "folder. - and _ are the same in the names of options.\n"
    "\n"
    "voice:\n"
    "  -m, --model VOICE          a voice of Piper or sherpa-onnx NAME.onnx, of Coqui NAME.pth, a\n"
    "                             checkpoint G_*.pth or NAME.ckpt, a folder of one of them or of\n"
    "                             a Hugging Face VitsModel; otherwise the embedded voice\n"
    "  -c, --config FILE          of the voice, where it does not stand beside it\n"
    "  -s, --speaker ID|NAME      otherwise the first\n"
    "  -l, --language ID|NAME     of a voice with several; otherwise the first\n"
    "text:\n"
    "  -f, --input-file FILE      one utterance per line; - is standard input\n"
    "      --json-input           lines are objects as Piper's: \"text\", and optionally\n"
    "                             \"speaker\" (name), \"speaker_id\", \"output_file\" (from the\n"
    "                             current folder, also with -d)\n"
    "      --phonemes             the text is symbols of the voice already, IPA for most\n"
    "      --ids \"N N ...\"        symbol ids instead of text, as the voice's model takes them\n"
    "speech:\n"
    "  -o, --output-file FILE     all of it in one file: .wav .flac .ogg .opus; - is --output-raw\n"
    "  -d, --output-dir DIR       a file per utterance, 0001.wav and on, named on standard output\n"
    "      --format EXT           of the files in DIR: wav (default) flac ogg opus; with\n"
    "                             --stream: raw (default) or wav of open length\n"
    "      --output-raw           16-bit little-endian mono samples to standard output\n"
    "      --stream               the same in pieces, small ones first, each as soon as it is\n"
    "                             there\n"
    "      --timings FILE         when each phoneme and word is heard, in seconds: .json .tsv\n"
    "                             .TextGrid (for Praat), or .srt for subtitles; with -d one\n"
    "                             beside each file, and only the extension counts\n"
    "manner:\n"
    "      --noise-scale X        variety of the sound, 0 and up; default: the voice's\n"
    "      --noise-w X            of the rhythm; likewise\n"
    "      --length-scale X       slowness; 2 is half as fast; default: the voice's\n"
    "      --sentence-silence X   seconds of silence after each sentence; 0.2\n"
    "      --volume X             factor; 1\n"
    "      --seed N               another seed, another rendering; 0\n";

/* One string may not be longer. */
static const char more_help[] =
    "device:\n"
    "      --device D             cpu, opencl, a number of \"clvits devices\" or a part of\n"
    "                             a name; several with commas: an operator runs on the first\n"
    "                             that can, and cpu always can; default: a GPU, else any\n"
    "                             OpenCL device, and cpu, by what costs least. A+B share the\n"
    "                             utterances of -d: whichever is free takes the next\n"
    "      --batch N              utterances of -d that a device speaks at once, 1 to 16; 8\n"
    "      --place RULE           auto: every operator where it costs least; device: on the\n"
    "                             device; NAME=WHERE: operators or modules by hand, as in\n"
    "                             conv1d=cpu,flow=1; several with commas\n"
    "      --precision P          fp32; of flow and decoder on devices: fp16-storage, fp16\n"
    "      --memory SIZE          of devices together, at most, as in 256M\n"
    "      --trust T              proof of kernels: cached (once), always, never\n"
    "      --recheck N            the CPU path checks an operator of every Nth graph; 0: none\n"
    "      --threads N            of the CPU path, 1 to 1024; otherwise one per processor that it\n"
    "                             may use, 256 at most\n"
    "looking inside:\n"
    "      --plot FILE.svg        a picture: waveform, mel spectrogram, phonemes and words\n"
    "      --trace FILE           JSON for Perfetto or chrome://tracing: operators, copies, steps\n"
    "      --plan                 a table on standard error: where each operator ran, with which\n"
    "                             kernel, its bytes, operations, predicted and measured time\n"
    "      --ceilings G,B         GFLOP/s and GB/s to predict with (as clvits-bench measures\n"
    "                             them); default: the best of any operator in this run\n"
    "messages:\n"
    "  -v, --verbose              also memory, load time and what the library does\n"
    "  -q, --quiet                errors only\n"
    "\n"
    "Nothing is left half-written: a file appears under its name when it is complete.\n"
    "\n" PROGRAM_CODES;

enum { DEFAULT_BATCH = 8 };

int session_parse(session *s, int argc, char **argv)
{
    settings *o = &s->set;
    int recheck = -1; /* not said */
    const option table[] = {
        { "model", 'm', OPTION_TEXT, &o->voice, 0, 0 },
        { "config", 'c', OPTION_TEXT, &o->config, 0, 0 },
        { "speaker", 's', OPTION_TEXT, &o->speaker, 0, 0 },
        { "language", 'l', OPTION_TEXT, &o->language, 0, 0 },
        { "input-file", 'f', OPTION_TEXT, &o->source.path, 0, 0 },
        { "json-input", 0, OPTION_FLAG, &o->source.json, 0, 0 },
        { "phonemes", 0, OPTION_FLAG, &o->phonemes, 0, 0 },
        { "ids", 0, OPTION_TEXT, &o->source.ids, 0, 0 },
        { "output-file", 'o', OPTION_TEXT, &o->output, 0, 0 },
        { "output-dir", 'd', OPTION_TEXT, &o->dir, 0, 0 },
        { "format", 0, OPTION_TEXT, &o->format, 0, 0 },
        { "output-raw", 0, OPTION_FLAG, &o->raw, 0, 0 },
        { "stream", 0, OPTION_FLAG, &o->stream, 0, 0 },
        { "timings", 0, OPTION_TEXT, &o->timings, 0, 0 },
        { "batch", 0, OPTION_INT, &o->batch, 1, CLVITS_BATCH },
        { "noise-scale", 0, OPTION_FLOAT, &o->noise_scale, 0, 100 },
        { "noise-w", 0, OPTION_FLOAT, &o->noise_w, 0, 100 },
        { "noise-w-scale", 0, OPTION_FLOAT, &o->noise_w, 0, 100 },
        { "length-scale", 0, OPTION_FLOAT, &o->length_scale, 0.01, 100 },
        { "sentence-silence", 0, OPTION_FLOAT, &o->sentence_silence, 0, 3600 },
        { "volume", 0, OPTION_FLOAT, &o->volume, 0, 1000 },
        { "seed", 0, OPTION_SEED, &o->seed, 0, 0 },
        { "device", 0, OPTION_TEXT, &o->context.device, 0, 0 },
        { "place", 0, OPTION_TEXT, &o->context.place, 0, 0 },
        { "precision", 0, OPTION_TEXT, &o->context.precision, 0, 0 },
        { "memory", 0, OPTION_TEXT, &o->context.memory, 0, 0 },
        { "trust", 0, OPTION_TEXT, &o->context.trust, 0, 0 },
        { "recheck", 0, OPTION_INT, &recheck, 0, INT_MAX },
        { "threads", 0, OPTION_INT, &o->context.threads, 1, 1024 },
        { "plot", 0, OPTION_TEXT, &o->plot, 0, 0 },
        { "trace", 0, OPTION_TEXT, &o->trace, 0, 0 },
        { "plan", 0, OPTION_FLAG, &o->plan, 0, 0 },
        { "ceilings", 0, OPTION_TEXT, &o->ceilings, 0, 0 },
        { "verbose", 'v', OPTION_FLAG, &s->clock.verbose, 0, 0 },
        { "debug", 0, OPTION_FLAG, &s->clock.verbose, 0, 0 },
        { "quiet", 'q', OPTION_FLAG, &s->clock.quiet, 0, 0 },
    };
    const int code = options_parse(table, (int)(sizeof(table) / sizeof(*table)), "speak", help,
                                   &argc, argv);

    if (code < 0)
        fputs(more_help, stdout);
    if (code)
        return code;
    if (argc > 1)
        return program_fail(CODE_USAGE, "\"%.40s\" is one argument too many; put the text in "
                                        "quotes", argv[1]);
    o->context.recheck = recheck ? recheck > 0 ? recheck : 0 : -1;
    if (argc && strcmp(argv[0], "-"))
        o->source.text = argv[0];
    if (o->source.path && !strcmp(o->source.path, "-"))
        o->source.path = NULL;
    if (o->output && !strcmp(o->output, "-")) {
        o->output = NULL;
        o->raw = true;
    }
    return CODE_OK;
}

static bool is_rate(float x)
{
    return x > 0.0f && isfinite(x);
}

static int check_looking(session *s)
{
    const settings *o = &s->set;
    const size_t n = o->plot ? strlen(o->plot) : 0;
    int used = 0;

    if (o->plot && (n < 4 || strcasecmp(o->plot + n - 4, ".svg")))
        return program_fail(CODE_USAGE, "--plot %s: end the name in .svg", o->plot);
    if (o->plot && o->dir)
        return program_fail(CODE_USAGE, "--plot draws one recording; leave it or -d out");

    if (o->ceilings && !o->plan)
        return program_fail(CODE_USAGE, "--ceilings goes with --plan");
    if (o->ceilings && (sscanf(o->ceilings, "%f,%f%n", &s->plan.gflops, &s->plan.gbytes, &used) !=
                            2 || o->ceilings[used] || !is_rate(s->plan.gflops) ||
                        !is_rate(s->plan.gbytes)))
        return program_fail(CODE_USAGE, "--ceilings %s: give GFLOP/s and GB/s, such as 500,40",
                            o->ceilings);
    return CODE_OK;
}

static int check_stream(const settings *o)
{
    if (o->output || o->dir)
        return program_fail(CODE_USAGE, "--stream sends speech to standard output while it is "
                                        "made, but a file appears when it is complete; leave out "
                                        "--stream or %s", o->output ? "-o" : "-d");
    if (o->format && strcmp(o->format, "raw") && strcmp(o->format, "wav"))
        return program_fail(CODE_USAGE, "--format %s cannot be streamed; give raw or wav",
                            o->format);
    return CODE_OK;
}

/* Whether several utterances are spoken at once, on one device or on several. */
static int check_many(session *s)
{
    settings *o = &s->set;
    const char *device = o->context.device ? o->context.device : getenv("CLVITS_DEVICE");
    const bool shared = device && strchr(device, '+');

    if ((shared || o->batch > 1) && !o->dir)
        return program_fail(CODE_USAGE, "%s%s speaks several utterances at once, each into a file "
                                        "of its own; give -d DIR, or leave it out",
                            shared ? "--device " : "--batch", shared ? device : "");
    if (shared && (o->trace || o->plan))
        return program_fail(CODE_USAGE, "--trace and --plan look at one device; leave them out, or "
                                        "name one");
    if (shared)
        o->context.device = device;
    /* What is looked at is easier to read for one utterance at a time. */
    if (!o->batch)
        o->batch = o->dir && !o->trace && !o->plan ? DEFAULT_BATCH : 1;
    return CODE_OK;
}

static bool is_format(const char *name)
{
    static const char *const known[] = { "wav", "flac", "ogg", "opus" };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (!strcasecmp(name, known[i]))
            return true;
    return false;
}

int session_check_output(const session *s, const char *path)
{
    const settings *o = &s->set;

    return program_check_output(path, (const char *const[]){ o->voice, o->config, o->source.path },
                                3, s->voice);
}

/* Nothing is written over what is read, nor over what else is written. */
static int check_files(const session *s)
{
    const settings *o = &s->set;
    /* With -d there is a file of timings beside each other one. */
    const char *const written[] = { o->output, o->trace, o->plot, o->dir ? NULL : o->timings };

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++)
            if (program_same_file(written[i], written[k]))
                return program_fail(CODE_USAGE, "%s would be written twice; give each file its own "
                                                "name", written[i]);
    for (int i = 0; i < 4; i++)
        if (session_check_output(s, written[i]))
            return CODE_USAGE;
    return CODE_OK;
}

int session_check(session *s)
{
    settings *o = &s->set;

    if ((o->source.text != NULL) + (o->source.path != NULL) + (o->source.ids != NULL) > 1)
        return program_fail(CODE_USAGE, "the text is given more than once; choose one of TEXT, -f "
                                        "and --ids");
    if (o->config && !o->voice)
        return program_fail(CODE_USAGE, "-c goes with -m: it says where that voice's configuration "
                                        "is");
    if (o->phonemes && o->source.ids)
        return program_fail(CODE_USAGE, "--phonemes says what text is; leave it or --ids out");
    if (o->source.json && (o->source.text || o->source.ids))
        return program_fail(CODE_USAGE, "--json-input reads lines; leave TEXT and --ids out");
    if (o->stream && check_stream(o))
        return CODE_USAGE;
    o->raw |= o->stream;
    if ((o->output != NULL) + (o->dir != NULL) + o->raw > 1)
        return program_fail(CODE_USAGE, "there is more than one output; choose one of -o, -d and "
                                        "--output-raw");
    if (o->raw && isatty(STDOUT_FILENO))
        return program_fail(CODE_USAGE, "raw samples on a terminal are of no use; send them to a "
                                        "file or a player, or use -o FILE");
    if (o->format && !o->dir && !o->stream)
        return program_fail(CODE_USAGE, "--format goes with -d or --stream; with -o the extension "
                                        "says it");
    if (o->format && o->dir && !is_format(o->format))
        return program_fail(CODE_USAGE, "--format %s: give wav, flac, ogg or opus", o->format);
    if (o->timings) {
        s->timings = timings_format_of(o->timings);
        if (s->timings == TIMINGS_NONE)
            return program_fail(CODE_USAGE, "--timings %s: end the name in .json, .tsv, .srt or "
                                            ".TextGrid", o->timings);
    }
    if (!o->format)
        o->format = o->stream ? "raw" : "wav";
    if (!o->output && !o->dir && !o->raw)
        o->output = "clvits.wav";
    if (check_files(s))
        return CODE_USAGE;
    s->log.quiet = s->clock.quiet;
    s->log.verbose = s->clock.verbose;
    s->clock.progress = !s->clock.quiet && isatty(STDERR_FILENO);
    s->clock.first = -1.0;
    const int code = check_many(s);
    return code ? code : check_looking(s);
}
