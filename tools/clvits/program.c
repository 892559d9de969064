// SPDX-License-Identifier: MIT
#include "program.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void print_line(const char *format, va_list args)
{
    char text[1024];

    vsnprintf(text, sizeof(text), format, args);
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    fprintf(stderr, "%s: %s\n", program_name, text);
}

int program_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
    return code;
}

void program_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
}

void program_receive(void *user, clvits_log_level level, const char *text)
{
    program_log *log = user;

    flockfile(stderr); /* several threads may speak */
    if (level == CLVITS_LOG_ERROR) {
        snprintf(log->error, sizeof(log->error), "%s", text);
    } else if (level == CLVITS_LOG_WARNING && !log->quiet &&
               strncmp(text, log->warning, sizeof(log->warning) - 1)) {
        snprintf(log->warning, sizeof(log->warning), "%s", text);
        program_note("warning: %s", text);
    } else if (level == CLVITS_LOG_INFO && log->verbose) {
        program_note("%s", text);
    }
    funlockfile(stderr);
}

int program_code(clvits_status status, int file_code)
{
    switch (status) {
    case CLVITS_OK:
        return CODE_OK;
    case CLVITS_E_ARGUMENT:
        return CODE_USAGE;
    case CLVITS_E_FILE:
    case CLVITS_E_FORMAT:
    case CLVITS_E_UNSUPPORTED:
        return file_code;
    default:
        return CODE_FAILED;
    }
}

int program_open(clvits_context **out, clvits_context_params *params, program_log *log)
{
    params->log = program_receive;
    params->log_user = log;
    const clvits_status s = clvits_context_open(out, params);
    return s ? program_fail(program_code(s, CODE_FAILED), "%s", log->error) : CODE_OK;
}

/* A handler can be told nothing, so these are the program's only globals. */
static volatile sig_atomic_t signal_that_came;
static clvits_cancel *cancel_to_raise;

static void on_signal(int number)
{
    if (signal_that_came) { /* the second time without grace */
        signal(number, SIG_DFL);
        raise(number);
    }
    signal_that_came = number;
    clvits_cancel_raise(cancel_to_raise);
}

int program_catch_signals(clvits_cancel *cancel)
{
    const int caught[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = cancel ? on_signal : SIG_DFL };

    if (cancel)
        cancel_to_raise = cancel;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < 3; i++) {
        struct sigaction before;
        if (sigaction(caught[i], NULL, &before) || before.sa_handler == SIG_IGN)
            continue; /* as nohup wants it */
        if (sigaction(caught[i], &action, NULL))
            return program_fail(CODE_FAILED, "signals cannot be caught: %s", strerror(errno));
    }
    cancel_to_raise = cancel;
    return CODE_OK;
}

int program_signal(void)
{
    return signal_that_came;
}

int program_interrupted(void)
{
    return program_fail(CODE_INTERRUPTED + signal_that_came, "interrupted");
}

int program_flush(void)
{
    if (fflush(stdout) || ferror(stdout))
        return program_fail(CODE_OUTPUT, "standard output cannot be written: %s", strerror(errno));
    return CODE_OK;
}

double program_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void program_json(FILE *f, const char *text, size_t n)
{
    fputc('"', f);
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

int text_file_open(text_file *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    const int folder = slash ? (int)(slash + 1 - path) : 0;
    const size_t size = strlen(path) + 64;
    struct stat st;

    *t = (text_file){ .path = strdup(path), .temporary = malloc(size) };
    if (!t->path || !t->temporary) {
        text_file_discard(t);
        return program_fail(CODE_FAILED, "out of memory for a file name");
    }
    if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
        text_file_discard(t);
        return program_fail(CODE_OUTPUT, "%s is there and is not a regular file", path);
    }
    /* A killed program that had the same number may have left its own. */
    for (int i = 0; i < 1000 && !t->f; i++) {
        snprintf(t->temporary, size, "%.*s.clvits-%ld-%d.tmp", folder, path, (long)getpid(), i);
        t->f = fopen(t->temporary, "wxe");
        if (!t->f && errno != EEXIST)
            break;
    }
    if (!t->f) {
        const int error = errno;
        text_file_discard(t);
        return program_fail(CODE_OUTPUT, "%s cannot be written: %s", path, strerror(error));
    }
    return CODE_OK;
}

int text_file_rename(text_file *t, const char *path)
{
    char *copy = strdup(path);

    if (!copy)
        return program_fail(CODE_FAILED, "out of memory for a file name");
    free(t->path);
    t->path = copy;
    return CODE_OK;
}

int text_file_finish(text_file *t)
{
    int code = CODE_OK;
    bool failed = ferror(t->f) != 0;

    failed |= fclose(t->f) != 0;
    if (failed || rename(t->temporary, t->path)) {
        code = program_fail(CODE_OUTPUT, "%s cannot be written: %s", t->path, strerror(errno));
        unlink(t->temporary);
    }
    t->f = NULL;
    text_file_discard(t);
    return code;
}

void text_file_discard(text_file *t)
{
    if (t->f) {
        fclose(t->f);
        unlink(t->temporary);
    }
    free(t->path);
    free(t->temporary);
    *t = (text_file){ 0 };
}
