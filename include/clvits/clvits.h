// SPDX-License-Identifier: MIT
#ifndef CLVITS_CLVITS_H
#define CLVITS_CLVITS_H

/**
 * clvits: VITS text-to-speech on any OpenCL device, with the CPU behind it.
 *
 * A whole program; it prints how much was said:
 *
 *     #include <clvits/clvits.h>
 *     #include <stdio.h>
 *     #include <string.h>
 *
 *     static int heard(void *user, const clvits_chunk *chunk)
 *     {
 *         *(double *)user += (double)chunk->n_samples / chunk->sample_rate;
 *         return 0;
 *     }
 *
 *     int main(void)
 *     {
 *         const char *text = "Hello, world!";
 *         clvits_context *context = NULL;
 *         clvits_voice *voice = NULL;
 *         clvits_speak_params params;
 *         double seconds = 0;
 *
 *         if (clvits_context_open(&context, NULL) || clvits_voice_open(&voice, context, NULL))
 *             return 1;
 *         clvits_speak_params_default(voice, &params);
 *         params.audio = heard;
 *         params.user = &seconds;
 *         clvits_status status = clvits_speak(voice, text, strlen(text), &params);
 *         printf("%s: %.2f s\n", clvits_status_text(status), seconds);
 *         clvits_voice_close(&voice);
 *         clvits_context_close(&context);
 *         return status != CLVITS_OK;
 *     }
 */
#include <clvits/align.h>
#include <clvits/audio.h>
#include <clvits/check.h>
#include <clvits/convert.h>
#include <clvits/device.h>
#include <clvits/plot.h>
#include <clvits/queue.h>
#include <clvits/revoice.h>
#include <clvits/status.h>
#include <clvits/trace.h>
#include <clvits/voice.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The library's version, as in "0.1.0". */
CLVITS_API const char *clvits_version(void);

/** The hexadecimal hash of the built-in OpenCL sources, for reports: same hash, same kernels. */
CLVITS_API const char *clvits_kernels(void);

#ifdef __cplusplus
}
#endif
#endif
