// SPDX-License-Identifier: MIT
#include "tune.h"
#include "words.h"

#include "base/file.h"
#include "model/context.h"
#include "model/settings.h"

#include <errno.h>
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
    "  -n, --dry-run      measure and print, and keep no rows\n"
    "  -l, --list         list the shapes and end\n"
    "  -t, --threads N    of the CPU path; one per processor by default\n"
    "  -k, --kernels KIND gpu or cpu: which kernels an OpenCL device runs; its own by default\n"
    "  -c, --cache DIR    the cache folder, as CLVITS_CACHE\n"
    "  -h, --help         this text\n"
    "      --version      the version\n"
    "The environment counts as for clvits.\n"
    "Exit codes: 0 fine; 1 a candidate computed something wrong; 2 usage; 3 it could not run, or\n"
    "a file could not be read or written; 130, 143 interrupted: the file has what was found until\n"
    "then; 141 nobody reads what it prints.\n";

const char program_name[] = "clvits-tune";

static volatile sig_atomic_t stopped; /* by that signal */

static void on_stop(int number)
{
    stopped = number;
}

/* Returns a code, or -1 when the help was printed. */
static int parse(tune_options *o, int argc, char **argv)
{
    const char *family = NULL;
    const option table[] = {
        { "device", 'd', OPTION_TEXT, &o->device, 0, 0 },
        { "model", 'm', OPTION_TEXT, &o->voice, 0, 0 },
        { "voices", 'v', OPTION_TEXT, &o->voices, 0, 0 },
        { "quick", 'q', OPTION_FLAG, &o->quick, 0, 0 },
        { "seconds", 's', OPTION_DOUBLE, &o->seconds, 0.1, 1e6 },
        { "filter", 'f', OPTION_TEXT, &o->filter, 0, 0 },
        { "output", 'o', OPTION_TEXT, &o->output, 0, 0 },
        { "dry-run", 'n', OPTION_FLAG, &o->dry, 0, 0 },
        { "list", 'l', OPTION_FLAG, &o->list, 0, 0 },
        { "threads", 't', OPTION_INT, &o->threads, 1, 1024 },
        { "kernels", 'k', OPTION_TEXT, &family, 0, 0 },
        { "cache", 'c', OPTION_TEXT, &o->cache_dir, 0, 0 },
    };
    int code = options_parse(table, LENGTH(table), "", help, &argc, argv);

    if (!code && argc)
        code = program_fail(CODE_USAGE, "\"%s\" is one argument too many", argv[0]);
    if (!code && o->device && strchr(o->device, ','))
        code = program_fail(CODE_USAGE, "--device %s: one device at a time is tuned", o->device);
    if (!code)
        code = tune_voices_check(o->voices);
    if (!code)
        code = words_family(&o->family, family);
    return code;
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
        printf("%-8s %-40s %5.1f %% of the work, %d value%s\n", s->shape[i].knobs->room,
               s->shape[i].text, 100.0 * s->shape[i].share, tune_candidates(&s->shape[i], &t->at),
               program_plural(tune_candidates(&s->shape[i], &t->at)));
}

