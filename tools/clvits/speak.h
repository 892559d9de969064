// SPDX-License-Identifier: MIT
//
// The parts of "clvits speak": what is said, where it goes, when it is heard, how long it takes.
#ifndef CLVITS_TOOLS_SPEAK_H
#define CLVITS_TOOLS_SPEAK_H

#include "program.h"

#include <stdint.h>

/* What to say. */

/** One call of clvits_speak(): valid until the next one is read. */
typedef struct utterance {
    const char *text; /* UTF-8, n bytes */
    size_t n;
    const int32_t *ids; /* instead of text where n_ids is not 0 */
    size_t n_ids;
    const char *speaker; /* of a JSON line: its name, or NULL */
    int speaker_id;      /* of a JSON line; -1: not said */
    const char *output;  /* of a JSON line, or NULL */
    int line;            /* counted from 1; 0: not from a file */
} utterance;

typedef struct speech_source {
    const char *text; /* from the command line; NULL: read lines */
    const char *ids;  /* likewise */
    const char *path; /* of the lines; NULL: standard input */
    bool json;
    /* while reading */
    FILE *f;
    int line;
    bool done;
    char *buffer;
    size_t capacity;
    int32_t *numbers;
    struct cJSON *object;
    long long bytes, total; /* of the file, read so far and whole; total -1: not known */
} speech_source;

/** Begin to read; close it on failure as well. Returns a code. */
int speech_source_open(speech_source *s);
void speech_source_close(speech_source *s);

/** The next utterance; *more becomes false at the end, or when a signal came. Returns a code. */
int speech_source_next(speech_source *s, utterance *u, bool *more);

/** What stands in front of messages about a line, such as "a.jsonl, line 2: "; else "". */
void speech_source_where(const speech_source *s, const utterance *u, char *out, size_t size);

/** Whether n bytes are UTF-8 without NUL. */
bool speech_is_utf8(const char *text, size_t n);

/* When it is heard. */

typedef enum timings_format {
    TIMINGS_NONE,
    TIMINGS_JSON,
    TIMINGS_TSV,
    TIMINGS_SRT,
    TIMINGS_GRID /* Praat's TextGrid */
} timings_format;

/** A tier of a TextGrid, which says in its first lines how much there is of everything. */
typedef struct timings_tier {
    struct timings_interval *intervals;
    size_t n, capacity;
} timings_tier;
enum { TIMINGS_SENTENCES, TIMINGS_WORDS, TIMINGS_PHONEMES, TIMINGS_TIERS };

typedef struct timings {
    timings_format format;
    text_file file;
    FILE *f;         /* where it goes: that file, or standard output */
    int rate, count; /* sentences, or cues */
    bool scored;     /* there are scores; this one is the whole's: */
    float score;
    timings_tier tiers[TIMINGS_TIERS];
    bool failed; /* memory ran out for them */
} timings;

/** How well a sentence fits, and its phonemes. */
typedef struct timings_scores {
    float sentence;
    const float *phonemes;
} timings_scores;

/** The format that the extension of a path says, or TIMINGS_NONE. */
timings_format timings_format_of(const char *path);

/** path NULL: standard output; scored: there are scores. Returns a code. */
int timings_open(timings *t, const char *path, timings_format format, int rate, bool scored);

/** Add the sentence that begins with this chunk, the call's audio beginning at sample `start`;
 *  scores NULL: there are none. */
void timings_add(timings *t, const clvits_chunk *chunk, const char *text, int64_t start,
                 int64_t length, const timings_scores *scores);

/** samples: of the whole. Returns a code. */
int timings_finish(timings *t, int64_t samples);
void timings_discard(timings *t);

/** Add what is heard for `length` samples to a tier of a TextGrid; write the whole. */
void timings_grid_add(timings *t, int tier, const char *text, size_t n, int64_t start,
                      int64_t length);
void timings_grid_write(timings *t, int64_t samples);
void timings_grid_free(timings *t);

/* How it looks. */

typedef struct plot_labels {
    clvits_timing *list; /* with texts of their own */
    size_t n, capacity;
} plot_labels;

typedef struct speech_plot {
    text_file file; /* f NULL: no picture is wanted, and nothing is kept */
    float *samples;
    size_t n, capacity;
    plot_labels phonemes, words;
} speech_plot;

/** path may be NULL. These return codes. */
int speech_plot_open(speech_plot *p, const char *path);
int speech_plot_write(speech_plot *p, const float *samples, size_t n);

/** The labels of the sentence that begins with this chunk, as timings_add() takes it. */
int speech_plot_add(speech_plot *p, const clvits_chunk *chunk, int64_t start);

/** Draw what came, and complete the file. */
int speech_plot_finish(speech_plot *p, clvits_context *context, int rate);
void speech_plot_discard(speech_plot *p);

/** Draw into an open file, and complete it; it is closed on failure as well. Returns a code. */
int plot_file_finish(text_file *file, clvits_context *context, const clvits_plot *plot);

/* Where it goes: one audio file, or raw samples to standard output. */

typedef struct speech_output {
    clvits_recording *recording; /* NULL: standard output */
    bool open;
    bool stream; /* to standard output, for somebody who may stop listening */
    bool header; /* of a WAV file comes before what is written next */
    int rate;
    int64_t samples;
    timings timings;
    speech_plot plot;
} speech_output;

/** path NULL: raw to standard output. timings_path may be NULL. Returns a code. */
/** As speech_output_open(), without timings and without a word: the context has the message. */
int speech_output_begin(speech_output *o, clvits_context *context, const char *path, int rate);

