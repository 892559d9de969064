// SPDX-License-Identifier: MIT
#include "base/status.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *clvits_status_text(clvits_status status)
{
    switch (status) {
    case CLVITS_OK:
        return "ok";
    case CLVITS_E_ARGUMENT:
        return "bad argument";
    case CLVITS_E_SHAPE:
        return "shapes do not fit";
    case CLVITS_E_MEMORY:
        return "out of memory";
    case CLVITS_E_FILE:
        return "file error";
    case CLVITS_E_FORMAT:
        return "bad file format";
    case CLVITS_E_DEVICE:
        return "device error";
    case CLVITS_E_UNSUPPORTED:
        return "not supported";
    case CLVITS_E_CANCELLED:
        return "cancelled";
    }
    return "unknown status";
}

/* Names out of files must not talk to the terminal: what is no UTF-8 and what controls one become
 * question marks. Lines may end. */
static void clean(char *text)
{
    const size_t n = strlen(text);
    size_t i = 0;

    while (i < n) {
        uint32_t c = 0;
        const int length = clvits_utf8_read(&c, text + i, n - i);
        const int controls = (c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0);
        if (!length || controls)
            memset(text + i, '?', length ? (size_t)length : 1);
        i += length ? (size_t)length : 1;
    }
}

clvits_status clvits_fail(clvits_report *r, clvits_status status, const char *format, ...)
{
    if (r && r->status == CLVITS_OK) {
        va_list args;
        va_start(args, format);
        vsnprintf(r->text, sizeof(r->text), format, args);
        va_end(args);
        clean(r->text);
        r->status = status;
    }
    return status;
}

clvits_status clvits_fail_memory(clvits_report *r, const char *what)
{
    return clvits_fail(r, CLVITS_E_MEMORY, "out of memory for %s; close other programs or use a "
                                           "smaller voice or shorter text", what);
}

bool clvits_stopped(clvits_report *r)
{
    const clvits_stop *s = r->stop;

    while (s && !s->wanted(s->user))
        s = s->next;
    if (s)
        clvits_fail(r, CLVITS_E_CANCELLED, "cancelled");
    return s;
}

void clvits_report_clear(clvits_report *r)
{
    r->status = CLVITS_OK;
    r->text[0] = '\0';
    r->device = NULL;
    r->weights = r->wanted = 0;
}

static void log_message(const clvits_report *r, clvits_log_level level, const char *format,
                        va_list args)
{
    if (!r || !r->log)
        return;
    char text[sizeof(r->text)];
    vsnprintf(text, sizeof(text), format, args);
    clean(text);
    r->log(r->log_user, level, text);
}

void clvits_warn(const clvits_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_message(r, CLVITS_LOG_WARNING, format, args);
    va_end(args);
}

void clvits_info(const clvits_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_message(r, CLVITS_LOG_INFO, format, args);
    va_end(args);
}
