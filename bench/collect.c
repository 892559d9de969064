// SPDX-License-Identifier: MIT
//
// Starts a worker for each part of the run and gathers what they send.
#define _GNU_SOURCE /* strcasestr, nftw */

#include "voice.h"
#include "words.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAX_PLACES = 32,
    MAX_RESTARTS = 8,      /* of one part, after crashes */
    PATIENCE = 600,        /* seconds without a word from a worker */
    QUICK_TIME = 38,       /* seconds for a whole quick run, */
    QUICK_PATIENCE = 18,   /* and for a worker to end what it has begun by then */
};

#define FOREVER 1e9 /* seconds */
#define KEEP 2.0    /* seconds after which the file is brought up to date */

static const char too_long[] = "it took longer than a quick run may";

static volatile sig_atomic_t stopped; /* by that signal */

static void on_stop(int number)
{
    stopped = number;
}

typedef struct collector {
    const bench_options *o;
    bench_result *out;
    bench_place places[MAX_PLACES];
    int n_places;
    bench_place *place; /* under test; NULL while listing */
    cJSON *current;     /* the case that the worker has begun */
    cJSON *listed;
    double end; /* of a quick run; far away otherwise */
    double kept; /* when the file was written last */
    double patience; /* seconds left to wait for a quiet machine */
    int parts;  /* of a quick run, still to come */
    bool headed; /* the place's table was begun */
} collector;

static void add_record(collector *c, cJSON *record)
{
    const char *verdict = cJSON_GetStringValue(cJSON_GetObjectItem(record, "verdict"));
    const cJSON *noise = cJSON_GetObjectItem(record, "noise");
    const cJSON *waited = cJSON_GetObjectItem(noise, "waited");
    const bool noisy = cJSON_IsTrue(cJSON_GetObjectItem(record, "noisy"));

    if (c->place && !c->headed)
        bench_print_header(c->place->name);
    c->headed = c->place != NULL;
    bench_hide(record);
    cJSON_AddStringToObject(record, "device", c->place ? c->place->name : "OpenCL");
    c->out->wrong += !strcmp(verdict, "wrong");
    c->out->failed += !strcmp(verdict, "failed");
    c->out->skipped += !strcmp(verdict, "skipped");
    c->out->hurried += c->o->quick && !strcmp(verdict, "skipped") &&
                       (strstr(bench_text(record, "reason"), BENCH_HURRIED) ||
                        !strcmp(bench_text(record, "reason"), too_long));
    c->out->timed += noise != NULL;
    c->patience -= cJSON_IsNumber(waited) ? waited->valuedouble : 0.0;
    c->out->noisy += noisy;
    bench_print_record(record);
    cJSON_AddItemToArray(c->out->results, record);
    if (c->o->json.path && !c->out->lost && bench_now() - c->kept > KEEP) {
        c->out->lost = !bench_write_json(c->o, c->out);
        c->kept = bench_now();
    }
}

static void add_failure(collector *c, const char *verdict, const char *level, const char *name,
                        const char *reason)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "level", level);
    cJSON_AddStringToObject(o, "name", name);
    cJSON_AddStringToObject(o, "verdict", verdict);
    cJSON_AddStringToObject(o, "reason", reason);
    add_record(c, o);
}

/* A place that lacks the precision says so once, at the first level that was asked for: of those
 * that have one, then of the others. Nobody named the CPU path where it is one of several that are
 * measured by default: what it lacks is no failure. */
static void add_refusal(collector *c, const char *reason)
{
    static const char *const levels[] = { "stage", "speech", "operator", "machine" };
    const bool named = c->o->devices || !c->place->cpu || c->n_places == 1;
    int level = 0;

    if (c->place->refused)
        return;
    c->place->refused = true;
    while (level < LENGTH(levels) - 1 && !bench_wants_level(c->o, levels[level]))
        level++;
    add_failure(c, named ? "failed" : "skipped", levels[level], "precision", reason);
}

static void add_device(collector *c, cJSON *device)
{
    if (!c->place) {
        cJSON_AddItemToArray(c->listed, device);
        return;
    }
    cJSON_AddStringToObject(device, "name", c->place->name);
    const cJSON *d;
    cJSON_ArrayForEach(d, c->out->devices)
        if (!strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(d, "name")), c->place->name)) {
            cJSON_Delete(device);
            return;
        }
    cJSON_AddItemToArray(c->out->devices, device);
}

