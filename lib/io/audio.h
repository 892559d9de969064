// SPDX-License-Identifier: MIT
#ifndef CLVITS_IO_AUDIO_H
#define CLVITS_IO_AUDIO_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/** A mono audio file that is being written. Used by one thread at a time. */
typedef struct clvits_audio_file clvits_audio_file;

/**
 * Begin an audio file, whose format the extension says: .wav and .flac (16 bits), .ogg (Vorbis)
 * and .opus, as far as libsndfile was built with them.
 *
 * What is written goes into a temporary file in the same folder. The file of the given name
 * appears, complete, with clvits_audio_file_finish(); one that is there already stays until then.
 *
 * @param[out] out   NULL on failure; end it with _finish() or _discard()
 * @param      rate  samples per second
 * @return CLVITS_OK, _E_ARGUMENT (unknown extension), _E_UNSUPPORTED (not in this libsndfile, or
 *         not at this rate), _E_FILE (cannot be written) or _E_MEMORY
 */
clvits_status clvits_audio_file_create(clvits_audio_file **out, const char *path, int rate,
                                       clvits_report *r);

/**
 * Append samples, 1 being full scale; what is beyond is clipped.
 *
 * @return CLVITS_OK or _E_FILE (the disk is full, for one); then discard the file
 */
clvits_status clvits_audio_file_write(clvits_audio_file *file, const float *samples, size_t count,
                                      clvits_report *r);

/**
 * Give the file another name, in the same folder, before it is finished. The format stays.
 *
 * @return CLVITS_OK, _E_FILE (what has that name is no regular file) or _E_MEMORY; on failure it
 *         keeps the old one
 */
clvits_status clvits_audio_file_rename(clvits_audio_file *file, const char *path, clvits_report *r);

/** The temporary file's path, valid until _finish() or _discard(). */
const char *clvits_audio_file_temporary(const clvits_audio_file *file);

/**
 * Complete the file under its name and set the handle to NULL.
 *
 * @return CLVITS_OK or _E_FILE; on failure nothing is left of the file
 */
clvits_status clvits_audio_file_finish(clvits_audio_file **file, clvits_report *r);

/** Remove what was written and set the handle to NULL; discarding NULL is allowed. */
void clvits_audio_file_discard(clvits_audio_file **file);

/**
 * Read a whole audio file, of any format that libsndfile knows, as mono at a rate of the caller's
 * choice: channels are averaged, and other rates converted.
 *
 * @param[out] samples  NULL on failure; release with free()
 * @param[out] n        how many there are, at least 1
 * @param      rate     samples per second that are wanted, 1000 to 1000000
 * @param      limit    most samples that are taken, at that rate; a file that says or has more is
 *                      refused before there is memory for it
 * @return CLVITS_OK, _E_ARGUMENT (the rate), _E_FILE (unreadable), _E_FORMAT (no audio, damaged,
 *         cut off, empty, at an impossible rate, or with samples that are no numbers),
 *         _E_UNSUPPORTED (longer than the limit), _E_MEMORY or _E_CANCELLED
 */
clvits_status clvits_audio_read(float **samples, int64_t *n, const char *path, int rate,
                                int64_t limit, clvits_report *r);

#endif
