// SPDX-License-Identifier: MIT
#include "io/audio.h"
#include "io/resample.h"

#include <sndfile.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE = 1 << 16,  /* numbers that are read at a time, of all channels */
    HEAD = 8,         /* bytes before what a chunk's length counts */
    OPEN_LENGTH = 0x7ffff000, /* and more: what programs say that do not know yet */
    LOSSY_PIECE = 8192,       /* samples by which lossy formats are off at their end, at most */
};

static const double loudest = 1e6; /* full scale is 1 */
static const double longest = 1e12; /* samples */

/* A file that is being read. */
typedef struct sound {
    SNDFILE *file;
    SF_INFO info;
    const char *path;
    float *samples;
    int64_t n, capacity;
    int64_t limit; /* samples, at the file's rate */
} sound;

/* WAV and AIFF say in the beginning how long the file is. Libraries take what is there. */
static clvits_status check_whole(int fd, const char *path, clvits_report *r)
{
    unsigned char head[HEAD];
    struct stat st;

    if (fstat(fd, &st))
        return clvits_fail(r, CLVITS_E_FILE, "%s cannot be read: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return clvits_fail(r, CLVITS_E_FILE, "%s is a folder; name a file in it", path);
    if (!S_ISREG(st.st_mode))
        return CLVITS_OK;
    if (st.st_size == 0)
        return clvits_fail(r, CLVITS_E_FORMAT, "%s is empty", path);
    if (pread(fd, head, sizeof(head), 0) != sizeof(head))
        return CLVITS_OK; /* too short for any format: said when it is opened */
    const bool little = !memcmp(head, "RIFF", 4);
    if (!little && memcmp(head, "RIFX", 4) && memcmp(head, "FORM", 4))
        return CLVITS_OK;
    uint32_t length = 0;
    for (int i = 0; i < 4; i++)
        length |= (uint32_t)head[4 + i] << (little ? 8 * i : 24 - 8 * i);
    if (length < OPEN_LENGTH && (int64_t)length > (int64_t)st.st_size)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "%s is cut off: it has %lld of %lld bytes; copy or download it again",
                           path, (long long)st.st_size, (long long)length + HEAD);
    return CLVITS_OK;
}

/* Whether libsndfile, by what it says, ran out of memory: it has no number for that. */
static bool no_memory(const char *why)
{
    return strstr(why, "malloc") != NULL;
}

static clvits_status open_sound(sound *s, int fd, clvits_report *r)
{
    s->file = sf_open_fd(fd, SFM_READ, &s->info, SF_FALSE);
    if (!s->file && no_memory(sf_strerror(NULL)))
        return clvits_fail_memory(r, "an audio file");
    if (!s->file)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "%s cannot be read as audio (%s); give a file such as .wav, .flac, .ogg "
                           "or .mp3", s->path, sf_strerror(NULL));
    return CLVITS_OK;
}

static clvits_status too_long(const sound *s, double seconds, int rate, int64_t limit,
                              clvits_report *r)
{
    return clvits_fail(r, CLVITS_E_UNSUPPORTED,
                       "%s is %s%.1f seconds long, and %.1f are the most that is taken; cut it "
                       "into pieces", s->path, seconds > 0.0 ? "" : "more than ",
                       seconds > 0.0 ? seconds : (double)limit / rate, (double)limit / rate);
}

/* Before there is memory for anything. */
static clvits_status check_header(sound *s, int rate, int64_t limit, clvits_report *r)
{
    const int from = s->info.samplerate;

    if (from < CLVITS_LEAST_RATE || from > CLVITS_MOST_RATE || s->info.channels < 1)
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "%s says that it has %d channel%s of %d samples per second; rates from "
                           "%d to %d are read", s->path, s->info.channels,
                           clvits_plural(s->info.channels), from, CLVITS_LEAST_RATE,
                           CLVITS_MOST_RATE);
    const double most = ceil((double)limit * from / rate);
    s->limit = most < longest ? (int64_t)most : (int64_t)longest;
    if (s->info.frames > s->limit && s->info.frames < SF_COUNT_MAX)
        return too_long(s, (double)s->info.frames / from, rate, limit, r);
    return CLVITS_OK;
}

static clvits_status reserve(sound *s, int64_t more, clvits_report *r)
{
    if (s->n + more <= s->capacity)
        return CLVITS_OK;
    s->capacity = 2 * s->capacity + more;
    float *p = realloc(s->samples, (size_t)s->capacity * sizeof(*p));
    if (!p)
        return clvits_fail_memory(r, "the samples of an audio file");
    s->samples = p;
    return CLVITS_OK;
}

