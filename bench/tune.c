// SPDX-License-Identifier: MIT
#include "tune.h"

#include "model/context.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

/* Seconds that one candidate, or opening the device, may take; and after the end of the time. */
enum { PATIENCE = 300, GRACE = 5 };

static const char help[] =
    "usage: clvits-tune [OPTION...]\n"
    "Finds with which values of their knobs the kernels run fastest on a device, and writes rows\n"
    "that the library follows from then on. Candidates are compared before they are timed. What\n"
    "was found is in the file at once: end it any time, with Ctrl-C.\n"
    "  -d, --device D     as for `clvits speak`: cpu, a number of `clvits devices`, or a part of\n"
    "                     a name; the one that clvits would take by default\n"
    "  -m, --model VOICE  tune exactly the shapes of that voice\n"
    "  -v, --voices A,B   of generated voices: mini, base, mms, medium, low, x-low; all of them\n"
    "                     by default\n"
    "  -q, --quick        the few shapes that make up most of the work, and shorter races\n"
    "  -s, --seconds S    begin no candidate after that time, and end the one that runs then five\n"
    "                     seconds later; the shapes with the most work come first\n"
    "  -f, --filter TEXT  only shapes with this in their name, as --list prints it\n"
    "  -o, --output FILE  write there rather than to tuned.txt in the cache folder\n"
    "  -n, --dry-run      write nothing\n"
    "  -l, --list         list the shapes and end\n"
    "  -t, --threads N    of the CPU path; one per processor by default\n"
    "  -k, --kernels KIND gpu or cpu: which kernels an OpenCL device runs; its own by default\n"
    "  -c, --cache DIR    the cache folder, as CLVITS_CACHE\n"
    "  -h, --help         this text\n"
    "The environment's CLVITS_DEVICE, CLVITS_CPU and CLVITS_KERNELS count as for clvits.\n"
    "Exit codes: 0 fine; 1 a candidate computed something wrong; 2 usage; 3 it could not run, or\n"
    "the file could not be written.\n";

static const struct option options[] = {
    { "device", required_argument, NULL, 'd' },  { "model", required_argument, NULL, 'm' },
    { "voices", required_argument, NULL, 'v' },  { "quick", no_argument, NULL, 'q' },
    { "seconds", required_argument, NULL, 's' }, { "filter", required_argument, NULL, 'f' },
    { "output", required_argument, NULL, 'o' },  { "dry-run", no_argument, NULL, 'n' },
    { "list", no_argument, NULL, 'l' },          { "threads", required_argument, NULL, 't' },
    { "kernels", required_argument, NULL, 'k' }, { "cache", required_argument, NULL, 'c' },
    { "help", no_argument, NULL, 'h' },          { 0 },
};

static bool read_number(double *out, const char *text)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && *out > 0.0 && *out < 1e9;
}

static bool parse(tune_options *o, int argc, char **argv)
{
    double number;

    for (int c; (c = getopt_long(argc, argv, "d:m:v:qs:f:o:nlt:k:c:h", options, NULL)) != -1;)
        switch (c) {
        case 'd':
            o->device = optarg;
            break;
        case 'm':
            o->voice = optarg;
            break;
        case 'v':
            o->voices = optarg;
            break;
        case 'q':
            o->quick = true;
            break;
        case 's':
            if (!read_number(&o->seconds, optarg))
                return false;
            break;
        case 'f':
            o->filter = optarg;
            break;
        case 'o':
            o->output = optarg;
            break;
        case 'n':
            o->dry = true;
            break;
        case 'l':
            o->list = true;
            break;
        case 't':
            if (!read_number(&number, optarg) || number > 4096)
                return false;
            o->threads = (int)number;
            break;
        case 'k':
            if (strcmp(optarg, "gpu") && strcmp(optarg, "cpu"))
                return false;
            o->family = 1 + (strcmp(optarg, "gpu") ? CLVITS_FAMILY_CPU : CLVITS_FAMILY_GPU);
            break;
        case 'c':
            o->cache_dir = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            return false;
        }
    return optind == argc && !(o->device && strchr(o->device, ','));
}

/* About how long a shape takes; building kernels is most of it where there are any. */
static double estimate(const tuner *t, const tune_shape *s)
{
    return tune_candidates(s, &t->at) * (1.5 * t->seconds + (t->at.device ? 1.0 : 0.05)) +
           3.0 * t->seconds;
}

static void print_list(const tuner *t, const tune_shapes *s)
{
    for (int i = 0; i < s->n; i++)
        printf("%-8s %-40s %5.1f %% of the work, %d values\n", s->shape[i].knobs->room,
               s->shape[i].text, 100.0 * s->shape[i].share, tune_candidates(&s->shape[i], &t->at));
}

static void state(const tuner *t, const tune_shapes *s, const clvits_tuned_device *names)
{
    double total = 0.0;

    for (int i = 0; i < s->n; i++)
        total += estimate(t, &s->shape[i]);
    if (t->o->seconds > 0.0 && total > t->o->seconds)
        total = t->o->seconds;
    printf("%s, %s: %d shapes, about ", names->name, names->driver, s->n);
    if (total < 90.0)
        printf("%.0f seconds\n", total);
    else
        printf("%.0f minutes\n", total / 60.0);
    fflush(stdout);
}

