// SPDX-License-Identifier: MIT
#include "io/audio.h"

#include <sndfile.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct clvits_audio_file {
    SNDFILE *sound;
    int fd;
    int error; /* errno of the first write that failed, or 0 */
    bool shorts;
    char *path, *temporary;
};

static const struct audio_format {
    const char *extension;
    int major, subtype;
} formats[] = {
    { "wav", SF_FORMAT_WAV, SF_FORMAT_PCM_16 },
    { "flac", SF_FORMAT_FLAC, SF_FORMAT_PCM_16 },
    { "ogg", SF_FORMAT_OGG, SF_FORMAT_VORBIS },
    { "opus", SF_FORMAT_OGG, SF_FORMAT_OPUS },
};
enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

/* Larger pieces overflow the stack of the Vorbis encoder in some releases of libsndfile. */
enum { PIECE = 4096 };

/* Whether libsndfile lists a code among those that a query gives. */
static int is_listed(int count_query, int query, int code, int mask)
{
    int count = 0;

    sf_command(NULL, count_query, &count, sizeof(count));
    for (int i = 0; i < count; i++) {
        SF_FORMAT_INFO info = { .format = i };
        if (!sf_command(NULL, query, &info, sizeof(info)) && (info.format & mask) == code)
            return 1;
    }
    return 0;
}

static int is_built_in(const struct audio_format *f)
{
    return is_listed(SFC_GET_FORMAT_MAJOR_COUNT, SFC_GET_FORMAT_MAJOR, f->major,
                     SF_FORMAT_TYPEMASK) &&
           is_listed(SFC_GET_FORMAT_SUBTYPE_COUNT, SFC_GET_FORMAT_SUBTYPE, f->subtype,
                     SF_FORMAT_SUBMASK);
}

/* The extensions that can be written, as in ".wav, .flac". */
static void list_formats(char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (int i = 0; i < N_FORMATS; i++)
        if (is_built_in(&formats[i]) && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s.%s", used ? ", " : "",
                                     formats[i].extension);
}

static clvits_status choose_format(const struct audio_format **out, const char *path, int rate,
                                   clvits_report *r)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    const struct audio_format *f = NULL;
    char list[64];

    for (int i = 0; i < N_FORMATS && dot; i++)
        if (!strcasecmp(dot + 1, formats[i].extension))
            f = &formats[i];
    list_formats(list, sizeof(list));
    if (!f)
        return clvits_fail(r, CLVITS_E_ARGUMENT,
                           "%s: the extension says no audio format that is known; use one of %s",
                           path, list);
    if (!is_built_in(f))
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "%s: this libsndfile was built without .%s; use one of %s", path,
                           f->extension, list);
    if (f->subtype == SF_FORMAT_OPUS && rate != 8000 && rate != 12000 && rate != 16000 &&
        rate != 24000 && rate != 48000)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "%s: Opus takes 8000, 12000, 16000, 24000 or 48000 samples per second, "
                           "and this is %d; use .ogg, .flac or .wav",
                           path, rate);
    *out = f;
    return CLVITS_OK;
}

/* The file itself where the path is a link to one, so that the link is not replaced. */
static clvits_status resolve(clvits_audio_file *file, const char *path, clvits_report *r)
{
    struct stat st;

    if (!stat(path, &st)) {
        if (!S_ISREG(st.st_mode))
            return clvits_fail(r, CLVITS_E_FILE, "%s is there and is not a regular file", path);
        if (access(path, W_OK))
            return clvits_fail(r, CLVITS_E_FILE, "%s cannot be written: %s", path,
                               strerror(errno));
        file->path = realpath(path, NULL);
    } else if (!lstat(path, &st)) {
        return clvits_fail(r, CLVITS_E_FILE, "%s is a link to nothing; remove it, or give another "
                                             "name", path);
    } else {
        file->path = strdup(path);
    }
    return file->path ? CLVITS_OK : clvits_fail_memory(r, "a file name");
}

static clvits_status open_temporary(clvits_audio_file *file, clvits_report *r)
{
    const char *slash = strrchr(file->path, '/');
    const int folder = slash ? (int)(slash + 1 - file->path) : 0;
    const size_t size = strlen(file->path) + 48;

    file->temporary = malloc(size);
    if (!file->temporary)
        return clvits_fail_memory(r, "a file name");

    /* Not mkstemp(): that would leave the file readable by its owner alone. */
    for (int i = 0; i < 1000 && file->fd < 0; i++) {
        snprintf(file->temporary, size, "%.*s.clvits-%ld-%d.tmp", folder, file->path,
                 (long)getpid(), i);
        file->fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->fd < 0 && errno != EEXIST)
            break;
    }
    if (file->fd >= 0)
        return CLVITS_OK;

    const int error = errno;
    free(file->temporary);
    file->temporary = NULL; /* it is not ours to remove */
    return clvits_fail(r, CLVITS_E_FILE, "%s cannot be written: %s", file->path, strerror(error));
}

static sf_count_t io_length(void *user)
{
    const clvits_audio_file *file = user;
    struct stat st;
    return fstat(file->fd, &st) ? -1 : (sf_count_t)st.st_size;
}

static sf_count_t io_seek(sf_count_t offset, int whence, void *user)
{
    const clvits_audio_file *file = user;
    return lseek(file->fd, offset, whence);
}

static sf_count_t io_tell(void *user)
{
    const clvits_audio_file *file = user;
    return lseek(file->fd, 0, SEEK_CUR);
}