static void take_line(collector *c, const char *text)
{
    cJSON *line = cJSON_Parse(text);
    cJSON *item = line ? line->child : NULL;

    if (!item) {
        cJSON_Delete(line);
        return;
    }
    const char *kind = item->string;
    if (!strcmp(kind, "lost") && c->place) {
        c->place->lost = true;
        add_failure(c, "failed", "machine", "open", cJSON_GetStringValue(item));
    } else if (!strcmp(kind, "unlisted")) {
        add_failure(c, "failed", "machine", "devices", cJSON_GetStringValue(item));
    } else if (!strcmp(kind, "refused") && c->place) {
        add_refusal(c, cJSON_GetStringValue(item));
    } else if (!strcmp(kind, "begin")) {
        cJSON_Delete(c->current);
        c->current = cJSON_DetachItemViaPointer(line, item);
    } else if (!strcmp(kind, "record") && c->place) {
        add_record(c, cJSON_DetachItemViaPointer(line, item));
        cJSON_Delete(c->current);
        c->current = NULL;
    } else if (!strcmp(kind, "device")) {
        add_device(c, cJSON_DetachItemViaPointer(line, item));
    }
    cJSON_Delete(line);
}

/* Everything that the worker says until it ends; false when it stayed silent for too long, or
 * took longer than a quick run may. */
static bool listen(collector *c, int fd, double end)
{
    size_t used = 0, room = 1 << 16;
    char *text = malloc(room);
    bool alive = true;

    for (double until = fmin(end, bench_now() + PATIENCE);;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        const int ready = poll(&p, 1, 200); /* a signal may come just before this waits */
        alive = !stopped && bench_now() < (ready > 0 ? end : until);
        if (!alive || !text)
            break;
        if (ready <= 0)
            continue;
        until = fmin(end, bench_now() + PATIENCE);
        const ssize_t n = read(fd, text + used, room - used - 1);
        if (n <= 0)
            break;
        used += (size_t)n;
        text[used] = '\0';
        for (char *stop; (stop = strchr(text, '\n')) != NULL;) {
            *stop = '\0';
            take_line(c, text);
            used -= (size_t)(stop + 1 - text);
            memmove(text, stop + 1, used + 1);
        }
        if (used + 1 == room) {
            char *more = realloc(text, room *= 2);
            if (!more)
                free(text);
            text = more;
        }
    }
    free(text);
    return alive;
}

/* A worker's process, and where to read what it says; or says why there is none. */
static pid_t start_worker(collector *c, int fd[2])
{
    char reason[128];

    fflush(stdout);
    const bool piped = !pipe(fd);
    const pid_t pid = piped ? fork() : -1;
    if (pid >= 0)
        return pid;
    snprintf(reason, sizeof(reason), "no process could be started: %s", strerror(errno));
    add_failure(c, "failed", "machine", c->place ? "process" : "devices", reason);
    if (piped) {
        close(fd[0]);
        close(fd[1]);
    }
    return pid;
}

