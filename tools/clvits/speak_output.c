// SPDX-License-Identifier: MIT
#include "speak.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 4096 };

int speech_output_begin(speech_output *o, clvits_context *context, const char *path, int rate)
{
    *o = (speech_output){ .open = true, .rate = rate };
    if (!path)
        return CODE_OK;
    const clvits_status s = clvits_recording_open(&o->recording, context, path, rate);
    if (!s)
        program_begin_file(clvits_recording_temporary(o->recording));
    return program_code(s, CODE_OUTPUT);
}

int speech_output_open(speech_output *o, clvits_context *context, const char *path,
                       const char *timings_path, timings_format format, int rate)
{
    const int code = speech_output_begin(o, context, path, rate);

    if (code)
        return program_fail(code, "%s", clvits_context_error(context));
    return timings_path ? timings_open(&o->timings, timings_path, format, rate, false) : CODE_OK;
}

static int write_bytes(const speech_output *o, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        const ssize_t done = write(STDOUT_FILENO, at, n);
        if (done >= 0) {
            at += done;
            n -= (size_t)done;
        } else if (errno == EPIPE && o->stream) {
            return CODE_OUTPUT; /* nobody is listening any more */
        } else if (errno != EINTR) {
            return program_fail_stdout();
        } else if (program_signal()) {
            return CODE_OK; /* whoever reads is stuck; the speaking ends by itself */
        }
    }
    return CODE_OK;
}

static void put(unsigned char *to, unsigned long value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> 8 * i & 0xff);
}

/* Of a file whose length nobody knows yet: the largest there is, as players of pipes expect. */
static int write_header(const speech_output *o)
{
    unsigned char h[44];

    memcpy(h, "RIFF....WAVEfmt ", 16);
    put(h + 4, 0xffffffff, 4);
    put(h + 16, 16, 4);
    put(h + 20, 1, 2); /* PCM */
    put(h + 22, 1, 2); /* channel */
    put(h + 24, (unsigned long)o->rate, 4);
    put(h + 28, 2 * (unsigned long)o->rate, 4);
    put(h + 32, 2, 2); /* bytes of a sample */
    put(h + 34, 16, 2);
    memcpy(h + 36, "data", 4);
    put(h + 40, 0xffffffff, 4);
    return write_bytes(o, h, sizeof(h));
}

static int write_raw(const speech_output *o, const float *samples, size_t n)
{
    unsigned char bytes[2 * PIECE];

    while (n > 0) {
        const size_t piece = n < PIECE ? n : PIECE;
        for (size_t i = 0; i < piece; i++) {
            const float x = samples[i] * 32767.0f;
            const long v = lrintf(x > 32767.0f ? 32767.0f : x < -32768.0f ? -32768.0f : x);
            bytes[2 * i] = (unsigned char)(v & 0xff);
            bytes[2 * i + 1] = (unsigned char)(v >> 8 & 0xff);
        }
        const int code = write_bytes(o, bytes, 2 * piece);
        if (code)
            return code;
        samples += piece;
        n -= piece;
    }
    return CODE_OK;
}

int speech_output_write(speech_output *o, clvits_context *context, const float *samples, size_t n)
{
    int code = speech_plot_write(&o->plot, samples, n);

    o->samples += (int64_t)n;
    if (code)
        return code;
    if (!o->recording) {
        if (o->header)
            code = write_header(o);
        o->header = false;
        return code ? code : write_raw(o, samples, n);
    }
    const clvits_status s = clvits_recording_write(o->recording, samples, n);
    return s ? program_fail(program_code(s, CODE_OUTPUT), "%s", clvits_context_error(context))
             : CODE_OK;
}

int speech_output_pause(speech_output *o, clvits_context *context, double seconds)
{
    const float zeros[PIECE] = { 0 };
    int code = CODE_OK;

    for (size_t left = (size_t)(seconds * o->rate + 0.5), n; left > 0 && !code; left -= n) {
        n = left < PIECE ? left : PIECE;
        code = speech_output_write(o, context, zeros, n);
    }
    return code;
}

int speech_output_rename(speech_output *o, clvits_context *context, const char *path,
                         const char *timings_path)
{
    const clvits_status s = clvits_recording_rename(o->recording, path);

    if (s)
        return program_fail(program_code(s, CODE_OUTPUT), "%s", clvits_context_error(context));
    return timings_path ? text_file_rename(&o->timings.file, timings_path) : CODE_OK;
}

int speech_output_finish(speech_output *o, clvits_context *context)
{
    clvits_status s = CLVITS_OK;
    int code = CODE_OK;

    if (o->recording) {
        program_end_file(clvits_recording_temporary(o->recording));
        s = clvits_recording_finish(&o->recording);
    }
    if (s)
        code = program_fail(program_code(s, CODE_OUTPUT), "%s", clvits_context_error(context));
    else
        code = timings_finish(&o->timings, o->samples);
    if (!code)
        code = speech_plot_finish(&o->plot, context, o->rate);
    speech_output_discard(o);
    return code;
}

void speech_output_discard(speech_output *o)
{
    if (o->recording)
        program_end_file(clvits_recording_temporary(o->recording));
    clvits_recording_discard(&o->recording);
    timings_discard(&o->timings);
    speech_plot_discard(&o->plot);
    o->open = false;
}
