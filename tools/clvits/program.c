// SPDX-License-Identifier: MIT
#include "program.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
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

static bool has_line(const char *lines, const char *line)
{
    const size_t n = strlen(line);
    bool found = false;

    while (*lines && !found) {
        const size_t length = strcspn(lines, "\n");
        found = length == n && !strncmp(lines, line, n);
        lines += length + (lines[length] == '\n');
    }
    return found;
}

void program_receive_once(void *user, clvits_log_level level, const char *text)
{
    program_said *s = user;

    flockfile(stderr);
    const size_t n = strlen(s->warnings);
    const bool again = level == CLVITS_LOG_WARNING && has_line(s->warnings, text);
    if (level == CLVITS_LOG_WARNING && !again)
        snprintf(s->warnings + n, sizeof(s->warnings) - n, "%s\n", text);
    if (!again)
        program_receive(&s->log, level, text);
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

void program_print_version(void)
{
    printf("%s %s, kernels %.12s\n", program_name, clvits_version(), clvits_kernels());
}

/* What is known of signals. A process has them but once, so these are the only globals. */
static struct {
    pthread_t watcher, speaker; /* who waits for signals, and who may wait for anything else */
    bool watches;
    atomic_int came;
    atomic_bool ended;
    sigset_t caught, before;
    clvits_cancel *cancel;
} signals;
static _Atomic(const char *) unfinished[64]; /* files to remove when a signal ends the program */

enum {
    MOST_UNFINISHED = sizeof(unfinished) / sizeof(*unfinished),
    WAKE = SIGURG, /* to end what waits; without a handler it is ignored */
};

static void end_now(void)
{
    const int number = atomic_load(&signals.came);

    for (int i = 0; i < MOST_UNFINISHED; i++) {
        const char *path = atomic_load(&unfinished[i]);
        if (path)
            unlink(path);
    }
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &signals.caught, NULL);
    raise(number);
    _exit(CODE_INTERRUPTED + number);
}

/* The first signal lets the library end what it does, which may take as long as a kernel takes to
 * be built. The second, which may be the same one sent twice, leaves it a second, the third
 * nothing. Compilers in OpenCL drivers exchange handlers under way, so signals are waited for here,
 * and none has a handler. */
static void *watch(void *nothing)
{
    const struct timespec moment = { .tv_nsec = 50000000 };
    double end = 0.0;

    (void)nothing;
    while (!atomic_load(&signals.ended)) {
        const bool came = atomic_load(&signals.came);
        const int n = came ? sigtimedwait(&signals.caught, NULL, &moment)
                           : sigwaitinfo(&signals.caught, NULL);
        if (n > 0 && n != WAKE && !came) {
            atomic_store(&signals.came, n);
            clvits_cancel_raise(signals.cancel);
        } else if (n > 0 && n != WAKE) {
            end = end > 0.0 ? program_now() : program_now() + 1.0;
        }
        if (end > 0.0 && program_now() >= end)
            end_now();
        if (atomic_load(&signals.came)) /* again and again: it may just be about to wait */
            pthread_kill(signals.speaker, WAKE);
    }
    return NULL;
}

static void wake_up(int number)
{
    (void)number;
}

/* Threads have the mask of the one that starts them: all keep signals to the watcher. */
static int begin_watching(void)
{
    int error = pthread_sigmask(SIG_BLOCK, &signals.caught, NULL);
    sigset_t wake;

    sigemptyset(&wake);
    sigaddset(&wake, WAKE);
    atomic_store(&signals.ended, false);
    if (!error)
        error = pthread_create(&signals.watcher, NULL, watch, NULL);
    signals.watches = !error;
    pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
    return error;
}

static void end_watching(void)
{
    atomic_store(&signals.ended, true);
    pthread_kill(signals.watcher, WAKE);
    pthread_join(signals.watcher, NULL);
    signals.watches = false;
}

