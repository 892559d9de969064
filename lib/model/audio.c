// SPDX-License-Identifier: MIT
#include "io/audio.h"
#include "model/context.h"

#include <clvits/audio.h>

#include <stdint.h>
#include <stdlib.h>

struct clvits_recording {
    clvits_context *context;
    clvits_audio_file *file;
};

clvits_status clvits_recording_open(clvits_recording **out, clvits_context *context,
                                    const char *path, int rate)
{
    clvits_report r = clvits_context_report(context);
    clvits_recording *recording = calloc(1, sizeof(*recording));

    *out = NULL;
    if (!recording) {
        clvits_fail_memory(&r, "an audio file");
    } else if (!clvits_audio_file_create(&recording->file, path, rate, &r)) {
        recording->context = context;
        *out = recording;
        return CLVITS_OK;
    }
    free(recording);
    return clvits_context_keep(context, &r);
}

clvits_status clvits_recording_write(clvits_recording *recording, const float *samples, size_t n)
{
    clvits_report r = clvits_context_report(recording->context);

    clvits_audio_file_write(recording->file, samples, n, &r);
    return clvits_context_keep(recording->context, &r);
}

clvits_status clvits_recording_rename(clvits_recording *recording, const char *path)
{
    clvits_report r = clvits_context_report(recording->context);

    clvits_audio_file_rename(recording->file, path, &r);
    return clvits_context_keep(recording->context, &r);
}

const char *clvits_recording_temporary(const clvits_recording *recording)
{
    return clvits_audio_file_temporary(recording->file);
}

clvits_status clvits_recording_finish(clvits_recording **recording)
{
    clvits_context *context = (*recording)->context;
    clvits_report r = clvits_context_report(context);

    clvits_audio_file_finish(&(*recording)->file, &r);
    clvits_recording_discard(recording);
    return clvits_context_keep(context, &r);
}

void clvits_recording_discard(clvits_recording **recording)
{
    if (*recording)
        clvits_audio_file_discard(&(*recording)->file);
    free(*recording);
    *recording = NULL;
}

clvits_status clvits_samples_read(float **out, size_t *n, clvits_context *context, const char *path,
                                  int rate, size_t limit)
{
    clvits_report r = clvits_context_report(context);
    int64_t count = 0;

    clvits_audio_read(out, &count, path, rate, limit < INT64_MAX ? (int64_t)limit : INT64_MAX, &r);
    *n = (size_t)count;
    return clvits_context_keep(context, &r);
}

void clvits_samples_free(float **samples)
{
    free(*samples);
    *samples = NULL;
}
