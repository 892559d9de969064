// SPDX-License-Identifier: MIT
//
// clvits-peer VOICE DEVICE THREADS: speaks on command, so that another runtime can take turns.
//
// Standard input holds one command per line, each answered by one line on standard output:
//   ids N N ...  the symbols of the turns that follow: "ok"
//   batch N      speak them as often at once, once until it is said: "ok"
//   go           speak them without noise: seconds, samples, then the frames of each symbol; of a
//                batch, whose items must be alike, those of the first
//   save PATH    the samples of the last turn, as raw float32: "ok"
// The first line, before any command, is the name of the device. What goes wrong is said on
// standard error and ends the program.
#include <clvits/clvits.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_IDS = 16384, MAX_BATCH = 64 };

typedef struct peer {
    clvits_context *context;
    clvits_voice *voice;
    int32_t ids[MAX_IDS], frames[MAX_IDS];
    size_t n_ids, n_frames;
    float *samples;
    size_t n_samples, capacity;
    size_t batch, heard[MAX_BATCH]; /* samples of each item */
} peer;

static void print_log(void *user, clvits_log_level level, const char *text)
{
    (void)user;
    if (level <= CLVITS_LOG_WARNING)
        fprintf(stderr, "clvits-peer: %s\n", text);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int heard(void *user, const clvits_chunk *c)
{
    peer *p = user;

    p->heard[c->utterance] += c->n_samples;
    if (c->utterance > 0)
        return 0;
    if (c->is_first) {
        p->n_frames = c->n_durations;
        memcpy(p->frames, c->durations, c->n_durations * sizeof(*p->frames));
    }
    if (p->n_samples + c->n_samples > p->capacity) {
        const size_t capacity = 2 * (p->n_samples + c->n_samples);
        float *more = realloc(p->samples, capacity * sizeof(*more));
        if (!more)
            return 1;
        p->samples = more;
        p->capacity = capacity;
    }
    memcpy(p->samples + p->n_samples, c->samples, c->n_samples * sizeof(*p->samples));
    p->n_samples += c->n_samples;
    return 0;
}

static int set_ids(peer *p, const char *at)
{
    p->n_ids = 0;
    for (;;) {
        char *end;
        const long id = strtol(at, &end, 10);
        if (end == at)
            break;
        if (p->n_ids == MAX_IDS || id < 0 || id > INT32_MAX) {
            fprintf(stderr, "clvits-peer: an id is negative, or there are more than %d\n", MAX_IDS);
            return 1;
        }
        p->ids[p->n_ids++] = (int32_t)id;
        at = end;
    }
    puts("ok");
    return 0;
}

static int set_batch(peer *p, const char *at)
{
    const long n = strtol(at, NULL, 10);

    if (n < 1 || n > MAX_BATCH) {
        fprintf(stderr, "clvits-peer: a batch has 1 to %d items\n", MAX_BATCH);
        return 1;
    }
    p->batch = (size_t)n;
    puts("ok");
    return 0;
}

static clvits_status speak(peer *p, const clvits_speak_params *params)
{
    clvits_utterance items[MAX_BATCH];

    if (p->batch == 1)
        return clvits_speak_ids(p->voice, p->ids, p->n_ids, params);
    for (size_t i = 0; i < p->batch; i++)
        items[i] = (clvits_utterance){ .ids = p->ids, .n = p->n_ids, .params = *params };
    return clvits_speak_batch(p->voice, items, p->batch);
}

static int go(peer *p)
{
    clvits_speak_params params;

    clvits_speak_params_default(p->voice, &params);
    params.noise_scale = params.noise_w = 0.0f;
    params.length_scale = 1.0f;
    params.audio = heard;
    params.user = p;
    p->n_samples = p->n_frames = 0;
    memset(p->heard, 0, sizeof(p->heard));
    const double start = now();
    const clvits_status s = speak(p, &params);
    const double seconds = now() - start;
    if (s) {
        fprintf(stderr, "clvits-peer: %s\n", clvits_context_error(p->context));
        return 1;
    }
    for (size_t i = 1; i < p->batch; i++) {
        if (p->heard[i] != p->heard[0]) {
            fprintf(stderr, "clvits-peer: item %zu of the batch has %zu samples, not %zu\n", i + 1,
                    p->heard[i], p->heard[0]);
            return 1;
        }
    }
    printf("%.9f %zu", seconds, p->n_samples);
    for (size_t i = 0; i < p->n_frames; i++)
        printf(" %d", (int)p->frames[i]);
    putchar('\n');
    return 0;
}

static int save(const peer *p, const char *path)
{
    FILE *f = fopen(path, "wbe");
    const size_t n = f ? fwrite(p->samples, sizeof(*p->samples), p->n_samples, f) : 0;

    if (!f || fclose(f) || n != p->n_samples) {
        fprintf(stderr, "clvits-peer: %s cannot be written: %s\n", path, strerror(errno));
        return 1;
    }
    puts("ok");
    return 0;
}

static int obey(peer *p, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (!strncmp(line, "ids ", 4))
        return set_ids(p, line + 4);
    if (!strncmp(line, "batch ", 6))
        return set_batch(p, line + 6);
    if (!strcmp(line, "go"))
        return go(p);
    if (!strncmp(line, "save ", 5))
        return save(p, line + 5);
    fprintf(stderr, "clvits-peer: no command: %.40s\n", line);
    return 1;
}

int main(int argc, char **argv)
{
    static peer p = { .batch = 1 };
    char *line = NULL;
    size_t capacity = 0;

    if (argc != 4) {
        fputs("usage: clvits-peer VOICE DEVICE THREADS\n", stderr);
        return 2;
    }
    const clvits_context_params params = {
        .device = argv[2], .threads = atoi(argv[3]), .log = print_log,
    };
    int code = clvits_context_open(&p.context, &params) != CLVITS_OK;
    if (!code && clvits_voice_open(&p.voice, p.context, argv[1])) {
        fprintf(stderr, "clvits-peer: %s\n", clvits_context_error(p.context));
        code = 1;
    }
    if (!code) {
        puts(clvits_context_device(p.context));
        fflush(stdout);
    }
    while (!code && getline(&line, &capacity, stdin) > 0) {
        code = obey(&p, line);
        fflush(stdout);
    }
    free(line);
    free(p.samples);
    clvits_voice_close(&p.voice);
    clvits_context_close(&p.context);
    return code;
}
