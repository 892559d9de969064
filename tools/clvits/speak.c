// SPDX-License-Identifier: MIT
#include "names.h"
#include "speak.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STREAM_FIRST = 16 }; /* frames until something is heard; fewer hardly come sooner */

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
    if (status && program_signal())
        return program_interrupted();
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
    s->params.phonemes = o->phonemes;
    s->params.cancel = s->cancel;
    if (o->language)
        code = names_find_language(s->voice, o->language, &s->params.language);
    return !code && o->speaker ? names_find_speaker(s->voice, "", o->speaker, &s->speaker) : code;
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
                    frames * s->info.hop_length, NULL);
        if (!s->code)
            s->code = speech_plot_add(&s->out.plot, c, s->start);
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
                                           [TIMINGS_SRT] = "srt",
                                           [TIMINGS_GRID] = "TextGrid" };
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
    const char *timed = session_timings_path(s, beside, sizeof(beside), path);
    int code = session_check_output(s, path);

    *out = (speech_output){ 0 };
    if (!code)
        code = session_check_output(s, timed);
    return code ? code : speech_output_open(out, s->context, path, timed, s->timings,
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
        return program_fail(session_code(s, &s->now, status), "%s%s", where,
                            clvits_context_error(s->context));
    snprintf(s->skipped, sizeof(s->skipped), "%s%s", where, clvits_context_error(s->context));
    return CODE_OK;
}

int session_code(const session *s, const utterance *u, clvits_status status)
{
    const bool unread = !u->n_ids && !s->set.phonemes && !s->info.takes_text;
    return program_code(status, unread ? CODE_INPUT : CODE_FAILED);
}

int session_speaker(const session *s, const utterance *u, int *out)
{
    char where[PATH_MAX + 32], id[16];

    *out = s->speaker;
    speech_source_where(&s->set.source, u, where, sizeof(where));
    if (u->speaker_id >= 0) {
        snprintf(id, sizeof(id), "%d", u->speaker_id);
        if (u->speaker_id >= s->info.n_speakers)
            return names_no_speaker(s->voice, where, id);
        *out = u->speaker_id;
    }
    return u->speaker ? names_find_speaker(s->voice, where, u->speaker, out) : CODE_OK;
}

/* That the utterance at hand goes there; NULL: where all go. The number of one that was skipped is
 * used again. */
static int claim(session *s, const char *path)
{
    const char *const common[] = { s->set.output, s->set.timings, s->set.plot };
    const bool named = s->now.output, again = path ? s->files <= s->claimed : s->common;
    int code = CODE_OK;

    if (!named && again)
        return CODE_OK;
    if (!path)
        s->common = true;
    else if (!named)
        s->claimed = s->files;
    if (path)
        return session_claim_line(s, &s->now, path);
    for (int i = 0; i < 3 && !code; i++)
        code = session_claim(s, &s->now, common[i]);
    return code;
}

static int handle(session *s)
{
    char name[PATH_MAX];
    bool skipped = false;
    int code = session_speaker(s, &s->now, &s->params.speaker);
    const char *path = code ? NULL : own_file(s, name, sizeof(name));

    if (!code)
        code = claim(s, path);
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
    int code = session_claim(s, NULL, o->trace);

    if (code)
        return code;
    if (o->dir && strlen(o->dir) > PATH_MAX - 64)
        return program_fail(CODE_OUTPUT, "the name of the output folder is too long");
    if (o->dir) {
        s->made_dir = !mkdir(o->dir, 0777);
        if (!s->made_dir && errno != EEXIST)
            return program_fail(CODE_OUTPUT, "%s cannot be made: %s", o->dir, strerror(errno));
        return CODE_OK;
    }
    const char *const written[] = { o->output, o->timings, o->plot, o->trace };
    for (int i = 0; i < 4 && !code; i++)
        code = session_check_output(s, written[i]);
    if (!code)
        code = speech_output_open(&s->out, s->context, o->output, o->timings, s->timings,
                                  s->info.sample_rate);
    if (!code)
        code = speech_plot_open(&s->out.plot, o->plot);
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
    int code = session_parse(&s, argc, argv);

    if (code)
        return code < 0 ? CODE_OK : code;
    code = session_check(&s);
    if (!code && clvits_cancel_make(&s.cancel))
        code = program_fail(CODE_FAILED, "out of memory");
    if (!code)
        code = program_catch_signals(s.cancel);
    s.set.context.cancel = s.cancel;
    if (!code)
        code = speech_source_open(&s.set.source);
    if (!code)
        code = open_voice(&s);
    if (!code)
        code = speak_all(&s);
    if (!code)
        speech_clock_report(&s.clock, s.context, &s.info, s.where);
    const int told = !code && s.set.plan ? plan_table_print(&s.plan) : CODE_OK;
    if (!code)
        code = trace_file_finish(&s.trace);
    code = code ? code : told;
    speech_output_discard(&s.out);
    speech_source_close(&s.set.source);
    for (int i = 0; i < SHARING; i++) {
        clvits_voice_close(&s.voices[i]);
        clvits_context_close(&s.contexts[i]);
    }
    if (code && s.made_dir)
        rmdir(s.set.dir); /* if it is empty */
    trace_file_discard(&s.trace);
    plan_table_free(&s.plan);
    written_files_free(&s.written);
    if (s.cancel)
        program_catch_signals(NULL);
    clvits_cancel_free(&s.cancel);
    return code;
}
