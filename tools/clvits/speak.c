// SPDX-License-Identifier: MIT
#include "options.h"
#include "speak.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "usage: clvits speak [OPTION]... [TEXT]\n"
    "\n"
    "Turn text into speech. Without TEXT, -f or --ids, each line of standard input is one\n"
    "utterance. Without -o, -d or --output-raw, the speech goes to clvits.wav in the current\n"
    "folder. - and _ are the same in the names of options.\n"
    "\n"
    "voice:\n"
    "  -m, --model VOICE          folder of a Hugging Face VitsModel, or a Piper voice\n"
    "                             NAME.onnx; otherwise the embedded voice\n"
    "  -c, --config FILE          of the voice, where it does not stand beside it\n"
    "  -s, --speaker ID|NAME      otherwise the first\n"
    "text:\n"
    "  -f, --input-file FILE      one utterance per line; - is standard input\n"
    "      --json-input           lines are objects as Piper's: \"text\", and optionally\n"
    "                             \"speaker\" (name), \"speaker_id\", \"output_file\"\n"
    "      --ids \"N N ...\"        symbol ids instead of text, as the voice's model takes them\n"
    "speech:\n"
    "  -o, --output-file FILE     all of it in one file: .wav .flac .ogg .opus; - is --output-raw\n"
    "  -d, --output-dir DIR       a file per utterance, 0001.wav and on, named on standard output\n"
    "      --format EXT           of the files in DIR: wav (default) flac ogg opus; with\n"
    "                             --stream: raw (default) or wav of open length\n"
    "      --output-raw           16-bit little-endian mono samples to standard output\n"
    "      --stream               the same in pieces, small ones first, each as soon as it is\n"
    "                             there\n"
    "      --timings FILE         when each phoneme and word is heard, in seconds: .json .tsv, or\n"
    "                             .srt for subtitles; with -d one beside each file, and only the\n"
    "                             extension counts\n"
    "manner:\n"
    "      --noise-scale X        variety of the sound, 0 and up; default: the voice's\n"
    "      --noise-w X            of the rhythm; likewise\n"
    "      --length-scale X       slowness; 2 is half as fast; default: the voice's\n"
    "      --sentence-silence X   seconds of silence after each sentence; 0.2\n"
    "      --volume X             factor; 1\n"
    "      --seed N               another seed, another rendering; 0\n"
    "device:\n"
    "      --device D             cpu, opencl, a number of \"clvits devices\" or a part of\n"
    "                             a name; several with commas; default: a GPU, else any\n"
    "                             OpenCL device, and cpu, by what costs least. A+B share the\n"
    "                             utterances of -d: whichever is free takes the next\n"
    "      --batch N              utterances of -d that a device speaks at once, 1 to 16; 8\n"
    "      --place RULE           auto: every operator where it costs least; device: on the\n"
    "                             device; NAME=WHERE: operators or modules by hand, as in\n"
    "                             conv1d=cpu,flow=1; several with commas\n"
    "      --precision P          fp32; of flow and decoder on devices: fp16-storage, fp16\n"
    "      --memory SIZE          of a device, at most, as in 256M\n"
    "      --trust T              proof of kernels: cached (once), always, never\n"
    "      --recheck N            the CPU path checks an operator of every Nth graph\n"
    "      --threads N            of the CPU path; all processors\n"
    "looking inside:\n"
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

enum {
    STREAM_FIRST = 16, /* frames until something is heard; fewer hardly come sooner */
    DEFAULT_BATCH = 8
};

