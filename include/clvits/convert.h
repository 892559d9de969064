// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_CONVERT_H
#define CLVITS_PUBLIC_CONVERT_H

#include <clvits/device.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Told how many bytes of all are written; not 0 ends the conversion. */
typedef int (*clvits_convert_fn)(void *user, int64_t done, int64_t total);

/** How to convert; all zero is the default. */
typedef struct clvits_convert_params {
    const char *config; /* the file with the voice's configuration, where it does not stand beside
                           the voice under its usual name; NULL: it does */
    /**
     * NULL or "safetensors": one file, which is a voice by itself. Its tensors are used where they
     * lie, which takes no time. "hf": a folder that transformers loads as VitsModel; not every
     * voice can be expressed so.
     */
    const char *format;
    /**
     * NULL or "fp32": the converted voice gives the same samples, bit for bit. "fp16": what
     * durations do not depend on is stored as halves, about two thirds of the size in all;
     * durations are the same, samples within 45 dB.
     */
    const char *precision;
    /** Also what only training uses, as the posterior encoder. Its weight normalisation is folded
     *  too; a gain of |w| and a direction of w unfold it. */
    int with_training;
    const char *discriminators; /* NULL, or a D_....pth or other checkpoint of a training run whose
                                   discriminators are added, folded likewise; not with "hf" */
    int replace;       /* what has the name already goes, unless the voice is read from it */
    clvits_convert_fn progress; /* on the calling thread; may be NULL */
    void *user;
} clvits_convert_params;

/** What a conversion came to. */
typedef struct clvits_converted {
    int64_t parameters, bytes; /* written */
    int at_output;             /* a failure: 1: to write what was read; 0: to read or express it */
} clvits_converted;

/**
 * Write a voice in another format. It is read whole first, and then appears under its name when it
 * is complete, or not at all, in which case nothing is left beside it either. Any number of threads
 * may convert at once, to different paths.
 *
 * @param[out] out      NULL, or receives what it came to
 * @param      context  for messages alone; no device is used
 * @param      voice    as for clvits_voice_open()
 * @param      path     of the new file or folder
 * @param      params   NULL for the defaults
 * @return CLVITS_OK, _E_FILE (the voice cannot be read; path cannot be written, is there already,
 *         or is the voice), _E_FORMAT (the voice is damaged), _E_UNSUPPORTED (it is no VITS voice,
 *         the format cannot express it, or it has no training side to write), _E_ARGUMENT,
 *         _E_CANCELLED (progress() ended it) or _E_MEMORY
 */
CLVITS_API clvits_status clvits_convert(clvits_converted *out, clvits_context *context,
                                        const char *voice, const char *path,
                                        const clvits_convert_params *params);

#ifdef __cplusplus
}
#endif
#endif