/* The mean of the channels. */
static clvits_status add_piece(sound *s, const float *piece, int64_t n, clvits_report *r)
{
    const int channels = s->info.channels;
    const clvits_status status = reserve(s, n, r);

    for (int64_t i = 0; i < n && !status; i++) {
        double sum = 0.0;
        for (int c = 0; c < channels; c++)
            sum += (double)piece[i * channels + c];
        if (!(fabs(sum) <= loudest * channels))
            return clvits_fail(r, CLVITS_E_FORMAT,
                               "%s has samples that are no numbers, or beyond all measure, the "
                               "first one at %.3f seconds; write it again as 16-bit WAV or FLAC",
                               s->path, (double)s->n / s->info.samplerate);
        s->samples[s->n++] = (float)(sum / channels);
    }
    return status;
}

static clvits_status read_all(sound *s, int rate, int64_t limit, clvits_report *r)
{
    const int64_t frames = s->info.channels < PIECE ? PIECE / s->info.channels : 1;
    float *piece = calloc((size_t)frames * (size_t)s->info.channels, sizeof(*piece));
    clvits_status status = piece ? CLVITS_OK : clvits_fail_memory(r, "an audio file");
    int64_t n = 0;

    while (!status && (n = sf_readf_float(s->file, piece, frames)) > 0) {
        status = add_piece(s, piece, n, r);
        if (!status && s->n > s->limit)
            status = too_long(s, 0.0, rate, limit, r);
        if (!status && clvits_stopped(r))
            status = clvits_fail(r, CLVITS_E_CANCELLED, "stopped while %s was read", s->path);
    }
    free(piece);
    return status;
}

static clvits_status check_end(const sound *s, clvits_report *r)
{
    const int format = s->info.format & SF_FORMAT_TYPEMASK;
    const bool exact = format == SF_FORMAT_WAV || format == SF_FORMAT_AIFF ||
                       format == SF_FORMAT_FLAC;

    if (sf_error(s->file) && no_memory(sf_strerror(s->file)))
        return clvits_fail_memory(r, "an audio file");
    if (sf_error(s->file))
        return clvits_fail(r, CLVITS_E_FORMAT, "%s is damaged after %.3f seconds: %s", s->path,
                           (double)s->n / s->info.samplerate, sf_strerror(s->file));
    if (s->info.frames < SF_COUNT_MAX && s->n < s->info.frames - (exact ? 0 : LOSSY_PIECE))
        return clvits_fail(r, CLVITS_E_FORMAT,
                           "%s is cut off: it ends after %.3f of %.3f seconds; copy or download it "
                           "again", s->path, (double)s->n / s->info.samplerate,
                           (double)s->info.frames / s->info.samplerate);
    if (!s->n)
        return clvits_fail(r, CLVITS_E_FORMAT, "%s holds no sound", s->path);
    return CLVITS_OK;
}

static clvits_status convert(sound *s, float **samples, int64_t *n, int rate, int64_t limit,
                             clvits_report *r)
{
    if (s->info.samplerate == rate) {
        *samples = s->samples;
        *n = s->n;
        s->samples = NULL;
    } else {
        const clvits_status status =
            clvits_resample(samples, n, s->samples, s->n, s->info.samplerate, rate, r);
        if (status)
            return status;
    }
    *n = *n < limit ? *n : limit; /* a sample that rounding added */
    return CLVITS_OK;
}

clvits_status clvits_audio_read(float **samples, int64_t *n, const char *path, int rate,
                                int64_t limit, clvits_report *r)
{
    sound s = { .path = path };

    *samples = NULL;
    *n = 0;
    if (rate < CLVITS_LEAST_RATE || rate > CLVITS_MOST_RATE || limit < 1)
        return clvits_fail(r, CLVITS_E_ARGUMENT, "%lld samples at a rate of %d; rates of %d to %d "
                                                 "can be had", (long long)limit, rate,
                           CLVITS_LEAST_RATE, CLVITS_MOST_RATE);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return clvits_fail(r, CLVITS_E_FILE, "%s cannot be opened: %s", path, strerror(errno));

    clvits_status status = check_whole(fd, path, r);
    if (!status)
        status = open_sound(&s, fd, r);
    if (!status)
        status = check_header(&s, rate, limit, r);
    if (!status)
        status = read_all(&s, rate, limit, r);
    if (!status)
        status = check_end(&s, r);
    if (!status)
        status = convert(&s, samples, n, rate, limit, r);
    if (s.file)
        sf_close(s.file);
    close(fd);
    free(s.samples);
    return status;
}