static void state(const tuner *t, const tune_shapes *s, const clvits_tuned_device *names)
{
    double total = 0.0;

    for (int i = 0; i < s->n; i++)
        total += estimate(t, &s->shape[i]);
    if (t->o->seconds > 0.0 && total > t->o->seconds)
        total = t->o->seconds;
    const bool minutes = total >= 90.0;
    const int time = (int)lround(minutes ? total / 60.0 : fmax(total, 1.0));
    printf("%s, %s: %d shape%s, about %d %s%s\n", names->name, names->driver, s->n,
           program_plural(s->n), time, minutes ? "minute" : "second", program_plural(time));
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
    char before[BENCH_TIME], after[BENCH_TIME];
    const double times = result->before / result->after;

    bench_time_text(before, result->before);
    bench_time_text(after, result->after);
    *note = '\0';
    switch (result->outcome) {
    case TUNE_UNKNOWN:
        printf("not measured\n");
        break;
    case TUNE_UNSURE:
        printf("%12s, nothing gains enough to be sure\n", before);
        break;
    case TUNE_NO_GAIN:
        printf("%12s, the library's choice stays\n", before);
        break;
    case TUNE_FASTER:
        printf("%12s -> %s, %.2f times as fast: %s\n", before, after, times, values);
        snprintf(note, size, "%.2f times as fast, %s", times, after);
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
    program_fail(CODE_OUTPUT, "%s", error);
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
            printf("The time is over; shapes left out: %d.\n", s->n - i);
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
    clvits_context_params params = { .device = o->device,
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
    program_log log = { .quiet = again };
    clvits_tuning *library = NULL;
    tune_shapes shapes = { 0 };
    int code = program_open(&context, &params, &log);

    if (code)
        return code == CODE_USAGE ? code : 3;
    shared->opened = true;
    t.b.machine = context->machine;
    t.b.machine.trust = NULL; /* a wrong candidate is to be seen, not replaced */
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
    if (s)
        code = program_fail(3, "%s", r->text);
    else if (!shapes.n)
        code = program_fail(o->filter ? CODE_USAGE : 3, "no shape has \"%s\" in its name; --list "
                                                        "without --filter prints them",
                            o->filter ? o->filter : "");
    else if (!again)
        state(&t, &shapes, &names);
    if (!code && o->list)
        print_list(&t, &shapes);
    else if (!code && !sweep_all(&t, &shapes, &names))
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

/* Wait for it to end; false when it had to be ended, also because this process is to end. */
static bool watch(pid_t pid, const tune_shared *shared, double deadline, int *status)
{
    const struct timespec while_ = { .tv_nsec = 100000000 };

    for (;;) {
        const pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR))
            return true;
        if (stopped || is_stuck(shared, deadline)) {
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
            return program_fail(3, "no process can be started: %s", strerror(errno));
        if (!pid) {
            signal(SIGINT, SIG_IGN); /* the parent ends this process */
            signal(SIGTERM, SIG_IGN);
#ifdef __linux__
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would end it otherwise */
#endif
            const int code = work(o, shared, deadline, again);
            const int flushed = program_flush();
            /* Some drivers crash in what they do at exit. */
            _exit(code ? code : flushed ? 3 : 0);
        }
        const bool answered = watch(pid, shared, deadline, &status);
        if (stopped)
            return CODE_INTERRUPTED + stopped;
        if (answered && WIFEXITED(status))
            return WEXITSTATUS(status);
        if (answered && WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
            return 128 + SIGPIPE; /* nobody reads what it prints, as `head` does not */
        if (answered && WIFSIGNALED(status))
            snprintf(how, sizeof(how), "the process died of signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
        else
            snprintf(how, sizeof(how), "no answer; the process was ended");
        if (!shared->measuring)
            return program_fail(3, "%s%s", shared->opened ? "" : "opening the device: ", how);
        if (!answered && deadline > 0.0 && bench_now() > deadline) {
            printf("The time is over; what was tried then was ended.\n");
            return 0;
        }
        if (!lose(shared, how))
            return 3;
    }
}

/* The file to write to, in path where it is the library's own; NULL for none. Returns a code. */
static int choose_output(tune_options *o, char *path, size_t size)
{
    char cache[4096], error[512];
    const char *folder = clvits_settings_cache(cache, sizeof(cache), o->cache_dir);

    if (!o->output && folder) {
        snprintf(path, size, "%s/tuned.txt", folder);
        o->output = path;
    }
    if (o->dry || o->list)
        return CODE_OK;
    if (!o->output)
        return program_fail(CODE_USAGE, "there is no cache folder to write to; name a file with "
                                        "--output");
    if (o->output == path && !clvits_make_folder(folder))
        return program_fail(3, "%s cannot be made: %s", folder, strerror(errno));
    if (!tune_file_check(o->output, error, sizeof(error)))
        return program_fail(3, "%s", error);
    return CODE_OK;
}

static void print_end(const tune_options *o, const tune_shared *shared)
{
    if (stopped && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    printf("%s%d shape%s measured, ", stopped ? "The run was interrupted: " : "", shared->done,
           program_plural(shared->done));
    if (shared->rows)
        printf("%d row%s found and %s%s", shared->rows, program_plural(shared->rows),
               o->dry ? "kept nowhere (--dry-run)" : "written to ", o->dry ? "" : o->output);
    else
        printf("no row found");
    printf("; candidates: %d wrong, %d did not run.\n", shared->wrong, shared->failed);
}

int main(int argc, char **argv)
{
    tune_options o = { 0 };
    char output[4200];
    int code = parse(&o, argc - 1, argv + 1);

    if (!code)
        code = choose_output(&o, output, sizeof(output));
    if (code)
        return code > 0 ? code : program_flush() ? 3 : 0;
    tune_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return program_fail(3, "out of memory");
    signal(SIGINT, on_stop);
    signal(SIGTERM, on_stop);
    code = run(&o, shared);
    if (!o.list && (!code || stopped))
        print_end(&o, shared);
    const int flushed = program_flush();
    return code ? code : shared->wrong ? 1 : flushed ? 3 : 0;
}
