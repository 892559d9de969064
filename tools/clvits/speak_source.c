// SPDX-License-Identifier: MIT
#include "speak.h"

#include <cJSON.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LINE = 1 << 24 }; /* bytes, its end included */

static int read_ids(speech_source *s)
{
    const char *at = s->ids;
    size_t n = 0, capacity = 0;

    for (;;) {
        at += strspn(at, " ,\t\n\r");
        if (!*at)
            break;
        char *end;
        const long id = strtol(at, &end, 10);
        if (end == at || id < 0 || id > INT32_MAX)
            return program_fail(CODE_USAGE, "--ids: \"%.20s\" is no id; give whole numbers from 0, "
                                            "as in --ids \"1 2 3\"", at);
        if (n == capacity) {
            capacity = 2 * capacity + 64;
            int32_t *more = realloc(s->numbers, capacity * sizeof(*more));
            if (!more)
                return program_fail(CODE_FAILED, "out of memory for the ids");
            s->numbers = more;
        }
        s->numbers[n++] = (int32_t)id;
        at = end;
    }
    s->total = (long long)n;
    return n ? CODE_OK : program_fail(CODE_USAGE, "--ids holds no id; give at least one");
}

static const char *source_name(const speech_source *s)
{
    return s->path ? s->path : "standard input";
}

void speech_source_where(const speech_source *s, const utterance *u, char *out, size_t size)
{
    *out = '\0';
    if (u->line)
        snprintf(out, size, "%.4000s, line %d: ", source_name(s), u->line);
}

int speech_source_open(speech_source *s)
{
    struct stat st;

    s->total = -1;
    if (s->ids)
        return read_ids(s);
    if (s->text)
        return CODE_OK;
    s->f = s->path ? fopen(s->path, "re") : stdin;
    if (!s->f)
        return program_fail(CODE_INPUT, "%s cannot be opened: %s (-f reads text, -o writes speech)",
                            s->path, strerror(errno));
    if (!fstat(fileno(s->f), &st) && S_ISREG(st.st_mode))
        s->total = st.st_size;
    return CODE_OK;
}

void speech_source_close(speech_source *s)
{
    if (s->f && s->f != stdin)
        fclose(s->f);
    s->f = NULL;
    free(s->buffer);
    s->buffer = NULL;
    free(s->numbers);
    s->numbers = NULL;
    cJSON_Delete(s->object);
    s->object = NULL;
}

/* How many bytes follow the first one of a character; -1: it cannot be a first one. */
static int bytes_after(unsigned first)
{
    if (first < 0x80)
        return 0;
    if (first < 0xc2 || first > 0xf4)
        return -1;
    return first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
}

bool speech_is_utf8(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;

    for (size_t i = 0; i < n;) {
        const unsigned c = p[i++];
        const int more = bytes_after(c);
        unsigned code = more <= 0 ? c : c & (0x3fu >> more);
        if (c == 0 || more < 0 || (size_t)more > n - i)
            return false;
        for (int k = 0; k < more; k++, i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (p[i] & 0x3fu);
        }
        if ((more == 2 && code < 0x800) || (more == 3 && (code < 0x10000 || code > 0x10ffff)) ||
            (code >= 0xd800 && code < 0xe000))
            return false;
    }
    return true;
}

/* As getline(), but what has no end is given up when it is longer than any line; half a line before
 * a failure is none. */
static ssize_t get_line(speech_source *s)
{
    size_t n = 0;

    for (int c = 0; c != '\n' && n <= MOST_LINE;) {
        if (n + 1 >= s->capacity) {
            const size_t capacity = 2 * s->capacity + 4096;
            char *more = realloc(s->buffer, capacity);
            if (!more) {
                errno = ENOMEM;
                return -1;
            }
            s->buffer = more;
            s->capacity = capacity;
        }
        c = getc_unlocked(s->f);
        if (c == EOF)
            break;
        s->buffer[n++] = (char)c;
    }
    if (!n || ferror(s->f))
        return -1;
    s->buffer[n] = '\0';
    return (ssize_t)n;
}