static void let_signals_go(void)
{
    if (!signals.watches)
        return;
    end_watching();
    pthread_sigmask(SIG_SETMASK, &signals.before, NULL);
}

int program_catch_signals(clvits_cancel *cancel)
{
    const int caught[] = { SIGINT, SIGTERM, SIGHUP };
    const struct sigaction action = { .sa_handler = wake_up };
    struct sigaction before;

    if (!cancel) {
        let_signals_go();
        return CODE_OK;
    }
    sigemptyset(&signals.caught);
    for (int i = 0; i < 3; i++)
        if (!sigaction(caught[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaddset(&signals.caught, caught[i]); /* others are as nohup wants them */
    sigaddset(&signals.caught, WAKE);
    signals.cancel = cancel;
    signals.speaker = pthread_self();
    pthread_sigmask(SIG_BLOCK, NULL, &signals.before);
    int error = sigaction(WAKE, &action, NULL) ? errno : 0;
    if (!error)
        error = begin_watching();
    return error ? program_fail(CODE_FAILED, "signals cannot be caught: %s", strerror(error))
                 : CODE_OK;
}

/* Exchange an entry of the files to remove, if it is there. */
static void exchange(const char *before, const char *after)
{
    for (int i = 0; i < MOST_UNFINISHED; i++) {
        const char *expected = before;
        if (atomic_compare_exchange_strong(&unfinished[i], &expected, after))
            return;
    }
}

void program_begin_file(const char *temporary)
{
    exchange(NULL, temporary);
}

void program_end_file(const char *temporary)
{
    if (temporary)
        exchange(temporary, NULL);
}

pid_t program_fork(void)
{
    const bool watched = signals.watches;

    fflush(NULL);
    /* A new process has but one thread, and for ever the locks that others held meanwhile, such as
     * an allocator's. What comes now waits to be caught. */
    if (watched)
        end_watching();
    const pid_t child = fork();
    if (child) {
        if (watched && begin_watching())
            pthread_sigmask(SIG_SETMASK, &signals.before, NULL);
        return child;
    }
    if (watched)
        pthread_sigmask(SIG_SETMASK, &signals.before, NULL);
    atomic_store(&signals.came, 0);
    for (int i = 0; i < MOST_UNFINISHED; i++)
        atomic_store(&unfinished[i], NULL);
    return 0;
}

int program_signal(void)
{
    return atomic_load(&signals.came);
}

int program_signal_sent(void)
{
    const struct timespec none = { 0 };
    int n;

    if (!signals.watches || program_signal())
        return program_signal();
    end_watching();
    do {
        n = program_signal() ? 0 : sigtimedwait(&signals.caught, NULL, &none);
    } while (n == WAKE);
    if (n > 0) {
        atomic_store(&signals.came, n);
        clvits_cancel_raise(signals.cancel);
    }
    if (begin_watching())
        pthread_sigmask(SIG_SETMASK, &signals.before, NULL);
    return program_signal();
}

int program_interrupted(void)
{
    return program_fail(CODE_INTERRUPTED + program_signal(), "interrupted");
}

int program_fail_stdout(void)
{
    if (errno == EPIPE)
        return program_fail(CODE_OUTPUT, "standard output was closed by what reads it");
    return program_fail(CODE_OUTPUT, "standard output cannot be written: %s",
                        errno == EBADF ? "it is closed" : strerror(errno));
}

int program_flush(void)
{
    if (fflush(stdout))
        return program_fail_stdout();
    if (ferror(stdout)) /* before, and why is forgotten */
        return program_fail(CODE_OUTPUT, "standard output cannot be written: a part of it is lost");
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

bool program_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return a && b && (!strcmp(a, b) || (!stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev &&
                                        x.st_ino == y.st_ino));
}

int program_check_output(const char *path, const char *const read[], int n,
                         const clvits_voice *voice)
{
    for (int i = 0; path && i < n; i++)
        if (program_same_file(path, read[i]))
            return program_fail(CODE_USAGE, "%s is read and would be replaced; give another name "
                                            "to write to", path);
    if (path && voice && clvits_voice_has_file(voice, path))
        return program_fail(CODE_USAGE, "%s is a part of the voice and would be replaced; give "
                                        "another name to write to", path);
    return CODE_OK;
}

/* What is there and holds more than text was not written by this program, and may be a voice. */
static bool holds_more_than_text(const char *path)
{
    FILE *f = fopen(path, "rbe");
    bool more = false;

    for (int i = 0, c; f && i < 4096 && !more && (c = getc(f)) != EOF; i++)
        more = c < ' ' && !strchr("\t\n\v\f\r\033", c ? c : 1);
    if (f)
        fclose(f);
    return more;
}

/* What is written to: the file itself where the path is a link to one, so that the link is not
 * replaced. Nothing but text is. */
static int resolve(char **out, const char *path)
{
    struct stat st;
    const bool there = !stat(path, &st);

    *out = NULL;
    if (there && !S_ISREG(st.st_mode))
        return program_fail(CODE_OUTPUT, "%s is there and is not a regular file", path);
    if (!there && !lstat(path, &st))
        return program_fail(CODE_OUTPUT, "%s is a link to nothing; remove it, or give another name",
                            path);
    if (there && access(path, W_OK))
        return program_fail(CODE_OUTPUT, "%s cannot be written: %s", path, strerror(errno));
    if (there && holds_more_than_text(path))
        return program_fail(CODE_OUTPUT, "%s is there and holds more than text; give another name",
                            path);
    *out = there ? realpath(path, NULL) : strdup(path);
    return *out ? CODE_OK : program_fail(CODE_FAILED, "out of memory for a file name");
}

static int open_temporary(text_file *t)
{
    const char *slash = strrchr(t->path, '/');
    const int folder = slash ? (int)(slash + 1 - t->path) : 0;
    const size_t size = strlen(t->path) + 64;

    t->temporary = malloc(size);
    if (!t->temporary)
        return program_fail(CODE_FAILED, "out of memory for a file name");
    /* A killed program that had the same number may have left its own. */
    for (int i = 0; i < 1000 && !t->f; i++) {
        snprintf(t->temporary, size, "%.*s.clvits-%ld-%d.tmp", folder, t->path, (long)getpid(), i);
        t->f = fopen(t->temporary, "wxe");
        if (!t->f && errno != EEXIST)
            break;
    }
    return t->f ? CODE_OK
                : program_fail(CODE_OUTPUT, "%s cannot be written: %s", t->path, strerror(errno));
}

int text_file_open(text_file *t, const char *path)
{
    *t = (text_file){ 0 };
    int code = resolve(&t->path, path);
    if (!code)
        code = open_temporary(t);
    if (code)
        text_file_discard(t);
    else
        program_begin_file(t->temporary);
    return code;
}

int text_file_rename(text_file *t, const char *path)
{
    char *resolved;
    const int code = resolve(&resolved, path);

    if (code)
        return code;
    free(t->path);
    t->path = resolved;
    return CODE_OK;
}

int text_file_finish(text_file *t)
{
    struct stat st;
    int code = CODE_OK;
    const bool partial = ferror(t->f) != 0; /* the reason is not kept, but may hold for the rest */

    if (!stat(t->path, &st)) /* as if it had been written in place, where there are modes */
        fchmod(fileno(t->f), st.st_mode & 0777);
    bool failed = fclose(t->f) != 0;
    failed = failed || (!partial && rename(t->temporary, t->path));
    if (failed || partial) {
        code = program_fail(CODE_OUTPUT, "%s cannot be written: %s", t->path,
                            failed ? strerror(errno) : "a part of it was not written");
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
    program_end_file(t->temporary);
    free(t->path);
    free(t->temporary);
    *t = (text_file){ 0 };
}