static int parse(session *s, int argc, char **argv)
{
    settings *o = &s->set;
    const option table[] = {
        { "model", 'm', OPTION_TEXT, &o->voice, 0, 0 },
        { "config", 'c', OPTION_TEXT, &o->config, 0, 0 },
        { "speaker", 's', OPTION_TEXT, &o->speaker, 0, 0 },
        { "input-file", 'f', OPTION_TEXT, &o->source.path, 0, 0 },
        { "json-input", 0, OPTION_FLAG, &o->source.json, 0, 0 },
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
        { "recheck", 0, OPTION_INT, &o->context.recheck, 1, INT_MAX },
        { "threads", 0, OPTION_INT, &o->context.threads, 1, 1024 },
        { "trace", 0, OPTION_TEXT, &o->trace, 0, 0 },
        { "plan", 0, OPTION_FLAG, &o->plan, 0, 0 },
        { "ceilings", 0, OPTION_TEXT, &o->ceilings, 0, 0 },
        { "verbose", 'v', OPTION_FLAG, &s->clock.verbose, 0, 0 },
        { "debug", 0, OPTION_FLAG, &s->clock.verbose, 0, 0 },
        { "quiet", 'q', OPTION_FLAG, &s->clock.quiet, 0, 0 },
    };
    const int code = options_parse(table, (int)(sizeof(table) / sizeof(*table)), "speak", help,
                                   &argc, argv);

    if (code)
        return code;
    if (argc > 1)
        return program_fail(CODE_USAGE, "\"%.40s\" is one argument too many; put the text in "
                                        "quotes", argv[1]);
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

static int check_looking(session *s)
{
    const settings *o = &s->set;
    int used = 0;

    if (o->ceilings && !o->plan)
        return program_fail(CODE_USAGE, "--ceilings goes with --plan");
    if (o->ceilings && (sscanf(o->ceilings, "%f,%f%n", &s->plan.gflops, &s->plan.gbytes, &used) !=
                            2 || o->ceilings[used] || !(s->plan.gflops > 0.0f) ||
                        !(s->plan.gbytes > 0.0f)))
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

static int check_settings(session *s)
{
    settings *o = &s->set;

    if ((o->source.text != NULL) + (o->source.path != NULL) + (o->source.ids != NULL) > 1)
        return program_fail(CODE_USAGE, "the text is given more than once; choose one of TEXT, -f "
                                        "and --ids");
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
    if (o->timings) {
        s->timings = timings_format_of(o->timings);
        if (s->timings == TIMINGS_NONE)
            return program_fail(CODE_USAGE, "--timings %s: end the name in .json, .tsv or .srt",
                                o->timings);
    }
    if (o->output && ((o->trace && !strcmp(o->trace, o->output)) ||
                      (o->timings && !strcmp(o->timings, o->output))))
        return program_fail(CODE_USAGE, "%s would be written twice; give each file its own name",
                            o->output);
    if (!o->format)
        o->format = o->stream ? "raw" : "wav";
    if (!o->output && !o->dir && !o->raw)
        o->output = "clvits.wav";
    s->log.quiet = s->clock.quiet;
    s->log.verbose = s->clock.verbose;
    s->clock.progress = !s->clock.quiet && isatty(STDERR_FILENO);
    s->clock.first = -1.0;
    const int code = check_many(s);
    return code ? code : check_looking(s);
}

static int no_speaker(const session *s, const char *what)
{
    const char *first = clvits_voice_speaker_name(s->voice, 0);
    const int n = s->info.n_speakers;

    if (n == 1)
        return program_fail(CODE_USAGE, "there is no speaker %s; this voice has one, number 0",
                            what);
    return program_fail(CODE_USAGE, "there is no speaker %s; this voice has 0 to %d%s%s%s", what,
                        n - 1, first ? ", the first being \"" : "", first ? first : "",
                        first ? "\" (clvits info lists them)" : "");
}

/* A number is an id; where there is no such id it may still be a name. */
static int find_speaker(const session *s, const char *what, int *out)
{
    char *end;
    const long id = strtol(what, &end, 10);

    if (end != what && !*end && id >= 0 && id < s->info.n_speakers) {
        *out = (int)id;
        return CODE_OK;
    }
    *out = clvits_voice_find_speaker(s->voice, what);
    return *out < 0 ? no_speaker(s, what) : CODE_OK;
}

static void set_float(float *out, float value)
{
    if (!isnan(value))
        *out = value;
}

static void on_span(void *user, const clvits_span *span)
{
    session *s = user;

    if (s->trace.file.f)
        trace_file_add(&s->trace, span);
    if (s->set.plan)
        plan_table_add(&s->plan, span);
}

/* The voice on the device of that name, of n bytes; NULL: the one that is chosen by default. */
static int open_device(session *s, const char *name, size_t n)
{
    const int i = s->n_devices;
    char device[256];

    if (i == SHARING || (name && n >= sizeof(device)))
        return program_fail(CODE_USAGE, "--device names more than %d devices, or one too long",
                            SHARING);
    if (name && !n && strchr(s->set.context.device, '+'))
        return program_fail(CODE_USAGE, "--device %s: a name is missing beside a +",
                            s->set.context.device);
    clvits_context_params p = s->set.context;
    if (name) {
        snprintf(device, sizeof(device), "%.*s", (int)n, name);
        p.device = device;
    }
    const int code = program_open(&s->contexts[i], &p, &s->log);
    if (code)
        return code;
    s->n_devices++;
    const clvits_status status = clvits_voice_open_config(&s->voices[i], s->contexts[i],
                                                          s->set.voice, s->set.config);
    if (status)
        return program_fail(program_code(status, CODE_INPUT), "%s",
                            clvits_context_error(s->contexts[i]));
    s->context = s->contexts[0];
    s->voice = s->voices[0];
    return CODE_OK;
}

static int open_voice(session *s)
{
    const settings *o = &s->set;
    const double start = program_now();
    int code = o->trace ? trace_file_open(&s->trace, o->trace) : CODE_OK;

    if (o->trace || o->plan) {
        s->set.context.trace = on_span;
        s->set.context.trace_user = s;
    }
    for (const char *name = o->context.device; !code;) {
        const size_t n = name ? strcspn(name, "+") : 0;
        code = open_device(s, name, n);
        if (!name || !name[n])
            break;
        name += n + 1;
    }
    if (code)
        return code;
    s->clock.load = program_now() - start;
    clvits_voice_get_info(s->voice, &s->info);
    clvits_speak_params_default(s->voice, &s->params);
    set_float(&s->params.noise_scale, o->noise_scale);
    set_float(&s->params.noise_w, o->noise_w);
    set_float(&s->params.length_scale, o->length_scale);
    set_float(&s->params.sentence_silence, o->sentence_silence);
    set_float(&s->params.volume, o->volume);
    s->params.seed = o->seed;
    s->params.cancel = s->cancel;
    return o->speaker ? find_speaker(s, o->speaker, &s->speaker) : CODE_OK;
}

/* How much of all text is spoken at this chunk; negative when that is not known. */
static double share_of(const session *s, const clvits_chunk *c)
{
    const speech_source *source = &s->set.source;
    const double in_line = (double)(c->text_start + c->text_n);

    if (s->now.n_ids)
        return -1.0;
    if (!s->now.line)
        return in_line / ((double)s->now.n + 1e-9);
    if (source->json)
        return source->total > 0 ? (double)source->bytes / (double)source->total : -1.0;
    return source->total > 0 ? ((double)source->bytes - (double)s->now.n + in_line) /
                                   (double)source->total
                             : -1.0;
}

static int heard(void *user, const clvits_chunk *c)
{
    session *s = user;

    if (s->heard == 0) {
        if (s->pause_first)
            s->code = speech_output_pause(&s->out, s->context,
                                          (double)s->params.sentence_silence);
        s->pause_first = false;
        s->start = s->out.samples;
    }
    s->heard += (int64_t)c->n_samples;
    if (c->is_first && !c->is_silence) {
        int64_t frames = 0;
        for (size_t i = 0; i < c->n_durations; i++)
            frames += c->durations[i];
        timings_add(&s->out.timings, c, s->now.n_ids ? NULL : s->now.text, s->start,
                    frames * s->info.hop_length);
    }
    if (!s->code)
        s->code = speech_output_write(&s->out, s->context, c->samples, c->n_samples);
    speech_clock_heard(&s->clock, (double)c->n_samples / c->sample_rate, share_of(s, c));
    return s->code || program_signal();
}

/* The name of a file of its own for the utterance at hand; NULL: it goes where all go. */
static const char *own_file(session *s, char *out, size_t size)
{
    if (s->now.output)
        return s->now.output;
    if (!s->set.dir)
        return NULL;
    snprintf(out, size, "%s/%04d.%s", s->set.dir, ++s->files, s->set.format);
    return out;
}

const char *session_timings_path(const session *s, char *out, size_t size, const char *path)
{
    static const char *const endings[] = { [TIMINGS_JSON] = "json", [TIMINGS_TSV] = "tsv",
                                           [TIMINGS_SRT] = "srt" };
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    const size_t stem = dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path);

    if (!s->timings)
        return NULL;
    snprintf(out, size, "%.*s.%s", (int)stem, path, endings[s->timings]);
    return out;
}

int session_open_file(const session *s, speech_output *out, const char *path)
{
    char beside[PATH_MAX];

    return speech_output_open(out, s->context, path,
                              session_timings_path(s, beside, sizeof(beside), path), s->timings,
                              s->info.sample_rate);
}

bool session_nothing_to_say(const utterance *u, int64_t heard, clvits_status status)
{
    return status == CLVITS_E_ARGUMENT && u->line && !heard && !u->n_ids &&
           speech_is_utf8(u->text, u->n);
}

void session_print_skipped(session *s)
{
    if (*s->skipped && !s->clock.quiet)
        program_note("warning: skipped %s", s->skipped);
    *s->skipped = '\0';
}

/* Speak the utterance into s->out. *skipped: nothing in it can be spoken. */
static int speak_one(session *s, bool *skipped)
{
    char where[32] = "";
    clvits_status status;

    session_print_skipped(s);
    s->heard = 0;
    /* What follows in a file has the speech before it to be listened to meanwhile. */
    const bool more = s->spoken && s->now.line && s->set.source.total >= 0;
    s->params.first_chunk = s->set.stream && !more ? STREAM_FIRST : 0;
    s->params.audio = heard;
    s->params.user = s;
    speech_clock_begin(&s->clock);
    if (s->now.n_ids)
        status = clvits_speak_ids(s->voice, s->now.ids, s->now.n_ids, &s->params);
    else
        status = clvits_speak(s->voice, s->now.text, s->now.n, &s->params);
    speech_clock_end(&s->clock);

    *skipped = session_nothing_to_say(&s->now, s->heard, status);
    s->spoken += status == CLVITS_OK;
    if (s->code)
        return s->code;
    if (program_signal())
        return program_interrupted();
    if (status == CLVITS_OK)
        return CODE_OK;
    if (s->now.line)
        snprintf(where, sizeof(where), "line %d: ", s->now.line);
    if (!*skipped)
        return program_fail(program_code(status, CODE_FAILED), "%s%s", where,
                            clvits_context_error(s->context));
    snprintf(s->skipped, sizeof(s->skipped), "%s%s", where, clvits_context_error(s->context));
    return CODE_OK;
}

int session_speaker(const session *s, const utterance *u, int *out)
{
    char id[16];

    *out = s->speaker;
    if (u->speaker_id >= 0) {
        snprintf(id, sizeof(id), "%d", u->speaker_id);
        if (u->speaker_id >= s->info.n_speakers)
            return no_speaker(s, id);
        *out = u->speaker_id;
    }
    return u->speaker ? find_speaker(s, u->speaker, out) : CODE_OK;
}

static int handle(session *s)
{
    char name[PATH_MAX];
    bool skipped = false;
    int code = session_speaker(s, &s->now, &s->params.speaker);
    const char *path = code ? NULL : own_file(s, name, sizeof(name));

    if (code)
        return code;
    if (!path) {
        s->pause_first = s->out.samples > 0;
        return speak_one(s, &skipped);
    }

    const speech_output common = s->out;
    code = session_open_file(s, &s->out, path);
    s->pause_first = false;
    if (!code)
        code = speak_one(s, &skipped);
    if (!code && !skipped)
        code = speech_output_finish(&s->out, s->context);
    if (!code && !skipped) {
        printf("%s\n", path);
        code = program_flush();
    } else {
        speech_output_discard(&s->out);
    }
    s->files -= skipped && !s->now.output;
    s->out = common;
    return code;
}

/* Whatever may fail before anything is spoken, first. */
static int open_common(session *s)
{
    const settings *o = &s->set;

    if (o->dir && strlen(o->dir) > PATH_MAX - 64)
        return program_fail(CODE_OUTPUT, "the name of the output folder is too long");
    if (o->dir) {
        if (mkdir(o->dir, 0777) && errno != EEXIST)
            return program_fail(CODE_OUTPUT, "%s cannot be made: %s", o->dir, strerror(errno));
        return CODE_OK;
    }
    const int code = speech_output_open(&s->out, s->context, o->output, o->timings, s->timings,
                                        s->info.sample_rate);
    s->out.stream = o->stream;
    s->out.header = o->stream && !strcmp(o->format, "wav");
    return code;
}

static int speak_all(session *s)
{
    bool more = true;
    int code = open_common(s);

    if (!code && s->set.source.f == stdin && isatty(STDIN_FILENO) && !s->clock.quiet)
        program_note("reading text from the terminal; Ctrl-D ends it");
    if (!code && s->set.source.f && (s->set.batch > 1 || s->n_devices > 1)) {
        code = speak_many(s);
        more = false;
    }
    while (!code && more) {
        code = speech_source_next(&s->set.source, &s->now, &more);
        if (code || !more || program_signal())
            break;
        code = handle(s);
    }
    if (!code && program_signal())
        code = program_interrupted();
    if (!code && !s->spoken)
        return program_fail(CODE_USAGE, "%s", *s->skipped ? s->skipped : "the text is empty; give "
                                                                         "at least one word");
    session_print_skipped(s);
    if (!code && s->out.open && s->out.samples) {
        s->where = s->set.output;
        code = speech_output_finish(&s->out, s->context);
    }
    return code;
}

int command_speak(int argc, char **argv)
{
    session s = { .set = { .noise_scale = NAN, .noise_w = NAN, .length_scale = NAN,
                           .sentence_silence = NAN, .volume = NAN } };
    int code = parse(&s, argc, argv);

    if (code)
        return code < 0 ? CODE_OK : code;
    code = check_settings(&s);
    if (!code && clvits_cancel_make(&s.cancel))
        code = program_fail(CODE_FAILED, "out of memory");
    if (!code)
        code = program_catch_signals(s.cancel);
    if (!code)
        code = speech_source_open(&s.set.source);
    if (!code)
        code = open_voice(&s);
    if (!code)
        code = speak_all(&s);
    if (!code)
        speech_clock_report(&s.clock, s.context, &s.info, s.where);
    if (!code && s.set.plan)
        code = plan_table_print(&s.plan);
    if (!code)
        code = trace_file_finish(&s.trace);
    speech_output_discard(&s.out);
    speech_source_close(&s.set.source);
    for (int i = 0; i < SHARING; i++) {
        clvits_voice_close(&s.voices[i]);
        clvits_context_close(&s.contexts[i]);
    }
    trace_file_discard(&s.trace);
    plan_table_free(&s.plan);
    if (s.cancel)
        program_catch_signals(NULL);
    clvits_cancel_free(&s.cancel);
    return code;
}
