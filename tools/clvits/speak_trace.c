// SPDX-License-Identifier: MIT
//
// Spans as a trace that Perfetto and chrome://tracing open: a process per place and one for the
// host, a lane per thread in those that threads compute on, one lane in a device. To Perfetto 0
// means the idle process and thread, and threads are told apart across processes.
#include "speak.h"

#include <string.h>

enum { HOST = 1, CPU_PATH = 2, LANES = 100 }; /* devices follow the CPU path */

int trace_file_open(trace_file *t, const char *path)
{
    *t = (trace_file){ .begun = (int64_t)(program_now() * 1e9) };
    const int code = text_file_open(&t->file, path);

    if (!code)
        fputs("{\"displayTimeUnit\": \"ms\", \"traceEvents\": [", t->file.f);
    return code;
}

static void put_name(trace_file *t, const char *what, int process, int thread, const char *name)
{
    fprintf(t->file.f, "%s\n{\"ph\": \"M\", \"name\": \"%s\", \"pid\": %d, \"tid\": %d, "
                       "\"args\": {\"name\": ", t->count++ ? "," : "", what, process,
            LANES * process + thread);
    program_json(t->file.f, name, strlen(name));
    fputs("}}", t->file.f);
}

/* A thread's number, counted from 1 as they appear; the last one for all beyond the table. */
static int thread_number(trace_file *t, uint64_t thread)
{
    int i = 0;

    while (i < t->n_threads && t->threads[i] != thread)
        i++;
    if (i == t->n_threads && i < TRACE_THREADS)
        t->threads[t->n_threads++] = thread;
    return (i < TRACE_THREADS ? i : TRACE_THREADS - 1) + 1;
}

/* Name a lane when something is put into it for the first time. */
static void name_lane(trace_file *t, const clvits_span *s, int process, int thread)
{
    char name[64];
    const uint64_t bit = UINT64_C(1) << thread;

    if (t->named[process] & bit)
        return;
    if (!t->named[process]) {
        put_name(t, "process_name", process, 0, process == HOST ? "host" : s->device);
        fprintf(t->file.f, ",\n{\"ph\": \"M\", \"name\": \"process_sort_index\", \"pid\": %d, "
                           "\"args\": {\"sort_index\": %d}}", process, process);
    }
    t->named[process] |= bit;
    if (thread)
        snprintf(name, sizeof(name), "thread %d", thread);
    put_name(t, "thread_name", process, thread, thread ? name : "queue");
}

static void put_text(FILE *f, const char *key, const char *text)
{
    if (!*text)
        return;
    fprintf(f, ", \"%s\": ", key);
    program_json(f, text, strlen(text));
}

void trace_file_add(trace_file *t, const clvits_span *s)
{
    static const char *const kinds[] = { [CLVITS_SPAN_HOST] = "host", [CLVITS_SPAN_NODE] = "node",
                                         [CLVITS_SPAN_COPY] = "copy" };
    const int process = CPU_PATH + s->place;
    const int thread = s->place > 0 ? 0 : thread_number(t, s->thread);
    char name[256];
    FILE *f = t->file.f;

    if (s->length < 0 || s->place >= TRACE_PLACES) /* not measured: nowhere in a lane */
        return;
    name_lane(t, s, process, thread);
    snprintf(name, sizeof(name), "%s%s%s", s->name, *s->label ? " " : "", s->label);
    fprintf(f, ",\n{\"ph\": \"X\", \"name\": ");
    program_json(f, name, strlen(name));
    fprintf(f, ", \"cat\": \"%s\", \"pid\": %d, \"tid\": %d, \"ts\": %.3f, \"dur\": %.3f, "
               "\"args\": {\"place\": %d", kinds[s->kind], process, LANES * process + thread,
            (double)(s->start - t->begun) * 1e-3, (double)s->length * 1e-3, s->place);
    put_text(f, "device", s->device);
    put_text(f, "stage", s->stage);
    put_text(f, "shape", s->shape);
    put_text(f, "kernel", s->kernel);
    put_text(f, "options", s->options);
    put_text(f, "tuned", s->tuned);
    if (s->node >= 0)
        fprintf(f, ", \"node\": %d, \"flops\": %.0f", s->node, s->flops);
    if (s->kind != CLVITS_SPAN_HOST)
        fprintf(f, ", \"bytes\": %.0f", s->bytes);
    fputs("}}", f);
}

int trace_file_finish(trace_file *t)
{
    if (!t->file.f)
        return CODE_OK;
    fprintf(t->file.f, "\n], \"otherData\": {\"program\": \"clvits %s\"}}\n", clvits_version());
    return text_file_finish(&t->file);
}

void trace_file_discard(trace_file *t)
{
    text_file_discard(&t->file);
}