static sf_count_t io_read(void *to, sf_count_t count, void *user)
{
    const clvits_audio_file *file = user;
    return read(file->fd, to, (size_t)count);
}

/*
 * A failure is kept and success reported: libsndfile leaks its encoder's memory when a write
 * fails while it closes an Ogg file, and does not tell why a write failed.
 */
static sf_count_t io_write(const void *from, sf_count_t count, void *user)
{
    clvits_audio_file *file = user;
    const char *at = from;

    for (sf_count_t left = count; left > 0 && !file->error;) {
        const ssize_t n = write(file->fd, at, (size_t)left);
        if (n > 0) {
            at += n;
            left -= n;
        } else if (n == 0) {
            file->error = ENOSPC;
        } else if (errno != EINTR) {
            file->error = errno;
        }
    }
    return count;
}

static clvits_status write_failed(const clvits_audio_file *file, const char *why, clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_FILE, "%s cannot be written: %s", file->path, why);
}

static clvits_status open_sound(clvits_audio_file *file, const struct audio_format *f, int rate,
                                clvits_report *r)
{
    SF_VIRTUAL_IO io = { .get_filelen = io_length, .seek = io_seek, .tell = io_tell,
                         .read = io_read, .write = io_write };
    SF_INFO info = { .samplerate = rate, .channels = 1, .format = f->major | f->subtype };

    file->sound = sf_open_virtual(&io, SFM_WRITE, &info, file);
    if (file->error)
        return write_failed(file, strerror(file->error), r);
    if (!file->sound)
        return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                           "%s: libsndfile cannot write .%s at %d samples per second (%s); use "
                           ".wav or .flac",
                           file->path, f->extension, rate, sf_strerror(NULL));
    sf_command(file->sound, SFC_SET_CLIPPING, NULL, SF_TRUE);
    file->shorts = f->subtype == SF_FORMAT_PCM_16;
    return CLVITS_OK;
}

clvits_status clvits_audio_file_create(clvits_audio_file **out, const char *path, int rate,
                                       clvits_report *r)
{
    const struct audio_format *format = NULL;

    *out = NULL;
    clvits_status status = choose_format(&format, path, rate, r);
    if (status)
        return status;

    clvits_audio_file *file = calloc(1, sizeof(*file));
    if (!file)
        return clvits_fail_memory(r, "an audio file");
    file->fd = -1;
    status = resolve(file, path, r);
    if (!status)
        status = open_temporary(file, r);
    if (!status)
        status = open_sound(file, format, rate, r);
    if (status)
        clvits_audio_file_discard(&file);
    *out = file;
    return status;
}

/* libsndfile rounds downwards, and by another scale than speech that goes elsewhere. */
static sf_count_t write_shorts(SNDFILE *sound, const float *samples, size_t n)
{
    short rounded[PIECE];

    for (size_t i = 0; i < n; i++) {
        const float x = samples[i] * 32767.0f;
        rounded[i] = (short)lrintf(x > 32767.0f ? 32767.0f : x < -32768.0f ? -32768.0f : x);
    }
    return sf_writef_short(sound, rounded, (sf_count_t)n);
}

clvits_status clvits_audio_file_write(clvits_audio_file *file, const float *samples, size_t count,
                                      clvits_report *r)
{
    while (count > 0) {
        const size_t piece = count < PIECE ? count : PIECE;

        const sf_count_t written = file->shorts
                                       ? write_shorts(file->sound, samples, piece)
                                       : sf_writef_float(file->sound, samples, (sf_count_t)piece);
        if (file->error)
            return write_failed(file, strerror(file->error), r);
        if (written != (sf_count_t)piece)
            return write_failed(file, sf_strerror(file->sound), r);
        samples += piece;
        count -= piece;
    }
    return CLVITS_OK;
}

clvits_status clvits_audio_file_rename(clvits_audio_file *file, const char *path, clvits_report *r)
{
    char *before = file->path;

    file->path = NULL;
    const clvits_status status = resolve(file, path, r);
    if (status)
        file->path = before;
    else
        free(before);
    return status;
}

const char *clvits_audio_file_temporary(const clvits_audio_file *file)
{
    return file->temporary;
}

/* Everything that can still fail, the compressed formats' last pages among it. */
static clvits_status complete(clvits_audio_file *file, clvits_report *r)
{
    const int failed = sf_close(file->sound);
    struct stat st;

    file->sound = NULL;
    if (file->error)
        return write_failed(file, strerror(file->error), r);
    if (failed)
        return write_failed(file, sf_error_number(failed), r);

    if (!stat(file->path, &st)) /* as if it had been written in place, where there are modes */
        fchmod(file->fd, st.st_mode & 0777);
    const int closed = close(file->fd);
    file->fd = -1;
    if (closed || rename(file->temporary, file->path))
        return write_failed(file, strerror(errno), r);
    free(file->temporary);
    file->temporary = NULL;
    return CLVITS_OK;
}

clvits_status clvits_audio_file_finish(clvits_audio_file **file, clvits_report *r)
{
    const clvits_status status = complete(*file, r);
    clvits_audio_file_discard(file);
    return status;
}

void clvits_audio_file_discard(clvits_audio_file **file)
{
    clvits_audio_file *f = *file;

    *file = NULL;
    if (!f)
        return;
    if (f->sound)
        sf_close(f->sound);
    if (f->fd >= 0)
        close(f->fd);
    if (f->temporary)
        unlink(f->temporary);
    free(f->temporary);
    free(f->path);
    free(f);
}
