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

/* What the new process does. */
static int work(const check_process *p, int fd)
{
    teller t = { .log = { .quiet = p->said->log.quiet, .verbose = p->said->log.verbose },
                 .fd = fd };
    clvits_context_params params = *p->params;
    clvits_context *context = NULL;
    clvits_cancel *cancel = NULL;
    message m = { .kind = ENDED };

    signal(SIGPIPE, SIG_IGN);
    if (clvits_cancel_make(&cancel))
        return program_fail(CODE_FAILED, "out of memory");
    params.cancel = cancel;
    params.log = tell;
    params.log_user = &t;
    int code = program_catch_signals(cancel);
    if (code)
        return code;
    m.status = clvits_context_open(&context, &params);
    if (m.status) {
        snprintf(m.text, sizeof(m.text), "%s", t.log.error);
    } else {
        message opened = { .kind = OPENED };
        snprintf(opened.text, sizeof(opened.text), "%s", clvits_context_device(context));
        if (p->opened)
            code = p->opened(p->user, context);
        if (!code && send(fd, &opened) && p->result) {
            m.status = clvits_check_some(context, &p->wanted, send_result, &fd);
            snprintf(m.text, sizeof(m.text), "%s", m.status ? clvits_context_error(context) : "");
        }
    }
    clvits_context_close(&context);
    if (!code)
        send(fd, &m);
    program_catch_signals(NULL);
    clvits_cancel_free(&cancel);
    return code;
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

/* One process; what is wanted then begins after the last check that it gave a result of. */
static int run_on(check_process *p, bool *ended, int *state)
{
    bool told = false;
    message m;
    int ends[2];

    if (pipe(ends))
        return program_fail(CODE_FAILED, "no pipe: %s", strerror(errno));
    const pid_t child = program_fork();
    if (child < 0) {
        close(ends[0]);
        close(ends[1]);
        return program_fail(CODE_FAILED, "no process: %s", strerror(errno));
    }
    if (!child) {
        close(ends[0]);
        exit(work(p, ends[1]));
    }
    close(ends[1]);
    *ended = false;
    while (receive(ends[0], &m, child, &told)) {
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
            p->status = m.status;
            snprintf(p->text, sizeof(p->text), "%s", m.text);
        }
    }
    close(ends[0]);
    while (waitpid(child, state, 0) < 0 && errno == EINTR)
        ;
    program_signal_sent(); /* Ctrl-C ends both, and that one may have been faster */
    return CODE_OK;
}

int check_process_run(check_process *p)
{
    char why[128], shape[] = "";
    bool ended = false;
    int state = 0;

    while (!ended && !p->stopped) {
        const int code = run_on(p, &ended, &state);
        if (code)
            return code;
        if (program_signal() || ended || p->stopped)
            break;
        if (WIFEXITED(state) && WEXITSTATUS(state)) /* it has said why */
            return WEXITSTATUS(state);
        if (WIFSIGNALED(state))
            snprintf(why, sizeof(why), "the driver ended its process, by signal %d (%s)",
                     WTERMSIG(state), strsignal(WTERMSIG(state)));
        else
            snprintf(why, sizeof(why), "the driver ended its process");
        const int at = clvits_check_next(&p->wanted);
        const char *name = clvits_check_name(at);
        if (!*p->device || !name)
            return program_fail(CODE_FAILED, "%s, %s", why,
                                name ? "before anything could be checked" : "after the last check");
        p->crashes++;
        p->stopped = p->result(p->user, &(clvits_check_result){ .name = name, .shape = shape,
                                                                .taken = 1, .error = INFINITY,
                                                                .failure = why }) != 0;
        p->wanted.first = at + 1;
        ended = clvits_check_next(&p->wanted) < 0;
        p->status = CLVITS_E_DEVICE;
    }
    return CODE_OK;
}
