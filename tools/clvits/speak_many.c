// SPDX-License-Identifier: MIT
//
// Many utterances, each into a file of its own: several at once, on one device or on several that
// share a queue. Files appear in the order of the lines, so that what is there after an error or a
// signal is what would be there had they been spoken one by one.
#include "speak.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 64 }; /* between the first that is not finished and the last that was read */

/* A line under way; the thread that speaks it has it until it has ended. */
typedef struct line {
    struct many *many;
    utterance what;
    char *text; /* the line's own, or NULL */
    char path[PATH_MAX];
    bool named; /* by the line itself */
    speech_output out;
    double share; /* of all text, at its end; negative: not known */
    int64_t heard;
    bool ended;
    clvits_status status;
    char message[512];
} line;

typedef struct many {
    session *s;
    clvits_queue *queue;
    pthread_mutex_t lock; /* guards the rest, and all output */
    pthread_cond_t finished;
    line *lines;         /* a ring */
    size_t first, added; /* counted over all lines: the first one there, one past the last */
    int files;           /* numbered ones that are complete */
    int code;            /* what ended it; then nothing more is written */
    bool interrupted;    /* nor after a line that a signal ended */
} many;

static void stop(many *m, int code)
{
    if (code && !m->code) {
        m->code = code;
        clvits_cancel_raise(m->s->cancel);
    }
}

static int heard(void *user, const clvits_chunk *c)
{
    line *l = user;
    many *m = l->many;
    session *s = m->s;

    pthread_mutex_lock(&m->lock);
    if (!m->code) {
        if (c->is_first && !c->is_silence) {
            int64_t frames = 0;
            for (size_t i = 0; i < c->n_durations; i++)
                frames += c->durations[i];
            timings_add(&l->out.timings, c, l->what.text, 0, frames * s->info.hop_length,
                        NULL);
        }
        l->heard += (int64_t)c->n_samples;
        stop(m, speech_output_write(&l->out, s->context, c->samples, c->n_samples));
        speech_clock_heard(&s->clock, (double)c->n_samples / c->sample_rate, l->share);
    }
    const int end = m->code || program_signal();
    pthread_mutex_unlock(&m->lock);
    return end;
}

/* Complete the file, under the number that it has now that all before it are there. */
static int publish(many *m, line *l)
{
    session *s = m->s;
    char name[PATH_MAX], beside[PATH_MAX];
    int code = CODE_OK;

    if (!l->named) {
        snprintf(name, sizeof(name), "%s/%04d.%s", s->set.dir, ++m->files, s->set.format);
        if (strcmp(name, l->path)) {
            code = speech_output_rename(&l->out, s->context, name,
                                        session_timings_path(s, beside, sizeof(beside), name));
            strcpy(l->path, name);
        }
    }
    if (!code)
        code = speech_output_finish(&l->out, s->context);
    if (code)
        return code;
    s->spoken++;
    printf("%s\n", l->path);
    return program_flush();
}

/* What came of a line, once all before it are done with. */
static int conclude(many *m, line *l)
{
    session *s = m->s;

    m->interrupted |= l->status && program_signal();
    if (m->code || m->interrupted)
        return m->code;
    session_print_skipped(s);
    if (l->status == CLVITS_OK)
        return publish(m, l);
    if (session_nothing_to_say(&l->what, l->heard, l->status)) {
        snprintf(s->skipped, sizeof(s->skipped), "line %d: %s", l->what.line, l->message);
        return CODE_OK;
    }
    return program_fail(session_code(s, &l->what, l->status), "line %d: %s", l->what.line,
                        l->message);
}

/* The lock is held. */
static void release(line *l)
{
    speech_output_discard(&l->out);
    free(l->text);
    l->text = NULL;
}

static void done(void *user, const clvits_spoken *spoken)
{
    line *l = user;
    many *m = l->many;

    pthread_mutex_lock(&m->lock);
    l->ended = true;
    l->status = spoken->status;
    snprintf(l->message, sizeof(l->message), "%s", spoken->message);
    for (; m->first < m->added && m->lines[m->first % LINES].ended; m->first++) {
        line *next = &m->lines[m->first % LINES];
        stop(m, conclude(m, next));
        release(next);
    }
    pthread_cond_broadcast(&m->finished);
    pthread_mutex_unlock(&m->lock);
}

/* Whether a file of that name is being written. The lock is held. */
static bool is_under_way(const many *m, const char *path)
{
    for (size_t i = m->first; i < m->added; i++)
        if (!strcmp(m->lines[i % LINES].path, path))
            return true;
    return false;
}

/* Room for the line at hand. The number in its file's name is what it will be if none before it is
 * skipped; numbers are not used twice. */
