// SPDX-License-Identifier: MIT
#ifndef CLVITS_STATUS_H
#define CLVITS_STATUS_H

/** Marks what the shared library exports; everything else is hidden. */
#if defined(__GNUC__)
#define CLVITS_API __attribute__((visibility("default")))
#else
#define CLVITS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** What a call came to. A code says what the caller can do; the message says what happened. */
typedef enum clvits_status {
    CLVITS_OK = 0,
    CLVITS_E_ARGUMENT,    /* the call's own arguments: unknown speaker, id out of range, no text */
    CLVITS_E_SHAPE,       /* tensors that do not fit each other */
    CLVITS_E_MEMORY,      /* host or device memory ran out */
    CLVITS_E_FILE,        /* a file could not be opened, read or written */
    CLVITS_E_FORMAT,      /* a file was read and is not what it should be */
    CLVITS_E_DEVICE,      /* there is no device, or the driver reported an error */
    CLVITS_E_UNSUPPORTED, /* well-formed, but more than this build can do */
    CLVITS_E_CANCELLED    /* stopped by clvits_cancel_raise or by the audio callback */
} clvits_status;

/** A short English name of a status, such as "bad file format"; never NULL, never freed. */
CLVITS_API const char *clvits_status_text(clvits_status status);

/** How much a log message matters. */
typedef enum clvits_log_level {
    CLVITS_LOG_ERROR = 0, /* the call that is running fails */
    CLVITS_LOG_WARNING,   /* the call goes on, differently from what was asked */
    CLVITS_LOG_INFO       /* what was chosen, built or cached */
} clvits_log_level;

/**
 * Receives one message, without a newline at its end.
 *
 * Called from any thread that uses the context, which may hold locks: it must not call the library.
 * The text is valid during the call only.
 */
typedef void (*clvits_log_fn)(void *user, clvits_log_level level, const char *text);

#ifdef __cplusplus
}
#endif
#endif