/* A line without its end, in u; *more is false at the end of the file. */
static int read_line(speech_source *s, utterance *u, bool *more)
{
    static const char mark[] = "\xef\xbb\xbf"; /* some editors begin UTF-8 files with it */

    errno = 0;
    ssize_t n = get_line(s);
    if (n < 0) {
        const int error = errno;
        *more = false;
        /* Ctrl-C ends whoever writes to a pipe as well, and half a text is not to be spoken. */
        if (program_signal_sent() || feof(s->f))
            return CODE_OK;
        errno = error;
        if (errno == ENOMEM)
            return program_fail(CODE_FAILED, "out of memory for line %d of %s", s->line + 1,
                                source_name(s));
        return program_fail(CODE_INPUT, "%s cannot be read: %s", source_name(s), strerror(errno));
    }
    s->bytes += n;
    s->line++;
    if (n > MOST_LINE)
        return program_fail(CODE_INPUT, "%s, line %d: the line is longer than any text that is "
                                        "spoken at once: %d MiB at most",
                            source_name(s), s->line, MOST_LINE >> 20);
    while (n > 0 && (s->buffer[n - 1] == '\n' || s->buffer[n - 1] == '\r'))
        n--;
    u->text = s->buffer;
    u->n = (size_t)n;
    if (s->line == 1 && n >= 3 && !memcmp(s->buffer, mark, 3)) {
        u->text += 3;
        u->n -= 3;
    }
    u->line = s->line;
    return CODE_OK;
}

static bool is_blank(const utterance *u)
{
    for (size_t i = 0; i < u->n; i++)
        if (!strchr(" \t\v\f\r", u->text[i]) || !u->text[i])
            return false;
    return true;
}

static int wrong_field(const speech_source *s, const char *key, const char *what)
{
    return program_fail(CODE_INPUT, "%s, line %d: \"%s\" is not %s", source_name(s), s->line, key,
                        what);
}

/* Piper's lines: text, and optionally speaker, speaker_id and output_file. */
static int read_object(speech_source *s, utterance *u)
{
    cJSON_Delete(s->object);
    s->object = cJSON_ParseWithLength(u->text, u->n);
    if (!cJSON_IsObject(s->object))
        return program_fail(CODE_INPUT, "%s, line %d: no JSON object; give one per line, as in "
                                        "{\"text\": \"Hello.\"}", source_name(s), s->line);
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(s->object, "text");
    const cJSON *speaker = cJSON_GetObjectItemCaseSensitive(s->object, "speaker");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(s->object, "speaker_id");
    const cJSON *output = cJSON_GetObjectItemCaseSensitive(s->object, "output_file");

    if (!cJSON_IsString(text))
        return wrong_field(s, "text", "there as text");
    u->text = text->valuestring;
    u->n = strlen(u->text);
    if (cJSON_IsNumber(speaker) && !id) {
        id = speaker;
        speaker = NULL;
    }
    if (speaker && !cJSON_IsNull(speaker) && !cJSON_IsString(speaker))
        return wrong_field(s, "speaker", "a speaker's name");
    if (id && !cJSON_IsNull(id)) {
        if (!cJSON_IsNumber(id) || !(id->valuedouble >= 0 && id->valuedouble <= INT_MAX) ||
            id->valuedouble != (double)(int)id->valuedouble)
            return wrong_field(s, "speaker_id", "a whole number");
        u->speaker_id = (int)id->valuedouble;
    }
    if (output && !cJSON_IsNull(output) && (!cJSON_IsString(output) || !*output->valuestring))
        return wrong_field(s, "output_file", "a file's name");
    u->speaker = cJSON_IsString(speaker) ? speaker->valuestring : NULL;
    u->output = cJSON_IsString(output) ? output->valuestring : NULL;
    return CODE_OK;
}

int speech_source_next(speech_source *s, utterance *u, bool *more)
{
    *u = (utterance){ .speaker_id = -1 };
    *more = !s->done;
    if (s->done)
        return CODE_OK;
    if (!s->f) {
        s->done = true;
        if (s->ids) {
            u->ids = s->numbers;
            u->n_ids = (size_t)s->total;
        } else {
            u->text = s->text;
            u->n = strlen(s->text);
        }
        return CODE_OK;
    }
    do {
        const int code = read_line(s, u, more);
        if (code || !*more)
            return code;
    } while (is_blank(u));
    return s->json ? read_object(s, u) : CODE_OK;
}
