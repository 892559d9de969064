// SPDX-License-Identifier: MIT
#include "check_process.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum message_kind { OPENED, WARNED, RESULT, ENDED } message_kind;

/* What goes through the pipe. */
typedef struct message {
    message_kind kind;
    clvits_status status;       /* of ENDED */
    int code;                   /* likewise */
    clvits_check_result result; /* but for its texts */
    bool failed;
    char name[64], shape[256], text[CHECK_TEXT];
} message;

static bool send(int fd, const message *m)
{
    const char *at = (const char *)m;

    for (size_t left = sizeof(*m); left;) {
        const ssize_t n = write(fd, at, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

static int send_result(void *user, const clvits_check_result *r)
{
    message m = { .kind = RESULT, .result = *r, .failed = r->failure };

    snprintf(m.name, sizeof(m.name), "%s", r->name);
    snprintf(m.shape, sizeof(m.shape), "%s", r->shape);
    snprintf(m.text, sizeof(m.text), "%s", r->failure ? r->failure : "");
    return program_signal() || !send(*(int *)user, &m);
}

/* What the library says in the new process. */
typedef struct teller {
    program_log log;
    int fd;
} teller;

/* A warning is for the one that knows which there were. */
static void tell(void *user, clvits_log_level level, const char *text)
{
    teller *t = user;
    message m = { .kind = WARNED };

    snprintf(m.text, sizeof(m.text), "%s", text);
    if (level != CLVITS_LOG_WARNING || !send(t->fd, &m))
        program_receive(&t->log, level, text);
}

/* What is wanted of a context that is open. */
static void use(const check_process *p, int fd, clvits_context *context, message *ended)
{
    message opened = { .kind = OPENED };

    snprintf(opened.text, sizeof(opened.text), "%s", clvits_context_device(context));
    if (p->opened)
        ended->code = p->opened(p->user, context);
    if (ended->code || !send(fd, &opened) || !p->result)
        return;
    ended->status = clvits_check_some(context, &p->wanted, send_result, &fd);
    if (ended->status)
        snprintf(ended->text, sizeof(ended->text), "%s", clvits_context_error(context));
}

/* What the new process does, and how that ends. */
static void work(const check_process *p, int fd, message *ended)
{
    teller t = { .log = { .quiet = p->said->log.quiet, .verbose = p->said->log.verbose },
                 .fd = fd };
    clvits_context_params params = *p->params;
    clvits_context *context = NULL;
    clvits_cancel *cancel = NULL;

    signal(SIGPIPE, SIG_IGN);
    if (clvits_cancel_make(&cancel)) {
        ended->status = CLVITS_E_MEMORY;
        snprintf(ended->text, sizeof(ended->text), "out of memory");
        return;
    }
    params.cancel = cancel;
    params.log = tell;
    params.log_user = &t;
    ended->code = program_catch_signals(cancel);
    if (ended->code) {
        snprintf(ended->text, sizeof(ended->text), "signals cannot be caught");
        return;
    }
    ended->status = clvits_context_open(&context, &params);
    if (ended->status)
        snprintf(ended->text, sizeof(ended->text), "%s", t.log.error);
    else
        use(p, fd, context, ended);
    clvits_context_close(&context);
    program_catch_signals(NULL);
    clvits_cancel_free(&cancel);
}

/* False at the end of what is sent. */
static bool receive(int fd, message *m, pid_t child, bool *told)
{
    char *at = (char *)m;

    for (size_t left = sizeof(*m); left;) {
        const ssize_t n = read(fd, at, left);
        if (program_signal() && !*told) {
            *told = true;
            kill(child, program_signal());
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

static int no_process(check_process *p)
{
    p->status = CLVITS_E_MEMORY;
    snprintf(p->text, sizeof(p->text), "no process could be started: %s", strerror(errno));
    return CODE_OK;
}

/* What a process sends, up to its last word. Returns a code. */
static int listen_to(check_process *p, pid_t child, int fd, bool *ended)
{
    bool told = false;
    message m;
    int code = CODE_OK;

    while (receive(fd, &m, child, &told)) {
        if (m.kind == OPENED) {
            snprintf(p->device, sizeof(p->device), "%s", m.text);
        } else if (m.kind == WARNED) {
            program_receive_once(p->said, CLVITS_LOG_WARNING, m.text);
        } else if (m.kind == RESULT) {
            m.result.name = m.name;
            m.result.shape = m.shape;
            m.result.failure = m.failed ? m.text : NULL;
            p->wanted.first = clvits_check_next(&p->wanted) + 1;
            if (!p->stopped && p->result(p->user, &m.result)) {
                p->stopped = true;
                kill(child, SIGTERM);
            }
        } else {
            *ended = true;
            code = m.code;
            p->status = m.status;
            p->complete = *p->device && clvits_check_next(&p->wanted) < 0;
            snprintf(p->text, sizeof(p->text), "%s", m.text);
        }
    }
    return code;
}

/* One process; what is wanted then begins after the last check that it gave a result of. Ended: it
 * got to the end of its work, and no other one is needed. */
static int run_on(check_process *p, bool *ended, int *state)
{
    int ends[2];

    *ended = true;
    if (pipe(ends))
        return no_process(p);
    const pid_t child = program_fork();
    if (child < 0) {
        no_process(p);
        close(ends[0]);
        close(ends[1]);
        return CODE_OK;
    }
    if (!child) {
        message last = { .kind = ENDED };
        close(ends[0]);
        work(p, ends[1], &last);
        send(ends[1], &last);
        exit(last.code);
    }
    close(ends[1]);
    *ended = false;
    const int code = listen_to(p, child, ends[0], ended);
    close(ends[0]);
    while (waitpid(child, state, 0) < 0 && errno == EINTR)
        ;
    program_signal_sent(); /* Ctrl-C ends both, and that one may have been faster */
    return code;
}

/* Drivers do either: compilers inside them may call exit(). */
static void say_end(char *text, size_t size, int state)
{
    if (WIFSIGNALED(state))
        snprintf(text, size, "the driver ended its process, by signal %d (%s)", WTERMSIG(state),
                 strsignal(WTERMSIG(state)));
    else
        snprintf(text, size, "the driver ended its process, with code %d", WEXITSTATUS(state));
}

/* What it means that a process ended before its work did: the check that it was at has failed, or,
 * where it was at none, all of it. Returns whether another process is to go on. */
static bool go_on(check_process *p, int state)
{
    const char *precision = p->params->precision;
    const int at = clvits_check_next(&p->wanted);
    char why[128], shape[] = "";

    say_end(why, sizeof(why), state);
    p->status = CLVITS_E_DEVICE;
    if (!*p->device || at < 0) {
        snprintf(p->text, sizeof(p->text), "%s%s%s%s, %s", precision ? "precision " : "",
                 precision ? precision : "", precision ? ": " : "", why,
                 at < 0 ? "after the last check" : "before anything could be checked");
        return false;
    }
    p->crashes++;
    p->stopped = p->result(p->user, &(clvits_check_result){ .name = clvits_check_name(at),
                                                            .shape = shape,
                                                            .taken = 1, .error = INFINITY,
                                                            .failure = why }) != 0;
    p->wanted.first = at + 1;
    p->complete = clvits_check_next(&p->wanted) < 0;
    return !p->complete && !p->stopped;
}

int check_process_run(check_process *p)
{
    bool ended;
    int state = 0;

    do {
        const int code = run_on(p, &ended, &state);
        if (code || program_signal() || ended || p->stopped)
            return code;
        if (*p->device && !p->result) /* who asks for no check has got what there is */
            return CODE_OK;
    } while (go_on(p, state));
    return CODE_OK;
}