static void show_progress(const tuner *t, const tune_shapes *s, int i, double begun, int first)
{
    double left = 0.0, known = 0.0;

    if (!isatty(STDERR_FILENO))
        return;
    for (int k = first; k < s->n; k++)
        *(k < i ? &known : &left) += estimate(t, &s->shape[k]);
    if (known > 0.0) /* as fast as it went so far */
        left *= (bench_now() - begun) / known;
    if (t->deadline > 0.0)
        left = fmax(fmin(left, t->deadline - bench_now()), 0.0);
    fprintf(stderr, "\r\033[K%d of %d, about %d min %02d s left: %s", i + 1, s->n,
            (int)left / 60, (int)left % 60, s->shape[i].text);
}

/* Say what came of a shape, and for a row in its note, which is empty for none. */
static void describe(const tune_result *result, const char *values, char *note, size_t size)
{
    const double before = 1e3 * result->before, after = 1e3 * result->after;

    *note = '\0';
    switch (result->outcome) {
    case TUNE_UNKNOWN:
        printf("not measured\n");
        break;
    case TUNE_UNSURE:
        printf("%9.3f ms, nothing gains enough to be sure\n", before);
        break;
    case TUNE_NO_GAIN:
        printf("%9.3f ms, the library's choice stays\n", before);
        break;
    case TUNE_FASTER:
        printf("%9.3f ms -> %.3f ms, %.2f times as fast: %s\n", before, after, before / after,
               values);
        snprintf(note, size, "%.2f times as fast, %.3f ms", before / after, after);
        break;
    case TUNE_RIGHT:
        printf("right: %s\n", values);
        snprintf(note, size, "right, which the library's choice was not");
        break;
    case TUNE_RUNS:
        printf("runs: %s\n", values);
        snprintf(note, size, "runs, which the library's choice did not");
        break;
    }
}

/* Put what was found into the file; false when it cannot be written. */
static bool settle(const tuner *t, const tune_shape *s, const tune_result *result,
                   const clvits_tuned_device *names)
{
    const clvits_row row = { .device = names->name, .driver = names->driver,
                             .room = s->knobs->room, .shape = s->terms,
                             .values = result->values };
    char values[CLVITS_MAX_ROW], note[128], error[512];

    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    clvits_terms_print(&result->values, values, sizeof(values));
    printf("%-8s %-40s ", s->knobs->room, s->text);
    describe(result, values, note, sizeof(note));
    fflush(stdout);
    if (t->o->dry || result->outcome == TUNE_UNKNOWN || result->outcome == TUNE_UNSURE)
        return true;
    if (tune_file_put(t->o->output, &row, *note ? note : NULL, error, sizeof(error)))
        return true;
    fprintf(stderr, "clvits-tune: %s\n", error);
    return false;
}

/* Every shape from the shared one on; false when it cannot go on. */
static bool sweep_all(tuner *t, const tune_shapes *s, const clvits_tuned_device *names)
{
    const double begun = bench_now();
    const int first = t->shared->shape;

    for (int i = first; i < s->n; i++) {
        t->shared->shape = i;
        if (tune_is_late(t)) {
            printf("The time is over; %d shapes were left out.\n", s->n - i);
            break;
        }
        show_progress(t, s, i, begun, first);
        const tune_result result = tune_sweep(t, &s->shape[i], i);
        t->shared->wrong += result.wrong;
        t->shared->failed += result.failed;
        t->shared->rows += result.outcome >= TUNE_FASTER;
        if (!settle(t, &s->shape[i], &result, names))
            return false;
        t->shared->done++;
    }
    return true;
}

static clvits_status open_reference(tuner *t)
{
    bench *b = &t->b;

    b->reference.n_places = 1;
    if (t->at.device) {
        b->reference.cpu = b->machine.cpu;
        b->reference.cpu.tuned = NULL; /* no row decides what is right */
        return CLVITS_OK;
    }
    return clvits_cpu_open(&b->reference.cpu,
                           strcmp(b->machine.cpu.table->isa, "baseline") ? "baseline" : NULL, 1,
                           &b->report);
}