static line *make_line(many *m, const utterance *u, int number)
{
    session *s = m->s;
    char path[PATH_MAX];

    if (u->output)
        snprintf(path, sizeof(path), "%s", u->output);
    else
        snprintf(path, sizeof(path), "%s/%04d.%s", s->set.dir, number, s->set.format);
    pthread_mutex_lock(&m->lock);
    while (m->added - m->first == LINES || is_under_way(m, path))
        pthread_cond_wait(&m->finished, &m->lock);
    pthread_mutex_unlock(&m->lock);

    line *l = &m->lines[m->added % LINES];
    const double total = (double)s->set.source.total;
    *l = (line){ .many = m, .what = *u, .named = u->output,
                 .share = total > 0 ? (double)s->set.source.bytes / total : -1.0 };
    strcpy(l->path, path);
    l->text = malloc(u->n + 1);
    if (!l->text) {
        program_fail(CODE_FAILED, "out of memory for line %d", u->line);
        return NULL;
    }
    memcpy(l->text, u->text, u->n);
    l->text[u->n] = '\0';
    l->what.text = l->text;
    return l;
}

/* Open the line's files. Where its own cannot be, those of lines before it may fail of the same,
 * and then say so. */
static int open_files(many *m, line *l)
{
    session *s = m->s;
    char beside[PATH_MAX];
    const char *timed = session_timings_path(s, beside, sizeof(beside), l->path);
    int code = speech_output_begin(&l->out, s->context, l->path, s->info.sample_rate);

    pthread_mutex_lock(&m->lock);
    while (code && !m->code && m->first != m->added)
        pthread_cond_wait(&m->finished, &m->lock);
    if (m->code)
        code = m->code;
    else if (code)
        code = program_fail(code, "%s", clvits_context_error(s->context));
    else if (session_check_output(s, l->path) || session_check_output(s, timed))
        code = CODE_USAGE;
    else if (timed)
        code = timings_open(&l->out.timings, timed, s->timings, s->info.sample_rate, false);
    pthread_mutex_unlock(&m->lock);
    return code;
}

static int add_line(many *m, const utterance *u, int number)
{
    session *s = m->s;
    clvits_utterance what = { .n = u->n, .params = s->params, .done = done };
    int code = session_speaker(s, u, &what.params.speaker);
    line *l = code ? NULL : make_line(m, u, number);

    if (!l)
        return code ? code : CODE_FAILED;
    code = session_claim_line(s, u, l->path);
    if (!code)
        code = open_files(m, l);
    what.text = l->text;
    what.params.audio = heard;
    what.params.user = l;
    if (!code) {
        pthread_mutex_lock(&m->lock);
        m->added++;
        pthread_mutex_unlock(&m->lock);
        if (clvits_queue_add(m->queue, &what) == CLVITS_OK)
            return CODE_OK;
        code = program_fail(CODE_FAILED, "out of memory for line %d", u->line);
        pthread_mutex_lock(&m->lock);
        m->added--; /* nobody else adds */
        pthread_mutex_unlock(&m->lock);
    }
    release(l);
    return code;
}

static int add_lines(many *m)
{
    session *s = m->s;
    bool more = true;
    int code = CODE_OK;

    for (int number = 0; !code;) {
        code = speech_source_next(&s->set.source, &s->now, &more);
        pthread_mutex_lock(&m->lock);
        more &= !m->code && !program_signal();
        pthread_mutex_unlock(&m->lock);
        if (code || !more)
            break;
        number += !s->now.output;
        code = add_line(m, &s->now, number);
    }
    return code;
}

/* Who spoke how many. */
static void describe(const many *m, char *out, size_t size)
{
    const session *s = m->s;
    size_t used = 0;

    for (int i = 0; i < s->n_devices && s->n_devices > 1 && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%.60s (%zu)%s", i ? " + " : "",
                                 clvits_context_device(s->contexts[i]),
                                 clvits_queue_count(m->queue, (size_t)i),
                                 clvits_context_lost_count(s->contexts[i])
                                     ? ", then the CPU path in its place" : "");
}

int speak_many(session *s)
{
    many m = { .s = s, .lines = calloc(LINES, sizeof(line)) };
    int code = CODE_OK;

    if (!m.lines || clvits_queue_open(&m.queue, s->voices, (size_t)s->n_devices, s->set.batch)) {
        free(m.lines);
        return program_fail(CODE_FAILED, "out of memory");
    }
    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.finished, NULL);
    speech_clock_begin(&s->clock);
    code = add_lines(&m);
    clvits_queue_wait(m.queue);
    speech_clock_end(&s->clock);
    describe(&m, s->clock.who, sizeof(s->clock.who));
    clvits_queue_close(&m.queue);
    pthread_cond_destroy(&m.finished);
    pthread_mutex_destroy(&m.lock);
    free(m.lines);
    return m.code ? m.code : code;
}