/* Say of the case that the worker had begun, if any, how the worker ended. */
static void add_end(collector *c, bool answered, int status)
{
    const bool quick = c->o->quick && c->place;
    char reason[128];

    if (!answered)
        snprintf(reason, sizeof(reason), quick ? too_long
                                               : "no answer; the process was ended");
    else if (WIFSIGNALED(status))
        snprintf(reason, sizeof(reason), "the process died of signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(reason, sizeof(reason), "the process ended with code %d", WEXITSTATUS(status));
    const char *verdict = !answered && quick ? "skipped" : "failed";
    if (c->current && c->place)
        add_failure(c, verdict, cJSON_GetStringValue(cJSON_GetObjectItem(c->current, "level")),
                    cJSON_GetStringValue(cJSON_GetObjectItem(c->current, "name")), reason);
    else
        add_failure(c, verdict, "machine", c->place ? "process" : "devices", reason);
}

static bool run_worker(collector *c, bench_task task, int v, int from, double seconds)
{
    int fd[2], status = 0;

    if (stopped)
        return false;
    const pid_t pid = start_worker(c, fd);
    if (pid < 0)
        return false;
    if (!pid) {
        bench b = { .o = c->o, .from = from, .deadline = bench_now() + seconds,
                    .patience = c->patience };
        signal(SIGINT, SIG_IGN); /* the parent ends this process */
        signal(SIGTERM, SIG_DFL);
        close(fd[0]);
        b.out = fdopen(fd[1], "w");
        if (b.out)
            bench_work(&b, task, c->place, v);
        /* Drivers' own clean-up at exit is not what is measured here, and some crash in it. */
        fflush(NULL);
        _exit(b.out ? 0 : 1);
    }
    close(fd[1]);
    double end = bench_now() + (c->o->quick ? seconds : FOREVER);
    if (c->o->quick || task == BENCH_LIST)
        end = fmin(end, c->end) + QUICK_PATIENCE;
    const bool answered = listen(c, fd[0], end);
    close(fd[0]);
    if (!answered)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (stopped || (answered && WIFEXITED(status) && !WEXITSTATUS(status)))
        return !stopped;
    add_end(c, answered, status);
    return false;
}

/* A part of the run; after a crash it goes on with the next case. */
static void run_part(collector *c, bench_task task, int v)
{
    double left = c->end - bench_now();
    const double share = c->o->quick ? left / (c->parts > 0 ? c->parts : 1) : FOREVER;
    const double until = bench_now() + share;
    int from = 0;

    c->parts--;
    for (int i = 0; i < MAX_RESTARTS && !stopped; i++) {
        left = until - bench_now();
        cJSON_Delete(c->current);
        c->current = NULL;
        if (run_worker(c, task, v, from, left > 0.0 ? left : 0.0) || !c->current)
            break;
        from = (int)cJSON_GetNumberValue(cJSON_GetObjectItem(c->current, "number"));
    }
    if (!stopped && c->current &&
        from == (int)cJSON_GetNumberValue(cJSON_GetObjectItem(c->current, "number")))
        add_failure(c, "failed", "machine", "process", "it died too often; the rest is left out");
    cJSON_Delete(c->current);
    c->current = NULL;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* First words of a voice with nothing cached, not even by the driver, and again. */
static void run_first(collector *c, int v)
{
    static const char *const variables[] = { "POCL_CACHE_DIR", "MESA_SHADER_CACHE_DIR",
                                             "CUDA_CACHE_PATH", "NEO_CACHE_DIR",
                                             "AMD_COMGR_CACHE_DIR" };
    bench_options own = *c->o, *const o = &own;
    const bench_options *const before = c->o;
    const char *const parent = getenv("TMPDIR");
    char dir[4096], name[BENCH_NAME], reason[128], *kept[LENGTH(variables)];

    snprintf(dir, sizeof(dir), "%s/clvits-bench-XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(dir)) {
        snprintf(reason, sizeof(reason), "there is no folder for empty caches: %s",
                 strerror(errno));
        snprintf(name, sizeof(name), "%s/first words", voice_name(v));
        add_failure(c, "failed", "speech", name, reason);
        return;
    }
    for (int i = 0; i < LENGTH(variables); i++) {
        const char *old = getenv(variables[i]);
        kept[i] = old ? strdup(old) : NULL;
        setenv(variables[i], dir, 1);
    }
    o->cache_dir = dir;
    c->o = o;
    run_part(c, BENCH_COLD, v);
    run_part(c, BENCH_WARM, v);
    c->o = before;
    for (int i = 0; i < LENGTH(variables); i++) {
        if (kept[i])
            setenv(variables[i], kept[i], 1);
        else
            unsetenv(variables[i]);
        free(kept[i]);
    }
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool contains(const char *text, const char *part)
{
    return text && strcasestr(text, part);
}

/* A device that is named twice is measured once. */
static void add_opencl(collector *c, int index)
{
    const cJSON *d = cJSON_GetArrayItem(c->listed, index);
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(d, "device"));
    bench_place *p = &c->places[c->n_places];

    for (int i = 0; i < c->n_places; i++)
        if (!c->places[i].cpu && c->places[i].index == index)
            return;
    if (c->n_places == MAX_PLACES)
        return;
    *p = (bench_place){ .index = index };
    snprintf(p->name, sizeof(p->name), "%.120s", name);
    for (int i = 0; i < c->n_places; i++)
        if (!strcmp(c->places[i].name, p->name))
            snprintf(p->name, sizeof(p->name), "%.120s #%d", name, index);
    c->n_places++;
}

static void add_cpu(collector *c, const char *isa)
{
    bench_place *p = &c->places[c->n_places];

    for (int i = 0; i < c->n_places; i++)
        if (c->places[i].cpu && !strcmp(c->places[i].isa, isa))
            return;
    if (c->n_places == MAX_PLACES)
        return;
    *p = (bench_place){ .cpu = true };
    snprintf(p->isa, sizeof(p->isa), "%s", isa);
    snprintf(p->name, sizeof(p->name), isa[0] ? "cpu:%s" : "cpu", isa);
    c->n_places++;
}

/* Returns CODE_USAGE, and says what there is. */
static int no_device(const collector *c, const char *name)
{
    const int n = cJSON_GetArraySize(c->listed);

    if (!n)
        return program_fail(CODE_USAGE, "--device \"%s\": there is no OpenCL device here; cpu is "
                                        "the CPU path", name);
    program_fail(CODE_USAGE, "--device \"%s\": no OpenCL device has this name or number; cpu is "
                             "the CPU path, and there are:", name);
    for (int i = 0; i < n; i++)
        fprintf(stderr, "  %d  %s\n", i,
                cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(c->listed, i),
                                                         "device")));
    return CODE_USAGE;
}

