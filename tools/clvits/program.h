// SPDX-License-Identifier: MIT
//
// What programs and their subcommands share: exit codes, messages, signals, small files that appear
// complete.
#ifndef CLVITS_TOOLS_PROGRAM_H
#define CLVITS_TOOLS_PROGRAM_H

#include <clvits/clvits.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum {
    CODE_OK = 0,
    CODE_FAILED = 1,       /* device, driver, memory, espeak-ng; a check that found a difference */
    CODE_USAGE = 2,        /* arguments, unknown speaker, nothing to say */
    CODE_INPUT = 3,        /* voice or text file */
    CODE_OUTPUT = 4,       /* audio, timings, standard output */
    CODE_INTERRUPTED = 128 /* plus the signal's number: 130 for Ctrl-C */
};

#define PROGRAM_CODES                                                                             \
    "exit codes:\n"                                                                               \
    "  0    done\n"                                                                               \
    "  1    the device, its driver or memory failed, or something needed is not installed\n"     \
    "  2    bad arguments: unknown option, device or speaker, a number out of range, no text\n"  \
    "  3    a voice or text file is missing, damaged or not what it should be\n"                 \
    "  4    the output cannot be written: folder, full disk, closed standard output\n"           \
    "  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)\n"

/** In front of every message; each program says its own. */
extern const char program_name[];

/** One line "NAME: ..." to standard error; returns the code. */
int program_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** What makes a noun agree with a number in front of it. */
static inline const char *program_plural(int n)
{
    return n == 1 ? "" : "s";
}

/** What numbers of parameters are told in, and its name: small voices have thousands. */
static inline double program_unit(int64_t parameters, const char **name)
{
    *name = parameters < 1000000 ? "thousand" : "million";
    return parameters < 1000000 ? 1e3 : 1e6;
}

/** As program_fail(), for what does not end the program. */
void program_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

void program_print_version(void);

/** What the library logs: a failure is kept for whoever reports it, the rest printed as asked, a
 *  warning that repeats the last one not again. */
typedef struct program_log {
    bool quiet, verbose;
    char error[512], warning[512]; /* the last of each */
} program_log;
void program_receive(void *log, clvits_log_level level, const char *text);

/** The same, for what is opened again and again: no warning comes twice. */
typedef struct program_said {
    program_log log;
    char warnings[4096];
} program_said;
void program_receive_once(void *said, clvits_log_level level, const char *text);

/** The code for a status, where files are the voice's (CODE_INPUT) or the output's. */
int program_code(clvits_status status, int file_code);

/** Open a context that logs to log; prints why it does not. Returns a code. */
int program_open(clvits_context **out, clvits_context_params *params, program_log *log);

/** Let SIGINT, SIGTERM and SIGHUP raise a flag that ends what runs, and the program, without what
 *  it was writing, if that does not end a second after they came again; NULL, before the flag is
 *  freed, lets them end the program at once. Returns a code. */
int program_catch_signals(clvits_cancel *cancel);

/** Have a file removed when a signal ends the program at once, until it is finished or gone; the
 *  name stays where it is until then, NULL is none. */
void program_begin_file(const char *temporary);
void program_end_file(const char *temporary);

/** fork(), before which all streams are flushed; the new process catches no signals, and has none
 *  of the files to remove. */
pid_t program_fork(void);

/** The signal that came, or 0. */
int program_signal(void);

/** The same, also of one that was sent just now: what ends because of a signal, such as a pipe that
 *  is read, may be seen to end before the signal itself. For whoever has called
 *  program_catch_signals(). */
int program_signal_sent(void);

/** Say that a signal ended it; returns the code for that. */
int program_interrupted(void);

/** Say, by errno, why standard output could not be written; returns CODE_OUTPUT. */
int program_fail_stdout(void);

/** Bring out what is buffered for standard output. Returns a code. */
int program_flush(void);

/** Monotonic seconds. */
double program_now(void);

/** A JSON string with its quotes. */
void program_json(FILE *f, const char *text, size_t n);

/** Whether two names are one, or those of one file that is there; NULL is none. */
bool program_same_file(const char *a, const char *b);

/** Whether a file may be written without losing what is read: neither path of the command line is
 *  it (NULL: none), nor, where it is open, a file of the voice. Returns a code. */
int program_check_output(const char *path, const char *const read[], int n,
                         const clvits_voice *voice);

/** A small text file that appears under its name once it is complete. */
typedef struct text_file {
    FILE *f;
    char *path, *temporary;
} text_file;
int text_file_open(text_file *t, const char *path);
int text_file_rename(text_file *t, const char *path); /* in the same folder */
int text_file_finish(text_file *t);
void text_file_discard(text_file *t);

/** Devices as JSON. */
void devices_print_json(FILE *f, const clvits_device_desc *list, size_t n);

int command_align(int argc, char **argv);
int command_check(int argc, char **argv);
int command_convert(int argc, char **argv);
int command_devices(int argc, char **argv);
int command_info(int argc, char **argv);
int command_revoice(int argc, char **argv);
int command_speak(int argc, char **argv);

#endif