/* What the process that measures does. Returns its exit code. */
static int work(const tune_options *o, tune_shared *shared, double deadline, bool again)
{
    const clvits_context_params params = { .device = o->device,
                                           .threads = o->threads,
                                           .cache_dir = o->cache_dir,
                                           .kernel_family = o->family };
    const bench_options none = { .seconds = 0.1 };
    tuner t = { .b.o = &none,
                .o = o,
                .shared = shared,
                .seconds = o->quick ? 0.06 : 0.2,
                .deadline = deadline };
    clvits_report *r = &t.b.report;
    clvits_context *context;
    clvits_tuning *library = NULL;
    tune_shapes shapes = { 0 };

    if (clvits_context_open(&context, &params)) {
        fprintf(stderr, "clvits-tune: the device cannot be opened; see `clvits devices`\n");
        return 3;
    }
    shared->opened = true;
    t.b.machine = context->machine;
    t.b.machine.n_places = t.b.machine.n_places > 2 ? 2 : t.b.machine.n_places;
    t.at = t.b.machine.n_places > 1
               ? (clvits_target){ .device = t.b.machine.device[1], .place = 1 }
               : (clvits_target){ .cpu = &t.b.machine.cpu };
    const clvits_tuned_device names = clvits_target_names(&t.at);
    clvits_status s = open_reference(&t);
    if (!s)
        s = clvits_tuning_open(&library, NULL, r);
    if (!s)
        s = clvits_machine_tune(&t.b.machine, library, r);
    if (!s) {
        t.tuned = t.at.cpu ? t.b.machine.cpu.tuned : clvits_device_tuned(t.b.machine.device[1]);
        s = tune_shapes_collect(&shapes, o, &t.at, r);
    }
    int code = s ? 3 : 0;
    if (s)
        fprintf(stderr, "clvits-tune: %s\n", r->text);
    if (!s && !again)
        state(&t, &shapes, &names);
    if (!s && o->list)
        print_list(&t, &shapes);
    else if (!s && !sweep_all(&t, &shapes, &names))
        code = 3;
    tune_shapes_free(&shapes);
    if (t.at.cpu)
        clvits_cpu_close(&t.b.reference.cpu);
    clvits_context_close(&context);
    clvits_tuning_close(&library);
    return code;
}

/* Whether it took too long over what it does, be it a candidate or opening the device. */
static bool is_stuck(const tune_shared *shared, double deadline)
{
    const double now = bench_now();

    return now - shared->since > PATIENCE || (deadline > 0.0 && now - deadline > GRACE);
}

/* Wait for it to end; false when it had to be ended. */
static bool watch(pid_t pid, const tune_shared *shared, double deadline, int *status)
{
    const struct timespec while_ = { .tv_nsec = 100000000 };

    for (;;) {
        const pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR))
            return true;
        if (is_stuck(shared, deadline)) {
            kill(pid, SIGKILL);
            waitpid(pid, status, 0);
            return false;
        }
        nanosleep(&while_, NULL);
    }
}

/* Note the candidate that ended its process, so that the next one leaves it out. */
static bool lose(tune_shared *s, const char *how)
{
    fprintf(stderr, "%s%s: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
            *s->values ? s->values : "the library's choice", how);
    if (s->n_lost == TUNE_MAX_LOST)
        return false;
    s->lost[s->n_lost].shape = s->shape;
    memcpy(s->lost[s->n_lost++].values, s->values, sizeof(s->values));
    s->failed++;
    s->measuring = false;
    return true;
}

static int run(const tune_options *o, tune_shared *shared)
{
    const double deadline = o->seconds > 0.0 ? bench_now() + o->seconds : 0.0;
    char how[128];

    for (bool again = false;; again = true) {
        int status = 0;
        fflush(NULL);
        shared->since = bench_now();
        shared->opened = false;
        const pid_t pid = fork();
        if (pid < 0)
            return 3;
        if (!pid) {
#ifdef __linux__
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would end it otherwise */
#endif
            const int code = work(o, shared, deadline, again);
            /* Some drivers crash in what they do at exit. */
            fflush(NULL);
            _exit(code);
        }
        const bool answered = watch(pid, shared, deadline, &status);
        if (answered && WIFEXITED(status))
            return WEXITSTATUS(status);
        if (answered && WIFSIGNALED(status))
            snprintf(how, sizeof(how), "the process died of signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
        else
            snprintf(how, sizeof(how), "no answer; the process was ended");
        if (!shared->measuring) {
            fprintf(stderr, "clvits-tune: %s%s\n",
                    shared->opened ? "" : "opening the device: ", how);
            return 3;
        }
        if (!answered && deadline > 0.0 && bench_now() > deadline) {
            printf("The time is over; what was tried then was ended.\n");
            return 0;
        }
        if (!lose(shared, how))
            return 3;
    }
}

int main(int argc, char **argv)
{
    tune_options o = { 0 };
    char cache[4096], output[4200], error[512];

    if (!parse(&o, argc, argv)) {
        fputs(help, stderr);
        return 2;
    }
    const char *folder = clvits_context_cache(cache, sizeof(cache), o.cache_dir);
    if (!o.output && folder) {
        snprintf(output, sizeof(output), "%s/tuned.txt", folder);
        o.output = output;
    }
    if (!o.output && !o.dry && !o.list) {
        fputs("clvits-tune: there is no cache folder to write to; name a file with --output\n",
              stderr);
        return 2;
    }
    if (!o.dry && !o.list && !tune_file_check(o.output, error, sizeof(error))) {
        fprintf(stderr, "clvits-tune: %s\n", error);
        return 3;
    }
    tune_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 3;
    const int code = run(&o, shared);
    if (!o.list && !code)
        printf("%d shapes measured, %d rows %s %s; %d candidates were wrong, %d did not run.\n",
               shared->done, shared->rows, o.dry ? "not written to" : "written to",
               o.output ? o.output : "a file", shared->wrong, shared->failed);
    return code ? code : shared->wrong ? 1 : 0;
}
