// SPDX-License-Identifier: MIT
#ifndef CLVITS_PUBLIC_AUDIO_H
#define CLVITS_PUBLIC_AUDIO_H

#include <clvits/device.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A mono audio file that is being written. Used by one thread at a time. */
typedef struct clvits_recording clvits_recording;

/**
 * Begin an audio file, whose format the extension says: .wav and .flac (16 bits), .ogg (Vorbis)
 * and .opus, as far as libsndfile was built with them.
 *
 * What is written goes into a temporary file in the same folder. The file of the given name
 * appears, complete, with clvits_recording_finish(); one that is there already stays until then.
 *
 * @param[out] out      NULL on failure; end it with clvits_recording_finish() or _discard()
 * @param      context  receives the messages; outlives the recording
 * @param      rate     samples per second
 * @return CLVITS_OK, _E_ARGUMENT (unknown extension), _E_UNSUPPORTED (not in this libsndfile, or
 *         not at this rate), _E_FILE (cannot be written) or _E_MEMORY
 */
CLVITS_API clvits_status clvits_recording_open(clvits_recording **out, clvits_context *context,
                                               const char *path, int rate);

/**
 * Append samples, 1 being full scale; what is beyond is clipped.
 *
 * @return CLVITS_OK or _E_FILE (the disk is full, for one); then discard the recording
 */
CLVITS_API clvits_status clvits_recording_write(clvits_recording *recording, const float *samples,
                                                size_t n);

/**
 * Give the file another name, in the same folder, before it is finished. The format stays.
 *
 * @return CLVITS_OK, _E_FILE (what has that name is not a regular file) or _E_MEMORY; on failure
 *         it keeps the name that it had
 */
CLVITS_API clvits_status clvits_recording_rename(clvits_recording *recording, const char *path);

/** The file that is being written meanwhile, for who wants it gone when the program ends at once;
 *  valid until clvits_recording_finish() or _discard(). */
CLVITS_API const char *clvits_recording_temporary(const clvits_recording *recording);

/**
 * Complete the file under its name and set the handle to NULL.
 *
 * @return CLVITS_OK or _E_FILE; on failure nothing is left of the file
 */
CLVITS_API clvits_status clvits_recording_finish(clvits_recording **recording);

/** Remove what was written and set the handle to NULL; discarding NULL is allowed. */
CLVITS_API void clvits_recording_discard(clvits_recording **recording);

/**
 * Read a whole audio file, of any format that libsndfile knows, as a voice wants to hear it: mono
 * (channels are averaged), at the given rate (others are converted).
 *
 * @param[out] out      NULL on failure; release with clvits_samples_free()
 * @param[out] n        how many there are, at least 1
 * @param      context  receives the message
 * @param      rate     samples per second that are wanted
 * @param      limit    most samples that are taken, at that rate; a longer file is refused before
 *                      there is memory for it
 * @return CLVITS_OK, _E_ARGUMENT (the rate), _E_FILE (unreadable), _E_FORMAT (no audio, damaged,
 *         empty, or with samples that are no numbers), _E_UNSUPPORTED (longer than the limit),
 *         _E_CANCELLED or _E_MEMORY
 */
CLVITS_API clvits_status clvits_samples_read(float **out, size_t *n, clvits_context *context,
                                             const char *path, int rate, size_t limit);

/** Release samples and set them to NULL; releasing NULL is allowed. */
CLVITS_API void clvits_samples_free(float **samples);

#ifdef __cplusplus
}
#endif
#endif