int speech_output_open(speech_output *o, clvits_context *context, const char *path,
                       const char *timings_path, timings_format format, int rate);
int speech_output_write(speech_output *o, clvits_context *context, const float *samples, size_t n);
int speech_output_pause(speech_output *o, clvits_context *context, double seconds);
int speech_output_finish(speech_output *o, clvits_context *context);

/** Another name, in the same folder, for what is not finished; timings_path as it was, or not.
 *  Returns a code. */
int speech_output_rename(speech_output *o, clvits_context *context, const char *path,
                         const char *timings_path);
void speech_output_discard(speech_output *o);

/* Where the time goes. */

enum { TRACE_THREADS = 60, TRACE_PLACES = 8 };

typedef struct trace_file {
    text_file file;
    int64_t begun; /* nanoseconds: the trace's zero */
    int count;
    uint64_t threads[TRACE_THREADS];
    int n_threads;
    uint64_t named[TRACE_PLACES + 2]; /* by process, a bit per thread */
} trace_file;

/** Begin a trace; returns a code. One thread at a time speaks when there is one. */
int trace_file_open(trace_file *t, const char *path);
void trace_file_add(trace_file *t, const clvits_span *span);

/** Complete the file, if one was opened. Returns a code. */
int trace_file_finish(trace_file *t);
void trace_file_discard(trace_file *t);

typedef struct plan_table {
    struct plan_row *rows;
    size_t n, capacity, next;
    float gflops, gbytes; /* ceilings of a place, per second; 0: the best of the run */
    bool failed;
} plan_table;

void plan_table_add(plan_table *t, const clvits_span *span);

/** The table on standard error. Returns a code. */
int plan_table_print(plan_table *t);
void plan_table_free(plan_table *t);

/* How long it takes. */

typedef struct speech_clock {
    bool quiet, verbose, progress;
    char who[400];                /* instead of the device's name, or "" */
    double load, speaking, began; /* seconds; began: when the call that runs did */
    double first;                 /* from the first call to the first audio; -1: none yet */
    double audio;                 /* seconds of speech */
    double shown;                 /* when progress was printed last */
} speech_clock;

void speech_clock_begin(speech_clock *c);
void speech_clock_end(speech_clock *c);

/** Audio came; share is how much of the text is spoken, negative when that is not known. */
void speech_clock_heard(speech_clock *c, double seconds, double share);

/** The lines on standard error. */
void speech_clock_report(const speech_clock *c, const clvits_context *context,
                         const clvits_voice_info *voice, const char *where);

/* The command. */

typedef struct settings {
    const char *voice, *config, *speaker, *language;
    const char *output, *dir, *format, *timings, *plot, *trace, *ceilings;
    bool phonemes, raw, stream, plan;
    int batch; /* utterances at once; 0: not said */
    float noise_scale, noise_w, length_scale, sentence_silence, volume; /* NAN: the default */
    uint64_t seed;
    clvits_context_params context;
    speech_source source;
} settings;

/** Names of files that are written, resolved: a table of which at most half is used. */
typedef struct written_files {
    char **names;
    size_t n, capacity;
} written_files;

enum { SHARING = 8 }; /* devices that share the utterances, at most */

/** One run of the command. */
typedef struct session {
    settings set;
    program_log log;
    speech_clock clock;
    trace_file trace;
    plan_table plan;
    clvits_context *context; /* the first of those below */
    clvits_voice *voice;
    clvits_context *contexts[SHARING];
    clvits_voice *voices[SHARING];
    int n_devices;
    clvits_voice_info info;
    clvits_cancel *cancel;
    clvits_speak_params params;
    int speaker;
    timings_format timings;
    speech_output out;
    utterance now;
    bool pause_first;
    int64_t start, heard; /* of the utterance, in samples: where in the output, how many so far */
    bool made_dir;
    int files, spoken;
    written_files written;
    int claimed; /* the last number of a file that is among them */
    bool common; /* so are the files of utterances without one of their own */
    char skipped[600]; /* why the last utterance was, while that is not printed yet; or "" */
    const char *where; /* the file that holds the utterances without one of their own, or NULL */
    int code;          /* of what went wrong in a callback */
} session;

/** Read the command line, and then whether its parts fit each other. Return a code; the first also
 *  -1 when the help was printed. */
int session_parse(session *s, int argc, char **argv);
int session_check(session *s);

/** Whether a file may be written without losing text or voice. Returns a code. */
int session_check_output(const session *s, const char *path);

/** The code of an utterance that failed other than by the output. */
int session_code(const session *s, const utterance *u, clvits_status status);

/** The speaker that the utterance wants. Returns a code. */
int session_speaker(const session *s, const utterance *u, int *out);

/** Keep that a file is written, by an utterance or (NULL) all of them; what is already is refused.
 *  path NULL is none. Returns a code. */
int session_claim(session *s, const utterance *u, const char *path);

/** The same of an utterance's own file, and its timings beside it. */
int session_claim_line(session *s, const utterance *u, const char *path);
void written_files_free(written_files *w);

/** Open an utterance's own file, and its timings beside it. Returns a code. */
int session_open_file(const session *s, speech_output *out, const char *path);

/** The path of the timings beside a file, or NULL where there are none. */
const char *session_timings_path(const session *s, char *out, size_t size, const char *path);

/** Whether that is why an utterance of a line ended: nothing in it can be spoken. */
bool session_nothing_to_say(const utterance *u, int64_t heard, clvits_status status);

/** A skipped utterance is a warning among others, and the error where there are no others. */
void session_print_skipped(session *s);

/** Speak the lines into files of their own, several at once; returns a code. */
int speak_many(session *s);

#endif