/* "cpu", "cpu:ISA", "opencl" for the list, a number of it, or a part of a device's or platform's
 * name. */
static int add_named(collector *c, const char *name)
{
    static const char *const isas[] = { "baseline", "avx2", "avx512", NULL };
    char *end;
    const long number = strtol(name, &end, 10);
    const int n = cJSON_GetArraySize(c->listed);

    if (!strcmp(name, "opencl") && n > 0) {
        for (int i = 0; i < n; i++)
            add_opencl(c, i);
        return CODE_OK;
    }
    if (!strncmp(name, "cpu", 3) && (!name[3] || name[3] == ':')) {
        add_cpu(c, name[3] ? name + 4 : "");
        return words_check("device cpu:", name[3] ? name + 4 : NULL, isas);
    }
    for (int i = 0; i < n && *name; i++) {
        const cJSON *d = cJSON_GetArrayItem(c->listed, i);
        if (*end ? contains(cJSON_GetStringValue(cJSON_GetObjectItem(d, "device")), name) ||
                       contains(cJSON_GetStringValue(cJSON_GetObjectItem(d, "platform")), name)
                 : number == i) {
            add_opencl(c, i);
            return CODE_OK;
        }
    }
    return no_device(c, name);
}

/* Whether any device but the CPU path may be meant. */
static bool wants_opencl(const bench_options *o)
{
    const char *at = o->devices;

    for (; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, "cpu", 3) || !strchr(":,", at[3]))
            return true;
    return !o->devices;
}

/* Returns a code. */
static int choose_places(collector *c)
{
    char *names = c->o->devices ? strdup(c->o->devices) : NULL, *next = names;
    int code = CODE_OK;

    if (!c->o->devices) {
        add_cpu(c, "");
        for (int i = 0; i < cJSON_GetArraySize(c->listed); i++)
            add_opencl(c, i);
    }
    for (const char *name; !code && (name = strsep(&next, ",")) != NULL;)
        code = add_named(c, name);
    free(names);
    return code;
}

/* Nothing can be promised about a machine never seen: a case's time, and some for building it. */
static void state_time(const collector *c)
{
    bench count = { .o = c->o };
    const char *const plural = c->n_places == 1 ? "" : "s";
    double total = 0.0;

    bench_operators(&count);
    for (int i = 0; i < c->n_places; i++) {
        total += 2.0 + count.number * (2.0 * c->o->seconds + (c->places[i].cpu ? 0.2 : 0.4));
        for (int v = 0; v < bench_voice_count(c->o); v++)
            total += bench_voice_time(c->o, v, c->places[i].cpu);
    }
    if (c->o->quick)
        printf("%d device%s, about %.0f s, a minute at most\n", c->n_places, plural,
               fmin(total, QUICK_TIME));
    else if (total < 90.0)
        printf("%d device%s, about %.0f s\n", c->n_places, plural, total);
    else
        printf("%d device%s, about %.0f minutes%s\n", c->n_places, plural, total / 60.0 + 0.5,
               c->patience > 0.0 ? ", and what it waits for a quiet machine" : "");
    fflush(stdout);
}

static void run_place(collector *c)
{
    c->headed = false;
    run_part(c, BENCH_OPERATORS, 0);
    const int voices = c->place->lost || c->place->refused ? 0 : bench_voice_count(c->o);
    for (int v = 0; v < voices; v++) {
        if (!c->place->lost && bench_voice_wanted(c->o, v, true))
            run_first(c, v);
        if (!c->place->lost && bench_voice_wanted(c->o, v, false))
            run_part(c, BENCH_VOICE, v);
    }
}

int bench_collect(const bench_options *o, bench_result *out)
{
    collector c = { .o = o, .out = out, .listed = cJSON_CreateArray() };

    signal(SIGINT, on_stop);
    signal(SIGTERM, on_stop);
    out->devices = cJSON_CreateArray();
    out->results = cJSON_CreateArray();
    c.end = bench_now() + QUICK_TIME;
    c.patience = o->patience;
    c.parts = 1;
    const bool listed = !wants_opencl(o) || (run_worker(&c, BENCH_LIST, 0, 0, 0.0) && !out->failed);
    int code = choose_places(&c);
    if (code && !listed) /* the name may be right */
        code = 3;
    if (code != CODE_USAGE) {
        c.parts = c.n_places * (1 + bench_voice_count(o));
        state_time(&c);
        for (int i = 0; i < c.n_places && !stopped; i++) {
            c.place = &c.places[i];
            run_place(&c);
        }
    }
    cJSON_Delete(c.listed);
    out->interrupted = stopped;
    out->complete = !stopped;
    return code;
}
